//! YAML text to a typed runbook with positions; checks.

mod deserialize;
mod node;

pub use deserialize::{Found, from_node, has_template};
pub use node::{Entry, Fault, Kind, MAX_BYTES, Node, parse};
