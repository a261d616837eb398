//! What was meant by a word that the command line has no place for.

use super::help;
use crate::document::Catalogue;
use clap::error::{ContextKind, ErrorKind};

/// Options of Ansible, Argo, kubectl, Puppet and Terraform, and what does the same here.
const OPTIONS: &[(&[&str], &str)] = &[
    (
        &["-e", "--extra-vars", "-p", "--param", "--parameter", "--var", "--input"],
        "A value of a parameter follows --set: --set NAME=VALUE",
    ),
    (
        &["--check", "--diff", "--noop", "--whatif", "--what-if"],
        "A preview without changes is --dry-run",
    ),
    (&["-A", "--all-namespaces"], "A run is about one namespace: -n NAMESPACE"),
    (&["--assume-yes", "--auto-approve", "--force"], "To approve all changes in advance: --yes"),
];

/// Commands of other tools.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["lint", "validate", "verify"], "check"),
    (&["start", "exec", "execute", "apply", "play", "submit"], "run"),
    (&["ls", "get", "search"], "list"),
    (&["logs", "watch"], "log"),
    (&["continue", "retry", "restart"], "resume"),
    (&["rollback", "revert"], "undo"),
    (&["runs", "ps"], "history"),
    (&["create", "init"], "new"),
    (&["format"], "fmt"),
];

/// What was meant, as a hint.
pub(super) fn meant(error: &clap::Error, words: &[String]) -> Option<String> {
    match error.kind() {
        ErrorKind::UnknownArgument => argument(error, words),
        ErrorKind::InvalidSubcommand => {
            let word = error.get(ContextKind::InvalidSubcommand)?.to_string();
            let known = COMMANDS.iter().find(|(foreign, _)| foreign.contains(&word.as_str()));
            match known {
                Some((_, own)) => Some(format!("The command for this is: runbook {own}")),
                None => runbooks(&word),
            }
        }
        _ => None,
    }
}

/// A runbook of the program in the place of a command, by its name or the last part of it.
fn runbooks(word: &str) -> Option<String> {
    let catalogue = Catalogue::new(&[]);
    let names = catalogue.list().map(|entry| entry.name.as_str());
    let meant = names.filter(|name| *name == word || name.rsplit('/').next() == Some(word));
    let commands: Vec<String> = meant.map(|name| format!("runbook run {name}")).collect();
    (!commands.is_empty()).then(|| format!("To run a runbook: {}", commands.join(", or ")))
}

/// An option of another tool, a value that follows `--sandbox` without an equals sign, or a parameter
/// without `--set`.
fn argument(error: &clap::Error, words: &[String]) -> Option<String> {
    let after = words.iter().position(|word| word == "--sandbox").and_then(|at| words.get(at + 1));
    if let Some(value) = after.filter(|value| !value.starts_with('-')) {
        return Some(format!("A value of --sandbox follows an equals sign: --sandbox={value}"));
    }
    let word = error.get(ContextKind::InvalidArg)?.to_string();
    let option = word.split(['=', ' ']).next().unwrap_or_default();
    if let Some((_, hint)) = OPTIONS.iter().find(|(foreign, _)| foreign.contains(&option)) {
        return Some((*hint).to_owned());
    }
    let (name, _) = word.split_once('=').filter(|(name, _)| !name.starts_with('-'))?;
    let program = help::command();
    let command = program.find_subcommand(words.get(1)?)?;
    let takes_parameters = command.get_arguments().any(|argument| argument.get_id() == "set");
    // what was typed may be a secret
    takes_parameters.then(|| format!("A value of a parameter follows --set: --set {name}=VALUE"))
}
