//! Mounts with `subPath` of a key that is not there.

use crate::build::*;
use kube_diagnosis::{Snapshot, diagnose, wanted_keys};
use serde_json::{Value, json};

/// The Deployment `web` whose container is like this and mounts `subPath: app.cnf` of this volume.
fn mounting(container: Value, volume: Value) -> Vec<Value> {
    let spec = json!({"spec": {"containers": [{"name": "main", "volumeMounts": [
        {"name": "c", "mountPath": "/etc/app.conf", "subPath": "app.cnf"}]}],
        "volumes": [merged(json!({"name": "c"}), volume)]}});
    web_with(merged(ill_pod("web-a", container), spec))
}

fn conf(keys: Value) -> Value {
    object("ConfigMap", "conf", json!({"data": keys}))
}

fn of_conf() -> Value {
    json!({"configMap": {"name": "conf"}})
}

/// The names of causes with these objects and this log.
fn with(objects: Vec<Value>, log: &str) -> Vec<String> {
    let mut snapshot: Snapshot = objects.into_iter().collect();
    snapshot.add_last_words("web-a", "main", log);
    let found = diagnose(&snapshot, now()).causes;
    let word = |cause: &kube_diagnosis::Cause| match &cause.follows_from {
        Some((_, id)) => format!("{} <- {id}", cause.id),
        None => cause.id.to_owned(),
    };
    found.iter().map(word).collect()
}

#[test]
fn a_key_that_is_not_there_is_the_cause_of_what_the_container_says_of_it() {
    let crash = || crashing("Error", 1);
    let objects = |volume: Value, more: Value| {
        let mut all = mounting(crash(), volume);
        all.push(more);
        all
    };
    let wrong = || conf(json!({"app.conf": "a=1"}));
    let directory = "cat: read error: Is a directory";
    let both = ["app-exit <- config-missing", "config-missing"];
    assert_eq!(with(objects(of_conf(), wrong()), directory), both);
    assert_eq!(with(objects(of_conf(), wrong()), "cannot parse /etc/app.conf"), both);
    // whether it is why the container ends is not known then
    let apart = ["app-exit", "config-missing"];
    assert_eq!(with(objects(of_conf(), wrong()), "connection refused"), apart);

    let secret = || object("Secret", "keys", json!({"keys": ["other"]}));
    let of_secret = || json!({"secret": {"secretName": "keys"}});
    assert_eq!(with(objects(of_secret(), secret()), directory), both);
    let renamed = json!({"configMap": {"name": "conf", "items": [{"key": "a", "path": "b"}]}});
    assert_eq!(with(objects(renamed, wrong()), directory), both);
    let projected = |more: Value| {
        json!({"projected": {"sources": [{"configMap": {"name": "conf"}},
            {"serviceAccountToken": {"path": "token"}}, more]}})
    };
    let other = json!({"downwardAPI": {"items": [{"path": "labels"}]}});
    assert_eq!(with(objects(projected(other), wrong()), directory), both);

    let found = found(&objects(of_conf(), wrong()));
    let sentence = found.causes.iter().find(|one| one.id == "config-missing").unwrap().sentence();
    assert!(
        sentence.contains("main: configmap/conf has no key app.cnf, which is mounted with subPath"),
        "{sentence}"
    );
}

#[test]
fn a_key_that_is_there_or_may_be_is_not_said_to_be_missing() {
    let objects = |volume: Value, more: Value| {
        let mut all = mounting(crashing("Error", 1), volume);
        all.push(more);
        all
    };
    let here = || conf(json!({"app.cnf": "a=1"}));
    let wrong = || conf(json!({"app.conf": "a=1"}));
    let items =
        json!({"configMap": {"name": "conf", "items": [{"key": "a", "path": "app.cnf/b"}]}});
    let new = json!({"projected": {"sources": [{"configMap": {"name": "conf"}}, {"new": {}}]}});
    let directory = "cat: read error: Is a directory";
    for (state, all) in [
        ("there", objects(of_conf(), here())),
        ("binary", objects(of_conf(), merged(wrong(), json!({"binaryData": {"app.cnf": "eA=="}})))),
        ("a directory by its items", objects(items, wrong())),
        ("a source that is not known", objects(new, wrong())),
        ("another volume", objects(json!({"emptyDir": {}}), wrong())),
        ("not read", objects(of_conf(), object("ConfigMap", "other", json!({})))),
        (
            "a Secret without keys",
            objects(
                json!({"secret": {"secretName": "s"}}),
                object("Secret", "s", json!({"certificate": {"error": "x"}})),
            ),
        ),
    ] {
        assert_eq!(with(all, directory), ["app-exit"], "{state}");
    }
    // a container that runs may want the directory
    let mut healthy = mounting(running(), of_conf());
    healthy[0] = web(1, 1).remove(0);
    healthy.push(wrong());
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready",
        "status": "True", "lastTransitionTime": ago("1d")}]}});
    healthy[2] = merged(healthy[2].clone(), ready);
    assert_eq!(with(healthy, ""), Vec::<String>::new());
}

#[test]
fn the_keys_that_would_tell_are_asked_for_and_not_ruled_out_without_them() {
    let snapshot: Snapshot = mounting(crashing("Error", 1), of_conf()).into_iter().collect();
    let wanted: Vec<String> =
        wanted_keys(&snapshot, now(), 5).iter().map(ToString::to_string).collect();
    assert_eq!(wanted, ["configmap/conf"]);
    let missing = diagnose(&snapshot, now()).not_looked_at.remove("config-missing");
    assert_eq!(missing.as_deref(), Some("the keys of configmap/conf were not read"));
    let read = mounting(crashing("Error", 1), of_conf())
        .into_iter()
        .chain([conf(json!({"app.cnf": "a=1"}))])
        .collect();
    assert_eq!(wanted_keys(&read, now(), 5), []);
    assert_eq!(diagnose(&read, now()).not_looked_at.get("config-missing"), None);
    let healthy: Snapshot = mounting(running(), of_conf()).into_iter().collect();
    assert_eq!(wanted_keys(&healthy, now(), 5), []);
}
