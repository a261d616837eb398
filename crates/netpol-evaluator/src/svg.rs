//! A graph as an SVG document.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use unicode_width::UnicodeWidthStr;

use super::Decision;
use super::graph::{
    Graph, GraphEdge, GraphNode, caption, colour, escaped, full_name, title, unread,
};
use super::layout::{Layout, Link, Place, Size, layout};

const MARGIN: f64 = 20.0;
const BOX: f64 = 42.0;
const LABEL: f64 = 16.0;
const LINE: f64 = 22.0;
/// The width of a character of the monospaced fonts, of size 12 and 10.
const WIDE: f64 = 7.25;
const NARROW: f64 = 6.1;

/// An SVG document without scripts: a box per node, an arrow per edge with its port, and below, a
/// line per edge that is not allowed, with its reason, and one per variable that was not read.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    // writing into a String cannot fail
    write_svg(graph, true).unwrap_or_default()
}

/// An edge as it is drawn: which boxes, and what stands at it.
struct Drawn<'a> {
    edge: &'a GraphEdge,
    from: usize,
    to: usize,
    text: String,
}

/// `reasons`: whether to list below the picture why edges are not allowed, and what was not read.
pub(super) fn write_svg(graph: &Graph, reasons: bool) -> Result<String, fmt::Error> {
    let (columns, mut edges) = graph.sorted();
    edges.sort_by_key(|edge| rank(edge.verdict));
    let nodes: Vec<(&str, &str)> = columns
        .iter()
        .flat_map(|(namespace, names)| names.iter().map(|name| (*namespace, *name)))
        .collect();
    let drawn = drawn(&nodes, &edges);
    let sizes: Vec<Size> = nodes.iter().map(size_of).collect();
    let links: Vec<Link> = drawn
        .iter()
        .map(|one| {
            let label = Size { width: width_of(&one.text, NARROW) + 6.0, height: LABEL };
            Link { from: one.from, to: one.to, label }
        })
        .collect();
    let layout = layout(&sizes, &links);
    let mut body = String::new();
    draw_edges(&mut body, &drawn, &layout)?;
    draw_nodes(&mut body, &nodes, &layout)?;
    let (mut width, mut height) = (layout.width(), layout.height() + MARGIN);
    if reasons {
        for (colour, text) in told(graph, &edges) {
            height += LINE;
            width = width.max(width_of(&text, WIDE));
            writeln!(
                body,
                r#"<text x="0" y="{height:.0}" fill="{colour}">{}</text>"#,
                escaped(&text)
            )?;
        }
    }
    document(width + 2.0 * MARGIN, height + 2.0 * MARGIN, &body)
}

/// What is wrong comes first.
pub(super) fn rank(verdict: Decision) -> u8 {
    match verdict {
        Decision::Denied => 0,
        Decision::Unknown => 1,
        Decision::Allowed => 2,
    }
}

/// The edges between two boxes, with a number at those that are not allowed.
fn drawn<'a>(nodes: &[(&str, &str)], edges: &[&'a GraphEdge]) -> Vec<Drawn<'a>> {
    let indexes: BTreeMap<(&str, &str), usize> =
        nodes.iter().enumerate().map(|(index, node)| (*node, index)).collect();
    let index =
        |node: &GraphNode| indexes.get(&(node.namespace.as_str(), node.name.as_str())).copied();
    let numbered = edges.iter().enumerate().filter_map(|(at, edge)| {
        let (from, to) = (index(&edge.source)?, index(&edge.destination)?);
        let text = match edge.verdict {
            Decision::Allowed => edge.port.clone(),
            Decision::Denied | Decision::Unknown => format!("[{}] {}", at + 1, edge.port),
        };
        Some(Drawn { edge, from, to, text })
    });
    // one to itself is told below, and needs no arrow
    numbered.filter(|one| one.from != one.to).collect()
}

/// The lines below the picture.
fn told(graph: &Graph, edges: &[&GraphEdge]) -> Vec<(&'static str, String)> {
    let closed = edges.iter().enumerate().filter(|(_, edge)| edge.verdict != Decision::Allowed);
    let mut lines: Vec<(&str, String)> = closed
        .map(|(at, edge)| (colour(edge.verdict), format!("{}  {}", at + 1, described(edge))))
        .collect();
    let unread = graph.not_looked_at.iter().map(|one| format!("not looked at: {}", unread(one)));
    lines.extend(unread.map(|line| (colour(Decision::Unknown), line)));
    lines
}

fn width_of(text: &str, character: f64) -> f64 {
    // a line is as long as its characters are wide, which is far less than what f64 holds
    text.width().min(10_000) as f64 * character
}

fn size_of((namespace, name): &(&str, &str)) -> Size {
    let text = width_of(name, WIDE).max(width_of(title(namespace), NARROW));
    Size { width: text + 24.0, height: BOX }
}

fn draw_nodes(body: &mut String, nodes: &[(&str, &str)], layout: &Layout) -> fmt::Result {
    for ((namespace, name), place) in nodes.iter().zip(&layout.boxes) {
        let Place { left, top, width, height } = place;
        writeln!(
            body,
            r##"<rect x="{left:.0}" y="{top:.0}" width="{width:.0}" height="{height:.0}" rx="4" fill="#f6f8fa" stroke="#8c959f"/>"##
        )?;
        let middle = left + width / 2.0;
        for (line, size, fill, text) in
            [(18.0, 12, "#1f2328", *name), (33.0, 10, "#59636e", title(namespace))]
        {
            writeln!(
                body,
                r#"<text x="{middle:.0}" y="{:.0}" text-anchor="middle" font-size="{size}" fill="{fill}">{}</text>"#,
                top + line,
                escaped(text)
            )?;
        }
    }
    Ok(())
}

/// The sides of boxes that edges touch, each edge at a height of its own.
fn heights(drawn: &[Drawn<'_>], layout: &Layout) -> BTreeMap<(usize, bool), f64> {
    let mut sides: BTreeMap<(usize, bool), Vec<(f64, usize, bool)>> = BTreeMap::new();
    for (index, (one, label)) in drawn.iter().zip(&layout.labels).enumerate() {
        for (end, leaves) in [(one.from, true), (one.to, false)] {
            let right = is_right(&layout.boxes[end], label);
            sides.entry((end, right)).or_default().push((label.middle(), index, leaves));
        }
    }
    let mut heights = BTreeMap::new();
    for ((end, _), mut touching) in sides {
        touching.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let Place { top, height, .. } = layout.boxes[end];
        let lane = height / (touching.len() + 1) as f64;
        let mut y = top;
        for (_, index, leaves) in touching {
            y += lane;
            heights.insert((index, leaves), y);
        }
    }
    heights
}

/// Whether a label is to the right of a box.
fn is_right(place: &Place, label: &Place) -> bool {
    label.left + label.width / 2.0 > place.left + place.width / 2.0
}

fn draw_edges(body: &mut String, drawn: &[Drawn<'_>], layout: &Layout) -> fmt::Result {
    let heights = heights(drawn, layout);
    for (index, (one, label)) in drawn.iter().zip(&layout.labels).enumerate() {
        let end = |end: usize, leaves: bool| {
            let place = &layout.boxes[end];
            let right = is_right(place, label);
            let x = if right { place.right() } else { place.left };
            (x, heights.get(&(index, leaves)).copied().unwrap_or(place.middle()))
        };
        let ((x1, y1), (x2, y2)) = (end(one.from, true), end(one.to, false));
        // the line leaves room for the text
        let (near, far) = if x1 <= label.left + label.width / 2.0 {
            (label.left, label.right())
        } else {
            (label.right(), label.left)
        };
        let (y, first, second) = (label.middle(), (x1 + near) / 2.0, (far + x2) / 2.0);
        let colour = colour(one.edge.verdict);
        let style = match one.edge.verdict {
            Decision::Allowed => "",
            Decision::Denied => r#" stroke-width="2""#,
            Decision::Unknown => r#" stroke-dasharray="5 3""#,
        };
        writeln!(
            body,
            r#"<path d="M{x1:.0} {y1:.0}C{first:.0} {y1:.0} {first:.0} {y:.0} {near:.0} {y:.0}M{far:.0} {y:.0}C{second:.0} {y:.0} {second:.0} {y2:.0} {x2:.0} {y2:.0}" fill="none" stroke="{colour}"{style} marker-end="url(#{})"><title>{}</title></path>"#,
            one.edge.verdict,
            escaped(&described(one.edge)),
        )?;
        writeln!(
            body,
            r##"<text x="{:.0}" y="{:.0}" text-anchor="middle" font-size="10" fill="{colour}">{}</text>"##,
            label.left + label.width / 2.0,
            y + 3.5,
            escaped(&one.text)
        )?;
    }
    Ok(())
}

/// The document around what is drawn.
fn document(width: f64, height: f64, body: &str) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Network paths" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="monospace" font-size="12">"#
    )?;
    writeln!(text, "<title>Network paths</title>")?;
    writeln!(text, "<defs>")?;
    for verdict in [Decision::Allowed, Decision::Denied, Decision::Unknown] {
        writeln!(
            text,
            r#"<marker id="{verdict}" viewBox="0 0 8 8" refX="8" refY="4" markerUnits="userSpaceOnUse" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="{}"/></marker>"#,
            colour(verdict)
        )?;
    }
    writeln!(text, "</defs>")?;
    writeln!(text, r##"<rect width="{width:.0}" height="{height:.0}" fill="#ffffff"/>"##)?;
    writeln!(text, r#"<g transform="translate({MARGIN} {MARGIN})">"#)?;
    text.push_str(body);
    writeln!(text, "</g>\n</svg>")?;
    Ok(text)
}

/// An edge in words.
fn described(edge: &GraphEdge) -> String {
    format!("{} -> {} {}", full_name(&edge.source), full_name(&edge.destination), caption(edge))
}
