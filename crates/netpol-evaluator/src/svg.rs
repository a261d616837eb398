//! A graph as an SVG document: first the layout, then the drawing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use unicode_width::UnicodeWidthStr;

use super::Decision;
use super::graph::{Graph, GraphEdge, GraphNode, caption, colour, escaped, full_name, title};

const ROW: usize = 44;
const GAP: usize = 120;
const BOX: usize = 28;
const TOP: usize = 60;
const MARGIN: usize = 20;
const LANE: usize = 22;

/// An SVG document without scripts: a column per namespace, a box per node, and below, a line per
/// edge that is not allowed, with its reason.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    // writing into a String cannot fail
    write_svg(graph, true).unwrap_or_default()
}

type Columns<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;
type Places<'a> = BTreeMap<(&'a str, &'a str), Place>;

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
    fn right(&self) -> usize {
        self.left + self.width
    }

    /// The height of the next end of an edge: each has its own lane.
    fn lane(&mut self) -> usize {
        self.drawn += 1;
        self.top + BOX * self.drawn / (self.ends + 1)
    }
}

/// Takes the next lane of a node.
fn end_at<'a>(places: &mut Places<'a>, node: &'a GraphNode) -> Option<(usize, Place)> {
    places
        .get_mut(&(node.namespace.as_str(), node.name.as_str()))
        .map(|place| (place.lane(), *place))
}

fn text_width(text: &str) -> usize {
    // a character of a monospaced font of size 12 is 7.25 wide
    text.width() * 29 / 4
}

/// `reasons`: whether to list the reasons of edges that are not allowed below the picture.
pub(super) fn write_svg(graph: &Graph, reasons: bool) -> Result<String, fmt::Error> {
    let (columns, edges) = graph.sorted();
    let mut places = places(&columns, &edges);
    let mut body = String::new();
    draw_nodes(&mut body, &columns, &places)?;
    let (width, height) = draw_edges(&mut body, &edges, &mut places, reasons)?;
    document(width + MARGIN, height, &body)
}

/// Where the nodes stand: a column per namespace, as wide as its longest name.
fn places<'a>(columns: &Columns<'a>, edges: &[&GraphEdge]) -> Places<'a> {
    let (mut places, mut left) = (Places::new(), MARGIN);
    for (namespace, names) in columns {
        let longest = names.iter().map(|name| text_width(name)).max().unwrap_or_default();
        let width = longest.max(text_width(title(namespace))) + 24;
        for (row, name) in names.iter().enumerate() {
            let ends = edges
                .iter()
                .flat_map(|edge| [&edge.source, &edge.destination])
                .filter(|node| node.namespace == *namespace && node.name == *name)
                .count();
            let place = Place { left, width, top: TOP + row * ROW, ends, drawn: 0 };
            places.insert((namespace, name), place);
        }
        left += width + GAP;
    }
    places
}

fn draw_nodes(body: &mut String, columns: &Columns<'_>, places: &Places<'_>) -> fmt::Result {
    for (namespace, names) in columns {
        let column =
            names.iter().filter_map(|name| Some((*name, places.get(&(*namespace, *name))?)));
        for (index, (name, place)) in column.enumerate() {
            let Place { left, width, top, .. } = place;
            let middle = left + width / 2;
            if index == 0 {
                writeln!(
                    body,
                    r##"<text x="{middle}" y="36" text-anchor="middle" font-weight="bold" fill="#1f2328">{}</text>"##,
                    escaped(title(namespace))
                )?;
            }
            writeln!(
                body,
                r##"<rect x="{left}" y="{top}" width="{width}" height="{BOX}" rx="4" fill="#f6f8fa" stroke="#8c959f"/>"##
            )?;
            writeln!(
                body,
                r##"<text x="{middle}" y="{}" text-anchor="middle" fill="#1f2328">{}</text>"##,
                top + 18,
                escaped(name)
            )?;
        }
    }
    Ok(())
}

/// Draws the edges and, below the nodes, a line for each that is not allowed. Returns the right and
/// lower border.
fn draw_edges<'a>(
    body: &mut String,
    edges: &[&'a GraphEdge],
    places: &mut Places<'a>,
    reasons: bool,
) -> Result<(usize, usize), fmt::Error> {
    let mut right = places.values().map(Place::right).max().unwrap_or(MARGIN);
    let mut lane = places.values().map(|place| place.top + BOX).max().unwrap_or(TOP) + 40;
    let mut number = 0;
    for edge in edges {
        let (Some((y1, from)), Some((y2, to))) =
            (end_at(places, &edge.source), end_at(places, &edge.destination))
        else {
            continue;
        };
        let mark = (edge.verdict != Decision::Allowed).then(|| {
            number += 1;
            number
        });
        line(body, edge, (from, y1), (to, y2), mark)?;
        right = right.max(from.right() + GAP / 2);
        if let (Some(mark), true) = (mark, reasons) {
            let text = format!("{mark}  {}", described(edge));
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
    Ok((right, lane))
}

/// The document around what is drawn.
fn document(width: usize, height: usize, body: &str) -> Result<String, fmt::Error> {
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
    text.push_str(body);
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
        escaped(&described(edge)),
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

/// An edge in words.
fn described(edge: &GraphEdge) -> String {
    format!("{} -> {} {}", full_name(&edge.source), full_name(&edge.destination), caption(edge))
}
