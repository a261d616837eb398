//! Commands of which nobody says whether they change anything.

use super::Warning;
use crate::document::node::{Node, NodeKind};

/// What is said of a step whose command has no `effect`.
pub(super) fn unsaid(step: &Node) -> Option<Warning> {
    let entry = step.entries()?.iter().find(|entry| ["exec", "command"].contains(&&*entry.key))?;
    let is_open = matches!(entry.node.kind, NodeKind::Map(_)) && entry.node.get("effect").is_none();
    is_open.then(|| {
        let message = format!("`{}` does not say whether it changes anything", entry.key);
        let label = "the run asks before it: add `effect: read` if it only reads";
        let help = "`effect: opaque` says that it is meant to be asked about";
        let warning = Warning::new("RB0503", entry.key_span.clone(), message, label);
        Warning { help: Some(help.to_owned()), ..warning }
    })
}
