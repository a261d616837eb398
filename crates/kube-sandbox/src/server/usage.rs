//! The API of metrics: what nodes and the containers of running pods use, in percent of what they
//! may use. The annotation of a node or pod says how much; 40 if it does not.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Server;
use super::status::{Status, json_response};
use crate::object;
use crate::quantity;

/// Where the API is served.
const ROOT: &str = "/apis/metrics.k8s.io/v1beta1";
const USED: &str = "kube-sandbox/used-percent";
const USUAL: f64 = 40.0;
/// What a container without a limit uses: cores, and bytes.
const UNLIMITED: (f64, f64) = (0.02, 33_554_432.0);

/// Whether a path is one of this API.
pub(crate) fn serves(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a path of this API.
pub(crate) fn answer(server: &Server, path: &str) -> Result<Response, Status> {
    let now = {
        let world = server.world();
        if world.unmeasured {
            return Err(Status::no_such_path());
        }
        world.clock.now()
    };
    let objects = server.objects();
    let of = |kind: &str| {
        objects
            .iter()
            .map(|object| &**object)
            .filter(move |object| object["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let parts: Vec<&str> = path.trim_start_matches(ROOT).trim_matches('/').split('/').collect();
    let body = match parts.as_slice() {
        [""] => resources(),
        ["nodes"] => list("NodeMetrics", of("Node").into_iter().map(|one| node(one, now))),
        ["nodes", name] => {
            let found = of("Node").into_iter().find(|one| object::name(one) == *name);
            node(found.ok_or_else(Status::no_such_path)?, now)
        }
        ["namespaces", namespace, "pods"] => {
            let here = |one: &&Value| object::namespace(one) == *namespace && running(one);
            list("PodMetrics", of("Pod").into_iter().filter(here).map(|one| pod(one, now)))
        }
        ["pods"] => list(
            "PodMetrics",
            of("Pod").into_iter().filter(|one| running(one)).map(|one| pod(one, now)),
        ),
        _ => return Err(Status::no_such_path()),
    };
    Ok(json_response(&body))
}

/// What the API has, as the metrics server says.
fn resources() -> Value {
    let one = |name: &str, kind: &str, namespaced: bool| {
        json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind,
            "verbs": ["get", "list"]})
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": "metrics.k8s.io/v1beta1",
        "resources": [one("nodes", "NodeMetrics", false), one("pods", "PodMetrics", true)]})
}

fn running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running"
}

fn list(kind: &str, items: impl Iterator<Item = Value>) -> Value {
    json!({"kind": format!("{kind}List"), "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
        "items": items.collect::<Vec<_>>()})
}

fn share(object: &Value) -> f64 {
    let said = object["metadata"]["annotations"][USED].as_str();
    said.and_then(|percent| percent.parse().ok()).unwrap_or(USUAL) / 100.0
}

/// The usage of something that may use this much.
fn usage(most: &Value, share: f64, unlimited: (f64, f64)) -> Value {
    let of = |name: &str, otherwise: f64| {
        most[name].as_str().and_then(quantity::number).map_or(otherwise, |most| most * share)
    };
    let (cpu, memory) = (of("cpu", unlimited.0), of("memory", unlimited.1));
    json!({"cpu": format!("{}m", (cpu * 1e3).round()), "memory": format!("{}", memory.round())})
}

fn measured(object: &Value, now: Timestamp) -> Value {
    json!({"metadata": {"name": object::name(object), "namespace": object["metadata"]["namespace"]},
        "timestamp": object::time(now), "window": "15s"})
}

fn node(node: &Value, now: Timestamp) -> Value {
    let mut metrics = measured(node, now);
    metrics["usage"] = usage(&node["status"]["allocatable"], share(node), UNLIMITED);
    metrics
}

fn pod(pod: &Value, now: Timestamp) -> Value {
    let mut metrics = measured(pod, now);
    let containers = object::list(&pod["spec"]["containers"]).iter().map(|container| {
        json!({"name": container["name"],
            "usage": usage(&container["resources"]["limits"], share(pod), UNLIMITED)})
    });
    metrics["containers"] = containers.collect();
    metrics
}
