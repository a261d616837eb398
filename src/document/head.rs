//! What is shown of a runbook in a list: read from its tree, nothing is compiled.

use super::canonical::{WITHIN, canonical};
use super::deserialize::from_node_seed;
use super::node::{Fault, Node, NodeKind};
use super::runbook::Origin;
use crate::action::{Action, VerbName};
use crate::construct::{Approve, Confirm, Construct, Run};
use crate::event::Effect;
use crate::secret::sanitize;

/// The head of a runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunbookHead {
    /// What it is for, in one line.
    pub title: String,
    /// Alerts that it answers.
    pub alerts: Vec<String>,
    /// The names of its parameters, in order of writing.
    pub params: Vec<String>,
    /// The strongest effect of its steps. Those of the runbooks that it calls are known to the
    /// catalogue only, see [`Catalogue::heads`](super::Catalogue::heads).
    pub effect: Effect,
    /// The names of the runbooks that its steps call.
    pub calls: Vec<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Keys of what asks a person.
const ASKS: [&str; 2] = [Confirm::NAME, Approve::NAME];

/// Reads the head.
///
/// # Errors
/// What keeps it from being one.
pub(super) fn head(root: &Node) -> Result<RunbookHead, Vec<Fault>> {
    let root = &canonical(root);
    let fault = |code, node: &Node, message: &str| {
        vec![Fault::new(code, node.span.clone(), message, "see `runbook check`")]
    };
    if root.get("runbook").and_then(Node::as_str) != Some("v1") {
        return Err(fault("RB0101", root, "a runbook starts with `runbook: v1`"));
    }
    let Some(title) = root.get("title").and_then(Node::as_str) else {
        return Err(fault("RB0104", root, "missing field `title`"));
    };
    let alerts = match root.get("alerts") {
        None => Vec::new(),
        Some(node) => {
            names(node).ok_or_else(|| fault("RB0104", node, "`alerts` must be a list of names"))?
        }
    };
    let params = root.get("params").and_then(Node::entries).unwrap_or_default();
    let mut does = Does { effect: Effect::Read, calls: Vec::new() };
    for key in ["steps", "always"] {
        if let Some(node) = root.get(key) {
            steps(node, &mut does)?;
        }
    }
    if root.get("steps").is_none() {
        return Err(fault("RB0104", root, "missing field `steps`"));
    }
    let params = params.iter().map(|entry| entry.key.clone()).collect();
    let Does { effect, calls } = does;
    let title = sanitize(title).into_owned();
    Ok(RunbookHead { title, alerts, params, effect, calls, origin: Origin::File })
}

/// The names of alerts that have been written out.
fn names(alerts: &Node) -> Option<Vec<String>> {
    let NodeKind::List(items) = &alerts.kind else { return None };
    items.iter().map(|alert| Some(alert.get("name")?.as_str()?.to_owned())).collect()
}

/// What steps do: the strongest effect, and which runbooks they call.
struct Does {
    effect: Effect,
    calls: Vec<String>,
}

/// Adds what the steps under a node do: a list, or one step.
fn steps(node: &Node, does: &mut Does) -> Result<(), Vec<Fault>> {
    match &node.kind {
        NodeKind::List(items) => items.iter().try_for_each(|item| steps(item, does)),
        NodeKind::Map(entries) => {
            for entry in entries {
                let key = entry.key.as_str();
                // `confirm: typed` beside a change is no action
                let is_mark =
                    key == "confirm" && matches!(entry.node.kind, NodeKind::Scalar { .. });
                if WITHIN.contains(&key) {
                    steps(&entry.node, does)?;
                } else if Action::VERBS.contains(&key) {
                    let (action, found) = from_node_seed(&entry.node, VerbName(key));
                    does.effect = does.effect.max(action.ok_or(found.faults)?.effect());
                } else if ASKS.contains(&key) && !is_mark {
                    does.effect = does.effect.max(Effect::Operator);
                } else if key == Run::NAME {
                    let name = entry.node.get("runbook").and_then(Node::as_str);
                    does.calls.extend(name.map(str::to_owned));
                }
            }
            Ok(())
        }
        NodeKind::Scalar { .. } => Err(vec![Fault::new(
            "RB0104",
            node.span.clone(),
            "a step must be a mapping",
            "expected a step",
        )]),
    }
}

#[cfg(test)]
mod tests {
    use crate::document::Catalogue;

    #[test]
    fn it_says_the_same_as_the_whole_runbook() {
        let catalogue = Catalogue::new(&[]);
        for listed in catalogue.list() {
            let (head, whole) = (listed.head().unwrap(), catalogue.load(&listed.name).unwrap());
            let params: Vec<_> = whole.params.keys().cloned().collect();
            let alerts = whole.alerts.iter().map(|alert| alert.name.clone()).collect();
            assert_eq!(
                (head.title, head.alerts, head.params, head.effect),
                (whole.title.clone(), alerts, params, whole.effect()),
                "{}",
                listed.name
            );
        }
    }
}
