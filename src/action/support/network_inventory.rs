//! Reads the objects that decide which connections are allowed.

use super::fan_out::reading;
use crate::action::{Access, Failure};
use crate::cluster::{Cluster, ErrorKind, Resource, Selection, builtin};
use crate::network::{ForeignPolicy, Inventory};
use futures::future::{join_all, try_join_all};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where DNS runs.
const SYSTEM: &str = "kube-system";
/// What decides about connections of pods that are there.
const PATH: [&str; 4] = ["NetworkPolicy", "Pod", "Service", "EndpointSlice"];
/// What makes pods.
const TEMPLATES: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"];

/// What was read.
pub struct Survey {
    /// What decides.
    pub inventory: Inventory,
    /// The same as it came from the server.
    pub objects: Vec<Value>,
    /// What could not be looked at although it could matter.
    pub gaps: Vec<String>,
}

/// The permissions that [`namespaces`] needs.
pub(in crate::action) fn namespaces_permissions<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<Access> {
    let mut needed: Vec<Access> = names
        .into_iter()
        .flat_map(|name| {
            let space = builtin("Namespace").map(|resource| reading(&resource, "get", "", name));
            PATH.into_iter()
                .filter_map(builtin)
                .map(move |resource| reading(&resource, "list", name, ""))
                .chain(space)
        })
        .collect();
    needed.sort();
    needed.dedup();
    needed
}

/// The permissions that [`everything`] needs.
pub(in crate::action) fn everything_permissions() -> Vec<Access> {
    PATH.iter()
        .chain(&TEMPLATES)
        .chain(["ConfigMap", "Namespace"].iter())
        .filter_map(|kind| builtin(kind))
        .map(|resource| reading(&resource, "list", "", ""))
        .collect()
}

/// What matters for pods of these namespaces; DNS is looked at as well. A name that is no namespace
/// is left out.
///
/// # Errors
/// When something of these namespaces cannot be read.
pub(in crate::action) async fn namespaces(
    cluster: &Cluster,
    names: &BTreeSet<String>,
) -> Result<Survey, Failure> {
    let wanted = try_join_all(names.iter().map(|name| of_namespace(cluster, name)));
    let system = async {
        if names.contains(SYSTEM) { Ok(Vec::new()) } else { of_namespace(cluster, SYSTEM).await }
    };
    let (wanted, system, foreign) = tokio::join!(wanted, system, foreign(cluster));
    let mut objects: Vec<Value> = wanted?.into_iter().flatten().collect();
    let (more, mut gaps) = foreign;
    match system {
        Ok(found) => objects.extend(found),
        Err(failure) => gaps.push(format!(
            "assuming the default DNS, since {SYSTEM} could not be read: {}",
            failure.message
        )),
    }
    objects.extend(more);
    Ok(Survey { inventory: Inventory::from_objects(&objects), objects, gaps })
}

/// All namespaces with what makes pods in them.
///
/// # Errors
/// When something cannot be listed.
pub async fn everything(cluster: &Cluster) -> Result<Survey, Failure> {
    let kinds: Vec<Resource> = PATH
        .iter()
        .chain(&TEMPLATES)
        .chain(["ConfigMap", "Namespace"].iter())
        .filter_map(|kind| builtin(kind))
        .collect();
    let all = Selection::default();
    let lists = try_join_all(kinds.iter().map(|resource| cluster.list(resource, None, &all)));
    let (lists, (more, gaps)) = tokio::join!(lists, foreign(cluster));
    let objects: Vec<Value> = lists?.into_iter().flatten().chain(more).collect();
    Ok(Survey { inventory: Inventory::from_objects(&objects), objects, gaps })
}

async fn of_namespace(cluster: &Cluster, name: &str) -> Result<Vec<Value>, Failure> {
    let Some(space) = builtin("Namespace") else { return Ok(Vec::new()) };
    let kinds: Vec<Resource> = PATH.into_iter().filter_map(builtin).collect();
    let all = Selection::default();
    let lists = try_join_all(kinds.iter().map(|resource| cluster.list(resource, Some(name), &all)));
    let (space, lists) = tokio::join!(cluster.get(&space, None, name), lists);
    let mut space = match space {
        Ok(space) => space,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    space["apiVersion"] = "v1".into();
    space["kind"] = "Namespace".into();
    Ok(lists?.into_iter().flatten().chain([space]).collect())
}

/// Policies of other kinds, and those that could not be listed.
async fn foreign(cluster: &Cluster) -> (Vec<Value>, Vec<String>) {
    let (kinds, mut gaps): (Vec<Resource>, Vec<String>) =
        match cluster.served(&ForeignPolicy::KINDS).await {
            Ok((kinds, broken)) => (
                kinds,
                broken
                    .into_iter()
                    .filter(|group| {
                        ForeignPolicy::KINDS.iter().any(|(known, _)| group.starts_with(known))
                    })
                    .map(|group| format!("API group {group} did not respond"))
                    .collect(),
            ),
            Err(error) => {
                return (Vec::new(), vec![format!("other kinds of policies are unknown: {error}")]);
            }
        };
    let all = Selection::default();
    let lists = join_all(kinds.iter().map(|resource| cluster.list(resource, None, &all))).await;
    let mut objects = Vec::new();
    for (kind, list) in kinds.iter().zip(lists) {
        match list {
            Ok(list) => objects.extend(list),
            Err(error) => gaps.push(format!("{} could not be listed: {error}", kind.qualified())),
        }
    }
    (objects, gaps)
}
