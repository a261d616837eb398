#![doc = include_str!("../README.md")]
//!
//! [`evaluate()`] decides about one connection and [`explain()`] says why. [`trace()`] follows an
//! edge from a name to the pods, [`propose()`] writes the missing policy, and [`lint()`] finds
//! mistakes before they block anything. [`picture()`] makes a graph of a namespace, which
//! [`mermaid()`], [`svg()`] and [`page()`] draw.

mod cidr;
mod declared;
mod dns;
mod edge;
mod evaluate;
mod explain;
mod external;
mod fix;
mod graph;
mod grouped;
pub mod host;
mod inventory;
mod layout;
mod lint;
mod lint_edges;
mod misdirected;
mod near_miss;
mod other_policies;
mod page;
mod path;
mod picture;
mod policy;
mod resolve;
mod selector;
mod service;
mod svg;
mod unread;

pub use cidr::{Cidr, CidrError};
pub use declared::{Declared, declared};
pub use edge::{
    Decision, Destination, Edge, End, Judged, NotEvaluated, Path, PathError, Source, Stage,
    StageName, StageOutcome,
};
pub use evaluate::{
    Allowance, Cluster, Connection, ContainerPort, Endpoint, Exemption, Pod, Side, Verdict,
    evaluate,
};
pub use explain::{Explanation, Reason, SideExplanation, Translation, explain};
pub use fix::{Alternative, Fix, propose, propose_for_path};
pub use graph::{Graph, GraphEdge, GraphNode, mermaid};
pub use grouped::grouped;
pub use inventory::{Inventory, PodState, Unreadable, Workload};
pub use lint::{Lint, LintId, Severity, lint};
pub use misdirected::{Misdirected, PodName};
pub use near_miss::{Difference, NearMiss};
pub use other_policies::ForeignPolicy;
pub use page::page;
pub use path::trace;
pub use picture::{all_pairs, edges_of, intended, picture};
pub use policy::{
    Direction, NetworkPolicy, Peer, PolicyError, PolicyReference, PortName, PortRule, Protocol,
    Rule,
};
pub use selector::{LabelSelector, Labels, Operator, Requirement, SelectorError};
pub use service::{EndpointSlice, Service, ServiceKind, ServicePort, SliceEndpoint};
pub use svg::svg;
pub use unread::{NotLookedAt, not_looked_at};

#[cfg(test)]
mod tests;
