//! Contexts in which nothing is changed unless the person at the command line names them.

use super::{ClusterChoice, Refusal, Workspace};
use crate::event::{Effect, Mode};
use crate::plan::Plan;

/// A context that somebody protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Its name; `*` stands for any characters.
    pub pattern: String,
    /// Where that is said, for a person.
    pub by: String,
}

/// Refuses a run that can change something in a protected context which was not named in full: a
/// current context is easily another than one believes.
pub(super) fn protect(
    workspace: &Workspace,
    (plan, mode): (&Plan, Mode),
    place: &ClusterChoice,
    context: Option<&str>,
) -> Result<(), Refusal> {
    let Some(context) = context else { return Ok(()) };
    let is_named = place.context.as_deref() == Some(context);
    if mode == Mode::DryRun || place.is_simulated() || is_named || !can_change(plan) {
        return Ok(());
    }
    match workspace.protected.iter().find(|one| matches(&one.pattern, context)) {
        Some(one) => Err(Refusal::Protected { context: context.to_owned(), by: one.by.clone() }),
        None => Ok(()),
    }
}

/// Whether any step of the plan, or of what it calls, can change something.
fn can_change(plan: &Plan) -> bool {
    let changes = |effect| matches!(effect, Effect::Write | Effect::Opaque);
    plan.loaded.values().any(|runbook| changes(runbook.effect())) || changes(plan.runbook.effect())
}

/// Whether a pattern, in which `*` stands for any characters, is this text. Each part between stars
/// is taken where it first fits, so that many stars take no more time.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, wanted) in [
            ("prod", "prod", true),
            ("prod", "prod-eu", false),
            ("prod*", "prod", true),
            ("prod*", "prod-eu", true),
            ("*prod*", "arn:aws:eks:eu:1:cluster/prod-1", true),
            ("*/prod", "arn:aws:eks:eu:1:cluster/prod-1", false),
            ("*", "", true),
            ("*", "ü", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("", "prod", false),
            ("a*a", "a", false),
            ("a*b*", "a-b-c", true),
            ("*a*a", "ba", false),
            ("**prod**", "prod", true),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(500), &"a".repeat(499)), "and in no time");
    }
}
