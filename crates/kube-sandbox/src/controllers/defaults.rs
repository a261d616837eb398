//! The defaults that the API server adds to a new object.

use serde_json::{Value, json};

use super::pods::qos;
use crate::object;
use crate::store::Store;

/// Adds the defaults of the API to a manifest. Addresses of Services are chosen by name and avoid
/// those in the store.
pub(crate) fn complete(manifest: &mut Value, store: &Store) {
    match manifest["kind"].as_str().unwrap_or_default() {
        "Namespace" => namespace(manifest),
        "Secret" => secret(manifest),
        "Service" => service(manifest, store),
        "Deployment" => deployment(manifest),
        "CronJob" => {
            fill(
                &mut manifest["spec"],
                &json!({"suspend": false, "concurrencyPolicy": "Allow",
                    "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}),
            );
            pod_template(&mut manifest["spec"]["jobTemplate"]["spec"]["template"]);
            fill(manifest, &json!({"status": {}}));
        }
        "StatefulSet" => stateful_set(&mut manifest["spec"]),
        "DaemonSet" => daemon_set(&mut manifest["spec"]),
        "Job" => job(manifest),
        "ReplicaSet" => pod_template(&mut manifest["spec"]["template"]),
        "Pod" => {
            pod_template(manifest);
            let class = qos(&manifest["spec"]);
            fill(
                &mut manifest["spec"],
                &json!({"serviceAccountName": "default", "serviceAccount": "default",
                    "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
                    "priority": 0}),
            );
            fill(manifest, &json!({"status": {"phase": "Pending", "qosClass": class}}));
        }
        "HorizontalPodAutoscaler" => fill(&mut manifest["spec"], &json!({"minReplicas": 1})),
        "NetworkPolicy" => network_policy(&mut manifest["spec"]),
        "CustomResourceDefinition" => definition(manifest),
        _ => {}
    }
}

fn namespace(manifest: &mut Value) {
    let name = object::name(manifest).to_owned();
    manifest["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
    manifest["spec"] = json!({"finalizers": ["kubernetes"]});
    manifest["status"] = json!({"phase": "Active"});
}

/// A definition is served as soon as it is there.
fn definition(manifest: &mut Value) {
    let names = &mut manifest["spec"]["names"];
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    fill(names, &json!({"singular": kind.to_lowercase(), "listKind": format!("{kind}List")}));
    let names = names.clone();
    let versions = object::list(&manifest["spec"]["versions"]).iter();
    let stored: Vec<&Value> =
        versions.filter(|one| one["storage"] == true).map(|one| &one["name"]).collect();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message});
    manifest["status"] = json!({"acceptedNames": names, "storedVersions": stored, "conditions": [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]});
}

fn stateful_set(spec: &mut Value) {
    fill(
        spec,
        &json!({"replicas": 1, "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate"}}),
    );
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        fill(&mut spec["updateStrategy"], &json!({"rollingUpdate": {"partition": 0}}));
    }
    pod_template(&mut spec["template"]);
}

fn daemon_set(spec: &mut Value) {
    fill(spec, &json!({"revisionHistoryLimit": 10, "updateStrategy": {"type": "RollingUpdate"}}));
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        fill(
            &mut spec["updateStrategy"],
            &json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        );
    }
    pod_template(&mut spec["template"]);
}

fn job(manifest: &mut Value) {
    let spec = &mut manifest["spec"];
    let completions = if spec["parallelism"].is_null() { json!(1) } else { Value::Null };
    fill(
        spec,
        &json!({"parallelism": 1, "completions": completions, "backoffLimit": 6,
            "completionMode": "NonIndexed", "suspend": false,
            "podReplacementPolicy": "TerminatingOrFailed"}),
    );
    pod_template(&mut spec["template"]);
    fill(manifest, &json!({"status": {}}));
}

fn network_policy(spec: &mut Value) {
    for direction in ["ingress", "egress"] {
        for rule in spec.get_mut(direction).map(items).unwrap_or_default() {
            for port in rule.get_mut("ports").map(items).unwrap_or_default() {
                fill(port, &json!({"protocol": "TCP"}));
            }
        }
    }
}

/// Adds the fields that are not there.
fn fill(target: &mut Value, defaults: &Value) {
    let Value::Object(defaults) = defaults else {
        return;
    };
    for (key, value) in defaults {
        if target.get(key).is_none_or(Value::is_null) {
            target[key.as_str()] = value.clone();
        }
    }
}

fn items(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default()
}

fn secret(manifest: &mut Value) {
    use base64::Engine;
    let plain = object::strings(&manifest["stringData"]);
    for (key, value) in plain {
        manifest["data"][key.as_str()] =
            json!(base64::engine::general_purpose::STANDARD.encode(value));
    }
    if let Value::Object(fields) = manifest {
        fields.shift_remove("stringData");
    }
    fill(manifest, &json!({"type": "Opaque"}));
}

fn service(manifest: &mut Value, store: &Store) {
    let key = format!("{}/{}", object::namespace(manifest), object::name(manifest));
    let taken: Vec<String> = store
        .list("services", None)
        .filter_map(|service| service["spec"]["clusterIP"].as_str().map(str::to_owned))
        .collect();
    let spec = &mut manifest["spec"];
    // a name for another name has neither addresses nor endpoints
    if spec["type"] == "ExternalName" {
        fill(spec, &json!({"sessionAffinity": "None"}));
        fill(manifest, &json!({"status": {"loadBalancer": {}}}));
        return;
    }
    if spec["clusterIP"].is_null() {
        let start =
            key.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
                % 50_000;
        let addresses = (0..50_000)
            .map(|step| (start + step) % 50_000 + 300)
            .map(|number| format!("10.96.{}.{}", number / 256, number % 256));
        spec["clusterIP"] = json!(addresses.into_iter().find(|address| !taken.contains(address)));
    }
    let address = spec["clusterIP"].clone();
    fill(
        spec,
        &json!({"type": "ClusterIP", "clusterIPs": [address], "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster"}),
    );
    for port in items(&mut spec["ports"]) {
        let number = port["port"].clone();
        fill(port, &json!({"protocol": "TCP", "targetPort": number}));
    }
    fill(manifest, &json!({"status": {"loadBalancer": {}}}));
}

fn deployment(manifest: &mut Value) {
    let spec = &mut manifest["spec"];
    fill(
        spec,
        &json!({"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate"}}),
    );
    fill(&mut spec["strategy"], &json!({"type": "RollingUpdate"}));
    if spec["strategy"]["type"] == "RollingUpdate" {
        fill(&mut spec["strategy"], &json!({"rollingUpdate": {}}));
        fill(
            &mut spec["strategy"]["rollingUpdate"],
            &json!({"maxSurge": "25%", "maxUnavailable": "25%"}),
        );
    }
    pod_template(&mut spec["template"]);
}

fn pod_template(template: &mut Value) {
    let spec = &mut template["spec"];
    fill(
        spec,
        &json!({"restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "securityContext": {},
            "schedulerName": "default-scheduler"}),
    );
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        fill(spec, &json!({"serviceAccount": account}));
    } else if let Value::Object(fields) = spec {
        fields.shift_remove("serviceAccountName");
    }
    for volume in spec.get_mut("volumes").map(items).unwrap_or_default() {
        if volume.get("configMap").is_some() {
            fill(&mut volume["configMap"], &json!({"defaultMode": 420}));
        }
    }
    for container in items(&mut spec["containers"]) {
        fill(
            container,
            &json!({"imagePullPolicy": "IfNotPresent", "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File"}),
        );
        for port in container.get_mut("ports").map(items).unwrap_or_default() {
            fill(port, &json!({"protocol": "TCP"}));
        }
        for variable in container.get_mut("env").map(items).unwrap_or_default() {
            if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
                fill(field, &json!({"apiVersion": "v1"}));
            }
            // an empty value is not written
            if variable["value"] == ""
                && let Value::Object(fields) = variable
            {
                fields.shift_remove("value");
            }
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if let Some(probe) = container.get_mut(probe) {
                fill(
                    probe,
                    &json!({"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1,
                        "failureThreshold": 3}),
                );
                if let Some(get) = probe.get_mut("httpGet") {
                    fill(get, &json!({"scheme": "HTTP"}));
                }
            }
        }
    }
}
