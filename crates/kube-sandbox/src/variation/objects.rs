//! Variations of metadata, names and keys.

use serde_json::{Value, json};

use super::Chance;
use super::pods::{applications, is_application};
use crate::object;

pub(super) fn more_labels(manifests: &mut Vec<Value>, chance: &mut Chance) {
    let labels = json!({"app.kubernetes.io/part-of": "platform",
        "tier": chance.of(&["backend", "core"]), "team": "core"});
    for application in applications(manifests) {
        object::merge(&mut application["metadata"], &json!({"labels": labels}));
        object::merge(&mut application["spec"]["template"]["metadata"], &json!({"labels": labels}));
    }
}

pub(super) fn gitops_annotations(manifests: &mut Vec<Value>, _: &mut Chance) {
    for manifest in manifests.iter_mut().filter(|manifest| {
        is_application(manifest)
            || matches!(manifest["kind"].as_str(), Some("Service" | "ConfigMap" | "NetworkPolicy"))
    }) {
        let id = format!(
            "platform:{}/{}",
            manifest["kind"].as_str().unwrap_or_default(),
            object::name(manifest)
        );
        manifest["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!(id);
    }
}

pub(super) fn more_config_keys(manifests: &mut Vec<Value>, _: &mut Chance) {
    for map in manifests.iter_mut().filter(|manifest| {
        manifest["kind"] == "ConfigMap" && object::namespace(manifest) != "kube-system"
    }) {
        map["data"]["LOG_LEVEL"] = json!("info");
        map["data"]["banner.txt"] =
            json!("error: none\n{{ not a template }}\n\u{2713} \u{65e5}\u{672c}\u{8a9e}\n");
    }
}

pub(super) fn more_secret_keys(manifests: &mut Vec<Value>, _: &mut Chance) {
    for secret in manifests.iter_mut().filter(|manifest| manifest["kind"] == "Secret") {
        object::merge(
            secret,
            &json!({"stringData": {"api-key": "fake-key-0123456789", "empty": "",
                "mysql-uri-old": "mysql//former"}}),
        );
    }
}

/// What nobody refers to by name has another one.
pub(super) fn other_names(manifests: &mut Vec<Value>, chance: &mut Chance) {
    let suffix = chance.of(&["prod", "eu-1", "x7"]);
    for policy in manifests.iter_mut().filter(|manifest| manifest["kind"] == "NetworkPolicy") {
        policy["metadata"]["name"] = json!(format!("{}-{suffix}", object::name(policy)));
    }
}
