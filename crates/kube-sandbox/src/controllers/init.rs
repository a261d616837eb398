//! The init containers of pods: one after the other, before the other containers; those that are
//! to go on (`restartPolicy: Always`) beside them.
//!
//! After `computeInitContainerActions` of `pkg/kubelet/kuberuntime/kuberuntime_container.go`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Moment;
use super::back_off::Run;
use super::ending::{Ending, of_program};
use super::events::{self, Told};
use super::kubelet::{Kubelet, Process, SIGTERM, container_status, set_ready};
use super::pods::set_condition;
use super::restarts::{Loop, said, show, status_of};
use super::start::{Waiting, start, start_events};
use crate::app::Apps;
use crate::object;
use crate::snapshot::Snapshot;
use crate::store::Store;
use netpol_evaluator::Labels;

const WAITS: &str = "PodInitializing";

fn goes_on(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn containers(pod: &Value) -> Vec<Value> {
    object::list(&pod["spec"]["initContainers"]).to_vec()
}

/// Whether a pod waits for its init containers; writes so into it. Those of which nothing is known
/// do what they are for, at once.
pub(super) fn wait(
    store: &mut Store,
    kubelet: &mut Kubelet,
    apps: &Apps,
    pod: &mut Value,
    now: Timestamp,
) -> bool {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let init = containers(pod);
    if init.is_empty() || kubelet.initialized.contains(&uid) {
        return false;
    }
    let statuses = object::list(&pod["status"]["initContainerStatuses"]);
    let over = |status: &Value| {
        status["state"]["terminated"]["exitCode"] == 0 || status["state"]["running"].is_object()
    };
    if !statuses.is_empty() && statuses.iter().all(over) {
        return false;
    }
    let started: Vec<Result<Labels, Waiting>> =
        init.iter().map(|container| start(pod, container, store, apps, &kubelet.images)).collect();
    let works =
        |container: &Value| apps.of_container(container).is_some_and(|app| app.exits.is_some());
    let stuck = started.iter().any(Result::is_err);
    if !stuck && !init.iter().any(works) {
        finish(pod, &init, &uid, now);
        kubelet.initialized.insert(uid);
        return false;
    }
    let before = pod["status"]["initContainerStatuses"].clone();
    let first = started.iter().position(Result::is_err).unwrap_or(0);
    let statuses: Vec<Value> = init
        .iter()
        .zip(&started)
        .enumerate()
        .map(|(place, (container, outcome))| match place {
            _ if place == first => container_status(container, outcome, &uid, now),
            _ => container_status(container, &Err(Waiting::of(WAITS, String::new())), &uid, now),
        })
        .collect();
    let news = before != json!(statuses);
    pod["status"]["initContainerStatuses"] = json!(statuses);
    hold(pod, &init[first..], &uid, now);
    if stuck {
        if news {
            let told = start_events(&init[first], "initContainers", &started[first], false, now);
            told.iter().for_each(|told| events::tell(store, pod, "kubelet", told, now));
        }
        return true;
    }
    let all = init.iter().chain(object::list(&pod["spec"]["containers"]));
    let environments = all.filter_map(|container| {
        let outcome = start(pod, container, store, apps, &kubelet.images);
        Some((container["name"].as_str()?.to_owned(), outcome.ok()?))
    });
    let process = Process::initializing(now, environments.collect());
    kubelet.begin(&uid, process);
    true
}

/// Writes that the other containers wait for these.
fn hold(pod: &mut Value, init: &[Value], uid: &str, now: Timestamp) {
    pod["status"]["phase"] = json!("Pending");
    let waiting = Err(Waiting::of(WAITS, String::new()));
    let statuses: Vec<Value> = object::list(&pod["spec"]["containers"])
        .iter()
        .map(|container| container_status(container, &waiting, uid, now))
        .collect();
    pod["status"]["containerStatuses"] = json!(statuses);
    set_ready(pod, false, now);
    let names: Vec<&str> = init
        .iter()
        .filter(|container| !goes_on(container))
        .filter_map(|container| container["name"].as_str())
        .collect();
    let condition = json!({"type": "Initialized", "status": "False", "lastProbeTime": null,
        "reason": "ContainersNotInitialized",
        "message": format!("containers with incomplete status: [{}]", names.join(" "))});
    set_condition(&mut pod["status"], condition, now);
}

/// Writes that all init containers have done their work.
fn finish(pod: &mut Value, init: &[Value], uid: &str, now: Timestamp) {
    let statuses: Vec<Value> = init
        .iter()
        .map(|container| {
            let mut status = container_status(container, &Ok(Labels::new()), uid, now);
            done(&mut status, container, Run { from: now, until: Some(now) });
            status
        })
        .collect();
    pod["status"]["initContainerStatuses"] = json!(statuses);
}

fn done(status: &mut Value, container: &Value, run: Run) {
    status["ready"] = json!(true);
    status["started"] = json!(goes_on(container));
    if let (false, Some(until)) = (goes_on(container), run.until) {
        status["state"] = json!({"terminated": {"containerID": status["containerID"],
            "exitCode": 0, "finishedAt": object::time(until), "reason": "Completed",
            "startedAt": object::time(run.from)}});
    }
}

/// Writes that what stood beside the programs of a pod was ended with them.
pub(super) fn end(pod: &mut Value, now: Timestamp) {
    for status in pod["status"]["initContainerStatuses"].as_array_mut().into_iter().flatten() {
        if status["state"]["running"].is_object() {
            status["ready"] = json!(false);
            status["started"] = json!(false);
            status["state"] = json!({"terminated": {"containerID": status["containerID"],
                "exitCode": SIGTERM, "finishedAt": object::time(now), "reason": "Error",
                "startedAt": status["state"]["running"]["startedAt"]}});
        }
    }
}

/// Where an init container is that began at some time.
enum Stage {
    /// It goes on beside the others.
    Beside,
    /// It has done its work.
    Done(Timestamp),
    /// It works.
    Works,
    /// It fails again and again.
    Fails(Box<(Loop, Ending)>),
}

fn stage(
    snapshot: &Arc<Snapshot>,
    (pod, place): (usize, usize),
    container: &Value,
    begun: Timestamp,
    moment: &Moment,
) -> Stage {
    if goes_on(container) {
        return Stage::Beside;
    }
    let Some(ending) = of_program(snapshot, pod, place, container, &moment.watch) else {
        let known = snapshot.pods[pod].container(place).is_some_and(|known| known.app.is_some());
        // nothing is known of this program: it does what it is for
        return if known { Stage::Works } else { Stage::Done(begun) };
    };
    if !moment.awaits(begun, ending.after) {
        return Stage::Works;
    }
    if ending.code == 0 {
        return Stage::Done(begun.saturating_add(ending.after).unwrap_or(begun));
    }
    match Loop::begin(ending.clone(), begun, begun, moment) {
        Some(turned) => Stage::Fails(Box::new((turned, ending))),
        None => Stage::Works,
    }
}

/// Brings the init containers of a pod to where they are now.
pub(super) fn advance(
    store: &mut Store,
    kubelet: &mut Kubelet,
    snapshot: &Arc<Snapshot>,
    index: usize,
    before: &Value,
    moment: &Moment,
) {
    let now = moment.now;
    let uid = before["metadata"]["uid"].as_str().unwrap_or_default();
    let Some(process) = kubelet.processes.get_mut(uid) else { return };
    let (init, mut pod) = (containers(before), before.clone());
    let others = snapshot.pods[index].containers.len();
    let mut begun = process.started;
    let mut told: Vec<Told> = Vec::new();
    let mut held = None;
    for (place, container) in init.iter().enumerate() {
        let name = container["name"].as_str().unwrap_or_default();
        let Some(status) = status_of(&mut pod, "initContainerStatuses", name) else { continue };
        let restarts = status["restartCount"].clone();
        *status = container_status(container, &Ok(Labels::new()), uid, begun);
        let stage = stage(snapshot, (index, others + place), container, begun, moment);
        if let Stage::Fails(failing) = stage {
            let (turned, ending) = *failing;
            let path = format!("spec.initContainers{{{name}}}");
            show(status, before, container, &turned.turn, Some(&ending));
            told.extend(said(before, container, &path, begun, &turned.turn, &ending));
            kubelet.turns += u64::from(process.keep(name, turned));
            held = Some(place);
            break;
        }
        told.extend(start_events(container, "initContainers", &Ok(Labels::new()), true, begun));
        status["restartCount"] = restarts;
        match stage {
            Stage::Works => {
                held = Some(place);
                break;
            }
            Stage::Done(until) => {
                done(status, container, Run { from: begun, until: Some(until) });
                begun = until;
            }
            Stage::Beside | Stage::Fails(_) => {
                done(status, container, Run { from: begun, until: None });
            }
        }
    }
    if let Some(place) = held {
        hold(&mut pod, &init[place..], uid, now);
    } else {
        kubelet.processes.remove(uid);
        kubelet.turns += 1;
        kubelet.initialized.insert(uid.to_owned());
    }
    store.put(pod, now);
    told.iter().for_each(|told| events::tell(store, before, "kubelet", told, now));
}
