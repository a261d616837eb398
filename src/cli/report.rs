//! `runbook report RUN`, and `--report KIND=FILE` of the commands that run: both render
//! the journal.

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Global, output, pager};
use crate::engine::EngineError;
use crate::event::{Mode, Verdict};
use crate::history::{LastRun, Standing, last_runs};
use crate::journal::{self, Reading};
use crate::report::{
    Json, JsonLines, Look, Plain, Reporter, html, junit, markdown, prometheus, sarif,
};
use crate::session::Notice;
use crate::state::{IllegalTransition, RunState};
use clap::{Args, ValueEnum};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What a report is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// Text, as printed by the run
    #[default]
    Text,
    /// Markdown, for a pull request or a ticket
    Markdown,
    /// One page of HTML without scripts, for a browser
    Html,
    /// JUnit XML, for CI
    Junit,
    /// JSON summary document
    Json,
    /// Events as JSON, one per line
    Jsonl,
    /// Results of network_audit as SARIF, for code scanning and editors
    Sarif,
    /// Time, verdict and duration, for the textfile collector of node_exporter
    Prometheus,
}

/// Why there is no SARIF: an empty document would say that nothing is wrong.
const NO_AUDIT: &str =
    "no step `network_audit` has ended in this run, and SARIF is about its results";

/// A report to write after a run: `junit=smoke.xml`.
#[derive(Clone, Debug)]
pub(super) struct ReportFile {
    format: ReportFormat,
    path: PathBuf,
}

impl std::str::FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = || {
            ReportFormat::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect::<Vec<_>>()
        };
        match text.split_once('=') {
            None | Some((_, "")) => Err("use KIND=FILE, such as junit=smoke.xml".to_owned()),
            Some((_, "-")) => Err("a report requires a file; stdout is for --output".to_owned()),
            Some((kind, path)) => {
                let format = ReportFormat::from_str(kind, false).map_err(|_| {
                    format!("`{kind}` is not a report format; available: {}", kinds().join(", "))
                })?;
                Ok(Self { format, path: PathBuf::from(path) })
            }
        }
    }
}

impl ReportFile {
    /// The same report of the run of this number, from 1: the first keeps the name.
    pub(super) fn numbered(&self, number: usize) -> Self {
        if number == 1 {
            return self.clone();
        }
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let ending = self.path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        let name = format!("{stem}-{number}{}", ending.unwrap_or_default());
        Self { format: self.format, path: self.path.with_file_name(name) }
    }
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK. Without one, prometheus is about the
    /// last run of every runbook on every target
    run: Option<String>,
    /// Format of the report
    #[arg(short, long, alias = "format", value_enum, default_value_t, value_name = "FORMAT")]
    output: ReportFormat,
    /// File to write instead of stdout
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn report(global: &Global, arguments: &ReportArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let Some(run) = &arguments.run else {
        if arguments.output != ReportFormat::Prometheus {
            return Err(CommandError::Usage(
                "name a run, such as latest: runbook report latest".to_owned(),
            ));
        }
        let is_running = |run: &str| journal::is_running(&folder, run);
        let text = prometheus(&last_runs(journal::newest(&folder)?, is_running));
        match &arguments.file {
            None => output::write(&text)?,
            Some(path) => written(path, replace(path, |file| file.write_all(text.as_bytes())))?,
        }
        return Ok(Exit::Passed);
    };
    let run = journal::find(&folder, run)?;
    let reading = journal::read(&folder, &run)?;
    if arguments.output == ReportFormat::Prometheus && journal::is_running(&folder, &run) {
        return Err(CommandError::NotJudged(
            "the run is in progress: its metrics are known when it has ended".to_owned(),
        ));
    }
    if arguments.output == ReportFormat::Sarif && sarif(&reading.records)?.is_none() {
        return Err(CommandError::Usage(NO_AUDIT.to_owned()));
    }
    output::notices(&Notice::of_journal(&reading));
    let look = output::look(global);
    let reading = Told { reading: &reading, running: journal::is_running(&folder, &run) };
    match &arguments.file {
        None if arguments.output == ReportFormat::Text && io::stdout().is_terminal() => {
            let mut text = Vec::new();
            render(ReportFormat::Text, reading, look, &mut text)?;
            pager::write(global, &String::from_utf8_lossy(&text))?;
        }
        None => render(arguments.output, reading, look, BufWriter::new(io::stdout()))?,
        Some(path) => write(path, arguments.output, reading, Look { color: false, ..look })?,
    }
    Ok(Exit::Passed)
}

/// Writes the reports of a run that this process has ended, each whatever becomes of the others.
/// Whether all could be written; what could not is said on stderr.
pub(super) fn write_all(global: &Global, run: &str, files: &[ReportFile]) -> bool {
    if files.is_empty() {
        return true;
    }
    let look = Look { color: false, ..output::look(global) };
    let reading = state_dir(global)
        .and_then(|folder| journal::read(&folder, run))
        .map_err(CommandError::from);
    let mut good = true;
    for file in files {
        let result = match &reading {
            Ok(reading) => write(&file.path, file.format, Told { reading, running: false }, look),
            Err(error) => Err(CommandError::NotJudged(format!(
                "cannot write {}: {error}",
                file.path.display()
            ))),
        };
        if let Err(error) = result {
            output::error(&error.to_string());
            good = false;
        }
    }
    good
}

/// What a journal says, and whether a process goes on with it.
#[derive(Clone, Copy)]
struct Told<'a> {
    reading: &'a Reading,
    running: bool,
}

fn render(
    format: ReportFormat,
    told: Told<'_>,
    look: Look,
    mut out: impl Write + Send,
) -> io::Result<()> {
    match format {
        ReportFormat::Text => drop(replay(told, &mut Plain::new(&mut out, look))?),
        ReportFormat::Json => drop(replay(told, &mut Json::new(&mut out))?),
        ReportFormat::Jsonl => drop(replay(told, &mut JsonLines::new(&mut out))?),
        ReportFormat::Markdown => out.write_all(markdown(&folded(told)?).as_bytes())?,
        ReportFormat::Html => {
            out.write_all(html(&told.reading.records, &folded(told)?).as_bytes())?;
        }
        ReportFormat::Sarif => {
            let document = sarif(&told.reading.records)?;
            let document = document.ok_or_else(|| io::Error::other(NO_AUDIT))?;
            writeln!(out, "{document:#}")?;
        }
        ReportFormat::Junit => out.write_all(junit(&folded(told)?).as_bytes())?,
        ReportFormat::Prometheus => {
            let summary = folded(told)?.summary();
            let standing = summary.verdict.map_or(Standing::Crashed, Standing::Ended);
            // a dry run is none, what takes a run back has no runbook, and that a part passed does not
            // say how the whole is
            let is_one = matches!(summary.mode, Mode::Run | Mode::Resume)
                && summary.verdict != Some(Verdict::Partial);
            let last = is_one.then(|| LastRun::of(&summary, standing));
            out.write_all(prometheus(last.as_slice()).as_bytes())?;
        }
    }
    out.flush()
}

fn folded(told: Told<'_>) -> io::Result<RunState> {
    let mut state = RunState::replay(&told.reading.records).map_err(illegal)?;
    state.see_running(told.running);
    Ok(state)
}

fn illegal(error: IllegalTransition) -> io::Error {
    io::Error::other(EngineError::from(error))
}

/// Tells a reporter everything that the journal says.
fn replay(told: Told<'_>, reporter: &mut impl Reporter) -> io::Result<RunState> {
    let mut state = RunState::new();
    state.see_running(told.running);
    for record in &told.reading.records {
        state.apply(record).map_err(illegal)?;
        reporter.record(record, &state)?;
    }
    reporter.finish(&state)?;
    Ok(state)
}

fn write(
    path: &Path,
    format: ReportFormat,
    told: Told<'_>,
    look: Look,
) -> Result<(), CommandError> {
    written(path, replace(path, |file| render(format, told, look, BufWriter::new(file))))
}

/// What became of a file.
fn written(path: &Path, result: io::Result<()>) -> Result<(), CommandError> {
    result.map_err(|error| {
        CommandError::NotJudged(format!("cannot write {}: {error}", path.display()))
    })
}

/// Where links lead whose target is yet to be made. There are never more of them in a row.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Writes a file so that a reader sees the old one or the new one whole, never a part.
fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // a link goes on pointing where it does, and a device or a pipe is written to, not replaced
    let path = fs::canonicalize(path).unwrap_or_else(|_| followed(path));
    if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fill(&mut OpenOptions::new().write(true).open(&path)?);
    }
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    let temporary =
        path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let written =
        fill(&mut file).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // what is wrong is said already
        fs::remove_file(&temporary).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_files() {
        let table = [
            ("junit=smoke.xml", Ok((ReportFormat::Junit, "smoke.xml"))),
            ("markdown=a=b.md", Ok((ReportFormat::Markdown, "a=b.md"))),
            ("json=out/x.json", Ok((ReportFormat::Json, "out/x.json"))),
            ("junit", Err("use KIND=FILE, such as junit=smoke.xml")),
            ("junit=", Err("use KIND=FILE, such as junit=smoke.xml")),
            ("junit=-", Err("a report requires a file; stdout is for --output")),
            (
                "pdf=x",
                Err(
                    "`pdf` is not a report format; available: text, markdown, html, junit, json, jsonl, sarif, \
                        prometheus",
                ),
            ),
        ];
        for (text, wanted) in table {
            let found = text.parse::<ReportFile>().map(|file| (file.format, file.path));
            assert_eq!(
                found,
                wanted.map(|(format, path)| (format, PathBuf::from(path))).map_err(str::to_owned),
                "{text}"
            );
        }
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let replace =
            |path: &Path, text: &str| replace(path, |file| file.write_all(text.as_bytes()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.xml");
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let link = folder.path().join("link.xml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, "three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert!(link.is_symlink());
        let early = folder.path().join("early.xml");
        std::os::unix::fs::symlink("made.xml", &early).unwrap();
        replace(&early, "four").unwrap();
        assert!(early.is_symlink());
        assert_eq!(fs::read_to_string(folder.path().join("made.xml")).unwrap(), "four");
        assert!(replace(folder.path(), "x").is_err());
        assert!(replace(&folder.path().join("missing/x.xml"), "x").is_err());
        replace(Path::new("/dev/null"), "x").unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["early.xml", "link.xml", "made.xml", "x.xml"]);
    }
}
