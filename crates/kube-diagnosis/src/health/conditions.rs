//! The conditions of a status, at any depth.

use super::Said;
use super::condition::Condition;
use super::course::Course;
use super::entry::Entry;
use crate::object::text;
use serde_json::{Value, json};

/// The conditions of a status.
pub(super) struct Conditions {
    pub(super) said: Vec<Said>,
    /// The generation of the spec that each of them is about, where it says so: the place of its list,
    /// and the generation.
    pub(super) observed: Vec<(String, i64)>,
}

pub(super) fn conditions(entries: &[Entry<'_>], status: &Value, course: Course) -> Conditions {
    let mut found = Conditions { said: Vec::new(), observed: Vec::new() };
    for list in entries.iter().filter(|entry| entry.key.list) {
        let place = place(&list.at);
        let all = listed(list.value);
        let course = course.or(course_of(&all));
        for one in &all {
            let phase = text(&status["phase"]).to_owned();
            let is_last = list.is_last() || text(&one["type"]).starts_with("Last");
            let mut read = Condition::of(one);
            (read.course, read.phase, read.is_last) = (course, phase, is_last);
            if let Some(generation) = generation(&one["observedGeneration"]) {
                found.observed.push((place.clone(), generation));
            }
            let at = format!("{place}{}", text(&one["type"]));
            found.said.extend(read.hint().map(|hint| Said {
                id: read.id(hint),
                at,
                says: read.says(one),
                hint,
                is_whole: true,
            }));
        }
    }
    found
}

/// The conditions of a list; those of a map have their types as keys.
pub(super) fn listed(value: &Value) -> Vec<Value> {
    let with_type = |(kind, one): (&String, &Value)| match one {
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.insert("type".to_owned(), kind.as_str().into());
            Value::Object(fields)
        }
        status => json!({"type": kind, "status": status}),
    };
    let all = match value {
        Value::Object(fields) => fields.iter().map(with_type).collect(),
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|one| one["type"].is_string()).collect()
}

/// What the conditions of a list say that the object is in the middle of.
pub(super) fn course_of(conditions: &[Value]) -> Course {
    conditions
        .iter()
        .map(|one| Condition::of(one).course_of_own(one))
        .fold(Course::default(), Course::or)
}

/// A generation; that of Argo Rollouts is a string.
pub(super) fn generation(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Where a list of conditions is: `parents[0] `; empty for those of the object.
fn place(at: &str) -> String {
    let (above, _) = at.rsplit_once('.').unwrap_or_default();
    if above.is_empty() { String::new() } else { format!("{above} ") }
}
