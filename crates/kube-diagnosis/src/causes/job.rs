//! Jobs that failed or do not run.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{condition, controller, count, name, text, timestamp};
use crate::pod::restarts;
use crate::symptom::symptoms;
use crate::view::View;
use serde_json::Value;

pub(super) const KINDS: &[Kind] =
    &[Kind("job-failed", "failed", &["Job"]), Kind("suspended", "is suspended", &["Job"])];

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let jobs = view.of("Job").iter();
    jobs.filter_map(|job| failed(view, job).or_else(|| suspended(job))).collect()
}

/// The condition that ends a Job badly. `FailureTarget` comes first, while its pods are still being
/// ended (pkg/controller/job).
fn failure(job: &Value) -> Option<&Value> {
    ["Failed", "FailureTarget"]
        .iter()
        .find_map(|kind| condition(job, kind).filter(|condition| condition["status"] == "True"))
}

fn failed(view: &View<'_>, job: &Value) -> Option<Cause> {
    let failure = failure(job)?;
    if is_made_good(view, job) || job["metadata"]["deletionTimestamp"].is_string() {
        return None;
    }
    let last = view
        .owned("Pod", job)
        .filter_map(|pod| Some((pod, symptoms(pod, view.events(pod), view.now).pop()?)))
        .max_by_key(|(pod, _)| timestamp(&pod["status"]["startTime"]));
    let mut detail = text(&failure["reason"]).to_owned();
    if detail.is_empty() {
        text(&failure["message"]).clone_into(&mut detail);
    }
    let mut evidence = vec![Evidence::condition(job, failure)];
    let mut cause = Cause::new("job-failed", Object::of(job), text(&failure["reason"]), "");
    let hint = match text(&failure["reason"]) {
        "DeadlineExceeded" => {
            let limit = count(&job["spec"]["activeDeadlineSeconds"]);
            detail = format!("{detail} after {limit} s");
            "find out what takes so long, or raise activeDeadlineSeconds"
        }
        "BackoffLimitExceeded" => {
            let failures = count(&job["status"]["failed"]);
            detail = match failures {
                1 => format!("{detail}, 1 attempt"),
                0 => detail,
                many => format!("{detail}, {many} attempts"),
            };
            "read the log of its last pod, mend what it says, and create the Job again"
        }
        _ => "read the log of its last pod",
    };
    if let Some((pod, symptom)) = last {
        detail = format!("{detail}; last {}", symptom.brief());
        let source = format!("pod/{} ({} restarts)", name(pod), restarts(pod));
        evidence.push(Evidence::new(source, symptom.message.clone()));
        let words = symptom
            .container
            .as_deref()
            .and_then(|container| view.snapshot.last_words(name(pod), container));
        if let Some(words) = words {
            let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
            detail = format!("{detail}: {}", last.unwrap_or_default());
            evidence.push(Evidence::new(format!("log of pod/{}", name(pod)), words));
        }
        cause = cause.pods([pod]);
        cause.container = symptom.container;
    }
    Some(Cause { detail, ..cause }.seen(evidence).hint(hint))
}

/// Whether a later Job of the same CronJob has completed.
fn is_made_good(view: &View<'_>, job: &Value) -> bool {
    let Some(owner) = controller(job) else { return false };
    let made = |job: &Value| timestamp(&job["metadata"]["creationTimestamp"]);
    view.of("Job").iter().any(|other| {
        controller(other).is_some_and(|of| of["uid"] == owner["uid"])
            && made(other) > made(job)
            && condition(other, "Complete").is_some_and(|complete| complete["status"] == "True")
    })
}

fn suspended(job: &Value) -> Option<Cause> {
    let over = condition(job, "Complete").is_some_and(|complete| complete["status"] == "True");
    if job["spec"]["suspend"] != true || over {
        return None;
    }
    let object = Object::of(job);
    let hint = format!(
        "unsuspend it: kubectl patch -n {} {object} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
        object.namespace
    );
    Some(
        Cause::new("suspended", object, "JobSuspended", "nothing runs")
            .seen([Evidence::new(Object::of(job).to_string(), "spec.suspend is true")])
            .hint(hint),
    )
}
