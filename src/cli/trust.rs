//! What a runbook that nobody named may do on this machine: nothing, before a person has looked at
//! it once.

use super::exit::CommandError;
use super::prompt::TerminalPrompt;
use super::session::state_dir;
use super::{Global, output};
use crate::action::{Prompt, Reach};
use crate::document::{Body, Origin, Runbook};
use crate::engine::Stop;
use crate::plan::Plan;
use clap::Args;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// How much of a digest is enough to name it.
const ENOUGH: usize = 12;

#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrustArguments {
    /// Trust the runbook of this digest, which hides one of the program, to run what it runs on
    /// this machine
    #[arg(long, value_name = "DIGEST")]
    trust: Vec<String>,
    /// In a dry run, believe the runbook where it says that a command, an exec or a POST only reads
    #[arg(long)]
    pub(super) trust_reads: bool,
}

/// Lets the plan go on, if all of it that is hidden behind a known name and runs something here is
/// trusted; asks once for each text.
pub(super) fn before(
    global: &Global,
    plan: &Plan,
    arguments: &TrustArguments,
) -> Result<(), CommandError> {
    for runbook in plan.loaded.values().filter(|runbook| runbook.origin == Origin::Hiding) {
        let local = local(runbook);
        let Some(first) = local.first() else { continue };
        let digest = digest(runbook);
        let store = Store { file: state_dir(global)?.join("trusted") };
        if store.has(&digest) {
            continue;
        }
        let given =
            arguments.trust.iter().map(|given| given.strip_prefix("sha256:").unwrap_or(given));
        if given.clone().any(|given| given.len() >= ENOUGH && digest.starts_with(given))
            || asked(runbook, first, local.len(), &digest)?
        {
            store.add(&digest, runbook)?;
        }
    }
    Ok(())
}

/// Asks a person. The error says what to do where there is none, or where the answer is no.
fn asked(runbook: &Runbook, first: &str, count: usize, digest: &str) -> Result<bool, CommandError> {
    let (short, file) = (&digest[..ENOUGH], &runbook.file);
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let what = format!(
        "{file} hides the runbook {} of this program, and runs on this machine: {first}{more}",
        runbook.name
    );
    output::hint(&crate::secret::sanitize(&what));
    let prompt = TerminalPrompt { bars: output::bars(), stop: Stop::new() };
    match prompt.ask(&format!("Trust {file} as it is now (sha256:{short})?"), None) {
        Some(true) => Ok(true),
        Some(false) => Err(CommandError::Usage(format!("{file} is not trusted: nothing was run"))),
        None => Err(CommandError::Usage(format!(
            "{file} is not trusted; look at it, then run again with --trust {short}, or name its \
                folder with --catalogue"
        ))),
    }
}

/// What the runbook runs on this machine.
fn local(runbook: &Runbook) -> Vec<String> {
    let of = |body: &Body| {
        let action = body.action()?;
        match action.reach() {
            Reach::Program => Some(action.manual_commands("").join("; ")),
            Reach::Url(url) => Some(format!("a request to {url}")),
            Reach::Cluster => None,
        }
    };
    runbook
        .all_steps()
        .into_iter()
        .filter_map(|step| Some(format!("{} ({})", of(&step.body)?, step.id)))
        .collect()
}

fn digest(runbook: &Runbook) -> String {
    Sha256::digest(runbook.source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digests that were trusted, one a line with the file that had it.
struct Store {
    file: PathBuf,
}

impl Store {
    fn has(&self, digest: &str) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|text| {
            text.lines().any(|line| line.split_whitespace().next() == Some(digest))
        })
    }

    fn add(&self, digest: &str, runbook: &Runbook) -> Result<(), CommandError> {
        let folder = self.file.parent().unwrap_or(&self.file);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.file)?;
        writeln!(file, "{digest} {}", runbook.file.escape_debug())?;
        Ok(file.sync_all()?)
    }
}
