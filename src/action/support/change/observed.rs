//! Whether a change whose response was lost took effect. Pure.

use super::recorded::recorded_like;
use crate::compare::{Difference, desired, differences};
use crate::event::PlannedChange;
use crate::secret::Masker;
use serde_json::Value;

/// What a look at the object says of a request whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was made.
    Done,
    /// It was not made.
    NotDone,
    /// Neither the state before nor the state wanted.
    CannotTell(String),
}

/// Compares the object as it is now with what was recorded before the request.
pub fn observe(planned: &PlannedChange, current: Option<&Value>, masker: &Masker) -> Seen {
    let current = current.map(|object| recorded_like(planned, object, masker));
    if matches!(planned.verb.as_str(), "delete" | "evict") {
        return removal(planned, current.as_ref());
    }
    let object = planned.object.short();
    let Some(now) = current else {
        return if planned.before.is_null() {
            Seen::NotDone
        } else {
            Seen::CannotTell(format!("{object} no longer exists"))
        };
    };
    if !planned.before.is_null() && uid(&now) != uid(&planned.before) {
        return Seen::CannotTell(format!(
            "{object} was replaced by another object of the same name"
        ));
    }
    if planned.after.is_null() {
        return Seen::CannotTell(
            "the change was not previewed, so there is nothing to compare with".to_owned(),
        );
    }
    modification(planned, &desired(&now))
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// Whether the object is deleted or evicted, or about to be.
fn removal(planned: &PlannedChange, current: Option<&Value>) -> Seen {
    match current {
        None => Seen::Done,
        Some(now) if uid(now) != uid(&planned.before) => Seen::Done,
        Some(now) if !now["metadata"]["deletionTimestamp"].is_null() => Seen::Done,
        Some(_) => Seen::NotDone,
    }
}

/// Whether the object has the requested values, or still the previous ones.
fn modification(planned: &PlannedChange, now: &Value) -> Seen {
    let object = planned.object.short();
    let wanted: Vec<Difference> = differences(&desired(&planned.before), &desired(&planned.after));
    let at = |difference: &Difference| now.pointer(&difference.pointer).cloned();
    if planned.masked && planned.object.kind != "Secret" && wanted.is_empty() {
        return Seen::CannotTell(format!(
            "the changed value of {object} is secret and not recorded"
        ));
    }
    if planned.before.is_null() {
        // what exists under the name and holds all that was to be made is what was made
        return if contains(now, &desired(&planned.after)) {
            Seen::Done
        } else {
            Seen::CannotTell(format!("{object} exists, but differs from the requested object"))
        };
    }
    if wanted.is_empty() {
        return Seen::CannotTell(format!(
            "the changed value of {object} is secret and looks the same before and after"
        ));
    }
    if wanted.iter().all(|difference| at(difference) == difference.after) {
        return Seen::Done;
    }
    if wanted.iter().all(|difference| at(difference) == difference.before) {
        return Seen::NotDone;
    }
    let other = wanted
        .iter()
        .find(|difference| at(difference) != difference.after)
        .map(|difference| difference.path.clone())
        .unwrap_or_default();
    Seen::CannotTell(format!(
        "{other} of {object} has neither the previous nor the requested value"
    ))
}

/// Whether `whole` has everything that `part` has. Lists agree as a whole.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|whole| contains(whole, value))),
        _ => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded;
    use super::*;
    use crate::event::ObjectReference;
    use serde_json::json;

    #[test]
    fn what_an_earlier_version_recorded_of_a_secret_is_compared_as_it_did() {
        let secret = |value: &str| {
            json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "uid": "u"}, "data": {"pin": value}})
        };
        let keyed = Masker::default().with_fingerprint(|value| format!("keyed:{}", value.len()));
        for recording in [&keyed, &Masker::default()] {
            let planned = PlannedChange {
                object: ObjectReference::default(),
                verb: "patch".into(),
                summary: String::new(),
                before: recorded(&secret("MQ=="), recording),
                after: recorded(&secret("MTIzNDU2"), recording),
                request: Value::Null,
                masked: true,
            };
            assert_eq!(observe(&planned, Some(&secret("MQ==")), &keyed), Seen::NotDone);
            assert_eq!(observe(&planned, Some(&secret("MTIzNDU2")), &keyed), Seen::Done);
        }
        assert_eq!(recorded(&secret("MQ=="), &keyed)["data"]["pin"], "keyed:4");
    }
}
