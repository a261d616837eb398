//! Variations of the containers of a pod.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Chance;
use super::pods::{applications, is_application};
use crate::app::Apps;
use crate::object;

const SHIPPER: &str = "fluent/fluent-bit:2.2.2";
pub(super) const PROXY: &str = "envoyproxy/envoy:v1.29.1";

/// The containers of a template or a pod.
fn containers(spec: &mut Value) -> Option<&mut Vec<Value>> {
    spec["containers"].as_array_mut()
}

fn set_env(container: &mut Value, name: &str, value: &str) {
    object::merge(container, &json!({"env": [{"name": name, "value": value}]}));
}

fn shipper() -> Value {
    json!({"name": "log-shipper", "image": SHIPPER, "imagePullPolicy": "IfNotPresent",
        "command": ["fluent-bit"], "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}}})
}

fn proxy() -> Value {
    json!({"name": "proxy", "image": PROXY, "imagePullPolicy": "IfNotPresent", "command": ["envoy"],
        "ports": [{"name": "admin", "containerPort": 15000}, {"name": "stats",
        "containerPort": 15090}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 15000}, "periodSeconds": 1}})
}

pub(super) fn sidecar_first(manifests: &mut Vec<Value>, _: &mut Chance) {
    for application in applications(manifests) {
        if let Some(containers) = containers(&mut application["spec"]["template"]["spec"]) {
            containers.insert(0, shipper());
        }
    }
}

pub(super) fn sidecar_with_ports(manifests: &mut Vec<Value>, chance: &mut Chance) {
    for application in applications(manifests) {
        if let Some(containers) = containers(&mut application["spec"]["template"]["spec"]) {
            containers.insert(chance.below(containers.len() + 1), proxy());
        }
    }
}

pub(super) fn default_container(manifests: &mut Vec<Value>, _: &mut Chance) {
    for application in applications(manifests) {
        let template: &mut Value = &mut application["spec"]["template"];
        let Some(containers) = containers(&mut template["spec"]) else { continue };
        let Some(own) = containers.first().map(|container| container["name"].clone()) else {
            continue;
        };
        containers.insert(0, proxy());
        containers.insert(0, shipper());
        template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = own;
    }
}

pub(super) fn init_containers(manifests: &mut Vec<Value>, _: &mut Chance) {
    for application in applications(manifests) {
        application["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "prepare",
            "image": SHIPPER, "command": ["true"],
            "ports": [{"name": "setup", "containerPort": 9999}]}]);
    }
}

pub(super) fn native_sidecars(manifests: &mut Vec<Value>, _: &mut Chance) {
    for application in applications(manifests) {
        let mut sidecar = proxy();
        sidecar["name"] = json!("native-proxy");
        sidecar["restartPolicy"] = json!("Always");
        application["spec"]["template"]["spec"]["initContainers"] = json!([sidecar]);
    }
}

/// What the kubelet says of init containers that are through, and of those that go on.
pub(super) fn init_statuses(objects: &[&Value], _: &mut Chance, now: Timestamp) -> Vec<Value> {
    let ago = |seconds: i64| {
        object::time(now.saturating_add(SignedDuration::from_secs(-seconds)).unwrap_or(now))
    };
    let status = |container: &Value| -> Value {
        let goes_on = container["restartPolicy"] == "Always";
        let state = if goes_on {
            json!({"running": {"startedAt": ago(3600)}})
        } else {
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": ago(3602),
                "finishedAt": ago(3601)}})
        };
        json!({"name": container["name"], "image": container["image"], "imageID": "",
            "restartCount": 0, "ready": true, "started": goes_on, "state": state, "lastState": {}})
    };
    let with_init = objects.iter().filter(|object| {
        object["kind"] == "Pod" && !object::list(&object["spec"]["initContainers"]).is_empty()
    });
    let told = with_init.map(|pod| {
        let mut pod = (*pod).clone();
        let statuses: Vec<Value> =
            object::list(&pod["spec"]["initContainers"]).iter().map(status).collect();
        pod["status"]["initContainerStatuses"] = json!(statuses);
        pod
    });
    told.collect()
}

/// Environment variables get one of the values that their app knows for a kind of variation. One
/// that a scenario has set stays.
pub(super) fn variables(kind: &str, manifests: &mut Vec<Value>, chance: &mut Chance, apps: &Apps) {
    for container in own_containers(manifests) {
        let Some(variables) = apps.of_container(container).and_then(|app| app.varies.get(kind))
        else {
            continue;
        };
        for (name, values) in variables {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let value = chance.of(&values);
            let set = object::list(&container["env"]);
            if !set.iter().any(|variable| variable["name"] == name.as_str()) {
                set_env(container, name, value);
            }
        }
    }
}

/// A version in the place of the usual one; one that a scenario has chosen stays.
pub(super) fn other_version(manifests: &mut Vec<Value>, chance: &mut Chance, apps: &Apps) {
    for container in own_containers(manifests) {
        let versions = apps.of_container(container).and_then(|app| app.versions.as_ref());
        let image = container["image"].as_str().unwrap_or_default();
        if let (Some(versions), Some((name, tag))) = (versions, image.rsplit_once(':'))
            && tag == versions.usual
        {
            let others: Vec<&str> = versions.others.iter().map(String::as_str).collect();
            let tag = chance.of(&others);
            let image = format!("{name}:{tag}");
            set_env(container, "VERSION", tag.trim_start_matches('v'));
            container["image"] = json!(image);
        }
    }
}

pub(super) fn other_hash(manifests: &mut Vec<Value>, chance: &mut Chance) {
    for application in applications(manifests) {
        let sum = format!("{:06}", chance.below(1_000_000));
        application["spec"]["template"]["metadata"]["annotations"]["checksum/config"] = json!(sum);
    }
}

/// The containers of all applications.
fn own_containers(manifests: &mut [Value]) -> impl Iterator<Item = &mut Value> {
    let applications = manifests.iter_mut().filter(|manifest| is_application(manifest));
    applications
        .filter_map(|application| containers(&mut application["spec"]["template"]["spec"]))
        .flatten()
}
