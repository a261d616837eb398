//! Why a sandbox does not start.

/// Why a sandbox does not start.
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
    /// The data of the world is wrong.
    #[error("the sandbox cannot use {file}: {reason}")]
    World {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The port cannot be opened.
    #[error(
        "the sandbox cannot listen on 127.0.0.1:{port}: {source}; choose another port, or none"
    )]
    Listen {
        /// The port asked for, 0 for any.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
}
