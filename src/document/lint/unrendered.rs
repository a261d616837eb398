//! Texts that look like a template or a program and are neither.

use super::{Kind, Warning, for_each_text};
use crate::diagnostic::Correction;
use crate::document::deserialize::has_template;
use crate::document::foreign;
use crate::document::node::Node;
use crate::document::quoting::{quoted, quoted_template};

/// What is said of values that stay in a text as they are written.
pub(super) fn unrendered(root: &Node, source: &str) -> Vec<Warning> {
    let mut all = Vec::new();
    for_each_text(root, &mut |node, kind| {
        let raw = source.get(node.span.clone()).unwrap_or_default();
        all.extend(match kind {
            Kind::Text => in_text(node, raw, source),
            Kind::Program => in_program(node, raw),
        });
    });
    all
}

fn in_text(node: &Node, raw: &str, source: &str) -> Option<Warning> {
    let (text, says) = foreign::template(raw)?;
    let text = quoted_template(&text, source, node.span.start);
    let message = "a value is not inserted here: the text stays as it is written";
    let warning = Warning::new("RB0505", node.span.clone(), message, says);
    Some(Warning { correction: Some(Correction { range: node.span.clone(), text }), ..warning })
}

fn in_program(node: &Node, raw: &str) -> Option<Warning> {
    let text = node.as_str()?;
    let message = if has_template(text) {
        "a template in a jq program is a text of the program"
    } else if foreign::is_length(text) {
        "`.length` is a field of this name, not the number of items"
    } else {
        return None;
    };
    let (meant, says) = foreign::condition(text)?;
    let warning = Warning::new("RB0505", node.span.clone(), message, says);
    let one_line = !raw.trim_end().contains('\n');
    let correction =
        one_line.then(|| Correction { range: node.span.clone(), text: quoted(&meant) });
    Some(Warning { correction, ..warning })
}
