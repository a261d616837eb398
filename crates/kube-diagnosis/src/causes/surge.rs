//! A rolling update that starts a new pod before it ends an old one, where there is no room for both.

use super::revision::number;
use crate::cause::{Cause, Object};
use crate::object::{array, count, filled, name, quantity};
use crate::pod::is_live;
use crate::view::{View, fits};
use serde_json::Value;

const HINT: &str = "the rolling update starts a new pod before it ends an old one: set maxSurge to 0 and \
    maxUnavailable to 1, or strategy.type to Recreate";

/// Says of pods that find no room that the old pods of their Deployment have it.
pub(super) fn explain(view: &View<'_>, of_pods: &mut [Cause]) {
    for cause in of_pods {
        let Some(pod) = cause.pods.first().and_then(|pod| view.get("Pod", pod)) else { continue };
        let Some(old) = old_pod(view, &cause.object, pod) else { continue };
        match cause.id {
            "affinity-unsatisfied" if keeps_away(pod, old) => HINT.clone_into(&mut cause.hint),
            // the old pod need not be what takes the room
            "insufficient-resources" => {
                cause.hint = format!("{}; if old pods take the room, {HINT}", cause.hint);
            }
            _ => {}
        }
    }
}

/// Says of pods that a quota refuses that those of an older revision use it.
pub(super) fn explain_refused(view: &View<'_>, maker: &Value, cause: &mut Cause) {
    let is_old = |set: &Value| {
        let has_pods = count(&set["status"]["replicas"]) > 0;
        has_pods && name(set) != name(maker) && number(set) <= number(maker)
    };
    if cause.id != "quota-exceeded" || !cause.evidence.iter().any(|said| fits_alone(&said.says)) {
        return;
    }
    let Some(deployment) = surging(view, &cause.object) else { return };
    if view.owned("ReplicaSet", deployment).any(is_old) {
        cause.hint = format!("{}; if the pods of the old revision use it up, {HINT}", cause.hint);
    }
}

/// Whether a pod would be within a quota that nothing else uses (apiserver/pkg/admission/plugin of
/// resourcequota): `requested: pods=1, used: pods=2, limited: pods=2`.
fn fits_alone(message: &str) -> bool {
    let part = |word: &str| {
        let (_, rest) = message.split_once(word)?;
        let list = rest.split(", ").next()?;
        list.split(',').map(|one| one.split_once('=')).collect::<Option<Vec<_>>>()
    };
    let Some((asked, most)) = part("requested: ").zip(part("limited: ")) else { return false };
    asked.iter().all(|(resource, amount)| {
        let limit = most.iter().find(|(limited, _)| limited == resource);
        let within = limit.and_then(|(_, limit)| Some(quantity(amount)? <= quantity(limit)?));
        within == Some(true)
    })
}

/// The Deployment of a cause, if it starts new pods before it ends old ones.
fn surging<'a>(view: &View<'a>, object: &Object) -> Option<&'a Value> {
    let deployment =
        view.get("Deployment", &object.name).filter(|_| object.kind == "Deployment")?;
    let strategy = &deployment["spec"]["strategy"];
    let surge = &strategy["rollingUpdate"]["maxSurge"];
    let is_none = *surge == 0 || *surge == "0%";
    (strategy["type"] != "Recreate" && !is_none).then_some(deployment)
}

/// A live pod of another revision of the same Deployment, beside which this one is started.
fn old_pod<'a>(view: &View<'a>, object: &Object, waits: &Value) -> Option<&'a Value> {
    surging(view, object)?;
    let hash = |pod: &Value| pod["metadata"]["labels"]["pod-template-hash"].clone();
    let is_old = |pod: &&Value| {
        is_live(pod) && filled(&pod["spec"]["nodeName"]).is_some() && hash(pod) != hash(waits)
    };
    view.pods_of(object).find(is_old)
}

/// Whether a pod must not be where another one is (core/v1, PodAntiAffinity).
fn keeps_away(pod: &Value, other: &Value) -> bool {
    let rules = &pod["spec"]["affinity"]["podAntiAffinity"];
    array(&rules["requiredDuringSchedulingIgnoredDuringExecution"])
        .any(|term| fits(&term["labelSelector"], &other["metadata"]["labels"]))
}
