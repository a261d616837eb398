//! The runs that were: which of them are meant, what was different from one to the next, and which
//! can be removed. Decisions on values; nothing here reads or writes.

mod diff;
mod keep;
mod last;
mod select;

pub use diff::{
    ChangesDiff, ExpectationDiff, FieldDiff, FindingDiff, Known, RunDiff, SeenValue, Side,
    StepDiff, StepEnd, diff, previous,
};
pub use keep::{Forgo, Need, Retention, TakesBack, needs};
pub use last::{LastRun, last_runs};
pub use select::{Filter, Listed, Selection, Standing, select};
