//! A pod that starts for long, within the time that its probes give it: that is no fault, and it
//! serves nothing so far.

use super::Kind;
use super::detail::container_of;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name, text, timestamp};
use crate::pod::{containers, patience, starting_since, startup_time};
use crate::symptom::{ObjectEvent, said_by_probe};
use crate::view::View;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(super) const KINDS: &[Kind] = &[Kind("still-starting", "is still starting", &["Pod"])];

/// How long a start takes of which nothing need be said.
const LONG: SignedDuration = SignedDuration::from_mins(2);

/// What starts for long, unless the same workload has a fault. It explains nothing of what is wrong.
pub(super) fn find(view: &View<'_>, present: &[Cause]) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for pod in view.of("Pod") {
        let workload = view.workload(pod);
        let is_told = |cause: &Cause| {
            cause.object == workload && cause.pods.iter().any(|one| one == name(pod))
        };
        if starting_since(pod, view.now).is_none() || present.iter().any(is_told) {
            continue;
        }
        let Some(start) = start(view, pod) else { continue };
        match found.iter_mut().find(|cause| cause.object == workload) {
            Some(cause) => cause.pods.push(name(pod).to_owned()),
            None => found.push(cause(workload, pod, &start)),
        }
    }
    found
}

/// A container that runs and is not ready, and until when it has time.
struct Start<'a> {
    container: String,
    probe: &'static str,
    since: Timestamp,
    until: Timestamp,
    failed: Option<ObjectEvent<'a>>,
}

fn start<'a>(view: &View<'a>, pod: &Value) -> Option<Start<'a>> {
    let of = |container: String| {
        let (spec, status) = container_of(pod, &container);
        let running = &status["state"]["running"];
        if status["ready"] == true || !view.older(&running["startedAt"], LONG) {
            return None;
        }
        let since = timestamp(&running["startedAt"])?;
        let starts = spec["startupProbe"].is_object() && status["started"] != true;
        let before = startup_time(spec).filter(|_| !starts).unwrap_or_default();
        let until = since.checked_add(before + patience(spec, starts)).ok()?;
        let probe = if starts { "startup" } else { "readiness" };
        let failed = view.last_event(pod, |event| {
            event.reason == "Unhealthy"
                && event.container.is_none_or(|name| name == container)
                && event.message.to_lowercase().starts_with(probe)
        });
        Some(Start { container, probe, since, until, failed })
    };
    let sidecars = array(&pod["spec"]["initContainers"])
        .filter(|container| container["restartPolicy"] == "Always")
        .map(|container| text(&container["name"]).to_owned());
    sidecars.chain(containers(pod)).find_map(of)
}

fn cause(workload: Object, pod: &Value, start: &Start<'_>) -> Cause {
    let Start { container, probe, since, until, failed } = start;
    let said =
        failed.map(|failed| format!(": {}", said_by_probe(failed.message))).unwrap_or_default();
    let detail = format!(
        "{container} has been running since {since}, and its {probe} probe may fail until \
            {until}{said}"
    );
    let source = format!("pod/{}: container {container}", name(pod));
    let seen = Evidence::new(source, format!("running since {since}, not ready{said}"));
    let hint = format!(
        "wait, and read its log to see how far it gets; if the application is already up, run its \
            {probe} probe by hand (kubectl exec, curl)"
    );
    let reason = text(&pod["status"]["phase"]);
    Cause {
        container: Some(container.clone()),
        ..Cause::new("still-starting", workload, reason, detail)
    }
    .pods([pod])
    .seen([seen])
    .hint(hint)
}
