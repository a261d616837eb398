//! What changed in a namespace within a time, and how near each change is to an object. Pure.

use super::managed_by::managed_by;
use super::relation::{Edge, Relation, edges, family, named, owners, references};
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

/// What the changed object is to the target, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::action) enum Nearness {
    /// The target, or what it owns.
    Target,
    /// What owns the target.
    Owner,
    /// What its pods refer to.
    Reference,
    /// What selects, scales or leads to its pods.
    Related,
    /// Where its pods run.
    Node,
    /// Anything else in the namespace.
    Namespace,
    /// Another node.
    Cluster,
}

impl Nearness {
    /// How much farther than on the target itself a change at the same time is.
    fn weight(self) -> i64 {
        match self {
            Self::Target | Self::Owner | Self::Reference => 1,
            Self::Related => 2,
            Self::Node => 4,
            Self::Namespace => 30,
            Self::Cluster => 60,
        }
    }
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
    let all = revisions(workload, snapshot.of(keeper));
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

/// What is near to a target.
struct Near {
    target: Option<Object>,
    sets: BTreeMap<Object, Nearness>,
}

impl Near {
    fn new(snapshot: &Snapshot, target: Option<&Object>) -> Self {
        let mut sets = BTreeMap::new();
        let Some(target) = target else { return Self { target: None, sets } };
        let edges = edges(snapshot);
        let own = family(&edges, target);
        let mut add = |object: Object, nearness: Nearness| {
            sets.entry(object)
                .and_modify(|known: &mut Nearness| *known = nearness.min(*known))
                .or_insert(nearness);
        };
        owners(&edges, target).into_iter().for_each(|owner| add(owner, Nearness::Owner));
        for Edge { from, relation, to } in &edges {
            match relation {
                Relation::Uses if own.contains(from) => add(to.clone(), Nearness::Reference),
                Relation::RunsOn if own.contains(from) => add(to.clone(), Nearness::Node),
                Relation::Selects | Relation::Scales | Relation::RoutesTo if own.contains(to) => {
                    add(from.clone(), Nearness::Related);
                }
                _ => {}
            }
        }
        // without pods, the template tells what they would refer to
        if let Some(object) = snapshot.get(&target.kind, &target.name) {
            let spec = match target.kind.as_str() {
                "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
                "Pod" => &object["spec"],
                _ => &object["spec"]["template"]["spec"],
            };
            for (kind, name) in references(spec) {
                add(named(kind, &target.namespace, name), Nearness::Reference);
            }
        }
        own.into_iter().for_each(|member| add(member, Nearness::Target));
        for release in releases(snapshot, target) {
            add(release, Nearness::Related);
        }
        Self { target: Some(target.clone()), sets }
    }

    fn of(&self, object: &Object) -> Nearness {
        match self.sets.get(object) {
            Some(near) => *near,
            None if object.kind == "Node" => {
                if self.target.is_some() {
                    Nearness::Cluster
                } else {
                    Nearness::Node
                }
            }
            None => Nearness::Namespace,
        }
    }
}

/// The Secrets of the Helm release that the target belongs to.
fn releases(snapshot: &Snapshot, target: &Object) -> Vec<Object> {
    let tool = snapshot
        .get(&target.kind, &target.name)
        .and_then(|object| managed_by(&object["metadata"]))
        .filter(|tool| tool["tool"] == "helm");
    let Some(tool) = tool else { return Vec::new() };
    let of = |secret: &&Value| {
        let labels = &secret["metadata"]["labels"];
        labels["owner"] == "helm" && labels["name"] == tool["name"]
    };
    snapshot.of("Secret").iter().filter(of).map(Object::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u8) -> String {
        format!("2026-01-01T10:{minute:02}:00Z")
    }

    fn object(kind: &str, name: &str, made: u8, rest: Value) -> Value {
        let mut object = json!({"kind": kind, "metadata": {"namespace": "shop", "name": name,
            "uid": format!("{kind}/{name}"), "creationTimestamp": at(made)}});
        crate::compare::merge(&mut object, &rest);
        object
    }

    fn writes_of(entries: &[(&str, u8, Value)]) -> Value {
        let entries = entries.iter().map(|(manager, minute, fields)| {
            json!({"manager": manager, "time": at(*minute), "fieldsV1": fields})
        });
        json!({"metadata": {"managedFields": entries.collect::<Vec<_>>()}})
    }

    /// A ReplicaSet of the Deployment `web`.
    fn set(number: u8, made: u8, template: Value) -> Value {
        object(
            "ReplicaSet",
            &format!("web-{number}"),
            made,
            json!({"metadata": {"annotations":
                {"deployment.kubernetes.io/revision": number.to_string()},
                "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true,
                    "uid": "Deployment/web"}]},
                "spec": {"template": template}}),
        )
    }

    fn template(image: &str, env: &str, restarted: &str) -> Value {
        json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": restarted}},
            "spec": {"containers": [{"name": "main", "image": image,
                "env": [{"name": "LEVEL", "value": env}]}]}})
    }

    fn deployment(writes: &[(&str, u8, Value)]) -> Value {
        object("Deployment", "web", 0, writes_of(writes))
    }

    fn told(objects: Vec<Value>, target: Option<&str>) -> Vec<String> {
        let snapshot: Snapshot = objects.into_iter().collect();
        let target = target.map(|target| {
            let (kind, name) = target.split_once('/').unwrap();
            named(kind, "shop", name)
        });
        let window = Window { from: at(1).parse().unwrap(), until: at(59).parse().unwrap() };
        let shown = |(rank, change): (usize, PastChange)| {
            format!(
                "{} {} {} by {}, {} #{rank}: {}",
                change.time.strftime("%M"),
                change.object,
                json!(change.what).as_str().unwrap(),
                change.by.as_deref().unwrap_or("?"),
                json!(change.nearness).as_str().unwrap(),
                change.detail
            )
        };
        changes(&snapshot, target.as_ref(), window).into_iter().map(shown).collect()
    }

    #[test]
    fn a_new_revision_is_one_change_with_its_author() {
        let wrote = json!({"f:spec": {"f:template": {"f:spec": {}}}});
        for (sets, writes, wanted) in [
            // the image
            (
                vec![set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:2", "x", ""))],
                vec![("kubectl-set", 20, wrote.clone())],
                vec![
                    "20 deployment/web revision by kubectl-set, namespace #1: revision 2: image of \
                        main from a:1 to a:2",
                ],
            ),
            // the environment, by somebody who has written again since
            (
                vec![set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:1", "y", ""))],
                vec![("helm", 40, json!({"f:metadata": {"f:labels": {"f:app": {}}}}))],
                vec![
                    "40 deployment/web updated by helm, namespace #1: metadata.labels.app",
                    "20 deployment/web revision by ?, namespace #2: revision 2: \
                        spec.containers[main].env[LEVEL].value",
                ],
            ),
            // a restart
            (
                vec![set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:1", "x", "now"))],
                vec![("kubectl-rollout", 20, wrote.clone())],
                vec![
                    "20 deployment/web restarted by kubectl-rollout, namespace #1: all pods were \
                        replaced",
                ],
            ),
            // a rollback: its ReplicaSet is older than the one before
            (
                vec![set(2, 20, template("a:2", "x", "")), set(3, 0, template("a:1", "x", ""))],
                vec![("runbook", 30, wrote)],
                vec![
                    "30 deployment/web revision by runbook, namespace #1: revision 3: image of main \
                        from a:2 to a:1",
                ],
            ),
            // the template before has come back since: what it was then is not known
            (
                vec![set(2, 20, template("a:2", "x", ""))],
                vec![],
                vec![
                    "20 deployment/web revision by ?, namespace #1: revision 2; the one before is \
                        not known",
                ],
            ),
            // the first revision came with the Deployment
            (vec![set(1, 0, template("a:1", "x", ""))], vec![], vec![]),
        ] {
            let objects = sets.into_iter().chain([deployment(&writes)]).collect();
            assert_eq!(told(objects, None), wanted);
        }
    }

    #[test]
    fn a_diff_shows_what_became_of_the_template() {
        let sets = [set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:1", "y", ""))];
        let snapshot: Snapshot = sets.into_iter().chain([deployment(&[])]).collect();
        let window = Window { from: at(1).parse().unwrap(), until: at(59).parse().unwrap() };
        let (_, change) = changes(&snapshot, None, window).remove(0);
        assert_eq!(
            change.more["diff"],
            json!(["spec.containers[main].env[LEVEL].value", "- x", "+ y"])
        );
        assert_eq!(change.more["images"], json!([]));
    }

    #[test]
    fn a_scaling_is_one_change_and_that_of_a_rollout_is_none() {
        let event = |minute: u8, reason: &str, kind: &str, name: &str, message: &str| {
            let mut event = object("Event", &format!("e{minute}"), minute, json!({}));
            event["reason"] = reason.into();
            event["message"] = message.into();
            event["lastTimestamp"] = at(minute).into();
            event["involvedObject"] = json!({"kind": kind, "name": name, "namespace": "shop"});
            event
        };
        let sets = [set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:2", "x", ""))];
        let scaled = json!({"f:spec": {"f:replicas": {}}});
        let objects = vec![
            deployment(&[("kubectl", 40, scaled)]),
            event(21, "ScalingReplicaSet", "Deployment", "web", "Scaled down web-1 from 3 to 2"),
            event(40, "ScalingReplicaSet", "Deployment", "web", "Scaled up web-2 from 3 to 5"),
            event(
                50,
                "SuccessfulRescale",
                "HorizontalPodAutoscaler",
                "web",
                "New size: 7; reason: cpu above target",
            ),
            event(45, "Pulled", "Pod", "web-x", "pulled"),
        ];
        let found = told(objects.into_iter().chain(sets).collect(), None);
        assert_eq!(
            found,
            [
                "50 horizontalpodautoscaler/web scaled by horizontal-pod-autoscaler, namespace \
                    #1: New size: 7; reason: cpu above target",
                "40 deployment/web scaled by kubectl, namespace #2: Scaled up web-2 from 3 to 5",
                "20 deployment/web revision by ?, namespace #3: revision 2: image of main from a:1 \
                    to a:2",
            ]
        );
    }

    #[test]
    fn what_belongs_to_the_target_comes_before_what_is_nearer_in_time() {
        let pod = object(
            "Pod",
            "web-1-a",
            0,
            json!({"metadata": {"labels": {"app": "web"}, "ownerReferences":
                [{"kind": "ReplicaSet", "name": "web-1", "controller": true}]},
                "spec": {"nodeName": "n1", "containers": [
                    {"envFrom": [{"configMapRef": {"name": "settings"}}]}]}}),
        );
        let data = |key: &str| json!({"f:data": {key: {}}});
        let cordon = json!({"f:spec": {"f:unschedulable": {}, "f:taints": {}}});
        let mut node = object("Node", "n1", 0, writes_of(&[("kubectl-cordon", 45, cordon)]));
        node["metadata"]["namespace"] = Value::Null;
        let job = json!({"metadata": {"ownerReferences":
            [{"kind": "CronJob", "name": "nightly", "controller": true}]}});
        let release = json!({"metadata": {"labels":
            {"owner": "helm", "name": "shop", "version": "3", "status": "deployed"}}});
        let objects = || {
            vec![
                deployment(&[]),
                set(1, 0, template("a:1", "x", "")),
                pod.clone(),
                node.clone(),
                object("ConfigMap", "settings", 0, writes_of(&[("helm", 40, data("f:url"))])),
                object("ConfigMap", "other", 0, writes_of(&[("kubectl-edit", 50, data("f:a"))])),
                object("Job", "nightly-1", 55, job.clone()),
                object("Secret", "sh.helm.release.v1.shop.v3", 30, release.clone()),
                object("Service", "web", 52, json!({"spec": {"selector": {"app": "web"}}})),
            ]
        };
        let wanted = [
            "55 job/nightly-1 created by cronjob/nightly, namespace #6: ",
            "52 service/web created by ?, related #1: ",
            "50 configmap/other updated by kubectl-edit, namespace #5: data.a",
            "45 node/n1 cordoned by kubectl-cordon, node #3: spec.unschedulable, spec.taints",
            "40 configmap/settings updated by helm, reference #2: data.url",
            "30 secret/sh.helm.release.v1.shop.v3 helm_release by helm, namespace #6: release \
                shop, revision 3, deployed",
        ];
        let found = told(objects(), Some("Deployment/web"));
        let without_rank = |line: &str| {
            let (before, after) = line.split_once('#').unwrap();
            format!("{before}{}", after.split_once(':').unwrap().1)
        };
        let rank = |line: &String| {
            line.split_once('#').unwrap().1.split(':').next().unwrap().parse::<usize>().unwrap()
        };
        assert_eq!(
            found.iter().map(|line| without_rank(line)).collect::<Vec<_>>(),
            wanted.iter().map(|line| without_rank(line)).collect::<Vec<_>>()
        );
        let mut by_rank = found;
        by_rank.sort_by_key(rank);
        let first: Vec<&str> = by_rank.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(
            first,
            [
                "service/web",
                "configmap/settings",
                "node/n1",
                "configmap/other",
                "secret/sh.helm.release.v1.shop.v3",
                "job/nightly-1"
            ]
        );
        // of a pod, its owner is told
        let found = told(objects(), Some("Pod/web-1-a"));
        assert!(
            found.iter().any(|line| line.contains("configmap/settings updated by helm, reference"))
        );
    }
}
