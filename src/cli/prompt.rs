//! Prompts at a terminal: only input that is typed after the question answers it.

use super::keyboard;
use crate::action::{Approval, Consented, Go, Prompt, Question, Upcoming};
use crate::engine::Stop;
use crate::event::Effect;
use crate::report::wrap;
use crate::secret::sanitize;
use console::{Term, measure_text_width};
use indicatif::MultiProgress;
use std::io::Write;

/// How often a question is asked whose answer is none.
pub(super) const TRIES: usize = 3;
/// The most lines of a difference that are shown unasked.
const LINES: usize = 12;

/// Asks on the terminal, and says that there is nobody where there is none.
pub(crate) struct TerminalPrompt {
    /// Motion to be held while a question stands.
    pub(crate) bars: MultiProgress,
    /// A run that is to stop waits for no answer.
    pub(crate) stop: Stop,
}

impl Prompt for TerminalPrompt {
    fn ask(&self, question: &Question) -> Option<bool> {
        self.attended(|talk| {
            let Question { step: _, place, text, typed } = question;
            talk.line("")?;
            talk.paragraph(place)?;
            let text = sanitize(text).into_owned();
            match typed {
                Some(word) => {
                    talk.say(&format!("  {text}"))?;
                    talk.word(word)
                }
                None => talk.choice(&format!("  {text} [y/n] "), ANSWERS, &yes_or_no)?,
            }
        })
    }

    fn before(&self, upcoming: &Upcoming) -> Option<Go> {
        self.attended(|talk| {
            let Upcoming { path, title, verb, effect, is_dry, place } = upcoming;
            talk.line("")?;
            let does = match effect {
                Effect::Read | Effect::Operator => "read-only",
                Effect::Write | Effect::Opaque if *is_dry => "changes nothing in this dry run",
                Effect::Write => "makes a change",
                Effect::Opaque => "may make a change",
            };
            talk.paragraph(&format!("> {path}  {title}"))?;
            talk.indented(4, &format!("{verb}, {does} · {place}"))?;
            talk.choice(&talk.offer("Run this step?", "yes / skip / all / quit"), STEPS, &|line| {
                Some(match line.to_lowercase().as_str() {
                    "y" | "yes" => Some(Go::On),
                    "s" | "skip" => Some(Go::Past),
                    "a" | "all" => Some(Go::ToTheEnd),
                    "q" | "quit" => None,
                    _ => return None,
                })
            })?
        })
    }

    fn approve(&self, approval: &Approval) -> Option<Consented> {
        self.attended(|talk| {
            let shown = if approval.typed.is_some() { usize::MAX } else { LINES };
            talk.change(approval, shown)?;
            if let Some(word) = &approval.typed {
                talk.say("  Make this change?")?;
                let answer = talk.word(word)?;
                return Some(if answer { Consented::Yes } else { Consented::No });
            }
            loop {
                match talk.choice(&talk.make_it(), CHOICES, &said)? {
                    Said::Yes => return Some(Consented::Yes),
                    Said::All => return Some(Consented::All),
                    Said::No => return Some(Consented::No),
                    Said::Quit => return None,
                    Said::Details => talk.details(approval)?,
                }
            }
        })
    }
}

/// What is said of an answer that is none.
const CHOICES: &str = "Type yes, no, all (yes also to the later changes of this run), details, or \
    quit (the run pauses here).";

/// What is said of an answer that is none, to a question.
const ANSWERS: &str = "Type y, n, or q (stops here; the question stays open).";

/// What is said of an answer that is none, before a step.
const STEPS: &str = "Type yes, skip, all (yes also to all later steps), or quit (the run pauses \
    here).";

/// What a person answers to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    All,
    Details,
    Quit,
}

fn said(line: &str) -> Option<Said> {
    Some(match line.to_lowercase().as_str() {
        "y" | "yes" => Said::Yes,
        "n" | "no" => Said::No,
        "a" | "all" => Said::All,
        "d" | "details" => Said::Details,
        "q" | "quit" => Said::Quit,
        _ => return None,
    })
}

/// The answer, if it is one: of who quits it is that there is none.
fn yes_or_no(line: &str) -> Option<Option<bool>> {
    match said(line)? {
        Said::Yes => Some(Some(true)),
        Said::No => Some(Some(false)),
        Said::Quit => Some(None),
        Said::All | Said::Details => None,
    }
}

impl TerminalPrompt {
    /// A talk with the person at this terminal. None: there is nobody, or nobody answers.
    fn attended<T>(&self, talk: impl FnOnce(&mut Talk<'_>) -> Option<T>) -> Option<T> {
        if !keyboard::is_attended() {
            return None;
        }
        self.bars.suspend(|| {
            let columns = Term::stderr().size_checked().map_or(80, |(_, columns)| columns.into());
            let answer = talk(&mut Talk {
                write: &mut write,
                forget: &mut keyboard::forget,
                line: &mut || keyboard::line(&self.stop),
                columns,
            });
            if answer.is_none() {
                write("\n");
            }
            answer
        })
    }
}

/// Says something at the terminal.
pub(super) fn write(text: &str) -> Option<()> {
    let mut stderr = anstream::stderr();
    // a terminal that takes no text takes no answer either
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok()
}

/// A text as it is where it fits, and otherwise wrapped at words.
fn fitted(text: &str, room: usize) -> Vec<String> {
    if measure_text_width(text) <= room && !text.contains('\n') {
        return vec![text.to_owned()];
    }
    wrap(text, room)
}

/// A question and its answer.
struct Talk<'a> {
    write: &'a mut dyn FnMut(&str) -> Option<()>,
    forget: &'a mut dyn FnMut() -> Option<()>,
    line: &'a mut dyn FnMut() -> Option<String>,
    columns: usize,
}

impl Talk<'_> {
    fn say(&mut self, text: &str) -> Option<()> {
        (self.write)(text)
    }

    fn line(&mut self, text: &str) -> Option<()> {
        self.say(&format!("{text}\n"))
    }

    /// A text that wraps at words; nothing if it is empty.
    fn paragraph(&mut self, text: &str) -> Option<()> {
        self.indented(2, text)
    }

    fn indented(&mut self, indent: usize, text: &str) -> Option<()> {
        let room = self.columns.saturating_sub(indent + 1).max(20);
        let text = sanitize(text);
        let parts = fitted(&text, room).into_iter().filter(|part| !part.is_empty());
        parts.map(|part| self.line(&format!("{:indent$}{part}", ""))).collect()
    }

    /// The change: what, where, and as much of the difference as this.
    fn change(&mut self, approval: &Approval, lines: usize) -> Option<()> {
        let Approval { title, reach, place, diff, .. } = approval;
        self.line("")?;
        let room = self.columns.saturating_sub(5).max(20);
        for (index, part) in fitted(&sanitize(title), room).into_iter().enumerate() {
            self.line(&format!("  {} {part}", if index == 0 { "!" } else { " " }))?;
        }
        let place = Some(place).filter(|place| !place.is_empty());
        let reach = std::iter::once(reach).chain(place).cloned().collect::<Vec<_>>().join(" · ");
        self.indented(4, &reach)?;
        for line in diff.iter().take(lines) {
            self.difference(line)?;
        }
        match diff.len().checked_sub(lines) {
            Some(more) if more > 0 => {
                self.line(&format!("      and {more} more lines: type details"))
            }
            _ => Some(()),
        }
    }

    /// A line of a difference; where it is too long it goes on below, further in.
    fn difference(&mut self, line: &str) -> Option<()> {
        let clean = sanitize(line);
        let start = clean.len() - clean.trim_start_matches(['+', '-', ' ']).len();
        let (mark, text) = clean.split_at(start);
        let room = self.columns.saturating_sub(7 + start).max(20);
        let mut parts = wrap(text, room).into_iter();
        let first = parts.next().unwrap_or_default();
        self.line(&format!("      {}", coloured(&format!("{mark}{first}"))))?;
        parts.try_for_each(|part| self.line(&format!("      {:start$}{part}", "")))
    }

    /// Everything that is known of a change before it is made.
    fn details(&mut self, approval: &Approval) -> Option<()> {
        self.change(approval, usize::MAX)?;
        approval.why.iter().try_for_each(|line| self.indented(4, line))
    }

    /// The question whether a change is made.
    fn make_it(&self) -> String {
        self.offer("Make this change?", "yes / no / all / details / quit")
    }

    /// A question with its answers in words.
    fn offer(&self, question: &str, answers: &str) -> String {
        let between = if self.columns < 60 { "\n  " } else { " " };
        format!("  {question}{between}{answers}: ")
    }

    /// A word that is typed as it stands; Enter is a no.
    fn word(&mut self, word: &str) -> Option<bool> {
        let shown = sanitize(word).into_owned();
        let text = format!("Type {shown} to continue, or press Enter to stop here:");
        let parts = wrap(&text, self.columns.saturating_sub(3).max(20));
        let choice = format!("\n  {} ", parts.join("\n  "));
        self.choice(&choice, &format!("That is not {shown}."), &|line| match line {
            "" => Some(false),
            line => (line == word).then_some(true),
        })
    }

    /// Asks until the answer is one, a few times.
    fn choice<T>(
        &mut self,
        choice: &str,
        wanted: &str,
        heard: &dyn Fn(&str) -> Option<T>,
    ) -> Option<T> {
        for left in (0..TRIES).rev() {
            // before the place to type is shown: what is typed from then on is an answer
            (self.forget)()?;
            self.say(choice)?;
            match heard(&(self.line)()?) {
                Some(answer) => return Some(answer),
                None if left > 0 => self.paragraph(wanted)?,
                None => self.paragraph(&format!("{wanted} No valid answer was given."))?,
            }
        }
        None
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

    /// What came of a talk, how often it was asked, and everything that was said.
    fn talk<T>(
        lines: &[&str],
        columns: usize,
        about: impl FnOnce(&mut Talk<'_>) -> Option<T>,
    ) -> (Option<T>, usize, String) {
        let mut lines = lines.iter().map(|line| (*line).to_owned());
        let (mut asked, written) = (0, std::cell::RefCell::new(String::new()));
        let answer = about(&mut Talk {
            write: &mut |text| {
                written.borrow_mut().push_str(text);
                Some(())
            },
            forget: &mut || {
                asked += 1;
                let before = written.borrow();
                assert!(
                    !before.ends_with("] ") && !before.ends_with(": "),
                    "what was typed is forgotten before the place to type is shown"
                );
                Some(())
            },
            line: &mut || {
                written.borrow_mut().push('\n');
                lines.next()
            },
            columns,
        });
        (answer, asked, written.into_inner())
    }

    /// The answer, and how often it was asked.
    fn conversation(typed: Option<&str>, lines: &[&str]) -> (Option<bool>, usize) {
        let (answer, asked, _) = talk(lines, 80, |talk| match typed {
            Some(word) => talk.word(word),
            None => talk.choice("  Go on? [y/n] ", ANSWERS, &yes_or_no).flatten(),
        });
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
        for none in ["maybe", "", "yy", "yes please", "ja", "true", "1", "all"] {
            assert_eq!(conversation(None, &[none, "y"]), (Some(true), 2), "{none}");
            assert_eq!(
                conversation(None, &[none, none, none, "y"]),
                (None, 3),
                "three times is enough: {none}"
            );
            assert_eq!(conversation(None, &[none]), (None, 2), "and then nothing more: {none}");
        }
        for quit in ["q", "quit"] {
            assert_eq!(conversation(None, &[quit, "y"]), (None, 1), "{quit}");
        }
    }

    #[test]
    fn a_word_is_typed_as_it_is() {
        assert_eq!(conversation(Some("petrosa"), &["petrosa"]).0, Some(true));
        assert_eq!(conversation(Some("petrosa"), &[""]).0, Some(false));
        for other in ["y", "yes", "all", "Petrosa", "petrosa-ta-bot"] {
            assert_eq!(conversation(Some("petrosa"), &[other]).0, None, "{other}");
            assert_eq!(conversation(Some("petrosa"), &[other, "petrosa"]).0, Some(true), "{other}");
        }
    }

    fn approval() -> Approval {
        Approval {
            step: "scale".to_owned(),
            title: "scale  Scale it down".to_owned(),
            reach: "deployment/shop · 3 replicas · namespace shop".to_owned(),
            place: "context prod-eu".to_owned(),
            why: vec!["because $params.replicas < 3".to_owned()],
            diff: (0..14).map(|line| format!("+ line {line}")).collect(),
            typed: None,
        }
    }

    #[test]
    fn a_change_is_shown_with_its_place_in_the_columns_that_there_are() {
        let (_, _, said) = talk(&[], 40, |talk| {
            talk.change(&Approval { diff: vec![" same".to_owned()], ..approval() }, LINES)?;
            talk.say(&talk.make_it())
        });
        assert_eq!(
            said,
            "\n  ! scale  Scale it down
    deployment/shop · 3 replicas ·
    namespace shop · context prod-eu
       same
  Make this change?
  yes / no / all / details / quit: "
        );
        let (_, _, said) = talk(&[], 80, |talk| talk.change(&approval(), LINES));
        assert!(said.contains("line 11") && !said.contains("line 12"), "{said}");
        assert!(said.ends_with("      and 2 more lines: type details\n"), "{said}");
        let (_, _, said) = talk(&[], 80, |talk| talk.details(&approval()));
        assert!(said.contains("line 13") && said.contains("    because $params"), "{said}");
    }

    #[test]
    fn an_answer_that_is_none_is_explained() {
        let (answer, asked, said) =
            talk(&["oui", "D"], 60, |talk| talk.choice("  ? ", CHOICES, &super::said));
        assert_eq!((answer, asked), (Some(Said::Details), 2));
        assert!(said.contains("  Type yes, no, all (yes also to the later changes of"), "{said}");
    }
}
