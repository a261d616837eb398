//! Lints that need a verdict: edges that only one side allows, and DNS.

use super::dns::dns_targets;
use super::lint::{Context, Lint, LintId, Severity, Subject, object};
use super::resolve::{Target, port_on, selects};
use super::{
    Connection, Direction, Endpoint, NetworkPolicy, Peer, PortRule, Protocol, Side, evaluate,
};

/// A rule that names pods declares an edge; the other side must allow it as well.
pub(super) fn one_direction(
    context: &Context<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    lints: &mut Vec<Lint>,
) {
    if !policy.directions.contains(&direction) {
        return;
    }
    let selected = context.selected(policy);
    for (index, rule) in policy.rules(direction).iter().enumerate() {
        for peer in &rule.peers {
            // a rule about everybody does not say that everybody comes
            if !matches!(peer, Peer::Selected { pods: Some(pods), .. } if !pods.is_empty()) {
                continue;
            }
            for other in context.meant(policy, peer) {
                for own in &selected {
                    let (source, destination) = match direction {
                        Direction::Ingress => (other, *own),
                        Direction::Egress => (*own, other),
                    };
                    if let Some((protocol, port)) =
                        half_open(context, direction, &rule.ports, source, destination)
                    {
                        let (open, shut) = match direction {
                            Direction::Ingress => (source, "egress"),
                            Direction::Egress => (destination, "ingress"),
                        };
                        let sentence = format!(
                            "{direction} rule {index} allows {} to reach {} on {protocol} {port}, \
                                but no {shut} rule of {} does",
                            label(source),
                            label(destination),
                            label(open)
                        );
                        lints.push(Lint::new(
                            Severity::Warning,
                            LintId::OneDirectionOnly,
                            object(policy),
                            sentence,
                        ));
                    }
                }
            }
        }
    }
}

/// The first port that this side allows and the other side does not.
fn half_open(
    context: &Context<'_>,
    direction: Direction,
    ports: &[PortRule],
    source: Subject<'_>,
    destination: Subject<'_>,
) -> Option<(Protocol, u16)> {
    let declared: Vec<(Protocol, u16)> = if ports.is_empty() {
        destination.ports.iter().map(|port| (port.protocol, port.port)).collect()
    } else {
        ports
            .iter()
            .filter_map(|rule| {
                Some((rule.protocol, port_on(destination, rule.port.as_ref()?, rule.protocol)?))
            })
            .collect()
    };
    declared.into_iter().find(|(protocol, port)| {
        let connection = Connection {
            source: Endpoint::Pod(source),
            destination: Endpoint::Pod(destination),
            protocol: *protocol,
            port: *port,
        };
        let verdict = evaluate(context.inventory.cluster(), &connection);
        match direction {
            Direction::Ingress => verdict.ingress.passes() && !verdict.egress.passes(),
            Direction::Egress => verdict.egress.passes() && !verdict.ingress.passes(),
        }
    })
}

fn label(subject: Subject<'_>) -> String {
    super::explain::name(&Endpoint::Pod(subject))
}

/// The policies that isolate a workload in a direction.
fn isolating<'a>(
    context: &Context<'a>,
    subject: &Subject<'_>,
    direction: Direction,
) -> Vec<&'a NetworkPolicy> {
    let here = context
        .inventory
        .policies
        .iter()
        .filter(|policy| policy.reference.namespace == subject.namespace);
    here.filter(|policy| {
        policy.directions.contains(&direction) && policy.pod_selector.matches(&subject.labels)
    })
    .collect()
}

pub(super) fn without_allow(context: &Context<'_>, subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    if subject.host_network {
        return;
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        let policies = isolating(context, subject, direction);
        let Some(first) = policies
            .first()
            .filter(|_| policies.iter().all(|policy| policy.rules(direction).is_empty()))
        else {
            continue;
        };
        // a pod that nothing calls needs no ingress
        let called = context.inventory.services.iter().find(|service| selects(service, subject));
        let sentence = match (direction, called) {
            (Direction::Ingress, None) => continue,
            (Direction::Ingress, Some(service)) => {
                format!(
                    "is isolated for ingress by policy {}, and no rule allows ingress; Service {} \
                        sends clients to it",
                    first.reference, service.name
                )
            }
            (Direction::Egress, _) => format!(
                "is isolated for egress by policy {}, and no rule allows egress, not even DNS",
                first.reference
            ),
        };
        lints.push(Lint::new(
            Severity::Error,
            LintId::WorkloadWithoutAllow,
            label(subject),
            sentence,
        ));
    }
}

pub(super) fn dns(context: &Context<'_>, subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    // without any rule the workload has a lint of its own
    if isolating(context, subject, Direction::Egress)
        .iter()
        .all(|policy| policy.rules(Direction::Egress).is_empty())
    {
        return;
    }
    let denied = |protocol| {
        dns_targets(context.inventory, protocol).into_iter().any(|(target, port)| {
            let destination = match &target {
                Target::Pod(pod) => Endpoint::Pod(pod),
                Target::Address(address) => Endpoint::Address(*address),
                Target::Outside(_) => return false,
            };
            let connection =
                Connection { source: Endpoint::Pod(subject), destination, protocol, port };
            matches!(evaluate(context.inventory.cluster(), &connection).egress, Side::Denied { .. })
        })
    };
    let (id, severity, sentence) = match (denied(Protocol::Udp), denied(Protocol::Tcp)) {
        (true, _) => (
            LintId::DnsMissing,
            Severity::Error,
            "is isolated for egress without access to DNS (UDP 53 to the DNS pods): names will \
                not resolve",
        ),
        (false, true) => (
            LintId::DnsUdpWithoutTcp,
            Severity::Warning,
            "has access to DNS over UDP 53 but not TCP 53: long responses will fail",
        ),
        (false, false) => return,
    };
    lints.push(Lint::new(severity, id, label(subject), sentence));
}
