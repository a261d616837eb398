//! Waits for objects: lists, then watches, and survives temporary failures until a deadline.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer;
use super::client::Cluster;
use super::error::{Doing, Error, ErrorKind};
use super::http::query;
use super::read::{Selection, add_kind, sort_key, strip, where_};
use crate::api::resource::Resource;

/// Namespace and name of an object; the namespace of a cluster-wide one is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The namespace, or empty.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Why a wait ended without its condition.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The deadline passed.
    #[error("timed out after {} s; last seen: {} objects{}", waited.as_secs(), last.len(),
        after(last_error.as_deref()))]
    Timeout {
        /// The objects as they were last seen.
        last: BTreeMap<ObjectKey, Value>,
        /// The duration of the wait.
        waited: Duration,
        /// What kept the view from being fresh at the deadline, if anything did.
        last_error: Option<Box<Error>>,
    },
    /// The objects cannot be watched (forbidden, unknown kind), or were never seen until the
    /// deadline.
    #[error(transparent)]
    Failed(Box<Error>),
}

fn after(error: Option<&Error>) -> String {
    error.map(|error| format!(" (not fresh: {error})")).unwrap_or_default()
}

/// A watch is asked to end after this time and is opened again, so that a dead connection is
/// noticed.
const WATCH_SECONDS: u64 = 60;
/// How much later than asked a watch may end.
const WATCH_GRACE: Duration = Duration::from_secs(15);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(5);
/// No event is larger than the largest object of etcd, with room to spare.
const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// How a watch stream ended.
enum WatchEnd<T> {
    Decided(T),
    /// The server closed it, as it does from time to time: continue from the same place.
    Closed,
    /// The place is too old: list again.
    Relist,
    Failed(Error),
}

impl<T> From<Error> for WatchEnd<T> {
    fn from(error: Error) -> Self {
        if error.kind == ErrorKind::Gone { Self::Relist } else { Self::Failed(error) }
    }
}

impl Cluster {
    /// Shows `judge` the selected objects, first as listed and then after every change, until it
    /// breaks with a result. No object at all is a view like any other: a wait for something that
    /// does not exist yet waits.
    ///
    /// 429, 500, 502, 503, broken and closed connections and 410 are survived, with growing pauses.
    /// Changes may be skipped meanwhile, so `judge` has to look at states, not at transitions.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] with what was last seen; [`WaitError::Failed`] at once for what does
    /// not pass (401, 403, an unknown kind), and at the deadline when the objects were never seen.
    ///
    /// # Cancellation
    /// Dropping the future ends the watch.
    pub async fn watch_until<T, F>(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &Selection,
        deadline: Instant,
        judge: F,
    ) -> Result<T, WaitError>
    where
        F: FnMut(&BTreeMap<ObjectKey, Value>) -> ControlFlow<T>,
    {
        let started = Instant::now();
        let mut watch = ObjectWatch {
            cluster: self,
            resource,
            namespace,
            selection,
            doing: self
                .doing("watch", format!("{}{}", resource.qualified(), where_(resource, namespace))),
            judge,
            objects: BTreeMap::new(),
            room: WatchMemory::default(),
            seen: false,
            last_error: None,
            delay: FIRST_DELAY,
        };
        let ended = timeout_at(deadline, watch.run(deadline)).await;
        match ended {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(WaitError::Failed(Box::new(error))),
            Err(_) if !watch.seen => {
                let error =
                    watch.last_error.unwrap_or_else(|| watch.doing.timed_out(started.elapsed()));
                Err(WaitError::Failed(Box::new(error)))
            }
            Err(_) => Err(WaitError::Timeout {
                last: watch.objects,
                waited: started.elapsed(),
                last_error: watch.last_error.map(Box::new),
            }),
        }
    }
}

struct ObjectWatch<'a, F> {
    cluster: &'a Cluster,
    resource: &'a Resource,
    namespace: Option<&'a str>,
    selection: &'a Selection,
    doing: Doing,
    judge: F,
    objects: BTreeMap<ObjectKey, Value>,
    room: WatchMemory,
    seen: bool,
    last_error: Option<Error>,
    delay: Duration,
}

impl<F> ObjectWatch<'_, F> {
    async fn run<T>(&mut self, deadline: Instant) -> Result<T, Error>
    where
        F: FnMut(&BTreeMap<ObjectKey, Value>) -> ControlFlow<T>,
    {
        loop {
            let listed =
                match self.cluster.list_all(self.resource, self.namespace, self.selection).await {
                    Ok(listed) => listed,
                    Err(error) => {
                        self.pause(error).await?;
                        continue;
                    }
                };
            if listed.resource_version.is_empty() {
                return Err(self.doing.not_understood("the list has no resourceVersion"));
            }
            self.objects = listed.items.into_iter().map(|object| (key(&object), object)).collect();
            self.room = WatchMemory::default();
            self.fresh();
            if let ControlFlow::Break(result) = (self.judge)(&self.objects) {
                return Ok(result);
            }
            let mut cursor = listed.resource_version;
            loop {
                let before = cursor.clone();
                let opened = Instant::now();
                match self.follow(&mut cursor, deadline).await {
                    WatchEnd::Decided(result) => return Ok(result),
                    WatchEnd::Relist => break,
                    WatchEnd::Closed => {
                        // A server that closes at once, again and again, must not be hammered.
                        if before == cursor && opened.elapsed() < Duration::from_secs(1) {
                            sleep(self.next_delay()).await;
                        }
                    }
                    WatchEnd::Failed(error) => {
                        self.pause(error).await?;
                    }
                }
            }
            // An expired place can repeat when the server is short of history.
            sleep(self.next_delay()).await;
        }
    }

    /// Opens one watch and applies its events until it ends.
    async fn follow<T>(&mut self, cursor: &mut String, deadline: Instant) -> WatchEnd<T>
    where
        F: FnMut(&BTreeMap<ObjectKey, Value>) -> ControlFlow<T>,
    {
        let left = deadline.saturating_duration_since(Instant::now()).as_secs() + 1;
        let seconds = left.min(WATCH_SECONDS);
        let mut body = match self.open(cursor, seconds).await {
            Ok(body) => body,
            Err(error) => return WatchEnd::from(error),
        };
        let mut lines = Lines::default();
        let ends = Instant::now() + Duration::from_secs(seconds) + WATCH_GRACE;
        loop {
            let frame = match timeout_at(ends, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return WatchEnd::Failed(self.doing.broken(&error)),
                // The server was asked to end it long ago: the connection is dead.
                Ok(None) | Err(_) => return WatchEnd::Closed,
            };
            let Ok(data) = frame.into_data() else { continue };
            lines.push(&data);
            // Judged after every event, so that no state in between is missed that the server
            // has sent.
            while let Some(line) = lines.next() {
                match self.apply(line, cursor) {
                    Ok(false) => {}
                    Ok(true) => {
                        self.fresh();
                        if let ControlFlow::Break(result) = (self.judge)(&self.objects) {
                            return WatchEnd::Decided(result);
                        }
                    }
                    Err(error) => return WatchEnd::from(error),
                }
            }
            if lines.pending() > LINE_LIMIT {
                return WatchEnd::Failed(self.doing.not_understood(&format!(
                    "a watch event is larger than {} MiB",
                    LINE_LIMIT / 1024 / 1024
                )));
            }
        }
    }

    /// Opens a watch from this place, which the server ends after so many seconds.
    async fn open(&self, cursor: &str, seconds: u64) -> Result<Body, Error> {
        let mut parameters = self.selection.parameters();
        parameters.push(("watch", "true".to_owned()));
        parameters.push(("allowWatchBookmarks", "true".to_owned()));
        parameters.push(("resourceVersion", cursor.to_owned()));
        parameters.push(("timeoutSeconds", seconds.to_string()));
        let path = format!("{}{}", self.resource.collection(self.namespace), query(&parameters));
        // Compressed watches arrive late.
        let request = Request::get(path)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::ACCEPT_ENCODING, "identity")
            .body(Body::empty());
        let limit = self.cluster.request_timeout();
        match timeout(limit, self.cluster.send(&self.doing, request)).await {
            Ok(response) => Ok(response?.into_body()),
            Err(_) => Err(self.doing.timed_out(limit)),
        }
    }

    /// Applies one event to the objects, and tells whether they have changed.
    fn apply(&mut self, line: &[u8], cursor: &mut String) -> Result<bool, Error> {
        let mut left = self.room.left;
        let event = read_event(line, &mut left, |object| {
            answer::watched(self.resource, self.namespace, object)
        });
        let size = self.room.left - left;
        match event {
            None => Ok(false),
            Some(WatchEvent::Bookmark(version)) => {
                *cursor = version;
                Ok(false)
            }
            Some(WatchEvent::Changed(mut object)) => {
                strip(&mut object);
                add_kind(&mut object, &self.resource.api_version(), &self.resource.kind);
                advance(cursor, &object);
                self.room.keep(key(&object), size);
                self.objects.insert(key(&object), object);
                Ok(true)
            }
            Some(WatchEvent::Deleted(object)) => {
                advance(cursor, &object);
                self.room.forget(&key(&object));
                self.objects.remove(&key(&object));
                Ok(true)
            }
            Some(WatchEvent::Error(code, status)) => Err(self.doing.refused(code, None, &status)),
            Some(WatchEvent::Malformed(why)) => Err(self.doing.not_understood(&why)),
        }
    }

    fn fresh(&mut self) {
        self.seen = true;
        self.last_error = None;
        self.delay = FIRST_DELAY;
    }

    /// Waits before the next attempt, or returns an error that is not temporary.
    async fn pause(&mut self, error: Error) -> Result<(), Error> {
        if !error.retryable() {
            return Err(error);
        }
        let delay = error.retry_after.unwrap_or_default().max(self.next_delay());
        tracing::debug!(%error, ?delay, "watch interrupted");
        self.last_error = Some(error);
        sleep(delay).await;
        Ok(())
    }

    fn next_delay(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = (delay * 2).min(LAST_DELAY);
        delay
    }
}

/// The memory that is left for the objects of a watch, and the memory that each of them takes.
struct WatchMemory {
    left: usize,
    sizes: BTreeMap<ObjectKey, usize>,
}

impl Default for WatchMemory {
    fn default() -> Self {
        Self { left: answer::MEMORY, sizes: BTreeMap::new() }
    }
}

impl WatchMemory {
    fn keep(&mut self, key: ObjectKey, size: usize) {
        self.forget(&key);
        self.left = self.left.saturating_sub(size);
        self.sizes.insert(key, size);
    }

    fn forget(&mut self, key: &ObjectKey) {
        self.left += self.sizes.remove(key).unwrap_or(0);
    }
}

/// A text that arrives in parts, as lines.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// Up to where there is no line end.
    searched: usize,
}

impl Lines {
    fn push(&mut self, part: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(part);
    }

    /// The next whole line, without its end.
    fn next(&mut self) -> Option<&[u8]> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|offset| self.searched + offset) else {
            self.searched = self.buffer.len();
            return None;
        };
        let start = std::mem::replace(&mut self.start, end + 1);
        self.searched = self.start;
        Some(&self.buffer[start..end])
    }

    /// The bytes of the line that has no end yet.
    fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }
}

/// One line of a watch stream.
enum WatchEvent {
    Changed(Value),
    Deleted(Value),
    Bookmark(String),
    Error(u16, Vec<u8>),
    Malformed(String),
}

/// Reads a line within this room of memory. `wrong` says what is wrong with an object.
fn read_event(
    line: &[u8],
    room: &mut usize,
    wrong: impl Fn(&Value) -> Option<String>,
) -> Option<WatchEvent> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let mut event: Value = match answer::parse(line, room) {
        Ok(event) => event,
        Err(why) => {
            return Some(WatchEvent::Malformed(format!("a watch event cannot be used: {why}")));
        }
    };
    let object = event.get_mut("object").map(Value::take).unwrap_or_default();
    let kind = event["type"].as_str().unwrap_or_default();
    if let ("ADDED" | "MODIFIED" | "DELETED", Some(why)) = (kind, wrong(&object)) {
        return Some(WatchEvent::Malformed(format!("a watch event is wrong: {why}")));
    }
    match kind {
        "ADDED" | "MODIFIED" => Some(WatchEvent::Changed(object)),
        "DELETED" => Some(WatchEvent::Deleted(object)),
        "BOOKMARK" => Some(match object["metadata"]["resourceVersion"].as_str() {
            Some(version) => WatchEvent::Bookmark(version.to_owned()),
            None => {
                WatchEvent::Malformed("a bookmark of the watch has no resourceVersion".to_owned())
            }
        }),
        "ERROR" => {
            let code =
                object["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
            Some(WatchEvent::Error(code, object.to_string().into_bytes()))
        }
        other => Some(WatchEvent::Malformed(format!("a watch event has the type {other:?}"))),
    }
}

fn advance(cursor: &mut String, object: &Value) {
    if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
        version.clone_into(cursor);
    }
}

fn key(object: &Value) -> ObjectKey {
    let (namespace, name) = sort_key(object);
    ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_in_parts() {
        let mut lines = Lines::default();
        let mut read = Vec::new();
        for part in ["a", "b\nc\n\nd", "", "e", "\n", "f"] {
            lines.push(part.as_bytes());
            while let Some(line) = lines.next() {
                read.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        assert_eq!(read, ["ab", "c", "", "de"]);
        assert_eq!(lines.pending(), 1);
    }
}
