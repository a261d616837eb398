//! NetworkPolicy evaluation and label selectors. Pure; used by actions and by the sandbox alike.
//!
//! The answer is about policies alone: whether something listens, and what a Service resolves to, is asked elsewhere.

mod cidr;
mod evaluate;
mod policy;
mod selector;

pub use cidr::{Cidr, CidrError};
pub use evaluate::{Allowance, Cluster, Connection, Endpoint, Exemption, NamedPort, Pod, Side, Verdict, evaluate};
pub use policy::{Direction, NetworkPolicy, Peer, PolicyError, PolicyReference, PortName, PortRule, Protocol, Rule};
pub use selector::{LabelSelector, Labels, Operator, Requirement, SelectorError};

#[cfg(test)]
mod tests;
