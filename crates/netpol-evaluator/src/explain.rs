//! Why a connection is allowed or denied: the deciding rule, or its absence and the near misses.

use std::fmt;

use serde::Serialize;

use super::near_miss::{NearMiss, near_misses};
use super::{
    Allowance, Cluster, Connection, Direction, Endpoint, Exemption, Pod, PolicyReference, Protocol,
    Side, Verdict,
};

/// A verdict in words and in fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether both sides allow the connection.
    pub allowed: bool,
    /// Who connects: `pod apps/web`, `10.0.0.1`, `node`.
    pub source: String,
    /// The destination.
    pub destination: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on the destination.
    pub port: u16,
    /// The side of the source.
    pub egress: SideExplanation,
    /// The side of the destination.
    pub ingress: SideExplanation,
}

/// The verdict of one side and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideExplanation {
    /// The reason, as a value.
    #[serde(flatten)]
    pub reason: Reason,
    /// The same as a sentence.
    pub sentence: String,
    /// Near misses, nearest first; empty unless denied.
    pub near_misses: Vec<NearMiss>,
}

/// The reason of one side: a rule, or the absence of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Reason {
    /// Policies do not apply to this end.
    Exempt {
        /// Why not.
        because: Exemption,
    },
    /// No policy selects the pod in this direction.
    NotIsolated,
    /// A rule allows it.
    Allowed {
        /// The policies that select the pod in this direction.
        isolating: Vec<PolicyReference>,
        /// The first rule that matches.
        by: Allowance,
    },
    /// Policies select the pod and none of their rules matches.
    Denied {
        /// The policies that select the pod in this direction.
        isolating: Vec<PolicyReference>,
        /// How many rules these have in this direction; 0 is a default deny that nothing opens.
        rules: usize,
        /// The policies that select the pod by label, but for the other direction only.
        other_direction: Vec<PolicyReference>,
    },
}

/// What the client connects to, before translation by a Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Translation {
    /// The port of the Service, when the connection goes through one.
    pub service_port: Option<u16>,
}

/// Explains a verdict that [`evaluate`](super::evaluate()) gave for the same cluster and
/// connection.
#[must_use]
pub fn explain(
    cluster: Cluster<'_>,
    connection: &Connection<'_>,
    verdict: &Verdict,
    translation: Translation,
) -> Explanation {
    explain_as_far(cluster, connection, verdict, Some(translation))
}

/// Without a translation, near misses are not looked for: they are the same for every replica, and
/// cost most.
pub(super) fn explain_as_far(
    cluster: Cluster<'_>,
    connection: &Connection<'_>,
    verdict: &Verdict,
    translation: Option<Translation>,
) -> Explanation {
    let side =
        |side: &Side, direction| explain_side(cluster, connection, side, direction, translation);
    Explanation {
        allowed: verdict.allowed(),
        source: name(&connection.source),
        destination: name(&connection.destination),
        protocol: connection.protocol,
        port: connection.port,
        egress: side(&verdict.egress, Direction::Egress),
        ingress: side(&verdict.ingress, Direction::Ingress),
    }
}

fn explain_side(
    cluster: Cluster<'_>,
    connection: &Connection<'_>,
    side: &Side,
    direction: Direction,
    translation: Option<Translation>,
) -> SideExplanation {
    let subject = match direction {
        Direction::Ingress => &connection.destination,
        Direction::Egress => &connection.source,
    };
    let near_misses = match (side, translation) {
        (Side::Denied { .. }, Some(translation)) => {
            near_misses(cluster, connection, direction, translation)
        }
        (Side::Denied { .. } | Side::Exempt(_) | Side::NotIsolated | Side::Allowed { .. }, _) => {
            Vec::new()
        }
    };
    let reason = match side {
        Side::Exempt(because) => Reason::Exempt { because: *because },
        Side::NotIsolated => Reason::NotIsolated,
        Side::Allowed { isolating, by } => {
            Reason::Allowed { isolating: isolating.clone(), by: by.clone() }
        }
        Side::Denied { isolating } => {
            let rules = cluster
                .policies
                .iter()
                .filter(|policy| isolating.contains(&policy.reference))
                .map(|policy| policy.rules(direction).len())
                .sum();
            let other_direction = match subject {
                Endpoint::Pod(pod) => other_direction(cluster, pod, direction),
                Endpoint::Node | Endpoint::Address(_) => Vec::new(),
            };
            Reason::Denied { isolating: isolating.clone(), rules, other_direction }
        }
    };
    SideExplanation { sentence: sentence(&reason, direction, &name(subject)), reason, near_misses }
}

fn other_direction(cluster: Cluster<'_>, pod: &Pod, direction: Direction) -> Vec<PolicyReference> {
    let here = cluster.policies.iter().filter(|policy| {
        policy.reference.namespace == pod.namespace && !policy.directions.contains(&direction)
    });
    // a policy of everything is not about this pod
    here.filter(|policy| {
        !policy.pod_selector.is_empty() && policy.pod_selector.matches(&pod.labels)
    })
    .map(|policy| policy.reference.clone())
    .collect()
}

fn sentence(reason: &Reason, direction: Direction, subject: &str) -> String {
    match reason {
        Reason::Exempt { because } => match because {
            Exemption::NotAPod => format!("{subject} is not a pod, policies do not apply to it"),
            Exemption::HostNetwork => {
                format!("{subject} uses the network of its node, policies do not apply to it")
            }
            Exemption::SamePod => format!("{subject} connects to itself, policies do not apply"),
            Exemption::OwnNode => format!("the node of {subject} always reaches it"),
        },
        Reason::NotIsolated => format!("no policy selects {subject}, everything is allowed"),
        Reason::Allowed { by, .. } => format!("rule {} of policy {} allows it", by.rule, by.policy),
        Reason::Denied { isolating, rules: 0, other_direction } => {
            let other = match direction {
                Direction::Ingress => Direction::Egress,
                Direction::Egress => Direction::Ingress,
            };
            let only = match other_direction.as_slice() {
                [] => String::new(),
                [_] => format!("; {} is about {other} only", list(other_direction)),
                _ => format!("; {} are about {other} only", list(other_direction)),
            };
            format!(
                "{} {} {subject} and no policy with {direction} rules selects it{only}",
                list(isolating),
                verb(isolating)
            )
        }
        Reason::Denied { isolating, rules, .. } => {
            let none =
                if *rules == 1 { "its one rule does not match" } else { "none of the rules match" };
            format!("{} {} {subject} and {none}", list(isolating), verb(isolating))
        }
    }
}

fn verb(isolating: &[PolicyReference]) -> &'static str {
    if isolating.len() == 1 { "isolates" } else { "isolate" }
}

/// Names some policies, not a page of them.
fn list(policies: &[PolicyReference]) -> String {
    let shown: Vec<String> = policies.iter().take(3).map(ToString::to_string).collect();
    let word = if policies.len() == 1 { "policy" } else { "policies" };
    match policies.len() - shown.len() {
        0 => format!("{word} {}", shown.join(", ")),
        more => format!("{word} {} and {more} more", shown.join(", ")),
    }
}

pub(super) fn name(endpoint: &Endpoint<'_>) -> String {
    match endpoint {
        // a template of a workload names itself kind/name
        Endpoint::Pod(pod) => match pod.name.split_once('/') {
            Some((kind, name)) => format!("{kind} {}/{name}", pod.namespace),
            None => format!("pod {}/{}", pod.namespace, pod.name),
        },
        Endpoint::Node => "node".to_owned(),
        Endpoint::Address(address) => address.to_string(),
    }
}

impl SideExplanation {
    /// Whether this side allows the connection.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self.reason {
            Reason::Exempt { .. } | Reason::NotIsolated | Reason::Allowed { .. } => true,
            Reason::Denied { .. } => false,
        }
    }
}

/// The sentence, and one more for each near miss, on lines of their own.
impl fmt::Display for SideExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        self.near_misses.iter().try_for_each(|miss| write!(f, "\n  near miss: {miss}"))
    }
}

/// The head, then both sides.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, port, .. } = self;
        let word = if self.allowed { "allowed" } else { "denied" };
        write!(
            f,
            "{source} -> {destination} {protocol} {port}: {word}\negress: {}\ningress: {}",
            self.egress, self.ingress
        )
    }
}
