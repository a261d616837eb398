//! `runbook fmt [PATH…]`

use super::arguments::folders;
use super::check::plural;
use super::exit::{CommandError, Exit, faults};
use super::{Global, output};
use crate::document::{self, FileKind};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct FmtArguments {
    /// Files or directories with runbooks; defaults to the directories of the catalogue
    paths: Vec<PathBuf>,
    /// Replace long forms with short ones
    #[arg(long)]
    upgrade: bool,
    /// Change nothing; exit with 1 if a file would be changed
    #[arg(long)]
    check: bool,
}

/// Removes spaces at the ends of lines, and with `--upgrade` the long forms.
pub(super) fn fmt(global: &Global, arguments: &FmtArguments) -> Result<Exit, CommandError> {
    let (mut changed, mut wrong) = (0, Vec::new());
    let files = files(global, &arguments.paths);
    for file in &files {
        match rewritten(file, arguments.upgrade) {
            Ok(None) => {}
            Ok(Some(text)) => {
                changed += 1;
                if arguments.check {
                    output::write(&format!("would change {}\n", file.display()))?;
                } else {
                    replace(file, &text)?;
                    output::write(&format!("changed {}\n", file.display()))?;
                }
            }
            Err(CommandError::Catalogue(error)) => wrong.extend(faults(&error).to_vec()),
            Err(error) => return Err(error),
        }
    }
    if !wrong.is_empty() {
        output::diagnostics(global, &wrong, "error");
        return Ok(Exit::Usage);
    }
    if changed == 0 {
        let all = plural(files.len(), "file");
        output::write(&format!("{all} checked, nothing to change\n"))?;
    }
    Ok(if arguments.check && changed > 0 { Exit::Failed } else { Exit::Passed })
}

/// The better text of a file; none if it has it already.
fn rewritten(file: &Path, upgrade: bool) -> Result<Option<String>, CommandError> {
    let name = file.display().to_string();
    let text = document::read(file, FileKind::RUNBOOK)
        .map_err(|error| CommandError::Usage(format!("{name} {error}")))?;
    let better = document::formatted(&name, &text, upgrade)?;
    Ok((better != text).then_some(better))
}

/// Writes a file as a whole: a process that ends meanwhile leaves the old one.
fn replace(file: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::Usage(format!("cannot write {}: {error}", file.display()))
    };
    // a link stays a link
    let file = &file.canonicalize().map_err(failed)?;
    let beside = file.with_added_extension("new");
    std::fs::write(&beside, text).map_err(failed)?;
    let permissions = std::fs::metadata(file).map_err(failed)?.permissions();
    std::fs::set_permissions(&beside, permissions).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}

fn files(global: &Global, paths: &[PathBuf]) -> Vec<PathBuf> {
    let own: Vec<PathBuf> = folders(global).into_iter().map(|root| root.folder).collect();
    let paths = if paths.is_empty() { own.as_slice() } else { paths };
    let each = paths
        .iter()
        .flat_map(|path| if path.is_dir() { document::collect(path) } else { vec![path.clone()] });
    // a folder of the catalogue need not exist
    each.filter(|path| path.exists() || !own.contains(path)).collect()
}
