//! Nodes that are not well.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, is_deleting, name, stated, text, timestamp};
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

const NODE: &[&str] = &["Node"];

pub(super) const KINDS: &[Kind] = &[
    Kind("node-not-ready", "is not ready", NODE),
    Kind("node-pressure", "is short of a resource", NODE),
    Kind("node-network-unavailable", "has no network", NODE),
    Kind("node-problem", "has a problem that its detector reports", NODE),
    Kind("node-cordoned", "is cordoned", NODE),
];

/// Conditions that say that a node is short of something.
const PRESSURE: &[&str] = &["MemoryPressure", "DiskPressure", "PIDPressure"];

/// Conditions that the node-problem-detector sets; those of others may mean what is good.
const PROBLEMS: &[&str] = &[
    "KernelDeadlock",
    "ReadonlyFilesystem",
    "XfsShutdown",
    "CperHardwareErrorFatal",
    "CorruptDockerOverlay2",
    "FrequentKubeletRestart",
    "FrequentDockerRestart",
    "FrequentContainerdRestart",
    "FrequentUnregisterNetDevice",
    "KubeletUnhealthy",
    "ContainerRuntimeUnhealthy",
];

/// How long a node may take to join.
const JOINING: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let nodes = view.of("Node").iter().filter(|node| !is_deleting(node));
    nodes.flat_map(|node| of_node(view, node)).collect()
}

fn of_node(view: &View<'_>, node: &Value) -> Vec<Cause> {
    let object = || Object::of(node);
    let mut found = Vec::new();
    // a node that has just come is not ready at once
    let is_new = timestamp(&node["metadata"]["creationTimestamp"])
        .is_some_and(|made| view.now.duration_since(made) <= JOINING);
    let ready = condition(node, "Ready").filter(|ready| ready["status"] != "True" && !is_new);
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
        let pressed = stated(node, kind, "True");
        found.extend(pressed.map(|pressed| {
            let detail = format!("{kind}: {}", text(&pressed["message"]));
            Cause::new("node-pressure", object(), kind, detail)
                .seen([Evidence::condition(node, pressed)])
                .hint("see what uses it; the kubelet evicts pods until it has enough again")
        }));
    }
    for kind in PROBLEMS {
        found.extend(stated(node, kind, "True").map(|problem| {
            Cause::new(
                "node-problem",
                object(),
                kind,
                format!("{kind}: {}", text(&problem["message"])),
            )
            .seen([Evidence::condition(node, problem)])
            .hint("drain the node, and restart or replace it")
        }));
    }
    let cut = stated(node, "NetworkUnavailable", "True").filter(|_| !is_new);
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
