//! The runbooks that know more of the cluster than is read here.

use crate::cause::{Cause, Object};
use serde_json::Value;

/// Kinds whose pods a runbook finds by the name of the object.
const WORKLOADS: &[&str] =
    &["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"];

/// Who connects, as the runbooks take it: `deployment/web`, or one pod of what they do not know.
pub(super) fn client(cause: &Cause, pod: &Value) -> String {
    let is_known = WORKLOADS.contains(&cause.object.kind.as_str());
    if is_known { cause.object.to_string() } else { Object::of(pod).to_string() }
}

/// The way of a client to the DNS servers.
pub(super) fn dns(from: &str, namespace: &str) -> String {
    format!("runbook run kubernetes/dns --set from={from} --set from_namespace={namespace}")
}

/// The way of a client to a Service.
pub(super) fn service(to: &Object, from: &str) -> String {
    format!(
        "runbook run kubernetes/service-unreachable --set namespace={} --set target={to} --set \
            from={from}",
        to.namespace
    )
}

/// The way back of a workload.
pub(super) fn rollback(object: &Object) -> String {
    let namespace = &object.namespace;
    format!("runbook run kubernetes/rollback --set namespace={namespace} --set target={object}")
}
