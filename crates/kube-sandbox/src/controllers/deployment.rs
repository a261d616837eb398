//! Deployments: the number of replicas of each ReplicaSet.
//!
//! After `pkg/controller/deployment/` of kube-controller-manager: `sync.go` (revisions, scaling),
//! `rolling.go`, `recreate.go`. One step of the simulation is one call of `syncDeployment`: it
//! scales at most one ReplicaSet before the others are examined again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::deployment_status::{progressing, set_progressing};
use super::pods::{all, deleting, number, owned, owner_reference, share};
use super::{events, letters};
use crate::object;
use crate::store::Store;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
/// What a ReplicaSet does not take over from the annotations of its Deployment.
const OWN_ANNOTATIONS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
];

/// What a Deployment was before: template and annotations, oldest first, by namespace and name.
pub(crate) type History = BTreeMap<(String, String), Vec<Value>>;

/// Makes the ReplicaSets of the templates that Deployments had before the world began.
pub(crate) fn former_sets(store: &mut Store, history: &History, now: Timestamp) {
    for ((namespace, name), former) in history {
        let Some(deployment) = store.get("deployments", namespace, name).cloned() else {
            continue;
        };
        for (index, before) in former.iter().enumerate() {
            let mut past = (*deployment).clone();
            past["spec"]["template"] = before["template"].clone();
            past["metadata"]["annotations"] = before["annotations"].clone();
            let mut set = new_set(store, &past);
            annotate(&mut set, REVISION, &(index + 1).to_string());
            store.put(set, now);
        }
    }
}

/// Brings every Deployment one step nearer to what it asks for.
pub(crate) fn deployments(store: &mut Store, now: Timestamp) {
    for deployment in all(store, "deployments") {
        if !deleting(&deployment) {
            Rollout::of(store, &deployment, now).sync();
        }
    }
}

/// The ReplicaSets of a Deployment, oldest first.
pub(super) fn sets_of(store: &Store, deployment: &Value) -> Vec<Arc<Value>> {
    let mut sets = owned(store, "replicasets", deployment);
    sets.sort_by_cached_key(|set| {
        (
            set["metadata"]["creationTimestamp"].as_str().map(str::to_owned),
            revision(set),
            object::name(set).to_owned(),
        )
    });
    sets
}

/// The ReplicaSet of the present template, by its place.
pub(super) fn newest(sets: &[Arc<Value>], deployment: &Value) -> Option<usize> {
    let wanted = &deployment["spec"]["template"];
    sets.iter().position(|set| {
        object::is_same(&set["spec"]["template"], wanted, &["metadata", "labels", HASH])
    })
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn revision(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn replicas(object: &Value) -> i64 {
    number(&object["spec"]["replicas"], 1)
}

fn available(set: &Value) -> i64 {
    number(&set["status"]["availableReplicas"], 0)
}

pub(super) fn is_rolling(deployment: &Value) -> bool {
    deployment["spec"]["strategy"]["type"] != "Recreate"
}

/// How many pods may be more, and how many fewer, than asked for.
pub(super) fn fence(deployment: &Value) -> (i64, i64) {
    if !is_rolling(deployment) {
        return (0, 0);
    }
    let (wanted, rolling) =
        (replicas(deployment), &deployment["spec"]["strategy"]["rollingUpdate"]);
    let or_quarter =
        |field: &str| if rolling[field].is_null() { json!("25%") } else { rolling[field].clone() };
    let (surge, unavailable) = (
        share(&or_quarter("maxSurge"), wanted, true),
        share(&or_quarter("maxUnavailable"), wanted, false),
    );
    // with neither nothing could move
    (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable.min(wanted) })
}

fn new_set(store: &Store, deployment: &Value) -> Arc<Value> {
    let template = without_nulls(&deployment["spec"]["template"]);
    let (namespace, name) = (object::namespace(deployment), object::name(deployment));
    // another template with the same letters would be told apart by a count, as in the real
    // controller
    let hashes = (0..).map(|count| {
        letters(&if count == 0 { template.to_string() } else { format!("{template}/{count}") }, 10)
    });
    let hash = hashes
        .into_iter()
        .find(|hash| store.get("replicasets", namespace, &format!("{name}-{hash}")).is_none())
        .unwrap_or_default();
    let mut template = template;
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{name}-{hash}"), "namespace": namespace,
            "labels": template["metadata"]["labels"], "annotations": {},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    if let Some(seconds) =
        deployment["spec"]["minReadySeconds"].as_i64().filter(|seconds| *seconds > 0)
    {
        set["spec"]["minReadySeconds"] = json!(seconds);
    }
    let mut set = Arc::new(set);
    take_annotations(&mut set, deployment);
    note_sizes(&mut set, deployment);
    set
}

fn annotate(set: &mut Arc<Value>, key: &str, value: &str) {
    object::write(set, &["metadata", "annotations", key], &json!(value));
}

fn take_annotations(set: &mut Arc<Value>, deployment: &Value) {
    for (key, value) in object::strings(&deployment["metadata"]["annotations"]) {
        if !OWN_ANNOTATIONS.contains(&key.as_str()) {
            annotate(set, &key, &value);
        }
    }
}

fn note_sizes(set: &mut Arc<Value>, deployment: &Value) {
    let wanted = replicas(deployment);
    annotate(set, DESIRED, &wanted.to_string());
    annotate(set, MAXIMUM, &(wanted + fence(deployment).0).to_string());
}

struct Rollout<'a> {
    store: &'a mut Store,
    deployment: Arc<Value>,
    /// Oldest first.
    sets: Vec<Arc<Value>>,
    new: Option<usize>,
    now: Timestamp,
}

impl<'a> Rollout<'a> {
    fn of(store: &'a mut Store, deployment: &Arc<Value>, now: Timestamp) -> Self {
        let sets = sets_of(store, deployment);
        let new = newest(&sets, deployment);
        Self { store, deployment: Arc::clone(deployment), sets, new, now }
    }

    fn sync(&mut self) {
        self.note_pause();
        if self.deployment["spec"]["paused"] == true {
            self.sync_revision();
            self.scale_all();
            return;
        }
        let wanted = replicas(&self.deployment).to_string();
        let noted = |set: &Value| {
            set["metadata"]["annotations"][DESIRED].as_str().is_none_or(|noted| noted == wanted)
        };
        if !self.sets.iter().filter(|set| replicas(set) > 0).all(|set| noted(set)) {
            self.sync_revision();
            self.scale_all();
            return;
        }
        let changed = if is_rolling(&self.deployment) { self.roll() } else { self.recreate() };
        if !changed {
            self.clean_up();
        }
    }

    /// `checkPausedConditions`
    fn note_pause(&mut self) {
        let reason = progressing(&self.deployment)
            .map(|condition| condition["reason"].clone())
            .unwrap_or_default();
        let paused = self.deployment["spec"]["paused"] == true;
        if reason == "ProgressDeadlineExceeded" || paused == (reason == "DeploymentPaused") {
            return;
        }
        let (reason, message) = if paused {
            ("DeploymentPaused", "Deployment is paused")
        } else {
            ("DeploymentResumed", "Deployment is resumed")
        };
        self.set_progressing("Unknown", reason, message);
    }

    fn set_progressing(&mut self, status: &str, reason: &str, message: &str) {
        let deployment = Arc::make_mut(&mut self.deployment);
        set_progressing(deployment, status, reason, message, self.now);
        self.store.put(Arc::clone(&self.deployment), self.now);
    }

    /// Gives the present ReplicaSet the newest revision, and the Deployment the revision of it.
    /// Says where it is.
    fn sync_revision(&mut self) -> Option<usize> {
        let new = self.new?;
        let next = self
            .sets
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != new)
            .map(|(_, set)| revision(set))
            .max()
            .unwrap_or(0)
            + 1;
        let set = &mut self.sets[new];
        take_annotations(set, &self.deployment);
        let before = revision(set);
        if before < next {
            if before > 0 {
                let known = set["metadata"]["annotations"][REVISION_HISTORY]
                    .as_str()
                    .map(|known| format!("{known},"))
                    .unwrap_or_default();
                annotate(set, REVISION_HISTORY, &format!("{known}{before}"));
            }
            annotate(set, REVISION, &next.to_string());
        }
        let (now, name) = (self.now, object::name(set).to_owned());
        self.store.put(Arc::clone(set), now);
        let revision = &set["metadata"]["annotations"][REVISION];
        object::write(&mut self.deployment, &["metadata", "annotations", REVISION], revision);
        self.store.put(Arc::clone(&self.deployment), now);
        if progressing(&self.deployment).is_none() {
            self.set_progressing(
                "True",
                "FoundNewReplicaSet",
                &format!("Found new replica set \"{name}\""),
            );
        }
        Some(new)
    }

    fn find_or_create(&mut self) -> usize {
        if let Some(new) = self.sync_revision() {
            return new;
        }
        let set = new_set(self.store, &self.deployment);
        self.store.put(set, self.now);
        // read again, for what the store adds
        self.sets = sets_of(self.store, &self.deployment);
        self.new = newest(&self.sets, &self.deployment);
        let new = self.sync_revision().unwrap_or_default();
        let message = format!("Created new replica set \"{}\"", object::name(&self.sets[new]));
        self.set_progressing("True", "NewReplicaSetCreated", &message);
        new
    }

    fn scale(&mut self, index: usize, to: i64) -> bool {
        let set = &mut self.sets[index];
        let from = replicas(set);
        object::write(set, &["spec", "replicas"], &json!(to));
        note_sizes(set, &self.deployment);
        self.store.put(Arc::clone(set), self.now);
        if from != to {
            let direction = if to > from { "up" } else { "down" };
            let message =
                format!("Scaled {direction} replica set {} from {from} to {to}", object::name(set));
            events::record(
                self.store,
                &self.deployment,
                "deployment-controller",
                "ScalingReplicaSet",
                &message,
                self.now,
            );
        }
        from != to
    }

    fn old(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|index| Some(*index) != self.new).collect()
    }

    fn total(&self) -> i64 {
        self.sets.iter().map(|set| replicas(set)).sum()
    }

    /// `rolling.go`
    fn roll(&mut self) -> bool {
        let new = self.find_or_create();
        let wanted = replicas(&self.deployment);
        let (surge, unavailable) = fence(&self.deployment);
        let has = replicas(&self.sets[new]);
        let next = if has > wanted {
            wanted
        } else {
            has + (wanted - has).min((wanted + surge - self.total()).max(0))
        };
        if next != has {
            return self.scale(new, next);
        }
        self.shrink_old(new, wanted - unavailable)
    }

    /// `reconcileOldReplicaSets`: first those replicas that are not available anyway, then as many
    /// as may be missing.
    fn shrink_old(&mut self, new: usize, least: i64) -> bool {
        let old = self.old();
        if old.iter().all(|index| replicas(&self.sets[*index]) == 0) {
            return false;
        }
        let waiting = replicas(&self.sets[new]) - available(&self.sets[new]);
        let mut may_go = self.total() - least - waiting;
        let mut changed = false;
        for index in &old {
            let (has, healthy) = (replicas(&self.sets[*index]), available(&self.sets[*index]));
            let count = may_go.min(has - healthy);
            if count > 0 {
                may_go -= count;
                changed |= self.scale(*index, has - count);
            }
        }
        if may_go <= 0 {
            return changed;
        }
        let mut spare = self.sets.iter().map(|set| available(set)).sum::<i64>() - least;
        for index in &old {
            let has = replicas(&self.sets[*index]);
            let count = spare.min(has);
            if count > 0 {
                spare -= count;
                changed |= self.scale(*index, has - count);
            }
        }
        changed
    }

    /// `recreate.go`
    fn recreate(&mut self) -> bool {
        self.sync_revision();
        let mut changed = false;
        for index in self.old() {
            if replicas(&self.sets[index]) > 0 {
                changed |= self.scale(index, 0);
            }
        }
        let running =
            |set: &Value| owned(self.store, "pods", set).iter().any(|pod| !super::pods::ended(pod));
        if changed || self.old().into_iter().any(|index| running(&self.sets[index])) {
            return true;
        }
        let new = self.find_or_create();
        replicas(&self.sets[new]) != replicas(&self.deployment)
            && self.scale(new, replicas(&self.deployment))
    }

    /// `scale` of `sync.go`: someone changed the number of replicas, or the Deployment is paused.
    fn scale_all(&mut self) {
        let wanted = replicas(&self.deployment);
        let active: Vec<usize> =
            (0..self.sets.len()).filter(|index| replicas(&self.sets[*index]) > 0).collect();
        let only = match active.as_slice() {
            [] => self.new.or(self.sets.len().checked_sub(1)),
            [only] => Some(*only),
            _ => None,
        };
        if let Some(only) = only {
            self.scale(only, wanted);
            return;
        }
        if let Some(new) = self.new
            && replicas(&self.sets[new]) == wanted
            && available(&self.sets[new]) == wanted
        {
            for index in self.old() {
                if replicas(&self.sets[index]) > 0 {
                    self.scale(index, 0);
                }
            }
            self.scale(new, wanted);
            return;
        }
        if is_rolling(&self.deployment) {
            self.scale_in_proportion(active, wanted);
        }
    }

    fn scale_in_proportion(&mut self, mut active: Vec<usize>, wanted: i64) {
        let allowed = if wanted > 0 { wanted + fence(&self.deployment).0 } else { 0 };
        let missing = allowed - self.total();
        // the largest first; of equals the newest when growing, the oldest when shrinking
        active.sort_by_key(|index| {
            (-replicas(&self.sets[*index]), if missing > 0 { usize::MAX - index } else { *index })
        });
        let mut left = missing;
        let mut sizes = Vec::new();
        for index in &active {
            let (has, maximum) = (
                replicas(&self.sets[*index]),
                self.sets[*index]["metadata"]["annotations"][MAXIMUM].as_str(),
            );
            let maximum =
                maximum.and_then(|text| text.parse::<i64>().ok()).unwrap_or(wanted).max(1);
            let part = ((2 * has * allowed + maximum) / (2 * maximum)) - has;
            let part = if missing > 0 { part.clamp(0, left) } else { part.clamp(left, 0) };
            left -= part;
            sizes.push((*index, has + part));
        }
        if let Some(first) = sizes.first_mut() {
            first.1 = (first.1 + left).max(0);
        }
        for (index, size) in sizes {
            self.scale(index, size);
        }
    }

    /// `cleanupDeployment`: old ReplicaSets beyond the limit go when the rollout is complete.
    fn clean_up(&mut self) {
        let status = &self.deployment["status"];
        let wanted = replicas(&self.deployment);
        let complete = ["updatedReplicas", "replicas", "availableReplicas"]
            .iter()
            .all(|field| number(&status[*field], 0) == wanted);
        if !complete || status["observedGeneration"] != self.deployment["metadata"]["generation"] {
            return;
        }
        let mut old: Vec<usize> =
            self.old().into_iter().filter(|index| !deleting(&self.sets[*index])).collect();
        old.sort_by_key(|index| revision(&self.sets[*index]));
        let limit = usize::try_from(number(&self.deployment["spec"]["revisionHistoryLimit"], 10))
            .unwrap_or(10);
        for index in old.iter().take(old.len().saturating_sub(limit)) {
            let set = &self.sets[*index];
            if replicas(set) == 0 && number(&set["status"]["replicas"], 0) == 0 {
                self.store.delete("replicasets", object::namespace(set), object::name(set));
            }
        }
    }
}
