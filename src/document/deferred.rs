//! Values with templates in them, to be rendered when the run knows more.

use super::check::Use;
use super::deserialize::has_template;
use super::node::{Fault, Node, NodeKind};
use crate::expression::{self, EvalError, Reference, Template};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A value whose strings may be templates; jq programs in it stay as they are.
#[derive(Clone, Debug)]
pub enum Deferred {
    /// Needs no rendering.
    Known(Value),
    /// Becomes a value of any type.
    Template(Template),
    /// A list.
    List(Vec<Deferred>),
    /// A mapping.
    Map(Vec<(String, Deferred)>),
}

impl Deferred {
    /// Compiles the templates of a node; `verbatim` names the scalars that are none. Faults and
    /// references are added to the lists.
    pub fn compile(
        node: &Node,
        source: &str,
        verbatim: &BTreeSet<(usize, usize)>,
        faults: &mut Vec<Fault>,
        uses: &mut Vec<Use>,
    ) -> Self {
        match &node.kind {
            NodeKind::Scalar { text, value: Value::String(_) }
                if has_template(text) && !verbatim.contains(&(node.span.start, node.span.end)) =>
            {
                match expression::template(text) {
                    Ok(template) => {
                        uses.extend(
                            template
                                .references()
                                .iter()
                                .map(|reference| Use::new(reference, node, source)),
                        );
                        Self::Template(template)
                    }
                    Err(error) => {
                        faults.push(Fault::new(
                            "RB0202",
                            node.locate(source, &error.range),
                            format!("template: {}", error.message),
                            error.help.unwrap_or_default(),
                        ));
                        Self::Known(Value::Null)
                    }
                }
            }
            NodeKind::Scalar { text, .. }
                if verbatim.contains(&(node.span.start, node.span.end)) =>
            {
                Self::Known(Value::String(text.clone()))
            }
            NodeKind::Scalar { value, .. } => Self::Known(value.clone()),
            NodeKind::List(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::compile(item, source, verbatim, faults, uses))
                    .collect(),
            ),
            NodeKind::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|entry| {
                        (
                            entry.key.clone(),
                            Self::compile(&entry.node, source, verbatim, faults, uses),
                        )
                    })
                    .collect(),
            ),
        }
    }

    /// What the templates refer to.
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Known(_) => Vec::new(),
            Self::Template(template) => template.references().iter().collect(),
            Self::List(items) => items.iter().flat_map(Self::references).collect(),
            Self::Map(entries) => {
                entries.iter().flat_map(|(_, value)| value.references()).collect()
            }
        }
    }

    /// A text that needs no rendering.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Known(Value::String(text.into()))
    }

    /// The value, with every template rendered once. What a template yields is data and is not
    /// looked at again.
    ///
    /// # Errors
    /// The first template that cannot be rendered.
    pub fn render(&self, context: &Value) -> Result<Value, EvalError> {
        match self {
            Self::Known(value) => Ok(value.clone()),
            Self::Template(template) => template.render(context),
            Self::List(items) => items
                .iter()
                .map(|item| item.render(context))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), value.render(context)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    /// The value as a text for a person.
    ///
    /// # Errors
    /// The first template that cannot be rendered.
    pub fn render_text(&self, context: &Value) -> Result<String, EvalError> {
        Ok(match self.render(context)? {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        })
    }
}
