//! Mistakes in policies, found before they block anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::lint_edges::{dns, one_direction, without_allow};
use super::resolve::selects;
use super::service::identity;
use super::{Direction, Inventory, LabelSelector, NetworkPolicy, Peer, Pod, PortName};

/// A suspicious policy, rule or workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lint {
    /// Its severity.
    pub severity: Severity,
    /// Its kind.
    pub id: LintId,
    /// The object: `networkpolicy apps/web`, `deployment apps/web`.
    pub object: String,
    /// The sentence for the operator.
    pub sentence: String,
}

/// The severity of a lint, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It has no effect, or another than it states.
    Error,
    /// It probably does not have the intended effect.
    Warning,
    /// It deserves a review.
    Info,
}

/// The kinds of lints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LintId {
    /// A policy cannot be read.
    Unreadable,
    /// A podSelector that matches no pod and no template.
    SelectorMatchesNothing,
    /// A peer that matches no pod and no template.
    PeerMatchesNothing,
    /// A namespaceSelector that matches no namespace.
    NamespaceLabelMissing,
    /// A rule with the port of a Service instead of the port of the pods.
    ServicePortNotPodPort,
    /// A named port that no pod of the destination has.
    NamedPortMissing,
    /// Rules for a direction that policyTypes omits.
    RulesWithoutType,
    /// An exception outside its block.
    ExceptOutsideCidr,
    /// One side allows a connection, the other does not.
    OneDirectionOnly,
    /// A workload is isolated, and no policy allows any connection.
    WorkloadWithoutAllow,
    /// DNS is allowed over UDP but not over TCP.
    DnsUdpWithoutTcp,
    /// Egress is isolated, and DNS is not allowed.
    DnsMissing,
    /// A placeholder was not filled in.
    PlaceholderText,
}

impl Lint {
    pub(super) fn new(
        severity: Severity,
        id: LintId,
        object: impl Into<String>,
        sentence: impl Into<String>,
    ) -> Self {
        Self { severity, id, object: object.into(), sentence: sentence.into() }
    }
}

/// `error networkpolicy apps/web: sentence [id]`
impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        write!(f, "{severity} {}: {} [{}]", self.object, self.sentence, self.id)
    }
}

impl fmt::Display for LintId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// All lints over the policies and workloads of one namespace, or of all, in a stable order, the
/// worst first.
#[must_use]
pub fn lint(inventory: &Inventory, namespace: Option<&str>) -> Vec<Lint> {
    let chosen = |candidate: &str| namespace.is_none_or(|namespace| namespace == candidate);
    let subjects = inventory.subjects();
    let mut by_namespace: BTreeMap<&str, Vec<Subject<'_>>> = BTreeMap::new();
    for pod in subjects {
        by_namespace.entry(&pod.namespace).or_default().push(pod);
    }
    let context = Context { inventory, subjects: by_namespace };
    let mut lints = Vec::new();
    for unreadable in inventory.unreadable.iter().filter(|unreadable| chosen(&unreadable.namespace))
    {
        let object = format!(
            "{} {}/{}",
            unreadable.kind.to_lowercase(),
            unreadable.namespace,
            unreadable.name
        );
        lints.push(Lint::new(
            Severity::Error,
            LintId::Unreadable,
            object,
            unreadable.reason.clone(),
        ));
    }
    for object in inventory
        .policy_objects
        .iter()
        .filter(|object| chosen(object["metadata"]["namespace"].as_str().unwrap_or_default()))
    {
        placeholders(object, &mut lints);
    }
    for policy in inventory.policies.iter().filter(|policy| chosen(&policy.reference.namespace)) {
        selector_matches_nothing(&context, policy, &mut lints);
        rules_without_type(policy, &mut lints);
        for direction in [Direction::Ingress, Direction::Egress] {
            peers(&context, policy, direction, &mut lints);
            ports(&context, policy, direction, &mut lints);
            one_direction(&context, policy, direction, &mut lints);
        }
    }
    for (_, subjects) in context.subjects.iter().filter(|(namespace, _)| chosen(namespace)) {
        for subject in subjects {
            without_allow(&context, subject, &mut lints);
            dns(&context, subject, &mut lints);
        }
    }
    lints.sort();
    lints.dedup();
    lints
}

/// A workload, or a pod that none made.
pub(super) type Subject<'a> = &'a Pod;

pub(super) struct Context<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) subjects: BTreeMap<&'a str, Vec<Subject<'a>>>,
}

impl<'a> Context<'a> {
    pub(super) fn in_namespace(&self, namespace: &str) -> &[Subject<'a>] {
        self.subjects.get(namespace).map_or(&[], Vec::as_slice)
    }

    pub(super) fn selected(&self, policy: &NetworkPolicy) -> Vec<Subject<'a>> {
        self.in_namespace(&policy.reference.namespace)
            .iter()
            .filter(|subject| policy.pod_selector.matches(&subject.labels))
            .copied()
            .collect()
    }

    /// The workloads that a peer selects; none for a block.
    pub(super) fn meant(&self, policy: &NetworkPolicy, peer: &Peer) -> Vec<Subject<'a>> {
        let Peer::Selected { namespaces, pods } = peer else {
            return Vec::new();
        };
        let near = |namespace: &str| match namespaces {
            None => namespace == policy.reference.namespace,
            Some(selector) => self
                .inventory
                .namespaces
                .get(namespace)
                .is_some_and(|labels| selector.matches(labels)),
        };
        let all = self
            .subjects
            .iter()
            .filter(|(namespace, _)| near(namespace))
            .flat_map(|(_, subjects)| subjects);
        all.filter(|subject| pods.as_ref().is_none_or(|selector| selector.matches(&subject.labels)))
            .copied()
            .collect()
    }
}

pub(super) fn object(policy: &NetworkPolicy) -> String {
    format!("networkpolicy {}", policy.reference)
}

fn selector_matches_nothing(context: &Context<'_>, policy: &NetworkPolicy, lints: &mut Vec<Lint>) {
    if policy.pod_selector.is_empty() || !context.selected(policy).is_empty() {
        return;
    }
    // replicas of a workload are not subjects of their own, but may have further labels
    let namespace = &policy.reference.namespace;
    if context.inventory.pods.iter().any(|state| {
        state.pod.namespace == *namespace && policy.pod_selector.matches(&state.pod.labels)
    }) {
        return;
    }
    let near = context.in_namespace(namespace).iter().find_map(|subject| {
        let mut unmet = policy
            .pod_selector
            .requirements()
            .filter(|requirement| !requirement.matches(&subject.labels));
        let requirement =
            unmet.next().filter(|_| policy.pod_selector.requirements().count() > 1)?;
        let value = subject.labels.get(&requirement.key)?;
        unmet
            .next()
            .is_none()
            .then(|| format!("; {} has {}={value}", subject.name, requirement.key))
    });
    let sentence = format!(
        "no pod and no pod template in {namespace} has {}{}",
        policy.pod_selector,
        near.unwrap_or_default()
    );
    lints.push(Lint::new(
        Severity::Error,
        LintId::SelectorMatchesNothing,
        object(policy),
        sentence,
    ));
}

fn rules_without_type(policy: &NetworkPolicy, lints: &mut Vec<Lint>) {
    for direction in [Direction::Ingress, Direction::Egress] {
        if !policy.directions.contains(&direction) && !policy.rules(direction).is_empty() {
            let sentence = format!(
                "has {direction} rules without effect: policyTypes does not name {direction:?}"
            );
            lints.push(Lint::new(
                Severity::Error,
                LintId::RulesWithoutType,
                object(policy),
                sentence,
            ));
        }
    }
}

fn peers(
    context: &Context<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    lints: &mut Vec<Lint>,
) {
    for (index, rule) in policy.rules(direction).iter().enumerate() {
        for peer in &rule.peers {
            match peer {
                Peer::Block { cidr, except } => {
                    for hole in except.iter().filter(|hole| !hole.is_inside(cidr)) {
                        let sentence = format!(
                            "{direction} rule {index} excepts {hole}, which is not in {cidr}"
                        );
                        lints.push(Lint::new(
                            Severity::Warning,
                            LintId::ExceptOutsideCidr,
                            object(policy),
                            sentence,
                        ));
                    }
                }
                Peer::Selected { namespaces: Some(selector), .. }
                    if !context
                        .inventory
                        .namespaces
                        .values()
                        .any(|labels| selector.matches(labels)) =>
                {
                    let sentence = format!(
                        "{direction} rule {index} selects namespaces labeled {selector}; there is \
                            none{}",
                        name_hint(context, selector)
                    );
                    lints.push(Lint::new(
                        Severity::Error,
                        LintId::NamespaceLabelMissing,
                        object(policy),
                        sentence,
                    ));
                }
                Peer::Selected { namespaces, pods: Some(selector) }
                    if !selector.is_empty() && context.meant(policy, peer).is_empty() =>
                {
                    let place = namespaces.as_ref().map_or_else(
                        || policy.reference.namespace.clone(),
                        |selector| format!("namespaces labeled {selector}"),
                    );
                    let sentence = format!(
                        "{direction} rule {index} selects pods labeled {selector}; there is none \
                            in {place}"
                    );
                    lints.push(Lint::new(
                        Severity::Warning,
                        LintId::PeerMatchesNothing,
                        object(policy),
                        sentence,
                    ));
                }
                Peer::Selected { .. } => {}
            }
        }
    }
}

/// The label that every namespace has, when a value of the selector is the name of one.
fn name_hint(context: &Context<'_>, selector: &LabelSelector) -> String {
    let named = selector
        .requirements()
        .flat_map(|requirement| requirement.values)
        .find(|value| context.inventory.namespaces.contains_key(value));
    named
        .map(|name| format!("; namespace {name} has kubernetes.io/metadata.name={name}"))
        .unwrap_or_default()
}

/// The workloads whose ports the rules of a direction are about, with the number of the rule.
fn ports(
    context: &Context<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    lints: &mut Vec<Lint>,
) {
    let selected = context.selected(policy);
    for (index, rule) in policy.rules(direction).iter().enumerate() {
        let destinations: Vec<Subject<'_>> = match direction {
            Direction::Ingress => selected.clone(),
            Direction::Egress => {
                rule.peers.iter().flat_map(|peer| context.meant(policy, peer)).collect()
            }
        };
        for port in rule.ports.iter().filter(|_| !destinations.is_empty()) {
            match &port.port {
                Some(PortName::Number(number)) if port.end_port.is_none() => {
                    let Some(sentence) =
                        service_port(context, &destinations, *number, port.protocol)
                    else {
                        continue;
                    };
                    let sentence = format!("{direction} rule {index} allows {port}, {sentence}");
                    lints.push(Lint::new(
                        Severity::Error,
                        LintId::ServicePortNotPodPort,
                        object(policy),
                        sentence,
                    ));
                }
                Some(PortName::Name(name)) => {
                    let has = |subject: &Subject<'_>| {
                        subject
                            .ports
                            .iter()
                            .any(|named| named.name == *name && named.protocol == port.protocol)
                    };
                    if !destinations.iter().any(has) {
                        let sentence = format!(
                            "{direction} rule {index} allows the port named {name}; no selected \
                                pod has a {} port with this name",
                            port.protocol
                        );
                        lints.push(Lint::new(
                            Severity::Error,
                            LintId::NamedPortMissing,
                            object(policy),
                            sentence,
                        ));
                    }
                }
                Some(PortName::Number(_)) | None => {}
            }
        }
    }
}

fn service_port(
    context: &Context<'_>,
    destinations: &[Subject<'_>],
    number: u16,
    protocol: super::Protocol,
) -> Option<String> {
    // a port that one of the pods has is not a slip
    let listens = |subject: &Subject<'_>| {
        subject.ports.iter().any(|port| port.port == number && port.protocol == protocol)
    };
    if destinations.iter().any(listens) {
        return None;
    }
    let mut found: Option<String> = None;
    for service in &context.inventory.services {
        for subject in destinations.iter().filter(|subject| selects(service, subject)) {
            for port in service.ports.iter().filter(|port| port.protocol == protocol) {
                let target = super::resolve::port_on(subject, &port.target, protocol);
                if target == Some(number) {
                    return None;
                }
                if port.port == number && found.is_none() {
                    let target =
                        target.map_or_else(|| port.target.to_string(), |target| target.to_string());
                    found = Some(format!(
                        "which is the port of Service {}/{}; its pods listen on {target}",
                        service.namespace, service.name
                    ));
                }
            }
        }
    }
    found
}

/// A placeholder that was not replaced.
fn placeholders(object: &Value, lints: &mut Vec<Lint>) {
    let (namespace, name) = identity(object).unwrap_or_default();
    let mut found = BTreeSet::new();
    let metadata = &object["metadata"];
    for (place, value) in [
        ("name", &metadata["name"]),
        ("namespace", &metadata["namespace"]),
        ("labels", &metadata["labels"]),
        ("spec", &object["spec"]),
    ] {
        texts(value, &mut |text| {
            if is_placeholder(text) {
                found.insert((place, text.to_owned()));
            }
        });
    }
    for (place, text) in found {
        let sentence = format!("the placeholder `{text}` is still in its {place}");
        lints.push(Lint::new(
            Severity::Error,
            LintId::PlaceholderText,
            format!("networkpolicy {namespace}/{name}"),
            sentence,
        ));
    }
}

/// Calls back for every text in a value, keys included; a value is as deep as its parser lets it
/// be.
fn texts(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, each)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            each(key);
            texts(value, each);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_placeholder(text: &str) -> bool {
    let upper = text.to_uppercase();
    let angled = text.split_once('<').is_some_and(|(_, rest)| rest.contains('>'));
    let marked = ["CHANGE_ME", "CHANGEME", "CHANGE-ME", "PLACEHOLDER", "REPLACE_ME", "REPLACE-ME"]
        .iter()
        .any(|mark| upper.contains(mark));
    let todo = upper.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "TODO");
    angled
        || marked
        || text.to_lowercase().starts_with("your-")
        || text.contains("{{")
        || (todo && text.contains("TODO"))
}
