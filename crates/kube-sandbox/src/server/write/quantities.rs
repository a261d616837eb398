//! Quantities as the API stores them.

use serde_json::{Value, json};

/// Quantities may be numbers; they are stored as text.
pub(crate) fn as_text(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    (
                        "limits" | "requests" | "hard" | "used" | "capacity" | "allocatable"
                        | "overhead",
                        Value::Object(amounts),
                    ) => {
                        amounts.values_mut().for_each(to_text);
                    }
                    ("sizeLimit" | "averageValue", value) => to_text(value),
                    (_, value) => as_text(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_text),
        _ => {}
    }
}

fn to_text(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = json!(number.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_text_and_other_numbers_are_not() {
        let mut pod = json!({"spec": {"priority": 1, "containers": [{"name": "a",
            "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}});
        as_text(&mut pod);
        let expected = json!({"spec": {"priority": 1, "containers": [{"name": "a",
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}});
        assert_eq!(pod, expected);
    }
}
