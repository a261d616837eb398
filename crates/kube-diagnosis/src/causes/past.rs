//! What is over: a run that ended once, a pod of which another has taken the place, an attempt of a
//! Job after which another runs.

use super::Kind;
use super::detail::container_of;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, count, name, text, timestamp};
use crate::pod::{is_finished, is_live, is_ready};
use crate::symptom::{Symptom, point, said_by_probe};
use crate::view::View;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) const KINDS: &[Kind] = &[Kind("recovered", "had a fault and runs again", &["Pod"])];

/// How long ago a pod may have ended of which another has taken the place, and still be named.
pub(super) const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How long the run before must have lasted for its end to stand alone.
const ALONE: SignedDuration = SignedDuration::from_hours(1);
/// How long a run must have lasted before it is one that runs again: one that crashes as it starts
/// is ready for a moment, too, if it has no readiness probe.
const STEADY: SignedDuration = SignedDuration::from_secs(30);
/// How long a run must last that is told from the short ones before it, and how many times as long
/// as the last of those.
pub(super) const SETTLED: SignedDuration = SignedDuration::from_mins(2);
pub(super) const LONGER: i32 = 5;
/// How long a container has run that ought to have been ready.
const STARTED: SignedDuration = SignedDuration::from_mins(5);
/// The annotation of a pod of an Indexed Job.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What a symptom is about.
pub(super) enum Tense {
    /// What is wrong now.
    Present,
    /// What was wrong a moment ago, in words. It works again, and may do so for a moment only.
    Recovered(String),
    /// The record of something that is over.
    Over,
}

/// Whether a symptom says something about the present.
pub(super) fn tense(view: &View<'_>, pod: &Value, symptom: &Symptom) -> Tense {
    let workload = view.workload(pod);
    // what a finalizer holds stays, whether or not another has taken its place
    if symptom.id == "stuck-terminating" {
        return Tense::Present;
    }
    if !is_finished(pod) {
        return of_run(view, pod, symptom).map_or(Tense::Present, Tense::Recovered);
    }
    match workload.kind.as_str() {
        // what somebody has run by hand and ended: the code of SIGINT or SIGTERM
        "Pod" if matches!(symptom.exit_code, Some(130 | 143)) => Tense::Over,
        "Pod" => Tense::Present,
        "Job" => of_attempt(view, pod, &workload),
        _ => of_replaced(view, pod, &workload, symptom),
    }
}

/// A container that has ended once and is ready since. From a second end on it is a container that
/// ends, until it has run for far longer than before.
fn of_run(view: &View<'_>, pod: &Value, symptom: &Symptom) -> Option<String> {
    symptom.exit_code?;
    let (spec, status) = container_of(pod, symptom.container.as_deref()?);
    let (running, last) = (&status["state"]["running"], &status["lastState"]["terminated"]);
    // an init container is ready when it has ended
    if status["ready"] != true || !running.is_object() || !view.older(&running["startedAt"], STEADY)
    {
        return None;
    }
    let (from, to) = (timestamp(&last["startedAt"]), timestamp(&last["finishedAt"])?);
    let before = from.map(|from| to.duration_since(from));
    let is_alone = before.is_some_and(|before| before >= ALONE);
    // what grows or depends on the load comes again later
    let comes_again = matches!(symptom.id, "oom-killed" | "liveness-probe-kills");
    let has_settled = before.filter(|_| !comes_again).is_some_and(|before| {
        let long = before.saturating_mul(LONGER).max(SETTLED);
        view.older(&running["startedAt"], long)
    });
    if symptom.restarts > 1 && !is_alone && !has_settled {
        return None;
    }
    let ended = match symptom.id {
        "oom-killed" => "was OOM-killed",
        "liveness-probe-kills" => "was killed by its liveness probe",
        "startup-probe-kills" => "was killed by its startup probe",
        "post-start-hook-failed" => "was killed as its postStart hook failed",
        "start-error" => "could not be started",
        "container-lost" => "was lost with its node",
        _ => "ended",
    };
    let often = match symptom.restarts {
        0 | 1 => " once".to_owned(),
        _ if is_alone => String::new(),
        many => format!(" {many} times, last"),
    };
    Some(format!(
        "{} {ended}{often} {}, with exit code {}, and has been ready since",
        text(&spec["name"]),
        view.ago(to),
        symptom.exit_code.unwrap_or_default(),
    ))
}

/// A pod that became ready again a moment ago, with what its readiness probe said before: a program
/// that takes this long to start is told, too.
pub(super) fn unready(view: &View<'_>, pod: &Value) -> Option<(Symptom, String)> {
    let ready = condition(pod, "Ready").filter(|ready| ready["status"] == "True")?;
    let since = timestamp(&ready["lastTransitionTime"])?;
    let is_recent = |time: Timestamp| view.now.duration_since(time) <= RECENT;
    let had_started = array(&pod["status"]["containerStatuses"]).all(|status| {
        let started = timestamp(&status["state"]["running"]["startedAt"]);
        started.is_none_or(|started| since.duration_since(started) >= STARTED)
    });
    if !is_live(pod) || !had_started || !is_recent(since) {
        return None;
    }
    let failed = view.last_event(pod, |event| {
        event.reason == "Unhealthy" && event.message.starts_with("Readiness probe")
    })?;
    let said = said_by_probe(failed.message);
    let words = format!("{} was not ready until {}: {said}", name(pod), view.ago(since));
    let hint = "find out what its readiness probe waits for: the Service was without this pod";
    let symptom = Symptom::of_pod("readiness-failing", failed.reason, said, hint);
    is_recent(failed.at).then_some((symptom, words))
}

/// A pod that has ended as a whole and of which another has taken the place: but an eviction or a
/// refusal a moment ago may come again.
fn of_replaced(view: &View<'_>, pod: &Value, workload: &Object, symptom: &Symptom) -> Tense {
    // a pod that a node refuses for a reason of its own is made and refused again
    let may_return = |symptom: &Symptom| match symptom.id {
        "evicted" | "node-refused" => true,
        "pod-failed" => symptom.reason != "Failed",
        _ => false,
    };
    let is_recent =
        |pod: &Value| ended(pod, view).is_some_and(|at| view.now.duration_since(at) <= RECENT);
    if !is_recent(pod) || !may_return(symptom) {
        return Tense::Over;
    }
    let gone = view.pods_of(workload).filter(|other| {
        is_finished(other) && is_recent(other) && view.symptoms(other).iter().any(may_return)
    });
    let mut live = view.pods_of(workload).filter(|other| is_live(other)).peekable();
    let successor = view.pods_of(workload).find(|other| is_live(other) && made(other) > made(pod));
    let all_ready = live.peek().is_some() && live.all(is_ready);
    let (Some(successor), true, 1) = (successor, all_ready, gone.count()) else {
        return Tense::Present;
    };
    let when = ended(pod, view).map(|at| format!(" {}", view.ago(at))).unwrap_or_default();
    Tense::Recovered(format!(
        "{} was {} once{when}, and {} is ready in its place: {}",
        name(pod),
        if symptom.id == "evicted" { "evicted" } else { "rejected by its node" },
        name(successor),
        point(&symptom.message),
    ))
}

/// A Job tries again, as often as its backoffLimit allows: the attempt that runs now counts, or the
/// one that has succeeded (pkg/controller/job/job_controller.go).
fn of_attempt(view: &View<'_>, pod: &Value, job: &Object) -> Tense {
    let index = |pod: &'_ Value| pod["metadata"]["annotations"][INDEX].clone();
    let of_same = |other: &&Value| index(other) == index(pod);
    let end = last_end(pod).or_else(|| made(pod));
    let later: Vec<&Value> = view
        .pods_of(job)
        .filter(of_same)
        .filter(|other| made(other) >= end && *other != pod)
        .collect();
    if later.iter().any(|other| other["status"]["phase"] == "Succeeded") {
        return Tense::Over;
    }
    let runs = |other: &&&Value| {
        is_live(other) && other["status"]["phase"] == "Running" && view.symptoms(other).is_empty()
    };
    let Some(next) = later.iter().find(runs) else { return Tense::Present };
    let failed = view.pods_of(job).filter(of_same).filter(|pod| pod["status"]["phase"] == "Failed");
    let counted = match index(pod) {
        Value::Null => view.get("Job", &job.name).map_or(0, |job| count(&job["status"]["failed"])),
        _ => 0,
    };
    let failed = i64::try_from(failed.count()).unwrap_or(i64::MAX).max(counted);
    let is_recent = ended(pod, view).is_some_and(|at| view.now.duration_since(at) <= RECENT);
    if failed <= 1 || !is_recent {
        return Tense::Over;
    }
    Tense::Recovered(format!("{failed} attempts have failed, and {} runs now", name(next)))
}

fn made(pod: &Value) -> Option<Timestamp> {
    timestamp(&pod["metadata"]["creationTimestamp"])
}

/// When the last of its containers has ended.
fn last_end(pod: &Value) -> Option<Timestamp> {
    array(&pod["status"]["containerStatuses"])
        .filter_map(|status| timestamp(&status["state"]["terminated"]["finishedAt"]))
        .max()
}

/// When a pod has ended.
fn ended(pod: &Value, view: &View<'_>) -> Option<Timestamp> {
    let target = condition(pod, "DisruptionTarget");
    let of_target = target.and_then(|target| timestamp(&target["lastTransitionTime"]));
    let event = view.last_event(pod, |event| event.warning).map(|event| event.at);
    let known = last_end(pod).into_iter().chain(of_target).chain(event).max();
    // a pod that its node refuses ends as it starts
    known.or_else(|| timestamp(&pod["status"]["startTime"]))
}

/// What is over, unless the same is wrong with the workload now.
pub(super) fn find<'a>(
    over: impl IntoIterator<Item = (&'a Value, Symptom, String)>,
    view: &View<'_>,
    present: &[Cause],
) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for (pod, symptom, words) in over {
        let workload = view.workload(pod);
        let same = |cause: &Cause| cause.object == workload && cause.container == symptom.container;
        if present.iter().any(same) {
            continue;
        }
        if let Some(cause) = found.iter_mut().find(|cause| same(cause)) {
            cause.pods.push(name(pod).to_owned());
            continue;
        }
        let logged = symptom
            .container
            .as_deref()
            .and_then(|container| view.snapshot.last_words(name(pod), container));
        let mut cause = Cause {
            container: symptom.container.clone(),
            ..Cause::new("recovered", workload, &symptom.reason, words)
        }
        .pods([pod])
        .seen([Evidence::new(format!("pod/{}", name(pod)), symptom.message.clone())])
        .hint(format!("if it happens again: {}", symptom.hint));
        if let Some(log) = logged {
            cause = super::logs::with_log(cause, pod, log, symptom.last_words.is_empty());
        }
        found.push(cause);
    }
    found
}
