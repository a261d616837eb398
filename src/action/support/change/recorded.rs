//! The recorded form of objects: without the values of Secrets.

use crate::compare::trimmed;
use crate::encoding::hex;
use crate::event::PlannedChange;
use crate::secret::Masker;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// An object as it may be recorded: trimmed, and the values of a Secret as fingerprints that tell
/// equal from different.
pub fn recorded(object: &Value, masker: &Masker) -> Value {
    hidden(object, masker, &|text| masker.fingerprint(text).unwrap_or_else(|| hashed(text)))
}

/// An object as it would be recorded beside this change: earlier versions hashed the values of
/// Secrets without a key. What the process that recorded it has masked is masked again.
pub(super) fn recorded_like(planned: &PlannedChange, object: &Value, masker: &Masker) -> Value {
    if object["kind"] != "Secret" {
        masker.learn_behind(&planned.before, object);
        masker.learn_behind(&planned.after, object);
    }
    let values = [&planned.before, &planned.after]
        .into_iter()
        .flat_map(|object| [&object["data"], &object["stringData"]]);
    let plain = values
        .filter_map(Value::as_object)
        .flat_map(Map::values)
        .any(|value| value.as_str().is_some_and(|text| text.starts_with(PLAIN)));
    if plain { hidden(object, masker, &hashed) } else { recorded(object, masker) }
}

fn hidden(object: &Value, masker: &Masker, hide: &dyn Fn(&str) -> String) -> Value {
    masker.learn_object(object);
    let mut object = trimmed(object);
    if object["kind"] == "Secret" {
        for field in ["data", "stringData"] {
            for value in object
                .get_mut(field)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
            {
                if let Some(text) = value.as_str() {
                    *value = Value::from(hide(text));
                }
            }
        }
        // it repeats the values
        if let Some(annotations) =
            object["metadata"].get_mut("annotations").and_then(Value::as_object_mut)
        {
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

/// What hashes without a key begin with.
const PLAIN: &str = "sha256:";

fn hashed(text: &str) -> String {
    let hex: String = hex(&Sha256::digest(text)[..6]);
    format!("{PLAIN}{hex}")
}

/// Whether masking would change the value: what is recorded then cannot be sent again.
pub(super) fn masks(masker: &Masker, value: &Value) -> bool {
    let text = value.to_string();
    masker.mask(&text) != text
}
