//! What the API says about the lists and maps of its kinds: what identifies an element, and what is
//! changed only as a whole.
//!
//! Fields are found by their path from the root of the object, without the elements of lists.

/// How a list is merged by server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// As a whole.
    Atomic,
    /// Of values, each its own.
    Set,
    /// Of objects that these fields identify.
    Map(&'static [&'static str]),
}

/// How a list is merged by a strategic merge patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Replace,
    /// Values are added.
    Union,
    /// Objects are merged with the one that has the same value in this field.
    Merge(&'static str),
}

fn last_two<'a>(path: &[&'a str]) -> (&'a str, &'a str) {
    let at = |back: usize| path.len().checked_sub(back).map_or("", |index| path[index]);
    (at(2), at(1))
}

fn of_container(parent: &str) -> bool {
    matches!(parent, "containers" | "initContainers" | "ephemeralContainers")
}

/// How server-side apply takes the list at a path.
pub(crate) fn list(kind: &str, path: &[&str]) -> List {
    match last_two(path) {
        (
            "spec",
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "volumes"
            | "imagePullSecrets"
            | "schedulingGates"
            | "resourceClaims",
        ) => List::Map(&["name"]),
        ("spec", "hostAliases") => List::Map(&["ip"]),
        ("spec", "topologySpreadConstraints") => List::Map(&["topologyKey", "whenUnsatisfiable"]),
        ("spec", "ports") if kind == "Service" => List::Map(&["port", "protocol"]),
        ("spec", "podCIDRs") | ("metadata", "finalizers") => List::Set,
        ("metadata", "ownerReferences") => List::Map(&["uid"]),
        ("status", "conditions") if kind == "Job" => List::Atomic,
        ("status", "conditions" | "addresses") => List::Map(&["type"]),
        ("status", "podIPs" | "hostIPs") => List::Map(&["ip"]),
        ("resources", "claims") => List::Map(&["name"]),
        ("", "imagePullSecrets" | "secrets") if kind == "ServiceAccount" => List::Map(&["name"]),
        (parent, "env") if of_container(parent) => List::Map(&["name"]),
        (parent, "ports") if of_container(parent) => List::Map(&["containerPort", "protocol"]),
        (parent, "volumeMounts") if of_container(parent) => List::Map(&["mountPath"]),
        (parent, "volumeDevices") if of_container(parent) => List::Map(&["devicePath"]),
        _ => List::Atomic,
    }
}

/// How a strategic merge patch takes the list at a path.
pub(crate) fn strategy(kind: &str, path: &[&str]) -> Strategy {
    match (last_two(path), list(kind, path)) {
        ((_, "ports"), List::Map(keys)) => Strategy::Merge(keys[0]),
        ((_, "topologySpreadConstraints"), _) => Strategy::Merge("topologyKey"),
        (("status", "conditions"), _) => Strategy::Merge("type"),
        (("", "secrets"), List::Map(_)) => Strategy::Merge("name"),
        (_, List::Map(keys)) => Strategy::Merge(keys[0]),
        (_, List::Set) => Strategy::Union,
        (_, List::Atomic) => Strategy::Replace,
    }
}

/// Says whether the map at a path has one owner as a whole.
pub(crate) fn atomic_map(path: &[&str]) -> bool {
    matches!(
        last_two(path).1,
        "selector"
            | "labelSelector"
            | "podSelector"
            | "namespaceSelector"
            | "nodeSelector"
            | "requiredDuringSchedulingIgnoredDuringExecution"
            | "fieldRef"
            | "resourceFieldRef"
            | "configMapKeyRef"
            | "secretKeyRef"
            | "fileKeyRef"
            | "roleRef"
            | "involvedObject"
            | "claimRef"
    )
}

/// The value of a key that an element does not have.
pub(crate) fn key_default(key: &str) -> Option<&'static str> {
    (key == "protocol").then_some("TCP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_by_their_path() {
        let pod = ["spec", "template", "spec", "containers"];
        let within = |field| [&pod[..], &[field]].concat();
        for (kind, path, expected, patched) in [
            ("Deployment", pod.to_vec(), List::Map(&["name"]), Strategy::Merge("name")),
            ("Deployment", within("env"), List::Map(&["name"]), Strategy::Merge("name")),
            (
                "Deployment",
                within("ports"),
                List::Map(&["containerPort", "protocol"]),
                Strategy::Merge("containerPort"),
            ),
            (
                "Deployment",
                within("volumeMounts"),
                List::Map(&["mountPath"]),
                Strategy::Merge("mountPath"),
            ),
            ("Deployment", within("args"), List::Atomic, Strategy::Replace),
            (
                "Deployment",
                vec!["spec", "template", "spec", "tolerations"],
                List::Atomic,
                Strategy::Replace,
            ),
            (
                "Service",
                vec!["spec", "ports"],
                List::Map(&["port", "protocol"]),
                Strategy::Merge("port"),
            ),
            ("NetworkPolicy", vec!["spec", "ingress", "ports"], List::Atomic, Strategy::Replace),
            ("Job", vec!["status", "conditions"], List::Atomic, Strategy::Merge("type")),
            ("Pod", vec!["metadata", "finalizers"], List::Set, Strategy::Union),
            (
                "ServiceAccount",
                vec!["imagePullSecrets"],
                List::Map(&["name"]),
                Strategy::Merge("name"),
            ),
        ] {
            assert_eq!(
                (list(kind, &path), strategy(kind, &path)),
                (expected, patched),
                "{kind} {path:?}"
            );
        }
    }
}
