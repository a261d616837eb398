//! HorizontalPodAutoscalers: they restore their number of replicas if it is changed.
//!
//! After `pkg/controller/podautoscaler/horizontal.go` of kube-controller-manager. No metric
//! changes: the desired number is the previous one, within the limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use super::events;
use super::pods::{all, deleting, number, set_condition};
use crate::kinds;
use crate::object;
use crate::store::Store;

/// How long it takes until another number is noticed; the real controller takes up to fifteen
/// seconds.
const NOTICED: SignedDuration = SignedDuration::from_secs(1);

/// Since when targets have had another number than wanted.
pub(crate) type Disagreements = BTreeMap<String, Timestamp>;

/// Sets targets back to the number wanted.
pub(crate) fn autoscale(store: &mut Store, since: &mut Disagreements, moment: &Moment) {
    for autoscaler in all(store, "horizontalpodautoscalers") {
        if deleting(&autoscaler) {
            continue;
        }
        let mut after = (*autoscaler).clone();
        sync(store, since, &mut after, moment);
        store.put(after, moment.now);
    }
}

/// What the controller decides for one autoscaler.
struct Decision {
    /// How many replicas the target is to have, and whether it may be scaled at all.
    wanted: i64,
    active: bool,
    conditions: Vec<Condition>,
}

/// A condition of the status.
struct Condition {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: &'static str,
}

/// The replicas of the target.
struct Replicas {
    asked: i64,
    current: i64,
}

/// The limits of an autoscaler, and what it wanted before.
struct Bounds {
    least: i64,
    most: i64,
    before: i64,
}

fn sync(store: &mut Store, since: &mut Disagreements, autoscaler: &mut Value, moment: &Moment) {
    let now = moment.now;
    let Some(target) = target(store, autoscaler) else {
        let condition = target_not_found(&autoscaler["spec"]["scaleTargetRef"]);
        set_condition(&mut autoscaler["status"], condition, now);
        return;
    };
    let replicas = Replicas {
        asked: number(&target["spec"]["replicas"], 1),
        current: number(&target["status"]["replicas"], 0),
    };
    let bounds = Bounds {
        least: number(&autoscaler["spec"]["minReplicas"], 1),
        most: number(&autoscaler["spec"]["maxReplicas"], 1),
        before: number(&autoscaler["status"]["desiredReplicas"], 0),
    };
    let decision = decide(replicas.asked, &bounds);
    for Condition { kind, holds, reason, message } in decision.conditions {
        let status = if holds { "True" } else { "False" };
        set_condition(
            &mut autoscaler["status"],
            json!({"type": kind, "status": status, "reason": reason, "message": message}),
            now,
        );
    }
    autoscaler["status"]["currentReplicas"] = json!(replicas.current);
    autoscaler["status"]["desiredReplicas"] = json!(decision.wanted);
    let key = format!("{}/{}", object::namespace(autoscaler), object::name(autoscaler));
    if !decision.active || replicas.asked == decision.wanted {
        since.remove(&key);
        return;
    }
    let noticed = *since.entry(key.clone()).or_insert(now);
    if moment.awaits(noticed, NOTICED) {
        since.remove(&key);
        let reason = rescale_reason(replicas.asked, decision.wanted, &bounds);
        rescale(store, autoscaler, &target, decision.wanted, reason, now);
    }
}

/// The object that an autoscaler scales.
fn target(store: &Store, autoscaler: &Value) -> Option<Arc<Value>> {
    let reference = &autoscaler["spec"]["scaleTargetRef"];
    let resource = reference["kind"].as_str().and_then(kinds::by_kind)?;
    let name = reference["name"].as_str().unwrap_or_default();
    store.get(resource.plural, object::namespace(autoscaler), name).cloned()
}

fn target_not_found(reference: &Value) -> Value {
    let kind = reference["kind"].as_str().unwrap_or_default().to_lowercase();
    let message = format!(
        "the HPA controller was unable to get the target's current scale: {kind}s.apps \"{}\" not \
            found",
        reference["name"].as_str().unwrap_or_default()
    );
    json!({"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": message})
}

fn decide(asked: i64, bounds: &Bounds) -> Decision {
    let &Bounds { least, most, before } = bounds;
    let condition = |kind, holds, reason, message| Condition { kind, holds, reason, message };
    let able =
        condition("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
    if asked == 0 && least != 0 {
        let disabled = condition(
            "ScalingActive",
            false,
            "ScalingDisabled",
            "scaling is disabled since the replica count of the target is zero",
        );
        return Decision { wanted: 0, active: false, conditions: vec![able, disabled] };
    }
    let wanted = (if before == 0 { asked } else { before }).clamp(least, most.max(least));
    let active = condition(
        "ScalingActive",
        true,
        "ValidMetricFound",
        "the HPA was able to successfully calculate a replica count from cpu resource utilization \
            (percentage of request)",
    );
    let (limited, reason, message) = if wanted == most {
        let message = "the desired replica count is more than the maximum replica count";
        (true, "TooManyReplicas", message)
    } else if wanted == least {
        let message = "the desired replica count is less than the minimum replica count";
        (true, "TooFewReplicas", message)
    } else {
        (false, "DesiredWithinRange", "the desired count is within the acceptable range")
    };
    let limited = condition("ScalingLimited", limited, reason, message);
    Decision { wanted, active: true, conditions: vec![able, active, limited] }
}

fn rescale_reason(asked: i64, wanted: i64, bounds: &Bounds) -> &'static str {
    if asked < bounds.least {
        "Current number of replicas below Spec.MinReplicas"
    } else if asked > bounds.most {
        "Current number of replicas above Spec.MaxReplicas"
    } else if asked > wanted {
        "All metrics below target"
    } else {
        "cpu resource utilization (percentage of request) above target"
    }
}

/// Sets the replicas of the target.
fn rescale(
    store: &mut Store,
    autoscaler: &mut Value,
    target: &Value,
    wanted: i64,
    reason: &str,
    now: Timestamp,
) {
    let mut scaled = target.clone();
    scaled["spec"]["replicas"] = json!(wanted);
    store.put(scaled, now);
    let message = format!("New size: {wanted}; reason: {reason}");
    let component = "horizontal-pod-autoscaler";
    events::record(store, autoscaler, component, "SuccessfulRescale", &message, now);
    autoscaler["status"]["lastScaleTime"] = json!(object::time(now));
}
