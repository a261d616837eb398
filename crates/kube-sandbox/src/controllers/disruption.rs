//! PodDisruptionBudgets: how many pods may be evicted.
//!
//! After `pkg/controller/disruption/disruption.go` of kube-controller-manager.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pods::{all, deleting, ended, is_ready, number, set_condition, share};
use crate::kinds;
use crate::object;
use crate::store::Store;
use netpol_evaluator::LabelSelector;

/// Writes the status of every PodDisruptionBudget.
pub(crate) fn disruption_budgets(store: &mut Store, now: Timestamp) {
    for budget in all(store, "poddisruptionbudgets") {
        // an absent selector selects nothing
        let selector =
            serde_json::from_value::<LabelSelector>(budget["spec"]["selector"].clone()).ok();
        let selected = |pod: &&Arc<Value>| {
            selector.as_ref().is_some_and(|selector| selector.matches(&object::labels(pod)))
        };
        let pods: Vec<Arc<Value>> = store
            .list("pods", Some(object::namespace(&budget)))
            .filter(selected)
            .filter(|pod| !ended(pod))
            .cloned()
            .collect();
        let (expected, least) = expected(store, &budget["spec"], &pods);
        let healthy = count(pods.iter().filter(|pod| is_ready(pod) && !deleting(pod)).count());
        let allowed = if expected == 0 { 0 } else { (healthy - least).max(0) };
        let mut after = (*budget).clone();
        let (status, reason) =
            if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        for (field, value) in [
            ("currentHealthy", healthy),
            ("desiredHealthy", least),
            ("disruptionsAllowed", allowed),
            ("expectedPods", expected),
        ] {
            after["status"][field] = json!(value);
        }
        after["status"]["observedGeneration"] = after["metadata"]["generation"].clone();
        let condition = json!({"type": "DisruptionAllowed", "status": status, "reason": reason,
            "message": "", "observedGeneration": after["metadata"]["generation"]});
        set_condition(&mut after["status"], condition, now);
        store.put(after, now);
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `getExpectedPodCount`: how many pods there should be, and how many must stay.
fn expected(store: &Store, spec: &Value, pods: &[Arc<Value>]) -> (i64, i64) {
    if !spec["maxUnavailable"].is_null() {
        let total = controlled(store, pods);
        return (total, (total - share(&spec["maxUnavailable"], total, true)).max(0));
    }
    if spec["minAvailable"].is_string() {
        let total = controlled(store, pods);
        return (total, share(&spec["minAvailable"], total, true));
    }
    (count(pods.len()), number(&spec["minAvailable"], 1))
}

/// How many pods the controllers of these want together.
fn controlled(store: &Store, pods: &[Arc<Value>]) -> i64 {
    let mut scales: BTreeMap<(String, String), i64> = BTreeMap::new();
    for pod in pods {
        let mut owner = object::list(&pod["metadata"]["ownerReferences"])
            .iter()
            .find(|owner| owner["controller"] == true)
            .cloned();
        let mut found = None;
        // a ReplicaSet is itself controlled
        for _ in 0..2 {
            let Some(reference) = owner else { break };
            let resource = reference["kind"].as_str().and_then(kinds::by_kind);
            let Some(object) = resource.and_then(|resource| {
                store.get(resource.plural, object::namespace(pod), reference["name"].as_str()?)
            }) else {
                break;
            };
            found = Some((
                (
                    reference["kind"].as_str().unwrap_or_default().to_owned(),
                    object::name(object).to_owned(),
                ),
                number(&object["spec"]["replicas"], 1),
            ));
            owner = object::list(&object["metadata"]["ownerReferences"])
                .iter()
                .find(|owner| owner["controller"] == true)
                .cloned();
        }
        if let Some((key, replicas)) = found {
            scales.insert(key, replicas);
        }
    }
    scales.values().sum()
}
