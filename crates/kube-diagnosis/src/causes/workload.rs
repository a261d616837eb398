//! What keeps a Deployment, StatefulSet, DaemonSet or ReplicaSet from having the pods that it should
//! have.

use super::Kind;
use super::leaving::{self, left_since};
use super::placement::{Nowhere, why_nowhere};
use super::remade::{Remade, remade};
use super::revision::waits_for_rollout;
use super::standby::stands_by;
use super::surge;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, controller, count, is_deleting, name, text, timestamp};
use crate::pod::{is_live, is_ready, starting_since};
use crate::symptom::{Symptom, not_made_of};
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

const SETS: &[&str] = &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"];

/// How long fewer pods than wanted may be ready without a reason.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

pub(super) const KINDS: &[Kind] = &[
    Kind("quota-exceeded", "cannot create pods (a ResourceQuota is exceeded)", SETS),
    Kind(
        "quota-needs-resources",
        "cannot create pods (a ResourceQuota requires requests or limits)",
        SETS,
    ),
    Kind("admission-denied", "cannot create pods (admission denied them)", SETS),
    Kind(
        "admission-webhook-unavailable",
        "cannot create pods (an admission webhook does not respond)",
        SETS,
    ),
    Kind(
        "service-account-missing",
        "cannot create pods (their ServiceAccount does not exist)",
        SETS,
    ),
    Kind("pods-not-created", "cannot create pods", SETS),
    Kind("not-processed", "is not processed by its controller", SETS),
    Kind(
        "ordinal-blocks-others",
        "waits for a pod to become ready before it creates the next one",
        &["StatefulSet", "Pod"],
    ),
    Kind("no-node-eligible", "has no node on which it can run", &["DaemonSet"]),
    Kind(
        "pods-unavailable",
        "has fewer available pods than desired, and no cause was found",
        &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"],
    ),
];

/// Ids of pods that are refused.
pub(super) const REFUSALS: &[&str] = &[
    "quota-exceeded",
    "quota-needs-resources",
    "admission-denied",
    "admission-webhook-unavailable",
    "service-account-missing",
    "pods-not-created",
];

/// Kinds that say how many pods they should have.
pub(super) const COUNTED: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"];

pub(super) fn find(view: &View<'_>, of_pods: &[Cause], of_rollouts: &[Cause]) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for kind in ["ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job"] {
        for maker in view.of(kind).iter().filter(|maker| !is_deleting(maker)) {
            let refused = refused(view, maker);
            let known = |cause: &Cause| {
                found.iter().any(|other| other.object == cause.object && other.id == cause.id)
            };
            found.extend(refused.filter(|cause| !known(cause)));
        }
    }
    found.extend(view.of("StatefulSet").iter().filter_map(|set| blocked(view, set, of_pods)));
    found.extend(view.of("DaemonSet").iter().filter_map(|set| nowhere(view, set)));
    for workload in COUNTED.iter().flat_map(|kind| view.of(kind)) {
        let object = Object::of(workload);
        let mut known = of_pods.iter().chain(of_rollouts).chain(&found);
        // what makes a ReplicaSet speaks for it
        let is_part = matches!(text(&workload["kind"]), "ReplicaSet" | "ReplicationController")
            && controller(workload).is_some();
        // that a rollout is paused says nothing of pods that are missing from it
        let explains = |cause: &Cause| {
            cause.object == object
                && (cause.id != "rollout-paused" || count(&workload["status"]["replicas"]) == 0)
        };
        if !is_part && !known.any(explains) {
            found.extend(unprocessed(view, workload).or_else(|| unexplained(view, workload)));
        }
    }
    let told: Vec<Cause> = of_pods.iter().chain(&found).cloned().collect();
    found.extend(leaving::of_jobs(view, &told, SETTLING));
    found
}

/// How many pods it should have; of a DaemonSet the cluster decides that.
pub(super) fn wanted(workload: &Value) -> i64 {
    match workload["kind"].as_str() {
        Some("DaemonSet") => count(&workload["status"]["desiredNumberScheduled"]),
        _ => workload["spec"]["replicas"].as_i64().unwrap_or(1),
    }
}

/// How many pods it has of which it can make use. An old API server does not count those of a
/// StatefulSet, but knows which are ready.
fn available(workload: &Value) -> i64 {
    let status = &workload["status"];
    let (available, ready) = match workload["kind"].as_str() {
        Some("DaemonSet") => ("numberAvailable", "numberReady"),
        _ => ("availableReplicas", "readyReplicas"),
    };
    status[available].as_i64().unwrap_or_else(|| count(&status[ready]))
}

/// Its controller has not seen its present spec yet, so that its status is of another one.
pub(super) fn is_behind(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_i64();
    generation.is_some() && object["status"]["observedGeneration"].as_i64() < generation
}

/// Pods that were refused, at the workload that wants them.
fn refused(view: &View<'_>, maker: &Value) -> Option<Cause> {
    let symptom = not_made_of(maker, &view.events(maker))?;
    let namespace = text(&maker["metadata"]["namespace"]);
    let is_set = matches!(text(&maker["kind"]), "ReplicaSet" | "ReplicationController");
    let object = match controller(maker).filter(|_| is_set) {
        Some(owner) => Object::named(text(&owner["kind"]), namespace, text(&owner["name"])),
        None => Object::of(maker),
    };
    let source = format!("{}: {}", Object::of(maker), symptom.reason);
    let detail = refusal(&symptom);
    let cause = Cause::new(symptom.id, object, &symptom.reason, detail)
        .seen([Evidence::new(source, symptom.message.clone())]);
    let mut cause = cause.hint(symptom.hint);
    surge::explain_refused(view, maker, &mut cause);
    Some(cause)
}

/// What decides in a refusal: which quota, policy or account.
fn refusal(symptom: &Symptom) -> String {
    let message = symptom.message.trim_start_matches("Error creating: ");
    let message = message.trim_start_matches("Internal error occurred: ");
    // `pods "web-" is forbidden: …` is what the title says
    let point = match message.split_once(" is forbidden: ") {
        Some((pod, rest)) if pod.contains("pods ") => rest,
        _ => message,
    };
    point.trim_start_matches("exceeded quota: ").to_owned()
}

/// A workload at which its controller has not looked for long: it has never written its status, or
/// that status is of an earlier spec.
fn unprocessed(view: &View<'_>, workload: &Value) -> Option<Cause> {
    let (metadata, status) = (&workload["metadata"], &workload["status"]);
    if is_deleting(workload) || !status.is_object() || wanted(workload) == 0 {
        return None;
    }
    let seen = status["observedGeneration"].as_i64();
    let asked = metadata["generation"].as_i64();
    let changed = array(&metadata["managedFields"])
        .filter(|entry| entry["subresource"] != "status")
        .filter_map(|entry| timestamp(&entry["time"]))
        .max();
    let late = |time| view.now.duration_since(time) > SETTLING;
    let detail = match (seen, asked) {
        (Some(seen), Some(asked)) if seen < asked && changed.is_some_and(late) => {
            format!("its status is of generation {seen}, and its spec is of {asked}")
        }
        (None, Some(_))
            if status
                .as_object()
                .is_some_and(|fields| fields.values().all(|field| *field == 0))
                && view.has_read(&["Pod"])
                && view.pods_of(&Object::of(workload)).next().is_none()
                && view.older(&metadata["creationTimestamp"], SETTLING) =>
        {
            format!("nothing has been done since {}", text(&metadata["creationTimestamp"]))
        }
        _ => return None,
    };
    let object = Object::of(workload);
    let source = format!("{object}: status");
    Some(
        Cause::new("not-processed", object, "", detail.clone())
            .seen([Evidence::new(source, detail)])
            .hint("check whether kube-controller-manager runs, and its log"),
    )
}

/// A StatefulSet that makes its pods in order, of which one is not ready: it follows from what is
/// wrong with that pod.
fn blocked(view: &View<'_>, set: &Value, of_pods: &[Cause]) -> Option<Cause> {
    if set["spec"]["podManagementPolicy"] == "Parallel" || is_behind(set) || is_deleting(set) {
        return None;
    }
    let wanted = wanted(set);
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
        "{} is not ready, and {} of {wanted} pods have not been created",
        name(blocker),
        wanted - made
    );
    let cause = Cause {
        follows_from: own.map(|cause| (cause.object.clone(), cause.id)),
        ..Cause::new("ordinal-blocks-others", object.clone(), "OrderedReady", detail)
    };
    let source = format!("{object}: podManagementPolicy OrderedReady");
    let says = format!("{made} of {wanted} pods created, {} not ready", name(blocker));
    Some(
        cause
            .pods([blocker])
            .seen([Evidence::new(source, says)])
            .hint(format!("fix pod {}: the others follow", name(blocker))),
    )
}

/// The number at the end of the name of a pod of a StatefulSet.
pub(super) fn ordinal(pod: &Value) -> Option<i64> {
    name(pod).rsplit_once('-')?.1.parse().ok()
}

/// The reason of a DaemonSet for nodes of a kind that the cluster does not have. The runbooks tell it
/// from one that a label, a rule or a taint keeps away.
const NO_NODE_SELECTED: &str = "NoNodeSelected";

fn nowhere(view: &View<'_>, set: &Value) -> Option<Cause> {
    if set["status"]["desiredNumberScheduled"] != 0 || is_behind(set) || is_deleting(set) {
        return None;
    }
    let why = why_nowhere(&set["spec"]["template"]["spec"], view.of("Node"));
    let (reason, detail, hint) = match why {
        Nowhere::Unselected(detail) => (
            NO_NODE_SELECTED,
            detail,
            "nothing to do, unless such a node is expected: then add it, or correct its nodeSelector \
                or affinity",
        ),
        Nowhere::Other(detail) => {
            ("", detail, "correct its nodeSelector, affinity or tolerations, or label a node")
        }
    };
    let source = format!("{}: status", Object::of(set));
    Some(
        Cause::new("no-node-eligible", Object::of(set), reason, detail)
            .seen([Evidence::new(source, "desiredNumberScheduled is 0")])
            .hint(hint),
    )
}

/// Fewer pods than wanted for some time, and no cause at all: that is not health.
fn unexplained(view: &View<'_>, workload: &Value) -> Option<Cause> {
    let (wanted, available) = (wanted(workload), available(workload));
    // without a status there is nothing to go by
    let is_known = workload["status"]["observedGeneration"].is_i64();
    if available >= wanted || !is_known || is_deleting(workload) || is_behind(workload) {
        return None;
    }
    let object = Object::of(workload);
    let remade = remade(view, workload);
    if !view.has_read(&["Pod"])
        || remade.is_none() && view.pods_of(&object).any(|pod| has_its_time(view, workload, pod))
        || waits_for_rollout(view, &object)
    {
        return None;
    }
    // what is still starting, or was made a moment ago, has its time
    let young = |object: &Value| !view.older(&object["metadata"]["creationTimestamp"], SETTLING);
    let changed = array(&workload["status"]["conditions"])
        .any(|condition| !view.older(&condition["lastTransitionTime"], SETTLING));
    // what is made again and again changes all the time
    if young(workload) || changed && remade.is_none() {
        return None;
    }
    let detail = format!("{available} of {wanted} are available");
    if let Some(Remade { words, seen, hint }) = remade {
        let detail = format!("{detail}, and {words}");
        return Some(Cause::new("pods-unavailable", object, "", detail).seen([seen]).hint(hint));
    }
    if let Some(leaving) = leaving::cause(view, workload, &detail) {
        return Some(leaving);
    }
    let hint = format!("look at it: kubectl describe -n {} {object}", object.namespace);
    let source = format!("{object}: status");
    let said = Evidence::new(source, detail.clone());
    Some(Cause::new("pods-unavailable", object, "", detail).seen([said]).hint(hint))
}

/// A pod that is starting, leaving, standing by, or not ready for long enough to be available.
fn has_its_time(view: &View<'_>, workload: &Value, pod: &Value) -> bool {
    if is_deleting(pod) {
        return left_since(pod).is_none_or(|since| view.now.duration_since(since) <= SETTLING);
    }
    if !is_ready(pod) {
        let young = !view.older(&pod["metadata"]["creationTimestamp"], SETTLING);
        return is_live(pod)
            && (young || starting_since(pod, view.now).is_some() || stands_by(view, pod));
    }
    let least = SignedDuration::from_secs(count(&workload["spec"]["minReadySeconds"]));
    condition(pod, "Ready")
        .is_some_and(|ready| !view.older(&ready["lastTransitionTime"], least + SETTLING))
}
