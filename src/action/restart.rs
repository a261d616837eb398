//! `restart`: replaces the pods of a workload with new ones from the same template.

use super::support::change::{Change, Guard, Intent};
use super::support::fan_out::quote;
use super::support::{guard, references, workload};
use super::{Access, Context, Failure, Output, Reach, Target, Verb};
use crate::compare::{RESTART, place};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Restarts a Deployment, StatefulSet or DaemonSet as `kubectl rollout restart` does: by setting a
/// timestamp in the pod template. The run and the step are recorded with it, so that the same
/// restart never happens twice. This only requests the restart; to wait for it, use `then:
/// {rollout: …}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Workload: `deployment/NAME`.
    pub target: Target,
}

impl Verb for Restart {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("restart", &self.target, workload::ROLLED)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        vec![format!(
            "kubectl rollout restart {} -n {}",
            self.target.kubectl(),
            quote(self.target.namespace(namespace))
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let stamp = format!("{}/{}", context.run, context.path);
        // an annotation of the template is no drift: GitOps controllers and Helm leave alone what
        // they have not set (`kubectl rollout restart` does the same)
        let mut guards: Vec<Guard> = guard::paused(&found.object).into_iter().collect();
        guards.extend(workload::kept_back(&found.object));
        let template = &found.object["spec"]["template"];
        guards.extend(references::missing(context, &found.object, template).await);
        let [restarted_at, restarted_by] = RESTART;
        let present = &found.object["spec"]["template"]["metadata"]["annotations"][restarted_by];
        if *present == json!(stamp) {
            return Ok(Some(Intent::default()));
        }
        let mut wanted = found.object.clone();
        let time = context.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        for (key, value) in [(restarted_at, time), (restarted_by, stamp)] {
            *place(&mut wanted, &["spec", "template", "metadata", "annotations", key])
                .map_err(Failure::error)? = json!(value);
        }
        let replicas = found.object["spec"]["replicas"].as_u64();
        let summary = replicas.map_or_else(
            || "restart of all pods".to_owned(),
            |replicas| {
                format!("restart of {replicas} {}", if replicas == 1 { "pod" } else { "pods" })
            },
        );
        Ok(Some(Intent::of(
            Change::between(&found.resource, &found.object, &wanted, summary),
            guards,
        )))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}
