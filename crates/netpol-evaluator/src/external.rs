//! Egress to a host whose addresses are unknown: the policies often decide regardless.

use std::net::Ipv4Addr;

use super::evaluate::port_matches;
use super::{Cluster, Connection, Direction, Endpoint, Peer, Pod, Protocol};

/// What the policies say of every public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outside {
    /// All of them pass.
    Allowed,
    /// None passes.
    Denied,
    /// It depends on the address; why.
    Unknown(String),
}

pub(super) fn judge_outside(
    cluster: Cluster<'_>,
    pod: &Pod,
    protocol: Protocol,
    port: u16,
) -> Outside {
    let of_pod =
        cluster.policies.iter().filter(|policy| policy.reference.namespace == pod.namespace);
    let isolating: Vec<_> = of_pod
        .filter(|policy| {
            policy.directions.contains(&Direction::Egress)
                && policy.pod_selector.matches(&pod.labels)
        })
        .collect();
    if pod.host_network || isolating.is_empty() {
        return Outside::Allowed;
    }
    // the address matters to peers only; ports are asked with any
    let connection =
        Connection { source: Endpoint::Pod(pod), destination: Endpoint::Node, protocol, port };
    let mut depends = None;
    for policy in isolating {
        for (index, rule) in policy.egress.iter().enumerate() {
            if !(rule.ports.is_empty()
                || rule.ports.iter().any(|port| port_matches(port, &connection)))
            {
                continue;
            }
            let everything = |peer: &Peer| match peer {
                // by IPv4, which nearly every host has
                Peer::Block { cidr, except } => {
                    cidr.is_everything()
                        && cidr.contains(Ipv4Addr::UNSPECIFIED.into())
                        && except.iter().all(super::Cidr::is_private)
                }
                Peer::Selected { .. } => false,
            };
            if rule.peers.is_empty() || rule.peers.iter().any(everything) {
                return Outside::Allowed;
            }
            let public =
                |peer: &Peer| matches!(peer, Peer::Block { cidr, .. } if !cidr.is_private());
            if rule.peers.iter().any(public) && depends.is_none() {
                depends = Some(format!(
                    "rule {index} of policy {} allows some addresses; it is unknown whether the \
                        host is one of them",
                    policy.reference
                ));
            }
        }
    }
    depends.map_or(Outside::Denied, Outside::Unknown)
}
