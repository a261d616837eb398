//! Starts, probes and stops the containers of pods, as far as the API shows it.
//!
//! After `pkg/kubelet/kubelet_pods.go`, `images/image_manager.go` and `prober/` of the kubelet.

use crate::digest::sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use super::back_off::Run;
use super::ending::not_started;
use super::events::{self, Told};
use super::init;
use super::pods::{all, deleting, ended, set_condition};
use super::probe::ask;
use super::restarts::Loop;
use super::start::{
    BACK_OFF, CONFIG_ERROR, CREATING, Images, NEVER_PULL, Waiting, environment, start,
    start_events, unmountable,
};
use crate::app::{AppContext, Apps, Line, Memory, lines};
use crate::object;
use crate::snapshot::{NODE_ADDRESS, Snapshot};
use crate::store::Store;
use netpol_evaluator::Labels;

/// How long a pod takes from the start of its containers until it can be ready.
const START: SignedDuration = SignedDuration::from_millis(300);
/// The exit code of a program that SIGTERM has ended.
pub(super) const SIGTERM: i64 = 143;
/// How long a pod takes to end.
const STOP: SignedDuration = SignedDuration::from_millis(200);

/// What the containers of a pod were started with: later changes of ConfigMaps and Secrets do not
/// reach them.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) started: Timestamp,
    /// The environment of each container.
    pub(crate) environments: BTreeMap<String, Labels>,
    pub(crate) ended: Option<Arc<Ended>>,
    /// The containers that end again and again, by name.
    pub(crate) loops: BTreeMap<String, Loop>,
    /// Whether its init containers are at work: the others have not begun.
    pub(crate) initializing: bool,
}

impl Process {
    /// Of a pod whose init containers begin now.
    pub(super) fn initializing(now: Timestamp, environments: BTreeMap<String, Labels>) -> Self {
        let loops = BTreeMap::new();
        Self { started: now, environments, ended: None, loops, initializing: true }
    }

    /// The present run of the program in a container, and the one before.
    pub(crate) fn runs_of(&self, container: &str) -> (Run, Option<Run>) {
        let begun = Run { from: self.started, until: None };
        match self.loops.get(container) {
            Some(known) => (known.turn.run, known.turn.previous),
            // what has not begun has ended
            None if self.initializing => (Run { until: Some(self.started), ..begun }, None),
            None => (begun, None),
        }
    }

    /// Keeps where a container is that ends again and again. Says whether another run of its
    /// program has begun or ended.
    pub(super) fn keep(&mut self, container: &str, known: Loop) -> bool {
        let run = known.turn.run;
        let before = self.loops.insert(container.to_owned(), known);
        before.is_none_or(|before| before.turn.run != run)
    }

    /// What runs in a pod since its status says so, or since now.
    fn of(pod: &Value, environments: BTreeMap<String, Labels>, now: Timestamp) -> Self {
        let since = object::list(&pod["status"]["containerStatuses"]).iter().filter_map(|status| {
            let states = [
                &status["state"]["running"],
                &status["state"]["terminated"],
                &status["lastState"]["terminated"],
            ];
            states.into_iter().find_map(|state| object::timestamp(&state["startedAt"]))
        });
        Self {
            started: since.min().unwrap_or(now).min(now),
            environments,
            ended: None,
            loops: BTreeMap::new(),
            initializing: false,
        }
    }
}

/// How the processes of a pod ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What each container has written.
    pub(crate) lines: Vec<Vec<Line>>,
}

/// What the kubelets of all nodes know beside the objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kubelet {
    /// The processes, by the uid of their pod.
    pub(crate) processes: BTreeMap<String, Process>,
    /// How often a process began or ended: neither need change an object.
    pub(crate) turns: u64,
    /// Since when pods have been ending.
    stopping: BTreeMap<String, Timestamp>,
    /// The last address that was given away on each node.
    addresses: BTreeMap<String, u8>,
    /// The images that cannot be pulled although they exist.
    pub(super) images: Images,
    /// The pods that say already what these answers to their probes make of them, by uid.
    probed: BTreeMap<String, (Arc<Value>, Answers)>,
    /// The pods whose init containers have done their work.
    pub(super) initialized: BTreeSet<String>,
    /// When the containers were looked at last.
    pub(crate) looked: Timestamp,
}

/// What came of the probes of the containers of a pod; none where it was too early to ask.
type Answers = Option<Vec<Result<(), String>>>;

impl Kubelet {
    pub(crate) fn new(images: Images) -> Self {
        Self { images, ..Self::default() }
    }

    /// Keeps what the programs of a pod have written until now: they write no more.
    fn end(&mut self, pod: &Value, snapshot: &Arc<Snapshot>, index: usize, now: Timestamp) {
        let places = 0..snapshot.pods[index].containers.len();
        let lines = places.map(|place| lines(snapshot, index, place, None, now)).collect();
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        if let Some(process) = self.processes.get_mut(uid) {
            process.ended = Some(Arc::new(Ended { lines }));
            self.turns += 1;
        }
    }

    pub(super) fn begin(&mut self, uid: &str, process: Process) {
        self.processes.insert(uid.to_owned(), process);
        self.turns += 1;
    }

    /// An address that is free, and not that of the pod which left last.
    fn address(&mut self, store: &Store, node: &str) -> String {
        let number =
            store.list("nodes", None).position(|known| object::name(known) == node).unwrap_or(0);
        let used: Vec<String> = store
            .list("pods", None)
            .filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned))
            .collect();
        let last = self.addresses.entry(node.to_owned()).or_insert(1);
        for _ in 0..253 {
            *last = if *last >= 254 { 2 } else { *last + 1 };
            let address = format!("10.244.{number}.{last}");
            if !used.contains(&address) {
                return address;
            }
        }
        String::new()
    }
}

/// The event about a volume that cannot be mounted.
fn unmounted(message: String, now: Timestamp) -> Told {
    let (warning, count, first, last) = (true, 1, now, now);
    Told { path: None, warning, reason: "FailedMount", message, count, first, last }
}

/// Starts what is on a node and not started yet, and removes what has ended.
pub(crate) fn run_pods(
    store: &mut Store,
    kubelet: &mut Kubelet,
    apps: &Apps,
    memory: &Memory,
    moment: &Moment,
) {
    let pods = all(store, "pods");
    let known: BTreeSet<&str> =
        pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str()).collect();
    kubelet.processes.retain(|uid, _| known.contains(uid.as_str()));
    kubelet.stopping.retain(|uid, _| known.contains(uid.as_str()));
    kubelet.probed.retain(|uid, _| known.contains(uid.as_str()));
    kubelet.initialized.retain(|uid| known.contains(uid.as_str()));
    for pod in &pods {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        if deleting(pod) {
            stop(store, kubelet, pod, memory, moment);
        } else if pod["spec"]["nodeName"].is_string() && !kubelet.processes.contains_key(uid) {
            if ended(pod) {
                let environments = environments(pod, store);
                kubelet.begin(uid, Process::of(pod, environments, moment.now));
            } else {
                launch(store, kubelet, apps, pod, moment.now);
            }
        }
    }
}

/// Ends a pod that is to go.
fn stop(store: &mut Store, kubelet: &mut Kubelet, pod: &Value, memory: &Memory, moment: &Moment) {
    let now = moment.now;
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let running = kubelet.processes.get(uid).is_some_and(|process| process.ended.is_none());
    if running && !kubelet.stopping.contains_key(uid) {
        for container in object::list(&pod["spec"]["containers"]) {
            let message =
                format!("Stopping container {}", container["name"].as_str().unwrap_or_default());
            events::record(store, pod, "kubelet", "Killing", &message, now);
        }
    }
    let since = *kubelet.stopping.entry(uid.to_owned()).or_insert(now);
    let over = !running
        || pod["metadata"]["deletionGracePeriodSeconds"] == 0
        || moment.awaits(since, STOP);
    if over && running && !ended(pod) && pod["metadata"]["deletionGracePeriodSeconds"] != 0 {
        // its last state, as everybody who watches sees it: it has failed, because its programs
        // were ended
        let codes = vec![SIGTERM; object::list(&pod["spec"]["containers"]).len()];
        store.put(ended_pod(pod, &codes, now), now);
    }
    if !over || !object::list(&pod["metadata"]["finalizers"]).is_empty() {
        return;
    }
    kubelet.processes.remove(uid);
    kubelet.stopping.remove(uid);
    memory.forget(object::namespace(pod), object::name(pod));
    store.delete("pods", object::namespace(pod), object::name(pod));
}

/// Starts the containers of a pod.
fn launch(store: &mut Store, kubelet: &mut Kubelet, apps: &Apps, before: &Value, now: Timestamp) {
    let mut pod = before.clone();
    if !pod["status"]["podIP"].is_string() {
        assign_addresses(&mut pod, store, kubelet, now);
    }
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let containers = object::list(&pod["spec"]["containers"]).to_vec();
    let unmountable = unmountable(&pod, store);
    if unmountable.is_none() && init::wait(store, kubelet, apps, &mut pod, now) {
        store.put(pod, now);
        return;
    }
    let started: Vec<Result<Labels, Waiting>> = containers
        .iter()
        .map(|container| match &unmountable {
            // no container is made before the volumes are there
            Some(_) => Err(Waiting::for_volumes()),
            None => start(&pod, container, store, apps, &kubelet.images),
        })
        .collect();
    let statuses: Vec<Value> = containers
        .iter()
        .zip(&started)
        .map(|(container, outcome)| {
            let known = outcome.as_ref().ok().and_then(|_| known_status(before, container));
            known.unwrap_or_else(|| container_status(container, outcome, &uid, now))
        })
        .collect();
    let running = started.iter().all(Result::is_ok);
    let known = running && statuses == object::list(&before["status"]["containerStatuses"]);
    if !known {
        pod["status"]["phase"] = json!(if running { "Running" } else { "Pending" });
    }
    let news = before["status"]["containerStatuses"] != json!(statuses);
    pod["status"]["containerStatuses"] = json!(statuses);
    if !known {
        set_ready(&mut pod, false, now);
        let mounted = if unmountable.is_none() { "True" } else { "False" };
        set_condition(
            &mut pod["status"],
            json!({"type": "PodReadyToStartContainers", "status": mounted, "lastProbeTime": null}),
            now,
        );
    }
    // what keeps a container from starting is said once
    if news {
        let mut told: Vec<Told> =
            unmountable.map(|message| unmounted(message, now)).into_iter().collect();
        for (container, outcome) in containers.iter().zip(&started) {
            let runs = not_started(apps, container).is_none();
            let events = start_events(container, "containers", outcome, running, now);
            told.extend(events.into_iter().filter(|told| runs || told.reason != "Started"));
        }
        told.iter().for_each(|told| events::tell(store, &pod, "kubelet", told, now));
    }
    if running {
        let environments = containers.iter().zip(started).filter_map(|(container, outcome)| {
            Some((container["name"].as_str()?.to_owned(), outcome.ok()?))
        });
        let process = Process::of(&pod, environments.collect(), now);
        kubelet.begin(&uid, process);
    }
    store.put(pod, now);
}

/// What a status says already of a container that nothing keeps from running: that it runs, or that
/// it does not for a reason that is not simulated. It stays so.
fn known_status(pod: &Value, container: &Value) -> Option<Value> {
    let statuses = object::list(&pod["status"]["containerStatuses"]);
    let status = statuses.iter().find(|status| status["name"] == container["name"])?;
    let state = &status["state"];
    let waits = state["waiting"]["reason"].as_str();
    let simulated =
        [CREATING, BACK_OFF, NEVER_PULL, "ErrImagePull", CONFIG_ERROR, "PodInitializing"];
    let stays = state["running"].is_object()
        || state["terminated"].is_object()
        || waits.is_some_and(|reason| !simulated.contains(&reason));
    stays.then(|| status.clone())
}

/// The environments of the containers of a pod whose programs have ended, as far as they are known.
fn environments(pod: &Value, store: &Store) -> BTreeMap<String, Labels> {
    let containers = object::list(&pod["spec"]["containers"]).iter();
    let named = containers.filter_map(|container| {
        let name = container["name"].as_str()?.to_owned();
        Some((name, environment(pod, container, store).unwrap_or_default()))
    });
    named.collect()
}

/// Gives a pod its address and that of its node.
fn assign_addresses(pod: &mut Value, store: &Store, kubelet: &mut Kubelet, now: Timestamp) {
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
    let address = kubelet.address(store, &node);
    let host = store
        .get("nodes", "", &node)
        .and_then(|node| {
            object::list(&node["status"]["addresses"])
                .iter()
                .find(|address| address["type"] == "InternalIP")
                .and_then(|address| address["address"].as_str().map(str::to_owned))
        })
        .unwrap_or_else(|| NODE_ADDRESS.to_string());
    pod["status"]["hostIP"] = json!(host);
    pod["status"]["hostIPs"] = json!([{"ip": host}]);
    pod["status"]["podIP"] = json!(address);
    pod["status"]["podIPs"] = json!([{"ip": address}]);
    pod["status"]["startTime"] = json!(object::time(now));
}

/// The image of a container that runs. Its name need not be that of the spec: a runtime says any
/// name that it has for the same content (`ContainerStatus.image` of the API), here never that one.
pub(super) fn show_image(status: &mut Value, image: &str) {
    let id = json!(format!("sha256:{}", sha256(image)));
    status["image"] = id.clone();
    status["imageID"] = id;
}

pub(super) fn container_status(
    container: &Value,
    outcome: &Result<Labels, Waiting>,
    uid: &str,
    now: Timestamp,
) -> Value {
    let (name, image) = (
        container["name"].as_str().unwrap_or_default(),
        container["image"].as_str().unwrap_or_default(),
    );
    let running = outcome.is_ok();
    let state = match outcome {
        Ok(_) => json!({"running": {"startedAt": object::time(now)}}),
        Err(waiting) if waiting.message.is_empty() => {
            json!({"waiting": {"reason": waiting.reason}})
        }
        Err(waiting) => json!({"waiting": {"reason": waiting.reason, "message": waiting.message}}),
    };
    let mut status = json!({"name": name, "state": state, "lastState": {}, "ready": false,
        "restartCount": 0, "image": image, "imageID": "", "started": running});
    if running {
        show_image(&mut status, image);
        status["containerID"] = json!(format!("containerd://{}", sha256(format!("{uid}/{name}"))));
    }
    status
}

/// Writes the conditions of a pod; when they last changed is kept.
pub(super) fn set_ready(pod: &mut Value, ready: bool, now: Timestamp) {
    let unready: Vec<String> = object::list(&pod["status"]["containerStatuses"])
        .iter()
        .filter(|status| status["ready"] != true)
        .filter_map(|status| status["name"].as_str().map(str::to_owned))
        .collect();
    for kind in
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    {
        let holds = ready || !matches!(kind, "Ready" | "ContainersReady");
        let mut condition = json!({"type": kind, "status": if holds { "True" } else { "False" },
            "lastProbeTime": null});
        if !holds {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] =
                json!(format!("containers with unready status: [{}]", unready.join(" ")));
        }
        set_condition(&mut pod["status"], condition, now);
    }
}

/// Asks the readiness probes of all running pods. Probes come from the node, which every pod
/// admits.
pub(crate) fn probe(
    store: &mut Store,
    kubelet: &mut Kubelet,
    snapshot: &Arc<Snapshot>,
    moment: &Moment,
) {
    let now = moment.now;
    for (index, state) in
        snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
    {
        let (namespace, name) = (&state.network.namespace, &state.network.name);
        let pod = store.get("pods", namespace, name).filter(|pod| !deleting(pod) && !ended(pod));
        let Some(pod) = pod.filter(|_| !state.initializing).cloned() else { continue };
        let answers: Answers = moment.awaits(state.started, START).then(|| {
            let containers = object::list(&pod["spec"]["containers"]).iter().enumerate();
            let asked = containers.map(|(place, container)| {
                let runs = state.containers[place].run.until.is_none();
                let probe = container.get("readinessProbe").filter(|_| runs);
                probe
                    .map_or(Ok(()), |probe| ask(snapshot, index, place, &pod, probe, &moment.watch))
            });
            asked.collect()
        });
        let failures: Vec<String> = answers
            .iter()
            .flatten()
            .filter_map(|answer| {
                Some(format!("Readiness probe failed: {}", answer.as_ref().err()?))
            })
            .collect();
        // said once of each run: the kubelet says it at every failure
        let is_known = |store: &Store, said: &String| {
            events::is_known(store, &pod, "Unhealthy", said, state.started)
        };
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let known = kubelet
            .probed
            .get(uid)
            .is_some_and(|(of, before)| Arc::ptr_eq(of, &pod) && *before == answers);
        if known && failures.iter().all(|said| is_known(store, said)) {
            continue;
        }
        let probed = probed(&pod, answers.as_deref(), now);
        for said in &failures {
            if !is_known(store, said) {
                events::warn(store, &probed, "kubelet", "Unhealthy", said, now);
            }
        }
        if !store.put(probed, now) {
            kubelet.probed.insert(uid.to_owned(), (Arc::clone(&pod), answers));
        }
    }
}

/// A pod as the answers to its probes make it.
fn probed(pod: &Value, answers: Option<&[Result<(), String>]>, now: Timestamp) -> Value {
    let runs = |name: &Value| {
        object::list(&pod["status"]["containerStatuses"])
            .iter()
            .any(|status| status["name"] == *name && status["state"]["running"].is_object())
    };
    let passes = |place: usize| answers.is_some_and(|answers| answers[place].is_ok());
    let ready: Vec<bool> = object::list(&pod["spec"]["containers"])
        .iter()
        .enumerate()
        .map(|(place, container)| passes(place) && runs(&container["name"]))
        .collect();
    let mut pod = pod.clone();
    if let Some(statuses) = pod["status"]["containerStatuses"].as_array_mut() {
        for (status, ready) in statuses.iter_mut().zip(&ready) {
            status["ready"] = json!(ready);
        }
    }
    set_ready(&mut pod, ready.iter().all(|ready| *ready), now);
    pod
}

/// Lets the programs that end by themselves do so.
pub(crate) fn end_pods(
    store: &mut Store,
    kubelet: &mut Kubelet,
    snapshot: &Arc<Snapshot>,
    moment: &Moment,
) {
    let now = moment.now;
    for (index, state) in
        snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
    {
        let Some(pod) = store.get("pods", &state.network.namespace, &state.network.name).cloned()
        else {
            continue;
        };
        if state.initializing || state.waits() {
            continue;
        }
        if !deleting(&pod) && !any_runs(&pod) {
            // it was seen so: what its programs have written is all that is left of them
            kubelet.end(&pod, snapshot, index, now);
            continue;
        }
        if pod["spec"]["restartPolicy"] == "Always"
            || pod["spec"]["restartPolicy"].is_null()
            || deleting(&pod)
        {
            continue;
        }
        let codes: Option<Vec<i64>> = (0..state.containers.len())
            .map(|place| exit_code(snapshot, index, place, moment))
            .collect();
        let Some(codes) = codes else { continue };
        kubelet.end(&pod, snapshot, index, now);
        store.put(ended_pod(&pod, &codes, now), now);
    }
}

/// Whether some container of a pod runs.
fn any_runs(pod: &Value) -> bool {
    let statuses = object::list(&pod["status"]["containerStatuses"]);
    statuses.iter().any(|status| status["state"]["running"].is_object())
}

/// The exit code of a program, if it has ended.
fn exit_code(snapshot: &Arc<Snapshot>, pod: usize, place: usize, moment: &Moment) -> Option<i64> {
    let started = snapshot.pods[pod].started;
    let context = AppContext::new(snapshot, pod, place, &moment.watch, 0).map(Arc::new);
    let Some(context) = context else {
        // nothing is known of this program: it does what it is for, and succeeds
        return moment.awaits(started, START).then_some(0);
    };
    let exits = snapshot.apps.app(context.app).exits.as_ref()?;
    if !context.holds("exits-when", 0, exits.when.as_ref()) {
        return None;
    }
    let after =
        context.evaluate("exits-after", 0).ok().and_then(|after| after.as_f64()).unwrap_or(0.0);
    let length = SignedDuration::try_from_secs_f64(after.max(0.0)).unwrap_or(SignedDuration::MAX);
    moment
        .awaits(started, length)
        .then(|| context.evaluate("exits-code", 0).ok().and_then(|code| code.as_i64()).unwrap_or(1))
}

fn ended_pod(pod: &Value, codes: &[i64], now: Timestamp) -> Value {
    let mut pod = pod.clone();
    let succeeded = codes.iter().all(|code| *code == 0);
    pod["status"]["phase"] = json!(if succeeded { "Succeeded" } else { "Failed" });
    if let Some(statuses) = pod["status"]["containerStatuses"].as_array_mut() {
        for (status, code) in statuses.iter_mut().zip(codes) {
            let started = status["state"]["running"]["startedAt"].clone();
            status["ready"] = json!(false);
            status["started"] = json!(false);
            status["state"] = json!({"terminated": {
                "exitCode": code, "reason": if *code == 0 { "Completed" } else { "Error" },
                "startedAt": started, "finishedAt": object::time(now),
                "containerID": status["containerID"],
            }});
        }
    }
    init::end(&mut pod, now);
    set_ready(&mut pod, false, now);
    let unready = json!({"type": "PodReadyToStartContainers", "status": "False",
        "lastProbeTime": null});
    set_condition(&mut pod["status"], unready, now);
    for condition in pod["status"]["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] == "Initialized" && succeeded {
            condition["reason"] = json!("PodCompleted");
        }
        if condition["status"] == "False" && condition["type"] != "PodReadyToStartContainers" {
            condition["reason"] = json!(if succeeded { "PodCompleted" } else { "PodFailed" });
            if let Value::Object(fields) = condition {
                fields.shift_remove("message");
            }
        }
    }
    pod
}
