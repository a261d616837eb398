//! Outputs that are too large for a line: in files of their own beside the journal, written and
//! read part by part.

use super::Error;
use super::directory::{Durability, private, sync_dir};
use crate::encoding::hex;
use crate::event::{Effect, Event, Record, Stored};
use crate::expression::Data;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// The largest output, in bytes of JSON, that stays in the journal.
pub const LIMIT: usize = 64 * 1024;

/// What stands in the journal in place of a large output.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArtifactReference {
    artifact: String,
    bytes: u64,
    sha256: String,
}

impl ArtifactReference {
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

/// Writes and counts at once.
struct Counted<W> {
    out: W,
    bytes: u64,
    digest: Sha256,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the output of record `seq` into `dir`. The file is durable when this returns.
pub(super) fn write(
    dir: &Path,
    seq: u64,
    durability: Durability,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Stored, Error> {
    let path = dir.join(file_name(seq));
    let written = || {
        let file = private().write(true).create(true).truncate(true).open(&path)?;
        let mut out = BufWriter::new(Counted { out: file, bytes: 0, digest: Sha256::new() });
        fill(&mut out)?;
        let Counted { out, bytes, digest } =
            out.into_inner().map_err(io::IntoInnerError::into_error)?;
        durability.file(&out)?;
        Ok(Stored { path: path.clone(), bytes, sha256: hexadecimal(digest), done: false })
    };
    let stored = written().map_err(|source| Error::from_io("write", &path, source))?;
    sync_dir(dir, durability)?;
    Ok(stored)
}

/// The record as it is written: with a reference in the place of a stored output.
/// An output that looks like a reference is stored too, so that reading cannot mistake it for one.
pub(super) fn store(
    record: &Record,
    dir: &Path,
    durability: Durability,
) -> Result<Option<Record>, Error> {
    let Event::StepFinished(step) = &record.event else { return Ok(None) };
    let stored = match &step.stored {
        Some(stored) => stored.clone(),
        None => {
            let bytes = serde_json::to_vec(&step.output).map_err(|error| unwritable(dir, error))?;
            if bytes.len() <= LIMIT && ArtifactReference::of(&step.output, record.seq).is_none() {
                return Ok(None);
            }
            write(dir, record.seq, durability, |out| out.write_all(&bytes))?
        }
    };
    let mut step = Box::new(step.without_output());
    step.output = json!(ArtifactReference {
        artifact: file_name(record.seq),
        bytes: stored.bytes,
        sha256: stored.sha256
    });
    Ok(Some(Record { event: Event::StepFinished(step), ..*record }))
}

/// Says in its record where a stored output is. The file is read once, to see that it is what was
/// written; its content is not kept.
pub(super) fn locate(record: &mut Record, dir: &Path) -> Result<(), Error> {
    let seq = record.seq;
    let Event::StepFinished(step) = &mut record.event else { return Ok(()) };
    let Some(reference) = ArtifactReference::of(&step.output, seq) else { return Ok(()) };
    let path = dir.join(&reference.artifact);
    let damaged = |reason: String| Error::Artifact { path: path.clone(), seq, reason };
    let digest = || {
        let (mut file, mut digest, mut part) =
            (File::open(&path)?, Sha256::new(), vec![0; 64 * 1024]);
        loop {
            match file.read(&mut part)? {
                0 => return Ok(hexadecimal(digest)),
                read => digest.update(&part[..read]),
            }
        }
    };
    if digest().map_err(|error: io::Error| damaged(error.to_string()))? != reference.sha256 {
        return Err(damaged("its digest does not match the journal".into()));
    }
    step.output = Value::Null;
    let stored = Stored {
        path: path.clone(),
        bytes: reference.bytes,
        sha256: reference.sha256,
        done: false,
    };
    step.stored = Some(with_its_end(stored, step.effect));
    Ok(())
}

/// As [`StepFinished::tells_of_the_end`](crate::event::StepFinished::tells_of_the_end), without
/// holding the output.
fn tells_of_the_end(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        changes: Vec<Change>,
    }
    #[derive(Deserialize)]
    struct Change {
        result: Option<String>,
    }
    let told = File::open(path)
        .ok()
        .and_then(|file| serde_json::from_reader::<_, Told>(BufReader::new(file)).ok());
    told.is_some_and(|told| {
        told.changes.iter().any(|change| change.result.as_deref() == Some("done"))
    })
}

/// A stored output with what a state must know of it.
pub fn with_its_end(stored: Stored, effect: Effect) -> Stored {
    Stored { done: effect == Effect::Write && tells_of_the_end(&stored.path), ..stored }
}

/// A stored output. It is text until somebody looks at it.
///
/// # Errors
/// When the file is not what was written.
pub fn load(stored: &Stored) -> Result<Data, Error> {
    let unreadable = |source| Error::from_io("read the stored output", &stored.path, source);
    let text = std::fs::read(&stored.path).map_err(unreadable)?;
    if hexadecimal(Sha256::new_with_prefix(&text)) != stored.sha256 {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::InvalidData,
            "its digest does not match the journal",
        )));
    }
    Ok(Data::Text(text.into()))
}

fn hexadecimal(digest: Sha256) -> String {
    hex(&digest.finalize())
}

/// Cannot happen with values that came from JSON.
pub(super) fn unwritable(path: &Path, error: serde_json::Error) -> Error {
    Error::Io { what: "encode a record of", path: path.to_path_buf(), source: error.into() }
}
