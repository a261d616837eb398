//! For every id a state that has it, and a near miss that has not.

use crate::build::*;
use jiff::SignedDuration;
use kube_diagnosis::{ids, title};
use serde_json::{Value, json};

/// An id, a state of it, and one that only looks like it.
type Row = (&'static str, Vec<Value>, Vec<Value>);

fn ill(container: Value) -> Vec<Value> {
    web_with(ill_pod("web-a", container))
}

fn and(mut objects: Vec<Value>, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
    objects.extend(more);
    objects
}

/// The Deployment with a pod that is being started on its node, and events of the pod.
fn starting<const N: usize>(events: [(&str, &str); N]) -> Vec<Value> {
    let objects = ill(waiting("ContainerCreating", ""));
    let events = events.map(|(reason, message)| event("Pod", "web-a", reason, "1m", message));
    and(objects, events)
}

/// A pod that its scheduler refuses with these words.
fn refused(message: &str) -> Vec<Value> {
    web_with(unscheduled("web-a", &format!("0/3 nodes are available: {message}.")))
}

/// A bare pod with this change.
fn bare(change: Value) -> Vec<Value> {
    vec![merged(pod("p", json!({"metadata": {"ownerReferences": null}})), change)]
}

fn failed(reason: &str) -> Vec<Value> {
    bare(json!({"status": {"phase": "Failed", "reason": reason, "message": "words",
        "conditions": null, "containerStatuses": null}}))
}

/// A pod of which containers run and the pod as a whole is in this condition.
fn stated(kind: &str, status: &str, reason: &str) -> Vec<Value> {
    bare(json!({"status": {"conditions": [{"type": kind, "status": status, "reason": reason,
        "message": "words", "lastTransitionTime": ago("1h")}]}}))
}

fn crash_rows() -> Vec<Row> {
    let probed = |probe: &str, reason: &str| {
        let spec = json!({"spec": {"containers": [{"name": "main", probe: {}}]}});
        let pod = merged(ill_pod("web-a", crashing("Error", 137)), spec);
        let killed = merged(
            of_main("web-a", "Killing", "61s", &format!("Container main failed {reason} probe")),
            json!({"type": "Normal"}),
        );
        and(web_with(pod), [killed])
    };
    let init = |container: Value| {
        let container = merged(container, json!({"name": "wait"}));
        web_with(merged(
            ill_pod("web-a", waiting("PodInitializing", "")),
            json!({"spec": {"initContainers": [{"name": "wait"}]},
                "status": {"initContainerStatuses": [container]}}),
        ))
    };
    let in_its_time = |mut objects: Vec<Value>| {
        let spec = json!({"spec": {"progressDeadlineSeconds": 1200}});
        objects[0] = merged(objects[0].clone(), spec);
        objects
    };
    let old = |reason: &str, code: i64| {
        let last = merged(
            running(),
            json!({"restartCount": 3, "lastState": ended(reason, code,
            "2h")}),
        );
        and(web(1, 1), [pod("web-a", json!({"status": {"containerStatuses": [last]}}))])
    };
    let once = |restarts: u64| {
        let last = merged(
            running(),
            json!({"restartCount": restarts, "lastState": ended("Error", 3, "3m"),
                "state": {"running": {"startedAt": ago("3m")}}}),
        );
        and(web(1, 1), [pod("web-a", json!({"status": {"containerStatuses": [last]}}))])
    };
    vec![
        ("oom-killed", ill(crashing("OOMKilled", 137)), old("OOMKilled", 137)),
        ("app-exit", ill(crashing("Error", 3)), old("Error", 3)),
        ("liveness-probe-kills", probed("livenessProbe", "liveness"), ill(crashing("Error", 1))),
        ("startup-probe-kills", probed("startupProbe", "startup"), ill(crashing("Error", 1))),
        ("recovered", once(1), once(2)),
        ("start-error", ill(crashing("StartError", 128)), ill(crashing("Error", 128))),
        ("exits-zero", ill(crashing("Completed", 0)), ill(crashing("Error", 1))),
        ("init-container-fails", init(crashing("Error", 1)), init(unready("10s"))),
        ("init-container-waits", init(unready("1h")), init(unready("10s"))),
        ("init-container-runs", in_its_time(init(unready("5m"))), init(unready("5m"))),
        (
            "post-start-hook-failed",
            ill(waiting("PostStartHookError", "words")),
            ill(waiting("ContainerCreating", "")),
        ),
        (
            "container-lost",
            ill(crashing("ContainerStatusUnknown", 137)),
            ill(crashing("Error", 137)),
        ),
        (
            "container-waiting",
            ill(waiting("SomethingNew", "words")),
            ill(waiting("PodInitializing", "")),
        ),
    ]
}

fn image_rows() -> Vec<Row> {
    let pull = |message: &str| ill(waiting("ErrImagePull", message));
    let config = |message: &str| ill(waiting("CreateContainerConfigError", message));
    let pulling = |when: &str| {
        let event = merged(
            of_main("web-a", "Pulling", when, "Pulling image"),
            json!({
            "type": "Normal"}),
        );
        and(ill(waiting("ContainerCreating", "")), [event])
    };
    let missing = || config("configmap \"app\" not found");
    vec![
        ("image-not-found", pull("manifest unknown"), pull("unauthorized")),
        ("image-name-invalid", ill(waiting("InvalidImageName", "words")), pull("not found")),
        ("image-pull-denied", pull("pull access denied"), pull("manifest unknown")),
        ("image-pull-failed", pull("something new"), pull("manifest unknown")),
        ("image-pull-slow", pulling("5m"), pulling("20s")),
        ("image-not-present", ill(waiting("ErrImageNeverPull", "words")), pull("not found")),
        ("image-wrong-platform", pull("no match for platform in manifest"), pull("not found")),
        ("registry-unreachable", pull("dial tcp 10.0.0.9:443: i/o timeout"), pull("not found")),
        ("registry-rate-limit", pull("toomanyrequests: words"), pull("unauthorized")),
        ("node-disk-full", pull("write /var/lib: no space left on device"), pull("not found")),
        ("config-missing", missing(), config("something new")),
        ("container-config-error", config("something new"), missing()),
        ("security-context-refused", config("image will run as root"), missing()),
    ]
}

fn start_rows() -> Vec<Row> {
    let mount = || starting([("FailedMount", "secret \"a\" not found")]);
    let young = json!({"metadata": {"creationTimestamp": ago("20s")},
        "status": {"startTime": ago("19s")}});
    vec![
        (
            "volume-mount-failed",
            mount(),
            and(mount(), [merged(of_main("web-a", "Pulled", "1m", ""), json!({"type": "Normal"}))]),
        ),
        ("volume-attach-failed", starting([("FailedAttachVolume", "Multi-Attach")]), mount()),
        ("sandbox-failed", starting([("FailedCreatePodSandBox", "cni")]), mount()),
        ("network-not-ready", starting([("NetworkNotReady", "cni")]), mount()),
        ("post-start-hook-runs", hook("Started"), hook("Created")),
        (
            "not-started",
            starting([]),
            web_with(merged(ill_pod("web-a", waiting("ContainerCreating", "")), young)),
        ),
    ]
}

fn scheduling_rows() -> Vec<Row> {
    let gated = |reason: &str| {
        web_with(merged(
            unscheduled("web-a", ""),
            json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": reason}]}}),
        ))
    };
    let silent = |age: &str| {
        web_with(merged(
            unscheduled("web-a", ""),
            json!({"metadata": {
            "creationTimestamp": ago(age)}, "status": {"conditions": null}}),
        ))
    };
    let cpu = || refused("3 Insufficient cpu");
    let labels = || refused("3 node(s) didn't match Pod's node affinity/selector");
    vec![
        ("insufficient-resources", cpu(), labels()),
        ("node-selector-mismatch", labels(), cpu()),
        ("taint-not-tolerated", refused("3 node(s) had untolerated taint {gpu: }"), cpu()),
        ("affinity-unsatisfied", refused("3 node(s) didn't match pod affinity rules"), labels()),
        (
            "topology-spread-unmet",
            refused("3 node(s) didn't match pod topology spread constraints"),
            labels(),
        ),
        ("host-port-taken", refused("3 node(s) didn't have free ports"), labels()),
        ("volume-unbound", refused("pod has unbound immediate PersistentVolumeClaims"), cpu()),
        ("volume-elsewhere", refused("3 node(s) had volume node affinity conflict"), labels()),
        ("volume-limit", refused("3 node(s) exceed max volume count"), cpu()),
        ("nodes-cordoned", refused("3 node(s) were unschedulable"), cpu()),
        ("no-nodes", web_with(unscheduled("web-a", "no nodes available to schedule pods")), cpu()),
        ("scheduling-gated", gated("SchedulingGated"), gated("Unschedulable")),
        ("not-scheduled", silent("5m"), silent("5s")),
        ("standby", leads("web-a_0b1c", Some("10s")), leads("other-a_0b1c", Some("10s"))),
        // nobody holds it any more, or nothing says so
        ("standby", leads("web-a", Some("2s")), leads("web-a", Some("16s"))),
        ("standby", leads("web-a", Some("2s")), leads("web-a", None)),
        ("standby", leads_since("1h"), leads_since("20h")),
        ("unschedulable", refused("3 something new"), cpu()),
    ]
}

fn pod_rows() -> Vec<Row> {
    let young = json!({"metadata": {"creationTimestamp": ago("10s")}});
    let probe = |name: &str| json!({"spec": {"containers": [{"name": "main", name: {}}]}});
    let starts = merged(unready("1h"), json!({"started": false}));
    let deleted = |when: &str| bare(json!({"metadata": {"deletionTimestamp": ago(when)}}));
    let of_web = |reason: &str, when: &str| {
        let gone = pod(
            "web-b",
            json!({"status": {"phase": "Failed", "reason": reason,
            "message": "words", "conditions": null, "containerStatuses": [merged(running(),
                json!({"state": ended("Error", 137, when)}))]}}),
        );
        and(web(1, 1), [pod("web-a", json!({})), gone])
    };
    let late = || json!([{"type": "Ready", "status": "False", "lastTransitionTime": ago("5m")}]);
    vec![
        (
            "readiness-failing",
            ill(unready("1h")),
            web_with(merged(ill_pod("web-a", unready("5s")), young)),
        ),
        (
            "startup-failing",
            web_with(merged(ill_pod("web-a", starts.clone()), probe("startupProbe"))),
            web_with(merged(ill_pod("web-a", starts), probe("readinessProbe"))),
        ),
        (
            "readiness-gate-unmet",
            stated("Ready", "False", "ReadinessGatesNotReady"),
            stated("Ready", "True", ""),
        ),
        (
            "stuck-terminating",
            deleted("10m"),
            bare(json!({"metadata": {"deletionTimestamp": ago("10s")}})),
        ),
        ("evicted", of_web("Evicted", "3m"), of_web("Evicted", "3h")),
        ("node-refused", of_web("UnexpectedAdmissionError", "3m"), of_web("NodeAffinity", "3h")),
        ("preempted", failed("Preempting"), failed("Evicted")),
        (
            "resize-infeasible",
            stated("PodResizePending", "True", "Infeasible"),
            stated("PodResizePending", "True", "Deferred"),
        ),
        (
            "disrupted",
            stated("DisruptionTarget", "True", "EvictionByEvictionAPI"),
            stated("DisruptionTarget", "False", ""),
        ),
        ("node-shutdown", failed("NodeShutdown"), of_web("NodeShutdown", "3m")),
        ("node-lost", failed("NodeLost"), failed("Evicted")),
        (
            "no-address",
            bare(json!({"status": {"podIP": null}})),
            bare(json!({"status": {"podIP": null, "startTime": ago("2s")}})),
        ),
        ("pod-failed", failed("SomethingNew"), failed("Evicted")),
        ("pod-deadline-exceeded", failed("DeadlineExceeded"), failed("Evicted")),
        (
            "pod-not-ready",
            bare(json!({"status": {"phase": "Pending", "conditions": late(),
                "containerStatuses": [merged(running(), json!({"ready": true}))]}})),
            bare(json!({"status": {"phase": "Pending", "conditions": null}})),
        ),
        ("governing-service-missing", peers("db"), peers("other")),
        ("peers-not-published", unpublished(json!(null)), unpublished(json!(true))),
        ("still-starting", begins("200s"), begins("100s")),
        ("rollout-in-progress", in_rollout(1), in_rollout(2)),
        ("kept-open", two("main", "side"), two("work", "side")),
        ("pod-not-ready", two("work", "istio-proxy"), two("main", "side")),
    ]
}

/// A Job of which so many pods run, and one has been terminating for four minutes.
fn hanging(active: i64) -> Vec<Value> {
    let status = json!({"status": {"active": active, "terminating": 1}});
    let leaves = json!({"metadata": {"ownerReferences": null,
        "deletionTimestamp": (now() + SignedDuration::from_mins(21)).to_string(),
        "deletionGracePeriodSeconds": 1500}});
    vec![job("import", "", "", status), owned(pod("import-x", leaves), "Job", "import")]
}

/// A StatefulSet that names a Service which does not exist, and a pod of it that looks for another
/// one below a name.
fn peers(name: &str) -> Vec<Value> {
    let message = format!("dial tcp: lookup db-1.{name}.n.svc on 10.0.0.10:53: no such host");
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let set = db(
        1,
        json!({"spec": {"serviceName": "db"}, "status": {"readyReplicas": 0,
        "availableReplicas": 0}}),
    );
    vec![set, db_pod(ill_pod("db-0", merged(crashing("Error", 1), last)))]
}

/// A budget of the pods with this label, of which its controller has seen none.
fn budget_of(app: &str) -> Vec<Value> {
    let budget = json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}},
        "status": {"expectedPods": 0, "disruptionsAllowed": 0}});
    and(web(1, 1), [pod("web-a", json!({})), object("PodDisruptionBudget", "b", budget)])
}

fn policy(spec: Value) -> Value {
    object("NetworkPolicy", "deny", merged(json!({"spec": {"podSelector": {}}}), spec))
}

/// A Service of a pod to which only these rules let anybody connect.
fn closed(ingress: Value) -> Vec<Value> {
    let policy = policy(json!({"spec": {"policyTypes": ["Ingress"], "ingress": ingress}}));
    and(web(1, 1), [pod("web-a", json!({})), service(json!({})), policy])
}

/// A Service that is an alias of one of its namespace.
fn alias(of: &str) -> Vec<Value> {
    alias_to(&format!("{of}.n.svc.cluster.local"))
}

fn alias_to(outside: &str) -> Vec<Value> {
    let spec = json!({"type": "ExternalName", "externalName": outside});
    let alias = object("Service", "alias", json!({"spec": spec}));
    and(web(1, 1), [pod("web-a", json!({})), service(json!({})), alias])
}

fn only_at(port: impl serde::Serialize) -> Value {
    json!([{"ports": [{"port": port}]}])
}

/// A pod that cannot resolve a name and may connect by these rules only.
fn mute(egress: Value) -> Vec<Value> {
    let message = "lookup db.n.svc on 10.0.0.10:53: Temporary failure in name resolution";
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let policy = policy(json!({"spec": {"policyTypes": ["Egress"], "egress": egress}}));
    and(web_with(ill_pod("web-a", merged(crashing("Error", 1), last))), [policy])
}

/// A container of which this is the last that the kubelet has said.
fn hook(reason: &str) -> Vec<Value> {
    let mut all = web_with(ill_pod("web-a", waiting("ContainerCreating", "")));
    all.push(merged(of_main("web-a", reason, "5m", "Container main"), json!({"type": "Normal"})));
    all
}

/// Two pods that look for each other, whose headless Service publishes them before they are ready
/// or not.
fn unpublished(publishes: Value) -> Vec<Value> {
    let service = json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None",
        "publishNotReadyAddresses": publishes}});
    let other = db_pod(ill_pod("db-1", crashing("Error", 1)));
    [peers("db"), vec![other, service_of_db(service)]].concat()
}

fn service_of_db(change: Value) -> Value {
    merged(service(json!({"spec": {"selector": {"app": "db"}}})), change)
}

/// A pod whose startup probe has five minutes and has not passed for so long.
fn begins(since: &str) -> Vec<Value> {
    let container = merged(unready(since), json!({"started": false}));
    bare(
        json!({"metadata": {"creationTimestamp": ago(since)}, "spec": {"containers": [{"name": "main",
        "startupProbe": {"periodSeconds": 5, "failureThreshold": 60}}]},
        "status": {"containerStatuses": [container], "conditions": [{"type": "Ready",
            "status": "False", "lastTransitionTime": ago(since)}]}}),
    )
}

/// A rollout beside one pod of the earlier revision, of two pods of which so many are available.
fn in_rollout(available: i64) -> Vec<Value> {
    let mut all = web(2, available);
    let goes_on = json!({"status": {"conditions": [{"type": "Progressing", "status": "True",
        "reason": "ReplicaSetUpdated"}]}});
    all[0] = merged(all[0].clone(), goes_on);
    let new = json!({"metadata": {"creationTimestamp": ago("5m")}});
    let new = owned(merged(ill_pod("web-b", unready("5m")), new), "ReplicaSet", "web-2");
    let set = owned(object("ReplicaSet", "web-2", json!({})), "Deployment", "web");
    let failed = of_main("web-b", "Unhealthy", "1s", "Readiness probe failed: words");
    and(all, [pod("web-a", json!({})), set, new, failed])
}

/// A pod that is not started again, of which one container has completed and another one runs.
fn two(done: &str, runs: &str) -> Vec<Value> {
    let completed = json!({"name": done, "ready": false, "started": false,
        "state": {"running": null, "terminated": {"reason": "Completed", "exitCode": 0}}});
    bare(json!({"spec": {"restartPolicy": "Never", "containers": [{"name": done}, {"name": runs}]},
        "status": {"conditions": [{"type": "Ready", "status": "False",
            "reason": "ContainersNotReady", "lastTransitionTime": ago("10m")}],
            "containerStatuses": [merged(running(), completed),
                merged(running(), json!({"name": runs}))]}}))
}

fn workload_rows() -> Vec<Row> {
    let denied = |message: &str| {
        let mut objects = web(2, 0);
        objects[1] = merged(objects[1].clone(), json!({"status": {"replicas": 0}}));
        and(
            objects,
            [event(
                "ReplicaSet",
                "web-1",
                "FailedCreate",
                "1m",
                &format!("Error creating: {message}"),
            )],
        )
    };
    let change = |change: Value| vec![merged(web(1, 0).remove(0), change)];
    let paused = |template: Value| {
        let pause = json!({"spec": {"paused": true, "template": template}});
        vec![merged(web(1, 1).remove(0), pause), web(1, 1).remove(1), pod("web-a", json!({}))]
    };
    let stuck = |old: i64| {
        let status = json!({"status": {"replicas": 1 + old, "updatedReplicas": 1,
            "availableReplicas": old, "conditions": [{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "words"}]}});
        vec![merged(web(1, 0).remove(0), status), ill_pod("web-a", crashing("Error", 1))]
    };
    let db_of = |second: Value| {
        vec![
            db(3, json!({"status": {"replicas": 1, "readyReplicas": 0, "availableReplicas": 0}})),
            db_pod(second),
        ]
    };
    let db_rolls = |third: Value| {
        let new = json!({"metadata": {"labels": {"controller-revision-hash": "db-2"}}});
        vec![
            db(
                3,
                json!({"status": {"updateRevision": "db-2", "readyReplicas": 2,
                "availableReplicas": 2}}),
            ),
            db_pod(pod("db-0", json!({}))),
            db_pod(pod("db-1", json!({}))),
            merged(db_pod(third), new),
        ]
    };
    let daemons_roll = |most: Value| {
        let set = json!({"metadata": {"annotations": {
            "deprecated.daemonset.template.generation": "2"}}, "spec": {"template": {"spec": {}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {
            "maxUnavailable": most}}}, "status": {"observedGeneration": 1,
            "desiredNumberScheduled": 4, "currentNumberScheduled": 4, "updatedNumberScheduled": 1,
            "numberReady": 3, "numberAvailable": 3}});
        let of = |pod: Value, generation: &str| {
            owned(
                merged(
                    pod,
                    json!({"metadata": {"labels": {
                "pod-template-generation": generation}}}),
                ),
                "DaemonSet",
                "agent",
            )
        };
        vec![
            object("DaemonSet", "agent", set),
            of(ill_pod("agent-a", crashing("Error", 1)), "2"),
            of(pod("agent-b", json!({})), "1"),
            of(pod("agent-c", json!({})), "1"),
            of(pod("agent-d", json!({})), "1"),
        ]
    };
    let daemons = |desired: i64| {
        vec![object(
            "DaemonSet",
            "agent",
            json!({"spec": {"template": {"spec": {
            "nodeSelector": {"gpu": "true"}}}}, "status": {"observedGeneration": 1,
            "desiredNumberScheduled": desired, "currentNumberScheduled": desired,
            "numberReady": desired, "numberAvailable": desired}}),
        )]
    };
    vec![
        (
            "quota-exceeded",
            denied("pods \"web-x\" is forbidden: exceeded quota: small, requested: pods=1"),
            denied("something new"),
        ),
        (
            "quota-needs-resources",
            denied("pods \"web-x\" is forbidden: failed quota: small: must specify cpu"),
            denied("something new"),
        ),
        (
            "admission-denied",
            denied("admission webhook \"p\" denied the request: no"),
            denied("failed calling webhook \"p\": no endpoints available"),
        ),
        (
            "admission-webhook-unavailable",
            denied("failed calling webhook \"p\": no endpoints available"),
            denied("admission webhook \"p\" denied the request: no"),
        ),
        (
            "service-account-missing",
            denied("error looking up service account n/a: serviceaccount \"a\" not found"),
            denied("something new"),
        ),
        ("pods-not-created", denied("something new"), web(2, 2)),
        (
            "not-processed",
            change(json!({"metadata": {"generation": 3, "managedFields": [{"time": ago("1h")}]}})),
            change(json!({"metadata": {"generation": 3, "managedFields": [{"time": ago("5s")}]}})),
        ),
        (
            "not-processed",
            vec![
                db(1, json!({"status": null})),
                db(
                    2,
                    json!({"metadata": {"name": "new"},
                "status": {"observedGeneration": null, "replicas": 0, "availableReplicas": 0,
                "readyReplicas": null, "currentRevision": null, "updateRevision": null}}),
                ),
            ],
            vec![db(1, json!({"status": null}))],
        ),
        (
            "ordinal-blocks-others",
            db_of(ill_pod("db-0", unready("1h"))),
            db_of(merged(
                ill_pod("db-0", unready("5s")),
                json!({"metadata": {
                "creationTimestamp": ago("10s")}}),
            )),
        ),
        ("no-node-eligible", daemons(0), daemons(1)),
        (
            "pods-unavailable",
            web(2, 1),
            change(json!({"metadata": {"creationTimestamp": ago("30s")}})),
        ),
        ("rollout-paused", paused(json!({"spec": {"priority": 1}})), paused(json!({}))),
        ("rollout-stuck", stuck(1), stuck(0)),
        // a Deployment that recreates its pods waits for the one that leaves
        ("pods-terminating", and(web(1, 0), [leaving("20m")]), and(web(1, 0), [leaving("1m")])),
        ("pods-terminating", hanging(0), hanging(1)),
        // one pod of the new revision holds up the others
        (
            "rollout-stuck",
            db_rolls(ill_pod("db-2", crashing("Error", 1))),
            db_rolls(merged(
                ill_pod("db-2", unready("5s")),
                json!({"metadata": {
                "creationTimestamp": ago("10s")}}),
            )),
        ),
        ("rollout-stuck", daemons_roll(json!(1)), daemons_roll(json!("50%"))),
    ]
}

/// A pod that was asked to go so long ago and may take half an hour.
fn leaving(since: &str) -> Value {
    let minutes: i64 = since.trim_end_matches('m').parse().unwrap();
    let until = now() + SignedDuration::from_mins(30 - minutes);
    pod(
        "web-a",
        json!({"metadata": {"deletionTimestamp": until.to_string(),
        "deletionGracePeriodSeconds": 1800}}),
    )
}

/// One of three pods is ready, and this one holds the lease, which lasts for 15 seconds.
fn leads(holder: &str, renewed: Option<&str>) -> Vec<Value> {
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 15,
        "renewTime": renewed.map(ago)});
    let lease = object("Lease", "web", json!({"spec": spec}));
    let never = |name: &str| ill_pod(name, unready("1h"));
    and(and(web(3, 1), [pod("web-a", json!({})), lease]), [never("web-b"), never("web-c")])
}

/// The same, of two pods that were ready until an hour ago; the lease was taken at this time.
fn leads_since(acquired: &str) -> Vec<Value> {
    let mut all = leads("web-a", Some("2s"));
    for pod in
        all.iter_mut().filter(|one| one["kind"] == "Pod" && one["metadata"]["name"] != "web-a")
    {
        pod["status"]["containerStatuses"][0] = unready("20h");
    }
    for lease in all.iter_mut().filter(|one| one["kind"] == "Lease") {
        lease["spec"]["acquireTime"] = ago(acquired).into();
    }
    all
}

fn job_rows() -> Vec<Row> {
    let suspended =
        |condition: &str| vec![job("import", condition, "", json!({"spec": {"suspend": true}}))];
    let last = |time: &str| json!({"status": {"lastScheduleTime": time}});
    let active = |policy: &str| {
        vec![merged(
            cronjob(last("2026-01-14T02:00:00Z")),
            json!({"spec": {"concurrencyPolicy": policy},
                "status": {"active": [{"name": "nightly-1"}]}}),
        )]
    };
    let runs = |status: Value| {
        let made = json!({"metadata": {"creationTimestamp": ago("10d")}, "status": status});
        vec![cronjob(made)]
    };
    let every_minute = |last: &str| {
        let spec = json!({"spec": {"concurrencyPolicy": "Forbid", "schedule": "* * * * *"},
            "status": {"lastScheduleTime": format!("2026-01-15T{last}Z"),
            "active": [{"name": "nightly-1"}]}});
        let refused = merged(
            event("CronJob", "nightly", "JobAlreadyActive", "60s", "Not starting job"),
            json!({"type": "Normal"}),
        );
        vec![cronjob(spec), refused]
    };
    let created = |kind: &str, reason: &str, when: &str| {
        merged(
            event("CronJob", "nightly", reason, when, "is forbidden: exceeded quota"),
            json!({
            "type": kind}),
        )
    };
    vec![
        (
            "job-failed",
            vec![job("import", "Failed", "BackoffLimitExceeded", json!({}))],
            vec![job("import", "Complete", "", json!({"status": {"failed": 2}}))],
        ),
        ("suspended", suspended("Suspended"), suspended("Complete")),
        (
            "suspended",
            vec![job("import", "", "", json!({"spec": {"parallelism": 0}}))],
            vec![job("import", "Complete", "", json!({"spec": {"parallelism": 0}}))],
        ),
        (
            "cronjob-suspended",
            vec![cronjob(json!({"spec": {"suspend": true}}))],
            vec![cronjob(json!({"spec": {"suspend": false}}))],
        ),
        (
            "jobs-not-created",
            vec![cronjob(json!({})), created("Warning", "FailedCreate", "5m")],
            vec![
                cronjob(json!({})),
                created("Warning", "FailedCreate", "5m"),
                created("Normal", "SuccessfulCreate", "4m"),
            ],
        ),
        ("overlap-forbidden", active("Forbid"), active("Allow")),
        // the next run waits since a minute for the end of the one before
        ("overlap-forbidden", every_minute("11:54:00"), every_minute("11:58:00")),
        (
            "missed-schedule",
            vec![cronjob(last("2026-01-14T02:00:00Z"))],
            vec![cronjob(last("2026-01-15T02:00:00Z"))],
        ),
        // their Jobs are gone
        (
            "runs-without-success",
            runs(json!({"lastSuccessfulTime": null})),
            runs(json!({"lastSuccessfulTime": "2026-01-14T02:01:00Z"})),
        ),
        (
            "schedule-never-due",
            vec![cronjob(json!({"spec": {"schedule": "0 0 31 2 *"}}))],
            vec![cronjob(json!({"spec": {"schedule": "0 0 29 2 *"}, "status": null}))],
        ),
        // the zone of the controller is not known, and its last run is of no time of the schedule
        (
            "missed-schedule",
            vec![cronjob(json!({"spec": {"schedule": "0 23 * * *", "timeZone": "Etc/UTC"},
                "status": {"lastScheduleTime": "2026-01-13T21:00:00Z"}}))],
            vec![cronjob(json!({"spec": {"schedule": "0 23 * * *"},
                "status": {"lastScheduleTime": "2026-01-13T23:30:00Z"}}))],
        ),
        // a schedule that was changed after the run that it would have asked for
        (
            "missed-schedule",
            vec![cronjob(json!({"spec": {"schedule": "*/5 * * * *"},
                "status": {"lastScheduleTime": "2026-01-15T11:30:00Z"}}))],
            vec![cronjob(json!({"spec": {"schedule": "*/5 * * * *"},
                "metadata": {"managedFields": [{"time": "2026-01-15T11:56:00Z"}]},
                "status": {"lastScheduleTime": "2026-01-15T11:30:00Z"}}))],
        ),
    ]
}

fn service_rows() -> Vec<Row> {
    let healthy = |change: Value| and(web(1, 1), [pod("web-a", json!({})), service(change)]);
    let balancer = |status: Value| {
        healthy(json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": status}}))
    };
    let ingress = |port: u64| {
        and(
            healthy(json!({})),
            [object(
                "Ingress",
                "shop",
                json!({"spec": {"rules": [{"http": {
            "paths": [{"backend": {"service": {"name": "web", "port": {"number": port}}}}]}}]}}),
            )],
        )
    };
    vec![
        (
            "selector-matches-nothing",
            healthy(json!({"spec": {"selector": {"app": "wbe"}}})),
            healthy(json!({})),
        ),
        (
            "target-port-mismatch",
            healthy(json!({"spec": {"ports": [{"port": 80, "targetPort": "https"}]}})),
            healthy(json!({})),
        ),
        (
            "no-ready-endpoints",
            and(ill(crashing("Error", 1)), [service(json!({}))]),
            and(ill(crashing("Error", 1)), [pod("web-b", json!({})), service(json!({}))]),
        ),
        (
            "no-endpoints",
            and(web(1, 1), [service(json!({"spec": {"selector": {"pod-template-hash": "2"}}}))]),
            and(web(1, 1), [pod("web-a", json!({})), service(json!({}))]),
        ),
        (
            "scaled-to-zero",
            and(web(0, 0), [service(json!({}))]),
            // one that is scaled to 0, and another one of which pods are still to come
            and(
                web(0, 0),
                [
                    merged(
                        web(1, 0).remove(0),
                        json!({"metadata": {"name": "web-green", "creationTimestamp": ago("5s")}}),
                    ),
                    service(json!({})),
                ],
            ),
        ),
        (
            "load-balancer-pending",
            balancer(json!({})),
            balancer(json!({"ingress": [{"ip":
            "192.0.2.1"}]})),
        ),
        // an unnamed port has the same name as a backend that gives a number, namely none
        ("backend-missing", ingress(8080), ingress(80)),
        ("ingress-class-missing", classed("other", json!({})), classed("nginx", json!({}))),
        // somebody serves it all the same
        (
            "ingress-class-missing",
            classed("other", json!({})),
            classed("other", json!({"ingress": [{"ip": "192.0.2.1"}]})),
        ),
        ("ingress-unclassed", classed("", json!({})), classed("nginx", json!({}))),
    ]
}

/// An Ingress of this class, in a cluster that has the class `nginx`, with the status of its load
/// balancer.
fn classed(class: &str, balancer: Value) -> Vec<Value> {
    vec![
        object("IngressClass", "nginx", json!({})),
        object(
            "Ingress",
            "shop",
            json!({"metadata": {"creationTimestamp": ago("1h")},
                "spec": {"ingressClassName": class}, "status": {"loadBalancer": balancer}}),
        ),
    ]
}

fn scaling_rows() -> Vec<Row> {
    let hpa = |kind: &str, status: &str, reason: &str, message: &str, replicas: i64| {
        vec![object(
            "HorizontalPodAutoscaler",
            "web",
            json!({"spec": {"maxReplicas": 5,
            "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
            "status": {"currentReplicas": replicas, "conditions": [{"type": kind,
            "status": status, "reason": reason, "message": message,
            "lastTransitionTime": ago("1h")}]}}),
        )]
    };
    let quota = |used: &str| {
        vec![object(
            "ResourceQuota",
            "small",
            json!({"spec": {"scopes": ["BestEffort"]},
            "status": {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": used}}}),
        )]
    };
    let api = |status: &str| {
        vec![object(
            "APIService",
            "v1beta1.metrics.k8s.io",
            json!({"status": {"conditions": [
            {"type": "Available", "status": status, "reason": "MissingEndpoints",
            "message": "endpoints have no addresses"}]}}),
        )]
    };
    let budget = |spec: Value, healthy: [i64; 3], reason: &str| {
        vec![object(
            "PodDisruptionBudget",
            "web",
            json!({"spec": spec, "status": {
            "disruptionsAllowed": 0, "currentHealthy": healthy[0], "desiredHealthy": healthy[1],
            "expectedPods": healthy[2], "conditions": [{"type": "DisruptionAllowed",
            "status": "False", "reason": reason, "lastTransitionTime": ago("1h")}]}}),
        )]
    };
    let least = || json!({"minAvailable": 2});
    let two_budgets = |label: &str| {
        let of = |name: &str, label: &str| {
            let spec = json!({"spec": {"selector": {"matchLabels": {"app": label}}}});
            object("PodDisruptionBudget", name, spec)
        };
        and(web(1, 1), [pod("web-a", json!({})), of("a", "web"), of("b", label)])
    };
    vec![
        (
            "hpa-target-missing",
            hpa("AbleToScale", "False", "FailedGetScale", "deployments.apps \"web\" not found", 0),
            hpa("AbleToScale", "False", "FailedGetScale", "forbidden", 0),
        ),
        (
            "hpa-scale-failed",
            hpa("AbleToScale", "False", "FailedUpdateScale", "forbidden", 1),
            hpa("AbleToScale", "False", "BackoffBoth", "", 1),
        ),
        (
            "hpa-metrics-unavailable",
            hpa("ScalingActive", "False", "FailedGetResourceMetric", "missing request for cpu", 1),
            hpa("ScalingActive", "False", "ScalingDisabled", "", 0),
        ),
        (
            "hpa-disabled",
            hpa("ScalingActive", "False", "ScalingDisabled", "", 0),
            hpa("ScalingActive", "True", "ValidMetricFound", "", 0),
        ),
        (
            "hpa-maxed-out",
            hpa("ScalingLimited", "True", "TooManyReplicas", "", 5),
            hpa("ScalingLimited", "True", "TooFewReplicas", "", 5),
        ),
        ("api-service-unavailable", api("False"), api("True")),
        (
            "disruption-blocked",
            budget(least(), [1, 2, 3], "InsufficientPods"),
            budget(least(), [2, 2, 3], "InsufficientPods"),
        ),
        (
            "disruption-unknown",
            budget(least(), [0, 0, 0], "SyncFailed"),
            budget(least(), [0, 0, 0], "InsufficientPods"),
        ),
        (
            "disruption-never-allowed",
            budget(json!({"maxUnavailable": 0}), [2, 2, 2], "InsufficientPods"),
            budget(least(), [2, 2, 3], "InsufficientPods"),
        ),
        (
            "disruption-never-allowed",
            budget(json!({"maxUnavailable": 1}), [1, 0, 0], "InsufficientPods"),
            budget(json!({"maxUnavailable": 1}), [0, 0, 0], "InsufficientPods"),
        ),
        ("disruption-budgets-overlap", two_budgets("web"), two_budgets("api")),
        ("disruption-budget-unused", budget_of("webb"), budget_of("web")),
        ("alias-of-nothing", alias("db"), alias("web")),
        ("alias-unresolvable", alias_to("10.1.2.3"), alias_to("db.example.com")),
        ("alias-unresolvable", alias("alias"), alias("web")),
        ("ingress-denied", closed(json!([])), closed(json!([{}]))),
        ("ingress-denied", closed(only_at(9999)), closed(only_at(8080))),
        ("ingress-denied", closed(only_at("web")), closed(only_at("http"))),
        ("policy-allows-service-port", closed(only_at(80)), closed(only_at(8080))),
        ("dns-denied", mute(json!([{"ports": [{"port": 443}]}])), mute(json!([{"to": []}]))),
        ("dns-denied", mute(json!([{"to": [{"podSelector": {}}]}])), mute(json!([{}]))),
        ("quota-exhausted", quota("2"), quota("1900m")),
    ]
}

fn volume_rows() -> Vec<Row> {
    let with = |change: Value, reason: &str| {
        vec![claim(change), class(), event("PersistentVolumeClaim", "data", reason, "1m", "words")]
    };
    let stats = |free: i64, inodes: i64| {
        vec![
            claim(json!({"status": {"phase": "Bound"}})),
            json!({"kind": "VolumeStats", "metadata": {"namespace": "n"}, "claim": "data",
            "capacity_bytes": 10_737_418_240_i64, "available_bytes": free, "inodes": 1000,
            "inodes_free": inodes}),
        ]
    };
    let larger = |asked: &str| {
        with(
            json!({"spec": {"resources": {"requests": {"storage": asked}}},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}),
            "VolumeResizeFailed",
        )
    };
    vec![
        ("storage-class-missing", vec![claim(json!({}))], vec![claim(json!({})), class()]),
        (
            "volume-provisioning-failed",
            with(json!({}), "ProvisioningFailed"),
            with(json!({}), "WaitForFirstConsumer"),
        ),
        (
            "volume-provisioning-failed",
            with(json!({}), "ProvisioningFailed"),
            // what failed before it waits for its first consumer is over
            [
                with(json!({}), "WaitForFirstConsumer"),
                vec![event("PersistentVolumeClaim", "data", "ProvisioningFailed", "2m", "words")],
            ]
            .concat(),
        ),
        (
            "volume-not-bound",
            with(json!({"spec": {"volumeName": "pv-1"}}), "FailedBinding"),
            with(json!({"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}), "x"),
        ),
        (
            "volume-not-bound",
            with(json!({"spec": {"storageClassName": ""}}), "FailedBinding"),
            with(json!({"spec": {"storageClassName": ""}}), "WaitForFirstConsumer"),
        ),
        ("volume-resize-failed", larger("2Gi"), larger("1024Mi")),
        ("volume-filling-up", stats(536_870_912, 900), stats(2_147_483_648, 900)),
        ("volume-filling-up", stats(2_147_483_648, 50), stats(2_147_483_648, 200)),
        (
            "volume-lost",
            vec![claim(json!({"status": {"phase": "Lost"}}))],
            vec![claim(json!({"status": {"phase": "Bound"}}))],
        ),
    ]
}

fn certificate_rows() -> Vec<Row> {
    let shop = |certificate: Value| {
        let base = json!({"subject": "CN=shop", "names": ["shop.example.com"],
            "not_before": ago("80d"), "not_after": "2026-06-01T00:00:00Z", "key_fits": true});
        vec![
            object(
                "Ingress",
                "shop",
                json!({"spec": {"tls": [{"hosts": ["shop.example.com"],
                "secretName": "shop-tls"}]}}),
            ),
            object("Secret", "shop-tls", json!({"certificate": merged(base, certificate)})),
        ]
    };
    let issued = |status: &str, when: &str| {
        vec![object(
            "Certificate",
            "shop-tls",
            json!({"spec": {"secretName": "shop-tls"},
            "status": {"conditions": [{"type": "Ready", "status": status, "reason": "Pending",
            "message": "words", "lastTransitionTime": ago(when)}]}}),
        )]
    };
    let custom =
        |phase: &str| vec![object("CustomResource", "db", json!({"status": {"phase": phase}}))];
    let end = |time: &str| json!({"not_after": time});
    vec![
        ("certificate-not-issued", issued("False", "1h"), issued("False", "1m")),
        ("custom-resource-unhealthy", custom("Failed"), custom("Reconciling")),
        ("certificate-missing", vec![shop(json!({})).remove(0)], shop(json!({}))),
        ("certificate-invalid", shop(json!({"error": "not PEM"})), shop(json!({}))),
        (
            "certificate-expired",
            shop(end("2026-01-15T11:59:59Z")),
            shop(end("2026-01-15T12:00:01Z")),
        ),
        (
            "certificate-expiring",
            shop(end("2026-01-25T00:00:00Z")),
            shop(end("2026-02-15T00:00:00Z")),
        ),
        (
            "certificate-expiring",
            shop(json!({"not_before": ago("23h"), "not_after": "2026-01-15T13:00:00Z"})),
            shop(json!({"not_before": ago("16h"), "not_after": "2026-01-15T20:00:00Z"})),
        ),
        (
            "certificate-not-yet-valid",
            shop(json!({"not_before": "2026-01-16T00:00:00Z"})),
            shop(json!({})),
        ),
        (
            "certificate-host-mismatch",
            shop(json!({"names": ["*.shop.example.com"]})),
            shop(json!({"names": ["*.EXAMPLE.com"]})),
        ),
        ("certificate-key-mismatch", shop(json!({"key_fits": false})), shop(json!({}))),
    ]
}

fn cluster_rows() -> Vec<Row> {
    let node_in = |kind: &str, status: &str, age: &str| {
        vec![node(
            "w1",
            json!({"metadata": {"creationTimestamp": ago(age)},
            "status": {"conditions": [{"type": kind, "status": status, "reason": "r",
            "message": "words"}]}}),
        )]
    };
    let space = |kind: &str, when: &str| {
        vec![object(
            "Namespace",
            "n",
            json!({"metadata": {"namespace": null,
            "deletionTimestamp": ago(when)}, "status": {"phase": "Terminating",
            "conditions": [{"type": kind, "status": "True", "reason": "r",
            "message": "words"}]}}),
        )]
    };
    let leaving = |when: &str| {
        vec![
            claim(json!({"metadata": {"deletionTimestamp": ago(when),
            "finalizers": ["kubernetes.io/pvc-protection"]}, "status": {"phase": "Bound"}})),
            class(),
        ]
    };
    vec![
        (
            "finalizers-remaining",
            space("NamespaceFinalizersRemaining", "5m"),
            space("NamespaceFinalizersRemaining", "5s"),
        ),
        ("finalizers-remaining", leaving("10m"), leaving("1m")),
        (
            "namespace-not-emptied",
            space("NamespaceDeletionDiscoveryFailure", "5m"),
            space("NamespaceFinalizersRemaining", "5m"),
        ),
        ("node-not-ready", node_in("Ready", "Unknown", "1d"), node_in("Ready", "False", "30s")),
        (
            "node-pressure",
            node_in("DiskPressure", "True", "1d"),
            node_in("DiskPressure", "False", "1d"),
        ),
        (
            "node-network-unavailable",
            node_in("NetworkUnavailable", "True", "1d"),
            node_in("NetworkUnavailable", "False", "1d"),
        ),
        (
            "node-problem",
            node_in("ReadonlyFilesystem", "True", "1d"),
            node_in("EtcdIsVoter", "True", "1d"),
        ),
        (
            "node-cordoned",
            vec![node("w1", json!({"spec": {"unschedulable": true}}))],
            vec![node("w1", json!({}))],
        ),
    ]
}

fn rows() -> Vec<Row> {
    let all = [
        crash_rows(),
        image_rows(),
        start_rows(),
        scheduling_rows(),
        pod_rows(),
        workload_rows(),
        job_rows(),
        service_rows(),
        scaling_rows(),
        volume_rows(),
        certificate_rows(),
        cluster_rows(),
    ];
    all.into_iter().flatten().collect()
}

/// Ids that need a port that was tried.
const OF_PORTS: &[&str] = &["not-listening", "listens-on-loopback"];

#[test]
fn each_id_is_told_from_its_near_miss() {
    let mut wrong: Vec<String> = Vec::new();
    for (id, ill, near) in rows() {
        let has = |objects: &[Value]| found(objects).causes.iter().any(|cause| cause.id == id);
        if !has(&ill) {
            wrong.push(format!("{id} is not named, but {:?}", named(&ill)));
        }
        if has(&near) {
            wrong.push(format!("{id} is named of a near miss"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_id_has_a_row() {
    let rows = rows();
    let without: Vec<&str> =
        ids().filter(|id| !rows.iter().any(|row| row.0 == *id) && !OF_PORTS.contains(id)).collect();
    assert_eq!(without, Vec::<&str>::new());
}

/// What an operator reads: the object, the title and a detail, each once and of moderate length.
#[test]
fn every_cause_can_be_read() {
    for (id, ill, _) in rows() {
        for cause in found(&ill).causes {
            let sentence = cause.sentence();
            assert!(!cause.hint.is_empty() && !cause.evidence.is_empty(), "{id}: {cause:?}");
            assert!(sentence.chars().count() < 500 && !sentence.contains('\n'), "{sentence}");
            let title = title(cause.id).unwrap();
            assert_eq!(sentence.matches(title).count(), 1, "{sentence}");
            assert!(!cause.hint.ends_with('.') && !title.ends_with('.'), "{}", cause.hint);
        }
    }
}

#[test]
fn what_keeps_a_pod_from_its_scheduler_or_its_start_is_said() {
    let missing = "PodResourceClaim gpu: resourceclaimtemplate \"gpu\" not found";
    let unseen = merged(
        unscheduled("web-a", ""),
        json!({"metadata": {"creationTimestamp": ago("5m")}, "status": {"conditions": null}}),
    );
    let claim = event("Pod", "web-a", "FailedResourceClaimCreation", "5m", missing);
    let started = merged(
        of_main("web-a", "Started", "10m", "Started container main"),
        json!({"type": "Normal"}),
    );
    for (objects, said) in [
        (and(web_with(unseen), [claim]), "resourceclaimtemplate \"gpu\" not found"),
        (and(starting([]), [started]), "and its postStart hook has not ended"),
    ] {
        let found = found(&objects);
        let sentences: Vec<String> =
            found.causes.iter().map(kube_diagnosis::Cause::sentence).collect();
        assert!(sentences.len() == 1 && sentences[0].contains(said), "{sentences:?}");
    }
}

#[test]
fn a_replication_controller_is_a_workload_too() {
    let legacy = |replicas: i64| {
        object(
            "ReplicationController",
            "legacy",
            json!({"spec": {"replicas": replicas, "selector": {"app": "web"},
                "template": {"metadata": {"labels": {"app": "web"}}}},
            "status": {"observedGeneration": 1, "replicas": 0}}),
        )
    };
    let denied = event(
        "ReplicationController",
        "legacy",
        "FailedCreate",
        "1m",
        "Error creating: pods \"legacy-\" is forbidden: denied by policy",
    );
    assert_eq!(
        named(&[legacy(2), denied, service(json!({}))])[..1],
        ["replicationcontroller/legacy admission-denied"]
    );
    assert_eq!(named(&[legacy(0), service(json!({}))]), ["service/web scaled-to-zero"]);
}

#[test]
fn what_is_wrong_with_the_job_that_still_runs_is_the_cause_of_what_it_keeps() {
    let nightly = cronjob(json!({"spec": {"concurrencyPolicy": "Forbid"},
        "status": {"lastScheduleTime": "2026-01-14T02:00:00Z", "active": [{"name": "nightly-1"}]}}));
    let job = job("nightly-1", "", "", json!({}));
    let pod = owned(
        merged(
            ill_pod("nightly-1-a", crashing("Error", 1)),
            json!({"metadata": {"ownerReferences": null}}),
        ),
        "Job",
        "nightly-1",
    );
    let found = found(&[nightly, job, pod]);
    let kept = found.causes.iter().find(|cause| cause.id == "overlap-forbidden").unwrap();
    let of = kept.follows_from.as_ref().map(|(object, id)| format!("{object} {id}"));
    assert_eq!(of.as_deref(), Some("job/nightly-1 app-exit"));
}
