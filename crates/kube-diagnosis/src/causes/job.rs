//! Jobs that failed or do not run.

use super::Kind;
use super::cronjob::by_hand;
use super::detail::detail as in_particular;
use super::logs::{UNREAD, has_new_run, remedy, unread};
use super::reason::{excerpt, reason};
use crate::cause::{Cause, Evidence, Object};
use crate::diagnosis::title;
use crate::object::{controller, count, is_deleting, name, namespace, stated, text, timestamp};
use crate::pod::restarts;
use crate::view::View;
use jiff::Timestamp;
use serde_json::Value;

pub(super) const KINDS: &[Kind] =
    &[Kind("job-failed", "failed", &["Job"]), Kind("suspended", "is suspended", &["Job"])];

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let jobs = view.of("Job").iter();
    jobs.filter_map(|job| failed(view, job).or_else(|| suspended(job))).collect()
}

/// The label of a Job that Kueue starts.
pub(super) const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// Ids of a program that has ended by itself.
const ENDS: &[&str] = &["app-exit", "exits-zero"];

/// The condition that ends a Job badly. `FailureTarget` comes first, while its pods are still being
/// ended (pkg/controller/job).
fn failure(job: &Value) -> Option<&Value> {
    ["Failed", "FailureTarget"].iter().find_map(|kind| stated(job, kind, "True"))
}

fn failed(view: &View<'_>, job: &Value) -> Option<Cause> {
    let failure = failure(job)?;
    if is_deleting(job) || is_past(view, job) {
        return None;
    }
    let last = view
        .owned("Pod", job)
        .filter_map(|pod| Some((pod, view.symptoms(pod).pop()?)))
        .max_by_key(|(pod, _)| timestamp(&pod["status"]["startTime"]));
    let again = again(job);
    let (mut detail, mut hint) = ending(job, failure, &again);
    let mut evidence = vec![Evidence::condition(job, failure)];
    let mut cause = Cause::new("job-failed", Object::of(job), text(&failure["reason"]), "");
    if let Some((pod, symptom)) = last {
        let own = in_particular(pod, &symptom);
        // that a program has ended is what the title says of a Job
        detail = match title(symptom.id).filter(|_| !ENDS.contains(&symptom.id)) {
            Some(title) => format!("{detail}; its last pod {title}: {own}"),
            None => format!("{detail}; last {own}"),
        };
        if !ENDS.contains(&symptom.id) && text(&failure["reason"]) == "BackoffLimitExceeded" {
            hint = format!("{}, and {again}", symptom.hint);
        }
        let source = format!("pod/{} ({} restarts)", name(pod), restarts(pod));
        evidence.push(Evidence::new(source, symptom.message.clone()));
        let words = symptom
            .container
            .as_deref()
            .and_then(|container| view.snapshot.last_words(name(pod), container));
        if let Some(remedy) = remedy(&symptom, words) {
            hint = format!("{remedy}; then {again}");
        }
        if let Some(words) = words {
            detail = format!("{detail}: {}", reason(words).unwrap_or_default());
            evidence.push(Evidence::new(format!("log of pod/{}", name(pod)), excerpt(words)));
        }
        if let Some(unread) = unread(view, pod, symptom.container.as_deref()) {
            detail = format!("{detail}; {UNREAD}");
            evidence.push(unread);
        }
        cause = cause.pods([pod]);
        cause.container = symptom.container;
    }
    if let Some((cronjob, failures)) = failed_in_a_row(view, job) {
        // the CronJob keeps only so many Jobs
        detail = format!("{detail} (the last {failures} runs of cronjob/{cronjob} that are kept)");
    }
    Some(Cause { detail, ..cause }.seen(evidence).hint(hint))
}

/// The containers in which Jobs have failed: pod, container, and whether it is the log of the run
/// before.
pub(super) fn wanted_logs(view: &View<'_>) -> Vec<(String, String, bool)> {
    let failed = view.of("Job").iter().filter_map(|job| failed(view, job));
    let wanted = failed.filter_map(|cause| {
        let (pod, container) = (cause.pods.first()?, cause.container?);
        let before = has_new_run(view.get("Pod", pod)?, &container);
        Some((pod.clone(), container, before))
    });
    wanted.collect()
}

/// How a Job ended, in words, and what to do.
fn ending(job: &Value, failure: &Value, again: &str) -> (String, String) {
    let (reason, message) = (text(&failure["reason"]), text(&failure["message"]));
    let (detail, hint) = match reason {
        "DeadlineExceeded" => (
            format!("{reason} after {} s", count(&job["spec"]["activeDeadlineSeconds"])),
            "find out what takes so long, or raise activeDeadlineSeconds",
        ),
        "BackoffLimitExceeded" => {
            let detail = match count(&job["status"]["failed"]) {
                1 => format!("{reason}, 1 attempt"),
                0 => reason.to_owned(),
                many => format!("{reason}, {many} attempts"),
            };
            let hint = format!("read the log of its last pod, fix the error, and {again}");
            return (detail, hint);
        }
        "PodFailurePolicy" => (
            format!("{reason}: {message}"),
            "its podFailurePolicy ends it at this exit code or condition: read the log of that pod",
        ),
        "FailedIndexes" | "MaxFailedIndexesExceeded" => (
            format!("{reason}: {}", text(&job["status"]["failedIndexes"])),
            "read the log of the pods of these indexes",
        ),
        "" => (message.to_owned(), "read the log of its last pod"),
        _ => (reason.to_owned(), "read the log of its last pod"),
    };
    (detail, hint.to_owned())
}

/// How to run a Job once more: one of a CronJob is made from that.
fn again(job: &Value) -> String {
    match controller(job).filter(|owner| owner["kind"] == "CronJob") {
        Some(owner) => {
            let cronjob = Object::named("CronJob", namespace(job), text(&owner["name"]));
            format!("run it again: {}", by_hand(&cronjob))
        }
        None => "create the Job again".to_owned(),
    }
}

/// The Jobs that one CronJob made, by its name.
fn siblings<'a>(view: &View<'a>, job: &Value) -> Option<(String, Vec<&'a Value>)> {
    let owner = controller(job).filter(|owner| owner["kind"] == "CronJob")?;
    let of_owner = |other: &&Value| {
        controller(other).is_some_and(|of| of["uid"] == owner["uid"] && of["name"] == owner["name"])
    };
    let all = view.of("Job").iter().filter(of_owner).collect();
    Some((text(&owner["name"]).to_owned(), all))
}

/// Of several Jobs of one CronJob that have the same cause only the latest is named: each run will.
pub(super) fn keep_latest(view: &View<'_>, found: &mut Vec<Cause>) {
    let run = |cause: &Cause| {
        let job = view.get("Job", &cause.object.name).filter(|_| cause.object.kind == "Job")?;
        let owner = controller(job).filter(|owner| owner["kind"] == "CronJob")?;
        Some(((text(&owner["name"]).to_owned(), cause.id), made(job)))
    };
    let runs: Vec<_> = found.iter().map(run).collect();
    let alike = |key: &(String, &str)| {
        let all = runs.iter().flatten().filter(|(other, _)| other == key);
        all.map(|(_, made)| *made).collect::<Vec<_>>()
    };
    let mut kept = Vec::new();
    for (mut cause, run) in std::mem::take(found).into_iter().zip(&runs) {
        if let Some((key, made)) = run {
            let all = alike(key);
            if all.iter().any(|other| other > made) {
                continue;
            }
            if all.len() > 1 {
                cause.detail =
                    format!("{} ({} Jobs of cronjob/{})", cause.detail, all.len(), key.0);
            }
        }
        kept.push(cause);
    }
    *found = kept;
}

fn made(job: &Value) -> Option<Timestamp> {
    timestamp(&job["metadata"]["creationTimestamp"])
}

/// Whether a later Job of the same CronJob has ended: well, so that this one is made good, or
/// badly, so that it is that one which is named.
fn is_past(view: &View<'_>, job: &Value) -> bool {
    let Some((cronjob, all)) = siblings(view, job) else { return false };
    let is_over =
        |other: &Value| stated(other, "Complete", "True").is_some() || failure(other).is_some();
    // a Job that ended well may be gone already
    let last = view.get("CronJob", &cronjob).map(|one| &one["status"]["lastSuccessfulTime"]);
    last.and_then(timestamp).is_some_and(|last| made(job).is_some_and(|made| last > made))
        || all.into_iter().any(|other| made(other) > made(job) && is_over(other))
}

/// How many of the last Jobs of a CronJob have failed, if it is more than this one.
fn failed_in_a_row(view: &View<'_>, job: &Value) -> Option<(String, usize)> {
    let (cronjob, mut all) = siblings(view, job)?;
    all.sort_by_key(|job| std::cmp::Reverse(made(job)));
    let over = all.into_iter().filter(|other| made(other) <= made(job));
    let failures = over.take_while(|job| failure(job).is_some()).count();
    (failures > 1).then_some((cronjob, failures))
}

fn suspended(job: &Value) -> Option<Cause> {
    let over = stated(job, "Complete", "True").is_some() || is_deleting(job);
    // a queue suspends a Job until it is its turn
    let queued = job["metadata"]["labels"][QUEUE].is_string();
    let (reason, detail, seen, undo) = match &job["spec"] {
        _ if over || queued => return None,
        spec if spec["suspend"] == true => {
            ("JobSuspended", "nothing runs", "spec.suspend is true", r#""suspend":false"#)
        }
        // "it is effectively paused" (batch/v1, JobSpec.parallelism)
        spec if spec["parallelism"] == 0 => (
            "NoParallelism",
            "its parallelism is 0: nothing runs",
            "spec.parallelism is 0",
            r#""parallelism":1"#,
        ),
        _ => return None,
    };
    let object = Object::of(job);
    let hint = format!(
        "to resume it: kubectl patch -n {} {object} --type merge -p '{{\"spec\":{{{undo}}}}}'",
        object.namespace
    );
    let seen = Evidence::new(object.to_string(), seen);
    Some(Cause::new("suspended", object, reason, detail).seen([seen]).hint(hint))
}
