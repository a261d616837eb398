//! Which workloads can reach each other, as a graph and as a Mermaid flowchart. The same input gives
//! the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::{Decision, NotLookedAt, Path, StageOutcome};

/// Workloads and the edges between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The nodes; those that only an edge names are added.
    pub nodes: BTreeSet<GraphNode>,
    /// The edges.
    pub edges: Vec<GraphEdge>,
    /// Where other edges may be, of which nothing is known.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// A workload, Service or host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GraphNode {
    /// Its namespace; empty outside the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An edge with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GraphEdge {
    /// The source.
    pub source: GraphNode,
    /// The destination.
    pub destination: GraphNode,
    /// The port as it is written: `TCP 8000`.
    pub port: String,
    /// The verdict.
    pub verdict: Decision,
    /// Why, unless allowed.
    pub reason: String,
}

impl GraphEdge {
    /// The edge of a path, between nodes as the caller names them.
    #[must_use]
    pub fn from_path(source: GraphNode, destination: GraphNode, path: &Path) -> Self {
        let telling = match path.verdict {
            Decision::Allowed => None,
            Decision::Denied => Some(StageOutcome::Failed),
            Decision::Unknown => Some(StageOutcome::Unknown),
        };
        let stage =
            telling.and_then(|outcome| path.stages.iter().find(|stage| stage.outcome == outcome));
        let reason = stage.map(|stage| stage.sentence.clone()).unwrap_or_default();
        Self {
            source,
            destination,
            port: format!("{} {}", path.protocol, path.port),
            verdict: path.verdict,
            reason,
        }
    }
}

impl Graph {
    /// All nodes by namespace, and the edges in order.
    pub(super) fn sorted(&self) -> (BTreeMap<&str, BTreeSet<&str>>, Vec<&GraphEdge>) {
        let mut columns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let ends = self.edges.iter().flat_map(|edge| [&edge.source, &edge.destination]);
        for node in self.nodes.iter().chain(ends) {
            columns.entry(&node.namespace).or_default().insert(&node.name);
        }
        let mut edges: Vec<&GraphEdge> = self.edges.iter().collect();
        edges.sort();
        edges.dedup();
        (columns, edges)
    }
}

/// A variable that was not read, in one line.
pub(super) fn unread(one: &NotLookedAt) -> String {
    let text = format!("{} {}: {}", full_name(&one.source), one.variable, one.reason);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn title(namespace: &str) -> &str {
    if namespace.is_empty() { "outside" } else { namespace }
}

pub(super) fn colour(verdict: Decision) -> &'static str {
    match verdict {
        Decision::Allowed => "#1a7f37",
        Decision::Denied => "#cf222e",
        Decision::Unknown => "#6e7781",
    }
}

/// What stands at an edge: the port, and why it does not pass.
pub(super) fn caption(edge: &GraphEdge) -> String {
    if edge.reason.is_empty() {
        edge.port.clone()
    } else {
        format!("{}: {}", edge.port, edge.reason)
    }
}

/// A Mermaid flowchart: a subgraph per namespace; edges green, red or grey, the last two with their
/// reason.
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    // writing into a String cannot fail
    write_mermaid(graph).unwrap_or_default()
}

fn write_mermaid(graph: &Graph) -> Result<String, fmt::Error> {
    let (columns, edges) = graph.sorted();
    let (mut text, mut numbers) = (String::from("flowchart LR\n"), BTreeMap::new());
    for (index, (namespace, names)) in columns.iter().enumerate() {
        writeln!(text, "  subgraph s{index}[\"{}\"]", quoted(title(namespace)))?;
        for name in names {
            let number = numbers.len();
            numbers.insert((*namespace, *name), number);
            writeln!(text, "    n{number}[\"{}\"]", quoted(name))?;
        }
        writeln!(text, "  end")?;
    }
    let number = |node: &GraphNode| {
        numbers.get(&(node.namespace.as_str(), node.name.as_str())).copied().unwrap_or_default()
    };
    for edge in &edges {
        let arrow = match edge.verdict {
            Decision::Allowed => "-->",
            Decision::Denied => "--x",
            Decision::Unknown => "-.->",
        };
        writeln!(
            text,
            "  n{} {arrow}|\"{}\"| n{}",
            number(&edge.source),
            quoted(&caption(edge)),
            number(&edge.destination)
        )?;
    }
    for one in &graph.not_looked_at {
        writeln!(text, "  %% not looked at: {}", unread(one))?;
    }
    for (index, edge) in edges.iter().enumerate() {
        writeln!(text, "  linkStyle {index} stroke:{}", colour(edge.verdict))?;
    }
    Ok(text)
}

/// Mermaid reads quotes, hashes and angles in a label as its own; entities are safe.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '#' => out.push_str("#35;"),
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '`' => out.push_str("#96;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn full_name(node: &GraphNode) -> String {
    if node.namespace.is_empty() {
        node.name.clone()
    } else {
        format!("{}/{}", node.namespace, node.name)
    }
}

/// Text of XML; characters that XML does not have at all become a replacement character.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            control if control.is_control() => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
