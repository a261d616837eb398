//! Guards: rules that refuse a change which the API server would accept, because somebody else owns
//! the field or would revert it. Pure.

use super::change::Guard;
use crate::cluster::builtin;
use crate::diagnosis::Object;
use serde_json::Value;

/// Who keeps this object as it is and will take a change back: Argo CD, Flux or Helm.
pub(in crate::action) fn managed(object: &Value) -> Option<Guard> {
    let label =
        |key: &str| object["metadata"]["labels"][key].as_str().filter(|text| !text.is_empty());
    let annotation =
        |key: &str| object["metadata"]["annotations"][key].as_str().filter(|text| !text.is_empty());
    let name = format!(
        "{}/{}",
        object["kind"].as_str().unwrap_or("object").to_ascii_lowercase(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    // the tracking id is APP:GROUP/KIND:NAMESPACE/NAME
    let argo = annotation("argocd.argoproj.io/tracking-id")
        .and_then(|id| id.split(':').next())
        .or_else(|| label("argocd.argoproj.io/instance"));
    if let Some(application) = argo {
        return Some(Guard {
            id: "managed-by-argo-cd",
            reason: format!(
                "Argo CD application {application} manages {name} and will revert the change"
            ),
            way: format!(
                "change it in the repository of {application}, or suspend its automated sync first"
            ),
        });
    }
    if let Some(kustomization) = label("kustomize.toolkit.fluxcd.io/name") {
        return Some(Guard {
            id: "managed-by-flux",
            reason: format!(
                "Flux kustomization {kustomization} manages {name} and will revert the change"
            ),
            way: format!(
                "change it in the repository, or suspend it first: flux suspend kustomization \
                    {kustomization}"
            ),
        });
    }
    let flux_release = label("helm.toolkit.fluxcd.io/name");
    if let Some(release) = flux_release {
        return Some(Guard {
            id: "managed-by-flux",
            reason: format!("Flux release {release} manages {name} and will revert the change"),
            way: format!(
                "change it in the repository, or suspend it first: flux suspend helmrelease \
                    {release}"
            ),
        });
    }
    let helm = label("app.kubernetes.io/managed-by") == Some("Helm");
    let release = annotation("meta.helm.sh/release-name");
    if let (true, Some(release)) = (helm, release) {
        return Some(Guard {
            id: "managed-by-helm",
            reason: format!(
                "Helm release {release} owns {name}: its next upgrade will revert the change"
            ),
            way: format!("also change the values of {release}"),
        });
    }
    None
}

/// A rollout that stands still would not carry the change out.
pub(in crate::action) fn paused(workload: &Value) -> Option<Guard> {
    let object = Object::of(workload);
    (workload["spec"]["paused"] == true).then(|| Guard {
        id: "rollout-paused",
        reason: format!("the rollout of {object} is paused: the change would not reach any pod"),
        way: format!("kubectl rollout resume -n {} {object}", object.namespace),
    })
}

/// An autoscaler that owns the replicas of a workload and would set another number.
pub(in crate::action) fn autoscaled(
    autoscalers: &[Value],
    workload: &Value,
    replicas: u64,
) -> Option<Guard> {
    let owner = autoscalers.iter().find(|autoscaler| {
        let reference = &autoscaler["spec"]["scaleTargetRef"];
        let group = |text: &Value| {
            text.as_str()
                .unwrap_or_default()
                .split_once('/')
                .map(|(group, _)| group.to_owned())
                .unwrap_or_default()
        };
        reference["kind"] == workload["kind"]
            && reference["name"] == workload["metadata"]["name"]
            && group(&reference["apiVersion"]) == group(&workload["apiVersion"])
    })?;
    let name = owner["metadata"]["name"].as_str().unwrap_or_default();
    let (least, most) = (
        owner["spec"]["minReplicas"].as_u64().unwrap_or(1),
        owner["spec"]["maxReplicas"].as_u64().unwrap_or(u64::MAX),
    );
    let scaled_object = owner["metadata"]["labels"]["scaledobject.keda.sh/name"].as_str();
    // an autoscaler does not touch a workload of no replicas, unless KEDA wakes it
    let harmless =
        (replicas == 0 && scaled_object.is_none()) || (least == most && replicas == least);
    if harmless {
        return None;
    }
    Some(match scaled_object {
        Some(keda) => Guard {
            id: "keda-owns-replicas",
            reason: format!(
                "KEDA ScaledObject {keda} owns the replicas ({least} to {most}) and would revert \
                    the change"
            ),
            way: format!(
                "pause it first: kubectl annotate scaledobject {keda} \
                    autoscaling.keda.sh/paused-replicas={replicas}"
            ),
        },
        None => Guard {
            id: "hpa-owns-replicas",
            reason: format!(
                "HorizontalPodAutoscaler {name} owns the replicas ({least} to {most}) and would \
                    revert the change within a minute"
            ),
            way: format!("set the bounds of {name} to {replicas} in the same run"),
        },
    })
}

/// A budget that allows no disruption, for a pod that is to be evicted.
pub(in crate::action) fn budget(budgets: &[&Value], pod: &Value) -> Option<Guard> {
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let name = |budget: &Value| budget["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if let [first, second, ..] = budgets {
        return Some(Guard {
            id: "several-disruption-budgets",
            reason: format!(
                "pod/{pod_name} has two PodDisruptionBudgets, {} and {}: the API server never \
                    evicts such a pod",
                name(first),
                name(second)
            ),
            way: "delete one of them".to_owned(),
        });
    }
    let budget = budgets.first()?;
    if budget["status"]["disruptionsAllowed"].as_u64().unwrap_or(0) > 0 {
        return None;
    }
    let status = &budget["status"];
    Some(Guard {
        id: "disruption-budget",
        reason: format!(
            "PodDisruptionBudget {} allows no disruption of pod/{pod_name}: it requires {} \
                healthy pods and has {}",
            name(budget),
            status["desiredHealthy"].as_u64().unwrap_or(0),
            status["currentHealthy"].as_u64().unwrap_or(0)
        ),
        way: "add a replica, or wait until the pods are healthy; if overridden, the eviction is \
                retried until the timeout"
            .to_owned(),
    })
}

/// Words that stand for a value that was to be filled in.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "change_me",
    "change-me",
    "replace_me",
    "replace-me",
    "replaceme",
    "your-",
    "your_",
    "<your",
    "todo:",
    "xxxx",
    "placeholder",
];

/// Fields whose texts are in a language of their own, in which `{{ }}` and `${ }` are no
/// placeholders.
const OTHER_LANGUAGES: &[&str] =
    &["data", "stringData", "binaryData", "annotations", "command", "args"];

/// What a manifest to be applied must not have: placeholders, and secret values in plain text.
pub(in crate::action) fn manifest(object: &Value) -> Vec<Guard> {
    let mut guards = Vec::new();
    let name = format!(
        "{}/{}",
        object["kind"].as_str().unwrap_or_default().to_ascii_lowercase(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    let found = placeholders(object);
    if let Some((path, _)) = found.first() {
        guards.push(Guard {
            id: "placeholder",
            reason: format!(
                "{name} contains a placeholder at {path}{}",
                if found.len() > 1 {
                    format!(" and {} more", found.len() - 1)
                } else {
                    String::new()
                }
            ),
            way: "replace it".to_owned(),
        });
    }
    guards.extend(plaintext(&name, object));
    guards
}

/// Where a manifest has placeholders, with their texts: words such as `REPLACE_ME`, `<name>`, and
/// what a template engine has left, `{{ name }}` and `${NAME}`, where Kubernetes itself reads the
/// text.
pub(in crate::action) fn placeholders(object: &Value) -> Vec<(String, String)> {
    let kind = format!(
        "{}/{}",
        object["apiVersion"].as_str().unwrap_or_default(),
        object["kind"].as_str().unwrap_or_default()
    );
    let is_known = builtin(&kind).is_some();
    let mut found = Vec::new();
    strings(object, "", &mut |path, text| {
        let lower = text.to_ascii_lowercase();
        let angle = text.starts_with('<') && text.ends_with('>') && !text.contains(' ');
        let elsewhere =
            path.split(['.', '[']).any(|part| OTHER_LANGUAGES.contains(&part)) || !is_known;
        if angle
            || PLACEHOLDERS.iter().any(|word| lower.contains(word))
            || (!elsewhere && is_left_over(text))
        {
            found.push((path.to_owned(), text.to_owned()));
        }
    });
    found
}

/// Whether a text has a `{{ name }}` or `${NAME}` in it.
fn is_left_over(text: &str) -> bool {
    let closed = |open: &str, close: &str| {
        text.split_once(open).is_some_and(|(_, rest)| rest.contains(close))
    };
    let named = text.split("${").skip(1).any(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && rest.contains('}')
    });
    closed("{{", "}}") || named
}

/// A credential that is written out where everyone who may read the object can read it.
pub(in crate::action) fn plaintext(owner: &str, value: &Value) -> Option<Guard> {
    literals(value).first().map(|variable| Guard {
        id: "plaintext-secret",
        reason: format!("{owner} contains the value of {variable} in plain text"),
        way: "put it in a Secret and refer to it with valueFrom.secretKeyRef".to_owned(),
    })
}

/// The environment variables whose values are credentials in plain text.
pub(in crate::action) fn literals(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    credentials(value, &mut found);
    found
}

/// A Secret that exists with other values.
pub(in crate::action) fn overwritten(before: &Value, manifest: &Value) -> Option<Guard> {
    if manifest["kind"] != "Secret" {
        return None;
    }
    let decoded = |value: &Value| {
        use base64::Engine;
        value.as_str().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
    };
    let data = manifest["data"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, decoded(value)?)));
    let plain = manifest["stringData"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, value.as_str()?.as_bytes().to_vec())));
    let changed: Vec<&str> = data
        .chain(plain)
        .filter(|(key, value)| decoded(&before["data"][key.as_str()]).as_ref() != Some(value))
        .map(|(key, _)| key.as_str())
        .collect();
    if changed.is_empty() {
        return None;
    }
    let name = before["metadata"]["name"].as_str().unwrap_or_default();
    Some(Guard {
        id: "secret-overwritten",
        reason: format!(
            "Secret {name} exists, and its values would change for {}",
            changed.join(", ")
        ),
        way: "remove the Secret from the manifests; its previous values would not be recorded"
            .to_owned(),
    })
}

/// Every text that is a value. A `description` is prose about values, as in the definition of a
/// kind, unless it is a key of the data.
fn strings(value: &Value, path: &str, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => found(path, text),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| strings(item, &format!("{path}[{index}]"), found)),
        Value::Object(fields) => {
            let data = matches!(path, "data" | "stringData");
            fields
                .iter()
                .filter(|(key, value)| data || *key != "description" || !value.is_string())
                .for_each(|(key, value)| {
                    strings(
                        value,
                        &if path.is_empty() { key.clone() } else { format!("{path}.{key}") },
                        found,
                    );
                });
        }
        _ => {}
    }
}

/// Environment variables whose names suggest a credential and whose values are in plain text.
fn credentials(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let (Some(name), Some(text)) = (
                fields.get("name").and_then(Value::as_str),
                fields.get("value").and_then(Value::as_str),
            ) {
                let upper = name.to_ascii_uppercase();
                let speaks = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"]
                    .iter()
                    .any(|word| upper.contains(word));
                // a URI with a password in it
                let uri = text.split_once("://").is_some_and(|(_, rest)| {
                    rest.split('/').next().is_some_and(|place| {
                        let user = place.split_once('@').and_then(|(user, _)| user.split_once(':'));
                        user.is_some_and(|(_, password)| !is_variable(password))
                    })
                });
                if !text.is_empty() && !is_variable(text) && (speaks || uri) {
                    found.push(name.to_owned());
                }
            }
            fields.values().for_each(|value| credentials(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| credentials(item, found)),
        _ => {}
    }
}

/// Whether a text is the value of another variable alone: `$(NAME)`.
fn is_variable(text: &str) -> bool {
    text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')')).is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn owners_are_named() {
        for (metadata, id, owner) in [
            (
                json!({"name": "d", "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:ns/d"}}),
                "managed-by-argo-cd",
                "shop",
            ),
            (
                json!({"name": "d", "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
                "managed-by-flux",
                "apps",
            ),
            (
                json!({"name": "d", "labels": {"helm.toolkit.fluxcd.io/name": "rel"}}),
                "managed-by-flux",
                "rel",
            ),
            (
                json!({"name": "d", "labels": {"app.kubernetes.io/managed-by": "Helm"},
                    "annotations": {"meta.helm.sh/release-name": "web"}}),
                "managed-by-helm",
                "web",
            ),
        ] {
            let guard = managed(&json!({"kind": "Deployment", "metadata": metadata})).unwrap();
            assert_eq!(guard.id, id);
            assert!(guard.reason.contains(owner), "{}", guard.reason);
        }
        assert_eq!(
            managed(
                &json!({"kind": "Deployment", "metadata": {"name": "d", "labels": {"app": "d"}}})
            ),
            None
        );
    }

    #[test]
    fn an_autoscaler_that_would_not_touch_the_number_is_no_obstacle() {
        let workload =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}});
        let hpa = |min: u64, max: u64, kind: &str| {
            json!({"metadata": {"name": "h"}, "spec": {"minReplicas": min,
                "maxReplicas": max, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind,
                "name": "d"}}})
        };
        for (autoscaler, replicas, stops) in [
            (hpa(2, 10, "Deployment"), 1, true),
            (hpa(2, 10, "Deployment"), 5, true),
            (hpa(2, 10, "Deployment"), 0, false),
            (hpa(1, 1, "Deployment"), 1, false),
            (hpa(2, 10, "StatefulSet"), 1, false),
        ] {
            assert_eq!(
                autoscaled(std::slice::from_ref(&autoscaler), &workload, replicas).is_some(),
                stops,
                "{autoscaler} {replicas}"
            );
        }
        let mut keda = hpa(0, 10, "Deployment");
        keda["metadata"]["labels"] = json!({"scaledobject.keda.sh/name": "k"});
        assert_eq!(autoscaled(&[keda], &workload, 0).unwrap().id, "keda-owns-replicas");
    }

    #[test]
    fn manifests_with_placeholders_or_passwords_are_stopped() {
        for (object, ids) in [
            (
                json!({"kind": "ConfigMap", "metadata": {"name": "c"},
                    "data": {"host": "<your-host>"}}),
                vec!["placeholder"],
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                    "spec": {"image": "app:${VERSION}", "args": ["{{ x }}", "${HOME}"]}}),
                vec!["placeholder"],
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                    "spec": {"args": ["{{ x }}", "${HOME}"]}}),
                vec![],
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name":
                    "VERSION_PLACEHOLDER"}, "data": {"a.conf": "user ${USER}; {{ .x }}"}}),
                vec!["placeholder"],
            ),
            (
                json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
                    "metadata": {"name": "r"}, "spec": {"text": "{{ $labels.pod }}"}}),
                vec![],
            ),
            (
                json!({"kind": "Deployment", "metadata": {"name": "d"},
                    "spec": {"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}}),
                vec!["plaintext-secret"],
            ),
            (
                json!({"kind": "Deployment", "metadata": {"name": "d"},
                    "spec": {"env": [{"name": "DB", "value": "mysql://u:p@host/db"}]}}),
                vec!["plaintext-secret"],
            ),
            (
                json!({"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"env": [
                    {"name": "DB", "value": "mysql://$(USER):$(PASSWORD)@host/db"},
                    {"name": "DB_PASSWORD", "value": "$(PASSWORD)"}]}}),
                vec![],
            ),
            (
                json!({"kind": "Deployment", "metadata": {"name": "d"},
                    "spec": {"env": [{"name": "DB", "value": "mysql://u:$(A)b@host/db"}]}}),
                vec!["plaintext-secret"],
            ),
            (
                json!({"kind": "Deployment", "metadata": {"name": "d"},
                    "spec": {"env": [{"name": "DB_PASSWORD",
                    "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}}),
                vec![],
            ),
            (
                json!({"kind": "ConfigMap", "metadata": {"name": "c"},
                    "data": {"url": "http://a/b"}}),
                vec![],
            ),
            (
                json!({"kind": "ConfigMap", "metadata": {"name": "c"},
                    "data": {"description": "TODO: say something"}}),
                vec!["placeholder"],
            ),
            (
                json!({"kind": "CustomResourceDefinition", "metadata": {"name": "d"},
                    "spec": {"versions": [{"schema": {"openAPIV3Schema": {
                    "description": "TODO: the placeholder for your-value",
                    "properties": {"description": {"type": "string",
                    "description": "<your-text>"}}}}}]}}),
                vec![],
            ),
            (
                json!({"kind": "CustomResourceDefinition", "metadata": {"name": "d"},
                    "spec": {"versions": [{"schema": {"openAPIV3Schema": {
                    "properties": {"description": {"type": "string", "default": "CHANGEME"}}}}}]}}),
                vec!["placeholder"],
            ),
        ] {
            assert_eq!(
                manifest(&object).iter().map(|guard| guard.id).collect::<Vec<_>>(),
                ids,
                "{object}"
            );
        }
    }

    #[test]
    fn a_budget_without_room_and_two_budgets_stop_an_eviction() {
        let pod = json!({"metadata": {"name": "p"}});
        let budget_of = |allowed: u64| {
            json!({"metadata": {"name": "b"},
            "status": {"disruptionsAllowed": allowed, "desiredHealthy": 2, "currentHealthy": 2}})
        };
        assert_eq!(budget(&[&budget_of(0)], &pod).unwrap().id, "disruption-budget");
        assert_eq!(budget(&[&budget_of(1)], &pod), None);
        assert_eq!(
            budget(&[&budget_of(1), &budget_of(1)], &pod).unwrap().id,
            "several-disruption-budgets"
        );
        assert_eq!(budget(&[], &pod), None);
    }

    #[test]
    fn a_secret_is_overwritten_only_by_other_values() {
        let before = json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "djE="}});
        assert_eq!(
            overwritten(&before, &json!({"kind": "Secret", "stringData": {"k": "v1"}})),
            None
        );
        assert_eq!(
            overwritten(&before, &json!({"kind": "Secret", "stringData": {"k": "v2"}})).unwrap().id,
            "secret-overwritten"
        );
        assert_eq!(overwritten(&before, &json!({"kind": "ConfigMap", "data": {"k": "v2"}})), None);
    }
}
