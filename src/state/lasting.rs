//! Which changes of a run outlast it.

use super::{ChangeStage, ChangeState, RunState};
use crate::event::PlannedChange;
use serde_json::Value;
use std::collections::BTreeSet;

/// A change that a run made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made<'a> {
    /// The step that made it.
    pub path: &'a str,
    /// Its place among the changes of this step.
    pub index: usize,
    /// The change.
    pub change: &'a PlannedChange,
    /// Whether something of it can be left: nothing is of an object that the run has created and
    /// deleted.
    pub lasts: bool,
}

impl Made<'_> {
    /// Whether its effect is not known in advance: it was executed, and cannot be undone.
    pub fn is_opaque(&self) -> bool {
        self.change.verb == "run"
    }
}

impl RunState {
    /// The changes that were made, oldest first.
    pub fn made(&self) -> Vec<Made<'_>> {
        let made: Vec<(&str, usize, &ChangeState)> = self
            .changing_steps()
            .flat_map(|(path, changes)| {
                changes.iter().enumerate().map(move |(index, change)| (path, index, change))
            })
            .filter(|(_, _, change)| change.is_made())
            .collect();
        let passing = passing(made.iter().map(|(_, _, change)| *change));
        made.into_iter()
            .map(|(path, index, change)| {
                let of = uid(&change.planned.before).or_else(|| uid(after(change)));
                let lasts = of.is_none_or(|uid| !passing.contains(uid));
                Made { path, index, change: &change.planned, lasts }
            })
            .collect()
    }

    /// Whether a change was made of which something can be left.
    pub fn has_lasting_changes(&self) -> bool {
        self.made().iter().any(|made| made.lasts)
    }
}

/// The uids of the objects that were created and deleted. A name does not tell: another object may
/// have it since.
fn passing<'a>(made: impl Iterator<Item = &'a ChangeState> + Clone) -> BTreeSet<&'a str> {
    let created: BTreeSet<&str> = made
        .clone()
        .filter(|change| change.planned.before.is_null())
        .filter_map(|change| uid(after(change)))
        .collect();
    made.filter(|change| matches!(change.planned.verb.as_str(), "delete" | "evict"))
        .filter_map(|change| uid(&change.planned.before))
        .filter(|uid| created.contains(uid))
        .collect()
}

/// The object as it came out; null if that is not known, or if it is gone.
fn after(change: &ChangeState) -> &Value {
    match &change.stage {
        ChangeStage::Finished(finished) => &finished.after,
        ChangeStage::Planned | ChangeStage::Started => &Value::Null,
    }
}

fn uid(object: &Value) -> Option<&str> {
    object["metadata"]["uid"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::Story;
    use crate::event::{Event, Mode};
    use serde_json::json;

    /// A run whose steps have made these changes: verb, uid before and after.
    fn run(changes: &[(&str, Option<&str>, Option<&str>)]) -> RunState {
        let object = |uid: &Option<&str>| {
            uid.map_or(Value::Null, |uid| json!({"metadata": {"name": "x", "uid": uid}}))
        };
        let paths: Vec<String> = (0..changes.len()).map(|number| format!("s{number}")).collect();
        let steps: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        let mut story = Story::new(Mode::Run, &steps);
        for (path, (verb, before, after)) in paths.iter().zip(changes) {
            story.sends(path, "").made(path);
            for record in story.records.iter_mut().rev().take(3) {
                match &mut record.event {
                    Event::ChangesPlanned(planned) => {
                        (*verb).clone_into(&mut planned.changes[0].verb);
                        planned.changes[0].before = object(before);
                        // a preview makes up a uid
                        planned.changes[0].after = object(&after.map(|_| "preview"));
                    }
                    Event::ChangeFinished(finished) => finished.after = object(after),
                    _ => {}
                }
            }
        }
        RunState::replay(&story.records).unwrap()
    }

    #[test]
    fn nothing_is_left_of_an_object_that_the_run_created_and_deleted() {
        let create = ("create", None, Some("a"));
        let patch = ("patch", Some("a"), Some("a"));
        let delete = ("delete", Some("a"), None);
        let other = ("delete", Some("b"), None);
        for (changes, left) in [
            (vec![create, delete], vec![]),
            (vec![create, patch, delete], vec![]),
            (vec![create, patch, ("evict", Some("a"), None)], vec![]),
            (vec![create, delete, ("create", None, Some("c"))], vec!["s2"]),
            (vec![create, patch], vec!["s0", "s1"]),
            (vec![patch, delete], vec!["s0", "s1"]),
            // of the same name, and created by someone else
            (vec![create, other], vec!["s0", "s1"]),
            (vec![other, create], vec!["s0", "s1"]),
            // unknown is not the same
            (vec![("create", None, None), delete], vec!["s0", "s1"]),
        ] {
            let state = run(&changes);
            let lasting = state.made().into_iter().filter(|made| made.lasts);
            let lasting: Vec<String> = lasting.map(|made| made.path.to_owned()).collect();
            assert_eq!(lasting, left, "{changes:?}");
            assert_eq!(state.has_lasting_changes(), !left.is_empty(), "{changes:?}");
        }
    }
}
