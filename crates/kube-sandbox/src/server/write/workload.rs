//! Validation of pods and pod templates.

use serde_json::{Value, json};

use super::names;
use crate::object;
use crate::server::status::FieldError;
use netpol_evaluator::LabelSelector;

const AT_LEAST_ZERO: &str = "must be greater than or equal to 0";
const IMMUTABLE: &str = "field is immutable";

/// Whatever is wrong with a workload; nothing if the kind is none.
pub(crate) fn mistakes(kind: &str, object: &Value) -> Vec<FieldError> {
    let spec = &object["spec"];
    match kind {
        "Pod" => pod("spec", spec, None),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            let mut mistakes = Vec::new();
            for field in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
                mistakes.extend(not_negative(&format!("spec.{field}"), &spec[field]));
            }
            mistakes.extend(selector(kind, spec));
            mistakes.extend(template("spec.template", &spec["template"], &["Always"], true));
            mistakes
        }
        "Job" => job("spec", spec),
        "CronJob" => {
            let mut mistakes = job("spec.jobTemplate.spec", &spec["jobTemplate"]["spec"]);
            let schedule = spec["schedule"].as_str().unwrap_or_default();
            if schedule.is_empty() {
                mistakes.push(FieldError::required("spec.schedule", ""));
            } else if !schedule.starts_with('@') && schedule.split_whitespace().count() != 5 {
                let count = schedule.split_whitespace().count();
                let detail = format!(
                    "expected exactly 5 fields, found {count}: [{}]",
                    schedule.split_whitespace().collect::<Vec<_>>().join(" ")
                );
                mistakes.push(FieldError::invalid("spec.schedule", &spec["schedule"], &detail));
            }
            let policies = ["Allow", "Forbid", "Replace"];
            if spec["concurrencyPolicy"].as_str().is_some_and(|policy| !policies.contains(&policy))
            {
                mistakes.push(FieldError::unsupported(
                    "spec.concurrencyPolicy",
                    &spec["concurrencyPolicy"],
                    &policies,
                ));
            }
            mistakes
        }
        _ => Vec::new(),
    }
}

/// Whatever must not be changed and is.
pub(crate) fn changes(kind: &str, before: &Value, after: &Value) -> Vec<FieldError> {
    let (old, new) = (&before["spec"], &after["spec"]);
    match kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" if old["selector"] != new["selector"] => {
            vec![FieldError::invalid("spec.selector", &new["selector"], IMMUTABLE)]
        }
        "StatefulSet" => {
            let free = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            let detail = "updates to statefulset spec for fields other than 'replicas', \
                'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            if without(old, &free) == without(new, &free) {
                Vec::new()
            } else {
                vec![FieldError::forbidden("spec", detail)]
            }
        }
        "Job" => {
            let fixed = ["template", "selector", "completionMode"]
                .into_iter()
                .filter(|field| !old[*field].is_null() && old[*field] != new[*field]);
            fixed
                .map(|field| FieldError::invalid(format!("spec.{field}"), &new[field], IMMUTABLE))
                .collect()
        }
        "Pod" => {
            let fixed = |spec: &Value| {
                let mut spec = without(
                    spec,
                    &["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"],
                );
                for list in ["containers", "initContainers"] {
                    for container in
                        spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
                    {
                        container["image"] = Value::Null;
                    }
                }
                spec
            };
            let detail = "pod updates may not change fields other than \
                `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
            if fixed(old) == fixed(new) {
                Vec::new()
            } else {
                vec![FieldError::forbidden("spec", detail)]
            }
        }
        _ => Vec::new(),
    }
}

fn without(spec: &Value, fields: &[&str]) -> Value {
    let mut spec = spec.clone();
    if let Value::Object(all) = &mut spec {
        all.retain(|key, _| !fields.contains(&key.as_str()));
    }
    spec
}

fn not_negative(field: &str, value: &Value) -> Option<FieldError> {
    value
        .as_i64()
        .filter(|number| *number < 0)
        .map(|_| FieldError::invalid(field, value, AT_LEAST_ZERO))
}

/// A port must be one.
pub(crate) fn port(field: &str, value: &Value) -> Option<FieldError> {
    let number = value.as_i64().unwrap_or(0);
    (!(1..=65535).contains(&number)).then(|| {
        FieldError::invalid(field, &json!(number), "must be between 1 and 65535, inclusive")
    })
}

fn selector(kind: &str, spec: &Value) -> Vec<FieldError> {
    let field = "spec.selector";
    let selector = &spec["selector"];
    if selector.is_null() {
        return vec![FieldError::required(field, "")];
    }
    let mut mistakes = names::labels(&format!("{field}.matchLabels"), &selector["matchLabels"]);
    let Ok(parsed) = serde_json::from_value::<LabelSelector>(selector.clone()) else {
        mistakes.push(FieldError::invalid(field, selector, "invalid label selector"));
        return mistakes;
    };
    if parsed.match_labels.is_empty() && parsed.match_expressions.is_empty() {
        mistakes.push(FieldError::invalid(
            field,
            selector,
            &format!("empty selector is invalid for {}", kind.to_ascii_lowercase()),
        ));
    } else if !parsed.matches(&object::labels(&spec["template"])) {
        let labels =
            spec["template"]["metadata"].get("labels").cloned().unwrap_or_else(|| json!({}));
        mistakes.push(FieldError::invalid(
            "spec.template.metadata.labels",
            &labels,
            "`selector` does not match template `labels`",
        ));
    }
    mistakes
}

fn job(field: &str, spec: &Value) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    for name in [
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ] {
        mistakes.extend(not_negative(&format!("{field}.{name}"), &spec[name]));
    }
    mistakes.extend(template(
        &format!("{field}.template"),
        &spec["template"],
        &["OnFailure", "Never"],
        false,
    ));
    mistakes
}

/// A template of pods; what it may do after the end of a container depends on the kind, and so does
/// whether it must be said.
fn template(field: &str, template: &Value, policies: &[&str], optional: bool) -> Vec<FieldError> {
    let mut mistakes = names::labels(&format!("{field}.labels"), &template["metadata"]["labels"]);
    mistakes
        .extend(names::keys(&format!("{field}.annotations"), &template["metadata"]["annotations"]));
    mistakes.extend(pod(&format!("{field}.spec"), &template["spec"], Some((policies, optional))));
    mistakes
}

fn pod(field: &str, spec: &Value, policies: Option<(&[&str], bool)>) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    let volumes: Vec<&str> = object::list(&spec["volumes"])
        .iter()
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    for (index, name) in volumes.iter().enumerate() {
        let place = format!("{field}.volumes[{index}].name");
        mistakes.extend(names::label(&place, name));
        if volumes[..index].contains(name) {
            mistakes.push(FieldError::duplicate(place, &json!(name)));
        }
    }
    if object::list(&spec["containers"]).is_empty() {
        mistakes.push(FieldError::required(format!("{field}.containers"), ""));
    }
    let mut seen: Vec<&Value> = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in object::list(&spec[list]).iter().enumerate() {
            let place = format!("{field}.{list}[{index}]");
            if seen.contains(&&container["name"]) {
                mistakes.push(FieldError::duplicate(format!("{place}.name"), &container["name"]));
            }
            seen.push(&container["name"]);
            mistakes.extend(self::container(&place, container, &volumes));
        }
    }
    let (policies, optional) = policies.unwrap_or((&["Always", "OnFailure", "Never"], true));
    match spec["restartPolicy"].as_str() {
        None if optional => {}
        None => mistakes.push(FieldError::required(
            format!("{field}.restartPolicy"),
            "valid values: \"OnFailure\", \"Never\"",
        )),
        Some(policy) if !policies.contains(&policy) => {
            mistakes.push(FieldError::unsupported(
                format!("{field}.restartPolicy"),
                &spec["restartPolicy"],
                policies,
            ));
        }
        Some(_) => {}
    }
    mistakes.extend(not_negative(
        &format!("{field}.terminationGracePeriodSeconds"),
        &spec["terminationGracePeriodSeconds"],
    ));
    mistakes
}

fn container(place: &str, container: &Value, volumes: &[&str]) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    match container["name"].as_str().unwrap_or_default() {
        "" => mistakes.push(FieldError::required(format!("{place}.name"), "")),
        name => mistakes.extend(names::label(&format!("{place}.name"), name)),
    }
    let image = container["image"].as_str().unwrap_or_default();
    if image.is_empty() {
        mistakes.push(FieldError::required(format!("{place}.image"), ""));
    } else if image.trim() != image {
        mistakes.push(FieldError::invalid(
            format!("{place}.image"),
            &container["image"],
            "must not have leading or trailing whitespace",
        ));
    }
    for (index, own) in object::list(&container["ports"]).iter().enumerate() {
        let place = format!("{place}.ports[{index}].containerPort");
        if own["containerPort"].as_i64().unwrap_or(0) == 0 {
            mistakes.push(FieldError::required(place, ""));
        } else {
            mistakes.extend(port(&place, &own["containerPort"]));
        }
    }
    for (index, variable) in object::list(&container["env"]).iter().enumerate() {
        let place = format!("{place}.env[{index}]");
        if variable["name"].as_str().unwrap_or_default().is_empty() {
            mistakes.push(FieldError::required(format!("{place}.name"), ""));
        }
        if !variable["valueFrom"].is_null()
            && !variable["value"].as_str().unwrap_or_default().is_empty()
        {
            mistakes.push(FieldError::invalid(
                format!("{place}.valueFrom"),
                &json!(""),
                "may not be specified when `value` is not empty",
            ));
        }
    }
    for (index, mount) in object::list(&container["volumeMounts"]).iter().enumerate() {
        let place = format!("{place}.volumeMounts[{index}]");
        match mount["name"].as_str().unwrap_or_default() {
            "" => mistakes.push(FieldError::required(format!("{place}.name"), "")),
            name if !volumes.contains(&name) && !name.starts_with("kube-api-access") => {
                mistakes.push(FieldError::absent(format!("{place}.name"), &mount["name"]));
            }
            _ => {}
        }
        if mount["mountPath"].as_str().unwrap_or_default().is_empty() {
            mistakes.push(FieldError::required(format!("{place}.mountPath"), ""));
        }
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    if container["imagePullPolicy"].as_str().is_some_and(|policy| !policies.contains(&policy)) {
        mistakes.push(FieldError::unsupported(
            format!("{place}.imagePullPolicy"),
            &container["imagePullPolicy"],
            &policies,
        ));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(change: &Value) -> Value {
        let template = json!({"metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "a", "image": "i"}]}});
        let mut object = json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}},
            "template": template}});
        object::merge(&mut object["spec"], change);
        object
    }

    #[test]
    fn the_usual_mistakes_are_found() {
        // lists whose elements are no objects with names are replaced
        let container = |change: Value| json!({"template": {"spec": {"containers": [object_with(&json!({"name": "a", "image": "i"}), &change), 0]}}});
        for (change, expected) in [
            (json!({}), vec![]),
            (json!({"selector": null}), vec!["spec.selector: Required value"]),
            (
                json!({"selector": {"matchLabels": null}}),
                vec!["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
            ),
            (
                json!({"replicas": -1}),
                vec!["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                json!({"template": {"metadata": {"labels": {"app": "y"}}}}),
                vec![
                    "spec.template.metadata.labels: Invalid value: {\"app\":\"y\"}: `selector` \
                        does not match template `labels`",
                ],
            ),
            (
                json!({"template": null}),
                vec![
                    "spec.template.metadata.labels: Invalid value: {}: `selector` does not match \
                        template `labels`",
                    "spec.template.spec.containers: Required value",
                ],
            ),
            (
                json!({"template": {"spec": {"restartPolicy": "Never"}}}),
                vec![
                    "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported \
                        values: \"Always\"",
                ],
            ),
            (
                container(json!({"image": null})),
                vec!["spec.template.spec.containers[0].image: Required value"],
            ),
            (
                container(json!({"ports": [{"containerPort": 70000}]})),
                vec![
                    "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: \
                        70000: must be between 1 and 65535, inclusive",
                ],
            ),
            (
                container(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})),
                vec!["spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"v\""],
            ),
            (
                container(json!({"env": [{"value": "1"}]})),
                vec!["spec.template.spec.containers[0].env[0].name: Required value"],
            ),
        ] {
            let mut object = deployment(&change);
            if let Some(Value::Array(containers)) =
                object.pointer_mut("/spec/template/spec/containers")
            {
                containers.retain(Value::is_object);
            }
            let found: Vec<String> =
                mistakes("Deployment", &object).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{change}");
        }
    }

    fn object_with(base: &Value, change: &Value) -> Value {
        let mut object = base.clone();
        object::merge(&mut object, change);
        object
    }

    #[test]
    fn what_must_not_change_is_found() {
        let pod = |image: &str, command: &str| {
            json!({"spec": {"containers": [{"name": "a",
            "image": image, "command": [command]}]}})
        };
        for (kind, before, after, fields) in [
            ("Deployment", deployment(&json!({})), deployment(&json!({"replicas": 3})), 0),
            (
                "Deployment",
                deployment(&json!({})),
                deployment(&json!({"selector": {"matchLabels": {"app": "y"}}})),
                1,
            ),
            (
                "StatefulSet",
                json!({"spec": {"serviceName": "a"}}),
                json!({"spec": {"serviceName": "b"}}),
                1,
            ),
            ("StatefulSet", json!({"spec": {"replicas": 1}}), json!({"spec": {"replicas": 2}}), 0),
            ("Pod", pod("a", "c"), pod("b", "c"), 0),
            ("Pod", pod("a", "c"), pod("a", "d"), 1),
            (
                "Job",
                json!({"spec": {"template": {"a": 1}}}),
                json!({"spec": {"template": {"a": 2}}}),
                1,
            ),
        ] {
            assert_eq!(changes(kind, &before, &after).len(), fields, "{kind} {before} {after}");
        }
    }
}
