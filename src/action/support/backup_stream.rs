//! The stream of a backup, from the command to a file that is no backup yet.

use super::backup_format::{BackupFormat, Edges, Expected, Problem, is_end_mark};
use super::backup_store::Partial;
use super::byte_rate::rate;
use super::one_pod::Place;
use crate::action::{Context, Failure};
use crate::blocking::blocking;
use crate::cluster::{self, Streamed};
use crate::encoding::hex;
use sha2::{Digest, Sha256};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

/// As much is written at once, and as much again may wait.
const CHUNK: usize = 512 * 1024;
/// How long a command may still print what is not kept.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the progress is shown.
const TICK: Duration = Duration::from_secs(1);

/// Runs the command and keeps what it prints; whether that could be written, and how it ended.
///
/// # Errors
/// When the work panicked on its thread.
pub(in crate::action) async fn stream(
    context: &Context,
    place: &Place,
    command: &[String],
    partial: Partial,
    expected: &Expected,
) -> Result<(Writing, io::Result<()>, Result<Streamed, cluster::Error>), Failure> {
    let program = command.first().map(String::as_str).unwrap_or_default();
    (context.progress)(&format!("{program} in pod {}", place.pod));
    let begun = Instant::now();
    let (mut reader, mut writer) = tokio::io::duplex(CHUNK);
    let cluster = context.cluster()?;
    let streams = (None::<tokio::io::Empty>, &mut writer);
    let exec = place.stream((context, cluster), command, streams, std::future::pending());
    let storing = async {
        let writing = Writing::new(partial, expected);
        let stored = store_all(&mut reader, writing, expected, context, begun).await;
        // a writer that nobody reads is told so
        drop(reader);
        stored
    };
    let (done, stored) = tokio::join!(exec, storing);
    let (writing, written) = stored?;
    Ok((writing, written, done))
}

/// What has come so far.
pub(in crate::action) struct Writing {
    partial: Partial,
    hash: Sha256,
    edges: Edges,
    /// The last bytes, where they may be no part of the backup.
    held: Vec<u8>,
}

impl Writing {
    fn new(partial: Partial, expected: &Expected) -> Self {
        Self { partial, hash: Sha256::new(), edges: Edges::new(expected), held: Vec::new() }
    }

    pub(in crate::action) fn bytes(&self) -> u64 {
        self.edges.bytes()
    }

    /// What is wrong with it as a whole.
    pub(in crate::action) fn problem(&self, expected: &Expected) -> Option<Problem> {
        self.edges.problem(expected)
    }

    /// The file, and its digest.
    pub(in crate::action) fn finish(self) -> (Partial, String) {
        (self.partial, hex(&self.hash.finalize()))
    }

    fn push(&mut self, data: &[u8], hold: usize) -> io::Result<()> {
        if hold == 0 && self.held.is_empty() {
            return self.keep(data);
        }
        self.held.extend_from_slice(data);
        let rest = self.held.split_off(self.held.len().saturating_sub(hold));
        let ready = std::mem::replace(&mut self.held, rest);
        self.keep(&ready)
    }

    fn keep(&mut self, data: &[u8]) -> io::Result<()> {
        self.partial.write(data)?;
        self.hash.update(data);
        self.edges.push(data);
        Ok(())
    }

    /// The end of the stream.
    fn end(&mut self, expected: &Expected) -> io::Result<()> {
        if is_end_mark(&self.held) && self.edges.problem(expected).is_none() {
            self.held.clear();
        }
        self.push(&[], 0)
    }
}

/// Writes everything that comes, on a thread for that, and computes its digest.
async fn store_all(
    reader: &mut (impl AsyncRead + Unpin),
    mut writing: Writing,
    expected: &Expected,
    context: &Context,
    begun: Instant,
) -> Result<(Writing, io::Result<()>), Failure> {
    let mut ticks = tokio::time::interval_at(begun + TICK, TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let hold = expected.format.map_or(0, BackupFormat::end_mark);
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let filled = tokio::select! {
            filled = fill(reader, &mut buffer) => filled,
            _ = ticks.tick() => {
                let bytes = writing.edges.bytes() + buffer.len() as u64;
                (context.progress)(&rate(bytes, begun.elapsed()));
                continue;
            }
        };
        let work = move || {
            let written = writing.push(&buffer, hold);
            buffer.clear();
            (writing, buffer, written)
        };
        let done = blocking(work).await.map_err(|error| Failure::error(error.to_string()))?;
        let written;
        (writing, buffer, written) = done;
        if written.is_err() {
            // a command whose output nobody reads does not end, and keeps its locks
            drop(tokio::time::timeout(DRAIN, drain(reader, &mut buffer)).await);
            return Ok((writing, written));
        }
        if filled == Filled::End {
            let written = writing.end(expected);
            return Ok((writing, written));
        }
    }
}

/// Whether more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    Full,
    End,
}

/// Reads until the buffer is full: a message of an exec is small, and going to another thread for
/// each costs more than what is done there. What was read stays where this is not awaited to its
/// end.
async fn fill(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Filled {
    while buffer.len() < CHUNK {
        // a read of it cannot fail
        if reader.read_buf(buffer).await.unwrap_or_default() == 0 {
            return Filled::End;
        }
    }
    Filled::Full
}

/// Reads what is left, and forgets it.
async fn drain(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) {
    while let Ok(1..) = reader.read_buf(buffer).await {
        buffer.clear();
    }
}
