//! CronJobs that do not run.

use super::Kind;
use super::job::QUEUE;
use super::vain;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, filled, is_deleting, text, timestamp};
use crate::schedule::Schedule;
use crate::view::{View, listed, said};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const CRONJOB: &[&str] = &["CronJob"];

pub(super) const KINDS: &[Kind] = &[
    Kind("cronjob-suspended", "is suspended", CRONJOB),
    Kind("jobs-not-created", "cannot create its Jobs", &["CronJob", "Event"]),
    Kind(
        "overlap-forbidden",
        "starts no run while its previous Job is running (concurrencyPolicy Forbid)",
        CRONJOB,
    ),
    Kind("missed-schedule", "has missed its schedule", CRONJOB),
    Kind("runs-without-success", "has run several times without success", &["CronJob", "Job"]),
    Kind("schedule-never-due", "has a schedule that matches no date", CRONJOB),
];

/// How late a run may be.
const LATE: SignedDuration = SignedDuration::from_mins(3);
/// How late it may seem to be where the time zone is not known: that of the controller counts,
/// which need not be UTC.
const ELSEWHERE: SignedDuration = SignedDuration::from_hours(15);
/// The most runs that are counted.
pub(super) const COUNTED: usize = 100;

pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let mut found = Vec::new();
    for cronjob in view.of("CronJob").iter().filter(|one| !is_deleting(one)) {
        if let Some(suspended) = suspended(cronjob).or_else(|| of_template(view, cronjob)) {
            found.push(suspended);
            continue;
        }
        if let Some(never) = never(view, cronjob) {
            found.push(never);
            continue;
        }
        let refused = refused(view, cronjob);
        let why = refused.as_ref().map(|cause| (cause.object.clone(), cause.id));
        found.extend(refused);
        let missed = overlapping(view, cronjob).or_else(|| missed(view, cronjob));
        // what is wrong with the Job that still runs, or with the last one
        let of_job = so_far.iter().find(|cause| is_of_a_job_of(view, cronjob, cause));
        let why = why.or_else(|| of_job.map(|cause| (cause.object.clone(), cause.id)));
        let vain = vain::in_vain(view, cronjob).filter(|_| of_job.is_none());
        let all = missed.into_iter().chain(vain);
        found.extend(all.map(|cause| Cause { follows_from: why.clone(), ..cause }));
    }
    found
}

/// Whether a cause is of a Job that this CronJob has made.
fn is_of_a_job_of(view: &View<'_>, cronjob: &Value, cause: &Cause) -> bool {
    cause.object.kind == "Job"
        && (view.owned("Job", cronjob).any(|job| Object::of(job) == cause.object)
            || array(&cronjob["status"]["active"])
                .any(|job| job["name"] == cause.object.name.as_str()))
}

/// The command that runs a CronJob now.
pub(super) fn by_hand(cronjob: &Object) -> String {
    let Object { namespace, name, .. } = cronjob;
    format!("kubectl create job -n {namespace} {name}-manual --from=cronjob/{name}")
}

/// A CronJob that makes Jobs of which none starts, as its template suspends them. What a queue
/// resumes has other Jobs than these (Kueue).
fn of_template(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    let template = &cronjob["spec"]["jobTemplate"];
    let mut jobs = view.owned("Job", cronjob);
    if template["spec"]["suspend"] != true
        || template["metadata"]["labels"][QUEUE].is_string()
        || !view.has_read(&["Job"])
        || !jobs.all(|job| job["spec"]["suspend"] == true)
    {
        return None;
    }
    let object = Object::of(cronjob);
    let seen = Evidence::new(object.to_string(), "spec.jobTemplate.spec.suspend is true");
    let hint = format!(
        "to resume its Jobs: kubectl patch -n {} {object} --type merge -p \
            '{{\"spec\":{{\"jobTemplate\":{{\"spec\":{{\"suspend\":false}}}}}}}}'",
        object.namespace
    );
    let detail = "jobTemplate.spec.suspend is true: its Jobs are created suspended and never start";
    let cause = Cause::new("cronjob-suspended", object, "JobTemplateSuspended", detail);
    Some(cause.seen([seen]).hint(hint))
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
        "to resume it: kubectl patch -n {} {object} --type merge -p \
            '{{\"spec\":{{\"suspend\":false}}}}'",
        object.namespace
    );
    Some(
        Cause::new("cronjob-suspended", object.clone(), "Suspended", detail)
            .seen([Evidence::new(object.to_string(), "spec.suspend is true")])
            .hint(hint),
    )
}

/// A schedule of a day that no month has: nothing is missed. Its controller calls such a schedule
/// invalid (pkg/controller/cronjob, `mostRecentScheduleTime`).
fn never(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    let written = text(&cronjob["spec"]["schedule"]);
    let schedule = Schedule::parse(written).ok()?;
    let zone = zone(cronjob)?;
    if schedule.next_due(view.now, &zone).is_some() {
        return None;
    }
    let object = Object::of(cronjob);
    let source = format!("{object}: spec.schedule");
    Some(
        Cause::new("schedule-never-due", object, "NeverDue", format!("schedule {written}"))
            .seen([Evidence::new(source, written)])
            .hint("correct its schedule, or suspend it if nothing is to run"),
    )
}

/// Its time zone, which is UTC where none is set; none if it is not known.
pub(super) fn zone(cronjob: &Value) -> Option<TimeZone> {
    match filled(&cronjob["spec"]["timeZone"]) {
        Some(zone) => TimeZone::get(zone).ok(),
        None => Some(TimeZone::UTC),
    }
}

/// Jobs that the API server refused.
fn refused(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    let failed = view.last_event(cronjob, |event| event.reason == "FailedCreate")?;
    if made_since(view, cronjob, failed.at) {
        return None;
    }
    let detail = failed.message.trim_start_matches("Error creating job: ");
    Some(
        Cause::new("jobs-not-created", Object::of(cronjob), failed.reason, detail)
            .seen([said(cronjob, &failed)])
            .hint("correct what the message names: a quota, a policy or its jobTemplate"),
    )
}

fn made_since(view: &View<'_>, cronjob: &Value, time: Timestamp) -> bool {
    let made = view.last_event(cronjob, |event| event.reason == "SuccessfulCreate");
    // it is written when the Job has been made (pkg/controller/cronjob, `syncCronJob`)
    let last = timestamp(&cronjob["status"]["lastScheduleTime"]);
    made.map(|made| made.at).into_iter().chain(last).any(|at| at > time)
}

/// Its policy forbids a second Job beside the first, which still runs.
fn overlapping(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    let active: Vec<&str> =
        array(&cronjob["status"]["active"]).map(|job| text(&job["name"])).collect();
    if cronjob["spec"]["concurrencyPolicy"] != "Forbid" || active.is_empty() {
        return None;
    }
    let object = Object::of(cronjob);
    let refused = view.last_event(cronjob, |event| event.reason == "JobAlreadyActive");
    let refused = refused.filter(|refused| !made_since(view, cronjob, refused.at));
    // a run that starts a little later, as the Job ends, is not missed
    let missed = overdue(view, cronjob)?;
    let detail = format!("{} still runs, and {}", listed(&active), missed.words());
    let evidence = refused.map_or_else(
        || Evidence::new(format!("{object}: status.active"), listed(&active)),
        |refused| said(cronjob, &refused),
    );
    Some(
        Cause::new("overlap-forbidden", object, "JobAlreadyActive", detail)
            .seen([evidence])
            .hint("find out why that Job takes so long; it may be scheduled too often"),
    )
}

/// What its controller says of a run that it did not start, or what the schedule says.
fn missed(view: &View<'_>, cronjob: &Value) -> Option<Cause> {
    let object = Object::of(cronjob);
    let words = [
        "MissSchedule",
        "FailedNeedsStart",
        "TooManyMissedTimes",
        "UnparseableCronJobSchedule",
        "UnparseableSchedule",
        "UnknownTimeZone",
        "InvalidSchedule",
    ];
    let event = view.last_event(cronjob, |event| words.contains(&event.reason));
    let event = event.filter(|event| !made_since(view, cronjob, event.at));
    let (reason, detail, evidence) = match (event, overdue(view, cronjob)) {
        (Some(event), _) => (event.reason, event.message.to_owned(), said(cronjob, &event)),
        (None, Some(overdue)) => {
            let schedule = text(&cronjob["spec"]["schedule"]);
            let last = match overdue.last {
                Some(last) => format!("last run {last}"),
                None => "never run".to_owned(),
            };
            let detail = format!("{}; schedule {schedule}, {last}", overdue.words());
            let source = format!("{object}: status.lastScheduleTime");
            ("Overdue", detail, Evidence::new(source, last))
        }
        (None, None) => return None,
    };
    let deadline = cronjob["spec"]["startingDeadlineSeconds"].as_i64();
    let hint = format!(
        "{}; run it now: {}",
        match deadline {
            // the controller looks every ten seconds
            Some(..10) => "raise startingDeadlineSeconds to more than 10",
            Some(_) => "check startingDeadlineSeconds, and whether kube-controller-manager runs",
            None => "check its schedule, and whether kube-controller-manager runs",
        },
        by_hand(&object)
    );
    Some(Cause::new("missed-schedule", object, reason, detail).seen([evidence]).hint(hint))
}

/// Runs that were due and did not start.
struct Overdue {
    runs: usize,
    first: Timestamp,
    last: Option<Timestamp>,
}

impl Overdue {
    fn words(&self) -> String {
        match self.runs {
            1 => format!("a run was due at {}", self.first),
            COUNTED => format!("at least {COUNTED} runs were due since {}", self.first),
            runs => format!("{runs} runs were due since {}", self.first),
        }
    }
}

/// When it was last changed by somebody: its schedule, or that it is suspended.
pub(super) fn changed(cronjob: &Value) -> Option<Timestamp> {
    array(&cronjob["metadata"]["managedFields"])
        .filter(|entry| entry["subresource"] != "status")
        .filter_map(|entry| timestamp(&entry["time"]))
        .max()
}

/// The runs that its schedule asks for since the last one, or since it was changed.
fn overdue(view: &View<'_>, cronjob: &Value) -> Option<Overdue> {
    let (spec, status) = (&cronjob["spec"], &cronjob["status"]);
    if !status.is_object() {
        return None;
    }
    let schedule = Schedule::parse(text(&spec["schedule"])).ok()?;
    let zone = zone(cronjob)?;
    let last = timestamp(&status["lastScheduleTime"]);
    let is_certain = filled(&spec["timeZone"]).is_some()
        || matches!(schedule, Schedule::Every(_))
        || last.is_some_and(|last| schedule.last_due(last, &zone) == Some(last));
    let late = if is_certain { LATE } else { ELSEWHERE };
    let since = last.or_else(|| timestamp(&cronjob["metadata"]["creationTimestamp"]))?;
    let since = changed(cronjob).into_iter().chain([since]).max()?;
    let is_due = |time: &Timestamp| view.now.duration_since(*time) > late;
    let first = schedule.times_after(since, &zone).next().filter(is_due)?;
    let until_now = |time: &Timestamp| *time <= view.now;
    let runs = schedule.times_after(since, &zone).take_while(until_now).take(COUNTED).count();
    Some(Overdue { runs, first, last })
}
