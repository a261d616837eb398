//! `create_job`: creates a Job from a CronJob and waits for it.

use super::set_env::{check_names, edit, plaintext};
use super::support::behind::Behind;
use super::support::change::{Change, Guard, Intent};
use super::support::fan_out::{quote, reading};
use super::support::unique_name::{MADE_BY, unique_name};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Scalar, Verb};
use crate::cluster::ending::{self, JobEnd};
use crate::cluster::{ErrorKind, LogOptions, ObjectKey, PodsOf, Selection, WaitError, builtin};
use crate::diagnosis::{object, pod};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The most bytes of a pod's log in the output, counted from its end.
const LOG: usize = 64 * 1024;
/// The most lines of a pod's log that are looked at.
const LINES: i64 = 500;
/// How long a Job stays that is cleaned up, in seconds: long enough to read its logs again.
const KEPT: u64 = 600;

/// Creates a Job from a CronJob, as `kubectl create job --from` does, and waits until it finishes.
/// The name stays the same if the step runs again, so that the Job is never created twice. The
/// output is `{job, succeeded, failed, pods: [{pod, exit_code, log}]}` with the end of each log. If
/// the Job fails, the step fails with its reason and the last log line. The `timeout` of the step
/// limits the wait.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// Name of the CronJob.
    pub cron_job: String,
    /// Prefix of the Job name; defaults to the name of the CronJob.
    pub name: Option<String>,
    /// Environment variables of all containers; null removes a variable.
    #[serde(default)]
    pub env: IndexMap<String, Option<Scalar>>,
    /// Whether the cluster deletes the Job ten minutes after it finishes.
    #[serde(default)]
    pub cleanup: bool,
}

impl Verb for CreateJob {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        let prefix = self.prefix();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if prefix.is_empty()
            || !prefix.chars().all(plain)
            || !prefix.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Err(format!(
                "`{prefix}` is not a valid name prefix: use lower-case letters, digits, `-` and \
                    `.`"
            ));
        }
        check_names(self.env.keys())
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let on = |kind: &str, verb: &str, name: &str| {
            builtin(kind).map(|resource| reading(&resource, verb, namespace, name))
        };
        let jobs =
            ["get", "list", "watch", "create"].into_iter().filter_map(|verb| on("Job", verb, ""));
        let log =
            on("Pod", "get", "").map(|access| Access { subresource: "log".to_owned(), ..access });
        on("CronJob", "get", &self.cron_job)
            .into_iter()
            .chain(jobs)
            .chain(on("Pod", "list", ""))
            .chain(log)
            .collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let (cron_job, name, place) =
            (quote(&self.cron_job), quote(&format!("{}-manual", self.prefix())), quote(namespace));
        let mut lines =
            vec![format!("kubectl create job {name} --from=cronjob/{cron_job} -n {place}")];
        if !self.env.is_empty() {
            // a Job cannot be changed any more: its variables are set before it is made
            let words = self.env.iter().map(|(name, value)| {
                value.as_ref().map_or_else(|| format!("{name}-"), |value| format!("{name}={value}"))
            });
            let words: Vec<String> = words.map(|word| quote(&word)).collect();
            let dry = format!("{} --dry-run=client -o yaml", lines[0]);
            lines = vec![format!(
                "{dry} | kubectl set env --local -f - -o yaml {} | kubectl create -f -",
                words.join(" ")
            )];
        }
        lines.push(format!(
            "kubectl wait job/{name} -n {place} --for=condition=complete --timeout=5m"
        ));
        lines.push(format!("kubectl logs job/{name} -n {place} --all-pods"));
        lines
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        vec![format!("{namespace}/cronjob/{}", self.cron_job)]
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let (cron_jobs, jobs) = (cluster.resolve("CronJob").await?, cluster.resolve("Job").await?);
        let name = self.job_name(&context.run, &context.path);
        let stamp = format!("{}/{}", context.run, context.path);
        if let Some(present) = cluster.get_optional(&jobs, &context.namespace, &name).await? {
            if present["metadata"]["annotations"][MADE_BY] == *stamp {
                return Ok(Some(Intent {
                    output: Map::from_iter([("job".to_owned(), json!(name))]),
                    ..Intent::default()
                }));
            }
            return Err(Failure::new(
                FailureKind::Failed,
                format!(
                    "job {name} already exists and was not created by this step; delete it, or \
                        use another `name`"
                ),
            ));
        }
        let cron_job = match cluster.get(&cron_jobs, Some(&context.namespace), &self.cron_job).await
        {
            Ok(cron_job) => cron_job,
            Err(error) if error.kind == ErrorKind::NotFound => {
                return Err(Failure::new(FailureKind::Failed, error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let job = self.job(&cron_job, &context.namespace, &name, &stamp)?;
        let mut guards = Vec::new();
        if cron_job["spec"]["concurrencyPolicy"] == "Forbid" {
            let all = cluster.list(&jobs, Some(&context.namespace), &Selection::all()).await?;
            guards.extend(active(&cron_job, &all));
        }
        guards.extend(plaintext(&format!("job/{name}"), &self.env));
        let change = Change::create(&jobs, job, format!("a run of cronjob/{}", self.cron_job));
        let mut intent = Intent::of(Some(change), guards);
        intent.output.insert("job".to_owned(), json!(name));
        Ok(Some(intent))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let name = self.job_name(&context.run, &context.path);
        let (job, end) = finished(context, &name).await?;
        let pods = pods_of(context, &name).await?;
        match end {
            JobEnd::Complete => {
                let count = |key: &str| job["status"][key].as_u64().unwrap_or(0);
                let value = json!({"job": name, "succeeded": count("succeeded"),
                    "failed": count("failed"), "pods": pods});
                Ok(Output::new(value, format!("{name} succeeded")))
            }
            JobEnd::Failed(reason) => Err(Failure::new(
                FailureKind::Failed,
                format!("job {name} failed: {reason}{}", last_words(&pods)),
            )),
        }
    }
}

/// Waits until the Job has finished, and returns it with its end.
async fn finished(context: &Context, name: &str) -> Result<(Value, JobEnd), Failure> {
    let cluster = context.cluster()?;
    let jobs = cluster.resolve("Job").await?;
    let namespace = context.namespace.as_str();
    let behind = Behind::new(context, &jobs, namespace);
    let mut seen = false;
    let judge = |objects: &BTreeMap<ObjectKey, Value>| {
        let Some(job) = objects.values().next() else {
            // it was made before: not being there now is its end, of which nothing is known
            return ControlFlow::Break(Err(Failure::error(format!(
                "job {name} {} before it finished: its result is unknown",
                if seen { "was deleted" } else { "is gone" }
            ))));
        };
        seen = true;
        match ending::job_end(job) {
            Some(end) => ControlFlow::Break(Ok((job.clone(), end))),
            None => {
                (context.progress)(&format!("job {name}: {}", so_far(job)));
                ControlFlow::Continue(())
            }
        }
    };
    let selection = Selection::name(name);
    match cluster.watch_until(&jobs, Some(namespace), &selection, context.deadline, judge).await {
        Ok(ended) => ended,
        Err(WaitError::Timeout { last, waited, last_error }) => {
            let seen = last.values().next().map_or_else(|| "nothing found".to_owned(), so_far);
            let ill = behind.words(&last.values().collect::<Vec<_>>(), &seen).await;
            let text = format!(
                "job {name} did not finish within {} s and is still running: {seen}{ill}",
                waited.as_secs()
            );
            Err(Failure::in_vain(text, last_error.as_deref()))
        }
        Err(WaitError::Failed(error)) => Err((*error).into()),
    }
}

impl CreateJob {
    fn prefix(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.cron_job)
    }

    /// The name of the Job: the same for the same step of the same run, another for every other.
    fn job_name(&self, run: &str, path: &str) -> String {
        unique_name(self.prefix(), run, path)
    }

    /// What kubectl makes of the template
    /// (staging/src/k8s.io/kubectl/pkg/cmd/create/create_job.go), with the mark of the step.
    fn job(
        &self,
        cron_job: &Value,
        namespace: &str,
        name: &str,
        stamp: &str,
    ) -> Result<Value, Failure> {
        let template = &cron_job["spec"]["jobTemplate"];
        let mut annotations = json!({"cronjob.kubernetes.io/instantiate": "manual"});
        crate::compare::merge(
            &mut annotations,
            &json!(template["metadata"]["annotations"].as_object().cloned().unwrap_or_default()),
        );
        annotations[MADE_BY] = json!(stamp);
        let mut spec = template["spec"].clone();
        if let Some(pod_template) = spec.get_mut("template") {
            edit(pod_template, None, &self.env).map_err(Failure::error)?;
        }
        if self.cleanup && spec["ttlSecondsAfterFinished"].as_u64().is_none_or(|own| own > KEPT) {
            spec["ttlSecondsAfterFinished"] = json!(KEPT);
        }
        let mut metadata = json!({"name": name, "namespace": namespace, "annotations": annotations,
            // without blockOwnerDeletion, which would need a permission of its own
            "ownerReferences": [{"apiVersion": cron_job["apiVersion"].as_str().unwrap_or("batch/v1"), "kind": "CronJob",
                "name": cron_job["metadata"]["name"], "uid": cron_job["metadata"]["uid"],
                "controller": true}]});
        if let Some(labels) = template["metadata"]["labels"].as_object() {
            metadata["labels"] = json!(labels);
        }
        Ok(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}))
    }
}

/// Stops where a Job of a CronJob that wants one at a time runs already: the controller does not
/// see what is made by hand.
fn active(cron_job: &Value, jobs: &[Value]) -> Option<Guard> {
    let own = |job: &&Value| {
        job["metadata"]["ownerReferences"].as_array().is_some_and(|owners| {
            owners.iter().any(|owner| owner["uid"] == cron_job["metadata"]["uid"])
        })
    };
    let running = jobs
        .iter()
        .filter(own)
        .find(|job| ending::job_end(job).is_none() && job["spec"]["suspend"] != true)?;
    let name = running["metadata"]["name"].as_str().unwrap_or_default();
    Some(Guard {
        id: "job-active",
        reason: format!(
            "job {name} of cronjob/{} is still running, and its concurrencyPolicy is Forbid",
            cron_job["metadata"]["name"].as_str().unwrap_or_default()
        ),
        way: format!("wait for it to finish: kubectl wait job/{name} --for=condition=complete"),
    })
}

fn so_far(job: &Value) -> String {
    if object::condition(job, "Suspended").is_some_and(|condition| condition["status"] == "True") {
        return "the Job is suspended by its template".to_owned();
    }
    let count = |key: &str| job["status"][key].as_u64().unwrap_or(0);
    format!(
        "{} running, {} succeeded, {} failed",
        count("active"),
        count("succeeded"),
        count("failed")
    )
}

/// The pods of a Job with their exit codes and the ends of their logs. A log that cannot be read is
/// null.
async fn pods_of(context: &Context, job: &str) -> Result<Vec<Value>, Failure> {
    let cluster = context.cluster()?;
    let of = PodsOf::Workload { kind: "Job".to_owned(), name: job.to_owned() };
    let found = match cluster.pods_with_finished(&of, &context.namespace).await {
        Ok(found) => found,
        // deleted between its end and this look
        Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut pods = Vec::new();
    for pod in &found {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let container = pod::default_container(pod);
        let options =
            LogOptions { container: container.clone(), tail: Some(LINES), ..LogOptions::default() };
        let log = match tokio::time::timeout(
            context.remaining(),
            cluster.logs(&context.namespace, name, &options),
        )
        .await
        {
            Ok(Ok(log)) => json!(tail(&log.text, LOG)),
            Ok(Err(_)) | Err(_) => Value::Null,
        };
        pods.push(
            json!({"pod": name, "exit_code": exit_code(pod, container.as_deref()), "log": log}),
        );
    }
    Ok(pods)
}

/// The exit code of a container, or of the instance before if it was started again.
fn exit_code(pod: &Value, container: Option<&str>) -> Option<i64> {
    let status = pod["status"]["containerStatuses"]
        .as_array()?
        .iter()
        .find(|status| status["name"].as_str() == container)?;
    ["state", "lastState"].iter().find_map(|key| status[key]["terminated"]["exitCode"].as_i64())
}

/// The end of a text, whole lines of at most this many bytes; a line that is longer is cut at its
/// front.
fn tail(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut start = text.len() - limit;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let cut = &text[start..];
    match cut.split_once('\n') {
        Some((_, rest)) if !rest.is_empty() => rest,
        _ => cut,
    }
}

/// The last line of the pod that failed last.
fn last_words(pods: &[Value]) -> String {
    let failed = |pod: &&Value| pod["exit_code"].as_i64().is_some_and(|code| code != 0);
    let Some(pod) = pods.iter().rev().find(failed).or_else(|| pods.last()) else {
        return String::new();
    };
    let exit =
        pod["exit_code"].as_i64().map(|code| format!(" (exit code {code})")).unwrap_or_default();
    match pod["log"].as_str().and_then(|log| log.lines().rev().find(|line| !line.trim().is_empty()))
    {
        Some(line) => {
            format!("; pod {}{exit} ended with: {line}", pod["pod"].as_str().unwrap_or_default())
        }
        None => format!("; pod {}{exit} has no log", pod["pod"].as_str().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create_job(value: Value) -> CreateJob {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_name_is_the_same_for_a_step_and_fits() {
        let job = create_job(json!({"cron_job": "backup"}));
        let name = job.job_name("01KABCDEFGHJKMNPQRSTVWXYZ0", "steps/a");
        assert!(name.starts_with("backup-stvwxyz0-") || name.starts_with("backup-"), "{name}");
        assert_eq!(name, job.job_name("01KABCDEFGHJKMNPQRSTVWXYZ0", "steps/a"));
        assert_ne!(name, job.job_name("01KABCDEFGHJKMNPQRSTVWXYZ0", "steps/b"));
        let long = create_job(json!({"cron_job": format!("{}-{}", "a".repeat(46), "b".repeat(9))}))
            .job_name("01KABCDEFGHJKMNPQRSTVWXYZ0", "a");
        assert!(long.len() <= 63 && !long.contains("--"), "{long}");
    }

    #[test]
    fn a_job_is_made_as_kubectl_does() {
        let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c",
            "uid": "u", "labels": {"own": "x"}},
            "spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}, "annotations": {"k": "v"}},
            "spec": {"template": {"spec": {"containers": [{"name": "m"}]}}}}}});
        let job = create_job(json!({"cron_job": "c", "env": {"X": 1}, "cleanup": true}))
            .job(&cron_job, "n", "c-1", "r/p")
            .unwrap();
        let wanted = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "c-1",
            "namespace": "n", "labels": {"a": "b"},
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual", "k": "v",
            "runbook/run": "r/p"},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "c",
            "uid": "u", "controller": true}]},
            "spec": {"template": {"spec": {"containers": [{"name": "m",
            "env": [{"name": "X", "value": "1"}]}]}}, "ttlSecondsAfterFinished": 600}});
        assert_eq!(job, wanted);
    }

    #[test]
    fn only_complete_and_failed_are_an_end_and_siblings_are_seen() {
        let with = |kind: &str, status: &str| {
            json!({"metadata": {"name": "j",
            "ownerReferences": [{"uid": "u"}]},
            "status": {"conditions": [{"type": kind, "status": status, "reason": "R",
            "message": "m"}]}})
        };
        let cron_job = json!({"metadata": {"name": "c", "uid": "u"}});
        for (job, wanted) in [
            (with("Complete", "True"), Some(JobEnd::Complete)),
            (with("Failed", "True"), Some(JobEnd::Failed("R: m".to_owned()))),
            // they come first, while the counters are 0
            (with("SuccessCriteriaMet", "True"), None),
            (with("FailureTarget", "True"), None),
            (with("Complete", "False"), None),
            (with("Suspended", "True"), None),
        ] {
            assert_eq!(ending::job_end(&job), wanted, "{job}");
            assert_eq!(
                active(&cron_job, std::slice::from_ref(&job)).is_some(),
                wanted.is_none(),
                "{job}"
            );
        }
        assert_eq!(
            active(&json!({"metadata": {"name": "d", "uid": "v"}}), &[with("Complete", "False")]),
            None
        );
    }

    #[test]
    fn the_end_of_a_log_is_kept() {
        for (text, wanted) in [
            ("a\nb\n", "a\nb\n"),
            ("aaaaa\nbb\ncc\n", "bb\ncc\n"),
            ("aaaaaaaaaaaa", "aaaaaaaa"),
            ("äääääää", "ääää"),
        ] {
            assert_eq!(tail(text, 8), wanted, "{text}");
        }
        let pods = [
            json!({"pod": "a", "exit_code": 2, "log": "x\nboom\n\n"}),
            json!({"pod": "b", "exit_code": 0, "log": "fine"}),
        ];
        assert_eq!(last_words(&pods), "; pod a (exit code 2) ended with: boom");
    }
}
