//! What a runbook that nobody named may do on this machine: nothing, before a person has looked at
//! it once.

use super::{SessionError, Workspace};
use crate::action::Reach;
use crate::document::{Body, Origin, Runbook};
use crate::encoding::hex;
use crate::plan::Plan;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// How much of a digest is enough to name it.
const ENOUGH: usize = 12;

/// A runbook that hides one of the program, runs something on this machine, and that nobody has
/// looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The name that it has in common with one of the program.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Digest of its text.
    pub digest: String,
    /// What it runs on this machine: what it is, with its step.
    pub runs: Vec<String>,
}

impl Untrusted {
    /// As much of the digest as names it.
    pub fn short(&self) -> &str {
        &self.digest[..ENOUGH]
    }
}

/// What of the plan nobody trusts yet: all of it that is hidden behind a known name and runs
/// something here. What `given` names is trusted from now on, each text once.
pub(super) fn untrusted(
    workspace: &Workspace,
    plan: &Plan,
    given: &[String],
) -> Result<Vec<Untrusted>, SessionError> {
    let store = Store::of(workspace);
    let given = || given.iter().map(|given| given.strip_prefix("sha256:").unwrap_or(given));
    let mut open = Vec::new();
    for runbook in plan.loaded.values().filter(|runbook| runbook.origin == Origin::Hiding) {
        let untrusted = Untrusted {
            name: runbook.name.clone(),
            file: runbook.file.clone(),
            digest: digest(runbook),
            runs: local(runbook),
        };
        if untrusted.runs.is_empty() || store.has(&untrusted.digest) {
            continue;
        }
        if given().any(|given| given.len() >= ENOUGH && untrusted.digest.starts_with(given)) {
            store.add(&untrusted)?;
        } else {
            open.push(untrusted);
        }
    }
    Ok(open)
}

/// Trusts this text from now on.
pub(super) fn trust(workspace: &Workspace, untrusted: &Untrusted) -> Result<(), SessionError> {
    Store::of(workspace).add(untrusted)
}

/// What the runbook runs on this machine.
fn local(runbook: &Runbook) -> Vec<String> {
    let of = |body: &Body| {
        let action = body.action()?;
        match action.reach() {
            Reach::Program => Some(action.manual_commands("").join("; ")),
            Reach::Url(url) => Some(format!("a request to {url}")),
            Reach::Cluster | Reach::Run | Reach::File => None,
        }
    };
    runbook
        .all_steps()
        .into_iter()
        .filter_map(|step| Some(format!("{} ({})", of(&step.body)?, step.id)))
        .collect()
}

fn digest(runbook: &Runbook) -> String {
    hex(&Sha256::digest(runbook.source.as_bytes()))
}

/// The digests that were trusted, one a line with the file that had it.
struct Store {
    file: PathBuf,
}

impl Store {
    fn of(workspace: &Workspace) -> Self {
        Self { file: workspace.state_dir.join("trusted") }
    }

    fn has(&self, digest: &str) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|text| {
            text.lines().any(|line| line.split_whitespace().next() == Some(digest))
        })
    }

    fn add(&self, untrusted: &Untrusted) -> Result<(), SessionError> {
        let folder = self.file.parent().unwrap_or(&self.file);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.file)?;
        writeln!(file, "{} {}", untrusted.digest, untrusted.file.escape_debug())?;
        Ok(file.sync_all()?)
    }
}
