//! Values that were seen, to worlds that the sandbox takes.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const PASSWORD: &str = "Tr0ub4dor-and-3";

fn seen() -> Seen {
    let at: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let uri = format!("mysql://shop:{PASSWORD}@db:3306/shop");
    let objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "1",
            "labels": {"team": "shop"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "db"}}),
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "db", "namespace": "shop"}, "type": "Opaque",
            "data": {"uri": STANDARD.encode(&uri), "port": STANDARD.encode("3306")}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "shop"},
            "data": {"API_TOKEN": "abcdef0123456789abcd",
            "URL": "http://mysql.db:3306",
            "copy": format!("url = {uri}\nother\n")}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web",
            "namespace": "shop", "uid": "2", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": uri}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "web", "image": "shop/web:1", "command": ["web"], "env": [
            {"name": "DB_PASSWORD", "value": PASSWORD}]}]}}},
            "status": {"replicas": 1, "observedGeneration": 9}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1-a",
            "namespace": "shop", "uid": "3", "labels": {"app": "web"},
            "creationTimestamp": "2026-01-01T11:00:00Z",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "gone",
            "uid": "4", "controller": true}]},
            "spec": {"nodeName": "worker", "containers": [{"name": "web", "image": "shop/web:1",
            "command": ["web"], "ports": [{"containerPort": 80}]}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "web", "ready": true,
            "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T11:00:00Z"}}}]}}),
    ];
    let answers = vec![Answer {
        namespace: "shop".to_owned(),
        pod: "web-1-a".to_owned(),
        port: Some(80),
        method: "GET".to_owned(),
        path: "/config".to_owned(),
        status: 200,
        content_type: "text/plain".to_owned(),
        body: format!("db is {uri}, {{{{ 1 }}}}"),
    }];
    let logs = vec![Log {
        namespace: "shop".to_owned(),
        pod: "web-1-a".to_owned(),
        container: "web".to_owned(),
        lines: vec![(at, format!("ERROR login with {PASSWORD} was refused"))],
    }];
    Seen {
        at,
        version: "v1.35.4".to_owned(),
        namespaces: vec!["shop".to_owned()],
        objects,
        answers,
        logs,
        gaps: vec![Gap::new("logs in other", format!("not with {PASSWORD}"))],
        ..Seen::default()
    }
}

#[test]
fn no_secret_value_is_in_any_file_in_any_form() {
    let recording = world(&seen());
    let uri = format!("mysql://shop:{PASSWORD}@db:3306/shop");
    let encoded = [STANDARD.encode(PASSWORD), STANDARD.encode(&uri)];
    for (name, text) in &recording.files {
        for secret in [PASSWORD, "abcdef0123456789abcd", &encoded[0], &encoded[1]] {
            assert!(!text.contains(secret), "{secret} is in {name}:\n{text}");
        }
    }
    let manifests = &recording.files["manifests/shop.yaml"];
    assert!(manifests.contains(&STANDARD.encode("3306")), "a port is no secret: {manifests}");
}

#[test]
fn a_secret_is_the_same_everywhere() {
    let recording = world(&seen());
    let manifests = &recording.files["manifests/shop.yaml"];
    let encoded = manifests.lines().find_map(|line| line.trim().strip_prefix("uri: ")).unwrap();
    let uri = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    assert!(uri.starts_with("mysql://shop:") && uri.ends_with("@db:3306/shop"), "{uri}");
    let password = uri.split([':', '@']).nth(2).unwrap();
    assert!(manifests.contains(&format!("value: {password}")), "{password}: {manifests}");
}

#[test]
fn the_sandbox_takes_the_world() {
    let recording = world(&seen());
    let files = recording.files.iter().filter(|(name, _)| name.ends_with(".yaml"));
    let world = kube_sandbox::World::from_files(files).unwrap();
    assert!(world.has(RECORDED) && world.namespace() == "shop");
    assert!(world.title().contains("v1.35.4") && world.title().contains("2026-01-01 12:00"));
}

#[test]
fn what_belongs_to_the_cluster_is_dropped_and_what_is_missing_is_said() {
    let recording = world(&seen());
    let all: String = recording.files.values().map(String::as_str).collect();
    for dropped in ["last-applied-configuration", "observedGeneration", "uid: \"", "name: gone"] {
        assert!(!all.contains(dropped), "{dropped}: {all}");
    }
    // the node of the pod could not be read; the pod has no owner that was seen
    assert!(recording.files["manifests/cluster.yaml"].contains("name: worker"));
    assert!(recording.files["manifests/shop.yaml"].contains("name: web-1-a"));
    let gaps: Vec<&str> = recording.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(gaps, ["logs in other", "the objects of namespace db"]);
}
