//! Runbooks tested like code: cases are played on simulated clusters, without a socket and on a
//! clock of their own, and what came of them is compared with what must.

mod coverage;
mod judge;
mod matrix;
mod mutation;
mod persona;
mod play;
mod pool;
mod recent;
mod runner;
mod stage;
mod update;
mod vary;

pub use coverage::Coverage;
pub use judge::{Difference, judge};
pub use matrix::{ScenarioRow, matrix};
pub use mutation::{Mutation, Survivor};
pub use play::{NOW, Play, Played, Unplayed};
pub use runner::{CaseResult, Task, play_all};
pub use stage::{Stage, StageKind};
pub use update::update;
pub use vary::{sampled, varied};

#[cfg(test)]
mod tests;
