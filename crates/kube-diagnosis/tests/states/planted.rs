//! What a stranger has planted on a real cluster.

use crate::build::*;
use serde_json::{Value, json};

fn sentences(objects: &[Value]) -> Vec<String> {
    found(objects).causes.iter().map(kube_diagnosis::Cause::sentence).collect()
}

/// A CronJob that is due each minute and whose Jobs are gone.
fn minutely(change: Value) -> Value {
    let base = json!({"metadata": {"creationTimestamp": ago("10m")},
        "spec": {"schedule": "* * * * *", "concurrencyPolicy": "Forbid"},
        "status": {"lastScheduleTime": ago("60s"), "lastSuccessfulTime": null,
            "active": [{"name": "nightly-9"}]}});
    cronjob(merged(base, change))
}

fn completed(number: u64, when: &str, word: &str) -> Value {
    let message = format!("Saw completed job: nightly-{number}, {word}");
    merged(
        event("CronJob", "nightly", "SawCompletedJob", when, &message),
        json!({"type": "Normal", "metadata": {"name": format!("nightly.{number}")}}),
    )
}

fn gone(job: &str, when: &str) -> Value {
    event("Job", job, "BackoffLimitExceeded", when, "Job has reached the specified backoff limit")
}

#[test]
fn runs_that_fail_one_after_another_are_told_while_one_is_active() {
    let vain = ["cronjob/nightly runs-without-success"];
    let nothing = Vec::<String>::new();
    let failed = "condition: Failed";
    let both = [completed(1, "5m", failed), completed(2, "3m", "status: Failed")];
    let with = |cronjob: Value, events: &[Value]| {
        let mut all = vec![cronjob];
        all.extend(events.iter().cloned());
        named(&all)
    };
    assert_eq!(with(minutely(json!({})), &both), vain);
    assert_eq!(
        with(minutely(json!({})), &[gone("nightly-1", "5m"), gone("nightly-2", "3m")]),
        vain
    );
    // one Job is told twice, one is of another CronJob, and one was made by hand
    let once = [
        completed(1, "5m", failed),
        gone("nightly-1", "5m"),
        gone("nightly-2-3", "2m"),
        gone("nightly-manual", "2m"),
    ];
    assert_eq!(with(minutely(json!({})), &once), nothing);
    // it has succeeded since
    let success = json!({"status": {"lastSuccessfulTime": ago("2m")}});
    assert_eq!(with(minutely(success), &both), nothing);
    let good = "condition: Complete";
    assert_eq!(
        with(minutely(json!({})), &[completed(1, "5m", good), completed(2, "3m", good)]),
        nothing
    );
    // each run replaces the one before; what was removed may have succeeded before
    let told = |reason: &str, number: u64, when: &str, words: &str| {
        merged(
            event("CronJob", "nightly", reason, when, &format!("{words} job nightly-{number}")),
            json!({"type": "Normal", "metadata": {"name": format!("{reason}.{number}")}}),
        )
    };
    let made = |number: u64, when: &str| told("SuccessfulCreate", number, when, "Created");
    let removed = |number: u64, when: &str| told("SuccessfulDelete", number, when, "Deleted");
    let replaces = || minutely(json!({"spec": {"concurrencyPolicy": "Replace"}}));
    let all = [made(1, "4m"), removed(1, "3m"), made(2, "3m"), removed(2, "2m"), made(3, "2m")];
    assert_eq!(with(replaces(), &all), vain);
    assert_eq!(with(replaces(), &[removed(1, "3m"), removed(2, "2m"), made(3, "2m")]), nothing);
    // it was suspended until now, and its first run has just begun: what was due is no run
    assert_eq!(with(replaces(), &[made(3, "2s")]), nothing);
    let allows = json!({"spec": {"concurrencyPolicy": "Allow"}, "status": {"active": null}});
    assert_eq!(with(minutely(allows), &[made(3, "2s")]), nothing);
}

/// What was due days ago is reported no more.
#[test]
fn runs_of_long_ago_are_counted_by_the_schedule_since_it_was_last_changed() {
    let base = json!({"metadata": {"creationTimestamp": ago("10d")},
        "status": {"lastSuccessfulTime": null}});
    let nightly = |change: Value| named(&[cronjob(merged(base.clone(), change))]);
    let changed = |when: &str| json!({"metadata": {"managedFields": [{"manager": "kubectl", "time": ago(when)}]}});
    assert_eq!(nightly(json!({})), ["cronjob/nightly runs-without-success"]);
    assert_eq!(nightly(changed("9d")), ["cronjob/nightly runs-without-success"]);
    assert_eq!(nightly(changed("1d")), Vec::<String>::new());
}

#[test]
fn a_cronjob_whose_template_suspends_its_jobs_is_suspended() {
    let template = |change: Value| {
        cronjob(merged(json!({"spec": {"jobTemplate": {"spec": {"suspend": true}}}}), change))
    };
    let of = |name: &str, suspended: bool| {
        owned(job(name, "", "", json!({"spec": {"suspend": suspended}})), "CronJob", "nightly")
    };
    assert_eq!(
        named(&[template(json!({})), of("nightly-1", true), of("nightly-2", true)]),
        [
            "job/nightly-1 suspended <- cronjob-suspended",
            "job/nightly-2 suspended <- cronjob-suspended",
            "cronjob/nightly cronjob-suspended"
        ]
    );
    let queue = json!({"spec": {"jobTemplate": {"metadata": {"labels": {
        "kueue.x-k8s.io/queue-name": "q"}}}}});
    assert_eq!(named(&[template(queue)]), Vec::<String>::new());
    // something resumes them
    assert_eq!(named(&[template(json!({})), of("nightly-1", false)]), Vec::<String>::new());
}

fn evicted(uid: &str, pod: &str, when: &str) -> Value {
    let message = "Usage of EmptyDir volume \"d\" exceeds the limit \"5Mi\". ";
    merged(
        event("Pod", pod, "Evicted", when, message),
        json!({"metadata": {"name": uid}, "involvedObject": {"uid": uid}}),
    )
}

/// A StatefulSet whose one pod became ready so long ago.
fn serving(since: &str) -> Vec<Value> {
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True",
        "lastTransitionTime": ago(since)}]}});
    vec![db(1, json!({})), db_pod(pod("db-0", ready))]
}

#[test]
fn a_pod_of_a_statefulset_that_is_evicted_again_and_again_is_told_by_its_events() {
    let with = |since: &str, events: &[Value]| {
        let mut all = serving(since);
        all.extend(events.iter().cloned());
        all
    };
    let often =
        [evicted("a", "db-0", "130s"), evicted("b", "db-0", "80s"), evicted("c", "db-0", "30s")];
    let told = found(&with("25s", &often));
    assert_eq!(
        told.causes[0].sentence(),
        "statefulset/db has a pod that was evicted: Usage of EmptyDir volume \"d\" exceeds the limit \
            \"5Mi\", 3 times since 2026-01-15T11:57:50Z (pod db-0)"
    );
    assert!(told.causes[0].hint.starts_with("raise sizeLimit"), "{}", told.causes[0].hint);
    assert_eq!(named(&with("25s", &often[2..])), ["statefulset/db recovered"]);
    // it has run for far longer than before
    let settled = [evicted("a", "db-0", "500s"), evicted("b", "db-0", "450s")];
    assert_eq!(named(&with("440s", &settled)), ["statefulset/db recovered"]);
    let nothing = Vec::<String>::new();
    let none = [db(0, json!({})), often[1].clone(), often[2].clone()];
    assert_eq!(named(&none), nothing);
    let old = [evicted("a", "db-0", "50m"), evicted("b", "db-0", "45m")];
    assert_eq!(named(&with("44m", &old)), nothing);
    // of another set, and what an autoscaler of nodes has moved
    assert_eq!(
        named(&with("1h", &[evicted("a", "db-0-0", "30s"), evicted("b", "dbx-0", "20s")])),
        nothing
    );
    let moved = |uid: &str| merged(evicted(uid, "db-0", "30s"), json!({"type": "Normal"}));
    assert_eq!(named(&with("25s", &[moved("a"), moved("b")])), nothing);
}

#[test]
fn a_pod_of_a_daemonset_that_its_node_rejects_again_and_again_is_told_by_its_events() {
    let set = object(
        "DaemonSet",
        "agent",
        json!({"spec": {}, "status": {"observedGeneration": 1, "desiredNumberScheduled": 1,
            "currentNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1,
            "updatedNumberScheduled": 1}}),
    );
    let no_room = |uid: &str, pod: &str, when: &str| {
        merged(
            evicted(uid, pod, when),
            json!({"reason": "OutOfcpu", "message": "Node didn't have \
            enough resource: cpu"}),
        )
    };
    let all = [set, no_room("a", "agent-x2f4d", "90s"), no_room("b", "agent-9sd2f", "20s")];
    assert_eq!(named(&all), ["daemonset/agent node-refused"]);
}

fn unset(message: &str) -> Vec<String> {
    sentences(&web_with(ill_pod("web-a", waiting("CreateContainerConfigError", message))))
}

#[test]
fn what_a_container_cannot_be_made_from_is_told_by_what_it_is() {
    let id = |message: &str| {
        let pod = ill_pod("web-a", waiting("CreateContainerConfigError", message));
        found(&web_with(pod)).causes[0].id
    };
    for message in [
        "configmap \"app\" not found",
        "secret \"container-keys\" not found",
        "configmap \"volume-rules\" not found",
        "secret \"non-root\" not found",
        "couldn't find key password in Secret shop/db",
        "couldn't find key volume in ConfigMap shop/db",
    ] {
        assert_eq!(id(message), "config-missing", "{message}");
    }
    for message in [
        "container nosuch not found",
        "container secret-sync not found",
        "environment variable key \"A\" not found in file \"/var/lib/kubelet/pods/1/app.env\"",
        "couldn't parse env file",
        "failed to sync secret cache: timed out waiting for the condition",
        "object \"shop\"/\"conf\" not registered",
        "services have not yet been read at least once, cannot construct envvars",
    ] {
        assert_eq!(id(message), "container-config-error", "{message}");
    }
    assert_eq!(id("failed to prepare subPath for volumeMount \"d\""), "volume-mount-failed");
    assert_eq!(unset("container nosuch not found").len(), 1);
}

fn held(kind: &str, since: &str, finalizer: &str) -> Value {
    object(
        kind,
        "web",
        json!({"metadata": {"deletionTimestamp": ago(since), "finalizers": [finalizer]}, "spec": {}}),
    )
}

#[test]
fn an_object_that_a_finalizer_holds_is_told_after_a_minute() {
    for kind in ["Deployment", "StatefulSet", "Service", "Job", "CronJob", "PodDisruptionBudget"] {
        let wanted = format!("{}/web finalizers-remaining", kind.to_lowercase());
        assert_eq!(named(&[held(kind, "2m", "example.com/hold")]), std::slice::from_ref(&wanted));
        assert_eq!(named(&[held(kind, "50s", "example.com/hold")]), Vec::<String>::new());
        // Kubernetes waits for what depends on it
        assert_eq!(named(&[held(kind, "2m", "foregroundDeletion")]), Vec::<String>::new());
        assert_eq!(named(&[held(kind, "6m", "foregroundDeletion")]), [wanted]);
    }
    let leaving = |until: &str| {
        let until = json!({"metadata": {"deletionTimestamp": until}});
        let mut all = vec![held("Deployment", "6m", "foregroundDeletion")];
        all.push(web(1, 0).remove(1));
        all.push(pod("web-a", until));
        all
    };
    assert_eq!(named(&leaving("2026-01-15T12:20:00Z")), Vec::<String>::new());
}

#[test]
fn a_finished_pod_that_a_finalizer_holds_is_told() {
    let kept = |phase: &str| {
        let failed = json!({"metadata": {"deletionTimestamp": ago("4m"), "finalizers": ["a/b"]},
            "status": {"phase": phase, "containerStatuses": [{"name": "main", "ready": false,
                "state": ended("Error", 1, "5m")}]}});
        pod("web-a", failed)
    };
    for phase in ["Failed", "Succeeded"] {
        let mut all = web(1, 1);
        all.extend([kept(phase), pod("web-b", json!({}))]);
        assert_eq!(named(&all), ["deployment/web stuck-terminating"], "{phase}");
        let of_job =
            [job("import", "Complete", "", json!({})), owned(kept(phase), "Job", "import")];
        assert_eq!(named(&of_job), ["job/import stuck-terminating"], "{phase}");
    }
    let quick = merged(kept("Failed"), json!({"metadata": {"deletionTimestamp": ago("5s")}}));
    let mut all = web(1, 1);
    all.extend([quick, pod("web-b", json!({}))]);
    assert_eq!(named(&all), Vec::<String>::new());
}

#[test]
fn a_container_that_has_completed_for_good_keeps_its_pod_from_being_ready() {
    let seeded = |of_pod: &str, own: Value| {
        let done = json!({"name": "seed", "ready": false, "started": false, "state": {
            "running": null, "terminated": {"reason": "Completed", "exitCode": 0}}});
        let change = json!({"spec": {"restartPolicy": of_pod,
            "containers": [{"name": "main"}, merged(json!({"name": "seed"}), own)]},
            "status": {"phase": "Running", "containerStatuses": [running(), merged(running(), done)],
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady",
                "message": "containers with unready status: [seed]", "lastTransitionTime": ago("10s")}]}});
        web_with(pod("web-a", change))
    };
    let never = json!({"restartPolicy": "Never"});
    assert_eq!(
        sentences(&seeded("Always", never.clone())),
        [
            "deployment/web has a pod that is not ready: seed has completed and by restartPolicy Never of \
            its own is not started again, so that the pod cannot become ready (pod web-a)"
        ]
    );
    // its rules may start it again
    let rules = json!({"restartPolicyRules": [{"action": "Restart"}]});
    assert!(!named(&seeded("Always", merged(never, rules))).concat().contains("pod-not-ready"));
}

#[test]
fn a_limit_that_is_the_default_of_a_limit_range_is_said_to_be_that() {
    let killed = |annotation: &str| {
        let pod = merged(
            ill_pod("web-a", crashing("OOMKilled", 137)),
            json!({"metadata": {"annotations": {"kubernetes.io/limit-ranger": annotation}},
                "spec": {"containers": [{"name": "main",
                    "resources": {"limits": {"memory": "24Mi"}}}]}}),
        );
        sentences(&web_with(pod)).remove(0)
    };
    let own = "limit 24Mi (pod web-a)";
    let default = "limit 24Mi, the default of a LimitRange (pod web-a)";
    for (annotation, wanted) in [
        ("LimitRanger plugin set: cpu, memory limit for container main", default),
        (
            "LimitRanger plugin set: cpu request for container main; memory limit for container main",
            default,
        ),
        ("LimitRanger plugin set: cpu, memory request for container main", own),
        ("LimitRanger plugin set: memory limit for container other", own),
        ("", own),
    ] {
        let said = killed(annotation);
        assert!(said.ends_with(wanted), "{annotation}: {said}");
    }
}

/// `java`: the probe asks for a path that is not there, and each start is asked too early.
#[test]
fn of_the_failures_of_a_probe_the_one_before_the_kill_is_quoted() {
    let run = merged(
        waiting("CrashLoopBackOff", "back-off"),
        json!({"restartCount": 4, "lastState": {"terminated": {"reason": "Error", "exitCode": 143,
            "startedAt": ago("90s"), "finishedAt": ago("60s")}}}),
    );
    let spec = json!({"spec": {"containers": [{"name": "main",
        "livenessProbe": {"periodSeconds": 5, "failureThreshold": 3}}]}});
    let said = |probe: &str, from: &str, to: &str| {
        merged(of_main("web-a", "Unhealthy", to, probe), json!({"firstTimestamp": ago(from)}))
    };
    let path = "Liveness probe failed: HTTP probe failed with statuscode: 404";
    let early = "Liveness probe failed: dial tcp 10.0.0.1:8080: connect: connection refused";
    let killing = merged(
        of_main(
            "web-a",
            "Killing",
            "200s",
            "Container main failed liveness probe, will be restarted",
        ),
        json!({"type": "Normal"}),
    );
    let quoted = |events: &[Value]| {
        let mut all = web_with(merged(ill_pod("web-a", run.clone()), spec.clone()));
        all.extend(events.iter().cloned());
        all.push(killing.clone());
        sentences(&all).remove(0)
    };
    for (first, second) in [
        (said(path, "210s", "200s"), said(early, "195s", "195s")),
        (said(path, "900s", "201s"), said(early, "800s", "30s")),
        (said(path, "900s", "20s"), said(early, "195s", "195s")),
    ] {
        let sentence = quoted(&[first, second]);
        assert!(sentence.contains("statuscode: 404"), "{sentence}");
    }
    assert!(quoted(&[said(early, "210s", "200s")]).contains("refused"));
}

/// A Job that has failed, and how its one pod ended.
fn failed_job(change: Value) -> kube_diagnosis::Cause {
    let pod = owned(
        merged(
            pod("import-x", json!({"status": {"phase": "Failed", "containerStatuses": null}})),
            change,
        ),
        "Job",
        "import",
    );
    found(&[job("import", "Failed", "BackoffLimitExceeded", json!({})), pod]).causes.remove(0)
}

#[test]
fn a_job_says_how_its_last_pod_ended_where_it_is_no_exit_of_its_own() {
    let end = |reason: &str| {
        json!({"spec": {"restartPolicy": "Never"}, "status": {"containerStatuses": [
            {"name": "main", "ready": false, "restartCount": 0, "state": ended(reason, 1, "1m")}]}})
    };
    let starved = failed_job(end("OOMKilled"));
    assert!(
        starved.sentence().contains("its last pod is OOM-killed: main: exit code 1"),
        "{}",
        starved.sentence()
    );
    assert!(starved.hint.contains("limits.memory"), "{}", starved.hint);
    let exited = failed_job(end("Error"));
    assert!(exited.sentence().contains("; last main: exit code 1"), "{}", exited.sentence());
    assert!(exited.hint.starts_with("read the log"), "{}", exited.hint);
    // it never ran
    let rejected = failed_job(json!({"status": {"reason": "SysctlForbidden",
        "message": "forbidden sysctl: \"net.core.somaxconn\" not allowlisted"}}));
    assert!(rejected.hint.contains("allowedUnsafeSysctls"), "{}", rejected.hint);
}

#[test]
fn a_container_that_has_no_memory_to_start_with_is_out_of_memory() {
    let init = "failed to create shim task: OCI runtime create failed: runc create failed: unable to \
        start container process: container init was OOM-killed (memory limit too low?): unknown";
    let id = |container: Value| named(&web_with(ill_pod("web-a", container)));
    let oom = ["deployment/web oom-killed"];
    assert_eq!(id(waiting("RunContainerError", init)), oom);
    let last = json!({"lastState": {"terminated": {"message": init}}});
    assert_eq!(id(merged(crashing("StartError", 128), last)), oom);
    assert_eq!(
        id(waiting("RunContainerError", "exec: no such file")),
        ["deployment/web start-error"]
    );
}

#[test]
fn a_container_that_is_not_started_again_has_no_run_before() {
    let end = |policy: Value| {
        let spec = json!({"spec": {"containers": [{"name": "main", "restartPolicy": policy}]}});
        let status = json!({"name": "main", "ready": false, "restartCount": 0,
            "state": ended("Error", 5, "1m")});
        found(&web_with(merged(ill_pod("web-a", status), spec))).causes.remove(0).hint
    };
    assert_eq!(end(json!("Never")), "read its log");
    assert_eq!(end(Value::Null), "read the log of its previous run");
}

#[test]
fn what_a_log_says_of_no_errors_or_at_a_low_level_is_no_reason() {
    let said = |log: &str| {
        let mut snapshot: kube_diagnosis::Snapshot =
            web_with(ill_pod("web-a", crashing("Error", 1))).into_iter().collect();
        snapshot.add_last_words("web-a", "main", log);
        kube_diagnosis::diagnose(&snapshot, now()).causes[0].sentence()
    };
    for (log, wanted) in [
        (
            "ERROR: relation users does not exist\nWARNING: option x will be an error in v3\n0 errors, \
                1 warning while shutting down",
            "relation users does not exist",
        ),
        ("Fehler: Datei x nicht da\nINFO Beende Prozess", "Fehler: Datei x nicht da"),
        ("INFO starts\nINFO ends", "INFO ends"),
        ("loads x\n10 errors in x", "10 errors in x"),
    ] {
        let sentence = said(log);
        assert!(sentence.contains(wanted), "{sentence}");
    }
}

#[test]
fn a_statefulset_whose_pods_look_for_each_other_needs_its_service() {
    let set = || {
        db(
            1,
            json!({"spec": {"serviceName": "peers"}, "status": {"readyReplicas": 0,
                "availableReplicas": 0}}),
        )
    };
    let pod = || db_pod(ill_pod("db-0", unready("1h")));
    let with = |log: &str, more: Vec<Value>| {
        let all = [set(), pod()].into_iter().chain(more);
        let mut snapshot: kube_diagnosis::Snapshot = all.collect();
        let wanted = kube_diagnosis::wanted_logs(&snapshot, now(), 5);
        for (pod, container, _) in wanted {
            snapshot.add_last_words(&pod, &container, log);
        }
        let causes = kube_diagnosis::diagnose(&snapshot, now()).causes;
        let root = |one: &kube_diagnosis::Cause| one.follows_from.clone().map_or("", |(_, id)| id);
        causes.iter().map(|one| format!("{} <- {}", one.id, root(one))).collect::<Vec<_>>()
    };
    let log = "joins\nlookup db-1.peers.n.svc.cluster.local: no such host";
    assert_eq!(
        with(log, vec![]),
        ["governing-service-missing <- ", "readiness-failing <- governing-service-missing"]
    );
    let alone = ["readiness-failing <- "];
    assert_eq!(with("lookup mysql.shop: no such host", vec![]), alone);
    assert_eq!(with("lookup db-1.peers-old: no such host", vec![]), alone);
    assert_eq!(with("joined db-1.peers", vec![]), alone);
    let service = object("Service", "peers", json!({"spec": {"clusterIP": "None"}}));
    assert_eq!(with(log, vec![service]), alone);
}

#[test]
fn in_a_namespace_that_is_being_deleted_nothing_is_missed() {
    let space = |since: &str| {
        object(
            "Namespace",
            "n",
            json!({"metadata": {"namespace": null, "deletionTimestamp": ago(since)}}),
        )
    };
    let missed = || cronjob(json!({"status": {"lastScheduleTime": "2026-01-14T02:00:00Z"}}));
    assert_eq!(
        named(&[space("20m"), missed()]),
        [
            "namespace/n namespace-not-emptied",
            "cronjob/nightly missed-schedule <- namespace-not-emptied"
        ]
    );
    assert!(sentences(&[space("20m"), missed()])[0].contains("left: 1 of CronJob"));
    assert_eq!(named(&[space("20s")]), Vec::<String>::new());
}

#[test]
fn a_run_that_was_refused_long_ago_is_over_when_a_later_one_was_made() {
    let refused =
        |when: &str| event("CronJob", "nightly", "FailedCreate", when, "is forbidden: quota");
    // its last run was due ten hours ago
    assert_eq!(named(&[cronjob(json!({})), refused("11h")]), Vec::<String>::new());
    assert_eq!(named(&[cronjob(json!({})), refused("9h")]), ["cronjob/nightly jobs-not-created"]);
}

/// Every run of a CronJob fails for the same reason: the last one is named.
#[test]
fn of_the_jobs_of_a_cronjob_with_one_cause_the_latest_is_named() {
    let refused = |name: &str, made: &str| {
        let job = owned(job(name, "", "", json!({})), "CronJob", "nightly");
        let job = merged(job, json!({"metadata": {"creationTimestamp": ago(made)}}));
        let words = "error looking up service account n/none: serviceaccount \"none\" not found";
        [job, event("Job", name, "FailedCreate", "1m", words)]
    };
    let mut all = vec![cronjob(json!({}))];
    all.extend(refused("nightly-1", "2h"));
    all.extend(refused("nightly-2", "1h"));
    assert_eq!(named(&all), ["job/nightly-2 service-account-missing"]);
}

/// Something deletes the pod of a StatefulSet again and again.
#[test]
fn a_set_whose_pod_is_made_again_and_again_is_unavailable() {
    let of = |count: u64| {
        let set = object(
            "StatefulSet",
            "db",
            json!({"spec": {"replicas": 1, "selector":
            {"matchLabels": {"app": "db"}}}, "status": {"observedGeneration": 1}}),
        );
        let made = event("StatefulSet", "db", "SuccessfulCreate", "10s", "create Pod db-0");
        let made = merged(
            made,
            json!({"type": "Normal", "count": count,
            "firstTimestamp": ago("4m")}),
        );
        let young = json!({"metadata": {"creationTimestamp": ago("10s")}});
        let pod = merged(ill_pod("db-0", unready("8s")), young);
        named(&[set, made, owned(pod, "StatefulSet", "db")])
    };
    assert_eq!(of(12), ["statefulset/db pods-unavailable"]);
    assert_eq!(of(2), Vec::<String>::new());
}

/// A pod that waits for its turn complains of nothing.
#[test]
fn a_pod_that_says_what_is_wrong_does_not_stand_by() {
    let lease = object(
        "Lease",
        "backup",
        json!({"spec": {"holderIdentity": "web-a_1", "leaseDurationSeconds": 3600,
            "renewTime": ago("10s")}}),
    );
    let of = |log: &str| {
        let mut all = web(2, 1);
        all.extend([pod("web-a", json!({})), ill_pod("web-b", unready("1h")), lease.clone()]);
        let mut snapshot: kube_diagnosis::Snapshot = all.into_iter().collect();
        for (pod, container, _) in kube_diagnosis::wanted_logs(&snapshot, now(), 5) {
            snapshot.add_last_words(&pod, &container, log);
        }
        let causes = kube_diagnosis::diagnose(&snapshot, now()).causes;
        causes.iter().map(kube_diagnosis::Cause::sentence).collect::<Vec<_>>()
    };
    let waits = of("starting\nlost the election, waiting");
    assert!(
        waits[0].contains("while another replica holds the leader-election Lease"),
        "{waits:?}"
    );
    let ill = of("ERROR db: connection refused\nwaits\nERROR db: connection refused\nwaits");
    assert!(ill[0].contains("its log says: ERROR db: connection refused"), "{ill:?}");
    let over = of("ERROR db: connection refused\nconnected\nloading");
    assert!(over[0].contains("while another replica holds"), "{over:?}");
    assert!(!over[0].contains("its log says"), "{over:?}");
    let ill = of("starting\nERROR db: connection refused");
    assert!(ill[0].contains("does not pass its readiness probe"), "{ill:?}");
    assert!(ill[0].contains("its log says: ERROR db: connection refused"), "{ill:?}");
}

/// A workload whose pods are gone before they are ready has more wrong with it than that the one of
/// now is young.
#[test]
fn pods_that_are_gone_again_and_again_are_told() {
    let made = |pod: &str, when: &str| {
        let event = event("ReplicaSet", "web-1", "SuccessfulCreate", when, "");
        let change = json!({"type": "Normal", "message": format!("Created pod: {pod}"),
            "metadata": {"name": format!("web-1.{pod}")}});
        merged(event, change)
    };
    let since = |gone: &[&str], changed: &str| {
        let young = json!({"metadata": {"creationTimestamp": ago("10s")},
            "status": {"startTime": ago("10s"), "conditions": [{"type": "Ready",
                "status": "False", "lastTransitionTime": ago("10s")}]}});
        let mut all = web_with(merged(ill_pod("web-a", waiting("ContainerCreating", "")), young));
        all[0] = merged(
            all[0].clone(),
            json!({"status": {"conditions": [{"type": "Available", "status": "False",
                "lastTransitionTime": ago(changed)}]}}),
        );
        all.push(made("web-a", "10s"));
        for pod in gone {
            let name = pod.trim_start_matches('-');
            all.push(made(name, "4m"));
            if name != *pod {
                let deleted = json!({"reason": "SuccessfulDelete",
                    "message": format!("Deleted pod: {name}"), "metadata": {"name": "deleted"}});
                all.push(merged(made(name, "3m"), deleted));
            }
        }
        let causes = found(&all).causes;
        causes.iter().map(kube_diagnosis::Cause::sentence).collect::<Vec<_>>()
    };
    let of = |gone: &[&str]| since(gone, "6m");
    assert_eq!(of(&["web-x", "web-y"]), Vec::<String>::new());
    // an autoscaler made fewer of them
    assert_eq!(of(&["web-x", "web-y", "-web-z"]), Vec::<String>::new());
    let told = of(&["web-x", "web-y", "web-z"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("3 pods that were created since"), "{told:?}");
    // whether it is available changes with each of them
    assert_eq!(since(&["web-x", "web-y", "web-z"], "4s"), told);
    assert_eq!(since(&["web-x", "web-y"], "4s"), Vec::<String>::new());
}
