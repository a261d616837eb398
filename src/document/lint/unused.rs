//! Parameters that nothing uses.

use super::Warning;
use crate::document::runbook::Runbook;

/// What is said of a parameter that no step, finding or name uses.
pub(super) fn unused(runbook: &Runbook) -> impl Iterator<Item = Warning> {
    runbook.unused.iter().map(|(name, span)| {
        let message = format!("nothing uses the parameter `{name}`");
        let label = format!("use `{{{{ params.{name} }}}}` or `$params.{name}`, or remove it");
        Warning::new("RB0502", span.clone(), message, label)
    })
}
