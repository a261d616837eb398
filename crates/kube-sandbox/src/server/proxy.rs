//! The API server as a proxy to pods and Services.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, header};
use jiff::Timestamp;

use super::Server;
use super::log::pod_of;
use super::request::ResourceRequest;
use super::status::Status;
use crate::app;
use crate::object;
use crate::snapshot::{Snapshot, number};
use netpol_evaluator::Protocol;

/// The largest body that is passed on.
const LARGEST: usize = 4 * 1024 * 1024;

pub(crate) async fn answer(
    server: &Server,
    target: &ResourceRequest,
    request: Request,
) -> Result<Response, Status> {
    let (scheme, name, port) = destination(target.name.as_deref().unwrap_or_default());
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST)
        .await
        .map_err(|error| Status::bad_request(error.to_string()))?
        .to_vec();
    let asked = app::Request {
        method: parts.method.to_string(),
        target: format!("/{}{query}", target.rest),
        body,
    };
    let named = ResourceRequest {
        resource: target.resource,
        namespace: target.namespace.clone(),
        name: Some(name.to_owned()),
        subresource: None,
        rest: String::new(),
    };
    let snapshot = server.snapshot();
    let (address, port, pod) = if target.resource.plural == "pods" {
        let pod = pod_of(server, &named)?;
        let declared = || {
            object::list(&pod["spec"]["containers"])
                .iter()
                .flat_map(|container| object::list(&container["ports"]))
                .find_map(|port| number(&port["containerPort"]))
        };
        let port = match port {
            Some(port) => {
                port.parse().map_err(|_| Status::bad_request(format!("invalid port \"{port}\"")))?
            }
            None => declared().unwrap_or(80),
        };
        let address = pod["status"]["podIP"].as_str().unwrap_or_default().to_owned();
        (address, port, snapshot.pod(named.namespace_name(), name))
    } else {
        service(&snapshot, target, name, port)?
    };
    let unreachable =
        |reason: String| Status::unavailable(format!("error trying to reach service: {reason}"));
    let listening = pod.filter(|pod| snapshot.is_open(*pod, port, Protocol::Tcp));
    let Some(pod) = listening else {
        return Err(unreachable(format!("dial tcp {address}:{port}: connect: connection refused")));
    };
    if scheme == "https" {
        return Err(unreachable("http: server gave HTTP response to HTTPS client".to_owned()));
    }
    // the API server is on the node, which every pod admits
    let now = server.world().clock.now();
    match app::respond(&snapshot, pod, port, &asked, &app::Watch::at(now), 0) {
        Some(answer) => Ok(response(&answer, now)),
        None => Err(unreachable("EOF".to_owned())),
    }
}

/// Takes `scheme:name:port` apart.
fn destination(text: &str) -> (&str, &str, Option<&str>) {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [scheme, name, port] => (scheme, name, Some(*port).filter(|port| !port.is_empty())),
        [name, port] => ("", name, Some(*port).filter(|port| !port.is_empty())),
        _ => ("", text, None),
    }
}

fn service(
    snapshot: &Snapshot,
    target: &ResourceRequest,
    name: &str,
    port: Option<&str>,
) -> Result<(String, u16, Option<usize>), Status> {
    let service = snapshot
        .service(target.namespace_name(), name)
        .ok_or_else(|| Status::not_found(target.resource, name))?;
    let found = match port {
        None => service.ports.first().filter(|_| service.ports.len() == 1),
        Some(port) => {
            service.ports.iter().find(|known| known.name == port || known.port.to_string() == port)
        }
    };
    let found = found.ok_or_else(|| {
        Status::unavailable(format!(
            "no service port \"{}\" found for service \"{name}\"",
            port.unwrap_or_default()
        ))
    })?;
    let (address, port) = found.backends.first().ok_or_else(|| {
        Status::unavailable(format!("no endpoints available for service \"{name}\""))
    })?;
    Ok((
        address.to_string(),
        *port,
        snapshot.pods.iter().position(|pod| pod.network.ip == Some(*address)),
    ))
}

/// The answer of a process as an HTTP response of this time.
pub(crate) fn response(answer: &app::Response, now: Timestamp) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let built = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, &answer.content_type)
        .header(header::DATE, now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .body(Body::from(answer.body.clone()));
    built.unwrap_or_else(|_| Response::new(Body::empty()))
}
