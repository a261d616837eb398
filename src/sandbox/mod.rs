//! The simulated cluster of the command line: the package `kube-sandbox`, and the worlds on which
//! it runs.

mod worlds;

pub use kube_sandbox::{
    Dial, Fault, HEALTHY, Options, Prepared, Sandbox, ScenarioInfo, VARIATIONS, Variation,
    VariationKind, World, WorldFile, schema, simulated,
};
pub use worlds::{Chosen, ListedWorld, Loaded, WorldError, Worlds};

/// Starts a scenario of the worlds inside the program, on the current tokio runtime.
///
/// # Errors
/// There is no such scenario, or the port cannot be opened.
pub async fn start(options: Options) -> Result<Sandbox, WorldError> {
    Worlds::new(&[]).find(&options.scenario, None)?.start(options).await
}

#[cfg(test)]
mod tests;
