//! `drain`: evicts the pods of a node, respecting disruption budgets.

use super::cordon::{node, schedulable};
use super::delete::{deleted_uids, gone, seconds};
use super::support::change::{Change, Guard, Intent};
use super::support::fan_out::{quote, reading};
use super::support::{guard, workload};
use super::{Access, Context, Duration, Failure, Output, Reach, Verb};
use crate::cluster::{Cluster, Selection, builtin};
use crate::diagnosis::pod as pods;
use crate::event::Effect;
use crate::network::{LabelSelector, Labels};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Cordons a node, evicts its pods, and waits until they are gone. Pods of DaemonSets and static
/// pods remain. Refuses the change, before anything happens, if an eviction would lose data or a
/// pod without a controller, or if a PodDisruptionBudget allows no eviction. The output has
/// `evicted` and `left`: pods as `NAMESPACE/NAME`; remaining pods have a reason.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Name of the node.
    pub node: String,
    /// Whether data in emptyDir volumes may be deleted.
    #[serde(default)]
    pub delete_emptydir_data: bool,
    /// Whether to ignore pods of DaemonSets, which cannot be drained.
    #[serde(default = "yes")]
    pub ignore_daemonsets: bool,
    /// Whether to evict pods without a controller, which are not recreated.
    #[serde(default)]
    pub force: bool,
    /// Grace period for the containers; defaults to the grace period of the pod.
    pub grace_period: Option<Duration>,
    /// Label selector of the pods to evict.
    pub pod_selector: Option<String>,
}

fn yes() -> bool {
    true
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PodDecision {
    /// It is evicted.
    Evict,
    /// It is evicted if this guard is overridden.
    Guarded(&'static str),
    /// It stays, for this reason.
    Stays(&'static str),
}

impl PodDecision {
    /// Whether the pod is evicted once its guard is overridden. A DaemonSet would recreate its pod
    /// immediately.
    fn evicts(&self) -> bool {
        match self {
            Self::Evict => true,
            Self::Guarded(id) => *id != DAEMONSET,
            Self::Stays(_) => false,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Stays(reason) | Self::Guarded(reason) => reason,
            Self::Evict => "",
        }
    }
}

const EMPTYDIR: &str = "emptydir-data";
const UNMANAGED: &str = "unmanaged-pod";
const DAEMONSET: &str = "daemonset-pod";

impl Verb for Drain {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match &self.pod_selector {
            Some(selector) => LabelSelector::parse(selector)
                .map(drop)
                .map_err(|error| format!("`pod_selector`: {error}")),
            None => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = workload::patching(&node(&self.node), namespace);
        let everywhere =
            |kind: &str, verb: &str| builtin(kind).map(|resource| reading(&resource, verb, "", ""));
        all.extend(["list", "watch"].into_iter().filter_map(|verb| everywhere("Pod", verb)));
        all.extend(
            everywhere("Pod", "create")
                .map(|access| Access { subresource: "eviction".to_owned(), ..access }),
        );
        all.extend(everywhere("DaemonSet", "get"));
        all.extend(everywhere("PodDisruptionBudget", "list"));
        all
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        let mut line = format!("kubectl drain {}", quote(&self.node));
        for (set, option) in [
            (self.ignore_daemonsets, " --ignore-daemonsets"),
            (self.delete_emptydir_data, " --delete-emptydir-data"),
            (self.force, " --force"),
        ] {
            line.push_str(if set { option } else { "" });
        }
        if let Some(grace) = self.grace_period {
            line.extend([" --grace-period=", &seconds(grace).to_string()]);
        }
        if let Some(selector) = &self.pod_selector {
            line.extend([" --pod-selector=", &quote(selector)]);
        }
        vec![line]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&node(&self.node), namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let mut intent = Intent {
            changes: schedulable(context, &self.node, false).await?.into_iter().collect(),
            ..Intent::default()
        };
        let resource = cluster.resolve("Pod").await?;
        let mut found = cluster.list(&resource, None, &self.selection()).await?;
        found.sort_by_key(name_of);
        let daemonsets = daemonsets(cluster, &found).await?;
        let decided: Vec<(Value, PodDecision)> = found
            .into_iter()
            .map(|pod| {
                let exists =
                    daemonset_of(&pod).is_some_and(|owner| daemonsets.get(&owner) == Some(&true));
                let decision = self.decide(&pod, exists);
                (pod, decision)
            })
            .collect();
        let evicted: Vec<&Value> =
            decided.iter().filter(|(_, decision)| decision.evicts()).map(|(pod, _)| pod).collect();
        intent.guards = guards(&self.node, &decided);
        if !evicted.is_empty() {
            let budgets = cluster.resolve("PodDisruptionBudget").await?;
            let budgets = cluster.list(&budgets, None, &Selection::all()).await?;
            intent.guards.extend(evicted.iter().filter_map(|pod| budget(&budgets, pod)));
        }
        let options = self
            .grace_period
            .map_or_else(|| json!({}), |grace| json!({"gracePeriodSeconds": seconds(grace)}));
        let left = decided.iter().filter(|(_, decision)| !decision.evicts());
        let left: Map<String, Value> =
            left.map(|(pod, decision)| (name_of(pod), json!(decision.reason()))).collect();
        intent.output.insert("left".to_owned(), Value::Object(left));
        intent
            .changes
            .extend(evicted.iter().map(|pod| Change::evict(&resource, pod, options.clone())));
        Ok(Some(intent))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let resource = context.cluster()?.resolve("Pod").await?;
        let uids = deleted_uids(context, "Pod");
        let count = uids.len();
        gone(context, &resource, None, &self.selection(), uids, |pod| {
            daemonset_of(pod).is_none() && !is_mirror(pod)
        })
        .await?;
        let evicted = context.made.iter().filter(|change| change.verb == "evict");
        let evicted: Vec<String> = evicted
            .map(|change| format!("{}/{}", change.object.namespace, change.object.name))
            .collect();
        Ok(Output::new(
            json!({"evicted": evicted}),
            if count == 1 { "1 pod evicted".to_owned() } else { format!("{count} pods evicted") },
        ))
    }
}

impl Drain {
    fn selection(&self) -> Selection {
        Selection {
            labels: self.pod_selector.clone(),
            fields: Some(format!("spec.nodeName={}", self.node)),
        }
    }

    /// The filters of kubectl, in its order (staging/src/k8s.io/kubectl/pkg/drain/filters.go);
    /// where it gives up, a guard stops.
    fn decide(&self, pod: &Value, daemonset_exists: bool) -> PodDecision {
        let finished = pods::is_finished(pod);
        if pods::is_deleting(pod) {
            return PodDecision::Stays("is already being deleted");
        }
        if daemonset_of(pod).is_some() && !finished {
            return match (daemonset_exists, self.ignore_daemonsets, self.force) {
                (true, true, _) => PodDecision::Stays("belongs to a DaemonSet"),
                (true, false, _) => PodDecision::Guarded(DAEMONSET),
                (false, _, true) => PodDecision::Evict,
                (false, _, false) => PodDecision::Guarded(UNMANAGED),
            };
        }
        if is_mirror(pod) {
            return PodDecision::Stays("is a static pod of the node");
        }
        let emptydir = pod["spec"]["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|volume| volume.get("emptyDir").is_some());
        if emptydir && !finished && !self.delete_emptydir_data {
            return PodDecision::Guarded(EMPTYDIR);
        }
        if controller(pod).is_none() && !finished && !self.force {
            return PodDecision::Guarded(UNMANAGED);
        }
        PodDecision::Evict
    }
}

fn name_of(pod: &Value) -> String {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some()
}

fn controller(pod: &Value) -> Option<&Value> {
    pod["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// Namespace and name of the DaemonSet that controls a pod.
fn daemonset_of(pod: &Value) -> Option<(String, String)> {
    let owner = controller(pod)
        .filter(|owner| owner["kind"] == "DaemonSet" && owner["apiVersion"] == "apps/v1")?;
    Some((pod["metadata"]["namespace"].as_str()?.to_owned(), owner["name"].as_str()?.to_owned()))
}

/// Which of the DaemonSets that the pods name exist.
async fn daemonsets(
    cluster: &Cluster,
    found: &[Value],
) -> Result<BTreeMap<(String, String), bool>, Failure> {
    let mut known = BTreeMap::new();
    let resource = cluster.resolve("DaemonSet").await?;
    for owner in found.iter().filter_map(daemonset_of) {
        if let Entry::Vacant(place) = known.entry(owner) {
            let (namespace, name) = place.key().clone();
            place.insert(cluster.get_optional(&resource, &namespace, &name).await?.is_some());
        }
    }
    Ok(known)
}

/// One guard of each kind, with the pods that it is about.
fn guards(node: &str, decided: &[(Value, PodDecision)]) -> Vec<Guard> {
    let about = |id: &'static str| {
        decided
            .iter()
            .filter(|(_, decision)| *decision == PodDecision::Guarded(id))
            .map(|(pod, _)| name_of(pod))
            .collect::<Vec<_>>()
    };
    let kinds = [
        (
            DAEMONSET,
            "belong to DaemonSets, which would recreate them immediately",
            "ignore them with `ignore_daemonsets: true`",
        ),
        (
            EMPTYDIR,
            "have data in emptyDir volumes, which eviction deletes",
            "save the data, or allow it with `delete_emptydir_data: true`",
        ),
        (
            UNMANAGED,
            "have no controller that would recreate them",
            "manage them with a workload, or allow it with `force: true`",
        ),
    ];
    let guard = |(id, why, way): (&'static str, &str, &str)| {
        let names = about(id);
        (!names.is_empty()).then(|| Guard {
            id,
            reason: format!("pods on node {node} {why}: {}", names.join(", ")),
            way: way.to_owned(),
        })
    };
    kinds.into_iter().filter_map(guard).collect()
}

/// The budget that forbids the eviction of a pod, as the server decides
/// (pkg/registry/core/pod/storage/eviction.go).
fn budget(budgets: &[Value], pod: &Value) -> Option<Guard> {
    // such pods are deleted without a look at budgets
    if pods::is_finished(pod) || pod["status"]["phase"] == "Pending" {
        return None;
    }
    let labels: Labels =
        serde_json::from_value(pod["metadata"]["labels"].clone()).unwrap_or_default();
    let matching: Vec<&Value> = budgets
        .iter()
        .filter(|budget| {
            budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
                && budget["spec"]["selector"].is_object()
        })
        .filter(|budget| {
            serde_json::from_value::<LabelSelector>(budget["spec"]["selector"].clone())
                .is_ok_and(|selector| selector.matches(&labels))
        })
        .collect();
    if let [only] = matching.as_slice()
        && !pods::is_ready(pod)
    {
        let count = |key: &str| only["status"][key].as_u64().unwrap_or(0);
        let healthy_without_it =
            count("desiredHealthy") > 0 && count("currentHealthy") >= count("desiredHealthy");
        if only["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" || healthy_without_it {
            return None;
        }
    }
    guard::budget(&matching, pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(value: Value) -> Drain {
        let mut all = json!({"node": "w1"});
        crate::compare::merge(&mut all, &value);
        serde_json::from_value(all).unwrap()
    }

    fn owned(kind: &str) -> Value {
        json!({"metadata": {"namespace": "n", "name": "p",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": "o",
            "controller": true}]}})
    }

    #[test]
    fn pods_are_filtered_as_kubectl_does() {
        let with = |base: Value, more: Value| {
            let mut pod = base;
            crate::compare::merge(&mut pod, &more);
            pod
        };
        let emptydir = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
        let finished = json!({"status": {"phase": "Succeeded"}});
        let bare = json!({"metadata": {"namespace": "n", "name": "p"}});
        let mirror = with(
            bare.clone(),
            json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}),
        );
        for (options, pod, exists, wanted) in [
            (json!({}), owned("ReplicaSet"), false, PodDecision::Evict),
            (json!({}), owned("DaemonSet"), true, PodDecision::Stays("belongs to a DaemonSet")),
            (
                json!({"ignore_daemonsets": false}),
                owned("DaemonSet"),
                true,
                PodDecision::Guarded(DAEMONSET),
            ),
            (json!({}), owned("DaemonSet"), false, PodDecision::Guarded(UNMANAGED)),
            (json!({"force": true}), owned("DaemonSet"), false, PodDecision::Evict),
            (json!({}), with(owned("DaemonSet"), finished.clone()), true, PodDecision::Evict),
            (json!({}), mirror, false, PodDecision::Stays("is a static pod of the node")),
            (
                json!({}),
                with(owned("ReplicaSet"), emptydir.clone()),
                false,
                PodDecision::Guarded(EMPTYDIR),
            ),
            (
                json!({"delete_emptydir_data": true}),
                with(owned("ReplicaSet"), emptydir.clone()),
                false,
                PodDecision::Evict,
            ),
            (
                json!({}),
                with(with(bare.clone(), emptydir), finished.clone()),
                false,
                PodDecision::Evict,
            ),
            (json!({}), bare.clone(), false, PodDecision::Guarded(UNMANAGED)),
            (json!({"force": true}), bare.clone(), false, PodDecision::Evict),
            (
                json!({}),
                with(bare, json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
                false,
                PodDecision::Stays("is already being deleted"),
            ),
        ] {
            assert_eq!(drain(options.clone()).decide(&pod, exists), wanted, "{options} {pod}");
        }
    }

    #[test]
    fn a_budget_counts_for_the_pods_that_it_selects() {
        let pod = |ready: &str, labels: Value| {
            json!({"metadata": {"namespace": "n", "name": "p",
            "labels": labels}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": ready}]}})
        };
        let budget_of = |selector: Value, current: u64| {
            json!({"metadata": {"namespace": "n", "name": "b"}, "spec": {"selector": selector},
                "status": {"disruptionsAllowed": 0, "desiredHealthy": 2,
                "currentHealthy": current}})
        };
        let app = json!({"app": "x"});
        for (selector, current, pod, stops) in [
            (json!({"matchLabels": {"app": "x"}}), 2, pod("True", app.clone()), true),
            (json!({"matchLabels": {"app": "y"}}), 2, pod("True", app.clone()), false),
            (json!({}), 2, pod("True", json!({})), true),
            (Value::Null, 2, pod("True", app.clone()), false),
            (json!({"matchLabels": {"app": "x"}}), 2, pod("False", app.clone()), false),
            (json!({"matchLabels": {"app": "x"}}), 1, pod("False", app.clone()), true),
        ] {
            assert_eq!(
                budget(&[budget_of(selector.clone(), current)], &pod).is_some(),
                stops,
                "{selector} {pod}"
            );
        }
        let mut elsewhere = budget_of(json!({}), 2);
        elsewhere["metadata"]["namespace"] = json!("m");
        assert_eq!(budget(&[elsewhere], &pod("True", app)), None);
    }

    #[test]
    fn guards_name_their_pods() {
        let decided = [
            (owned("A"), PodDecision::Guarded(EMPTYDIR)),
            (owned("B"), PodDecision::Evict),
            (owned("C"), PodDecision::Guarded(EMPTYDIR)),
        ];
        let guards = guards("w1", &decided);
        assert_eq!(guards.iter().map(|guard| guard.id).collect::<Vec<_>>(), [EMPTYDIR]);
        assert!(guards[0].reason.ends_with("deletes: n/p, n/p"), "{}", guards[0].reason);
        assert_eq!(
            drain(json!({"force": true, "grace_period": "30s"})).manual_commands("n"),
            ["kubectl drain w1 --ignore-daemonsets --force --grace-period=30"]
        );
    }
}
