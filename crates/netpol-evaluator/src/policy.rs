//! NetworkPolicy objects, typed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Cidr, LabelSelector};

/// A `networking.k8s.io/v1` NetworkPolicy.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPolicy {
    /// Its name and namespace.
    pub reference: PolicyReference,
    /// The pods of its namespace that it selects.
    pub pod_selector: LabelSelector,
    /// The directions in which it isolates; already defaulted when the object does not name any.
    pub directions: Vec<Direction>,
    /// The ingress rules.
    pub ingress: Vec<Rule>,
    /// The egress rules.
    pub egress: Vec<Rule>,
}

/// Names a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PolicyReference {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A direction of traffic, seen from the pod that a policy selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Towards the pod.
    Ingress,
    /// Away from the pod.
    Egress,
}

/// One rule: any of the peers (all, when none is listed) on any of the ports (all, when none is
/// listed).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// The peers.
    pub peers: Vec<Peer>,
    /// The ports.
    pub ports: Vec<PortRule>,
}

/// A peer of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Peer {
    /// Addresses.
    Block {
        /// The block.
        cidr: Cidr,
        /// The parts of it that are not meant.
        except: Vec<Cidr>,
    },
    /// Pods. Both selectors given: both must hold. No namespace selector: pods of the policy's own
    /// namespace.
    Selected {
        /// Over the labels of the pod's namespace.
        namespaces: Option<LabelSelector>,
        /// Over the labels of the pod.
        pods: Option<LabelSelector>,
    },
}

/// The ports of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRule {
    /// The protocol.
    pub protocol: Protocol,
    /// The port on the destination pod; every port of the protocol when absent.
    pub port: Option<PortName>,
    /// The last port of the range that begins with `port`.
    pub end_port: Option<u16>,
}

/// A port by number, or by its name in the destination pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a port is a number from 1 to 65535, or a name")]
pub enum PortName {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// A transport protocol.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Protocol {
    /// TCP.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP.
    #[serde(rename = "SCTP")]
    Sctp,
}

/// A policy object that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The object has another shape than the API defines.
    #[error("cannot read network policy {0}: {1}")]
    Shape(String, serde_json::Error),
    /// An address block is invalid.
    #[error("cannot read network policy {0}: {1}")]
    Block(String, super::CidrError),
}

impl fmt::Display for PolicyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

impl fmt::Display for PortRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.port, self.end_port) {
            (None, _) => write!(f, "every {} port", self.protocol),
            (Some(port), Some(last)) => write!(f, "{} {port}-{last}", self.protocol),
            (Some(port), None) => write!(f, "{} {port}", self.protocol),
        }
    }
}

/// An explicit null is the same as an absent field, as everywhere in the API.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
struct Document {
    metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    pod_selector: LabelSelector,
    policy_types: Option<Vec<Direction>>,
    ingress: Option<Vec<RuleDocument>>,
    egress: Option<Vec<RuleDocument>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuleDocument {
    from: Option<Vec<PeerDocument>>,
    to: Option<Vec<PeerDocument>>,
    ports: Option<Vec<PortDocument>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeerDocument {
    pod_selector: Option<LabelSelector>,
    namespace_selector: Option<LabelSelector>,
    ip_block: Option<BlockDocument>,
}

#[derive(Deserialize)]
struct BlockDocument {
    cidr: String,
    #[serde(default, deserialize_with = "or_default")]
    except: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortDocument {
    #[serde(default, deserialize_with = "or_default")]
    protocol: Protocol,
    port: Option<PortName>,
    end_port: Option<u16>,
}

impl NetworkPolicy {
    /// Reads the object as the API server returns it.
    ///
    /// # Errors
    /// The object does not have the shape of a NetworkPolicy.
    pub fn from_object(object: &Value) -> Result<Self, PolicyError> {
        let label = || object["metadata"]["name"].as_str().unwrap_or("without a name").to_owned();
        let document =
            Document::deserialize(object).map_err(|error| PolicyError::Shape(label(), error))?;
        let spec = document.spec;
        let rules = |rules: Option<Vec<RuleDocument>>| {
            rules
                .unwrap_or_default()
                .into_iter()
                .map(rule)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| PolicyError::Block(label(), error))
        };
        let (ingress, egress) = (rules(spec.ingress)?, rules(spec.egress)?);
        let directions = match spec.policy_types {
            Some(directions) if !directions.is_empty() => directions,
            // without policyTypes an empty list of egress rules does not isolate
            _ if egress.is_empty() => vec![Direction::Ingress],
            _ => vec![Direction::Ingress, Direction::Egress],
        };
        let reference = PolicyReference {
            namespace: document.metadata.namespace,
            name: document.metadata.name,
        };
        Ok(Self { reference, pod_selector: spec.pod_selector, directions, ingress, egress })
    }

    /// The rules of one direction.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

fn rule(document: RuleDocument) -> Result<Rule, super::CidrError> {
    let peers = document
        .from
        .into_iter()
        .chain(document.to)
        .flatten()
        .map(peer)
        .collect::<Result<_, _>>()?;
    let ports = document
        .ports
        .unwrap_or_default()
        .into_iter()
        .map(|port| PortRule { protocol: port.protocol, port: port.port, end_port: port.end_port })
        .collect();
    Ok(Rule { peers, ports })
}

fn peer(document: PeerDocument) -> Result<Peer, super::CidrError> {
    match document.ip_block {
        Some(block) => Ok(Peer::Block {
            cidr: block.cidr.parse()?,
            except: block.except.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        }),
        None => Ok(Peer::Selected {
            namespaces: document.namespace_selector,
            pods: document.pod_selector,
        }),
    }
}
