//! How changes are allowed: the options that `run`, `resume` and `undo` share.

use crate::engine::{Consent, Locking};
use crate::journal::Key;
use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(super) struct ChangeArguments {
    /// Make changes without a prompt, except changes that require a typed confirmation
    #[arg(short, long)]
    yes: bool,
    /// Override this guard; can be repeated
    #[arg(long = "override", value_name = "GUARD")]
    overrides: Vec<String>,
    /// Take over the lock from a run that holds it
    #[arg(long, conflicts_with = "no_lock")]
    takeover: bool,
    /// Do not take a lock
    #[arg(long)]
    no_lock: bool,
}

impl ChangeArguments {
    pub(super) fn consent(&self, key: Key) -> Consent {
        Consent { yes: self.yes, overrides: self.overrides.clone(), operator: local_user(), key }
    }

    pub(super) fn locking(&self) -> Locking {
        match (self.no_lock, self.takeover) {
            (true, _) => Locking::None,
            (false, true) => Locking::Takeover,
            (false, false) => Locking::Ordinary,
        }
    }
}

/// The user of this system, for where no cluster says who it is: `user@host`. It is the system that
/// says so, not the environment.
pub(super) fn local_user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    let user = users.lines().find_map(named).unwrap_or_else(|| format!("uid {uid}"));
    format!("{user}@{}", super::session::host())
}
