//! The diagnosis of a namespace: every cause, concluded, ruled out or not looked at.

use crate::cause::{Cause, Object};
use crate::causes::{self, Kind};
use crate::snapshot::Snapshot;
use crate::view::View;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is wrong, and what could not be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong, in the order of the kinds of causes.
    pub causes: Vec<Cause>,
    /// The ids that could not be ruled out, with the reason. Every other id that no cause has is
    /// ruled out.
    pub not_looked_at: BTreeMap<&'static str, String>,
    /// Of the Service that one asks about: to what it leads that was not tried, and why not.
    pub untried: Vec<String>,
    /// Of the Service that one asks about: which of its ports policies open to some clients only.
    pub restricted: Vec<String>,
}

/// Every id that a cause can have, in the order in which causes are named.
pub fn ids() -> impl Iterator<Item = &'static str> {
    causes::kinds().map(|Kind(id, ..)| *id)
}

/// What an id says of the object that carries the cause: `runs out of memory`.
pub fn title(id: &str) -> Option<&'static str> {
    causes::kinds().find(|Kind(own, ..)| *own == id).map(|Kind(_, title, _)| *title)
}

/// Names what is wrong in a snapshot at this time.
///
/// # Examples
/// ```
/// use kube_diagnosis::{Snapshot, diagnose};
/// use serde_json::json;
///
/// let objects = [json!({"kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
///     "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})];
/// let found = diagnose(&Snapshot::from_iter(objects), jiff::Timestamp::UNIX_EPOCH);
/// assert_eq!(found.causes[0].id, "selector-matches-nothing");
/// assert_eq!(found.causes[0].object.to_string(), "service/web");
/// ```
pub fn diagnose(snapshot: &Snapshot, now: Timestamp) -> Diagnosis {
    let view = View::new(snapshot, now);
    let causes = causes::find(&view);
    let mut not_looked_at = causes::untried(&view);
    not_looked_at.retain(|id, _| !causes.iter().any(|cause| cause.id == *id));
    for Kind(id, _, needs) in causes::kinds() {
        let because = needs.iter().find_map(|kind| {
            snapshot.why_unread(kind).map(|why| format!("{kind} objects could not be read: {why}"))
        });
        if let Some(because) = because.filter(|_| !causes.iter().any(|cause| cause.id == *id)) {
            not_looked_at.insert(*id, because);
        }
    }
    let untried = causes::untried_endpoints(&view);
    let restricted = causes::restricted_ports(&view);
    Diagnosis { causes, not_looked_at, untried, restricted }
}

/// The containers whose log tells why they ended, at most so many: pod, container, and whether it
/// is the log of the run before.
pub fn wanted_logs(
    snapshot: &Snapshot,
    now: Timestamp,
    most: usize,
) -> Vec<(String, String, bool)> {
    causes::wanted_logs(&View::new(snapshot, now), most)
}

/// The ConfigMaps and Secrets of which ill containers mount a part, at most so many: their keys tell
/// whether there is that part.
pub fn wanted_keys(snapshot: &Snapshot, now: Timestamp, most: usize) -> Vec<Object> {
    causes::wanted_keys(&View::new(snapshot, now), most)
}

/// The ports of pods that Services lead to and at which should be looked, at most so many: all of
/// the Service that one asks about; otherwise those that look wrong first, then one for each
/// workload behind every other.
pub fn wanted_ports(snapshot: &Snapshot, now: Timestamp, most: usize) -> Vec<(String, u16)> {
    causes::wanted_ports(&View::new(snapshot, now), most)
}

impl Cause {
    /// What is wrong, in one sentence that begins with the object.
    pub fn sentence(&self) -> String {
        let title = title(self.id).unwrap_or(self.id);
        // a workload is not evicted: one of its pods is
        let title = match causes::is_of_pod(self.id) && self.object.kind != "Pod" {
            true => format!("has a pod that {title}"),
            false => title.to_owned(),
        };
        match self.detail.as_str() {
            "" => format!("{} {title}", self.object),
            detail => format!("{} {title}: {detail}", self.object),
        }
    }
}
