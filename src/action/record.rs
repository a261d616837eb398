//! `record`: looks up what an earlier run changed.

use super::{Access, Context, Failure, FailureKind, Output, Reach, Verb, WhichRun};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Looks up an earlier run recorded on this machine, by id, or the newest run of a runbook that
/// changed something in this cluster and namespace. The output is `{run, runbook, started, verdict,
/// params, changes: [{step, object, verb, summary, before, after}]}`, or null if there is none.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Id of the run, or its last characters.
    pub run: Option<String>,
    /// Name of a runbook, to look up its newest run.
    pub runbook: Option<String>,
}

impl Verb for Record {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (&self.run, &self.runbook) {
            (None, None) => Err("use either `run`, or `runbook` for its newest run".to_owned()),
            _ => Ok(()),
        }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![match &self.run {
            Some(run) => format!("runbook show {run}"),
            None => format!("runbook history {}", self.runbook.as_deref().unwrap_or_default()),
        }]
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let which = match (&self.run, &self.runbook) {
            (Some(run), _) if !run.is_empty() => WhichRun::Run(run.clone()),
            (_, runbook) => {
                let cluster = context.cluster()?.identify().await?.cluster_uid;
                WhichRun::Newest {
                    runbook: runbook.clone().unwrap_or_default(),
                    cluster,
                    namespace: context.namespace.clone(),
                }
            }
        };
        let found = context
            .records
            .find(&which)
            .map_err(|reason| Failure::new(FailureKind::Failed, reason))?;
        let Some(earlier) = found else { return Ok(Output::new(Value::Null, "none")) };
        let output = serde_json::to_value(&earlier)
            .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
        Ok(Output::new(output, earlier.run))
    }
}
