//! `runbook completions SHELL`

use super::exit::{CommandError, Exit};
use super::{Cli, output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// Shell to print the script for
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "runbook", &mut script);
    output::write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Passed)
}
