//! Pods, events and times with the symptoms expected for them: id, container and a part of the
//! message.

use super::*;

/// A day on which everything happens; the pod was made at midnight.
const DAY: &str = "2026-01-01";
/// When it is looked at.
const NOW: &str = "01:00:00";

fn at(clock: &str) -> String {
    format!("{DAY}T{clock}Z")
}

fn time(clock: &str) -> Timestamp {
    at(clock).parse().unwrap()
}

/// The base with these changes, as a merge patch makes them (RFC 7386).
fn merged(base: Value, change: Value) -> Value {
    match (base, change) {
        (Value::Object(mut base), Value::Object(change)) => {
            for (key, value) in change {
                let before = base.remove(&key).unwrap_or_default();
                if !value.is_null() {
                    base.insert(key, merged(before, value));
                }
            }
            Value::Object(base)
        }
        (_, change) => change,
    }
}

fn pod(status: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n",
        "uid": "u", "creationTimestamp": at("00:00:00")},
        "spec": {"nodeName": "w1",
        "containers": [{"name": "c", "image": "example.com/app:1", "readinessProbe": {}}],
        "initContainers": [{"name": "i"},
            {"name": "s", "restartPolicy": "Always", "readinessProbe": {}}]},
        "status": status})
}

/// A running pod whose container is in this state.
fn with(container: Value) -> Value {
    let base =
        json!({"name": "c", "ready": false, "restartCount": 0, "started": true, "lastState": {}});
    pod(json!({"phase": "Running", "startTime": at("00:00:00"), "podIP": "10.0.0.1",
            "containerStatuses": [merged(base, container)]}))
}

fn waiting(reason: &str, message: &str) -> Value {
    merged(
        with(json!({"state": {"waiting": {"reason": reason, "message": message}}})),
        json!({"status": {"phase": "Pending"}}),
    )
}

fn ended(reason: &str, code: i64, finished: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": code, "startedAt": at("00:50:00"),
        "finishedAt": at(finished)}})
}

fn crashing(reason: &str, code: i64) -> Value {
    with(json!({"restartCount": 9,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
            "lastState": ended(reason, code, "00:58:00")}))
}

fn running(ready: bool, since: &str) -> Value {
    json!({"ready": ready, "state": {"running": {"startedAt": at(since)}}})
}

fn ready() -> Value {
    merged(
        with(running(true, "00:00:10")),
        json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    )
}

fn starting(phase_change: Value) -> Value {
    merged(waiting("ContainerCreating", ""), phase_change)
}

/// An event about the pod: `Warning FailedMount 00:59:00 message`, about a container if it begins
/// with `c: `.
fn event(kind: &str, reason: &str, clock: &str, message: &str) -> Value {
    let (field, message) = match message.split_once(": ").filter(|(name, _)| *name == "c") {
        Some((_, message)) => ("spec.containers{c}", message),
        None => ("", message),
    };
    json!({"type": kind, "reason": reason, "message": message, "count": 3,
        "lastTimestamp": at(clock), "firstTimestamp": at("00:00:01"),
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n", "uid": "u",
        "fieldPath": field}})
}

#[track_caller]
fn check(pod: &Value, events: &[Value], wanted: &[(&str, &str, &str)]) {
    let found = symptoms(pod, events, time(NOW));
    let shown: Vec<(&str, &str)> =
        found.iter().map(|symptom| (symptom.id, symptom.reason.as_str())).collect();
    assert_eq!(
        shown,
        wanted.iter().map(|(id, reason, _)| (*id, *reason)).collect::<Vec<_>>(),
        "{found:#?}\n{pod:#}"
    );
    for (symptom, (_, _, part)) in found.iter().zip(wanted) {
        assert!(symptom.message.contains(part) && !symptom.hint.is_empty(), "{part}: {symptom:?}");
    }
}

#[test]
fn healthy_pods_that_look_ill_have_none() {
    let unhealthy = event("Warning", "Unhealthy", "00:30:00", "c: Readiness probe failed: refused");
    let mount = event(
        "Warning",
        "FailedMount",
        "00:00:02",
        "MountVolume.SetUp failed: failed to sync configmap cache",
    );
    let killing = event("Normal", "Killing", "00:59:00", "c: Stopping container c");
    let deleted = |base: Value| {
        merged(
            base,
            json!({"metadata": {"deletionTimestamp": at("01:00:20"),
                "deletionGracePeriodSeconds": 30}}),
        )
    };
    let completed = |container: Value| {
        merged(
            with(container),
            json!({"spec": {"restartPolicy": "OnFailure"}, "status": {"phase": "Succeeded"}}),
        )
    };
    for (pod, events) in [
        (pod(json!({"phase": "Running"})), vec![]),
        (ready(), vec![]),
        // what was is over
        (ready(), vec![unhealthy, mount.clone()]),
        (
            with(merged(
                running(true, "00:40:00"),
                json!({"restartCount": 4, "lastState": ended("Error", 1, "00:39:00")}),
            )),
            vec![],
        ),
        // a Job's pod, and one of its containers before the others
        (completed(json!({"state": ended("Completed", 0, "00:59:00")})), vec![]),
        (
            merged(
                with(json!({"state": ended("Completed", 0, "00:59:00")})),
                json!({"spec": {"restartPolicy": "Never"}}),
            ),
            vec![],
        ),
        // a native sidecar is ended with them, by a signal
        (
            merged(
                completed(json!({"state": ended("Completed", 0, "00:59:00")})),
                json!({"status": {"initContainerStatuses": [merged(json!({"name": "s"}),
                    json!({"state": ended("Error", 143, "00:59:01")}))]}}),
            ),
            vec![],
        ),
        // being deleted in time, whatever it is like
        (deleted(ready()), vec![killing]),
        (
            deleted(merged(
                with(json!({"state": ended("Error", 137, "00:59:59")})),
                json!({"status": {"phase": "Failed"}}),
            )),
            vec![],
        ),
        (deleted(crashing("Error", 1)), vec![]),
        // just made
        (
            pod(json!({"phase": "Pending"})),
            vec![event("Normal", "Scheduled", "00:59:59", "assigned")],
        ),
        // started a moment ago: the readiness probe was not asked yet
        (
            with(running(false, "00:59:58")),
            vec![event("Warning", "Unhealthy", "00:30:00", "c: Readiness probe failed: refused")],
        ),
        // a volume that came late, and an image that is being pulled
        (
            starting(json!({"status": {"startTime": at("00:59:30")}})),
            vec![mount, event("Normal", "Pulling", "00:59:40", "c: Pulling image")],
        ),
        // no pull secret, and none was needed
        (
            starting(json!({"status": {"startTime": at("00:59:30")}})),
            vec![
                event(
                    "Warning",
                    "FailedToRetrieveImagePullSecret",
                    "00:59:31",
                    "Unable to retrieve",
                ),
                event("Normal", "Pulled", "00:59:31", "c: present"),
            ],
        ),
        // an init container at work
        (
            starting(json!({"status": {"initContainerStatuses": [{"name": "i",
                    "state": {"running": {"startedAt": at("00:59:30")}}}],
                    "containerStatuses": [{"name": "c",
                    "state": {"waiting": {"reason": "PodInitializing"}}}]}})),
            vec![],
        ),
    ] {
        let young = merged(pod, json!({}));
        let created = if young["status"]["phase"] == "Pending" {
            json!({"metadata": {"creationTimestamp": at("00:59:30")}})
        } else {
            json!({})
        };
        check(&merged(young, created), &events, &[]);
    }
}

#[test]
fn runs_that_end_and_should_not() {
    let probed = |code: i64| {
        merged(
            crashing(if code == 0 { "Completed" } else { "Error" }, code),
            json!({"spec": {"containers": [{"name": "c", "livenessProbe": {}}]}}),
        )
    };
    let kill = |clock: &str| {
        event("Normal", "Killing", clock, "c: Container c failed liveness probe, will be restarted")
    };
    let failed = event(
        "Warning",
        "Unhealthy",
        "00:57:59",
        "c: Liveness probe failed: HTTP probe failed with statuscode: 500",
    );
    check(
        &crashing("Error", 78),
        &[],
        &[(
            "app-exit",
            "CrashLoopBackOff",
            "ended with Error at 2026-01-01T00:58:00Z (9 restarts)",
        )],
    );
    check(&crashing("OOMKilled", 137), &[], &[("oom-killed", "OOMKilled", "OOMKilled")]);
    check(&crashing("Completed", 0), &[], &[("exits-zero", "CrashLoopBackOff", "Completed")]);
    check(&crashing("StartError", 128), &[], &[("start-error", "CrashLoopBackOff", "StartError")]);
    check(
        &crashing("ContainerStatusUnknown", 137),
        &[],
        &[("container-lost", "ContainerStatusUnknown", "")],
    );
    // a program may end with any code when it is asked to
    for code in [137, 143, 0, 1] {
        check(
            &probed(code),
            &[kill("00:57:59"), failed.clone()],
            &[(
                "liveness-probe-kills",
                "Unhealthy",
                "killed by its liveness probe: Liveness probe failed: HTTP",
            )],
        );
    }
    // a kill before this run is not that of this run, unless a signal ended it
    check(&probed(1), &[kill("00:20:00")], &[("app-exit", "CrashLoopBackOff", "Error")]);
    check(&probed(137), &[kill("00:20:00")], &[("liveness-probe-kills", "Unhealthy", "")]);
    check(&probed(137), &[], &[("app-exit", "CrashLoopBackOff", "Error")]);
    assert!(symptoms(&probed(137), &[], time(NOW))[0].hint.contains("liveness probe"));
    let startup = event(
        "Normal",
        "Killing",
        "00:57:59",
        "c: Container c failed startup probe, will be restarted",
    );
    check(
        &probed(137),
        &[startup],
        &[("startup-probe-kills", "Unhealthy", "killed by its startup probe")],
    );
    // between two runs, and in the middle of the next
    check(
        &with(json!({"restartCount": 1, "state": ended("Error", 2, "00:59:59")})),
        &[],
        &[("app-exit", "Error", "Error")],
    );
    check(
        &with(json!({"state": ended("Completed", 0, "00:59:59")})),
        &[],
        &[("exits-zero", "Completed", "Completed")],
    );
    check(
        &with(merged(
            running(true, "00:59:30"),
            json!({"restartCount": 4, "lastState": ended("Error", 1, "00:59:20")}),
        )),
        &[],
        &[("app-exit", "Restarted", "(4 restarts)")],
    );
    // of a container that also fails its readiness probe the crash is named alone
    let unready = event("Warning", "Unhealthy", "00:59:31", "c: Readiness probe failed: refused");
    check(
        &with(merged(
            running(false, "00:59:30"),
            json!({"restartCount": 4, "lastState": ended("OOMKilled", 137, "00:59:20")}),
        )),
        &[unready],
        &[("oom-killed", "OOMKilled", "")],
    );
    // a Job's pod that has failed
    let failed = merged(
        with(json!({"state": ended("Error", 4, "00:59:00")})),
        json!({"spec": {"restartPolicy": "Never"}, "status": {"phase": "Failed"}}),
    );
    check(&failed, &[], &[("app-exit", "Error", "Error")]);
    let sidecar = merged(
        failed,
        json!({"status": {"initContainerStatuses": [{"name": "s",
            "state": {"terminated": {"exitCode": 143, "reason": "Error"}}}]}}),
    );
    check(&sidecar, &[], &[("app-exit", "Error", "Error")]);
}

#[test]
fn containers_that_come_before_the_others() {
    let before = |container: Value| {
        let name = if container["name"].is_string() { json!({}) } else { json!({"name": "i"}) };
        merged(
            starting(json!({})),
            json!({"status": {"initContainerStatuses": [merged(merged(json!({"restartCount": 3,
                "lastState": {}}), name), container)],
                "containerStatuses": [{"name": "c", "restartCount": 0,
                "state": {"waiting": {"reason": "PodInitializing"}}}]}}),
        )
    };
    check(
        &before(
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended("Error",
                3, "00:59:00")}),
        ),
        &[],
        &[("init-container-fails", "CrashLoopBackOff", "Error")],
    );
    check(
        &before(json!({"state": ended("Error", 3, "00:59:59")})),
        &[],
        &[("init-container-fails", "Error", "Error")],
    );
    check(
        &before(json!({"state": {"waiting": {"reason": "ErrImagePull",
                "message": "manifest unknown"}}})),
        &[],
        &[("image-not-found", "ErrImagePull", "manifest unknown")],
    );
    check(
        &before(json!({"state": {"running": {"startedAt": at("00:30:00")}}})),
        &[],
        &[("init-container-runs", "PodInitializing", "since 2026-01-01T00:30:00Z")],
    );
    check(
        &before(
            json!({"state": {"running": {"startedAt": at("00:59:58")}}, "lastState": ended("Error",
                3, "00:59:57")}),
        ),
        &[],
        &[("init-container-fails", "Restarted", "Error")],
    );
    check(
        &before(json!({"name": "s", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": ended("Error", 3, "00:59:00")})),
        &[],
        &[("app-exit", "CrashLoopBackOff", "Error")],
    );
    check(
        &before(json!({"name": "s", "ready": false, "started": true,
                "state": {"running": {"startedAt": at("00:30:00")}}})),
        &[],
        &[("readiness-failing", "NotReady", "readiness")],
    );
}

#[test]
fn probes_that_do_not_pass() {
    let said = event(
        "Warning",
        "Unhealthy",
        "00:59:00",
        "c: Readiness probe failed: dial tcp 10.0.0.1:8081: connect: connection refused",
    );
    check(
        &with(running(false, "00:00:10")),
        std::slice::from_ref(&said),
        &[("readiness-failing", "NotReady", "connection refused")],
    );
    // once it should have passed, with an event and without one
    check(
        &with(running(false, "00:58:59")),
        std::slice::from_ref(&said),
        &[("readiness-failing", "NotReady", "connection refused")],
    );
    check(
        &with(running(false, "00:00:10")),
        &[],
        &[("readiness-failing", "NotReady", "its readiness probe does not pass")],
    );
    // a container without a probe fails none: it waits for what is wrong with the others
    let unprobed = json!({"spec": {"containers": [{"name": "c"}]}});
    check(&merged(with(running(false, "00:00:10")), unprobed), &[], &[]);
    let slow = json!({"spec": {"containers": [{"name": "c", "startupProbe": {}}]},
        "status": {"containerStatuses": [{"name": "c", "ready": false, "started": false,
        "restartCount": 0, "state": {"running": {"startedAt": at("00:59:55")}}}]}});
    check(&merged(with(running(false, "00:59:55")), slow.clone()), &[], &[]);
    let startup = event(
        "Warning",
        "Unhealthy",
        "00:59:57",
        "c: Startup probe failed: HTTP probe failed with statuscode: 503",
    );
    // what a startup probe says within its time is how every start looks
    check(
        &merged(with(running(false, "00:59:55")), slow.clone()),
        std::slice::from_ref(&startup),
        &[],
    );
    let late = json!({"status": {"containerStatuses": [{"name": "c", "ready": false,
        "started": false, "restartCount": 0,
        "state": {"running": {"startedAt": at("00:59:00")}}}]}});
    check(
        &merged(merged(with(running(false, "00:59:00")), slow), late),
        &[startup],
        &[("startup-failing", "NotReady", "503")],
    );
    // containers are ready and the pod is not: nobody has asked them for a while
    let lost = merged(
        ready(),
        json!({"status": {"conditions": [{"type": "Ready", "status": "False",
            "lastTransitionTime": at("00:50:00")}]}}),
    );
    check(
        &lost,
        &[event("Warning", "NodeNotReady", "00:50:00", "Node is not ready")],
        &[("node-lost", "NodeLost", "Node is not ready")],
    );
    let just = merged(
        ready(),
        json!({"status": {"conditions": [{"type": "Ready", "status": "False",
            "lastTransitionTime": at("00:59:58")}]}}),
    );
    check(&just, &[], &[]);
    check(
        &merged(ready(), json!({"status": {"podIP": null}})),
        &[],
        &[("no-address", "NoPodIP", "without an IP address")],
    );
    let gates = json!({"status": {"conditions": [{"type": "Ready", "status": "False",
        "reason": "ReadinessGatesNotReady", "message": "example.com/lb",
        "lastTransitionTime": at("00:59:59")}]}});
    check(
        &merged(ready(), gates),
        &[],
        &[("readiness-gate-unmet", "ReadinessGatesNotReady", "example.com/lb")],
    );
}

#[test]
fn pods_that_do_not_start_on_their_node() {
    let young = json!({"metadata": {"creationTimestamp": at("00:59:50")},
        "status": {"startTime": at("00:59:50")}});
    let mount = "MountVolume.SetUp failed for volume \"d\" : secret \"nosuch\" not found";
    for (reason, message, id, hint) in [
        ("FailedMount", mount, "volume-mount-failed", "create the Secret"),
        (
            "FailedMount",
            "MountVolume.SetUp failed for volume \"d\" : configmap \"x\" not found",
            "volume-mount-failed",
            "create the ConfigMap",
        ),
        (
            "FailedMount",
            "driver name x not found in the list of registered CSI drivers",
            "volume-mount-failed",
            "CSI driver",
        ),
        (
            "FailedAttachVolume",
            "Multi-Attach error for volume \"v\"",
            "volume-attach-failed",
            "another node",
        ),
        (
            "FailedCreatePodSandBox",
            "plugin type=\"cni\" failed: no addresses",
            "sandbox-failed",
            "network plugin",
        ),
        ("NetworkNotReady", "network is not ready", "network-not-ready", "network plugin"),
        ("SomethingNew", "it broke", "not-started", "events"),
    ] {
        let events = [
            event("Normal", "Scheduled", "00:59:50", "assigned"),
            event("Warning", reason, "00:59:51", message),
        ];
        let pod = starting(young.clone());
        check(&pod, &events, &[(id, reason, message)]);
        assert!(symptoms(&pod, &events, time(NOW))[0].hint.contains(hint), "{reason}");
        // before the kubelet has said anything of the containers
        check(
            &merged(pod, json!({"status": {"containerStatuses": null}})),
            &events,
            &[(id, reason, message)],
        );
    }
    // of another pod that had its name
    let mut before = event("Warning", "FailedMount", "00:59:51", mount);
    before["involvedObject"]["uid"] = json!("v");
    check(&starting(young.clone()), &[before], &[]);
    // attached in the end, and then the mount fails
    let late = [
        event("Warning", "FailedAttachVolume", "00:59:51", "Multi-Attach error"),
        event("Normal", "SuccessfulAttachVolume", "00:59:53", "attached"),
    ];
    check(&starting(young.clone()), &late, &[]);
    // the restart of a node: what was started before was before
    let again = [
        event("Normal", "Started", "00:30:00", "c: Started"),
        event("Warning", "FailedMount", "00:59:51", mount),
    ];
    check(&starting(young.clone()), &again, &[("volume-mount-failed", "FailedMount", mount)]);
    // nothing is said and it takes long
    check(&starting(json!({})), &[], &[("not-started", "ContainerCreating", "")]);
    check(
        &starting(json!({})),
        &[event("Normal", "Pulling", "00:30:00", "c: Pulling image \"x\"")],
        &[("image-pull-slow", "Pulling", "since 2026-01-01T00:30:00Z")],
    );
    check(
        &pod(json!({"phase": "Pending"})),
        &[],
        &[("not-started", "Pending", "the kubelet of node w1")],
    );
    // an image that has just failed to come
    let pull = [
        event("Normal", "Pulling", "00:59:51", "c: Pulling image"),
        event(
            "Warning",
            "Failed",
            "00:59:51",
            "c: Failed to pull image \"x\": dial tcp: lookup r: no such host",
        ),
    ];
    check(&starting(young), &pull, &[("registry-unreachable", "ErrImagePull", "no such host")]);
}

#[test]
fn images_and_what_a_container_is_made_from() {
    let pull = |message: &str| {
        [event(
            "Warning",
            "Failed",
            "00:59:00",
            &format!("c: Failed to pull image \"example.com/app:1\": {message}"),
        )]
    };
    for (message, id) in [
        (
            "rpc error: code = NotFound desc = failed to resolve reference \"example.com/app:1\": \
                not found",
            "image-not-found",
        ),
        (
            "failed to do request: Head \"https://example.com/v2\": dial tcp: lookup example.com: \
                no such host",
            "registry-unreachable",
        ),
        (
            "pull access denied, repository does not exist or may require authorization",
            "image-pull-denied",
        ),
        ("unexpected status: 401 Unauthorized", "image-pull-denied"),
        ("toomanyrequests: You have reached your pull rate limit", "registry-rate-limit"),
        ("no space left on device", "node-disk-full"),
        ("no match for platform in manifest", "image-wrong-platform"),
        ("something else", "image-pull-failed"),
    ] {
        // the cause is in the message of newer kubelets, and in the events of all
        check(
            &waiting("ImagePullBackOff", "Back-off pulling image \"example.com/app:1\""),
            &pull(message),
            &[(id, "ImagePullBackOff", message)],
        );
        check(&waiting("ErrImagePull", message), &[], &[(id, "ErrImagePull", "example.com/app:1")]);
    }
    for (reason, message, id, hint) in [
        (
            "InvalidImageName",
            "Failed to apply default image tag \"BAD//image:::\"",
            "image-name-invalid",
            "correct",
        ),
        (
            "ErrImageNeverPull",
            "Container image \"local/app:dev\" is not present with pull policy of Never",
            "image-not-present",
            "imagePullPolicy",
        ),
        (
            "CreateContainerConfigError",
            "configmap \"app-config\" not found",
            "config-missing",
            "ConfigMap",
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key token in Secret n/app",
            "config-missing",
            "key",
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root (pod: \"p\")",
            "security-context-refused",
            "runAsUser",
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image has non-numeric user (app), cannot verify user \
                is non-root",
            "security-context-refused",
            "runAsUser",
        ),
        (
            "CreateContainerConfigError",
            "failed to prepare subPath for volumeMount \"d\" of container \"c\"",
            "volume-mount-failed",
            "subPath",
        ),
        ("CreateContainerConfigError", "something else", "container-config-error", "spec"),
        (
            "RunContainerError",
            "exec: \"/nosuch\": stat /nosuch: no such file or directory: unknown",
            "start-error",
            "not in the image",
        ),
        ("CreateContainerError", "context deadline exceeded", "start-error", "runtime"),
        ("StartError", "exec /app: exec format error", "start-error", "architecture"),
        ("PostStartHookError", "", "post-start-hook-failed", "postStart"),
        ("SomethingNew", "text", "container-waiting", "events"),
    ] {
        let pod = waiting(reason, message);
        check(&pod, &[], &[(id, reason, message)]);
        let hints = symptoms(&pod, &[], time(NOW))[0].hint.clone();
        assert!(hints.contains(hint), "{reason}: {hints}");
        assert!(id == "config-missing" || !hints.contains("ConfigMap"), "{reason}: {hints}");
    }
}

#[test]
fn pods_without_a_node() {
    let pending = |conditions: Value| {
        merged(
            pod(json!({"phase": "Pending", "conditions": conditions})),
            json!({"spec": {"nodeName": null}}),
        )
    };
    let told = |reason: &str, message: &str| {
        pending(json!([{"type": "PodScheduled", "status": "False", "reason": reason,
                "message": message}]))
    };
    for (message, id) in [
        (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 \
                No preemption victims found",
            "insufficient-resources",
        ),
        // the node that got furthest tells more than the one that is tainted
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint {control-plane: }, 2 \
                Insufficient memory.",
            "insufficient-resources",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            "node-selector-mismatch",
        ),
        ("0/1 nodes are available: 1 node(s) had untolerated taint(s).", "taint-not-tolerated"),
        ("0/2 nodes are available: 2 node(s) were unschedulable.", "nodes-cordoned"),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "volume-unbound",
        ),
        ("0/1 nodes are available: persistentvolumeclaim \"data\" not found.", "volume-unbound"),
        (
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
            "pod-affinity-unmet",
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
            "topology-spread-unmet",
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod \
                ports.",
            "host-port-taken",
        ),
        (
            "0/3 nodes are available: 3 node(s) had volume node affinity conflict.",
            "volume-elsewhere",
        ),
        ("no nodes available to schedule pods", "no-nodes"),
        ("0/1 nodes are available: 1 something new.", "unschedulable"),
    ] {
        check(&told("Unschedulable", message), &[], &[(id, "Unschedulable", message)]);
        check(
            &pending(json!([])),
            &[event("Warning", "FailedScheduling", "00:00:01", message)],
            &[(id, "Unschedulable", message)],
        );
    }
    check(
        &told("SchedulingGated", "blocked on gates"),
        &[],
        &[("scheduling-gated", "SchedulingGated", "gates")],
    );
    let nominated = merged(
        told("Unschedulable", "1 Insufficient cpu"),
        json!({"status": {"nominatedNodeName": "w2"}}),
    );
    assert!(
        symptoms(&nominated, &[], time(NOW))[0]
            .hint
            .starts_with("pods with lower priority are being preempted on node w2")
    );
    let chosen = json!({"status": {"nominatedNodeName": "w2"},
        "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}});
    check(
        &merged(pending(json!([])), chosen),
        &[],
        &[("volume-unbound", "Pending", "node w2 is chosen")],
    );
    check(
        &merged(pending(json!([])), json!({"spec": {"schedulerName": "mine"}})),
        &[],
        &[("not-scheduled", "Pending", "mine has not processed")],
    );
    check(
        &merged(pending(json!([])), json!({"metadata": {"creationTimestamp": at("00:59:59")}})),
        &[],
        &[],
    );
}

#[test]
fn pods_that_were_ended_or_do_not_end() {
    for (reason, id) in [
        ("Evicted", "evicted"),
        ("DeadlineExceeded", "deadline-exceeded"),
        ("NodeLost", "node-lost"),
        ("Terminated", "node-shutdown"),
        ("OutOfcpu", "node-refused"),
        ("UnexpectedAdmissionError", "node-refused"),
        ("Preempting", "preempted"),
        ("SomethingNew", "pod-failed"),
    ] {
        // what the eviction did to its containers is no second cause
        let status = json!({"phase": "Failed", "reason": reason, "message": "low on memory",
            "conditions": [{"type": "DisruptionTarget", "status": "True",
            "reason": "TerminationByKubelet"}],
            "containerStatuses": [{"name": "c", "state": ended("Error", 137, "00:59:00")}]});
        check(&pod(status), &[], &[(id, reason, "low on memory")]);
    }
    check(&pod(json!({"phase": "Failed"})), &[], &[("pod-failed", "Failed", "")]);
    check(&pod(json!({"phase": "Unknown"})), &[], &[("node-lost", "NodeLost", "node w1")]);
    let target = json!({"status": {"conditions": [{"type": "DisruptionTarget", "status": "True",
        "reason": "EvictionByEvictionAPI", "message": "m"}, {"type": "Ready", "status": "True"}]}});
    check(&merged(ready(), target), &[], &[("disrupted", "EvictionByEvictionAPI", "m")]);
    let deleted = |finalizers: Value, change: Value| {
        merged(
            merged(
                ready(),
                json!({"metadata": {"deletionTimestamp": at("00:59:00"),
                    "finalizers": finalizers}}),
            ),
            change,
        )
    };
    check(
        &deleted(json!([]), json!({})),
        &[],
        &[(
            "stuck-terminating",
            "StuckTerminating",
            "should have terminated at 2026-01-01T00:59:00Z",
        )],
    );
    let held = deleted(
        json!(["a/b"]),
        json!({"status": {"phase": "Failed",
            "containerStatuses": [{"name": "c", "state": ended("Error", 137, "00:59:00")}]}}),
    );
    check(&held, &[], &[("stuck-terminating", "StuckTerminating", "finalizers: a/b")]);
    assert!(symptoms(&held, &[], time(NOW))[0].hint.contains("finalizer"));
    let killing = event(
        "Warning",
        "FailedKillPod",
        "00:59:50",
        "error killing pod: context deadline exceeded",
    );
    check(
        &deleted(json!([]), json!({})),
        &[killing],
        &[("stuck-terminating", "StuckTerminating", "error killing pod")],
    );
}

#[test]
fn a_clock_that_is_behind_that_of_the_cluster() {
    let event = [event("Normal", "Pulling", "00:30:00", "c: Pulling image")];
    // by this machine the pod was not made yet
    let found = symptoms(&starting(json!({})), &event, "2025-12-31T00:00:00Z".parse().unwrap());
    assert_eq!(found, []);
}

#[test]
fn pods_that_are_not_made() {
    let set = |kind: &str, replicas: u64, status: Value| {
        json!({"kind": kind, "metadata": {"name": "web", "namespace": "n",
            "uid": "r"}, "spec": {"replicas": replicas}, "status": status})
    };
    let told = |reason: &str, clock: &str, message: &str| {
        let mut event = event("Warning", reason, clock, message);
        event["involvedObject"] =
            json!({"kind": "ReplicaSet", "name": "web", "namespace": "n", "uid": "r"});
        event
    };
    for (message, id) in [
        (
            "Error creating: pods \"web-1\" is forbidden: exceeded quota: small, requested: pods=1",
            "quota-exceeded",
        ),
        (
            "Error creating: pods \"web-1\" is forbidden: failed quota: small: must specify \
                limits.cpu",
            "quota-needs-resources",
        ),
        (
            "Error creating: pods \"web-1\" is forbidden: error looking up service account \
                n/deployer: serviceaccount \"deployer\" not found",
            "service-account-missing",
        ),
        (
            "Error creating: pods \"web-1\" is forbidden: violates PodSecurity \"baseline:latest\"",
            "admission-denied",
        ),
        ("Error creating: admission webhook \"a\" denied the request: no", "admission-denied"),
        (
            "Error creating: Internal error occurred: failed calling webhook \"a\": no endpoints",
            "admission-webhook-unavailable",
        ),
        ("Error creating: something new", "pods-not-created"),
    ] {
        let events = [
            told("SuccessfulCreate", "00:59:00", "Created pod"),
            told("FailedCreate", "00:59:00", message),
        ];
        for maker in [
            set("ReplicaSet", 3, json!({"replicas": 1})),
            set("StatefulSet", 3, json!({})),
            set("DaemonSet", 0, json!({"desiredNumberScheduled": 2, "currentNumberScheduled": 1})),
            set("Job", 0, json!({})),
        ] {
            let found = not_made(&maker, &events).unwrap();
            assert_eq!((found.id, found.message.as_str()), (id, message), "{maker}");
        }
    }
    let events = [
        told("FailedCreate", "00:58:00", "Error creating: exceeded quota"),
        told("SuccessfulCreate", "00:59:00", "Created pod"),
    ];
    assert_eq!(
        not_made(&set("ReplicaSet", 3, json!({"replicas": 2})), &events),
        None,
        "one was made since"
    );
    assert_eq!(
        not_made(&set("ReplicaSet", 3, json!({"replicas": 3})), &events[..1]),
        None,
        "all are there"
    );
    let failure = json!({"replicas": 0,
        "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]});
    assert_eq!(
        not_made(&set("ReplicaSet", 3, failure), &[]).map(|found| found.id),
        Some("quota-exceeded"),
        "the events are gone"
    );
}

#[test]
fn symptoms_in_a_few_words() {
    let named = |pod: Value, events: &[Value]| few(&ill([&pod], events, time(NOW)));
    assert_eq!(
        named(crashing("Error", 78), &[]),
        "p: c: CrashLoopBackOff, exit code 78, 9 restarts"
    );
    assert_eq!(
        named(crashing("OOMKilled", 137), &[]),
        "p: c: OOMKilled, exit code 137, 9 restarts"
    );
    let mut said = crashing("Error", 1);
    said["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"] =
        json!("cannot (yet) open\n/etc/app\n");
    assert_eq!(
        named(said, &[]),
        "p: c: CrashLoopBackOff, exit code 1, 9 restarts: cannot (yet) open /etc/app"
    );
    let kill = [
        event("Warning", "Unhealthy", "00:57:58", "c: Liveness probe failed: refused"),
        event(
            "Normal",
            "Killing",
            "00:57:59",
            "c: Container c failed liveness probe, will be restarted",
        ),
    ];
    assert_eq!(
        named(crashing("Error", 137), &kill),
        "p: c: Unhealthy, exit code 137, 9 restarts: killed by its liveness probe: Liveness probe \
            failed: refused"
    );
    assert_eq!(
        named(waiting("ImagePullBackOff", "manifest unknown"), &[]),
        "p: c: ImagePullBackOff: image example.com/app:1: manifest unknown"
    );
    assert_eq!(named(ready(), &[]), "");
    let long = named(waiting("SomethingNew", &"word ".repeat(100)), &[]);
    assert!(long.contains(" … ") && long.ends_with("word") && long.chars().count() < 300, "{long}");
    let pull = "Back-off pulling image \"r.example/a:1\": ErrImagePull: failed to pull and unpack \
        image \"r.example/a:1\": failed to resolve reference \"r.example/a:1\": failed to do \
        request: Head \"https://r.example/v2/a\": dial tcp: lookup r.example: no such host";
    let mut pulling = waiting("ImagePullBackOff", pull);
    pulling["spec"]["containers"][0]["image"] = json!("r.example/a:1");
    assert_eq!(
        named(pulling.clone(), &[]),
        "p: c: ImagePullBackOff: image r.example/a:1: Head \"https://r.example/v2/a\": dial tcp: \
            lookup r.example: no such host"
    );
    pulling["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = json!(
        "failed to pull and unpack image \"r.example/a:1\": failed to resolve \
            reference \"r.example/a:1\": not found"
    );
    assert_eq!(named(pulling, &[]), "p: c: ImagePullBackOff: image r.example/a:1: not found");
    let told = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, \
            preemption: 0/1 nodes are available"}]);
    let pending = merged(
        pod(json!({"phase": "Pending", "conditions": told})),
        json!({"spec": {"nodeName": null}}),
    );
    assert_eq!(
        named(pending, &[]),
        "p: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."
    );
    let names = ["a", "b", "c", "d", "e"].map(|name| Said::of(name, ""));
    assert_eq!(
        (few(&names[..3]), few(&names)),
        ("a; b; c".to_owned(), "a; b; c; and 2 more".to_owned())
    );
    let same = [("a", "x"), ("b", "y: z"), ("c", "x"), ("d", "x"), ("e", "x")];
    let same = same.map(|(name, words)| Said::of(name, words));
    assert_eq!(few(&same), "a, c, d and 1 more: x; b: y: z");
    assert_eq!(unready([&ready(), &with(running(false, "00:59:58"))]), ["p (Running)"]);
    let crashed = || Said::of("p", "c: CrashLoopBackOff, exit code 78, 9 restarts");
    let output = json!({"items": [ready(), crashing("Error", 78), {"kind": "Service"}]});
    for output in [output["items"][1].clone(), output["items"].clone(), output] {
        assert_eq!(blame(&output, time(NOW)), [crashed()]);
    }
    let triage = json!([{"pod": "p",
        "symptoms": [symptoms(&crashing("Error", 78), &[], time(NOW))[0].value()]}, {"pod": "q",
        "symptoms": []}]);
    assert_eq!(blame(&triage, time(NOW)), [crashed()]);
    for output in [Value::Null, json!([]), json!({"items": 3}), json!([{"pod": "p"}]), ready()] {
        assert_eq!(blame(&output, time(NOW)), [], "{output}");
    }
}
