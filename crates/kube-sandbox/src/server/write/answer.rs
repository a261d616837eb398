//! From a write request to the stored object and the response.

use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use super::asked::Asked;
use super::{body, create, delete, eviction, patch, scale, update};
use crate::object;
use crate::server::listing::Shape;
use crate::server::request::{Query, ResourceRequest};
use crate::server::router::authorize;
use crate::server::status::{Status, json_response};
use crate::server::{Server, listing};
use crate::simulation::Simulation;

/// The largest object that is read, as in a real server.
const LARGEST: usize = 3 * 1024 * 1024;

/// What a write came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: StatusCode,
    pub(crate) object: Value,
}

impl Done {
    pub(crate) fn ok(object: Value) -> Self {
        Self { code: StatusCode::OK, object }
    }

    pub(crate) fn created(object: Value) -> Self {
        Self { code: StatusCode::CREATED, object }
    }
}

/// Says whether a request changes stored objects. Commands, forwarded ports and what goes to the
/// processes themselves do not.
pub(crate) fn is_write(target: &ResourceRequest, method: &Method) -> bool {
    let written = matches!(
        target.subresource.as_deref(),
        None | Some("status" | "scale" | "eviction" | "binding" | "finalize")
    );
    written && matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
}

pub(crate) async fn answer(
    server: &Server,
    target: &ResourceRequest,
    query: &Query,
    request: Request,
) -> Result<Response, Status> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Status::too_large())?;
    let now = server.world().clock.now();
    let asked = Asked::of(target, query, &parts.method, &parts.headers, bytes.clone(), now);
    let fault = if asked.dry_run { None } else { server.faults.next(target) };
    if let Some(late) = fault.and_then(|fault| fault.late) {
        let (server, target, query, parts) =
            (server.clone(), target.clone(), query.clone(), parts.clone());
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            let now = server.world().clock.now();
            let asked = Asked::of(&target, &query, &parts.method, &parts.headers, bytes, now);
            let code = attempt(&server, &asked, &parts.headers)
                .map_or_else(|status| status.code, |done| done.code.as_u16());
            server.writes.record(
                &parts.method,
                parts.uri.path(),
                asked.verb,
                &target,
                asked.name(),
                code,
            );
        });
    }
    let done = if server.writes.forbidden && !asked.dry_run {
        Err(Status::internal("the sandbox was started without permission to write"))
    } else if fault.is_some_and(|fault| !fault.done) {
        Err(Status::unavailable("not done on purpose"))
    } else {
        attempt(server, &asked, &parts.headers)
    };
    if !asked.dry_run {
        let code = done.as_ref().map_or_else(|status| status.code, |done| done.code.as_u16());
        let wanted = if asked.name().is_empty() && asked.verb == "create" {
            body::object(&asked.content_type, &asked.body).ok()
        } else {
            None
        };
        let made = done.as_ref().ok().map(|done| &done.object).or(wanted.as_ref());
        let name = made.filter(|_| wanted.is_some()).map_or(asked.name(), object::name);
        server.writes.record(&parts.method, parts.uri.path(), asked.verb, target, name, code);
    }
    if let Some(fault) = fault {
        return Ok(fault.answer());
    }
    let done = done?;
    let shape = Shape::of(&parts.headers)?;
    let own = done.object["kind"] == target.resource.kind;
    let mut response = json_response(&if own {
        listing::shaped(target.resource, shape, &done.object, now)
    } else {
        done.object
    });
    *response.status_mut() = done.code;
    Ok(response)
}

fn attempt(server: &Server, asked: &Asked<'_>, headers: &http::HeaderMap) -> Result<Done, Status> {
    authorize(server, asked.target, asked.verb)?;
    Shape::of(headers)?;
    asked.check()?;
    if asked.content_type == patch::APPLY && !exists(server, asked) {
        authorize(server, asked.target, "create")?;
    }
    let mut world = server.world();
    let done = perform(&mut world, asked)?;
    if !asked.dry_run {
        // what follows from it, follows at once as far as it can
        world.tick();
    }
    Ok(done)
}

fn exists(server: &Server, asked: &Asked<'_>) -> bool {
    server
        .world()
        .store
        .get(asked.target.resource.plural, asked.target.namespace_name(), asked.name())
        .is_some()
}

fn perform(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let target = asked.target;
    let subresource = target.subresource.as_deref();
    if let Some(subresource) = subresource
        && !target.resource.has(subresource)
    {
        return Err(Status::no_such_path());
    }
    if target.resource.namespaced && target.namespace.is_none() {
        return Err(Status::method_not_allowed());
    }
    match (asked.verb, subresource, target.name.is_some()) {
        ("create", None, false) => create::create(world, asked),
        ("create", Some("eviction"), true) => eviction::evict(world, asked),
        ("update" | "patch", Some("scale"), true) => scale::write(world, asked),
        ("update", None | Some("status"), true) => update::update(world, asked),
        ("patch", None | Some("status"), true) => patch::patch(world, asked),
        ("delete", None, true) => delete::delete(world, asked),
        ("deletecollection", None, false) => delete::delete_all(world, asked),
        _ => Err(Status::method_not_allowed()),
    }
}
