//! Runs for any caller: start, rehearse, resume and undo a run, approve a step, say how a run
//! stands. From options to a stream of events and an end; nothing here prints, asks a terminal or
//! knows a command line.
//!
//! A run has two halves. [`start()`], [`rehearse()`], [`resume()`] and [`undo()`] find out what would be
//! done and refuse what must not be: they return a [`Session`], of which nothing has happened yet.
//! [`Session::run`] does it: events go to the sinks of [`Attended`], questions to its prompt.

mod alert;
mod approve;
mod attended;
mod due;
mod error;
mod notice;
mod observe;
mod options;
mod params;
mod protect;
mod records;
mod remember;
mod resume;
mod run;
mod start;
mod status;
mod target;
mod trust;
mod undo;
mod workspace;

pub use alert::{
    Alarm, AnswerRun, Answers, NoAnswer, Unanswered, alert_rules, answers, handled, workloads,
};
pub use approve::{Approval, Approved, Pending, pending};
pub use attended::{Attended, Nobody, channel};
pub use due::{Waiting, waiting};
pub use error::{NotApproved, Refusal, SessionError};
pub use notice::Notice;
pub use observe::{Wanted, WantedPath, observe};
pub use options::{ClusterChoice, Conduct, Running};
pub use params::Params;
pub use protect::Protected;
pub use remember::{Remembered, remember};
pub use resume::{Despite, Resume, resume};
pub use run::{End, Session};
pub use start::{Start, plan, rehearse, start};
pub use status::{Status, status};
pub use target::{Connected, load};
pub use trust::Untrusted;
pub use undo::{Undo, undo};
pub use workspace::{Workspace, host_name};
