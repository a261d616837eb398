//! Arguments and commands; one file per command.

mod approve;
mod changes;
mod check;
mod completions;
mod describe;
mod exit;
mod history;
mod list;
mod network;
mod output;
mod plan;
mod prompt;
mod records;
mod report;
mod resume;
mod run;
mod sandbox;
mod session;
mod show;
mod status;
mod target;
mod trust;
mod undo;

pub use exit::Exit;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Executes operations runbooks: checked, resumable procedures for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "runbook", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Folder with runbooks, before ./runbooks and the embedded catalogue; may be given several
    /// times
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) catalogue: Vec<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Show only what is not well, and the conclusion
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show more: -v expectations and outputs, -vv and -vvv what the program does
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Folder of the records of runs
    #[arg(long, global = true, env = "RUNBOOK_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON event a line, as it happens
    Jsonl,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a runbook
    Run(run::RunArguments),
    /// Go on with a run that was interrupted
    Resume(resume::ResumeArguments),
    /// Say what is done, in doubt and left of a run
    Status(status::StatusArguments),
    /// Allow the step that a paused run waits with
    Approve(approve::ApproveArguments),
    /// Take back what a run changed
    Undo(undo::UndoArguments),
    /// Check runbooks without running them
    Check(check::CheckArguments),
    /// Show what a run would do, without a cluster
    Plan(plan::PlanArguments),
    /// List the runbooks of the catalogue
    List(list::ListArguments),
    /// Explain a runbook
    Describe(describe::DescribeArguments),
    /// List earlier runs
    History(history::HistoryArguments),
    /// Show an earlier run in full
    Show(show::ShowArguments),
    /// Render an earlier run: for CI, for a ticket, for a program
    Report(report::ReportArguments),
    /// Pictures of who may reach whom
    Network(network::NetworkArguments),
    /// The simulated cluster
    Sandbox(sandbox::SandboxArguments),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArguments),
}

/// What was meant by a value that follows `--sandbox` without an equals sign.
fn without_equals(error: &clap::Error, words: &[String]) -> Option<String> {
    let after = words.iter().position(|word| word == "--sandbox").and_then(|at| words.get(at + 1));
    let value = after.filter(|value| !value.starts_with('-'))?;
    (error.kind() == clap::error::ErrorKind::UnknownArgument)
        .then(|| format!("A value of --sandbox follows an equals sign: --sandbox={value}"))
}

/// Parses the command line and carries it out.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Passed };
            drop(error.print());
            let words: Vec<String> = std::env::args().collect();
            if let Some(hint) = without_equals(&error, &words) {
                output::hint(&hint);
            }
            return code;
        }
    };
    output::set_color(cli.global.color);
    let global = &cli.global;
    let result = match cli.command {
        Command::Run(arguments) => run::run(global, arguments),
        Command::Resume(arguments) => resume::resume(global, arguments),
        Command::Status(arguments) => status::status(global, &arguments),
        Command::Approve(arguments) => approve::approve(global, &arguments),
        Command::Undo(arguments) => undo::undo(global, arguments),
        Command::Check(arguments) => check::check(global, &arguments),
        Command::Plan(arguments) => plan::plan(global, arguments),
        Command::List(arguments) => list::list(global, &arguments),
        Command::Describe(arguments) => describe::describe(global, &arguments),
        Command::History(arguments) => history::history(global, &arguments),
        Command::Show(arguments) => show::show(global, &arguments),
        Command::Report(arguments) => report::report(global, &arguments),
        Command::Network(arguments) => network::network(global, &arguments),
        Command::Sandbox(arguments) => sandbox::sandbox(global, &arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
    };
    result.unwrap_or_else(|error| error.report(global))
}

/// The arguments of the command line, for tests of its definition.
#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
