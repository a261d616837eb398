//! Policies and rules that would allow a connection except for one difference.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::evaluate::{peer_matches, port_matches};
use super::explain::name;
use super::{
    Cluster, Connection, Direction, Endpoint, LabelSelector, Labels, NetworkPolicy, Operator, Peer,
    Pod, PolicyReference, PortName, PortRule, Protocol, Requirement, Rule, Translation,
};

/// The most near misses that are reported; others are not near.
const MOST: usize = 6;

/// A rule that would match except for one difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The policy.
    pub policy: PolicyReference,
    /// The direction of the rule.
    pub direction: Direction,
    /// The rule, counted from 0 within the direction.
    pub rule: usize,
    /// The peer that would match, counted from 0; none when the rule lists no peers.
    pub peer: Option<usize>,
    /// The port that would match, counted from 0; none when the rule lists no ports.
    pub port: Option<usize>,
    /// The difference.
    pub difference: Difference,
    /// The distance: 1 looks like a mistake, 4 like another intention.
    pub distance: u8,
    /// The same as a sentence.
    pub sentence: String,
}

/// The one difference that prevents a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// A requirement of the policy's podSelector does not hold for the pod it should select.
    PodSelector {
        /// The requirement.
        requirement: Requirement,
        /// The value that the pod has.
        found: Option<String>,
    },
    /// A requirement of a peer's podSelector does not hold for the other end.
    PeerPod {
        /// The requirement.
        requirement: Requirement,
        /// The value that the other end has.
        found: Option<String>,
    },
    /// A requirement of a peer's namespaceSelector does not hold for the namespace of the other
    /// end.
    PeerNamespace {
        /// The requirement.
        requirement: Requirement,
        /// The value that the namespace has.
        found: Option<String>,
    },
    /// The policy is in another namespace than the pod.
    PolicyNamespace {
        /// The namespace of the pod.
        pod: String,
    },
    /// The policy has rules for the direction, but its policyTypes do not name it.
    PolicyTypes,
    /// A peer without namespaceSelector means pods of the policy's namespace; the other end is
    /// elsewhere.
    OwnNamespaceOnly {
        /// The namespace of the other end.
        peer: String,
    },
    /// A peer selects pods; the other end is an address, or a pod that has the address of its node.
    NotAPod,
    /// An address block does not contain the address of the other end.
    Block {
        /// The block.
        cidr: String,
        /// The exception that takes the address out; none when the block itself does not hold it.
        except: Option<String>,
        /// The address; none when the pod has none yet.
        address: Option<IpAddr>,
    },
    /// The rule allows another protocol.
    Protocol {
        /// The one that it allows.
        allowed: Protocol,
    },
    /// The rule allows the port of the Service; policies see the port of the pod.
    ServicePort {
        /// The port of the Service.
        service: u16,
    },
    /// The rule allows another port.
    Port {
        /// What it allows, as text.
        allowed: String,
    },
    /// The rule names a port; on the destination, the port does not have this name.
    PortName {
        /// The name.
        name: String,
        /// The port that has this name and protocol on the destination, if any.
        number: Option<u16>,
    },
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// A difference, how far it is, and in words; the words begin after "rule N of policy P".
struct Found {
    difference: Difference,
    distance: u8,
    words: String,
}

pub(super) fn near_misses(
    cluster: Cluster<'_>,
    connection: &Connection<'_>,
    direction: Direction,
    translation: Translation,
) -> Vec<NearMiss> {
    let (subject, other) = match direction {
        Direction::Ingress => (&connection.destination, &connection.source),
        Direction::Egress => (&connection.source, &connection.destination),
    };
    let Endpoint::Pod(pod) = subject else {
        return Vec::new();
    };
    let mut misses = Vec::new();
    for policy in cluster.policies {
        let selection = match selection(policy, direction, pod) {
            Selection::Selects => None,
            Selection::But(found) => Some(found),
            Selection::Far => continue,
        };
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let Some((peer, port, found)) =
                rule_difference(cluster, policy, rule, connection, other, translation)
            else {
                continue;
            };
            let (found, sentence) = match (&selection, &found) {
                (Some(but), None) => (but, format!("policy {} {}", policy.reference, but.words)),
                (None, Some(found)) => {
                    (found, format!("rule {index} of policy {} {}", policy.reference, found.words))
                }
                // nothing is in the way, or two things are
                (None, None) | (Some(_), Some(_)) => continue,
            };
            let Found { difference, distance, .. } = found;
            misses.push(NearMiss {
                policy: policy.reference.clone(),
                direction,
                rule: index,
                peer,
                port,
                difference: difference.clone(),
                distance: *distance,
                sentence,
            });
            if selection.is_some() {
                // what is wrong is the policy, not the rule: once is enough
                break;
            }
        }
    }
    misses.sort_by_key(|miss| miss.distance);
    misses.truncate(MOST);
    misses
}

enum Selection {
    Selects,
    But(Found),
    Far,
}

fn selection(policy: &NetworkPolicy, direction: Direction, pod: &Pod) -> Selection {
    let same_namespace = policy.reference.namespace == pod.namespace;
    let named = policy.directions.contains(&direction);
    // most policies of a cluster are of other namespaces and other pods; one of everything
    // elsewhere says nothing about this pod
    if policy.rules(direction).is_empty()
        || (!same_namespace
            && (policy.pod_selector.is_empty() || !policy.pod_selector.matches(&pod.labels)))
    {
        return Selection::Far;
    }
    let mut unmet =
        policy.pod_selector.requirements().filter(|requirement| !requirement.matches(&pod.labels));
    let first = unmet.next();
    if unmet.next().is_some() {
        return Selection::Far;
    }
    match (same_namespace, named, first) {
        (true, true, None) => Selection::Selects,
        (true, true, Some(requirement)) => {
            let held = policy.pod_selector.requirements().count() > 1;
            let Some(distance) = likeness(&requirement, &pod.labels).or(held.then_some(3)) else {
                return Selection::Far;
            };
            let (words, found) = would(&requirement, &pod.labels);
            let words = format!("would select {} {words}", name(&Endpoint::Pod(pod)));
            Selection::But(Found {
                difference: Difference::PodSelector { requirement, found },
                distance,
                words,
            })
        }
        (true, false, None) => Selection::But(Found {
            difference: Difference::PolicyTypes,
            distance: 1,
            words: format!(
                "has {direction} rules that match, but its policyTypes do not name {direction:?}"
            ),
        }),
        (false, true, None) => Selection::But(Found {
            difference: Difference::PolicyNamespace { pod: pod.namespace.clone() },
            distance: 3,
            words: format!(
                "would select {} if it were in namespace {}; it is in {}",
                name(&Endpoint::Pod(pod)),
                pod.namespace,
                policy.reference.namespace
            ),
        }),
        _ => Selection::Far,
    }
}

type RuleDifference = (Option<usize>, Option<usize>, Option<Found>);

/// The peer and the port that match, and the one difference if there is one; none when more than
/// one thing differs.
fn rule_difference(
    cluster: Cluster<'_>,
    policy: &NetworkPolicy,
    rule: &Rule,
    connection: &Connection<'_>,
    other: &Endpoint<'_>,
    translation: Translation,
) -> Option<RuleDifference> {
    let own = &policy.reference.namespace;
    let (peer, peer_found) = nearest(
        &rule.peers,
        |peer| peer_matches(cluster, own, peer, other),
        |peer| peer_difference(cluster, own, peer, other),
    )?;
    let (port, port_found) = nearest(
        &rule.ports,
        |port| port_matches(port, connection),
        |port| Some(port_difference(port, connection, translation)),
    )?;
    match (peer_found, port_found) {
        (Some(_), Some(_)) => None,
        (found, None) | (None, found) => Some((peer, port, found)),
    }
}

/// The first that matches, or else the one with the least difference; an empty list matches without
/// naming one.
fn nearest<T>(
    items: &[T],
    matches: impl Fn(&T) -> bool,
    difference: impl Fn(&T) -> Option<Found>,
) -> Option<(Option<usize>, Option<Found>)> {
    if items.is_empty() {
        return Some((None, None));
    }
    if let Some(index) = items.iter().position(matches) {
        return Some((Some(index), None));
    }
    let found = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| difference(item).map(|found| (index, found)));
    found
        .min_by_key(|(index, found)| (found.distance, *index))
        .map(|(index, found)| (Some(index), Some(found)))
}

fn peer_difference(
    cluster: Cluster<'_>,
    own_namespace: &str,
    peer: &Peer,
    other: &Endpoint<'_>,
) -> Option<Found> {
    match peer {
        Peer::Block { cidr, except } => {
            let address = match other {
                Endpoint::Pod(pod) => pod.ip,
                Endpoint::Address(address) => Some(*address),
                Endpoint::Node => None,
            };
            let hole = address.and_then(|address| {
                except.iter().find(|hole| cidr.contains(address) && hole.contains(address))
            });
            let who = name(other);
            let words = match (address, hole) {
                (None, _) => {
                    format!("allows addresses in {cidr}; the address of {who} is unknown")
                }
                (Some(_), Some(hole)) => {
                    format!("allows addresses in {cidr} except {hole}, which holds {who}")
                }
                (Some(address), None) => format!("allows addresses in {cidr}; {who} has {address}"),
            };
            let distance = match (address, hole) {
                (None, _) => 1,
                (Some(_), Some(_)) => 2,
                (Some(_), None) => 4,
            };
            Some(Found {
                difference: Difference::Block {
                    cidr: cidr.to_string(),
                    except: hole.map(ToString::to_string),
                    address,
                },
                distance,
                words,
            })
        }
        Peer::Selected { namespaces, pods } => {
            let pod = match other {
                Endpoint::Pod(pod) if !pod.host_network => pod,
                Endpoint::Pod(_) => {
                    let words = format!(
                        "selects pods by label; {} uses the network of its node, only ipBlock sees \
                            it",
                        name(other)
                    );
                    return Some(Found { difference: Difference::NotAPod, distance: 3, words });
                }
                Endpoint::Address(address) => {
                    return Some(Found {
                        difference: Difference::NotAPod,
                        distance: 4,
                        words: format!(
                            "selects pods by label; {address} is not the address of a pod, only \
                                ipBlock sees it"
                        ),
                    });
                }
                Endpoint::Node => return None,
            };
            one(namespace_differences(cluster, own_namespace, namespaces.as_ref(), pod)
                .into_iter()
                .chain(pod_differences(pods.as_ref(), pod)))
        }
    }
}

/// The only item, if there is exactly one.
fn one<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

fn pod_differences(selector: Option<&LabelSelector>, pod: &Pod) -> Vec<Found> {
    let unmet = selector
        .into_iter()
        .flat_map(LabelSelector::requirements)
        .filter(|requirement| !requirement.matches(&pod.labels));
    unmet
        .map(|requirement| {
            let (has, found) = has(&requirement, &pod.labels);
            let words =
                format!("allows pods labeled {requirement}; {} {has}", name(&Endpoint::Pod(pod)));
            let distance = likeness(&requirement, &pod.labels).unwrap_or(4);
            Found { difference: Difference::PeerPod { requirement, found }, distance, words }
        })
        .collect()
}

fn namespace_differences(
    cluster: Cluster<'_>,
    own_namespace: &str,
    selector: Option<&LabelSelector>,
    pod: &Pod,
) -> Vec<Found> {
    let namespace = &pod.namespace;
    let Some(selector) = selector else {
        if namespace == own_namespace {
            return Vec::new();
        }
        let words = format!(
            "has a podSelector without namespaceSelector, which selects pods of {own_namespace}; \
                {} is elsewhere",
            name(&Endpoint::Pod(pod))
        );
        return vec![Found {
            difference: Difference::OwnNamespaceOnly { peer: namespace.clone() },
            distance: 2,
            words,
        }];
    };
    let unknown = Labels::new();
    let labels = cluster.namespaces.get(namespace).unwrap_or(&unknown);
    // a selector of no namespace at all was meant for one
    let dead = !cluster.namespaces.values().any(|labels| selector.matches(labels));
    let unmet = selector.requirements().filter(|requirement| !requirement.matches(labels));
    unmet
        .map(|requirement| {
            let (has, found) = has(&requirement, labels);
            let words = format!(
                "allows peers in namespaces labeled {requirement}; namespace {namespace} {has}"
            );
            let named = requirement.values.contains(namespace).then_some(1);
            let distance =
                named.or(likeness(&requirement, labels)).unwrap_or(if dead { 2 } else { 4 });
            Found { difference: Difference::PeerNamespace { requirement, found }, distance, words }
        })
        .collect()
}

fn port_difference(
    rule: &PortRule,
    connection: &Connection<'_>,
    translation: Translation,
) -> Found {
    let Connection { protocol, port, .. } = connection;
    let same_port = port_matches(&PortRule { protocol: *protocol, ..rule.clone() }, connection);
    if same_port {
        let words = format!("would match protocol {}; the connection is {protocol}", rule.protocol);
        return Found {
            difference: Difference::Protocol { allowed: rule.protocol },
            distance: 1,
            words,
        };
    }
    let far = if rule.protocol == *protocol { 3 } else { 4 };
    match &rule.port {
        Some(PortName::Name(wanted)) => {
            let number = match connection.destination {
                Endpoint::Pod(pod) => pod
                    .ports
                    .iter()
                    .find(|named| named.name == *wanted && named.protocol == rule.protocol)
                    .map(|named| named.port),
                Endpoint::Node | Endpoint::Address(_) => None,
            };
            let who = name(&connection.destination);
            let words = match number {
                Some(number) => format!(
                    "allows the port named {wanted}, which is {number} on {who}; the connection is \
                        to {port}"
                ),
                None => format!(
                    "allows the port named {wanted}; {who} has no {} port with this name",
                    rule.protocol
                ),
            };
            Found {
                difference: Difference::PortName { name: wanted.clone(), number },
                distance: if number.is_none() { 2 } else { far },
                words,
            }
        }
        Some(PortName::Number(number))
            if rule.end_port.is_none() && translation.service_port == Some(*number) =>
        {
            Found {
                difference: Difference::ServicePort { service: *number },
                distance: 1,
                words: format!(
                    "allows {} {number}, which is the Service port; the pod listens on {port}",
                    rule.protocol
                ),
            }
        }
        Some(PortName::Number(_)) | None => Found {
            difference: Difference::Port { allowed: rule.to_string() },
            distance: far,
            words: format!("allows {rule}; the connection is to {protocol} {port}"),
        },
    }
}

/// "if label `k` were `v`; it is `w`", and the value that is there.
fn would(requirement: &Requirement, labels: &Labels) -> (String, Option<String>) {
    let Requirement { key, operator, values } = requirement;
    let found = labels.get(key).cloned();
    let is = match &found {
        Some(value) => format!("it is `{value}`"),
        None => format!("it has no such label{}", instead(requirement, labels)),
    };
    let wanted = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    let words = match operator {
        Operator::In => format!("if label `{key}` were {wanted}; {is}"),
        Operator::NotIn => format!("if label `{key}` were not {wanted}; {is}"),
        Operator::Exists => format!("if it had a label `{key}`; {is}"),
        Operator::DoesNotExist => format!("if it had no label `{key}`; {is}"),
    };
    (words, found)
}

/// "has k=w" or "has no such label", and the value that is there.
fn has(requirement: &Requirement, labels: &Labels) -> (String, Option<String>) {
    let found = labels.get(&requirement.key).cloned();
    let words = match &found {
        Some(value) => format!("has {}={value}", requirement.key),
        None => format!("has no such label{}", instead(requirement, labels)),
    };
    (words, found)
}

/// The label that says the same under another key.
fn instead(requirement: &Requirement, labels: &Labels) -> String {
    let same = labels.iter().find(|(_, value)| requirement.values.contains(value));
    same.map(|(key, value)| format!(" (it has {key}={value})")).unwrap_or_default()
}

/// 1 for what looks like a slip (the same value under another key, a key or value written almost
/// so), 2 for kin (a word in common).
fn likeness(requirement: &Requirement, labels: &Labels) -> Option<u8> {
    let Requirement { key, operator, values } = requirement;
    let key_alike = || labels.keys().any(|other| strsim::levenshtein(other, key) <= 2);
    match operator {
        Operator::In => match labels.get(key) {
            Some(found) => values.iter().filter_map(|value| value_likeness(value, found)).min(),
            None => {
                (key_alike() || labels.values().any(|found| values.contains(found))).then_some(1)
            }
        },
        Operator::Exists => key_alike().then_some(1),
        Operator::NotIn | Operator::DoesNotExist => None,
    }
}

fn value_likeness(left: &str, right: &str) -> Option<u8> {
    let words = |text: &str| {
        text.split(['-', '_', '.', '/'])
            .filter(|word| word.len() > 2)
            .map(str::to_lowercase)
            .collect::<Vec<_>>()
    };
    // two edits turn `api` into `db`: short values must be nearer
    let edits = if left.len().min(right.len()) > 4 { 2 } else { 1 };
    if strsim::levenshtein(left, right) <= edits {
        return Some(1);
    }
    words(left).iter().any(|word| words(right).contains(word)).then_some(2)
}
