//! What `--help` shows: the commands in groups, and examples.

use super::Cli;
use clap::builder::styling::Style;
use clap::builder::{StyledStr, Styles};
use clap::{Command, CommandFactory};
use std::fmt::Write;
use std::path::Path;

/// The commands by what they are for, in the order of use.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run", &["run", "plan", "alert", "alerts"]),
    ("Continue and undo", &["status", "resume", "approve", "undo"]),
    ("Earlier runs", &["history", "show", "log", "diff", "report", "prune"]),
    ("Find and read", &["list", "describe", "docs", "explain", "coverage"]),
    ("Write and test", &["new", "check", "fmt", "test", "record", "sandbox", "schema"]),
    ("Look at a cluster", &["network"]),
    ("Shell", &["config", "completions", "help"]),
];

/// Examples of a command, each with what it does; those of no command are of all.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("runbook run kubernetes/triage -n shop", "what is wrong in a namespace, and why"),
            ("runbook run kubernetes/triage --sandbox", "the same, without a cluster"),
            ("runbook list kubernetes/", "the runbooks for every cluster"),
        ],
    ),
    (
        "run",
        &[
            ("runbook run kubernetes/triage -n shop", "in a namespace of the current context"),
            ("runbook run kubernetes/restart --set target=deployment/web --dry-run", "preview"),
            (
                "runbook run runbooks/shop/web.yaml --sandbox=shop/degraded",
                "on a simulated cluster",
            ),
            ("runbook run shop/web --only look/pods", "a part of it"),
            ("runbook run shop/web --yes --report junit=web.xml", "in CI"),
        ],
    ),
    (
        "plan",
        &[
            ("runbook plan kubernetes/triage", "steps, kubectl commands, permissions"),
            ("runbook plan kubernetes/triage -n shop --rbac", "the Role that the run needs"),
        ],
    ),
    (
        "resume",
        &[
            ("runbook resume LEADER42", "continue after Ctrl-C, a crash or a pause"),
            (
                "runbook resume LEADER42 --mark-done restart --reason 'done by hand'",
                "what a person did meanwhile",
            ),
        ],
    ),
    ("undo", &[("runbook undo LEADER42 --dry-run", "what would be reverted")]),
    (
        "docs",
        &[
            ("runbook docs kubernetes/restart", "as Markdown, on stdout"),
            ("runbook docs --dir pages -o html", "the whole catalogue with an index"),
        ],
    ),
    (
        "test",
        &[
            ("runbook test", "all cases of your runbooks"),
            ("runbook test shop/web -v --coverage", "of one runbook, with what no case reaches"),
        ],
    ),
    (
        "completions",
        &[
            ("source <(runbook completions bash)", "in ~/.bashrc"),
            ("source <(runbook completions zsh)", "in ~/.zshrc, after compinit"),
            ("runbook completions fish | source", "in ~/.config/fish/config.fish"),
        ],
    ),
];

/// The name that the program is called by, if kubectl has found it as a plugin.
const PLUGIN: &str = "kubectl-runbook";

/// The definition of the command line, as this process was called.
pub(super) fn command() -> Command {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called).file_stem().unwrap_or_default().to_owned();
    let command = command_with_help();
    if called == PLUGIN { command.bin_name("kubectl runbook") } else { command }
}

/// The definition without groups and styles, for what draws its own.
pub(super) fn plain() -> Command {
    Cli::command().mut_subcommands(|inner| {
        let examples = plain_examples(inner.get_name());
        if examples.is_empty() { inner } else { inner.after_help(examples) }
    })
}

fn command_with_help() -> Command {
    let command = Cli::command();
    let groups = groups(&command);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n{}\n{{options}}{{after-help}}",
        heading("Options:")
    );
    let command = command.help_template(StyledStr::from(template)).after_help(examples(""));
    command.mut_subcommands(|inner| {
        let examples = examples(inner.get_name());
        if examples.is_empty() { inner } else { inner.after_help(examples) }
    })
}

/// Every group with its commands.
fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(text, "\n{}", heading(&format!("{group}:")));
        for name in *names {
            let about = match command.find_subcommand(name).and_then(Command::get_about) {
                Some(about) => about.to_string(),
                None => "Print this help, or that of a command".to_owned(),
            };
            let _ = writeln!(text, "  {BOLD}{name}{BOLD:#}{:1$}{about}", "", 13 - name.len());
        }
    }
    text
}

fn examples(command: &str) -> String {
    match plain_examples(command) {
        text if text.is_empty() => text,
        text => text.replacen("Examples:", &heading("Examples:"), 1),
    }
}

fn plain_examples(command: &str) -> String {
    let mut text = String::new();
    let found = EXAMPLES.iter().filter(|(of, _)| *of == command);
    for (line, about) in found.flat_map(|(_, examples)| *examples) {
        let _ = write!(text, "\n  {line}\n      {about}");
    }
    if text.is_empty() { text } else { format!("Examples:{text}") }
}

const BOLD: Style = Style::new().bold();

fn heading(text: &str) -> String {
    let style = Styles::styled();
    let style = style.get_header();
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_is_in_one_group() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let unique: BTreeSet<&str> = grouped.iter().copied().collect();
        assert_eq!(unique.len(), grouped.len());
        let command = Cli::command();
        let mut all: BTreeSet<&str> = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(Command::get_name)
            .collect();
        all.insert("help");
        assert_eq!(unique, all);
    }

    #[test]
    fn the_examples_are_ones_that_the_program_takes() {
        for (of, examples) in EXAMPLES {
            for (line, _) in *examples {
                let line = line.trim_start_matches("source <(").trim_end_matches(')');
                let line = line.split(" | ").next().unwrap();
                let words = shlex::split(line).unwrap();
                let parsed = command_with_help().try_get_matches_from(words);
                let parsed = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(of.is_empty() || parsed.subcommand_name() == Some(of), "{line}");
            }
        }
    }
}
