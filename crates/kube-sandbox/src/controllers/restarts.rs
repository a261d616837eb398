//! Starts the containers of pods again whose programs have ended.
//!
//! After `computePodActions` of `pkg/kubelet/kuberuntime/kuberuntime_manager.go`. What has happened
//! until now follows from how a program ends and when it was started first, so that an hour is as
//! easy as a second.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use super::back_off::{Run, Turn, turn};
use super::ending::{Ending, of_probe, of_program};
use super::events::{self, Told};
use super::init;
use super::kubelet::{Kubelet, show_image};
use super::pods::{deleting, ended, number};
use crate::digest::sha256;
use crate::object;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// How long before its first end a program is waited for.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// A container whose program ends again and again, or did so.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    /// How it ends; it no longer does, where there is nothing.
    ending: Option<Ending>,
    began: Timestamp,
    first_end: Timestamp,
    /// The restarts before that.
    base: u64,
    pub(super) turn: Turn,
}

impl Loop {
    /// The container that runs since `began`, if it has ended by now.
    pub(super) fn begin(
        ending: Ending,
        began: Timestamp,
        least: Timestamp,
        moment: &Moment,
    ) -> Option<Self> {
        let until = began.saturating_add(ending.after).unwrap_or(began);
        let near = until.duration_since(moment.now) < SOON;
        let over = if near {
            moment.awaits(began, ending.after)
        } else {
            moment.passed(began, ending.after)
        };
        let first_end = until.max(least);
        over.then(|| {
            let turn = turn(began, first_end, ending.after, moment.now);
            moment.notes(turn.next(ending.after));
            Self { ending: Some(ending), began, first_end, base: 0, turn }
        })
    }

    fn at(mut self, ending: Option<Ending>, looked: Timestamp, moment: &Moment) -> Self {
        let now = moment.now;
        match (self.ending.take(), ending) {
            (Some(before), Some(ending)) => {
                self.turn = turn(self.began, self.first_end, before.after, now);
                moment.notes(self.turn.next(before.after));
                self.turn.restarts += self.base;
                self.ending = Some(Ending { after: before.after, ..ending });
            }
            // what ended it is gone
            (Some(_), None) if self.turn.wait.is_some() => {
                self.turn.previous = Some(self.turn.run);
                self.turn.run = Run { from: now, until: None };
                self.turn.restarts += 1;
                self.turn.wait = None;
            }
            (_, None) => {}
            (None, Some(ending)) => {
                if let Some(mut next) = Self::begin(ending, self.turn.run.from, looked, moment) {
                    next.base = self.turn.restarts;
                    next.turn.restarts += next.base;
                    next.turn.previous = next.turn.previous.or(self.turn.previous);
                    return next;
                }
            }
        }
        self
    }
}

/// Brings the containers of all pods to where they are now.
pub(crate) fn restart_containers(
    store: &mut Store,
    kubelet: &mut Kubelet,
    snapshot: &Arc<Snapshot>,
    moment: &Moment,
) {
    for (index, state) in
        snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
    {
        let (namespace, name) = (&state.network.namespace, &state.network.name);
        let Some(pod) = store.get("pods", namespace, name).cloned() else { continue };
        if deleting(&pod) || ended(&pod) {
            continue;
        }
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        if kubelet.processes.get(uid).is_some_and(|process| process.initializing) {
            init::advance(store, kubelet, snapshot, index, &pod, moment);
        } else if pod["spec"]["restartPolicy"] == "Always" || pod["spec"]["restartPolicy"].is_null()
        {
            restart(store, kubelet, snapshot, index, &pod, moment);
        }
    }
    kubelet.looked = moment.now;
}

/// Brings the containers of a pod to where they are now.
fn restart(
    store: &mut Store,
    kubelet: &mut Kubelet,
    snapshot: &Arc<Snapshot>,
    index: usize,
    before: &Value,
    moment: &Moment,
) {
    let now = moment.now;
    let uid = before["metadata"]["uid"].as_str().unwrap_or_default();
    let looked = kubelet.looked;
    let Some(process) = kubelet.processes.get_mut(uid) else { return };
    // most pods do nothing but run, and stay as they are
    let mut after = None;
    let mut told = Vec::new();
    for (place, container) in object::list(&before["spec"]["containers"]).iter().enumerate() {
        let name = container["name"].as_str().unwrap_or_default();
        let known = process.loops.get(name).cloned();
        // one that was seen not to run is left as it was seen
        if known.is_none() && !runs(before, name) {
            continue;
        }
        let waits = known.as_ref().is_some_and(|known| known.turn.wait.is_some());
        let ending =
            of_program(snapshot, index, place, container, &moment.watch).or_else(|| match &known {
                Some(known) if waits => known.ending.clone().filter(|known| known.probe.is_some()),
                _ => of_probe(snapshot, index, place, (before, container), &moment.watch),
            });
        let next = match (known, ending) {
            (Some(known), ending) => Some(known.at(ending, looked, moment)),
            (None, Some(ending)) => Loop::begin(ending, process.started, looked, moment),
            (None, None) => None,
        };
        let Some(next) = next else { continue };
        let pod = after.get_or_insert_with(|| before.clone());
        let Some(status) = status_of(pod, "containerStatuses", name) else { continue };
        show(status, before, container, &next.turn, next.ending.as_ref());
        let path = format!("spec.containers{{{name}}}");
        if let Some(ending) = &next.ending {
            told.extend(said(before, container, &path, process.started, &next.turn, ending));
        }
        kubelet.turns += u64::from(process.keep(name, next));
    }
    if let Some(pod) = after {
        store.put(pod, now);
    }
    told.iter().for_each(|told| events::tell(store, before, "kubelet", told, now));
}

/// Whether the status of a pod says that this container runs.
fn runs(pod: &Value, name: &str) -> bool {
    let statuses = object::list(&pod["status"]["containerStatuses"]);
    statuses.iter().any(|status| status["name"] == name && status["state"]["running"].is_object())
}

pub(super) fn status_of<'a>(pod: &'a mut Value, field: &str, name: &str) -> Option<&'a mut Value> {
    pod["status"][field].as_array_mut()?.iter_mut().find(|status| status["name"] == name)
}

/// Writes into the status of a container where it is.
pub(super) fn show(
    status: &mut Value,
    pod: &Value,
    container: &Value,
    turn: &Turn,
    ending: Option<&Ending>,
) {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let name = container["name"].as_str().unwrap_or_default();
    let image = container["image"].as_str().unwrap_or_default();
    let id = |turn: u64| json!(format!("containerd://{}", sha256(format!("{uid}/{name}/{turn}"))));
    status["restartCount"] = json!(turn.restarts);
    show_image(status, image);
    status["containerID"] = id(turn.restarts);
    status["started"] = json!(turn.wait.is_none());
    match turn.wait {
        None => status["state"] = json!({"running": {"startedAt": object::time(turn.run.from)}}),
        Some(wait) => {
            let message = format!(
                "back-off {} restarting failed container={name} pod={}_{}({uid})",
                duration(wait),
                object::name(pod),
                object::namespace(pod)
            );
            status["state"] =
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
            status["ready"] = json!(false);
        }
    }
    let last = if turn.wait.is_some() { Some(turn.run) } else { turn.previous };
    let (Some(Run { from, until: Some(until) }), Some(ending)) = (last, ending) else { return };
    let number = turn.restarts.saturating_sub(u64::from(turn.wait.is_none()));
    let mut terminated = json!({"containerID": id(number), "exitCode": ending.code,
        "finishedAt": object::time(until), "reason": ending.reason,
        "startedAt": object::time(from)});
    if let Some(message) = &ending.not_started {
        terminated["message"] = json!(message);
        terminated["startedAt"] = json!(object::time(Timestamp::UNIX_EPOCH));
    }
    status["lastState"] = json!({"terminated": terminated});
}

/// A while as Go writes it.
fn duration(while_: SignedDuration) -> String {
    match (while_.as_secs() / 60, while_.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// What the kubelet has said of a container until now.
pub(super) fn said(
    pod: &Value,
    container: &Value,
    path: &str,
    first: Timestamp,
    turn: &Turn,
    ending: &Ending,
) -> Vec<Told> {
    let name = container["name"].as_str().unwrap_or_default();
    let image = container["image"].as_str().unwrap_or_default();
    let ended = turn.restarts + u64::from(turn.wait.is_some());
    let tell = |warning, reason, message: String, count, (first, last)| Told {
        path: Some(path.to_owned()),
        warning,
        reason,
        message,
        count,
        first,
        last,
    };
    let (starts, times) = (turn.restarts + 1, (first, turn.run.from));
    let pulled = format!(
        "Container image \"{image}\" already present on machine and can be accessed by the pod"
    );
    let mut told = vec![
        tell(false, "Pulled", pulled, starts, times),
        tell(false, "Created", "Container created".to_owned(), starts, times),
        match &ending.not_started {
            Some(why) => tell(true, "Failed", format!("Error: {why}"), starts, times),
            None => tell(false, "Started", "Container started".to_owned(), starts, times),
        },
    ];
    if let (Some((kind, why)), Some(last)) =
        (&ending.probe, turn.run.until.or(turn.previous.and_then(|run| run.until)))
    {
        let field = if *kind == "Startup" { "startupProbe" } else { "livenessProbe" };
        let failures = number(&container[field]["failureThreshold"], 3).max(1);
        let failures = ended * u64::try_from(failures).unwrap_or(1);
        let failed = format!("{kind} probe failed: {why}");
        told.push(tell(true, "Unhealthy", failed, failures, (first, last)));
        let killing =
            format!("Container {name} failed {} probe, will be restarted", kind.to_lowercase());
        told.push(tell(false, "Killing", killing, ended, (first, last)));
    }
    if let Some((since, last)) = turn.said_between {
        let message = format!(
            "Back-off restarting failed container {name} in pod {}_{}({})",
            object::name(pod),
            object::namespace(pod),
            pod["metadata"]["uid"].as_str().unwrap_or_default()
        );
        told.push(tell(true, "BackOff", message, turn.said, (since, last)));
    }
    told
}
