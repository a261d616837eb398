//! One line of a journal: the record's JSON whose last field ties it to all records before it.
//! Pure.
//!
//! `chain` is the SHA-256 of the link before and the record's own JSON; the first record follows on
//! nothing. Journals of earlier versions have a `crc` of the record alone: they are read, and what
//! is appended to them follows on all that is there.

use crate::encoding::hex;
use crate::event::{EventKind, Record};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{self, StrDeserializer};
use sha2::{Digest, Sha256};

/// Length of `,"crc":"01234567"}`.
const CRC: usize = 18;
/// Length of `,"chain":"` with 64 digits and `"}`.
const CHAIN: usize = 76;

/// What the next record follows on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link([u8; 32]);

impl Link {
    /// The link after a record with this JSON.
    fn after(self, body: &str) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(body).finalize().into())
    }

    /// As hexadecimal digits.
    pub(super) fn hex(self) -> String {
        hex(&self.0)
    }
}

/// How a line is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineCheck {
    /// By itself: written by an earlier version.
    Alone,
    /// With all lines before it.
    Chained,
}

/// A record as a line with its newline, and the link after it.
pub(super) fn encode(record: &Record, before: Link) -> serde_json::Result<(String, Link)> {
    let mut line = serde_json::to_string(record)?;
    let link = before.after(&line);
    line.pop();
    line.push_str(&chained(link));
    line.push('\n');
    Ok((line, link))
}

fn chained(link: Link) -> String {
    format!(",\"chain\":\"{}\"}}", link.hex())
}

fn alone(body: &str) -> String {
    format!(",\"crc\":\"{:08x}\"}}", crc32fast::hash(body.as_bytes()))
}

/// Why a line is not a record.
#[derive(Debug, PartialEq)]
pub(super) enum LineFault {
    /// Not what was written.
    Damaged(String),
    /// As written, of an unknown kind.
    UnknownEvent(String),
    /// The header of another schema.
    Schema(String),
}

/// A line that was found right.
#[derive(Debug, PartialEq)]
pub(super) struct JournalLine {
    pub(super) record: Record,
    pub(super) check: LineCheck,
    /// What the next line follows on.
    pub(super) link: Link,
}

/// The record in a line without its newline that follows on `before`.
pub(super) fn decode(line: &[u8], before: Link) -> Result<JournalLine, LineFault> {
    let (body, check) = body(line, before)?;
    let record = serde_json::from_str(&body).map_err(|error| explain(&body, &error))?;
    Ok(JournalLine { record, check, link: before.after(&body) })
}

/// The record's JSON, once it is found right.
fn body(line: &[u8], before: Link) -> Result<(String, LineCheck), LineFault> {
    let damaged = |text: &str| LineFault::Damaged(text.to_owned());
    let text = std::str::from_utf8(line).map_err(|_| damaged("it is not UTF-8"))?;
    let split = |length: usize| text.split_at_checked(text.len().checked_sub(length)?);
    if let Some((start, end)) = split(CHAIN).filter(|(_, end)| end.starts_with(",\"chain\":\"")) {
        let body = format!("{start}}}");
        return if end == chained(before.after(&body)) {
            Ok((body, LineCheck::Chained))
        } else {
            Err(damaged(
                "it does not match the previous records: this record was changed, or an earlier \
                    one was changed, removed or added",
            ))
        };
    }
    let (start, end) = split(CRC).ok_or_else(|| damaged("the line is too short"))?;
    let body = format!("{start}}}");
    if end == alone(&body) {
        Ok((body, LineCheck::Alone))
    } else {
        Err(damaged("the checksum does not match"))
    }
}

fn is_known(event: &str) -> bool {
    let name: StrDeserializer<'_, value::Error> = event.into_deserializer();
    EventKind::deserialize(name).is_ok()
}

/// A whole line that is no record of ours was written by another version.
fn explain(body: &str, error: &serde_json::Error) -> LineFault {
    #[derive(Deserialize)]
    struct Kind {
        event: String,
        schema: Option<String>,
    }
    match serde_json::from_str::<Kind>(body) {
        Ok(Kind { schema: Some(schema), event }) if event == "run_started" => {
            LineFault::Schema(schema)
        }
        Ok(Kind { event, .. }) if !is_known(&event) => LineFault::UnknownEvent(event),
        Ok(_) | Err(_) => LineFault::Damaged(error.to_string()),
    }
}

/// Whether `bytes` begin with a whole record that follows on `before`: then what follows it on the
/// same line is damage, not a torn write.
pub(super) fn begins_with_record(bytes: &[u8], before: Link) -> bool {
    let ends_of = |mark: &'static [u8], length: usize| {
        bytes
            .windows(mark.len())
            .enumerate()
            .filter(move |(_, window)| *window == mark)
            .map(move |(at, _)| at + length)
    };
    ends_of(b",\"chain\":\"", CHAIN)
        .chain(ends_of(b",\"crc\":\"", CRC))
        .filter(|end| *end < bytes.len())
        .any(|end| {
            // A block that was allocated and never written reads as zeros.
            body(&bytes[..end], before).is_ok() && bytes[end..].iter().any(|byte| *byte != 0)
        })
}
