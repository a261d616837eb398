//! Routes a request to the part of the server that handles it.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use serde_json::json;

use crate::scenario::After;

use super::request::{Query, ResourceRequest, Target};
use super::status::{Status, json_response};
use super::{
    Server, TOKEN, discovery, exec, fault, forward, listing, log, openapi, proxy, review, stats,
    usage, watch, write,
};

pub(crate) async fn route(State(server): State<Server>, request: Request) -> Response {
    answer(server, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(server: Server, request: Request) -> Result<Response, Status> {
    if server.faults.silent() {
        return Ok(fault::cut());
    }
    let path = request.uri().path().to_owned();
    if let "/healthz" | "/livez" | "/readyz" = path.as_str() {
        let unready = server.world().unready && path != "/livez";
        return Ok(health(&path[1..], request.uri().query().unwrap_or_default(), unready));
    }
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // kubectl keeps its credentials to itself where there is no TLS; who comes with other ones is
    // refused
    if token.is_some_and(|token| token.strip_prefix("Bearer ") != Some(TOKEN)) {
        return Err(Status::unauthorized());
    }
    if path == "/version" {
        return Ok(json_response(&json!({
            "major": "1", "minor": "35", "gitVersion": "v1.35.4+sandbox", "gitCommit": "",
            "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "", "platform": "linux/amd64",
        })));
    }
    match path.as_str() {
        "/sandbox/writes" => return Ok(json_response(&server.writes.list())),
        path if path == "/openapi/v3" || path.starts_with("/openapi/v3/") => {
            return openapi::answer(server.world().store.custom(), path);
        }
        "/sandbox/writes/counts" => return Ok(json_response(&server.writes.counts())),
        _ => {}
    }
    let query = Query::of(request.uri().query().unwrap_or_default());
    let target = Target::of(server.world().store.custom(), &path);
    if let Target::Resource(target) = &target
        && let Some(fault) = server.faults.met(target.verb(request.method(), &query), target)
    {
        if let Some(After(delay)) = fault.delay {
            tokio::time::sleep(delay.unsigned_abs()).await;
        }
        match (fault.status, fault.cut) {
            (Some(status), _) => return Ok(fault::refusal(status)),
            (None, true) => return Ok(fault::cut()),
            (None, false) => {}
        }
    }
    match target {
        Target::Review(kind) => review::answer(&server, kind, request).await,
        Target::Resource(target) if write::is_write(&target, request.method()) => {
            write::answer(&server, &target, &query, request).await
        }
        Target::Resource(target) => {
            let verb = target.verb(request.method(), &query);
            authorize(&server, &target, verb)?;
            resource(server, target, query, request).await
        }
        Target::Other if usage::serves(&path) => usage::answer(&server, &path),
        Target::Other => {
            let world = server.world();
            discovery::answer(world.store.custom(), &path, request.method(), request.headers())
        }
    }
}

/// A health check, which always passes; as a list of its parts with `?verbose`.
fn health(name: &str, query: &str, unready: bool) -> Response {
    if unready {
        let said = format!(
            "[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\n{name} check failed\n"
        );
        return (StatusCode::INTERNAL_SERVER_ERROR, said).into_response();
    }
    if !query.split('&').any(|pair| pair.split('=').next() == Some("verbose")) {
        return "ok".into_response();
    }
    format!("[+]ping ok\n[+]log ok\n[+]etcd ok\n{name} check passed\n").into_response()
}

async fn resource(
    server: Server,
    target: ResourceRequest,
    query: Query,
    request: Request,
) -> Result<Response, Status> {
    match (target.resource.plural, target.subresource.as_deref(), request.method()) {
        ("pods", Some("log"), &Method::GET) => log::answer(&server, &target, &query),
        ("pods", Some("exec"), &Method::GET | &Method::POST) => {
            authorize(&server, &target, "create")?;
            exec::answer(&server, &target, &query, request)
        }
        ("pods", Some("portforward"), &Method::GET | &Method::POST) => {
            authorize(&server, &target, "create")?;
            forward::answer(&server, &target, &query, request)
        }
        ("pods" | "services", Some("proxy"), _) => proxy::answer(&server, &target, request).await,
        ("nodes", Some("proxy"), &Method::GET) => stats::answer(&server, &target),
        // the status of an object is part of it
        (_, None | Some("status"), &Method::GET) if target.name.is_some() => {
            listing::get(&server, &target, request.headers())
        }
        (_, None, &Method::GET) if query.flag("watch") => {
            watch::answer(&server, &target, &query, request.headers())
        }
        (_, None, &Method::GET) => listing::list(&server, &target, &query, request.headers()),
        (_, None, _) => Err(Status::method_not_allowed()),
        (_, Some("scale"), &Method::GET) if target.resource.has("scale") => {
            write::read_scale(&server, &target)
        }
        (_, Some(subresource), _) => Err(if target.resource.has(subresource) {
            Status::method_not_allowed()
        } else {
            Status::no_such_path()
        }),
    }
}

/// Refuses what the scenario takes from the user.
pub(crate) fn authorize(
    server: &Server,
    target: &ResourceRequest,
    verb: &str,
) -> Result<(), Status> {
    let (group, permission, namespace) =
        (target.resource.group, target.permission(), target.namespace_name());
    if !server
        .world()
        .denials
        .iter()
        .any(|denial| denial.forbids(verb, group, &permission, namespace))
    {
        return Ok(());
    }
    let name = target.name.as_deref().unwrap_or_default();
    let what = if name.is_empty() {
        target.resource.qualified()
    } else {
        format!("{} \"{name}\"", target.resource.qualified())
    };
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let message = format!(
        "{what} is forbidden: User \"{}\" cannot {verb} resource \"{permission}\" in API \
            group \"{group}\" {place}",
        server.user
    );
    Err(Status::forbidden(target.resource.plural, group, name, message))
}
