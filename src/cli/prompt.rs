//! A person at the terminal.

use crate::action::Prompt;
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
}
