//! `cordon`: marks a node as unschedulable; what it shares with `uncordon` is here.

use super::support::change::{Change, Intent};
use super::support::fan_out::quote;
use super::support::workload;
use super::{Access, Context, Failure, Output, Reach, Target, Verb, Which};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Marks a node as unschedulable. Running pods remain.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cordon {
    /// Name of the node.
    pub node: String,
}

impl Verb for Cordon {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&node(&self.node), namespace)
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("kubectl cordon {}", quote(&self.node))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&node(&self.node), namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        Ok(Some(Intent::of(schedulable(context, &self.node, false).await?, Vec::new())))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

/// A node as a target.
pub(super) fn node(name: &str) -> Target {
    Target { kind: "Node".to_owned(), which: Which::Name(name.to_owned()), namespace: None }
}

/// The change that lets new pods come to a node, or keeps them away. None if it is so already.
///
/// # Errors
/// When the node cannot be read.
pub(super) async fn schedulable(
    context: &Context,
    name: &str,
    wanted: bool,
) -> Result<Option<Change>, Failure> {
    let found = workload::find(context, &node(name)).await?;
    if (found.object["spec"]["unschedulable"] != true) == wanted {
        return Ok(None);
    }
    let mut after = found.object.clone();
    match after["spec"].as_object_mut() {
        Some(spec) if wanted => drop(spec.shift_remove("unschedulable")),
        _ => after["spec"]["unschedulable"] = json!(true),
    }
    Ok(Change::between(
        &found.resource,
        &found.object,
        &after,
        if wanted { "uncordoned" } else { "cordoned" },
    ))
}
