//! Alerts: read, led to runbooks, and compared with what Prometheus says. Pure.

mod catalogue;
mod choose;
mod group;
mod labels;
mod parameters;
mod payload;
mod rules;
mod threshold;

pub use catalogue::{Coverage, Family, FamilyCoverage, families};
pub use choose::{Answer, Handled, near, runbooks_of};
pub use group::{Fit, PodName, alike, grouped};
pub use labels::{TARGETS, of_object, shown, target};
pub use parameters::{Missing, Parameters, Unfit, parameters};
pub use payload::{MAX_ALERTS, MAX_BYTES, Payload, PayloadError, parse, typed};
pub use rules::{Rule, Rules, rule_in_url};
