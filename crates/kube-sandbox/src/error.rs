//! The reasons why a sandbox does not start.

use crate::world::WorldFault;

/// The reason why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No scenario has this name.
    #[error("there is no sandbox scenario `{name}`, did you mean {}?", nearest.join(", "))]
    UnknownScenario {
        /// The name asked for.
        name: String,
        /// Names like it, nearest first.
        nearest: Vec<String>,
    },
    /// The world cannot be brought into the state of the scenario.
    #[error(transparent)]
    World(#[from] WorldFault),
    /// The port cannot be opened.
    #[error(
        "the sandbox cannot listen on 127.0.0.1:{port}: {source}; choose another port, or omit it to use any free one"
    )]
    Listen {
        /// The port asked for, 0 for any.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
}
