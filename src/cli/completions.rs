//! `runbook completions SHELL`, and what the scripts that it prints ask for.

mod bash;
mod candidates;
mod typed;
mod zsh;

use super::exit::{CommandError, Exit};
use super::{Cli, output};
use bash::Bash;
use candidates::Candidates;
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::env::{Elvish, Fish, Powershell, Shells};
use typed::Typed;
use zsh::Zsh;

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// Shell to print the script for
    shell: Shell,
}

/// A shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// The variable by which a script says that it wants candidates, and for which shell.
const VARIABLE: &str = "RUNBOOK_COMPLETE";

const SHELLS: Shells<'_> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let shell = arguments.shell.to_possible_value();
    let name = shell.as_ref().map_or("", |shell| shell.get_name());
    let mut script = Vec::new();
    if let Some(shell) = SHELLS.completer(name) {
        shell.write_registration(VARIABLE, "runbook", "runbook", "runbook", &mut script)?;
    }
    output::write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Passed)
}

/// Answers the script of a shell, if it is that what calls; the process ends then.
pub(super) fn answer() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let command = || Candidates::of(Typed::read()).added(Cli::command());
    CompleteEnv::with_factory(command).var(VARIABLE).completer("runbook").shells(SHELLS).complete();
}
