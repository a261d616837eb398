//! Variations of Services and policies.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Chance;
use super::pods::home;
use crate::object;

/// The Services that lead to pods.
fn services(manifests: &[Value]) -> Vec<Value> {
    let with_pods = |manifest: &&Value| {
        manifest["kind"] == "Service"
            && manifest["spec"]["selector"].is_object()
            && object::namespace(manifest) != "kube-system"
    };
    manifests.iter().filter(with_pods).cloned().collect()
}

fn copies(manifests: &[Value], suffix: &str, headless: bool) -> Vec<Value> {
    let mut found = services(manifests);
    for service in &mut found {
        service["metadata"]["name"] = json!(format!("{}-{suffix}", object::name(service)));
        object::merge(
            &mut service["spec"],
            &json!({"clusterIP": if headless { json!("None") } else { Value::Null }}),
        );
    }
    found
}

pub(super) fn extra_service(manifests: &mut Vec<Value>, chance: &mut Chance) {
    let more = copies(manifests, chance.of(&["internal", "canary", "v2"]), false);
    manifests.extend(more);
}

pub(super) fn headless_service(manifests: &mut Vec<Value>, chance: &mut Chance) {
    let more = copies(manifests, chance.of(&["headless", "peers"]), true);
    manifests.extend(more);
}

pub(super) fn external_name(manifests: &mut Vec<Value>, _: &mut Chance) {
    manifests.push(json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "elsewhere", "namespace": home(manifests)},
        "spec": {"type": "ExternalName", "externalName": "api.example.com"}}));
}

pub(super) fn policy_for_allowed(manifests: &mut Vec<Value>, _: &mut Chance) {
    let allows = |manifest: &&Value| {
        manifest["kind"] == "NetworkPolicy"
            && (manifest["spec"]["ingress"].is_array() || manifest["spec"]["egress"].is_array())
    };
    let more: Vec<Value> = manifests
        .iter()
        .filter(allows)
        .map(|policy| {
            let mut again = policy.clone();
            again["metadata"]["name"] = json!(format!("again-{}", object::name(policy)));
            again
        })
        .collect();
    manifests.extend(more);
}

pub(super) fn policy_for_nobody(manifests: &mut Vec<Value>, _: &mut Chance) {
    manifests.push(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "of-a-former-team", "namespace": home(manifests)},
        "spec": {"podSelector": {"matchLabels": {"team": "former"}}, "policyTypes": ["Ingress",
        "Egress"]}}));
}

pub(super) fn dual_stack(manifests: &mut Vec<Value>, _: &mut Chance) {
    let of_addresses = |manifest: &&mut Value| {
        manifest["kind"] == "Service"
            && manifest["spec"]["clusterIP"] != "None"
            && manifest["spec"]["type"] != "ExternalName"
    };
    for service in manifests.iter_mut().filter(of_addresses) {
        service["spec"]["ipFamilyPolicy"] = json!("PreferDualStack");
        service["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    }
}

pub(super) fn dual_stack_pods(objects: &[&Value], _: &mut Chance, _: Timestamp) -> Vec<Value> {
    let mut found = Vec::new();
    for (turn, pod) in objects
        .iter()
        .filter(|object| object["kind"] == "Pod" && object["status"]["podIP"].is_string())
        .enumerate()
    {
        let mut pod = (*pod).clone();
        pod["status"]["podIPs"] =
            json!([{"ip": pod["status"]["podIP"]}, {"ip": format!("fd00:244::{:x}", turn + 1)}]);
        found.push(pod);
    }
    for (turn, service) in objects
        .iter()
        .filter(|object| object["kind"] == "Service" && object["spec"]["ipFamilies"][1] == "IPv6")
        .enumerate()
    {
        let mut service = (*service).clone();
        if let Some(address) = service["spec"]["clusterIP"].as_str() {
            service["spec"]["clusterIPs"] = json!([address, format!("fd00:96::{:x}", turn + 1)]);
            found.push(service);
        }
    }
    found
}

pub(super) fn split_slices(manifests: &mut Vec<Value>, _: &mut Chance) {
    for service in manifests.iter_mut().filter(|manifest| {
        manifest["kind"] == "Service" && manifest["spec"]["selector"].is_object()
    }) {
        service["metadata"]["annotations"][crate::controllers::PER_SLICE] = json!("1");
    }
}

/// The namespace and the Service of Prometheus after [`prometheus_elsewhere`].
pub(super) const ELSEWHERE: (&str, &str) = ("observability-metrics", "prometheus-operated");

/// Prometheus moves; who may scrape whom moves with it.
pub(super) fn prometheus_elsewhere(manifests: &mut Vec<Value>, _: &mut Chance) {
    let is_service =
        |manifest: &&Value| manifest["kind"] == "Service" && object::name(manifest) == "prometheus";
    let Some(here) = manifests.iter().find(is_service).map(|it| object::namespace(it).to_owned())
    else {
        return;
    };
    let (namespace, service) = ELSEWHERE;
    for manifest in manifests.iter_mut() {
        match manifest["kind"].as_str() {
            Some("Namespace") if object::name(manifest) == here => {
                manifest["metadata"]["name"] = json!(namespace);
            }
            Some("NetworkPolicy") => {
                let rules =
                    ["ingress", "egress"].map(|direction| manifest["spec"][direction].take());
                for (direction, rules) in ["ingress", "egress"].into_iter().zip(rules) {
                    if !rules.is_null() {
                        let text = rules.to_string().replace(
                            &format!("\"kubernetes.io/metadata.name\":\"{here}\""),
                            &format!("\"kubernetes.io/metadata.name\":\"{namespace}\""),
                        );
                        manifest["spec"][direction] = serde_json::from_str(&text).unwrap_or(rules);
                    }
                }
                if let Value::Object(spec) = &mut manifest["spec"] {
                    spec.retain(|_, value| !value.is_null());
                }
            }
            _ if object::namespace(manifest) == here => {
                manifest["metadata"]["namespace"] = json!(namespace);
                if manifest["kind"] == "Service" && object::name(manifest) == "prometheus" {
                    manifest["metadata"]["name"] = json!(service);
                }
                if manifest["kind"] == "ConfigMap" && object::name(manifest) == "prometheus" {
                    let text = manifest["data"]["prometheus.yml"]
                        .as_str()
                        .unwrap_or_default()
                        .replace(&format!(".{here}.svc"), &format!(".{namespace}.svc"));
                    manifest["data"]["prometheus.yml"] = json!(text);
                }
            }
            _ => {}
        }
    }
}
