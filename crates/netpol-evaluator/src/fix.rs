//! The smallest policies that would allow a denied connection.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::path::endpoint;
use super::{
    Cidr, Cluster, Connection, Difference, Direction, Endpoint, Explanation, LabelSelector, Labels,
    NearMiss, Operator, Path, Pod, PolicyReference, Protocol, Reason, Requirement, SideExplanation,
};

/// What would allow a denied connection: all of `policies` together, or for one side, one of its
/// alternatives instead.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fix {
    /// NetworkPolicy objects to add.
    pub policies: Vec<Value>,
    /// Changes to existing policies, nearest first.
    pub alternatives: Vec<Alternative>,
    /// What no policy can solve, in words.
    pub obstacles: Vec<String>,
}

/// A change to an existing policy, instead of a new one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alternative {
    /// The policy to change.
    pub policy: PolicyReference,
    /// The side that then allows the connection.
    pub direction: Direction,
    /// A JSON patch (RFC 6902).
    pub patch: Value,
    /// Why, in words: the near miss.
    pub sentence: String,
}

/// Proposes policies for one connection; none if it is allowed.
#[must_use]
pub fn propose(
    cluster: Cluster<'_>,
    connection: &Connection<'_>,
    explanation: &Explanation,
) -> Fix {
    let mut fix = Fix::default();
    for (direction, side) in
        [(Direction::Egress, &explanation.egress), (Direction::Ingress, &explanation.ingress)]
    {
        if let Reason::Denied { isolating, .. } = &side.reason {
            let (subject, other) = match direction {
                Direction::Egress => (&connection.source, Some(&connection.destination)),
                Direction::Ingress => (&connection.destination, Some(&connection.source)),
            };
            fix.side(
                cluster,
                &Request {
                    direction,
                    isolating,
                    subject,
                    other,
                    protocol: connection.protocol,
                    port: connection.port,
                },
                side,
            );
        }
    }
    fix
}

/// Proposes policies for all denied connections of a path, including DNS queries.
#[must_use]
pub fn propose_for_path(cluster: Cluster<'_>, path: &Path) -> Fix {
    let mut fix = Fix::default();
    for judged in &path.connections {
        let Explanation { protocol, port, .. } = judged.explanation;
        for (direction, side, subject, other) in [
            (Direction::Egress, &judged.explanation.egress, &judged.source, &judged.destination),
            (Direction::Ingress, &judged.explanation.ingress, &judged.destination, &judged.source),
        ] {
            if let (Reason::Denied { isolating, .. }, Some(subject)) =
                (&side.reason, endpoint(subject))
            {
                let other = endpoint(other);
                fix.side(
                    cluster,
                    &Request {
                        direction,
                        isolating,
                        subject: &subject,
                        other: other.as_ref(),
                        protocol,
                        port,
                    },
                    side,
                );
            }
        }
    }
    fix
}

/// One side to be opened.
struct Request<'a> {
    direction: Direction,
    isolating: &'a [PolicyReference],
    subject: &'a Endpoint<'a>,
    /// None for any address outside.
    other: Option<&'a Endpoint<'a>>,
    protocol: Protocol,
    port: u16,
}

impl Fix {
    /// Replicas need the same policy; it is proposed once.
    fn side(&mut self, cluster: Cluster<'_>, request: &Request<'_>, side: &SideExplanation) {
        match policy(cluster, request) {
            Ok(policy) if !self.policies.contains(&policy) => self.policies.push(policy),
            Ok(_) => {}
            Err(obstacle) if !self.obstacles.contains(&obstacle) => self.obstacles.push(obstacle),
            Err(_) => {}
        }
        for miss in &side.near_misses {
            let alternative = alternative(cluster, request, miss);
            self.alternatives.extend(alternative.filter(|new| !self.alternatives.contains(new)));
        }
    }
}

fn policy(cluster: Cluster<'_>, request: &Request<'_>) -> Result<Value, String> {
    let Endpoint::Pod(pod) = request.subject else {
        return Err("a policy can only allow connections of pods".to_owned());
    };
    let selector = subject_selector(cluster, request, pod);
    let name = policy_name(pod, request);
    let rule = rule(cluster, request, pod)?;
    let (field, kind) = match request.direction {
        Direction::Ingress => ("ingress", "Ingress"),
        Direction::Egress => ("egress", "Egress"),
    };
    Ok(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": pod.namespace},
        "spec": {"podSelector": selector, "policyTypes": [kind], field: [rule]},
    }))
}

/// The labels of the workload, and what else an isolating policy asks: a pod that was not isolated
/// must not become so.
fn subject_selector(cluster: Cluster<'_>, request: &Request<'_>, pod: &Pod) -> LabelSelector {
    let match_labels = identity(&pod.labels);
    let isolating =
        cluster.policies.iter().filter(|policy| request.isolating.contains(&policy.reference));
    let extra = isolating.map(|policy| {
        policy
            .pod_selector
            .requirements()
            .filter(|requirement| !match_labels.contains_key(&requirement.key))
            .collect::<Vec<_>>()
    });
    let match_expressions = extra.min_by_key(Vec::len).unwrap_or_default();
    LabelSelector { match_labels, match_expressions }
}

fn rule(cluster: Cluster<'_>, request: &Request<'_>, subject: &Pod) -> Result<Value, String> {
    let ports = json!([{"protocol": request.protocol, "port": request.port}]);
    let field = match request.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let peer = match request.other {
        // any public address, and none of the networks that are not public
        None => {
            json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12",
                "192.168.0.0/16"]}})
        }
        Some(other) => peer(cluster, other, subject)?,
    };
    Ok(json!({field: [peer], "ports": ports}))
}

fn block(address: IpAddr) -> Value {
    json!({"ipBlock": {"cidr": Cidr::of(address).to_string()}})
}

fn peer(cluster: Cluster<'_>, other: &Endpoint<'_>, subject: &Pod) -> Result<Value, String> {
    match other {
        Endpoint::Address(address) => Ok(block(*address)),
        Endpoint::Node => {
            Err("connections from a node are always allowed and need no policy".to_owned())
        }
        Endpoint::Pod(pod) if pod.host_network => pod.ip.map(block).ok_or_else(|| {
            format!(
                "{}/{} uses the network of its node and has no address yet; \
                only an ipBlock can name it",
                pod.namespace, pod.name
            )
        }),
        Endpoint::Pod(pod) => {
            let mut peer = json!({"podSelector": LabelSelector { match_labels: identity(&pod.labels), ..LabelSelector::default() }});
            if pod.namespace != subject.namespace {
                let labels = cluster.namespaces.get(&pod.namespace);
                let labels = labels.ok_or_else(|| {
                    format!("namespace {} is unknown, so no selector can match it", pod.namespace)
                })?;
                let key = "kubernetes.io/metadata.name";
                let chosen: Labels = match labels.get(key) {
                    Some(name) => [(key.to_owned(), name.clone())].into(),
                    None => labels.clone(),
                };
                peer["namespaceSelector"] =
                    json!(LabelSelector { match_labels: chosen, ..LabelSelector::default() });
            }
            Ok(peer)
        }
    }
}

/// The labels that all pods of a workload share and that a release does not change.
pub(super) fn identity(labels: &Labels) -> Labels {
    const PASSING: [&str; 12] = [
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "controller-uid",
        "job-name",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "batch.kubernetes.io/job-completion-index",
        "app.kubernetes.io/version",
        "helm.sh/chart",
    ];
    labels
        .iter()
        .filter(|(key, _)| !PASSING.contains(&key.as_str()) && *key != "version")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn policy_name(subject: &Pod, request: &Request<'_>) -> String {
    let other = match request.other {
        None => "internet".to_owned(),
        Some(Endpoint::Pod(pod)) => short_name(pod),
        Some(Endpoint::Address(address)) => address.to_string(),
        Some(Endpoint::Node) => "node".to_owned(),
    };
    let text = match request.direction {
        Direction::Egress => format!(
            "allow-{}-to-{other}-{}-{}",
            short_name(subject),
            request.protocol,
            request.port
        ),
        Direction::Ingress => format!(
            "allow-{}-from-{other}-{}-{}",
            short_name(subject),
            request.protocol,
            request.port
        ),
    };
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .take(253)
        .collect();
    // a dot parts two names, each of which must begin and end with a letter or digit
    plain
        .split('.')
        .map(|part| part.trim_matches('-'))
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".")
}

fn short_name(pod: &Pod) -> String {
    let labelled = ["app.kubernetes.io/name", "app", "k8s-app"]
        .iter()
        .find_map(|key| pod.labels.get(*key).filter(|value| !value.is_empty()));
    let component = ["app.kubernetes.io/component", "component"]
        .iter()
        .find_map(|key| pod.labels.get(*key).filter(|value| !value.is_empty()));
    match (labelled, component) {
        (Some(name), Some(component)) => format!("{name}-{component}"),
        (Some(name), None) => name.clone(),
        (None, _) => pod.name.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

fn alternative(
    cluster: Cluster<'_>,
    request: &Request<'_>,
    miss: &NearMiss,
) -> Option<Alternative> {
    let policy = cluster.policies.iter().find(|policy| policy.reference == miss.policy)?;
    let Endpoint::Pod(subject) = request.subject else { return None };
    let (field, end) = match request.direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    };
    let patch = match &miss.difference {
        Difference::PodSelector { requirement, found } => {
            json!([{"op": "replace", "path": "/spec/podSelector",
                "value": widened(&policy.pod_selector, requirement, found.as_deref()?)?}])
        }
        Difference::PolicyTypes => {
            json!([{"op": "add", "path": "/spec/policyTypes", "value": ["Ingress", "Egress"]}])
        }
        Difference::Protocol { .. }
        | Difference::ServicePort { .. }
        | Difference::Port { .. }
        | Difference::PortName { .. } => {
            let port = json!({"protocol": request.protocol, "port": request.port});
            json!([{"op": "add", "path": format!("/spec/{field}/{}/ports/-", miss.rule),
                "value": port}])
        }
        Difference::PeerPod { .. }
        | Difference::PeerNamespace { .. }
        | Difference::OwnNamespaceOnly { .. }
        | Difference::NotAPod
        | Difference::Block { .. } => {
            // the rule opens all its ports to the new peer: only near ones are worth it
            let peer = peer(cluster, request.other?, subject).ok().filter(|_| miss.distance < 4)?;
            json!([{"op": "add", "path": format!("/spec/{field}/{}/{end}/-", miss.rule),
                "value": peer}])
        }
        Difference::PolicyNamespace { .. } => return None,
    };
    Some(Alternative {
        policy: miss.policy.clone(),
        direction: request.direction,
        patch,
        sentence: miss.sentence.clone(),
    })
}

/// The selector that selects what it did and also pods with the value found; none when it would
/// have to say less.
fn widened(
    selector: &LabelSelector,
    requirement: &Requirement,
    found: &str,
) -> Option<LabelSelector> {
    let mut wide = selector.clone();
    let changed = match requirement.operator {
        Operator::In => {
            let values = requirement.values.iter().cloned().chain([found.to_owned()]).collect();
            Requirement { values, ..requirement.clone() }
        }
        Operator::NotIn => {
            let values: Vec<String> =
                requirement.values.iter().filter(|value| *value != found).cloned().collect();
            if values.is_empty() {
                return None;
            }
            Requirement { values, ..requirement.clone() }
        }
        Operator::Exists | Operator::DoesNotExist => return None,
    };
    match wide.match_expressions.iter_mut().find(|expression| *expression == requirement) {
        Some(expression) => *expression = changed,
        None => {
            wide.match_labels.remove(&requirement.key);
            wide.match_expressions.push(changed);
        }
    }
    Some(wide)
}
