//! What probes and rollouts say before they have had their time, and after it.

use crate::build::*;
use kube_diagnosis::{Snapshot, diagnose, wanted_logs};
use serde_json::{Value, json};

/// The Deployment `web` with a pod that was made so long ago; what its containers are like, and what
/// was seen.
fn start(age: &str, containers: Value, status: Value, events: Vec<Value>) -> Vec<Value> {
    let young = json!({"metadata": {"creationTimestamp": ago(age)},
        "spec": {"containers": containers}, "status": {"startTime": ago(age)}});
    let pod = merged(merged(ill_pod("web-a", unready(age)), young), status);
    let mut all = web_with(pod);
    all[0] = merged(
        all[0].clone(),
        json!({"metadata": {"creationTimestamp": ago(age)},
        "status": {"conditions": [{"type": "Progressing", "status": "True",
            "reason": "ReplicaSetUpdated", "lastTransitionTime": ago(age)}]}}),
    );
    all.push(service(json!({})));
    all.extend(events);
    all
}

fn main_with(probes: Value) -> Value {
    json!([merged(
        json!({"name": "main", "image": "example.com/web:1",
        "ports": [{"containerPort": 8080, "name": "http"}]}),
        probes
    )])
}

fn unhealthy(when: &str, message: &str) -> Value {
    of_main("web-a", "Unhealthy", when, message)
}

fn status(since: &str, started: bool) -> Value {
    json!({"status": {"containerStatuses": [merged(unready(since), json!({"started": started}))]}})
}

const READINESS: &str =
    "Readiness probe failed: dial tcp 10.0.0.1:8080: connect: connection refused";
const STARTUP: &str = "Startup probe failed: dial tcp 10.0.0.1:8080: connect: connection refused";

/// A state, how it is told, and what is named of it.
type State = (&'static str, Vec<Value>, &'static [&'static str]);

fn all(states: Vec<State>) {
    for (state, objects, wanted) in states {
        let found: Vec<String> = found(&objects)
            .causes
            .iter()
            // whose pods start, leads nowhere, and is told for that
            .filter(|cause| cause.follows_from.is_none() && cause.id != "no-endpoints")
            .map(|cause| format!("{} {}", cause.object, cause.id))
            .collect();
        assert_eq!(found, wanted, "{state}");
    }
}

#[test]
fn a_readiness_probe_has_its_time() {
    let ready = || main_with(json!({"readinessProbe": {"periodSeconds": 10}}));
    let slow = |delay: i64| {
        main_with(json!({"readinessProbe": {"initialDelaySeconds": delay, "periodSeconds": 15,
            "failureThreshold": 6}}))
    };
    let patient =
        || main_with(json!({"readinessProbe": {"periodSeconds": 10, "failureThreshold": 60}}));
    let seen = |when: &str| vec![unhealthy(when, READINESS)];
    let none = || json!({});
    all(vec![
        ("failed once so far", start("12s", ready(), none(), seen("1s")), &[]),
        ("as often as it may fail", start("19s", ready(), none(), seen("1s")), &[]),
        (
            "longer",
            start("32s", ready(), none(), seen("1s")),
            &["deployment/web readiness-failing"],
        ),
        ("within its own time", start("80s", slow(10), none(), seen("1s")), &[]),
        (
            "beyond its own time",
            start("105s", slow(10), none(), seen("1s")),
            &["deployment/web readiness-failing"],
        ),
        (
            "its fields are missing",
            start("45s", main_with(json!({"readinessProbe": {}})), none(), vec![]),
            &["deployment/web readiness-failing"],
        ),
        // its failureThreshold is for a pod that was ready
        ("a patient probe", start("110s", patient(), none(), seen("1s")), &[]),
        (
            "a patient probe that fails for minutes",
            start("140s", patient(), none(), seen("1s")),
            &["deployment/web readiness-failing"],
        ),
        (
            "it is not asked before",
            start("4m", slow(300), none(), vec![]),
            &["deployment/web still-starting"],
        ),
        // a large image: the pod is old, and its container is not
        (
            "started a moment ago in a pod that waited for its image",
            start("8m", ready(), status("10s", true), seen("1s")),
            &[],
        ),
        (
            "only the time of the event is known, as events.k8s.io has it",
            start(
                "40s",
                ready(),
                none(),
                vec![merged(
                    unhealthy("1s", READINESS),
                    json!({"lastTimestamp": null, "eventTime": "2026-01-15T11:59:59.123456Z",
                    "series": {"count": 12, "lastObservedTime": "2026-01-15T11:59:59.123456Z"}}),
                )],
            ),
            &["deployment/web readiness-failing"],
        ),
        (
            "beside a sidecar that is ready",
            start(
                "40s",
                json!([{"name": "proxy"}, {"name": "main", "readinessProbe": {"periodSeconds": 2},
                    "ports": [{"containerPort": 8080, "name": "http"}]}]),
                json!({"status": {"containerStatuses": [
                    merged(running(), json!({"name": "proxy"})), unready("40s")]}}),
                seen("1s"),
            ),
            &["deployment/web readiness-failing"],
        ),
    ]);
}

#[test]
fn a_startup_probe_has_all_its_time() {
    let slow = || main_with(json!({"startupProbe": {"periodSeconds": 5, "failureThreshold": 60}}));
    let short = || main_with(json!({"startupProbe": {"periodSeconds": 5, "failureThreshold": 6}}));
    let both = || {
        main_with(json!({"startupProbe": {"periodSeconds": 5, "failureThreshold": 60},
            "readinessProbe": {"periodSeconds": 10}}))
    };
    let since = |event: Value, first: &str| merged(event, json!({"firstTimestamp": ago(first)}));
    let native = |age: &str| {
        let spec = json!({"spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always",
            "startupProbe": {"periodSeconds": 2, "failureThreshold": 60}}]},
            "status": {"phase": "Pending", "initContainerStatuses": [merged(unready(age),
                json!({"name": "proxy", "started": false}))],
                "containerStatuses": [waiting("PodInitializing", "")]}});
        let event = merged(
            unhealthy("1s", STARTUP),
            json!({"involvedObject": {"fieldPath": "spec.initContainers{proxy}"}}),
        );
        start(age, main_with(json!({})), spec, vec![event])
    };
    all(vec![
        (
            "within its 300 seconds",
            start("100s", slow(), status("100s", false), vec![unhealthy("2s", STARTUP)]),
            &[],
        ),
        (
            "within its 300 seconds, for long",
            start("200s", slow(), status("200s", false), vec![unhealthy("2s", STARTUP)]),
            &["deployment/web still-starting"],
        ),
        (
            "beyond its 30 seconds",
            start("45s", short(), status("45s", false), vec![unhealthy("2s", STARTUP)]),
            &["deployment/web startup-failing"],
        ),
        ("a native sidecar within its time", native("50s"), &[]),
        ("a native sidecar beyond it", native("150s"), &["deployment/web startup-failing"]),
        (
            "it has just passed, and readiness was not asked yet",
            start("200s", both(), status("200s", true), vec![unhealthy("5s", STARTUP)]),
            &["deployment/web still-starting"],
        ),
        (
            "it has passed, and readiness fails for a moment",
            start(
                "200s",
                both(),
                status("200s", true),
                vec![unhealthy("9s", STARTUP), since(unhealthy("1s", READINESS), "7s")],
            ),
            &["deployment/web still-starting"],
        ),
        (
            "it has passed, and readiness fails for a minute",
            start(
                "200s",
                both(),
                status("200s", true),
                vec![unhealthy("70s", STARTUP), since(unhealthy("1s", READINESS), "65s")],
            ),
            &["deployment/web readiness-failing"],
        ),
        // the first run had its whole time, and the second has it, too: that is no start
        (
            "killed by it a quarter of an hour ago, and not through yet",
            start(
                "40m",
                main_with(json!({"startupProbe": {"periodSeconds": 10, "failureThreshold": 120}})),
                json!({"status": {"containerStatuses": [merged(unready("15m"), json!({
                    "started": false, "restartCount": 1, "lastState": {"terminated": {
                    "reason": "Error", "exitCode": 143, "startedAt": ago("35m"),
                    "finishedAt": ago("15m")}}}))]}}),
                vec![of_main(
                    "web-a",
                    "Killing",
                    "15m",
                    "Container main failed startup probe, will \
                    be restarted",
                )],
            ),
            &["deployment/web startup-probe-kills"],
        ),
    ]);
}

/// A Deployment of which two pods of the first revision serve, and one of the second is not ready.
fn rollout(age: &str, change: Value, progressing: Value) -> Vec<Value> {
    let mut all = web(2, 2);
    let revision = |set: Value, number: &str| {
        merged(
            set,
            json!({"metadata": {"annotations": {
            "deployment.kubernetes.io/revision": number}}}),
        )
    };
    all[0] = merged(
        all[0].clone(),
        json!({"metadata": {"creationTimestamp": ago("3d")},
            "status": {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 2,
                "conditions": [merged(json!({"type": "Progressing", "status": "True",
                    "reason": "ReplicaSetUpdated", "lastTransitionTime": ago("2d"),
                    "lastUpdateTime": ago(age)}), progressing)]}}),
    );
    all[1] = revision(all[1].clone(), "1");
    let second = merged(
        all[1].clone(),
        json!({"metadata": {"name": "web-2", "uid":
        "ReplicaSet-web-2", "creationTimestamp": ago(age), "annotations": {
        "deployment.kubernetes.io/revision": "2"}}}),
    );
    let pod_of_second = owned(
        merged(
            merged(
                ill_pod("web-new", unready(age)),
                json!({"metadata": {"creationTimestamp": ago(age),
                    "labels": {"pod-template-hash": "2"}}}),
            ),
            change,
        ),
        "ReplicaSet",
        "web-2",
    );
    all.extend([
        second,
        pod("web-a", json!({})),
        pod("web-b", json!({})),
        pod_of_second,
        of_main("web-new", "Unhealthy", "1s", READINESS),
        service(json!({})),
    ]);
    all
}

/// The same with maxUnavailable: one of the old pods went first.
fn fewer(mut objects: Vec<Value>) -> Vec<Value> {
    objects.remove(4);
    objects[0] = merged(
        objects[0].clone(),
        json!({"status": {"replicas": 2, "readyReplicas": 1, "availableReplicas": 1}}),
    );
    objects
}

/// A rollout that cannot end, as a policy keeps its pods from the DNS, is told as that at once.
#[test]
fn a_rollout_whose_pods_get_no_answer_from_the_dns_waits_in_vain() {
    let closed = json!({"spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": []}});
    let of = |line: &str| {
        let mut all = fewer(rollout("5m", json!({}), json!({})));
        all.push(object("NetworkPolicy", "closed", closed.clone()));
        let mut snapshot: Snapshot = all.into_iter().collect();
        snapshot.add_last_words("web-new", "main", line);
        let causes = diagnose(&snapshot, now()).causes;
        causes.iter().map(|cause| cause.id).collect::<Vec<_>>()
    };
    let rolling = "rollout-in-progress";
    let silence = "ERROR lookup pay on 10.96.0.10:53: i/o timeout\nINFO will retry in 5s";
    assert_eq!(of(silence), [rolling, "dns-denied"]);
    assert_eq!(of("INFO loading 3 of 12 shards"), [rolling]);
}

#[test]
fn a_rollout_beside_serving_pods_has_its_deadline() {
    let none = || json!({});
    all(vec![
        ("two seconds old", rollout("2s", none(), none()), &[]),
        ("five minutes old", rollout("5m", none(), none()), &[]),
        (
            "five minutes old, with a pod less",
            fewer(rollout("5m", none(), none())),
            &["deployment/web rollout-in-progress"],
        ),
        ("ten seconds old, with a pod less", fewer(rollout("10s", none(), none())), &[]),
        (
            "its deadline is over",
            rollout(
                "12m",
                none(),
                json!({"status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}),
            ),
            &["deployment/web readiness-failing", "deployment/web rollout-stuck"],
        ),
        // nothing is rolled out: a pod that was ready is not
        (
            "the rollout was complete",
            rollout("5m", none(), json!({"reason": "NewReplicaSetAvailable"})),
            &["deployment/web readiness-failing"],
        ),
        (
            "it crashes by itself",
            rollout(
                "20s",
                json!({"status": {"containerStatuses": [merged(crashing("Error", 1),
                    json!({"restartCount": 1}))]}}),
                none(),
            ),
            &["deployment/web app-exit"],
        ),
        (
            "it crashed by itself before",
            rollout(
                "20m",
                json!({"status": {"containerStatuses": [merged(unready("15m"),
                    json!({"restartCount": 2, "lastState": ended("Error", 1, "15m")}))]}}),
                none(),
            ),
            &["deployment/web readiness-failing"],
        ),
        (
            "its image cannot be pulled",
            rollout(
                "20s",
                json!({"status": {"phase": "Pending", "containerStatuses": [
                    {"name": "main", "ready": false, "restartCount": 0, "state": {"waiting":
                    {"reason": "ErrImagePull", "message": "manifest unknown"}}}]}}),
                none(),
            ),
            &["deployment/web image-not-found"],
        ),
        // no deadline is kept while it is paused
        (
            "paused in the middle",
            rollout("5m", none(), json!({"status": "Unknown", "reason": "DeploymentPaused"})),
            &["deployment/web readiness-failing"],
        ),
    ]);
}

/// The Deployment `web` whose pod is in its init container for so long, with this spec and log.
fn in_init(age: &str, spec: Value, log: &str) -> Snapshot {
    let pod = merged(
        ill_pod("web-a", waiting("PodInitializing", "")),
        json!({"metadata": {"creationTimestamp": ago(age)},
            "spec": {"initContainers": [{"name": "migrate"}]}, "status": {"phase": "Pending",
            "startTime": ago(age),
            "initContainerStatuses": [merged(unready(age), json!({"name": "migrate"}))]}}),
    );
    let mut objects = web_with(pod);
    objects[0] = merged(objects[0].clone(), spec);
    let mut snapshot: Snapshot = objects.into_iter().collect();
    if !log.is_empty() {
        snapshot.add_last_words("web-a", "migrate", log);
    }
    snapshot
}

fn deadline(seconds: i64, progressing: &str) -> Value {
    json!({"spec": {"progressDeadlineSeconds": seconds}, "status": {"conditions": [
        {"type": "Progressing", "status": progressing, "reason": "r", "message": "words"}]}})
}

/// The time that its owner has given it is not over, or its log shows that it is at work: it is
/// told, and not accused.
#[test]
fn an_init_container_within_its_time_is_not_said_to_wait() {
    let migrates = "migrated 19%\nmigrated 20%";
    let waits = "waiting for db\nwaiting for db";
    let attempts = "Versuch 6: noch nicht da\nVersuch 7: noch nicht da";
    let probes = "Mon Nov 30 11:08:10 UTC probing db\nMon Nov 30 11:08:12 UTC probing db";
    let nowhere = "nslookup: can't find mydb: NXDOMAIN\nwaiting\nnslookup: can't find mydb: \
        NXDOMAIN\nwaiting";
    for (state, age, spec, log, wanted) in [
        ("starts", "90s", deadline(600, "True"), waits, ""),
        ("time given", "10m", deadline(1200, "True"), migrates, "runs"),
        ("time given, silent", "10m", deadline(1200, "True"), "", "runs"),
        ("time given, waits", "10m", deadline(1200, "True"), waits, "waits"),
        ("time given, one line", "10m", deadline(1200, "True"), "starts", "runs"),
        ("an attempt in any language", "5m", deadline(600, "True"), attempts, "waits"),
        ("a time and no step", "10m", deadline(1200, "True"), probes, "waits"),
        ("a share", "5m", deadline(600, "True"), "applied 8 of 40\napplied 9 of 40", "runs"),
        ("rows", "5m", deadline(600, "True"), "row 1100 copied\nrow 1200 copied", "runs"),
        ("time given, for nothing", "10m", deadline(1200, "True"), nowhere, "waits"),
        (
            "made if missing",
            "3m",
            deadline(600, "True"),
            "table a_1 does not exist, skipping\ncreate \
            table\ntable a_2 does not exist, skipping\ncreated index a_2",
            "runs",
        ),
        ("once for nothing", "3m", deadline(1200, "True"), "table x not found, makes it", "runs"),
        ("time over", "21m", deadline(1200, "True"), migrates, "waits"),
        ("said to be over", "10m", deadline(1200, "False"), migrates, "waits"),
        ("default, at work", "5m", deadline(600, "True"), migrates, "runs"),
        ("default, over", "11m", deadline(600, "True"), migrates, "waits"),
        ("less, over", "3m", deadline(60, "True"), migrates, "waits"),
        ("default, silent", "5m", deadline(600, "True"), "", "waits"),
        ("default, one line", "5m", deadline(600, "True"), "starting", "waits"),
        ("default, the same line", "5m", deadline(600, "True"), "tick\ntick", "waits"),
        ("default, waits", "5m", deadline(600, "True"), "starting\nwaiting for db", "waits"),
        ("default, refused", "5m", deadline(600, "True"), "start\nconnection refused", "waits"),
    ] {
        let found = diagnose(&in_init(age, spec, log), now());
        let ids: Vec<&str> = found.causes.iter().map(|cause| cause.id).collect();
        let wanted =
            if wanted.is_empty() { vec![] } else { vec![format!("init-container-{wanted}")] };
        assert_eq!(ids, wanted, "{state}");
    }
    let found = diagnose(&in_init("10m", deadline(1200, "True"), migrates), now());
    let sentence = found.causes[0].sentence();
    assert!(sentence.contains("progressDeadlineSeconds allows it until"), "{sentence}");
    assert!(sentence.contains("migrated 20%"), "{sentence}");
    let wanted = wanted_logs(&in_init("10m", deadline(1200, "True"), ""), now(), 5);
    assert_eq!(wanted, [("web-a".to_owned(), "migrate".to_owned(), false)]);
}

/// A silent command that only tries again waits, however long its owner lets it.
#[test]
fn an_init_container_that_loops_waits() {
    let looping = |command: &str| {
        let pod = merged(
            ill_pod("web-a", waiting("PodInitializing", "")),
            json!({"spec": {"initContainers": [{"name": "wait", "command": ["sh", "-c", command]}]},
                "status": {"phase": "Pending", "initContainerStatuses": [
                    merged(unready("10m"), json!({"name": "wait"}))]}}),
        );
        let mut objects = web_with(pod);
        objects[0] = merged(objects[0].clone(), deadline(3600, "True"));
        named(&objects)
    };
    let waits = ["deployment/web init-container-waits"];
    assert_eq!(looping("until nc -w1 db 5432 </dev/null; do sleep 2; done"), waits);
    assert_eq!(looping("while ! pg_isready -h db; do sleep 1; done"), waits);
    assert_eq!(looping("/wait-for db:5432"), waits);
    assert_eq!(looping("migrate --quiet"), ["deployment/web init-container-runs"]);
}

#[test]
fn an_init_container_of_a_job_has_the_time_of_the_job() {
    let of_job = |seconds: Value, age: &str| {
        let pod = merged(
            ill_pod("load-a", waiting("PodInitializing", "")),
            json!({"metadata": {"ownerReferences": null}, "spec": {"initContainers": [
                {"name": "migrate"}]}, "status": {"phase": "Pending", "initContainerStatuses": [
                merged(unready(age), json!({"name": "migrate"}))]}}),
        );
        let change = json!({"spec": {"activeDeadlineSeconds": seconds},
            "status": {"startTime": ago(age), "active": 1}});
        named(&[job("load", "", "", change), owned(pod, "Job", "load")])
    };
    assert_eq!(of_job(json!(3600), "30m"), ["job/load init-container-runs"]);
    assert_eq!(of_job(json!(3600), "61m"), ["job/load init-container-waits"]);
    assert_eq!(of_job(Value::Null, "30m"), ["job/load init-container-waits"]);
}

/// A native sidecar that starts for long holds up the containers after it.
#[test]
fn a_native_sidecar_that_starts_for_long_is_told() {
    let of = |policy: Value| {
        let status = merged(unready("5m"), json!({"name": "mesh", "started": false}));
        let pod = merged(
            ill_pod("web-a", waiting("PodInitializing", "")),
            json!({"metadata": {"creationTimestamp": ago("5m")},
                "spec": {"initContainers": [{"name": "mesh", "restartPolicy": policy,
                    "startupProbe": {"periodSeconds": 5, "failureThreshold": 100}}]},
                "status": {"phase": "Pending", "initContainerStatuses": [status]}}),
        );
        named(&web_with(pod))
    };
    assert_eq!(of(json!("Always")), ["deployment/web still-starting"]);
    assert_eq!(of(Value::Null), ["deployment/web init-container-waits"]);
}
