//! Where the masker stands: before the recorder and before the prompt, and nowhere else. Nothing
//! that the engine or a verb says reaches a person or a file on another way.

use crate::action::{Approval, Consented, Go, Prompt, Question, Upcoming};
use crate::event::{Border, MapText};
use crate::secret::Masker;
use serde_json::Value;
use std::sync::Arc;

impl Border for Masker {
    fn text(&self, text: &str) -> String {
        self.clean(text)
    }

    fn value(&self, value: &Value) -> Value {
        self.clean_value(value)
    }
}

/// Asks a person with texts that have passed the border. A word that is masked is typed as it is
/// shown: so it stands in the record, and so `runbook approve` wants it.
pub(super) struct MaskedPrompt {
    pub(super) prompt: Arc<dyn Prompt>,
    pub(super) masker: Masker,
}

impl Prompt for MaskedPrompt {
    fn ask(&self, question: &Question) -> Option<bool> {
        let Question { step, place, text, typed } = question.clone();
        self.prompt.ask(&Question {
            step,
            place: place.map_text(&self.masker),
            text: text.map_text(&self.masker),
            typed: typed.map_text(&self.masker),
        })
    }

    fn before(&self, upcoming: &Upcoming) -> Option<Go> {
        let mut masked = upcoming.clone();
        masked.title = masked.title.map_text(&self.masker);
        masked.place = masked.place.map_text(&self.masker);
        self.prompt.before(&masked)
    }

    fn approve(&self, approval: &Approval) -> Option<Consented> {
        let Approval { step, title, reach, place, why, diff, typed } = approval.clone();
        self.prompt.approve(&Approval {
            step,
            title: title.map_text(&self.masker),
            reach: reach.map_text(&self.masker),
            place: place.map_text(&self.masker),
            why: why.map_text(&self.masker),
            diff: diff.map_text(&self.masker),
            typed: typed.map_text(&self.masker),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::every_event;
    use crate::event::{Event, EventKind, Outcome, Reason};
    use serde_json::json;
    use std::sync::Mutex;

    const SECRET: &str = "hunter2-hunter2";

    fn knowing() -> Masker {
        let masker = Masker::new();
        masker.learn(SECRET, "db/password");
        masker
    }

    /// By these records find each other; they are written by the runbook and by the program.
    const NAMES: [&str; 27] = [
        "/action",
        "/changed",
        "/changes",
        "/changes/verb",
        "/commands/mark/step",
        "/commands/run",
        "/commands/step",
        "/digest",
        "/id",
        "/kept",
        "/not_fixed/step",
        "/part/only",
        "/part/start_at",
        "/path",
        "/plan",
        "/run",
        "/saved/sha256",
        "/schema",
        "/seal",
        "/steps",
        "/steps/action",
        "/steps/digest",
        "/steps/path",
        "/undoes",
        "/why/step",
        "/withheld",
        "/commands/withheld",
    ];

    /// The places of all strings in a value.
    fn strings(value: &Value, at: &str, into: &mut Vec<String>) {
        match value {
            Value::String(_) => into.push(at.to_owned()),
            Value::Array(items) => {
                let item = |(index, item)| strings(item, &format!("{at}/{index}"), into);
                items.iter().enumerate().for_each(item);
            }
            Value::Object(fields) => {
                let field =
                    |(key, field): (&String, _)| strings(field, &format!("{at}/{key}"), into);
                fields.iter().for_each(field);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn every_text_of_every_event_passes_the_border() {
        let (masker, hostile) = (knowing(), format!("\u{1b}[2J{SECRET}\u{202e}"));
        let mut kinds = Vec::new();
        for event in every_event() {
            kinds.push(event.kind());
            let told = format!("{event:?}");
            for nothing in ["None", "[]", "{}", "\"\""] {
                assert!(!told.contains(nothing), "a field is not filled: {told}");
            }
            let whole = serde_json::to_value(&event).unwrap();
            let mut places = Vec::new();
            strings(&whole, "", &mut places);
            for place in places {
                let mut with = whole.clone();
                *with.pointer_mut(&place).unwrap() = json!(hostile);
                // what cannot be any text is a time or of a closed vocabulary
                let Ok(event) = serde_json::from_value::<Event>(with) else { continue };
                let said = event.map_text(&masker);
                let field: String = place
                    .split_inclusive('/')
                    .filter(|part| part.trim_end_matches('/').parse::<usize>().is_err())
                    .collect();
                let field = field.trim_end_matches('/');
                let text = serde_json::to_string(&said).unwrap();
                if NAMES.contains(&field) {
                    assert!(text.contains(SECRET), "{place} is a name: {text}");
                } else {
                    assert!(text.contains("[secret db/password]"), "{place}: {text}");
                    assert!(!text.contains(SECRET) && !text.contains("\\u001b"), "{place}: {text}");
                    assert!(!text.contains('\u{202e}'), "{place}: {text}");
                }
                assert_eq!(said.clone().map_text(&masker), said, "{place}: passing twice");
            }
        }
        assert_eq!(kinds, EventKind::ALL);
    }

    #[test]
    fn every_reason_passes_the_border() {
        let (masker, step) = (knowing(), "a".to_owned());
        let said = || format!("because of {SECRET}");
        for reason in [
            Reason::Says { text: said() },
            Reason::OnlyWhen { condition: said() },
            Reason::Parameter { name: step.clone(), value: Some(said()) },
            Reason::Unread { step: step.clone(), text: said() },
            Reason::SkippedBy { by: said(), text: said() },
            Reason::Guard { guard: step.clone(), text: said(), instead: said() },
            Reason::DependsOn {
                step,
                outcome: Some(Outcome::Error),
                cause: Some(Box::new(Reason::from(said()))),
            },
        ] {
            let shown = reason.map_text(&masker).to_string();
            assert!(shown.contains("because of [secret db/password]"), "{shown}");
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }

    #[derive(Default)]
    struct Listens(Mutex<Vec<String>>);

    impl Prompt for Listens {
        fn ask(&self, question: &Question) -> Option<bool> {
            let Question { step: _, place, text, typed } = question.clone();
            self.0.lock().unwrap().extend([place, text].into_iter().chain(typed));
            Some(true)
        }

        fn approve(&self, approval: &Approval) -> Option<Consented> {
            let Approval { step: _, title, reach, place, why, diff, typed } = approval.clone();
            let mut heard = self.0.lock().unwrap();
            heard.extend([title, reach, place].into_iter().chain(why).chain(diff).chain(typed));
            Some(Consented::Yes)
        }
    }

    #[test]
    fn a_question_has_no_secret_and_no_escape_sequence_in_it() {
        let listens = Arc::new(Listens::default());
        let prompt = MaskedPrompt { prompt: listens.clone(), masker: knowing() };
        let said = "Is it hunter2-hunter2\u{1b}[2J?";
        prompt.ask(&Question {
            step: "step".to_owned(),
            place: said.to_owned(),
            text: said.to_owned(),
            typed: Some(said.to_owned()),
        });
        prompt.approve(&Approval {
            step: "step".to_owned(),
            title: said.to_owned(),
            reach: said.to_owned(),
            place: said.to_owned(),
            why: vec![said.to_owned()],
            diff: vec![said.to_owned()],
            typed: Some(said.to_owned()),
        });
        let heard = listens.0.lock().unwrap();
        assert_eq!(*heard, vec!["Is it [secret db/password]?"; 9]);
    }
}
