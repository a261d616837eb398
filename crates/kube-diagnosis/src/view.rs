//! A snapshot at a time, with what belongs to what.

use crate::cause::{Evidence, Object};
use crate::concern::has_pod;
use crate::object::{array, controller, filled, name, text, timestamp};
use crate::snapshot::Snapshot;
use crate::symptom::{ObjectEvent, ObjectEvents, Symptom, involved, symptoms_of};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::HashMap;

/// An object by its kind and name.
type Key<'a> = (&'a str, &'a str);

/// What the causes are looked for in. Everything is looked up in what is built here once: a
/// namespace may have thousands of objects.
pub(crate) struct View<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// The time, and not before anything that the API server has made.
    pub(crate) now: Timestamp,
    objects: HashMap<Key<'a>, &'a Value>,
    events: HashMap<Key<'a>, Vec<&'a Value>>,
    /// Objects by their kind and their controller.
    owned: HashMap<(&'a str, Key<'a>), Vec<&'a Value>>,
    pods: HashMap<Object, Vec<&'a Value>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let mut view = Self {
            snapshot,
            now,
            objects: HashMap::new(),
            events: HashMap::new(),
            owned: HashMap::new(),
            pods: HashMap::new(),
        };
        for (kind, object) in snapshot.all() {
            // the clock of this machine may be behind that of the cluster
            let made = timestamp(&object["metadata"]["creationTimestamp"]);
            view.now = view.now.max(made.unwrap_or(now));
            if kind == "Event" {
                let about = involved(object);
                let key = (text(&about["kind"]), text(&about["name"]));
                view.events.entry(key).or_default().push(object);
                continue;
            }
            view.objects.entry((kind, name(object))).or_insert(object);
            if let Some(owner) = controller(object) {
                let owner = (text(&owner["kind"]), text(&owner["name"]));
                view.owned.entry((kind, owner)).or_default().push(object);
            }
        }
        for pod in snapshot.of("Pod") {
            view.pods.entry(view.workload(pod)).or_default().push(pod);
        }
        view
    }

    pub(crate) fn of(&self, kind: &str) -> &'a [Value] {
        self.snapshot.of(kind)
    }

    /// The object of this kind and name.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<&'a Value> {
        self.objects.get(&(kind, name)).copied()
    }

    /// Whether all these kinds were read, so that what is not there does not exist.
    pub(crate) fn has_read(&self, kinds: &[&str]) -> bool {
        kinds.iter().all(|kind| self.snapshot.why_unread(kind).is_none())
    }

    /// The events that are about an object.
    pub(crate) fn events(&self, object: &Value) -> ObjectEvents<'a> {
        let key = (text(&object["kind"]), name(object));
        ObjectEvents::of(object, self.events.get(&key).into_iter().flatten().copied())
    }

    /// The last event about an object that fits.
    pub(crate) fn last_event(
        &self,
        object: &Value,
        fits: impl Fn(&ObjectEvent<'a>) -> bool,
    ) -> Option<ObjectEvent<'a>> {
        self.events(object).last(fits)
    }

    /// What keeps a pod from working.
    pub(crate) fn symptoms(&self, pod: &Value) -> Vec<Symptom> {
        symptoms_of(pod, self.events(pod), self.now)
    }

    /// Whether a pod is one of those of the object that one asks about.
    pub(crate) fn is_asked_about(&self, pod: &Value) -> bool {
        self.snapshot.first().is_some_and(|object| has_pod(self, object, pod))
    }

    /// Whether a time is longer ago than this. What has no time is not.
    pub(crate) fn older(&self, time: &Value, than: SignedDuration) -> bool {
        timestamp(time).is_some_and(|time| self.now.duration_since(time) > than)
    }

    /// How long ago a time is, in words.
    pub(crate) fn ago(&self, time: Timestamp) -> String {
        match self.now.duration_since(time).as_secs().max(0) {
            seconds @ ..120 => format!("{seconds} s ago"),
            seconds @ ..7_200 => format!("{} min ago", seconds / 60),
            seconds => format!("{} h ago", seconds / 3_600),
        }
    }

    /// The objects of a kind that this one controls.
    pub(crate) fn owned<'b>(
        &self,
        kind: &str,
        owner: &'b Value,
    ) -> impl Iterator<Item = &'a Value> + use<'a, 'b> {
        let key = (kind, (text(&owner["kind"]), name(owner)));
        let all = self.owned.get(&key).cloned().unwrap_or_default();
        all.into_iter().filter(move |object| controller(object).is_some_and(|of| is(of, owner)))
    }

    /// The object whose pods these are: of a pod of a ReplicaSet what controls it, of one of a Job
    /// the Job, of one that nothing controls, or its node does, the pod.
    pub(crate) fn workload(&self, pod: &Value) -> Object {
        let namespace = text(&pod["metadata"]["namespace"]);
        let named =
            |owner: &Value| Object::named(text(&owner["kind"]), namespace, text(&owner["name"]));
        match controller(pod) {
            Some(owner) if owner["kind"] != "Node" => {
                self.above(owner, pod).unwrap_or(named(owner))
            }
            _ => Object::of(pod),
        }
    }

    /// The Deployment, or an object of another kind, that makes ReplicaSets like this one.
    fn above(&self, owner: &Value, pod: &Value) -> Option<Object> {
        let (kind, set) = (text(&owner["kind"]), text(&owner["name"]));
        if !matches!(kind, "ReplicaSet" | "ReplicationController") {
            return None;
        }
        let namespace = text(&pod["metadata"]["namespace"]);
        if let Some(set) = self.get(kind, set) {
            let above = controller(set)?;
            return Some(Object::named(text(&above["kind"]), namespace, text(&above["name"])));
        }
        // the set was not read: its name is that of the Deployment and the hash of its template
        let hash = filled(&pod["metadata"]["labels"]["pod-template-hash"])?;
        let deployment = set.strip_suffix(hash)?.strip_suffix('-')?;
        self.get("Deployment", deployment).map(Object::of)
    }

    /// The pods of a workload.
    pub(crate) fn pods_of<'b>(
        &'b self,
        workload: &Object,
    ) -> impl Iterator<Item = &'a Value> + use<'a, 'b> {
        self.pods.get(workload).into_iter().flatten().copied()
    }
}

/// Whether a reference is to this object and not to one that had its name before.
fn is(reference: &Value, object: &Value) -> bool {
    match (filled(&reference["uid"]), filled(&object["metadata"]["uid"])) {
        (Some(of), Some(own)) => of == own,
        _ => reference["kind"] == object["kind"] && text(&reference["name"]) == name(object),
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

/// Whether labels fit a `LabelSelector`. One that is empty fits all, one that is not set fits none
/// (apimachinery, `LabelSelectorAsSelector`).
pub(crate) fn fits(selector: &Value, labels: &Value) -> bool {
    let holds = |rule: &Value| {
        let value = labels[text(&rule["key"])].as_str();
        let is_in = || array(&rule["values"]).any(|one| one.as_str() == value && value.is_some());
        match text(&rule["operator"]) {
            "In" => is_in(),
            "NotIn" => !is_in(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten();
    selector.is_object()
        && wanted.all(|(key, value)| labels[key.as_str()] == *value)
        && array(&selector["matchExpressions"]).all(holds)
}

/// A port that a container of a pod declares.
#[derive(Clone, Copy)]
pub(crate) struct DeclaredPort<'a> {
    /// Empty if it has none.
    pub(crate) name: &'a str,
    pub(crate) number: u64,
    pub(crate) protocol: &'a str,
}

/// The ports that a pod's containers declare.
pub(crate) fn declared_ports(pod: &Value) -> Vec<DeclaredPort<'_>> {
    let sidecars = array(&pod["spec"]["initContainers"])
        .filter(|container| container["restartPolicy"] == "Always");
    array(&pod["spec"]["containers"])
        .chain(sidecars)
        .flat_map(|container| array(&container["ports"]))
        .filter_map(|port| {
            let (name, number) = (text(&port["name"]), port["containerPort"].as_u64()?);
            Some(DeclaredPort { name, number, protocol: protocol(port) })
        })
        .collect()
}

/// The protocol of a port of a container or a Service.
pub(crate) fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}
