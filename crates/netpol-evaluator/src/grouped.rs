//! Workloads that stand for the same in a picture: six gap fillers are one box.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, Graph, GraphEdge, GraphNode};

/// What a node is, apart from its own name: nodes of which it is the same are drawn as one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Role<'a> {
    namespace: &'a str,
    kind: &'a str,
    edges: BTreeSet<(bool, &'a GraphNode, &'a str, Decision, String)>,
}

/// The graph in which workloads of one kind and namespace that have the same connections, with the
/// same verdicts and reasons, are one node: `cronjob/gap-filler* (6)`. Nothing else is changed.
#[must_use]
pub fn grouped(graph: &Graph) -> Graph {
    let mut roles: BTreeMap<Role<'_>, Vec<&GraphNode>> = BTreeMap::new();
    let ends = graph.edges.iter().flat_map(|edge| [&edge.source, &edge.destination]);
    let nodes: BTreeSet<&GraphNode> = graph.nodes.iter().chain(ends).collect();
    for node in nodes {
        if let Some((kind, name)) = kind_and_name(node) {
            let role =
                Role { namespace: &node.namespace, kind, edges: edges_of(graph, node, name) };
            // to have no connections is nothing that they have in common
            if !role.edges.is_empty() {
                roles.entry(role).or_default().push(node);
            }
        }
    }
    let mut stands_for = BTreeMap::new();
    for (role, members) in roles.iter().filter(|(_, members)| members.len() > 1) {
        let names: Vec<&str> =
            members.iter().filter_map(|node| Some(kind_and_name(node)?.1)).collect();
        let name = format!("{}/{} ({})", role.kind, common(&names), names.len());
        let one = GraphNode { namespace: role.namespace.to_owned(), name };
        stands_for.extend(members.iter().map(|node| (*node, one.clone())));
    }
    let drawn = |node: &GraphNode| stands_for.get(node).unwrap_or(node).clone();
    let edges: BTreeSet<GraphEdge> = graph
        .edges
        .iter()
        .map(|edge| {
            let mut reason = edge.reason.clone();
            for node in [&edge.source, &edge.destination] {
                if let (Some(one), Some((_, name))) = (stands_for.get(node), kind_and_name(node)) {
                    reason =
                        without(&reason, name, kind_and_name(one).map_or("", |(_, name)| name));
                }
            }
            let (source, destination) = (drawn(&edge.source), drawn(&edge.destination));
            GraphEdge { source, destination, reason, ..edge.clone() }
        })
        .collect();
    Graph {
        nodes: graph.nodes.iter().map(drawn).collect(),
        edges: edges.into_iter().collect(),
        not_looked_at: graph.not_looked_at.clone(),
    }
}

/// `cronjob/web` as `cronjob` and `web`; none for what is no workload.
fn kind_and_name(node: &GraphNode) -> Option<(&str, &str)> {
    node.name.split_once('/').filter(|_| !node.namespace.is_empty())
}

fn edges_of<'a>(
    graph: &'a Graph,
    node: &GraphNode,
    name: &str,
) -> BTreeSet<(bool, &'a GraphNode, &'a str, Decision, String)> {
    let told = |edge: &'a GraphEdge, leaves: bool| {
        let other = if leaves { &edge.destination } else { &edge.source };
        (leaves, other, edge.port.as_str(), edge.verdict, without(&edge.reason, name, "*"))
    };
    let from = graph.edges.iter().filter(|edge| edge.source == *node);
    let to = graph.edges.iter().filter(|edge| edge.destination == *node);
    from.map(|edge| told(edge, true)).chain(to.map(|edge| told(edge, false))).collect()
}

/// A reason with another word in the place of a name. Parts of longer words stay.
fn without(reason: &str, name: &str, instead: &str) -> String {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut out = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(at) = rest.find(name).filter(|_| !name.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let last = before.chars().next_back().or_else(|| out.chars().next_back());
        let is_word = !last.is_some_and(belongs) && !after.starts_with(belongs);
        out.push_str(before);
        out.push_str(if is_word { instead } else { name });
        rest = after;
    }
    out + rest
}

/// What names have in common, with a star for what differs: `binance-*-data-manager`.
fn common(names: &[&str]) -> String {
    let Some((first, others)) = names.split_first() else { return "*".to_owned() };
    let prefix = others.iter().fold(*first, |common, name| {
        let same = common.chars().zip(name.chars()).take_while(|(left, right)| left == right);
        &common[..same.map(|(c, _)| c.len_utf8()).sum()]
    });
    let rest = |name: &str| name[prefix.len()..].chars().rev().collect::<String>();
    let ends = others.iter().fold(rest(first), |common, name| {
        let other = rest(name);
        let same = common.chars().zip(other.chars()).take_while(|(left, right)| left == right);
        same.map(|(c, _)| c).collect()
    });
    let suffix: String = ends.chars().rev().collect();
    format!("{prefix}*{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(namespace: &str, name: &str) -> GraphNode {
        GraphNode { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn edge(from: &str, to: &str, verdict: Decision, reason: &str) -> GraphEdge {
        let (source, destination) = (node("n", from), node("n", to));
        GraphEdge { source, destination, port: "TCP 80".into(), verdict, reason: reason.into() }
    }

    fn graph(edges: &[GraphEdge]) -> Graph {
        Graph { edges: edges.to_vec(), ..Graph::default() }
    }

    #[test]
    fn workloads_with_the_same_connections_are_one() {
        let denied = |name: &str| {
            edge(
                &format!("cronjob/{name}"),
                "deployment/api",
                Decision::Denied,
                &format!("no policy lets {name} out"),
            )
        };
        let one = grouped(&graph(&[denied("fill-d1-go"), denied("fill-h1-go")]));
        let [edge] = one.edges.as_slice() else { panic!("{:?}", one.edges) };
        assert_eq!(edge.source, node("n", "cronjob/fill-*1-go (2)"));
        assert_eq!(edge.destination, node("n", "deployment/api"));
        assert_eq!(edge.reason, "no policy lets fill-*1-go (2) out");
        assert_eq!(without("web, web-x, my-web, web", "web", "*"), "*, web-x, my-web, *");
    }

    #[test]
    fn another_verdict_reason_kind_or_end_keeps_them_apart() {
        let open = edge("cronjob/a", "deployment/api", Decision::Allowed, "");
        for other in [
            edge("cronjob/b", "deployment/api", Decision::Denied, "r"),
            edge("cronjob/b", "deployment/web", Decision::Allowed, ""),
            edge("deployment/b", "deployment/api", Decision::Allowed, ""),
            edge("deployment/api", "cronjob/b", Decision::Allowed, ""),
        ] {
            let graph = graph(&[open.clone(), other]);
            assert_eq!(grouped(&graph).edges.len(), 2, "{graph:?}");
        }
        let denied = |name: &str, reason: &str| {
            edge(&format!("cronjob/{name}"), "deployment/api", Decision::Denied, reason)
        };
        let idle = [node("n", "deployment/a"), node("n", "deployment/b")];
        let idle = Graph { nodes: idle.into(), ..Graph::default() };
        assert_eq!(grouped(&idle), idle, "without connections, they have nothing in common");
        let apart = graph(&[denied("a", "policy x"), denied("b", "policy y")]);
        assert_eq!(grouped(&apart).edges.len(), 2);
    }

    #[test]
    fn names_are_told_by_what_they_have_in_common() {
        for (names, told) in [
            (&["fill", "fill-d1", "fill-h1"][..], "fill*"),
            (&["k-d1-manager", "k-h1-manager"], "k-*1-manager"),
            (&["a", "b"], "*"),
            (&["aa", "aaa"], "aa*"),
        ] {
            assert_eq!(common(names), told);
        }
    }
}
