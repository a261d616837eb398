//! Why no node is eligible for the pods of a template: labels, affinity and taints against the
//! nodes that there are.

use crate::object::{array, name, text};
use crate::view::listed;
use serde_json::Value;

/// Taints that the pods of every DaemonSet tolerate (pkg/controller/daemon/util).
const TOLERATED: &[&str] = &[
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

/// What keeps the pods of a spec from every node.
pub(super) enum Nowhere {
    /// It is for nodes of a kind that the cluster does not have: no fault of one without Windows or
    /// GPUs.
    Unselected(String),
    /// Something else, or it cannot be told what.
    Other(String),
}

/// The labels that say of what kind a node is (well-known labels of Kubernetes).
const PLATFORM: [&str; 5] = [
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "node.kubernetes.io/windows-build",
];

/// The label of no node, by which DaemonSets are switched off.
const SWITCHED_OFF: &str = "non-existing";

/// What keeps the pods of this spec from every node, in words. Without nodes nothing can be told of
/// their labels and taints.
pub(super) fn why_nowhere(spec: &Value, nodes: &[Value]) -> Nowhere {
    let selector = selector(spec);
    let rules = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    if nodes.is_empty() {
        return Nowhere::Other(match (selector.as_str(), rules.is_object()) {
            ("", false) => "there is no node whose taints it tolerates".to_owned(),
            ("", true) => "it has node affinity rules".to_owned(),
            (selector, _) => format!("its nodeSelector is {selector}"),
        });
    }
    let selected: Vec<&Value> = nodes.iter().filter(|node| has_labels(node, spec)).collect();
    if selected.is_empty() {
        let detail =
            format!("its nodeSelector {selector} matches no node ({} evaluated)", nodes.len());
        let mut wanted = spec["nodeSelector"].as_object().into_iter().flatten();
        return match wanted.any(|(key, value)| is_elsewhere(key, &[value], nodes)) {
            true => Nowhere::Unselected(detail),
            false => Nowhere::Other(detail),
        };
    }
    let near: Vec<&Value> = selected.into_iter().filter(|node| satisfies(node, rules)).collect();
    if near.is_empty() {
        let detail = format!(
            "its node affinity matches no node ({} evaluated): {}",
            nodes.len(),
            terms(rules)
        );
        let is_elsewhere = |rule: &Value| {
            let values: Vec<&Value> = array(&rule["values"]).collect();
            matches!(text(&rule["operator"]), "In" | "Exists")
                && is_elsewhere(text(&rule["key"]), &values, nodes)
        };
        let mut terms = array(&rules["nodeSelectorTerms"]);
        return match terms.all(|term| array(&term["matchExpressions"]).any(is_elsewhere)) {
            true => Nowhere::Unselected(detail),
            false => Nowhere::Other(detail),
        };
    }
    Nowhere::Other(refused(spec, &near))
}

/// Platforms that there are: operating systems of nodes, and architectures of Go.
const PLATFORMS: &[&str] = &[
    "linux", "windows", "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le",
    "riscv64", "s390x",
];

/// Whether a label, with one of these values if there are any, tells nodes of a kind that the
/// cluster does not have: another platform, or a label of a vendor or a component that no node
/// bears. One without a prefix is somebody's own, and may be forgotten or mistyped.
fn is_elsewhere(key: &str, values: &[&Value], nodes: &[Value]) -> bool {
    let label = |node: &Value| node["metadata"]["labels"][key].clone();
    if PLATFORM.contains(&key) {
        let is_real = |value: &&Value| key.ends_with("build") || PLATFORMS.contains(&text(value));
        return values.iter().any(is_real)
            && !nodes.iter().any(|node| values.contains(&&label(node)));
    }
    (key.contains('/') || key == SWITCHED_OFF)
        && nodes.iter().all(|node| label(node).is_null())
        && !nodes.iter().flat_map(labels).any(|own| strsim::damerau_levenshtein(key, own) == 1)
}

fn labels(node: &Value) -> impl Iterator<Item = &str> {
    node["metadata"]["labels"].as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}

/// What keeps the pods of this spec from the nodes that it selects.
fn refused(spec: &Value, near: &[&Value]) -> String {
    let mut taints: Vec<String> = Vec::new();
    for taint in near.iter().flat_map(|node| array(&node["spec"]["taints"])) {
        let shown = shown(taint);
        if !tolerates(spec, taint) && !taints.contains(&shown) {
            taints.push(shown);
        }
    }
    let taints: Vec<&str> = taints.iter().map(String::as_str).collect();
    if taints.is_empty() {
        return "its labels, affinity and tolerations would allow a node".to_owned();
    }
    format!("it does not tolerate {} of the nodes that it selects", listed(&taints))
}

/// The labels of its nodeSelector: `zone=a,disk=ssd`.
fn selector(spec: &Value) -> String {
    let labels = spec["nodeSelector"].as_object().into_iter().flatten();
    labels.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(",")
}

/// What a pod asks of the labels of its node, in words; may be empty.
pub(super) fn asked(spec: &Value) -> String {
    let rules = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let both = [selector(spec), terms(rules)];
    both.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn has_labels(node: &Value, spec: &Value) -> bool {
    let mut wanted = spec["nodeSelector"].as_object().into_iter().flatten();
    wanted.all(|(key, value)| node["metadata"]["labels"][key.as_str()] == *value)
}

/// Whether one of the terms fits; rules that are absent fit every node.
fn satisfies(node: &Value, rules: &Value) -> bool {
    let fits = |term: &Value| {
        let labels = &node["metadata"]["labels"];
        array(&term["matchExpressions"])
            .all(|rule| holds(rule, labels[text(&rule["key"])].as_str()))
            && array(&term["matchFields"]).all(|rule| holds(rule, Some(name(node))))
    };
    !rules.is_object() || array(&rules["nodeSelectorTerms"]).any(fits)
}

fn holds(rule: &Value, value: Option<&str>) -> bool {
    let is_in = || array(&rule["values"]).any(|one| one.as_str() == value && value.is_some());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let bound = || number(array(&rule["values"]).next().and_then(Value::as_str));
    match text(&rule["operator"]) {
        "In" => is_in(),
        "NotIn" => !is_in(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number(value).zip(bound()).is_some_and(|(value, bound)| value > bound),
        "Lt" => number(value).zip(bound()).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// The terms in words: `gpu Exists; zone In a,b`.
fn terms(rules: &Value) -> String {
    let rule = |rule: &Value| {
        let values: Vec<&str> = array(&rule["values"]).map(text).collect();
        let said = format!("{} {}", text(&rule["key"]), text(&rule["operator"]));
        if values.is_empty() { said } else { format!("{said} {}", values.join(",")) }
    };
    let term = |term: &Value| {
        let rules = array(&term["matchExpressions"]).chain(array(&term["matchFields"]));
        rules.map(rule).collect::<Vec<_>>().join(" and ")
    };
    array(&rules["nodeSelectorTerms"]).map(term).collect::<Vec<_>>().join("; or ")
}

fn shown(taint: &Value) -> String {
    let (key, effect) = (text(&taint["key"]), text(&taint["effect"]));
    match text(&taint["value"]) {
        "" => format!("{key}:{effect}"),
        value => format!("{key}={value}:{effect}"),
    }
}

fn tolerates(spec: &Value, taint: &Value) -> bool {
    let key = text(&taint["key"]);
    if taint["effect"] == "PreferNoSchedule" || TOLERATED.contains(&key) {
        return true;
    }
    array(&spec["tolerations"]).any(|one| {
        let exists = one["operator"] == "Exists";
        let of_key = one["key"] == taint["key"] || exists && text(&one["key"]).is_empty();
        let of_effect = text(&one["effect"]).is_empty() || one["effect"] == taint["effect"];
        of_key && of_effect && (exists || text(&one["value"]) == text(&taint["value"]))
    })
}
