//! A live system as a world of the sandbox. Pure: from what was seen to the files of a world.
//!
//! The manifests of the world are what somebody has declared; its scenario `recorded` is what
//! controllers and applications had made of it. Secret values are replaced by others of the same
//! shape on the way (`disguise`); nothing is written that has not passed there.

mod applications;
mod case;
mod disguise;
mod logs;
mod objects;
mod program;
mod report;
mod routes;
mod run;
mod scenario;
mod shape;
#[cfg(test)]
mod tests;
mod writing;

pub use case::{case_of, with_case};
pub use objects::{belongs, is_ended, is_running};
pub use program::{TOOLS, probes};
pub use run::{Asked, Step as SeenStep, add as add_run, prometheus};

use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use disguise::Disguise;

/// The scenario of a recorded world.
pub const RECORDED: &str = "recorded";

/// What was seen of a system.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// The version of its API server; empty when it is not known.
    pub version: String,
    /// The namespaces that were asked for, the main one first.
    pub namespaces: Vec<String>,
    /// Its objects.
    pub objects: Vec<Value>,
    /// What applications answered.
    pub answers: Vec<Answer>,
    /// What they wrote.
    pub logs: Vec<Log>,
    /// The TCP ports of pods that were tried, and whether something listens there.
    pub ports: BTreeMap<(String, String), BTreeMap<u16, bool>>,
    /// The commands that were found in images.
    pub tools: BTreeMap<String, BTreeSet<String>>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// What an application answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod that was asked.
    pub pod: String,
    /// Its port; none when it is not known.
    pub port: Option<u16>,
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The content type; empty when there was none.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Its container.
    pub container: String,
    /// The lines, oldest first.
    pub lines: Vec<(Timestamp, String)>,
}

/// Something that the world does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What it is.
    pub what: String,
    /// Why it is not there.
    pub why: String,
}

impl Gap {
    /// What is missing, and why.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

/// A world, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The text of each file, by its name in the folder of the world.
    pub files: BTreeMap<String, String>,
    /// How many objects there are.
    pub objects: usize,
    /// What could not be captured.
    pub gaps: Vec<Gap>,
}

/// Makes a world of what was seen.
pub fn world(seen: &Seen) -> Recording {
    let disguise = Disguise::of(&seen.objects);
    let sorted = objects::sort(seen, &disguise);
    let mut gaps: Vec<Gap> = seen.gaps.iter().chain(&sorted.gaps).cloned().collect();
    let mut files = writing::manifests(&sorted.manifests);
    files.insert("world.yaml".to_owned(), writing::header(seen));
    let described = applications::describe(seen, &sorted, &disguise);
    files.insert("applications.yaml".to_owned(), writing::document(&described));
    let planted = scenario::planted(seen, &sorted);
    files.insert(format!("scenarios/{RECORDED}.yaml"), writing::document(&planted));
    gaps.extend(objects::unseen_namespaces(seen));
    gaps.sort();
    gaps.dedup();
    files.insert("RECORDED.md".to_owned(), report::report(seen, &sorted, &disguise, &gaps));
    Recording { files, objects: sorted.manifests.len() + sorted.states.len(), gaps }
}

/// The text of a field, empty when there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list.
fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn kind(object: &Value) -> &str {
    text(object, "/kind")
}

fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}
