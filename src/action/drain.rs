//! `drain`: a node without pods, for maintenance.

use super::change::{Change, Guard, Intent};
use super::fan::{quote, reading};
use super::{Access, Context, Duration, Failure, FailureKind, Output, Verb, guard, node};
use crate::cluster::{Selection, WaitError, builtin};
use crate::event::Effect;
use crate::network::LabelSelector;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Keeps new pods from a node and evicts those that are there, respecting disruption budgets. Pods of DaemonSets and of the node itself stay.
/// An eviction that a budget does not allow yet is tried again until the deadline. The output has `evicted`, the names.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Name of the node.
    pub node: String,
    /// Evict pods also that keep data in an emptyDir, which is lost.
    #[serde(default)]
    pub delete_emptydir_data: bool,
    /// Evict pods also that nobody would make again.
    #[serde(default)]
    pub force: bool,
    /// How long pods have to end; their own time if absent.
    pub grace_period: Option<Duration>,
}

impl Verb for Drain {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        let mut all = node::permissions(&self.node);
        for (kind, verbs) in [("Pod", ["list", "watch"].as_slice()), ("PodDisruptionBudget", &["list"])] {
            all.extend(builtin(kind).into_iter().flat_map(|resource| verbs.iter().map(move |verb| reading(&resource, verb, "", ""))));
        }
        all.extend(builtin("Pod").map(|resource| Access { subresource: "eviction".to_owned(), ..reading(&resource, "create", "", "") }));
        all
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        let data = if self.delete_emptydir_data { " --delete-emptydir-data" } else { "" };
        let force = if self.force { " --force" } else { "" };
        vec![format!("kubectl drain {} --ignore-daemonsets{data}{force}", quote(&self.node))]
    }

    fn targets(&self, _: &str) -> Vec<String> {
        vec![format!("/node/{}", self.node)]
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let (cordon, _) = node::change(context, &self.node, true).await?;
        let resource = cluster.resolve("Pod").await?;
        let on_node = Selection { labels: None, fields: Some(format!("spec.nodeName={}", self.node)) };
        let pods = cluster.list(&resource, None, &on_node).await?;
        let kind = cluster.resolve("PodDisruptionBudget").await?;
        let budgets = cluster.list(&kind, None, &Selection::default()).await?;
        let mut options = json!({});
        if let Some(grace) = self.grace_period {
            options["gracePeriodSeconds"] = json!(grace.0.as_secs());
        }
        let mut intent = Intent { changes: cordon.into_iter().collect(), ..Intent::default() };
        let mut pods: Vec<&Value> = pods.iter().filter(|pod| is_evicted(pod)).collect();
        pods.sort_by_key(|pod| (pod["metadata"]["namespace"].as_str().unwrap_or_default(), pod["metadata"]["name"].as_str().unwrap_or_default()));
        for pod in pods {
            intent.guards.extend(self.against(pod));
            let own: Vec<&Value> = budgets.iter().filter(|budget| selects(budget, pod)).collect();
            // budgets do not protect what does not run
            if pod["status"]["phase"] == "Running" {
                intent.guards.extend(guard::budget(&own, pod));
            }
            intent.changes.push(Change::evict(&resource, pod, options.clone()));
        }
        Ok(Some(intent))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let evicted: Vec<_> = context.made.iter().filter(|made| made.verb == "evict").collect();
        let names: Vec<Value> = evicted.iter().map(|made| Value::from(format!("{}/{}", made.object.namespace, made.object.name))).collect();
        let uids: Vec<&Value> = evicted.iter().map(|made| &made.before["metadata"]["uid"]).collect();
        let resource = context.cluster()?.resolve("Pod").await?;
        let on_node = Selection { labels: None, fields: Some(format!("spec.nodeName={}", self.node)) };
        let left = |pod: &&Value| uids.contains(&&pod["metadata"]["uid"]);
        let waited = context
            .cluster()?
            .watch_until(&resource, None, &on_node, context.deadline, |objects| {
                let there = objects.values().filter(left).count();
                if there == 0 {
                    return ControlFlow::Break(());
                }
                (context.progress)(&format!("{there} pods are ending"));
                ControlFlow::Continue(())
            })
            .await;
        match waited {
            Ok(()) => Ok(Output::new(json!({"evicted": names}), format!("{} pods evicted", names.len()))),
            Err(WaitError::Timeout { last, waited, .. }) => {
                let held: Vec<&str> = last.values().filter(left).filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
                Err(Failure::new(FailureKind::TimedOut, format!("evicted, and not gone within {} s: {}", waited.as_secs(), held.join(", "))))
            }
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}

impl Drain {
    /// What speaks against the eviction of a pod (kubectl: pkg/drain/filters.go).
    fn against(&self, pod: &Value) -> Option<Guard> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let keeps_data = pod["spec"]["volumes"].as_array().into_iter().flatten().any(|volume| volume["emptyDir"].is_object());
        if keeps_data && !over && !self.delete_emptydir_data {
            return Some(Guard {
                id: "emptydir-data",
                reason: format!("pod/{name} keeps data in an emptyDir, which is lost with it"),
                way: "say so with delete_emptydir_data: true".to_owned(),
            });
        }
        let owned = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["controller"] == true);
        (!owned && !over && !self.force).then(|| Guard {
            id: "unmanaged-pod",
            reason: format!("pod/{name} belongs to no controller: nobody would make it again"),
            way: "say so with force: true".to_owned(),
        })
    }
}

/// Whether a drain evicts this pod: not those of the node itself, of DaemonSets, or that are going already.
fn is_evicted(pod: &Value) -> bool {
    let mirror = pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
    let daemon = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["controller"] == true && owner["kind"] == "DaemonSet");
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    pod["metadata"]["deletionTimestamp"].is_null() && !mirror && (!daemon || over)
}

fn selects(budget: &Value, pod: &Value) -> bool {
    if budget["metadata"]["namespace"] != pod["metadata"]["namespace"] {
        return false;
    }
    let labels: BTreeMap<String, String> =
        pod["metadata"]["labels"].as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    serde_json::from_value::<LabelSelector>(budget["spec"]["selector"].clone()).is_ok_and(|selector| selector.matches(&labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_daemon_sets_and_of_the_node_stay() {
        let owner = |kind: &str| json!({"metadata": {"name": "p", "ownerReferences": [{"controller": true, "kind": kind}]}, "status": {"phase": "Running"}});
        let mut mirror = owner("Node");
        mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        let mut ending = owner("ReplicaSet");
        ending["metadata"]["deletionTimestamp"] = json!("2026-11-20T03:00:00Z");
        for (pod, evicted) in [(owner("ReplicaSet"), true), (owner("DaemonSet"), false), (mirror, false), (ending, false)] {
            assert_eq!(is_evicted(&pod), evicted, "{pod}");
        }
    }

    #[test]
    fn data_and_pods_without_an_owner_want_a_word() {
        let drain = Drain { node: "n".to_owned(), delete_emptydir_data: false, force: false, grace_period: None };
        let pod = |volumes: Value, owners: Value| json!({"metadata": {"name": "p", "ownerReferences": owners}, "spec": {"volumes": volumes}, "status": {"phase": "Running"}});
        let owners = json!([{"controller": true, "kind": "ReplicaSet"}]);
        for (pod, id) in [
            (pod(json!([{"emptyDir": {}}]), owners.clone()), Some("emptydir-data")),
            (pod(json!([]), json!([])), Some("unmanaged-pod")),
            (pod(json!([]), owners), None),
        ] {
            assert_eq!(drain.against(&pod).map(|guard| guard.id), id, "{pod}");
        }
    }
}
