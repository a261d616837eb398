//! From what was given to validated values.

use crate::diagnostic::nearest;
use crate::document::Param;
use crate::secret::{Masker, can_be_masked};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// Why a secret value is refused that would mask ordinary words and numbers (see
/// [`Masker::learn`]), or be shown.
const UNMASKABLE: &str = "is secret, but its value is too short or too common to be masked wherever \
    it appears: use at least 4 characters, or 6 digits";

/// A value that was given for a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Name of the parameter.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Whether it came as text and is read by the parameter's type.
    pub is_text: bool,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}{message}", if name.is_empty() { String::new() } else { format!("parameter \
    `{name}`{} ", if *is_of_value { ":" } else { "" }) })]
pub struct ParamError {
    /// Its name; empty for what is no single parameter's fault.
    pub name: String,
    /// What is wrong, to be read after the name.
    pub message: String,
    /// Its declaration, where nothing else is wrong than that it was not given.
    pub missing: Option<Box<Param>>,
    /// Whether the message begins with the value, and not with a verb.
    pub is_of_value: bool,
}

impl ParamError {
    /// A value that is wrong, or without a name what is wrong with all of them.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into(), missing: None, is_of_value: false }
    }

    /// A value that is wrong and stands in the message.
    fn of_value(name: &str, message: String) -> Self {
        Self { is_of_value: true, ..Self::new(name, message) }
    }

    /// A value that was not given.
    fn missing(name: &str, param: &Param) -> Self {
        let purpose = param.purpose();
        let purpose = if purpose.is_empty() { purpose } else { format!(": {purpose}") };
        let message = format!("is missing ({}){purpose}", param.wanted());
        Self { missing: Some(Box::new(param.clone())), ..Self::new(name, message) }
    }
}

/// Resolves parameters in the order of declaration; what is given later wins.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn resolve(
    declared: &IndexMap<String, Param>,
    given: &[Given],
) -> Result<Map<String, Value>, Vec<ParamError>> {
    let mut errors: Vec<ParamError> = Vec::new();
    for given in given.iter().filter(|given| !declared.contains_key(&given.name)) {
        let message = match nearest(&given.name, declared.keys().map(String::as_str)) {
            Some(near) => format!("is unknown; did you mean `{near}`?"),
            None if declared.is_empty() => "is unknown: this runbook has no parameters".to_owned(),
            None => format!(
                "is unknown; available: {}",
                declared.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        };
        errors.push(ParamError::new(&given.name, message));
    }
    let mut resolved = Map::new();
    for (name, param) in declared {
        let value = match given.iter().rfind(|given| given.name == *name) {
            Some(Given { value: Value::String(text), is_text: true, .. }) => param.parse(text),
            Some(given) => param.validate(&given.value).map(|()| given.value.clone()),
            None => match &param.default {
                Some(default) => Ok(default.clone()),
                None if param.optional => Ok(Value::Null),
                None => {
                    errors.push(ParamError::missing(name, param));
                    continue;
                }
            },
        };
        match value {
            Ok(value) if param.secret && !is_maskable(&value) => {
                errors.push(ParamError::new(name, UNMASKABLE));
            }
            Ok(value) => drop(resolved.insert(name.clone(), value)),
            Err(message) => {
                let value = given
                    .iter()
                    .rfind(|given| given.name == *name)
                    .map(|given| &given.value)
                    .filter(|_| param.secret);
                let message = value.map_or(message.clone(), |value| hidden(&message, value));
                errors.push(ParamError::of_value(name, message));
            }
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

/// Whether every part of a secret value can be masked.
fn is_maskable(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => can_be_masked(text),
        Value::Array(items) => items.iter().all(is_maskable),
        other => can_be_masked(&other.to_string()),
    }
}

/// What is wrong with a secret value, without the value.
fn hidden(message: &str, value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let masker = Masker::new();
    masker.learn(&text, "value");
    let masked = masker.clean(message);
    // what is too short to be looked for
    if !text.is_empty() && masked.contains(&text) {
        "the value is invalid; it is secret and not shown".to_owned()
    } else {
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared() -> IndexMap<String, Param> {
        serde_json::from_value(json!({
            "namespace": {"type": "string", "default": "petrosa-apps"},
            "replicas": {"type": "int", "min": 0, "max": 5},
            "symbol": {"type": "string", "optional": true},
        }))
        .unwrap()
    }

    fn text(name: &str, value: &str) -> Given {
        Given { name: name.into(), value: value.into(), is_text: true }
    }

    #[test]
    fn later_values_win_and_texts_get_their_type() {
        let given = [
            text("replicas", "1"),
            Given { name: "replicas".into(), value: json!(3), is_text: false },
        ];
        assert_eq!(
            Value::Object(resolve(&declared(), &given).unwrap()),
            json!({"namespace": "petrosa-apps", "replicas": 3, "symbol": null})
        );
    }

    #[test]
    fn a_secret_that_is_wrong_is_not_shown() {
        let declared: IndexMap<String, Param> = serde_json::from_value(json!({
            "pin": {"type": "int", "secret": true}, "token": {"type": "string", "pattern": "[0-9]+",
            "secret": true},
        }))
        .unwrap();
        for (pin, token) in [("hunter2-hunter2", "it's \"quoted\" hunter2"), ("hu", "hun")] {
            let errors = resolve(&declared, &[text("pin", pin), text("token", token)]).unwrap_err();
            let said = errors.iter().map(ToString::to_string).collect::<String>();
            assert!(
                errors.len() == 2
                    && !said.contains(pin)
                    && !said.contains(token)
                    && !said.contains("quoted"),
                "{said}"
            );
        }
        let long =
            resolve(&declared, &[text("pin", "hunter2-hunter2"), text("token", "1")]).unwrap_err();
        assert_eq!(long[0].message, "`[secret value]` is not a whole number");
    }

    #[test]
    fn a_secret_that_cannot_be_masked_is_refused() {
        let declared: IndexMap<String, Param> = serde_json::from_value(json!({
            "pin": {"type": "string", "secret": true, "optional": true},
            "pins": {"type": "list", "secret": true, "default": []},
        }))
        .unwrap();
        for (pin, is_masked) in [
            ("abc", false),
            ("12345", false),
            ("admin", false),
            ("123456", true),
            ("abcd", true),
            ("", true),
        ] {
            let pins = Given { name: "pins".into(), value: json!([pin]), is_text: false };
            for given in [text("pin", pin), pins] {
                let result = resolve(&declared, &[given]);
                assert_eq!(result.is_ok(), is_masked, "{pin}: {result:?}");
            }
        }
        assert!(resolve(&declared, &[]).is_ok());
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let errors =
            resolve(&declared(), &[text("namespcae", "x"), text("replicas", "many")]).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "parameter `namespcae` is unknown; did you mean `namespace`?",
                "parameter `replicas`: `many` is not a whole number"
            ]
        );
        assert_eq!(
            resolve(&declared(), &[]).unwrap_err()[0].message,
            "is missing (whole number from 0 to 5)"
        );
    }
}
