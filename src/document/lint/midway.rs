//! A wait for pods in the middle of a rollout.

use super::{Warning, for_each_step};
use crate::document::node::Node;

/// Verbs that make a controller replace the pods of a workload.
const REPLACES: &[&str] = &["restart", "rollback", "set_env", "set_image"];

/// What is said of waits for a condition on pods after a step that has them replaced, and before one
/// that waits for its end: an old pod and a new one may satisfy it together.
pub(super) fn midway(root: &Node) -> Vec<Warning> {
    let mut replaces: Option<(String, String)> = None;
    let mut found = Vec::new();
    for_each_step(root, &mut |step: &Node| {
        let text = |key: &str| step.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        if let Some(verb) = REPLACES.iter().find(|verb| step.get(verb).is_some()) {
            replaces = Some((text("id"), (*verb).to_owned()));
        } else if step.get("rollout").is_some() {
            replaces = None;
        }
        let waits = step.entries().unwrap_or_default().iter().find(|entry| {
            let kind = entry.node.get("kind").and_then(Node::as_str).unwrap_or_default();
            entry.key == "wait"
                && entry.node.get("until").is_some()
                && matches!(kind.to_ascii_lowercase().as_str(), "pod" | "pods" | "po")
        });
        if let (Some(entry), Some((id, verb))) = (waits, &replaces) {
            let message = format!("`wait` may end in the middle of the rollout of step `{id}`");
            let label = format!(
                "old and new pods may satisfy it together: wait for the end of the {verb} with `rollout`"
            );
            let warning = Warning::new("RB0506", entry.key_span.clone(), message, label);
            let help = "then: {rollout: {target: …}}".to_owned();
            found.push(Warning { help: Some(help), ..warning });
        }
    });
    found
}
