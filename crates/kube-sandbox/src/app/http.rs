//! The HTTP responses of a process.

use std::sync::{Arc, OnceLock};

use minijinja::value::Serde;
use serde_json::{Map, Value};

use super::answers::{Answer, Question};
use super::context::{AppContext, Request};
use super::format::{Builtin, Route};
use super::prometheus;
use super::{Watch, moved};
use crate::snapshot::Snapshot;
use netpol_evaluator::Protocol;

/// What a process answers.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// The body as JSON, once it was asked for.
    json: OnceLock<minijinja::Value>,
    /// Whether its status would be the same at another time.
    steady: bool,
}

impl Response {
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8".to_owned(),
            body: body.as_bytes().to_vec(),
            json: OnceLock::new(),
            steady: false,
        }
    }

    /// The body as JSON, as expressions see it; none if it is no JSON.
    pub(super) fn parsed(&self) -> minijinja::Value {
        let parse = || {
            let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            minijinja::Value::from(Serde(body))
        };
        self.json.get_or_init(parse).clone()
    }

    /// JSON as the programs write it: keys in order, whole numbers without a fraction, a newline at
    /// the end.
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        let mut body = sorted(value).to_string().into_bytes();
        body.push(b'\n');
        let content_type = "application/json".to_owned();
        Self { status, content_type, body, json: OnceLock::new(), steady: false }
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut pairs: Vec<_> =
                fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            pairs.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(pairs.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                Value::from(float as i64)
            }
            _ => value.clone(),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Methods of routes that are not of HTTP: what a client in the container of the server asks.
const OTHER_PROTOCOLS: &[&str] = &["SQL", "REDIS", "DUMP", "RESTORE"];

fn method(route: &Route) -> &str {
    route.route.split(' ').next().unwrap_or_default()
}

/// Asks the process in a container in its own protocol; none when it has no route for that.
pub(crate) fn respond_inside(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    container: usize,
    request: &Request,
    watch: &Watch,
) -> Option<Response> {
    let app = AppContext::new(snapshot, pod, container, watch, 0)?.app;
    let context = || AppContext::new(snapshot, pod, container, watch, 0);
    snapshot.apps.app(app).routes.iter().enumerate().find_map(|(place, route)| {
        let context = Arc::new(context()?.asked(request, Map::new()));
        (method(route) == request.method && context.holds("route-when", place, route.when.as_ref()))
            .then(|| answered(&context, place, route))
    })
}

/// The response of a route, and what it does afterwards.
fn answered(context: &Arc<AppContext>, place: usize, route: &Route) -> Response {
    let response = answer(context, place, route);
    match route.does.as_ref().map(|_| context.evaluate("route-does", place)) {
        Some(Err(error)) => broken(error),
        Some(Ok(_)) | None => response,
    }
}

/// Asks the process that listens on a port of a pod; none when nothing there speaks HTTP.
pub(crate) fn respond(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    port: u16,
    request: &Request,
    watch: &Watch,
    depth: u8,
) -> Option<Arc<Response>> {
    let question = Question { pod, port, request: request.clone(), at: watch.carried(), depth };
    let turns = || snapshot.memory.turns();
    let work = || {
        let own = watch.unread();
        let response = respond_anew(snapshot, pod, port, request, &own, depth).map(Arc::new);
        Answer { response, timed: own.was_read() }
    };
    let Answer { response, timed } = snapshot.answers.find(question, turns, work);
    if timed {
        watch.read();
    }
    response
}

/// The status of the response to a request; none when nothing there speaks HTTP. What only its body
/// says of the time makes no difference to it.
pub(crate) fn status(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    port: u16,
    request: &Request,
    watch: &Watch,
) -> Option<u16> {
    let (asked, turns) = ((pod, port, request.clone()), snapshot.memory.turns());
    if let Some(status) = snapshot.answers.status(&asked, turns) {
        return status;
    }
    let own = watch.unread();
    let response = respond(snapshot, pod, port, request, &own, 0);
    let status = response.as_ref().map(|response| response.status);
    let steady = response.is_none_or(|response| response.steady) || !own.was_read();
    if !steady {
        watch.read();
    } else if snapshot.memory.turns() == turns {
        snapshot.answers.keep_status(asked, turns, status);
    }
    status
}

fn respond_anew(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    port: u16,
    request: &Request,
    watch: &Watch,
    depth: u8,
) -> Option<Response> {
    let container = snapshot.listener(pod, port, Protocol::Tcp)?;
    let context = AppContext::new(snapshot, pod, container, watch, depth)?;
    let app = snapshot.apps.app(context.app);
    // what is declared comes before what is built in
    let builtin = || {
        (app.builtin == Some(Builtin::Prometheus)).then(|| prometheus::respond(&context, request))
    };
    let here: Vec<(usize, &Route)> = app
        .routes
        .iter()
        .enumerate()
        .filter(|(_, route)| {
            !OTHER_PROTOCOLS.contains(&method(route))
                && route.port.is_none_or(|own| moved(&context.container().env, own) == port)
        })
        .collect();
    if here.is_empty() {
        return builtin();
    }
    let mut allowed: Vec<&str> = Vec::new();
    for (place, route) in here {
        let Some((method, pattern)) = route.route.split_once(' ') else {
            continue;
        };
        let Some(parameters) = parameters(pattern, request.path(), route.prefix) else {
            continue;
        };
        let context = Arc::new(
            AppContext::new(snapshot, pod, container, watch, depth)?.asked(request, parameters),
        );
        if !context.holds("route-when", place, route.when.as_ref()) {
            continue;
        }
        if method != request.method && !(method == "GET" && request.method == "HEAD") {
            allowed.push(method);
            continue;
        }
        let steady = !watch.was_read();
        return Some(Response { steady, ..answered(&context, place, route) });
    }
    if let Some(response) = builtin() {
        return Some(response);
    }
    Some(if allowed.is_empty() {
        Response::text(404, "404 page not found\n")
    } else {
        Response::text(405, "Method Not Allowed\n")
    })
}

fn answer(context: &Arc<AppContext>, place: usize, route: &Route) -> Response {
    let status = route.status.unwrap_or(200);
    if route.json.is_some() {
        return match context.evaluate("route", place) {
            Ok(value) => Response::json(status, &value),
            Err(error) => broken(error),
        };
    }
    if route.text.is_none() {
        return Response::text(status, "");
    }
    match context.render("route", place) {
        Ok(text) => {
            let mut response = Response::text(status, &text);
            if let Some(content_type) = &route.content_type {
                response.content_type.clone_from(content_type);
            }
            response
        }
        Err(error) => broken(error),
    }
}

fn broken(error: minijinja::Error) -> Response {
    Response::text(500, &format!("the sandbox cannot evaluate this route: {error}\n"))
}

/// The parameters of a path, if it fits the pattern `/a/{b}`.
fn parameters(pattern: &str, path: &str, prefix: bool) -> Option<Map<String, Value>> {
    if prefix {
        return path.starts_with(pattern).then(Map::new);
    }
    let (wanted, given): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut found = Map::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !given.is_empty() => {
                found.insert(name.to_owned(), Value::String(given.to_owned()));
            }
            _ if wanted == given => {}
            _ => return None,
        }
    }
    Some(found)
}
