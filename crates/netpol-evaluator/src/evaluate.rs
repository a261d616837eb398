//! Whether policies allow a connection, and which of them decide.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::{
    Direction, Labels, NetworkPolicy, Peer, PolicyReference, PortName, PortRule, Protocol,
};

/// What decides about a connection besides its two ends.
#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    /// All policies of the namespaces concerned.
    pub policies: &'a [NetworkPolicy],
    /// The labels of each namespace.
    pub namespaces: &'a BTreeMap<String, Labels>,
}

/// A pod as an end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its address, once it has one.
    pub ip: Option<IpAddr>,
    /// The node it runs on, once it is known.
    pub node: Option<String>,
    /// Shares the network of its node; policies do not apply to it then.
    pub host_network: bool,
    /// The ports that its containers declare. They may listen on others as well.
    pub ports: Vec<ContainerPort>,
    /// Has the proxy of an Istio mesh beside its containers. Pod templates have it only where it is
    /// not injected.
    pub sidecar: bool,
}

/// A port that a container declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its name; empty if it has none.
    pub name: String,
    /// The number.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint<'a> {
    /// A pod.
    Pod(&'a Pod),
    /// The node on which the other end runs: its kubelet, and here the API server.
    Node,
    /// Anything else, by address.
    Address(IpAddr),
}

/// A connection to evaluate. Ports are those of the destination pod, after Service translation.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// The source.
    pub source: Endpoint<'a>,
    /// The destination.
    pub destination: Endpoint<'a>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on the destination.
    pub port: u16,
}

/// The verdict of each side; both must allow the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The verdict of the policies of the source.
    pub egress: Side,
    /// The verdict of the policies of the destination.
    pub ingress: Side,
}

/// The verdict of the policies of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Policies do not apply to this end.
    Exempt(Exemption),
    /// No policy selects the pod in this direction: everything is allowed.
    NotIsolated,
    /// A rule allows it.
    Allowed {
        /// The policies that select the pod in this direction.
        isolating: Vec<PolicyReference>,
        /// The first rule that matches, in order of policies and rules.
        by: Allowance,
    },
    /// Policies select the pod, and none of their rules matches.
    Denied {
        /// The policies that select the pod in this direction.
        isolating: Vec<PolicyReference>,
    },
}

/// Why policies do not apply to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// It is not a pod.
    NotAPod,
    /// It shares the network of its node.
    HostNetwork,
    /// Both ends are the same pod.
    SamePod,
    /// The other end is the node itself, or a pod in its network: a node always reaches its pods.
    OwnNode,
}

/// The rule that allows a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// The policy.
    pub policy: PolicyReference,
    /// The rule, counted from 0 within the direction.
    pub rule: usize,
    /// The peer that matches, counted from 0; none when the rule lists no peers.
    pub peer: Option<usize>,
    /// The port that matches, counted from 0; none when the rule lists no ports.
    pub port: Option<usize>,
}

impl Side {
    /// Whether this side allows the connection.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Exempt(_) | Self::NotIsolated | Self::Allowed { .. } => true,
            Self::Denied { .. } => false,
        }
    }
}

impl Verdict {
    /// Whether both sides allow the connection.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.egress.passes() && self.ingress.passes()
    }
}

/// Evaluates a connection against the policies of the cluster.
#[must_use]
pub fn evaluate(cluster: Cluster<'_>, connection: &Connection<'_>) -> Verdict {
    let Connection { source, destination, .. } = connection;
    Verdict {
        egress: side(cluster, connection, Direction::Egress, source, destination),
        ingress: side(cluster, connection, Direction::Ingress, destination, source),
    }
}

fn side(
    cluster: Cluster<'_>,
    connection: &Connection<'_>,
    direction: Direction,
    subject: &Endpoint<'_>,
    other: &Endpoint<'_>,
) -> Side {
    let Endpoint::Pod(pod) = subject else {
        return Side::Exempt(Exemption::NotAPod);
    };
    if pod.host_network {
        return Side::Exempt(Exemption::HostNetwork);
    }
    match other {
        Endpoint::Node => return Side::Exempt(Exemption::OwnNode),
        Endpoint::Pod(peer) if peer.name == pod.name && peer.namespace == pod.namespace => {
            return Side::Exempt(Exemption::SamePod);
        }
        // what it sends comes from the node; that pods may always answer is promised, that they may
        // call it is not
        Endpoint::Pod(peer)
            if direction == Direction::Ingress
                && peer.host_network
                && peer.node.is_some()
                && peer.node == pod.node =>
        {
            return Side::Exempt(Exemption::OwnNode);
        }
        Endpoint::Pod(_) | Endpoint::Address(_) => {}
    }
    let selecting: Vec<&NetworkPolicy> = cluster
        .policies
        .iter()
        .filter(|policy| policy.reference.namespace == pod.namespace)
        .filter(|policy| {
            policy.directions.contains(&direction) && policy.pod_selector.matches(&pod.labels)
        })
        .collect();
    if selecting.is_empty() {
        return Side::NotIsolated;
    }
    let isolating = selecting.iter().map(|policy| policy.reference.clone()).collect();
    match selecting
        .iter()
        .find_map(|policy| allowance(cluster, policy, direction, connection, other))
    {
        Some(by) => Side::Allowed { isolating, by },
        None => Side::Denied { isolating },
    }
}

fn allowance(
    cluster: Cluster<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    connection: &Connection<'_>,
    other: &Endpoint<'_>,
) -> Option<Allowance> {
    policy.rules(direction).iter().enumerate().find_map(|(index, rule)| {
        let peer = any(&rule.peers, |peer| {
            peer_matches(cluster, &policy.reference.namespace, peer, other)
        })?;
        let port = any(&rule.ports, |port| port_matches(port, connection))?;
        Some(Allowance { policy: policy.reference.clone(), rule: index, peer, port })
    })
}

/// The first that matches; an empty list matches without naming one.
fn any<T>(items: &[T], matches: impl Fn(&T) -> bool) -> Option<Option<usize>> {
    if items.is_empty() { Some(None) } else { items.iter().position(matches).map(Some) }
}

pub(super) fn peer_matches(
    cluster: Cluster<'_>,
    own_namespace: &str,
    peer: &Peer,
    other: &Endpoint<'_>,
) -> bool {
    match peer {
        Peer::Block { cidr, except } => {
            let address = match other {
                Endpoint::Pod(pod) => pod.ip,
                Endpoint::Address(address) => Some(*address),
                Endpoint::Node => None,
            };
            address.is_some_and(|address| {
                cidr.contains(address) && !except.iter().any(|hole| hole.contains(address))
            })
        }
        Peer::Selected { namespaces, pods } => {
            // selectors do not see pods in the network of the node, only addresses do
            let Endpoint::Pod(pod) = other else {
                return false;
            };
            let namespace = match namespaces {
                Some(selector) => cluster
                    .namespaces
                    .get(&pod.namespace)
                    .is_some_and(|labels| selector.matches(labels)),
                None => pod.namespace == own_namespace,
            };
            !pod.host_network
                && namespace
                && pods.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
        }
    }
}

pub(super) fn port_matches(rule: &PortRule, connection: &Connection<'_>) -> bool {
    if rule.protocol != connection.protocol {
        return false;
    }
    match (&rule.port, rule.end_port) {
        (None, _) => true,
        (Some(PortName::Number(first)), Some(last)) => (*first..=last).contains(&connection.port),
        (Some(PortName::Number(port)), None) => *port == connection.port,
        (Some(PortName::Name(name)), _) => match connection.destination {
            Endpoint::Pod(pod) => pod.ports.iter().any(|named| {
                named.name == *name
                    && named.port == connection.port
                    && named.protocol == connection.protocol
            }),
            Endpoint::Node | Endpoint::Address(_) => false,
        },
    }
}
