//! A pod of a revision of a Deployment that is being rolled out, which has the time of the rollout.

use super::workload::wanted;
use crate::cause::Object;
use crate::object::{controller, count, stated, text, timestamp};
use crate::pod::{is_live, is_ready, restarts};
use crate::symptom::Symptom;
use crate::view::View;
use serde_json::Value;

pub(super) const ROLLING: &str = "wait until progressDeadlineSeconds has passed, or roll back if \
    the new revision cannot become ready (maxUnavailable lets the rollout proceed with fewer \
    pods)";

/// Whether a pod does not get ready while its Deployment has time to be rolled out.
pub(super) fn has_its_rollout(view: &View<'_>, pod: &Value, symptom: &Symptom) -> bool {
    symptom.restarts == 0 && is_rolled_out(view, pod)
}

/// Whether fewer pods of its Deployment are available than it should have: maxUnavailable allows
/// that in a rollout, be it all but one.
pub(super) fn lacks_pods(view: &View<'_>, pod: &Value) -> bool {
    let workload = view.workload(pod);
    view.get("Deployment", &workload.name).is_some_and(|deployment| {
        count(&deployment["status"]["availableReplicas"]) < wanted(deployment)
    })
}

/// Whether a pod is of a revision that is being rolled out beside pods of an earlier one that serve.
/// It has the time that its Deployment has: `Progressing` is true until the progress deadline is
/// over, and says when the rollout is complete (pkg/controller/deployment/progress.go). A paused
/// Deployment has no deadline, nor has one without the condition.
fn is_rolled_out(view: &View<'_>, pod: &Value) -> bool {
    let workload = view.workload(pod);
    let deployment = Some(&workload).filter(|workload| workload.kind == "Deployment");
    let Some(deployment) = deployment.and_then(|one| view.get("Deployment", &one.name)) else {
        return false;
    };
    let goes_on = stated(deployment, "Progressing", "True")
        .is_some_and(|progressing| progressing["reason"] != "NewReplicaSetAvailable");
    goes_on
        && view
            .pods_of(&workload)
            .any(|other| is_live(other) && is_ready(other) && is_newer(view, pod, other))
}

/// The revision of a Deployment that a ReplicaSet keeps.
pub(super) fn number(set: &Value) -> Option<u64> {
    text(&set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]).parse().ok()
}

/// Whether a pod of a Deployment is of a later revision than another.
fn is_newer(view: &View<'_>, pod: &Value, than: &Value) -> bool {
    let set = |pod: &Value| controller(pod).map(|owner| text(&owner["name"]).to_owned());
    let revision = |pod: &Value| number(view.get("ReplicaSet", &set(pod)?)?);
    let made = |pod: &Value| timestamp(&pod["metadata"]["creationTimestamp"]);
    set(pod) != set(than)
        && match (revision(pod), revision(than)) {
            (Some(own), Some(other)) => own > other,
            _ => made(pod) > made(than),
        }
}

/// Whether a Deployment lacks pods only because a new revision of it has its time.
pub(super) fn waits_for_rollout(view: &View<'_>, workload: &Object) -> bool {
    let mut unready =
        view.pods_of(workload).filter(|pod| is_live(pod) && !is_ready(pod)).peekable();
    unready.peek().is_some() && unready.all(|pod| restarts(pod) == 0 && is_rolled_out(view, pod))
}
