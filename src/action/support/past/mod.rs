//! What changed in a namespace within a time, and how near each change is to an object. Pure.

mod near;

use self::near::{Near, Nearness};
use super::managed_by::managed_by;
use super::relation::named;
use super::written::{Writing, maker, scaler, writings};
use crate::cluster::history::{Revision, revisions};
use crate::compare::{lines, only_restarts};
use crate::diagnosis::object::{controller, filled, text, timestamp};
use crate::diagnosis::{Object, Snapshot};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds that are read whole, with their managed fields.
pub(in crate::action) const WHOLE: [&str; 14] = [
    "Pod",
    "ReplicaSet",
    "ControllerRevision",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "Service",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ResourceQuota",
];
/// The kinds of which only the metadata are read.
pub(in crate::action) const METADATA: [&str; 7] = [
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "LimitRange",
    "Role",
    "RoleBinding",
];
/// The most lines of a diff.
const DIFF: usize = 40;
/// The most fields of a write.
const FIELDS: usize = 20;
/// How long after a write the controller has made what follows from it.
const FOLLOWS: i64 = 5;
/// How long a rollout scales ReplicaSets up and down.
const ROLLOUT: i64 = 600;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::action) enum What {
    Created,
    Updated,
    Revision,
    Restarted,
    Scaled,
    Cordoned,
    HelmRelease,
}

/// How much farther still what happens by schedule is.
const ROUTINE: i64 = 10;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::action) struct PastChange {
    pub(in crate::action) time: Timestamp,
    pub(in crate::action) object: Object,
    pub(in crate::action) what: What,
    pub(in crate::action) by: Option<String>,
    pub(in crate::action) nearness: Nearness,
    /// In a few words.
    pub(in crate::action) detail: String,
    /// `fields`, `images`, `diff`, `revision`, as far as there are any.
    pub(in crate::action) more: Map<String, Value>,
}

/// A time with both its ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) struct Window {
    pub(in crate::action) from: Timestamp,
    pub(in crate::action) until: Timestamp,
}

impl Window {
    fn has(self, time: Timestamp) -> bool {
        self.from <= time && time <= self.until
    }
}

/// Everything that changed, newest first, each with its place among those that may have to do with
/// the target: 1 is the nearest in time and relation.
pub(in crate::action) fn changes(
    snapshot: &Snapshot,
    target: Option<&Object>,
    window: Window,
) -> Vec<(usize, PastChange)> {
    let near = Near::new(snapshot, target);
    let mut found = Vec::new();
    let mut absorbed = BTreeSet::new();
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        for workload in snapshot.of(kind) {
            found.extend(rollouts(snapshot, workload, &mut absorbed));
        }
    }
    for kind in WHOLE.iter().chain(&METADATA).chain(&["Node"]) {
        found.extend(snapshot.of(kind).iter().flat_map(|object| writes(object, &absorbed)));
    }
    let scalings = scalings(snapshot, &mut found);
    found.extend(scalings);
    found.retain(|change| window.has(change.time));
    for change in &mut found {
        change.nearness = near.of(&change.object);
    }
    found.sort_by(|one, other| {
        (other.time, one.nearness, &one.object).cmp(&(one.time, other.nearness, &other.object))
    });
    let mut by_score: Vec<usize> = (0..found.len()).collect();
    by_score.sort_by_key(|index| {
        let change = &found[*index];
        let by_schedule = change.by.as_deref().is_some_and(|by| by.starts_with("cronjob/"));
        let far = change.nearness.weight() * if by_schedule { ROUTINE } else { 1 };
        (window.until.duration_since(change.time).as_secs() + 1) * far
    });
    let rank: BTreeMap<usize, usize> =
        by_score.into_iter().enumerate().map(|(place, index)| (index, place + 1)).collect();
    found.into_iter().enumerate().map(|(index, change)| (rank[&index], change)).collect()
}

fn change(time: Timestamp, object: Object, what: What, by: Option<&str>) -> PastChange {
    PastChange {
        time,
        object,
        what,
        by: by.map(str::to_owned),
        nearness: Nearness::Namespace,
        detail: String::new(),
        more: Map::new(),
    }
}

/// A write that is told as something else: the uid of its object, and its manager.
type Absorbed = BTreeSet<(String, String)>;

/// The new revisions of a workload.
fn rollouts(snapshot: &Snapshot, workload: &Value, absorbed: &mut Absorbed) -> Vec<PastChange> {
    let keeper = if workload["kind"] == "Deployment" { "ReplicaSet" } else { "ControllerRevision" };
    let all = revisions(workload, snapshot.of(keeper), None);
    let writings = writings(workload);
    let templates: Vec<&Writing<'_>> = writings
        .iter()
        .filter(|writing| writing.fields.iter().any(|field| field == "spec.template"))
        .collect();
    let made = timestamp(&workload["metadata"]["creationTimestamp"]);
    let mut found = Vec::new();
    for (index, revision) in all.iter().enumerate() {
        // none if the template before has come back since, or is gone
        let before = all.get(index + 1);
        let time = |revision: &Revision| revision.created.as_deref()?.parse::<Timestamp>().ok();
        let Some(created) = time(revision) else { continue };
        // a template that was there before keeps its object: when it came back, the write says
        let time = match before.and_then(time).filter(|previous| created < *previous) {
            Some(previous) => {
                templates.iter().map(|writing| writing.time).max().filter(|last| *last >= previous)
            }
            None => Some(created),
        };
        let first = |time: &Timestamp| {
            made.is_some_and(|made| time.duration_since(made).as_secs() <= FOLLOWS)
        };
        let Some(time) = time.filter(|time| !first(time)) else { continue };
        let writing = templates
            .iter()
            .find(|writing| (0..=FOLLOWS).contains(&time.duration_since(writing.time).as_secs()));
        if let Some(writing) = writing {
            absorbed.insert(key(workload, writing.manager));
        }
        found.push(revised(
            workload,
            time,
            writing.map(|writing| writing.manager),
            revision,
            before,
        ));
    }
    found
}

fn key(object: &Value, manager: &str) -> (String, String) {
    (text(&object["metadata"]["uid"]).to_owned(), manager.to_owned())
}

/// One new revision.
fn revised(
    workload: &Value,
    time: Timestamp,
    by: Option<&str>,
    revision: &Revision,
    before: Option<&Revision>,
) -> PastChange {
    let Some(before) = before else {
        let mut change = change(time, Object::of(workload), What::Revision, by);
        change.detail = format!("revision {}; the one before is not known", revision.number);
        change.more.insert("revision".to_owned(), json!(revision.number));
        return change;
    };
    let of = |template: &Value| json!({"spec": {"template": template}});
    let what = if only_restarts(&of(&before.template), &of(&revision.template)) {
        What::Restarted
    } else {
        What::Revision
    };
    let images: Vec<Value> = revision
        .images
        .iter()
        .filter_map(|(container, after)| {
            let old = before.images.iter().find(|(name, _)| name == container);
            let old = old.map(|(_, image)| image);
            (old != Some(after))
                .then(|| json!({"container": container, "before": old, "after": after}))
        })
        .collect();
    let mut diff = lines(Some(&before.template), Some(&revision.template));
    let places = diff.iter().filter(|line| !line.starts_with(['+', '-'])).cloned();
    let places: Vec<String> = places.take(3).collect();
    let detail = match (what, images.first()) {
        (What::Restarted, _) => "all pods were replaced".to_owned(),
        (_, Some(image)) => format!(
            "revision {}: image of {} from {} to {}",
            revision.number,
            text(&image["container"]),
            image["before"].as_str().unwrap_or("none"),
            text(&image["after"])
        ),
        _ => format!("revision {}: {}", revision.number, places.join(", ")),
    };
    diff.truncate(DIFF);
    let mut change = change(time, Object::of(workload), what, by);
    change.detail = detail;
    change.more = Map::from_iter([
        ("revision".to_owned(), json!(revision.number)),
        ("images".to_owned(), json!(images)),
        ("diff".to_owned(), json!(diff)),
    ]);
    change
}

/// When an object was made, and the last write of everybody who wrote into it later.
fn writes(object: &Value, absorbed: &Absorbed) -> Vec<PastChange> {
    let own = Object::of(object);
    let above = controller(object);
    // what follows from a change of its owner
    let follows = matches!(own.kind.as_str(), "Pod" | "ReplicaSet" | "ControllerRevision");
    let Some(made) = timestamp(&object["metadata"]["creationTimestamp"]) else { return Vec::new() };
    if follows && above.is_some() {
        return Vec::new();
    }
    if let Some(release) = helm_release(object, made) {
        return vec![release];
    }
    let owner =
        above.map(|owner| named(text(&owner["kind"]), &own.namespace, text(&owner["name"])));
    let by =
        owner.map_or_else(|| maker(object).map(str::to_owned), |owner| Some(owner.to_string()));
    let mut found = vec![change(made, own.clone(), What::Created, by.as_deref())];
    for writing in writings(object) {
        let later = writing.time.duration_since(made).as_secs() > 1;
        if !later || absorbed.contains(&key(object, writing.manager)) {
            continue;
        }
        let only = |field: &str| writing.fields.iter().all(|own| own == field);
        let (mut what, mut detail) = (What::Updated, list(&writing.fields));
        if only("spec.replicas") {
            what = What::Scaled;
            detail = object["spec"]["replicas"]
                .as_i64()
                .map_or_else(String::new, |replicas| format!("to {replicas} replicas"));
        } else if own.kind == "Node" && writing.fields.iter().any(|own| own == "spec.unschedulable")
        {
            what = What::Cordoned;
        }
        let mut change = change(writing.time, own.clone(), what, Some(writing.manager));
        change.detail = detail;
        let fields: Vec<&String> = writing.fields.iter().take(FIELDS).collect();
        change.more.insert("fields".to_owned(), json!(fields));
        found.push(change);
    }
    if let Some(tool) = managed_by(&object["metadata"]) {
        for change in &mut found {
            change.more.insert("managed_by".to_owned(), tool.clone());
        }
    }
    found
}

/// Names in a sentence: the first few, and how many more there are.
fn list(fields: &[String]) -> String {
    match fields {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        _ => fields.join(", "),
    }
}

/// The Secret in which Helm keeps a release, by its labels alone.
fn helm_release(object: &Value, made: Timestamp) -> Option<PastChange> {
    let labels = &object["metadata"]["labels"];
    let is_release = object["kind"] == "Secret" && labels["owner"] == "helm";
    let release = filled(&labels["name"]).filter(|_| is_release)?;
    let own = Object::of(object);
    let mut change = change(made, own, What::HelmRelease, Some("helm"));
    let (version, status) = (text(&labels["version"]), text(&labels["status"]));
    change.detail = format!("release {release}, revision {version}, {status}");
    change.more = Map::from_iter([
        ("release".to_owned(), json!(release)),
        ("revision".to_owned(), json!(version.parse::<u64>().ok())),
        ("status".to_owned(), json!(status)),
    ]);
    Some(change)
}

/// Scalings that events tell of, without those of rollouts. One that a write tells of, too, gives
/// it its words.
fn scalings(snapshot: &Snapshot, found: &mut [PastChange]) -> Vec<PastChange> {
    let mut more = Vec::new();
    for event in snapshot.of("Event") {
        let reason = text(&event["reason"]);
        let about = &event["involvedObject"];
        let time = [&event["lastTimestamp"], &event["eventTime"], &event["firstTimestamp"]];
        let Some(time) = time.into_iter().find_map(timestamp) else { continue };
        let (object, by) = match (reason, text(&about["kind"])) {
            ("ScalingReplicaSet", "Deployment") | ("SuccessfulRescale", _) => (
                Object::named(
                    text(&about["kind"]),
                    text(&about["namespace"]),
                    text(&about["name"]),
                ),
                if reason == "SuccessfulRescale" {
                    Some("horizontal-pod-autoscaler")
                } else {
                    None
                },
            ),
            _ => continue,
        };
        let after = |change: &PastChange, most: i64| {
            change.object == object
                && (-1..=most).contains(&time.duration_since(change.time).as_secs())
        };
        let rollout = found.iter().any(|change| match change.what {
            What::Revision | What::Restarted => after(change, ROLLOUT),
            What::Created => after(change, 2 * FOLLOWS),
            _ => false,
        });
        let message = text(&event["message"]);
        let told =
            found.iter_mut().find(|change| change.what == What::Scaled && after(change, FOLLOWS));
        match told {
            Some(told) => message.clone_into(&mut told.detail),
            None if rollout && by.is_none() => {}
            None => {
                let scaled = snapshot.get(&object.kind, &object.name);
                let by = by.or_else(|| scaled.and_then(scaler));
                let mut change = change(time, object, What::Scaled, by);
                message.clone_into(&mut change.detail);
                more.push(change);
            }
        }
    }
    more
}

#[cfg(test)]
mod tests;
