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

const COMPONENT: &str = "horizontal-pod-autoscaler";
/// How long it takes until another number is noticed; the real controller takes up to fifteen
/// seconds.
const NOTICED: SignedDuration = SignedDuration::from_secs(1);

/// Since when targets have had another number than wanted.
pub(crate) type Disagreements = BTreeMap<String, Timestamp>;

/// Sets targets back to the number wanted.
pub(crate) fn autoscale(
    store: &mut Store,
    since: &mut Disagreements,
    unmeasured: bool,
    moment: &Moment,
) {
    for autoscaler in all(store, "horizontalpodautoscalers") {
        if deleting(&autoscaler) {
            continue;
        }
        let mut after = (*autoscaler).clone();
        sync(store, since, &mut after, unmeasured, moment);
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

fn sync(
    store: &mut Store,
    since: &mut Disagreements,
    autoscaler: &mut Value,
    unmeasured: bool,
    moment: &Moment,
) {
    let now = moment.now;
    let Some(target) = target(store, autoscaler) else {
        let why = not_found(&autoscaler["spec"]["scaleTargetRef"]);
        tell_once(store, autoscaler, "FailedGetScale", &why, now);
        let message =
            format!("the HPA controller was unable to get the target's current scale: {why}");
        set_condition(
            &mut autoscaler["status"],
            json!({"type": "AbleToScale", "status": "False", "reason": "FailedGetScale",
                "message": message}),
            now,
        );
        autoscaler["status"]["currentMetrics"] = Value::Null;
        autoscaler["status"]["desiredReplicas"] = json!(0);
        return;
    };
    if unmeasured && number(&target["spec"]["replicas"], 1) > 0 {
        without_metrics(store, autoscaler, &target, now);
        return;
    }
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

fn not_found(reference: &Value) -> String {
    let kind = reference["kind"].as_str().unwrap_or_default().to_lowercase();
    format!("{kind}s.apps \"{}\" not found", reference["name"].as_str().unwrap_or_default())
}

fn tell_once(store: &mut Store, about: &Value, reason: &str, message: &str, now: Timestamp) {
    if !events::is_known(store, about, reason, message, Timestamp::UNIX_EPOCH) {
        events::warn(store, about, COMPONENT, reason, message, now);
    }
}

/// Writes that nobody knows what the target uses.
fn without_metrics(store: &mut Store, autoscaler: &mut Value, target: &Value, now: Timestamp) {
    let metrics = object::list(&autoscaler["spec"]["metrics"]);
    let count = metrics.len().max(1);
    let name = metrics.first().and_then(|metric| metric["resource"]["name"].as_str());
    let name = name.unwrap_or("cpu").to_owned();
    let why = format!(
        "failed to get {name} utilization: unable to get metrics for resource {name}: unable to \
            fetch metrics from resource metrics API: the server could not find the requested \
            resource (get pods.metrics.k8s.io)"
    );
    let invalid = format!(
        "invalid metrics ({count} invalid out of {count}), first error is: failed to get {name} \
            resource metric value: {why}"
    );
    tell_once(store, autoscaler, "FailedGetResourceMetric", &why, now);
    tell_once(store, autoscaler, "FailedComputeMetricsReplicas", &invalid, now);
    let status = &mut autoscaler["status"];
    status["currentMetrics"] = json!(vec![json!({"type": ""}); count]);
    status["currentReplicas"] = json!(number(&target["status"]["replicas"], 0));
    status["desiredReplicas"] = json!(0);
    let found = "the HPA controller was able to get the target's current scale";
    let unable = format!("the HPA was unable to compute the replica count: {why}");
    for (kind, holds, reason, message) in [
        ("AbleToScale", "True", "SucceededGetScale", found),
        ("ScalingActive", "False", "FailedGetResourceMetric", &unable),
    ] {
        let condition =
            json!({"type": kind, "status": holds, "reason": reason, "message": message});
        set_condition(status, condition, now);
    }
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
    events::record(store, autoscaler, COMPONENT, "SuccessfulRescale", &message, now);
    autoscaler["status"]["lastScaleTime"] = json!(object::time(now));
}
