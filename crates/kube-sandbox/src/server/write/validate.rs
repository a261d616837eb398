//! Validation of objects: the mistakes that people make.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{names, workload};
use crate::kinds::{self, Resource};
use crate::object;
use crate::server::status::{FieldError, Status};

/// Whatever is wrong with an object by itself.
pub(crate) fn created(resource: &Resource, object: &Value) -> Result<(), Status> {
    let mut mistakes = metadata(resource, object);
    mistakes.extend(workload::mistakes(resource.kind, object));
    mistakes.extend(by_kind(resource.kind, object));
    answer(resource, object, &mistakes)
}

/// Whatever is wrong with what an object is changed to.
pub(crate) fn updated(resource: &Resource, before: &Value, object: &Value) -> Result<(), Status> {
    let mut mistakes = Vec::new();
    if !before["metadata"]["deletionTimestamp"].is_null() {
        let known = object::list(&before["metadata"]["finalizers"]);
        let added: Vec<&Value> = object::list(&object["metadata"]["finalizers"])
            .iter()
            .filter(|finalizer| !known.contains(finalizer))
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new \
                    finalizers {}",
                json!(added)
            );
            mistakes.push(FieldError::forbidden("metadata.finalizers", &detail));
        }
    }
    mistakes.extend(workload::changes(resource.kind, before, object));
    let immutable = |field: &str, detail: &str, mistakes: &mut Vec<FieldError>| {
        let pointer = format!("/{}", field.replace('.', "/"));
        let (old, new) = (
            before.pointer(&pointer).unwrap_or(&Value::Null),
            object.pointer(&pointer).unwrap_or(&Value::Null),
        );
        if old != new {
            mistakes.push(FieldError::invalid(field, new, detail));
        }
    };
    match resource.kind {
        "ConfigMap" | "Secret" => {
            if resource.kind == "Secret" {
                immutable("type", "field is immutable", &mut mistakes);
            }
            if before["immutable"] == true {
                for field in ["immutable", "data", "binaryData"] {
                    if before[field] != object[field] {
                        mistakes.push(FieldError::forbidden(
                            field,
                            "field is immutable when `immutable` is set",
                        ));
                    }
                }
            }
        }
        "Service"
            if [before, object].iter().all(|one| one["spec"]["type"] != "ExternalName")
                && before["spec"]["clusterIP"] != object["spec"]["clusterIP"] =>
        {
            mistakes.push(FieldError::invalid(
                "spec.clusterIPs[0]",
                &json!([object["spec"]["clusterIP"]]),
                "may not change once set",
            ));
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            immutable("roleRef", "cannot change roleRef", &mut mistakes);
        }
        "PersistentVolumeClaim"
            if before["spec"]["storageClassName"] != object["spec"]["storageClassName"] =>
        {
            mistakes.push(FieldError::forbidden(
                "spec",
                "spec is immutable after creation except resources.requests and \
                    volumeAttributesClassName for bound claims",
            ));
        }
        _ => {}
    }
    answer(resource, object, &mistakes)
}

fn answer(resource: &Resource, object: &Value, mistakes: &[FieldError]) -> Result<(), Status> {
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(resource.kind, resource.group, object::name(object), mistakes))
}

fn metadata(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let metadata = &object["metadata"];
    let name = object::name(object);
    let mut mistakes = if name.is_empty() {
        vec![FieldError::required("metadata.name", "name or generateName is required")]
    } else {
        names::object_name(resource.kind, name)
    };
    mistakes.extend(names::labels("metadata.labels", &metadata["labels"]));
    mistakes.extend(names::keys("metadata.annotations", &metadata["annotations"]));
    let references = object::list(&metadata["ownerReferences"]);
    for (index, reference) in references.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if reference[field].as_str().unwrap_or_default().is_empty() {
                let detail = if field == "apiVersion" {
                    "version must not be empty"
                } else {
                    "must not be empty"
                };
                mistakes.push(FieldError::invalid(
                    format!("metadata.ownerReferences[{index}].{field}"),
                    &json!(""),
                    detail,
                ));
            }
        }
    }
    if references.iter().filter(|reference| reference["controller"] == true).count() > 1 {
        mistakes.push(FieldError::invalid(
            "metadata.ownerReferences",
            &json!(references),
            "Only one reference can have Controller set to true",
        ));
    }
    mistakes
}

fn by_kind(kind: &str, object: &Value) -> Vec<FieldError> {
    let spec = &object["spec"];
    match kind {
        "CustomResourceDefinition" => kinds::define(object)
            .err()
            .map(|reason| FieldError::forbidden("spec", &reason))
            .into_iter()
            .collect(),
        "ConfigMap" => [
            names::data_keys("data", &object["data"]),
            names::data_keys("binaryData", &object["binaryData"]),
        ]
        .concat(),
        "Secret" => secret(object),
        "Service" => service(spec),
        "Lease" => [below(spec, "leaseDurationSeconds", 1), below(spec, "leaseTransitions", 0)]
            .into_iter()
            .flatten()
            .collect(),
        "PodDisruptionBudget"
            if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() =>
        {
            vec![FieldError::invalid(
                "spec",
                spec,
                "minAvailable and maxUnavailable cannot be both set",
            )]
        }
        "HorizontalPodAutoscaler" => autoscaler(spec),
        _ => Vec::new(),
    }
}

fn secret(secret: &Value) -> Vec<FieldError> {
    let mut mistakes = [
        names::data_keys("data", &secret["data"]),
        names::data_keys("stringData", &secret["stringData"]),
    ]
    .concat();
    for (key, value) in secret["data"].as_object().into_iter().flatten() {
        if STANDARD.decode(value.as_str().unwrap_or_default()).is_err() {
            mistakes.push(FieldError::invalid(
                format!("data[{key}]"),
                &json!("<secret contents redacted>"),
                "illegal base64 data",
            ));
        }
    }
    mistakes
}

/// A number of the spec that is lower than it may be; 0 and 1 are the limits that there are.
fn below(spec: &Value, field: &str, least: i64) -> Option<FieldError> {
    let value = &spec[field];
    let detail =
        if least == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
    value
        .as_i64()
        .filter(|number| *number < least)
        .map(|_| FieldError::invalid(format!("spec.{field}"), value, detail))
}

fn autoscaler(spec: &Value) -> Vec<FieldError> {
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    let most = spec["maxReplicas"].as_i64().unwrap_or(0);
    let mut mistakes = Vec::new();
    if least < 1 {
        mistakes.push(FieldError::invalid(
            "spec.minReplicas",
            &spec["minReplicas"],
            "must be greater than or equal to 1",
        ));
    }
    let wrong = if most < 1 {
        Some("must be greater than 0")
    } else if most < least {
        Some("must be greater than or equal to `minReplicas`")
    } else {
        None
    };
    mistakes
        .extend(wrong.map(|detail| FieldError::invalid("spec.maxReplicas", &json!(most), detail)));
    for field in ["kind", "name"] {
        if spec["scaleTargetRef"][field].as_str().unwrap_or_default().is_empty() {
            mistakes.push(FieldError::required(format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
    mistakes
}

fn service(spec: &Value) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    let ports = object::list(&spec["ports"]);
    if ports.is_empty() && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
        mistakes.push(FieldError::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let place = format!("spec.ports[{index}]");
        if ports.len() > 1 && port["name"].as_str().unwrap_or_default().is_empty() {
            mistakes.push(FieldError::required(format!("{place}.name"), ""));
        }
        mistakes.extend(workload::port(&format!("{place}.port"), &port["port"]));
        if port["targetPort"].is_number() {
            mistakes.extend(workload::port(&format!("{place}.targetPort"), &port["targetPort"]));
        }
        if ports[..index]
            .iter()
            .any(|other| !port["name"].is_null() && other["name"] == port["name"])
        {
            mistakes.push(FieldError::duplicate(format!("{place}.name"), &port["name"]));
        }
    }
    mistakes.extend(names::labels("spec.selector", &spec["selector"]));
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if spec["type"].as_str().is_some_and(|kind| !types.contains(&kind)) {
        mistakes.push(FieldError::unsupported("spec.type", &spec["type"], &types));
    }
    mistakes
}
