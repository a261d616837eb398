//! Prompts at a terminal: only input that is typed after the question answers it.

use super::keyboard;
use crate::action::{Approval, Prompt};
use crate::engine::Stop;
use indicatif::MultiProgress;
use std::io::Write;

/// How often a question is asked whose answer is none.
pub(super) const TRIES: usize = 3;

/// Asks on the terminal, and says that there is nobody where there is none.
pub(crate) struct TerminalPrompt {
    /// Motion to be held while a question stands.
    pub(crate) bars: MultiProgress,
    /// A run that is to stop waits for no answer.
    pub(crate) stop: Stop,
}

impl Prompt for TerminalPrompt {
    fn ask(&self, _: &str, question: &str, typed: Option<&str>) -> Option<bool> {
        self.put(&format!("\n  {}", crate::secret::sanitize(question)), "  ", typed)
    }

    fn approve(&self, approval: &Approval) -> Option<bool> {
        let mut text = format!(
            "\n  ! {}\n    {}\n",
            crate::secret::sanitize(&approval.title),
            crate::secret::sanitize(&approval.reach)
        );
        for line in &approval.diff {
            text.push_str("      ");
            text.push_str(&coloured(line));
            text.push('\n');
        }
        text.push_str("  Make this change?");
        self.put(&text, "  ", approval.typed.as_deref())
    }
}

impl TerminalPrompt {
    /// Shows a question and reads the answer. None: there is nobody, or nobody answers.
    fn put(&self, question: &str, indent: &str, typed: Option<&str>) -> Option<bool> {
        if !keyboard::is_attended() {
            return None;
        }
        self.bars.suspend(|| {
            let mut say = |text: &str| {
                let mut stderr = anstream::stderr();
                // a terminal that takes no text takes no answer either
                stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok()
            };
            let mut line = || keyboard::line(&self.stop);
            let answer =
                converse(&mut say, &mut keyboard::forget, &mut line, question, indent, typed);
            if answer.is_none() {
                say("\n");
            }
            answer
        })
    }
}

/// Asks until the answer is one, a few times.
fn converse(
    say: &mut dyn FnMut(&str) -> Option<()>,
    forget: &mut dyn FnMut() -> Option<()>,
    line: &mut dyn FnMut() -> Option<String>,
    question: &str,
    indent: &str,
    typed: Option<&str>,
) -> Option<bool> {
    let (choice, wanted) = match typed {
        None => (" [y/n] ".to_owned(), "Type y or n.".to_owned()),
        Some(word) => {
            let word = crate::secret::sanitize(word);
            (
                format!("\n{indent}Type {word} to continue, or press Enter to stop here: "),
                format!("That is not {word}."),
            )
        }
    };
    say(question)?;
    for left in (0..TRIES).rev() {
        // before the place to type is shown: what is typed from then on is an answer
        forget()?;
        say(&choice)?;
        match heard(&line()?, typed) {
            Some(answer) => return Some(answer),
            None if left > 0 => say(&format!("{indent}{wanted}"))?,
            None => say(&format!("{indent}{wanted} No answer was given."))?,
        }
    }
    None
}

/// What a line says. None: neither yes nor no.
fn heard(line: &str, typed: Option<&str>) -> Option<bool> {
    match (typed, line.to_lowercase().as_str()) {
        (Some(word), _) if line == word => Some(true),
        (Some(_), "") => Some(false),
        (Some(_), _) => None,
        (None, "y" | "yes") => Some(true),
        (None, "n" | "no") => Some(false),
        (None, _) => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer, and how often it was asked.
    fn conversation(typed: Option<&str>, lines: &[&str]) -> (Option<bool>, usize) {
        let mut lines = lines.iter().map(|line| (*line).to_owned());
        let (mut asked, said) = (0, std::cell::RefCell::new(String::new()));
        let answer = converse(
            &mut |text| {
                said.borrow_mut().push_str(text);
                Some(())
            },
            &mut || {
                asked += 1;
                assert!(
                    !said.borrow().ends_with("] "),
                    "what was typed is forgotten before the place to type is shown"
                );
                Some(())
            },
            &mut || lines.next(),
            "Go on?",
            "",
            typed,
        );
        (answer, asked)
    }

    #[test]
    fn only_yes_is_yes_and_only_no_is_no() {
        for yes in ["y", "Y", "yes", "YES"] {
            assert_eq!(conversation(None, &[yes]), (Some(true), 1), "{yes}");
        }
        for no in ["n", "N", "no", "No"] {
            assert_eq!(conversation(None, &[no]), (Some(false), 1), "{no}");
        }
        for none in ["maybe", "", "yy", "yes please", "ja", "true", "1"] {
            assert_eq!(conversation(None, &[none, "y"]), (Some(true), 2), "{none}");
            assert_eq!(
                conversation(None, &[none, none, none, "y"]),
                (None, 3),
                "three times is enough: {none}"
            );
            assert_eq!(conversation(None, &[none]), (None, 2), "and then nothing more: {none}");
        }
    }

    #[test]
    fn a_word_is_typed_as_it_is() {
        assert_eq!(conversation(Some("petrosa"), &["petrosa"]).0, Some(true));
        assert_eq!(conversation(Some("petrosa"), &[""]).0, Some(false));
        for other in ["y", "yes", "Petrosa", "petrosa-ta-bot"] {
            assert_eq!(conversation(Some("petrosa"), &[other]).0, None, "{other}");
            assert_eq!(conversation(Some("petrosa"), &[other, "petrosa"]).0, Some(true), "{other}");
        }
    }
}
