#![doc = include_str!("../README.md")]

mod cause;
mod causes;
mod diagnosis;
pub mod object;
pub mod pod;
mod snapshot;
pub mod symptom;
mod view;

pub use cause::{Cause, Evidence, Object};
pub use diagnosis::{Diagnosis, diagnose, ids, title, wanted_logs, wanted_ports};
pub use snapshot::{PortState, Snapshot};
