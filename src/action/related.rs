//! `related`: what an object belongs to, and what belongs to it.

use super::support::fan_out::{quote, reading};
use super::support::managed_by::managed_by;
use super::support::relation::{self, Edge, Relation, edges, family, owners};
use super::support::snapshot;
use super::{Access, Context, Failure, Output, Reach, Target, Verb};
use crate::cluster::{ErrorKind, builtin};
use crate::diagnosis::object::name;
use crate::diagnosis::{Object, Snapshot};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The most names of a kind.
const MOST: usize = 200;
/// The kinds that are listed, each under its plural name.
const LISTED: [&str; 17] = [
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "Service",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "ResourceQuota",
    "LimitRange",
];

/// Lists the objects that belong to an object: the chain of its owners, its pods, the Services,
/// Ingresses, HorizontalPodAutoscalers, PodDisruptionBudgets and NetworkPolicies that apply to them,
/// the claims, ConfigMaps, Secrets and ServiceAccounts to which they refer, the quotas of the
/// namespace, and the nodes. Works in both directions: for a ConfigMap, it lists the workloads whose
/// pods refer to it. The output is `{target, exists, owners: [OBJECT], pods: [name], deployments,
/// statefulsets, daemonsets, jobs, cronjobs, services, ingresses, horizontalpodautoscalers,
/// poddisruptionbudgets, networkpolicies, persistentvolumeclaims, configmaps, secrets,
/// serviceaccounts, resourcequotas, limitranges, nodes, managed_by: {tool, name, namespace}, edges:
/// [{from, relation, to}]}`. `managed_by` is the Argo CD application, Flux object or Helm release
/// that the labels name, or null. `{not_looked_at: REASON}` in the place of a list could not be
/// read. Example: `related: {target: configmap/settings}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// Object: `pod/NAME`, `deployment/NAME`, `service/NAME`, `configmap/NAME`, `pvc/NAME`,
    /// `node/NAME`, and others. Of a node, the pods of the namespace are listed.
    pub target: Target,
}

impl Verb for Related {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    /// What it cannot do without. What else may not be read is not looked at, and said.
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.target.namespace(namespace);
        builtin("Pod").map(|kind| reading(&kind, "list", place, "")).into_iter().collect()
    }

    fn check(&self) -> Result<(), String> {
        self.target.one_object()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.target.namespace(namespace));
        vec![
            format!("kubectl describe -n {place} {}", self.target.kubectl()),
            format!(
                "kubectl get -n {place} pods,services,ingresses,hpa,pdb,networkpolicies -o wide"
            ),
        ]
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let place = self.target.namespace(&context.namespace);
        let kinds = relation::KINDS.iter().chain(&["ResourceQuota", "LimitRange"]);
        let kinds: Vec<&str> = kinds.copied().collect();
        let snapshot = snapshot::of_kinds(cluster, place, &kinds).await?;
        let target = self.target.object(place);
        let exists = match snapshot::exists(context, &snapshot, &target).await {
            Ok(_) => Some(true),
            // pods refer to what is not there, and not everybody may read a Secret
            Err(_) if touched(&edges(&snapshot), &target) => {
                is_missing(context, &target).await.then_some(false)
            }
            Err(failure) => return Err(failure),
        };
        let mut output = related(&snapshot, &target);
        output.insert("exists".to_owned(), json!(exists));
        let edges = output["edges"].as_array().map_or(0, Vec::len);
        Ok(Output::new(Value::Object(output), format!("{edges} relations")))
    }
}

fn touched(edges: &BTreeSet<Edge>, object: &Object) -> bool {
    edges.iter().any(|edge| edge.from == *object || edge.to == *object)
}

/// Whether an object is certainly not there.
async fn is_missing(context: &Context, target: &Object) -> bool {
    let Ok(cluster) = context.cluster() else { return false };
    let Ok(kind) = cluster.resolve(&target.kind).await else { return false };
    let read = cluster.get(&kind, Some(&target.namespace), &target.name).await;
    read.is_err_and(|error| error.kind == ErrorKind::NotFound)
}

/// Whether pods use an object of this kind, rather than belong to it.
fn is_used(kind: &str) -> bool {
    matches!(kind, "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "ServiceAccount" | "Node")
}

/// The relations that have to do with the target.
fn around(edges: &BTreeSet<Edge>, target: &Object) -> BTreeSet<Edge> {
    let mut found = BTreeSet::new();
    // pods and what controls them, from whatever leads to them
    let mut line: BTreeSet<Object> = family(edges, target);
    let mut next: Vec<Object> = vec![target.clone()];
    while let Some(at) = next.pop() {
        for edge in edges {
            let leads = match edge.relation {
                Relation::Selects | Relation::Scales | Relation::RoutesTo => edge.from == at,
                Relation::Uses | Relation::RunsOn => edge.to == at && at == *target,
                Relation::Owns => false,
            };
            if !leads {
                continue;
            }
            let other = if edge.from == at { &edge.to } else { &edge.from };
            found.insert(edge.clone());
            if other.kind != "Ingress" && line.insert(other.clone()) {
                line.extend(family(edges, other));
                next.push(other.clone());
            }
        }
    }
    for member in line.clone() {
        line.extend(owners(edges, &member));
    }
    let used = is_used(&target.kind);
    let services: BTreeSet<&Object> = edges
        .iter()
        .filter(|edge| edge.relation == Relation::Selects && line.contains(&edge.to))
        .map(|edge| &edge.from)
        .collect();
    found.extend(
        edges
            .iter()
            .filter(|edge| {
                match edge.relation {
                    Relation::Owns => line.contains(&edge.from) && line.contains(&edge.to),
                    Relation::Selects | Relation::Scales => line.contains(&edge.to),
                    Relation::RoutesTo => services.contains(&edge.to) || line.contains(&edge.to),
                    // the other things that its pods use have nothing to do with one of them
                    Relation::Uses | Relation::RunsOn => !used && line.contains(&edge.from),
                }
            })
            .cloned(),
    );
    found
}

/// Everything that belongs to an object, by plural names.
fn related(snapshot: &Snapshot, target: &Object) -> Map<String, Value> {
    let edges = edges(snapshot);
    let near = around(&edges, target);
    let mut objects: BTreeSet<&Object> =
        near.iter().flat_map(|edge| [&edge.from, &edge.to]).filter(|one| *one != target).collect();
    let chain = owners(&edges, target);
    objects.extend(&chain);
    let tool = std::iter::once(target)
        .chain(&chain)
        .filter_map(|object| snapshot.get(&object.kind, &object.name))
        .find_map(|object| managed_by(&object["metadata"]));
    let mut output = Map::from_iter([
        ("target".to_owned(), json!(target.to_string())),
        ("exists".to_owned(), Value::Null),
        ("owners".to_owned(), json!(chain)),
    ]);
    for kind in LISTED {
        let Some(resource) = builtin(kind) else { continue };
        let limits = matches!(kind, "ResourceQuota" | "LimitRange") && !target.namespace.is_empty();
        let names: Vec<&str> = if limits {
            snapshot.of(kind).iter().map(name).take(MOST).collect()
        } else {
            let named = objects.iter().filter(|object| object.kind == kind);
            named.map(|object| object.name.as_str()).take(MOST).collect()
        };
        let listed = match snapshot.why_unread(kind) {
            Some(why) => json!({"not_looked_at": why}),
            None => json!(names),
        };
        output.insert(resource.plural, listed);
    }
    let nodes: Vec<&str> = objects
        .iter()
        .filter(|object| object.kind == "Node")
        .map(|object| object.name.as_str())
        .collect();
    output.insert("nodes".to_owned(), json!(nodes));
    output.insert("managed_by".to_owned(), json!(tool));
    let near: Vec<Value> = near.iter().take(MOST).map(shown).collect();
    output.insert("edges".to_owned(), json!(near));
    output
}

fn shown(edge: &Edge) -> Value {
    json!({"from": edge.from.to_string(), "relation": edge.relation, "to": edge.to.to_string()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str, rest: Value) -> Value {
        let mut object = json!({"kind": kind, "metadata": {"namespace": "shop", "name": name}});
        crate::compare::merge(&mut object, &rest);
        object
    }

    fn owned(kind: &str, name: &str) -> Value {
        json!({"metadata": {"labels": {"app": "web"},
            "ownerReferences": [{"kind": kind, "name": name, "controller": true}]}})
    }

    /// A Deployment with two pods and all that can belong to it, and another pod.
    fn shop() -> Snapshot {
        let backend = json!({"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}});
        let pod = |name: &str| {
            let mut pod = object("Pod", name, owned("ReplicaSet", "web-1"));
            pod["spec"] = json!({"nodeName": "n1", "serviceAccountName": "robot",
                "volumes": [{"persistentVolumeClaim": {"claimName": "data"}},
                    {"projected": {"sources": [{"secret": {"name": "token"}}]}}],
                "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "settings"}}],
                    "env": [{"valueFrom": {"secretKeyRef": {"name": "login", "key": "k"}}}]}]});
            pod
        };
        [
            object(
                "Deployment",
                "web",
                json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}}),
            ),
            object("ReplicaSet", "web-1", owned("Deployment", "web")),
            pod("web-1-a"),
            pod("web-1-b"),
            object(
                "Pod",
                "other",
                json!({"spec": {"containers": [
                {"env": [{"valueFrom": {"configMapKeyRef": {"name": "elsewhere"}}}]}]}}),
            ),
            object("Service", "web", json!({"spec": {"selector": {"app": "web"}}})),
            object("Service", "without", json!({"spec": {"selector": {}}})),
            object(
                "Ingress",
                "shop",
                json!({"spec": {"rules": [backend],
                "tls": [{"secretName": "tls"}]}}),
            ),
            object(
                "HorizontalPodAutoscaler",
                "web",
                json!({"spec": {"scaleTargetRef":
                {"kind": "Deployment", "name": "web"}}}),
            ),
            object(
                "PodDisruptionBudget",
                "web",
                json!({"spec": {"selector": {"matchExpressions":
                [{"key": "app", "operator": "In", "values": ["web"]}]}}}),
            ),
            object("NetworkPolicy", "all", json!({"spec": {"podSelector": {}}})),
            object("PersistentVolumeClaim", "data", json!({})),
            object("ResourceQuota", "most", json!({})),
        ]
        .into_iter()
        .collect()
    }

    fn of(kind: &str, name: &str) -> Map<String, Value> {
        related(&shop(), &relation::named(kind, "shop", name))
    }

    #[test]
    fn a_pod_belongs_to_its_owners_and_to_all_that_applies_to_it() {
        let found = of("Pod", "web-1-a");
        let owners: Vec<_> =
            found["owners"].as_array().unwrap().iter().map(|owner| &owner["name"]).collect();
        assert_eq!(owners, ["web-1", "web"]);
        for (key, wanted) in [
            ("pods", json!([])),
            ("deployments", json!(["web"])),
            ("services", json!(["web"])),
            ("ingresses", json!(["shop"])),
            ("horizontalpodautoscalers", json!(["web"])),
            ("poddisruptionbudgets", json!(["web"])),
            ("networkpolicies", json!(["all"])),
            ("persistentvolumeclaims", json!(["data"])),
            ("configmaps", json!(["settings"])),
            ("secrets", json!(["login", "token"])),
            ("serviceaccounts", json!(["robot"])),
            ("resourcequotas", json!(["most"])),
            ("nodes", json!(["n1"])),
            (
                "managed_by",
                json!({"tool": "flux-kustomization", "name": "apps",
                "namespace": null}),
            ),
        ] {
            assert_eq!(found[key], wanted, "{key}");
        }
    }

    #[test]
    fn and_back() {
        for (kind, name, key, wanted) in [
            ("ConfigMap", "settings", "pods", json!(["web-1-a", "web-1-b"])),
            ("ConfigMap", "settings", "deployments", json!(["web"])),
            ("ConfigMap", "settings", "ingresses", json!(["shop"])),
            ("ConfigMap", "settings", "secrets", json!([])),
            ("ConfigMap", "elsewhere", "pods", json!(["other"])),
            ("ConfigMap", "elsewhere", "deployments", json!([])),
            ("ConfigMap", "unused", "pods", json!([])),
            ("Secret", "tls", "ingresses", json!(["shop"])),
            ("Service", "web", "pods", json!(["web-1-a", "web-1-b"])),
            ("Service", "web", "deployments", json!(["web"])),
            ("Service", "web", "ingresses", json!(["shop"])),
            ("Service", "without", "pods", json!([])),
            ("Ingress", "shop", "services", json!(["web"])),
            ("Ingress", "shop", "deployments", json!(["web"])),
            ("HorizontalPodAutoscaler", "web", "deployments", json!(["web"])),
            ("HorizontalPodAutoscaler", "web", "pods", json!(["web-1-a", "web-1-b"])),
            ("Deployment", "web", "pods", json!(["web-1-a", "web-1-b"])),
            ("Deployment", "web", "services", json!(["web"])),
            ("Node", "n1", "pods", json!(["web-1-a", "web-1-b"])),
            ("Node", "n1", "configmaps", json!([])),
        ] {
            assert_eq!(of(kind, name)[key], wanted, "{kind}/{name} {key}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_no_empty_list() {
        let mut snapshot = shop();
        snapshot.unread("Ingress", "not allowed");
        let found = related(&snapshot, &relation::named("Pod", "shop", "web-1-a"));
        assert_eq!(found["ingresses"], json!({"not_looked_at": "not allowed"}));
    }
}
