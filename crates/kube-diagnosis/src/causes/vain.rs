//! A CronJob that runs again and again without success, and whose Jobs are gone: as
//! failedJobsHistoryLimit or ttlSecondsAfterFinished says, or as each run replaces the one before.

use super::cronjob::{COUNTED, by_hand, changed, zone};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, is_numbered, name, stated, text, timestamp};
use crate::schedule::Schedule;
use crate::symptom::{ObjectEvent, read_all};
use crate::view::{View, listed};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many runs must have ended without success that are reported one by one.
const REPORTED: usize = 2;
/// How many must have been due where nothing reports them.
const DUE: usize = 3;
/// How long the API server keeps events by default: what was due before that is reported no more.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn in_vain(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    if !view.has_read(&["Job"]) {
        return None;
    }
    let success = timestamp(&cronjob["status"]["lastSuccessfulTime"]);
    let is_complete = |job: &Value| stated(job, "Complete", "True").is_some();
    // a controller before Kubernetes 1.21 does not write when a Job has succeeded
    if success.is_none() && view.owned("Job", cronjob).any(is_complete) {
        return None;
    }
    let since = success.or_else(|| timestamp(&cronjob["metadata"]["creationTimestamp"]))?;
    let object = Object::of(cronjob);
    let said = match success {
        Some(time) => format!("the last success was at {time}"),
        None => "none has succeeded so far".to_owned(),
    };
    let mut seen = vec![Evidence::new(format!("{object}: status.lastSuccessfulTime"), &said)];
    let jobs = ended(view, cronjob, since);
    let detail = if jobs.len() >= REPORTED {
        let names: Vec<&str> = jobs.keys().copied().collect();
        let which = listed(&names);
        seen.extend(jobs.into_values().last());
        format!("{} runs have ended without it ({which}); {said}", names.len())
    } else {
        let (runs, last) = due(view, cronjob, since)?;
        format!("{runs} runs until {last}; {said}")
    };
    let hint = format!("run it now and read its log: {}", by_hand(&object));
    Some(Cause::new("runs-without-success", object, "", detail).seen(seen).hint(hint))
}

/// The Jobs of a CronJob that have ended since its last success, with what says so: each was reported
/// as failed, or was made since then and removed by its CronJob, which replaces it.
fn ended<'a>(view: &View<'a>, cronjob: &Value, since: Timestamp) -> BTreeMap<&'a str, Evidence> {
    let own = name(cronjob);
    // the controller names them by the time of the run, and people by something else
    let is_own = |job: &str| is_numbered(job, own);
    let all = read_all(view.of("Event")).into_iter().filter(|event| event.at > since);
    let events: Vec<ObjectEvent<'a>> = all
        .filter(|event| match text(&event.about["kind"]) {
            "CronJob" => event.about["name"] == own,
            "Job" => is_own(text(&event.about["name"])),
            _ => false,
        })
        .collect();
    let is_made = |job: &str| {
        events.iter().any(|event| {
            event.reason == "SuccessfulCreate" && after(event.message, "Created job ") == Some(job)
        })
    };
    let mut found = BTreeMap::new();
    for event in &events {
        let job = failed(event)
            .or_else(|| after(event.message, "Deleted job ").filter(|job| is_made(job)));
        if let Some(job) = job.filter(|job| is_own(job)) {
            let (kind, about) = (text(&event.about["kind"]), text(&event.about["name"]));
            let source = format!("event {} of {}/{about}", event.reason, kind.to_lowercase());
            found.entry(job).or_insert_with(|| Evidence::new(source, event.message));
        }
    }
    found
}

/// The Job that an event reports as failed. Its CronJob says `Saw completed job: NAME, condition:
/// Failed`, and `status: Failed` before (pkg/controller/cronjob); that of Jobs says why it failed at
/// the Job itself (pkg/controller/job), whether or not that is there.
fn failed<'a>(event: &ObjectEvent<'a>) -> Option<&'a str> {
    match event.reason {
        "SawCompletedJob" => {
            let (job, how) = after(event.message, "Saw completed job: ")?.split_once(", ")?;
            how.ends_with(": Failed").then_some(job)
        }
        "BackoffLimitExceeded"
        | "DeadlineExceeded"
        | "PodFailurePolicy"
        | "FailedIndexes"
        | "MaxFailedIndexesExceeded"
            if event.about["kind"] == "Job" =>
        {
            Some(text(&event.about["name"]))
        }
        _ => None,
    }
}

/// What stands in a message after these words. Several alike are combined, and say so first.
fn after<'a>(message: &'a str, words: &str) -> Option<&'a str> {
    message.split_once(words).map(|(_, rest)| rest)
}

/// How many runs were due since the last success and have ended, and when the last was due, where
/// they are so long ago that nothing reports them any more. What was due is no run while it was
/// suspended or had another schedule, and need not be one where a run forbids the next.
fn due(view: &View<'_>, cronjob: &Value, since: Timestamp) -> Option<(usize, Timestamp)> {
    let (spec, status) = (&cronjob["spec"], &cronjob["status"]);
    let active = match text(&spec["concurrencyPolicy"]) {
        // the run that is active has ended another
        "Replace" => 0,
        "Forbid" if array(&status["active"]).next().is_some() => return None,
        _ => array(&status["active"]).count(),
    };
    let schedule = Schedule::parse(text(&spec["schedule"])).ok()?;
    let zone = zone(cronjob)?;
    let last = timestamp(&status["lastScheduleTime"])?;
    let since = changed(cronjob).into_iter().chain([since]).max()?;
    let due: Vec<Timestamp> =
        schedule.times_after(since, &zone).take_while(|time| *time <= last).take(COUNTED).collect();
    let over = due.len().saturating_sub(active);
    let first = due.get(due.len().checked_sub(DUE)?)?;
    (over >= DUE && view.now.duration_since(*first) > KEPT).then_some((over, last))
}
