//! Parameters: typed, validated inputs.

use crate::action::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// The declaration of a parameter.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "param")]
pub struct Param {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// The value if none is given. A parameter without one must be given, unless `optional`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// May be left out; it is null then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A regular expression that the whole text must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The allowed values of an `enum`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// Smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Never shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub secret: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// Any text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// true or false.
    Bool,
    /// A length of time, such as 15m.
    Duration,
    /// One of `values`.
    Enum,
    /// A version, such as 1.0.68 or v1.0.68.
    Semver,
    /// A list of texts; on the command line separated by commas.
    List,
}

impl ParamType {
    /// The word in a runbook.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Duration => "duration",
            Self::Enum => "enum",
            Self::Semver => "semver",
            Self::List => "list",
        }
    }
}

impl Param {
    /// What it is for, in one line; empty if that is not said.
    pub fn purpose(&self) -> String {
        let words: Vec<&str> = self.description.split_whitespace().collect();
        words.join(" ").trim_end_matches('.').to_owned()
    }

    /// What it takes, in a few words: `whole number from 1 to 5`, `one of 5m, 15m`.
    pub fn wanted(&self) -> String {
        let kind = match self.kind {
            ParamType::String => "text".to_owned(),
            ParamType::Int => "whole number".to_owned(),
            ParamType::Number => "number".to_owned(),
            ParamType::Bool => "true or false".to_owned(),
            ParamType::Duration => "duration such as 15m".to_owned(),
            ParamType::Enum => format!("one of {}", self.allowed().join(", ")),
            ParamType::Semver => "version such as 1.0.68".to_owned(),
            ParamType::List => "list, separated by commas".to_owned(),
        };
        let range = match (self.min, self.max) {
            (None, None) => String::new(),
            (Some(min), None) => format!(", {min} or more"),
            (None, Some(max)) => format!(", {max} or less"),
            (Some(min), Some(max)) => format!(" from {min} to {max}"),
        };
        let pattern = self.pattern.as_ref().map(|pattern| format!(" that matches {pattern}"));
        let secret = if self.secret { ", secret" } else { "" };
        format!("{kind}{range}{}{secret}", pattern.unwrap_or_default())
    }

    /// The allowed values of an `enum`, as they are typed.
    fn allowed(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.values.iter().map(text).collect()
    }

    /// Reads a value from the command line or the environment, by type.
    ///
    /// # Errors
    /// What is wrong with the text, after the parameter's name and a colon.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            ParamType::Int => Value::from(
                text.parse::<i64>().map_err(|_| format!("`{text}` is not a whole number"))?,
            ),
            ParamType::Number => {
                let number = text
                    .parse::<f64>()
                    .ok()
                    .and_then(Number::from_f64)
                    .ok_or_else(|| format!("`{text}` is not a number"))?;
                Value::Number(number)
            }
            ParamType::Bool => {
                Value::Bool(text.parse().map_err(|_| format!("`{text}` is not true or false"))?)
            }
            ParamType::List => Value::Array(list(text)?),
            ParamType::Enum => {
                let found = self.values.iter().find(|value| match value {
                    Value::String(value) => value == text,
                    other => format!("{other}").as_str() == text,
                });
                return found.cloned().ok_or_else(|| self.not_allowed(text));
            }
            ParamType::String | ParamType::Duration | ParamType::Semver => Value::from(text),
        };
        self.validate(&value).map(|()| value)
    }

    /// Checks a value against type, pattern and range.
    ///
    /// # Errors
    /// What is wrong with the value, after the parameter's name and a colon.
    pub fn validate(&self, value: &Value) -> Result<(), String> {
        if value.is_null() {
            return if self.optional { Ok(()) } else { Err("no value was given".to_owned()) };
        }
        let wrong = |wanted: &str| Err(format!("{value} is not {wanted}"));
        match self.kind {
            ParamType::String if !value.is_string() => return wrong("a string"),
            ParamType::Int if value.as_i64().is_none() => return wrong("a whole number"),
            ParamType::Number if !value.is_number() => return wrong("a number"),
            ParamType::Bool if !value.is_boolean() => return wrong("true or false"),
            ParamType::Duration => match value.as_str() {
                Some(text) => {
                    text.parse::<Duration>()?;
                }
                None => return wrong("a duration such as 15m"),
            },
            ParamType::Enum if !self.values.contains(value) => {
                return Err(self.not_allowed(&value.to_string()));
            }
            ParamType::Semver if !value.as_str().is_some_and(is_version) => {
                return wrong("a version such as 1.0.68");
            }
            ParamType::List if !value.is_array() => return wrong("a list"),
            _ => {}
        }
        if let (Some(pattern), Some(text)) = (&self.pattern, value.as_str()) {
            let whole = regex::Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| format!("its pattern {pattern} is not a valid regular expression"))?;
            if !whole.is_match(text) {
                return Err(if self.secret {
                    format!("the value does not match {pattern}")
                } else {
                    format!("`{text}` does not match {pattern}")
                });
            }
        }
        match value.as_f64() {
            Some(number) if self.min.is_some_and(|min| number < min) => {
                let min = self.min.unwrap_or_default();
                Err(format!("{value} is below the minimum of {min}"))
            }
            Some(number) if self.max.is_some_and(|max| number > max) => {
                let max = self.max.unwrap_or_default();
                Err(format!("{value} exceeds the maximum of {max}"))
            }
            _ => Ok(()),
        }
    }

    fn not_allowed(&self, text: &str) -> String {
        format!("{text} is not one of {}", self.allowed().join(", "))
    }
}

/// A list as it is typed: `a,b`, or a JSON array, which can be empty and hold anything.
fn list(text: &str) -> Result<Vec<Value>, String> {
    let text = text.trim();
    // a word such as [::1]:80 begins with a bracket, too
    let begins_json = ["[\"", "[{", "[["].iter().any(|start| text.starts_with(start));
    if begins_json || text.starts_with('[') && text.ends_with(']') {
        return serde_json::from_str(text).map_err(|error| {
            format!("`{text}` is not a JSON array ({error}); for a list of words, write a,b")
        });
    }
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    Ok(words.map(Value::from).collect())
}

fn is_version(text: &str) -> bool {
    let bare = text.strip_prefix('v').unwrap_or(text);
    let core = bare.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<_> = core.split('.').collect();
    (1..=3).contains(&parts.len())
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn param(fields: Value) -> Param {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn texts_become_typed_values() {
        for (declared, text, wanted) in [
            (json!({"type": "int", "min": 1, "max": 5}), "3", Ok(json!(3))),
            (
                json!({"type": "int", "min": 1, "max": 5}),
                "9",
                Err("9 exceeds the maximum of 5".to_owned()),
            ),
            (
                json!({"type": "int", "min": 1, "max": 5}),
                "0",
                Err("0 is below the minimum of 1".to_owned()),
            ),
            (json!({"type": "int"}), "3.5", Err("`3.5` is not a whole number".to_owned())),
            (json!({"type": "bool"}), "yes", Err("`yes` is not true or false".to_owned())),
            (json!({"type": "enum", "values": [1, 0]}), "0", Ok(json!(0))),
            (
                json!({"type": "enum", "values": ["a", "b"]}),
                "c",
                Err("c is not one of a, b".to_owned()),
            ),
            (json!({"type": "list"}), "a, b,", Ok(json!(["a", "b"]))),
            (json!({"type": "list"}), "[]", Ok(json!([]))),
            (json!({"type": "list"}), r#" ["a,b", {"n": 1}]"#, Ok(json!(["a,b", {"n": 1}]))),
            (json!({"type": "list"}), "[::1]:80,b", Ok(json!(["[::1]:80", "b"]))),
            (json!({"type": "semver"}), "v1.0.68", Ok(json!("v1.0.68"))),
            (
                json!({"type": "semver"}),
                "latest",
                Err("\"latest\" is not a version such as 1.0.68".to_owned()),
            ),
            (
                json!({"type": "string", "pattern": "[A-Z]+"}),
                "ABc",
                Err("`ABc` does not match [A-Z]+".to_owned()),
            ),
        ] {
            assert_eq!(param(declared.clone()).parse(text), wanted, "{declared} {text}");
        }
        assert!(param(json!({"type": "duration"})).parse("15").is_err());
        for text in ["[a,b]", r#"["a""#] {
            let wrong = param(json!({"type": "list"})).parse(text).unwrap_err();
            assert!(wrong.starts_with(&format!("`{text}` is not a JSON array")), "{wrong}");
        }
        assert!(
            !param(json!({"type": "string", "pattern": "a", "secret": true}))
                .parse("hunter2")
                .unwrap_err()
                .contains("hunter2")
        );
    }
}
