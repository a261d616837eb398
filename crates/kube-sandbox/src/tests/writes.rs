//! Writes, as the API defines them.

use kube::Client;

use super::*;

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const MAPS: &str = "/api/v1/namespaces/petrosa-apps/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/petrosa-apps/deployments";

/// The code of the answer and its object.
async fn send(
    client: &Client,
    method: &str,
    path: &str,
    content_type: &str,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .header("user-agent", "test/1")
        .body(body.into())
        .unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{method} {path}: {bytes:?}")))
}

impl Cluster {
    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        send(&self.client, method, path, "application/json", &body).await
    }

    /// Waits until an object is gone.
    async fn gone(&self, path: &str) {
        for _ in 0..100 {
            match self.get(path).await {
                Err((404, _)) => return,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("{path} is still there");
    }

    async fn patch(&self, path: &str, content_type: &str, body: Value) -> (u16, Value) {
        send(&self.client, "PATCH", path, content_type, &body).await
    }
}

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "a", "image": "i:1",
            "env": [{"name": "A", "value": "1"}]}]}},
        },
    })
}

fn message(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["message"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn objects_are_created_replaced_and_deleted() {
    let cluster = cluster("healthy").await;
    let (code, first) = cluster.send("POST", MAPS, map("x", json!({"a": "1"}))).await;
    assert_eq!((code, &first["metadata"]["namespace"]), (201, &json!("petrosa-apps")));
    assert_eq!(
        message(&cluster.send("POST", MAPS, map("x", json!({}))).await),
        (409, "configmaps \"x\" already exists")
    );
    let path = format!("{MAPS}/x");
    let mut next = first.clone();
    next["data"] = json!({"a": "2"});
    next["metadata"]["uid"] = json!("");
    let (code, second) = cluster.send("PUT", &path, next.clone()).await;
    assert_eq!(
        (code, &second["data"]["a"], &second["metadata"]["uid"]),
        (200, &json!("2"), &first["metadata"]["uid"])
    );
    let stale = cluster.send("PUT", &path, next.clone()).await;
    let expected = "Operation cannot be fulfilled on configmaps \"x\": the object has been \
        modified; please apply your changes to the latest version and try again";
    assert_eq!(message(&stale), (409, expected));
    assert_eq!(
        (&stale.1["reason"], &stale.1["details"]),
        (&json!("Conflict"), &json!({"name": "x", "kind": "configmaps"}))
    );
    next["metadata"]["uid"] = json!("other");
    assert_eq!(cluster.send("PUT", &path, next).await.0, 409);
    let (_, same) = cluster.send("PUT", &path, second.clone()).await;
    assert_eq!(
        same["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"],
        "nothing was changed"
    );
    for preconditions in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        assert_eq!(
            cluster.send("DELETE", &path, json!({"preconditions": preconditions})).await.0,
            409
        );
    }
    let (code, gone) = cluster
        .send("DELETE", &path, json!({"preconditions": {"uid": first["metadata"]["uid"]}}))
        .await;
    assert_eq!(
        (code, &gone["status"], &gone["details"]["uid"]),
        (200, &json!("Success"), &first["metadata"]["uid"])
    );
    assert_eq!(cluster.send("DELETE", &path, Value::Null).await.0, 404);
    assert_eq!(cluster.send("PUT", &path, map("x", json!({}))).await.0, 404);
    let (_, again) = cluster.send("POST", MAPS, map("x", json!({"a": "1"}))).await;
    assert_ne!(
        again["metadata"]["uid"], first["metadata"]["uid"],
        "another object of the same name"
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_causes() {
    let cluster = cluster("healthy").await;
    let changed = |change: Value| {
        let mut object = deployment("x");
        crate::object::merge(&mut object, &change);
        object
    };
    for (path, object, code, text) in [
        (
            DEPLOYMENTS,
            changed(json!({"spec": {"selector": null}})),
            422,
            "Deployment.apps \"x\" is invalid: spec.selector: Required value",
        ),
        (
            DEPLOYMENTS,
            changed(json!({"spec": {"replicas": -1}})),
            422,
            "Deployment.apps \"x\" is invalid: spec.replicas: Invalid value: -1: must be greater \
                than or equal to 0",
        ),
        (
            DEPLOYMENTS,
            changed(json!({"spec": {"replicas": "x"}})),
            400,
            "Deployment in version \"v1\" cannot be handled as a Deployment: invalid type: \
                string \"x\", expected i32",
        ),
        (
            DEPLOYMENTS,
            changed(json!({"metadata": {"name": null}})),
            422,
            "Deployment.apps \"\" is invalid: metadata.name: Required value: name or generateName \
                is required",
        ),
        (
            DEPLOYMENTS,
            changed(json!({"metadata": {"namespace": "other"}})),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            MAPS,
            deployment("x"),
            400,
            "the API version in the data (apps/v1) does not match the expected API version (v1)",
        ),
        (
            "/api/v1/namespaces/nosuch/configmaps",
            map("x", json!({})),
            404,
            "namespaces \"nosuch\" not found",
        ),
        (
            "/api/v1/namespaces/petrosa-apps/gadgets",
            map("x", json!({})),
            404,
            "the server could not find the requested resource",
        ),
        (MAPS, json!([]), 400, "the object provided is unrecognized: it is not an object"),
        (
            &format!("{MAPS}?dryRun=yes"),
            map("x", json!({})),
            422,
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"yes\": \
                supported values: \"All\"",
        ),
        (
            &format!("{DEPLOYMENTS}?fieldValidation=Strict"),
            changed(json!({"spec": {"nosuch": 1}})),
            400,
            "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding \
                error: unknown field \"spec.nosuch\"",
        ),
    ] {
        assert_eq!(message(&cluster.send("POST", path, object).await), (code, text), "{path}");
    }
    let (_, status) = cluster
        .send("POST", DEPLOYMENTS, changed(json!({"spec": {"selector": null, "template": null}})))
        .await;
    let details = json!({"name": "x", "group": "apps", "kind": "Deployment", "causes": [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.selector"},
        {"reason": "FieldValueRequired", "message": "Required value",
        "field": "spec.template.spec.containers"},
    ]});
    assert_eq!((&status["reason"], &status["details"]), (&json!("Invalid"), &details));
    cluster.send("POST", DEPLOYMENTS, deployment("x")).await;
    let selector = json!({"spec": {"selector": {"matchLabels": {"app": "y"}},
        "template": {"metadata": {"labels": {"app": "y"}}}}});
    let refused = cluster.patch(&format!("{DEPLOYMENTS}/x"), MERGE, selector).await;
    assert_eq!(
        message(&refused),
        (
            422,
            "Deployment.apps \"x\" is invalid: spec.selector: Invalid value: \
                {\"matchLabels\":{\"app\":\"y\"}}: field is immutable"
        )
    );
}

#[tokio::test]
async fn patches_of_every_kind() {
    let cluster = cluster("healthy").await;
    let (_, created) = cluster.send("POST", DEPLOYMENTS, deployment("x")).await;
    assert_eq!(
        (&created["metadata"]["generation"], &created["spec"]["strategy"]["type"]),
        (&json!(1), &json!("RollingUpdate"))
    );
    let path = format!("{DEPLOYMENTS}/x");
    let env = json!([{"name": "A", "value": "2"}, {"name": "B", "value": "1"}]);
    for (content_type, patch, pointer, expected, generation) in [
        (MERGE, json!({"metadata": {"labels": {"l": "1"}}}), "/metadata/labels/l", json!("1"), 1),
        (
            MERGE,
            json!({"metadata": {"labels": {"l": null}}, "spec": {"replicas": 2}}),
            "/spec/replicas",
            json!(2),
            2,
        ),
        (
            STRATEGIC,
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "env": env}]}}}}),
            "/spec/template/spec/containers/0/image",
            json!("i:1"),
            3,
        ),
        (
            STRATEGIC,
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a",
                "env": [{"name": "A", "$patch": "delete"}]}]}}}}),
            "/spec/template/spec/containers/0/env",
            json!([{"name": "B", "value": "1"}]),
            4,
        ),
        (
            JSON,
            json!([{"op": "test", "path": "/spec/replicas", "value": 2}, {"op": "replace",
                "path": "/spec/replicas", "value": 1}]),
            "/spec/replicas",
            json!(1),
            5,
        ),
        (
            MERGE,
            json!({"status": {"replicas": 9}, "metadata": {"uid": null,
                "creationTimestamp": null}}),
            "/metadata/uid",
            created["metadata"]["uid"].clone(),
            5,
        ),
    ] {
        let (code, object) = cluster.patch(&path, content_type, patch.clone()).await;
        assert_eq!((code, object.pointer(pointer)), (200, Some(&expected)), "{patch} {object}");
        assert_eq!(object["metadata"]["generation"], json!(generation), "{patch}");
    }
    for (content_type, patch, code) in [
        (JSON, json!([{"op": "test", "path": "/spec/replicas", "value": 7}]), 422),
        (JSON, json!([{"op": "remove", "path": "/metadata"}]), 422),
        (JSON, json!({}), 400),
        (MERGE, json!([]), 400),
        (MERGE, json!({"metadata": {"resourceVersion": "1"}}), 409),
        (MERGE, json!({"metadata": {"name": "y"}}), 400),
        (MERGE, json!({"spec": 1}), 400),
        (MERGE, json!({"metadata": 1}), 422),
        ("text/plain", json!({}), 415),
    ] {
        assert_eq!(cluster.patch(&path, content_type, patch.clone()).await.0, code, "{patch}");
    }
    assert_eq!(cluster.patch(&format!("{DEPLOYMENTS}/nosuch"), MERGE, json!({})).await.0, 404);
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace() {
    let cluster = cluster_with(Options {
        scenario: "healthy".to_owned(),
        forbid_writes: true,
        ..Options::default()
    })
    .await;
    let version = async || cluster.get(MAPS).await.unwrap()["items"].clone();
    let before = version().await;
    let bot = &cluster.bots().await[0];
    let bot_path = format!("{DEPLOYMENTS}/petrosa-ta-bot");
    let (code, created) =
        cluster.send("POST", &format!("{MAPS}?dryRun=All"), map("x", json!({"a": "1"}))).await;
    assert_eq!(
        (code, &created["data"]["a"], &created["metadata"]["resourceVersion"]),
        (201, &json!("1"), &Value::Null)
    );
    let query = "?dryRun=All&fieldManager=me";
    for (answer, code) in [
        (
            cluster
                .patch(&format!("{bot_path}{query}"), MERGE, json!({"spec": {"replicas": 9}}))
                .await,
            200,
        ),
        (
            cluster
                .patch(&format!("{bot_path}{query}"), MERGE, json!({"spec": {"replicas": -9}}))
                .await,
            422,
        ),
        (
            cluster
                .patch(&format!("{bot_path}/scale{query}"), MERGE, json!({"spec": {"replicas": 9}}))
                .await,
            200,
        ),
        (cluster.patch(&format!("{MAPS}/new{query}"), APPLY, map("new", json!({}))).await, 201),
        (cluster.send("DELETE", &format!("{bot_path}{query}"), Value::Null).await, 200),
        (cluster.send("DELETE", &bot_path, json!({"dryRun": ["All"]})).await, 200),
        (cluster.send("DELETE", &format!("{MAPS}{query}"), Value::Null).await, 200),
        (
            cluster
                .send(
                    "POST",
                    &format!("/api/v1/namespaces/petrosa-apps/pods/{bot}/eviction{query}"),
                    json!({}),
                )
                .await,
            201,
        ),
    ] {
        assert_eq!(answer.0, code, "{}", answer.1);
    }
    assert_eq!(version().await, before);
    assert_eq!(cluster.get(&bot_path).await.unwrap()["spec"]["replicas"], 3);
    assert_eq!(cluster.bots().await.len(), 3);
    assert_eq!(cluster.get("/sandbox/writes").await.unwrap(), json!([]));
    assert_eq!(
        cluster.send("DELETE", &bot_path, Value::Null).await.0,
        500,
        "a real write is refused"
    );
    let writes = cluster.get("/sandbox/writes").await.unwrap();
    assert_eq!(
        writes,
        json!([{"method": "DELETE", "path": bot_path, "verb": "delete", "resource": "deployments",
            "namespace": "petrosa-apps", "name": "petrosa-ta-bot", "dry_run": false,
            "status": 500}])
    );
    assert_eq!(
        cluster.get("/sandbox/writes/counts").await.unwrap(),
        json!({"deployments/petrosa-apps/petrosa-ta-bot": 1})
    );
}

#[tokio::test]
async fn applying_knows_the_owners_of_fields() {
    let cluster = cluster("healthy").await;
    let path = |manager: &str, more: &str| format!("{MAPS}/x?fieldManager={manager}{more}");
    assert_eq!(
        message(&cluster.patch(&format!("{MAPS}/x"), APPLY, map("x", json!({}))).await),
        (
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required \
                for apply patch"
        )
    );
    let (code, created) =
        cluster.patch(&path("one", ""), APPLY, map("x", json!({"a": "1", "b": "1"}))).await;
    let entry = &created["metadata"]["managedFields"][0];
    assert_eq!(
        (code, &entry["manager"], &entry["operation"], &entry["fieldsV1"]),
        (201, &json!("one"), &json!("Apply"), &json!({"f:data": {"f:a": {}, "f:b": {}}}))
    );
    let conflict = cluster.patch(&path("two", ""), APPLY, map("x", json!({"a": "2"}))).await;
    assert_eq!(
        message(&conflict),
        (409, "Apply failed with 1 conflict: conflict with \"one\": .data.a")
    );
    assert_eq!(
        conflict.1["details"],
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"one\"",
            "field": ".data.a"}]})
    );
    let (_, forced) =
        cluster.patch(&path("two", "&force=true"), APPLY, map("x", json!({"a": "2"}))).await;
    assert_eq!(forced["data"], json!({"a": "2", "b": "1"}));
    let (_, less) = cluster
        .patch(&path("one", ""), APPLY, json!({"apiVersion": "v1", "kind": "ConfigMap"}))
        .await;
    assert_eq!(
        less["data"],
        json!({"a": "2"}),
        "what is no longer applied goes, what another wants stays"
    );
    let (_, updated) =
        cluster.patch(&format!("{MAPS}/x"), MERGE, json!({"data": {"c": "1"}})).await;
    let managers: Vec<&str> = updated["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    assert_eq!(managers, ["two", "test"], "the first word of the user agent");
    let conflict =
        cluster.patch(&path("two", ""), APPLY, map("x", json!({"a": "2", "c": "2"}))).await;
    assert_eq!(
        message(&conflict),
        (409, "Apply failed with 1 conflict: conflict with \"test\" using v1: .data.c")
    );
}

#[tokio::test]
async fn finalizers_and_owners_decide_what_is_deleted() {
    let cluster = cluster("healthy").await;
    let mut kept = map("kept", json!({}));
    kept["metadata"]["finalizers"] = json!(["example.com/wait"]);
    cluster.send("POST", MAPS, kept).await;
    let (code, waiting) = cluster.send("DELETE", &format!("{MAPS}/kept"), Value::Null).await;
    assert!(code == 200 && waiting["metadata"]["deletionTimestamp"].is_string(), "{waiting}");
    assert_eq!(
        cluster
            .patch(
                &format!("{MAPS}/kept"),
                MERGE,
                json!({"metadata": {"finalizers": ["more", "example.com/wait"]}})
            )
            .await
            .0,
        422
    );
    assert_eq!(
        cluster
            .patch(&format!("{MAPS}/kept"), MERGE, json!({"metadata": {"finalizers": null}}))
            .await
            .0,
        200
    );
    cluster.gone(&format!("{MAPS}/kept")).await;
    for (policy, left) in [("Background", false), ("Foreground", false), ("Orphan", true)] {
        let name = format!("owner-{}", policy.to_lowercase());
        let (_, owner) = cluster.send("POST", MAPS, map(&name, json!({}))).await;
        let mut owned = map(&format!("{name}-1"), json!({}));
        owned["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap",
            "name": name, "uid": owner["metadata"]["uid"]}]);
        cluster.send("POST", MAPS, owned).await;
        assert_eq!(
            cluster
                .send("DELETE", &format!("{MAPS}/{name}?propagationPolicy={policy}"), Value::Null)
                .await
                .0,
            200
        );
        cluster.gone(&format!("{MAPS}/{name}")).await;
        if left {
            assert!(cluster.get(&format!("{MAPS}/{name}-1")).await.unwrap()["metadata"]["ownerReferences"].is_null(), "{policy}");
        } else {
            cluster.gone(&format!("{MAPS}/{name}-1")).await;
        }
    }
    let (_, list) = cluster
        .send(
            "DELETE",
            &format!("{MAPS}?fieldSelector=metadata.name%3Downer-orphan-1"),
            Value::Null,
        )
        .await;
    assert_eq!(
        (list["kind"].as_str(), list["items"].as_array().unwrap().len()),
        (Some("ConfigMapList"), 1)
    );
    cluster.send("POST", "/api/v1/namespaces", json!({"metadata": {"name": "brief"}})).await;
    cluster.send("POST", "/api/v1/namespaces/brief/configmaps", map("x", json!({}))).await;
    assert_eq!(
        cluster.send("DELETE", "/api/v1/namespaces/brief", Value::Null).await.1["status"]["phase"],
        "Terminating"
    );
    cluster.gone("/api/v1/namespaces/brief").await;
    assert_eq!(
        cluster.get("/api/v1/namespaces/brief/configmaps").await.unwrap()["items"],
        json!([])
    );
}

#[tokio::test]
async fn scale_and_status_are_written_alone() {
    let cluster = cluster("healthy").await;
    let path = format!("{DEPLOYMENTS}/petrosa-ta-bot");
    let scale = cluster.get(&format!("{path}/scale")).await.unwrap();
    assert_eq!(
        (
            &scale["kind"],
            &scale["spec"]["replicas"],
            &scale["status"]["replicas"],
            &scale["status"]["selector"]
        ),
        (&json!("Scale"), &json!(3), &json!(3), &json!("app=petrosa-ta-bot"))
    );
    let mut wanted = scale.clone();
    wanted["spec"] = json!({});
    assert_eq!(
        cluster.send("PUT", &format!("{path}/scale?dryRun=All"), wanted).await.1["spec"],
        json!({})
    );
    let (code, scaled) =
        cluster.patch(&format!("{path}/scale"), MERGE, json!({"spec": {"replicas": 2}})).await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(2)));
    let mut stale = scale.clone();
    stale["spec"]["replicas"] = json!(5);
    assert_eq!(cluster.send("PUT", &format!("{path}/scale"), stale).await.0, 409);
    let negative =
        cluster.patch(&format!("{path}/scale"), MERGE, json!({"spec": {"replicas": -2}})).await;
    assert_eq!(
        message(&negative),
        (
            422,
            "Scale.autoscaling \"petrosa-ta-bot\" is invalid: spec.replicas: Invalid value: -2: \
                must be greater than or equal to 0"
        )
    );
    let generation = cluster.get(&path).await.unwrap()["metadata"]["generation"].clone();
    let condition = json!({"status": {"conditions": [{"type": "Tested", "status": "True"}]},
        "spec": {"replicas": 7}});
    let (code, object) = cluster.patch(&format!("{path}/status"), STRATEGIC, condition).await;
    assert_eq!(
        (code, &object["spec"]["replicas"], &object["metadata"]["generation"]),
        (200, &json!(2), &generation)
    );
    assert!(
        object["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|condition| condition["type"] == "Tested")
    );
}

#[tokio::test]
async fn evictions_respect_budgets() {
    let cluster = cluster("healthy").await;
    let bots = cluster.bots().await;
    let budget = json!({"metadata": {"name": "bots"}, "spec": {"minAvailable": 3,
        "selector": {"matchLabels": {"app": "petrosa-ta-bot"}}}});
    let budgets = "/apis/policy/v1/namespaces/petrosa-apps/poddisruptionbudgets";
    assert_eq!(cluster.send("POST", budgets, budget).await.0, 201);
    let path = format!("/api/v1/namespaces/petrosa-apps/pods/{}/eviction", bots[0]);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": bots[0], "namespace": "petrosa-apps"}});
    for query in ["", "?dryRun=All"] {
        let refused = cluster.send("POST", &format!("{path}{query}"), eviction.clone()).await;
        assert_eq!(
            message(&refused),
            (429, "Cannot evict pod as it would violate the pod's disruption budget.")
        );
        assert_eq!(
            refused.1["details"]["causes"],
            json!([{"reason": "DisruptionBudget",
                "message": "The disruption budget bots needs 3 healthy pods and has 3 currently"}])
        );
    }
    cluster.patch(&format!("{budgets}/bots"), MERGE, json!({"spec": {"minAvailable": 2}})).await;
    assert_eq!(cluster.send("POST", &format!("{path}?dryRun=All"), eviction.clone()).await.0, 201);
    let uid = cluster.pods().get(&bots[0]).await.unwrap().metadata.uid;
    assert_eq!(cluster.send("POST", &path, eviction).await.0, 201);
    let left = cluster.pods().get_opt(&bots[0]).await.unwrap();
    assert!(
        left.is_none_or(|pod| pod.metadata.uid != uid || pod.metadata.deletion_timestamp.is_some())
    );
    for (path, code) in [(&path, 404), (&format!("{budgets}/bots/eviction"), 404)] {
        let path = path.replace(&bots[0], "nosuch");
        assert_eq!(cluster.send("POST", &path, json!({})).await.0, code, "{path}");
    }
}

#[tokio::test]
async fn what_is_denied_is_denied_to_writes() {
    let cluster = cluster("rbac-missing").await;
    let world = petrosa();
    let denied = &world.scenario("rbac-missing").unwrap().deny;
    let bot = &cluster.bots().await[0];
    let writes = |resource: &str, verb: &str| {
        denied.iter().any(|denial| denial.forbids(verb, "", resource, "petrosa-apps"))
    };
    let (code, status) = cluster
        .send(
            "DELETE",
            &format!("/api/v1/namespaces/petrosa-apps/pods/{bot}?dryRun=All"),
            Value::Null,
        )
        .await;
    assert_eq!(code, if writes("pods", "delete") { 403 } else { 200 }, "{status}");
}

#[tokio::test]
async fn generated_names_are_new() {
    let cluster = cluster("healthy").await;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let (code, object) =
            cluster.send("POST", MAPS, json!({"metadata": {"generateName": "gen-"}})).await;
        assert_eq!(code, 201);
        names.insert(object["metadata"]["name"].as_str().unwrap().to_owned());
    }
    assert!(
        names.len() == 3 && names.iter().all(|name| name.starts_with("gen-") && name.len() == 9),
        "{names:?}"
    );
}

#[tokio::test]
async fn the_world_reacts_to_writes() {
    let cluster = cluster("healthy").await;
    let path = format!("{DEPLOYMENTS}/petrosa-ta-bot");
    let before = cluster.bots().await;
    cluster.pods().delete(&before[0], &kube::api::DeleteParams::default()).await.unwrap();
    let mut answer = Value::Null;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = cluster.get(&path).await.unwrap();
        let bots = cluster.bots().await;
        if !bots.contains(&before[0]) && bots.len() == 3 && answer["status"]["readyReplicas"] == 3 {
            return;
        }
    }
    panic!("the pod did not come back: {}", answer["status"]);
}

#[tokio::test]
async fn the_objects_of_the_world_have_owners() {
    let cluster = cluster("healthy").await;
    let path = format!("{DEPLOYMENTS}/petrosa-ta-bot?fieldManager=me");
    let config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 5}});
    let refused = cluster.patch(&path, APPLY, config).await;
    assert_eq!(
        message(&refused),
        (
            409,
            "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using \
                apps/v1: .spec.replicas"
        )
    );
    let (code, same) = cluster
        .patch(
            &path,
            APPLY,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}}),
        )
        .await;
    assert_eq!(
        (code, &same["spec"]["replicas"]),
        (200, &json!(3)),
        "who wants the same shares the field"
    );
}

#[tokio::test]
async fn the_typed_client_writes_too() {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{EvictParams, Patch, PatchParams, PostParams, Preconditions};
    let cluster = cluster("healthy").await;
    let maps = Api::<ConfigMap>::default_namespaced(cluster.client.clone());
    let object: ConfigMap = serde_json::from_value(map("x", json!({"a": "1"}))).unwrap();
    let dry = PostParams { dry_run: true, field_manager: None };
    assert_eq!(maps.create(&dry, &object).await.unwrap().data, object.data);
    let mut created = maps.create(&PostParams::default(), &object).await.unwrap();
    assert!(matches!(maps.create(&PostParams::default(), &object).await,
            Err(kube::Error::Api(status)) if status.is_already_exists()));
    created.data.as_mut().unwrap().insert("b".to_owned(), "2".to_owned());
    let replaced = maps.replace("x", &PostParams::default(), &created).await.unwrap();
    assert_eq!(replaced.data.unwrap().len(), 2);
    assert!(matches!(maps.replace("x", &PostParams::default(), &created).await,
            Err(kube::Error::Api(status)) if status.is_conflict()));
    let applied =
        maps.patch("x", &PatchParams::apply("me").force(), &Patch::Apply(&object)).await.unwrap();
    assert!(
        applied
            .metadata
            .managed_fields
            .unwrap()
            .iter()
            .any(|entry| entry.manager.as_deref() == Some("me"))
    );
    let wrong = kube::api::DeleteParams::default()
        .preconditions(Preconditions { uid: Some("other".to_owned()), resource_version: None });
    assert!(matches!(maps.delete("x", &wrong).await,
            Err(kube::Error::Api(status)) if status.is_conflict()));
    assert!(
        maps.delete("x", &kube::api::DeleteParams::foreground()).await.unwrap().is_left(),
        "it waits for what it owns"
    );
    let deployments = Api::<Deployment>::default_namespaced(cluster.client.clone());
    let scale = deployments
        .patch_scale(
            "petrosa-ta-bot",
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"replicas": 2}})),
        )
        .await
        .unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(2));
    deployments.restart("petrosa-ta-bot").await.unwrap();
    let evict = EvictParams { post_options: dry, ..EvictParams::default() };
    cluster.pods().evict(&cluster.bots().await[0], &evict).await.unwrap();
}

#[tokio::test]
async fn nonsense_is_refused_and_harms_nobody() {
    let cluster = cluster("healthy").await;
    let deployment = format!("{DEPLOYMENTS}/petrosa-ta-bot");
    let pods = "/api/v1/namespaces/petrosa-apps/pods";
    let eviction = format!("{pods}/{}/eviction", cluster.bots().await[0]);
    let apply = format!("{deployment}?fieldManager=me&force=true");
    for body in [
        json!(1),
        json!("x"),
        json!([]),
        json!({"metadata": "x"}),
        json!({"metadata": {"labels": "x"}}),
        json!({"metadata": {"name": 1}}),
        json!({"metadata": {"finalizers": "x", "ownerReferences": {}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": []}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": {"name": "a"}}}}}),
        json!({"kind": 1}),
    ] {
        for (method, path, content_type) in [
            ("POST", DEPLOYMENTS, "application/json"),
            ("POST", MAPS, "application/yaml"),
            ("POST", pods, "application/vnd.kubernetes.protobuf"),
            ("PUT", &deployment, "application/json"),
            ("PUT", &format!("{deployment}/status"), "application/json"),
            ("PATCH", &deployment, JSON),
            ("PATCH", &apply, APPLY),
            ("PATCH", &format!("{deployment}/scale?fieldManager=me"), APPLY),
            ("POST", &eviction, "application/json"),
        ] {
            let path = format!("{path}{}dryRun=All", if path.contains('?') { "&" } else { "?" });
            // an answer is enough: some of it says nothing, and that is no mistake
            send(&cluster.client, method, &path, content_type, &body).await;
        }
        for content_type in [MERGE, STRATEGIC] {
            let code = cluster
                .patch(&format!("{deployment}?dryRun=All"), content_type, body.clone())
                .await
                .0;
            assert!((400..500).contains(&code), "{code} {body}");
        }
    }
    assert_eq!(cluster.get("/sandbox/writes").await.unwrap(), json!([]));
    assert_eq!(cluster.bots().await.len(), 3);
}
