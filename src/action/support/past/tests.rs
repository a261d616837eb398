//! Tables of objects, and the changes that they tell of.

use super::*;

fn at(minute: u8) -> String {
    format!("2026-01-01T10:{minute:02}:00Z")
}

fn object(kind: &str, name: &str, made: u8, rest: Value) -> Value {
    let mut object = json!({"kind": kind, "metadata": {"namespace": "shop", "name": name,
        "uid": format!("{kind}/{name}"), "creationTimestamp": at(made)}});
    crate::compare::merge(&mut object, &rest);
    object
}

fn writes_of(entries: &[(&str, u8, Value)]) -> Value {
    let entries = entries.iter().map(|(manager, minute, fields)| {
        json!({"manager": manager, "time": at(*minute), "fieldsV1": fields})
    });
    json!({"metadata": {"managedFields": entries.collect::<Vec<_>>()}})
}

/// A ReplicaSet of the Deployment `web`.
fn set(number: u8, made: u8, template: Value) -> Value {
    object(
        "ReplicaSet",
        &format!("web-{number}"),
        made,
        json!({"metadata": {"annotations":
            {"deployment.kubernetes.io/revision": number.to_string()},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true,
                "uid": "Deployment/web"}]},
            "spec": {"template": template}}),
    )
}

fn template(image: &str, env: &str, restarted: &str) -> Value {
    json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": restarted}},
        "spec": {"containers": [{"name": "main", "image": image,
            "env": [{"name": "LEVEL", "value": env}]}]}})
}

fn deployment(writes: &[(&str, u8, Value)]) -> Value {
    object("Deployment", "web", 0, writes_of(writes))
}

fn told(objects: Vec<Value>, target: Option<&str>) -> Vec<String> {
    let snapshot: Snapshot = objects.into_iter().collect();
    let target = target.map(|target| {
        let (kind, name) = target.split_once('/').unwrap();
        named(kind, "shop", name)
    });
    let window = Window { from: at(1).parse().unwrap(), until: at(59).parse().unwrap() };
    let shown = |(rank, change): (usize, PastChange)| {
        format!(
            "{} {} {} by {}, {} #{rank}: {}",
            change.time.strftime("%M"),
            change.object,
            json!(change.what).as_str().unwrap(),
            change.by.as_deref().unwrap_or("?"),
            json!(change.nearness).as_str().unwrap(),
            change.detail
        )
    };
    changes(&snapshot, target.as_ref(), window).into_iter().map(shown).collect()
}

#[test]
fn a_new_revision_is_one_change_with_its_author() {
    let wrote = json!({"f:spec": {"f:template": {"f:spec": {}}}});
    for (sets, writes, wanted) in [
        // the image
        (
            vec![set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:2", "x", ""))],
            vec![("kubectl-set", 20, wrote.clone())],
            vec![
                "20 deployment/web revision by kubectl-set, namespace #1: revision 2: image of \
                    main from a:1 to a:2",
            ],
        ),
        // the environment, by somebody who has written again since
        (
            vec![set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:1", "y", ""))],
            vec![("helm", 40, json!({"f:metadata": {"f:labels": {"f:app": {}}}}))],
            vec![
                "40 deployment/web updated by helm, namespace #1: metadata.labels.app",
                "20 deployment/web revision by ?, namespace #2: revision 2: \
                    spec.containers[main].env[LEVEL].value",
            ],
        ),
        // a restart
        (
            vec![set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:1", "x", "now"))],
            vec![("kubectl-rollout", 20, wrote.clone())],
            vec![
                "20 deployment/web restarted by kubectl-rollout, namespace #1: all pods were \
                    replaced",
            ],
        ),
        // a rollback: its ReplicaSet is older than the one before
        (
            vec![set(2, 20, template("a:2", "x", "")), set(3, 0, template("a:1", "x", ""))],
            vec![("runbook", 30, wrote)],
            vec![
                "30 deployment/web revision by runbook, namespace #1: revision 3: image of main \
                    from a:2 to a:1",
                "20 deployment/web revision by ?, namespace #2: revision 2; the one before is not \
                    known",
            ],
        ),
        // the template before has come back since: what it was then is not known
        (
            vec![set(2, 20, template("a:2", "x", ""))],
            vec![],
            vec![
                "20 deployment/web revision by ?, namespace #1: revision 2; the one before is \
                    not known",
            ],
        ),
        // the first revision came with the Deployment
        (vec![set(1, 0, template("a:1", "x", ""))], vec![], vec![]),
    ] {
        let objects = sets.into_iter().chain([deployment(&writes)]).collect();
        assert_eq!(told(objects, None), wanted);
    }
}

#[test]
fn a_diff_shows_what_became_of_the_template() {
    let sets = [set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:1", "y", ""))];
    let snapshot: Snapshot = sets.into_iter().chain([deployment(&[])]).collect();
    let window = Window { from: at(1).parse().unwrap(), until: at(59).parse().unwrap() };
    let (_, change) = changes(&snapshot, None, window).remove(0);
    assert_eq!(
        change.more["diff"],
        json!(["spec.containers[main].env[LEVEL].value", "- x", "+ y"])
    );
    assert_eq!(change.more["images"], json!([]));
}

#[test]
fn a_scaling_is_one_change_and_that_of_a_rollout_is_none() {
    let event = |minute: u8, reason: &str, kind: &str, name: &str, message: &str| {
        let mut event = object("Event", &format!("e{minute}"), minute, json!({}));
        event["reason"] = reason.into();
        event["message"] = message.into();
        event["lastTimestamp"] = at(minute).into();
        event["involvedObject"] = json!({"kind": kind, "name": name, "namespace": "shop"});
        event
    };
    let sets = [set(1, 0, template("a:1", "x", "")), set(2, 20, template("a:2", "x", ""))];
    let scaled = json!({"f:spec": {"f:replicas": {}}});
    let objects = vec![
        deployment(&[("kubectl", 40, scaled)]),
        event(21, "ScalingReplicaSet", "Deployment", "web", "Scaled down web-1 from 3 to 2"),
        event(40, "ScalingReplicaSet", "Deployment", "web", "Scaled up web-2 from 3 to 5"),
        event(
            50,
            "SuccessfulRescale",
            "HorizontalPodAutoscaler",
            "web",
            "New size: 7; reason: cpu above target",
        ),
        event(45, "Pulled", "Pod", "web-x", "pulled"),
    ];
    let found = told(objects.into_iter().chain(sets).collect(), None);
    assert_eq!(
        found,
        [
            "50 horizontalpodautoscaler/web scaled by horizontal-pod-autoscaler, namespace \
                #1: New size: 7; reason: cpu above target",
            "40 deployment/web scaled by kubectl, namespace #2: Scaled up web-2 from 3 to 5",
            "20 deployment/web revision by ?, namespace #3: revision 2: image of main from a:1 \
                to a:2",
        ]
    );
}

#[test]
fn what_belongs_to_the_target_comes_before_what_is_nearer_in_time() {
    let pod = object(
        "Pod",
        "web-1-a",
        0,
        json!({"metadata": {"labels": {"app": "web"}, "ownerReferences":
            [{"kind": "ReplicaSet", "name": "web-1", "controller": true}]},
            "spec": {"nodeName": "n1", "containers": [
                {"envFrom": [{"configMapRef": {"name": "settings"}}]}]}}),
    );
    let data = |key: &str| json!({"f:data": {key: {}}});
    let cordon = json!({"f:spec": {"f:unschedulable": {}, "f:taints": {}}});
    let mut node = object("Node", "n1", 0, writes_of(&[("kubectl-cordon", 45, cordon)]));
    node["metadata"]["namespace"] = Value::Null;
    let job = json!({"metadata": {"ownerReferences":
        [{"kind": "CronJob", "name": "nightly", "controller": true}]}});
    let release = json!({"metadata": {"labels":
        {"owner": "helm", "name": "shop", "version": "3", "status": "deployed"}}});
    let objects = || {
        vec![
            deployment(&[]),
            set(1, 0, template("a:1", "x", "")),
            pod.clone(),
            node.clone(),
            object("ConfigMap", "settings", 0, writes_of(&[("helm", 40, data("f:url"))])),
            object("ConfigMap", "other", 0, writes_of(&[("kubectl-edit", 50, data("f:a"))])),
            object("Job", "nightly-1", 55, job.clone()),
            object("Secret", "sh.helm.release.v1.shop.v3", 30, release.clone()),
            object("Service", "web", 52, json!({"spec": {"selector": {"app": "web"}}})),
        ]
    };
    let wanted = [
        "55 job/nightly-1 created by cronjob/nightly, namespace #6: ",
        "52 service/web created by ?, related #1: ",
        "50 configmap/other updated by kubectl-edit, namespace #5: data.a",
        "45 node/n1 cordoned by kubectl-cordon, node #3: spec.unschedulable, spec.taints",
        "40 configmap/settings updated by helm, reference #2: data.url",
        "30 secret/sh.helm.release.v1.shop.v3 helm_release by helm, namespace #6: release \
            shop, revision 3, deployed",
    ];
    let found = told(objects(), Some("Deployment/web"));
    let without_rank = |line: &str| {
        let (before, after) = line.split_once('#').unwrap();
        format!("{before}{}", after.split_once(':').unwrap().1)
    };
    let rank = |line: &String| {
        line.split_once('#').unwrap().1.split(':').next().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(
        found.iter().map(|line| without_rank(line)).collect::<Vec<_>>(),
        wanted.iter().map(|line| without_rank(line)).collect::<Vec<_>>()
    );
    let mut by_rank = found;
    by_rank.sort_by_key(rank);
    let first: Vec<&str> = by_rank.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(
        first,
        [
            "service/web",
            "configmap/settings",
            "node/n1",
            "configmap/other",
            "secret/sh.helm.release.v1.shop.v3",
            "job/nightly-1"
        ]
    );
    // of a pod, its owner is told
    let found = told(objects(), Some("Pod/web-1-a"));
    assert!(
        found.iter().any(|line| line.contains("configmap/settings updated by helm, reference"))
    );
}
