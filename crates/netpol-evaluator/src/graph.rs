//! Who reaches whom as a picture: Mermaid text, or an SVG document. The same input gives the same
//! bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{Decision, Path, StageOutcome};

/// Workloads and the edges between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The nodes; those that only an edge names are added.
    pub nodes: BTreeSet<GraphNode>,
    /// The edges.
    pub edges: Vec<GraphEdge>,
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
    /// Who connects.
    pub source: GraphNode,
    /// To whom.
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
    fn sorted(&self) -> (BTreeMap<&str, BTreeSet<&str>>, Vec<&GraphEdge>) {
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

fn title(namespace: &str) -> &str {
    if namespace.is_empty() { "outside" } else { namespace }
}

fn colour(verdict: Decision) -> &'static str {
    match verdict {
        Decision::Allowed => "#1a7f37",
        Decision::Denied => "#cf222e",
        Decision::Unknown => "#6e7781",
    }
}

/// What stands at an edge: the port, and why it does not pass.
fn caption(edge: &GraphEdge) -> String {
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

const ROW: usize = 44;
const GAP: usize = 120;
const BOX: usize = 28;
const TOP: usize = 60;
const MARGIN: usize = 20;
const LANE: usize = 22;

/// An SVG document without script: a column per namespace, a box per node, and below a lane per
/// edge that does not pass, with its reason.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    // writing into a String cannot fail
    write_svg(graph, true).unwrap_or_default()
}

/// An HTML page without script: the picture, and a table of the edges, those that do not pass
/// first.
#[must_use]
pub fn page(title: &str, graph: &Graph) -> String {
    // writing into a String cannot fail
    write_page(title, graph).unwrap_or_default()
}

fn write_page(title: &str, graph: &Graph) -> Result<String, fmt::Error> {
    let (_, mut edges) = graph.sorted();
    let rank = |verdict| match verdict {
        Decision::Denied => 0,
        Decision::Unknown => 1,
        Decision::Allowed => 2,
    };
    edges.sort_by_key(|edge| rank(edge.verdict));
    let mut text = String::new();
    writeln!(
        text,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>",
        escaped(title)
    )?;
    writeln!(
        text,
        "<style>body{{font:14px/1.5 \
            sans-serif;margin:24px;color:#1f2328}}svg{{max-width:100%;height:auto}}table{{border-collapse:collapse}}\
         th,td{{text-align:left;vertical-align:top;padding:4px 16px 4px \
         0;white-space:nowrap;border-bottom:1px solid \
         #d0d7de}}td:last-child{{white-space:normal}}</style>\n</head>\n<body>"
    )?;
    writeln!(text, "<h1>{}</h1>", escaped(title))?;
    text.push_str(&write_svg(graph, false)?);
    writeln!(
        text,
        "<table>\n<tr><th>Verdict</th><th>From</th><th>To</th><th>Port</th><th>Why</th></tr>"
    )?;
    for edge in edges {
        writeln!(
            text,
            "<tr><td style=\"color:{}\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            colour(edge.verdict),
            edge.verdict,
            escaped(&full_name(&edge.source)),
            escaped(&full_name(&edge.destination)),
            escaped(&edge.port),
            escaped(&edge.reason)
        )?;
    }
    writeln!(text, "</table>\n</body>\n</html>")?;
    Ok(text)
}

#[derive(Clone, Copy)]
struct Place {
    left: usize,
    width: usize,
    top: usize,
    /// How many ends of edges it has, and how many of them are drawn.
    ends: usize,
    drawn: usize,
}

impl Place {
    /// The height of the next end of an edge: each has its own lane.
    fn lane(&mut self) -> usize {
        self.drawn += 1;
        self.top + BOX * self.drawn / (self.ends + 1)
    }
}

/// Takes the next lane of a node.
fn end_at<'a>(
    places: &mut BTreeMap<(&'a str, &'a str), Place>,
    node: &'a GraphNode,
) -> Option<(usize, Place)> {
    places
        .get_mut(&(node.namespace.as_str(), node.name.as_str()))
        .map(|place| (place.lane(), *place))
}

fn text_width(text: &str) -> usize {
    // a character of a monospaced font of size 12 is 7.25 wide
    text.width() * 29 / 4
}

/// `reasons`: below the picture, those of the edges that do not pass.
fn write_svg(graph: &Graph, reasons: bool) -> Result<String, fmt::Error> {
    let (columns, edges) = graph.sorted();
    let mut places: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    let (mut left, mut bottom, mut body) = (MARGIN, TOP, String::new());
    for (namespace, names) in &columns {
        let width = names
            .iter()
            .chain([&title(namespace)])
            .map(|name| text_width(name))
            .max()
            .unwrap_or_default()
            + 24;
        writeln!(
            body,
            r##"<text x="{}" y="36" text-anchor="middle" font-weight="bold" fill="#1f2328">{}</text>"##,
            left + width / 2,
            escaped(title(namespace))
        )?;
        for (row, name) in names.iter().enumerate() {
            let top = TOP + row * ROW;
            let is_it = |node: &&GraphNode| node.namespace == *namespace && node.name == *name;
            let ends = edges
                .iter()
                .flat_map(|edge| [&edge.source, &edge.destination])
                .filter(is_it)
                .count();
            places.insert((namespace, name), Place { left, width, top, ends, drawn: 0 });
            writeln!(
                body,
                r##"<rect x="{left}" y="{top}" width="{width}" height="{BOX}" rx="4" fill="#f6f8fa" stroke="#8c959f"/>"##
            )?;
            writeln!(
                body,
                r##"<text x="{}" y="{}" text-anchor="middle" fill="#1f2328">{}</text>"##,
                left + width / 2,
                top + 18,
                escaped(name)
            )?;
            bottom = bottom.max(top + BOX);
        }
        left += width + GAP;
    }
    let mut right = left.saturating_sub(GAP).max(MARGIN);
    let mut lane = bottom + 40;
    let mut number = 0;
    for edge in &edges {
        let (Some((y1, from)), Some((y2, to))) =
            (end_at(&mut places, &edge.source), end_at(&mut places, &edge.destination))
        else {
            continue;
        };
        let mark = (edge.verdict != Decision::Allowed).then(|| {
            number += 1;
            number
        });
        line(&mut body, edge, (from, y1), (to, y2), mark)?;
        right = right.max(from.left + from.width + GAP / 2);
        if let (Some(mark), true) = (mark, reasons) {
            let text = format!(
                "{mark}  {} -> {} {}",
                full_name(&edge.source),
                full_name(&edge.destination),
                caption(edge)
            );
            writeln!(
                body,
                r#"<text x="{MARGIN}" y="{lane}" fill="{}">{}</text>"#,
                colour(edge.verdict),
                escaped(&text)
            )?;
            right = right.max(MARGIN + text_width(&text));
            lane += LANE;
        }
    }
    let (width, height) = (right + MARGIN, lane);
    let mut text = String::new();
    writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="monospace" font-size="12">"#
    )?;
    writeln!(text, "<title>network paths</title>")?;
    writeln!(text, "<defs>")?;
    for (id, verdict) in [
        ("allowed", Decision::Allowed),
        ("denied", Decision::Denied),
        ("unknown", Decision::Unknown),
    ] {
        writeln!(
            text,
            r#"<marker id="{id}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="{}"/></marker>"#,
            colour(verdict)
        )?;
    }
    writeln!(text, "</defs>")?;
    writeln!(text, r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##)?;
    text.push_str(&body);
    writeln!(text, "</svg>")?;
    Ok(text)
}

/// The curve of an edge: from side to side between columns, as a bow within one.
fn line(
    body: &mut String,
    edge: &GraphEdge,
    (from, y1): (Place, usize),
    (to, y2): (Place, usize),
    mark: Option<usize>,
) -> fmt::Result {
    let (start, end, bend) = match from.left.cmp(&to.left) {
        std::cmp::Ordering::Less => (from.left + from.width, to.left, GAP / 2),
        std::cmp::Ordering::Greater => (from.left, to.left + to.width, GAP / 2),
        std::cmp::Ordering::Equal => (from.left + from.width, to.left + to.width, GAP / 2),
    };
    let (first, second) = match from.left.cmp(&to.left) {
        std::cmp::Ordering::Less => (start + bend, end.saturating_sub(bend)),
        std::cmp::Ordering::Greater => (start.saturating_sub(bend), end + bend),
        std::cmp::Ordering::Equal => (start + bend, end + bend),
    };
    let dashed = if edge.verdict == Decision::Allowed { "" } else { r#" stroke-dasharray="5 3""# };
    writeln!(
        body,
        r#"<path d="M{start} {y1}C{first} {y1} {second} {y2} {end} {y2}" fill="none" stroke="{}"{dashed} marker-end="url(#{})"><title>{}</title></path>"#,
        colour(edge.verdict),
        edge.verdict,
        escaped(&format!(
            "{} -> {} {}",
            full_name(&edge.source),
            full_name(&edge.destination),
            caption(edge)
        )),
    )?;
    // the middle of a cubic curve
    let (x, y) = ((start + 3 * first + 3 * second + end) / 8, usize::midpoint(y1, y2));
    let text = mark.map_or_else(|| edge.port.clone(), |mark| format!("[{mark}] {}", edge.port));
    writeln!(
        body,
        r##"<text x="{x}" y="{}" text-anchor="middle" font-size="10" fill="{}" stroke="#ffffff" stroke-width="3" paint-order="stroke">{}</text>"##,
        y.saturating_sub(4),
        colour(edge.verdict),
        escaped(&text)
    )
}

fn full_name(node: &GraphNode) -> String {
    if node.namespace.is_empty() {
        node.name.clone()
    } else {
        format!("{}/{}", node.namespace, node.name)
    }
}

/// Text of XML; characters that XML does not have at all become a replacement character.
fn escaped(text: &str) -> String {
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
