//! Validation of names, labels and keys.

use serde_json::{Value, json};

use crate::server::status::FieldError;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
    start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  \
    or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
    (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
    '[-._a-zA-Z0-9]+')";

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn ends(text: &str, fits: fn(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(fits) && text.bytes().next_back().is_some_and(fits)
}

fn is_label(text: &str) -> bool {
    ends(text, lower) && text.bytes().all(|byte| lower(byte) || byte == b'-')
}

/// Letters, digits and `-`, `_`, `.` within.
fn is_word(text: &str) -> bool {
    ends(text, |byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn longest(field: &str, text: &str, bytes: usize) -> Option<FieldError> {
    (text.len() > bytes).then(|| {
        FieldError::invalid(field, &json!(text), &format!("must be no more than {bytes} bytes"))
    })
}

/// The name of an object of a kind.
pub(crate) fn object_name(kind: &str, name: &str) -> Vec<FieldError> {
    let field = "metadata.name";
    let wrong = |detail: &str| FieldError::invalid(field, &json!(name), detail);
    let (fits, detail, bytes) = match kind {
        "Namespace" => (is_label(name), LABEL, 63),
        "Service" => (
            is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase()),
            SERVICE,
            63,
        ),
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => {
            let fits = !matches!(name, "." | "..") && !name.contains(['/', '%']);
            (fits, "may not contain '/' or '%'", 253)
        }
        _ => (name.split('.').all(is_label), SUBDOMAIN, 253),
    };
    let mut mistakes: Vec<FieldError> = longest(field, name, bytes).into_iter().collect();
    if !fits {
        mistakes.push(wrong(detail));
    }
    mistakes
}

/// A name without dots: containers, volumes.
pub(crate) fn label(field: &str, name: &str) -> Vec<FieldError> {
    let mut mistakes: Vec<FieldError> = longest(field, name, 63).into_iter().collect();
    if !is_label(name) {
        mistakes.push(FieldError::invalid(field, &json!(name), LABEL));
    }
    mistakes
}

/// Keys and values of labels.
pub(crate) fn labels(field: &str, labels: &Value) -> Vec<FieldError> {
    let mut mistakes = keys(field, labels);
    for (_, value) in labels.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        mistakes.extend(longest(field, text, 63));
        if !text.is_empty() && !is_word(text) {
            mistakes.push(FieldError::invalid(field, value, LABEL_VALUE));
        }
    }
    mistakes
}

/// Keys of labels and annotations: a word, with a domain before it if need be.
pub(crate) fn keys(field: &str, map: &Value) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    for key in map.as_object().into_iter().flat_map(|map| map.keys()) {
        let (prefix, word) =
            key.split_once('/').map_or((None, key.as_str()), |(prefix, word)| (Some(prefix), word));
        if prefix.is_some_and(|prefix| !prefix.to_ascii_lowercase().split('.').all(is_label)) {
            mistakes.push(FieldError::invalid(
                field,
                &json!(key),
                &format!("prefix part {SUBDOMAIN}"),
            ));
        }
        if word.is_empty() {
            mistakes.push(FieldError::invalid(field, &json!(key), "name part must be non-empty"));
        } else if word.len() > 63 {
            mistakes.push(FieldError::invalid(
                field,
                &json!(key),
                "name part must be no more than 63 bytes",
            ));
        } else if !is_word(word) {
            mistakes.push(FieldError::invalid(field, &json!(key), QUALIFIED));
        }
    }
    mistakes
}

/// The keys of ConfigMaps and Secrets.
pub(crate) fn data_keys(field: &str, map: &Value) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    for key in map.as_object().into_iter().flat_map(|map| map.keys()) {
        let fits = !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        let place = format!("{field}[{key}]");
        mistakes.extend(longest(&place, key, 253));
        if !fits {
            mistakes.push(FieldError::invalid(place, &json!(key), KEY));
        } else if key == "." || key.starts_with("..") {
            mistakes.push(FieldError::invalid(place, &json!(key), "must not start with '..'"));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_form_of_their_kind() {
        for (kind, name, valid) in [
            ("ConfigMap", "a.b-c", true),
            ("ConfigMap", "A", false),
            ("ConfigMap", "a..b", false),
            ("ConfigMap", "-a", false),
            ("Service", "a1", true),
            ("Service", "1a", false),
            ("Service", "a.b", false),
            ("Namespace", "1a", true),
            ("ClusterRole", "system:a", true),
            ("ClusterRole", "a/b", false),
            ("Pod", &"a".repeat(254), false),
        ] {
            assert_eq!(object_name(kind, name).is_empty(), valid, "{kind} {name}");
        }
    }

    #[test]
    fn labels_have_keys_and_values_of_a_form() {
        for (map, valid) in [
            (json!({"app.kubernetes.io/name": "A_b.c"}), true),
            (json!({"a": ""}), true),
            (json!({"a": "b c"}), false),
            (json!({"a": "-"}), false),
            (json!({"": "x"}), false),
            (json!({"a/": "x"}), false),
            (json!({"_/b": "x"}), false),
        ] {
            assert_eq!(labels("metadata.labels", &map).is_empty(), valid, "{map}");
        }
        assert!(data_keys("data", &json!({"a-b_C.1": ""})).is_empty());
        assert_eq!(data_keys("data", &json!({"a b": "", "..x": ""})).len(), 2);
    }
}
