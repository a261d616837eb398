//! The security standard that a namespace enforces on its pods.
//!
//! After `pod-security-admission/policy/` of Kubernetes; of each standard the checks that pods
//! usually fail.

use serde_json::Value;

use super::Refusal;
use crate::object;
use crate::store::Store;

const LABEL: &str = "pod-security.kubernetes.io/enforce";
/// What containers may add under the standard `baseline`.
const USUAL: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn check(store: &Store, pod: &Value) -> Result<(), Refusal> {
    let labels = store
        .get("namespaces", "", object::namespace(pod))
        .map(|namespace| object::labels(namespace))
        .unwrap_or_default();
    let Some(standard @ ("baseline" | "restricted")) = labels.get(LABEL).map(String::as_str) else {
        return Ok(());
    };
    let mut broken = baseline(&pod["spec"]);
    if standard == "restricted" {
        broken.extend(restricted(&pod["spec"]));
    }
    if broken.is_empty() {
        return Ok(());
    }
    let version = labels.get(&format!("{LABEL}-version")).map_or("latest", String::as_str);
    let why = format!("violates PodSecurity \"{standard}:{version}\": {}", broken.join(", "));
    Err(Refusal::of_pod(pod, &why))
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().flat_map(|field| object::list(&spec[field]))
}

/// The names of the containers of which something holds, in words.
fn named(spec: &Value, holds: impl Fn(&Value) -> bool) -> Option<String> {
    let names: Vec<String> = containers(spec)
        .filter(|container| holds(container))
        .map(|container| format!("\"{}\"", container["name"].as_str().unwrap_or_default()))
        .collect();
    match names.len() {
        0 => None,
        1 => Some(format!("container {}", names[0])),
        _ => Some(format!("containers {}", names.join(", "))),
    }
}

fn baseline(spec: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .iter()
        .filter(|field| spec[**field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    if !shared.is_empty() {
        broken.push(format!("host namespaces ({})", shared.join(", ")));
    }
    let unusual = |container: &Value| {
        object::list(&container["securityContext"]["capabilities"]["add"])
            .iter()
            .any(|added| !USUAL.iter().any(|usual| added == usual))
    };
    if let Some(names) = named(spec, unusual) {
        broken.push(format!(
            "non-default capabilities ({names} must not include other capabilities in \
                securityContext.capabilities.add)"
        ));
    }
    let volumes: Vec<String> = object::list(&spec["volumes"])
        .iter()
        .filter(|volume| volume.get("hostPath").is_some())
        .map(|volume| format!("\"{}\"", volume["name"].as_str().unwrap_or_default()))
        .collect();
    if !volumes.is_empty() {
        let word = if volumes.len() == 1 { "volume" } else { "volumes" };
        broken.push(format!("hostPath volumes ({word} {})", volumes.join(", ")));
    }
    let on_host = |port: &Value| port["hostPort"].as_u64().is_some_and(|port| port != 0);
    if let Some(names) =
        named(spec, |container| object::list(&container["ports"]).iter().any(on_host))
    {
        broken.push(format!("hostPort ({names} uses a hostPort)"));
    }
    if let Some(names) = named(spec, |container| container["securityContext"]["privileged"] == true)
    {
        broken.push(format!("privileged ({names} must not set securityContext.privileged=true)"));
    }
    broken
}

fn restricted(spec: &Value) -> Vec<String> {
    let of_pod = &spec["securityContext"];
    let mut broken = Vec::new();
    if let Some(names) =
        named(spec, |container| container["securityContext"]["allowPrivilegeEscalation"] != false)
    {
        broken.push(format!(
            "allowPrivilegeEscalation != false ({names} must set \
                securityContext.allowPrivilegeEscalation=false)"
        ));
    }
    let keeps = |container: &Value| {
        let dropped = object::list(&container["securityContext"]["capabilities"]["drop"]);
        !dropped.iter().any(|dropped| dropped == "ALL")
    };
    if let Some(names) = named(spec, keeps) {
        broken.push(format!(
            "unrestricted capabilities ({names} must set \
                securityContext.capabilities.drop=[\"ALL\"])"
        ));
    }
    let own = |container: &Value, field: &str| {
        let own = &container["securityContext"][field];
        if own.is_null() { of_pod[field].clone() } else { own.clone() }
    };
    if let Some(names) = named(spec, |container| own(container, "runAsNonRoot") != true) {
        broken.push(format!(
            "runAsNonRoot != true (pod or {names} must set securityContext.runAsNonRoot=true)"
        ));
    }
    let unconfined = |container: &Value| {
        let kind = own(container, "seccompProfile")["type"].clone();
        kind != "RuntimeDefault" && kind != "Localhost"
    };
    if let Some(names) = named(spec, unconfined) {
        broken.push(format!(
            "seccompProfile (pod or {names} must set securityContext.seccompProfile.type to \
                \"RuntimeDefault\" or \"Localhost\")"
        ));
    }
    broken
}
