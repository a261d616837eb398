//! `runbook check [PATH…]`

use super::exit::{CommandError, Exit, faults};
use super::target::{catalogue, load};
use super::{Format, Global, output};
use crate::diagnostic::{Diagnostic, to_json};
use crate::document;
use clap::Args;
use serde_json::json;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Errors that are written out as data; of the rest only the number.
const MOST_SHOWN: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Files, folders or names; the whole catalogue if none is given
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn check(global: &Global, arguments: &CheckArguments) -> Result<Exit, CommandError> {
    let catalogue = catalogue(global);
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
        match load(&catalogue, name) {
            Ok((own, loaded)) => {
                warnings.extend(loaded.get(&own).into_iter().flat_map(|own| own.warnings()));
            }
            Err(error) => {
                let found = faults(&error);
                if found.is_empty() {
                    return Err(error.into());
                }
                wrong += 1;
                all.extend(
                    found.iter().filter(|diagnostic| seen.insert(identity(diagnostic))).cloned(),
                );
            }
        }
    }
    match arguments.output {
        Format::Text => {
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
        Format::Json | Format::Jsonl => {
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
