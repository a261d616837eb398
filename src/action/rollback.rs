//! `rollback`: restores the pod template of an earlier revision.

use super::rollout::{history, history_permissions, line, revision_json};
use super::support::change::{Change, Guard, Intent};
use super::support::fan_out::quote;
use super::support::{references, workload};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb};
use crate::cluster::history::{Revision, target_of};
use crate::compare::place;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Rolls a Deployment, StatefulSet or DaemonSet back to the pod template of an earlier revision.
/// Changes only the template and the change cause. The output has `from` and `to`, each with
/// `revision`, `image` and `change_cause`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Workload: `deployment/NAME`.
    pub target: Target,
    /// Revision to roll back to; defaults to the previous revision.
    pub to_revision: Option<u64>,
    /// Minimum version, compared with the tag of the first image; a rollback to an older version is
    /// refused.
    pub min_version: Option<String>,
    /// Reason, for the rollout history (`kubernetes.io/change-cause`).
    pub reason: Option<String>,
}

impl Verb for Rollback {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("rollback", &self.target, workload::ROLLED)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = history_permissions(&self.target, namespace);
        all.extend(
            workload::patching(&self.target, namespace)
                .into_iter()
                .filter(|access| access.verb == "patch"),
        );
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let revision = self
            .to_revision
            .map(|revision| format!(" --to-revision={revision}"))
            .unwrap_or_default();
        vec![format!(
            "kubectl rollout undo {} -n {}{revision}",
            self.target.kubectl(),
            quote(self.target.namespace(namespace))
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let all = history(context.cluster()?, &found.resource, &found.object).await?;
        let target = target_of(&all, self.to_revision).map_err(|reason| {
            Failure::new(FailureKind::Failed, format!("{}: {reason}", self.target))
        })?;
        let current = all.iter().find(|revision| revision.current);
        let mut output = serde_json::Map::new();
        output.insert("from".to_owned(), current.map(revision_json).unwrap_or_default());
        output.insert("to".to_owned(), revision_json(target));
        output.insert(
            "history".to_owned(),
            all.iter().map(|revision| Value::from(line(revision, Some(target.number)))).collect(),
        );
        if target.current {
            let guard = Guard {
                id: "same-revision",
                reason: format!(
                    "{} already has the template of revision {}",
                    self.target, target.number
                ),
                way: "select another revision with to_revision".to_owned(),
            };
            return Ok(Some(Intent { changes: Vec::new(), guards: vec![guard], output }));
        }
        let mut wanted = found.object.clone();
        *place(&mut wanted, &["spec", "template"]).map_err(Failure::error)? =
            target.template.clone();
        let cause = self
            .reason
            .as_ref()
            .map(|reason| format!("rollback to revision {}: {reason}", target.number))
            .or_else(|| target.change_cause.clone());
        if let Some(cause) = cause {
            *place(&mut wanted, &["metadata", "annotations", "kubernetes.io/change-cause"])
                .map_err(Failure::error)? = json!(cause);
        }
        let mut guards = workload::template_guards(&found.object);
        guards.extend(references::missing(context, &found.object, &target.template).await);
        guards.extend(self.below(target));
        let summary = format!(
            "revision {} → {} ({})",
            current.map_or_else(|| "?".to_owned(), |current| current.number.to_string()),
            target.number,
            shown(target)
        );
        let change = Change::between(&found.resource, &found.object, &wanted, summary);
        let mut intent = Intent::of(change, guards);
        intent.output = output;
        Ok(Some(intent))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

impl Rollback {
    fn below(&self, target: &Revision) -> Option<Guard> {
        let least = self.min_version.as_deref()?;
        let tag = target.images.first().and_then(|(_, image)| tag(image)).unwrap_or_default();
        let older = match (version(tag), version(least)) {
            (Some(tag), Some(least)) => tag < least,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        older.then(|| Guard {
            id: "below-minimum-version",
            reason: format!(
                "revision {} runs {}, but at least {least} is required",
                target.number,
                if tag.is_empty() { "an image without a version" } else { tag }
            ),
            way: "select a revision of a newer version with to_revision, or lower min_version"
                .to_owned(),
        })
    }
}

fn shown(revision: &Revision) -> String {
    revision
        .images
        .iter()
        .map(|(_, image)| tag(image).unwrap_or(image))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The tag of an image; a digest is none.
pub(super) fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next().unwrap_or(image);
    name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag)
}

/// `v1.0.68-rc1` as numbers. What is no version has none.
fn version(text: &str) -> Option<Vec<u64>> {
    let core = text.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let numbers: Option<Vec<u64>> = core.split('.').map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_minimum_are_stopped() {
        let rollback = Rollback {
            target: serde_json::from_value(json!("deployment/d")).unwrap(),
            to_revision: None,
            min_version: Some("1.0.68".to_owned()),
            reason: None,
        };
        let revision = |image: &str| Revision {
            number: 3,
            images: vec![("c".to_owned(), image.to_owned())],
            change_cause: None,
            created: None,
            current: false,
            pods: None,
            ready: None,
            template: Value::Null,
        };
        for (image, stopped) in [
            ("r/x:v1.0.69", false),
            ("r/x:1.0.68", false),
            ("r/x:v1.0.7", true),
            ("r/x:latest", true),
            ("r/x", true),
            ("host:5000/x:v1.10.0", false),
            ("r/x:v1.0.70@sha256:aa", false),
        ] {
            assert_eq!(rollback.below(&revision(image)).is_some(), stopped, "{image}");
        }
    }
}
