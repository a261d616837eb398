//! `triage`: why pods are not well, in the words of the cluster.

use super::fan::quote;
use super::{Access, Context, Failure, Output, Target, Verb};
use crate::cluster::pod;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Explains pods. The output is a list with one item a pod: `{pod, status, ready, live, restarts, node, age_s, symptoms: [{container, reason, message, exit_code, hint}]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Triage {
    /// Whose pods; finished ones and those being deleted are included, with `live` false.
    pub target: Target,
}

impl Verb for Triage {
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        self.target.pod_permissions(namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![format!("kubectl describe -n {} {}", quote(self.target.namespace(namespace)), self.target.kubectl())]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let namespace = self.target.namespace(&context.namespace);
        let pods = context.cluster()?.pods_with_finished(&self.target.pods()?, namespace).await?;
        let items: Vec<Value> = pods.iter().map(|one| explain(one, context.now)).collect();
        let ready = items.iter().filter(|item| item["ready"] == true).count();
        let summary = if items.is_empty() { "no pods".to_owned() } else { format!("{ready} of {}", items.len()) };
        Ok(Output::new(Value::Array(items), summary))
    }
}

fn explain(one: &Value, now: Timestamp) -> Value {
    let created = one["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let symptoms: Vec<Value> = pod::symptoms(one, now)
        .into_iter()
        .map(|symptom| json!({"container": symptom.container, "reason": symptom.reason, "message": symptom.message, "exit_code": symptom.exit_code, "hint": symptom.hint}))
        .collect();
    json!({
        "pod": one["metadata"]["name"], "status": pod::pod_status(one), "ready": pod::is_ready(one), "live": pod::is_live(one), "restarts": pod::restarts(one),
        "node": one["spec"]["nodeName"], "age_s": created.map(|created| now.duration_since(created).as_secs()), "symptoms": symptoms,
    })
}
