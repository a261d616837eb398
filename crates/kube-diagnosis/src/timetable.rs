//! What a CronJob was due to run and what it ran, by the rules of its controller:
//! `pkg/controller/cronjob/` of kube-controller-manager (`syncCronJob`, `mostRecentScheduleTime`).

use crate::object::{
    array, condition, controller, filled, is_deleting, name, seconds, text, timestamp,
};
use crate::schedule::Schedule;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// How late the controller may be: it wakes at the time itself, and creates the Job at once.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// From this number on, the controller warns of too many missed start times.
const TOO_MANY: usize = 100;

/// Why the last run that was due did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotStarted {
    /// `suspend` is true: `syncCronJob` returns before it looks at the schedule.
    Suspended,
    /// There is no such time zone (`UnknownTimeZone`).
    UnknownTimeZone,
    /// The schedule cannot be read (`UnparseableSchedule`).
    InvalidSchedule,
    /// `concurrencyPolicy` is `Forbid`, and an earlier Job runs (`JobAlreadyActive`).
    Forbidden,
    /// It could not start within `startingDeadlineSeconds` (`MissSchedule`).
    DeadlinePassed,
    /// More than 100 start times were missed (`TooManyMissedTimes`): the controller warns, and
    /// before Kubernetes 1.21 it gives up.
    TooManyMissed,
    /// Nothing of the CronJob explains it: its controller does not run, or its Jobs are refused.
    Unexplained,
}

/// A CronJob and its Jobs in time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timetable {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The schedule as written.
    pub schedule: String,
    /// The time zone; none if that of the controller counts, which is UTC unless somebody changed
    /// it.
    pub time_zone: Option<String>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// `Allow`, `Forbid` or `Replace`.
    pub concurrency_policy: String,
    /// Within how many seconds a run must start.
    pub starting_deadline: Option<i64>,
    /// After how many seconds its Jobs are ended.
    pub job_deadline: Option<i64>,
    /// When a run was last due, since the CronJob exists; none if that is not known.
    pub last_due: Option<Timestamp>,
    /// When the next is; none if it is suspended, or if that is not known.
    pub next_due: Option<Timestamp>,
    /// Seconds between the two times that are due next; none if that is not known.
    pub interval: Option<i64>,
    /// When it last started a Job by its schedule.
    pub last_schedule: Option<Timestamp>,
    /// When a Job of it last succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether the run that was last due did not start; none if that is not known, or it is due just
    /// now.
    pub missed: Option<bool>,
    /// How many runs were due since the last that started, and since its last change, up to 101.
    pub missed_runs: usize,
    /// Why it did not start.
    pub why: Option<NotStarted>,
    /// The Jobs that run, by name.
    pub active: Vec<String>,
    /// Its Jobs, newest first.
    pub jobs: Vec<JobRun>,
}

/// A Job in time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobRun {
    /// Its name.
    pub name: String,
    /// The time of the schedule that it stands for; none if a person has created it.
    pub scheduled: Option<Timestamp>,
    /// When it started; none if it has not, as it is suspended.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Seconds from its start to its end, or until now.
    pub duration: Option<i64>,
    /// `complete`, `failed`, `running` or `suspended`.
    pub outcome: &'static str,
    /// The reason of its last condition: `DeadlineExceeded`, `BackoffLimitExceeded`, …
    pub reason: String,
    /// After how many seconds it is ended.
    pub deadline: Option<i64>,
}

impl Timetable {
    /// A CronJob among these Jobs, as of now. The newest `count` Jobs are listed.
    pub fn of(cronjob: &Value, jobs: &[Value], count: usize, now: Timestamp) -> Self {
        let (spec, status) = (&cronjob["spec"], &cronjob["status"]);
        let own = own_jobs(cronjob, jobs, now);
        let due = Due::of(cronjob, now);
        let missed = missed(cronjob, &due, now);
        let active = own.iter().filter(|job| job.outcome == "running").map(|job| job.name.clone());
        let active: Vec<String> = active.collect();
        let why = missed.filter(|missed| *missed).map(|_| why(cronjob, &due, &own, now));
        Self {
            name: name(cronjob).to_owned(),
            namespace: text(&cronjob["metadata"]["namespace"]).to_owned(),
            schedule: text(&spec["schedule"]).to_owned(),
            time_zone: filled(&spec["timeZone"]).map(str::to_owned),
            suspended: spec["suspend"] == true,
            concurrency_policy: filled(&spec["concurrencyPolicy"]).unwrap_or("Allow").to_owned(),
            starting_deadline: spec["startingDeadlineSeconds"].as_i64(),
            job_deadline: spec["jobTemplate"]["spec"]["activeDeadlineSeconds"].as_i64(),
            last_due: due.last,
            next_due: due.next.filter(|_| spec["suspend"] != true),
            interval: due.interval,
            last_schedule: timestamp(&status["lastScheduleTime"]),
            last_success: timestamp(&status["lastSuccessfulTime"]),
            missed,
            missed_runs: due.missed,
            why: due.fault.or(why),
            active,
            jobs: own.into_iter().take(count).collect(),
        }
    }
}

/// When runs are due, as far as that is known.
#[derive(Default)]
struct Due {
    last: Option<Timestamp>,
    next: Option<Timestamp>,
    interval: Option<i64>,
    missed: usize,
    fault: Option<NotStarted>,
    /// Whether the times are certain: those of the controller's own zone are not.
    known: bool,
}

impl Due {
    fn of(cronjob: &Value, now: Timestamp) -> Self {
        let (spec, status) = (&cronjob["spec"], &cronjob["status"]);
        let Ok(schedule) = Schedule::parse(text(&spec["schedule"])) else {
            return Self { fault: Some(NotStarted::InvalidSchedule), ..Self::default() };
        };
        let named = filled(&spec["timeZone"]);
        let Ok(zone) = named.map_or(Ok(TimeZone::UTC), TimeZone::get) else {
            return Self { fault: Some(NotStarted::UnknownTimeZone), ..Self::default() };
        };
        let started = timestamp(&status["lastScheduleTime"]);
        let every = matches!(schedule, Schedule::Every(_));
        // a run that started at a time at which none is due in UTC speaks for another zone
        let fits = started.is_none_or(|time| schedule.last_due(time, &zone) == Some(time));
        if named.is_none() && !every && !fits {
            return Self::default();
        }
        let made = timestamp(&cronjob["metadata"]["creationTimestamp"]);
        // what was due before its last change was not due by this schedule
        let changed = array(&cronjob["metadata"]["managedFields"])
            .filter(|entry| entry["subresource"] != "status")
            .filter_map(|entry| timestamp(&entry["time"]));
        let Some(since) = started.or(made).into_iter().chain(changed).max() else {
            return Self::default();
        };
        // as `mostRecentScheduleTime`: what is due since the last start, or since it exists
        let times = schedule.times_after(since, &zone);
        let past = times.take_while(|time| *time <= now).take(TOO_MANY + 1);
        let missed: Vec<Timestamp> = past.collect();
        let exists = |time: &Timestamp| made.is_none_or(|made| *time > made);
        let last = if every {
            missed.last().copied().or(started)
        } else {
            schedule.last_due(now, &zone).filter(exists)
        };
        let after = if every { last.unwrap_or(since) } else { now };
        let next = schedule.next_due(after, &zone);
        let second = next.and_then(|next| schedule.next_due(next, &zone));
        let interval = next.zip(second).map(|(next, second)| second.duration_since(next).as_secs());
        Self { last, next, interval, missed: missed.len(), fault: None, known: true }
    }
}

/// Whether the run that was last due did not start.
fn missed(cronjob: &Value, due: &Due, now: Timestamp) -> Option<bool> {
    if due.fault.is_some() {
        return Some(true);
    }
    if !due.known || is_deleting(cronjob) {
        return None;
    }
    match due.last {
        Some(last) if due.missed > 0 => {
            (now.duration_since(last) > LATE || due.missed > 1).then_some(true)
        }
        Some(_) | None => Some(false),
    }
}

/// Why the run that was last due did not start, in the order in which `syncCronJob` decides.
fn why(cronjob: &Value, due: &Due, jobs: &[JobRun], now: Timestamp) -> NotStarted {
    let spec = &cronjob["spec"];
    if let Some(fault) = due.fault {
        return fault;
    }
    if spec["suspend"] == true {
        return NotStarted::Suspended;
    }
    let deadline = seconds(&spec["startingDeadlineSeconds"]);
    let late = |deadline| due.last.is_some_and(|last| now.duration_since(last) > deadline);
    // what ran when it was due, and held it up until then
    let held = |job: &JobRun| {
        let (start, end) = (job.started, job.ended);
        let until = due.last.zip(deadline).and_then(|(last, wait)| last.checked_add(wait).ok());
        start.zip(due.last).is_some_and(|(start, last)| start <= last)
            && end.is_none_or(|end| until.is_some_and(|until| end >= until))
    };
    if spec["concurrencyPolicy"] == "Forbid" && jobs.iter().any(held) {
        NotStarted::Forbidden
    } else if deadline.is_some_and(late) {
        NotStarted::DeadlinePassed
    } else if due.missed > TOO_MANY {
        NotStarted::TooManyMissed
    } else {
        NotStarted::Unexplained
    }
}

/// The Jobs of a CronJob, newest first.
fn own_jobs(cronjob: &Value, jobs: &[Value], now: Timestamp) -> Vec<JobRun> {
    let uid = filled(&cronjob["metadata"]["uid"]);
    let own = |job: &&Value| {
        let owner = controller(job);
        owner.is_some_and(|owner| uid.is_some() && filled(&owner["uid"]) == uid)
    };
    let mut found: Vec<(Option<Timestamp>, JobRun)> = jobs
        .iter()
        .filter(own)
        .map(|job| (timestamp(&job["metadata"]["creationTimestamp"]), JobRun::of(job, now)))
        .collect();
    found.sort_by(|(a, one), (b, other)| (b, &other.name).cmp(&(a, &one.name)));
    found.into_iter().map(|(_, job)| job).collect()
}

impl JobRun {
    fn of(job: &Value, now: Timestamp) -> Self {
        let is = |kind: &str| condition(job, kind).filter(|found| found["status"] == "True");
        let (complete, failed) = (is("Complete"), is("Failed"));
        let started = timestamp(&job["status"]["startTime"]);
        let ended = match (complete, failed) {
            (Some(_), _) => timestamp(&job["status"]["completionTime"]),
            (None, Some(failed)) => timestamp(&failed["lastTransitionTime"]),
            (None, None) => None,
        };
        let outcome = match (complete.is_some(), failed.is_some()) {
            (true, _) => "complete",
            (_, true) => "failed",
            _ if job["spec"]["suspend"] == true => "suspended",
            _ => "running",
        };
        let mut last =
            array(&job["status"]["conditions"]).filter(|found| found["status"] == "True");
        let decisive = failed.or(complete).or_else(|| last.next_back());
        let annotation = "batch.kubernetes.io/cronjob-scheduled-timestamp";
        Self {
            name: name(job).to_owned(),
            scheduled: timestamp(&job["metadata"]["annotations"][annotation]),
            started,
            ended,
            duration: started.map(|start| ended.unwrap_or(now).duration_since(start).as_secs()),
            outcome,
            reason: decisive.map(|found| text(&found["reason"]).to_owned()).unwrap_or_default(),
            deadline: job["spec"]["activeDeadlineSeconds"].as_i64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-03-10T09:30:00Z";

    fn timetable(spec: Value, status: Value, jobs: Value) -> Timetable {
        let cronjob = json!({"metadata": {"name": "report", "namespace": "shop", "uid": "1",
            "creationTimestamp": "2026-03-01T00:00:30Z"}, "spec": spec, "status": status});
        let owner = json!([{"kind": "CronJob", "name": "report", "uid": "1", "controller": true}]);
        let mut jobs: Vec<Value> = jobs.as_array().cloned().unwrap_or_default();
        for job in &mut jobs {
            job["metadata"]["ownerReferences"] = owner.clone();
        }
        Timetable::of(&cronjob, &jobs, 10, NOW.parse().unwrap())
    }

    fn shown(time: Option<Timestamp>) -> String {
        time.map(|time| time.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_was_due_and_why_it_did_not_start() {
        use NotStarted::*;
        let hourly = |more: Value| {
            let mut spec = json!({"schedule": "10 * * * *", "timeZone": "Etc/UTC"});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        let last = |time: &str| json!({"lastScheduleTime": time});
        let running = json!([{"metadata": {"name": "report-1", "creationTimestamp":
            "2026-03-10T08:10:00Z"}, "status": {"startTime": "2026-03-10T08:10:00Z"}}]);
        for (spec, status, jobs, missed, count, why) in [
            (hourly(json!({})), last("2026-03-10T09:10:00Z"), json!([]), Some(false), 0, None),
            (
                hourly(json!({})),
                last("2026-03-10T07:10:00Z"),
                json!([]),
                Some(true),
                2,
                Some(Unexplained),
            ),
            (hourly(json!({})), json!({}), json!([]), Some(true), 101, Some(TooManyMissed)),
            (
                hourly(json!({"suspend": true})),
                last("2026-03-10T08:10:00Z"),
                json!([]),
                Some(true),
                1,
                Some(Suspended),
            ),
            (
                hourly(json!({"suspend": true})),
                last("2026-03-10T09:10:00Z"),
                json!([]),
                Some(false),
                0,
                None,
            ),
            (
                hourly(json!({"concurrencyPolicy": "Forbid"})),
                last("2026-03-10T08:10:00Z"),
                running.clone(),
                Some(true),
                1,
                Some(Forbidden),
            ),
            (
                hourly(json!({"concurrencyPolicy": "Allow"})),
                last("2026-03-10T08:10:00Z"),
                running.clone(),
                Some(true),
                1,
                Some(Unexplained),
            ),
            (
                hourly(json!({"startingDeadlineSeconds": 200})),
                last("2026-03-10T08:10:00Z"),
                json!([]),
                Some(true),
                1,
                Some(DeadlinePassed),
            ),
            (
                hourly(json!({"startingDeadlineSeconds": 200, "concurrencyPolicy": "Forbid"})),
                last("2026-03-10T08:10:00Z"),
                running,
                Some(true),
                1,
                Some(Forbidden),
            ),
            // due just now: the controller has its time
            (
                json!({"schedule": "30 9 * * *", "timeZone": "Etc/UTC"}),
                last("2026-03-09T09:30:00Z"),
                json!([]),
                None,
                1,
                None,
            ),
            (
                json!({"schedule": "x", "timeZone": "Etc/UTC"}),
                json!({}),
                json!([]),
                Some(true),
                0,
                Some(InvalidSchedule),
            ),
            (
                json!({"schedule": "10 * * * *", "timeZone": "Mars/Base"}),
                json!({}),
                json!([]),
                Some(true),
                0,
                Some(UnknownTimeZone),
            ),
            // it started when nothing is due in UTC: the zone of its controller is not known
            (
                json!({"schedule": "0 2 * * *"}),
                last("2026-03-10T01:00:00Z"),
                json!([]),
                None,
                0,
                None,
            ),
        ] {
            let found = timetable(spec.clone(), status.clone(), jobs);
            let seen = (found.missed, found.missed_runs, found.why);
            assert_eq!(seen, (missed, count, why), "{spec} {status}");
        }
    }

    #[test]
    fn what_was_due_before_its_last_change_was_not_missed() {
        for (changed, subresource, missed) in [
            ("2026-03-10T09:00:00Z", Value::Null, Some(true)),
            ("2026-03-10T09:20:00Z", Value::Null, Some(false)),
            ("2026-03-10T09:20:00Z", json!("status"), Some(true)),
        ] {
            let entry = json!([{"time": changed, "subresource": subresource}]);
            let cronjob = json!({"metadata": {"name": "report", "managedFields": entry,
                "creationTimestamp": "2026-03-01T00:00:00Z"},
                "spec": {"schedule": "10 * * * *", "timeZone": "Etc/UTC"},
                "status": {"lastScheduleTime": "2026-03-10T08:10:00Z"}});
            let found = Timetable::of(&cronjob, &[], 1, NOW.parse().unwrap());
            assert_eq!(found.missed, missed, "{changed} {subresource}");
        }
    }

    #[test]
    fn when_it_is_due() {
        for (spec, status, last, next, interval) in [
            (
                json!({"schedule": "0 2 * * *"}),
                json!({"lastScheduleTime": "2026-03-10T02:00:00Z"}),
                "2026-03-10T02:00:00Z",
                "2026-03-11T02:00:00Z",
                Some(86_400),
            ),
            (
                json!({"schedule": "0 2 * * *", "suspend": true}),
                json!({}),
                "2026-03-10T02:00:00Z",
                "",
                Some(86_400),
            ),
            (
                json!({"schedule": "@every 90m"}),
                json!({"lastScheduleTime": "2026-03-10T09:00:00Z"}),
                "2026-03-10T09:00:00Z",
                "2026-03-10T10:30:00Z",
                Some(5_400),
            ),
            // it did not exist when it was last due
            (
                json!({"schedule": "0 0 1 * *"}),
                json!({}),
                "",
                "2026-04-01T00:00:00Z",
                Some(2_592_000),
            ),
        ] {
            let found = timetable(spec.clone(), status, json!([]));
            let seen = (shown(found.last_due), shown(found.next_due), found.interval);
            assert_eq!(seen, (last.to_owned(), next.to_owned(), interval), "{spec}");
        }
    }

    #[test]
    fn jobs_are_those_of_the_cronjob_newest_first() {
        let job = |name: &str, hour: u32, conditions: Value| {
            json!({"metadata": {"name": name,
                "creationTimestamp": format!("2026-03-10T0{hour}:10:00Z"), "annotations":
                {"batch.kubernetes.io/cronjob-scheduled-timestamp":
                    format!("2026-03-10T0{hour}:10:00Z")}},
                "spec": {"activeDeadlineSeconds": 300},
                "status": {"startTime": format!("2026-03-10T0{hour}:10:01Z"),
                    "completionTime": format!("2026-03-10T0{hour}:12:01Z"),
                    "conditions": conditions}})
        };
        let failed = json!([{"type": "FailureTarget", "status": "True", "reason": "x"},
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded",
                "lastTransitionTime": "2026-03-10T07:15:01Z"}]);
        let complete = json!([{"type": "Complete", "status": "True", "reason":
            "CompletionsReached"}]);
        let jobs = json!([job("a", 7, failed), job("c", 9, json!([])), job("b", 8, complete)]);
        let found = timetable(json!({"schedule": "10 * * * *"}), json!({}), jobs);
        let runs: Vec<_> = found
            .jobs
            .iter()
            .map(|job| (job.name.as_str(), job.outcome, job.duration, job.reason.as_str()))
            .collect();
        assert_eq!(
            runs,
            [
                ("c", "running", Some(1199), ""),
                ("b", "complete", Some(120), "CompletionsReached"),
                ("a", "failed", Some(300), "DeadlineExceeded"),
            ]
        );
        assert_eq!(found.active, ["c"]);
        assert_eq!(
            (found.jobs[0].deadline, shown(found.jobs[0].scheduled)),
            (Some(300), "2026-03-10T09:10:00Z".to_owned())
        );
    }
}
