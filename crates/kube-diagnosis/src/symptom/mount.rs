//! What to do about volumes that cannot be mounted or attached, by what the kubelet and the
//! attach/detach controller say.

/// The driver has not registered itself with the kubelet (pkg/volume/csi/csi_client.go), or is
/// missing in the CSINode of the node (pkg/volume/csi/csi_plugin.go).
const NO_NODE_PLUGIN: &str = "check the node plugin of the CSI driver: its DaemonSet is missing, or \
    has no ready pod on the node, so that the driver is not registered there";

pub(super) fn mount_hint(message: &str) -> &'static str {
    let has = |part: &str| message.contains(part);
    // the name of a driver, a volume or a class may be anything: `secrets-store.csi.k8s.io`
    let is_missing = |kind: &str, key: &str| {
        let one = [format!("{kind} \""), format!("{kind}s \"")];
        let mut named = one.iter().filter_map(|one| message.split_once(one.as_str()));
        named.any(|(_, rest)| rest.contains("\" not found")) || has(key)
    };
    if let Some(hint) = of_driver(message) {
        hint
    } else if has("SecretProviderClass") && has("not found") {
        "create the SecretProviderClass in the namespace of the pod, or correct the \
            secretProviderClass of the volume"
    } else if is_missing("secret", "non-existent secret key") {
        "create the Secret or its key, or correct the volume that refers to it"
    } else if is_missing("configmap", "non-existent config key") {
        "create the ConfigMap or its key, or correct the volume that refers to it"
    } else if has("hostPath type check failed") {
        "create the path on the node, or correct path and type of the hostPath volume"
    } else {
        "check the volume and its storage"
    }
}

pub(super) fn attach_hint(message: &str) -> &'static str {
    if let Some(hint) = of_driver(message) {
        hint
    } else if message.contains("Multi-Attach") || message.contains("already exclusively attached") {
        "the volume is still attached to another node: check which pod uses it there, and whether \
            that node is down"
    } else {
        "check the volume, its storage and its CSI driver"
    }
}

/// What to do where a CSI driver is not where it should be.
fn of_driver(message: &str) -> Option<&'static str> {
    let has = |part: &str| message.contains(part);
    if has("registered CSI drivers") || has("CSINode ") && has("does not contain driver") {
        Some(NO_NODE_PLUGIN)
    } else if has("no CSIDriver object") {
        Some(
            "install the CSI driver, or correct its name in the volume: the cluster has no CSIDriver \
            object of this name",
        )
    } else if has("waiting for external-attacher") {
        Some(
            "check the controller of the CSI driver: its external-attacher is missing, does not run, \
            or does not answer in time",
        )
    } else {
        None
    }
}
