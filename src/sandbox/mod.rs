//! The simulated cluster behind a real HTTP server, and its scenarios. Knows nothing of what stands
//! above it.
//!
//! A [`Sandbox`] is an API server on a loopback port, with a world behind it: objects built from
//! ordinary manifests (`world/manifests/`), processes described as data (`world/apps.yaml`, see
//! `app/format.rs`), and causes planted by a scenario (`scenarios/`, see `scenario.rs`). Every
//! simulated connection is decided at the moment it is made, by Services, ready endpoints and
//! NetworkPolicies. What is not simulated is refused as a real server without the feature refuses
//! it.

mod app;
mod controllers;
mod error;
mod exec;
mod http;
mod kinds;
mod object;
mod running;
mod scenario;
mod server;
mod snapshot;
mod store;
mod variation;
mod world;

pub use error::SandboxError;
pub use running::{Options, Sandbox, start};
pub use scenario::{ScenarioInfo, scenarios};
pub use server::Fault;
pub use variation::{KINDS as VARIATIONS, Variation, VariationKind};

/// The scenario that starts when none is named.
pub const DEFAULT_SCENARIO: &str = "tabot-no-leader";

#[cfg(test)]
mod tests;
