//! A namespace, or an object in it, that does not go away.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, is_deleting, name, stated, text};
use crate::pod::is_finished;
use crate::view::{View, listed, names};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const KINDS: &[Kind] = &[
    Kind("finalizers-remaining", "is terminating, and finalizers remain", &["Namespace"]),
    Kind("namespace-not-emptied", "is terminating, and its content is not removed", &["Namespace"]),
];

/// How long the controllers may take to remove what is in it.
const EMPTYING: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let mut found: Vec<Cause> =
        view.of("Namespace").iter().filter_map(|namespace| stuck(view, namespace)).collect();
    found.extend(view.snapshot.all().filter_map(|(kind, object)| kept(view, kind, object)));
    found
}

/// An object of another kind that should be gone.
fn kept(view: &View<'_>, kind: &str, object: &Value) -> Option<Cause> {
    let since = &object["metadata"]["deletionTimestamp"];
    let finalizers: Vec<&str> = array(&object["metadata"]["finalizers"]).map(text).collect();
    // pods have a grace period, and a reason of their own
    if matches!(kind, "Namespace" | "Pod")
        || finalizers.is_empty()
        || !view.older(since, given(&finalizers))
        || waits_for_pods(view, object, &finalizers)
    {
        return None;
    }
    let users = view.of("Pod").iter().filter(|pod| {
        kind == "PersistentVolumeClaim" && !is_finished(pod) && uses(pod, name(object))
    });
    let users: Vec<&Value> = users.collect();
    let mut detail = format!("since {}; {}", text(since), listed(&finalizers));
    let mut hint =
        "find out why the controller of the named finalizer does not remove it: it may be gone";
    if !users.is_empty() {
        detail = format!("{detail}; in use by pod {}", names(users.iter().copied()));
        hint = "it is deleted once no pod uses it";
    }
    let own = Object::of(object);
    let source = format!("{own}: metadata.finalizers");
    Some(
        Cause::new("finalizers-remaining", own, "Terminating", detail)
            .seen([Evidence::new(source, finalizers.join(", "))])
            .hint(hint),
    )
}

/// Whether a pod mounts this claim.
fn uses(pod: &Value, claim: &str) -> bool {
    let mut volumes = array(&pod["spec"]["volumes"]);
    volumes.any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim)
}

/// How long an object may take to be deleted that a finalizer of Kubernetes holds, as it waits for
/// all that depends on it.
const DELETING: SignedDuration = SignedDuration::from_mins(5);
/// How long a controller of another finalizer may take.
const FINALIZING: SignedDuration = SignedDuration::from_mins(1);
/// The finalizers by which the garbage collector waits for what an object owns
/// (apimachinery, metav1.FinalizerDeleteDependents and FinalizerOrphanDependents).
const COLLECTING: &[&str] = &["foregroundDeletion", "orphan"];

/// How long these finalizers may take. Names with such a domain are kept for Kubernetes.
fn given(finalizers: &[&str]) -> SignedDuration {
    let domain = |one: &str| one.split('/').next().unwrap_or_default().to_owned();
    let is_own = |one: &&str| {
        let domain = domain(one);
        COLLECTING.contains(one) || domain == "kubernetes.io" || domain.ends_with(".kubernetes.io")
    };
    if finalizers.iter().all(is_own) { DELETING } else { FINALIZING }
}

/// It goes when the last of its pods has, and they have their grace period.
fn waits_for_pods(view: &View<'_>, object: &Value, finalizers: &[&str]) -> bool {
    let in_time = |pod: &Value| !view.older(&pod["metadata"]["deletionTimestamp"], EMPTYING);
    finalizers.iter().all(|one| COLLECTING.contains(one))
        && view.pods_of(&Object::of(object)).any(|pod| is_deleting(pod) && in_time(pod))
}

fn stuck(view: &View<'_>, namespace: &Value) -> Option<Cause> {
    if !view.older(&namespace["metadata"]["deletionTimestamp"], EMPTYING) {
        return None;
    }
    let stated = |kind: &str| stated(namespace, kind, "True");
    let object = Object::of(namespace);
    if let Some(remaining) = stated("NamespaceFinalizersRemaining") {
        let left = stated("NamespaceContentRemaining");
        let detail = match left {
            Some(left) => format!("{}; objects left: {}", said(remaining), said(left)),
            None => said(remaining),
        };
        return Some(
            Cause::new("finalizers-remaining", object, text(&remaining["reason"]), detail)
                .seen(Some(remaining).into_iter().chain(left).map(|one| Evidence::condition(namespace, one)))
                .hint("find out why the controller of the named finalizer does not remove it: it may be gone"),
        );
    }
    let failed = [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceContentRemaining",
    ];
    let Some(failed) = failed.iter().find_map(|kind| stated(kind)) else {
        return remaining(view, namespace);
    };
    let hint = if failed["type"] == "NamespaceDeletionDiscoveryFailure" {
        "an API group does not respond: check its APIService (kubectl get apiservices)"
    } else {
        "look at the objects that the message names"
    };
    Some(
        Cause::new("namespace-not-emptied", object, text(&failed["reason"]), said(failed))
            .seen([Evidence::condition(namespace, failed)])
            .hint(hint),
    )
}

/// What is left in a namespace of which no condition says why: it may have been deleted but for what
/// a finalizer holds.
fn remaining(view: &View<'_>, namespace: &Value) -> Option<Cause> {
    let since = &namespace["metadata"]["deletionTimestamp"];
    if !view.older(since, FINALIZING) {
        return None;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let is_of_it =
        |object: &Value| object["metadata"]["namespace"] == namespace["metadata"]["name"];
    for (kind, _) in
        view.snapshot.all().filter(|(kind, object)| *kind != "Event" && is_of_it(object))
    {
        *kinds.entry(kind).or_default() += 1;
    }
    let counts: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
    let counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    let left =
        if counts.is_empty() { "nothing that is known here".to_owned() } else { listed(&counts) };
    let object = Object::of(namespace);
    let seen = Evidence::new(format!("{object}: metadata.deletionTimestamp"), text(since));
    let detail = format!("since {}; left: {left}", text(since));
    let hint = "no objects can be created in it: find out what holds the objects that are left";
    Some(Cause::new("namespace-not-emptied", object, "Terminating", detail).seen([seen]).hint(hint))
}

/// What a condition says, without what its type says, and with counts as one reads them: of
/// `configmaps. has 1 resource instances` that it is `1 of configmaps`
/// (pkg/controller/namespace/deletion/status_condition_utils.go).
fn said(condition: &Value) -> String {
    let message = text(&condition["message"]);
    let kind = |part: &str| {
        let (kind, count) = part.strip_suffix(" resource instances")?.split_once(" has ")?;
        Some(format!("{count} of {}", kind.trim_end_matches('.')))
    };
    let finalizer = |part: &str| {
        let (finalizer, count) = part.strip_suffix(" resource instances")?.rsplit_once(" in ")?;
        let objects = if count == "1" { "object" } else { "objects" };
        Some(format!("{finalizer} on {count} {objects}"))
    };
    let all = WRAPPERS.iter().find_map(|start| message.strip_prefix(start)).unwrap_or(message);
    let parts = all
        .split(", ")
        .map(|part| kind(part).or_else(|| finalizer(part)).unwrap_or_else(|| part.to_owned()));
    parts.collect::<Vec<_>>().join(", ")
}

/// What conditions say before they come to the point.
const WRAPPERS: &[&str] =
    &["Some content in the namespace has finalizers remaining: ", "Some resources are remaining: "];
