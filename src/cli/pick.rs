//! Choosing a runbook at a terminal, where `runbook run` names none.

use super::arguments::catalogue;
use super::exit::CommandError;
use super::{Global, keyboard, output};
use crate::document::Origin;
use console::{Term, truncate_str};
use inquire::ui::RenderConfig;
use inquire::{InquireError, Select};
use std::fmt;
use std::io::ErrorKind;

/// Rows of the terminal besides those of runbooks.
const AROUND: u16 = 4;
/// The most runbooks that are shown at once.
const SHOWN: u16 = 15;

/// What stands in the list where no runbook fits what was typed.
const NO_MATCH: &str = "(no runbook matches)";

/// A runbook to choose; without a name, the line that says that there is none.
struct Choice {
    name: String,
    title: String,
    /// Its line, as wide as the terminal.
    line: String,
}

impl Choice {
    fn no_match() -> Self {
        Self { name: String::new(), title: String::new(), line: NO_MATCH.to_owned() }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// The name of the runbook that a person picks; none where nobody is asked. The program ends where
/// nothing was picked, as after Ctrl-C.
pub(super) fn pick(global: &Global) -> Result<String, CommandError> {
    let term = Term::stderr();
    let moves = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    if !keyboard::is_attended() || !moves {
        return Err(CommandError::Unnamed);
    }
    let (rows, columns) = term.size();
    let mut choices = choices(global, usize::from(columns));
    if choices.is_empty() {
        return Err(CommandError::Unnamed);
    }
    let known: Vec<(String, String)> =
        choices.iter().map(|choice| (choice.name.clone(), choice.title.clone())).collect();
    choices.push(Choice::no_match());
    let _tidily = keyboard::LeavesTidily::new();
    keyboard::forget();
    let colored = if output::look(global).color {
        RenderConfig::default_colored()
    } else {
        RenderConfig::empty()
    };
    let picked = Select::new("Runbook:", choices)
        .with_help_message("type to filter, Enter to run, Esc to cancel")
        .with_page_size(usize::from(rows.saturating_sub(AROUND).clamp(1, SHOWN)))
        .with_scorer(&|typed, choice, _, _| {
            if choice.name.is_empty() {
                known.iter().all(|(name, title)| score(typed, name, title).is_none()).then_some(0)
            } else {
                score(typed, &choice.name, &choice.title)
            }
        })
        // in the order of the list where several fit as well
        .with_sorter(&|found| found.sort_by_key(|(index, score)| (-score, *index)))
        .with_formatter(&|picked| picked.value.name.clone())
        .with_render_config(colored)
        .prompt();
    match picked {
        Ok(choice) if choice.name.is_empty() => pick(global),
        Ok(choice) => Ok(choice.name),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => {
            keyboard::leave()
        }
        Err(InquireError::IO(error)) if error.kind() == ErrorKind::Interrupted => keyboard::leave(),
        Err(error) => Err(CommandError::Usage(format!("cannot show the runbooks: {error}"))),
    }
}

/// All runbooks that can be run, one's own first.
fn choices(global: &Global, columns: usize) -> Vec<Choice> {
    let catalogue = catalogue(global);
    let mut heads: Vec<_> = catalogue
        .heads()
        .into_iter()
        .filter_map(|(listed, head)| Some((listed.name.clone(), head.ok()?)))
        .collect();
    heads.sort_by_key(|(name, head)| {
        (head.origin == Origin::Embedded, !name.starts_with(super::list::GENERAL))
    });
    heads
        .into_iter()
        .map(|(name, head)| {
            let title = crate::secret::sanitize(&head.title).into_owned();
            let line = format!("{name}  {title}");
            // a line that wraps cannot be taken back
            let line = truncate_str(&line, columns.saturating_sub(4), "...").into_owned();
            Choice { name, title, line }
        })
        .collect()
}

/// How well a runbook fits what was typed: every word stands in its name or its title.
fn score(typed: &str, name: &str, title: &str) -> Option<i64> {
    let (name, title) = (name.to_lowercase(), title.to_lowercase());
    let word = |word: &str| {
        let word = word.to_lowercase();
        match (name.find(&word), title.contains(&word)) {
            (Some(0), _) => Some(3),
            (Some(_), _) => Some(2),
            (None, true) => Some(1),
            (None, false) => None,
        }
    };
    typed.split_whitespace().map(word).sum()
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn every_word_stands_in_the_name_or_the_title_and_the_name_counts_more() {
        let of = |typed| score(typed, "ta-bot/no-signals", "TA Bot generates no signals");
        assert_eq!(of(""), Some(0));
        assert_eq!((of("TA-bot"), of("signals"), of("generates")), (Some(3), Some(2), Some(1)));
        assert_eq!((of("bot generates"), of("bot mysql")), (Some(3), None));
    }
}
