//! HorizontalPodAutoscalers that cannot do their work.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{count, is_deleting, name, stated, text};
use crate::view::{View, listed};
use jiff::SignedDuration;
use serde_json::Value;

const HPA: &[&str] = &["HorizontalPodAutoscaler"];

pub(super) const KINDS: &[Kind] = &[
    Kind("hpa-target-missing", "scales a workload that does not exist", HPA),
    Kind("hpa-scale-failed", "cannot scale its workload", HPA),
    Kind("hpa-metrics-unavailable", "gets no metrics", HPA),
    Kind("hpa-disabled", "does not scale a workload that is scaled to 0", HPA),
    Kind("hpa-maxed-out", "has reached maxReplicas and would scale up further", HPA),
];

/// How long pods that have just started may be without metrics.
const FIRST_METRICS: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let all = view.of("HorizontalPodAutoscaler").iter().filter(|hpa| !is_deleting(hpa));
    let mut found: Vec<Cause> = Vec::new();
    for hpa in all {
        let cause = unable(view, hpa)
            .or_else(|| rivals(view, hpa, &found))
            .or_else(|| blind(view, hpa, so_far))
            .or_else(|| maxed_out(hpa));
        found.extend(cause);
    }
    found
}

/// Why an autoscaler leaves pods alone that another one scales, too.
const AMBIGUOUS: &str = "AmbiguousSelector";

/// Autoscalers that select the same pods: none of them scales (pkg/controller/podautoscaler,
/// `AmbiguousSelector`). It is one cause, at the first of them.
fn rivals(view: &View<'_>, hpa: &Value, so_far: &[Cause]) -> Option<Cause> {
    let active =
        stated(hpa, "ScalingActive", "False").filter(|active| active["reason"] == AMBIGUOUS)?;
    let message = text(&active["message"]);
    let namespace = text(&hpa["metadata"]["namespace"]);
    let mut named: Vec<&str> = message
        .rsplit_once('[')
        .map(|(_, list)| list.trim_end_matches(']').split(' '))
        .into_iter()
        .flatten()
        .filter_map(|one| one.strip_prefix(namespace)?.strip_prefix('/'))
        .collect();
    // the controller lists them in any order
    named.sort_unstable();
    let others: Vec<&str> = named.iter().copied().filter(|other| *other != name(hpa)).collect();
    let scales_same = |name: &&str| {
        let other = view.get("HorizontalPodAutoscaler", name);
        other.is_some_and(|other| target(other) == target(hpa))
    };
    let is_one = !others.is_empty() && named.iter().all(scales_same);
    let listed = listed(&others);
    let (detail, hint) = if is_one {
        let detail = format!("{}, which is scaled by {listed}, too", target(hpa));
        (detail, format!("remove all but one of the autoscalers: {}", named.join(", ")))
    } else {
        let hint = "make the selectors of their workloads disjoint";
        (format!("{}: {message}", target(hpa)), hint.to_owned())
    };
    let first = so_far
        .iter()
        .find(|cause| cause.reason == AMBIGUOUS && named.contains(&cause.object.name.as_str()));
    let cause = Cause {
        follows_from: first.map(|cause| (cause.object.clone(), cause.id)),
        ..Cause::new("hpa-scale-failed", Object::of(hpa), AMBIGUOUS, detail)
    };
    Some(cause.seen([Evidence::condition(hpa, active)]).hint(hint))
}

/// The workload as its reference names it.
fn target(hpa: &Value) -> Object {
    let reference = &hpa["spec"]["scaleTargetRef"];
    let namespace = text(&hpa["metadata"]["namespace"]);
    Object::named(text(&reference["kind"]), namespace, text(&reference["name"]))
}

fn unable(view: &View<'_>, hpa: &Value) -> Option<Cause> {
    let able = stated(hpa, "AbleToScale", "False")?;
    let reason = text(&able["reason"]);
    // waiting after a change is its work
    if reason.starts_with("Backoff") || reason.is_empty() {
        return None;
    }
    let missing = reason == "FailedGetScale" && text(&able["message"]).contains("not found");
    let (id, hint) = if missing {
        ("hpa-target-missing", "correct scaleTargetRef, or create the workload".to_owned())
    } else {
        ("hpa-scale-failed", unable_hint(view, hpa, text(&able["message"])))
    };
    let detail = format!("{}: {}", target(hpa), text(&able["message"]));
    let said = [Evidence::condition(hpa, able)];
    Some(Cause::new(id, Object::of(hpa), reason, detail).seen(said).hint(hint))
}

/// Kinds of Kubernetes that can be scaled, with the version that they are served in.
const SCALED: &[(&str, &str)] = &[
    ("Deployment", "apps/v1"),
    ("ReplicaSet", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("ReplicationController", "v1"),
];

/// What to do where the scale of the target cannot be read (pkg/controller/podautoscaler,
/// `reconcileAutoscaler`): the API server knows no such version, no such kind, or no scale of it.
fn unable_hint(view: &View<'_>, hpa: &Value, message: &str) -> String {
    let has = |part: &str| message.contains(part);
    let kind = text(&hpa["spec"]["scaleTargetRef"]["kind"]);
    let served = SCALED.iter().find(|(own, _)| *own == kind).map(|(_, version)| *version);
    if has("no matches for kind") || has("unexpected GroupVersion string") {
        let target = target(hpa);
        let is_there = view.get(kind, &target.name).is_some();
        match served {
            Some(version) if is_there => {
                format!("correct scaleTargetRef.apiVersion: {target} has {version}")
            }
            Some(version) => format!(
                "correct scaleTargetRef.apiVersion and scaleTargetRef.kind: a {kind} has {version}"
            ),
            None => {
                "correct scaleTargetRef.kind and scaleTargetRef.apiVersion: the API server serves \
                no such kind"
                    .to_owned()
            }
        }
    } else if has("could not find the requested resource") || has("unrecognized resource") {
        "refer to a workload that has a scale subresource, or add subresources.scale to its \
            CustomResourceDefinition"
            .to_owned()
    } else {
        "check the message: rights, admission or the workload itself".to_owned()
    }
}

fn blind(view: &View<'_>, hpa: &Value, so_far: &[Cause]) -> Option<Cause> {
    let active = stated(hpa, "ScalingActive", "False")?;
    let (reason, message) = (text(&active["reason"]), text(&active["message"]));
    // of a workload without pods nothing is measured: it is somebody's wish
    if reason == "ScalingDisabled" {
        let (object, target) = (Object::of(hpa), target(hpa));
        let hint = format!(
            "to scale it up: kubectl scale -n {} {target} --replicas={}",
            object.namespace,
            hpa["spec"]["minReplicas"].as_i64().unwrap_or(1)
        );
        let cause = Cause::new("hpa-disabled", object, reason, target.to_string());
        return Some(cause.seen([Evidence::condition(hpa, active)]).hint(hint));
    }
    // pods without metrics: they are new, or they do not run
    let of_pods = ["did not receive metrics", "no metrics returned", "no recommendation"];
    let of_pods = of_pods.iter().any(|part| message.contains(part));
    let target = target(hpa);
    let since = &active["lastTransitionTime"];
    if of_pods && !view.older(since, FIRST_METRICS) {
        return None;
    }
    let why = so_far.iter().find(|cause| of_pods && cause.object == target);
    let message = message.trim_start_matches("the HPA was unable to compute the replica count: ");
    let hint = if message.contains("missing request") {
        "set resources.requests for every container of the pods"
    } else if message.contains("could not find the requested resource")
        || message.contains("metrics.k8s.io")
    {
        "the metrics API does not answer: check whether metrics-server or the adapter runs, and \
            its APIService"
    } else {
        "check the metric that the message names, and the adapter that serves it"
    };
    Some(
        Cause {
            follows_from: why.map(|cause| (cause.object.clone(), cause.id)),
            ..Cause::new("hpa-metrics-unavailable", Object::of(hpa), reason, message)
        }
        .seen([Evidence::condition(hpa, active)])
        .hint(hint),
    )
}

fn maxed_out(hpa: &Value) -> Option<Cause> {
    let limited = stated(hpa, "ScalingLimited", "True")
        .filter(|limited| limited["reason"] == "TooManyReplicas")?;
    let (most, now) =
        (count(&hpa["spec"]["maxReplicas"]), count(&hpa["status"]["currentReplicas"]));
    // one that may not scale at all is not what keeps it
    if now < most || hpa["spec"]["minReplicas"].as_i64().unwrap_or(1) >= most {
        return None;
    }
    let detail = format!("{now} of at most {most} replicas of {}", target(hpa));
    Some(
        Cause::new("hpa-maxed-out", Object::of(hpa), "TooManyReplicas", detail)
            .seen([Evidence::condition(hpa, limited)])
            .hint("check whether the load is expected; raise maxReplicas if the nodes have room"),
    )
}
