//! CronJobs that do not run.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name, text};
use crate::view::{View, listed, said};
use serde_json::Value;

const CRONJOB: &[&str] = &["CronJob"];

pub(super) const KINDS: &[Kind] = &[
    Kind("cronjob-suspended", "is suspended", CRONJOB),
    Kind("missed-schedule", "has missed its schedule", &["CronJob", "Event"]),
    Kind("overlap-forbidden", "does not start while its last Job runs", &["CronJob", "Event"]),
];

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let all = view.of("CronJob").iter();
    all.filter_map(|cronjob| {
        suspended(cronjob).or_else(|| overlapping(view, cronjob)).or_else(|| missed(view, cronjob))
    })
    .collect()
}

fn suspended(cronjob: &Value) -> Option<Cause> {
    if cronjob["spec"]["suspend"] != true {
        return None;
    }
    let object = Object::of(cronjob);
    let last = cronjob["status"]["lastScheduleTime"].as_str();
    let detail = format!(
        "schedule {}, {}",
        text(&cronjob["spec"]["schedule"]),
        last.map_or("never run".to_owned(), |last| format!("last run {last}"))
    );
    let hint = format!(
        "unsuspend it when it is wanted: kubectl patch -n {} {object} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
        object.namespace
    );
    Some(
        Cause::new("cronjob-suspended", object.clone(), "Suspended", detail)
            .seen([Evidence::new(object.to_string(), "spec.suspend is true")])
            .hint(hint),
    )
}

/// Its policy forbids a second Job beside the first, which still runs.
fn overlapping(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    if cronjob["spec"]["concurrencyPolicy"] != "Forbid" {
        return None;
    }
    let active: Vec<&str> =
        array(&cronjob["status"]["active"]).map(|job| text(&job["name"])).collect();
    let refused = view.last_event(cronjob, |event| event.reason == "JobAlreadyActive")?;
    if active.is_empty() {
        return None;
    }
    let detail = format!("{} still runs", listed(&active));
    Some(
        Cause::new("overlap-forbidden", Object::of(cronjob), refused.reason, detail)
            .seen([said(cronjob, &refused)])
            .hint("find out why that Job takes so long; its schedule may be too dense"),
    )
}

/// What its controller says of a run that it did not start.
fn missed(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    let words =
        ["MissSchedule", "FailedNeedsStart", "TooManyMissedTimes", "UnparseableCronJobSchedule"];
    let event = view.last_event(cronjob, |event| words.contains(&event.reason))?;
    let later = view.last_event(cronjob, |event| event.reason == "SuccessfulCreate");
    if later.is_some_and(|later| later.at > event.at) {
        return None;
    }
    let hint = format!(
        "check startingDeadlineSeconds and the schedule; run it now: kubectl create job -n {} {}-manual --from=cronjob/{}",
        text(&cronjob["metadata"]["namespace"]),
        name(cronjob),
        name(cronjob)
    );
    Some(
        Cause::new("missed-schedule", Object::of(cronjob), event.reason, event.message)
            .seen([said(cronjob, &event)])
            .hint(hint),
    )
}
