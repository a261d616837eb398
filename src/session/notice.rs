//! What a caller ought to know before it relies on a run.

use crate::journal::Reading;

/// A fact that hinders nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The last record was not written to its end and is left out.
    Torn {
        /// How much of it there is.
        bytes: usize,
    },
    /// Records are not chained to each other: an earlier version wrote them.
    Unchained {
        /// How many, from the first.
        count: usize,
        /// Whether they are all.
        all: bool,
    },
    /// Somebody is impersonated on a simulated cluster, where all have all rights.
    AllRights {
        /// Who.
        user: String,
    },
    /// The run goes on in a simulated cluster, which begins anew: what it has changed is not in it.
    SandboxAnew,
    /// The runbook is not the one that the run began with: changed steps are done again.
    RunbookChanged {
        /// Its name.
        name: String,
    },
}

impl Notice {
    /// What is to be known of a journal.
    pub fn of_journal(reading: &Reading) -> Vec<Self> {
        let torn = Self::Torn { bytes: reading.torn_bytes };
        let unchained = Self::Unchained {
            count: reading.unchained,
            all: reading.unchained == reading.records.len(),
        };
        let torn = (reading.torn_bytes > 0).then_some(torn);
        torn.into_iter().chain((reading.unchained > 0).then_some(unchained)).collect()
    }
}
