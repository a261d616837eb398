//! `save`: what of the output of a step is kept in files.

use super::Lower;
use crate::action::JqText;
use crate::document::node::{Node, NodeKind};
use crate::document::runbook::Save;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "save")]
#[expect(dead_code, reason = "read with its places")]
pub(super) struct SaveFields {
    /// Path of the file, relative.
    file: String,
    /// jq over the output that results in a list: a file per item.
    for_each: Option<JqText>,
    /// jq over the output; by default, the item or the output.
    content: Option<JqText>,
    /// Limit of a file; default: 16 MiB.
    #[schemars(with = "Option<serde_json::Value>")]
    max_bytes: Option<IgnoredAny>,
}

impl Lower<'_> {
    pub(super) fn saves(&mut self, node: Option<&Node>) -> Vec<Save> {
        let Some(Node { kind: NodeKind::List(items), .. }) = node else { return Vec::new() };
        items.iter().filter_map(|item| self.saved(item)).collect()
    }

    fn saved(&mut self, node: &Node) -> Option<Save> {
        let for_each = node.get("for_each").and_then(|node| self.program(node));
        let content = node.get("content").and_then(|node| self.program(node));
        let max_bytes = node.get("max_bytes").map(|node| self.deferred(node));
        let file = node.get("file").map(|node| self.deferred(node));
        Some(Save { file: file?, for_each, content, max_bytes, span: node.span.clone() })
    }
}
