//! Which logs of containers are read, what they say, and what to do about that.

use super::detail::container_of;
use super::job;
use super::pods::{over, seen};
use super::reason::{excerpt, reason};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{count, filled, name};
use crate::symptom::{Symptom, unloadable};
use crate::view::View;
use serde_json::Value;

/// What to do about a run that has ended, where its last words say that the program could not be
/// loaded: its code is the same for many reasons.
pub(super) fn remedy(symptom: &Symptom, logged: Option<&str>) -> Option<&'static str> {
    let is_own = symptom.exit_code.is_some() && LOGGED.contains(&symptom.id);
    let words = logged.unwrap_or(&symptom.last_words);
    reason(words).filter(|_| is_own).and_then(unloadable)
}

/// Ids of which the log of the container says why.
pub(super) const LOGGED: &[&str] = &[
    "app-exit",
    "exits-zero",
    "init-container-fails",
    "init-container-runs",
    "init-container-waits",
    "start-error",
];
/// Ids of a container that runs, of which the log may say what it does or waits for.
const RUNS: &[&str] = &[
    "init-container-runs",
    "init-container-waits",
    "readiness-failing",
    "rollout-in-progress",
    "standby",
    "startup-failing",
];

/// Whether the log of a container that runs may say why it is not ready.
fn is_read_as_it_runs(symptom: &Symptom) -> bool {
    RUNS.contains(&symptom.id) && symptom.exit_code.is_none()
}

/// Ids of a container that ran until its probe had it ended: it may have said why it did not answer.
const KILLED: &[&str] = &["liveness-probe-kills", "startup-probe-kills"];

/// Whether the log of a container that ran on may say what is wrong with it.
pub(super) fn is_complained_of(symptom: &Symptom) -> bool {
    RUNS.contains(&symptom.id) || KILLED.contains(&symptom.id)
}

/// Whether the log of its container says more than is known: of a run that has left its last words
/// they are its end, unless they are the words of its probe.
pub(super) fn is_logged(symptom: &Symptom) -> bool {
    is_read_as_it_runs(symptom)
        || KILLED.contains(&symptom.id)
        || symptom.exit_code.is_some() && symptom.last_words.is_empty()
}

/// Whether the log of a container that ran on says what is wrong with it.
pub(super) fn complains(pod: &Value, container: &str, log: &str) -> bool {
    let spec = container_of(pod, container).0;
    let probes = ["startupProbe", "readinessProbe", "livenessProbe"].map(|probe| &spec[probe]);
    let paths: Vec<&str> = probes
        .iter()
        .filter(|probe| probe["httpGet"].is_object())
        .map(|probe| filled(&probe["httpGet"]["path"]).unwrap_or("/"))
        .collect();
    super::reason::complains(log, &paths)
}

/// A cause with the log of its container as evidence, and the line that says why in its sentence.
pub(super) fn with_log(cause: Cause, pod: &Value, log: &str, is_said: bool) -> Cause {
    let container = cause.container.as_deref().unwrap_or_default();
    let source = format!("log of pod/{}, container {container}", name(pod));
    let detail = match reason(log).filter(|_| is_said) {
        Some(line) if LOGGED.contains(&cause.id) => format!("{}: {line}", cause.detail),
        Some(line) => format!("{}; its log says: {line}", cause.detail),
        None => cause.detail.clone(),
    };
    Cause { detail, ..cause }.seen([Evidence::new(source, excerpt(log))])
}

/// What is said where a log that was to be read was not.
pub(super) const UNREAD: &str = "its log was not read";

/// Why the log of a container was not read, if it was to be.
pub(super) fn unread(view: &View<'_>, pod: &Value, container: Option<&str>) -> Option<Evidence> {
    let container = container?;
    let because = view.snapshot.why_log_unread(name(pod), container)?;
    let source = format!("log of pod/{}, container {container}", name(pod));
    Some(Evidence::new(source, format!("not read: {because}")))
}

/// The containers whose log tells why: pod, container, and whether it is that of the run before.
pub(super) fn wanted_logs(view: &View<'_>, most: usize) -> Vec<(String, String, bool)> {
    let mut wanted = Vec::new();
    let mut known: Vec<(Object, &'static str, String)> = Vec::new();
    let over = over(view).into_iter().map(|(pod, symptom, _)| (pod, symptom));
    for (pod, symptom) in seen(view).into_iter().chain(over) {
        let Some(container) = &symptom.container else { continue };
        let waits = is_read_as_it_runs(&symptom);
        if !is_logged(&symptom) {
            continue;
        }
        // one pod speaks for all of its workload, and each of its containers for itself
        let key = (view.workload(pod), symptom.id, container.clone());
        if known.contains(&key) {
            continue;
        }
        known.push(key);
        let before = !waits && has_new_run(pod, container);
        wanted
            .push((is_complained_of(&symptom), (name(pod).to_owned(), container.clone(), before)));
    }
    wanted.extend(job::wanted_logs(view).into_iter().map(|log| (false, log)));
    let is_asked_about =
        |pod: &str| view.get("Pod", pod).is_some_and(|pod| view.is_asked_about(pod));
    // what one asks about comes first; how a container ended says more
    wanted.sort_by_cached_key(|(runs, (pod, ..))| (!is_asked_about(pod), *runs));
    wanted.into_iter().map(|(_, log)| log).take(most).collect()
}

/// Whether a container has been started again, so that its end is in the log of the run before.
pub(super) fn has_new_run(pod: &Value, container: &str) -> bool {
    let status = container_of(pod, container).1;
    count(&status["restartCount"]) > 0 && !status["state"]["terminated"].is_object()
}
