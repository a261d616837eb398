//! Where a case stands in the text of its suite.

use super::Suite;
use crate::document::catalogue::{CatalogueError, invalid};
use crate::document::node::{Node, NodeKind, parse};
use indexmap::IndexMap;
use serde_json::Value;
use std::ops::Range;

/// Where a case stands in its file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The value of `expect`, if it has one.
    pub expect: Option<Range<usize>>,
    /// The values of the fields of `expect`.
    pub fields: IndexMap<String, Range<usize>>,
    /// The steps of `expect`.
    pub steps: Option<IndexMap<String, Value>>,
    /// The column of the keys of the case.
    pub indent: usize,
    /// The end of the case.
    pub end: usize,
}

impl Suite {
    /// Where a case stands; none if there is none of this name.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn place(&self, case: &str) -> Result<Option<Place>, CatalogueError> {
        let root =
            parse(&self.source).map_err(|faults| invalid(&self.file, &self.source, faults))?;
        let Some(Node { kind: NodeKind::List(cases), .. }) = root.get("cases") else {
            return Ok(None);
        };
        let named = |node: &&Node| node.get("case").and_then(Node::as_str) == Some(case);
        Ok(cases.iter().find(named).map(|node| self.place_of(node)))
    }

    fn place_of(&self, node: &Node) -> Place {
        let expect = node.get("expect");
        let fields = expect.and_then(Node::entries).unwrap_or_default();
        let steps = expect.and_then(|expect| expect.get("steps")).and_then(Node::entries);
        let steps = steps.map(|steps| {
            steps.iter().map(|entry| (entry.key.clone(), entry.node.to_value())).collect()
        });
        let key = node.entries().and_then(|entries| entries.first());
        let start = key.map_or(node.span.start, |entry| entry.key_span.start);
        let line = self.source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let last = node.entries().and_then(|entries| entries.last());
        Place {
            expect: expect.map(|expect| expect.span.clone()),
            fields: fields
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.span.clone()))
                .collect(),
            steps,
            indent: start - line,
            end: last.map_or(node.span.end, |entry| entry.node.span.end),
        }
    }
}
