//! Pods that take long to terminate, and the ones that are made in their place only then.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{count, is_deleting, seconds, stated, text, timestamp};
use crate::view::{View, names};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) const KINDS: &[Kind] = &[Kind(
    "pods-terminating",
    "waits for pods that take a long time to terminate",
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"],
)];

const HINT: &str =
    "check preStop and terminationGracePeriodSeconds of the pods: new ones wait for them";

/// When a pod was asked to go: its deletion time contains its grace period.
pub(super) fn left_since(pod: &Value) -> Option<Timestamp> {
    let metadata = &pod["metadata"];
    let grace = seconds(&metadata["deletionGracePeriodSeconds"]).unwrap_or_default();
    timestamp(&metadata["deletionTimestamp"])?.checked_sub(grace).ok()
}

/// That a workload has too few pods, in these words, as some of it terminate.
pub(super) fn cause(view: &View<'_>, workload: &Value, lacks: &str) -> Option<Cause> {
    let object = Object::of(workload);
    let pods: Vec<&Value> = view.pods_of(&object).filter(|pod| is_deleting(pod)).collect();
    let last = pods.iter().max_by_key(|pod| timestamp(&pod["metadata"]["deletionTimestamp"]))?;
    let until = text(&last["metadata"]["deletionTimestamp"]);
    let detail =
        format!("{lacks}, and {} may take until {until} to terminate", names(pods.iter().copied()));
    let seen = Evidence::new(format!("{object}: status"), detail.clone());
    Some(
        Cause::new("pods-terminating", object, "Terminating", detail)
            .seen([seen])
            .hint(HINT)
            .pods(pods),
    )
}

/// A Job that makes no pod before the ones that go have ended (batch/v1, podReplacementPolicy
/// Failed), and of which none runs.
pub(super) fn of_jobs(view: &View<'_>, so_far: &[Cause], long: SignedDuration) -> Vec<Cause> {
    let waits = |job: &&Value| {
        let status = &job["status"];
        let is_over = ["Complete", "Failed", "SuccessCriteriaMet", "FailureTarget", "Suspended"]
            .iter()
            .any(|kind| stated(job, kind, "True").is_some());
        let object = Object::of(job);
        let is_told = so_far.iter().any(|cause| cause.object == object);
        let mut pods = view.pods_of(&object).filter(|pod| is_deleting(pod)).peekable();
        let late = |pod: &Value| {
            left_since(pod).is_some_and(|since| view.now.duration_since(since) > long)
        };
        count(&status["active"]) == 0
            && count(&status["terminating"]) > 0
            && !(is_over || is_told || is_deleting(job))
            && pods.peek().is_some()
            && pods.all(late)
    };
    let jobs = view.of("Job").iter().filter(waits);
    jobs.filter_map(|job| cause(view, job, "none of its pods is running")).collect()
}
