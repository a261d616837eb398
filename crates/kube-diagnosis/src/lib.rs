#![doc = include_str!("../README.md")]

mod cause;
mod causes;
mod concern;
mod diagnosis;
pub mod health;
mod kind;
pub mod object;
pub mod pod;
pub mod schedule;
mod snapshot;
pub mod symptom;
pub mod timetable;
mod view;
mod weight;

pub use cause::{Cause, Evidence, Object};
pub use diagnosis::{Diagnosis, diagnose, ids, title, wanted_keys, wanted_logs, wanted_ports};
pub use kind::kind_named;
pub use snapshot::{CUSTOM, PortState, Snapshot};
pub use weight::{Weight, weight};
