//! Text in columns. Pure.

use crate::encoding::size;
use crate::event::{Part, Saved};
use serde_json::{Map, Value};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A length of time in whole seconds, without the parts that are nothing: `12 s`, `5 m`, `1 h 30 m`.
pub(super) fn whole(time: std::time::Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_millis() >= 500);
    let parts = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s")];
    let some: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if some.is_empty() { "0 s".to_owned() } else { some.join(" ") }
}

/// A duration for a person: `42 ms`, `1.3 s`, `2 m 05 s`, `1 h 02 m`. The argument is in
/// milliseconds.
pub fn duration(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1000;
    let tenths = ms.saturating_add(50) / 100;
    match ms {
        0..1000 => format!("{ms} ms"),
        _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ if seconds < 3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => {
            let minutes = seconds.saturating_add(30) / 60;
            format!("{} h {:02} m", minutes / 60, minutes % 60)
        }
    }
}

/// A saved file for a person: `logs/web.log (4.1 KiB)`.
pub(super) fn file(saved: &Saved) -> String {
    let left_out = match saved.left_out {
        0 => String::new(),
        bytes => format!(", {} left out", size(bytes)),
    };
    format!("{} ({}{left_out})", saved.file, size(saved.bytes))
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text cut to a number of columns; the ellipsis says that something is missing.
pub(super) fn truncate(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(width(ellipsis)) else { return String::new() };
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > room {
            break;
        }
        cut.push(character);
    }
    cut.truncate(cut.trim_end().len());
    cut + ellipsis
}

/// The text in lines of at most so many columns, broken between words and where it breaks itself. A
/// longer word, such as an address to copy, stays whole.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
}

/// The text on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value for a person: strings without quotes, the rest as JSON.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && text.trim() == text => one_line(text),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    }
}

/// The parameters of a run that have a value: `window=15m, remedy=none`.
pub(super) fn params(given: &Map<String, Value>) -> String {
    let given = given.iter().filter(|(_, given)| !given.is_null());
    given.map(|(name, given)| format!("{name}={}", value(given))).collect::<Vec<_>>().join(", ")
}

/// Which part of the runbook is run, in words; none if that is all of it.
pub(super) fn part(part: &Part) -> Option<String> {
    let only = (!part.only.is_empty()).then(|| format!("Only {}", part.only.join(", ")));
    let from = part.start_at.as_ref().map(|first| format!("From {first} on"));
    let parts: Vec<String> = only.into_iter().chain(from).collect();
    (!parts.is_empty()).then(|| format!("{}: the other steps are skipped", parts.join(", ")))
}

/// The value of an item: the fields of an object beside each other.
pub(super) fn fields(item: &Value) -> String {
    match item {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(name, field)| format!("{name} {}", value(field)))
            .collect::<Vec<_>>()
            .join("   "),
        _ => value(item),
    }
}
