//! What `label` and `annotate` share.

use super::change::{Change, Intent};
use super::fan_out::quote;
use super::workload;
use crate::action::{Context, Failure, FailureKind, Scalar, Target};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// Keys with their values; null removes a key.
pub(in crate::action) type Keys = IndexMap<String, Option<Scalar>>;

/// Which of the two maps of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Map {
    Labels,
    Annotations,
}

impl Map {
    fn field(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }

    fn one(self) -> &'static str {
        match self {
            Self::Labels => "label",
            Self::Annotations => "annotation",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Labels => "label",
            Self::Annotations => "annotate",
        }
    }
}

/// A fault in the keys, or in the values of labels.
pub(in crate::action) fn check(map: Map, keys: &Keys) -> Result<(), String> {
    if keys.is_empty() {
        return Err(format!(
            "`{}` is empty: use `KEY: value`, or `KEY: null` to remove a key",
            map.field()
        ));
    }
    for (key, value) in keys {
        let (prefix, name) =
            key.split_once('/').map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        if prefix == Some("") || !word(name) || name.is_empty() {
            return Err(format!(
                "`{key}` is not a valid key of {}s: use up to 63 letters, digits, `-`, `_` and \
                    `.`, optionally after a domain and a slash",
                map.one()
            ));
        }
        if let (Map::Labels, Some(value)) = (map, value)
            && !word(&value.to_string())
        {
            return Err(format!(
                "`{value}` is not a valid label value: use up to 63 letters, digits, `-`, `_` and \
                    `.`"
            ));
        }
    }
    Ok(())
}

fn word(text: &str) -> bool {
    let ends = |end: Option<char>| end.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && ends(text.chars().next())
        && ends(text.chars().last())
}

/// The line of kubectl.
pub(in crate::action) fn manual_commands(
    map: Map,
    target: &Target,
    step: &str,
    keys: &Keys,
    overwrite: bool,
) -> Vec<String> {
    let words = keys.iter().map(|(key, value)| match value {
        Some(value) => quote(&format!("{key}={value}")),
        None => format!("{}-", quote(key)),
    });
    let words: Vec<String> = words.collect();
    let overwrite = if overwrite { " --overwrite" } else { "" };
    vec![format!(
        "kubectl {} {} -n {}{overwrite} {}",
        map.verb(),
        target.kubectl(),
        quote(target.namespace(step)),
        words.join(" ")
    )]
}

/// The change of one object.
///
/// # Errors
/// When it cannot be read, or a key has another value that is not to be overwritten.
pub(in crate::action) async fn intend(
    context: &Context,
    map: Map,
    target: &Target,
    keys: &Keys,
    overwrite: bool,
) -> Result<Option<Intent>, Failure> {
    let found = workload::find(context, target).await?;
    let mut wanted = found.object.clone();
    let summary = set(&mut wanted, map, keys, overwrite)
        .map_err(|reason| Failure::new(FailureKind::Failed, format!("{target}: {reason}")))?;
    Ok(Some(Intent::of(
        Change::between(&found.resource, &found.object, &wanted, summary),
        workload::guards(&found.object),
    )))
}

/// Sets the keys. Gives what changes in a few words.
fn set(object: &mut Value, map: Map, keys: &Keys, overwrite: bool) -> Result<String, String> {
    let mut said = Vec::new();
    for (key, value) in keys {
        let before = object["metadata"][map.field()][key].as_str().map(str::to_owned);
        match (before, value.as_ref().map(ToString::to_string)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(_)) if !overwrite => {
                return Err(format!(
                    "the {} {key} already has the value {before}, and `overwrite` is false",
                    map.one()
                ));
            }
            (_, Some(after)) => {
                let entries = &mut object["metadata"][map.field()];
                if !entries.is_object() {
                    *entries = json!({});
                }
                said.push(if map == Map::Labels {
                    format!("{key}={after}")
                } else {
                    format!("{key} set")
                });
                entries[key] = json!(after);
            }
            (Some(_), None) => {
                if let Some(entries) = object["metadata"][map.field()].as_object_mut() {
                    entries.shift_remove(key);
                    said.push(format!("{key} removed"));
                }
            }
            (None, None) => {}
        }
    }
    Ok(said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: Value) -> Keys {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn keys_are_set_and_removed() {
        let before = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        for (change, overwrite, wanted) in [
            (json!({"a": "1"}), false, Ok(("", json!({"a": "1", "b": "2"})))),
            (
                json!({"a": 3, "b": null, "c": null}),
                true,
                Ok(("a=3, b removed", json!({"a": "3"}))),
            ),
            (
                json!({"a": "3"}),
                false,
                Err("the label a already has the value 1, and `overwrite` is false"),
            ),
        ] {
            let mut object = before.clone();
            let said = set(&mut object, Map::Labels, &keys(change), overwrite);
            match wanted {
                Ok((summary, labels)) => assert_eq!(
                    (said.as_deref(), &object["metadata"]["labels"]),
                    (Ok(summary), &labels)
                ),
                Err(reason) => assert_eq!(said.unwrap_err(), reason),
            }
        }
        let mut bare = json!({"metadata": {"name": "x"}});
        set(&mut bare, Map::Annotations, &keys(json!({"a.b/c": "d e"})), true).unwrap();
        assert_eq!(bare["metadata"]["annotations"], json!({"a.b/c": "d e"}));
    }

    #[test]
    fn faults() {
        for (map, value, good) in [
            (Map::Labels, json!({"a.b/c": "d"}), true),
            (Map::Labels, json!({"a": ""}), true),
            (Map::Labels, json!({"a": "d e"}), false),
            (Map::Annotations, json!({"a": "d e"}), true),
            (Map::Labels, json!({}), false),
            (Map::Labels, json!({"/a": "b"}), false),
            (Map::Labels, json!({"a b": "c"}), false),
            (Map::Labels, json!({"-a": null}), false),
        ] {
            assert_eq!(check(map, &keys(value.clone())).is_ok(), good, "{value}");
        }
    }
}
