//! Which runs there are, and finding one by a part of its id.

use super::directory::{journal_path, run_dir, runs_dir};
use super::file::header_of;
use super::{Error, codec};
use crate::event::{Event, Mode, RunFinished};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The most that is read of the end of a journal to see whether the run ended.
const END: u64 = 64 * 1024;

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// The run's id.
    pub run: String,
    /// What its header says; none when that cannot be read.
    pub header: Option<RunHeader>,
    /// How it ended; none while it runs, and after a crash.
    pub finished: Option<RunFinished>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// What a list shows of a run's header.
#[derive(Clone, Debug, PartialEq)]
pub struct RunHeader {
    /// When the run began.
    pub started: Timestamp,
    /// Name in the catalogue.
    pub runbook: String,
    /// Title of the runbook.
    pub title: String,
    /// Kind of run.
    pub mode: Mode,
    /// Name of the kubeconfig context.
    pub context: Option<String>,
    /// Namespace of the runbook.
    pub namespace: Option<String>,
    /// Host on which it began.
    pub host: String,
}

/// All runs, newest first. A run whose header cannot be read is listed last, without it.
///
/// # Errors
/// When the directory of runs cannot be read. That it does not exist is an empty list.
pub fn list(state_dir: &Path) -> Result<Vec<RunInfo>, Error> {
    let mut runs: Vec<RunInfo> =
        ids(state_dir)?.into_iter().map(|run| info(state_dir, run)).collect::<Result<_, _>>()?;
    let key = |info: &RunInfo| info.header.as_ref().map(|header| header.started);
    runs.sort_by(|a, b| key(b).cmp(&key(a)).then_with(|| b.run.cmp(&a.run)));
    Ok(runs)
}

/// What the run that began last is called.
const LATEST: &str = "latest";

/// The id of the one run that begins or ends with `text`, in upper or lower case; of the one that
/// began last if `text` is `latest`.
///
/// # Errors
/// When no run matches, or several do.
pub fn find(state_dir: &Path, text: &str) -> Result<String, Error> {
    if text == LATEST {
        let newest = list(state_dir)?.into_iter().next().map(|info| info.run);
        let none = || Error::NotFound { text: text.to_owned(), nearest: Vec::new() };
        return newest.ok_or_else(none);
    }
    let runs = ids(state_dir)?;
    let wanted = text.to_ascii_uppercase();
    let mut matches = Vec::new();
    for run in &runs {
        let known = run.to_ascii_uppercase();
        if known == wanted {
            return Ok(run.clone());
        }
        if !wanted.is_empty() && (known.starts_with(&wanted) || known.ends_with(&wanted)) {
            matches.push(run.clone());
        }
    }
    match matches.as_slice() {
        [run] => Ok(run.clone()),
        [] => Err(Error::NotFound { text: text.to_owned(), nearest: nearest(&wanted, runs) }),
        _ => {
            matches.truncate(5);
            Err(Error::Ambiguous { text: text.to_owned(), matches })
        }
    }
}

/// The three most similar ids, compared where people type them: at the beginning and the end.
fn nearest(wanted: &str, runs: Vec<String>) -> Vec<String> {
    let likeness = |run: &str| {
        let known = run.to_ascii_uppercase();
        let length = wanted.len().min(known.len());
        let parts = [known.get(..length), known.get(known.len() - length..)];
        let best = parts.into_iter().flatten().map(|part| strsim::jaro_winkler(part, wanted));
        (best.fold(0.0, f64::max) * 1000.0) as u32
    };
    let mut ranked: Vec<(u32, String)> =
        runs.into_iter().map(|run| (likeness(&run), run)).collect();
    ranked.sort_by(|a, b| b.cmp(a));
    ranked.into_iter().take(3).map(|(_, run)| run).collect()
}

/// Names of the directories of runs, newest id first.
fn ids(state_dir: &Path) -> Result<Vec<String>, Error> {
    let path = runs_dir(state_dir);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::from_io("read", &path, error)),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| Error::from_io("read", &path, source))?;
        let name = entry.file_name().into_string().ok();
        runs.extend(name.filter(|name| {
            run_dir(state_dir, name).is_ok() && journal_path(&entry.path()).is_file()
        }));
    }
    runs.sort_by(|a, b| b.cmp(a));
    Ok(runs)
}

/// The first and the last line say enough: lists stay fast with thousands of large journals.
fn info(state_dir: &Path, run: String) -> Result<RunInfo, Error> {
    let path = journal_path(&run_dir(state_dir, &run)?);
    let ends = || -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut file = BufReader::new(File::open(&path)?);
        let mut first = Vec::new();
        file.read_until(b'\n', &mut first)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
        let mut last = Vec::new();
        file.read_to_end(&mut last)?;
        Ok((first, last))
    };
    let (first, last) = ends().unwrap_or_default();
    let header = first.strip_suffix(b"\n").and_then(codec::peek).and_then(|record| {
        header_of(&record).map(|header| RunHeader {
            started: record.at,
            runbook: header.runbook.clone(),
            title: header.title.clone(),
            mode: header.mode,
            context: header.target.context.clone(),
            namespace: header.target.namespace.clone(),
            host: header.host.clone(),
        })
    });
    let end = last.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let end = end.and_then(codec::peek);
    let (finished, ended) = match end.map(|record| (record.at, record.event)) {
        Some((at, Event::RunFinished(finished))) => (Some(finished), Some(at)),
        _ => (None, None),
    };
    Ok(RunInfo { run, header, finished, ended })
}
