//! One line of a journal: the record's JSON whose last field is the CRC of the rest. Pure.

use crate::event::Record;
use serde::Deserialize;

/// Length of `,"crc":"01234567"}`.
const TAIL: usize = 18;

/// A record as a line with its newline.
pub(super) fn encode(record: &Record) -> serde_json::Result<String> {
    let mut line = serde_json::to_string(record)?;
    let crc = crc32fast::hash(line.as_bytes());
    line.pop();
    line.push_str(&tail(crc));
    line.push('\n');
    Ok(line)
}

fn tail(crc: u32) -> String {
    format!(",\"crc\":\"{crc:08x}\"}}")
}

/// Why a line is not a record.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// Not what was written.
    Damaged(String),
    /// As written, of an unknown kind.
    UnknownEvent(String),
    /// The header of another schema.
    Schema(String),
}

/// The record in a line without its newline.
pub(super) fn decode(line: &[u8]) -> Result<Record, Refusal> {
    let body = body(line)?;
    serde_json::from_str(&body).map_err(|error| explain(&body, &error))
}

/// The record's JSON, once its CRC is found right.
fn body(line: &[u8]) -> Result<String, Refusal> {
    let damaged = |text: &str| Refusal::Damaged(text.to_owned());
    let text = std::str::from_utf8(line).map_err(|_| damaged("it is not UTF-8"))?;
    let split = text.len().checked_sub(TAIL).filter(|at| text.is_char_boundary(*at));
    let (start, end) = split.map(|at| text.split_at(at)).ok_or_else(|| damaged("the line is too short"))?;
    let body = format!("{start}}}");
    if end == tail(crc32fast::hash(body.as_bytes())) { Ok(body) } else { Err(damaged("the checksum does not match")) }
}

/// A whole line that is no record of ours was written by another version.
fn explain(body: &str, error: &serde_json::Error) -> Refusal {
    #[derive(Deserialize)]
    struct Kind {
        event: String,
        schema: Option<String>,
    }
    const KNOWN: [&str; 9] = [
        "run_started",
        "run_resumed",
        "step_started",
        "step_retried",
        "step_finished",
        "finding_concluded",
        "finding_not_ruled_out",
        "run_interrupted",
        "run_finished",
    ];
    match serde_json::from_str::<Kind>(body) {
        Ok(Kind { schema: Some(schema), event }) if event == "run_started" => Refusal::Schema(schema),
        Ok(Kind { event, .. }) if !KNOWN.contains(&event.as_str()) => Refusal::UnknownEvent(event),
        Ok(_) | Err(_) => Refusal::Damaged(error.to_string()),
    }
}

/// Whether `bytes` begin with a whole record: then what follows it on the same line is damage, not a torn write.
pub(super) fn begins_with_record(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b",\"crc\":\"";
    let ends = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| at + TAIL);
    ends.filter(|end| *end < bytes.len()).any(|end| {
        // A block that was allocated and never written reads as zeros.
        body(&bytes[..end]).is_ok() && bytes[end..].iter().any(|byte| *byte != 0)
    })
}
