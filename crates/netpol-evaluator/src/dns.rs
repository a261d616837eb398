//! DNS as an edge of its own: without it, no name resolves.

use super::path::{judge, side_stage};
use super::resolve::{Target, resolve};
use super::{
    ContainerPort, Destination, Direction, Edge, End, Inventory, Judged, Labels, Path, Pod,
    PortName, Protocol, Source, Stage, StageName, StageOutcome, Translation,
};

/// The pods that answer for the DNS of the cluster, with their port.
pub(super) fn dns_targets(inventory: &Inventory, protocol: Protocol) -> Vec<(Target, u16)> {
    let edge = Edge {
        source: Source::Labels { namespace: String::new(), labels: Labels::new() },
        destination: Destination::Service {
            namespace: "kube-system".to_owned(),
            name: "kube-dns".to_owned(),
        },
        port: PortName::Number(53),
        protocol,
        addresses: Vec::new(),
    };
    let found = resolve(inventory, &edge, "").targets;
    if !found.is_empty() {
        return found;
    }
    let serves = |pod: &&Pod| {
        pod.namespace == "kube-system"
            && pod.labels.get("k8s-app").is_some_and(|value| value == "kube-dns")
    };
    let pods: Vec<_> = inventory
        .pods
        .iter()
        .map(|state| &state.pod)
        .filter(serves)
        .map(|pod| (Target::Pod(pod.clone()), 53))
        .collect();
    if pods.is_empty() { vec![(Target::Pod(usual_dns_pod()), 53)] } else { pods }
}

/// What serves DNS in nearly every cluster, for when its pods are not given.
fn usual_dns_pod() -> Pod {
    let port = |name: &str, protocol| ContainerPort { name: name.to_owned(), port: 53, protocol };
    Pod {
        namespace: "kube-system".to_owned(),
        name: "deployment/coredns".to_owned(),
        labels: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
        ports: vec![port("dns", Protocol::Udp), port("dns-tcp", Protocol::Tcp)],
        ..Pod::default()
    }
}

/// A node-local cache answers on an address of the node, which no selector sees.
fn node_local_dns(inventory: &Inventory) -> bool {
    inventory.pods.iter().any(|state| {
        state.pod.namespace == "kube-system"
            && state.pod.labels.get("k8s-app").is_some_and(|value| value == "node-local-dns")
    })
}

pub(super) fn ask_dns(inventory: &Inventory, source: &Pod, path: &mut Path) {
    for (protocol, name) in [(Protocol::Udp, StageName::DnsUdp), (Protocol::Tcp, StageName::DnsTcp)]
    {
        let end = End::Pod(source.clone());
        let judged: Vec<Judged> = dns_targets(inventory, protocol)
            .into_iter()
            .filter_map(|(target, port)| match target {
                Target::Pod(pod) => Some((End::Pod(pod), port)),
                Target::Address(address) => Some((End::Address(address), port)),
                Target::Outside(_) => None,
            })
            .map(|(destination, port)| Judged {
                dns: true,
                ..judge(
                    inventory.cluster(),
                    &end,
                    destination,
                    protocol,
                    port,
                    Some(Translation::default()),
                )
            })
            .collect();
        let worst = [Direction::Egress, Direction::Ingress]
            .into_iter()
            .filter_map(|direction| side_stage(&judged, direction))
            .find(|stage| stage.outcome != StageOutcome::Passed);
        let stage = match worst {
            None => Stage {
                stage: name,
                outcome: StageOutcome::Passed,
                sentence: format!("DNS responds over {protocol}"),
                near_misses: Vec::new(),
            },
            Some(worst) => {
                let (outcome, lead) = match (worst.outcome, protocol) {
                    (StageOutcome::Failed, _) if node_local_dns(inventory) => (
                        StageOutcome::Unknown,
                        "the node-local DNS cache is not evaluated; apart \
                            from it",
                    ),
                    (StageOutcome::Failed, Protocol::Tcp) => {
                        (StageOutcome::Warning, "long DNS responses need TCP and will fail")
                    }
                    (outcome, _) => (outcome, "names will not resolve"),
                };
                Stage {
                    stage: name,
                    outcome,
                    sentence: format!("{lead}: {}", worst.sentence),
                    near_misses: worst.near_misses,
                }
            }
        };
        path.stages.push(stage);
        path.connections.extend(judged);
    }
}
