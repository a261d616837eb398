//! The fields of a status that hold errors.

use super::entry::Entry;
use super::word::affirmed;
use super::{ERROR, Fails, Part, Said, Sign, Sure};
use crate::object::filled;
use jiff::Timestamp;
use serde_json::Value;

/// Words for no error.
const NONE: [&str; 8] = ["none", "null", "nil", "<nil>", "n/a", "na", "ok", "false"];

/// The errors that a status reports.
pub(super) fn errors(entries: &[Entry<'_>], status: &Value) -> Vec<Said> {
    let has_recovered = has_recovered(entries);
    let is_usable = status["readyToUse"] == true;
    let fields = entries.iter().filter(|entry| entry.key.error && !entry.above.error);
    let said = fields.filter_map(|entry| {
        let says = message(entry.value).filter(|text| is_error(text))?;
        let hint = match entry.is_last() {
            // it is over
            true if has_recovered => return None,
            true => Sure(Sign::Open),
            false if entry.is_part() => Part,
            false if is_usable => Sure(Sign::Warning),
            // a list may hold old ones
            false if entry.value.is_array() => Fails,
            false => Sure(Sign::Bad),
        };
        Some(Said { id: ERROR, at: entry.at.clone(), says, hint, is_whole: false })
    });
    said.collect()
}

/// What a field for errors holds; none if that is no error. A number is that of several attempts.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(inner(text).unwrap_or_else(|| text.clone())),
        Value::Object(fields) if fields.get("message").is_some_and(|one| !one.is_null()) => {
            message(&value["message"])
        }
        Value::Object(fields) => (!fields.is_empty()).then(|| value.to_string()),
        Value::Array(items) => (!items.is_empty()).then(|| value.to_string()),
        Value::Bool(true) => Some("true".to_owned()),
        Value::Null | Value::Bool(false) | Value::Number(_) => None,
    }
}

/// The message of an error that is JSON in a string (Flink).
fn inner(text: &str) -> Option<String> {
    let error: Value = serde_json::from_str(text).ok()?;
    filled(&error["message"]).map(str::to_owned)
}

fn is_error(text: &str) -> bool {
    let affirmed = affirmed(text);
    let text = affirmed.trim().to_ascii_lowercase();
    !(text.is_empty() || text == "0" || NONE.contains(&text.as_str()))
}

/// Whether the last success is newer than the last failure.
fn has_recovered(entries: &[Entry<'_>]) -> bool {
    let newest = |is_of: fn(&Entry<'_>) -> bool| {
        let times = entries.iter().filter(|entry| is_of(entry));
        times.filter_map(|entry| entry.value.as_str()?.parse::<Timestamp>().ok()).max()
    };
    let failed = newest(|entry| entry.key.failed || entry.above.failed);
    let succeeded = newest(|entry| entry.key.succeeded || entry.above.succeeded);
    failed.is_some_and(|failed| succeeded.is_some_and(|succeeded| succeeded >= failed))
}
