//! What is over: a run that ended once, a pod that was replaced, an attempt of a Job after which
//! another runs, a container that is done before the others.

use crate::build::*;
use kube_diagnosis::{Snapshot, diagnose, wanted_logs};
use serde_json::{Value, json};

fn sentences(objects: &[Value]) -> Vec<String> {
    found(objects).causes.iter().map(kube_diagnosis::Cause::sentence).collect()
}

/// A container that runs since, with a run before it.
fn again(since: &str, restarts: u64, last: Value) -> Value {
    merged(
        running(),
        json!({"restartCount": restarts, "lastState": {"terminated": last},
        "state": {"running": {"startedAt": ago(since)}}}),
    )
}

fn run(code: i64, from: &str, to: &str) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    json!({"reason": reason, "exitCode": code, "startedAt": ago(from), "finishedAt": ago(to)})
}

fn of_web(containers: Value) -> Vec<Value> {
    let mut all = web(1, 1);
    all.push(pod("web-a", json!({"status": {"containerStatuses": containers}})));
    all
}

#[test]
fn a_container_that_ended_once_and_is_ready_since_has_recovered() {
    for (containers, wanted) in [
        // `h-recovered`: the second of two containers
        (
            json!([
                merged(running(), json!({"name": "proxy"})),
                again("4m", 1, run(1, "5m", "4m"))
            ]),
            "deployment/web had a fault and runs again: main ended once 4 min ago, with exit code \
                1, and has been ready since (pod web-a)",
        ),
        // `h-restartold`
        (
            json!([again("3m", 1, run(0, "182s", "180s"))]),
            "deployment/web had a fault and runs again: main ended once 3 min ago, with exit code \
                0, and has been ready since (pod web-a)",
        ),
        (
            json!([again("60s", 1, merged(run(137, "5m", "61s"), json!({"reason": "OOMKilled"})))]),
            "deployment/web had a fault and runs again: main was OOM-killed once 61 s ago, with \
                exit code 137, and has been ready since (pod web-a)",
        ),
        // the end before it is longer ago
        (
            json!([again("3m", 4, run(1, "20h", "3m"))]),
            "deployment/web had a fault and runs again: main ended 3 min ago, with exit code 1, \
                and has been ready since (pod web-a)",
        ),
    ] {
        let objects = of_web(containers);
        assert_eq!(sentences(&objects), [wanted]);
        assert!(found(&objects).causes[0].hint.starts_with("if it happens again: "));
    }
    for (containers, wanted) in [
        // a second end, not ready, and so soon that it may end again
        (json!([again("3m", 2, run(1, "5m", "3m"))]), "app-exit"),
        (json!([merged(again("3m", 1, run(1, "5m", "3m")), json!({"ready": false}))]), "app-exit"),
        (json!([again("5s", 1, run(0, "8s", "6s"))]), "exits-zero"),
        (json!([merged(crashing("Error", 1), json!({"restartCount": 1}))]), "app-exit"),
    ] {
        assert_eq!(named(&of_web(containers)), [format!("deployment/web {wanted}")]);
    }
    // long ago it is nothing
    let old = json!([again("20m", 1, run(1, "30m", "20m"))]);
    assert_eq!(named(&of_web(old)), Vec::<String>::new());
}

#[test]
fn what_has_recovered_explains_nothing_else() {
    let last = || json!([again("4m", 1, run(1, "5m", "4m"))]);
    let mut all = web(2, 1);
    all[0] = merged(all[0].clone(), json!({"spec": {"replicas": 2}}));
    all.push(pod("web-a", json!({"status": {"containerStatuses": last()}})));
    // one pod is missing, and nothing says why
    assert_eq!(named(&all), ["deployment/web recovered", "deployment/web pods-unavailable"]);
    // the same is wrong with another pod now
    all.push(ill_pod("web-b", crashing("Error", 1)));
    assert_eq!(named(&all), ["deployment/web app-exit"]);
    let logs = wanted_logs(&of_web(last()).into_iter().collect::<Snapshot>(), now(), 5);
    assert_eq!(logs, [("web-a".to_owned(), "main".to_owned(), true)]);
}

fn gone(name: &str, age: &str, when: &str, message: &str) -> Value {
    pod(
        name,
        json!({"metadata": {"creationTimestamp": ago(age)}, "status": {"phase": "Failed",
        "reason": "Evicted", "message": message, "conditions": null, "podIP": null,
        "containerStatuses": [merged(running(), json!({"ready": false, "state": {"running": null,
        "terminated": {"reason": "Error", "exitCode": 137, "finishedAt": ago(when)}}}))]}}),
    )
}

const EMPTY_DIR: &str = "Usage of EmptyDir volume \"s\" exceeds the limit \"2Mi\". ";

#[test]
fn a_pod_that_was_evicted_once_and_replaced_has_recovered() {
    let successor = |change: Value| {
        merged(pod("web-b", json!({"metadata": {"creationTimestamp": ago("4m")}})), change)
    };
    let with = |pods: Vec<Value>| {
        let mut all = web(1, 1);
        all.extend(pods);
        all
    };
    let once = with(vec![gone("web-a", "5m", "4m", EMPTY_DIR), successor(json!({}))]);
    assert_eq!(
        sentences(&once),
        [
            "deployment/web had a fault and runs again: web-a was evicted once 4 min ago, and web-b is \
            ready in its place: Usage of EmptyDir volume \"s\" exceeds the limit \"2Mi\". (pod \
            web-a)"
        ]
    );
    let twice = with(vec![
        gone("web-a", "8m", "7m", EMPTY_DIR),
        gone("web-c", "6m", "5m", EMPTY_DIR),
        successor(json!({})),
    ]);
    assert_eq!(named(&twice), ["deployment/web evicted"]);
    let unready = ill_pod("web-b", unready("10s"));
    let unready = with(vec![
        gone("web-a", "5m", "4m", EMPTY_DIR),
        merged(unready, json!({"metadata": {"creationTimestamp": ago("12s")}})),
    ]);
    assert_eq!(named(&unready), ["deployment/web evicted"]);
    let none = with(vec![gone("web-a", "5m", "4m", EMPTY_DIR)]);
    assert_eq!(named(&none), ["deployment/web evicted"]);
    assert!(sentences(&none)[0].starts_with("deployment/web has a pod that was evicted: Usage"));
    for (message, part) in [
        (EMPTY_DIR, "raise sizeLimit"),
        (
            "Container main exceeded its local ephemeral storage limit \"1Gi\". ",
            "raise limits.ephemeral-storage",
        ),
        (
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            "raise limits.ephemeral-storage",
        ),
        ("The node was low on resource: memory. ", "the node was short of a resource"),
    ] {
        let hint = found(&with(vec![gone("web-a", "5m", "4m", message)])).causes.remove(0).hint;
        assert!(hint.contains(part), "{message}: {hint}");
        assert!(message.contains("node") || hint.contains("its own limit"), "{hint}");
    }
}

/// A pod of the Job `loader`, made so long ago, in which `load` has this state and a helper is done.
fn attempt(name: &str, age: &str, phase: &str, state: Value) -> Value {
    let container = |name: &str, state: Value| {
        json!({"name": name, "ready": state["running"].is_object(), "restartCount": 0,
            "state": state})
    };
    let helper = json!({"terminated": {"reason": "Completed", "exitCode": 0,
        "finishedAt": ago(age)}});
    let base = pod(
        name,
        json!({"metadata": {"creationTimestamp": ago(age), "labels": {"app": "job"}},
        "spec": {"restartPolicy": "Never",
            "containers": [{"name": "helper"}, {"name": "load"}]},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "False",
            "reason": "ContainersNotReady", "lastTransitionTime": ago(age)}]}}),
    );
    let statuses = json!({"status": {"containerStatuses": [container("helper", helper),
        container("load", state)]}});
    owned(merged(base, statuses), "Job", "loader")
}

fn failed(when: &str) -> Value {
    json!({"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": ago(when)}})
}

fn works(since: &str) -> Value {
    json!({"running": {"startedAt": ago(since)}})
}

#[test]
fn an_attempt_of_a_job_after_which_another_runs_is_over() {
    let with = |failed: i64, pods: Vec<Value>| {
        let mut all =
            vec![job("loader", "", "", json!({"status": {"active": 1, "failed": failed}}))];
        all.extend(pods);
        all
    };
    let first = || attempt("loader-a", "3m", "Failed", failed("170s"));
    let indexed = |pod: Value, index: &str| {
        merged(
            pod,
            json!({"metadata": {"annotations": {
            "batch.kubernetes.io/job-completion-index": index}}}),
        )
    };
    for (state, objects, wanted) in [
        (
            "a second runs (h-jobretry)",
            with(1, vec![first(), attempt("loader-b", "150s", "Running", works("149s"))]),
            vec![],
        ),
        (
            "a second runs for a moment",
            with(
                1,
                vec![
                    attempt("loader-a", "15s", "Failed", failed("12s")),
                    attempt("loader-b", "2s", "Running", works("1s")),
                ],
            ),
            vec![],
        ),
        (
            "a second has succeeded, of two that must",
            with(
                1,
                vec![
                    first(),
                    attempt(
                        "loader-b",
                        "150s",
                        "Succeeded",
                        json!({"terminated": {
                "reason": "Completed", "exitCode": 0, "finishedAt": ago("140s")}}),
                    ),
                ],
            ),
            vec![],
        ),
        (
            "two have failed, and a third runs",
            with(
                2,
                vec![
                    first(),
                    attempt("loader-b", "150s", "Failed", failed("140s")),
                    attempt("loader-c", "120s", "Running", works("119s")),
                ],
            ),
            vec!["job/loader recovered"],
        ),
        ("nothing runs since", with(1, vec![first()]), vec!["job/loader app-exit"]),
        (
            "the second crashes, too",
            with(2, vec![first(), attempt("loader-b", "150s", "Failed", failed("5s"))]),
            vec!["job/loader app-exit"],
        ),
        (
            "another ran beside it, and was not made after it",
            with(1, vec![first(), attempt("loader-b", "3m", "Running", works("178s"))]),
            vec!["job/loader app-exit"],
        ),
        (
            "another index",
            with(
                1,
                vec![
                    indexed(first(), "0"),
                    indexed(attempt("loader-b", "150s", "Running", works("149s")), "1"),
                ],
            ),
            vec!["job/loader app-exit"],
        ),
    ] {
        assert_eq!(named(&objects), wanted, "{state}");
    }
}

#[test]
fn a_container_that_is_done_before_the_others_is_no_fault() {
    let bare = |name: &str, policy: &str, done: &str, runs: &str| {
        let status = |name: &str, ready: bool, state: Value| json!({"name": name, "ready": ready, "restartCount": 0, "state": state});
        let completed = json!({"terminated": {"reason": "Completed", "exitCode": 0,
            "finishedAt": ago("10m")}});
        pod(
            name,
            json!({"metadata": {"ownerReferences": null}, "spec": {"restartPolicy": policy,
                "containers": [{"name": done}, {"name": runs}]},
            "status": {"conditions": [{"type": "Ready", "status": "False",
                "reason": "ContainersNotReady", "lastTransitionTime": ago("10m")}],
                "containerStatuses": [status(done, false, completed),
                    status(runs, true, works("10m"))]}}),
        )
    };
    let of_job = |pod: Value| {
        let open = json!({"status": {"active": 1}});
        vec![job("import", "", "", open), owned(pod, "Job", "import")]
    };
    let nothing = Vec::<String>::new();
    assert_eq!(named(&[bare("two", "Never", "quick", "long")]), nothing);
    assert_eq!(named(&[bare("two", "OnFailure", "quick", "long")]), nothing);
    assert_eq!(named(&of_job(bare("import-x", "Never", "prepare", "import"))), nothing);
    // what the Job is for has completed, and a known proxy runs for good; of any other program its
    // name is a guess
    let not_ready = "is not ready";
    let guessed = "may be kept running by a sidecar container";
    for (done, runs, what) in [
        ("work", "istio-proxy", not_ready),
        ("main", "cloud-sql-proxy", not_ready),
        ("main", "side", guessed),
        ("import", "side", guessed),
        ("fetch", "upload-agent", guessed),
    ] {
        assert_eq!(
            sentences(&of_job(bare("import-x", "Never", done, runs))),
            [format!(
                "job/import has a pod that {what}: {done} has completed, and {runs} still runs (pod \
                import-x)"
            )]
        );
    }
    // a proxy by its image
    let proxied = merged(
        bare("import-x", "Never", "work", "side"),
        json!({"spec": {"containers": [{"name": "work"}, {"name": "side",
            "image": "docker.io/istio/proxyv2:1.24.1@sha256:0b1c"}]}}),
    );
    assert_eq!(named(&of_job(proxied)), ["job/import pod-not-ready"]);
    let annotated = merged(
        bare("import-x", "Never", "main", "side"),
        json!({"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "side"}}}),
    );
    assert_eq!(named(&of_job(annotated)), nothing);
    // a container that has failed is told by itself, and one that is started again must be ready
    let failed = merged(
        bare("two", "Never", "quick", "long"),
        json!({"status": {"containerStatuses": [{"name": "quick", "ready": false,
            "restartCount": 0, "state": failed("10m")}, {"name": "long", "ready": true,
            "restartCount": 0, "state": works("10m")}]}}),
    );
    assert_eq!(named(&[failed]), ["pod/two app-exit"]);
    assert_eq!(named(&[bare("two", "Always", "quick", "long")]), ["pod/two exits-zero"]);
}

/// `f-twocrash`: each container has its own words.
#[test]
fn each_container_that_crashes_has_its_log() {
    let second = merged(crashing("Error", 1), json!({"name": "b"}));
    let pod = merged(
        ill_pod("web-a", crashing("Error", 1)),
        json!({"spec": {"containers": [{"name": "main"}, {"name": "b"}]},
            "status": {"containerStatuses": [crashing("Error", 1), second]}}),
    );
    let mut snapshot: Snapshot = web_with(pod).into_iter().collect();
    let wanted = wanted_logs(&snapshot, now(), 5);
    let of = |container: &str| ("web-a".to_owned(), container.to_owned(), true);
    assert_eq!(wanted, [of("main"), of("b")]);
    snapshot.add_last_words("web-a", "main", "main: cannot bind");
    snapshot.add_last_words("web-a", "b", "b: no license\n");
    let said: Vec<String> =
        diagnose(&snapshot, now()).causes.iter().map(kube_diagnosis::Cause::sentence).collect();
    assert!(said[0].contains("b: exit code 1, 6 restarts: b: no license"), "{said:?}");
    assert!(said[1].contains("main: exit code 1, 6 restarts: main: cannot bind"), "{said:?}");
}

/// Hints that are an action, for what is there.
#[test]
fn what_to_do_can_be_done() {
    let hint = |objects: &[Value]| found(objects).causes.remove(0).hint;
    let once = merged(
        ill_pod("p", running()),
        json!({"metadata": {"ownerReferences": null}, "spec": {"restartPolicy": "Never"},
            "status": {"phase": "Failed", "containerStatuses": [{"name": "main", "ready": false,
            "restartCount": 0, "state": failed("10m")}]}}),
    );
    assert_eq!(hint(&[once]), "read its log");
    let again = web_with(ill_pod("web-a", crashing("Error", 1)));
    assert_eq!(hint(&again), "read the log of its previous run");
    let mut refused = web(1, 0);
    refused[1] = merged(refused[1].clone(), json!({"status": {"replicas": 0}}));
    refused.push(event(
        "ReplicaSet",
        "web-1",
        "FailedCreate",
        "1m",
        "Error creating: pods \
        \"web-x\" is forbidden: no PriorityClass with name high was found",
    ));
    assert!(hint(&refused).starts_with("create the PriorityClass"), "{}", hint(&refused));
    let claim = "0/1 nodes are available: persistentvolumeclaim \"x\" not found. not found";
    let all = web_with(unscheduled("web-a", claim));
    assert!(sentences(&all)[0].contains("\"x\" not found (pod"), "{:?}", sentences(&all));
}

#[test]
fn a_container_that_ran_for_long_after_short_runs_has_settled() {
    let last = || run(1, "185s", "180s");
    assert_eq!(
        sentences(&of_web(json!([again("179s", 3, last())]))),
        ["deployment/web had a fault and runs again: main ended 3 times, last 3 min ago, with \
                exit code 1, and has been ready since (pod web-a)"]
    );
    for (since, last) in [
        // not long enough, and not longer than before
        ("90s", run(1, "95s", "91s")),
        ("5m", run(1, "9m", "5m")),
    ] {
        let containers = json!([again(since, 3, last)]);
        assert_eq!(named(&of_web(containers)), ["deployment/web app-exit"], "{since}");
    }
}

#[test]
fn a_container_with_a_policy_of_its_own_may_end() {
    let end = |policy: Value| {
        let once = json!({"name": "once", "ready": false, "restartCount": 0, "lastState": {},
            "state": ended("Completed", 0, "1h")});
        let spec = json!([{"name": "main", "image": "example.com/web:1"},
            {"name": "once", "image": "example.com/seed:1", "restartPolicy": policy}]);
        vec![pod(
            "p",
            json!({"metadata": {"ownerReferences": null}, "spec": {"containers": spec},
            "status": {"containerStatuses": [running(), once], "conditions": [{"type": "Ready",
            "status": "False", "lastTransitionTime": ago("1h")}]}}),
        )]
    };
    assert_eq!(named(&end(json!("Never"))), Vec::<String>::new());
    assert_eq!(named(&end(json!("Always"))), ["pod/p exits-zero"]);
}

#[test]
fn a_pod_that_was_not_ready_a_moment_ago_is_told() {
    let flapping = |ready: &str, failed: &str| {
        let conditions = json!([{"type": "Ready", "status": "True",
            "lastTransitionTime": ago(ready)}]);
        let mut all = web(1, 1);
        all.push(pod("web-a", json!({"status": {"conditions": conditions}})));
        let message = "Readiness probe failed: HTTP probe failed with statuscode: 500";
        all.push(of_main("web-a", "Unhealthy", failed, message));
        all
    };
    assert_eq!(
        sentences(&flapping("60s", "70s")),
        [
            "deployment/web had a fault and runs again: web-a was not ready until 60 s ago: Readiness \
            probe failed: HTTP probe failed with statuscode: 500 (pod web-a)"
        ]
    );
    // long ago; and a probe that failed while the pod stayed ready
    assert_eq!(sentences(&flapping("20m", "21m")), Vec::<String>::new());
    assert_eq!(sentences(&flapping("1d", "60s")), Vec::<String>::new());
}

#[test]
fn the_pods_of_attempts_that_are_over_are_not_counted_with_those_that_run() {
    let failed = |name: &str| {
        let status = json!({"phase": "Failed", "conditions": null, "containerStatuses": [{
            "name": "main", "ready": false, "restartCount": 0, "lastState": {},
            "state": ended("Error", 9, "2m")}]});
        let alone = json!({"metadata": {"ownerReferences": null}, "status": status});
        owned(merged(pod(name, json!({})), alone), "Job", "lead")
    };
    let runs = |name: &str| {
        owned(
            merged(pod(name, json!({})), json!({"metadata": {"ownerReferences": null}})),
            "Job",
            "lead",
        )
    };
    let job = job("lead", "", "", json!({"spec": {"completionMode": "NonIndexed"}}));
    let indexed = |pod: Value, index: &str| {
        let note = json!({"batch.kubernetes.io/job-completion-index": index});
        merged(pod, json!({"metadata": {"annotations": note}}))
    };
    let found = sentences(&[
        job,
        indexed(failed("lead-0"), "0"),
        indexed(failed("lead-1"), "1"),
        indexed(runs("lead-2"), "2"),
        indexed(runs("lead-3"), "3"),
    ]);
    assert!(found[0].ends_with("exit code 9 (pods lead-0, lead-1)"), "{found:?}");
}

#[test]
fn a_pod_that_its_node_refuses_again_and_again_says_why() {
    let refused = pod(
        "web-a",
        json!({"status": {"phase": "Failed", "reason": "SysctlForbidden",
        "message": "Pod was rejected: forbidden sysctl", "conditions": null, "podIP": null,
        "startTime": ago("1m"), "containerStatuses": null}}),
    );
    let mut all = web(1, 0);
    all.push(refused);
    let found = sentences(&all);
    assert!(found[0].contains("Pod was rejected: forbidden sysctl"), "{found:?}");
}
