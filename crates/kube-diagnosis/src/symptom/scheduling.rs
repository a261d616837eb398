//! Symptoms of pods that are not scheduled.

use super::{PodCase, Symptom, UNSEEN};
use crate::object::{array, condition, filled, text};
use serde_json::Value;

const SPREAD: &str = "topology-spread-unmet";
/// What the scheduler adds for nodes without the label of a constraint
/// (pkg/scheduler/framework/plugins/podtopologyspread, `ErrReasonNodeLabelNotMatch`).
const UNLABELED: &str = "topology spread constraints (missing required label)";

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
        SPREAD,
        "compare topologySpreadConstraints with the placement of the pods",
    ),
    (
        &[
            "volume node affinity conflict",
            "PersistentVolume's node affinity",
            "no available volume zone",
        ],
        "volume-elsewhere",
        "its volume is only available on other nodes: check the node affinity of the volume",
    ),
    (
        &["max volume count"],
        "volume-limit",
        "add a node, or detach volumes: the nodes have reached their limit of attached volumes",
    ),
    (
        &["Insufficient ", "Too many pods"],
        "insufficient-resources",
        "compare the requests of the pod with the free resources of the nodes: kubectl describe \
            nodes",
    ),
    (
        &["free ports"],
        "host-port-taken",
        "free the hostPort on a suitable node, where another pod uses it, or choose another port",
    ),
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
    (&["no nodes available"], "no-nodes", "add a node: the cluster has none"),
];

/// Why a pod has no node.
pub(super) fn unscheduled(case: &PodCase<'_>) -> Option<Symptom> {
    if !case.node().is_empty() || !matches!(case.status()["phase"].as_str(), None | Some("Pending"))
    {
        return None;
    }
    let said = condition(case.pod, "PodScheduled").filter(|said| said["status"] == "False");
    if let Some(said) = said.filter(|said| said["reason"] == "SchedulingGated") {
        return Some(gated(case.pod, text(&said["message"])));
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
        let hint = match missing_claim(message) {
            Some(claim) => format!(
                "PersistentVolumeClaim {claim} does not exist: create it, or correct claimName"
            ),
            None if id == SPREAD => spread_hint(case.pod, message, hint),
            None => hint.to_owned(),
        };
        let hint = match filled(&case.status()["nominatedNodeName"]) {
            Some(node) => {
                format!(
                    "pods with lower priority are being preempted on node {node}; otherwise \
                    {hint}"
                )
            }
            None => hint,
        };
        return Some(Symptom::of_pod(id, reason, message, hint));
    }
    if !case.older(&case.pod["metadata"]["creationTimestamp"], UNSEEN) {
        return None;
    }
    if let Some(node) = filled(&case.status()["nominatedNodeName"]) {
        return Some(chosen(case.pod, node));
    }
    let scheduler = filled(&case.pod["spec"]["schedulerName"]).unwrap_or("default-scheduler");
    let message = format!("{scheduler} has not processed the pod");
    // such as FailedResourceClaimCreation, without which the scheduler leaves the pod alone
    if let Some(said) = case.seen.last(|event| event.warning) {
        let message = format!("{message}; {}: {}", said.reason, said.message);
        let hint = "correct what the message names: the scheduler waits for it";
        return Some(Symptom::of_pod("not-scheduled", "Pending", message, hint));
    }
    let hint = match array(&case.pod["spec"]["resourceClaims"]).next() {
        Some(_) => {
            "check whether the resource claims of the pod exist: the scheduler waits for them"
        }
        None => {
            "check whether this scheduler is running, and whether spec.schedulerName is correct"
        }
    };
    Some(Symptom::of_pod("not-scheduled", "Pending", message, hint))
}

/// A pod for which the scheduler has chosen a node, and which waits for what is to be done before it
/// is bound: its volumes first of all (pkg/scheduler/framework/plugins/volumebinding, `PreBind`).
fn chosen(pod: &Value, node: &str) -> Symptom {
    let claims = array(&pod["spec"]["volumes"]).any(|volume| {
        volume["persistentVolumeClaim"].is_object() || volume["ephemeral"].is_object()
    });
    let message = format!("node {node} is chosen for the pod, which is not bound to it yet");
    if claims {
        let hint = "check the PersistentVolumeClaims of the pod, and their provisioner";
        return Symptom::of_pod("volume-unbound", "Pending", message, hint);
    }
    let hint = "read its events: something has to be done before the scheduler binds it";
    Symptom::of_pod("unschedulable", "Pending", message, hint)
}

/// A pod that somebody holds back on purpose, with the gates that must be removed
/// (spec.schedulingGates).
fn gated(pod: &Value, message: &str) -> Symptom {
    let gates: Vec<&str> =
        array(&pod["spec"]["schedulingGates"]).map(|gate| text(&gate["name"])).collect();
    let hint = "check the controller that removes the scheduling gates of the pod";
    let hint = match gates.as_slice() {
        [] => hint.to_owned(),
        gates => format!("{hint}: {}", gates.join(", ")),
    };
    Symptom::of_pod("scheduling-gated", "SchedulingGated", message, hint)
}

/// The claim that the scheduler did not find (pkg/scheduler/framework/plugins/volumebinding); one
/// of an ephemeral volume is made by a controller.
fn missing_claim(message: &str) -> Option<&str> {
    if message.contains("ephemeral volume") {
        return None;
    }
    let rest = message.split_once("persistentvolumeclaim \"")?.1;
    let (claim, rest) = rest.split_once('"')?;
    rest.starts_with(" not found").then_some(claim)
}

/// What to do about spread constraints: a node without the label of a topologyKey is in no domain, so
/// that the placement of the pods has nothing to do with it.
fn spread_hint(pod: &Value, message: &str, placement: &str) -> String {
    let nodes = nodes(message);
    if !nodes.contains(UNLABELED) {
        return placement.to_owned();
    }
    let keys: Vec<&str> = array(&pod["spec"]["topologySpreadConstraints"])
        .filter(|constraint| constraint["whenUnsatisfiable"] != "ScheduleAnyway")
        .filter_map(|constraint| filled(&constraint["topologyKey"]))
        .collect();
    let keys = if keys.is_empty() { "the topologyKey".to_owned() } else { keys.join(" and ") };
    let label = format!(
        "label the nodes with {keys}, or correct topologyKey: nodes without the label of a constraint \
            are left out"
    );
    match nodes.replace(UNLABELED, "").contains("topology spread constraints") {
        true => format!("{label}; for the other nodes {placement}"),
        false => label,
    }
}

/// What is said of the nodes; what follows is about the pods that could be driven out.
fn nodes(message: &str) -> &str {
    message.split("preemption:").next().unwrap_or(message)
}

fn class(message: &str) -> (&'static str, &'static str) {
    let nodes = nodes(message);
    CLASSES.iter().find(|(parts, _, _)| parts.iter().any(|part| nodes.contains(part))).map_or(
        (
            "unschedulable",
            "compare requests, node selectors, tolerations and volumes with the nodes",
        ),
        |(_, id, hint)| (*id, *hint),
    )
}
