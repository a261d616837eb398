//! The words that are typed so far.

use std::path::PathBuf;

/// The line as the script of bash passes it: its own words are broken at `=` and `:`.
pub(super) const LINE: &str = "RUNBOOK_LINE";

/// The words of a command line that is being typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    words: Vec<String>,
}

impl Typed {
    /// The words that the script of the shell has passed.
    pub(super) fn read() -> Self {
        if let Ok(line) = std::env::var(LINE) {
            return Self { words: split(&line) };
        }
        let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        Self { words: words.skip_while(|word| word != "--").skip(1).collect() }
    }

    /// All of them; the last one is being typed.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The values of an option, in both of its forms.
    fn values<'a>(&'a self, option: &'a str) -> impl Iterator<Item = &'a str> {
        let value = move |(at, word): (usize, &'a String)| match word.strip_prefix(option)? {
            "" => self.words.get(at + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        };
        self.words.iter().enumerate().filter_map(value)
    }

    /// The value of an option as a path.
    pub(super) fn path(&self, option: &str) -> Option<PathBuf> {
        self.paths(option).pop()
    }

    /// The values of an option as paths.
    pub(super) fn paths(&self, option: &str) -> Vec<PathBuf> {
        self.values(option).map(PathBuf::from).collect()
    }
}

/// The words of a line; the last one is empty after a space, and may lack the end of its quotes.
fn split(line: &str) -> Vec<String> {
    let whole = ["", "'", "\""].iter().find_map(|end| shlex::split(&format!("{line}{end}")));
    let mut words = whole.unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    let is_next = line.ends_with(char::is_whitespace)
        && shlex::split(line).is_some_and(|before| before.len() == words.len());
    if is_next || words.is_empty() {
        words.push(String::new());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_the_shell_will_do() {
        let table: [(&str, &[&str]); 6] = [
            ("runbook run ", &["runbook", "run", ""]),
            ("runbook run ta", &["runbook", "run", "ta"]),
            ("runbook run x --set a=b", &["runbook", "run", "x", "--set", "a=b"]),
            ("runbook run x --set 'a=b c", &["runbook", "run", "x", "--set", "a=b c"]),
            ("runbook run x --set 'a=b ", &["runbook", "run", "x", "--set", "a=b "]),
            ("", &[""]),
        ];
        for (line, wanted) in table {
            assert_eq!(split(line), wanted, "{line}");
        }
    }

    #[test]
    fn an_option_has_two_forms() {
        let typed = Typed { words: split("runbook --catalogue a run --catalogue=b --catalog c") };
        assert_eq!(typed.paths("--catalogue"), [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(typed.path("--state-dir"), None);
    }
}
