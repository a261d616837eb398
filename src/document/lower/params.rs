//! The declarations of parameters.

use super::Lower;
use crate::document::node::{Fault, Node};
use crate::document::param::{Param, ParamType};
use indexmap::IndexMap;
use std::collections::HashMap;

impl Lower<'_> {
    pub(super) fn params(&mut self, params: &IndexMap<String, Param>, node: Option<&Node>) {
        let places: HashMap<&str, &Node> = node
            .and_then(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.node))
            .collect();
        for (name, param) in params {
            let Some(node) = places.get(name.as_str()) else { continue };
            let mut fault = |key: &str, message: String| {
                let at = node.get(key).unwrap_or(node);
                self.faults.push(Fault::new(
                    "RB0105",
                    at.span.clone(),
                    message,
                    format!("parameter `{name}`"),
                ));
            };
            if let Some(Err(error)) =
                param.pattern.as_ref().map(|pattern| regex::Regex::new(pattern))
            {
                fault(
                    "pattern",
                    format!(
                        "not a valid regular expression: {}",
                        error.to_string().lines().last().unwrap_or_default()
                    ),
                );
                continue;
            }
            if param.kind == ParamType::Enum && param.values.is_empty() {
                fault("type", "an `enum` requires `values`".to_owned());
            }
            if let Some(Err(error)) = param.default.as_ref().map(|value| param.validate(value)) {
                fault("default", format!("the default is not allowed: {error}"));
            }
        }
    }
}
