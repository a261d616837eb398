//! The alerts that a runbook answers.

use super::Lower;
use crate::diagnostic::nearest;
use crate::document::check::Use;
use crate::document::deferred::Deferred;
use crate::document::node::{Fault, Node, NodeKind};
use crate::document::param::Param;
use crate::document::runbook::AlertMapping;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the templates of an alert see: nothing else is known when it comes in.
const OF_ALERTS: [&str; 2] = ["labels", "annotations"];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "alert")]
#[expect(dead_code, reason = "read with its places")]
pub(super) struct AlertFields {
    /// Name of the alert.
    name: String,
    /// Parameters, as templates over `labels` and `annotations`.
    #[serde(default)]
    with: IndexMap<String, Value>,
}

impl Lower<'_> {
    /// The alerts, whose faults as fields are known already.
    pub(super) fn alerts(
        &mut self,
        node: Option<&Node>,
        params: Option<&IndexMap<String, Param>>,
    ) -> Vec<AlertMapping> {
        let Some(Node { kind: NodeKind::List(items), .. }) = node else { return Vec::new() };
        let mut known = BTreeSet::new();
        let mut alerts = Vec::new();
        for item in items {
            self.written_out(item, &["name"]);
            let Some(named) = item.get("name") else { continue };
            let Some(name) = named.as_str() else { continue };
            if !known.insert(name) {
                let message = format!("duplicate alert `{name}`");
                let label = "write each alert once";
                self.faults.push(Fault::new("RB0301", named.span.clone(), message, label));
            }
            let with = self.mapping(item.get("with"), params);
            alerts.push(AlertMapping { name: name.to_owned(), with });
        }
        alerts
    }

    /// The parameters that an alert gives.
    fn mapping(
        &mut self,
        node: Option<&Node>,
        params: Option<&IndexMap<String, Param>>,
    ) -> IndexMap<String, Deferred> {
        let mut with = IndexMap::new();
        for entry in node.and_then(Node::entries).unwrap_or_default() {
            if let Some(params) = params.filter(|params| !params.contains_key(&entry.key)) {
                let label = nearest(&entry.key, params.keys().map(String::as_str)).map_or_else(
                    || "not declared in `params`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("undefined parameter `{}`", entry.key);
                self.faults.push(Fault::new("RB0304", entry.key_span.clone(), message, label));
            }
            let mut uses = Vec::new();
            let none = BTreeSet::new();
            let value =
                Deferred::compile(&entry.node, self.source, &none, &mut self.faults, &mut uses);
            self.faults.extend(uses.iter().filter_map(unknown));
            with.insert(entry.key.clone(), value);
        }
        with
    }
}

/// What is wrong with a name that stands for nothing here.
fn unknown(used: &Use) -> Option<Fault> {
    if OF_ALERTS.contains(&used.root.as_str()) {
        return None;
    }
    let near = nearest(&used.root, OF_ALERTS);
    let label = near.map_or_else(
        || "one of labels, annotations".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("template: undefined variable `{}`", used.root);
    Some(Fault::new("RB0202", used.span.clone(), message, label))
}
