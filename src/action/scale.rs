//! `scale`: sets the number of replicas.

use super::support::change::{Change, Intent};
use super::support::fan_out::{quote, reading};
use super::support::workload;
use super::{Access, Context, Failure, Output, Reach, Target, Verb};
use crate::cluster::builtin;
use crate::compare::place;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Sets the replicas of a Deployment, StatefulSet or ReplicaSet. Refuses the change if an
/// autoscaler owns the replicas. The output has `replicas: {before, after}`. To wait for the pods,
/// use `then: {rollout: …}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Workload: `deployment/NAME`.
    pub target: Target,
    /// Number of replicas.
    pub replicas: u64,
}

const KINDS: &[&str] = &["Deployment", "StatefulSet", "ReplicaSet"];

impl Verb for Scale {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("scale", &self.target, KINDS)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = workload::patching(&self.target, namespace);
        all.extend(
            builtin("HorizontalPodAutoscaler")
                .map(|resource| reading(&resource, "list", self.target.namespace(namespace), "")),
        );
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        vec![format!(
            "kubectl scale {} -n {} --replicas={}",
            self.target.kubectl(),
            quote(self.target.namespace(namespace)),
            self.replicas
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let before = found.object["spec"]["replicas"].as_u64().unwrap_or(1);
        let mut wanted = found.object.clone();
        *place(&mut wanted, &["spec", "replicas"]).map_err(Failure::error)? = json!(self.replicas);
        let change = Change::between(
            &found.resource,
            &found.object,
            &wanted,
            format!("{before} → {} replicas", self.replicas),
        );
        let mut guards = workload::guards(&found.object);
        if change.is_some() {
            guards.extend(workload::autoscaled(context, &found.object, self.replicas).await?);
        }
        let mut intent = Intent::of(change, guards);
        intent
            .output
            .insert("replicas".to_owned(), json!({"before": before, "after": self.replicas}));
        Ok(Some(intent))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}
