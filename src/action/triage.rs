//! `triage`: explains from status and events why pods do not work.

use super::support::fan_out::{quote, reading};
use super::{Access, Context, Failure, Output, Reach, Target, Verb};
use crate::cluster::{PodsOf, builtin};
use crate::diagnosis::symptom::{Symptom, symptoms};
use crate::diagnosis::{object, pod};
use crate::event::Effect;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Explains the state of pods from their status and events. The output is a list with one item per
/// pod: `{pod, status, ready, live, starting, restarts, node, age_s, symptoms: [{id, container, reason,
/// message, exit_code, restarts, hint, brief}]}`. A symptom is what prevents the pod from working; a pod
/// that works, has completed, or is terminating within its grace period has none. `id` is a stable
/// identifier of the cause: `oom-killed`, `app-exit`, `liveness-probe-kills`,
/// `volume-mount-failed`, `insufficient-resources`, and others. `starting` is a pod that is not
/// ready and has not had time to be: nothing has gone wrong with it so far.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Triage {
    /// Pods to explain. Finished and terminating pods are included, with `live` false.
    pub target: Target,
}

impl Verb for Triage {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = self.target.pod_permissions(namespace);
        all.extend(
            builtin("Event")
                .map(|kind| reading(&kind, "list", self.target.namespace(namespace), "")),
        );
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        vec![format!(
            "kubectl describe -n {} {}",
            quote(self.target.namespace(namespace)),
            self.target.kubectl()
        )]
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let namespace = self.target.namespace(&context.namespace);
        let cluster = context.cluster()?;
        let of = self.target.pods()?;
        let one = match &of {
            PodsOf::Pod(name) => Some(("Pod", name.as_str())),
            _ => None,
        };
        let (pods, events) = futures::try_join!(
            cluster.pods_with_finished(&of, namespace),
            cluster.events(namespace, one)
        )?;
        let items: Vec<Value> = pods.iter().map(|one| explain(one, &events, context.now)).collect();
        let ready = items.iter().filter(|item| item["ready"] == true).count();
        let summary = if items.is_empty() {
            "no pods".to_owned()
        } else {
            format!("{ready} of {}", items.len())
        };
        Ok(Output::new(Value::Array(items), summary))
    }
}

fn explain(one: &Value, events: &[Value], now: Timestamp) -> Value {
    let created = object::timestamp(&one["metadata"]["creationTimestamp"]);
    let symptoms: Vec<Value> = symptoms(one, events, now).iter().map(Symptom::value).collect();
    json!({
        "pod": one["metadata"]["name"], "status": pod::pod_status(one), "ready": pod::is_ready(one),
        "live": pod::is_live(one), "starting": pod::starting_since(one, now).is_some(),
        "restarts": pod::restarts(one),
        "node": one["spec"]["nodeName"],
        "age_s": created.map(|created| now.duration_since(created).as_secs()), "symptoms": symptoms,
    })
}
