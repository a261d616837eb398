//! Outputs that are too large for a line: in files of their own beside the journal.

use super::Error;
use super::directory::write_durably;
use crate::event::{Event, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The largest output, in bytes of JSON, that stays in the journal.
pub(super) const LIMIT: usize = 64 * 1024;

/// What stands in the journal in place of a large output.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    artifact: String,
    bytes: usize,
    sha256: String,
}

impl Reference {
    /// The reference in `output`, if it is that of record `seq`.
    fn of(output: &Value, seq: u64) -> Option<Self> {
        let output = output.as_object().filter(|output| output.contains_key("artifact"))?;
        let reference: Self = serde_json::from_value(Value::Object(output.clone())).ok()?;
        (reference.artifact == file_name(seq)).then_some(reference)
    }
}

fn file_name(seq: u64) -> String {
    format!("{seq}.json")
}

/// The record with its output stored in `dir`, if that is too large. The file is durable when this returns.
/// An output that looks like a reference is stored too, so that reading cannot mistake it for one.
pub(super) fn store(record: &Record, dir: &Path) -> Result<Option<Record>, Error> {
    let Event::StepFinished(step) = &record.event else { return Ok(None) };
    let path = dir.join(file_name(record.seq));
    let bytes = serde_json::to_vec(&step.output).map_err(|error| unwritable(&path, error))?;
    if bytes.len() <= LIMIT && Reference::of(&step.output, record.seq).is_none() {
        return Ok(None);
    }
    write_durably(&path, &bytes)?;
    let mut step = step.clone();
    step.output = json!(Reference { artifact: file_name(record.seq), bytes: bytes.len(), sha256: sha256(&bytes) });
    Ok(Some(Record { event: Event::StepFinished(step), ..*record }))
}

/// Puts a stored output back into its record.
pub(super) fn restore(record: &mut Record, dir: &Path) -> Result<(), Error> {
    let Event::StepFinished(step) = &mut record.event else { return Ok(()) };
    let Some(reference) = Reference::of(&step.output, record.seq) else { return Ok(()) };
    let path = dir.join(&reference.artifact);
    let damaged = |reason: String| Error::Artifact { path: path.clone(), seq: record.seq, reason };
    let bytes = std::fs::read(&path).map_err(|error| damaged(error.to_string()))?;
    if bytes.len() != reference.bytes || sha256(&bytes) != reference.sha256 {
        return Err(damaged("its digest does not match the journal".into()));
    }
    step.output = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cannot happen with values that came from JSON.
pub(super) fn unwritable(path: &Path, error: serde_json::Error) -> Error {
    Error::Io { what: "encode a record of", path: path.to_path_buf(), source: error.into() }
}
