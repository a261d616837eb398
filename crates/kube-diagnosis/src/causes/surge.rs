//! A rolling update that starts a new pod before it ends an old one, where there is no room for both.

use crate::cause::{Cause, Object};
use crate::object::{array, filled};
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

/// A live pod of another revision of the same Deployment, beside which this one is started.
fn old_pod<'a>(view: &View<'a>, object: &Object, waits: &Value) -> Option<&'a Value> {
    let deployment =
        view.get("Deployment", &object.name).filter(|_| object.kind == "Deployment")?;
    let strategy = &deployment["spec"]["strategy"];
    let surge = &strategy["rollingUpdate"]["maxSurge"];
    if strategy["type"] == "Recreate" || *surge == 0 || *surge == "0%" {
        return None;
    }
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
