//! What differs, as lines for a person.

use super::{Difference, desired, differences};
use crate::event::PlannedChange;
use serde_json::{Map, Value, json};

/// The difference of all changes, line by line.
pub fn difference(changes: &[PlannedChange]) -> Vec<String> {
    let some = |value: &Value| if value.is_null() { None } else { Some(value.clone()) };
    let several = changes.len() > 1;
    changes
        .iter()
        .flat_map(|change| {
            let head = several.then(|| format!("{}: {}", change.object.short(), change.summary));
            let lines = match (change.verb.as_str(), some(&change.before), some(&change.after)) {
                // what cannot be previewed is shown as what a person would type
                ("run", ..) => vec![change.summary.clone()],
                // what goes away as a whole is named, not printed
                ("delete" | "evict", ..) => {
                    if several {
                        Vec::new()
                    } else {
                        vec![format!("- {}", change.object)]
                    }
                }
                (_, before, after) => self::lines(before.as_ref(), after.as_ref()),
            };
            head.into_iter().chain(lines)
        })
        .collect()
}

/// The difference as lines for a person: the place, then `- ` and `+ ` lines. Bookkeeping is left
/// out; so are the values of a Secret, which are hashed before they come here.
pub fn lines(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    match (before.map(shown), after.map(shown)) {
        (None, None) => Vec::new(),
        (None, Some(after)) => yaml(&after).into_iter().map(|line| format!("+ {line}")).collect(),
        (Some(before), None) => yaml(&before).into_iter().map(|line| format!("- {line}")).collect(),
        (Some(before), Some(after)) => {
            differences(&before, &after).iter().flat_map(difference_lines).collect()
        }
    }
}

/// An object as far as it is worth showing.
fn shown(object: &Value) -> Value {
    let mut object = desired(object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        for map in ["labels", "annotations"] {
            if metadata.get(map).and_then(Value::as_object).is_some_and(Map::is_empty) {
                metadata.shift_remove(map);
            }
        }
    }
    object
}

fn difference_lines(difference: &Difference) -> Vec<String> {
    let (old, new) = match (&difference.before, &difference.after) {
        // of two lists only the items that are not in both
        (Some(Value::Array(old)), Some(Value::Array(new))) => (only(old, new), only(new, old)),
        (Some(Value::String(old)), Some(Value::String(new)))
            if old.contains('\n') || new.contains('\n') =>
        {
            changed_lines(old, new)
        }
        (old, new) => (old.iter().flat_map(yaml).collect(), new.iter().flat_map(yaml).collect()),
    };
    let old = old.into_iter().map(|line| format!("- {line}"));
    let new = new.into_iter().map(|line| format!("+ {line}"));
    std::iter::once(difference.path.clone()).chain(old).chain(new).collect()
}

fn only(items: &[Value], others: &[Value]) -> Vec<String> {
    items
        .iter()
        .filter(|item| !others.contains(item))
        .flat_map(|item| yaml(&json!([item])))
        .collect()
}

/// The lines that differ, with what is the same before and after left out.
fn changed_lines(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail =
        old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let part = |lines: &[&str]| {
        lines[head..lines.len() - tail].iter().map(|line| (*line).to_owned()).collect()
    };
    (part(&old), part(&new))
}

fn yaml(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.contains('\n') => vec![text.clone()],
        Value::Object(_) | Value::Array(_) => match serde_saphyr::to_string(value) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(_) => vec![value.to_string()],
        },
        Value::String(text) => text.lines().map(str::to_owned).collect(),
        other => vec![other.to_string()],
    }
}
