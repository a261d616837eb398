//! What was read of a namespace, kind by kind: objects, or why they could not be read.

use crate::cause::Object;
use crate::object::name;
use serde_json::Value;
use std::collections::BTreeMap;

/// Under this name a snapshot has the custom resources, whatever their kinds: they may be called as
/// built-in ones are (`Service` of Knative).
pub const CUSTOM: &str = "CustomResource";

/// The objects that a diagnosis looks at. A kind of which nothing was added counts as read, and
/// there is none of it.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    kinds: BTreeMap<String, Result<Vec<Value>, String>>,
    partly: BTreeMap<String, String>,
    last_words: BTreeMap<(String, String), String>,
    ports: BTreeMap<(String, u16), PortState>,
    service: Option<String>,
    first: Option<Object>,
    unread_logs: BTreeMap<(String, String), String>,
}

/// What was found at a port of a pod; each is none if it was not tried or could not be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortState {
    /// Whether something accepts connections on the loopback address of the pod, where
    /// port-forward connects.
    pub loopback: Option<bool>,
    /// Whether something accepts connections on the address of the pod, where Services lead.
    pub address: Option<bool>,
}

impl Snapshot {
    /// Adds objects of one kind: `Pod`, `Event`, `ReplicaSet`, …
    pub fn add(&mut self, kind: &str, objects: impl IntoIterator<Item = Value>) {
        if let Ok(all) = self.kinds.entry(kind.to_owned()).or_insert_with(|| Ok(Vec::new())) {
            // the items of a list of the API do not say their kind
            all.extend(objects.into_iter().map(|mut object| {
                if let Some(fields) = object.as_object_mut() {
                    fields.entry("kind").or_insert_with(|| kind.into());
                }
                object
            }));
        }
    }

    /// Notes that a kind could not be read, and why.
    pub fn unread(&mut self, kind: &str, because: impl Into<String>) {
        self.kinds.insert(kind.to_owned(), Err(because.into()));
    }

    /// Notes that there may be more of a kind than was added, and why that could not be read.
    pub fn partly_read(&mut self, kind: &str, because: impl Into<String>) {
        self.partly.insert(kind.to_owned(), because.into());
    }

    /// Notes that one asks about this Service: all its ports are to be tried, and no others.
    pub fn ask_about(&mut self, service: &str) {
        self.service = Some(service.to_owned());
    }

    /// The Service that one asks about, if it is one.
    pub(crate) fn asked_about(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Notes that one asks about this object: the logs of its pods are to be read before others.
    pub fn look_first_at(&mut self, object: &Object) {
        self.first = Some(object.canonical());
    }

    /// The object of which the logs are to be read first.
    pub(crate) fn first(&self) -> Option<&Object> {
        self.first.as_ref()
    }

    /// Notes that the log of a container, which may say more, was not read, and why.
    pub fn log_unread(&mut self, pod: &str, container: &str, because: impl Into<String>) {
        self.unread_logs.insert((pod.to_owned(), container.to_owned()), because.into());
    }

    /// Why the log of a container was not read, if it should have been.
    pub(crate) fn why_log_unread(&self, pod: &str, container: &str) -> Option<&str> {
        self.unread_logs.get(&(pod.to_owned(), container.to_owned())).map(String::as_str)
    }

    /// Adds the last lines of the run of a container that has ended.
    pub fn add_last_words(&mut self, pod: &str, container: &str, words: impl Into<String>) {
        self.last_words.insert((pod.to_owned(), container.to_owned()), words.into());
    }

    /// Adds what was found at a port of a pod.
    pub fn add_port(&mut self, pod: &str, port: u16, state: PortState) {
        self.ports.insert((pod.to_owned(), port), state);
    }

    /// What was found at a port of a pod, if it was tried.
    pub fn port(&self, pod: &str, port: u16) -> Option<PortState> {
        self.ports.get(&(pod.to_owned(), port)).copied()
    }

    /// The objects of a kind; none if they could not be read.
    pub fn of(&self, kind: &str) -> &[Value] {
        self.kinds.get(kind).and_then(|read| read.as_deref().ok()).unwrap_or_default()
    }

    /// The object of this kind and name.
    pub fn get(&self, kind: &str, wanted: &str) -> Option<&Value> {
        self.of(kind).iter().find(|object| name(object) == wanted)
    }

    /// All objects that were read, events included.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        let read = self.kinds.iter().filter_map(|(kind, all)| Some((kind, all.as_ref().ok()?)));
        read.flat_map(|(kind, all)| all.iter().map(|object| (kind.as_str(), object)))
    }

    /// Why a kind could not be read, or not all of it, if that is so.
    pub fn why_unread(&self, kind: &str) -> Option<&str> {
        let unread = self.kinds.get(kind).and_then(|read| read.as_ref().err());
        unread.or_else(|| self.partly.get(kind)).map(String::as_str)
    }

    /// What the last run of a container left in its log.
    pub fn last_words(&self, pod: &str, container: &str) -> Option<&str> {
        self.last_words.get(&(pod.to_owned(), container.to_owned())).map(String::as_str)
    }
}

impl FromIterator<Value> for Snapshot {
    /// Objects of any kinds, as a list of the API or a file of manifests has them.
    fn from_iter<T: IntoIterator<Item = Value>>(objects: T) -> Self {
        let mut snapshot = Self::default();
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            snapshot.add(&kind, [object]);
        }
        snapshot
    }
}
