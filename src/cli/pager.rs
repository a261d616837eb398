//! Long output on a terminal, a page at a time.

use super::Global;
use console::Term;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// What is used if the environment names nothing.
const USUAL: &str = "less";
/// How `less` shows colours and leaves what fits on a screen where it is, unless its user says
/// otherwise.
const LESS: &str = "FRX";

/// Writes a result to stdout: through a pager if stdout is a terminal on which it has no room. A
/// pager that cannot be started, or fails, is none.
///
/// # Errors
/// When stdout is closed or full.
pub(super) fn write(global: &Global, text: &str) -> io::Result<()> {
    let own = global.settings.pager.as_ref().map(|given| given.value.as_str());
    let pager =
        wanted(global.no_pager, io::stdout().is_terminal(), own, |name| env::var(name).ok());
    let rows = Term::stdout().size_checked().map_or(24, |(rows, _)| usize::from(rows));
    match pager.filter(|_| text.lines().count() >= rows) {
        Some(pager) if paged(&pager, text) => Ok(()),
        _ => super::output::write(text),
    }
}

/// The words of the pager; none if there is to be none. As in git, what is set for this program
/// alone is stronger than `PAGER`, which is for all.
fn wanted(
    refused: bool,
    is_terminal: bool,
    own: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<Vec<String>> {
    if refused || !is_terminal {
        return None;
    }
    let named =
        variable("RUNBOOK_PAGER").or_else(|| own.map(str::to_owned)).or_else(|| variable("PAGER"));
    let words = named.as_deref().unwrap_or(USUAL).split_whitespace();
    let words: Vec<String> = words.map(str::to_owned).collect();
    // `cat` is how one says that there is to be none
    (!words.is_empty() && words != ["cat"]).then_some(words)
}

/// Whether the pager was there, and showed the text: of one that failed, nobody knows how much was
/// read.
fn paged(pager: &[String], text: &str) -> bool {
    let Some((program, arguments)) = pager.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        command.env("LESS", LESS);
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // who leaves the pager early has read enough
        drop(stdin.write_all(text.as_bytes()));
    }
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_has_a_pager() {
        let none = |_: &str| None;
        let pager = |name: &str| (name == "PAGER").then(|| "more -d".to_owned());
        let own = |name: &str| match name {
            "RUNBOOK_PAGER" => Some(String::new()),
            other => pager(other),
        };
        let cat = |_: &str| Some("cat".to_owned());
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(wanted(false, true, None, none), words(&["less"]));
        assert_eq!(wanted(false, true, None, pager), words(&["more", "-d"]));
        assert_eq!(wanted(false, true, None, own), None);
        assert_eq!(wanted(false, true, None, cat), None);
        assert_eq!(wanted(true, true, None, pager), None);
        assert_eq!(wanted(false, false, None, pager), None);
        assert_eq!(wanted(false, true, Some("most"), pager), words(&["most"]));
        assert_eq!(wanted(false, true, Some(""), pager), None);
        assert_eq!(wanted(false, true, Some("most"), cat), None);
    }

    #[test]
    fn a_pager_that_does_not_exist_is_none() {
        assert!(!paged(&["no-such-pager-of-anyone".to_owned()], "text"));
        assert!(!paged(&[], "text"));
        assert!(!paged(&["false".to_owned()], "text"));
        assert!(paged(&["true".to_owned()], "text"));
    }
}
