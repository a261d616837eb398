//! What follows from what, across sorts of objects: pods from their node, a metric from the API that
//! serves it, a webhook from the pods behind it.

use super::{dependency, is_behind};
use crate::cause::{Cause, Object};
use crate::object::{array, controller, filled, text};
use crate::view::View;

/// What a cause follows from.
type Root = (Object, &'static str);

/// Conditions of nodes, with the taints that the cluster sets for them.
const NODE: &[(&str, &[&str])] = &[
    ("node-not-ready", &["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
    (
        "node-pressure",
        &[
            "node.kubernetes.io/disk-pressure",
            "node.kubernetes.io/memory-pressure",
            "node.kubernetes.io/pid-pressure",
        ],
    ),
    ("node-network-unavailable", &["node.kubernetes.io/network-unavailable"]),
];

/// Says of every cause that has none so far what it follows from.
pub(super) fn link(view: &View<'_>, found: &mut [Cause]) {
    let roots: Vec<Option<Root>> = found
        .iter()
        .map(|cause| match &cause.follows_from {
            Some(root) => Some(root.clone()),
            None => root(view, cause, found),
        })
        .collect();
    let roots = without_circles(found, roots);
    for (cause, root) in found.iter_mut().zip(roots) {
        cause.follows_from = root;
    }
    for place in 0..found.len() {
        let follower = (found[place].object.clone(), found[place].id);
        let mut root = found[place].follows_from.clone();
        // a chain is short, and one that ends in itself is none
        for _ in 0..found.len() {
            let Some((object, id)) = root else { break };
            let Some(of) = found.iter_mut().find(|one| one.object == object && one.id == id) else {
                break;
            };
            if !of.followed_by.contains(&follower) {
                of.followed_by.push(follower.clone());
            }
            root = of.follows_from.clone();
        }
    }
}

/// Two programs that wait for each other: each is a root.
fn without_circles(found: &[Cause], roots: Vec<Option<Root>>) -> Vec<Option<Root>> {
    let place =
        |(object, id): &Root| found.iter().position(|one| one.object == *object && one.id == *id);
    let is_in_a_circle = |start: usize| {
        let mut at = start;
        for _ in 0..found.len() {
            let Some(next) = roots[at].as_ref().and_then(&place) else { return false };
            if next == start {
                return true;
            }
            at = next;
        }
        false
    };
    let kept = |(at, root): (usize, &Option<Root>)| root.clone().filter(|_| !is_in_a_circle(at));
    roots.iter().enumerate().map(kept).collect()
}

/// What is no fault in a namespace that is being deleted, as nothing can be made in it any more
/// (plugin/pkg/admission/namespace/lifecycle).
const MOOT: &[&str] = &[
    "cronjob-suspended",
    "jobs-not-created",
    "missed-schedule",
    "no-endpoints",
    "no-ready-endpoints",
    "not-processed",
    "overlap-forbidden",
    "pods-not-created",
    "pods-terminating",
    "pods-unavailable",
    "runs-without-success",
    "scaled-to-zero",
    "selector-matches-nothing",
    "storage-class-missing",
    "suspended",
    "volume-not-bound",
];

/// The namespace that is being deleted.
fn of_namespace(found: &[Cause]) -> Option<Root> {
    let ending = found.iter().find(|other| other.object.kind == "Namespace");
    ending.map(|other| (other.object.clone(), other.id))
}

fn root(view: &View<'_>, cause: &Cause, found: &[Cause]) -> Option<Root> {
    if let Some(root) = of_namespace(found).filter(|_| MOOT.contains(&cause.id)) {
        return Some(root);
    }
    match cause.id {
        "stuck-terminating" if has_finalizers(view, cause) => None,
        "node-lost" | "not-started" | "stuck-terminating" | "container-lost" | "disrupted" => {
            of_node(view, cause, found, &["node-not-ready"])
        }
        "network-not-ready" | "sandbox-failed" | "no-address" => {
            of_node(view, cause, found, &["node-network-unavailable", "node-not-ready"])
        }
        "evicted" | "node-disk-full" | "node-refused" => {
            of_node(view, cause, found, &["node-pressure", "node-not-ready"])
        }
        "volume-attach-failed" => of_holder(view, cause, found),
        "taint-not-tolerated" => of_taint(view, cause, found),
        "rollout-stuck" => of_refusal(cause, found),
        "hpa-metrics-unavailable" | "namespace-not-emptied" => of_api(cause, found),
        "suspended" => of_maker(view, cause, found),
        "admission-webhook-unavailable" => of_webhook(view, cause, found),
        _ => dependency::root(view, cause, found),
    }
}

fn has_finalizers(view: &View<'_>, cause: &Cause) -> bool {
    let mut pods = cause.pods.iter().filter_map(|pod| view.get("Pod", pod));
    pods.any(|pod| array(&pod["metadata"]["finalizers"]).next().is_some())
}

/// The node of all its pods, or the first of their nodes, if all are ill in one of these ways.
fn of_node(view: &View<'_>, cause: &Cause, found: &[Cause], ids: &[&str]) -> Option<Root> {
    let of = |node: &str| {
        let ill = found.iter().find(|other| {
            other.object.kind == "Node" && other.object.name == node && ids.contains(&other.id)
        });
        ill.map(|other| (other.object.clone(), other.id))
    };
    let pods = cause.pods.iter().filter_map(|pod| view.get("Pod", pod));
    let roots: Option<Vec<Root>> = pods.map(|pod| of(filled(&pod["spec"]["nodeName"])?)).collect();
    roots?.into_iter().next()
}

/// The lost node of another pod of the same workload, which holds the volume.
fn of_holder(view: &View<'_>, cause: &Cause, found: &[Cause]) -> Option<Root> {
    let pods: Vec<&str> =
        view.pods_of(&cause.object).map(|pod| text(&pod["spec"]["nodeName"])).collect();
    let is_lost =
        |other: &&Cause| other.id == "node-not-ready" && pods.contains(&other.object.name.as_str());
    found.iter().find(is_lost).map(|other| (other.object.clone(), other.id))
}

/// The CronJob that makes its Jobs so.
fn of_maker(view: &View<'_>, cause: &Cause, found: &[Cause]) -> Option<Root> {
    let job = view.get("Job", &cause.object.name)?;
    let maker = text(&controller(job)?["name"]);
    let makes = |other: &&Cause| {
        other.id == "cronjob-suspended"
            && other.reason == "JobTemplateSuspended"
            && other.object.name == maker
    };
    found.iter().find(makes).map(|other| (other.object.clone(), other.id))
}

/// Why the pods of the new revision are not made at all.
fn of_refusal(cause: &Cause, found: &[Cause]) -> Option<Root> {
    let refuses = |other: &&Cause| {
        other.object == cause.object && super::workload::REFUSALS.contains(&other.id)
    };
    found.iter().find(refuses).map(|other| (other.object.clone(), other.id))
}

/// The node whose taint the scheduler names; or one that has a taint of the cluster, where the
/// scheduler only says that there are taints (since Kubernetes 1.35).
fn of_taint(view: &View<'_>, cause: &Cause, found: &[Cause]) -> Option<Root> {
    let says = |part: &str| cause.evidence.iter().any(|evidence| evidence.says.contains(part));
    let has = |node: &str, taint: &str| {
        let node = view.get("Node", node);
        node.is_some_and(|node| array(&node["spec"]["taints"]).any(|own| own["key"] == taint))
    };
    let fits = |other: &&Cause| {
        let taints = NODE.iter().find(|(id, _)| *id == other.id).map(|(_, taints)| *taints);
        let is_meant = |taint: &&str| {
            says(taint) || says("untolerated taint(s)") && has(&other.object.name, taint)
        };
        taints.is_some_and(|taints| taints.iter().any(is_meant))
    };
    found.iter().find(fits).map(|other| (other.object.clone(), other.id))
}

/// The API group that the message names.
fn of_api(cause: &Cause, found: &[Cause]) -> Option<Root> {
    let says = |group: &str| cause.evidence.iter().any(|one| one.says.contains(group));
    let fits = |other: &&Cause| {
        let group = other.object.name.split_once('.').map(|(_, group)| group);
        other.id == "api-service-unavailable" && group.is_some_and(says)
    };
    found.iter().find(fits).map(|other| (other.object.clone(), other.id))
}

/// What is wrong with the Service of a webhook, if it is of this namespace.
fn of_webhook(view: &View<'_>, cause: &Cause, found: &[Cause]) -> Option<Root> {
    let said = &cause.evidence.first()?.says;
    let service = view.of("Service").iter().find(|service| {
        let (name, namespace) =
            (text(&service["metadata"]["name"]), text(&service["metadata"]["namespace"]));
        said.contains(&format!("//{name}.{namespace}.svc"))
    })?;
    let is_of = |other: &&Cause| {
        other.follows_from.is_none()
            && other.object != cause.object
            && (other.object == Object::of(service) || is_behind(view, service, other))
    };
    found.iter().find(is_of).map(|other| (other.object.clone(), other.id))
}
