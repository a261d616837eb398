//! Which causes concern an object.

use crate::cause::{Cause, Object};
use crate::causes::{backends, is_behind};
use crate::diagnosis::Diagnosis;
use crate::object::{array, name, text};
use crate::snapshot::Snapshot;
use crate::view::{View, fits, selects};
use jiff::Timestamp;
use serde_json::Value;

impl Diagnosis {
    /// The causes that concern an object, in their order.
    pub fn concerning(&self, snapshot: &Snapshot, object: &Object) -> Vec<&Cause> {
        let (view, object) = (View::new(snapshot, Timestamp::UNIX_EPOCH), object.canonical());
        self.causes.iter().filter(|cause| concerns(&view, cause, &object)).collect()
    }
}

impl Cause {
    /// Whether it concerns an object: it carries the cause, it is one of its pods, or the cause is
    /// of an object that it owns or that it leads to; or one that follows from the cause does. A
    /// node concerns a namespace that has pods on it. Of several causes, `Diagnosis::concerning`
    /// tells it at once.
    pub fn concerns(&self, snapshot: &Snapshot, object: &Object) -> bool {
        concerns(&View::new(snapshot, Timestamp::UNIX_EPOCH), self, &object.canonical())
    }
}

fn concerns(view: &View<'_>, cause: &Cause, object: &Object) -> bool {
    let follower = |(of, id): &(Object, &'static str)| Cause::new(id, of.clone(), "", "");
    directly(view, cause, object)
        || cause.followed_by.iter().any(|one| directly(view, &follower(one), object))
}

/// Whether a pod is one of those of an object: the pod itself, or what the object makes or leads to.
pub(crate) fn has_pod(view: &View<'_>, object: &Object, pod: &Value) -> bool {
    let leads = |service: &Value| selects(&service["spec"]["selector"], &pod["metadata"]["labels"]);
    let found = view.get(&object.kind, &object.name);
    match object.kind.as_str() {
        "Service" => found.is_some_and(leads),
        "Ingress" => found.is_some_and(|ingress| {
            backends(ingress).filter_map(|service| view.get("Service", service)).any(leads)
        }),
        _ => directly(view, &Cause::new("", view.workload(pod), "", "").pods([pod]), object),
    }
}

fn directly(view: &View<'_>, cause: &Cause, object: &Object) -> bool {
    if cause.object.is(object) {
        return true;
    }
    // a custom resource may be called as a built-in kind is
    let kind = if object.group.is_empty() { object.kind.as_str() } else { "" };
    let found = view.get(kind, &object.name);
    match kind {
        "Namespace" => match cause.object.kind.as_str() {
            "Node" => view.of("Pod").iter().any(|pod| holds(cause, pod)),
            "APIService" => false,
            _ => true,
        },
        "Pod" => found.is_some_and(|pod| of_pod(view, cause, pod)),
        "Service" => found.is_some_and(|service| is_behind(view, service, cause)),
        "Ingress" => found.is_some_and(|ingress| {
            backends(ingress).filter_map(|service| view.get("Service", service)).any(|service| {
                cause.object == Object::of(service) || is_behind(view, service, cause)
            })
        }),
        "HorizontalPodAutoscaler" => found.is_some_and(|hpa| {
            let target = &hpa["spec"]["scaleTargetRef"];
            target["kind"] == cause.object.kind.as_str()
                && target["name"] == cause.object.name.as_str()
        }),
        "CronJob" => found.is_some_and(|cronjob| {
            view.owned("Job", cronjob).any(|job| cause.object == Object::of(job))
        }),
        "PersistentVolumeClaim" => {
            let users = view.of("Pod").iter().filter(|pod| uses(pod, &object.name));
            is_of_volume(cause) && users.into_iter().any(|pod| has(cause, pod))
        }
        "PodDisruptionBudget" => found.is_some_and(|budget| {
            let selector = &budget["spec"]["selector"];
            let mut pods = view.of("Pod").iter();
            pods.any(|pod| fits(selector, &pod["metadata"]["labels"]) && has(cause, pod))
        }),
        "Node" => {
            let mut on = view.of("Pod").iter();
            on.any(|pod| pod["spec"]["nodeName"] == object.name.as_str() && has(cause, pod))
        }
        _ => {
            let own = found.map(|owner| view.owned("Pod", owner).collect::<Vec<_>>());
            // owner references have no group here
            let workload = Object { group: String::new(), ..object.clone() };
            let mut pods = view.pods_of(&workload).chain(own.into_iter().flatten());
            pods.any(|pod| has(cause, pod) || leads_to(cause, pod))
        }
    }
}

fn of_pod(view: &View<'_>, cause: &Cause, pod: &Value) -> bool {
    has(cause, pod)
        || leads_to(cause, pod)
        || cause.pods.is_empty() && view.workload(pod) == cause.object
}

/// It is one of the pods that have the cause.
fn has(cause: &Cause, pod: &Value) -> bool {
    cause.pods.iter().any(|ill| ill == name(pod))
}

/// The cause is of a claim that the pod mounts, or of the node that it is on.
fn leads_to(cause: &Cause, pod: &Value) -> bool {
    match cause.object.kind.as_str() {
        "PersistentVolumeClaim" => uses(pod, &cause.object.name),
        "Node" => holds(cause, pod),
        _ => false,
    }
}

/// The pod is on the node that has the cause. That no more come to a node is nothing to it.
fn holds(cause: &Cause, pod: &Value) -> bool {
    cause.id != "node-cordoned" && pod["spec"]["nodeName"] == cause.object.name.as_str()
}

/// Whether a pod mounts this claim; one that is made for it alone has its name in it.
pub(crate) fn uses(pod: &Value, claim: &str) -> bool {
    array(&pod["spec"]["volumes"]).any(|volume| {
        volume["persistentVolumeClaim"]["claimName"] == claim
            || volume["ephemeral"].is_object()
                && format!("{}-{}", name(pod), text(&volume["name"])) == claim
    })
}

fn is_of_volume(cause: &Cause) -> bool {
    cause.id.starts_with("volume-")
}
