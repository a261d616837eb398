//! HorizontalPodAutoscalers: the number of replicas that they want, against whoever wants another.
//!
//! After `pkg/controller/podautoscaler/horizontal.go` of kube-controller-manager. No metric
//! changes: the number wanted is the one that was there, within the limits.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

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

/// Sets targets back to the number wanted. Says whether some are to be set back soon.
pub(crate) fn autoscale(store: &mut Store, since: &mut Disagreements, now: Timestamp) -> bool {
    let mut busy = false;
    for autoscaler in all(store, "horizontalpodautoscalers") {
        if deleting(&autoscaler) {
            continue;
        }
        let mut after = (*autoscaler).clone();
        busy |= sync(store, since, &mut after, now);
        store.put(after, now);
    }
    busy
}

fn sync(
    store: &mut Store,
    since: &mut Disagreements,
    autoscaler: &mut Value,
    now: Timestamp,
) -> bool {
    let key = format!("{}/{}", object::namespace(autoscaler), object::name(autoscaler));
    let reference = autoscaler["spec"]["scaleTargetRef"].clone();
    let found = reference["kind"].as_str().and_then(kinds::by_kind).and_then(|resource| {
        store
            .get(
                resource.plural,
                object::namespace(autoscaler),
                reference["name"].as_str().unwrap_or_default(),
            )
            .cloned()
    });
    let say = |autoscaler: &mut Value, kind: &str, status: &str, reason: &str, message: &str| {
        set_condition(
            &mut autoscaler["status"],
            json!({"type": kind, "status": status, "reason": reason, "message": message}),
            now,
        );
    };
    let Some(target) = found else {
        let kind = reference["kind"].as_str().unwrap_or_default().to_lowercase();
        let message = format!(
            "the HPA controller was unable to get the target's current scale: {kind}s.apps \"{}\" \
                not found",
            reference["name"].as_str().unwrap_or_default()
        );
        say(autoscaler, "AbleToScale", "False", "FailedGetScale", &message);
        return false;
    };
    let (least, most) = (
        number(&autoscaler["spec"]["minReplicas"], 1),
        number(&autoscaler["spec"]["maxReplicas"], 1),
    );
    let (asked, current) =
        (number(&target["spec"]["replicas"], 1), number(&target["status"]["replicas"], 0));
    say(
        autoscaler,
        "AbleToScale",
        "True",
        "ReadyForNewScale",
        "recommended size matches current size",
    );
    if asked == 0 && least != 0 {
        since.remove(&key);
        say(
            autoscaler,
            "ScalingActive",
            "False",
            "ScalingDisabled",
            "scaling is disabled since the replica count of the target is zero",
        );
        autoscaler["status"]["currentReplicas"] = json!(current);
        autoscaler["status"]["desiredReplicas"] = json!(0);
        return false;
    }
    let before = number(&autoscaler["status"]["desiredReplicas"], 0);
    let wanted = (if before == 0 { asked } else { before }).clamp(least, most.max(least));
    say(
        autoscaler,
        "ScalingActive",
        "True",
        "ValidMetricFound",
        "the HPA was able to successfully calculate a replica count from cpu resource utilization \
            (percentage of request)",
    );
    if wanted == most {
        say(
            autoscaler,
            "ScalingLimited",
            "True",
            "TooManyReplicas",
            "the desired replica count is more than the maximum replica count",
        );
    } else if wanted == least {
        say(
            autoscaler,
            "ScalingLimited",
            "True",
            "TooFewReplicas",
            "the desired replica count is less than the minimum replica count",
        );
    } else {
        say(
            autoscaler,
            "ScalingLimited",
            "False",
            "DesiredWithinRange",
            "the desired count is within the acceptable range",
        );
    }
    autoscaler["status"]["currentReplicas"] = json!(current);
    autoscaler["status"]["desiredReplicas"] = json!(wanted);
    if asked == wanted {
        since.remove(&key);
        return false;
    }
    let noticed = *since.entry(key.clone()).or_insert(now);
    if now.duration_since(noticed) < NOTICED {
        return true;
    }
    since.remove(&key);
    let mut scaled = (*target).clone();
    scaled["spec"]["replicas"] = json!(wanted);
    store.put(scaled, now);
    let reason = if asked < least {
        "Current number of replicas below Spec.MinReplicas"
    } else if asked > most {
        "Current number of replicas above Spec.MaxReplicas"
    } else if asked > wanted {
        "All metrics below target"
    } else {
        "cpu resource utilization (percentage of request) above target"
    };
    events::record(
        store,
        autoscaler,
        "horizontal-pod-autoscaler",
        "SuccessfulRescale",
        &format!("New size: {wanted}; reason: {reason}"),
        now,
    );
    autoscaler["status"]["lastScaleTime"] = json!(object::time(now));
    true
}
