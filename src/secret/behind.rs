//! What stands behind the labels of a masked text, where the text itself is at hand again.

use super::Masker;
use serde_json::Value;

/// How the label of a secret begins.
const LABEL: &str = "[secret ";

/// Whether a label stands in a text in the place of a secret.
pub fn has_label(text: &str) -> bool {
    text.contains(LABEL)
}

/// Whether one stands in a text of a value.
pub fn has_labels(value: &Value) -> bool {
    match value {
        Value::String(text) => has_label(text),
        Value::Array(items) => items.iter().any(has_labels),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| has_label(key) || has_labels(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The labels of a masked text, each with what stands in its place in `text`. None where no label is
/// in it, or where the text around the labels is another.
pub fn behind<'t>(masked: &'t str, text: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
    let mut parts = masked.split(LABEL);
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let (label, visible) = part.split_once(']')?;
        let is_last = parts.peek().is_none();
        // what follows the last label is the end of the text
        let at = if is_last {
            rest.ends_with(visible).then(|| rest.len() - visible.len())?
        } else {
            rest.find(visible)?
        };
        found.push((label, &rest[..at]));
        rest = &rest[at + visible.len()..];
    }
    Some(found).filter(|found| !found.is_empty())
}

impl Masker {
    /// Learns from a value what the record of it has masked: another process knew it then.
    pub fn learn_behind(&self, recorded: &Value, now: &Value) {
        match (recorded, now) {
            (Value::String(masked), Value::String(text)) => self.learn_text_behind(masked, text),
            (Value::Array(masked), Value::Array(items)) => {
                masked.iter().zip(items).for_each(|(masked, item)| self.learn_behind(masked, item));
            }
            (Value::Object(masked), Value::Object(fields)) => {
                for (key, value) in fields {
                    match masked.get(key) {
                        Some(masked) => self.learn_behind(masked, value),
                        // its name may be one of the labels
                        None if masked.keys().any(|key| has_label(key)) => {
                            self.learn(key, "key");
                        }
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn learn_text_behind(&self, masked: &str, text: &str) {
        let Some((_, label)) = masked.split_once(LABEL) else { return };
        for (label, value) in behind(masked, text).into_iter().flatten() {
            self.learn(value, label);
        }
        // where the two do not fit together, nobody knows which part of it is secret
        if self.mask(text) != masked && masked != text {
            self.learn(text, label.split_once(']').map_or("value", |(label, _)| label));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_masked_is_found_between_what_is_not() {
        for (masked, text, found) in [
            ("a [secret db/password] b", "a hunter2 b", Some(vec![("db/password", "hunter2")])),
            ("[secret x] and [secret y].", "one and two.", Some(vec![("x", "one"), ("y", "two")])),
            ("[secret x].", "a.b.", Some(vec![("x", "a.b")])),
            ("a [secret x]", "a b c", Some(vec![("x", "b c")])),
            ("a [secret x] b", "a hunter2 c", None),
            ("a [secret x] b", "c hunter2 b", None),
            ("a b", "a b", None),
        ] {
            assert_eq!(behind(masked, text), found, "{masked} {text}");
        }
    }

    #[test]
    fn what_another_process_knew_is_learnt_from_its_record() {
        let masker = Masker::new();
        let recorded = json!({"data": {"conf": "url: [secret db/uri]\nport: 1", "plain": "text",
            "other": "token [secret t] is old"}});
        let now = json!({"data": {"conf": "url: redis://u:Gz7-Kq2@h\nport: 1", "plain": "text",
            "other": "the word is Rw5-Xy8"}});
        masker.learn_behind(&recorded, &now);
        assert_eq!(masker.mask("redis://u:Gz7-Kq2@h"), "[secret db/uri]");
        assert_eq!(masker.mask("text, port: 1"), "text, port: 1");
        assert!(!masker.mask("the word is Rw5-Xy8").contains("Rw5"), "it was changed since");
    }
}
