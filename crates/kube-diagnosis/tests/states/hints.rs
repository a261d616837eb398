//! What to do about a fault, by what is said of it.

use crate::build::*;
use serde_json::{Value, json};

#[test]
fn what_to_do_about_a_readiness_probe_is_told_by_what_it_says() {
    let hint = |message: &str| {
        let mut all = web_with(ill_pod("web-a", unready("1h")));
        all.push(of_main(
            "web-a",
            "Unhealthy",
            "5s",
            &format!("Readiness probe failed: {message}"),
        ));
        found(&all).causes.remove(0).hint
    };
    for (message, wanted) in [
        (
            "Get \"https://10.0.0.1:8080/\": http: server gave HTTP response to HTTPS client",
            "scheme",
        ),
        ("exec: \"curl\": executable file not found in $PATH", "in the image"),
        ("HTTP probe failed with statuscode: 404", "path of the probe"),
        ("dial tcp 10.0.0.1:8080: connect: connection refused", "which port and address"),
        ("HTTP probe failed with statuscode: 503", "run the probe by hand"),
    ] {
        assert!(hint(message).contains(wanted), "{message}: {}", hint(message));
    }
}

#[test]
fn a_program_that_is_killed_before_it_listens_needs_time() {
    let hint = |run: &str, said: &str| {
        let last = json!({"terminated": {"reason": "Error", "exitCode": 143, "startedAt": ago(run),
            "finishedAt": ago("60s")}});
        let crash = merged(
            waiting("CrashLoopBackOff", "back-off"),
            json!({"restartCount": 4,
            "lastState": last}),
        );
        let spec = json!({"spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main",
            "livenessProbe": {"initialDelaySeconds": 5, "periodSeconds": 5}}]}});
        let mut all = web_with(merged(ill_pod("web-a", crash), spec));
        let killing = "Container main failed liveness probe, will be restarted";
        all.push(of_main("web-a", "Unhealthy", "61s", &format!("Liveness probe failed: {said}")));
        all.push(merged(of_main("web-a", "Killing", "61s", killing), json!({"type": "Normal"})));
        found(&all).causes.remove(0).hint
    };
    let refused = "dial tcp 10.0.0.1:8080: connect: connection refused";
    assert!(hint("80s", refused).starts_with("give it time to start"));
    // it ran for long, or answers
    assert!(!hint("20m", refused).contains("give it time"));
    assert!(!hint("80s", "HTTP probe failed with statuscode: 500").contains("give it time"));
}

#[test]
fn a_daemonset_that_starts_the_new_pod_first_cannot_have_its_host_port_twice() {
    let set = object(
        "DaemonSet",
        "agent",
        json!({"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}),
    );
    let ports = json!({"spec": {"containers": [{"name": "main", "ports": [{"containerPort": 80,
        "hostPort": 8080}]}]}});
    let of_set = |pod: Value| owned(merged(pod, ports.clone()), "DaemonSet", "agent");
    let waits = unscheduled(
        "agent-b",
        "0/1 nodes are available: 1 node(s) didn't have free ports for \
        the requested pod ports.",
    );
    let all = [set, of_set(pod("agent-a", json!({}))), of_set(waits)];
    let hint = found(&all).causes.remove(0).hint;
    assert!(hint.contains("maxSurge to 0"), "{hint}");
}

#[test]
fn a_volume_that_hides_the_command_is_said_to() {
    let hint = |path: &str| {
        let message = "runc create failed: unable to start container process: exec: \"/app/run\": stat \
            /app/run: no such file or directory";
        let spec = json!({"spec": {"containers": [{"name": "main",
            "volumeMounts": [{"name": "d", "mountPath": path}]}]}});
        let pod = merged(ill_pod("web-a", waiting("RunContainerError", message)), spec);
        found(&web_with(pod)).causes.remove(0).hint
    };
    assert!(hint("/app").starts_with("change mountPath"), "{}", hint("/app"));
    assert!(hint("/").starts_with("change mountPath"));
    assert!(hint("/application").contains("the command is not in the image"));
}

/// The old pod of a rolling update has the only place for the new one.
#[test]
fn a_pod_that_its_own_old_pod_keeps_away_needs_another_strategy() {
    let of = |app: &str, strategy: &str| {
        let term = json!([{"topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": {"app": app}}}]);
        let rules = json!({"requiredDuringSchedulingIgnoredDuringExecution": term});
        let waits = merged(
            unscheduled(
                "web-b",
                "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
            ),
            json!({"metadata": {"labels": {"pod-template-hash": "2"}},
                "spec": {"affinity": {"podAntiAffinity": rules}}}),
        );
        let mut all = [web(1, 1), vec![pod("web-a", json!({})), waits]].concat();
        all[0] = merged(all[0].clone(), json!({"spec": {"strategy": {"type": strategy}}}));
        found(&all).causes.remove(0).hint
    };
    assert!(of("web", "RollingUpdate").contains("set maxSurge to 0"));
    assert!(!of("other", "RollingUpdate").contains("maxSurge"));
    assert!(!of("web", "Recreate").contains("maxSurge"));
}

/// The old pods of a rolling update fill the quota that the new one needs.
#[test]
fn a_quota_that_the_old_pods_fill_needs_another_strategy() {
    let of = |strategy: Value, old: i64, said: &str| {
        let mut all = web(2, 2);
        all[0] = merged(
            all[0].clone(),
            json!({"spec": {"strategy": strategy}, "status": {"updatedReplicas": 0}}),
        );
        all[1] =
            merged(all[1].clone(), json!({"spec": {"replicas": old}, "status": {"replicas": old}}));
        let new = json!({"metadata": {"labels": {"pod-template-hash": "2"}},
            "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "web"}}}},
            "status": {"replicas": 0, "observedGeneration": 1}});
        all.push(owned(object("ReplicaSet", "web-2", new), "Deployment", "web"));
        let message =
            format!("Error creating: pods \"web-2-a\" is forbidden: exceeded quota: small, {said}");
        all.push(event("ReplicaSet", "web-2", "FailedCreate", "1m", &message));
        let cause = found(&all).causes.into_iter().find(|cause| cause.id == "quota-exceeded");
        cause.unwrap().hint
    };
    let rolling = || json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}});
    let pods = "requested: pods=1, used: pods=2, limited: pods=2";
    let cpu = "requested: limits.cpu=500m,requests.memory=1Gi, used: limits.cpu=1,requests.memory=2Gi, \
        limited: limits.cpu=1,requests.memory=2Gi";
    for said in [pods, cpu] {
        assert!(of(rolling(), 2, said).contains("set maxSurge to 0"), "{}", of(rolling(), 2, said));
        assert!(of(Value::Null, 2, said).contains("set maxSurge to 0"));
        for hint in [
            of(json!({"type": "Recreate"}), 2, said),
            of(json!({"rollingUpdate": {"maxSurge": 0}}), 2, said),
            of(rolling(), 0, said),
        ] {
            assert!(
                hint.contains("raise the named ResourceQuota") && !hint.contains("maxSurge"),
                "{hint}"
            );
        }
    }
    // without the old pods it would not fit either
    let much = "requested: limits.cpu=2, used: limits.cpu=500m, limited: limits.cpu=1";
    assert!(!of(rolling(), 2, much).contains("maxSurge"));
}
