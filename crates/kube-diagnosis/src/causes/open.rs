//! A pod that is not ready as a part of it has completed, while other containers keep it open.

use crate::cause::Object;
use crate::object::{array, text};
use crate::pod::{annotated_container, restart_policy};
use crate::view::listed;
use serde_json::Value;

pub(super) const KEPT_OPEN: &str = "end the other containers with it, or make them native sidecars: init \
    containers with restartPolicy Always";

/// The containers that have completed of a pod that is not started again, if they are all that is
/// not ready: such a pod can never be ready again.
pub(super) fn completed(pod: &Value) -> Option<Vec<&str>> {
    let mut unready = array(&pod["status"]["containerStatuses"])
        .filter(|status| status["ready"] != true)
        .peekable();
    unready.peek()?;
    let once = |status: &Value| {
        let spec = array(&pod["spec"]["containers"]).find(|spec| spec["name"] == status["name"]);
        restart_policy(pod, spec.unwrap_or(&Value::Null)) != "Always"
    };
    let done = |status: &Value| once(status) && status["state"]["terminated"]["exitCode"] == 0;
    unready.map(|status| done(status).then(|| text(&status["name"]))).collect()
}

/// Names of containers that only help others, by what they are called.
const HELPERS: &[&str] = &["proxy", "sidecar", "agent", "envoy", "fluent", "istio"];

/// That what a pod is for has completed, and what only helps it still runs and keeps it open. What
/// a container is for is not in the API: the annotation of kubectl says it, or its name.
pub(super) fn kept_open(pod: &Value, workload: &Object, done: &[&str]) -> Option<String> {
    let running: Vec<&str> = array(&pod["status"]["containerStatuses"])
        .filter(|status| status["state"]["running"].is_object())
        .map(|status| text(&status["name"]))
        .collect();
    let annotated = annotated_container(pod);
    let is_main = |one: &&str| match &annotated {
        Some(main) => main == one,
        None => *one == "main" || *one == workload.name,
    };
    let is_helper = |one: &&str| HELPERS.iter().any(|part| one.contains(part));
    let is_kept = done.iter().any(is_main) && !running.iter().any(is_main)
        || annotated.is_none() && running.iter().all(is_helper) && !done.iter().all(is_helper);
    (is_kept && !running.is_empty()).then(|| {
        let verb = |all: &[&str], one: &'static str, many: &'static str| match all.len() {
            1 => one,
            _ => many,
        };
        format!(
            "{} {} completed, and {} still {}",
            listed(done),
            verb(done, "has", "have"),
            listed(&running),
            verb(&running, "runs", "run")
        )
    })
}
