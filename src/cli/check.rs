//! `runbook check [PATH…]`

use super::arguments::workspace;
use super::exit::{CommandError, Exit, faults};
use super::{Global, output};
use crate::diagnostic::{Diagnostic, github, sarif, to_json};
use crate::document::{self, Catalogue, CatalogueError, Rehearsal, Runbook};
use crate::reference;
use crate::sandbox::Worlds;
use crate::session::load;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Errors that are written out as data; of the rest only the number.
const MOST_SHOWN: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Files, directories or names of runbooks; defaults to the whole catalogue
    paths: Vec<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: CheckFormat,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// Human-readable text
    #[default]
    Text,
    /// One JSON document
    #[value(alias = "jsonl")]
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

pub(super) fn check(global: &Global, arguments: &CheckArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let (catalogue, worlds) = (workspace.catalogue(), workspace.worlds());
    let names: Vec<String> = if arguments.paths.is_empty() {
        catalogue.list().map(|listed| listed.name.clone()).collect()
    } else {
        let mut names = Vec::new();
        for path in &arguments.paths {
            collect(path, &mut names)?;
        }
        names
    };
    let (mut all, mut warnings): (Vec<Diagnostic>, Vec<Diagnostic>) = (Vec::new(), Vec::new());
    let (mut wrong, mut seen) = (0, HashSet::new());
    for name in &names {
        let found = match load(&catalogue, name) {
            Ok((name, loaded)) => {
                let own = loaded.get(&name);
                warnings.extend(own.into_iter().flat_map(|own| own.warnings()));
                let mut found: Vec<Diagnostic> =
                    own.and_then(|own| unknown_scenario(own, &worlds)).into_iter().collect();
                if let Some(error) = own.and_then(|own| of_suite(&catalogue, own)) {
                    found.extend(faults(&error).iter().cloned());
                }
                found
            }
            Err(error) if faults(&error).is_empty() => return Err(error.into()),
            Err(error) => faults(&error).to_vec(),
        };
        wrong += usize::from(!found.is_empty());
        all.extend(found.into_iter().filter(|diagnostic| seen.insert(identity(diagnostic))));
    }
    match arguments.output {
        CheckFormat::Text => {
            output::diagnostics(global, &all, "error");
            output::diagnostics(global, &warnings, "warning");
            if all.is_empty() {
                let warned = match warnings.len() {
                    0 => String::new(),
                    some => format!(", {}", plural(some, "warning")),
                };
                let checked = plural(names.len(), "runbook");
                output::write(&format!("{checked} checked, no errors{warned}\n"))?;
            } else {
                output::error(&format!(
                    "{} in {wrong} of {}",
                    plural(all.len(), "error"),
                    plural(names.len(), "runbook")
                ));
            }
        }
        CheckFormat::Github => output::write(&github(&[all.as_slice(), &warnings].concat()))?,
        CheckFormat::Sarif => {
            let both = [all.as_slice(), &warnings].concat();
            output::write(&format!("{:#}\n", sarif(&both, &reference::code)))?;
        }
        CheckFormat::Json => {
            let data = |all: &[Diagnostic]| -> Vec<_> {
                all.iter().take(MOST_SHOWN).map(to_json).collect()
            };
            let mut document = json!({"schema": "runbook.check/v1", "checked": names.len(),
                "errors": data(&all), "warnings": data(&warnings)});
            if all.len() > MOST_SHOWN {
                document["more"] = json!(all.len() - MOST_SHOWN);
            }
            output::write(&format!("{document:#}\n"))?;
        }
    }
    Ok(if all.is_empty() { Exit::Passed } else { Exit::Usage })
}

/// What is wrong with the rehearsal file of a runbook.
fn of_suite(catalogue: &Catalogue, runbook: &Runbook) -> Option<CatalogueError> {
    match catalogue.suite(&runbook.name)? {
        Ok(suite) => suite.fits(runbook).err(),
        Err(error) => Some(error),
    }
}

/// A scenario of the sandbox that the runbook names and no world has.
fn unknown_scenario(runbook: &Runbook, worlds: &Worlds) -> Option<Diagnostic> {
    let Rehearsal { scenario, span } = runbook.sandbox.as_ref()?;
    let error = worlds.name(scenario, None).err()?;
    let file = Some(PathBuf::from(&runbook.file));
    let diagnostic = Diagnostic::error("RB0602", error.to_string(), file, runbook.source.clone());
    Some(diagnostic.with_label(span.clone(), ""))
}

/// What makes two errors the same one.
fn identity(diagnostic: &Diagnostic) -> (Option<PathBuf>, &'static str, usize, String) {
    (
        diagnostic.file.clone(),
        diagnostic.code,
        diagnostic.labels.first().map_or(0, |label| label.range.start),
        diagnostic.message.clone(),
    )
}

/// The files under a path. What is neither a file nor a folder is taken for a name.
fn collect(path: &Path, names: &mut Vec<String>) -> Result<(), CommandError> {
    if !path.is_dir() {
        names.push(path.display().to_string());
        return Ok(());
    }
    std::fs::read_dir(path)
        .map_err(|error| CommandError::Usage(format!("cannot read {}: {error}", path.display())))?;
    names.extend(document::collect(path).iter().map(|file| file.display().to_string()));
    Ok(())
}

/// `1 error`, `2 errors`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
