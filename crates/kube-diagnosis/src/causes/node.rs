//! Nodes that are not well.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, name, text};
use crate::view::View;
use serde_json::Value;

const NODE: &[&str] = &["Node"];

pub(super) const KINDS: &[Kind] = &[
    Kind("node-not-ready", "is not ready", NODE),
    Kind("node-pressure", "is short of a resource", NODE),
    Kind("node-network-unavailable", "has no network", NODE),
    Kind("node-cordoned", "is cordoned", NODE),
];

/// Conditions that say that a node is short of something.
const PRESSURE: &[&str] = &["MemoryPressure", "DiskPressure", "PIDPressure"];

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    view.of("Node").iter().flat_map(of_node).collect()
}

fn of_node(node: &Value) -> Vec<Cause> {
    let object = || Object::of(node);
    let mut found = Vec::new();
    let ready = condition(node, "Ready").filter(|ready| ready["status"] != "True");
    if let Some(ready) = ready {
        let silent = ready["status"] == "Unknown";
        let hint = if silent {
            "the kubelet has stopped reporting: check the machine, its network and its kubelet"
        } else {
            "check the kubelet and the container runtime on the node"
        };
        found.push(
            Cause::new("node-not-ready", object(), text(&ready["reason"]), text(&ready["message"]))
                .seen([Evidence::condition(node, ready)])
                .hint(hint),
        );
    }
    for kind in PRESSURE {
        let pressed = condition(node, kind).filter(|pressed| pressed["status"] == "True");
        found.extend(pressed.map(|pressed| {
            Cause::new("node-pressure", object(), kind, text(&pressed["message"]))
                .seen([Evidence::condition(node, pressed)])
                .hint("see what uses it; the kubelet evicts pods until it has enough again")
        }));
    }
    let cut = condition(node, "NetworkUnavailable").filter(|cut| cut["status"] == "True");
    found.extend(cut.map(|cut| {
        Cause::new(
            "node-network-unavailable",
            object(),
            text(&cut["reason"]),
            text(&cut["message"]),
        )
        .seen([Evidence::condition(node, cut)])
        .hint("check the network plugin on the node")
    }));
    if node["spec"]["unschedulable"] == true {
        let since = array(&node["spec"]["taints"])
            .find(|taint| taint["key"] == "node.kubernetes.io/unschedulable")
            .and_then(|taint| taint["timeAdded"].as_str());
        let detail = since.map_or("no new pods".to_owned(), |since| format!("since {since}"));
        found.push(
            Cause::new("node-cordoned", object(), "Unschedulable", detail)
                .seen([Evidence::new(object().to_string(), "spec.unschedulable is true")])
                .hint(format!("when its maintenance is over: kubectl uncordon {}", name(node))),
        );
    }
    found
}
