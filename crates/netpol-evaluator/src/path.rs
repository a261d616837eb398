//! The path from a client to its destination: DNS, the name, the Service port, its endpoints, and
//! the policies of both sides.

use std::net::IpAddr;

use super::dns::ask_dns;
use super::explain::{explain_as_far, name as endpoint_name};
use super::external::{Outside, judge_outside};
use super::misdirected::redirect;
use super::resolve::{Resolution, Target, resolve};
use super::{
    Cluster, Connection, Decision, Destination, Difference, Direction, Edge, End, Endpoint,
    Exemption, Explanation, ForeignPolicy, Inventory, Judged, Labels, NotEvaluated, Path,
    PathError, Peer, Pod, Protocol, Reason, SideExplanation, Source, Stage, StageName,
    StageOutcome, Translation, evaluate, explain,
};

/// Follows an edge through all stages.
///
/// # Errors
/// The source does not exist. A destination that does not exist is a stage that fails.
pub fn trace(inventory: &Inventory, edge: &Edge) -> Result<Path, PathError> {
    let source = source(inventory, edge)?;
    let namespace = match &source {
        End::Pod(pod) => pod.namespace.as_str(),
        End::Address(_) | End::Outside => "",
    };
    let Resolution { mut stages, mut targets, service_port, by_name } =
        resolve(inventory, edge, namespace);
    let misdirected = service_port.and_then(|port| {
        let found = redirect(inventory.cluster(), &source, edge.protocol, &mut targets)?;
        let stage = stages.iter_mut().find(|stage| stage.stage == StageName::ServicePort)?;
        (stage.outcome, stage.sentence) =
            (StageOutcome::Failed, found.sentence(port, edge.protocol));
        Some(found)
    });
    let mut path = Path {
        source: end_name(&source),
        destination: destination_name(&edge.destination),
        protocol: edge.protocol,
        port: edge.port.clone(),
        verdict: Decision::Unknown,
        first_failing: None,
        stages: Vec::new(),
        connections: Vec::new(),
        misdirected,
        not_evaluated: Vec::new(),
        notes: Vec::new(),
    };
    if let (true, End::Pod(pod)) = (by_name, &source) {
        ask_dns(inventory, pod, &mut path);
    }
    path.stages.extend(stages);
    judge_targets(inventory, edge, &source, targets, Translation { service_port }, &mut path);
    other_policies(inventory, &source, &mut path);
    let has = |outcome| {
        path.stages.iter().find(|stage| stage.outcome == outcome).map(|stage| stage.stage)
    };
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
            let found = inventory
                .pods
                .iter()
                .find(|state| state.pod.namespace == *namespace && state.pod.name == *name);
            found.map(|state| End::Pod(state.pod.clone())).ok_or_else(|| PathError::NoPod {
                namespace: namespace.clone(),
                name: name.clone(),
            })
        }
        Source::Workload { kind, namespace, name } => {
            let here = || {
                inventory.workloads.iter().filter(|workload| workload.pod.namespace == *namespace)
            };
            let found = here().find(|workload| workload.kind == *kind && workload.name == *name);
            found.map(|workload| End::Pod(workload.pod.clone())).ok_or_else(|| {
                PathError::NoWorkload {
                    kind: kind.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    others: here().map(|workload| workload.pod.name.clone()).collect(),
                }
            })
        }
        Source::Labels { namespace, labels } => {
            let text = labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join(",");
            // a name with a slash is no pod's: it cannot be taken for the destination itself
            Ok(End::Pod(Pod {
                namespace: namespace.clone(),
                name: format!("pods/{text}"),
                labels: labels.clone(),
                ..Pod::default()
            }))
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

pub(super) fn judge(
    cluster: Cluster<'_>,
    source: &End,
    destination: End,
    protocol: Protocol,
    port: u16,
    translation: Option<Translation>,
) -> Judged {
    let explanation = match (endpoint(source), endpoint(&destination)) {
        (Some(from), Some(to)) => {
            let connection = Connection { source: from, destination: to, protocol, port };
            explain_as_far(cluster, &connection, &evaluate(cluster, &connection), translation)
        }
        // told apart in the stage of egress
        (_, _) => outside_explanation(cluster, source, protocol, port),
    };
    Judged { dns: false, explanation, source: source.clone(), destination }
}

/// A host outside seen as an address of the range that is kept for documentation: in no block that
/// a cluster would write by name.
fn outside_explanation(
    cluster: Cluster<'_>,
    source: &End,
    protocol: Protocol,
    port: u16,
) -> Explanation {
    let address = IpAddr::from([203, 0, 113, 1]);
    let from = endpoint(source).unwrap_or(Endpoint::Address(address));
    let connection =
        Connection { source: from, destination: Endpoint::Address(address), protocol, port };
    let explanation =
        explain(cluster, &connection, &evaluate(cluster, &connection), Translation::default());
    let sentence = "policies do not apply outside the cluster".to_owned();
    let ingress = SideExplanation { sentence, ..explanation.ingress };
    Explanation { destination: end_name(&End::Outside), ingress, ..explanation }
}

fn judge_targets(
    inventory: &Inventory,
    edge: &Edge,
    source: &End,
    targets: Vec<(Target, u16)>,
    translation: Translation,
    path: &mut Path,
) {
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
                path.stages.push(Stage {
                    stage: StageName::Egress,
                    outcome: StageOutcome::Unknown,
                    sentence,
                    near_misses: Vec::new(),
                });
                continue;
            }
        }
        let mut one = judge(cluster, source, destination, edge.protocol, port, None);
        // what is nearly right is the same for every replica
        if !one.explanation.allowed && !judged.iter().any(|other| alike(&one, other)) {
            one = judge(cluster, source, one.destination, edge.protocol, port, Some(translation));
        }
        judged.push(one);
    }
    for direction in [Direction::Egress, Direction::Ingress] {
        path.stages.extend(side_stage(&judged, direction));
    }
    path.notes.extend(judged.iter().flat_map(|one| block_notes(cluster, one)));
    path.notes.sort();
    path.notes.dedup();
    path.connections.extend(judged);
}

/// Two replicas with the same answer.
fn alike(one: &Judged, other: &Judged) -> bool {
    let labels = |judged: &Judged| match &judged.destination {
        End::Pod(pod) => Some((pod.namespace.clone(), pod.labels.clone())),
        End::Address(_) | End::Outside => None,
    };
    let passes =
        |judged: &Judged| (judged.explanation.egress.passes(), judged.explanation.ingress.passes());
    passes(one) == passes(other) && labels(one).is_some_and(|own| labels(other) == Some(own))
}

fn side_of(judged: &Judged, direction: Direction) -> &SideExplanation {
    match direction {
        Direction::Ingress => &judged.explanation.ingress,
        Direction::Egress => &judged.explanation.egress,
    }
}

/// One stage for one side of all connections; they may differ by endpoint.
pub(super) fn side_stage(judged: &[Judged], direction: Direction) -> Option<Stage> {
    // outside the cluster there is no side to judge
    let not_a_pod = |one: &&Judged| {
        matches!(side_of(one, direction).reason, Reason::Exempt { because: Exemption::NotAPod })
    };
    let first = judged.iter().find(|one| !not_a_pod(one))?;
    let stage = if direction == Direction::Egress { StageName::Egress } else { StageName::Ingress };
    let denied: Vec<&Judged> =
        judged.iter().filter(|one| !side_of(one, direction).passes()).collect();
    let Some(worst) = denied.first() else {
        return Some(Stage {
            stage,
            outcome: StageOutcome::Passed,
            sentence: side_of(first, direction).sentence.clone(),
            near_misses: Vec::new(),
        });
    };
    let side = side_of(worst, direction);
    // without an address, a block can neither hold nor not hold the pod
    let undecided = side
        .near_misses
        .iter()
        .any(|miss| matches!(miss.difference, Difference::Block { address: None, .. }));
    let outcome = if undecided { StageOutcome::Unknown } else { StageOutcome::Failed };
    let count = if denied.len() < judged.len() {
        format!(" ({} of {} endpoints)", denied.len(), judged.len())
    } else {
        String::new()
    };
    Some(Stage {
        stage,
        outcome,
        sentence: format!("{}{count}", side.sentence),
        near_misses: side.near_misses.clone(),
    })
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
            matches!(peer, Peer::Block { .. }).then(|| {
                format!(
                    "rule {} of policy {} allows a pod by ipBlock; some network \
                    plugins do not apply blocks to pods",
                    by.rule, by.policy
                )
            })
        }
        Reason::Exempt { .. } | Reason::NotIsolated | Reason::Denied { .. } => None,
    };
    [Direction::Egress, Direction::Ingress].into_iter().filter_map(by_block).collect()
}

fn pod_of(end: &End) -> Option<&Pod> {
    match end {
        End::Pod(pod) => Some(pod),
        End::Address(_) | End::Outside => None,
    }
}

fn other_policies(inventory: &Inventory, source: &End, path: &mut Path) {
    let unlabelled = Labels::new();
    let judged = path.connections.iter().filter(|judged| !judged.dns);
    let destinations: Vec<&Pod> = judged.filter_map(|judged| pod_of(&judged.destination)).collect();
    let labels = |pod: &Pod| inventory.namespaces.get(&pod.namespace).unwrap_or(&unlabelled);
    let concerns =
        |policy: &ForeignPolicy| policy.could_decide(pod_of(source), &destinations, labels);
    let listed: Vec<NotEvaluated> = inventory
        .foreign
        .iter()
        .map(|policy| NotEvaluated { concerns: concerns(policy), policy: policy.clone() })
        .collect();
    let names: Vec<String> =
        listed.iter().filter(|one| one.concerns).map(|one| one.policy.to_string()).collect();
    if !names.is_empty() {
        let sentence = format!("may decide otherwise and is not evaluated: {}", names.join(", "));
        path.stages.push(Stage {
            stage: StageName::OtherPolicies,
            outcome: StageOutcome::Unknown,
            sentence,
            near_misses: Vec::new(),
        });
    }
    path.not_evaluated = listed;
}
