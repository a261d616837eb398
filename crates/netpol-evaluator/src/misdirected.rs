//! A Service that leads to a port that none of its pods declares, while policies open one that they
//! do declare: the Service is wrong, and not the policies.
//!
//! A container can listen on ports that it does not declare (`containerPort` is informational), so
//! this is the likelier reading and no proof: whether anything listens is for a probe in the pod.

use serde::Serialize;

use super::resolve::Target;
use super::{Cluster, Connection, End, Endpoint, Pod, Protocol, evaluate, path};

/// Where a Service leads, and where it should probably lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misdirected {
    /// The port of the pods that the Service leads to; no container declares it, and policies deny
    /// it.
    pub target_port: u16,
    /// A port that the pods declare, to which policies allow the same connection.
    pub declared: u16,
    /// The pods.
    pub pods: Vec<PodName>,
}

/// The name of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Puts the declared port in the place of the one that a Service leads to, where policies deny that
/// one and allow the declared one.
pub(super) fn redirect(
    cluster: Cluster<'_>,
    source: &End,
    protocol: Protocol,
    targets: &mut [(Target, u16)],
) -> Option<Misdirected> {
    let from = path::endpoint(source)?;
    let allows = |pod: &Pod, port: u16| {
        let destination = Endpoint::Pod(pod);
        evaluate(cluster, &Connection { source: from, destination, protocol, port }).allowed()
    };
    let mut found: Option<Misdirected> = None;
    for (target, port) in targets {
        let Target::Pod(pod) = target else { continue };
        let declares = || pod.ports.iter().filter(|one| one.protocol == protocol);
        if declares().any(|one| one.port == *port) || allows(pod, *port) {
            continue;
        }
        let Some(meant) = declares().find(|one| allows(pod, one.port)) else { continue };
        let known = found.get_or_insert(Misdirected {
            target_port: *port,
            declared: meant.port,
            pods: Vec::new(),
        });
        known.pods.push(PodName { namespace: pod.namespace.clone(), name: pod.name.clone() });
        *port = meant.port;
    }
    found
}

impl Misdirected {
    /// The same as a sentence.
    pub(super) fn sentence(&self, service_port: u16, protocol: Protocol) -> String {
        let Self { target_port, declared, .. } = self;
        format!(
            "{protocol} port {service_port} of the Service leads to port {target_port}, which no \
            container of its pods declares and policies deny; they declare port {declared}, which \
            policies allow"
        )
    }
}
