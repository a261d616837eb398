//! Mistakes in manifests, found before they are applied. Pure.

use super::guard;
use super::manifest::Document;
use crate::network::{self, Inventory, LabelSelector, Labels, LintId, Severity};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Lints of policies that need nothing but the objects that they name.
const OF_POLICIES: &[LintId] = &[
    LintId::Unreadable,
    LintId::ServicePortNotPodPort,
    LintId::NamedPortMissing,
    LintId::RulesWithoutType,
    LintId::ExceptOutsideCidr,
];
/// Lints of policies that nothing is to be found in the cluster either.
const OF_SELECTORS: &[LintId] =
    &[LintId::SelectorMatchesNothing, LintId::PeerMatchesNothing, LintId::NamespaceLabelMissing];

/// An object of a file.
pub(in crate::action) struct Written {
    pub(in crate::action) file: String,
    /// With its namespace.
    pub(in crate::action) document: Document,
    /// The lines of the file.
    pub(in crate::action) lines: Vec<String>,
}

impl Written {
    /// The line of the object on which a text stands, or that on which the object begins.
    fn line(&self, text: &str) -> u64 {
        let first = text.lines().next().unwrap_or_default();
        let begin = usize::try_from(self.document.line).unwrap_or_default().saturating_sub(1);
        let own = self.lines.iter().enumerate().skip(begin);
        let mut own = own.take_while(|(index, line)| *index == begin || !line.starts_with("---"));
        own.find(|(_, line)| !first.is_empty() && line.contains(first))
            .map_or(self.document.line, |(index, _)| index as u64 + 1)
    }

    fn lint(&self, severity: Severity, lint: &str, text: &str, message: String) -> Value {
        json!({"file": self.file, "line": self.line(text), "kind": self.document.object["kind"],
            "namespace": self.document.metadata("namespace"),
            "name": self.document.metadata("name"),
            "severity": severity, "lint": lint, "message": message})
    }
}

/// What is wrong with what is written, in the order of the objects. `live` are the objects of the
/// cluster; without them, nothing is said of what matches nothing.
pub(in crate::action) fn lint(written: &[Written], live: Option<&[Value]>) -> Vec<Value> {
    let others = live
        .unwrap_or_default()
        .iter()
        .filter(|object| !written.iter().any(|written| is_same(&written.document.object, object)));
    let all: Vec<&Value> =
        written.iter().map(|written| &written.document.object).chain(others).collect();
    let subjects: Vec<Subject> = all.iter().filter_map(|object| Subject::of(object)).collect();
    let mut lints = Vec::new();
    for written in written {
        lints.extend(texts(written));
        lints.extend(latest(written));
        lints.extend(ports(written, &subjects));
        if live.is_some() {
            lints.extend(selects_nothing(written, &subjects));
        }
    }
    lints.extend(policies(written, &all, live.is_some()));
    lints
}

fn is_same(left: &Value, right: &Value) -> bool {
    left["kind"] == right["kind"]
        && ["namespace", "name"].iter().all(|key| {
            let text =
                |object: &Value| object["metadata"][key].as_str().unwrap_or_default().to_owned();
            text(left) == text(right)
        })
}

/// What the guards of `apply` refuse, place by place.
fn texts(written: &Written) -> Vec<Value> {
    let object = &written.document.object;
    let placeholders = guard::placeholders(object).into_iter().map(|(path, text)| {
        let message = format!("a placeholder at {path}: replace it");
        written.lint(Severity::Error, "placeholder", &text, message)
    });
    let literals = guard::literals(object).into_iter().map(|name| {
        let message = format!("the value of {name} in plain text: put it in a Secret");
        written.lint(Severity::Error, "plaintext-secret", &name, message)
    });
    placeholders.chain(literals).collect()
}

/// Images that are another one tomorrow.
fn latest(written: &Written) -> Vec<Value> {
    let Some(template) = template(&written.document.object) else { return Vec::new() };
    let containers = ["initContainers", "containers"]
        .into_iter()
        .flat_map(|key| template["spec"][key].as_array().into_iter().flatten());
    let image = |container: &Value| container["image"].as_str().unwrap_or_default().to_owned();
    let is_moving = |image: &str| {
        let name = image.rsplit('/').next().unwrap_or_default();
        let tag = name.split_once(':').map(|(_, tag)| tag);
        !image.is_empty() && !image.contains('@') && matches!(tag, None | Some("latest"))
    };
    containers
        .map(image)
        .filter(|image| is_moving(image))
        .map(|image| {
            let message = format!("image {image} has no fixed version: use a tag or a digest");
            written.lint(Severity::Warning, "latest-tag", &image, message)
        })
        .collect()
}

/// Selectors of Services and budgets that match no pod and no template.
fn selects_nothing(written: &Written, subjects: &[Subject]) -> Option<Value> {
    let object = &written.document.object;
    let selector = match object["kind"].as_str()? {
        "Service" => service_selector(object)?,
        "PodDisruptionBudget" => {
            serde_json::from_value::<LabelSelector>(object["spec"]["selector"].clone()).ok()?
        }
        _ => return None,
    };
    let place = written.document.metadata("namespace");
    if subjects.iter().any(|subject| subject.is_selected(place, &selector)) {
        return None;
    }
    Some(written.lint(
        Severity::Error,
        "selector-matches-nothing",
        "selector:",
        format!("its selector {selector} matches no pod and no pod template"),
    ))
}

/// Ports of a Service that lead to none of the pods' ports.
fn ports(written: &Written, subjects: &[Subject]) -> Vec<Value> {
    let object = &written.document.object;
    if object["kind"] != "Service" {
        return Vec::new();
    }
    let Some(selector) = service_selector(object) else { return Vec::new() };
    let place = written.document.metadata("namespace");
    let selected: Vec<&Subject> =
        subjects.iter().filter(|subject| subject.is_selected(place, &selector)).collect();
    // where nothing is declared, nothing is known
    if !selected.iter().any(|subject| !subject.ports.is_empty()) {
        return Vec::new();
    }
    let mut lints = Vec::new();
    for port in object["spec"]["ports"].as_array().into_iter().flatten() {
        let target = port.get("targetPort").filter(|target| !target.is_null());
        let target = target.unwrap_or(&port["port"]);
        if selected.iter().any(|subject| subject.has(target)) {
            continue;
        }
        let (severity, why) = match target {
            // a name leads nowhere; a number may be open all the same
            Value::String(_) => (Severity::Error, "declares a port of that name"),
            _ => (Severity::Warning, "declares that port"),
        };
        let target = target.as_str().map_or_else(|| target.to_string(), str::to_owned);
        let owners: BTreeSet<&str> =
            selected.iter().map(|subject| subject.owner.as_str()).collect();
        let owners: Vec<&str> = owners.into_iter().collect();
        let message = format!(
            "port {} leads to {target}, but no container of {} {why}",
            port["port"],
            owners.join(", ")
        );
        lints.push(written.lint(severity, "target-port-missing", &target, message));
    }
    lints
}

/// The lints of policies, as `network_audit` reports them.
fn policies(written: &[Written], all: &[&Value], with_live: bool) -> Vec<Value> {
    let of = |object: &str| {
        written.iter().find(|written| {
            written.document.object["kind"] == "NetworkPolicy"
                && object
                    == format!(
                        "networkpolicy {}/{}",
                        written.document.metadata("namespace"),
                        written.document.metadata("name")
                    )
        })
    };
    network::lint(&Inventory::from_objects(all.iter().copied()), None)
        .into_iter()
        .filter(|lint| {
            OF_POLICIES.contains(&lint.id) || with_live && OF_SELECTORS.contains(&lint.id)
        })
        .filter_map(|lint| {
            let id = serde_json::to_value(lint.id).ok()?;
            Some(of(&lint.object)?.lint(lint.severity, id.as_str()?, "", lint.sentence))
        })
        .collect()
}

/// The selector of a Service; none if it has none.
fn service_selector(service: &Value) -> Option<LabelSelector> {
    let selector = service["spec"]["selector"].as_object().filter(|map| !map.is_empty())?;
    serde_json::from_value(json!({"matchLabels": selector})).ok()
}

/// Pods that are, or would be.
struct Subject {
    owner: String,
    namespace: String,
    labels: Labels,
    /// Names and numbers of the ports that the containers declare.
    ports: Vec<Value>,
}

impl Subject {
    fn of(object: &Value) -> Option<Self> {
        let template = template(object)?;
        let name = object["metadata"]["name"].as_str()?;
        let labels = template["metadata"]["labels"].clone();
        let declared = ["initContainers", "containers"]
            .into_iter()
            .flat_map(|key| template["spec"][key].as_array().into_iter().flatten())
            .flat_map(|container| container["ports"].as_array().into_iter().flatten());
        let ports = declared
            .flat_map(|port| [port["name"].clone(), port["containerPort"].clone()])
            .filter(|port| !port.is_null());
        Some(Self {
            owner: format!("{}/{name}", object["kind"].as_str()?.to_ascii_lowercase()),
            namespace: object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
            labels: serde_json::from_value(labels).unwrap_or_default(),
            ports: ports.collect(),
        })
    }

    fn is_selected(&self, namespace: &str, selector: &LabelSelector) -> bool {
        self.namespace == namespace && selector.matches(&self.labels)
    }

    fn has(&self, port: &Value) -> bool {
        self.ports.contains(port)
    }
}

/// What makes pods of an object, or the pod itself.
fn template(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Pod" => Some(object),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            object.pointer("/spec/template")
        }
        "CronJob" => object.pointer("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}
