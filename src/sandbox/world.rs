//! The simulated cluster as a whole: built from manifests and a scenario, then kept going.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use include_dir::{Dir, include_dir};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::SandboxError;
use super::app::{Apps, Asked};
use super::controllers::{self, History, Process};
use super::kinds;
use super::object;
use super::scenario::{Change, Denial, PodReference, Reference, Scenario};
use super::snapshot::Snapshot;
use super::store::Store;

static MANIFESTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/sandbox/world/manifests");
const APPS: &str = include_str!("world/apps.yaml");
/// How long everything has been running when the sandbox starts, in seconds.
const AGE: i64 = 3600;

/// The time in the sandbox: it begins where it is told and then goes on as time does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    begin: Timestamp,
    since: Instant,
}

impl Clock {
    pub(crate) fn starting_at(begin: Timestamp) -> Self {
        Self { begin, since: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or_default();
        self.begin.saturating_add(passed).unwrap_or(self.begin)
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) denials: Vec<Denial>,
    pub(crate) apps: Arc<Apps>,
    asked: Arc<Asked>,
    processes: BTreeMap<String, Process>,
    /// The network at one version of the store.
    seen: Option<(u64, Arc<Snapshot>)>,
}

impl World {
    /// Builds the world of a scenario. Everything in it has been running for an hour.
    pub(crate) fn build(scenario: Scenario, clock: Clock) -> Result<Self, SandboxError> {
        let now = clock.now();
        let begin = now.saturating_add(SignedDuration::from_secs(-AGE)).unwrap_or(now);
        let mut manifests = manifests()?;
        let mut history = History::new();
        let mut pod_changes = Vec::new();
        for change in scenario.changes {
            match change {
                Change { patch: Some(reference), with: Some(patch), pod: None, delete: None, apply: None } => {
                    patch_manifest(&mut manifests, &mut history, &reference, &patch)?;
                }
                Change { pod: Some(reference), with: Some(patch), patch: None, delete: None, apply: None } => pod_changes.push((reference, patch)),
                Change { delete: Some(reference), patch: None, pod: None, with: None, apply: None } => {
                    let index = find(&manifests, &reference)?;
                    manifests.remove(index);
                }
                Change { apply: Some(manifest), patch: None, pod: None, with: None, delete: None } => manifests.push(manifest),
                other => {
                    return Err(SandboxError::World {
                        file: "scenario".to_owned(),
                        reason: format!("a change must be one of patch+with, pod+with, delete, apply: {other:?}"),
                    });
                }
            }
        }
        let apps = Arc::new(Apps::load(APPS)?);
        let mut world = Self { store: Store::new(), clock, denials: scenario.deny, apps, asked: Arc::default(), processes: BTreeMap::new(), seen: None };
        // addresses that manifests ask for come first, so that chosen ones avoid them
        manifests.sort_by_key(|manifest| manifest["spec"]["clusterIP"].is_null());
        for mut manifest in manifests {
            controllers::complete(&mut manifest, &world.store);
            if manifest["kind"] == "Lease" && manifest["spec"]["renewTime"].is_null() {
                manifest["spec"]["acquireTime"] = json!(object::micro_time(now));
                manifest["spec"]["renewTime"] = json!(object::micro_time(now));
            }
            world.store.put(manifest, begin);
        }
        world.namespaces(begin);
        controllers::deployments(&mut world.store, &history, begin);
        controllers::replica_sets(&mut world.store, begin);
        for (reference, patch) in pod_changes {
            world.patch_pod(&reference, &patch, begin)?;
        }
        controllers::run_pods(&mut world.store, &mut world.processes, &Arc::clone(&world.apps), begin);
        controllers::endpoints(&mut world.store, begin);
        let snapshot = world.snapshot();
        controllers::probe(&mut world.store, &snapshot, begin, now);
        controllers::endpoints(&mut world.store, begin);
        controllers::deployment_status(&mut world.store, begin);
        let snapshot = world.snapshot();
        controllers::elect(&mut world.store, &snapshot, begin);
        world.tick();
        world.store.compact();
        Ok(world)
    }

    /// What is in every namespace by itself.
    fn namespaces(&mut self, begin: Timestamp) {
        let names: Vec<String> = self.store.list("namespaces", None).map(|namespace| object::name(namespace).to_owned()).collect();
        for namespace in names {
            self.store.put(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}), begin);
        }
    }

    fn patch_pod(&mut self, reference: &PodReference, patch: &Value, begin: Timestamp) -> Result<(), SandboxError> {
        let prefix = format!("{}-", reference.of);
        let owned = |pod: &&Arc<Value>| {
            let set = object::list(&pod["metadata"]["ownerReferences"]).first().and_then(|owner| owner["name"].as_str()).unwrap_or_default();
            set.strip_prefix(&prefix).is_some_and(|hash| !hash.contains('-'))
        };
        let found = self.store.list("pods", Some(&reference.namespace)).filter(owned).nth(reference.index).map(|pod| (**pod).clone());
        let Some(mut pod) = found else {
            return Err(SandboxError::World {
                file: "scenario".to_owned(),
                reason: format!("there is no pod {} of {}/{}", reference.index, reference.namespace, reference.of),
            });
        };
        object::merge(&mut pod, patch);
        self.store.put(pod, begin);
        Ok(())
    }

    /// The network as it is now.
    pub(crate) fn snapshot(&mut self) -> Arc<Snapshot> {
        let revision = self.store.revision();
        match &self.seen {
            Some((seen, snapshot)) if *seen == revision => Arc::clone(snapshot),
            _ => {
                let snapshot = Arc::new(Snapshot::of(&self.store, &self.processes, &self.apps, &self.asked));
                self.seen = Some((revision, Arc::clone(&snapshot)));
                snapshot
            }
        }
    }

    /// What happens from time to time by itself: leases are renewed, old events go.
    pub(crate) fn tick(&mut self) {
        let (snapshot, now) = (self.snapshot(), self.clock.now());
        controllers::elect(&mut self.store, &snapshot, now);
        controllers::expire_events(&mut self.store, now);
    }
}

fn manifests() -> Result<Vec<Value>, SandboxError> {
    let mut files: Vec<_> = MANIFESTS.files().collect();
    files.sort_by_key(|file| file.path());
    let mut all = Vec::new();
    for file in files {
        let wrong = |reason: String| SandboxError::World { file: format!("world/manifests/{}", file.path().display()), reason };
        let text = file.contents_utf8().ok_or_else(|| wrong("not UTF-8".to_owned()))?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| wrong(error.to_string()))?;
        for document in documents {
            let kind = document["kind"].as_str().unwrap_or_default().to_owned();
            if kinds::by_kind(&kind).is_none() {
                return Err(wrong(format!("kind {kind} is not simulated")));
            }
            all.push(document);
        }
    }
    Ok(all)
}

fn find(manifests: &[Value], reference: &Reference) -> Result<usize, SandboxError> {
    let fits = |manifest: &Value| {
        manifest["kind"] == reference.kind.as_str() && object::namespace(manifest) == reference.namespace && object::name(manifest) == reference.name
    };
    manifests.iter().position(fits).ok_or_else(|| SandboxError::World {
        file: "scenario".to_owned(),
        reason: format!("there is no {} {}/{}", reference.kind, reference.namespace, reference.name),
    })
}

fn patch_manifest(manifests: &mut [Value], history: &mut History, reference: &Reference, patch: &Value) -> Result<(), SandboxError> {
    let manifest = &mut manifests[find(manifests, reference)?];
    let before = manifest["spec"]["template"].clone();
    object::merge(manifest, patch);
    // a changed template was rolled out: the ReplicaSet before it is still there
    if reference.kind == "Deployment" && manifest["spec"]["template"] != before {
        let mut former = json!({"kind": "Deployment", "metadata": {}, "spec": {"template": before}});
        controllers::complete(&mut former, &Store::new());
        history.entry((reference.namespace.clone(), reference.name.clone())).or_default().push(former["spec"]["template"].clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::app::AppContext;
    use crate::sandbox::scenario;

    #[test]
    fn no_expression_of_the_world_is_broken() {
        for info in scenario::scenarios() {
            let scenario = scenario::load(&info.name).unwrap();
            let mut world = World::build(scenario, Clock::starting_at(Timestamp::now())).unwrap();
            let (snapshot, now) = (world.snapshot(), world.clock.now());
            for (pod, state) in snapshot.pods.iter().enumerate() {
                assert!(state.network.ip.is_some(), "{}", state.network.name);
                let context = AppContext::new(&snapshot, pod, 0, now, 0).map(Arc::new);
                let context = context.unwrap_or_else(|| panic!("no app for {}", state.network.name));
                let app = snapshot.apps.app(context.app);
                for name in app.values.keys() {
                    context.evaluate("value", name).unwrap_or_else(|error| panic!("{name}: {error}"));
                }
                for (place, rule) in app.logs.iter().enumerate() {
                    context.render("log", place).unwrap_or_else(|error| panic!("{}: {error}", rule.text));
                    if rule.when.is_some() {
                        context.evaluate("log-when", place).unwrap_or_else(|error| panic!("{:?}: {error}", rule.when));
                    }
                }
            }
        }
    }

    #[test]
    fn a_change_of_what_is_not_there_is_an_error() {
        let change = serde_json::json!({"title": "", "description": "", "changes": [{"delete": {"kind": "Pod", "name": "nosuch"}}]});
        let scenario: Scenario = serde_json::from_value(change).unwrap();
        let error = World::build(scenario, Clock::starting_at(Timestamp::UNIX_EPOCH)).unwrap_err();
        assert!(error.to_string().contains("there is no Pod /nosuch"), "{error}");
    }
}
