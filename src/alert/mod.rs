//! Alerts: read, led to runbooks, and compared with what Prometheus says. Pure.

mod catalogue;
mod choose;
mod labels;
mod parameters;
mod payload;
mod rules;
mod threshold;

pub use catalogue::{Coverage, Family, FamilyCoverage, families};
pub use choose::{Answer, Handled, grouped, near, runbooks_of};
pub use labels::{TARGETS, of_object, target};
pub use parameters::{Missing, Parameters, Unfit, parameters};
pub use payload::{MAX_ALERTS, MAX_BYTES, Payload, PayloadError, parse, typed};
pub use rules::{Rule, Rules, rule_in_url};
