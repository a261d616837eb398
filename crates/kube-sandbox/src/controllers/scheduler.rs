//! Assigns pods to nodes.
//!
//! After `pkg/scheduler/framework/plugins/` of kube-scheduler: `nodeunschedulable`, `nodeaffinity`
//! (the selector alone), and the spreading of pods; resources are not counted.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::events;
use super::pods::{all, condition, deleting, set_condition};
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "default-scheduler";

/// Gives each pod that has none a node, or says why it gets none.
pub(crate) fn schedule(store: &mut Store, now: Timestamp) {
    let nodes = all(store, "nodes");
    for pod in all(store, "pods") {
        if pod["spec"]["nodeName"].is_string()
            || deleting(&pod)
            || pod["spec"]["schedulingGates"].is_array()
            || is_beyond(&pod)
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
                after["spec"]["nodeName"] = json!(node);
                set_condition(
                    &mut after["status"],
                    json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null}),
                    now,
                );
            }
            Err(message) => {
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
    ["Insufficient", "untolerated taint {", "PersistentVolumeClaim", "affinity rules", "ports for"]
        .iter()
        .any(|reason| message.contains(reason))
}

fn choose(store: &Store, nodes: &[Arc<Value>], pod: &Value) -> Result<String, String> {
    let wanted = object::strings(&pod["spec"]["nodeSelector"]);
    let (mut cordoned, mut unready, mut unlike) = (0, 0, 0);
    let mut fit = Vec::new();
    for node in nodes {
        let labels = object::labels(node);
        if node["spec"]["unschedulable"] == true {
            cordoned += 1;
        } else if condition(node, "Ready").is_some_and(|ready| ready["status"] != "True") {
            unready += 1;
        } else if !wanted.iter().all(|(key, value)| labels.get(key) == Some(value)) {
            unlike += 1;
        } else {
            fit.push(object::name(node));
        }
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
    let reasons = [
        (cordoned, "node(s) were unschedulable"),
        (unready, "node(s) had untolerated taint(s)"),
        (unlike, "node(s) didn't match Pod's node affinity/selector"),
    ];
    let reasons: Vec<String> = reasons
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| format!("{count} {reason}"))
        .collect();
    Err(format!("0/{} nodes are available: {}.", nodes.len(), reasons.join(", ")))
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
                Err("0/1 nodes are available: 1 node(s) were unschedulable."),
            ),
            (vec![node("one", false), node("two", false)], json!({"disk": "one"}), Ok("one")),
            (
                vec![node("one", true), node("two", false)],
                json!({"disk": "x"}),
                Err(
                    "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match \
                        Pod's node affinity/selector.",
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
