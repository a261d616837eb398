//! `schedule`: what CronJobs were due to run, what they ran, and when they are due next.

use super::support::fan_out::{quote, reading};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb, Which, Wrong};
use crate::cluster::{Selection, builtin};
use crate::diagnosis::timetable::Timetable;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Compares the schedules of CronJobs with what they ran, by the rules of their controller: time
/// zone, `suspend`, `concurrencyPolicy`, `startingDeadlineSeconds`. The output is a list of `{name,
/// namespace, schedule, time_zone, suspended, concurrency_policy, starting_deadline, job_deadline,
/// last_due, next_due, interval, last_schedule, last_success, missed, missed_runs, why, active,
/// jobs}`, with times as RFC 3339 and durations in seconds. `missed` says whether the run that was
/// last due did not start, null if that is not known or it is due just now; `why` is `suspended`,
/// `forbidden`, `deadline-passed`, `too-many-missed`, `unknown-time-zone`, `invalid-schedule` or
/// `unexplained`. `jobs` are the newest Jobs, newest first: `{name, scheduled, started, ended,
/// duration, outcome, reason, deadline}`, with the outcomes `complete`, `failed`, `running` and
/// `suspended`, and reasons such as `DeadlineExceeded` and `BackoffLimitExceeded`. Without a time
/// zone of its own, a CronJob is taken to be in UTC; if its last run contradicts that, the times are
/// null.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// CronJobs: `cronjob/NAME`, or `{kind: CronJob, selector: app=x}`.
    pub target: Target,
    /// How many of the newest Jobs of each CronJob are listed.
    #[serde(default = "ten")]
    pub jobs: usize,
    /// Whether no CronJob may match: the output is then an empty list instead of an error.
    #[serde(default)]
    pub optional: bool,
}

fn ten() -> usize {
    10
}

impl Verb for Schedule {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match builtin(&self.target.kind) {
            Some(resource) if resource.kind == "CronJob" => Ok(()),
            _ => Err(format!("`schedule` is of CronJobs, not of {}", self.target.kind)),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.target.namespace(namespace);
        let resource = |kind| builtin(kind);
        let (verb, name) = match &self.target.which {
            Which::Name(name) => ("get", name.as_str()),
            Which::Selector(_) => ("list", ""),
        };
        let cronjobs = resource("CronJob").map(|found| reading(&found, verb, place, name));
        let jobs = resource("Job").map(|found| reading(&found, "list", place, ""));
        cronjobs.into_iter().chain(jobs).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.target.namespace(namespace));
        vec![
            format!("kubectl get {} -n {place}", self.target.kubectl()),
            format!("kubectl get jobs -n {place} --sort-by=.metadata.creationTimestamp"),
        ]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let nothing = output.as_array().is_some_and(Vec::is_empty) && !self.optional;
        nothing
            .then(|| Wrong { fields: &[], reason: format!("no CronJob matches {}", self.target) })
    }

    fn judges(&self) -> bool {
        !self.optional
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let namespace = Some(self.target.namespace(&context.namespace));
        let cronjobs = cluster.resolve("CronJob").await?;
        let found = match &self.target.which {
            Which::Name(name) => match cluster.get(&cronjobs, namespace, name).await {
                Ok(one) => vec![one],
                Err(error) if error.kind == crate::cluster::ErrorKind::NotFound => {
                    if self.optional {
                        Vec::new()
                    } else {
                        return Err(Failure::new(FailureKind::Failed, error.to_string()));
                    }
                }
                Err(error) => return Err(error.into()),
            },
            Which::Selector(selector) => {
                let selection =
                    Selection { labels: Some(selector.clone()), ..Selection::default() };
                cluster.list(&cronjobs, namespace, &selection).await?
            }
        };
        let jobs = cluster.resolve("Job").await?;
        let jobs = cluster.list(&jobs, namespace, &Selection::default()).await?;
        let mut all: Vec<Timetable> = found
            .iter()
            .map(|cronjob| Timetable::of(cronjob, &jobs, self.jobs, context.now))
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let missed = all.iter().filter(|one| one.missed == Some(true)).count();
        let summary = match missed {
            0 => format!("{} CronJobs", all.len()),
            missed => format!("{} CronJobs, {missed} missed their schedule", all.len()),
        };
        Ok(Output::new(json!(all), summary))
    }
}
