//! From the bytes of a journal to its records: where it ends, and whether it can be trusted. Pure.

use super::Error;
use super::codec::{self, LineCheck, LineFault, Link};
use crate::event::{Event, Record};
use std::path::Path;

/// What the bytes of a journal hold.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The whole records.
    pub(super) records: Vec<Record>,
    /// How many they are, also those that somebody took out.
    pub(super) count: usize,
    /// Length of the whole records in bytes; what follows is a torn tail.
    pub(super) whole: usize,
    /// Whether the schema is a later minor version: readable, not to be continued.
    pub(super) newer: bool,
    /// How many records at the beginning stand alone: an earlier version wrote them.
    pub(super) unchained: usize,
    /// What the next record follows on.
    pub(super) link: Link,
}

/// Reads every line. Only the last one may be torn.
pub(super) fn scan(bytes: &[u8], path: &Path) -> Result<Scan, Error> {
    let mut scan = Scan::default();
    go_on(&mut scan, bytes, path)?;
    Ok(scan)
}

/// Reads the lines that follow on those read before.
pub(super) fn go_on(scan: &mut Scan, bytes: &[u8], path: &Path) -> Result<(), Error> {
    let mut version = String::from("of an unknown version");
    let end = scan.whole + bytes.len();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let number = scan.count + 1;
        let corrupt =
            |reason: String| Error::Corrupt { path: path.to_path_buf(), line: number, reason };
        let last = scan.whole + line.len() == end;
        let (decoded, ends) = match line.strip_suffix(b"\n") {
            Some(line) => (codec::decode(line, scan.link), true),
            None => (Err(LineFault::Damaged("the line is incomplete".into())), false),
        };
        match decoded {
            Ok(codec::JournalLine { record, check, link }) => {
                match check {
                    LineCheck::Alone if scan.unchained == scan.count => scan.unchained += 1,
                    LineCheck::Alone => {
                        return Err(corrupt(
                            "it is not chained to the previous records, unlike those".into(),
                        ));
                    }
                    LineCheck::Chained => {}
                }
                if record.seq != number as u64 {
                    return Err(corrupt(format!(
                        "found record {} instead of record {number}",
                        record.seq
                    )));
                }
                if let Event::RunStarted(header) = &record.event {
                    scan.newer = is_newer(&header.schema, path)?;
                    version.clone_from(&header.version);
                }
                scan.records.push(record);
                scan.count += 1;
                scan.link = link;
                scan.whole += line.len();
            }
            // a record is written with its newline: a line that has one was written whole
            Err(LineFault::Damaged(_))
                if last && !ends && !codec::begins_with_record(line, scan.link) =>
            {
                break;
            }
            Err(LineFault::Damaged(reason)) => return Err(corrupt(reason)),
            Err(LineFault::Schema(schema)) => return Err(unreadable(schema, path)),
            Err(LineFault::UnknownEvent(event)) => {
                return Err(Error::UnknownEvent {
                    path: path.to_path_buf(),
                    line: number,
                    event,
                    version,
                });
            }
        }
    }
    Ok(())
}

/// Whether `runbook.journal/vMAJOR[.MINOR]` is a later minor version of ours.
fn is_newer(schema: &str, path: &Path) -> Result<bool, Error> {
    let rest = schema.strip_prefix(crate::event::JOURNAL_SCHEMA);
    match rest
        .map(|rest| rest.strip_prefix('.').and_then(|minor| minor.parse::<u32>().ok()).ok_or(rest))
    {
        Some(Ok(minor)) => Ok(minor > 0),
        Some(Err("")) => Ok(false),
        Some(Err(_)) | None => Err(unreadable(schema.to_owned(), path)),
    }
}

fn unreadable(schema: String, path: &Path) -> Error {
    Error::Schema { path: path.to_path_buf(), schema, hint: "use the version that wrote it".into() }
}
