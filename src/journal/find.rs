//! The run that is meant by what a person types.

use super::Error;
use super::list::{RunInfo, ids, infos, newest};
use std::path::Path;

/// What the run that began last is called; `latest:RUNBOOK` is the last one of a runbook.
const LATEST: &str = "latest";
/// The most candidates that are named.
const CANDIDATES: usize = 10;

/// The id of the one run that begins or ends with `text`, in upper or lower case; of the one that
/// began last if `text` is `latest`, or `latest:RUNBOOK`.
///
/// # Errors
/// When no run matches, or several do.
pub fn find(state_dir: &Path, text: &str) -> Result<String, Error> {
    if let Some(rest) = text.strip_prefix(LATEST) {
        match rest.strip_prefix(':') {
            Some(runbook) => return latest_of(state_dir, runbook),
            None if rest.is_empty() => return latest(state_dir),
            None => {}
        }
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
            let more = matches.len().saturating_sub(CANDIDATES);
            matches.truncate(CANDIDATES);
            Err(Error::Ambiguous {
                text: text.to_owned(),
                matches: infos(state_dir, &matches),
                more,
            })
        }
    }
}

fn latest(state_dir: &Path) -> Result<String, Error> {
    let newest = newest(state_dir)?.next().map(|info| info.run);
    newest.ok_or_else(|| Error::NotFound { text: LATEST.to_owned(), nearest: Vec::new() })
}

fn latest_of(state_dir: &Path, runbook: &str) -> Result<String, Error> {
    let of = |info: &RunInfo| info.header.as_ref().is_some_and(|header| header.runbook == runbook);
    let newest = newest(state_dir)?.find(of).map(|info| info.run);
    newest.ok_or_else(|| Error::NoneOf { runbook: runbook.to_owned() })
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
