//! The last run of each runbook on each target.

use super::Standing;
use crate::event::{Mode, Summary, Target, Verdict};
use crate::journal::RunInfo;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The last run of a runbook on a target.
#[derive(Clone, Debug, PartialEq)]
pub struct LastRun {
    /// Name of the runbook.
    pub runbook: String,
    /// Name of the kubeconfig context; empty if there is none.
    pub context: String,
    /// Namespace of the runbook; empty if there is none.
    pub namespace: String,
    /// Scenario of the sandbox; empty if the cluster is real.
    pub sandbox: String,
    /// How it stands.
    pub standing: Standing,
    /// Its exit code, if it has ended.
    pub exit_code: Option<u8>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// When the last one ended that passed.
    pub passed: Option<Timestamp>,
}

impl LastRun {
    /// A single run, of whose predecessors nothing is known.
    pub fn of(summary: &Summary, standing: Standing) -> Self {
        let (context, namespace, sandbox) = place(&summary.target);
        Self {
            runbook: summary.runbook.clone(),
            context,
            namespace,
            sandbox,
            standing,
            exit_code: summary.exit_code,
            started: summary.started,
            ended: summary.ended,
            passed: summary.ended.filter(|_| summary.verdict == Some(Verdict::Passed)),
        }
    }
}

/// Context, namespace and scenario of the sandbox; each is empty if there is none.
pub(super) type Place = (String, String, String);

/// What tells one target from another.
pub(super) fn place(target: &Target) -> Place {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (text(&target.context), text(&target.namespace), text(&target.sandbox))
}

/// The last run of each runbook on each target, in the order of their names; `runs` come newest
/// first. A dry run is none, what takes an earlier run back has no runbook, and that a part passed
/// does not say how the whole is.
pub fn last_runs(
    runs: impl IntoIterator<Item = RunInfo>,
    is_running: impl Fn(&str) -> bool,
) -> Vec<LastRun> {
    let mut last: BTreeMap<(String, Place), LastRun> = BTreeMap::new();
    for info in runs {
        let Some(header) = &info.header else { continue };
        if !matches!(header.mode, Mode::Run | Mode::Resume) {
            continue;
        }
        let verdict = info.finished.as_ref().map(|end| end.verdict);
        if verdict == Some(Verdict::Partial) {
            continue;
        }
        let passed = info.ended.filter(|_| verdict == Some(Verdict::Passed));
        let known = last.entry((header.runbook.clone(), place(&header.target)));
        let known = known.or_insert_with(|| {
            let (context, namespace, sandbox) = place(&header.target);
            LastRun {
                runbook: header.runbook.clone(),
                context,
                namespace,
                sandbox,
                standing: Standing::of(&info, &is_running),
                exit_code: info.finished.as_ref().map(|end| end.exit_code),
                started: header.started,
                ended: info.ended,
                passed: None,
            }
        });
        known.passed = known.passed.or(passed);
    }
    last.into_values().collect()
}
