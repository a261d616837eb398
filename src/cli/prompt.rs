//! A person at the terminal.

use crate::action::{Approval, Prompt};
use dialoguer::{Confirm, Input};
use indicatif::MultiProgress;
use std::io::IsTerminal;

/// Asks on the terminal, and says that there is nobody where there is none.
pub(crate) struct TerminalPrompt {
    /// Motion to be held while a question stands.
    pub(crate) bars: MultiProgress,
}

impl Prompt for TerminalPrompt {
    fn ask(&self, question: &str, typed: Option<&str>) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let question = crate::secret::sanitize(question).into_owned();
        self.bars.suspend(|| match typed {
            None => Confirm::new().with_prompt(question).default(false).interact_opt().ok().map(|answer| answer == Some(true)),
            Some(word) => {
                let prompt = format!("{question}\n  Type {word} to go on, or press Enter to stop here");
                Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text().ok().map(|answer| answer == word)
            }
        })
    }

    fn approve(&self, approval: &Approval) -> Option<bool> {
        use std::io::Write;
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let mut text = format!("\n  ! {}\n    {}\n", approval.title, approval.reach);
        for line in &approval.diff {
            text.push_str("      ");
            text.push_str(&coloured(line));
            text.push('\n');
        }
        self.bars.suspend(|| {
            let mut stderr = anstream::stderr();
            // a terminal that takes no text takes no answer either
            stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok()?;
            match &approval.typed {
                None => Confirm::new().with_prompt("  Make this change?").default(false).interact_opt().ok().map(|answer| answer == Some(true)),
                Some(word) => {
                    let prompt = format!("  Type {word} to go on, or press Enter to stop here");
                    Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text().ok().map(|answer| answer == *word)
                }
            }
        })
    }
}

/// A line of a difference in its colour.
pub(super) fn coloured(line: &str) -> String {
    let clean = crate::secret::sanitize(line);
    let style = match line.as_bytes().first() {
        Some(b'+') => anstyle::AnsiColor::Green.on_default(),
        Some(b'-') => anstyle::AnsiColor::Red.on_default(),
        _ => anstyle::Style::new(),
    };
    format!("{style}{clean}{style:#}")
}
