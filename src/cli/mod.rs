//! The command line: one file per command.

mod advice;
mod after;
mod alert;
mod alerts;
mod approve;
mod arguments;
mod changes;
mod check;
mod completions;
mod conduct;
mod config;
mod coverage;
mod describe;
mod diff;
mod docs;
mod due;
mod exit;
mod explain;
mod fmt;
mod help;
mod history;
mod keyboard;
mod list;
mod log;
mod man;
mod misplaced;
mod network;
mod new;
mod output;
mod pager;
mod parameters;
mod pick;
mod plan;
mod prompt;
mod prune;
mod record;
mod report;
mod resume;
mod run;
mod sandbox;
mod schema;
mod show;
mod status;
mod test;
mod undo;

use exit::CommandError;

pub use exit::Exit;

use crate::config::Settings;
use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};
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
    /// Directory with runbooks, searched before ./runbooks and the built-in catalogue; can be
    /// repeated
    #[arg(long, alias = "catalog", global = true, value_name = "DIR")]
    pub(crate) catalogue: Vec<PathBuf>,
    /// When to use color
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Show only problems and the conclusion
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show more: -v expectations and outputs, -vv and -vvv debug logs
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Do not show long text page by page
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
    /// Directory for the records of runs
    #[arg(long, global = true, env = "RUNBOOK_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// What the files of the project and of the user say.
    #[arg(skip)]
    pub(crate) settings: Settings,
}

/// When to use color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// In a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How the result of a command without a run is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultFormat {
    /// Human-readable text
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// How a run is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Human-readable text
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON event per line, as it happens
    Jsonl,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a runbook
    Run(run::RunArguments),
    /// Run the runbooks that answer an alert, with its labels as parameters
    Alert(alert::AlertArguments),
    /// List the alerts that runbooks answer
    Alerts(alerts::AlertsArguments),
    /// Resume an interrupted run
    Resume(resume::ResumeArguments),
    /// Show what a run has done, what is in doubt, and what remains
    Status(status::StatusArguments),
    /// Approve the step that a paused run is waiting for
    Approve(approve::ApproveArguments),
    /// Undo the changes of a run
    Undo(undo::UndoArguments),
    /// Test runbooks on simulated clusters
    Test(test::TestArguments),
    /// List the rows of the source documents and the runbooks that cover them
    Coverage(coverage::CoverageArguments),
    /// Write a new runbook with its rehearsal and a world in which they pass
    New(new::NewArguments),
    /// Check runbooks without running them
    Check(check::CheckArguments),
    /// Format runbooks, and replace long forms with short ones
    Fmt(fmt::FmtArguments),
    /// Show what a run would do, without a cluster
    Plan(plan::PlanArguments),
    /// List the runbooks of the catalogue
    List(list::ListArguments),
    /// Explain a verb, a cause, a field, or the code of a diagnostic
    Explain(explain::ExplainArguments),
    /// Print the JSON Schema of runbooks or rehearsal files, for editors
    Schema(schema::SchemaArguments),
    /// Describe a runbook
    Describe(describe::DescribeArguments),
    /// Render runbooks as pages for people, with the commands to type by hand
    Docs(docs::DocsArguments),
    /// Show the settings that are in effect, and where each comes from
    Config(config::ConfigArguments),
    /// List earlier runs
    History(history::HistoryArguments),
    /// Show the full record of an earlier run
    Show(show::ShowArguments),
    /// Show the steps of a run, or follow one that is in progress
    Log(log::LogArguments),
    /// Compare two runs
    Diff(diff::DiffArguments),
    /// Remove the records of old runs, except those that are still needed
    Prune(prune::PruneArguments),
    /// Render an earlier run as a report for CI, a ticket or a program
    Report(report::ReportArguments),
    /// Draw which workloads can reach each other
    Network(network::NetworkArguments),
    /// Record a live system as a world of the simulated cluster
    Record(record::RecordArguments),
    /// Manage the simulated cluster
    Sandbox(sandbox::SandboxArguments),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArguments),
    /// Print the manual page of the program, or write those of all commands
    #[command(hide = true)]
    Man(man::ManArguments),
}

impl Command {
    /// Whether it does something that settings can change: the others work whatever they say.
    fn has_settings(&self) -> bool {
        !matches!(self, Self::Schema(_) | Self::Explain(_) | Self::Completions(_) | Self::Man(_))
    }
}

/// Whether these words ask for JSON: what they ask it of may not be known.
fn wants_document(words: &[String]) -> bool {
    let value = |word: &String, next: Option<&String>| -> bool {
        let json = |text: &str| matches!(text, "json" | "jsonl");
        let option = ["--output", "--format", "-o"];
        match option.iter().find_map(|option| word.strip_prefix(option)) {
            Some("") => next.is_some_and(|next| json(next)),
            Some(rest) => json(rest.strip_prefix('=').unwrap_or(rest)),
            None => false,
        }
    };
    let words = words.iter().take_while(|word| *word != "--").collect::<Vec<_>>();
    words.iter().enumerate().any(|(at, word)| value(word, words.get(at + 1).copied()))
}

/// Parses the command line and carries it out.
pub fn main() -> Exit {
    completions::answer();
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let parsed = help::command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            if !error.use_stderr() {
                return Exit::Passed;
            }
            let hint = misplaced::meant(&error, &words);
            hint.iter().for_each(|hint| output::hint(hint));
            if wants_document(&words) {
                let said = error.render().to_string();
                let said = said.split("\n\n").next().unwrap_or_default();
                let said = said.trim_start_matches("error: ").split_whitespace();
                let error = said.collect::<Vec<_>>().join(" ");
                let hints: Vec<String> = hint.into_iter().collect();
                exit::error_document(Exit::Usage, &[error], &hints, Vec::new());
            }
            return Exit::Usage;
        }
    };
    output::set_color(cli.global.color);
    let Cli { mut global, command } = cli;
    let configured = global.configure(&command);
    let result = configured.and_then(|()| carried_out(&global, command));
    result.unwrap_or_else(|error| error.report(&global, wants_document(&words)))
}

impl Global {
    /// Reads the settings, if the command has any.
    fn configure(&mut self, command: &Command) -> Result<(), CommandError> {
        if command.has_settings() {
            self.settings = config::settings()?;
        }
        Ok(())
    }
}

/// Carries a command out.
fn carried_out(global: &Global, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Run(arguments) => run::run(global, arguments),
        Command::Alert(arguments) => alert::alert(global, arguments),
        Command::Alerts(arguments) => alerts::alerts(global, &arguments),
        Command::Resume(arguments) => resume::resume(global, arguments),
        Command::Status(arguments) => status::status(global, &arguments),
        Command::Approve(arguments) => approve::approve(global, &arguments),
        Command::Undo(arguments) => undo::undo(global, arguments),
        Command::Test(arguments) => test::test(global, &arguments),
        Command::Coverage(arguments) => coverage::coverage(global, &arguments),
        Command::New(arguments) => new::new(global, &arguments),
        Command::Check(arguments) => check::check(global, &arguments),
        Command::Fmt(arguments) => fmt::fmt(global, &arguments),
        Command::Plan(arguments) => plan::plan(global, arguments),
        Command::List(arguments) => list::list(global, &arguments),
        Command::Explain(arguments) => explain::explain(global, &arguments),
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Describe(arguments) => describe::describe(global, &arguments),
        Command::Docs(arguments) => docs::docs(global, &arguments),
        Command::History(arguments) => history::history(global, &arguments),
        Command::Show(arguments) => show::show(global, &arguments),
        Command::Log(arguments) => log::log(global, &arguments),
        Command::Diff(arguments) => diff::diff(global, &arguments),
        Command::Prune(arguments) => prune::prune(global, &arguments),
        Command::Report(arguments) => report::report(global, &arguments),
        Command::Network(arguments) => network::network(global, &arguments),
        Command::Record(arguments) => record::record(global, &arguments),
        Command::Sandbox(arguments) => sandbox::sandbox(global, &arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
        Command::Config(arguments) => config::config(global, &arguments),
    }
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
