//! The simulated cluster as a whole: built from manifests and a scenario, then kept going.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::SandboxError;
use super::app::{Apps, Memory, Request, Watch, respond};
use super::controllers::{
    self, Disagreements, History, Kubelet, Moment, Names, Rests, Scheduled, earliest,
};
use super::kinds::{self, Resource};
use super::object;
use super::recorded;
use super::scenario::{
    Asked, Change, Denial, Kind, Metrics, PodReference, Reference, Scenario, ServerState,
};
use super::snapshot::Snapshot;
use super::store::Store;
use super::variation::Variation;
use super::world::{Place, World, WorldFault, checked, definition_of, issue};

/// How long everything has been running when the sandbox starts, in seconds.
const AGE: i64 = 3600;
/// The same for what is not recorded of a world that is: what is has its own times.
const RECORDED_AGE: i64 = 10;
/// How many seconds after a later change the world is looked at until it is ready.
const LOOKS: [i64; 7] = [0, 3, 12, 21, 30, 60, 300];
/// How many seconds ago the requests of a scenario were made.
const ASKED: i64 = 60;
/// How long a world in which nothing is left to do is left alone, unless it is changed.
const REST: SignedDuration = SignedDuration::from_millis(500);
/// How long it is left alone where nobody looks.
const LONG_REST: SignedDuration = SignedDuration::from_mins(5);
/// How far the steps are apart in which a world is built.
const STEP: SignedDuration = SignedDuration::from_millis(100);
/// How long a world in the making is followed until nothing is left to do.
const LONGEST: SignedDuration = SignedDuration::from_secs(20);

/// Controllers, with the kinds of the objects that they look at and change.
const ROLLOUTS: (&str, &[&str]) = ("rollouts", &["deployments", "replicasets", "pods"]);
const PROGRESS: (&str, &[&str]) = ("progress", &["deployments", "replicasets"]);
const ENDPOINTS: (&str, &[&str]) =
    ("endpoints", &["services", "pods", "endpoints", "endpointslices"]);
const SCHEDULES: (&str, &[&str]) = ("schedules", &["cronjobs", "jobs"]);
const CRON_JOBS: (&str, &[&str]) = ("cron-jobs", &["cronjobs", "jobs"]);

/// The time in the sandbox: it begins where it is told and then goes on as the runtime's clock
/// does, which stands still between two timers where it is paused.
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
pub(crate) struct Simulation {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) denials: Vec<Denial>,
    pub(crate) apps: Arc<Apps>,
    memory: Arc<Memory>,
    kubelet: Kubelet,
    names: Names,
    disagreements: Disagreements,
    /// The pods for which there is no node.
    unplaced: BTreeSet<String>,
    /// Whether nobody measures what pods use.
    pub(crate) unmeasured: bool,
    /// Whether the API server says that it is not ready.
    pub(crate) unready: bool,
    /// The Leases that somebody outside of the cluster keeps, and who that is.
    kept: Vec<(String, String, String)>,
    scheduled: Scheduled,
    pending: Pending,
    /// The network as it was at this version.
    seen: Option<(Version, Arc<Snapshot>)>,
    rests: Rests,
    idle: Option<Idle>,
    quiet: Option<Quiet>,
    settled: Option<Settled>,
    /// Until then nobody looks: what is idle is left alone for longer.
    unwatched: Option<Timestamp>,
}

/// How often the objects and the processes have changed.
type Version = (u64, u64);

/// The controllers had nothing to do: as long as nothing changes, and until something is due, this
/// is so.
#[derive(Debug, Clone, Copy)]
struct Idle {
    version: Version,
    soon: Option<Timestamp>,
    due: Option<Timestamp>,
}

/// Nothing happened in the pods, at any time: as long as nothing changes and no process remembers
/// anything new, and until something is due, this is so.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    version: Version,
    /// How often the processes had remembered something.
    turns: u64,
    soon: Option<Timestamp>,
    late: Option<Timestamp>,
    /// When a process does something by itself, of which nobody needs to be told.
    beat: Option<Timestamp>,
}

impl Quiet {
    fn is_over(&self, now: Timestamp) -> bool {
        [self.soon, self.late, self.beat].into_iter().any(|due| is_due(due, now))
    }
}

/// The whole world had nothing to do.
#[derive(Debug, Clone, Copy)]
struct Settled {
    at: Timestamp,
    revision: u64,
    due: Option<Timestamp>,
}

fn is_due(due: Option<Timestamp>, now: Timestamp) -> bool {
    due.is_some_and(|due| due <= now)
}

impl Simulation {
    /// The same state, from which time goes on at another clock. What happens in the one does not
    /// reach the other.
    pub(crate) fn starting_at(&self, clock: Clock) -> Self {
        Self {
            store: self.store.clone(),
            clock,
            denials: self.denials.clone(),
            apps: Arc::clone(&self.apps),
            memory: Arc::new(self.memory.copy()),
            kubelet: self.kubelet.clone(),
            names: self.names.clone(),
            disagreements: self.disagreements.clone(),
            unplaced: self.unplaced.clone(),
            unmeasured: self.unmeasured,
            unready: self.unready,
            kept: self.kept.clone(),
            scheduled: self.scheduled.clone(),
            pending: self.pending.clone(),
            seen: None,
            rests: self.rests.clone(),
            idle: self.idle,
            quiet: None,
            settled: self.settled,
            unwatched: self.unwatched,
        }
    }

    /// Brings a world into the state of a scenario. Everything in it has been running for an hour.
    ///
    /// Variations change what the scenario has made of the manifests, and then what has come of
    /// that.
    pub(crate) fn build(
        of: &World,
        scenario: &Scenario,
        clock: Clock,
        cluster: &str,
        variations: &[Variation],
    ) -> Result<Self, SandboxError> {
        // building takes time of the machine, and none of the world
        let now = clock.begin;
        let ago =
            |seconds: i64| now.saturating_add(SignedDuration::from_secs(-seconds)).unwrap_or(now);
        let begin = ago(if scenario.recorded.is_some() { RECORDED_AGE } else { AGE });
        let apps = of.apps_in(scenario)?;
        let Declared { mut manifests, history, pods } = Declared::of(of, scenario)?;
        if let Some(at) = scenario.recorded {
            let passed = now.duration_since(at);
            manifests.iter_mut().for_each(|manifest| recorded::revive(manifest, passed, cluster));
        }
        for variation in variations {
            variation.declare(&mut manifests, &apps);
        }
        let mut world = Self {
            store: Store::of(cluster),
            clock,
            denials: scenario.deny.clone(),
            apps,
            memory: Arc::default(),
            kubelet: Kubelet::new(scenario.unpullable.clone()),
            names: Names::default(),
            disagreements: Disagreements::new(),
            unplaced: BTreeSet::new(),
            unmeasured: scenario.metrics == Some(Metrics::Absent),
            unready: scenario.server == Some(ServerState::Unready),
            kept: Vec::new(),
            scheduled: Scheduled { names: Vec::new(), since: now, unseen: Vec::new() },
            pending: Pending::of(scenario, of.namespace(), now),
            seen: None,
            rests: Rests::default(),
            idle: None,
            quiet: None,
            settled: None,
            unwatched: None,
        };
        // addresses that manifests ask for come first, so that chosen ones avoid them
        manifests.sort_by_key(|manifest| manifest["spec"]["clusterIP"].is_null());
        for manifest in manifests {
            let created = object::timestamp(&manifest["metadata"]["creationTimestamp"])
                .filter(|_| scenario.recorded.is_some());
            world.apply(manifest, created.unwrap_or(begin), now);
        }
        controllers::former_sets(&mut world.store, &history, begin);
        world.settle(begin);
        for (reference, patch, place) in pods {
            world.patch_pod(&reference, &patch, begin).map_err(|reason| place.fault(reason))?;
        }
        world.change_later(&scenario.later, of.namespace(), now)?;
        for variation in variations {
            world.vary(variation, now);
        }
        for asked in &scenario.requests {
            world.ask(asked, ago(ASKED)).map_err(|reason| scenario.place.fault(reason))?;
        }
        for Reference { namespace, name, .. } in &scenario.renewed {
            let holder = world
                .store
                .get("leases", namespace, name)
                .and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned));
            world.kept.push((
                namespace.clone(),
                name.clone(),
                holder.ok_or_else(|| {
                    scenario.place.fault(format!("there is no Lease {namespace}/{name}"))
                })?,
            ));
        }
        for Reference { namespace, name, .. } in &scenario.schedules {
            if world.store.get("cronjobs", namespace, name).is_none() {
                let reason = format!("there is no CronJob {namespace}/{name}");
                return Err(scenario.place.fault(reason).into());
            }
            world.scheduled.names.push((namespace.clone(), name.clone()));
        }
        if scenario.recorded.is_none() {
            world.scheduled.unseen = Scheduled::unseen(&world.store, &world.scheduled.names);
        }
        // what rested without the schedules does not rest with them
        (world.idle, world.quiet, world.settled) = (None, None, None);
        world.rests = Rests::default();
        world.settle(now);
        world.store.compact();
        Ok(world)
    }

    /// Makes the later changes of a scenario, each at its time, and lets the world go on from then.
    fn change_later(
        &mut self,
        later: &[(SignedDuration, Change)],
        namespace: &str,
        now: Timestamp,
    ) -> Result<(), WorldFault> {
        let time = |ago: SignedDuration| now.saturating_sub(ago).unwrap_or(now);
        let mut left = later;
        while let Some((ago, _)) = left.first() {
            let count = left.iter().take_while(|(other, _)| other == ago).count();
            let (changes, rest) = left.split_at(count);
            left = rest;
            let (at, next) = (time(*ago), rest.first().map_or(now, |(ago, _)| time(*ago)));
            // what was before has been so until then
            self.step(at);
            for (_, Change { kind, place }) in changes {
                self.change(kind.clone(), namespace, at).map_err(|reason| place.fault(reason))?;
            }
            for seconds in LOOKS {
                let look = at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
                if look <= next {
                    self.settle(look);
                }
            }
        }
        Ok(())
    }

    fn vary(&mut self, variation: &Variation, now: Timestamp) {
        let objects: Vec<Arc<Value>> = self.store.all().cloned().collect();
        let seen: Vec<&Value> = objects.iter().map(|object| &**object).collect();
        for object in variation.run(&seen, now) {
            self.store.put(object, now);
        }
    }

    fn apply(&mut self, mut manifest: Value, at: Timestamp, now: Timestamp) {
        issue(&mut manifest, now);
        self.resolve_owners(&mut manifest);
        controllers::complete(&mut manifest, &self.store);
        if manifest["kind"] == "Lease" && manifest["spec"]["renewTime"].is_null() {
            manifest["spec"]["acquireTime"] = json!(object::micro_time(now));
            manifest["spec"]["renewTime"] = json!(object::micro_time(now));
        }
        self.store.put(manifest, at);
    }

    /// Gives references to owners their uid: whoever writes a world does not know it.
    fn resolve_owners(&self, manifest: &mut Value) {
        let namespace = object::namespace(manifest).to_owned();
        let owners = manifest["metadata"]["ownerReferences"].as_array_mut();
        for owner in owners.into_iter().flatten().filter(|owner| owner["uid"] == "auto") {
            let resource = self.store.kind_of(owner);
            let found = resource.and_then(|resource| {
                self.store.get(resource.plural, &namespace, owner["name"].as_str()?)
            });
            if let Some(found) = found {
                owner["uid"] = found["metadata"]["uid"].clone();
            }
        }
    }

    /// A change as an operator makes it, on a world that runs.
    fn change(&mut self, kind: Kind, namespace: &str, at: Timestamp) -> Result<(), String> {
        match kind {
            Kind::Patch(reference, patch) => {
                let mut changed = (*self.here(&reference)?.1).clone();
                object::merge(&mut changed, &patch);
                let mut changed = checked(changed, namespace)?;
                issue(&mut changed, at);
                self.store.put(changed, at);
            }
            Kind::Pod(reference, patch) => self.patch_pod(&reference, &patch, at)?,
            Kind::Delete(reference) => {
                let (resource, object) = self.here(&reference)?;
                if object::list(&object["metadata"]["finalizers"]).is_empty() {
                    self.store.delete(resource.plural, &reference.namespace, &reference.name);
                } else {
                    controllers::ask_to_go(&mut self.store, &object, at);
                }
            }
            Kind::Apply(manifest) => {
                if self.store.kind_of(&manifest).is_none() {
                    return Err(undefined(&manifest));
                }
                self.apply(manifest, at, at);
            }
        }
        Ok(())
    }

    fn here(&self, reference: &Reference) -> Result<(&'static Resource, Arc<Value>), String> {
        let custom = self.store.custom().iter().copied().find(|kind| kind.kind == reference.kind);
        let found = kinds::by_kind(&reference.kind).or(custom).and_then(|resource| {
            let Reference { namespace, name, .. } = reference;
            Some((resource, Arc::clone(self.store.get(resource.plural, namespace, name)?)))
        });
        found.ok_or_else(|| absent(reference))
    }

    /// What is in every namespace by itself.
    fn namespaces(&mut self, now: Timestamp) {
        let stays = |namespace: &&Arc<Value>| namespace["metadata"]["deletionTimestamp"].is_null();
        let names: Vec<String> = self
            .store
            .list("namespaces", None)
            .filter(stays)
            .map(|namespace| object::name(namespace).to_owned())
            .collect();
        for namespace in names {
            if self.store.get("serviceaccounts", &namespace, "default").is_none() {
                self.store.put(
                    json!({"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": namespace}}),
                    now,
                );
            }
        }
    }

    fn pod_of(&self, reference: &PodReference) -> Result<Arc<Value>, String> {
        let prefix = format!("{}-", reference.of);
        let owned = |pod: &&Arc<Value>| {
            // a Job may have a name that begins like that of a Deployment
            let set = object::list(&pod["metadata"]["ownerReferences"])
                .first()
                .filter(|owner| owner["kind"] == "ReplicaSet")
                .and_then(|owner| owner["name"].as_str())
                .unwrap_or_default();
            set.strip_prefix(&prefix).is_some_and(|hash| !hash.contains('-'))
        };
        let found = self
            .store
            .list("pods", Some(&reference.namespace))
            .filter(owned)
            .nth(reference.index)
            .cloned();
        found.ok_or_else(|| {
            format!(
                "there is no pod {} of {}/{}",
                reference.index, reference.namespace, reference.of
            )
        })
    }

    fn patch_pod(
        &mut self,
        reference: &PodReference,
        patch: &Value,
        at: Timestamp,
    ) -> Result<(), String> {
        let mut pod = (*self.pod_of(reference)?).clone();
        object::merge(&mut pod, patch);
        self.store.put(checked(pod, &reference.namespace)?, at);
        Ok(())
    }

    /// Sends a request to a pod.
    fn ask(&mut self, asked: &Asked, at: Timestamp) -> Result<(), String> {
        let (method, target) = asked.request.split_once(' ').unwrap_or(("GET", &asked.request));
        let request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            body: asked.json.to_string().into_bytes(),
        };
        let pod = self.pod_of(&asked.pod)?;
        let snapshot = self.snapshot();
        let place = snapshot.pod(object::namespace(&pod), object::name(&pod));
        let watch = Watch::at(at);
        // a variation may have moved it
        let port = |place: usize| {
            let mut moved = snapshot.pods[place]
                .containers
                .iter()
                .map(|container| super::app::moved(&container.env, asked.port));
            moved.find(|port| *port != asked.port).unwrap_or(asked.port)
        };
        match place.and_then(|place| respond(&snapshot, place, port(place), &request, &watch, 0)) {
            Some(response) if response.status < 400 => Ok(()),
            other => Err(format!(
                "{} is answered with {:?}",
                asked.request,
                other.map(|response| response.status)
            )),
        }
    }

    /// How often the objects and the processes have changed.
    fn version(&self) -> Version {
        (self.store.moved(), self.kubelet.turns)
    }

    /// The network as it is now.
    pub(crate) fn snapshot(&mut self) -> Arc<Snapshot> {
        let version = self.version();
        match &self.seen {
            Some((seen, snapshot)) if *seen == version => Arc::clone(snapshot),
            _ => {
                let snapshot = Arc::new(Snapshot::of(
                    &self.store,
                    &self.kubelet.processes,
                    &self.apps,
                    &self.memory,
                ));
                self.seen = Some((version, Arc::clone(&snapshot)));
                snapshot
            }
        }
    }

    /// What happens from time to time by itself. Where nothing was left to do and nothing has
    /// changed since, it is looked at less often. Gives when to look again; none: as usual.
    pub(crate) fn tick(&mut self) -> Option<SignedDuration> {
        let now = self.clock.now();
        while let Some(Change { kind, place }) = self.pending.due(now) {
            let namespace = self.pending.namespace.clone();
            if let Err(reason) = self.change(kind, &namespace, now) {
                self.pending.failed.push(place.fault(reason));
            }
        }
        let rests = |Settled { at, revision, due }| {
            revision == self.store.revision() && !is_due(due, now) && now.duration_since(at) < REST
        };
        if !self.settled.is_some_and(rests) {
            self.step(now);
        }
        let unwatched = self.unwatched.filter(|until| *until > now)?;
        let idle = self.settled?;
        let rested = idle.at.saturating_add(LONG_REST).unwrap_or(unwatched);
        let next = earliest(earliest(idle.due, self.pending.next()), Some(rested.min(unwatched)))?;
        Some(next.duration_since(now))
    }

    /// Nobody looks until then.
    pub(crate) fn unwatched(&mut self, until: Timestamp) {
        self.unwatched = Some(until);
    }

    /// The changes of the scenario that could not be made in time, and what of the applications
    /// could not be evaluated.
    pub(crate) fn failed(&self) -> Vec<WorldFault> {
        let of_apps = Place::file("applications.yaml");
        let complaints = self.memory.complaints().into_iter().map(|said| of_apps.fault(said));
        self.pending.failed.iter().cloned().chain(complaints).collect()
    }

    /// Lets every controller act once. Says whether there is nothing left to do for now.
    pub(crate) fn step(&mut self, now: Timestamp) -> bool {
        let (revision, version) = (self.store.revision(), self.version());
        let known = self.idle.take();
        let known = known.filter(|idle| idle.version == version && !is_due(idle.due, now));
        let own = Moment::at(now);
        if known.is_none() {
            self.bring_about(&own);
        }
        let processes = Moment::at(now);
        self.run_unless_quiet(&processes, |world| {
            if known.is_none() || world.version() != version {
                world.take_stock(&own);
            }
        });
        let same = self.version() == version;
        if same {
            let (soon, due) = (own.soon(), own.next());
            self.idle = known.or(Some(Idle { version, soon, due }));
        }
        let soon = self.idle.map_or_else(|| own.soon(), |idle| idle.soon);
        let soon = earliest(soon, processes.soon());
        let same = same && self.store.revision() == revision;
        let due = earliest(self.idle.and_then(|idle| idle.due), processes.next());
        self.settled = same.then_some(Settled { at: now, revision, due });
        same && soon.is_none()
    }

    /// Brings objects to what others ask for.
    fn bring_about(&mut self, moment: &Moment) {
        let now = moment.now;
        self.namespaces(now);
        let store = &mut self.store;
        controllers::collect_garbage(store, now);
        controllers::autoscale(store, &mut self.disagreements, self.unmeasured, moment);
        self.rests.unless_idle(ROLLOUTS, store, moment, |store, _| {
            controllers::deployments(store, now);
        });
        // progress is measured between what was said before the pods are made and what is said
        // after
        self.rests.unless_idle(PROGRESS, store, moment, controllers::deployment_status);
        controllers::replica_sets(store, &mut self.names, now);
        controllers::stateful_sets(store, moment);
        controllers::daemon_sets(store, &mut self.names, moment);
        let scheduled = &self.scheduled;
        self.rests.unless_idle(SCHEDULES, store, moment, |store, moment| {
            controllers::cron_schedules(store, scheduled, moment);
        });
        controllers::jobs(store, &mut self.names, moment);
        controllers::claims(store, now);
        controllers::schedule(store, &mut self.unplaced, now);
        controllers::run_pods(store, &mut self.kubelet, &self.apps, &self.memory, moment);
    }

    /// Lets go on what happens in the pods, unless that is known to be nothing. What follows from
    /// it is done before the processes contend for their leases.
    fn run_unless_quiet(&mut self, moment: &Moment, follow: impl FnOnce(&mut Self)) {
        let (before, turns) = (self.version(), self.memory.turns());
        let quiet = self.quiet.take().filter(|quiet| {
            quiet.version == before && quiet.turns == turns && !quiet.is_over(moment.now)
        });
        if let Some(quiet) = quiet {
            moment.takes_over(quiet.soon, quiet.late);
            self.kubelet.looked = moment.now;
            follow(self);
            // what followed changes nothing that processes see, unless it changes the version
            self.quiet = Some(quiet);
            return;
        }
        let beat = Moment::at(moment.now);
        self.run(moment, &beat);
        follow(self);
        let snapshot = self.snapshot();
        controllers::elect(&mut self.store, &snapshot, &beat);
        controllers::keep_leases(&mut self.store, &self.kept, &beat);
        controllers::expire_events(&mut self.store, &beat);
        let version = self.version();
        let quiet = version == before && self.memory.turns() == turns;
        let timed = moment.watch.was_read() || beat.watch.was_read();
        self.quiet = (quiet && !timed).then(|| Quiet {
            version,
            turns,
            soon: moment.soon(),
            late: moment.late(),
            beat: beat.next(),
        });
    }

    /// What happens in the pods, as far as it follows from the time.
    fn run(&mut self, moment: &Moment, beat: &Moment) {
        let snapshot = self.snapshot();
        controllers::live(&snapshot, beat);
        controllers::end_pods(&mut self.store, &mut self.kubelet, &snapshot, moment);
        controllers::restart_containers(&mut self.store, &mut self.kubelet, &snapshot, moment);
        controllers::probe(&mut self.store, &mut self.kubelet, &snapshot, moment);
    }

    /// Writes what follows from the state of the pods.
    fn take_stock(&mut self, moment: &Moment) {
        let (now, store) = (moment.now, &mut self.store);
        self.rests.unless_idle(ENDPOINTS, store, moment, |store, _| {
            controllers::endpoints(store, now);
        });
        controllers::replica_set_status(store, moment);
        self.rests.unless_idle(PROGRESS, store, moment, controllers::deployment_status);
        controllers::disruption_budgets(store, now);
        controllers::quotas(store, now);
        self.rests.unless_idle(CRON_JOBS, store, moment, |store, _| {
            controllers::cron_jobs(store, now);
        });
    }

    /// Steps on from a time until nothing is left to do.
    pub(crate) fn settle(&mut self, from: Timestamp) {
        let last = from.saturating_add(LONGEST).unwrap_or(from);
        let mut at = from;
        while at < last {
            if self.step(at) {
                break;
            }
            at = at.saturating_add(STEP).unwrap_or(last);
            // where nothing changed, nothing does until something is due
            let due = self.settled.and_then(|settled| settled.due);
            while at < last && due.is_some_and(|due| at < due) {
                at = at.saturating_add(STEP).unwrap_or(last);
            }
        }
    }
}

fn absent(reference: &Reference) -> String {
    format!("there is no {} {}/{}", reference.kind, reference.namespace, reference.name)
}

/// An object of a kind that only another world defines.
fn undefined(manifest: &Value) -> String {
    let group = manifest["apiVersion"].as_str().unwrap_or_default();
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let kind = manifest["kind"].as_str().unwrap_or_default();
    format!("kind {kind} is not defined; {}", definition_of(group))
}

/// The changes of a scenario that are still to come.
#[derive(Debug, Clone)]
struct Pending {
    /// With their times, the last one first.
    changes: Vec<(Timestamp, Change)>,
    namespace: String,
    failed: Vec<WorldFault>,
}

impl Pending {
    fn of(scenario: &Scenario, namespace: &str, now: Timestamp) -> Self {
        let at = |after: SignedDuration| now.saturating_add(after).unwrap_or(now);
        let changes = scenario.then.iter().rev();
        Self {
            changes: changes.map(|(after, change)| (at(*after), change.clone())).collect(),
            namespace: namespace.to_owned(),
            failed: Vec::new(),
        }
    }

    /// When the next change is made.
    fn next(&self) -> Option<Timestamp> {
        self.changes.last().map(|(at, _)| *at)
    }

    /// The next change whose time has come.
    fn due(&mut self, now: Timestamp) -> Option<Change> {
        self.changes.pop_if(|(at, _)| *at <= now).map(|(_, change)| change)
    }
}

/// What a scenario makes of the manifests of its world.
struct Declared {
    manifests: Vec<Value>,
    history: History,
    /// Changes of pods, which are there later.
    pods: Vec<(PodReference, Value, Place)>,
}

impl Declared {
    fn of(world: &World, scenario: &Scenario) -> Result<Self, WorldFault> {
        let mut declared = Self {
            manifests: world.manifests().iter().map(|manifest| manifest.object.clone()).collect(),
            history: History::new(),
            pods: Vec::new(),
        };
        for Change { kind, place } in &scenario.changes {
            let done = match kind.clone() {
                Kind::Patch(reference, patch) => {
                    declared.patch(&reference, &patch, world.namespace())
                }
                Kind::Pod(reference, patch) => {
                    declared.pods.push((reference, patch, place.clone()));
                    Ok(())
                }
                Kind::Delete(reference) => declared.find(&reference).map(|index| {
                    declared.manifests.remove(index);
                }),
                Kind::Apply(manifest) => declared.apply(manifest),
            };
            done.map_err(|reason| place.fault(reason))?;
        }
        Ok(declared)
    }

    fn apply(&mut self, manifest: Value) -> Result<(), String> {
        let kind = kinds::of(&manifest).filter(|kind| kind.custom);
        let defines = |kind: &Resource| {
            let name = kind.qualified();
            let mut all = self.manifests.iter();
            all.any(|one| one["kind"] == "CustomResourceDefinition" && object::name(one) == name)
        };
        if kind.is_some_and(|kind| !defines(kind)) {
            return Err(undefined(&manifest));
        }
        self.manifests.push(manifest);
        Ok(())
    }

    fn find(&self, reference: &Reference) -> Result<usize, String> {
        let fits = |manifest: &Value| {
            manifest["kind"] == reference.kind.as_str()
                && object::namespace(manifest) == reference.namespace
                && object::name(manifest) == reference.name
        };
        self.manifests.iter().position(fits).ok_or_else(|| absent(reference))
    }

    fn patch(
        &mut self,
        reference: &Reference,
        patch: &Value,
        namespace: &str,
    ) -> Result<(), String> {
        let index = self.find(reference)?;
        let mut manifest = self.manifests[index].clone();
        let (before, annotations) =
            (manifest["spec"]["template"].clone(), manifest["metadata"]["annotations"].clone());
        object::merge(&mut manifest, patch);
        let manifest = checked(manifest, namespace)?;
        // a changed template was rolled out: the ReplicaSet before it is still there
        if reference.kind == "Deployment" && manifest["spec"]["template"] != before {
            let mut former =
                json!({"kind": "Deployment", "metadata": {}, "spec": {"template": before}});
            controllers::complete(&mut former, &Store::new());
            self.history
                .entry((reference.namespace.clone(), reference.name.clone()))
                .or_default()
                .push(json!({"template": former["spec"]["template"], "annotations": annotations}));
        }
        self.manifests[index] = manifest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppContext;
    use crate::tests::petrosa;
    use crate::tests::plain::plain;

    #[test]
    fn no_expression_of_the_world_is_broken() {
        let worlds = [petrosa(), crate::tests::world("eafix")];
        let all = worlds
            .iter()
            .flat_map(|world| world.scenarios().into_iter().map(move |info| (world, info)));
        for (known, info) in all {
            let scenario = known.scenario(&info.name).unwrap();
            let clock = Clock::starting_at(Timestamp::now());
            let mut world = Simulation::build(known, scenario, clock, "", &[]).unwrap();
            let (snapshot, now) = (world.snapshot(), world.clock.now());
            for (pod, state) in snapshot.pods.iter().enumerate() {
                assert!(state.network.ip.is_some(), "{}", state.network.name);
                let context = AppContext::new(&snapshot, pod, 0, &Watch::at(now), 0).map(Arc::new);
                let context =
                    context.unwrap_or_else(|| panic!("no app for {}", state.network.name));
                let app = snapshot.apps.app(context.app);
                for name in app.values.keys() {
                    context
                        .evaluate("value", name)
                        .unwrap_or_else(|error| panic!("{name}: {error}"));
                }
                for (place, rule) in app.logs.iter().enumerate() {
                    context
                        .render("log", place)
                        .unwrap_or_else(|error| panic!("{}: {error}", rule.text.value));
                    if rule.when.is_some() {
                        context
                            .evaluate("log-when", place)
                            .unwrap_or_else(|error| panic!("{:?}: {error}", rule.when));
                    }
                }
            }
        }
    }

    /// How often the container of this pod has been started again.
    fn restarts(world: &Simulation, pod: &str) -> i64 {
        let found =
            world.store.list("pods", None).find(|known| object::name(known).starts_with(pod));
        found.unwrap()["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap()
    }

    #[test]
    fn a_world_that_is_left_alone_starts_containers_again_when_they_have_waited() {
        let (world, now) = (plain(), "2026-03-10T09:30:00Z".parse().unwrap());
        let scenario = world.scenario("app-exit").unwrap();
        let mut world =
            Simulation::build(&world, scenario, Clock::starting_at(now), "", &[]).unwrap();
        world.settle(now);
        let (before, mut seen) = (restarts(&world, "orders-"), Vec::new());
        // nothing but what is due is looked at
        while seen.len() < 10 && restarts(&world, "orders-") < before + 2 {
            let due = world.settled.and_then(|settled| settled.due).expect("nothing is due");
            world.settle(due);
            seen.push(due.duration_since(now).as_secs());
        }
        assert_eq!(restarts(&world, "orders-"), before + 2, "looked at after {seen:?} s");
    }
}
