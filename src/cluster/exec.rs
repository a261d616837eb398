//! Runs commands in containers, over the WebSocket channel protocol.
//!
//! Implemented here and not with kube's `AttachedProcess`: a stream that ends without a status,
//! normally or because the connection broke, must be distinguished from success, and output goes to
//! its sink without pipes in between.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::client::Cluster;
use super::error::{Error, deepest, one_line};
use super::http::query;
use super::logs::{needs_container, pod_path};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandExit {
    /// It ran and ended with this code.
    Code(i32),
    /// The runtime could not start it: the text says why (the executable is not there, not
    /// permitted).
    NotStarted(String),
    /// The stream ended without a status: the command may have ended in any way, or still run.
    Unknown(String),
    /// It did not end in time and may still run in the container.
    TimedOut,
}

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// Standard error, up to the limit.
    pub stderr: Vec<u8>,
    /// Whether the limit cut one of them.
    pub truncated: bool,
    /// How it ended.
    pub exit: CommandExit,
}

/// How a command ended whose standard output went elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// The bytes of standard output that were written to the sink.
    pub bytes: u64,
    /// Standard error, up to 64 KiB.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub exit: CommandExit,
}

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;
const STDIN_CHUNK: usize = 32 * 1024;
const STDERR_LIMIT: usize = 64 * 1024;
/// How many pings and empty frames a stream may have without being suspected, and how many more
/// with each second: API servers send one in some seconds.
const FREE_PINGS: u64 = 1000;
const PINGS_PER_SECOND: u64 = 10;
/// Keeps NAT gateways from dropping an idle connection.
const PING: Duration = Duration::from_secs(20);

impl Cluster {
    /// Runs a command (no shell in between) in the named container, or in the pod's default one.
    /// Output over `limit_bytes` per stream is dropped while the command continues, so that its exit
    /// code is still known.
    ///
    /// # Errors
    /// When the command was not sent: the pod does not exist, `pods/exec` is forbidden, the API
    /// server cannot be reached. Once the stream is open everything is an [`CommandExit`].
    ///
    /// # Cancellation
    /// Dropping the future closes the stream; the command may continue to run.
    #[expect(clippy::too_many_arguments, reason = "they are what an exec request consists of")]
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        argv: &[String],
        stdin: Option<Vec<u8>>,
        timeout: Duration,
        limit_bytes: usize,
    ) -> Result<Executed, Error> {
        let mut stdout = Capped::new(limit_bytes);
        let mut stderr = Capped::new(limit_bytes);
        let input = stdin.map(io::Cursor::new);
        let exit = self
            .run(namespace, pod, container, argv, input, &mut stdout, &mut stderr, timeout)
            .await?;
        let exit = match exit {
            CommandExit::Code(code) => not_started(code, &stdout.kept, &stderr.kept)
                .map_or(CommandExit::Code(code), CommandExit::NotStarted),
            other => other,
        };
        Ok(Executed {
            truncated: stdout.cut || stderr.cut,
            stdout: stdout.kept,
            stderr: stderr.kept,
            exit,
        })
    }

    /// Runs a command and streams its standard input and output, in constant memory: for backups
    /// and restores. It is abandoned when `stop` says why: the stream of a command that has ended
    /// may stay open, where the server cannot get rid of its standard input.
    ///
    /// # Errors
    /// As [`Cluster::exec`]; a sink or source that fails is [`CommandExit::Unknown`] with its reason.
    #[expect(clippy::too_many_arguments, reason = "they are what an exec request consists of")]
    pub async fn exec_stream<R, W>(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        argv: &[String],
        stdin: Option<R>,
        stdout: &mut W,
        timeout: Duration,
        stop: impl Future<Output = String> + Send,
    ) -> Result<Streamed, Error>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let mut counted = Counted { sink: stdout, bytes: 0 };
        let mut stderr = Capped::new(STDERR_LIMIT);
        let running =
            self.run(namespace, pod, container, argv, stdin, &mut counted, &mut stderr, timeout);
        let exit = tokio::select! {
            exit = running => exit?,
            why = stop => CommandExit::Unknown(why),
        };
        let exit = match counted.sink.flush().await {
            Ok(()) => exit,
            Err(error) => CommandExit::Unknown(format!("cannot store its output: {error}")),
        };
        Ok(Streamed { bytes: counted.bytes, stderr: stderr.kept, exit })
    }

    #[expect(clippy::too_many_arguments, reason = "they are what an exec request consists of")]
    async fn run<R, W>(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        argv: &[String],
        stdin: Option<R>,
        stdout: &mut W,
        stderr: &mut Capped,
        timeout: Duration,
    ) -> Result<CommandExit, Error>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let deadline = tokio::time::Instant::now() + timeout;
        let program = argv.first().map(String::as_str).unwrap_or_default();
        let doing = self.doing("run", format!("{program:?} in pod {pod} in namespace {namespace}"));
        let opened = match self
            .websocket(&doing, &exec_path(namespace, pod, container, argv, stdin.is_some())?)
            .await
        {
            // Refused before anything ran: choose as kubectl does.
            Err(error) if container.is_none() && needs_container(&error) => {
                let container = self.choose_container(namespace, pod).await?;
                self.websocket(
                    &doing,
                    &exec_path(namespace, pod, Some(&container), argv, stdin.is_some())?,
                )
                .await?
            }
            other => other?,
        };
        let ends_stdin = opened.supports_stream_close();
        if stdin.is_some() && !ends_stdin {
            return Ok(CommandExit::Unknown(
                "the API server supports only v4.channel.k8s.io, which cannot close standard \
                    input; the command was started and abandoned"
                    .to_owned(),
            ));
        }
        let (send, receive) = opened.into_stream().split();
        let talk = async {
            tokio::select! {
                exit = listen(receive, stdout, stderr) => exit,
                why = speak(send, stdin) => CommandExit::Unknown(why),
            }
        };
        Ok(tokio::time::timeout_at(deadline, talk).await.unwrap_or(CommandExit::TimedOut))
    }
}

fn exec_path(
    namespace: &str,
    pod: &str,
    container: Option<&str>,
    argv: &[String],
    stdin: bool,
) -> Result<String, Error> {
    let mut parameters: Vec<(&str, String)> =
        argv.iter().map(|argument| ("command", argument.clone())).collect();
    if let Some(container) = container {
        parameters.push(("container", container.to_owned()));
    }
    for (name, wanted) in [("stdin", stdin), ("stdout", true), ("stderr", true)] {
        if wanted {
            parameters.push((name, "true".to_owned()));
        }
    }
    Ok(format!("{}/exec{}", pod_path(namespace, pod)?, query(&parameters)))
}

/// Reads frames until the status comes or the stream ends.
async fn listen<S, W>(mut receive: S, stdout: &mut W, stderr: &mut Capped) -> CommandExit
where
    S: Stream<Item = Result<Message, SocketError>> + Unpin,
    W: AsyncWrite + Unpin,
{
    let (begun, mut empty) = (tokio::time::Instant::now(), 0_u64);
    loop {
        // an answer to each ping is kept until the server takes it
        if empty > FREE_PINGS + begun.elapsed().as_secs() * PINGS_PER_SECOND {
            return CommandExit::Unknown(format!(
                "the server sent {empty} pings and empty frames in {} s: the stream was abandoned",
                begun.elapsed().as_secs()
            ));
        }
        let frame = match receive.next().await {
            Some(Ok(Message::Binary(frame))) => frame,
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Close(_))) | None => {
                return CommandExit::Unknown("the stream was closed without a status".to_owned());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                empty += 1;
                continue;
            }
            Some(Err(error)) => {
                return CommandExit::Unknown(format!(
                    "the stream broke without a status: {}",
                    deepest(&error)
                ));
            }
        };
        let Some((&channel, data)) = frame.split_first().filter(|(_, data)| !data.is_empty())
        else {
            // API servers open each channel with an empty frame
            empty += 1;
            continue;
        };
        match channel {
            STDOUT => {
                if let Err(error) = stdout.write_all(data).await {
                    return CommandExit::Unknown(format!("cannot store its output: {error}"));
                }
            }
            STDERR => stderr.push(data),
            STATUS => return read_status(data),
            _ => {}
        }
    }
}

/// Sends standard input, then keeps the connection alive; ends only when the input itself cannot be
/// read.
async fn speak<S, R>(mut send: S, stdin: Option<R>) -> String
where
    S: Sink<Message, Error = SocketError> + Unpin,
    R: AsyncRead + Unpin,
{
    if let Some(mut stdin) = stdin {
        let mut open = true;
        while open {
            let mut chunk = vec![STDIN; STDIN_CHUNK + 1];
            let read = match stdin.read(&mut chunk[1..]).await {
                Ok(read) => read,
                Err(error) => return format!("its standard input could not be read: {error}"),
            };
            if read == 0 {
                chunk = vec![CLOSE, STDIN];
                open = false;
            } else {
                chunk.truncate(read + 1);
            }
            if send.send(Message::binary(chunk)).await.is_err() {
                // The reading half knows more: the command may just have ended.
                return futures::future::pending().await;
            }
        }
    }
    loop {
        tokio::time::sleep(PING).await;
        if send.send(Message::Ping(Bytes::new())).await.is_err() {
            return futures::future::pending().await;
        }
    }
}

/// The `Status` object that ends an exec.
fn read_status(data: &[u8]) -> CommandExit {
    let Ok(status) = serde_json::from_slice::<Value>(data) else {
        return CommandExit::Unknown(format!(
            "the status is not JSON: {}",
            one_line(&String::from_utf8_lossy(data), 200)
        ));
    };
    if status["status"] == "Success" {
        return CommandExit::Code(0);
    }
    let causes = status["details"]["causes"].as_array();
    let code = causes.into_iter().flatten().find(|cause| cause["reason"] == "ExitCode");
    let text = status["message"].as_str().unwrap_or("the server gave no reason");
    if let Some(code) = code {
        let digits = code["message"].as_str().unwrap_or_default();
        return match digits.parse() {
            Ok(code) => CommandExit::Code(code),
            Err(_) => {
                CommandExit::Unknown(format!("the server reports the exit code {digits:?}: {text}"))
            }
        };
    }
    if is_start_failure(text) {
        CommandExit::NotStarted(start_reason(text).to_owned())
    } else {
        CommandExit::Unknown(text.to_owned())
    }
}

/// Runtimes wrap the reason in layers that say only that it failed.
fn start_reason(text: &str) -> &str {
    const LAST_LAYER: &str = "unable to start container process: ";
    let text = text.rfind(LAST_LAYER).map_or(text, |start| &text[start + LAST_LAYER.len()..]);
    text.strip_suffix(": unknown").unwrap_or(text)
}

/// What container runtimes say when nothing ran.
fn is_start_failure(text: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "failed to start exec",
        "executable file not found",
        "OCI runtime exec failed",
        "unable to start container process",
        "exec failed: ",
        "container not found",
        "cannot exec in a stopped",
        "is not running",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// Some runtimes report a failed start as exit code 126 or 127 with their own text as output.
fn not_started(code: i32, stdout: &[u8], stderr: &[u8]) -> Option<String> {
    if code != 126 && code != 127 {
        return None;
    }
    let texts = [stderr, stdout].map(String::from_utf8_lossy);
    let text =
        texts.iter().find(|text| text.trim_start().starts_with("OCI runtime exec failed"))?;
    Some(one_line(start_reason(text.trim()), 500))
}

/// Keeps the first bytes up to a limit and drops the rest.
struct Capped {
    kept: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Capped {
    fn new(limit: usize) -> Capped {
        Capped { kept: Vec::new(), limit, cut: false }
    }

    fn push(&mut self, data: &[u8]) {
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.cut |= data.len() > room;
    }
}

impl AsyncWrite for Capped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.push(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Counts what goes to a sink.
struct Counted<'a, W> {
    sink: &'a mut W,
    bytes: u64,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<'_, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.sink).poll_write(context, data);
        if let Poll::Ready(Ok(count)) = &written {
            self.bytes += *count as u64;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.sink).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.sink).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_status() {
        let cases: [(&str, CommandExit); 6] = [
            (r#"{"status":"Success"}"#, CommandExit::Code(0)),
            (
                r#"{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#,
                CommandExit::Code(3),
            ),
            (
                r#"{"status":"Failure","reason":"InternalError","message":"OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown"}"#,
                CommandExit::NotStarted(
                    r#"exec: "nope": executable file not found in $PATH"#.into(),
                ),
            ),
            (
                r#"{"status":"Failure","message":"error dialing backend"}"#,
                CommandExit::Unknown("error dialing backend".into()),
            ),
            (
                r#"{"status":"Failure","message":"m","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}"#,
                CommandExit::Unknown(r#"the server reports the exit code "x": m"#.into()),
            ),
            ("{", CommandExit::Unknown("the status is not JSON: {".into())),
        ];
        for (status, exit) in cases {
            assert_eq!(read_status(status.as_bytes()), exit, "{status}");
        }
        assert_eq!(
            not_started(126, b"", b"OCI runtime exec failed: x\n"),
            Some("OCI runtime exec failed: x".into())
        );
        assert_eq!(not_started(1, b"", b"OCI runtime exec failed: x\n"), None);
    }

    #[test]
    fn keeps_the_first_bytes() {
        let mut capped = Capped::new(3);
        capped.push(b"ab");
        capped.push(b"cd");
        capped.push(b"e");
        assert_eq!((capped.kept.as_slice(), capped.cut), (&b"abc"[..], true));
    }
}
