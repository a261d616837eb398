//! The arguments of a step as far as they are known before the run. A text that only the run knows
//! stays the template that it is written as: no object has such a name, so it can be told from what
//! is known.

use super::deferred::Deferred;
use super::deserialize::{from_node_seed, has_template};
use super::node::{Entry, Node, NodeKind};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

/// What is known of a step's arguments before the run.
#[derive(Clone, Debug)]
pub struct Sketch<T> {
    /// Its arguments; texts that only the run knows are templates.
    pub arguments: Value,
    /// What they are; none if it cannot be made of what is known.
    pub known: Option<T>,
    /// Whether everything is known.
    pub exact: bool,
}

/// Whether a text is known in the run only.
pub fn is_computed(text: &str) -> bool {
    has_template(text)
}

impl Deferred {
    /// The value, with the templates left as they are that this context does not suffice for.
    pub fn partial(&self, context: &Value) -> Value {
        match self {
            Self::Known(value) => value.clone(),
            Self::Template(template) => {
                template.render(context).unwrap_or_else(|_| Value::from(template.source()))
            }
            Self::List(items) => items.iter().map(|item| item.partial(context)).collect(),
            Self::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.clone(), value.partial(context))).collect(),
            ),
        }
    }

    /// What this seed reads of the value, as far as this context tells.
    pub fn sketch<T, S>(&self, seed: S, context: &Value) -> Sketch<T>
    where
        S: for<'de> DeserializeSeed<'de, Value = T> + Clone,
    {
        if let Some((arguments, known)) = self
            .render(context)
            .ok()
            .and_then(|value| Some((value.clone(), seed.clone().deserialize(value).ok()?)))
        {
            return Sketch { arguments, known: Some(known), exact: true };
        }
        let arguments = self.partial(context);
        let known = read(seed, &arguments);
        Sketch { arguments, known, exact: false }
    }
}

/// What a seed reads of arguments as they are given; none if it finds a fault in them.
pub(super) fn read<T, S>(seed: S, arguments: &Value) -> Option<T>
where
    S: for<'de> DeserializeSeed<'de, Value = T> + Clone,
{
    let (known, found) = from_node_seed(&tree(arguments, &mut 0), seed);
    known.filter(|_| found.faults.is_empty())
}

/// A value as a tree; its places are only different from each other.
fn tree(value: &Value, next: &mut usize) -> Node {
    *next += 1;
    let span = *next..*next + 1;
    let kind = match value {
        Value::Array(items) => NodeKind::List(items.iter().map(|item| tree(item, next)).collect()),
        Value::Object(fields) => NodeKind::Map(entries(fields, next)),
        Value::String(text) => NodeKind::Scalar { text: text.clone(), value: value.clone() },
        other => NodeKind::Scalar { text: other.to_string(), value: other.clone() },
    };
    Node { span, kind }
}

fn entries(fields: &Map<String, Value>, next: &mut usize) -> Vec<Entry> {
    let entry = |(key, value): (&String, &Value)| {
        let node = tree(value, next);
        Entry { key: key.clone(), key_span: node.span.clone(), node }
    };
    fields.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::document::Body;
    use crate::document::Catalogue;
    use serde_json::json;

    fn sketched(step: &str, context: &Value) -> Sketch<Action> {
        let text = format!(
            "runbook: v1\ntitle: T\nparams: {{p: {{type: string, default: web}}, amount: {{type: \
                int, default: 2}}}}\nsteps:\n  - {{id: s, value: '\"x\"'}}\n  - id: a\n    {step}\n"
        );
        let runbook = Catalogue::new(&[]).load_text("t", text).unwrap().remove("t").unwrap();
        let Body::Verb(written) = &runbook.steps[1].body else { panic!() };
        written.sketch(context)
    }

    #[test]
    fn what_is_known_is_kept_beside_what_is_not() {
        let context = json!({"params": {"p": "web", "amount": 2}});
        for (step, exact, target) in [
            ("restart: {target: \"deployment/{{ params.p }}\"}", true, "namespace/deployment/web"),
            (
                "restart: {target: \"deployment/{{ steps.s.output }}\"}",
                false,
                "namespace/deployment/{{ steps.s.output }}",
            ),
            (
                "restart: {target: \"{{ steps.s.output }}\"}",
                false,
                "namespace/{{ steps.s.output }}/{{ steps.s.output }}",
            ),
            (
                "scale: {target: \"deployment/{{ params.p }}\", replicas: \"{{ steps.s.output | \
                    length }}\"}",
                false,
                "namespace/deployment/web",
            ),
            (
                "restart: {target: {kind: Deployment, name: \"{{ steps.s.output }}\", namespace: \
                    other}}",
                false,
                "other/deployment/{{ steps.s.output }}",
            ),
            ("cordon: {node: \"{{ steps.s.output }}\"}", false, "/node/{{ steps.s.output }}"),
        ] {
            let sketch = sketched(step, &context);
            assert_eq!(
                (sketch.exact, sketch.known.unwrap().targets("namespace")),
                (exact, vec![target.to_owned()]),
                "{step}"
            );
        }
    }
}
