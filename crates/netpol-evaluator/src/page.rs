//! A graph as an HTML page: the picture, and a table of its edges.

use std::fmt::{self, Write as _};

use super::Decision;
use super::graph::{Graph, colour, escaped, full_name};
use super::svg::write_svg;

/// An HTML page without scripts: the picture, and a table of the edges, those that are not allowed
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
