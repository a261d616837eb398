//! Healthy states that look ill: nothing may be named of any of them.

use crate::build::*;
use serde_json::{Value, json};

#[track_caller]
fn all_healthy(states: Vec<(&str, Vec<Value>)>) {
    for (state, objects) in states {
        assert_eq!(named(&objects), Vec::<String>::new(), "{state}");
    }
}

fn with(mut objects: Vec<Value>, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
    objects.extend(more);
    objects
}

#[test]
fn pods() {
    let deleted = |grace: i64| {
        let at = now() + jiff::SignedDuration::from_secs(grace);
        json!({"metadata": {"deletionTimestamp": at.to_string()}})
    };
    let bare =
        |change: Value| merged(pod("p", json!({"metadata": {"ownerReferences": null}})), change);
    let done = json!({"name": "main", "ready": false, "restartCount": 0, "lastState": {},
        "state": ended("Completed", 0, "1h")});
    let ready_in = |since: &str| json!([{"type": "Ready", "status": "True", "lastTransitionTime": ago(since)}]);
    all_healthy(vec![
        ("nothing at all", vec![]),
        ("a bare pod", vec![bare(json!({}))]),
        (
            "completed, and its native sidecar was ended by a signal",
            vec![bare(json!({"spec": {"restartPolicy": "Never",
                "initContainers": [{"name": "proxy", "restartPolicy": "Always"}]},
                "status": {"phase": "Succeeded", "containerStatuses": [done],
                "initContainerStatuses": [{"name": "proxy", "ready": false, "restartCount": 0,
                    "state": ended("Error", 137, "1h")}]}}))],
        ),
        (
            "deleted within its grace of ten minutes, and its successor starts",
            with(
                web(1, 0),
                [
                    merged(pod("web-a", json!({})), deleted(400)),
                    merged(
                        ill_pod("web-b", waiting("ContainerCreating", "")),
                        json!({"metadata": {"creationTimestamp": ago("10s")}, "status": {
                        "startTime": ago("9s")}}),
                    ),
                ],
            ),
        ),
        (
            "deleted within its grace, and nothing else is wrong",
            with(
                web(2, 1),
                [
                    pod("web-a", json!({})),
                    merged(ill_pod("web-b", crashing("Error", 1)), deleted(20)),
                ],
            ),
        ),
        (
            "restarted long ago",
            with(
                web(1, 1),
                [pod(
                    "web-a",
                    json!({"status": {"containerStatuses": [merged(
                        running(),
                        json!({"restartCount": 12, "lastState": ended("OOMKilled", 137, "3h")}),
                    )]}}),
                )],
            ),
        ),
        (
            "a static pod, which its node owns",
            vec![owned(
                bare(json!({"metadata": {"annotations": {
                "kubernetes.io/config.mirror": "x"}}})),
                "Node",
                "w1",
            )],
        ),
        (
            "an ephemeral container that was used for debugging",
            with(
                web(1, 1),
                [pod(
                    "web-a",
                    json!({"status": {"ephemeralContainerStatuses": [
                {"name": "debugger", "ready": false, "restartCount": 0,
                    "state": ended("Error", 130, "1m")}]}}),
                )],
            ),
        ),
        (
            "a readiness gate that was not opened yet",
            with(
                web(1, 0),
                [pod(
                    "web-a",
                    json!({"metadata": {"creationTimestamp": ago("40s")},
                "status": {"conditions": [{"type": "Ready", "status": "False",
                "reason": "ReadinessGatesNotReady", "lastTransitionTime": ago("30s")}]}}),
                )],
            ),
        ),
        (
            "ready, and not yet for as long as minReadySeconds asks",
            with(
                vec![merged(web(1, 0).remove(0), json!({"spec": {"minReadySeconds": 600}}))],
                [
                    web(1, 0).remove(1),
                    pod("web-a", json!({"status": {"conditions": ready_in("5m")}})),
                ],
            ),
        ),
        (
            "evicted yesterday, and replaced",
            with(
                web(1, 1),
                [
                    pod("web-a", json!({})),
                    pod(
                        "web-b",
                        json!({"status": {"phase": "Failed", "reason": "Evicted",
                    "message": "The node was low on resource: memory.",
                    "containerStatuses": null, "conditions": null}}),
                    ),
                ],
            ),
        ),
        (
            "the status has few fields",
            vec![pod(
                "web-a",
                json!({"status": {"conditions": null, "podIP": null,
                "containerStatuses": [{"name": "main", "state": {"running": {
                    "startedAt": ago("1d")}}}]}}),
            )],
        ),
        (
            "the status has only a phase",
            vec![
                bare(json!({"status": null})),
                merged(
                    bare(json!({"status": null})),
                    json!({"metadata": {"name": "q"},
                "status": {"phase": "Running", "startTime": ago("1d")}}),
                ),
            ],
        ),
        (
            "the clock of this machine is an hour behind",
            with(
                web(1, 0),
                [
                    ill_pod("web-a", waiting("ContainerCreating", "")),
                    merged(event("Pod", "web-a", "Scheduled", "1d", ""), json!({"type": "Normal"})),
                ]
                .map(|one| {
                    merged(
                        one,
                        json!({"metadata": {"creationTimestamp":
                "2026-01-15T13:00:00Z"}, "status": {"startTime": "2026-01-15T13:00:01Z"}}),
                    )
                }),
            ),
        ),
    ]);
}

#[test]
fn workloads() {
    let scaled_to_zero =
        merged(web(0, 0).remove(0), json!({"status": {"replicas": null, "updatedReplicas": null}}));
    let paused = |objects: Vec<Value>| {
        let pause = json!({"spec": {"paused": true}, "status": {"conditions": [
            {"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"}]}});
        let mut objects = objects;
        objects[0] = merged(objects[0].clone(), pause);
        objects
    };
    let daemons = |change: Value| {
        merged(
            object(
                "DaemonSet",
                "agent",
                json!({"spec": {"template": {"spec": {}}},
                "status": {"observedGeneration": 1, "desiredNumberScheduled": 2,
                "currentNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2}}),
            ),
            change,
        )
    };
    let gone = |reason: &str| {
        json!({"status": {"conditions": [{"type": "Progressing",
        "status": "False", "reason": reason, "lastTransitionTime": ago("3d")}]}})
    };
    all_healthy(vec![
        ("scaled to zero", vec![scaled_to_zero, web(0, 0).remove(1)]),
        ("paused without a change", paused(with(web(1, 1), [pod("web-a", json!({}))]))),
        ("scaled to zero and paused", paused(web(0, 0))),
        (
            "paused without a change, and a quota let only one of two pods in",
            with(paused(web(1, 1)), [pod("web-a", json!({}))]),
        ),
        (
            "the progress deadline was exceeded, and the rollout came through after all",
            vec![
                merged(web(1, 1).remove(0), gone("ProgressDeadlineExceeded")),
                web(1, 1).remove(1),
                pod("web-a", json!({})),
            ],
        ),
        (
            "a rollout in progress",
            with(
                web(2, 1),
                [
                    pod("web-a", json!({})),
                    merged(
                        ill_pod("web-b", unready("15s")),
                        json!({"metadata": {"creationTimestamp": ago("20s")}}),
                    ),
                ],
            ),
        ),
        (
            "changed a moment ago, and its controller has not looked yet",
            vec![merged(
                web(1, 0).remove(0),
                json!({"metadata": {"generation": 2,
                "managedFields": [{"time": ago("2s")}]}}),
            )],
        ),
        (
            "a rolling update of a StatefulSet in progress",
            vec![
                db(
                    3,
                    json!({"status": {"updateRevision": "db-2", "readyReplicas": 2,
                    "availableReplicas": 2}}),
                ),
                db_pod(pod("db-0", json!({}))),
                db_pod(pod("db-1", json!({}))),
                merged(
                    db_pod(ill_pod("db-2", unready("10s"))),
                    json!({"metadata": {
                    "creationTimestamp": ago("20s"),
                    "labels": {"controller-revision-hash": "db-2"}}}),
                ),
            ],
        ),
        (
            "a StatefulSet whose partition keeps the old revision",
            vec![
                db(
                    2,
                    json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}},
                    "status": {"updateRevision": "db-2"}}),
                ),
                db_pod(pod("db-0", json!({}))),
                merged(
                    db_pod(pod("db-1", json!({}))),
                    json!({"metadata": {
                    "labels": {"controller-revision-hash": "db-2"}}}),
                ),
            ],
        ),
        (
            "a StatefulSet that is updated by hand",
            vec![
                db(
                    1,
                    json!({"spec": {"updateStrategy": {"type": "OnDelete"}},
                    "status": {"updateRevision": "db-2"}}),
                ),
                db_pod(pod("db-0", json!({}))),
            ],
        ),
        (
            "an old API server, which does not count what is available of a StatefulSet",
            vec![
                db(1, json!({"status": {"availableReplicas": null}})),
                db_pod(pod("db-0", json!({}))),
            ],
        ),
        (
            "a DaemonSet that is being created",
            vec![daemons(json!({"metadata": {"creationTimestamp": ago("15s")},
                "status": {"numberReady": 0, "numberAvailable": null}}))],
        ),
        (
            "a DaemonSet for which its controller has not looked for nodes yet",
            vec![daemons(json!({"status": {"observedGeneration": null,
                "desiredNumberScheduled": 0, "currentNumberScheduled": 0}}))],
        ),
        (
            "pods of a bare ReplicaSet",
            vec![
                merged(web(1, 1).remove(1), json!({"metadata": {"ownerReferences": null}})),
                pod("web-a", json!({})),
            ],
        ),
        (
            "a manifest, which has no status",
            vec![
                merged(web(1, 0).remove(0), json!({"status": null})),
                db(1, json!({"status": null})),
                daemons(json!({"status": null})),
            ],
        ),
        (
            "a status of which most was cut off",
            vec![merged(
                web(2, 0).remove(0),
                json!({"status": {"observedGeneration": null, "availableReplicas": null,
            "readyReplicas": null}}),
            )],
        ),
        (
            "nodes for Windows and for another architecture, with a DaemonSet each",
            vec![
                daemons(json!({"spec": {"template": {"spec": {"nodeSelector": {
                    "kubernetes.io/os": "windows"}}}}})),
                node(
                    "win",
                    json!({"metadata": {"labels": {"kubernetes.io/os": "windows"}},
                    "spec": {"taints": [{"key": "os", "value": "windows",
                    "effect": "NoSchedule"}]}}),
                ),
                node("arm", json!({"metadata": {"labels": {"kubernetes.io/arch": "arm64"}}})),
            ],
        ),
    ]);
}

#[test]
fn jobs() {
    let of_nightly = |job: Value| owned(job, "CronJob", "nightly");
    let failed = |name: &str, age: &str| {
        of_nightly(job(
            name,
            "Failed",
            "BackoffLimitExceeded",
            json!({"metadata": {"creationTimestamp": ago(age)}}),
        ))
    };
    let pod_of = |name: &str, job: &str, code: i64| {
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let reason = if code == 0 { "Completed" } else { "Error" };
        owned(
            pod(
                name,
                json!({"metadata": {"labels": {"app": "job"}},
            "spec": {"restartPolicy": "Never"}, "status": {"phase": phase, "conditions": null,
            "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0,
            "state": ended(reason, code, "1h")}]}}),
            ),
            "Job",
            job,
        )
    };
    all_healthy(vec![
        (
            "a Job that failed once and then succeeded",
            vec![
                job("import", "Complete", "", json!({"status": {"failed": 1, "succeeded": 1}})),
                pod_of("import-a", "import", 1),
                pod_of("import-b", "import", 0),
            ],
        ),
        (
            "a Job of which enough has succeeded",
            vec![
                job("import", "SuccessCriteriaMet", "SuccessPolicy", json!({})),
                pod_of("import-a", "import", 1),
            ],
        ),
        (
            "a CronJob whose newest Job succeeded after an older one failed",
            vec![
                cronjob(json!({"status": {"lastSuccessfulTime": null}})),
                failed("nightly-1", "2d"),
                of_nightly(job("nightly-2", "Complete", "", json!({}))),
            ],
        ),
        (
            "a CronJob whose Job that succeeded is gone already",
            vec![cronjob(json!({})), failed("nightly-1", "2d")],
        ),
        (
            "a Job that tries again, and runs well for long now",
            vec![
                job("import", "", "", json!({"status": {"active": 1, "failed": 1}})),
                pod_of("import-a", "import", 1),
                owned(
                    pod(
                        "import-b",
                        json!({"metadata": {"creationTimestamp": ago("50m"),
                    "labels": {"app": "job"}}}),
                    ),
                    "Job",
                    "import",
                ),
            ],
        ),
        (
            "a Job that waits in a queue until it is its turn",
            vec![job(
                "import",
                "Suspended",
                "JobSuspended",
                json!({"spec": {"suspend": true},
                "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "main"}}}),
            )],
        ),
        ("a CronJob that is due at night", vec![cronjob(json!({}))]),
    ]);
}

#[test]
fn services() {
    all_healthy(vec![
        (
            "without a selector, with Endpoints made by hand",
            vec![service(json!({"spec": {"selector": null}}))],
        ),
        (
            "a name for something outside",
            vec![service(json!({"spec": {"type": "ExternalName", "externalName": "example.com",
                "ports": null}}))],
        ),
        (
            "headless, for pods that find each other before they are ready",
            vec![
                db(1, json!({"status": {"readyReplicas": 0}, "spec": {"replicas": 1}})),
                merged(
                    db_pod(ill_pod("db-0", unready("15s"))),
                    json!({"metadata": {"creationTimestamp": ago("20s")}}),
                ),
                service(json!({"spec": {"clusterIP": "None", "selector": {"app": "db"},
                    "publishNotReadyAddresses": true, "ports": null}})),
            ],
        ),
        (
            "of one that leads, beside one that does not",
            with(
                web(2, 1),
                [
                    pod("web-a", json!({})),
                    merged(
                        ill_pod("web-b", unready("15s")),
                        json!({"metadata": {"creationTimestamp": ago("20s")}}),
                    ),
                    service(json!({})),
                ],
            ),
        ),
        (
            "a load balancer that is being made",
            with(
                web(1, 1),
                [
                    pod("web-a", json!({})),
                    service(json!({"spec": {"type": "LoadBalancer"},
                    "metadata": {"creationTimestamp": ago("1m")}})),
                ],
            ),
        ),
        (
            "an Ingress to a bucket, to a name outside and by annotation",
            vec![
                service(json!({"spec": {"type": "ExternalName", "ports": null}})),
                object(
                    "Ingress",
                    "shop",
                    json!({"spec": {"rules": [{"http": {"paths": [
                    {"backend": {"resource": {"kind": "Bucket", "name": "static"}}},
                    {"backend": {"service": {"name": "web", "port": {"number": 443}}}},
                    {"backend": {"service": {"name": "redirect",
                        "port": {"name": "use-annotation"}}}}]}}]}}),
                ),
            ],
        ),
    ]);
}

#[test]
fn others() {
    let hpa = |change: Value| {
        merged(
            object(
                "HorizontalPodAutoscaler",
                "web",
                json!({"spec": {"minReplicas": 1,
                "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
                "status": {"currentReplicas": 1}}),
            ),
            change,
        )
    };
    let stated = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"status": {"conditions": [{"type": kind, "status": status, "reason": reason,
            "message": message, "lastTransitionTime": ago("30s")}]}})
    };
    let certificate = |begin: &str, end: jiff::SignedDuration| {
        vec![
            object(
                "Ingress",
                "shop",
                json!({"spec": {"tls": [{"hosts": ["a.example.com"],
                "secretName": "shop-tls"}]}}),
            ),
            object(
                "Secret",
                "shop-tls",
                json!({"certificate": {"subject": "",
                "names": ["*.example.com"], "not_before": ago(begin),
                "not_after": (now() + end).to_string(), "key_fits": true}}),
            ),
        ]
    };
    let hours = jiff::SignedDuration::from_hours;
    let wait = |reason: &str| {
        merged(
            event("PersistentVolumeClaim", "data", reason, "1m", "waiting"),
            json!({"type": "Normal"}),
        )
    };
    all_healthy(vec![
        ("an autoscaler at its start", vec![hpa(json!({}))]),
        (
            "an autoscaler whose pods have just started",
            vec![hpa(stated(
                "ScalingActive",
                "False",
                "FailedGetResourceMetric",
                "did not receive metrics for targeted pods (pods might be unready)",
            ))],
        ),
        (
            "an autoscaler that waits after a change",
            vec![hpa(stated("AbleToScale", "False", "BackoffBoth", ""))],
        ),
        (
            "an autoscaler that may have one number of replicas only",
            vec![merged(
                hpa(stated("ScalingLimited", "True", "TooManyReplicas", "")),
                json!({"spec": {"maxReplicas": 1}}),
            )],
        ),
        (
            "a quota that forbids a resource, and one with room",
            vec![object(
                "ResourceQuota",
                "small",
                json!({"status": {
                "hard": {"services.loadbalancers": "0", "pods": "10", "count/jobs.batch": "5"},
                "used": {"services.loadbalancers": "0", "pods": "9", "count/jobs.batch": "1"}}}),
            )],
        ),
        (
            "a claim that waits for its first consumer",
            vec![claim(json!({})), class(), wait("WaitForFirstConsumer")],
        ),
        (
            "a claim for which a volume is being made",
            vec![
                claim(json!({"metadata": {"creationTimestamp": ago("20s")}})),
                class(),
                wait("ExternalProvisioning"),
            ],
        ),
        ("a certificate for a day with seven hours left", certificate("17h", hours(7))),
        ("a certificate for six days, half over", certificate("3d", hours(72))),
        ("a certificate for 90 days with three weeks left", certificate("69d", hours(21 * 24))),
        ("nodes", vec![node("w1", json!({})), node("w2", json!({}))]),
    ]);
}

/// A sidecar that is not ready keeps the pod from being ready; its node has not gone.
#[test]
fn a_sidecar_may_take_longer_than_the_container() {
    let sidecar = json!({"name": "proxy", "ready": false, "started": true, "restartCount": 0,
        "lastState": {}, "state": {"running": {"startedAt": ago("20s")}}});
    let of = |all_ready: &str| {
        let mut all = web(1, 0);
        all.push(pod(
            "web-a",
            json!({"spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always",
                "image": "example.com/proxy:1", "readinessProbe": {"initialDelaySeconds": 150}}]},
            "status": {"initContainerStatuses": [sidecar], "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": ago("20s")},
                {"type": "ContainersReady", "status": all_ready,
                    "lastTransitionTime": ago("20s")}]}}),
        ));
        named(&all)
    };
    assert!(!of("False").iter().any(|cause| cause.ends_with("node-lost")), "{:?}", of("False"));
    assert_eq!(of("True"), ["deployment/web node-lost"]);
}
