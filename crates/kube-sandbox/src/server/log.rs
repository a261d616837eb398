//! The logs of containers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Server;
use super::request::{Query, ResourceRequest};
use super::status::Status;
use crate::app::{Line, former_lines, lines};
use crate::object;

/// How often a log that is followed is looked at.
const FOLLOW: Duration = Duration::from_millis(250);

/// The pod that a request is about.
pub(crate) fn pod_of(server: &Server, target: &ResourceRequest) -> Result<Arc<Value>, Status> {
    let name = target.name.as_deref().unwrap_or_default();
    server
        .world()
        .store
        .get("pods", target.namespace_name(), name)
        .cloned()
        .ok_or_else(|| Status::not_found(target.resource, name))
}

/// The container that a request means.
pub(crate) fn container_of(pod: &Value, wanted: Option<&str>) -> Result<String, Status> {
    let named = |field: &str| {
        let containers = object::list(&pod["spec"][field]).iter();
        containers.filter_map(|container| container["name"].as_str()).collect::<Vec<&str>>()
    };
    let (names, init) = (named("containers"), named("initContainers"));
    let pod_name = object::name(pod);
    match (wanted, names.as_slice()) {
        (Some(wanted), names) if names.contains(&wanted) || init.contains(&wanted) => {
            Ok(wanted.to_owned())
        }
        (Some(wanted), _) => {
            Err(Status::bad_request(format!("container {wanted} is not valid for pod {pod_name}")))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, names) => Err(Status::bad_request(format!(
            "a container name must be specified for pod {pod_name}, choose one of: [{}]",
            names.join(" ")
        ))),
    }
}

/// How much of a log is wanted.
struct Selection {
    from: Option<Timestamp>,
    tail: Option<usize>,
    limit: Option<usize>,
    timestamps: bool,
}

impl Selection {
    fn of(query: &Query, now: Timestamp) -> Result<Self, Status> {
        let since_time = match query.get("sinceTime") {
            None => None,
            Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
                Status::bad_request(format!("sinceTime: \"{text}\" is not an RFC 3339 time"))
            })?),
        };
        let since = query.number("sinceSeconds").and_then(|seconds| i64::try_from(seconds).ok());
        if since.is_some() && since_time.is_some() {
            return Err(Status::bad_request(
                "only one of sinceTime or sinceSeconds may be provided",
            ));
        }
        let whole = |key: &str| query.number(key).and_then(|number| usize::try_from(number).ok());
        let from = since
            .map(|seconds| now.saturating_add(SignedDuration::from_secs(-seconds)).unwrap_or(now))
            .or(since_time);
        Ok(Self {
            from,
            tail: whole("tailLines"),
            limit: whole("limitBytes"),
            timestamps: query.flag("timestamps") && query.get("timestamps").is_some(),
        })
    }

    fn write(&self, lines: &[Line]) -> String {
        let mut text = String::new();
        for line in lines {
            if self.timestamps {
                text.push_str(&line.at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ ").to_string());
            }
            text.push_str(&line.text);
            text.push('\n');
        }
        text
    }
}

pub(crate) fn answer(
    server: &Server,
    target: &ResourceRequest,
    query: &Query,
) -> Result<Response, Status> {
    let pod = pod_of(server, target)?;
    let container = container_of(&pod, query.get("container"))?;
    let pod_name = object::name(&pod).to_owned();
    let status = ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .flat_map(|field| object::list(&pod["status"][field]))
        .find(|status| status["name"] == container.as_str())
        .cloned()
        .unwrap_or_default();
    if query.flag("previous")
        && query.get("previous").is_some()
        && status["lastState"]["terminated"].is_null()
    {
        return Err(Status::bad_request(format!(
            "previous terminated container \"{container}\" in pod \"{pod_name}\" not found"
        )));
    }
    // one that waits to start again has written before
    if let Some(reason) = status["state"]["waiting"]["reason"].as_str()
        && status["lastState"]["terminated"].is_null()
    {
        let starting = match reason {
            "ImagePullBackOff" | "ErrImagePull" => "trying and failing to pull image".to_owned(),
            other => other.to_owned(),
        };
        return Err(Status::bad_request(format!(
            "container \"{container}\" in pod \"{pod_name}\" is waiting to start: {starting}"
        )));
    }
    let now = server.world().clock.now();
    let selection = Selection::of(query, now)?;
    let former = query.flag("previous") && query.get("previous").is_some();
    let mut found = read(server, target, &container, (selection.from, now), former);
    if let Some(tail) = selection.tail {
        found.drain(..found.len().saturating_sub(tail));
    }
    let mut text = selection.write(&found);
    if let Some(limit) = selection.limit {
        text.truncate(text.floor_char_boundary(limit));
    }
    let body = if query.flag("follow") && query.get("follow").is_some() {
        follow(server.clone(), target, container, selection, text, now)
    } else {
        Body::from(text)
    };
    Response::builder()
        .header(header::CONTENT_TYPE, "text/plain")
        .body(body)
        .map_err(|error| Status::internal(error.to_string()))
}

fn read(
    server: &Server,
    target: &ResourceRequest,
    container: &str,
    (from, now): (Option<Timestamp>, Timestamp),
    former: bool,
) -> Vec<Line> {
    let snapshot = server.snapshot();
    let Some(pod) =
        snapshot.pod(target.namespace_name(), target.name.as_deref().unwrap_or_default())
    else {
        return Vec::new();
    };
    let lines = if former { former_lines } else { lines };
    let place = snapshot.pods[pod].place(container);
    place.map(|place| lines(&snapshot, pod, place, from, now)).unwrap_or_default()
}

/// First what is there, then what comes; ends with the pod.
fn follow(
    server: Server,
    target: &ResourceRequest,
    container: String,
    selection: Selection,
    first: String,
    now: Timestamp,
) -> Body {
    let target = ResourceRequest {
        resource: target.resource,
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        subresource: None,
        rest: String::new(),
    };
    let begin = (server, target, container, selection, Some(first), now);
    let stream = futures::stream::unfold(
        begin,
        |(server, target, container, selection, first, mut seen)| async move {
            let mut text = first.unwrap_or_default();
            while text.is_empty() {
                tokio::select! {
                    () = server.stop.cancelled() => return None,
                    () = tokio::time::sleep(FOLLOW) => {}
                }
                pod_of(&server, &target).ok()?;
                let now = server.world().clock.now();
                text =
                    selection.write(&read(&server, &target, &container, (Some(seen), now), false));
                seen = now;
            }
            Some((
                Ok::<_, Infallible>(Bytes::from(text)),
                (server, target, container, selection, None, seen),
            ))
        },
    );
    Body::from_stream(stream)
}
