//! What keeps a Deployment, StatefulSet, DaemonSet or ReplicaSet from having the pods that it should
//! have.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, controller, count, name, text};
use crate::pod::{is_live, is_ready, starting_since};
use crate::symptom::not_made;
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

const DEPLOYMENT: &[&str] = &["Deployment", "ReplicaSet"];
const SETS: &[&str] = &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"];

/// How long fewer pods than wanted may be ready without a reason.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

pub(super) const KINDS: &[Kind] = &[
    Kind("quota-exceeded", "may not create pods: a quota is exceeded", SETS),
    Kind("quota-needs-resources", "may not create pods: a quota demands requests or limits", SETS),
    Kind("admission-denied", "may not create pods: they are refused at admission", SETS),
    Kind(
        "admission-webhook-unavailable",
        "cannot create pods: an admission webhook does not answer",
        SETS,
    ),
    Kind(
        "service-account-missing",
        "cannot create pods: their ServiceAccount does not exist",
        SETS,
    ),
    Kind("pods-not-created", "cannot create pods", SETS),
    Kind("rollout-paused", "has a change that waits: its rollout is paused", DEPLOYMENT),
    Kind("rollout-stuck", "does not get its new revision running", DEPLOYMENT),
    Kind(
        "ordinal-blocks-others",
        "waits for one pod before it makes the others",
        &["StatefulSet", "Pod"],
    ),
    Kind("no-node-eligible", "has no node on which it may run", &["DaemonSet"]),
    Kind(
        "pods-unavailable",
        "has fewer available pods than it should, and nothing says why",
        &["Deployment", "StatefulSet", "DaemonSet", "Pod"],
    ),
];

pub(super) fn find(view: &View<'_>, of_pods: &[Cause]) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for kind in ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"] {
        for maker in view.of(kind) {
            let refused = refused(view, maker);
            let known = |cause: &Cause| {
                found.iter().any(|other| other.object == cause.object && other.id == cause.id)
            };
            found.extend(refused.filter(|cause| !known(cause)));
        }
    }
    for deployment in view.of("Deployment") {
        found.extend(paused(view, deployment));
        found.extend(stuck(deployment, of_pods));
    }
    found.extend(view.of("StatefulSet").iter().filter_map(|set| blocked(view, set, of_pods)));
    found.extend(view.of("DaemonSet").iter().filter_map(nowhere));
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        for workload in view.of(kind) {
            let object = Object::of(workload);
            let explained = of_pods.iter().chain(&found).any(|cause| cause.object == object);
            if !explained {
                found.extend(unexplained(view, workload));
            }
        }
    }
    found
}

/// Pods that were refused, at the workload that wants them.
fn refused(view: &View<'_>, maker: &Value) -> Option<Cause> {
    let symptom = not_made(maker, view.events(maker))?;
    let namespace = text(&maker["metadata"]["namespace"]);
    let object = match controller(maker).filter(|owner| owner["kind"] == "Deployment") {
        Some(owner) => Object::named("Deployment", namespace, text(&owner["name"])),
        None => Object::of(maker),
    };
    let source = format!("{}: {}", Object::of(maker), symptom.reason);
    let cause = Cause::new(symptom.id, object, &symptom.reason, symptom.brief())
        .seen([Evidence::new(source, symptom.message.clone())]);
    Some(cause.hint(symptom.hint))
}

/// A change that nobody rolls out. A paused Deployment without one is as it should be.
fn paused(view: &View<'_>, deployment: &Value) -> Option<Cause> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    if spec["paused"] != true || is_deleting(deployment) || is_behind(deployment) {
        return None;
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let updated = count(&status["updatedReplicas"]);
    let has_set = view.owned("ReplicaSet", deployment).any(|set| same_template(set, deployment));
    let waits = if wanted == 0 { !has_set } else { updated < wanted };
    if !waits || view.snapshot.why_unread("ReplicaSet").is_some() {
        return None;
    }
    let detail = match wanted {
        0 => "the pod template has changed since".to_owned(),
        _ => format!("{updated} of {wanted} pods are of the present revision"),
    };
    let resume = format!(
        "resume it when the change is wanted: kubectl rollout resume -n {} {}",
        text(&deployment["metadata"]["namespace"]),
        Object::of(deployment)
    );
    let cause = Cause::new("rollout-paused", Object::of(deployment), "DeploymentPaused", detail);
    let said = condition(deployment, "Progressing")
        .map(|progressing| Evidence::condition(deployment, progressing));
    Some(cause.seen(said).hint(resume))
}

/// Whether a ReplicaSet is of the present template of its Deployment.
fn same_template(set: &Value, deployment: &Value) -> bool {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    let mut wanted = deployment["spec"]["template"].clone();
    for template in [&mut template, &mut wanted] {
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.remove("creationTimestamp");
        }
    }
    template == wanted
}

/// A new revision that does not come up beside an old one, or of which nothing says why it does
/// not.
fn stuck(deployment: &Value, of_pods: &[Cause]) -> Option<Cause> {
    let progressing = condition(deployment, "Progressing")
        .filter(|condition| condition["reason"] == "ProgressDeadlineExceeded")?;
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    // the condition stays when the rollout has come to its end after all
    let complete = count(&status["updatedReplicas"]) >= wanted
        && count(&status["availableReplicas"]) >= wanted
        && count(&status["replicas"]) <= count(&status["updatedReplicas"]);
    if complete || is_behind(deployment) || spec["paused"] == true {
        return None;
    }
    let object = Object::of(deployment);
    let old = count(&status["replicas"]) - count(&status["updatedReplicas"]);
    if old <= 0 && of_pods.iter().any(|cause| cause.object == object) {
        return None;
    }
    let detail = format!(
        "{} of {wanted} pods are of the new revision, {} available; {}",
        count(&status["updatedReplicas"]),
        count(&status["availableReplicas"]),
        text(&progressing["message"]),
    );
    let hint = if old > 0 {
        format!(
            "mend the new revision, or roll back: kubectl rollout undo -n {} {object}",
            object.namespace
        )
    } else {
        format!("look at its pods: kubectl describe -n {} {object}", object.namespace)
    };
    Some(
        Cause::new("rollout-stuck", object, "ProgressDeadlineExceeded", detail)
            .seen([Evidence::condition(deployment, progressing)])
            .hint(hint),
    )
}

/// A StatefulSet that makes its pods in order, of which one is not ready: it follows from what is
/// wrong with that pod.
fn blocked(view: &View<'_>, set: &Value, of_pods: &[Cause]) -> Option<Cause> {
    if set["spec"]["podManagementPolicy"] == "Parallel" || is_behind(set) {
        return None;
    }
    let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
    let mut pods: Vec<&Value> = view.owned("Pod", set).filter(|pod| is_live(pod)).collect();
    let made = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    if made == 0 || made >= wanted {
        return None;
    }
    pods.sort_by_key(|pod| ordinal(pod));
    let blocker = pods.into_iter().find(|pod| !is_ready(pod))?;
    let object = Object::of(set);
    let own = of_pods
        .iter()
        .find(|cause| cause.object == object && cause.pods.iter().any(|pod| pod == name(blocker)));
    if own.is_none() && starting_since(blocker, view.now).is_some() {
        return None;
    }
    let detail = format!(
        "{} is not ready, and {} of {wanted} pods are not made",
        name(blocker),
        wanted - made
    );
    let cause = Cause {
        follows_from: own.map(|cause| (cause.object.clone(), cause.id)),
        ..Cause::new("ordinal-blocks-others", object.clone(), "OrderedReady", detail)
    };
    let source = format!("{object}: podManagementPolicy OrderedReady");
    let says = format!("{made} of {wanted} pods made, {} not ready", name(blocker));
    Some(
        cause
            .pods([blocker])
            .seen([Evidence::new(source, says)])
            .hint(format!("mend pod {}: the others follow", name(blocker))),
    )
}

/// The number at the end of the name of a pod of a StatefulSet.
fn ordinal(pod: &Value) -> Option<u64> {
    name(pod).rsplit_once('-')?.1.parse().ok()
}

fn nowhere(set: &Value) -> Option<Cause> {
    let status = &set["status"];
    if count(&status["desiredNumberScheduled"]) > 0 || is_behind(set) || is_deleting(set) {
        return None;
    }
    let template = &set["spec"]["template"]["spec"];
    let selector = match template["nodeSelector"].as_object() {
        Some(labels) if !labels.is_empty() => {
            let all: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
            format!("its nodeSelector is {}", all.join(","))
        }
        _ if template["affinity"]["nodeAffinity"].is_object() => {
            "it has node affinity rules".to_owned()
        }
        _ => "no node has its taints tolerated".to_owned(),
    };
    let source = format!("{}: status", Object::of(set));
    Some(
        Cause::new("no-node-eligible", Object::of(set), "", selector)
            .seen([Evidence::new(source, "desiredNumberScheduled is 0")])
            .hint("compare its node selector, affinity and tolerations with the nodes"),
    )
}

/// Fewer pods than wanted for some time, and no cause at all: that is not health.
fn unexplained(view: &View<'_>, workload: &Value) -> Option<Cause> {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let (wanted, available) = match workload["kind"].as_str() {
        Some("DaemonSet") => {
            (count(&status["desiredNumberScheduled"]), count(&status["numberAvailable"]))
        }
        _ => (spec["replicas"].as_i64().unwrap_or(1), count(&status["availableReplicas"])),
    };
    if available >= wanted || is_deleting(workload) {
        return None;
    }
    let object = Object::of(workload);
    // what is still starting, or was made a moment ago, has its time
    let young = |object: &Value| !view.older(&object["metadata"]["creationTimestamp"], SETTLING);
    let starts = |pod: &Value| young(pod) || starting_since(pod, view.now).is_some();
    let changed = array(&status["conditions"])
        .any(|condition| !view.older(&condition["lastTransitionTime"], SETTLING));
    if young(workload) || changed || view.pods_of(&object).any(|pod| !is_ready(pod) && starts(pod))
    {
        return None;
    }
    let detail = format!("{available} of {wanted} are available");
    let hint = format!("look at it: kubectl describe -n {} {object}", object.namespace);
    let source = format!("{object}: status");
    let said = Evidence::new(source, detail.clone());
    Some(Cause::new("pods-unavailable", object, "", detail).seen([said]).hint(hint))
}

/// Its controller has not seen its present spec yet, so that its status is of another one.
fn is_behind(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_i64();
    generation.is_some() && object["status"]["observedGeneration"].as_i64() < generation
}

fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}
