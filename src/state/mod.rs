//! What is known of a run: the fold over its records, used live, on resume and for every report.
//! Pure.

mod change;
mod lasting;
mod run;
mod step;
mod summary;
mod verdict;

pub use change::{ChangeStage, ChangeState};
pub use lasting::Made;
pub use run::{IllegalTransition, RunState};
pub use step::StepState;
pub use verdict::verdict;

#[cfg(test)]
mod tests;
