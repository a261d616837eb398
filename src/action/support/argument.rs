//! The typed scalars of the format: durations, jq programs and targets.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A length of time: `90s`, `15m`, `1h30m`, `250ms`, `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a duration: use a number with a unit, such as 250ms, 90s, 15m, \
                    1h30m, 2d"
            )
        };
        // jiff reads everything but days as an exact duration; a day is 24 hours here
        let (days, rest) = match text.split_once('d') {
            Some((days, rest)) if !days.is_empty() && days.bytes().all(|b| b.is_ascii_digit()) => {
                (days.parse::<u64>().map_err(|_| wrong())?, rest)
            }
            _ => (0, text),
        };
        let exact = if rest.is_empty() && rest.len() < text.len() {
            std::time::Duration::ZERO
        } else {
            let signed = rest.parse::<jiff::SignedDuration>().map_err(|_| wrong())?;
            std::time::Duration::try_from(signed).map_err(|_| format!("`{text}` is negative"))?
        };
        let days =
            days.checked_mul(86_400).map(std::time::Duration::from_secs).ok_or_else(wrong)?;
        days.checked_add(exact).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(signed) => write!(f, "{signed:#}"),
            Err(_) => write!(f, "{} s", self.0.as_secs()),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with a unit, such as 250ms, 90s, 15m or 1h30m")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Duration, D::Error> {
                deserializer.deserialize_any(self)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_newtype_struct("Duration", Visitor)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string",
            "description": "A length of time with a unit: 250ms, 90s, 15m, 1h30m, 2d",
            "examples": ["15m"]})
    }
}

/// The text of a jq program. Never rendered as a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Jq")]
pub struct JqText(pub String);

/// A text that is taken as it is written: never rendered as a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Literal")]
pub struct Literal(pub String);

/// A text that may be written as a number or a boolean: what is made of it is a text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a number, true or false")]
#[schemars(rename = "Plain")]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A boolean.
    Boolean(bool),
    /// A number, as it is written.
    Number(serde_json::Number),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The target of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Kind, as written: `deployment`, `pod`, `service`, …
    pub kind: String,
    /// One object, or those that a label selector matches.
    pub which: Which,
    /// Namespace; that of the step if none.
    pub namespace: Option<String>,
}

/// One object by name or several by label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The object of this name.
    Name(String),
    /// All objects that this label selector matches.
    Selector(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Name(name) => write!(f, "{}/{name}", self.kind),
            Which::Selector(selector) => write!(f, "{} -l {selector}", self.kind),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "target")]
struct TargetFields {
    kind: String,
    name: Option<String>,
    selector: Option<String>,
    namespace: Option<String>,
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Target;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a target: deployment/NAME, pod/NAME, service/NAME, or {kind, name} or \
                    {kind, selector}",
                )
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Target, D::Error> {
                deserializer.deserialize_any(self)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                match text.split_once('/') {
                    Some((kind, name))
                        if !kind.is_empty() && !name.is_empty() && !name.contains('/') =>
                    {
                        Ok(Target {
                            kind: kind.to_owned(),
                            which: Which::Name(name.to_owned()),
                            namespace: None,
                        })
                    }
                    _ => Err(E::custom(format!(
                        "`{text}` is not a target: use deployment/NAME, pod/NAME, service/NAME, \
                            or {{kind, selector}}"
                    ))),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                let fields = TargetFields::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let which = match (fields.name, fields.selector) {
                    (Some(name), None) => Which::Name(name),
                    (None, Some(selector)) => Which::Selector(selector),
                    _ => {
                        return Err(de::Error::custom(
                            "a target requires either `name` or `selector`",
                        ));
                    }
                };
                Ok(Target { kind: fields.kind, which, namespace: fields.namespace })
            }
        }
        deserializer.deserialize_newtype_struct("Target", Visitor)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What the action acts on: deployment/NAME, pod/NAME, service/NAME, or \
                {kind, name} or {kind, selector}",
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": false, "required": ["kind"],
                "properties": {
                    "kind": {"type": "string"}, "name": {"type": "string"},
                    "selector": {"type": "string"}, "namespace": {"type": "string"}}}
            ]
        })
    }
}

/// Whether an action on a workload queries all its pods or one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pods {
    /// Every pod; the result is a list.
    #[default]
    All,
    /// The first ready pod by name; the result is that pod's alone.
    One,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("1h30m", 5400.0),
            ("250ms", 0.25),
            ("2d", 172_800.0),
            ("1d12h", 129_600.0),
            ("0s", 0.0),
        ] {
            assert_eq!(text.parse::<Duration>().map(|d| d.0.as_secs_f64()), Ok(seconds), "{text}");
        }
        for text in ["", "5", "-5s", "d", "soon", "5 parsecs", "999999999999999999999d"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn targets() {
        let read = |value| serde_json::from_value::<Target>(value);
        assert_eq!(read(json!("deployment/a")).unwrap().to_string(), "deployment/a");
        assert_eq!(
            read(json!({"kind": "Pod", "selector": "app=x", "namespace": "n"}))
                .unwrap()
                .namespace
                .as_deref(),
            Some("n")
        );
        for wrong in [
            json!("deployment"),
            json!("/x"),
            json!("a/b/c"),
            json!({"kind": "Pod"}),
            json!({"kind": "Pod", "name": "a", "selector": "b"}),
            json!(3),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
