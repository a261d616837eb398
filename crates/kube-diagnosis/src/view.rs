//! A snapshot at a time, with what belongs to what.

use crate::cause::{Evidence, Object};
use crate::object::{array, controller, filled, name, text, timestamp};
use crate::snapshot::Snapshot;
use crate::symptom::{ObjectEvent, ObjectEvents};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::HashMap;

/// What the causes are looked for in.
pub(crate) struct View<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// The time of the cluster, as far as its events tell.
    pub(crate) now: Timestamp,
    /// Events by the uid of the object that they are about.
    events: HashMap<&'a str, Vec<Value>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let mut events: HashMap<&'a str, Vec<Value>> = HashMap::new();
        for event in snapshot.of("Event") {
            let about = text(&event["involvedObject"]["uid"]);
            events.entry(about).or_default().push(event.clone());
        }
        Self { snapshot, now, events }
    }

    pub(crate) fn of(&self, kind: &str) -> &'a [Value] {
        self.snapshot.of(kind)
    }

    /// The events that may be about an object.
    pub(crate) fn events(&self, object: &Value) -> &[Value] {
        let uid = filled(&object["metadata"]["uid"]);
        uid.and_then(|uid| self.events.get(uid))
            .or_else(|| self.events.get(""))
            .map_or(&[], Vec::as_slice)
    }

    /// The last event about an object that fits.
    pub(crate) fn last_event<'b>(
        &'b self,
        object: &Value,
        fits: impl Fn(&ObjectEvent<'b>) -> bool,
    ) -> Option<ObjectEvent<'b>> {
        ObjectEvents::of(object, self.events(object)).last(fits)
    }

    /// Whether a time is longer ago than this. What has no time is not.
    pub(crate) fn older(&self, time: &Value, than: SignedDuration) -> bool {
        timestamp(time).is_some_and(|time| self.now.duration_since(time) > than)
    }

    /// The objects of a kind that this one controls.
    pub(crate) fn owned<'b>(
        &self,
        kind: &str,
        owner: &'b Value,
    ) -> impl Iterator<Item = &'a Value> + use<'a, 'b> {
        let uid = &owner["metadata"]["uid"];
        self.of(kind)
            .iter()
            .filter(move |object| controller(object).is_some_and(|of| of["uid"] == *uid))
    }

    /// The object whose pods these are: of a pod of a ReplicaSet its Deployment, of one of a Job
    /// the Job, of one without an owner the pod.
    pub(crate) fn workload(&self, pod: &Value) -> Object {
        let namespace = text(&pod["metadata"]["namespace"]);
        let named =
            |owner: &Value| Object::named(text(&owner["kind"]), namespace, text(&owner["name"]));
        let Some(owner) = controller(pod) else { return Object::of(pod) };
        let above = (owner["kind"] == "ReplicaSet")
            .then(|| self.snapshot.get("ReplicaSet", text(&owner["name"])))
            .flatten()
            .and_then(controller);
        named(above.unwrap_or(owner))
    }

    /// The pods of a workload.
    pub(crate) fn pods_of(&self, workload: &Object) -> impl Iterator<Item = &'a Value> {
        self.of("Pod").iter().filter(|pod| self.workload(pod) == *workload)
    }
}

/// An event as evidence.
pub(crate) fn said(object: &Value, event: &ObjectEvent<'_>) -> Evidence {
    Evidence::new(format!("event {} of {}", event.reason, Object::of(object)), event.message)
}

/// Names in a sentence: the first few, and how many more there are.
pub(crate) fn names<'a>(objects: impl IntoIterator<Item = &'a Value>) -> String {
    let all: Vec<&str> = objects.into_iter().map(name).collect();
    listed(&all)
}

/// The first three of several words, and how many more there are.
pub(crate) fn listed(all: &[&str]) -> String {
    match all {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        _ => all.join(", "),
    }
}

/// Whether labels have all that a selector of `matchLabels` asks for; an empty one selects nothing.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key.as_str()] == *value))
}

/// The ports that a pod's containers declare: name, number.
pub(crate) fn declared_ports(pod: &Value) -> Vec<(&str, u64)> {
    let sidecars = array(&pod["spec"]["initContainers"])
        .filter(|container| container["restartPolicy"] == "Always");
    array(&pod["spec"]["containers"])
        .chain(sidecars)
        .flat_map(|container| array(&container["ports"]))
        .filter_map(|port| Some((text(&port["name"]), port["containerPort"].as_u64()?)))
        .collect()
}
