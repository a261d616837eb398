//! What Alertmanager sends, as alerts: the payload of its webhook, or a list as its API prints it.

use crate::event::{Alert, AlertStatus};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Largest payload that is read.
pub const MAX_BYTES: usize = 4 << 20;
/// Most alerts of one payload.
pub const MAX_ALERTS: usize = 5_000;
/// The version of the webhook's payload.
const VERSION: &str = "4";
/// The label that names an alert.
const NAME: &str = "alertname";

/// The alerts that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The alerts, in order.
    pub alerts: Vec<Alert>,
    /// How many more there are, which Alertmanager left out.
    pub left_out: u64,
}

/// Why a payload cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is too large.
    #[error("the payload exceeds {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// It has too many alerts.
    #[error("the payload has {0} alerts; the limit is {MAX_ALERTS}")]
    TooMany(usize),
    /// It is no JSON.
    #[error("the payload is not JSON: {0}")]
    Syntax(String),
    /// It is JSON, but no payload.
    #[error(
        "this is not a payload of Alertmanager: expected an object with `version` and `alerts`, or \
            a list of alerts, not {0}"
    )]
    Shape(&'static str),
    /// It is a payload of another version.
    #[error("payloads of version {0} are not supported; supported: {VERSION}")]
    Version(String),
    /// An alert is not as it must be: its number from 1, and what is wrong.
    #[error("alert {0} of the payload: {1}")]
    Alert(usize, String),
}

/// Reads a payload of the webhook (version 4), or a list of alerts as `/api/v2/alerts` and
/// `amtool alert -o json` print it.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Payload, PayloadError> {
    if text.len() > MAX_BYTES {
        return Err(PayloadError::TooLarge);
    }
    let text = text.trim_start_matches('\u{feff}');
    let value: Value =
        serde_json::from_str(text).map_err(|error| PayloadError::Syntax(error.to_string()))?;
    let (list, left_out) = match &value {
        Value::Array(list) => (list, 0),
        Value::Object(fields) => of_webhook(fields)?,
        other => return Err(PayloadError::Shape(kind(other))),
    };
    if list.len() > MAX_ALERTS {
        return Err(PayloadError::TooMany(list.len()));
    }
    let read = |(index, value)| alert(value).map_err(|what| PayloadError::Alert(index + 1, what));
    let alerts = list.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(Payload { alerts, left_out })
}

/// The alerts of a webhook's payload, and how many were left out of it.
fn of_webhook(fields: &Map<String, Value>) -> Result<(&Vec<Value>, u64), PayloadError> {
    match fields.get("version") {
        Some(Value::String(version)) if version == VERSION => {}
        Some(other) => {
            let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            return Err(PayloadError::Version(text.chars().take(20).collect()));
        }
        None => return Err(PayloadError::Shape("an object without `version`")),
    }
    let Some(Value::Array(list)) = fields.get("alerts") else {
        return Err(PayloadError::Shape("an object without a list of `alerts`"));
    };
    let left_out = fields.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or_default();
    Ok((list, left_out))
}

/// An alert that was typed: its name and labels.
///
/// # Errors
/// What is wrong with a label.
pub fn typed(name: &str, labels: &[String]) -> Result<Alert, String> {
    let mut known = BTreeMap::new();
    for text in labels {
        let (label, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not a label: use LABEL=VALUE"))?;
        check(label)?;
        if label == NAME && value != name {
            return Err(format!("the label {NAME}={value} and the name {name} conflict"));
        }
        if known.insert(label.to_owned(), value.to_owned()).is_some_and(|old| old != value) {
            return Err(format!("the label {label} is given twice"));
        }
    }
    known.retain(|_, value| !value.is_empty());
    known.insert(NAME.to_owned(), name.to_owned());
    Ok(Alert { name: name.to_owned(), labels: known, ..Alert::default() })
}

/// One alert of a payload or a list.
fn alert(value: &Value) -> Result<Alert, String> {
    let Value::Object(fields) = value else {
        return Err(format!("expected an object, not {}", kind(value)));
    };
    let labels = texts(fields, "labels")?;
    let name = labels.get(NAME).cloned().ok_or_else(|| format!("the label `{NAME}` is missing"))?;
    let ends_at = time(fields, "endsAt")?;
    // the webhook says it in a word; in the API, what is listed fires, and `endsAt` is only when it
    // will be forgotten
    let status = match fields.get("status") {
        Some(Value::String(word)) if word == "resolved" => AlertStatus::Resolved,
        Some(Value::String(word)) if word == "firing" => AlertStatus::Firing,
        Some(Value::Object(_)) | None => AlertStatus::Firing,
        Some(other) => {
            return Err(format!("the status must be firing or resolved, not {}", brief(other)));
        }
    };
    Ok(Alert {
        name,
        status,
        annotations: texts(fields, "annotations")?,
        labels,
        starts_at: time(fields, "startsAt")?,
        ends_at: ends_at.filter(|_| status == AlertStatus::Resolved),
        generator_url: text(fields, "generatorURL")?,
        fingerprint: text(fields, "fingerprint")?,
    })
}

/// A mapping of texts; one without a value is none.
fn texts(fields: &Map<String, Value>, key: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = match fields.get(key) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries,
        Some(other) => return Err(format!("`{key}` must be an object, not {}", kind(other))),
    };
    let mut all = BTreeMap::new();
    for (name, value) in entries {
        check(name).map_err(|error| format!("`{key}`: {error}"))?;
        match value {
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => drop(all.insert(name.clone(), text.clone())),
            other => {
                return Err(format!("`{key}`: {name} must be a string, not {}", kind(other)));
            }
        }
    }
    Ok(all)
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(other) => Err(format!("`{key}` must be a string, not {}", kind(other))),
    }
}

/// A time; the year 1 is none.
fn time(fields: &Map<String, Value>, key: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = text(fields, key)? else { return Ok(None) };
    let time: Timestamp = text
        .parse()
        .map_err(|_| format!("`{key}` is not a time: {}", brief(&Value::from(text.as_str()))))?;
    Ok(Some(time).filter(|time| *time > Timestamp::UNIX_EPOCH))
}

/// Whether this can be the name of a label.
fn check(name: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().any(char::is_control) || name.len() > 256 {
        let shown: String = name.chars().take(40).collect();
        return Err(format!("`{}` is not the name of a label", shown.escape_debug()));
    }
    Ok(())
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook(alerts: Value) -> String {
        json!({"version": "4", "status": "firing", "alerts": alerts}).to_string()
    }

    #[test]
    fn a_webhook_tells_what_fires_and_what_is_resolved() {
        let text = webhook(json!([
            {"status": "firing", "labels": {"alertname": "A", "pod": "x", "empty": ""},
                "annotations": {"summary": "s"}, "startsAt": "2026-11-28T22:00:00.5Z",
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/g", "fingerprint": "f"},
            {"status": "resolved", "labels": {"alertname": "B"},
                "startsAt": "2026-11-28T22:00:00+01:00", "endsAt": "2026-11-28T22:05:00Z"}
        ]));
        let Payload { alerts, left_out } = parse(&text).unwrap();
        assert_eq!((alerts.len(), left_out), (2, 0));
        let first = &alerts[0];
        assert_eq!((first.name.as_str(), first.status), ("A", AlertStatus::Firing));
        assert_eq!(first.ends_at, None);
        assert_eq!(first.labels.get("empty"), None, "an empty label is none");
        assert_eq!(first.annotations["summary"], "s");
        let second = &alerts[1];
        assert_eq!(second.status, AlertStatus::Resolved);
        assert_eq!(second.starts_at, Some("2026-11-28T21:00:00Z".parse().unwrap()));
        assert_eq!(second.ends_at, Some("2026-11-28T22:05:00Z".parse().unwrap()));
        let truncated = json!({"version": "4", "alerts": [], "truncatedAlerts": 7}).to_string();
        assert_eq!(parse(&truncated).unwrap().left_out, 7);
    }

    #[test]
    fn what_the_api_lists_fires_whenever_it_will_be_forgotten() {
        let text = json!([{"labels": {"alertname": "A"}, "annotations": {},
            "startsAt": "2026-11-28T22:00:00Z", "endsAt": "2026-11-28T22:04:00Z",
            "status": {"state": "suppressed", "silencedBy": ["x"], "inhibitedBy": []}}]);
        let alerts = parse(&text.to_string()).unwrap().alerts;
        assert_eq!((alerts[0].status, alerts[0].ends_at), (AlertStatus::Firing, None));
    }

    #[test]
    fn what_is_no_payload_is_refused_with_its_place() {
        let one = |alert: Value| webhook(json!([alert]));
        let table = [
            (String::new(), "the payload is not JSON: EOF while parsing a value"),
            ("{\"version\": ".to_owned(), "the payload is not JSON: EOF"),
            ("[".repeat(100_000), "the payload is not JSON: recursion limit exceeded"),
            ("7".to_owned(), "this is not a payload of Alertmanager"),
            ("{}".to_owned(), "not an object without `version`"),
            (json!({"version": "4"}).to_string(), "not an object without a list of `alerts`"),
            (json!({"version": "3", "alerts": []}).to_string(), "payloads of version 3 are not"),
            (json!({"version": 4, "alerts": []}).to_string(), "payloads of version 4 are not"),
            (one(json!("x")), "alert 1 of the payload: expected an object, not a string"),
            (
                one(json!({"labels": {}})),
                "alert 1 of the payload: the label `alertname` is missing",
            ),
            (one(json!({"labels": []})), "`labels` must be an object, not a list"),
            (
                one(json!({"labels": {"alertname": 7}})),
                "`labels`: alertname must be a string, not a number",
            ),
            (
                one(json!({"labels": {"alertname": "A", "a\u{1b}[2J": "x"}})),
                "`labels`: `a\\u{1b}[2J` is not the name of a label",
            ),
            (
                one(json!({"labels": {"alertname": "A"}, "status": "odd"})),
                "the status must be firing or resolved, not \"odd\"",
            ),
            (
                one(json!({"labels": {"alertname": "A"}, "startsAt": "soon"})),
                "`startsAt` is not a time: \"soon\"",
            ),
            (
                webhook(json!(vec![json!({}); MAX_ALERTS + 1])),
                "the payload has 5001 alerts; the limit is 5000",
            ),
            (" ".repeat(MAX_BYTES + 1), "the payload exceeds 4 MiB"),
        ];
        for (text, wanted) in table {
            let said = parse(&text).unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn labels_are_typed_as_pairs() {
        let labels = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let alert = typed("A", &labels(&["pod=x=y", "none="])).unwrap();
        assert_eq!(
            alert.labels.into_iter().collect::<Vec<_>>(),
            [("alertname".into(), "A".into()), ("pod".into(), "x=y".into())]
        );
        for (all, wanted) in [
            (&["pod"][..], "`pod` is not a label: use LABEL=VALUE"),
            (&["=x"], "`` is not the name of a label"),
            (&["alertname=B"], "the label alertname=B and the name A conflict"),
            (&["a=1", "a=2"], "the label a is given twice"),
        ] {
            assert_eq!(typed("A", &labels(all)).unwrap_err(), wanted);
        }
    }
}
