//! Who ended a container: itself, a probe or a hook.

use crate::build::*;
use kube_diagnosis::{Snapshot, diagnose, wanted_logs};
use serde_json::{Value, json};

/// How a run ended, when (seconds ago) it began and ended, and after how many restarts.
fn looping(code: i64, from: &str, to: &str, restarts: u64) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    merged(
        waiting("CrashLoopBackOff", "back-off 1m20s restarting failed container"),
        json!({"restartCount": restarts, "lastState": {"terminated": {"reason": reason,
            "exitCode": code, "startedAt": ago(from), "finishedAt": ago(to)}}}),
    )
}

/// The Deployment with a pod whose container has these probes and hooks.
fn with(spec: Value, container: Value, events: Vec<Value>) -> Vec<Value> {
    let spec = json!({"spec": {"terminationGracePeriodSeconds": 10, "containers": [merged(
        json!({"name": "main", "image": "example.com/web:1"}), spec)]}});
    let mut all = web_with(merged(ill_pod("web-a", container), spec));
    all.extend(events);
    all
}

fn seen(reason: &str, when: &str, count: u64, message: &str) -> Value {
    let kind = if reason == "Killing" { "Normal" } else { "Warning" };
    merged(
        of_main("web-a", reason, when, message),
        json!({"type": kind, "count": count,
        "firstTimestamp": ago("20m")}),
    )
}

fn killing(when: &str, count: u64) -> Value {
    seen("Killing", when, count, "Container main failed liveness probe, will be restarted")
}

fn failed(when: &str) -> Value {
    seen("Unhealthy", when, 14, "Liveness probe failed: HTTP probe failed with statuscode: 500")
}

fn probe() -> Value {
    json!({"livenessProbe": {"periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 1}})
}

#[track_caller]
fn is(objects: &[Value], wanted: &str) {
    assert_eq!(named(objects), [format!("deployment/web {wanted}")], "{objects:#?}");
}

/// The kubelet stops recording its kills after some minutes (`f-graceful`, `f-liveexit`).
#[test]
fn a_kill_that_was_no_longer_recorded_is_one() {
    for code in [0, 1, 2, 137, 143] {
        let run = || looping(code, "60s", "52s", 7);
        // the failure at the end of the run
        let old = || vec![killing("200s", 4), failed("53s")];
        is(&with(probe(), run(), old()), "liveness-probe-kills");
        is(&with(probe(), run(), vec![failed("53s")]), "liveness-probe-kills");
        // neither was recorded of this run: of most that came before
        is(&with(probe(), run(), vec![killing("200s", 4)]), "liveness-probe-kills");
        // as events.k8s.io has it
        let newer = merged(
            failed("53s"),
            json!({"lastTimestamp": null, "firstTimestamp": null, "count": null,
                "eventTime": "2026-01-15T11:40:00.5Z",
                "series": {"count": 9, "lastObservedTime": "2026-01-15T11:59:07.9Z"}}),
        );
        is(&with(probe(), run(), vec![newer]), "liveness-probe-kills");
    }
    // between two runs, and in the middle of the next
    let between = json!({"name": "main", "ready": false, "restartCount": 7,
        "state": {"terminated": {"reason": "Completed", "exitCode": 0, "startedAt": ago("12s"),
            "finishedAt": ago("2s")}}});
    is(&with(probe(), between, vec![failed("3s")]), "liveness-probe-kills");
    // it shuts down for nine seconds, and its own grace period allows it
    let slow = looping(0, "60s", "41s", 7);
    is(&with(probe(), slow, vec![failed("50s")]), "liveness-probe-kills");
    let startup = json!({"startupProbe": {"periodSeconds": 2, "failureThreshold": 3}});
    let event = seen("Unhealthy", "53s", 9, "Startup probe failed: connection refused");
    is(&with(startup, looping(2, "60s", "52s", 7), vec![event]), "startup-probe-kills");
    // probes of a native sidecar
    let sidecar = merged(
        ill_pod("web-a", waiting("PodInitializing", "")),
        json!({"spec": {"initContainers": [merged(json!({"name": "proxy",
            "restartPolicy": "Always"}), probe())]}, "status": {"initContainerStatuses": [
            merged(looping(0, "60s", "52s", 7), json!({"name": "proxy"}))]}}),
    );
    let field = json!({"involvedObject": {"fieldPath": "spec.initContainers{proxy}"}});
    let mut all = web_with(sidecar);
    all.push(merged(failed("53s"), field));
    is(&all, "liveness-probe-kills");
}

#[test]
fn a_program_that_ends_by_itself_did_so() {
    let run = |code: i64| looping(code, "30m", "52s", 7);
    // its probe has failed once, long before
    is(&with(probe(), run(1), vec![failed("10m")]), "app-exit");
    is(&with(probe(), run(0), vec![failed("10m")]), "exits-zero");
    // before this run
    is(&with(probe(), looping(1, "60s", "52s", 7), vec![failed("5m")]), "app-exit");
    // of another probe, and of another container
    let readiness = seen("Unhealthy", "53s", 9, "Readiness probe failed: refused");
    is(&with(probe(), run(1), vec![readiness]), "app-exit");
    let other =
        merged(failed("53s"), json!({"involvedObject": {"fieldPath": "spec.containers{proxy}"}}));
    is(&with(probe(), run(0), vec![other]), "exits-zero");
    // a probe that could not be asked ends nothing
    let errored = seen("Unhealthy", "53s", 9, "Liveness probe errored: rpc error");
    is(&with(probe(), run(1), vec![errored]), "app-exit");
    // it cannot have failed often enough within this run
    let patient = json!({"livenessProbe": {"periodSeconds": 10, "failureThreshold": 3}});
    is(&with(patient, looping(1, "60s", "52s", 7), vec![failed("53s")]), "app-exit");
    // killed twice, and then it crashed
    is(&with(probe(), looping(1, "60s", "52s", 4), vec![killing("9m", 2)]), "app-exit");
    // killed now and then, and mostly it crashes
    is(&with(probe(), looping(1, "60s", "52s", 20), vec![killing("9m", 4)]), "app-exit");
    // out of memory is what it is, whatever its probe said
    let oom = merged(
        looping(137, "60s", "52s", 7),
        json!({"lastState": {"terminated": {"reason": "OOMKilled"}}}),
    );
    is(&with(probe(), oom, vec![failed("53s")]), "oom-killed");
}

/// `f-subpath` deployment/hook: the container that its hook ends waits in `CrashLoopBackOff`.
#[test]
fn a_hook_that_fails_ends_its_container() {
    let hook = || {
        json!({"lifecycle": {"postStart": {"exec": {"command": ["sh", "-c",
            "echo no consul; exit 1"]}}}})
    };
    let fails =
        |when: &str, count: u64| seen("FailedPostStartHook", when, count, "PostStartHook failed");
    let kill = |when: &str, count: u64| seen("Killing", when, count, "FailedPostStartHook");
    let run = |code: i64| looping(code, "60s", "59s", 8);
    for code in [0, 1, 137, 143] {
        for events in [
            vec![fails("60s", 8), kill("60s", 8)],
            vec![fails("60s", 8)],
            vec![kill("60s", 8)],
            vec![fails("6m", 5), kill("6m", 5)],
        ] {
            is(&with(hook(), run(code), events), "post-start-hook-failed");
        }
    }
    is(&with(hook(), run(1), vec![]), "app-exit");
    // it failed at first, and then the program crashed
    let later = looping(1, "9m", "52s", 3);
    is(&with(hook(), later, vec![fails("12m", 1), kill("12m", 1)]), "app-exit");
    let all = with(hook(), run(137), vec![fails("60s", 8), kill("60s", 8)]);
    let cause = found(&all).causes.remove(0);
    assert_eq!(
        cause.sentence(),
        "deployment/web has a postStart hook that fails: main: exit code 137, 8 restarts: `sh -c \
            echo no consul; exit 1` fails (pod web-a)"
    );
}

/// A container that its probe ends may have said before why it does not answer.
#[test]
fn the_log_of_a_container_that_its_probe_ends_is_read_and_quoted() {
    let startup = json!({"startupProbe": {"periodSeconds": 2, "failureThreshold": 3}});
    let waits = "envoy: waiting for xds istiod:15012: no such host";
    for (spec, id, message) in [
        (startup, "startup-probe-kills", "Startup probe failed: connection refused"),
        (probe(), "liveness-probe-kills", "Liveness probe failed: connection refused"),
    ] {
        let said = |log: &str| {
            let event = seen("Unhealthy", "53s", 9, message);
            let all = with(spec.clone(), looping(137, "60s", "52s", 7), vec![event]);
            let mut snapshot: Snapshot = all.into_iter().collect();
            let wanted = wanted_logs(&snapshot, now(), 5);
            assert_eq!(wanted, [("web-a".to_owned(), "main".to_owned(), true)], "{id}");
            snapshot.add_last_words("web-a", "main", log);
            let cause = diagnose(&snapshot, now()).causes.remove(0);
            assert_eq!(cause.id, id);
            assert!(
                cause.evidence.iter().any(|one| one.says.contains(log)),
                "{:?}",
                cause.evidence
            );
            cause.sentence()
        };
        for end in ["", "\nreceived SIGTERM\nINFO stopping", "\nGET /healthz 503 1 ms - 2"] {
            let sentence = said(&format!("INFO starts\n{waits}{end}"));
            assert!(sentence.contains(&format!("; its log says: {waits} (pod")), "{sentence}");
        }
        for log in ["INFO starts", "connection refused\nINFO: connected to db", waits] {
            let is_quoted =
                said(&format!("{log}\nINFO listening on :8080")).contains("its log says");
            assert!(!is_quoted, "{log}");
        }
    }
}
