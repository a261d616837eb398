//! Which tool an object belongs to, by the labels and annotations that the tools write. Pure.

use crate::diagnosis::object::filled;
use serde_json::{Value, json};

/// The tool that manages an object, with the name of its own object: `{tool, name, namespace}`. It
/// reverts what somebody else changes, so that a change belongs into its source. None if no tool
/// has left its mark.
pub(in crate::action) fn managed_by(metadata: &Value) -> Option<Value> {
    let label = |key: &str| filled(&metadata["labels"][key]);
    let annotation = |key: &str| filled(&metadata["annotations"][key]);
    let said = |tool: &str, name: &str, namespace: Option<&str>| {
        Some(json!({"tool": tool, "name": name, "namespace": namespace}))
    };
    // APP:GROUP/KIND:NAMESPACE/NAME; in several namespaces, APP is NAMESPACE_NAME
    if let Some(id) = annotation("argocd.argoproj.io/tracking-id") {
        let app = id.split(':').next().unwrap_or(id);
        let (namespace, name) =
            app.split_once('_').map_or((None, app), |(namespace, name)| (Some(namespace), name));
        return said("argocd", name, namespace);
    }
    if let Some(name) = label("argocd.argoproj.io/instance") {
        return said("argocd", name, None);
    }
    for (tool, prefix) in [
        ("flux-kustomization", "kustomize.toolkit.fluxcd.io"),
        ("flux-helmrelease", "helm.toolkit.fluxcd.io"),
    ] {
        if let Some(name) = label(&format!("{prefix}/name")) {
            return said(tool, name, label(&format!("{prefix}/namespace")));
        }
    }
    let helm = label("app.kubernetes.io/managed-by") == Some("Helm");
    let name = annotation("meta.helm.sh/release-name").filter(|_| helm)?;
    said("helm", name, annotation("meta.helm.sh/release-namespace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_leaves_its_mark() {
        for (metadata, wanted) in [
            (json!({}), Value::Null),
            (json!({"labels": {"app.kubernetes.io/instance": "web"}}), Value::Null),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id":
                    "shop:apps/Deployment:shop/web"}}),
                json!({"tool": "argocd", "name": "shop", "namespace": null}),
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id":
                    "team_shop:apps/Deployment:shop/web"}}),
                json!({"tool": "argocd", "name": "shop", "namespace": "team"}),
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}),
                json!({"tool": "flux-kustomization", "name": "apps", "namespace": "flux-system"}),
            ),
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {
                    "meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}}),
                json!({"tool": "helm", "name": "web", "namespace": "shop"}),
            ),
        ] {
            assert_eq!(managed_by(&metadata).unwrap_or_default(), wanted, "{metadata}");
        }
    }
}
