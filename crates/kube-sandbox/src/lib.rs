#![doc = include_str!("../README.md")]

mod admission;
mod app;
mod controllers;
mod digest;
mod error;
mod exec;
mod http;
mod kinds;
mod object;
mod quantity;
mod recorded;
mod running;
mod scenario;
#[cfg(feature = "schemars")]
mod schema;
mod server;
mod simulation;
mod snapshot;
mod store;
mod variation;
mod world;

pub use error::SandboxError;
pub use kinds::simulated;
pub use running::{Dial, Options, Prepared, Sandbox, start};
pub use scenario::ScenarioInfo;
#[cfg(feature = "schemars")]
pub use schema::{WorldFile, schema};
pub use server::Fault;
pub use variation::{KINDS as VARIATIONS, Variation, VariationKind};
pub use world::{HEALTHY, Place, World, WorldFault};

#[cfg(test)]
mod tests;
