//! Who wrote what into an object, and when, from its managed fields. Pure.

use crate::diagnosis::object::{array, text, timestamp};
use jiff::Timestamp;
use serde_json::Value;

/// The last write of a field manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Writing<'a> {
    /// `kubectl-edit`, `helm`, `argocd-controller`, …
    pub(in crate::action) manager: &'a str,
    pub(in crate::action) time: Timestamp,
    /// The fields that it owns since then, two levels deep: `spec.template`, `data.KEY`. Keys only,
    /// never values.
    pub(in crate::action) fields: Vec<String>,
}

/// The parts of the cluster whose writes follow from those of others.
const CONTROL_PLANE: [&str; 4] =
    ["kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager"];
/// Annotations that are written all the time.
const BOOKKEEPING: [&str; 6] = [
    "metadata.annotations.deployment.kubernetes.io/",
    "metadata.annotations.deprecated.daemonset.template.generation",
    "metadata.annotations.control-plane.alpha.kubernetes.io/leader",
    "metadata.annotations.autoscaling.alpha.kubernetes.io/",
    "metadata.ownerReferences",
    "metadata.finalizers",
];

/// The last write of each manager, oldest first, without those of a status and those that only
/// follow from others.
pub(in crate::action) fn writings(object: &Value) -> Vec<Writing<'_>> {
    let is_node = object["kind"] == "Node";
    let mut all: Vec<Writing<'_>> = array(&object["metadata"]["managedFields"])
        .filter(|entry| entry["subresource"] != "status")
        .filter_map(|entry| {
            let (manager, time) = (text(&entry["manager"]), timestamp(&entry["time"])?);
            let mut fields = fields(&entry["fieldsV1"]);
            fields.retain(|field| !BOOKKEEPING.iter().any(|own| field.starts_with(own)));
            if CONTROL_PLANE.contains(&manager) {
                fields.retain(|field| match field.as_str() {
                    "spec.replicas" => true,
                    "spec.unschedulable" | "spec.taints" => is_node,
                    _ => false,
                });
            }
            (!fields.is_empty()).then_some(Writing { manager, time, fields })
        })
        .collect();
    all.sort_by_key(|writing| writing.time);
    all
}

/// Who made an object: the first who wrote into it at that time.
pub(in crate::action) fn maker(object: &Value) -> Option<&str> {
    let made = timestamp(&object["metadata"]["creationTimestamp"])?;
    let entries = array(&object["metadata"]["managedFields"]);
    let then = entries
        .filter(|entry| entry["subresource"].as_str().is_none_or(str::is_empty))
        .filter_map(|entry| Some((timestamp(&entry["time"])?, entry["manager"].as_str()?)))
        .filter(|(time, _)| time.duration_since(made).abs().as_secs() <= 1);
    then.min_by_key(|(time, _)| *time).map(|(_, manager)| manager)
}

/// Who scaled an object last. API servers note no time for it.
pub(in crate::action) fn scaler(object: &Value) -> Option<&str> {
    let mut entries = array(&object["metadata"]["managedFields"]);
    entries.find(|entry| entry["subresource"] == "scale")?["manager"].as_str()
}

/// The names of fields (FieldsV1: `f:spec`, `k:{"name":"a"}`, `v:"x"`, `.`), two levels deep; of
/// labels and annotations three.
fn fields(set: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (first, inner) in named(set) {
        let before = found.len();
        for (second, deeper) in named(inner) {
            let path = format!("{first}.{second}");
            if matches!(path.as_str(), "metadata.labels" | "metadata.annotations") {
                found.extend(named(deeper).map(|(key, _)| format!("{path}.{key}")));
            } else {
                found.push(path);
            }
        }
        if found.len() == before && first != "metadata" && first != "status" {
            found.push(first.to_owned());
        }
    }
    found.retain(|field| !field.starts_with("status."));
    found
}

fn named(set: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = set.as_object().into_iter().flatten();
    entries.filter_map(|(key, inner)| Some((key.strip_prefix("f:")?, inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(manager: &str, time: &str, fields: Value) -> Value {
        json!({"manager": manager, "time": time, "fieldsV1": fields})
    }

    #[test]
    fn writes_are_named_by_their_fields_and_those_that_follow_from_others_are_none() {
        let mut status = entry("kubelet", "2026-01-09T00:00:00Z", json!({"f:spec": {"f:a": {}}}));
        status["subresource"] = "status".into();
        let revision = json!({"f:metadata": {"f:annotations":
            {"f:deployment.kubernetes.io/revision": {}}}});
        let object = json!({"kind": "Deployment", "metadata": {
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [
            entry("helm", "2026-01-02T00:00:00Z", json!({
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {}}}}})),
            entry("kubectl-create", "2026-01-01T00:00:00Z", json!({"f:data": {".": {},
                "f:uri": {}}, "f:type": {}})),
            entry("kube-controller-manager", "2026-01-03T00:00:00Z", revision),
            entry("kube-controller-manager", "2026-01-04T00:00:00Z",
                json!({"f:spec": {"f:replicas": {}}, "f:status": {"f:replicas": {}}})),
            status]}});
        let found = writings(&object);
        let shown: Vec<String> = found
            .iter()
            .map(|writing| format!("{}: {}", writing.manager, writing.fields.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                "kubectl-create: data.uri type",
                "helm: metadata.labels.app spec.replicas spec.template",
                "kube-controller-manager: spec.replicas"
            ]
        );
        assert_eq!(maker(&object), Some("kubectl-create"));
        assert_eq!(maker(&json!({"metadata": {}})), None);
    }
}
