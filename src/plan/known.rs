//! What is known of the objects and permissions of a step before the run: everything, the kind
//! alone, or nothing.

use crate::action::{Access, Action, Requires};
use crate::cluster::builtin;
use crate::document::{Sketch, is_computed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// An object that a step changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    /// `namespace/kind/name`.
    Object(String),
    /// One of this namespace; which one the run computes.
    In(String),
    /// Any.
    Any,
}

/// What keeps a permission from being named before the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Open {
    /// The run computes the kind of the object.
    Kind,
    /// The kind is not built in, and the cluster knows its resource.
    Custom(String),
    /// The run computes the namespace.
    Namespace(Access),
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("the run computes the kind of its object: add a rule for it"),
            Self::Custom(kind) => {
                write!(f, "the kind {kind} is not built in: add a rule for its resource")
            }
            Self::Namespace(access) => {
                let plain = Access { namespace: String::new(), ..access.clone() }.to_string();
                write!(
                    f,
                    "the run computes the namespace: add a rule to {}",
                    plain.trim_end_matches(" (cluster-wide)")
                )
            }
        }
    }
}

/// What a step needs and changes.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Permissions that are known to the last word.
    pub permissions: Vec<Access>,
    /// Permissions of objects whose names the run computes: for all objects of the kind.
    pub computed: Vec<Access>,
    /// What cannot be named.
    pub open: Vec<Open>,
    /// The objects that it changes.
    pub touched: Vec<Touched>,
    /// The program of this machine that it requires, if that is known.
    pub tool: Option<Requires>,
}

impl Needs {
    /// Of an action, as far as it is known, in this namespace.
    pub fn of(action: &Action, sketch: &Sketch<Action>, namespace: &str) -> Self {
        let mut needs = Self::default();
        let mut open = kinds(&sketch.arguments);
        for access in action.permissions(namespace) {
            let name = if is_computed(&access.name) { String::new() } else { access.name.clone() };
            if is_computed(&access.resource) || is_computed(&access.group) {
                open.insert(Open::Kind);
            } else if is_computed(&access.namespace) {
                open.insert(Open::Namespace(Access { name, ..access }));
            } else if name == access.name {
                needs.permissions.push(access);
            } else {
                needs.computed.push(Access { name, ..access });
            }
        }
        needs.touched = action.targets(namespace).iter().map(|target| touched(target)).collect();
        needs.open = open.into_iter().collect();
        needs.tool = action.requires().filter(|requires| !is_computed(&requires.tool));
        needs
    }
}

/// How much of `namespace/kind/name` is known.
fn touched(target: &str) -> Touched {
    let mut parts = target.splitn(3, '/');
    let (namespace, kind, name) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    match (is_computed(namespace), is_computed(kind) || is_computed(name)) {
        (true, _) => Touched::Any,
        (false, true) => Touched::In(namespace.to_owned()),
        (false, false) => Touched::Object(target.to_owned()),
    }
}

/// The kinds in the arguments that no permission can be named for.
fn kinds(arguments: &Value) -> BTreeSet<Open> {
    let written = |key: &str| match &arguments[key] {
        Value::String(text) if key == "kind" => Some(text.as_str()),
        Value::String(text) => Some(text.split_once('/').map_or(text.as_str(), |(kind, _)| kind)),
        Value::Object(fields) => fields.get("kind").and_then(Value::as_str),
        _ => None,
    };
    let kinds = ["kind", "target", "like", "from"].into_iter().filter_map(written);
    kinds
        .filter_map(|kind| match () {
            () if is_computed(kind) => Some(Open::Kind),
            () if builtin(kind).is_none() => Some(Open::Custom(kind.to_owned())),
            () => None,
        })
        .collect()
}
