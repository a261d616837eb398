//! CronJobs. Those whose schedule a scenario carries out start Jobs, and remove old ones; the others
//! of a world have run whenever they were due, without a Job that is still there.
//!
//! After `pkg/controller/cronjob/` of kube-controller-manager (`syncCronJob`, `cleanupFinishedJobs`).
//! What was due before the world began is not caught up with.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube_diagnosis::schedule::Schedule;
use serde_json::{Value, json};

use super::Moment;
use super::events;
use super::job::finished;
use super::pods::{deleting, owned, owner_reference};
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "cronjob-controller";

/// What becomes of the CronJobs, by namespace and name.
#[derive(Debug, Clone)]
pub(crate) struct Scheduled {
    /// Their schedule is carried out.
    pub(crate) names: Vec<(String, String)>,
    /// Since when.
    pub(crate) since: Timestamp,
    /// They run unseen: only their status tells.
    pub(crate) unseen: Vec<(String, String)>,
}

impl Scheduled {
    /// The CronJobs of which a world says nothing, apart from those whose schedule is carried out.
    pub(crate) fn unseen(store: &Store, names: &[(String, String)]) -> Vec<(String, String)> {
        let says_nothing = |cronjob: &&Arc<Value>| {
            cronjob["status"]["lastScheduleTime"].is_null()
                && owned(store, "jobs", cronjob).is_empty()
        };
        let name = |cronjob: &Arc<Value>| {
            (object::namespace(cronjob).to_owned(), object::name(cronjob).to_owned())
        };
        let all = store.list("cronjobs", None).filter(says_nothing).map(name);
        all.filter(|name| !names.contains(name)).collect()
    }
}

/// Starts the Jobs that are due.
pub(crate) fn cron_schedules(store: &mut Store, scheduled: &Scheduled, moment: &Moment) {
    for (namespace, name) in &scheduled.names {
        let Some(cronjob) = store.get("cronjobs", namespace, name).cloned() else { continue };
        if !deleting(&cronjob) {
            clean_up(store, &cronjob);
            sync(store, &cronjob, scheduled.since, moment);
        }
    }
    for (namespace, name) in &scheduled.unseen {
        if let Some(cronjob) = store.get("cronjobs", namespace, name).cloned() {
            has_run(store, &cronjob, moment);
        }
    }
}

/// Writes when a CronJob that runs unseen has last done so.
fn has_run(store: &mut Store, cronjob: &Value, moment: &Moment) {
    let Some((schedule, zone)) = timetable(cronjob) else { return };
    let last = object::timestamp(&cronjob["status"]["lastScheduleTime"]);
    let made = object::timestamp(&cronjob["metadata"]["creationTimestamp"]);
    let Some(earliest) = last.max(made) else { return };
    let Some(due) = last_due(&schedule, &zone, earliest, moment) else { return };
    let mut cronjob = cronjob.clone();
    for field in ["lastScheduleTime", "lastSuccessfulTime"] {
        cronjob["status"][field] = json!(object::time(due));
    }
    store.put(cronjob, moment.now);
}

/// When a CronJob is due; none if its controller starts nothing.
fn timetable(cronjob: &Value) -> Option<(Schedule, TimeZone)> {
    let spec = &cronjob["spec"];
    let schedule = Schedule::parse(spec["schedule"].as_str().unwrap_or_default()).ok()?;
    let zone = spec["timeZone"].as_str().map_or(Ok(TimeZone::UTC), TimeZone::get).ok()?;
    (spec["suspend"] != true).then_some((schedule, zone))
}

/// The last time since then at which it was due. Notes the next.
fn last_due(
    schedule: &Schedule,
    zone: &TimeZone,
    since: Timestamp,
    moment: &Moment,
) -> Option<Timestamp> {
    let times = schedule.times_after(since, zone);
    let mut next = None;
    let due =
        times.inspect(|time| next = Some(*time)).take_while(|time| *time <= moment.now).last();
    if let Some(next) = next {
        moment.notes(next);
    }
    due
}

/// Removes the oldest finished Jobs beyond the limits of the history.
fn clean_up(store: &mut Store, cronjob: &Value) {
    let jobs = owned(store, "jobs", cronjob);
    for (kind, limit, default) in
        [("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)]
    {
        let limit = cronjob["spec"][limit].as_u64().unwrap_or(default);
        let mut over: Vec<&Arc<Value>> = jobs
            .iter()
            .filter(|job| {
                super::pods::condition(job, kind).is_some_and(|found| found["status"] == "True")
            })
            .collect();
        over.sort_by_key(|job| object::timestamp(&job["status"]["startTime"]));
        let excess = over.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for job in &over[..excess] {
            store.delete("jobs", object::namespace(job), object::name(job));
        }
    }
}

fn sync(store: &mut Store, cronjob: &Value, since: Timestamp, moment: &Moment) {
    let (spec, now) = (&cronjob["spec"], moment.now);
    let Some((schedule, zone)) = timetable(cronjob) else { return };
    let last = object::timestamp(&cronjob["status"]["lastScheduleTime"]);
    let made = object::timestamp(&cronjob["metadata"]["creationTimestamp"]);
    let earliest = last.max(made).max(Some(since)).unwrap_or(since);
    let Some(due) = last_due(&schedule, &zone, earliest, moment) else { return };
    let deadline = spec["startingDeadlineSeconds"].as_i64().map(SignedDuration::from_secs);
    if deadline.is_some_and(|deadline| now.duration_since(due) > deadline) {
        return;
    }
    let active: Vec<Arc<Value>> =
        owned(store, "jobs", cronjob).into_iter().filter(|job| !finished(job)).collect();
    match spec["concurrencyPolicy"].as_str() {
        Some("Forbid") if !active.is_empty() => return,
        Some("Replace") => {
            for job in &active {
                store.delete("jobs", object::namespace(job), object::name(job));
            }
        }
        _ => {}
    }
    start(store, cronjob, due, now);
}

/// A Job of the template, and that it was started.
fn start(store: &mut Store, cronjob: &Value, due: Timestamp, now: Timestamp) {
    let template = &cronjob["spec"]["jobTemplate"];
    // as `getJobName`: the minutes of its time
    let name = format!("{}-{}", object::name(cronjob), due.as_second() / 60);
    let mut annotations =
        template["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let time = json!(object::time(due));
    annotations.insert("batch.kubernetes.io/cronjob-scheduled-timestamp".to_owned(), time);
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name,
        "namespace": object::namespace(cronjob), "labels": template["metadata"]["labels"],
        "annotations": annotations, "ownerReferences": [owner_reference(cronjob)]},
        "spec": template["spec"]});
    super::complete(&mut job, store);
    store.put(job, now);
    let message = format!("Created job {name}");
    events::record(store, cronjob, COMPONENT, "SuccessfulCreate", &message, now);
    let mut cronjob = cronjob.clone();
    cronjob["status"]["lastScheduleTime"] = json!(object::time(due));
    store.put(cronjob, now);
}
