//! `runbook new NAME`

use super::arguments::{catalogue, folders};
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::document::{Catalogue, Origin};
use crate::sandbox::Worlds;
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct NewArguments {
    /// Name of the runbook: `shop/health` becomes runbooks/shop/health.yaml
    name: String,
}

/// What is written, by place: `runbooks` or `worlds` and the path in it.
const WORLD: [(&str, &str); 4] = [
    ("world.yaml", include_str!("new/world.yaml")),
    ("manifests/web.yaml", include_str!("new/manifests.yaml")),
    ("applications.yaml", include_str!("new/applications.yaml")),
    ("scenarios/degraded.yaml", include_str!("new/scenario.yaml")),
];
const RUNBOOK: &str = include_str!("new/runbook.yaml");
const REHEARSAL: &str = include_str!("new/rehearsal.yaml");

/// Writes a runbook with its rehearsal, and a world in which they pass. Nothing is overwritten.
pub(super) fn new(global: &Global, arguments: &NewArguments) -> Result<Exit, CommandError> {
    let name = checked(&arguments.name, &catalogue(global))?;
    let roots: Vec<PathBuf> = folders(global).into_iter().map(|root| root.folder).collect();
    let folder = roots.first().cloned().unwrap_or_else(|| PathBuf::from("runbooks"));
    let beside = folder.parent().map_or_else(|| PathBuf::from("worlds"), |up| up.join("worlds"));
    let world = free_world(name, &beside, &Worlds::new(&roots));
    let fill = |text: &str| text.replace("NAME", name).replace("WORLD", &world);
    let mut files = vec![
        (folder.join(format!("{name}.yaml")), fill(RUNBOOK)),
        (folder.join(format!("{name}.test.yaml")), fill(REHEARSAL)),
    ];
    files.extend(WORLD.map(|(file, text)| (beside.join(&world).join(file), fill(text))));
    if let Some((taken, _)) = files.iter().find(|(file, _)| file.symlink_metadata().is_ok()) {
        return Err(CommandError::Usage(format!(
            "{} exists; nothing was written: choose another name",
            taken.display()
        )));
    }
    for (file, text) in &files {
        create(file, text)?;
        output::write(&format!("created {}\n", file.display()))?;
    }
    let catalogue: String = global
        .catalogue
        .first()
        .map(|_| format!(" --catalogue {}", folder.display()))
        .unwrap_or_default();
    output::hint(&format!("Next: runbook check {}", files[0].0.display()));
    for next in [
        format!("runbook test {name} -v{catalogue}"),
        format!("runbook run {name} --sandbox{catalogue}"),
        format!("runbook run {name} --dry-run -n NAMESPACE --set app=NAME{catalogue}"),
    ] {
        output::hint(&format!("      {next}"));
    }
    Ok(Exit::Passed)
}

/// A name that a runbook can have, and that none has.
fn checked<'a>(name: &'a str, catalogue: &Catalogue) -> Result<&'a str, CommandError> {
    let bare = [".test.yaml", ".yaml", ".yml"].iter().find_map(|end| name.strip_suffix(end));
    let name = bare.unwrap_or(name);
    let name = name.strip_prefix("runbooks/").unwrap_or(name);
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    if name.len() > 100 || !name.split('/').all(is_part) {
        return Err(CommandError::Usage(format!(
            "`{name}` is no name of a runbook: use letters, digits, `-` and `_`, and `/` between \
                folders, such as shop/health"
        )));
    }
    let taken = catalogue.entry(name);
    match taken.map(|listed| listed.head().map(|head| head.origin)) {
        None => Ok(name),
        Some(Ok(Origin::Embedded)) => Err(CommandError::Usage(format!(
            "`{name}` is a built-in runbook, which this one would override: choose another name"
        ))),
        Some(_) => Err(CommandError::Usage(format!(
            "the runbook `{name}` exists; nothing was written: choose another name"
        ))),
    }
}

/// The name of a world that is not there: that of the folder of the runbook, or of the runbook.
fn free_world(name: &str, folder: &Path, worlds: &Worlds) -> String {
    let words: Vec<String> =
        name.split('/').map(|part| part.to_lowercase().replace('_', "-")).collect();
    let whole = words.join("-");
    let numbered = (2..).map(|number| format!("{whole}-{number}"));
    let is_free = |world: &String| {
        !worlds.list().any(|listed| listed.name == *world) && !folder.join(world).exists()
    };
    let first = words.first().cloned().unwrap_or_default();
    [first, whole.clone()].into_iter().chain(numbered).find(is_free).unwrap_or(whole)
}

/// Writes a file that is not there.
fn create(file: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::Usage(format!("cannot write {}: {error}", file.display()))
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
