//! Tests as annotations of GitHub Actions: the failing line of a rehearsal file is marked in the
//! pull request. See "Workflow commands for GitHub Actions".

use super::{Tested, name, reasons};

/// A line for each case that does not hold, and a notice with the sum.
pub fn github(tested: &Tested<'_>) -> String {
    let mut text = String::new();
    for result in tested.failed() {
        let title = property(&format!("{}: {}", result.runbook, name(result)));
        let (file, line) = (property(&result.file), result.line);
        let message = data(&reasons(result).join("\n"));
        text.extend([
            format!("::error file={file},line={line},title={title}::"),
            message,
            "\n".to_owned(),
        ]);
    }
    let failed = tested.failed().count();
    let all = tested.results.len();
    text + &format!("::notice title=runbook test::{} of {all} cases passed\n", all - failed)
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
