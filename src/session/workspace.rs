//! What runs need of this machine.

use super::Protected;
use crate::document::{Catalogue, Root};
use crate::engine::Clock;
use crate::event::Record;
use crate::journal::Durability;
use crate::sandbox::Worlds;
use crate::state::RunState;
use std::path::PathBuf;
use std::time::Duration;

/// Where records are kept and runbooks are found, and what this machine says of itself. Nothing is
/// global: sessions of several workspaces can stand beside each other.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Folder of the records of runs.
    pub state_dir: PathBuf,
    /// Folders with runbooks, strongest first; those of the program come last by themselves.
    pub roots: Vec<Root>,
    /// Options that say where runbooks are, as `--catalogue ops`: a following command repeats them.
    pub catalogue_options: Vec<String>,
    /// The runbooks of the program that are offered, as names or folders; all if none.
    pub builtin: Option<Vec<String>>,
    /// The catalogue, if it was read already; that of the folders as they are now if not.
    pub read: Option<Catalogue>,
    /// Where times come from.
    pub clock: Clock,
    /// Whether each record is on the disk before what it tells of is done.
    pub durability: Durability,
    /// Name of this machine, for the records.
    pub host: String,
    /// The working directory, for the records: where the runbooks beside it are found again.
    pub directory: Option<String>,
    /// The environment, of which programs that steps start get the harmless part.
    pub environment: Vec<(String, String)>,
    /// Draws a run as a page, for the archives that runs make; none if nobody draws.
    pub page: Option<Draw>,
    /// Namespace of runbooks that leave it to the context, on a real cluster.
    pub namespace: Option<String>,
    /// How long a run may take that does not say it.
    pub timeout: Option<Duration>,
    /// Contexts in which nothing is changed unless they are named.
    pub protected: Vec<Protected>,
}

/// Draws a run as a page of HTML, from its records and what they come to.
pub(super) type Draw = fn(&[Record], &RunState) -> String;

impl Workspace {
    /// This machine with its clock, name and environment, and the runbooks of the program alone.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            state_dir: state_dir.into(),
            roots: Vec::new(),
            catalogue_options: Vec::new(),
            builtin: None,
            read: None,
            clock: Clock::System,
            durability: Durability::Synced,
            host: host_name(),
            directory: std::env::current_dir().ok().map(|path| path.display().to_string()),
            environment: std::env::vars_os().filter_map(text).collect(),
            page: None,
            namespace: None,
            timeout: None,
            protected: Vec::new(),
        }
    }

    /// The catalogue of its folders.
    pub fn catalogue(&self) -> Catalogue {
        let read = || Catalogue::new(&self.roots).offering(self.builtin.as_deref());
        self.read.clone().unwrap_or_else(read)
    }

    /// The worlds of simulated clusters beside its folders, then those of the program.
    pub fn worlds(&self) -> Worlds {
        let folders: Vec<PathBuf> = self.roots.iter().map(|root| root.folder.clone()).collect();
        Worlds::new(&folders)
    }

    /// The user of this system, for where no cluster says who it is: `user@host`. It is the system
    /// that says so, not the environment.
    pub fn local_user(&self) -> String {
        let uid = rustix::process::getuid().as_raw();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        };
        let user = users.lines().find_map(named).unwrap_or_else(|| format!("uid {uid}"));
        format!("{user}@{}", self.host)
    }
}

/// The name of this machine.
pub fn host_name() -> String {
    let file = std::fs::read_to_string("/etc/hostname").map(|name| name.trim().to_owned());
    file.ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
