//! `rollout`: whether a workload has arrived at its newest template, and its history.

use super::support::fan_out::{quote, reading};
use super::support::{behind, workload};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb, Which};
use crate::cluster::history::{Revision, revisions};
use crate::cluster::rollout::{Rollout as Status, rollout_status_since};
use crate::cluster::{
    Cluster, FIELD_MANAGER, Resource, Selection, WaitError, builtin, label_selector,
};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use tokio::time::Instant;

/// The pause before what could not be read is read again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

/// Waits until every pod of a Deployment, StatefulSet or DaemonSet has the current template and is
/// available; ends early if that cannot happen. On failure, reports the pods and what is wrong with
/// them. The output is the workload. With `history: true`, does not wait, and the output is
/// `{revisions: [{revision, images, image, change_cause, current}]}`.
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
        if self.history {
            let found = workload::find(context, &self.target).await?;
            let all = history(context.cluster()?, &found.resource, &found.object).await?;
            let listed: Vec<Value> = all.iter().map(revision_json).collect();
            let display: Vec<String> = all.iter().map(|revision| line(revision, None)).collect();
            return Ok(Output::new(
                json!({"revisions": listed, "display": display}),
                format!("{} revisions", all.len()),
            ));
        }
        let Which::Name(name) = &self.target.which else {
            return Err(Failure::error("a rollout requires one workload, by name"));
        };
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.target.kind).await?;
        let namespace = self.target.namespace(&context.namespace);
        let deadline = context.deadline;
        // a deadline that was exceeded before this program changed it says nothing about the change
        let changed = loop {
            match cluster.changed_by(FIELD_MANAGER, &resource, namespace, name).await {
                Ok(changed) => break changed,
                Err(error) if error.retryable() && context.remaining() > AGAIN => {
                    (context.progress)(&error.to_string());
                    tokio::time::sleep(error.retry_after.unwrap_or(AGAIN)).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let begun = Instant::now();
        let mut first_uid: Option<Value> = None;
        let waited = cluster
            .watch_until(&resource, Some(namespace), &Selection::name(name), deadline, |objects| {
                let Some(object) = objects.values().next() else {
                    if first_uid.is_some() {
                        return ControlFlow::Break(Err(Vain::Gone(format!(
                            "{} was deleted in the meantime",
                            self.target
                        ))));
                    }
                    (context.progress)(&format!("{} does not exist yet", self.target));
                    return ControlFlow::Continue(());
                };
                if *first_uid.get_or_insert_with(|| object["metadata"]["uid"].clone())
                    != object["metadata"]["uid"]
                {
                    return ControlFlow::Break(Err(Vain::Gone(format!(
                        "{} was replaced by another object in the meantime",
                        self.target
                    ))));
                }
                match rollout_status_since(object, changed) {
                    Status::Done => ControlFlow::Break(Ok(object.clone())),
                    Status::Failed(reason) => {
                        ControlFlow::Break(Err(Vain::Stuck(reason, object.clone())))
                    }
                    Status::Waiting(reason) => {
                        (context.progress)(&reason);
                        ControlFlow::Continue(())
                    }
                }
            })
            .await;
        match waited {
            Ok(Ok(object)) => {
                let summary = pods_of(&object);
                Ok(Output::new(object, summary))
            }
            Ok(Err(Vain::Gone(reason))) => Err(Failure::new(FailureKind::Failed, reason)),
            Ok(Err(Vain::Stuck(reason, object))) => {
                let ill =
                    behind::words(context, &resource, namespace, &[&object], begun, &reason).await;
                Err(Failure::new(FailureKind::Failed, format!("{reason}{ill}")))
            }
            Err(WaitError::Timeout { last, waited, last_error }) => {
                let seen = last.values().next().map_or_else(
                    || format!("{} does not exist", self.target),
                    |object| match rollout_status_since(object, changed) {
                        Status::Done => "done".to_owned(),
                        Status::Waiting(reason) | Status::Failed(reason) => reason,
                    },
                );
                let ill = behind::words(
                    context,
                    &resource,
                    namespace,
                    &last.values().collect::<Vec<_>>(),
                    begun,
                    &seen,
                )
                .await;
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

/// Why there is nothing to wait for any more.
enum Vain {
    /// The workload is not there any more.
    Gone(String),
    /// It will not arrive, and what it is like.
    Stuck(String, Value),
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
    Ok(revisions(workload, &keepers))
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
        "current": revision.current})
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
