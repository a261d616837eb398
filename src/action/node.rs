//! What `cordon`, `uncordon` and `drain` share: a node and whether it takes pods.

use super::change::{Change, Intent};
use super::fan::reading;
use super::{Access, Context, Failure};
use crate::cluster::builtin;
use serde_json::{Value, json};

/// The permissions to change a node.
pub(super) fn permissions(node: &str) -> Vec<Access> {
    let Some(resource) = builtin("Node") else { return Vec::new() };
    ["get", "patch"].into_iter().map(|verb| reading(&resource, verb, "", node)).collect()
}

/// The change that lets a node take pods, or not.
pub(super) async fn change(context: &Context, name: &str, unschedulable: bool) -> Result<(Option<Change>, Value), Failure> {
    let cluster = context.cluster()?;
    let resource = cluster.resolve("Node").await?;
    let node = cluster.get(&resource, None, name).await?;
    let mut wanted = node.clone();
    if unschedulable {
        wanted["spec"]["unschedulable"] = json!(true);
    } else if let Some(spec) = wanted["spec"].as_object_mut() {
        spec.shift_remove("unschedulable");
    }
    let summary = if unschedulable { "takes no new pods" } else { "takes pods again" };
    Ok((Change::between(&resource, &node, &wanted, summary), node))
}

pub(super) async fn intend(context: &Context, name: &str, unschedulable: bool) -> Result<Option<Intent>, Failure> {
    let (change, _) = change(context, name, unschedulable).await?;
    Ok(Some(Intent::of(change, Vec::new())))
}
