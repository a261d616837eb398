//! Causes: what is wrong, with the object that carries it.

use crate::kind::kind_named;
use crate::object::{name, text};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// An object by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Object {
    /// `Deployment`, `Pod`, …
    pub kind: String,
    /// The API group of a custom resource: others may have a kind of this name. Empty for any other
    /// object, and where it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Empty for an object of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Object {
    /// The name of an object of the API.
    pub fn of(object: &Value) -> Self {
        Self {
            kind: text(&object["kind"]).to_owned(),
            group: String::new(),
            namespace: text(&object["metadata"]["namespace"]).to_owned(),
            name: name(object).to_owned(),
        }
    }

    /// The same with its kind as the API writes it: of `hpa` a `HorizontalPodAutoscaler`. A kind that
    /// is not known stays as it is.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let kind = kind_named(&self.kind).map_or_else(|| self.kind.clone(), str::to_owned);
        Self { kind, ..self.clone() }
    }

    /// An object that is referred to from this namespace.
    pub fn named(kind: &str, namespace: &str, name: &str) -> Self {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        Self { kind, group: String::new(), namespace, name }
    }

    /// A custom resource: with the group that is in its `apiVersion`.
    pub fn custom(object: &Value) -> Self {
        let group = text(&object["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
        Self { group: group.to_owned(), ..Self::of(object) }
    }

    /// Whether it is this object; of one whose group is not known, any of its kind.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same_group =
            self.group == other.group || self.group.is_empty() || other.group.is_empty();
        same_group
            && (&self.kind, &self.namespace, &self.name)
                == (&other.kind, &other.namespace, &other.name)
    }
}

impl fmt::Display for Object {
    /// As kubectl takes it: `deployment/web`, `certificate.cert-manager.io/web`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(formatter, "{}{dot}{}/{}", self.kind.to_lowercase(), self.group, self.name)
    }
}

/// Where something is said, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// `pod/web-x2f: container main`, `event FailedMount of pod/web-x2f`, …
    pub source: String,
    /// In the words of the API, the program or the registry.
    pub says: String,
}

impl Evidence {
    /// What a source says.
    pub fn new(source: impl Into<String>, says: impl Into<String>) -> Self {
        Self { source: source.into(), says: says.into() }
    }

    /// What a condition of an object says.
    pub fn condition(object: &Value, condition: &Value) -> Self {
        let (kind, reason) = (text(&condition["type"]), text(&condition["reason"]));
        let status = text(&condition["status"]);
        let source = format!("{}: condition {kind}={status} {reason}", Object::of(object));
        Self::new(source.trim_end(), text(&condition["message"]))
    }
}

/// One thing that is wrong, named once at the object that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What it is, in a word that never changes: `oom-killed`, `quota-exceeded`, …
    pub id: &'static str,
    /// The object that carries it: the workload rather than one of its pods.
    pub object: Object,
    /// Its pods that have it, by name.
    pub pods: Vec<String>,
    /// The container, where it is one.
    pub container: Option<String>,
    /// The reason in the words of the API: `CrashLoopBackOff`, `BackoffLimitExceeded`, …
    pub reason: String,
    /// What is wrong in particular, in a few words that follow the object and the title.
    pub detail: String,
    /// What says so.
    pub evidence: Vec<Evidence>,
    /// What to do or to look at next.
    pub hint: String,
    /// What it follows from, if it is not a cause of its own.
    pub follows_from: Option<(Object, &'static str)>,
    /// What follows from it, also by way of another.
    pub followed_by: Vec<(Object, &'static str)>,
}

impl Cause {
    /// A cause that an object carries.
    pub fn new(id: &'static str, object: Object, reason: &str, detail: impl Into<String>) -> Self {
        Self {
            id,
            object,
            pods: Vec::new(),
            container: None,
            reason: reason.to_owned(),
            detail: detail.into(),
            evidence: Vec::new(),
            hint: String::new(),
            follows_from: None,
            followed_by: Vec::new(),
        }
    }

    /// With what says so.
    #[must_use]
    pub fn seen(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// With the pods that have it.
    #[must_use]
    pub fn pods<'a>(mut self, pods: impl IntoIterator<Item = &'a Value>) -> Self {
        self.pods = pods.into_iter().map(|pod| name(pod).to_owned()).collect();
        self
    }
}
