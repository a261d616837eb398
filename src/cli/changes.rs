//! Options that `run`, `resume` and `undo` share: how changes are approved.

use crate::engine::Locking;
use crate::session::Conduct;
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
    /// The same run with changes allowed like this.
    pub(super) fn of(&self, conduct: Conduct) -> Conduct {
        let locking = match (self.no_lock, self.takeover) {
            (true, _) => Locking::None,
            (false, true) => Locking::Takeover,
            (false, false) => Locking::Ordinary,
        };
        Conduct { yes: self.yes, overrides: self.overrides.clone(), locking, ..conduct }
    }
}
