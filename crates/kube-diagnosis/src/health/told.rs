//! The text that a field of a status holds.

use crate::object::filled;
use serde_json::Value;

/// How many texts of a list are told.
const TEXTS: usize = 3;

/// A text, that of an object, or those of a list; none of what is empty. A number is that of several
/// attempts, and tells nothing.
pub(super) fn told(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => inner(text).or_else(|| filled(value).map(str::to_owned)),
        Value::Object(fields) => {
            let mut named = ["message", "description"].into_iter();
            match named.find_map(|name| fields.get(name).filter(|one| !one.is_null())) {
                Some(text) => told(text),
                None => (!fields.is_empty()).then(|| value.to_string()),
            }
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().filter_map(told).collect();
            let more = texts.len().saturating_sub(TEXTS);
            let more = (more > 0).then(|| format!("and {more} more"));
            let all: Vec<String> = texts.into_iter().take(TEXTS).chain(more).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        Value::Bool(true) => Some("true".to_owned()),
        Value::Null | Value::Bool(false) | Value::Number(_) => None,
    }
}

/// The message of an error that is JSON in a string (Flink).
fn inner(text: &str) -> Option<String> {
    let error: Value = serde_json::from_str(text).ok()?;
    filled(&error["message"]).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::told;
    use serde_json::json;

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(
            told(&json!(["a", {"message": "b"}, "", "c", 5, "d", "e"])).as_deref(),
            Some("a; b; c; and 2 more")
        );
        assert_eq!(told(&json!([{"message": ""}])), None);
    }
}
