//! A pod that is not ready as another one of it does the work.

use super::logs::complains;
use crate::object::{array, filled, name, seconds, stated, text, timestamp};
use crate::pod::{containers, is_live, is_ready, restarts};
use crate::view::View;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) const STANDBY: &str =
    "no action if it is a standby replica; otherwise run its readiness probe by hand";

/// How long after another one has taken the lease a pod that was ready may give up.
const HANDOVER: SignedDuration = SignedDuration::from_mins(1);

/// Whether a pod is not ready as it should be: one of its kind holds the lease and is the only
/// ready one, and this one runs, waits for its turn and complains of nothing. One that was ready is
/// none, but for one that has just lost the lease.
pub(super) fn stands_by(view: &View<'_>, pod: &Value) -> bool {
    let leases = || view.of("Lease").iter().filter(|lease| is_held(view, lease));
    let leads = |pod: &Value| leases().any(|lease| holds(pod, lease));
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
    let gave_up = |since: Timestamp| {
        let mut taken = leases().filter_map(|lease| timestamp(&lease["spec"]["acquireTime"]));
        taken.any(|taken| since.duration_since(taken).abs() <= HANDOVER)
    };
    !is_ready(pod)
        && was_ready_until(pod).is_none_or(gave_up)
        && !containers(pod).into_iter().any(is_ill)
        && all().any(|pod| is_ready(pod) && leads(pod))
        && all().all(|pod| is_ready(pod) == leads(pod) && (is_ready(pod) || waits(pod)))
}

/// Whether a lease is held by this pod, which may add something to its name.
fn holds(pod: &Value, lease: &Value) -> bool {
    let rest = text(&lease["spec"]["holderIdentity"]).strip_prefix(name(pod));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Until when a pod was ready; none if it never was: it is not ready then since before its last
/// container was started.
fn was_ready_until(pod: &Value) -> Option<Timestamp> {
    let since = timestamp(&stated(pod, "Ready", "False")?["lastTransitionTime"])?;
    let started = array(&pod["status"]["containerStatuses"])
        .filter_map(|status| timestamp(&status["state"]["running"]["startedAt"]))
        .max()?;
    (since > started).then_some(since)
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
