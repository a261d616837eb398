//! `top`: the usage of CPU and memory that the metrics API reports.

use super::support::fan_out::{quote, reading};
use super::support::node_summary::percent;
use super::{Access, Context, Failure, Output, Reach, Target, Verb, Which};
use crate::cluster::{Cluster, ErrorKind, Selection, builtin};
use crate::diagnosis::object::{array, name, quantity, text};
use crate::encoding::percent_encode;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where the metrics API is.
const ROOT: &str = "/apis/metrics.k8s.io/v1beta1";

/// Reads the current usage of CPU and memory from the metrics API, as `kubectl top` does. For pods,
/// the output is `{items: [{pod, time, window, cpu_cores, memory_bytes, containers: [{name,
/// cpu_cores, memory_bytes, cpu_limit_percent, memory_limit_percent}]}]}`; for nodes, `{items:
/// [{node, time, window, cpu_cores, memory_bytes, cpu_percent, memory_percent}]}`, percent of what
/// can be allocated. The greatest memory usage comes first. A container without a limit has no
/// percentage. If the metrics API is not installed, the step is an error. Example: `top: {target:
/// deployment/web}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// Pods, or `node/NAME`. Defaults to all pods of the namespace.
    pub target: Option<Target>,
    /// Whether to read all nodes.
    #[serde(default)]
    pub nodes: bool,
    /// Namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
}

impl Verb for Top {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match &self.target {
            Some(_) if self.nodes => Err("use either `target` or `nodes`".to_owned()),
            Some(target) if self.of_nodes() => target.one_object(),
            Some(target) => target.pods().map(drop).map_err(|failure| failure.message),
            None => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.place(namespace);
        let metrics = |resource: &str, namespace: &str, name: &str| Access {
            verb: if name.is_empty() { "list" } else { "get" }.to_owned(),
            group: "metrics.k8s.io".to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Access::default()
        };
        if self.of_nodes() {
            let name = self.node().unwrap_or_default();
            let verb = if name.is_empty() { "list" } else { "get" };
            let node = builtin("Node").map(|kind| reading(&kind, verb, "", name));
            return node.into_iter().chain([metrics("nodes", "", name)]).collect();
        }
        let pods = match &self.target {
            Some(target) => target.pod_permissions(place),
            None => {
                builtin("Pod").map(|kind| reading(&kind, "list", place, "")).into_iter().collect()
            }
        };
        pods.into_iter().chain([metrics("pods", place, "")]).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.place(namespace));
        if self.of_nodes() {
            let name = self.node().map(|name| format!(" {}", quote(name))).unwrap_or_default();
            return vec![format!("kubectl top nodes{name}")];
        }
        let which = match self.target.as_ref().map(|target| &target.which) {
            Some(Which::Selector(selector)) => format!(" -l {}", quote(selector)),
            _ => String::new(),
        };
        vec![format!("kubectl top pods -n {place} --containers{which}")]
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let mut items = if self.of_nodes() {
            self.top_nodes(cluster).await?
        } else {
            self.top_pods(cluster, self.place(&context.namespace)).await?
        };
        items.sort_by_key(|item| std::cmp::Reverse(item["memory_bytes"].as_u64()));
        let summary = match items.len() {
            1 => format!("{} MiB", items[0]["memory_bytes"].as_u64().unwrap_or_default() >> 20),
            many => format!("{many} {}", if self.of_nodes() { "nodes" } else { "pods" }),
        };
        Ok(Output::new(json!({ "items": items }), summary))
    }
}

impl Top {
    fn place<'a>(&'a self, namespace: &'a str) -> &'a str {
        let of_target = self.target.as_ref().and_then(|target| target.namespace.as_deref());
        of_target.or(self.namespace.as_deref()).unwrap_or(namespace)
    }

    fn of_nodes(&self) -> bool {
        let kind = self.target.as_ref().and_then(|target| builtin(&target.kind));
        self.nodes || kind.is_some_and(|kind| kind.kind == "Node")
    }

    fn node(&self) -> Option<&str> {
        match &self.target.as_ref()?.which {
            Which::Name(name) if self.of_nodes() => Some(name),
            Which::Name(_) | Which::Selector(_) => None,
        }
    }

    async fn top_nodes(&self, cluster: &Cluster) -> Result<Vec<Value>, Failure> {
        let kind = builtin("Node").ok_or_else(|| Failure::error("nodes are unknown"))?;
        let (metrics, nodes) = match self.node() {
            Some(node) => {
                let path = format!("{ROOT}/nodes/{}", percent_encode(node));
                let what = format!("the metrics of node {node}");
                let metrics = metrics(cluster, &path, &what);
                let (one, node) = futures::try_join!(metrics, async {
                    Ok(cluster.get(&kind, None, node).await?)
                })?;
                (vec![one], vec![node])
            }
            None => {
                let path = format!("{ROOT}/nodes");
                let metrics = metrics(cluster, &path, "the metrics of the nodes");
                let (mut all, nodes) = futures::try_join!(metrics, async {
                    Ok(cluster.list(&kind, None, &Selection::all()).await?)
                })?;
                (items(&mut all)?, nodes)
            }
        };
        Ok(metrics
            .iter()
            .map(|of| node(of, nodes.iter().find(|one| name(one) == name(of))))
            .collect())
    }

    async fn top_pods(&self, cluster: &Cluster, place: &str) -> Result<Vec<Value>, Failure> {
        let pods = async {
            Ok(match &self.target {
                Some(target) => cluster.pods(&target.pods()?, place).await?,
                None => {
                    let kind = builtin("Pod").ok_or_else(|| Failure::error("pods are unknown"))?;
                    cluster.list(&kind, Some(place), &Selection::all()).await?
                }
            })
        };
        let path = format!("{ROOT}/namespaces/{}/pods", percent_encode(place));
        let what = format!("the metrics of the pods in namespace {place}");
        let (mut all, pods) = futures::try_join!(metrics(cluster, &path, &what), pods)?;
        Ok(of_pods(&items(&mut all)?, &pods))
    }
}

/// What the metrics API says.
async fn metrics(cluster: &Cluster, path: &str, what: &str) -> Result<Value, Failure> {
    cluster.get_document(path, what).await.map_err(|error| match error.kind {
        ErrorKind::Unsupported => Failure::error(
            "the metrics API (metrics.k8s.io) is not served: metrics-server is not installed in \
                this cluster",
        ),
        ErrorKind::Server => Failure {
            message: format!("the metrics API does not respond; look at metrics-server: {error}"),
            ..error.into()
        },
        _ => error.into(),
    })
}

fn items(list: &mut Value) -> Result<Vec<Value>, Failure> {
    match list["items"].take() {
        Value::Array(items) => Ok(items),
        _ => Err(Failure::error("the metrics API returned no list")),
    }
}

/// Bytes, or cores to the thousandth.
fn bytes(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quantity of memory is a whole number of bytes"
    )]
    quantity(value.as_str()?).map(|bytes| bytes.round() as u64)
}

fn cores(value: &Value) -> Option<f64> {
    quantity(value.as_str()?).map(|cores| (cores * 1e3).round() / 1e3)
}

/// Usage of CPU in percent; both as thousandths, which are whole.
fn cpu_percent(used: Option<f64>, whole: Option<f64>) -> Option<f64> {
    let (used, whole) = (used?, whole.filter(|whole| *whole > 0.0)?);
    Some((used / whole * 1000.0).round() / 10.0)
}

fn node(metrics: &Value, node: Option<&Value>) -> Value {
    let usage = &metrics["usage"];
    let (cpu, memory) = (cores(&usage["cpu"]), bytes(&usage["memory"]));
    let room = node.map(|node| &node["status"]["allocatable"]);
    json!({
        "node": metrics["metadata"]["name"], "time": metrics["timestamp"],
        "window": metrics["window"], "cpu_cores": cpu, "memory_bytes": memory,
        "cpu_percent": cpu_percent(cpu, room.and_then(|room| cores(&room["cpu"]))),
        "memory_percent": percent(memory, room.and_then(|room| bytes(&room["memory"]))),
    })
}

/// The metrics of these pods. A pod without metrics, as one that has just started, is left out.
fn of_pods(metrics: &[Value], pods: &[Value]) -> Vec<Value> {
    let wanted: BTreeMap<&str, &Value> = pods.iter().map(|pod| (name(pod), pod)).collect();
    let known = metrics.iter().filter_map(|of| Some((of, *wanted.get(name(of))?)));
    known.map(|(of, pod)| of_pod(of, pod)).collect()
}

fn of_pod(metrics: &Value, pod: &Value) -> Value {
    let limits = |container: &str| {
        ["containers", "initContainers"]
            .into_iter()
            .flat_map(|list| array(&pod["spec"][list]))
            .find(|one| text(&one["name"]) == container)
            .map(|one| &one["resources"]["limits"])
    };
    let containers: Vec<Value> = array(&metrics["containers"])
        .map(|of| {
            let (cpu, memory) = (cores(&of["usage"]["cpu"]), bytes(&of["usage"]["memory"]));
            let limits = limits(text(&of["name"]));
            json!({
                "name": of["name"], "cpu_cores": cpu, "memory_bytes": memory,
                "cpu_limit_percent":
                    cpu_percent(cpu, limits.and_then(|limits| cores(&limits["cpu"]))),
                "memory_limit_percent":
                    percent(memory, limits.and_then(|limits| bytes(&limits["memory"]))),
            })
        })
        .collect();
    let sum = |field: &str| containers.iter().filter_map(|one| one[field].as_f64()).sum::<f64>();
    let memory: u64 = containers.iter().filter_map(|one| one["memory_bytes"].as_u64()).sum();
    json!({
        "pod": metrics["metadata"]["name"], "time": metrics["timestamp"],
        "window": metrics["window"], "cpu_cores": (sum("cpu_cores") * 1e3).round() / 1e3,
        "memory_bytes": memory, "containers": containers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_compared_with_what_the_container_may_use() {
        let metrics = [
            json!({"metadata": {"name": "web"}, "timestamp": "T", "window": "15s",
            "containers": [
            {"name": "a", "usage": {"cpu": "250000000n", "memory": "96Mi"}},
            {"name": "b", "usage": {"cpu": "1m", "memory": "4Mi"}}]}),
            json!({"metadata": {"name": "other"}, "containers": []}),
        ];
        let pods = [json!({"metadata": {"name": "web"}, "spec": {"containers": [
            {"name": "a", "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}}},
            {"name": "b"}]}})];
        let found = of_pods(&metrics, &pods);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&found[0]["cpu_cores"], &found[0]["memory_bytes"]),
            (&json!(0.251), &json!(100 * 1024 * 1024))
        );
        assert_eq!(
            found[0]["containers"][0],
            json!({"name": "a", "cpu_cores": 0.25, "memory_bytes": 96 * 1024 * 1024,
                "cpu_limit_percent": 50.0, "memory_limit_percent": 75.0})
        );
        assert_eq!(found[0]["containers"][1]["memory_limit_percent"], Value::Null);
    }

    #[test]
    fn a_node_is_compared_with_what_can_be_allocated() {
        let metrics =
            json!({"metadata": {"name": "n"}, "usage": {"cpu": "500m", "memory": "512Mi"}});
        let object = json!({"status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}});
        let found = node(&metrics, Some(&object));
        assert_eq!((&found["cpu_percent"], &found["memory_percent"]), (&json!(25.0), &json!(50.0)));
        assert_eq!(node(&metrics, None)["cpu_percent"], Value::Null);
    }

    #[test]
    fn permissions_and_lines_by_hand() {
        let verb = |value: Value| serde_json::from_value::<Top>(value).unwrap();
        for (value, line, needs) in [
            (
                json!({}),
                "kubectl top pods -n shop --containers",
                "list pods in shop, list pods.metrics.k8s.io in shop",
            ),
            (
                json!({"target": "node/n1"}),
                "kubectl top nodes n1",
                "get nodes n1 (cluster-wide), get nodes.metrics.k8s.io n1 (cluster-wide)",
            ),
            (
                json!({"nodes": true}),
                "kubectl top nodes",
                "list nodes (cluster-wide), list nodes.metrics.k8s.io (cluster-wide)",
            ),
        ] {
            let verb = verb(value);
            verb.check().unwrap();
            assert_eq!(verb.manual_commands("shop"), [line]);
            let all: Vec<String> = verb.permissions("shop").iter().map(Access::to_string).collect();
            assert_eq!(all.join(", "), needs);
        }
        assert!(verb(json!({"nodes": true, "target": "node/a"})).check().is_err());
    }
}
