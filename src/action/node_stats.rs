//! `node_stats`: what the kubelets measure of nodes, pods and volumes.

use super::support::fan_out::{quote, reading, unread};
use super::support::node_summary::{claims, kubelet_path, node, pods};
use super::{Access, Context, Failure, Output, Reach, Verb};
use crate::cluster::{Cluster, Selection, builtin};
use crate::diagnosis::object::filled;
use crate::event::Effect;
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Kubelets asked at the same time.
const CONCURRENCY: usize = 8;
/// The most nodes that are asked.
const MOST: usize = 50;

/// Reads what the kubelets measure, through the API server (`/stats/summary`): of one node with all
/// its pods, or of the pods of the namespace. The output is `{nodes: [{node, cpu_cores,
/// memory: {used_bytes, available_bytes, used_percent}, fs: {used_bytes, available_bytes,
/// capacity_bytes, used_percent, inodes_used_percent}, imagefs, pids: {used, most, used_percent}}],
/// pods: [{pod, namespace, node, cpu_cores, memory_bytes, volumes: [{name, claim, used_bytes,
/// available_bytes, capacity_bytes, used_percent, inodes_used_percent}]}], claims: [{claim,
/// namespace, pod, node, …}], omitted}`. `memory.used_bytes` is the working set; `fs` is the disk of
/// the kubelet, `imagefs` that of images and containers. A `volume` of a disk that others use too, as
/// an emptyDir does, has the capacity of that disk. A kubelet that does not respond becomes an item
/// `{node, error}`; if none responds, the step is an error. Example: `node_stats: {}` with `expect:
/// '[.claims[] | select(.used_percent > 90)] == []'`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeStats {
    /// Name of one node. Defaults to the nodes of the pods of the namespace.
    pub node: Option<String>,
    /// Namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// Whether to also ask each kubelet whether it is healthy and how it is configured: adds
    /// `healthz` (`ok`, or what it says) and `config` (the KubeletConfiguration) to each node.
    #[serde(default)]
    pub config: bool,
}

impl Verb for NodeStats {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (&self.node, &self.namespace) {
            (Some(_), Some(_)) => Err("use either `node` or `namespace`".to_owned()),
            (Some(node), None) if node.is_empty() || node.contains(['/', '%']) => {
                Err(format!("`node: {node}` is not the name of a node"))
            }
            _ => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.namespace.as_deref().unwrap_or(namespace);
        let list = builtin("Pod").filter(|_| self.node.is_none());
        let list = list.map(|kind| reading(&kind, "list", place, ""));
        let proxy = builtin("Node").map(|kind| Access {
            subresource: "proxy".to_owned(),
            ..reading(&kind, "get", "", self.node.as_deref().unwrap_or_default())
        });
        list.into_iter().chain(proxy).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let raw = |node: &str| {
            format!("kubectl get --raw {}", quote(&kubelet_path(node, "stats/summary")))
        };
        match &self.node {
            Some(node) => vec![raw(node)],
            None => {
                let place = quote(self.namespace.as_deref().unwrap_or(namespace));
                vec![format!("kubectl get pods -n {place} -o wide"), raw("NODE")]
            }
        }
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let place = self.namespace.as_deref().unwrap_or(&context.namespace);
        let names = match &self.node {
            Some(node) => BTreeSet::from([node.clone()]),
            None => nodes_of(cluster, place).await?,
        };
        let omitted = names.len().saturating_sub(MOST);
        // the futures are made first: a closure in the stream would have to be general over lifetimes
        let asked: Vec<_> = names.iter().take(MOST).map(|name| self.ask(cluster, name)).collect();
        let asked: Vec<_> = stream::iter(asked).buffered(CONCURRENCY).collect().await;
        let answered = asked.iter().filter(|answer| answer.is_ok()).count();
        if let (0, Some(Err(failure))) = (answered, asked.first()) {
            return Err(failure.clone());
        }
        let only = self.node.is_none().then_some(place);
        let (mut nodes, mut all) = (Vec::new(), Vec::new());
        for (name, answer) in names.iter().zip(asked) {
            match answer {
                Ok((of_node, summary)) => {
                    all.extend(pods(&summary, name, only));
                    nodes.push(of_node);
                }
                Err(failure) => {
                    let mut item = Map::from_iter([("node".to_owned(), json!(name))]);
                    item.extend(unread(failure));
                    nodes.push(Value::Object(item));
                }
            }
        }
        let claims = claims(&all);
        let summary = match (&self.node, nodes.len()) {
            (Some(_), _) => format!("{} pods", all.len()),
            (None, asked) if answered < asked => format!("{answered} of {asked} responded"),
            (None, _) => format!("{} claims", claims.len()),
        };
        let output = json!({"nodes": nodes, "pods": all, "claims": claims, "omitted": omitted});
        Ok(Output::new(output, summary))
    }
}

impl NodeStats {
    /// What the kubelet of a node says: the node as an item, and the whole summary.
    async fn ask(&self, cluster: &Cluster, name: &str) -> Result<(Value, Value), Failure> {
        let what = |what: &str| format!("{what} of the kubelet of node {name}");
        let summary =
            cluster.get_document(&kubelet_path(name, "stats/summary"), &what("the stats")).await?;
        if !summary["node"].is_object() {
            return Err(Failure::error(format!("{} have no node", what("the stats"))));
        }
        let mut item = node(&summary, name);
        if self.config {
            let timeout = std::time::Duration::from_secs(5);
            let (healthz, configz) = (kubelet_path(name, "healthz"), kubelet_path(name, "configz"));
            let what = what("the configuration");
            let (health, config) = futures::join!(
                cluster.get_raw(&healthz, timeout, 1024),
                cluster.get_document(&configz, &what)
            );
            item["healthz"] = match health {
                Ok(answer) => String::from_utf8_lossy(&answer.body).trim().into(),
                Err(error) => error.message.into(),
            };
            item["config"] = config?["kubeletconfig"].take();
        }
        Ok((item, summary))
    }
}

/// The nodes on which pods of a namespace run.
async fn nodes_of(cluster: &Cluster, namespace: &str) -> Result<BTreeSet<String>, Failure> {
    let kind = builtin("Pod").ok_or_else(|| Failure::error("pods are unknown"))?;
    let pods = cluster.list(&kind, Some(namespace), &Selection::all()).await?;
    Ok(pods
        .iter()
        .filter(|pod| pod["status"]["phase"] == "Running")
        .filter_map(|pod| filled(&pod["spec"]["nodeName"]).map(str::to_owned))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_and_lines_by_hand() {
        let verb = |value: Value| serde_json::from_value::<NodeStats>(value).unwrap();
        let needs = |value: Value| {
            let all = verb(value).permissions("shop");
            all.iter().map(Access::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(needs(json!({"node": "n1"})), "get nodes/proxy n1 (cluster-wide)");
        assert_eq!(needs(json!({})), "list pods in shop, get nodes/proxy (cluster-wide)");
        assert_eq!(
            verb(json!({"node": "n1"})).manual_commands("shop"),
            ["kubectl get --raw /api/v1/nodes/n1/proxy/stats/summary"]
        );
        assert!(verb(json!({"node": "a/../b"})).check().is_err());
        assert!(verb(json!({"node": "a", "namespace": "b"})).check().is_err());
    }
}
