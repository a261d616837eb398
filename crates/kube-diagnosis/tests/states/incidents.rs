//! Public reports of what went wrong in namespaces of others, each planted as the objects and events
//! that a dump would show, with what an expert names: causes, and what follows from them.

use crate::build::*;
use kube_diagnosis::{Snapshot, diagnose, wanted_logs};
use serde_json::{Value, json};

/// Where it was reported, what was there, and what must be named: that and nothing else.
type Incident = (&'static str, Vec<Value>, &'static [&'static str]);

fn and(mut objects: Vec<Value>, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
    objects.extend(more);
    objects
}

fn normal(event: Value) -> Value {
    merged(event, json!({"type": "Normal"}))
}

fn bad_node(kind: &str, status: &str, taint: &str) -> Value {
    node(
        "w1",
        json!({"spec": {"taints": [{"key": taint, "effect": "NoSchedule"}]},
            "status": {"conditions": [{"type": "Ready",
                "status": if kind == "Ready" { status } else { "True" },
                "reason": "r", "message": "words"}, {"type": kind, "status": status,
                "reason": "r", "message": "words"}]}}),
    )
}

fn evicted(name: &str, started: &str, message: &str) -> Value {
    pod(
        name,
        json!({"metadata": {"creationTimestamp": ago(started)}, "status": {"phase": "Failed",
            "reason": "Evicted", "message": message, "startTime": ago(started),
            "conditions": null, "containerStatuses": null, "podIP": null}}),
    )
}

fn nodes() -> Vec<Incident> {
    let full = || bad_node("DiskPressure", "True", "node.kubernetes.io/disk-pressure");
    let condition = "Pod The node had condition: [DiskPressure].";
    let lost = || bad_node("Ready", "Unknown", "node.kubernetes.io/unreachable");
    let taint = "0/1 nodes are available: 1 node(s) had untolerated taint \
        {node.kubernetes.io/disk-pressure: }. preemption: 0/1 nodes are available: 1 Preemption \
        is not helpful for scheduling.";
    vec![
        (
            "https://github.com/canonical/microk8s/issues/3143",
            and(
                web(3, 2),
                [
                    full(),
                    evicted("web-a", "13m", condition),
                    evicted("web-b", "11m", condition),
                    unscheduled("web-c", taint),
                    pod("web-d", json!({})),
                    pod("web-e", json!({})),
                ],
            ),
            &["node/w1 node-pressure", "deployment/web taint-not-tolerated <- node-pressure"],
        ),
        (
            "https://github.com/kubernetes/kubernetes/issues/94245",
            and(
                web(1, 0),
                [
                    full(),
                    evicted("web-a", "9m", condition),
                    evicted("web-b", "3m", condition),
                    evicted("web-c", "20s", condition),
                ],
            ),
            &["node/w1 node-pressure", "deployment/web evicted <- node-pressure"],
        ),
        (
            "https://github.com/hetznercloud/csi-driver/issues/337",
            and(
                web(1, 0),
                [
                    lost(),
                    node("w2", json!({})),
                    merged(
                        pod(
                            "web-a",
                            json!({"status": {"conditions": [{"type": "Ready",
                            "status": "False", "lastTransitionTime": ago("20m")}]}}),
                        ),
                        json!({"metadata": {"deletionTimestamp": ago("14m")}}),
                    ),
                    merged(
                        ill_pod("web-b", waiting("ContainerCreating", "")),
                        json!({"spec": {"nodeName": "w2"}}),
                    ),
                    event(
                        "Pod",
                        "web-b",
                        "FailedAttachVolume",
                        "2m",
                        "Multi-Attach error for volume \"pvc-1\" Volume is already used by \
                        pod(s) web-a",
                    ),
                ],
            ),
            &[
                "node/w1 node-not-ready",
                "deployment/web volume-attach-failed <- node-not-ready",
                "deployment/web stuck-terminating <- node-not-ready",
            ],
        ),
        (
            "https://github.com/aws/amazon-vpc-cni-k8s/issues/281",
            and(
                web_with(ill_pod("web-a", waiting("ContainerCreating", ""))),
                [
                    event(
                        "Pod",
                        "web-a",
                        "FailedCreatePodSandBox",
                        "20s",
                        "(combined from \
                        similar events): Failed create pod sandbox: rpc error: code = Unknown \
                        desc = network: add cmd: failed to assign an IP address to container",
                    ),
                    normal(event("Pod", "web-a", "SandboxChanged", "15s", "will be re-created")),
                ],
            ),
            &["deployment/web sandbox-failed"],
        ),
    ]
}

fn scheduling_and_images() -> Vec<Incident> {
    let denied = "Failed to pull image \"example.com/web:1\": rpc error: code = Unknown desc = \
        Error response from daemon: pull access denied for web, repository does not exist or may \
        require 'docker login': denied: requested access to the resource is denied";
    let secret = || {
        event(
            "Pod",
            "web-a",
            "FailedToRetrieveImagePullSecret",
            "109s",
            "Unable to retrieve \
            some image pull secrets (registry); attempting to pull the image may not succeed.",
        )
    };
    let zone = "0/12 nodes are available: 1 node(s) had volume node affinity conflict, 2 \
        Insufficient memory, 2 node(s) didn't match node selector, 9 Insufficient cpu.";
    vec![
        (
            "https://github.com/aerospike/aerospike-kubernetes-operator/issues/80",
            vec![
                db(1, json!({"status": {"readyReplicas": 0, "availableReplicas": 0}})),
                db_pod(unscheduled("db-0", zone)),
                normal(event(
                    "Pod",
                    "db-0",
                    "NotTriggerScaleUp",
                    "10s",
                    "pod didn't trigger \
                    scale-up: 1 node(s) had volume node affinity conflict",
                )),
            ],
            &["statefulset/db volume-elsewhere"],
        ),
        (
            "https://github.com/octarinesec/octarine-operator/issues/15",
            and(
                web_with(ill_pod("web-a", waiting("ImagePullBackOff", "Back-off pulling image"))),
                [
                    normal(of_main("web-a", "Pulling", "10m", "Pulling image")),
                    of_main("web-a", "Failed", "8m", denied),
                    of_main("web-a", "Failed", "8m", "Error: ErrImagePull"),
                    of_main("web-a", "Failed", "7m", "Error: ImagePullBackOff"),
                    secret(),
                ],
            ),
            &["deployment/web image-pull-denied"],
        ),
        // the image was there, and the secret was not needed
        (
            "https://github.com/confluentinc/confluent-kubernetes-examples/issues/276",
            and(web(1, 1), [pod("web-a", json!({})), secret()]),
            &[],
        ),
        (
            "https://github.com/epinio/epinio/issues/2085",
            and(
                web_with(ill_pod(
                    "web-a",
                    waiting(
                        "CreateContainerConfigError",
                        "couldn't find key uiClientSecret in Secret epinio/dex-config",
                    ),
                )),
                [of_main(
                    "web-a",
                    "Failed",
                    "9s",
                    "Error: couldn't find key uiClientSecret in \
                    Secret epinio/dex-config",
                )],
            ),
            &["deployment/web config-missing"],
        ),
    ]
}

fn refusals() -> Vec<Incident> {
    let refused = |have: i64, message: &str| {
        let mut objects = web(have + 1, have);
        objects[0] = merged(
            objects[0].clone(),
            json!({"status": {"replicas": have,
            "updatedReplicas": have}}),
        );
        objects[1] = merged(objects[1].clone(), json!({"status": {"replicas": have}}));
        and(objects, [event("ReplicaSet", "web-1", "FailedCreate", "59s", message)])
    };
    let quota = |used: &str, hard: &str| {
        object(
            "ResourceQuota",
            "namespace-quota",
            json!({"status": {
            "hard": {"limits.cpu": hard}, "used": {"limits.cpu": used}}}),
        )
    };
    let endpoints = "Error creating: Internal error occurred: failed calling webhook \
        \"mpod.kb.io\": Post \"https://web.n.svc:443/mutate-v1-pod?timeout=10s\": no endpoints \
        available for service \"web\"";
    // a rolling update that has gone on for days: two pods of the old revision serve
    let mut rolling = refused(
        0,
        "(combined from similar events): Error creating: pods \
        \"web-2wm8j\" is forbidden: exceeded quota: namespace-quota, requested: limits.cpu=1, \
        used: limits.cpu=6, limited: limits.cpu=6",
    );
    rolling[0] = merged(
        rolling[0].clone(),
        json!({"spec": {"replicas": 3}, "status": {
        "replicas": 3, "updatedReplicas": 0, "readyReplicas": 3, "availableReplicas": 3,
        "conditions": [{"type": "Progressing", "status": "False", "message": "words",
            "reason": "ProgressDeadlineExceeded", "lastTransitionTime": ago("5d")}]}}),
    );
    vec![
        (
            "https://github.com/ministryofjustice/cloud-platform/issues/590",
            and(rolling, [quota("6", "6")]),
            &[
                "deployment/web quota-exceeded",
                "deployment/web rollout-stuck <- quota-exceeded",
                "resourcequota/namespace-quota quota-exhausted",
            ],
        ),
        // each pod asks for more than is left
        (
            "https://github.com/veryfront/veryfront-code/issues/188",
            and(
                refused(
                    1,
                    "Error creating: pods \"web-x\" is forbidden: exceeded quota: \
                    namespace-quota, requested: limits.cpu=3, used: limits.cpu=21500m, limited: \
                    limits.cpu=24",
                ),
                [quota("21500m", "24"), pod("web-a", json!({}))],
            ),
            &["deployment/web quota-exceeded"],
        ),
        (
            "https://github.com/hmcts/cnp-flux-config/pull/13765",
            vec![
                db(
                    1,
                    json!({"status": {"replicas": 0, "readyReplicas": 0,
                    "availableReplicas": 0}}),
                ),
                event(
                    "StatefulSet",
                    "db",
                    "FailedCreate",
                    "22s",
                    "create Pod db-0 in StatefulSet \
                    db failed error: pods \"db-0\" is forbidden: failed quota: fpl-quota: must \
                    specify requests.cpu,requests.memory",
                ),
            ],
            &["statefulset/db quota-needs-resources"],
        ),
        (
            "https://github.com/gopaddle-io/configurator/issues/74",
            vec![
                job("import", "", "", json!({"status": {"active": null}})),
                event(
                    "Job",
                    "import",
                    "FailedCreate",
                    "75s",
                    "Error creating: Internal error \
                    occurred: failed calling webhook \"podcontroller.example.com\": Post \
                    \"https://webhook.other.svc:443/podcontroller?timeout=10s\": no endpoints \
                    available for service \"webhook\"",
                ),
            ],
            &["job/import admission-webhook-unavailable"],
        ),
        // a webhook that must admit its own pods
        (
            "https://github.com/kubernetes-sigs/kubebuilder/issues/3052",
            and(refused(0, endpoints), [service(json!({}))]),
            &[
                "deployment/web admission-webhook-unavailable",
                "service/web no-ready-endpoints <- admission-webhook-unavailable",
            ],
        ),
    ]
}

fn programs() -> Vec<Incident> {
    let proxied = |change: Value| {
        let proxy =
            merged(merged(running(), json!({"name": "istio-proxy", "restartCount": 27})), change);
        and(web(1, 1), [pod("web-a", json!({"status": {"containerStatuses": [running(), proxy]}}))])
    };
    let killed = merged(
        ill_pod("web-a", crashing("Completed", 0)),
        json!({"spec": {"containers": [{"name": "main", "livenessProbe": {}}]}}),
    );
    let wait = |phase: &str| {
        merged(
            ill_pod("web-b", waiting("PodInitializing", "")),
            json!({"spec": {"initContainers": [{"name": "wait-db"}]}, "status": {"phase": phase,
                "initContainerStatuses": [merged(unready("30m"), json!({"name": "wait-db"}))]}}),
        )
    };
    let refuses = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    vec![
        // the kubelet says OOMKilled although the exit code is 0
        (
            "https://github.com/istio/istio/issues/24196",
            proxied(json!({"lastState": ended("OOMKilled", 0, "3m")})),
            &["deployment/web oom-killed"],
        ),
        (
            "https://github.com/typokign/matrix-chart/issues/30",
            and(
                web_with(killed),
                [
                    normal(of_main(
                        "web-a",
                        "Killing",
                        "62s",
                        "Container main failed liveness \
                        probe, will be restarted",
                    )),
                    of_main(
                        "web-a",
                        "Unhealthy",
                        "62s",
                        "Liveness probe failed: Get \
                        http://10.244.0.15:8008/_matrix/static/: net/http: request canceled \
                        (Client.Timeout exceeded while awaiting headers)",
                    ),
                    of_main("web-a", "BackOff", "20s", "Back-off restarting failed container"),
                ],
            ),
            &["deployment/web liveness-probe-kills"],
        ),
        (
            "https://github.com/openclarity/openclarity/issues/26",
            and(web(1, 0), [wait("Pending")]),
            &["deployment/web init-container-waits"],
        ),
        // the database cannot start, and everything waits for it
        (
            "https://github.com/galaxyproject/galaxy-helm/issues/112",
            and(
                web(1, 0),
                [
                    wait("Pending"),
                    ill_pod("web-a", unready("20h")),
                    of_main("web-a", "Unhealthy", "5s", refuses),
                    db(1, json!({"status": {"readyReplicas": 0, "availableReplicas": 0}})),
                    db_pod(ill_pod(
                        "db-0",
                        waiting(
                            "CreateContainerConfigError",
                            "couldn't find key postgresql-password in Secret n/db",
                        ),
                    )),
                ],
            ),
            &[
                "deployment/web init-container-waits",
                "statefulset/db config-missing",
                "deployment/web readiness-failing",
            ],
        ),
        // every pod asks a database in its readiness probe
        (
            "https://grokdatum.github.io/grokdevops-wiki/library/patterns/thundering-herd/\
                deep-healthcheck-cascade",
            and(
                web(2, 0),
                [
                    ill_pod("web-a", unready("5d")),
                    ill_pod("web-b", unready("5d")),
                    of_main("web-a", "Unhealthy", "4s", refuses),
                    of_main("web-b", "Unhealthy", "3s", refuses),
                    service(json!({})),
                    object(
                        "PodDisruptionBudget",
                        "web",
                        json!({"spec": {"minAvailable": 1,
                        "selector": {"matchLabels": {"app": "web"}}}, "status": {
                        "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 1,
                        "expectedPods": 2}}),
                    ),
                ],
            ),
            &[
                "deployment/web readiness-failing",
                "service/web no-ready-endpoints <- readiness-failing",
                "poddisruptionbudget/web disruption-blocked <- readiness-failing",
            ],
        ),
    ]
}

fn objects_of_others() -> Vec<Incident> {
    let broken = |image: &str| {
        merged(
            db_pod(ill_pod("db-0", waiting("ImagePullBackOff", image))),
            json!({"metadata": {"creationTimestamp": ago("1h")}}),
        )
    };
    let certificate = |ready: &str, reason: &str, end: &str| {
        vec![
            object(
                "Ingress",
                "shop",
                json!({"spec": {"tls": [{"hosts": ["shop.example.com"],
                "secretName": "shop-tls"}]}}),
            ),
            object(
                "Secret",
                "shop-tls",
                json!({"certificate": {"subject": "",
                "names": ["shop.example.com"], "not_before": ago("85d"), "not_after": end,
                "key_fits": true}}),
            ),
            object(
                "Certificate",
                "shop-cert",
                json!({"spec": {"secretName": "shop-tls"},
                "status": {"renewalTime": ago("20d"), "conditions": [
                {"type": "Ready", "status": ready, "reason": reason, "message": "words",
                    "lastTransitionTime": ago("12d")},
                {"type": "Issuing", "status": "False", "reason": "Failed", "message": "The \
                    certificate request has failed to complete and will be retried",
                    "lastTransitionTime": ago("1d")}]}}),
            ),
        ]
    };
    let metrics = || {
        object(
            "APIService",
            "v1beta1.metrics.k8s.io",
            json!({"metadata": {"namespace": null},
            "spec": {"service": {"name": "metrics-server", "namespace": "kube-system"}},
            "status": {"conditions": [{"type": "Available", "status": "False",
            "reason": "MissingEndpoints", "message": "endpoints for service have no addresses",
            "lastTransitionTime": ago("2h")}]}}),
        )
    };
    vec![
        (
            "https://github.com/linkerd/linkerd2/issues/1480",
            and(
                web(1, 1),
                [
                    pod("web-a", json!({})),
                    object(
                        "HorizontalPodAutoscaler",
                        "web",
                        json!({"spec": {"maxReplicas": 5,
                        "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
                        "status": {"currentReplicas": 1, "conditions": [
                        {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale"},
                        {"type": "ScalingActive", "status": "False",
                            "reason": "FailedGetResourceMetric", "message": "the HPA was unable \
                            to compute the replica count: missing request for cpu on container \
                            linkerd-proxy in pod n/web-a", "lastTransitionTime": ago("2h")},
                        {"type": "ScalingLimited", "status": "True",
                            "reason": "TooFewReplicas"}]}}),
                    ),
                ],
            ),
            &["horizontalpodautoscaler/web hpa-metrics-unavailable"],
        ),
        // the image is corrected, and the broken pod stays
        (
            "https://github.com/kubernetes/kubernetes/issues/88896",
            vec![
                db(
                    1,
                    json!({"status": {"updateRevision": "db-2", "readyReplicas": 0,
                    "availableReplicas": 0}}),
                ),
                broken("manifest for example.com/db:foo not found"),
            ],
            &["statefulset/db image-not-found", "statefulset/db rollout-stuck"],
        ),
        (
            "https://github.com/hitachienergy/epiphany/issues/2380",
            and(
                web(1, 1),
                [
                    pod("web-a", json!({})),
                    node("w1", json!({"spec": {"unschedulable": true}})),
                    object(
                        "PodDisruptionBudget",
                        "web",
                        json!({"spec": {"minAvailable": 1,
                        "selector": {"matchLabels": {"app": "web"}}}, "status": {
                        "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1,
                        "expectedPods": 1}}),
                    ),
                ],
            ),
            &["node/w1 node-cordoned", "poddisruptionbudget/web disruption-never-allowed"],
        ),
        (
            "https://github.com/cert-manager/cert-manager/issues/3494",
            certificate("False", "Expired", "2026-01-03T22:14:46Z"),
            &[
                "certificate/shop-cert certificate-not-issued",
                "ingress/shop certificate-expired <- certificate-not-issued",
            ],
        ),
        // it is valid for some days, and its renewal fails
        (
            "https://github.com/cert-manager/cert-manager/issues/5434",
            certificate("True", "Ready", "2026-01-21T00:00:00Z"),
            &[
                "certificate/shop-cert certificate-not-issued",
                "ingress/shop certificate-expiring <- certificate-not-issued",
            ],
        ),
        (
            "https://github.com/kubernetes/kubernetes/issues/60807",
            vec![
                metrics(),
                object(
                    "Namespace",
                    "n",
                    json!({"metadata": {"namespace": null,
                    "deletionTimestamp": ago("46m")}, "status": {"conditions": [
                    {"type": "NamespaceDeletionDiscoveryFailure", "status": "True",
                    "reason": "DiscoveryFailed", "message": "Discovery failed for some groups, 1 \
                    failing: unable to retrieve the complete list of server APIs: \
                    metrics.k8s.io/v1beta1: the server is currently unable to handle the \
                    request"}]}}),
                ),
            ],
            &[
                "namespace/n namespace-not-emptied <- api-service-unavailable",
                "apiservice/v1beta1.metrics.k8s.io api-service-unavailable",
            ],
        ),
        (
            "https://github.com/kubernetes/kubernetes/issues/42649",
            vec![
                cronjob(json!({"spec": {"schedule": "*/5 * * * *"},
                    "status": {"lastScheduleTime": "2026-01-14T18:00:00Z"}})),
                event(
                    "CronJob",
                    "nightly",
                    "FailedNeedsStart",
                    "10s",
                    "Cannot determine if job \
                    needs to be started: too many missed start time (> 100)",
                ),
            ],
            &["cronjob/nightly missed-schedule"],
        ),
        (
            "https://grokdatum.github.io/grokdevops-wiki/library/case-studies/kubernetes_ops/\
                service-no-endpoints/replay",
            and(
                web(1, 1),
                [
                    pod("web-a", json!({})),
                    service(json!({"spec": {"selector": {"app": "web-svc"}}})),
                ],
            ),
            &["service/web selector-matches-nothing"],
        ),
    ]
}

#[test]
fn what_happened_elsewhere_is_named_and_nothing_else() {
    let all = [nodes(), scheduling_and_images(), refusals(), programs(), objects_of_others()];
    let mut wrong: Vec<String> = Vec::new();
    for (source, objects, wanted) in all.into_iter().flatten() {
        let found = named(&objects);
        if found != wanted {
            wrong.push(format!("{source}\n  wanted {wanted:?}\n  found  {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An init container that waits says for what: its log is asked for, and stands in the sentence.
#[test]
fn what_an_init_container_waits_for_is_in_its_log() {
    let (_, objects, _) = programs().swap_remove(2);
    let mut snapshot: Snapshot = objects.into_iter().collect();
    let logs = wanted_logs(&snapshot, now(), 5);
    assert_eq!(logs, [("web-b".to_owned(), "wait-db".to_owned(), false)]);
    snapshot.add_last_words(
        "web-b",
        "wait-db",
        "waiting for database\npostgres:5432 - no response",
    );
    let sentence = diagnose(&snapshot, now()).causes[0].sentence();
    assert!(sentence.contains("postgres:5432 - no response"), "{sentence}");
}

/// What an autoscaler of nodes does is part of what to do next.
#[test]
fn an_autoscaler_of_nodes_is_heard() {
    let (_, objects, _) = scheduling_and_images().swap_remove(0);
    let cause = found(&objects).causes.remove(0);
    assert!(cause.hint.starts_with("the cluster autoscaler adds no node for it"), "{}", cause.hint);
    assert_eq!(cause.evidence[1].source, "event NotTriggerScaleUp of pod/db-0");
}
