//! A graph as an HTML page: what is closed, the picture, and tables of what was looked at and what
//! was not.

use std::fmt::{self, Write as _};

use super::graph::{Graph, GraphEdge, escaped, full_name};
use super::grouped::grouped;
use super::svg::write_svg;
use super::{Decision, NotLookedAt};

const STYLE: &str = include_str!("page.css");

/// An HTML page without scripts. It opens on the connections that are closed, with the reasons; the
/// picture shows workloads with the same connections as one box, and the tables show every one.
#[must_use]
pub fn page(title: &str, graph: &Graph) -> String {
    // writing into a String cannot fail
    write_page(title, graph).unwrap_or_default()
}

fn write_page(title: &str, graph: &Graph) -> Result<String, fmt::Error> {
    let (_, edges) = graph.sorted();
    let of = |verdict: Decision| -> Vec<&GraphEdge> {
        edges.iter().copied().filter(|edge| edge.verdict == verdict).collect()
    };
    let (closed, unknown, open) =
        (of(Decision::Denied), of(Decision::Unknown), of(Decision::Allowed));
    let title = escaped(title);
    let mut text = String::new();
    writeln!(
        text,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>"
    )?;
    writeln!(text, "<h2>Closed ({})</h2>", closed.len())?;
    if closed.is_empty() {
        writeln!(text, "<p>No connection that was looked at is closed.</p>")?;
    } else {
        table(&mut text, &closed)?;
    }
    writeln!(text, "<h2>Picture</h2>\n<div class=\"picture\" tabindex=\"0\">")?;
    text.push_str(&write_svg(&grouped(graph), false)?);
    writeln!(text, "</div>")?;
    if !unknown.is_empty() {
        writeln!(text, "<h2>Unknown ({})</h2>", unknown.len())?;
        table(&mut text, &unknown)?;
    }
    if !graph.not_looked_at.is_empty() {
        writeln!(text, "<h2>Not looked at ({})</h2>", graph.not_looked_at.len())?;
        unread(&mut text, &graph.not_looked_at)?;
    }
    if !open.is_empty() {
        writeln!(text, "<h2>Open ({})</h2>", open.len())?;
        table(&mut text, &open)?;
    }
    writeln!(text, "</main>\n</body>\n</html>")?;
    Ok(text)
}

/// The beginning of a table, with what its columns are.
fn head(text: &mut String, columns: &[&str]) -> fmt::Result {
    let columns: String =
        columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    writeln!(text, "<div class=\"table\" tabindex=\"0\">\n<table>\n<tr>{columns}</tr>")
}

fn table(text: &mut String, edges: &[&GraphEdge]) -> fmt::Result {
    let explains = edges.iter().any(|edge| !edge.reason.is_empty());
    head(text, if explains { &["From", "To", "Port", "Why"] } else { &["From", "To", "Port"] })?;
    for edge in edges {
        let why =
            if explains { format!("<td>{}</td>", escaped(&edge.reason)) } else { String::new() };
        writeln!(
            text,
            "<tr class=\"{}\"><td>{}</td><td>{}</td><td>{}</td>{why}</tr>",
            edge.verdict,
            escaped(&full_name(&edge.source)),
            escaped(&full_name(&edge.destination)),
            escaped(&edge.port),
        )?;
    }
    writeln!(text, "</table>\n</div>")
}

fn unread(text: &mut String, all: &[NotLookedAt]) -> fmt::Result {
    head(text, &["Workload", "Variable", "Why"])?;
    for one in all {
        let variable = if one.variable == "*" { "every variable" } else { &one.variable };
        writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&full_name(&one.source)),
            escaped(variable),
            escaped(&one.reason)
        )?;
    }
    writeln!(text, "</table>\n</div>")
}
