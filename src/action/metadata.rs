//! What `label` and `annotate` share: a map of the metadata with some keys set and some taken away.

use super::change::{Change, Intent};
use super::{Context, Failure, Target, workload};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Wants these keys of `metadata.MAP`; null takes a key away.
pub(super) async fn intend(context: &Context, target: &Target, map: &str, keys: &BTreeMap<String, Option<String>>) -> Result<Option<Intent>, Failure> {
    let found = workload::find(context, target).await?;
    let wanted = with(&found.object, map, keys);
    let names: Vec<&str> = keys.keys().map(String::as_str).collect();
    let change = Change::between(&found.resource, &found.object, &wanted, format!("{map} {}", names.join(", ")));
    Ok(Some(Intent::of(change, workload::guards(&found.object))))
}

fn with(object: &Value, map: &str, keys: &BTreeMap<String, Option<String>>) -> Value {
    let mut wanted = object.clone();
    let present = &mut wanted["metadata"][map];
    let was_there = present.is_object();
    if !was_there {
        *present = json!({});
    }
    if let Some(fields) = present.as_object_mut() {
        for (key, value) in keys {
            match value {
                Some(value) => drop(fields.insert(key.clone(), Value::from(value.as_str()))),
                None => drop(fields.shift_remove(key)),
            }
        }
        if fields.is_empty() && !was_there {
            wanted["metadata"].as_object_mut().map(|metadata| metadata.shift_remove(map));
        }
    }
    wanted
}

/// The arguments of kubectl.
pub(super) fn kubectl(keys: &BTreeMap<String, Option<String>>) -> String {
    let words = keys.iter().map(|(key, value)| match value {
        Some(value) => super::fan::quote(&format!("{key}={value}")),
        None => format!("{key}-"),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_and_taken_away_and_no_map_is_left_behind() {
        let keys = |pairs: &[(&str, Option<&str>)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
        let bare = json!({"metadata": {"name": "x"}});
        let one = json!({"metadata": {"name": "x", "labels": {"a": "1"}}});
        assert_eq!(with(&bare, "labels", &keys(&[("a", Some("1"))])), one);
        assert_eq!(with(&bare, "labels", &keys(&[("a", None)])), bare);
        assert_eq!(with(&one, "labels", &keys(&[("a", None), ("b", Some("2"))])), json!({"metadata": {"name": "x", "labels": {"b": "2"}}}));
    }
}
