//! The way from a client to what it calls: DNS, the name, the Service port, its endpoints, and the policies of both sides.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::explain::name as endpoint_name;
use super::outside::{Outside, judge_outside};
use super::resolve::{Resolution, Target, resolve};
use super::{
    Cluster, Connection, Difference, Direction, Endpoint, Explanation, ForeignPolicy, Inventory, Labels, NamedPort, NearMiss, Peer, Pod, PortName, Protocol,
    Reason, SideExplanation, Translation, evaluate, explain,
};

/// Who wants to reach whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Who connects.
    pub source: Source,
    /// To whom.
    pub destination: Destination,
    /// The port that the client uses: of the Service, or of the pod or address when there is no Service.
    pub port: PortName,
    /// The protocol.
    pub protocol: Protocol,
    /// The addresses of a host outside the cluster, as far as they are known.
    pub addresses: Vec<IpAddr>,
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Any pod of a workload, by its template.
    Workload {
        /// The kind in lower case: `deployment`, `cronjob`.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Any pod with these labels.
    Labels {
        /// Its namespace.
        namespace: String,
        /// Its labels.
        labels: Labels,
    },
    /// Somebody outside.
    Address(IpAddr),
}

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Service, by its name.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An address; that of a Service or of a pod stands for it.
    Address(IpAddr),
    /// A host name as a client writes it: `svc`, `svc.ns`, `svc.ns.svc.cluster.local`, or one outside.
    Host(String),
}

/// The way of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// Who connects, in words.
    pub source: String,
    /// To whom, in words.
    pub destination: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port that the client uses.
    pub port: PortName,
    /// The answer.
    pub verdict: Decision,
    /// The first stage that fails; none unless denied.
    pub first_failing: Option<StageName>,
    /// All stages in order; a stage that does not apply is left out.
    pub stages: Vec<Stage>,
    /// Every connection that was judged.
    pub connections: Vec<Judged>,
    /// Policies of other kinds.
    pub not_evaluated: Vec<NotEvaluated>,
    /// What depends on the network plugin.
    pub notes: Vec<String>,
}

/// The answer for an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Every stage passes.
    Allowed,
    /// A stage fails: the connection cannot succeed, or not to every endpoint.
    Denied,
    /// No stage fails, but one cannot be judged.
    Unknown,
}

/// A stage of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Which.
    pub stage: StageName,
    /// How it went.
    pub outcome: StageOutcome,
    /// The same in words.
    pub sentence: String,
    /// What would let it pass but for one thing.
    pub near_misses: Vec<NearMiss>,
}

/// The stages, in the order in which a client meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Asking the DNS of the cluster over UDP.
    DnsUdp,
    /// Asking it over TCP, which long answers need.
    DnsTcp,
    /// What the name means.
    Name,
    /// From the port of the Service to that of the pods.
    ServicePort,
    /// The endpoints that are ready.
    Endpoints,
    /// The policies of the source.
    Egress,
    /// The policies of the destination.
    Ingress,
    /// Policies of other kinds.
    OtherPolicies,
}

/// How a stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// It passes.
    Passed,
    /// It passes, but look at it.
    Warning,
    /// It fails.
    Failed,
    /// It cannot be judged.
    Unknown,
}

/// A connection that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Whether it asks DNS rather than the destination.
    pub dns: bool,
    /// The answer and why.
    pub explanation: Explanation,
    /// Who connects.
    #[serde(skip)]
    pub source: End,
    /// To whom.
    #[serde(skip)]
    pub destination: End,
}

/// One end of a judged connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A pod.
    Pod(Pod),
    /// An address.
    Address(IpAddr),
    /// Any public address: a host outside whose address is not known.
    Outside,
}

/// A policy of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotEvaluated {
    /// The policy.
    #[serde(flatten)]
    pub policy: ForeignPolicy,
    /// Whether it could select one of the ends.
    pub concerns: bool,
}

/// An edge whose source is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no such pod.
    #[error("there is no pod {namespace}/{name}, or it has finished")]
    NoPod {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// There is no such workload.
    #[error("there is no {kind} {namespace}/{name}; workloads there: {}", if others.is_empty() { "none".to_owned() } else { others.join(", ") })]
    NoWorkload {
        /// The kind.
        kind: String,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// What is in the namespace, as `kind/name`.
        others: Vec<String>,
    },
}

/// Follows an edge through all stages.
///
/// # Errors
/// The source is not there. A destination that is not there is a stage that fails.
pub fn trace(inventory: &Inventory, edge: &Edge) -> Result<Path, PathError> {
    let source = source(inventory, edge)?;
    let namespace = match &source {
        End::Pod(pod) => pod.namespace.as_str(),
        End::Address(_) | End::Outside => "",
    };
    let Resolution { stages, targets, service_port, by_name } = resolve(inventory, edge, namespace);
    let mut path = Path {
        source: end_name(&source),
        destination: destination_name(&edge.destination),
        protocol: edge.protocol,
        port: edge.port.clone(),
        verdict: Decision::Unknown,
        first_failing: None,
        stages: Vec::new(),
        connections: Vec::new(),
        not_evaluated: Vec::new(),
        notes: Vec::new(),
    };
    if let (true, End::Pod(pod)) = (by_name, &source) {
        ask_dns(inventory, pod, &mut path);
    }
    path.stages.extend(stages);
    judge_targets(inventory, edge, &source, targets, Translation { service_port }, &mut path);
    other_policies(inventory, &source, &mut path);
    let has = |outcome| path.stages.iter().find(|stage| stage.outcome == outcome).map(|stage| stage.stage);
    path.first_failing = has(StageOutcome::Failed);
    path.verdict = match (path.first_failing, has(StageOutcome::Unknown)) {
        (Some(_), _) => Decision::Denied,
        (None, Some(_)) => Decision::Unknown,
        (None, None) => Decision::Allowed,
    };
    Ok(path)
}

fn source(inventory: &Inventory, edge: &Edge) -> Result<End, PathError> {
    match &edge.source {
        Source::Pod { namespace, name } => {
            let found = inventory.pods.iter().find(|state| state.pod.namespace == *namespace && state.pod.name == *name);
            found.map(|state| End::Pod(state.pod.clone())).ok_or_else(|| PathError::NoPod { namespace: namespace.clone(), name: name.clone() })
        }
        Source::Workload { kind, namespace, name } => {
            let here = || inventory.workloads.iter().filter(|workload| workload.pod.namespace == *namespace);
            let found = here().find(|workload| workload.kind == *kind && workload.name == *name);
            found.map(|workload| End::Pod(workload.pod.clone())).ok_or_else(|| PathError::NoWorkload {
                kind: kind.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                others: here().map(|workload| workload.pod.name.clone()).collect(),
            })
        }
        Source::Labels { namespace, labels } => {
            let text = labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
            // a name with a slash is no pod's: it cannot be taken for the destination itself
            Ok(End::Pod(Pod { namespace: namespace.clone(), name: format!("pods/{text}"), labels: labels.clone(), ..Pod::default() }))
        }
        Source::Address(address) => Ok(End::Address(*address)),
    }
}

fn end_name(end: &End) -> String {
    match end {
        End::Pod(pod) => endpoint_name(&Endpoint::Pod(pod)),
        End::Address(address) => address.to_string(),
        End::Outside => "any public address".to_owned(),
    }
}

fn destination_name(destination: &Destination) -> String {
    match destination {
        Destination::Pod { namespace, name } => format!("pod {namespace}/{name}"),
        Destination::Service { namespace, name } => format!("service {namespace}/{name}"),
        Destination::Address(address) => address.to_string(),
        Destination::Host(host) => host.clone(),
    }
}

/// Both ends as the evaluator wants them; none for a host whose address is not known.
pub(super) fn endpoint(end: &End) -> Option<Endpoint<'_>> {
    match end {
        End::Pod(pod) => Some(Endpoint::Pod(pod)),
        End::Address(address) => Some(Endpoint::Address(*address)),
        End::Outside => None,
    }
}

fn judge(cluster: Cluster<'_>, source: &End, destination: End, protocol: Protocol, port: u16, translation: Translation) -> Judged {
    let explanation = match (endpoint(source), endpoint(&destination)) {
        (Some(from), Some(to)) => {
            let connection = Connection { source: from, destination: to, protocol, port };
            explain(cluster, &connection, &evaluate(cluster, &connection), translation)
        }
        // told apart in the stage of egress
        (_, _) => outside_explanation(cluster, source, protocol, port),
    };
    Judged { dns: false, explanation, source: source.clone(), destination }
}

/// A host outside seen as an address of the range that is kept for documentation: in no block that a cluster would write by name.
fn outside_explanation(cluster: Cluster<'_>, source: &End, protocol: Protocol, port: u16) -> Explanation {
    let address = IpAddr::from([203, 0, 113, 1]);
    let from = endpoint(source).unwrap_or(Endpoint::Address(address));
    let connection = Connection { source: from, destination: Endpoint::Address(address), protocol, port };
    let explanation = explain(cluster, &connection, &evaluate(cluster, &connection), Translation::default());
    Explanation { destination: end_name(&End::Outside), ..explanation }
}

fn judge_targets(inventory: &Inventory, edge: &Edge, source: &End, targets: Vec<(Target, u16)>, translation: Translation, path: &mut Path) {
    let cluster = inventory.cluster();
    let mut judged = Vec::new();
    for (target, port) in targets {
        let destination = match target {
            Target::Pod(pod) => End::Pod(pod),
            Target::Address(address) => End::Address(address),
            Target::Outside(_) => End::Outside,
        };
        if let (End::Pod(pod), End::Outside) = (source, &destination) {
            let outside = judge_outside(cluster, pod, edge.protocol, port);
            if let Outside::Unknown(sentence) = outside {
                path.stages.push(Stage { stage: StageName::Egress, outcome: StageOutcome::Unknown, sentence, near_misses: Vec::new() });
                continue;
            }
        }
        judged.push(judge(cluster, source, destination, edge.protocol, port, translation));
    }
    for direction in [Direction::Egress, Direction::Ingress] {
        path.stages.extend(side_stage(&judged, direction));
    }
    path.notes.extend(judged.iter().flat_map(|one| block_notes(cluster, one)));
    path.notes.sort();
    path.notes.dedup();
    path.connections.extend(judged);
}

fn side_of(judged: &Judged, direction: Direction) -> &SideExplanation {
    match direction {
        Direction::Ingress => &judged.explanation.ingress,
        Direction::Egress => &judged.explanation.egress,
    }
}

/// One stage for one side of all connections; they may differ by endpoint.
fn side_stage(judged: &[Judged], direction: Direction) -> Option<Stage> {
    let first = judged.first()?;
    let stage = if direction == Direction::Egress { StageName::Egress } else { StageName::Ingress };
    let denied: Vec<&Judged> = judged.iter().filter(|one| !side_of(one, direction).passes()).collect();
    let Some(worst) = denied.first() else {
        return Some(Stage { stage, outcome: StageOutcome::Passed, sentence: side_of(first, direction).sentence.clone(), near_misses: Vec::new() });
    };
    let side = side_of(worst, direction);
    // without an address, a block can neither hold nor not hold the pod
    let undecided = side.near_misses.iter().any(|miss| matches!(miss.difference, Difference::Block { address: None, .. }));
    let outcome = if undecided { StageOutcome::Unknown } else { StageOutcome::Failed };
    let count = if denied.len() < judged.len() { format!(" ({} of {} endpoints)", denied.len(), judged.len()) } else { String::new() };
    Some(Stage { stage, outcome, sentence: format!("{}{count}", side.sentence), near_misses: side.near_misses.clone() })
}

/// Whether a block holds the address of a pod depends on where the plugin looks.
fn block_notes(cluster: Cluster<'_>, judged: &Judged) -> Vec<String> {
    let (End::Pod(_), End::Pod(_)) = (&judged.source, &judged.destination) else {
        return Vec::new();
    };
    let by_block = |direction| match &side_of(judged, direction).reason {
        Reason::Allowed { by, .. } => {
            let policy = cluster.policies.iter().find(|policy| policy.reference == by.policy)?;
            let peer = policy.rules(direction).get(by.rule)?.peers.get(by.peer?)?;
            matches!(peer, Peer::Block { .. })
                .then(|| format!("rule {} of policy {} allows a pod by ipBlock; some network plugins do not apply blocks to pods", by.rule, by.policy))
        }
        Reason::Exempt { .. } | Reason::NotIsolated | Reason::Denied { .. } => None,
    };
    [Direction::Egress, Direction::Ingress].into_iter().filter_map(by_block).collect()
}

/// The pods that answer for the DNS of the cluster, with their port.
pub(super) fn dns_targets(inventory: &Inventory, protocol: Protocol) -> Vec<(Target, u16)> {
    let edge = Edge {
        source: Source::Labels { namespace: String::new(), labels: Labels::new() },
        destination: Destination::Service { namespace: "kube-system".to_owned(), name: "kube-dns".to_owned() },
        port: PortName::Number(53),
        protocol,
        addresses: Vec::new(),
    };
    let found = resolve(inventory, &edge, "").targets;
    if !found.is_empty() {
        return found;
    }
    let serves = |pod: &&Pod| pod.namespace == "kube-system" && pod.labels.get("k8s-app").is_some_and(|value| value == "kube-dns");
    let pods: Vec<_> = inventory.pods.iter().map(|state| &state.pod).filter(serves).map(|pod| (Target::Pod(pod.clone()), 53)).collect();
    if pods.is_empty() { vec![(Target::Pod(usual_dns_pod()), 53)] } else { pods }
}

/// What serves DNS in nearly every cluster, for when its pods are not given.
fn usual_dns_pod() -> Pod {
    let port = |name: &str, protocol| NamedPort { name: name.to_owned(), port: 53, protocol };
    Pod {
        namespace: "kube-system".to_owned(),
        name: "deployment/coredns".to_owned(),
        labels: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
        named_ports: vec![port("dns", Protocol::Udp), port("dns-tcp", Protocol::Tcp)],
        ..Pod::default()
    }
}

/// A node-local cache answers on an address of the node, which no selector sees.
fn node_local_dns(inventory: &Inventory) -> bool {
    inventory.pods.iter().any(|state| state.pod.namespace == "kube-system" && state.pod.labels.get("k8s-app").is_some_and(|value| value == "node-local-dns"))
}

fn ask_dns(inventory: &Inventory, source: &Pod, path: &mut Path) {
    for (protocol, name) in [(Protocol::Udp, StageName::DnsUdp), (Protocol::Tcp, StageName::DnsTcp)] {
        let end = End::Pod(source.clone());
        let judged: Vec<Judged> = dns_targets(inventory, protocol)
            .into_iter()
            .filter_map(|(target, port)| match target {
                Target::Pod(pod) => Some((End::Pod(pod), port)),
                Target::Address(address) => Some((End::Address(address), port)),
                Target::Outside(_) => None,
            })
            .map(|(destination, port)| Judged { dns: true, ..judge(inventory.cluster(), &end, destination, protocol, port, Translation::default()) })
            .collect();
        let worst = [Direction::Egress, Direction::Ingress]
            .into_iter()
            .filter_map(|direction| side_stage(&judged, direction))
            .find(|stage| stage.outcome != StageOutcome::Passed);
        let stage = match worst {
            None => Stage { stage: name, outcome: StageOutcome::Passed, sentence: format!("DNS answers over {protocol}"), near_misses: Vec::new() },
            Some(worst) => {
                let (outcome, lead) = match (worst.outcome, protocol) {
                    (StageOutcome::Failed, _) if node_local_dns(inventory) => (StageOutcome::Unknown, "the node-local DNS cache is not judged; beside it"),
                    (StageOutcome::Failed, Protocol::Tcp) => (StageOutcome::Warning, "long DNS answers need TCP and will fail"),
                    (outcome, _) => (outcome, "names will not resolve"),
                };
                Stage { stage: name, outcome, sentence: format!("{lead}: {}", worst.sentence), near_misses: worst.near_misses }
            }
        };
        path.stages.push(stage);
        path.connections.extend(judged);
    }
}

fn other_policies(inventory: &Inventory, source: &End, path: &mut Path) {
    let unlabelled = Labels::new();
    let ends = path.connections.iter().filter(|judged| !judged.dns).map(|judged| &judged.destination).chain([source]);
    let pods: Vec<&Pod> = ends
        .filter_map(|end| match end {
            End::Pod(pod) => Some(pod),
            End::Address(_) | End::Outside => None,
        })
        .collect();
    let concerns = |policy: &ForeignPolicy| pods.iter().any(|pod| policy.could_select(pod, inventory.namespaces.get(&pod.namespace).unwrap_or(&unlabelled)));
    let listed: Vec<NotEvaluated> = inventory.foreign.iter().map(|policy| NotEvaluated { concerns: concerns(policy), policy: policy.clone() }).collect();
    let names: Vec<String> = listed.iter().filter(|one| one.concerns).map(|one| one.policy.to_string()).collect();
    if !names.is_empty() {
        let sentence = format!("could decide otherwise and is not evaluated: {}", names.join(", "));
        path.stages.push(Stage { stage: StageName::OtherPolicies, outcome: StageOutcome::Unknown, sentence, near_misses: Vec::new() });
    }
    path.not_evaluated = listed;
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DnsUdp => "DNS over UDP",
            Self::DnsTcp => "DNS over TCP",
            Self::Name => "name",
            Self::ServicePort => "port",
            Self::Endpoints => "endpoints",
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::OtherPolicies => "other policies",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        })
    }
}

/// The head, then a line per stage and per near miss.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, port, verdict, .. } = self;
        write!(f, "{source} -> {destination} {protocol} {port}: {verdict}")?;
        for Stage { stage, outcome, sentence, near_misses } in &self.stages {
            let mark = match outcome {
                StageOutcome::Passed => "ok  ",
                StageOutcome::Warning => "warn",
                StageOutcome::Failed => "FAIL",
                StageOutcome::Unknown => "?   ",
            };
            write!(f, "\n  {mark} {stage}: {sentence}")?;
            near_misses.iter().try_for_each(|miss| write!(f, "\n         near miss: {miss}"))?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n  note: {note}"))
    }
}
