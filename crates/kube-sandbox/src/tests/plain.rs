//! What the scenarios of the world `plain` show: the reason or message by which each is told.

use super::*;
use crate::object;
use crate::simulation::{Clock, Simulation};
use jiff::Timestamp;

/// The world of this repository in which everything that is common goes wrong.
pub(crate) fn plain() -> World {
    world("plain")
}

/// The objects of a scenario.
fn objects(scenario: &str) -> Vec<Value> {
    let world = plain();
    let now: Timestamp = "2026-03-10T09:30:00Z".parse().unwrap();
    let clock = Clock::starting_at(now);
    let built = Simulation::build(&world, world.scenario(scenario).unwrap(), clock, "", &[]);
    built.unwrap().store.all().map(|object| (**object).clone()).collect()
}

fn named(objects: &[Value], kind: &str, name: &str) -> Value {
    let found = objects.iter().find(|object| {
        object["kind"] == kind
            && (object::name(object) == name
                || object::name(object).starts_with(&format!("{name}-")))
    });
    found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
}

/// An object of a scenario, and what a field of it says.
type Told = (&'static str, &'static str, &'static str, &'static str);

/// Which object of each scenario tells what is wrong, where, and in which words.
const DECIDING: &[(&str, Told)] = &[
    ("oom-killed", ("Pod", "eater", LAST, "OOMKilled")),
    ("app-exit", ("Pod", "orders", CODE, "3")),
    (
        "liveness-kills",
        ("Event", "slow", UNHEALTHY, "Liveness probe failed: cat: /tmp/alive: No such"),
    ),
    ("command-not-found", ("Pod", "typo", LAST, "StartError")),
    ("exits-zero", ("Pod", "once", LAST, "Completed")),
    (
        "init-fails",
        ("Pod", "withinit", "/status/conditions/Initialized/reason", "ContainersNotInitialized"),
    ),
    ("one-of-three-crashes", ("Pod", "ring-1", CODE, "2")),
    (
        "registry-unreachable",
        ("Pod", "puller", WAITING, "lookup registry.invalid on 10.255.255.53:53: no such host"),
    ),
    ("image-never-pull", ("Pod", "local", WAITING, "not present with pull policy of Never")),
    ("configmap-missing", ("Pod", "conf", WAITING, "configmap \"app-config\" not found")),
    ("secret-key-missing", ("Pod", "key", WAITING, "couldn't find key token in Secret shop/app")),
    ("volume-secret-missing", ("Event", "vol", "FailedMount", "secret \"app-tls\" not found")),
    ("cpu-insufficient", ("Pod", "big", SCHEDULED, "1 Insufficient cpu.")),
    ("node-selector", ("Pod", "gpu", SCHEDULED, "didn't match Pod's node affinity/selector")),
    ("claim-unbound", ("Event", "data", "ProvisioningFailed", "\"fast-ssd\" not found")),
    ("readiness-port", ("Event", "files", UNHEALTHY, ":8081: connect: connection refused")),
    ("root-not-allowed", ("Pod", "rooted", WAITING, "runAsNonRoot and image will run as root")),
    ("stuck-terminating", ("Pod", "kept", "/metadata/finalizers/0", "example.com/backup")),
    (
        "quota-exceeded",
        ("ReplicaSet", "three", FAILURE, "exceeded quota: shop, requested: pods=1, used: pods=8"),
    ),
    (
        "pod-security",
        (
            "Deployment",
            "priv",
            FAILURE,
            "violates PodSecurity \"baseline:latest\": host namespaces",
        ),
    ),
    (
        "service-account-missing",
        ("Deployment", "deployer", FAILURE, "serviceaccount \"deployer\" not found"),
    ),
    ("rollout-paused", ("Deployment", "cart", PROGRESSING, "DeploymentPaused")),
    ("rollout-stuck", ("Deployment", "web", PROGRESSING, "ProgressDeadlineExceeded")),
    ("ordinal-blocks", ("StatefulSet", "ordered", "/status/replicas", "1")),
    ("nowhere-scheduled", ("DaemonSet", "agent", "/status/desiredNumberScheduled", "0")),
    ("job-backoff", ("Job", "load", FAILED, "BackoffLimitExceeded")),
    ("job-deadline", ("Job", "export", FAILED, "DeadlineExceeded")),
    ("cronjob-suspended", ("CronJob", "report", "/spec/suspend", "true")),
    ("selector-nothing", ("EndpointSlice", "web", "/endpoints", "null")),
    ("target-port", ("EndpointSlice", "cart", "/ports/0/port", "9090")),
    ("target-port-name", ("EndpointSlice", "web", "/ports", "null")),
    ("endpoints-unready", ("EndpointSlice", "lame", "/endpoints/0/conditions/ready", "false")),
    ("policy-blocks", ("NetworkPolicy", "nobody", "/spec/podSelector/matchLabels/app", "cart")),
    ("loopback-only", ("EndpointSlice", "inside", "/endpoints/0/conditions/ready", "true")),
    (
        "hpa-no-metrics",
        (
            "HorizontalPodAutoscaler",
            "api",
            "/status/conditions/ScalingActive/reason",
            "FailedGetResourceMetric",
        ),
    ),
    (
        "hpa-no-target",
        (
            "HorizontalPodAutoscaler",
            "ghost",
            "/status/conditions/AbleToScale/reason",
            "FailedGetScale",
        ),
    ),
    ("certificate-expired", ("Secret", "shop-tls", VALID, "251130093000Z 260228093000Z")),
    ("certificate-expiring", ("Secret", "shop-tls", VALID, "251220093000Z 260319093000Z")),
    ("certificate-host", ("Secret", "shop-tls", VALID, "www.example.org")),
    (
        "webhook-unavailable",
        ("ReplicaSet", "hooked", FAILURE, "failed calling webhook \"pods.policy.example.com\""),
    ),
    ("healthy", ("Pod", "worker", "/status/containerStatuses/0/restartCount", "1")),
];

const LAST: &str = "/status/containerStatuses/0/lastState/terminated/reason";
const CODE: &str = "/status/containerStatuses/0/lastState/terminated/exitCode";
const WAITING: &str = "/status/containerStatuses/0/state/waiting/message";
const SCHEDULED: &str = "/status/conditions/PodScheduled/message";
const FAILURE: &str = "/status/conditions/ReplicaFailure/message";
const PROGRESSING: &str = "/status/conditions/Progressing/reason";
const FAILED: &str = "/status/conditions/Failed/reason";
const UNHEALTHY: &str = "Unhealthy";
const VALID: &str = "certificate";

/// The conditions of an object by type, for paths.
fn with_conditions(mut object: Value) -> Value {
    let conditions = object::list(&object["status"]["conditions"]).to_vec();
    if !conditions.is_empty() {
        object["status"]["conditions"] = json!({});
    }
    for condition in conditions {
        let kind = condition["type"].as_str().unwrap().to_owned();
        object["status"]["conditions"][kind] = condition;
    }
    object
}

/// What the certificate of a Secret says, as the text in it.
fn certificate(secret: &Value) -> String {
    use base64::Engine;
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let pem = String::from_utf8(decode(secret["data"]["tls.crt"].as_str().unwrap())).unwrap();
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = decode(&lines);
    let words = bytes.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
    let words = words.filter(|word| word.len() > 8).map(String::from_utf8_lossy);
    words.collect::<Vec<_>>().join(" ")
}

fn says(objects: &[Value], (kind, name, path, _): Told) -> String {
    if kind == "Event" {
        let about = |event: &&Value| {
            event["kind"] == "Event"
                && event["reason"] == path
                && event["involvedObject"]["name"].as_str().unwrap().starts_with(name)
        };
        let messages = objects.iter().filter(about).map(|event| event["message"].as_str().unwrap());
        return messages.collect::<Vec<_>>().join("\n");
    }
    let object = named(objects, kind, name);
    if path == VALID {
        return certificate(&object);
    }
    let object = with_conditions(object);
    match object.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => format!("nothing at {path}: {object}"),
    }
}

#[test]
fn every_scenario_shows_what_is_wrong() {
    let scenarios: Vec<String> = plain().scenarios().into_iter().map(|info| info.name).collect();
    for scenario in &scenarios {
        let told = DECIDING.iter().find(|(name, _)| name == scenario);
        let (_, told) = told.unwrap_or_else(|| panic!("{scenario} is not in the table"));
        let said = says(&objects(scenario), *told);
        assert!(said.contains(told.3), "{scenario}: {said}");
    }
    assert_eq!(scenarios.len(), DECIDING.len());
}

#[test]
fn what_works_looks_ill_here_and_there() {
    let objects = objects("healthy");
    let of = |kind: &'static str, name: &'static str, path| says(&objects, (kind, name, path, ""));
    for (kind, name, path, expected) in [
        ("Deployment", "sale", "/spec/replicas", "0"),
        ("Job", "import", "/status/failed", "1"),
        ("Job", "import", "/status/conditions/Complete/status", "True"),
        ("Pod", "backup", "/status/phase", "Succeeded"),
        ("Pod", "backup", "/status/initContainerStatuses/0/state/terminated/exitCode", "143"),
        ("Pod", "worker", "/status/conditions/Ready/status", "True"),
        ("Pod", "worker", LAST, "Error"),
        ("PersistentVolumeClaim", "cache", "/status/phase", "Bound"),
        ("PodDisruptionBudget", "api", "/status/disruptionsAllowed", "1"),
        ("ResourceQuota", "shop", "/status/used/pods", "7"),
    ] {
        assert_eq!(of(kind, name, path), expected, "{kind} {name} {path}");
    }
}
