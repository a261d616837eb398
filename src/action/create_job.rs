//! `create_job`: a Job from a CronJob, now.

use super::change::{Change, Guard, Intent};
use super::fan::{quote, reading};
use super::{Access, Context, Failure, FailureKind, Output, Verb};
use crate::cluster::{LogOptions, Selection, WaitError, builtin};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;

/// Makes a Job from a CronJob's template, as `kubectl create job --from` does, and waits for its end. Its name is made of the run and the step, so that the
/// same step never makes two. The output is `{job, succeeded, pods: [{pod, exit_code, log}]}`; a Job that fails fails the step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// Name of the CronJob.
    pub cron_job: String,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
}

/// Which step of which run has made it.
const MADE_BY: &str = "runbook/madeBy";
/// Bytes of log kept of each pod, from its end.
const LOG: usize = 16 * 1024;

impl CreateJob {
    fn place<'a>(&'a self, step: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(step)
    }

    /// A name that is the same whenever the step is done again, of at most 63 characters.
    fn name(&self, run: &str, path: &str) -> String {
        let digest: String = Sha256::digest(format!("{run}/{path}")).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let head: String = self.cron_job.chars().take(52).collect();
        format!("{}-{digest}", head.trim_end_matches(['-', '.']))
    }
}

impl Verb for CreateJob {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.place(namespace);
        let mut all = Vec::new();
        for (kind, verb) in [("CronJob", "get"), ("Job", "get"), ("Job", "create"), ("Job", "list"), ("Job", "watch"), ("Pod", "list")] {
            let name = if kind == "CronJob" { self.cron_job.as_str() } else { "" };
            all.extend(builtin(kind).map(|resource| reading(&resource, verb, place, name)));
        }
        all.extend(builtin("Pod").map(|resource| Access { subresource: "log".to_owned(), ..reading(&resource, "get", place, "") }));
        all
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.place(namespace));
        let name = quote(&format!("{}-by-hand", self.cron_job));
        vec![
            format!("kubectl create job {name} -n {place} --from=cronjob/{}", quote(&self.cron_job)),
            format!("kubectl wait job/{name} -n {place} --for=condition=Complete --timeout=10m"),
        ]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        vec![format!("{}/cronjob/{}", self.place(namespace), self.cron_job)]
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let place = self.place(&context.namespace);
        let (cron_jobs, jobs) = (cluster.resolve("CronJob").await?, cluster.resolve("Job").await?);
        let cron_job = cluster.get(&cron_jobs, Some(place), &self.cron_job).await?;
        let name = self.name(&context.run, &context.path);
        let stamp = format!("{}/{}", context.run, context.path);
        let output = serde_json::Map::from_iter([("job".to_owned(), Value::from(name.as_str()))]);
        if let Some(job) = cluster.get_optional(&jobs, place, &name).await? {
            if job["metadata"]["annotations"][MADE_BY] == json!(stamp) {
                return Ok(Some(Intent { output, ..Intent::default() }));
            }
            return Err(Failure::new(FailureKind::Failed, format!("job/{name} exists and is not of this run")));
        }
        let mut annotations = json!({"cronjob.kubernetes.io/instantiate": "manual"});
        super::compare::merge(&mut annotations, &cron_job["spec"]["jobTemplate"]["metadata"]["annotations"].as_object().cloned().map_or_else(|| json!({}), Value::Object));
        annotations[MADE_BY] = json!(stamp);
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "namespace": place, "annotations": annotations,
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": self.cron_job, "uid": cron_job["metadata"]["uid"], "controller": true}]},
            "spec": cron_job["spec"]["jobTemplate"]["spec"],
        });
        let labels = &cron_job["spec"]["jobTemplate"]["metadata"]["labels"];
        if labels.is_object() {
            job["metadata"]["labels"] = labels.clone();
        }
        let guards = active(&cron_job).into_iter().collect();
        Ok(Some(Intent { changes: vec![Change::create(&jobs, job, format!("from cronjob/{}", self.cron_job))], guards, output }))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let place = self.place(&context.namespace);
        let name = self.name(&context.run, &context.path);
        let jobs = cluster.resolve("Job").await?;
        let waited = cluster
            .watch_until(&jobs, Some(place), &Selection::name(&name), context.deadline, |objects| {
                let Some(job) = objects.values().next() else { return ControlFlow::Continue(()) };
                match verdict(job) {
                    Some(end) => ControlFlow::Break(end),
                    None => {
                        (context.progress)(&format!("job/{name}: {} active", job["status"]["active"].as_u64().unwrap_or(0)));
                        ControlFlow::Continue(())
                    }
                }
            })
            .await;
        let pods = cluster.list(&cluster.resolve("Pod").await?, Some(place), &Selection { labels: Some(format!("batch.kubernetes.io/job-name={name}")), fields: None }).await?;
        let mut told = Vec::new();
        for pod in &pods {
            let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let options = LogOptions { tail: Some(200), ..LogOptions::default() };
            let log = cluster.logs(place, pod_name, &options).await.map(|log| log.text).unwrap_or_default();
            let start = log.char_indices().map(|(at, _)| at).find(|at| log.len() - at <= LOG).unwrap_or(0);
            let exit_code = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
            told.push(json!({"pod": pod_name, "exit_code": exit_code, "log": log.get(start..).unwrap_or_default()}));
        }
        let last = || told.last().and_then(|pod| pod["log"].as_str()).and_then(|log| log.lines().last()).map(|line| format!("; last line: {line}")).unwrap_or_default();
        match waited {
            Ok(Ok(())) => Ok(Output::new(json!({"job": name, "succeeded": true, "pods": told}), "complete")),
            Ok(Err(reason)) => Err(Failure::new(FailureKind::Failed, format!("job/{name} failed: {reason}{}", last()))),
            Err(WaitError::Timeout { waited, .. }) => Err(Failure::new(FailureKind::TimedOut, format!("job/{name} did not end within {} s{}", waited.as_secs(), last()))),
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}

/// How a Job ended. From Kubernetes 1.31 on it is decided earlier than it is over.
fn verdict(job: &Value) -> Option<Result<(), String>> {
    let conditions = job["status"]["conditions"].as_array()?;
    let holds = |kinds: &[&str]| conditions.iter().find(|condition| condition["status"] == "True" && kinds.iter().any(|kind| condition["type"] == *kind));
    if holds(&["Complete", "SuccessCriteriaMet"]).is_some() {
        return Some(Ok(()));
    }
    let failed = holds(&["Failed", "FailureTarget"])?;
    Some(Err(failed["message"].as_str().or(failed["reason"].as_str()).unwrap_or("no reason given").to_owned()))
}

/// A Job of the same CronJob that runs, although the CronJob wants only one.
fn active(cron_job: &Value) -> Option<Guard> {
    let running = cron_job["status"]["active"].as_array().and_then(|active| active.first())?;
    (cron_job["spec"]["concurrencyPolicy"] == "Forbid").then(|| Guard {
        id: "job-active",
        reason: format!("job/{} of this CronJob runs, and the CronJob forbids a second", running["name"].as_str().unwrap_or_default()),
        way: "wait for its end".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_for_the_same_step_and_short_enough() {
        let create = |name: &str| CreateJob { cron_job: name.to_owned(), namespace: None };
        let long = create(&"x".repeat(80));
        assert!(long.name("01A", "job").len() <= 63);
        assert_eq!(long.name("01A", "job"), long.name("01A", "job"));
        assert_ne!(create("a").name("01A", "job"), create("a").name("01B", "job"));
    }

    #[test]
    fn the_end_of_a_job_is_read_from_its_conditions() {
        let job = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True", "message": "why"}]}});
        assert_eq!(verdict(&job("Complete")), Some(Ok(())));
        assert_eq!(verdict(&job("SuccessCriteriaMet")), Some(Ok(())));
        assert_eq!(verdict(&job("FailureTarget")), Some(Err("why".to_owned())));
        assert_eq!(verdict(&job("Suspended")), None);
        assert_eq!(verdict(&json!({})), None);
    }
}
