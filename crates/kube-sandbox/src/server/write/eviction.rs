//! Eviction of pods, within their disruption budgets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use super::{body, delete};
use crate::kinds::by_kind;
use crate::object;
use crate::server::status::Status;
use crate::simulation::Simulation;
use crate::store::Store;
use netpol_evaluator::LabelSelector;

/// What a budget says of the pods as they are.
#[derive(Debug, PartialEq, Eq)]
struct Budget {
    healthy: u64,
    desired: u64,
    expected: u64,
}

impl Budget {
    fn allowed(&self) -> u64 {
        self.healthy.saturating_sub(self.desired)
    }
}

pub(crate) fn evict(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let eviction = if asked.body.is_empty() {
        json!({})
    } else {
        body::object(&asked.content_type, &asked.body)?
    };
    if !matches!(eviction["kind"].as_str(), None | Some("Eviction")) {
        return Err(Status::bad_request(format!(
            "{} cannot be handled as a Eviction",
            eviction["kind"]
        )));
    }
    let named = object::name(&eviction);
    if !named.is_empty() && named != asked.name() {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let (resource, namespace) = (asked.target.resource, asked.target.namespace_name());
    let pod = world
        .store
        .get(resource.plural, namespace, asked.name())
        .cloned()
        .ok_or_else(|| Status::not_found(resource, asked.name()))?;
    let wanted = &eviction["deleteOptions"]["preconditions"]["uid"];
    if !wanted.is_null() && *wanted != pod["metadata"]["uid"] {
        return Err(Status::conflict(
            resource,
            asked.name(),
            &format!(
                "Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
                pod["metadata"]["uid"]
            ),
        ));
    }
    // what does not run any more, or not yet, is nobody's loss
    let counts =
        !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"))
            && pod["metadata"]["deletionTimestamp"].is_null();
    if counts {
        disrupt(world, asked, &pod)?;
    }
    if !asked.dry_run {
        delete::plainly(
            world,
            asked,
            &pod,
            eviction["deleteOptions"]["gracePeriodSeconds"].as_u64(),
        )?;
    }
    Ok(Done::created(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "code": 201}),
    ))
}

/// Takes a disruption from the budget of a pod, if it has one.
fn disrupt(world: &mut Simulation, asked: &Asked<'_>, pod: &Value) -> Result<(), Status> {
    let namespace = object::namespace(pod);
    let labels = object::labels(pod);
    let covers =
        |budget: &&Arc<Value>| selector(budget).is_some_and(|selector| selector.matches(&labels));
    let budgets: Vec<Arc<Value>> =
        world.store.list("poddisruptionbudgets", Some(namespace)).filter(covers).cloned().collect();
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource \
                    does not support.",
            ));
        }
    };
    let state = budget_of(&world.store, budget);
    if !is_healthy(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        if always || (state.healthy >= state.desired && state.desired > 0) {
            return Ok(());
        }
    }
    if state.allowed() == 0 {
        let message = format!(
            "The disruption budget {} needs {} healthy pods and has {} currently",
            object::name(budget),
            state.desired,
            state.healthy
        );
        return Err(Status::disruption_budget(&message));
    }
    if !asked.dry_run
        && let Some(resource) = by_kind("PodDisruptionBudget")
    {
        let mut budget = (**budget).clone();
        let status = &mut budget["status"];
        status["disruptionsAllowed"] = json!(state.allowed() - 1);
        status["currentHealthy"] = json!(state.healthy);
        status["desiredHealthy"] = json!(state.desired);
        status["expectedPods"] = json!(state.expected);
        status["disruptedPods"][asked.name()] = json!(object::time(asked.now));
        world.store.write(resource, budget, asked.now);
    }
    Ok(())
}

fn selector(budget: &Value) -> Option<LabelSelector> {
    serde_json::from_value(budget["spec"]["selector"].clone()).ok()
}

fn budget_of(store: &Store, budget: &Value) -> Budget {
    let namespace = object::namespace(budget);
    let selector = selector(budget).unwrap_or_default();
    let pods: Vec<&Arc<Value>> = store
        .list("pods", Some(namespace))
        .filter(|pod| selector.matches(&object::labels(pod)))
        .collect();
    let healthy = count(pods.iter().filter(|pod| is_healthy(pod)).count());
    // as many as the owners of the pods want; without owners, as many as there are
    let mut owners: Vec<&Value> = pods
        .iter()
        .flat_map(|pod| object::list(&pod["metadata"]["ownerReferences"]))
        .filter(|owner| owner["controller"] == true)
        .collect();
    owners.sort_by_key(|owner| owner["uid"].as_str());
    owners.dedup_by_key(|owner| owner["uid"].as_str());
    let wanted: Option<u64> = owners.iter().map(|owner| wanted_by(store, namespace, owner)).sum();
    let expected = wanted.filter(|_| !owners.is_empty()).unwrap_or(count(pods.len()));
    let spec = &budget["spec"];
    let desired = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
        (Value::Null, Value::Null) => expected.saturating_sub(0),
        (Value::Null, most) => expected.saturating_sub(scaled(most, expected)),
        (least, _) => scaled(least, expected),
    };
    Budget { healthy, desired, expected }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn wanted_by(store: &Store, namespace: &str, owner: &Value) -> Option<u64> {
    let resource = by_kind(owner["kind"].as_str()?)?;
    store.get(resource.plural, namespace, owner["name"].as_str()?)?["spec"]["replicas"].as_u64()
}

/// A number, or a share of a number rounded up.
fn scaled(value: &Value, of: u64) -> u64 {
    match value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<u64>().ok()) {
        Some(percent) => percent.saturating_mul(of).div_ceil(100),
        None => value.as_u64().unwrap_or(0),
    }
}

fn is_healthy(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null()
        && object::list(&pod["status"]["conditions"])
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn budgets_count_healthy_pods() {
        let mut store = Store::new();
        let owner = json!([{"kind": "ReplicaSet", "name": "s", "uid": "u", "controller": true}]);
        store.put(
            json!({"kind": "ReplicaSet", "metadata": {"name": "s", "namespace": "n"},
            "spec": {"replicas": 4}}),
            Timestamp::UNIX_EPOCH,
        );
        for (name, ready) in [("a", "True"), ("b", "True"), ("c", "False")] {
            let metadata = json!({"name": name, "namespace": "n", "labels": {"app": "x"},
                "ownerReferences": owner});
            store.put(
                json!({"kind": "Pod", "metadata": metadata,
                "status": {"conditions": [{"type": "Ready", "status": ready}]}}),
                Timestamp::UNIX_EPOCH,
            );
        }
        for (rule, desired, allowed) in [
            (json!({"minAvailable": 1}), 1, 1),
            (json!({"minAvailable": "50%"}), 2, 0),
            (json!({"minAvailable": "51%"}), 3, 0),
            (json!({"maxUnavailable": 3}), 1, 1),
            (json!({"maxUnavailable": "25%"}), 3, 0),
        ] {
            let mut budget = json!({"metadata": {"namespace": "n"},
                "spec": {"selector": {"matchLabels": {"app": "x"}}}});
            object::merge(&mut budget["spec"], &rule);
            let state = budget_of(&store, &budget);
            assert_eq!(
                (state.healthy, state.desired, state.allowed(), state.expected),
                (2, desired, allowed, 4),
                "{rule}"
            );
        }
    }
}
