//! How changes are allowed: the options that `run`, `resume` and `undo` share.

use crate::engine::{Consent, Locking};
use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(super) struct ChangeArguments {
    /// Make changes without asking, except those that want a typed word
    #[arg(short, long)]
    yes: bool,
    /// Go on although this guard speaks against it; may be given several times
    #[arg(long = "override", value_name = "GUARD")]
    overrides: Vec<String>,
    /// Take the lock also from a run that holds it
    #[arg(long, conflicts_with = "no_lock")]
    takeover: bool,
    /// Take no lock
    #[arg(long)]
    no_lock: bool,
}

impl ChangeArguments {
    pub(super) fn consent(&self) -> Consent {
        Consent { yes: self.yes, overrides: self.overrides.clone(), operator: operator() }
    }

    pub(super) fn locking(&self) -> Locking {
        match (self.no_lock, self.takeover) {
            (true, _) => Locking::None,
            (false, true) => Locking::Takeover,
            (false, false) => Locking::Ordinary,
        }
    }
}

/// Who runs this: `user@host`, as far as the environment says.
pub(super) fn operator() -> String {
    let named = |key: &str| std::env::var(key).ok().filter(|name| !name.is_empty());
    let user = named("RUNBOOK_USER").or_else(|| named("USER")).or_else(|| named("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    format!("{user}@{}", super::session::host())
}
