//! `runbook config`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::history::in_days;
use super::{Global, ResultFormat, output, pager};
use crate::config::{Found, Given, Settings, load, project_file, user_file};
use crate::document::CatalogueError;
use crate::notify::{Channel, Occasion};
use crate::report::wrap;
use crate::secret::Masker;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct ConfigArguments {
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

/// What the files say that count in this directory.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn settings() -> Result<Settings, CommandError> {
    let Files { project, user } = Files::here();
    load(&project, user.as_deref())
        .map_err(|diagnostics| CatalogueError::Invalid { diagnostics }.into())
}

/// The files that count in this directory.
struct Files {
    project: Found,
    user: Option<PathBuf>,
}

impl Files {
    fn here() -> Self {
        let home = etcetera::home_dir().ok();
        let working = env::current_dir();
        let project = working.map(|folder| project_file(&folder, home.as_deref()));
        Self { project: project.unwrap_or_default(), user: user_file() }
    }

    fn rows(&self) -> [(&'static str, Option<&Path>, FileState); 2] {
        let (project, state) = match &self.project {
            Found::File(path) => (Some(path.as_path()), FileState::Read),
            Found::Foreign(path) => (Some(path.as_path()), FileState::Foreign),
            Found::None => (None, FileState::Absent),
        };
        let user = self.user.as_deref();
        let is_there = user.is_some_and(Path::exists);
        let of_user = if is_there { FileState::Read } else { FileState::Absent };
        [("project", project, state), ("user", user, of_user)]
    }
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileState {
    Read,
    Absent,
    Foreign,
}

impl FileState {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Absent => "absent",
            Self::Foreign => "foreign",
        }
    }
}

/// Where a setting comes from.
enum From {
    CommandLine(&'static str),
    Environment(&'static str),
    File(crate::config::Source),
    BuiltIn,
}

impl From {
    fn word(&self) -> &'static str {
        match self {
            Self::CommandLine(_) => "command_line",
            Self::Environment(_) => "environment",
            Self::File(source) if source.of_user => "user",
            Self::File(_) => "project",
            Self::BuiltIn => "built_in",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::CommandLine(option) => (*option).to_owned(),
            Self::Environment(variable) => (*variable).to_owned(),
            Self::File(source) => format!("{} file, line {}", self.word(), source.line),
            Self::BuiltIn => "built in".to_owned(),
        }
    }
}

/// A setting, or one item of a setting that is a list.
struct Row {
    name: &'static str,
    value: Option<String>,
    /// What is said if there is no value.
    absent: &'static str,
    from: From,
}

pub(super) fn config(global: &Global, arguments: &ConfigArguments) -> Result<Exit, CommandError> {
    let files = Files::here();
    let rows = rows(global)?;
    let masker = Masker::new();
    match arguments.output {
        ResultFormat::Text => {
            let text = text(&files, &rows, output::look(global).width);
            pager::write(global, &masker.clean(&text))?;
        }
        ResultFormat::Json => {
            let mut document = document(&files, &rows);
            masker.mask_value(&mut document);
            output::json(&document)?;
        }
    }
    Ok(Exit::Passed)
}

/// A setting from its sources, strongest first.
fn first(name: &'static str, absent: &'static str, sources: [Option<(String, From)>; 3]) -> Row {
    match sources.into_iter().flatten().next() {
        Some((value, from)) => Row { name, value: Some(value), absent, from },
        None => Row { name, value: None, absent, from: From::BuiltIn },
    }
}

/// A variable of the environment, if it says something.
fn variable(name: &'static str) -> Option<(String, From)> {
    let value = env::var(name).ok().filter(|value| !value.is_empty())?;
    Some((value, From::Environment(name)))
}

fn file<T>(given: Option<&Given<T>>, text: impl Fn(&T) -> String) -> Option<(String, From)> {
    given.map(|one| (text(&one.value), From::File(one.source.clone())))
}

fn rows(global: &Global) -> Result<Vec<Row>, CommandError> {
    let of = &global.settings;
    let text = |value: &String| value.clone();
    let age = |age: &std::time::Duration| in_days(*age);
    let mut rows = catalogues(global);
    let builtin = |names: &Vec<String>| match names.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    rows.push(first("builtin", "all", [file(of.builtin.as_ref(), builtin), None, None]));
    rows.push(records(global)?);
    let less = Some(("less".to_owned(), From::BuiltIn));
    let own = file(of.pager.as_ref(), text).or_else(|| variable("PAGER"));
    let pager = if global.no_pager {
        [Some((String::new(), From::CommandLine("--no-pager"))), None, None]
    } else {
        let set = env::var("RUNBOOK_PAGER").ok();
        [set.map(|value| (value, From::Environment("RUNBOOK_PAGER"))), own, less]
    };
    rows.push(first("pager", "none", pager));
    let namespace = [file(of.namespace.as_ref(), text), None, None];
    rows.push(first("defaults.namespace", "that of the context", namespace));
    rows.push(first("defaults.timeout", "none", [file(of.timeout.as_ref(), age), None, None]));
    for (name, known, given) in [
        ("defaults.prometheus", "RUNBOOK_PROMETHEUS", &of.prometheus),
        ("defaults.prometheus_namespace", "RUNBOOK_PROMETHEUS_NAMESPACE", &of.prometheus_namespace),
    ] {
        rows.push(first(name, "none", [variable(known), file(given.as_ref(), text), None]));
    }
    rows.extend(list("contexts.protected", &of.protected, text));
    rows.extend(channels(of));
    let on =
        |on: &Occasion| on.to_possible_value().map_or_else(String::new, |it| it.get_name().into());
    let on = [variable("RUNBOOK_NOTIFY_ON"), file(of.notify_on.as_ref(), on), None];
    rows.push(first("notify.on", "always", on));
    let keep = file(of.keep.as_ref(), usize::to_string);
    rows.push(first("retention.keep", "none", [keep, None, None]));
    let older = file(of.older_than.as_ref(), age);
    rows.push(first("retention.older_than", "none", [older, None, None]));
    Ok(rows)
}

/// The items of a list, or that it has none.
fn list<T>(name: &'static str, given: &[Given<T>], text: impl Fn(&T) -> String) -> Vec<Row> {
    if given.is_empty() {
        return vec![first(name, "none", [None, None, None])];
    }
    given.iter().map(|one| first(name, "none", [file(Some(one), &text), None, None])).collect()
}

/// The folders of the catalogue, strongest first.
fn catalogues(global: &Global) -> Vec<Row> {
    let row = |value: &Path, from| Row {
        name: "catalogues",
        value: Some(value.display().to_string()),
        absent: "none",
        from,
    };
    let path = env::var_os("RUNBOOK_PATH").unwrap_or_default();
    let typed = global.catalogue.iter().map(|path| row(path, From::CommandLine("--catalogue")));
    let environment = env::split_paths(&path)
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| row(&path, From::Environment("RUNBOOK_PATH")));
    let given = global.settings.catalogues.iter();
    let files = given.map(|one| row(&one.value, From::File(one.source.clone())));
    let usual = Path::new("runbooks");
    let is_given = global.settings.catalogues.iter().any(|one| one.value == usual);
    let own = (!is_given).then(|| row(usual, From::BuiltIn));
    typed.chain(environment).chain(files).chain(own).collect()
}

/// The directory of the records.
fn records(global: &Global) -> Result<Row, CommandError> {
    let value = state_dir(global)?;
    let of_environment = env::var_os("RUNBOOK_STATE_DIR").map(PathBuf::from);
    let from = match (&global.state_dir, &global.settings.state_dir) {
        (Some(_), _) if of_environment == global.state_dir => {
            From::Environment("RUNBOOK_STATE_DIR")
        }
        (Some(_), _) => From::CommandLine("--state-dir"),
        (None, Some(given)) => From::File(given.source.clone()),
        (None, None) => From::BuiltIn,
    };
    Ok(Row { name: "state_dir", value: Some(value.display().to_string()), absent: "none", from })
}

/// Where messages go, without what is secret of it.
fn channels(settings: &Settings) -> Vec<Row> {
    let Some((text, _)) = variable("RUNBOOK_NOTIFY") else {
        return list("notify.channels", &settings.channels, Channel::to_string);
    };
    let shown = |word: &str| {
        word.parse::<Channel>().map_or_else(|_| "not a channel".to_owned(), |one| one.to_string())
    };
    let row = |word: &str| {
        let value = Some((shown(word), From::Environment("RUNBOOK_NOTIFY")));
        first("notify.channels", "none", [value, None, None])
    };
    text.split(' ').filter(|word| !word.is_empty()).map(row).collect()
}

fn document(files: &Files, rows: &[Row]) -> Value {
    let file = |(whose, path, state): (&str, Option<&Path>, FileState)| json!({"of": whose, "path": path, "state": state.word()});
    let row = |row: &Row| {
        let (file, line) = match &row.from {
            From::File(source) => (Some(&source.file), Some(source.line)),
            From::CommandLine(_) | From::Environment(_) | From::BuiltIn => (None, None),
        };
        let name = match row.from {
            From::CommandLine(name) | From::Environment(name) => Some(name),
            From::File(_) | From::BuiltIn => None,
        };
        json!({"setting": row.name, "value": row.value, "from": row.from.word(), "name": name,
            "file": file, "line": line})
    };
    json!({"schema": "runbook.config/v1",
        "files": files.rows().into_iter().map(file).collect::<Vec<_>>(),
        "settings": rows.iter().map(row).collect::<Vec<_>>()})
}

fn text(files: &Files, rows: &[Row], width: usize) -> String {
    let mut text = "Files\n".to_owned();
    for (whose, path, state) in files.rows() {
        let note = match (path, state) {
            (None, _) => "none".to_owned(),
            (Some(path), FileState::Read) => path.display().to_string(),
            (Some(path), FileState::Absent) => format!("{} (does not exist)", path.display()),
            (Some(path), FileState::Foreign) => {
                format!(
                    "{} (not read: it belongs to another user, or is a link to elsewhere)",
                    path.display()
                )
            }
        };
        for (at, line) in wrap(&note, width.saturating_sub(11)).into_iter().enumerate() {
            let word = if at == 0 { whose } else { "" };
            let _ = writeln!(text, "  {word:<7}  {line}");
        }
    }
    text.push_str("\nSettings, and where they come from\n");
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let mut before = "";
    for row in rows {
        let name = if row.name == before { "" } else { row.name };
        let value = row.value.as_deref().filter(|value| !value.is_empty()).unwrap_or(row.absent);
        let from = row.from.text();
        let line = format!("  {name:<names$}  {value}  ({from})");
        if line.chars().count() <= width {
            let _ = writeln!(text, "{line}");
        } else {
            if !name.is_empty() {
                let _ = writeln!(text, "  {name}");
            }
            let both = format!("{value}  ({from})");
            let parts = if both.chars().count() <= width.saturating_sub(4) {
                vec![both]
            } else {
                vec![value.to_owned(), format!("({from})")]
            };
            for line in parts.iter().flat_map(|part| wrap(part, width.saturating_sub(4))) {
                let _ = writeln!(text, "    {line}");
            }
        }
        before = row.name;
    }
    text
}
