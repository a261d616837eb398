//! A pod that is not ready as a part of it has completed, while other containers keep it open.

use crate::cause::Object;
use crate::object::{array, text};
use crate::pod::{annotated_container, restart_policy};
use crate::view::listed;
use serde_json::Value;

/// What is said of such a pod: the id of the cause, what is so, and what to do.
pub(super) struct Open {
    pub(super) id: &'static str,
    pub(super) words: String,
    pub(super) hint: String,
}

const NATIVE: &str = "make them native sidecars: init containers with restartPolicy Always";

/// The containers that have completed of a pod that is not started again, if they are all that is
/// not ready: such a pod can never be ready again.
pub(super) fn completed(pod: &Value) -> Option<Vec<&str>> {
    let mut unready = array(&pod["status"]["containerStatuses"])
        .filter(|status| status["ready"] != true)
        .peekable();
    unready.peek()?;
    let once = |status: &Value| restart_policy(pod, spec_of(pod, status)) != "Always";
    let done = |status: &Value| once(status) && status["state"]["terminated"]["exitCode"] == 0;
    unready.map(|status| done(status).then(|| text(&status["name"]))).collect()
}

fn spec_of<'a>(pod: &'a Value, status: &Value) -> &'a Value {
    let mut specs = array(&pod["spec"]["containers"]);
    specs.find(|spec| spec["name"] == status["name"]).unwrap_or(&Value::Null)
}

/// That a pod which is to run for good cannot be ready again, as a container of it has completed
/// whose own policy does not start it again: a container that has ended is not ready
/// (pkg/kubelet/status/generate.go, `GenerateContainersReadyCondition`).
pub(super) fn never_ready(pod: &Value) -> Option<Open> {
    let done = completed(pod)?;
    let spec = |name: &&str| {
        let mut specs = array(&pod["spec"]["containers"]);
        specs.find(|spec| spec["name"] == *name).unwrap_or(&Value::Null)
    };
    // its rules may start it again (Kubernetes 1.34, ContainerRestartRules)
    let has_rules = |name: &&str| array(&spec(name)["restartPolicyRules"]).next().is_some();
    let of_pod = text(&pod["spec"]["restartPolicy"]);
    if !matches!(of_pod, "" | "Always") || done.iter().any(has_rules) {
        return None;
    }
    let policy = done.first().map_or("", |name| text(&spec(name)["restartPolicy"]));
    let them = listed(&done);
    Some(Open {
        id: "pod-not-ready",
        words: format!(
            "{them} {} completed and by restartPolicy {policy} of its own is not started again, so \
                that the pod cannot become ready",
            has(&done)
        ),
        hint: format!("move {them} to initContainers, or run it in a Job"),
    })
}

/// Proxies and agents that only help others and run until they are told to end, by the whole name
/// of their container or of their image.
const HELPERS: &[&str] = &[
    "istio-proxy",
    "proxyv2",
    "linkerd-proxy",
    "envoy",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "gce-proxy",
    "vault-agent",
    "consul-dataplane",
    "kuma-sidecar",
    "kuma-dp",
    "daprd",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "promtail",
    "vector",
];
/// Parts of names of containers that look like one that helps others.
const ALIKE: &[&str] =
    &["proxy", "sidecar", "agent", "envoy", "fluent", "istio", "shipper", "collector", "exporter"];

/// That what a pod is for has completed, and what only helps it still runs and keeps it open. That
/// is certain of programs that are known; else what a container is for is not in the API, and its
/// name or the annotation of kubectl is a guess: the one that runs may be at work.
pub(super) fn kept_open(pod: &Value, workload: &Object, done: &[&str]) -> Option<Open> {
    let statuses = || array(&pod["status"]["containerStatuses"]);
    let running: Vec<&Value> =
        statuses().filter(|status| status["state"]["running"].is_object()).collect();
    let names: Vec<&str> = running.iter().map(|status| text(&status["name"])).collect();
    if names.is_empty() {
        return None;
    }
    let words = format!(
        "{} {} completed, and {} still {}",
        listed(done),
        has(done),
        listed(&names),
        if names.len() == 1 { "runs" } else { "run" }
    );
    let is_helper = |status: &Value| {
        let image = image_name(text(&spec_of(pod, status)["image"]));
        HELPERS.contains(&text(&status["name"])) || HELPERS.contains(&image)
    };
    let has_helped =
        statuses().any(|status| done.contains(&text(&status["name"])) && !is_helper(status));
    if has_helped && running.iter().all(|status| is_helper(status)) {
        let hint = format!("end the other containers with it, or {NATIVE}");
        return Some(Open { id: "pod-not-ready", words, hint });
    }
    let annotated = annotated_container(pod);
    let is_main = |one: &&str| match &annotated {
        Some(main) => main == one,
        None => *one == "main" || *one == workload.name,
    };
    let is_alike = |one: &&str| ALIKE.iter().any(|part| one.contains(part));
    let is_kept = done.iter().any(is_main) && !names.iter().any(is_main)
        || annotated.is_none() && names.iter().all(is_alike) && !done.iter().all(is_alike);
    let hint = format!(
        "read the log of {}: if it is at work, wait; if it only helps, end it with the other \
            containers, or {NATIVE}",
        listed(&names)
    );
    is_kept.then_some(Open { id: "kept-open", words, hint })
}

/// `proxyv2` of `docker.io/istio/proxyv2:1.24@sha256:…`.
fn image_name(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or_default();
    path.rsplit('/').next().and_then(|last| last.split(':').next()).unwrap_or_default()
}

fn has(all: &[&str]) -> &'static str {
    if all.len() == 1 { "has" } else { "have" }
}
