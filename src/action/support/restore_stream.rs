//! The standard input of a restore: the file, and around it, where it is one transaction, what
//! begins and ends that.

use super::byte_rate::rate;
use super::database_server::DatabaseServer;
use super::one_pod::Place;
use super::psql_transaction::{
    AFTER_FILE, BEGIN, COMMIT, IDENTIFY, Noted, Transaction, connects, judged,
};
use crate::action::{Context, Failure};
use crate::blocking::blocking;
use crate::cluster::CommandExit;
use crate::encoding::{hex, size};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

/// As much is read at once, and as much again may wait.
const CHUNK: usize = 256 * 1024;
/// As much of what the command prints is kept.
const TAIL: usize = 4096;
/// How often the progress is shown.
const TICK: Duration = Duration::from_secs(1);
/// After this long without progress, the server is asked what became of the transaction.
const STALL: Duration = Duration::from_secs(5);

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Fed {
    /// All of the file was sent, and there is no transaction.
    All,
    /// The transaction of this identity was executed, and its COMMIT was sent.
    Committing(Transaction),
    /// Not all was sent, or not all was executed: no COMMIT was sent.
    Stopped {
        /// Unless the end of the command says it.
        why: Option<String>,
        /// The transaction as a part of which something of the file was sent.
        begun: Option<Transaction>,
    },
}

/// How a restore ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Streamed {
    pub(in crate::action) exit: CommandExit,
    pub(in crate::action) stderr: Vec<u8>,
    /// As much of the file was sent.
    pub(in crate::action) bytes: u64,
    pub(in crate::action) fed: Fed,
}

/// How much was sent, as a part of which transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sent {
    bytes: u64,
    begun: Option<Transaction>,
    /// Whether the `COMMIT` was sent.
    is_all: bool,
}

/// Runs the command, and sends it the file; as one transaction, where there is a server that can be
/// asked whether it has ended.
///
/// # Errors
/// When the command was not sent.
pub(in crate::action) async fn stream(
    context: &Context,
    place: &Place,
    command: &[String],
    (file, sha256): (File, &str),
    server: Option<DatabaseServer<'_>>,
) -> Result<Streamed, Failure> {
    let client = context.cluster()?;
    let (input, mut writer) = tokio::io::duplex(CHUNK);
    let (mut answers, mut printer) = tokio::io::duplex(CHUNK);
    let (tell, identities) = watch::channel(Vec::new());
    let (report, sent) = watch::channel(Sent::default());
    let over = ended(sent, server.as_ref());
    let streams = (Some(input), &mut printer);
    let exec = place.stream((context, client), command, streams, over);
    let listening = async move {
        listen(&mut answers, &tell).await;
        // nobody is told anything any more
        drop(tell);
    };
    let hash = Sha256::new();
    let transactional = server.is_some();
    let mut feeder = Feeder { context, file, hash, report, identities };
    let feeding = async {
        let fed = feeder.feed(&mut writer, sha256, transactional).await;
        drop(writer.shutdown().await);
        fed
    };
    let (done, (), fed) = tokio::join!(exec, listening, feeding);
    let done = done?;
    let bytes = feeder.sent().bytes;
    Ok(Streamed { exit: done.exit, stderr: done.stderr, bytes, fed })
}

/// Waits until the transaction has ended although not all was sent, or the command has not ended
/// with it. The stream of a command that has failed does not end as long as there is input that
/// nobody takes (containerd keeps the pipe open); `kubectl exec -i` then hangs, too.
async fn ended(sent: watch::Receiver<Sent>, server: Option<&DatabaseServer<'_>>) -> String {
    let Some(server) = server else { return std::future::pending().await };
    let mut last = Sent::default();
    loop {
        tokio::time::sleep(STALL).await;
        let now = *sent.borrow();
        if now == last
            && let Some(begun) = now.begun
            && server.fate_now(begun).await.is_end()
        {
            return "its transaction has ended".to_owned();
        }
        last = now;
    }
}

/// Reads what the command prints, keeps the end of it, and tells the identities in it.
async fn listen(answers: &mut (impl AsyncRead + Unpin), tell: &watch::Sender<Vec<Transaction>>) {
    let (mut tail, mut buffer) = (Vec::new(), vec![0; CHUNK]);
    let mut found = Vec::new();
    while let Ok(count @ 1..) = answers.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&tail).into_owned();
        let mut all = Transaction::all_in(&text);
        if !all.is_empty() {
            // what was told is not told again
            tail.clear();
            found.append(&mut all);
            drop(tell.send(found.clone()));
        }
        let over = tail.len().saturating_sub(TAIL);
        tail.drain(..over);
    }
}

struct Feeder<'a> {
    context: &'a Context,
    file: File,
    hash: Sha256,
    report: watch::Sender<Sent>,
    identities: watch::Receiver<Vec<Transaction>>,
}

impl Feeder<'_> {
    fn sent(&self) -> Sent {
        *self.report.borrow()
    }

    async fn feed(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
        sha256: &str,
        transactional: bool,
    ) -> Fed {
        match self.fed(writer, sha256, transactional).await {
            Ok(fed) => fed,
            Err(why) => Fed::Stopped { why, begun: self.sent().begun },
        }
    }

    /// Sends everything. An error without a reason: the command has ended.
    async fn fed(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
        sha256: &str,
        transactional: bool,
    ) -> Result<Fed, Option<String>> {
        if !transactional {
            self.send_file(writer, sha256).await?;
            return Ok(Fed::All);
        }
        send(writer, BEGIN).await?;
        send(writer, IDENTIFY).await?;
        let begun = self.identity(1).await?;
        (self.context.note)(&Noted::Begun(begun).to_string()).map_err(Some)?;
        self.report.send_modify(|sent| sent.begun = Some(begun));
        self.send_file(writer, sha256).await?;
        (self.context.progress)(&format!(
            "{} sent; the server executes it",
            size(self.sent().bytes)
        ));
        send(writer, AFTER_FILE).await?;
        send(writer, IDENTIFY).await?;
        // the answer says that everything before it was executed
        let ended = self.identity(2).await?;
        if begun != ended {
            return Err(Some("the file ends its transaction itself".to_owned()));
        }
        (self.context.note)(&Noted::Committing(begun).to_string()).map_err(Some)?;
        send(writer, COMMIT).await?;
        self.report.send_modify(|sent| sent.is_all = true);
        Ok(Fed::Committing(begun))
    }

    /// Sends the file, and proves that it is the one that was verified.
    async fn send_file(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
        sha256: &str,
    ) -> Result<(), Option<String>> {
        let (begun, mut shown) = (Instant::now(), Instant::now());
        let mut buffer = Vec::new();
        loop {
            let read = self.read(buffer).await?;
            let is_end = read.is_end;
            buffer = read.buffer;
            let count = if is_end { buffer.len() } else { judged(&buffer) };
            // without a transaction the file may do what it likes
            if self.sent().begun.is_some() && connects(&buffer[..count], self.sent().bytes == 0) {
                let why = "the file connects anew (`\\connect`), which ends the transaction: make it \
                    without `--create`";
                return Err(Some(why.to_owned()));
            }
            self.hash.update(&buffer[..count]);
            writer.write_all(&buffer[..count]).await.map_err(|_| None)?;
            self.report.send_modify(|sent| sent.bytes += count as u64);
            buffer.drain(..count);
            if is_end {
                break;
            }
            if shown.elapsed() >= TICK {
                shown = Instant::now();
                (self.context.progress)(&rate(self.sent().bytes, begun.elapsed()));
            }
        }
        let sent = hex(&std::mem::take(&mut self.hash).finalize());
        if sent.eq_ignore_ascii_case(sha256) {
            return Ok(());
        }
        Err(Some("the file has changed while it was sent".to_owned()))
    }

    /// Reads more of the file, behind what is there.
    async fn read(&self, mut buffer: Vec<u8>) -> Result<Read, Option<String>> {
        let file = self.file.try_clone().map_err(unread)?;
        let work = move || {
            let count = file.take(CHUNK as u64).read_to_end(&mut buffer)?;
            Ok(Read { buffer, is_end: count == 0 })
        };
        let read = blocking(work).await.map_err(|error| Some(error.to_string()))?;
        read.map_err(unread)
    }

    /// Waits for the answer of this number.
    async fn identity(&mut self, number: usize) -> Result<Transaction, Option<String>> {
        let told = self.identities.wait_for(|all| all.len() >= number).await;
        told.map(|all| all[number - 1]).map_err(|_| None)
    }
}

/// What was read, and whether the file ends with it.
struct Read {
    buffer: Vec<u8>,
    is_end: bool,
}

fn unread(error: std::io::Error) -> Option<String> {
    Some(format!("the file cannot be read: {error}"))
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> Result<(), Option<String>> {
    writer.write_all(text.as_bytes()).await.map_err(|_| None)
}
