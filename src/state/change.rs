//! What is known of one change.

use crate::event::{ChangeFinished, ChangeResult, PlannedChange};
use jiff::Timestamp;

/// A change of a step, as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeState {
    /// What it is.
    pub planned: PlannedChange,
    /// How far it has come.
    pub stage: ChangeStage,
    /// When its request was last about to be sent.
    pub sent: Option<Timestamp>,
    /// By what it can be found out what came of it.
    pub note: Option<String>,
    /// While it is in doubt: what is known of it.
    pub doubt: Option<String>,
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeStage {
    /// Nothing was sent.
    Planned,
    /// The request may have been sent: in flight while the run lives, in doubt after a crash.
    Started,
    /// It is known what came of it.
    Finished(Box<ChangeFinished>),
}

impl ChangeState {
    /// Whether the object was changed, as far as is known.
    pub fn is_made(&self) -> bool {
        matches!(&self.stage, ChangeStage::Finished(finished) if finished.result != ChangeResult::NotMade)
    }

    /// Whether a look is all that speaks against its having been made.
    pub fn is_unproven(&self) -> bool {
        matches!(&self.stage, ChangeStage::Finished(finished) if finished.result == ChangeResult::NotMade && finished.unproven)
    }

    /// Whether it may or may not have been made.
    pub fn in_doubt(&self) -> bool {
        self.stage == ChangeStage::Started
    }
}
