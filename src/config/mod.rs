//! The settings of `runbook.toml`: that of the project, found from the working directory upwards,
//! and that of the user.
//!
//! The file of a project is somebody else's input: it may say where its runbooks are and what is
//! usual there, and nothing that would weaken what protects the user or send anything elsewhere.

mod file;
mod find;
mod read;
mod settings;

pub use file::{ConfigFile, Contexts, Defaults, KeptRuns, Notify, schemas};
pub use find::{Found, project_file, user_file};
pub use settings::{Given, Settings, Source, load};

/// The name of the file.
pub const FILE_NAME: &str = "runbook.toml";
