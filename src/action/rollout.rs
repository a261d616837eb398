//! `rollout`: waits until a rollout is complete, or lists the revisions of a workload.

use super::support::behind::Behind;
use super::support::fan_out::{quote, reading};
use super::support::workload;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb, Which};
use crate::cluster::history::{Revision, revisions};
use crate::cluster::rollout::{RolloutStatus, rollout_status_since};
use crate::cluster::{
    Cluster, FIELD_MANAGER, Resource, Selection, WaitError, builtin, label_selector,
};
use crate::event::Effect;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// The pause before a failed read is retried.
const RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(500);

/// Waits until every pod of a Deployment, StatefulSet or DaemonSet has the current template and is
/// available; ends early if that cannot happen. On failure, reports the pods and what is wrong with
/// them. The output is the workload. With `history: true`, does not wait, and the output is
/// `{revisions: [{revision, images, image, change_cause, created, current, pods, ready}]}`; `pods` and
/// `ready` count the pods of a revision and those that are ready, and are null if the pods of a
/// StatefulSet or DaemonSet cannot be listed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Workload: `deployment/NAME`.
    pub target: Target,
    /// How long to wait; the `timeout` of the step takes precedence.
    pub timeout: Option<super::Duration>,
    /// Whether to only list the revisions, newest first.
    #[serde(default)]
    pub history: bool,
}

impl Verb for Rollout {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("rollout", &self.target, workload::ROLLED)
    }

    fn timeout(&self) -> Option<std::time::Duration> {
        self.timeout.map(|timeout| timeout.0)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(resource) = builtin(&self.target.kind) else { return Vec::new() };
        let place = self.target.namespace(namespace);
        if self.history {
            return history_permissions(&self.target, namespace);
        }
        ["list", "watch"].into_iter().map(|verb| reading(&resource, verb, place, "")).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let what = if self.history { "history" } else { "status" };
        let timeout = self
            .timeout
            .filter(|_| !self.history)
            .map(|timeout| format!(" --timeout={timeout}"))
            .unwrap_or_default();
        vec![format!(
            "kubectl rollout {what} {} -n {}{timeout}",
            self.target.kubectl(),
            quote(self.target.namespace(namespace))
        )]
    }

    fn judges(&self) -> bool {
        !self.history
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        if self.history { self.revisions(context).await } else { self.wait(context).await }
    }
}

impl Rollout {
    /// The revisions, newest first.
    async fn revisions(&self, context: &Context) -> Result<Output, Failure> {
        let found = workload::find(context, &self.target).await?;
        let all = history(context.cluster()?, &found.resource, &found.object).await?;
        let listed: Vec<Value> = all.iter().map(revision_json).collect();
        let display: Vec<String> = all.iter().map(|revision| line(revision, None)).collect();
        Ok(Output::new(
            json!({"revisions": listed, "display": display}),
            format!("{} revisions", all.len()),
        ))
    }

    /// Waits until the rollout is complete or cannot complete.
    async fn wait(&self, context: &Context) -> Result<Output, Failure> {
        let Which::Name(name) = &self.target.which else {
            return Err(Failure::error("a rollout requires one workload, by name"));
        };
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.target.kind).await?;
        let namespace = self.target.namespace(&context.namespace);
        let changed = last_change(context, cluster, &resource, namespace, name).await?;
        let behind = Behind::new(context, &resource, namespace);
        let mut followed = Followed { target: &self.target, changed, uid: None };
        let selection = Selection::name(name);
        let waited = cluster
            .watch_until(&resource, Some(namespace), &selection, context.deadline, |objects| {
                followed
                    .judge(objects.values().next())
                    .map_continue(|reason| (context.progress)(&reason))
            })
            .await;
        match waited {
            Ok(Ok(object)) => {
                let summary = pods_of(&object);
                Ok(Output::new(object, summary))
            }
            Ok(Err(Vain::Gone(reason))) => Err(Failure::new(FailureKind::Failed, reason)),
            Ok(Err(Vain::Stuck(reason, object))) => {
                let ill = behind.words(&[&object], &reason).await;
                Err(Failure::new(FailureKind::Failed, format!("{reason}{ill}")))
            }
            Err(WaitError::Timeout { last, waited, last_error }) => {
                let seen = followed.seen(last.values().next());
                let ill = behind.words(&last.values().collect::<Vec<_>>(), &seen).await;
                Err(Failure::in_vain(
                    format!(
                        "rollout not complete within {:.0} s: {seen}{ill}",
                        waited.as_secs_f64()
                    ),
                    last_error.as_deref(),
                ))
            }
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}

/// When this program changed the workload last: a deadline that was exceeded before says nothing
/// about the change. Retries what can be retried, as long as the step has time.
async fn last_change(
    context: &Context,
    cluster: &Cluster,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Result<Option<Timestamp>, Failure> {
    loop {
        match cluster.changed_by(FIELD_MANAGER, resource, namespace, name).await {
            Ok(changed) => return Ok(changed),
            Err(error) if error.retryable() && context.remaining() > RETRY_DELAY => {
                (context.progress)(&error.to_string());
                tokio::time::sleep(error.retry_after.unwrap_or(RETRY_DELAY)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The workload whose rollout is waited for: the same object from the first look to the last.
struct Followed<'a> {
    target: &'a Target,
    changed: Option<Timestamp>,
    uid: Option<Value>,
}

/// Why the rollout cannot complete any more.
#[derive(Clone, Debug, PartialEq)]
enum Vain {
    /// The workload was deleted or replaced.
    Gone(String),
    /// The rollout is stuck: why, and the workload.
    Stuck(String, Value),
}

impl Followed<'_> {
    /// What the workload says of its rollout: what it still waits for, or how the wait ends.
    fn judge(&mut self, object: Option<&Value>) -> ControlFlow<Result<Value, Vain>, String> {
        let gone = |what: &str| ControlFlow::Break(Err(Vain::Gone(what.to_owned())));
        let Some(object) = object else {
            return match self.uid {
                Some(_) => gone(&format!("{} was deleted in the meantime", self.target)),
                None => ControlFlow::Continue(format!("{} does not exist yet", self.target)),
            };
        };
        let uid = &object["metadata"]["uid"];
        if self.uid.get_or_insert_with(|| uid.clone()) != uid {
            return gone(&format!(
                "{} was replaced by another object in the meantime",
                self.target
            ));
        }
        match rollout_status_since(object, self.changed) {
            RolloutStatus::Done => ControlFlow::Break(Ok(object.clone())),
            RolloutStatus::Failed(reason) => {
                ControlFlow::Break(Err(Vain::Stuck(reason, object.clone())))
            }
            RolloutStatus::Waiting(reason) => ControlFlow::Continue(reason),
        }
    }

    /// What was seen last, when the time is up.
    fn seen(&self, object: Option<&Value>) -> String {
        match object.map(|object| rollout_status_since(object, self.changed)) {
            None => format!("{} does not exist", self.target),
            Some(RolloutStatus::Done) => "done".to_owned(),
            Some(RolloutStatus::Waiting(reason) | RolloutStatus::Failed(reason)) => reason,
        }
    }
}

fn pods_of(object: &Value) -> String {
    let status = &object["status"];
    let count = status["availableReplicas"]
        .as_u64()
        .or(status["numberAvailable"].as_u64())
        .or(status["readyReplicas"].as_u64())
        .unwrap_or(0);
    match count {
        1 => "1 pod".to_owned(),
        count => format!("{count} pods"),
    }
}

/// The permissions to read a workload and its revisions.
pub(super) fn history_permissions(target: &Target, step: &str) -> Vec<Access> {
    let Some(resource) = builtin(&target.kind) else { return Vec::new() };
    let name = match &target.which {
        Which::Name(name) => name.as_str(),
        Which::Selector(_) => "",
    };
    let place = target.namespace(step);
    let keeper = builtin(keeper_of(&resource));
    std::iter::once(reading(&resource, "get", place, name))
        .chain(keeper.map(|keeper| reading(&keeper, "list", place, "")))
        .collect()
}

/// The kind that keeps the revisions.
fn keeper_of(resource: &Resource) -> &'static str {
    if resource.kind == "Deployment" { "ReplicaSet" } else { "ControllerRevision" }
}

/// The revisions of a workload, newest first.
///
/// # Errors
/// When they cannot be listed.
pub(super) async fn history(
    cluster: &Cluster,
    resource: &Resource,
    workload: &Value,
) -> Result<Vec<Revision>, Failure> {
    let keeper = cluster.resolve(keeper_of(resource)).await?;
    let selection =
        Selection { labels: Some(label_selector(&workload["spec"]["selector"])), fields: None };
    let keepers =
        cluster.list(&keeper, workload["metadata"]["namespace"].as_str(), &selection).await?;
    // a ReplicaSet counts its pods itself; who may not list pods does without
    let pods = match builtin("Pod").filter(|_| resource.kind != "Deployment") {
        Some(pod) => {
            let namespace = workload["metadata"]["namespace"].as_str();
            cluster.list(&pod, namespace, &selection).await.ok()
        }
        None => None,
    };
    Ok(revisions(workload, &keepers, pods.as_deref()))
}

/// A revision for jq.
pub(super) fn revision_json(revision: &Revision) -> Value {
    let images: serde_json::Map<String, Value> = revision
        .images
        .iter()
        .map(|(name, image)| (name.clone(), Value::from(image.as_str())))
        .collect();
    json!({"revision": revision.number, "images": images,
        "image": revision.images.first().map(|(_, image)| image),
        "change_cause": revision.change_cause, "created": revision.created,
        "current": revision.current, "pods": revision.pods, "ready": revision.ready})
}

/// A revision for a person: `7  v1.0.69  now`.
pub(super) fn line(revision: &Revision, target: Option<u64>) -> String {
    let image = revision
        .images
        .iter()
        .map(|(_, image)| image.rsplit('/').next().unwrap_or(image))
        .collect::<Vec<_>>()
        .join(", ");
    let mark = match (revision.current, target == Some(revision.number)) {
        (true, _) => "  now",
        (_, true) => "  target",
        _ => "",
    };
    let cause =
        revision.change_cause.as_deref().map(|cause| format!("  {cause}")).unwrap_or_default();
    format!("{}  {image}{mark}{cause}", revision.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(uid: &str, updated: u64) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": "web", "generation": 1, "uid": uid},
            "spec": {"replicas": 1}, "status": {"observedGeneration": 1,
            "updatedReplicas": updated, "replicas": 1, "availableReplicas": 1}})
    }

    #[test]
    fn a_rollout_is_that_of_one_object() {
        let target: Target = serde_json::from_value(json!("deployment/web")).unwrap();
        let (waiting, done) = (deployment("a", 0), deployment("a", 1));
        let other = deployment("b", 1);
        let gone = |text: &str| ControlFlow::Break(Err(Vain::Gone(text.to_owned())));
        let on = |text: &str| ControlFlow::Continue(text.to_owned());
        let none = on("deployment/web does not exist yet");
        let behind = on("0 of 1 replicas are updated");
        for views in [
            vec![(None, none.clone()), (Some(&done), ControlFlow::Break(Ok(done.clone())))],
            vec![
                (Some(&waiting), behind.clone()),
                (None, gone("deployment/web was deleted in the meantime")),
            ],
            vec![
                (Some(&waiting), behind),
                (
                    Some(&other),
                    gone("deployment/web was replaced by another object in the meantime"),
                ),
            ],
        ] {
            let mut followed = Followed { target: &target, changed: None, uid: None };
            for (view, wanted) in views {
                assert_eq!(followed.judge(view), wanted);
            }
        }
    }
}
