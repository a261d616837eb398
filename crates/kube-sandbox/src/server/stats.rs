//! What the kubelet of a node measures: `/api/v1/nodes/NAME/proxy/stats/summary`, with the volumes
//! of claims. Everything else of a kubelet is not simulated.

use axum::response::Response;
use serde_json::{Value, json};

use super::Server;
use super::request::ResourceRequest;
use super::status::{Status, json_response};
use crate::object;
use crate::quantity;

/// The annotation of a claim that says how much of its volume is used, in percent.
const USED: &str = "kube-sandbox/used-percent";
/// How much is used of a volume of which nothing is said, in percent.
const USUAL: u64 = 40;
/// Inodes of a volume.
const INODES: u64 = 65_536;

pub(crate) fn answer(server: &Server, target: &ResourceRequest) -> Result<Response, Status> {
    if target.rest.trim_end_matches('/') != "stats/summary" {
        return Err(Status::no_such_path());
    }
    let node = target.name.as_deref().unwrap_or_default();
    let objects = server.objects();
    let is = |object: &Value, kind: &str| object["kind"] == kind;
    if !objects.iter().any(|object| is(object, "Node") && object::name(object) == node) {
        return Err(Status::no_such_path());
    }
    let claims: Vec<&Value> = objects
        .iter()
        .map(|object| &**object)
        .filter(|object| is(object, "PersistentVolumeClaim"))
        .collect();
    let running = objects.iter().filter(|pod| {
        is(pod, "Pod") && pod["spec"]["nodeName"] == node && pod["status"]["phase"] == "Running"
    });
    let pods: Vec<Value> = running.map(|pod| measured(pod, &claims)).collect();
    Ok(json_response(&json!({"node": {"nodeName": node}, "pods": pods})))
}

fn measured(pod: &Value, claims: &[&Value]) -> Value {
    let namespace = object::namespace(pod);
    let volumes: Vec<Value> = object::list(&pod["spec"]["volumes"])
        .iter()
        .filter_map(|volume| {
            let name = volume["persistentVolumeClaim"]["claimName"].as_str()?;
            let claim = claims.iter().find(|claim| {
                object::name(claim) == name && object::namespace(claim) == namespace
            })?;
            used(claim).map(|used| {
                let mut item = json!({"name": volume["name"],
                    "pvcRef": {"name": name, "namespace": namespace}});
                object::merge(&mut item, &used);
                item
            })
        })
        .collect();
    json!({"podRef": {"name": object::name(pod), "namespace": namespace,
        "uid": pod["metadata"]["uid"]}, "volume": volumes})
}

/// How much of a volume is used; none of one without a size.
fn used(claim: &Value) -> Option<Value> {
    let size = quantity::number(claim["spec"]["resources"]["requests"]["storage"].as_str()?)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "volumes have whole bytes, and far less than 2^53"
    )]
    let capacity = size.max(0.0) as u64;
    let percent = claim["metadata"]["annotations"][USED]
        .as_str()
        .and_then(|percent| percent.parse().ok())
        .unwrap_or(USUAL)
        .min(100);
    let of = |whole: u64| whole / 100 * percent;
    Some(json!({"capacityBytes": capacity, "usedBytes": of(capacity),
        "availableBytes": capacity - of(capacity),
        "inodes": INODES, "inodesUsed": INODES / 100, "inodesFree": INODES - INODES / 100}))
}
