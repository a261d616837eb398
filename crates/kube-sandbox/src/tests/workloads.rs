//! Jobs, sets, autoscalers, budgets, nodes: stepped through time like the Deployments in
//! `controllers.rs`.

use super::controllers::{BOT, Stage};
use super::*;
use crate::object;

fn job(name: &str, spec: &Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name,
        "namespace": "petrosa-apps"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "main", "image": "mariadb:10.11", "command": ["true"]}]}}},
    });
    object::merge(&mut job["spec"], spec);
    job
}

fn from_cron_job(stage: &Stage, cron: &str, name: &str) -> Value {
    let cron = stage.get("cronjobs", cron);
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": "petrosa-apps",
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "labels": cron["spec"]["jobTemplate"]["metadata"]["labels"],
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob",
            "name": cron["metadata"]["name"], "uid": cron["metadata"]["uid"], "controller": true}],
        },
        "spec": cron["spec"]["jobTemplate"]["spec"],
    })
}

fn pods_of(stage: &Stage, job: &str) -> Vec<Value> {
    let pods = stage
        .world
        .store
        .list("pods", Some("petrosa-apps"))
        .filter(|pod| pod["metadata"]["labels"]["job-name"] == job);
    pods.map(|pod| (**pod).clone()).collect()
}

#[test]
fn a_job_runs_until_enough_pods_have_succeeded() {
    for (spec, pods) in [
        (json!({}), 1),
        (json!({"completions": 3, "parallelism": 2}), 3),
        (json!({"suspend": true}), 0),
    ] {
        let mut stage = Stage::of("healthy");
        stage.put(job("once", &spec));
        stage.settle();
        let status = stage.get("jobs", "once")["status"].clone();
        assert_eq!(pods_of(&stage, "once").len(), pods, "{spec}");
        assert!(pods_of(&stage, "once").iter().all(|pod| pod["status"]["phase"] == "Succeeded"));
        if pods > 0 {
            assert_eq!(
                stage.condition("jobs", "once", "Complete"),
                ("True".to_owned(), "CompletionsReached".to_owned()),
                "{status}"
            );
            assert_eq!(status["succeeded"], pods, "{status}");
            assert!(
                status["startTime"].is_string()
                    && status["completionTime"].is_string()
                    && status["active"].is_null(),
                "{status}"
            );
        }
    }
}

#[test]
fn a_job_says_what_it_comes_to_before_it_is_over() {
    let fails = json!({"backoffLimit": 0,
        "template": {"spec": {"containers": [{"name": "extractor", "args": ["--incremental"]}]}}});
    for (change, before, end, counter) in [
        (json!({}), "SuccessCriteriaMet", "Complete", "succeeded"),
        (fails, "FailureTarget", "Failed", "failed"),
    ] {
        let mut stage = Stage::of("healthy");
        let mut job = from_cron_job(&stage, "binance-klines-h1-data-manager", "once");
        object::merge(&mut job["spec"], &change);
        stage.put(job);
        let mut seen: Vec<Value> = Vec::new();
        for _ in 0..200 {
            let settled = stage.step();
            let status = stage.get("jobs", "once")["status"].clone();
            let conditions: Vec<Value> = object::list(&status["conditions"])
                .iter()
                .map(|condition| condition["type"].clone())
                .collect();
            let state = json!([
                conditions,
                status[counter],
                status["active"],
                object::list(&status["uncountedTerminatedPods"][counter]).len(),
                status["completionTime"].is_string()
            ]);
            if seen.last() != Some(&state) {
                seen.push(state);
            }
            if settled {
                break;
            }
        }
        let wanted = json!([
            [[], null, 1, 0, false],
            [[before], null, null, 1, false],
            [[before, end], 1, null, 0, end == "Complete"]
        ]);
        assert_eq!(json!(seen), wanted, "{end}");
    }
}

#[test]
fn a_pod_that_is_deleted_has_failed_before_it_is_gone() {
    let mut stage = Stage::of("healthy");
    let pod = (*stage.bots()[0]).clone();
    let revision = stage.world.store.revision();
    let mut leaving = pod.clone();
    leaving["metadata"]["deletionTimestamp"] = json!(object::time(stage.now));
    leaving["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    stage.world.store.put(leaving, stage.now);
    stage.settle();
    let changes = stage.world.store.since(revision).unwrap();
    let states = changes.iter().filter(|change| {
        change.plural == "pods" && object::name(&change.object) == object::name(&pod)
    });
    let states: Vec<(bool, &str, &Value)> = states
        .map(|change| {
            (
                change.deleted,
                change.object["status"]["phase"].as_str().unwrap(),
                &change.object["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
            )
        })
        .collect();
    assert_eq!(states.first(), Some(&(false, "Running", &Value::Null)));
    assert!(
        states.ends_with(&[(false, "Failed", &json!(143)), (true, "Failed", &json!(143))]),
        "{states:?}"
    );
}

#[test]
fn a_pod_waits_for_its_volumes() {
    for (volume, message, missing) in [
        (
            json!({"secret": {"secretName": "nosuch"}}),
            "MountVolume.SetUp failed for volume \"d\" : secret \"nosuch\" not found",
            "Secret",
        ),
        (
            json!({"configMap": {"name": "nosuch"}}),
            "MountVolume.SetUp failed for volume \"d\" : configmap \"nosuch\" not found",
            "ConfigMap",
        ),
    ] {
        let mut stage = Stage::of("healthy");
        let mut job = job("once", &json!({}));
        job["spec"]["template"]["spec"]["volumes"] = json!([volume]);
        job["spec"]["template"]["spec"]["volumes"][0]["name"] = json!("d");
        stage.put(job);
        stage.settle();
        let pod = pods_of(&stage, "once")[0].clone();
        assert_eq!(pod["status"]["phase"], "Pending");
        assert_eq!(
            pod["status"]["containerStatuses"][0]["state"],
            json!({"waiting": {"reason": "ContainerCreating"}})
        );
        assert_eq!(stage.events("FailedMount"), [message]);
        stage.put(json!({"apiVersion": "v1", "kind": missing, "metadata": {"name": "nosuch",
            "namespace": "petrosa-apps"}}));
        stage.settle();
        assert_eq!(stage.condition("jobs", "once", "Complete").0, "True");
    }
}

#[test]
fn a_probe_that_fails_is_said_once_of_each_run() {
    let mut stage = Stage::of("healthy");
    assert_eq!(stage.events("Unhealthy"), Vec::<String>::new());
    let mut bot = stage.get("deployments", BOT);
    bot["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/nosuch", "port": 8080}});
    stage.put(bot);
    stage.settle();
    stage.pass(5);
    assert!(
        stage
            .events("Unhealthy")
            .iter()
            .all(|message| message
                == "Readiness probe failed: HTTP probe failed with statuscode: 404")
    );
    let unready = stage
        .bots()
        .iter()
        .filter(|pod| pod["status"]["containerStatuses"][0]["ready"] == false)
        .count();
    assert!(unready > 0);
    assert_eq!(stage.events("Unhealthy").len(), unready);
}

#[test]
fn a_job_of_a_cron_job_does_its_work() {
    let mut stage = Stage::of("healthy");
    stage.put(from_cron_job(&stage, "binance-klines-gap-filler-m5", "manual"));
    stage.step();
    assert_eq!(
        stage.get("cronjobs", "binance-klines-gap-filler-m5")["status"]["active"][0]["name"],
        "manual"
    );
    stage.settle();
    assert_eq!(stage.condition("jobs", "manual", "Complete").0, "True");
    let cron = stage.get("cronjobs", "binance-klines-gap-filler-m5");
    assert!(cron["status"]["active"].is_null() && cron["status"]["lastSuccessfulTime"].is_string());
    let snapshot = stage.world.snapshot();
    let pod = snapshot.pod("petrosa-apps", object::name(&pods_of(&stage, "manual")[0])).unwrap();
    let lines: Vec<String> = crate::app::lines(&snapshot, pod, 0, None, stage.now)
        .into_iter()
        .map(|line| line.text[20..].to_owned())
        .collect();
    assert_eq!(lines.first().unwrap(), "Starting klines gap filler for 5m");
    assert_eq!(lines.last().unwrap(), "Gap filling completed");
    // what an ended pod has written stays, whatever becomes of the world
    stage.world.store.delete("services", "nats", "nats-server");
    stage.pass(5);
    let snapshot = stage.world.snapshot();
    assert_eq!(crate::app::lines(&snapshot, pod, 0, None, stage.now).len(), lines.len());
    stage.pass(86_400);
    assert!(
        stage.find("jobs", "manual").is_none() && pods_of(&stage, "manual").is_empty(),
        "the time after the end is over"
    );
}

#[test]
fn a_job_fails_for_a_reason() {
    let arguments = json!({"backoffLimit": 2,
        "template": {"spec": {"containers": [{"name": "extractor", "args": ["--incremental"]}]}}});
    let slow = json!({"activeDeadlineSeconds": 3,
        "template": {"spec": {"containers": [{"name": "extractor",
        "env": [{"name": "WORK_SECONDS", "value": "60"}]}]}}});
    // the pod that was ended at the deadline counts as failed, and is gone
    for (change, reason, failed, left) in
        [(arguments, "BackoffLimitExceeded", 3, 3), (slow, "DeadlineExceeded", 1, 0)]
    {
        let mut stage = Stage::of("healthy");
        let mut job = from_cron_job(&stage, "binance-klines-h1-data-manager", "manual");
        object::merge(&mut job["spec"], &change);
        stage.put(job);
        stage.settle();
        assert_eq!(
            stage.condition("jobs", "manual", "Failed"),
            ("True".to_owned(), reason.to_owned())
        );
        assert_eq!(stage.get("jobs", "manual")["status"]["failed"].as_u64().unwrap_or(0), failed);
        let failed_pods = pods_of(&stage, "manual")
            .iter()
            .filter(|pod| {
                pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1
            })
            .count();
        assert_eq!(failed_pods, left);
    }
}

#[test]
fn an_autoscaler_fights_who_scales() {
    let mut stage = Stage::of("tabot-scale-hpa-fights");
    let replicas =
        |stage: &Stage| stage.get("deployments", BOT)["spec"]["replicas"].as_u64().unwrap();
    for (asked, kept) in [(1, 3), (5, 3), (0, 0), (4, 4), (20, 4)] {
        stage.patch("deployments", BOT, &json!({"spec": {"replicas": asked}}));
        stage.step();
        assert_eq!(replicas(&stage), asked, "not at once");
        stage.settle();
        assert_eq!(replicas(&stage), kept, "after {asked}");
        let status = stage.get("horizontalpodautoscalers", BOT)["status"].clone();
        assert_eq!(status["desiredReplicas"], kept);
        let active = stage.condition("horizontalpodautoscalers", BOT, "ScalingActive");
        assert_eq!(active.1, if kept == 0 { "ScalingDisabled" } else { "ValidMetricFound" });
    }
    assert!(stage.events("SuccessfulRescale").contains(
        &"New size: 3; reason: Current number of replicas below Spec.MinReplicas".to_owned()
    ));
}

#[test]
fn a_budget_says_how_many_pods_may_go() {
    for (budget, expected, least, allowed) in [
        (json!({"minAvailable": 3}), 3, 3, 0),
        (json!({"minAvailable": "50%"}), 3, 2, 1),
        (json!({"maxUnavailable": 1}), 3, 2, 1),
        (json!({"maxUnavailable": "34%"}), 3, 1, 2),
        (json!({"maxUnavailable": 0}), 3, 3, 0),
        (json!({"minAvailable": 5}), 3, 5, 0),
    ] {
        let mut stage = Stage::of("healthy");
        stage.put(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "b", "namespace": "petrosa-apps"}, "spec": budget}));
        stage.patch(
            "poddisruptionbudgets",
            "b",
            &json!({"spec": {"selector": {"matchLabels": {"app": BOT}}}}),
        );
        stage.settle();
        let status = stage.get("poddisruptionbudgets", "b")["status"].clone();
        let found = ["expectedPods", "desiredHealthy", "disruptionsAllowed", "currentHealthy"]
            .map(|field| status[field].as_u64().unwrap());
        assert_eq!(found, [expected, least, allowed, 3], "{budget}");
    }
}

#[test]
fn pods_do_not_go_to_a_cordoned_node() {
    let mut stage = Stage::of("healthy");
    let cordon = |stage: &mut Stage, name: &str, cordoned: bool| {
        let mut node = (**stage.world.store.get("nodes", "", name).unwrap()).clone();
        node["spec"]["unschedulable"] = json!(cordoned);
        stage.world.store.put(node, stage.now);
    };
    cordon(&mut stage, "node", true);
    stage.patch("deployments", BOT, &json!({"spec": {"replicas": 4}}));
    stage.settle();
    let pending: Vec<_> =
        stage.bots().into_iter().filter(|pod| pod["status"]["phase"] == "Pending").collect();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        stage.condition("pods", object::name(&pending[0]), "PodScheduled"),
        ("False".to_owned(), "Unschedulable".to_owned())
    );
    assert_eq!(
        stage.events("FailedScheduling"),
        ["0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, \
            preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."]
    );
    cordon(&mut stage, "node", false);
    stage.settle();
    assert!(stage.bots().iter().all(|pod| pod["status"]["phase"] == "Running"));

    let mut stage = Stage::of("node-drain-pdb-blocked");
    let nodes = |stage: &Stage| {
        stage
            .bots()
            .iter()
            .map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(
        nodes(&stage).contains(&"node".to_owned()) && nodes(&stage).contains(&"node-2".to_owned()),
        "{:?}",
        nodes(&stage)
    );
    assert_eq!(stage.get("poddisruptionbudgets", BOT)["status"]["disruptionsAllowed"], 0);
    cordon(&mut stage, "node", true);
    stage.patch("deployments", BOT, &super::controllers::image("v1.0.69"));
    stage.settle();
    assert_eq!(nodes(&stage), ["node-2"; 3]);
}

fn set(kind: &str, spec: &Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "cache",
        "namespace": "petrosa-apps"},
        "spec": {
            "selector": {"matchLabels": {"app": "cache"}},
            "template": {"metadata": {"labels": {"app": "cache"}},
            "spec": {"containers": [{"name": "main",
            "image": "yurisa2/petrosa-data-manager:v1.0.12", "command": ["petrosa", "listener"]}]}},
        },
    });
    object::merge(&mut set["spec"], spec);
    set
}

fn restart() -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T12:00:00Z"}}}}})
}

#[test]
fn a_stateful_set_keeps_its_names() {
    let mut stage = Stage::of("healthy");
    stage.put(set("StatefulSet", &json!({"replicas": 3, "serviceName": "cache"})));
    let names = |stage: &Stage| {
        stage.pods("cache").iter().map(|pod| object::name(pod).to_owned()).collect::<Vec<_>>()
    };
    stage.step();
    assert_eq!(names(&stage), ["cache-0"], "one after the other");
    stage.settle();
    assert_eq!(names(&stage), ["cache-0", "cache-1", "cache-2"]);
    let started = |stage: &Stage| {
        stage.pods("cache").iter().map(|pod| pod["status"]["startTime"].clone()).collect::<Vec<_>>()
    };
    let before = started(&stage);
    stage.pass(5);
    stage.patch("statefulsets", "cache", &restart());
    stage.settle();
    assert_eq!(names(&stage), ["cache-0", "cache-1", "cache-2"]);
    assert!(started(&stage).iter().zip(&before).all(|(after, before)| after != before));
    let status = stage.get("statefulsets", "cache")["status"].clone();
    assert_eq!((&status["updatedReplicas"], &status["readyReplicas"]), (&json!(3), &json!(3)));
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    stage.patch("statefulsets", "cache", &json!({"spec": {"replicas": 1}}));
    stage.settle();
    assert_eq!(names(&stage), ["cache-0"]);
}

/// A change that makes no pod ready, and the one that takes it back.
#[test]
fn a_stateful_set_replaces_no_pod_before_the_one_that_is_not_ready() {
    for (policy, replaced) in [("OrderedReady", false), ("Parallel", true)] {
        let mut stage = Stage::of("healthy");
        let spec = json!({"replicas": 2, "serviceName": "cache", "podManagementPolicy": policy});
        stage.put(set("StatefulSet", &spec));
        stage.settle();
        for probe in [json!({"tcpSocket": {"port": 9999}}), Value::Null] {
            let container = json!({"name": "main", "readinessProbe": probe});
            let template = json!({"spec": {"containers": [container]}});
            stage.patch("statefulsets", "cache", &json!({"spec": {"template": template}}));
            stage.settle();
            stage.pass(30);
        }
        let ready =
            |stage: &Stage| stage.get("statefulsets", "cache")["status"]["readyReplicas"].clone();
        assert_eq!(ready(&stage) == json!(2), replaced, "{policy}: {}", ready(&stage));
        stage.world.store.delete("pods", "petrosa-apps", "cache-1");
        stage.settle();
        assert_eq!(ready(&stage), json!(2), "{policy}: the pod was deleted");
    }
}

#[test]
fn a_daemon_set_has_a_pod_on_every_node() {
    let mut stage = Stage::of("node-drain-pdb-blocked");
    stage.put(set("DaemonSet", &json!({})));
    stage.settle();
    let before = stage.pods("cache");
    assert_eq!(before.len(), 2);
    stage.patch("daemonsets", "cache", &restart());
    stage.settle();
    let after = stage.pods("cache");
    assert!(
        after.len() == 2
            && after
                .iter()
                .all(|pod| before.iter().all(|old| object::name(old) != object::name(pod)))
    );
    let status = stage.get("daemonsets", "cache")["status"].clone();
    assert_eq!(
        (
            &status["desiredNumberScheduled"],
            &status["updatedNumberScheduled"],
            &status["numberReady"]
        ),
        (&json!(2), &json!(2), &json!(2))
    );
}

#[test]
fn a_namespace_takes_what_is_in_it() {
    let mut stage = Stage::of("healthy");
    stage.put(set("Deployment", &json!({"replicas": 1})));
    stage.settle();
    let mut namespace =
        (**stage.world.store.get("namespaces", "", "petrosa-apps").unwrap()).clone();
    namespace["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
    stage.world.store.put(namespace, stage.now);
    stage.settle();
    assert!(stage.world.store.get("namespaces", "", "petrosa-apps").is_none());
    assert_eq!(stage.world.store.list("pods", Some("petrosa-apps")).count(), 0);
}
