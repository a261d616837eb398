//! Diagnostics as annotations of GitHub Actions: the line is marked in the pull request. See
//! "Workflow commands for GitHub Actions".

use super::{Diagnostic, DiagnosticSeverity};

/// A line for each diagnostic.
pub fn github(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(annotation).collect()
}

fn annotation(one: &Diagnostic) -> String {
    let level = match one.severity {
        DiagnosticSeverity::Error => "error",
        DiagnosticSeverity::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(file) = &one.file {
        properties.push(format!("file={}", property(&file.display().to_string())));
    }
    if let Some((line, column)) = one.place() {
        properties.push(format!("line={line},col={column}"));
    }
    properties.push(format!("title={}", one.code));
    let label = one.labels.first().map(|label| label.text.as_str()).unwrap_or_default();
    let corrected = one.corrected().map(|lines| format!("write: {}", lines.trim_start()));
    let said = [Some(one.message.clone()), Some(label.to_owned()), corrected, one.help.clone()];
    let said: Vec<_> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    format!("::{level} {}::{}\n", properties.join(","), data(&said.join("\n")))
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
