//! States of a real cluster (Kubernetes 1.35) of which something else was said than what was true.

use crate::build::*;
use kube_diagnosis::{Cause, PortState, Snapshot, diagnose, wanted_ports};
use serde_json::{Value, json};

fn and(mut objects: Vec<Value>, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
    objects.extend(more);
    objects
}

/// The only cause of this id that follows from no other.
#[track_caller]
fn one(objects: &[Value], id: &str) -> Cause {
    let all = found(objects).causes;
    let own = |cause: &&Cause| cause.id == id && cause.follows_from.is_none();
    let fits: Vec<&Cause> = all.iter().filter(own).collect();
    assert_eq!(fits.len(), 1, "{id}: {:?}", named(objects));
    fits[0].clone()
}

/// A StatefulSet of which one pod is of a revision that was taken back.
fn reverted(change: Value, second: Value) -> Vec<Value> {
    let bad = json!({"metadata": {"labels": {"controller-revision-hash": "db-bad"}}});
    vec![
        merged(db(2, json!({"status": {"readyReplicas": 1, "availableReplicas": 1}})), change),
        db_pod(pod("db-0", json!({}))),
        merged(db_pod(second), bad),
    ]
}

#[test]
fn a_statefulset_does_not_replace_the_pod_of_a_change_that_was_taken_back() {
    let ill = || ill_pod("db-1", unready("1h"));
    let cause = one(&reverted(json!({}), ill()), "rollout-stuck");
    let sentence = cause.sentence();
    assert!(sentence.contains("db-1 of an earlier revision is not ready"), "{sentence}");
    assert_eq!(cause.hint, "delete the pod: kubectl delete pod -n n db-1");
    assert_eq!(cause.pods, ["db-1"]);
    let forward = |change: Value| {
        let new = json!({"status": {"updateRevision": "db-bad"}});
        one(&reverted(merged(new, change), ill()), "rollout-stuck").hint
    };
    // which revision has worked, and whether the pod has to be deleted, is the runbook's to find out
    let back =
        "roll back: runbook run kubernetes/rollback --set namespace=n --set target=statefulset/db";
    for change in [json!({}), json!({"spec": {"podManagementPolicy": "Parallel"}})] {
        let hint = forward(change);
        assert!(hint.ends_with(back), "{hint}");
    }
    // the pods below the partition have nothing to do with it
    let partition = json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}});
    one(&reverted(partition, ill()), "rollout-stuck");
    // a pod without a readiness probe that is held up by something else than a container
    let unexplained = pod(
        "db-1",
        json!({"status": {"conditions": [{"type": "Ready", "status": "False",
            "reason": "ContainersNotReady", "lastTransitionTime": ago("5m")}]}}),
    );
    one(&reverted(json!({}), unexplained), "rollout-stuck");
    for (state, change, pod) in [
        (
            "starting",
            json!({}),
            merged(
                ill_pod("db-1", unready("5s")),
                json!({"metadata": {"creationTimestamp": ago("10s")}}),
            ),
        ),
        ("parallel", json!({"spec": {"podManagementPolicy": "Parallel"}}), ill()),
        ("by hand", json!({"spec": {"updateStrategy": {"type": "OnDelete"}}}), ill()),
        ("ready, about to be replaced", json!({}), pod("db-1", json!({}))),
    ] {
        let named = named(&reverted(change, pod));
        assert!(!named.contains(&"statefulset/db rollout-stuck".to_owned()), "{state}: {named:?}");
    }
}

fn budget(name: &str, spec: Value, status: Value) -> Value {
    object("PodDisruptionBudget", name, json!({"spec": spec, "status": status}))
}

/// Which budget counts the pods of two is left to chance: the other one's status is old.
#[test]
fn two_budgets_of_the_same_pods_are_one_cause() {
    let stale = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 1,
        "expectedPods": 2, "conditions": [{"type": "DisruptionAllowed", "status": "False",
        "reason": "InsufficientPods", "lastTransitionTime": ago("1h")}]});
    let good = json!({"disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1,
        "expectedPods": 2});
    let by_label = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}});
    let by_rule = json!({"maxUnavailable": 1, "selector": {"matchExpressions": [
        {"key": "app", "operator": "In", "values": ["web", "api"]}]}});
    let pods = || and(web(2, 2), [pod("web-a", json!({})), pod("web-b", json!({}))]);
    let objects = and(
        pods(),
        [
            budget("a", by_label.clone(), good.clone()),
            budget("b", by_rule.clone(), stale.clone()),
            event(
                "Pod",
                "web-a",
                "MultiplePodDisruptionBudgets",
                "5m",
                "Pod \"n\"/\"web-a\" matches multiple PodDisruptionBudgets.  Chose \"a\" \
                arbitrarily.",
            ),
        ],
    );
    let overlap = "disruption-budgets-overlap";
    assert_eq!(
        named(&objects),
        [
            format!("poddisruptionbudget/a {overlap}"),
            format!("poddisruptionbudget/b {overlap} <- {overlap}")
        ]
    );
    let cause = one(&objects, overlap);
    assert!(cause.detail.starts_with("web-a, web-b (with b); "), "{}", cause.detail);
    assert!(cause.hint.starts_with("remove all but one of the budgets a, b"), "{}", cause.hint);
    assert!(cause.evidence[0].says.contains("Chose"), "{:?}", cause.evidence);
    // one selects everything, and the selector that is not set selects nothing
    let all = json!({"minAvailable": 1, "selector": {}});
    let objects =
        and(pods(), [budget("a", by_label.clone(), good.clone()), budget("b", all, good)]);
    assert_eq!(one(&objects, overlap).object.name, "a");
    let none = json!({"minAvailable": 1});
    let not = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "track", "operator": "Exists"}]}});
    for other in [none, not] {
        let objects =
            and(pods(), [budget("a", by_label.clone(), json!({})), budget("b", other, json!({}))]);
        assert_eq!(named(&objects), Vec::<String>::new());
    }
    // a pod that does not run yet is evicted without a budget
    let pending = pod("web-a", json!({"status": {"phase": "Pending"}}));
    let objects = [budget("a", by_label, json!({})), budget("b", by_rule, json!({})), pending];
    assert!(!named(&objects).iter().any(|cause| cause.contains(overlap)));
}

fn hpa(name: &str, target: &str, message: &str) -> Value {
    object(
        "HorizontalPodAutoscaler",
        name,
        json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment",
            "name": target}}, "status": {"currentReplicas": 1, "conditions": [
            {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale"},
            {"type": "ScalingActive", "status": "False", "reason": "AmbiguousSelector",
                "message": message, "lastTransitionTime": ago("30s")}]}}),
    )
}

#[test]
fn two_autoscalers_of_the_same_pods_are_one_cause() {
    let says =
        |list: &str| format!("pods by selector app=web are controlled by multiple HPAs: [{list}]");
    let both = [hpa("one", "web", &says("n/two n/one")), hpa("two", "web", &says("n/one n/two"))];
    let objects = and(web(1, 1), and(vec![pod("web-a", json!({}))], both));
    assert_eq!(
        named(&objects),
        [
            "horizontalpodautoscaler/one hpa-scale-failed",
            "horizontalpodautoscaler/two hpa-scale-failed <- hpa-scale-failed"
        ]
    );
    let cause = one(&objects, "hpa-scale-failed");
    assert_eq!(cause.detail, "deployment/web, which is scaled by two, too");
    assert_eq!(cause.hint, "remove all but one of the autoscalers: one, two");
    // workloads of their own, whose selectors overlap
    let other = [hpa("one", "web", &says("n/one n/two")), hpa("two", "api", &says("n/one n/two"))];
    let cause = one(&other, "hpa-scale-failed");
    assert!(cause.hint.contains("selectors of their workloads"), "{}", cause.hint);
    assert!(cause.detail.contains("[n/one n/two]"), "{}", cause.detail);
}

/// The database whose pods wait for claims of these names.
fn waiting_for(claims: [&str; 2], message: &str) -> Vec<Value> {
    let mut objects = vec![db(2, json!({"status": {"readyReplicas": 0, "availableReplicas": 0}}))];
    for (number, claim) in claims.iter().enumerate() {
        let volumes = json!({"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data",
            "persistentVolumeClaim": {"claimName": claim}}]}});
        objects.push(db_pod(merged(unscheduled(&format!("db-{number}"), message), volumes)));
    }
    objects
}

#[test]
fn an_unbound_claim_is_named_beside_those_that_wait_for_it() {
    let unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not \
        found";
    let named_claim = |name: &str| {
        claim(json!({"metadata": {"name": name,
        "uid": format!("PersistentVolumeClaim-{name}")}}))
    };
    let objects = and(
        waiting_for(["data-db-0", "data-db-1"], unbound),
        [named_claim("data-db-0"), named_claim("data-db-1")],
    );
    assert_eq!(
        named(&objects),
        [
            "statefulset/db volume-unbound",
            "persistentvolumeclaim/data-db-0 storage-class-missing",
            "persistentvolumeclaim/data-db-1 storage-class-missing"
        ]
    );
    let sentence = found(&objects).causes[0].sentence();
    assert!(!sentence.contains("not found"), "{sentence}");
}

#[test]
fn a_claim_that_does_not_exist_is_to_be_created() {
    let gone = "0/1 nodes are available: persistentvolumeclaim \"never-made\" not found. not found";
    let cause = one(&waiting_for(["never-made", "never-made"], gone), "volume-unbound");
    let hint = "PersistentVolumeClaim never-made does not exist: create it, or correct claimName";
    assert_eq!(cause.hint, hint);
    let detail = "persistentvolumeclaim \"never-made\" not found (all 2 pods)";
    assert!(cause.detail.ends_with(detail), "{}", cause.detail);
    for (message, part) in [
        (
            "persistentvolumeclaim \"a\" not found. preemption: 0/1 nodes are available",
            "a does not",
        ),
        ("persistentvolumeclaim \"a\" is being deleted", "check the PersistentVolumeClaims"),
        (
            "waiting for ephemeral volume controller to create the persistentvolumeclaim \"db-0-d\"",
            "check the PersistentVolumeClaims",
        ),
    ] {
        let cause = one(&waiting_for(["a", "a"], message), "volume-unbound");
        assert!(cause.hint.contains(part), "{message}: {}", cause.hint);
    }
}

#[test]
fn a_daemonset_for_nodes_that_are_not_there_is_told_from_one_that_a_taint_keeps_away() {
    let daemons = |spec: Value| {
        object(
            "DaemonSet",
            "agent",
            json!({"spec": {"template": {"spec": spec}}, "status": {"observedGeneration": 1,
                "desiredNumberScheduled": 0, "currentNumberScheduled": 0, "numberReady": 0}}),
        )
    };
    let windows = || json!({"nodeSelector": {"kubernetes.io/os": "windows"}});
    let affinity = |key: &str, operator: &str, values: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [
            {"key": key, "operator": operator, "values": values}]}]}}}})
    };
    let arch = |operator, values| affinity("kubernetes.io/arch", operator, values);
    let selector = |key: &str| json!({"nodeSelector": {key: "true"}});
    let tainted = json!({"metadata": {"labels": {"kubernetes.io/os": "windows"}},
        "spec": {"taints": [{"key": "os", "value": "windows", "effect": "NoSchedule"}]}});
    let linux = || node("w1", json!({"metadata": {"labels": {"example.com/old": "false"}}}));
    for (state, objects, reason) in [
        ("selector", vec![daemons(windows()), linux()], "NoNodeSelected"),
        ("platform", vec![daemons(arch("In", json!(["arm64"]))), linux()], "NoNodeSelected"),
        ("no platform", vec![daemons(arch("Exists", json!([]))), linux()], ""),
        ("vendor", vec![daemons(selector("nvidia.com/gpu.present")), linux()], "NoNodeSelected"),
        ("vendor of a node", vec![daemons(selector("example.com/old")), linux()], ""),
        ("near to a label of a node", vec![daemons(selector("exampel.com/old")), linux()], ""),
        (
            "no system",
            vec![daemons(json!({"nodeSelector": {"kubernetes.io/os": "linx"}})), linux()],
            "",
        ),
        ("no architecture", vec![daemons(arch("In", json!(["amd46"]))), linux()], ""),
        ("switched off", vec![daemons(selector("non-existing")), linux()], "NoNodeSelected"),
        ("affinity", vec![daemons(affinity("gpu", "Exists", json!([]))), linux()], ""),
        ("label", vec![daemons(json!({"nodeSelector": {"role": "edge"}})), linux()], ""),
        ("taint", vec![daemons(windows()), linux(), node("w2", tainted)], ""),
        ("nodes not read", vec![daemons(windows())], ""),
        ("cordoned by something else", vec![daemons(json!({})), linux()], ""),
    ] {
        assert_eq!(one(&objects, "no-node-eligible").reason, reason, "{state}");
    }
}

/// A paused rollout is somebody's wish; pods that are missing beside it are not.
#[test]
fn a_paused_rollout_does_not_explain_missing_pods() {
    let paused = |wanted: i64, available: i64| {
        let change = json!({"spec": {"paused": true, "template": {"spec": {"priority": 1}}}});
        let mut objects = web(wanted, available);
        objects[0] = merged(objects[0].clone(), change);
        and(objects, (0..available).map(|number| pod(&format!("web-{number}"), json!({}))))
    };
    assert_eq!(named(&paused(3, 3)), ["deployment/web rollout-paused"]);
    assert_eq!(
        named(&paused(3, 2)),
        ["deployment/web pods-unavailable", "deployment/web rollout-paused"]
    );
    let mut never = paused(3, 0);
    never.truncate(1);
    never[0] = merged(never[0].clone(), json!({"status": {"replicas": 0, "updatedReplicas": 0}}));
    assert_eq!(named(&never), ["deployment/web rollout-paused"]);
}

#[test]
fn scheduling_gates_are_named() {
    let message = "Scheduling is blocked due to non-empty scheduling gates";
    let gates = json!({"spec": {"schedulingGates": [{"name": "example.com/quota"}]},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "SchedulingGated", "message": message}]}});
    let cause = one(&web_with(merged(unscheduled("web-a", ""), gates)), "scheduling-gated");
    assert!(
        cause.hint.ends_with("scheduling gates of the pod: example.com/quota"),
        "{}",
        cause.hint
    );
}

/// Nothing is missed of a day that no month has, whatever its controller says of the schedule.
#[test]
fn a_schedule_that_never_comes_due_has_missed_nothing() {
    let says = "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than \
        1 second";
    let of = |schedule: &str, zone: Value| {
        vec![
            cronjob(json!({"spec": {"schedule": schedule, "timeZone": zone},
                "status": {"lastScheduleTime": null}})),
            event("CronJob", "nightly", "InvalidSchedule", "30s", says),
        ]
    };
    for schedule in ["0 0 31 2 *", "*/5 * 30,31 feb *", "0 0 31 4,6,9,11 *"] {
        for zone in [json!(null), json!("Europe/Berlin")] {
            assert_eq!(named(&of(schedule, zone)), ["cronjob/nightly schedule-never-due"]);
        }
    }
    // a weekday is enough beside a day of the month
    assert_eq!(named(&of("0 0 31 2 1", json!(null))), ["cronjob/nightly missed-schedule"]);
    // its zone is what is wrong
    assert_eq!(named(&of("0 0 31 2 *", json!("Mars/Base"))), ["cronjob/nightly missed-schedule"]);
    let suspended = merged(
        of("0 0 31 2 *", json!(null)).remove(0),
        json!({"spec": {
        "suspend": true}}),
    );
    assert_eq!(named(&[suspended]), ["cronjob/nightly cronjob-suspended"]);
}

#[test]
fn a_rolling_update_waits_for_the_host_port_of_its_own_old_pod() {
    let taken = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod \
        ports.";
    let with = |number: u64, protocol: &str, hash: &str| {
        json!({"metadata": {"labels": {"pod-template-hash": hash}}, "spec": {"containers": [
            {"name": "proxy"}, {"name": "main", "ports": [{"containerPort": 18443,
            "hostPort": number, "protocol": protocol}]}]}})
    };
    let hint = |old: Value| {
        let new = merged(unscheduled("web-b", taken), with(18443, "TCP", "2"));
        let objects = and(web(1, 1), [merged(pod("web-a", json!({})), old), new]);
        one(&objects, "host-port-taken").hint
    };
    let rolling = "its old pod uses the hostPort, and the rolling update waits for the new one: set \
        strategy.type to Recreate, or maxSurge to 0 and maxUnavailable to 1";
    assert_eq!(hint(with(18443, "TCP", "1")), rolling);
    assert!(hint(with(18443, "TCP", "2")).starts_with("run no more replicas"));
    assert!(hint(with(18443, "UDP", "1")).starts_with("free the hostPort"));
    assert!(hint(with(80, "TCP", "1")).starts_with("free the hostPort"));
}

#[test]
fn a_class_that_does_not_exist_is_to_be_created() {
    let refused = |message: &str| {
        let mut objects = web(1, 0);
        objects[1] = merged(objects[1].clone(), json!({"status": {"replicas": 0}}));
        let says = format!("Error creating: pods \"web-1-\" is forbidden: {message}");
        one(
            &and(objects, [event("ReplicaSet", "web-1", "FailedCreate", "1m", &says)]),
            "admission-denied",
        )
        .hint
    };
    for (message, hint) in [
        (
            "no PriorityClass with name critical-app was found",
            "create the PriorityClass, or correct priorityClassName",
        ),
        (
            "pod rejected: RuntimeClass \"gvisor\" not found",
            "create the RuntimeClass, or correct runtimeClassName",
        ),
        (
            "violates PodSecurity \"restricted:latest\": hostNetwork",
            "change the pod template to comply with the named policy",
        ),
    ] {
        assert_eq!(refused(message), hint);
    }
}

#[test]
fn a_selector_that_nearly_fits_says_what_the_pods_have() {
    let maker = |name: &str, labels: Value| {
        let change = json!({"metadata": {"name": name, "uid": format!("Deployment-{name}")}});
        let mut deployment = merged(web(1, 0).remove(0), change);
        deployment["spec"]["template"]["metadata"]["labels"] = labels;
        deployment
    };
    let all = || {
        vec![
            maker("billing", json!({"app": "billing", "component": "api"})),
            maker("orders-api", json!({"app": "orders", "component": "api", "tier": "back"})),
            maker("cart", json!({"run": "cart"})),
        ]
    };
    let detail = |name: &str, selector: Value| {
        let mut service = service(json!({"metadata": {"name": name}}));
        service["spec"]["selector"] = selector;
        one(&and(all(), [service]), "selector-matches-nothing").detail
    };
    for (name, selector, wanted) in [
        ("orders", json!({"app": "orders", "component": "apis"}), "orders-api have component=api"),
        ("x", json!({"app": "order"}), "orders-api have app=orders"),
        ("cart", json!({"app": "cart"}), "cart have run=cart"),
        ("x", json!({"app": "orders", "role": "primary"}), "component=api,tier=back"),
    ] {
        let detail = detail(name, selector);
        assert!(detail.contains(wanted), "{detail}");
    }
    let detail = detail("x", json!({"app": "shipping"}));
    assert!(detail.ends_with("no pod has the labels app=shipping"), "{detail}");
}

const OPEN: PortState = PortState { loopback: Some(true), address: None };
const DEAF: PortState = PortState { loopback: Some(false), address: Some(false) };

/// The causes, with what was found at port 8080 of pods.
fn tried(objects: &[Value], ports: &[(&str, PortState)]) -> kube_diagnosis::Diagnosis {
    let mut snapshot: Snapshot = objects.iter().cloned().collect();
    for (pod, state) in ports {
        snapshot.add_port(pod, 8080, *state);
    }
    diagnose(&snapshot, now())
}

/// A Service of two Deployments, one of which does not serve its port and declares none.
fn halfdeaf(target: Value) -> Vec<Value> {
    let worker = |kind: usize| {
        let name = if kind == 0 { "worker" } else { "worker-1" };
        let object = merged(web(1, 1).remove(kind), json!({"metadata": {"name": name}}));
        let kind = object["kind"].as_str().unwrap().to_owned();
        merged(object, json!({"metadata": {"uid": format!("{kind}-{name}")}}))
    };
    let silent = json!({"spec": {"containers": [{"name": "main"}]}});
    and(
        web(1, 1),
        [
            worker(0),
            owned(worker(1), "Deployment", "worker"),
            pod("web-a", json!({})),
            owned(pod("worker-a", silent), "ReplicaSet", "worker-1"),
            service(json!({"spec": {"ports": [{"port": 80, "targetPort": target}]}})),
        ],
    )
}

#[test]
fn a_pod_of_several_that_does_not_listen_is_named() {
    let objects = halfdeaf(json!(8080));
    let snapshot: Snapshot = objects.iter().cloned().collect();
    let both = [("web-a".to_owned(), 8080), ("worker-a".to_owned(), 8080)];
    assert_eq!(wanted_ports(&snapshot, now(), 10), both);
    assert_eq!(wanted_ports(&snapshot, now(), 1).len(), 1);
    let found = tried(&objects, &[("web-a", OPEN), ("worker-a", DEAF)]);
    assert_eq!(
        found.causes[0].sentence(),
        "service/web points to a port on which its pods do not listen: port 80 forwards to 8080, \
            where nothing listens (1 of 2 pods: worker-a)"
    );
    assert_eq!(found.causes[0].evidence.len(), 2);
    // two pods of one Deployment
    let two = and(
        web(3, 3),
        [
            pod("web-a", json!({})),
            pod("web-b", json!({})),
            pod("web-c", json!({})),
            service(json!({"spec": {"ports": [{"port": 80, "targetPort": "http"}]}})),
        ],
    );
    let found = tried(&two, &[("web-a", OPEN), ("web-b", DEAF)]);
    let detail = &found.causes[0].detail;
    assert!(detail.ends_with("`http` (8080), where nothing listens (1 of 2 tried pods: web-b)"));
    // served, but by one of them for itself only
    let inside = PortState { loopback: Some(true), address: Some(false) };
    let outside = PortState { loopback: Some(true), address: Some(true) };
    let found = tried(&two, &[("web-a", outside), ("web-b", inside)]);
    assert_eq!(found.causes[0].id, "listens-on-loopback");
    assert_eq!(tried(&two, &[("web-a", OPEN), ("web-b", outside)]).causes, []);
}

#[test]
fn a_declared_port_on_which_nothing_listens_is_tried_or_not_ruled_out() {
    let all = |change: Value, service_change: Value| {
        and(web(1, 1), [pod("web-a", change), service(service_change)])
    };
    let plain = all(json!({}), json!({}));
    let why = |found: &kube_diagnosis::Diagnosis| found.not_looked_at.get("not-listening").cloned();
    let found = tried(&plain, &[]);
    assert_eq!(why(&found).as_deref(), Some("port 8080 of pod/web-a was not tried"));
    assert!(!found.not_looked_at.contains_key("target-port-mismatch"));
    let found = tried(&plain, &[("web-a", DEAF)]);
    assert_eq!(found.causes[0].id, "not-listening");
    let found = tried(&plain, &[("web-a", OPEN)]);
    assert_eq!((found.causes.len(), why(&found)), (0, None));
    // the address of the pod was not tried: a program may listen there only
    let half = PortState { loopback: Some(false), address: None };
    let found = tried(&plain, &[("web-a", half)]);
    assert!(found.causes.is_empty() && why(&found).is_some());
    // a program that needs a moment in a pod without a readiness probe
    let young = json!({"status": {"conditions": [{"type": "Ready", "status": "True",
        "lastTransitionTime": ago("10s")}]}});
    let found = tried(&all(young, json!({})), &[("web-a", DEAF)]);
    assert!(found.causes.is_empty());
    assert!(why(&found).is_some_and(|why| why.contains("ready for a moment")));
    // nothing is led to a port of a headless Service, nor tried by UDP, nor to a pod that is unready
    let spec = |spec: Value| json!({"spec": spec});
    let udp = json!({"ports": [{"port": 53, "targetPort": 8080, "protocol": "UDP"}]});
    for objects in [
        all(json!({}), spec(json!({"clusterIP": "None"}))),
        all(json!({}), spec(udp)),
        web_with(ill_pod("web-a", unready("1h"))),
    ] {
        let snapshot: Snapshot = objects.into_iter().collect();
        assert_eq!(wanted_ports(&snapshot, now(), 10), []);
    }
}

/// What looks wrong is tried first: not every port can be.
#[test]
fn odd_ports_are_tried_first() {
    let at = |name: &str, port: u64| {
        service(json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80,
            "targetPort": port}]}}))
    };
    let all = and(
        web(1, 1),
        [pod("web-a", json!({})), at("a", 8080), at("b", 9090), at("c", 8080), at("meant", 7070)],
    );
    let mut snapshot: Snapshot = all.into_iter().collect();
    let ports = |snapshot: &Snapshot| {
        let wanted = wanted_ports(snapshot, now(), 2);
        wanted.into_iter().map(|(_, port)| port).collect::<Vec<u16>>()
    };
    assert_eq!(ports(&snapshot), [9090, 7070]);
    snapshot.ask_about("a");
    assert_eq!(ports(&snapshot), [8080]);
}

#[test]
fn labels_that_controllers_give_are_in_no_template() {
    let of = |selector: Value| {
        let set = db(0, json!({"status": {"replicas": 0, "readyReplicas": 0}}));
        named(&[set, service(json!({"spec": {"selector": selector}}))])
    };
    for selector in [
        json!({"app": "db", "statefulset.kubernetes.io/pod-name": "db-0"}),
        json!({"app": null, "statefulset.kubernetes.io/pod-name": "db-0"}),
        json!({"app": "db", "apps.kubernetes.io/pod-index": "0"}),
        // a role that an operator sets
        json!({"app": "db", "role": "primary"}),
    ] {
        assert_eq!(of(selector.clone()), ["service/web scaled-to-zero"], "{selector}");
    }
    for selector in [
        json!({"app": "bd"}),
        json!({"app": null, "statefulset.kubernetes.io/pod-name": "cache-0"}),
    ] {
        assert_eq!(of(selector), ["service/web selector-matches-nothing"]);
    }
}

#[test]
fn a_pod_that_has_no_port_of_a_service_is_named() {
    let other = |ports: Value| {
        let labels = json!({"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "example.com/two:1",
            "ports": ports}]}});
        let mut all = web(1, 1);
        all.push(pod("web-a", json!({})));
        all.push(owned(pod("two-a", labels), "ReplicaSet", "two-1"));
        all.push(service(json!({"spec": {"ports": [{"name": "http", "port": 80,
            "targetPort": "http"}, {"name": "admin", "port": 81, "targetPort": "admin"}]}})));
        let open = |pod: &str, port: u16| (pod.to_owned(), port);
        let mut snapshot: Snapshot = all.iter().cloned().collect();
        for (pod, port) in [open("web-a", 8080), open("two-a", 9090)] {
            snapshot.add_port(&pod, port, OPEN);
        }
        let found = diagnose(&snapshot, now());
        found.causes.iter().map(Cause::sentence).collect::<Vec<_>>()
    };
    // each serves one of the two
    assert_eq!(other(json!([{"name": "admin", "containerPort": 9090}])), Vec::<String>::new());
    let found = other(json!([{"name": "web", "containerPort": 9090}]));
    assert!(found[0].contains("the containers of two-a declare 9090 (web)"), "{found:?}");
}

#[test]
fn a_port_that_the_kubelet_reaches_is_open_to_others() {
    let untried = |probe: Value| {
        let containers = json!([{"name": "main", "image": "example.com/web:1",
            "ports": [{"containerPort": 8080, "name": "http"}], "readinessProbe": probe}]);
        let mut snapshot: Snapshot = and(
            web(1, 1),
            [pod("web-a", json!({"spec": {"containers": containers}})), service(json!({}))],
        )
        .into_iter()
        .collect();
        let from_within = PortState { loopback: Some(true), address: None };
        snapshot.add_port("web-a", 8080, from_within);
        let found = diagnose(&snapshot, now());
        assert_eq!(found.causes, []);
        found.not_looked_at.contains_key("listens-on-loopback")
    };
    assert!(!untried(json!({"httpGet": {"path": "/", "port": "http"}})));
    assert!(!untried(json!({"tcpSocket": {"port": 8080}})));
    assert!(untried(json!({"tcpSocket": {"port": 8081}})));
    assert!(untried(json!({"tcpSocket": {"port": 8080, "host": "127.0.0.1"}})));
    assert!(untried(json!({"exec": {"command": ["true"]}})));
}

/// `rollout undo` without a number takes the revision before, which may never have worked.
#[test]
fn a_rollback_goes_to_the_revision_whose_pods_are_ready() {
    let rolled = |ready: [i64; 3]| {
        let mut all = web(2, 1);
        all[0] = merged(
            all[0].clone(),
            json!({"status": {"replicas": 2, "updatedReplicas": 1, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}}),
        );
        all.truncate(1);
        all.extend((1..).zip(ready).map(|(number, ready)| {
            let set = object(
                "ReplicaSet",
                &format!("web-{number}"),
                json!({"metadata": {"annotations": {
                    "deployment.kubernetes.io/revision": number.to_string()}},
                    "spec": {"template": {}}, "status": {"readyReplicas": ready}}),
            );
            owned(set, "Deployment", "web")
        }));
        one(&all, "rollout-stuck").hint
    };
    assert!(rolled([1, 0, 0]).ends_with("deployment/web --to-revision=1"));
    for before in [[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]] {
        assert!(rolled(before).ends_with("deployment/web"), "{before:?}");
    }
}
