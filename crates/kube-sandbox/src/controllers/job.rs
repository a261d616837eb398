//! Jobs: pods that run until enough of them have succeeded.
//!
//! After `pkg/controller/job/job_controller.go` and `pkg/controller/ttlafterfinished/` of
//! kube-controller-manager. A failed pod is replaced at once: the back-off delay is not
//! simulated. As since Kubernetes 1.31, a Job first announces its result (`SuccessCriteriaMet`,
//! `FailureTarget`); once all its pods have ended, it is finished (`Complete`, `Failed`) and its
//! last pods are counted. The list of the active Jobs of a CronJob
//! follows `pkg/controller/cronjob/`; its schedule is in `cronjob.rs`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use super::events;
use super::pods::{
    Names, active, all, condition, create, deleting, ended, from_template, is_ready, owned,
    refused, set_condition, terminate,
};
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "job-controller";

/// Why a Job is over.
#[derive(Clone, Copy)]
struct Outcome {
    kind: &'static str,
    /// The condition that comes before it.
    before: &'static str,
    reason: &'static str,
    message: &'static str,
}

const COMPLETE: Outcome = Outcome {
    kind: "Complete",
    before: "SuccessCriteriaMet",
    reason: "CompletionsReached",
    message: "Reached expected number of succeeded pods",
};
const TOO_OFTEN: Outcome = Outcome {
    kind: "Failed",
    before: "FailureTarget",
    reason: "BackoffLimitExceeded",
    message: "Job has reached the specified backoff limit",
};
const TOO_LONG: Outcome = Outcome {
    kind: "Failed",
    before: "FailureTarget",
    reason: "DeadlineExceeded",
    message: "Job was active longer than specified deadline",
};

/// Brings every Job one step on.
pub(crate) fn jobs(store: &mut Store, names: &mut Names, moment: &Moment) {
    for job in all(store, "jobs") {
        if deleting(&job) {
            continue;
        }
        if finished(&job) {
            expire(store, &job, moment);
        } else {
            sync(store, names, &job, moment);
        }
    }
}

pub(super) fn finished(job: &Value) -> bool {
    ["Complete", "Failed"]
        .iter()
        .any(|kind| condition(job, kind).is_some_and(|condition| condition["status"] == "True"))
}

/// Removes a Job that has been over for long enough.
fn expire(store: &mut Store, job: &Value, moment: &Moment) {
    let over = object::list(&job["status"]["conditions"])
        .iter()
        .filter(|condition| condition["type"] == "Complete" || condition["type"] == "Failed");
    let since =
        over.filter_map(|condition| object::timestamp(&condition["lastTransitionTime"])).next();
    let ttl = job["spec"]["ttlSecondsAfterFinished"].as_i64();
    if let (Some(since), Some(ttl)) = (since, ttl)
        && moment.passed(since, SignedDuration::from_secs(ttl))
    {
        store.delete("jobs", object::namespace(job), object::name(job));
    }
}

/// The labels by which a Job knows its pods: the API server's part, for Jobs that come without.
pub(crate) fn with_selector(job: &Value) -> Value {
    let mut job = job.clone();
    if job["spec"]["selector"].is_object() {
        return job;
    }
    let uid = job["metadata"]["uid"].clone();
    job["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    let name = job["metadata"]["name"].clone();
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        job["spec"]["template"]["metadata"]["labels"][key] = value.clone();
    }
    job
}

fn sync(store: &mut Store, names: &mut Names, before: &Value, moment: &Moment) {
    let now = moment.now;
    let mut job = with_selector(before);
    if job["status"]["startTime"].is_null() && job["spec"]["suspend"] != true {
        job["status"]["startTime"] = json!(object::time(now));
    }
    let pods = owned(store, "pods", &job);
    let running: Vec<Arc<Value>> = pods.iter().filter(|pod| active(pod)).cloned().collect();
    let decided = [COMPLETE, TOO_OFTEN, TOO_LONG]
        .into_iter()
        .find(|outcome| is(&job, outcome.before, outcome.reason));
    let outcome = decided.or_else(|| outcome(&job, &pods, moment));
    let wanted = if outcome.is_some() { 0 } else { pods_wanted(&job["spec"], &pods) };
    for pod in running.iter().skip(wanted) {
        terminate(store, pod, now);
        let message = format!("Deleted pod: {}", object::name(pod));
        events::record(store, &job, COMPONENT, "SuccessfulDelete", &message, now);
    }
    for _ in running.len()..wanted {
        create_pod(store, names, &job, now);
    }
    let over = decided.is_some() && pods.iter().all(|pod| ended(pod) && !deleting(pod));
    let counts = match outcome {
        Some(_) if !over => Counts::kept(&job["status"], &pods),
        _ => Counts::of(&job["status"], &pods),
    };
    // the pods that a Job ends because it has failed have failed
    let ended_now = match outcome {
        Some(outcome) if outcome.kind == "Failed" => running.len(),
        _ => 0,
    };
    let status = &mut job["status"];
    write_count(status, "active", wanted);
    write_count(status, "succeeded", counts.succeeded);
    write_count(status, "failed", counts.failed + ended_now);
    status["ready"] = json!(running.iter().take(wanted).filter(|pod| is_ready(pod)).count());
    status["terminating"] = json!(pods.iter().filter(|pod| deleting(pod)).count());
    status["uncountedTerminatedPods"] = counts.uncounted;
    if let Some(outcome) = outcome {
        conclude(store, &mut job, outcome, over, now);
    }
    store.put(job, now);
}

fn count_of(value: &Value, default: usize) -> usize {
    value.as_i64().and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
}

fn in_phase(pods: &[Arc<Value>], phase: &str) -> usize {
    pods.iter().filter(|pod| pod["status"]["phase"] == phase).count()
}

/// What a Job comes to by its pods and its time, if anything yet.
fn outcome(job: &Value, pods: &[Arc<Value>], moment: &Moment) -> Option<Outcome> {
    let spec = &job["spec"];
    let deadline =
        spec["activeDeadlineSeconds"].as_i64().zip(object::timestamp(&job["status"]["startTime"]));
    let late = deadline
        .is_some_and(|(seconds, start)| moment.passed(start, SignedDuration::from_secs(seconds)));
    if in_phase(pods, "Succeeded") >= count_of(&spec["completions"], 1) {
        Some(COMPLETE)
    } else if in_phase(pods, "Failed") > count_of(&spec["backoffLimit"], 6) {
        Some(TOO_OFTEN)
    } else if late && spec["suspend"] != true {
        Some(TOO_LONG)
    } else {
        None
    }
}

/// How many pods of a Job that goes on are to run at once.
fn pods_wanted(spec: &Value, pods: &[Arc<Value>]) -> usize {
    if spec["suspend"] == true {
        return 0;
    }
    let missing = count_of(&spec["completions"], 1).saturating_sub(in_phase(pods, "Succeeded"));
    count_of(&spec["parallelism"], 1).min(missing)
}

fn create_pod(store: &mut Store, names: &mut Names, job: &Value, now: Timestamp) {
    let name = names.next(store, object::namespace(job), object::name(job));
    let pod = from_template(job, &job["spec"]["template"], &name, Some(object::name(job)));
    if let Err(refusal) = create(store, pod, now) {
        names.take_back(object::namespace(job), object::name(job));
        return refused(
            store,
            job,
            COMPONENT,
            &format!("Error creating: {}", refusal.message()),
            now,
        );
    }
    let message = format!("Created pod: {name}");
    events::record(store, job, COMPONENT, "SuccessfulCreate", &message, now);
}

/// The pods that have ended, as the status of a Job counts them.
struct Counts {
    succeeded: usize,
    failed: usize,
    /// The uids of those that are counted later, by outcome.
    uncounted: Value,
}

impl Counts {
    fn of(status: &Value, pods: &[Arc<Value>]) -> Self {
        Self {
            succeeded: in_phase(pods, "Succeeded"),
            // pods that were ended with the Job are gone, and count
            failed: in_phase(pods, "Failed").max(count_of(&status["failed"], 0)),
            uncounted: json!({}),
        }
    }

    /// What the status says already: the last pods are counted with the end, not before.
    fn kept(status: &Value, pods: &[Arc<Value>]) -> Self {
        let (succeeded, failed) =
            (count_of(&status["succeeded"], 0), count_of(&status["failed"], 0));
        let mut uncounted = json!({});
        for (field, phase, counted) in
            [("succeeded", "Succeeded", succeeded), ("failed", "Failed", failed)]
        {
            let ended = pods.iter().filter(|pod| pod["status"]["phase"] == phase);
            let uids: Vec<&Value> =
                ended.skip(counted).map(|pod| &pod["metadata"]["uid"]).collect();
            if !uids.is_empty() {
                uncounted[field] = json!(uids);
            }
        }
        Self { succeeded, failed, uncounted }
    }
}

/// A count of zero is left out.
fn write_count(status: &mut Value, field: &str, count: usize) {
    match status.as_object_mut() {
        Some(fields) if count == 0 => drop(fields.shift_remove(field)),
        _ => status[field] = json!(count),
    }
}

/// Says what a Job comes to, and that it has, once it is over.
fn conclude(store: &mut Store, job: &mut Value, outcome: Outcome, over: bool, now: Timestamp) {
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True",
        "lastProbeTime": object::time(now), "reason": outcome.reason, "message": outcome.message})
    };
    if !over {
        // said once
        if !is(job, outcome.before, outcome.reason) {
            set_condition(&mut job["status"], condition(outcome.before), now);
        }
        return;
    }
    set_condition(&mut job["status"], condition(outcome.kind), now);
    if outcome.kind == "Complete" {
        job["status"]["completionTime"] = json!(object::time(now));
        events::record(store, job, COMPONENT, "Completed", "Job completed", now);
    } else {
        events::warn(store, job, COMPONENT, outcome.reason, outcome.message, now);
    }
}

/// Whether a condition is true for this reason.
fn is(job: &Value, kind: &str, reason: &str) -> bool {
    condition(job, kind)
        .is_some_and(|condition| condition["status"] == "True" && condition["reason"] == reason)
}

/// The list of active Jobs of every CronJob, and when one last succeeded.
pub(crate) fn cron_jobs(store: &mut Store, now: Timestamp) {
    for cron in all(store, "cronjobs") {
        let jobs = owned(store, "jobs", &cron);
        let active: Vec<Value> = jobs
            .iter()
            .filter(|job| !finished(job))
            .map(|job| {
                json!({"apiVersion": "batch/v1", "kind": "Job",
                "namespace": job["metadata"]["namespace"], "name": job["metadata"]["name"],
                "uid": job["metadata"]["uid"],
                "resourceVersion": job["metadata"]["resourceVersion"]})
            })
            .collect();
        let succeeded =
            jobs.iter().filter_map(|job| job["status"]["completionTime"].as_str()).max();
        let mut after = (*cron).clone();
        if let Some(fields) = after["status"].as_object_mut() {
            fields.shift_remove("active");
        }
        if !active.is_empty() {
            after["status"]["active"] = json!(active);
        }
        if let Some(time) = succeeded {
            after["status"]["lastSuccessfulTime"] = json!(time);
        }
        store.put(after, now);
    }
}
