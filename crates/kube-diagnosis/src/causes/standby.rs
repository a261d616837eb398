//! A pod that is not ready as another one of it does the work.

use super::logs::complains;
use crate::object::{array, filled, name, seconds, text, timestamp};
use crate::pod::{containers, is_live, is_ready, restarts};
use crate::view::View;
use serde_json::Value;

pub(super) const STANDBY: &str =
    "no action if it is a standby replica; otherwise run its readiness probe by hand";

/// Whether a pod is not ready as it should be: one of its kind holds the lease and is the only
/// ready one, and this one runs, waits for its turn and complains of nothing.
pub(super) fn stands_by(view: &View<'_>, pod: &Value) -> bool {
    let leads = |pod: &Value| {
        view.of("Lease").iter().filter(|lease| is_held(view, lease)).any(|lease| {
            let holder = text(&lease["spec"]["holderIdentity"]);
            holder
                .strip_prefix(name(pod))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    };
    let is_ill = |container: String| {
        let log = view.snapshot.last_words(name(pod), &container);
        log.is_some_and(|log| complains(pod, &container, log))
    };
    let waits = |pod: &Value| {
        restarts(pod) == 0
            && array(&pod["status"]["containerStatuses"])
                .all(|status| status["state"]["running"].is_object())
    };
    let all = || view.pods_of(&view.workload(pod)).filter(|pod| is_live(pod));
    !is_ready(pod)
        && !containers(pod).into_iter().any(is_ill)
        && all().any(|pod| is_ready(pod) && leads(pod))
        && all().all(|pod| is_ready(pod) == leads(pod) && (is_ready(pod) || waits(pod)))
}

/// Whether somebody holds a lease now: it was renewed within the time that it lasts (client-go,
/// tools/leaderelection, `isLeaseValid`). One that does not say so is no proof.
fn is_held(view: &View<'_>, lease: &Value) -> bool {
    let spec = &lease["spec"];
    let lasts = seconds(&spec["leaseDurationSeconds"]);
    filled(&spec["holderIdentity"]).is_some()
        && timestamp(&spec["renewTime"])
            .zip(lasts)
            .is_some_and(|(renewed, lasts)| view.now.duration_since(renewed) < lasts)
}
