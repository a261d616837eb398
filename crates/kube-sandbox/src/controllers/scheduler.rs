//! Assigns pods to nodes.
//!
//! After `pkg/scheduler/framework/plugins/` of kube-scheduler: `nodeunschedulable`,
//! `tainttoleration`, `nodeaffinity` (what is required), `volumebinding`, `noderesources`, and the
//! spreading of pods. What the pods of a node ask for together is not counted: a pod fits if it would
//! on the node alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::events;
use super::pods::{all, condition, deleting, set_condition};
use crate::admission;
use crate::object;
use crate::quantity;
use crate::store::Store;
use netpol_evaluator::LabelSelector;

const COMPONENT: &str = "default-scheduler";

/// Gives each pod that has none a node, or says why it gets none.
pub(crate) fn schedule(store: &mut Store, unplaced: &mut BTreeSet<String>, now: Timestamp) {
    let nodes = all(store, "nodes");
    for pod in all(store, "pods") {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        if pod["spec"]["nodeName"].is_string()
            || deleting(&pod)
            || pod["spec"]["schedulingGates"].is_array()
            || (is_beyond(&pod) && !unplaced.contains(uid))
        {
            continue;
        }
        let mut after = (*pod).clone();
        match choose(store, &nodes, &pod) {
            Ok(node) => {
                let message = format!(
                    "Successfully assigned {}/{} to {node}",
                    object::namespace(&pod),
                    object::name(&pod)
                );
                events::record(store, &pod, COMPONENT, "Scheduled", &message, now);
                unplaced.remove(uid);
                after["spec"]["nodeName"] = json!(node);
                set_condition(
                    &mut after["status"],
                    json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null}),
                    now,
                );
            }
            Err(message) => {
                unplaced.insert(uid.to_owned());
                if condition(&pod, "PodScheduled")
                    .is_none_or(|condition| condition["message"] != message.as_str())
                {
                    events::warn(store, &pod, COMPONENT, "FailedScheduling", &message, now);
                }
                let waits = json!({"type": "PodScheduled", "status": "False", "lastProbeTime": null,
                    "reason": "Unschedulable", "message": message});
                set_condition(&mut after["status"], waits, now);
            }
        }
        store.put(after, now);
    }
}

/// Whether a pod was found unschedulable for a reason that is not simulated: it stays so.
fn is_beyond(pod: &Value) -> bool {
    let said = condition(pod, "PodScheduled").filter(|condition| condition["status"] == "False");
    let message = said.and_then(|condition| condition["message"].as_str()).unwrap_or_default();
    let beyond = [
        "Insufficient",
        "untolerated taint {",
        "PersistentVolumeClaim",
        "affinity rules",
        "ports for",
        "volume node affinity",
        "max volume count",
    ];
    beyond.iter().any(|reason| message.contains(reason))
}

fn choose(store: &Store, nodes: &[Arc<Value>], pod: &Value) -> Result<String, String> {
    if let Some(why) = unbound(store, pod) {
        return Err(format!("0/{} nodes are available: {why}. not found", nodes.len()));
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut fit = Vec::new();
    for node in nodes {
        let unfit = unfit(node, pod);
        if unfit.is_empty() {
            fit.push(object::name(node));
        }
        unfit.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
    }
    let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
    let load = |node: &str| {
        let here = || store.list("pods", None).filter(|other| other["spec"]["nodeName"] == node);
        let siblings = here()
            .filter(|other| {
                !owner.is_null() && other["metadata"]["ownerReferences"][0]["uid"] == *owner
            })
            .count();
        (siblings, here().count())
    };
    fit.sort_by_cached_key(|node| (load(node), (*node).to_owned()));
    if let Some(node) = fit.first() {
        return Ok((*node).to_owned());
    }
    if nodes.is_empty() {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let mut reasons: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    reasons.sort();
    let count = nodes.len();
    Err(format!(
        "0/{count} nodes are available: {}. no new claims to deallocate, preemption: 0/{count} \
            nodes are available: {count} Preemption is not helpful for scheduling.",
        reasons.join(", ")
    ))
}

/// Why a pod does not fit on a node; nothing if it does.
fn unfit(node: &Value, pod: &Value) -> Vec<String> {
    if node["spec"]["unschedulable"] == true {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    let unready = condition(node, "Ready").is_some_and(|ready| ready["status"] != "True");
    let taints = object::list(&node["spec"]["taints"]);
    if unready || taints.iter().any(|taint| !tolerates(pod, taint)) {
        return vec!["node(s) had untolerated taint(s)".to_owned()];
    }
    if !is_wanted(node, pod) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    let lacks = |resource: &&str| {
        let there = node["status"]["allocatable"][*resource].as_str().and_then(quantity::number);
        let asked = admission::requested(pod, "requests", resource)
            .or_else(|| admission::requested(pod, "limits", resource));
        there.zip(asked).is_some_and(|(there, asked)| asked > there)
    };
    let lacking = ["cpu", "memory"].into_iter().filter(lacks);
    lacking.map(|resource| format!("Insufficient {resource}")).collect()
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    let fits = |toleration: &Value| {
        let same = |field: &str| toleration[field].is_null() || toleration[field] == taint[field];
        same("effect") && same("key") && (toleration["operator"] == "Exists" || same("value"))
    };
    taint["effect"] == "PreferNoSchedule"
        || object::list(&pod["spec"]["tolerations"]).iter().any(fits)
}

/// Whether a node has the labels that a pod asks for.
fn is_wanted(node: &Value, pod: &Value) -> bool {
    let labels = object::labels(node);
    let selected = object::strings(&pod["spec"]["nodeSelector"])
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    let required = pod.pointer(
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
    );
    let term = |term: &Value| {
        let expressions = json!({"matchExpressions": term["matchExpressions"]});
        serde_json::from_value::<LabelSelector>(expressions)
            .is_ok_and(|selector| selector.matches(&labels))
    };
    selected && required.is_none_or(|terms| object::list(terms).iter().any(term))
}

/// What keeps a pod from every node: a claim that is not there or not bound.
fn unbound(store: &Store, pod: &Value) -> Option<String> {
    let claims = object::list(&pod["spec"]["volumes"]).iter();
    let mut claims =
        claims.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    claims.find_map(|name| {
        let Some(claim) = store.get("persistentvolumeclaims", object::namespace(pod), name) else {
            return Some(format!("persistentvolumeclaim \"{name}\" not found"));
        };
        (claim["status"]["phase"] != "Bound")
            .then(|| "pod has unbound immediate PersistentVolumeClaims".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_goes_where_it_may_and_fewest_of_its_kind_are() {
        let node = |name: &str, cordoned: bool| {
            Arc::new(json!({"kind": "Node", "metadata": {"name": name, "labels": {"disk": name}},
                    "spec": {"unschedulable": cordoned}}))
        };
        let pod = |node: Option<&str>, selector: Value| {
            json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "a",
                "ownerReferences": [{"uid": "1"}]}, "spec": {"nodeName": node,
                "nodeSelector": selector}})
        };
        let mut store = Store::new();
        store.put(pod(Some("one"), Value::Null), Timestamp::UNIX_EPOCH);
        for (nodes, selector, expected) in [
            (vec![node("one", false), node("two", false)], Value::Null, Ok("two")),
            (vec![node("one", false), node("two", true)], Value::Null, Ok("one")),
            (
                vec![node("one", true)],
                Value::Null,
                Err(
                    "0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, \
                    preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
                ),
            ),
            (vec![node("one", false), node("two", false)], json!({"disk": "one"}), Ok("one")),
            (
                vec![node("one", true), node("two", false)],
                json!({"disk": "x"}),
                Err(
                    "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, \
                        1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/2 \
                        nodes are available: 2 Preemption is not helpful for scheduling.",
                ),
            ),
            (vec![], Value::Null, Err("no nodes available to schedule pods")),
        ] {
            assert_eq!(
                choose(&store, &nodes, &pod(None, selector)),
                expected.map(str::to_owned).map_err(str::to_owned)
            );
        }
    }
}
