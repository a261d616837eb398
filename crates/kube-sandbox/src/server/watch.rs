//! Watching lists of objects.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Server;
use super::listing::{Filter, Shape, metadata_only};
use super::request::{Query, ResourceRequest};
use super::status::Status;
use super::table;
use crate::kinds::Resource;
use crate::object;
use crate::store::{Change, Unknown};

/// How often a watch that wants bookmarks gets one.
const BOOKMARK: Duration = Duration::from_secs(30);

struct Watch {
    server: Server,
    resource: &'static Resource,
    namespace: Option<String>,
    filter: Filter,
    shape: Shape,
    bookmarks: bool,
    revision: u64,
    until: Instant,
    pending: VecDeque<Bytes>,
    ended: bool,
}

pub(crate) fn answer(
    server: &Server,
    target: &ResourceRequest,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Status> {
    let shape = Shape::of(headers)?;
    let filter = Filter::of(query, target.resource)?;
    let world = server.world();
    let current = world.store.revision();
    let wanted = query.number("resourceVersion").filter(|revision| *revision > 0);
    let initial_wanted = query.flag("sendInitialEvents");
    if initial_wanted && query.get("resourceVersionMatch") != Some("NotOlderThan") {
        return Err(Status {
            code: 422,
            reason: "Invalid",
            message: "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: \
                sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                .to_owned(),
            details: None,
        });
    }
    let bookmarks = query.flag("allowWatchBookmarks");
    let seconds = query.number("timeoutSeconds").unwrap_or(1800).clamp(1, 3600);
    let mut watch = Watch {
        server: server.clone(),
        resource: target.resource,
        namespace: target.namespace.clone(),
        filter,
        shape,
        bookmarks,
        revision: wanted.unwrap_or(current),
        until: Instant::now() + Duration::from_secs(seconds),
        pending: VecDeque::new(),
        ended: false,
    };
    if wanted.is_some_and(|wanted| wanted > current) {
        return Err(Status::too_large_version(wanted.unwrap_or_default(), current));
    }
    if wanted.is_none() || initial_wanted {
        watch.revision = current;
        let objects: Vec<Arc<Value>> = world
            .store
            .list(target.resource.plural, target.namespace.as_deref())
            .filter(|object| watch.filter.matches(object))
            .cloned()
            .collect();
        drop(world);
        for object in objects {
            watch.push("ADDED", &object);
        }
        if initial_wanted && bookmarks {
            watch.bookmark(json!({"k8s.io/initial-events-end": "true"}));
        }
    } else if world.store.since(watch.revision).is_err_and(|unknown| unknown == Unknown::TooOld) {
        drop(world);
        watch.refuse();
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        watch.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), watch))
    });
    let body = Body::from_stream(stream);
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| Status::internal(error.to_string()))
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        let mut changed = self.server.world().store.subscribe();
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(bytes);
            }
            if self.ended {
                return None;
            }
            changed.mark_unchanged();
            self.catch_up();
            if !self.pending.is_empty() || self.ended {
                continue;
            }
            let pause = self.until.min(Instant::now() + BOOKMARK);
            tokio::select! {
                _ = changed.changed() => {}
                () = self.server.stop.cancelled() => return None,
                () = tokio::time::sleep_until(pause) => {
                    self.ended = Instant::now() >= self.until;
                    if self.bookmarks {
                        self.bookmark(json!(null));
                    }
                }
            }
        }
    }

    /// Queues what has happened since the last version seen.
    fn catch_up(&mut self) {
        let since = self.server.world().store.since(self.revision);
        match since {
            Ok(changes) => {
                for change in changes {
                    self.revision = change.revision;
                    self.report(&change);
                }
            }
            Err(_) => self.refuse(),
        }
    }

    fn report(&mut self, change: &Change) {
        let here = |object: &Value| {
            self.namespace.as_deref().is_none_or(|namespace| object::namespace(object) == namespace)
                && self.filter.matches(object)
        };
        if change.plural != self.resource.plural {
            return;
        }
        // an object that no longer fits the selector is deleted as far as this watch is concerned
        let before = change.before.as_deref().is_some_and(here);
        let after = !change.deleted && here(&change.object);
        let kind = match (before, after) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return,
        };
        self.push(kind, &Arc::clone(&change.object));
    }

    fn push(&mut self, kind: &str, object: &Arc<Value>) {
        let object = match self.shape {
            Shape::Plain => (**object).clone(),
            Shape::MetadataOnly => metadata_only(object),
            Shape::Table => table::table(
                self.resource,
                std::slice::from_ref(object),
                self.server.world().clock.now(),
                json!({"resourceVersion": object["metadata"]["resourceVersion"]}),
            ),
        };
        self.event(kind, &object);
    }

    fn event(&mut self, kind: &str, object: &Value) {
        self.pending
            .push_back(Bytes::from(format!("{}\n", json!({"type": kind, "object": object}))));
    }

    fn bookmark(&mut self, annotations: Value) {
        let mut object = json!({"kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": self.revision.to_string(), "creationTimestamp": null}});
        if annotations.is_object() {
            object["metadata"]["annotations"] = annotations;
        }
        self.event("BOOKMARK", &object);
    }

    fn refuse(&mut self) {
        self.event(
            "ERROR",
            &Status::expired(format!("too old resource version: {}", self.revision)).object(),
        );
        self.ended = true;
    }
}
