//! Symptoms of pods that are not scheduled.

use super::{PodCase, Symptom, UNSEEN};
use crate::object::{condition, filled, text};

/// What the scheduler says of nodes, with what it means and what to look at: what it finds out last
/// comes first. A node that got further is closer to taking the pod
/// (pkg/scheduler/framework/plugins, in the order of their filters).
const CLASSES: &[(&[&str], &str, &str)] = &[
    (
        &[
            "unbound immediate PersistentVolumeClaim",
            "persistentvolumeclaim \"",
            "available persistent volumes to bind",
            "ephemeral volume",
        ],
        "volume-unbound",
        "check the PersistentVolumeClaims of the pod: the storage class, and why no volume is \
            bound",
    ),
    (
        &["pod affinity rules", "anti-affinity rules"],
        "pod-affinity-unmet",
        "compare podAffinity and podAntiAffinity with the pods on the nodes",
    ),
    (
        &["topology spread constraints"],
        "topology-spread-unmet",
        "compare topologySpreadConstraints with the placement of the pods",
    ),
    (
        &["volume node affinity conflict", "no available volume zone"],
        "volume-elsewhere",
        "its volume is only available on other nodes: check the node affinity of the volume",
    ),
    (
        &["max volume count"],
        "volume-limit",
        "the nodes have reached their limit of attached \
        volumes",
    ),
    (
        &["Insufficient ", "Too many pods"],
        "insufficient-resources",
        "compare the requests of the pod with the free resources of the nodes: kubectl describe \
            nodes",
    ),
    (&["free ports"], "host-port-taken", "another pod uses the hostPort on every suitable node"),
    (
        &["node affinity/selector", "requested node name", "requested hostname"],
        "node-selector-mismatch",
        "compare nodeSelector and nodeAffinity with the labels of the nodes",
    ),
    (
        &["untolerated taint", "had taint"],
        "taint-not-tolerated",
        "compare the taints of the nodes with the pod's tolerations",
    ),
    (
        &["were unschedulable"],
        "nodes-cordoned",
        "the nodes are cordoned: uncordon one, or add another",
    ),
    (&["no nodes available"], "no-nodes", "the cluster has no node"),
];

/// Why a pod has no node.
pub(super) fn unscheduled(case: &PodCase<'_>) -> Option<Symptom> {
    if !case.node().is_empty() || !matches!(case.status()["phase"].as_str(), None | Some("Pending"))
    {
        return None;
    }
    let said = condition(case.pod, "PodScheduled").filter(|said| said["status"] == "False");
    if let Some(said) = said.filter(|said| said["reason"] == "SchedulingGated") {
        let hint = "a controller must remove the scheduling gates of the pod";
        return Some(Symptom::of_pod(
            "scheduling-gated",
            "SchedulingGated",
            text(&said["message"]),
            hint,
        ));
    }
    let event = || {
        case.seen
            .last(|event| event.reason == "FailedScheduling")
            .map(|event| ("Unschedulable", event.message))
    };
    if let Some((reason, message)) = said
        .map(|said| (filled(&said["reason"]).unwrap_or("Unschedulable"), text(&said["message"])))
        .or_else(event)
    {
        let (id, hint) = class(message);
        let hint = match filled(&case.status()["nominatedNodeName"]) {
            Some(node) => {
                format!(
                    "pods with lower priority are being preempted on node {node}; otherwise \
                    {hint}"
                )
            }
            None => hint.to_owned(),
        };
        return Some(Symptom::of_pod(id, reason, message, hint));
    }
    if !case.older(&case.pod["metadata"]["creationTimestamp"], UNSEEN) {
        return None;
    }
    let scheduler = filled(&case.pod["spec"]["schedulerName"]).unwrap_or("default-scheduler");
    let message = format!("{scheduler} has not processed the pod");
    Some(Symptom::of_pod(
        "not-scheduled",
        "Pending",
        message,
        "check whether this scheduler is running, and whether spec.schedulerName is correct",
    ))
}

fn class(message: &str) -> (&'static str, &'static str) {
    // what follows is about the pods that could be driven out
    let nodes = message.split("preemption:").next().unwrap_or(message);
    CLASSES.iter().find(|(parts, _, _)| parts.iter().any(|part| nodes.contains(part))).map_or(
        (
            "unschedulable",
            "compare requests, node selectors, tolerations and volumes with the nodes",
        ),
        |(_, id, hint)| (*id, *hint),
    )
}
