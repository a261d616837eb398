//! Leader election with Leases, by the processes in the pods.
//!
//! After `tools/leaderelection/leaderelection.go` of client-go, without the release at the end.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use crate::app::AppContext;
use crate::object;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// How often the holder renews its lease.
const RENEWED: SignedDuration = SignedDuration::from_secs(2);

/// One round: the holder renews its lease; one that has expired, or does not exist, is taken by the
/// first that may lead.
pub(crate) fn elect(store: &mut Store, snapshot: &Arc<Snapshot>, moment: &Moment) {
    let now = moment.now;
    for (app, program) in snapshot.apps.document.apps.iter().enumerate() {
        let Some(leads) = &program.leads else {
            continue;
        };
        let mut candidates: Vec<(&str, &str)> = Vec::new();
        for (pod, state) in
            snapshot.pods.iter().enumerate().filter(|(_, state)| state.ended.is_none())
        {
            let Some(container) =
                state.containers.iter().position(|container| container.app == Some(app))
            else {
                continue;
            };
            let context = AppContext::new(snapshot, pod, container, &moment.watch, 0).map(Arc::new);
            if context.is_some_and(|context| context.holds("leads", 0, Some(&leads.when))) {
                candidates.push((&state.network.namespace, &state.network.name));
            }
        }
        let mut namespaces: Vec<&str> = candidates.iter().map(|candidate| candidate.0).collect();
        namespaces.dedup();
        for namespace in namespaces {
            let names: Vec<&str> = candidates
                .iter()
                .filter(|candidate| candidate.0 == namespace)
                .map(|candidate| candidate.1)
                .collect();
            let before =
                store.get("leases", namespace, &leads.lease).map(|lease| (**lease).clone());
            let after =
                contend(before.clone(), namespace, &leads.lease, &names, leads.seconds, now);
            if let Some(lease) = after.as_ref().or(before.as_ref()) {
                moment.notes(next_round(lease, &names));
            }
            if let Some(lease) = after {
                store.put(lease, now);
            }
        }
    }
}

/// Renews the Leases that somebody outside keeps, as long as they are theirs.
pub(crate) fn keep_leases(store: &mut Store, kept: &[(String, String, String)], moment: &Moment) {
    let now = moment.now;
    for (namespace, name, holder) in kept {
        let Some(lease) = store
            .get("leases", namespace, name)
            .filter(|lease| lease["spec"]["holderIdentity"] == holder.as_str())
        else {
            continue;
        };
        if object::timestamp(&lease["spec"]["renewTime"])
            .is_none_or(|renewed| moment.passed(renewed, RENEWED))
        {
            moment.passed(now, RENEWED);
            let mut lease = (**lease).clone();
            lease["spec"]["renewTime"] = json!(object::micro_time(now));
            store.put(lease, now);
        }
    }
}

/// When something is to be done about a lease: its holder renews it, or another takes it.
fn next_round(lease: &Value, candidates: &[&str]) -> Timestamp {
    let spec = &lease["spec"];
    let renewed = object::timestamp(&spec["renewTime"]).unwrap_or(Timestamp::MIN);
    let lasts = match spec["holderIdentity"].as_str() {
        Some(holder) if candidates.contains(&holder) => RENEWED,
        _ => SignedDuration::from_secs(spec["leaseDurationSeconds"].as_i64().unwrap_or(0)),
    };
    renewed.saturating_add(lasts).unwrap_or(Timestamp::MAX)
}

fn contend(
    before: Option<Value>,
    namespace: &str,
    name: &str,
    candidates: &[&str],
    seconds: u32,
    now: Timestamp,
) -> Option<Value> {
    let Some(mut lease) = before else {
        let spec = json!({"holderIdentity": candidates.first()?, "leaseDurationSeconds": seconds,
            "acquireTime": object::micro_time(now), "renewTime": object::micro_time(now)});
        return Some(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": namespace}, "spec": spec}));
    };
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
    let lasts =
        SignedDuration::from_secs(lease["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(0));
    let valid = object::timestamp(&lease["spec"]["renewTime"])
        .is_some_and(|renewed| now.duration_since(renewed) < lasts);
    if candidates.contains(&holder.as_str())
        && object::timestamp(&lease["spec"]["renewTime"])
            .is_some_and(|renewed| now.duration_since(renewed) < RENEWED)
    {
        return None;
    }
    let next = if candidates.contains(&holder.as_str()) {
        holder.clone()
    } else if valid && !holder.is_empty() {
        return None;
    } else {
        (*candidates.first()?).to_owned()
    };
    if next != holder {
        lease["spec"]["acquireTime"] = json!(object::micro_time(now));
        lease["spec"]["leaseDurationSeconds"] = json!(seconds);
    }
    lease["spec"]["holderIdentity"] = json!(next);
    lease["spec"]["renewTime"] = json!(object::micro_time(now));
    Some(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_taken_when_they_have_expired() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let lease = |holder: &str, renewed: &str| {
            Some(json!({"spec": {"holderIdentity": holder, "leaseDurationSeconds": 10,
                    "renewTime": renewed}}))
        };
        for (before, candidates, expected) in [
            (None, vec!["a", "b"], Some("a")),
            (None, vec![], None),
            (lease("b", "2026-01-01T00:00:58Z"), vec!["a", "b"], Some("b")),
            (lease("dead", "2026-01-01T00:00:58Z"), vec!["a", "b"], None),
            (lease("dead", "2026-01-01T00:00:40Z"), vec!["a", "b"], Some("a")),
        ] {
            let after = contend(before, "n", "l", &candidates, 10, now);
            assert_eq!(
                after.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str()),
                expected,
                "{candidates:?}"
            );
        }
    }
}
