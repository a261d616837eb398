//! Earlier runs, for the verbs that look them up.

use crate::action::{EarlierChange, EarlierRun, Records, WhichRun};
use crate::event::{Mode, PlannedChange};
use crate::journal;
use crate::state::{ChangeStage, ChangeState, RunState};
use serde_json::Value;
use std::path::PathBuf;

/// The journals of this machine.
pub(super) struct Journals {
    pub(super) folder: PathBuf,
}

impl Records for Journals {
    fn find(&self, which: &WhichRun) -> Result<Option<EarlierRun>, String> {
        match which {
            WhichRun::Run(text) => {
                let run = journal::find(&self.folder, text).map_err(|error| error.to_string())?;
                self.read(&run).map(|state| Some(earlier_run(&state)))
            }
            WhichRun::Newest { runbook, cluster, namespace } => {
                for info in journal::list(&self.folder).map_err(|error| error.to_string())? {
                    if !info.header.is_some_and(|header| {
                        header.runbook == *runbook && header.mode == Mode::Run
                    }) {
                        continue;
                    }
                    let Ok(state) = self.read(&info.run) else { continue };
                    let here = state.target().is_some_and(|target| {
                        target.cluster_uid == *cluster
                            && target.namespace.as_deref() == Some(namespace)
                    });
                    if here && !state.changes().is_empty() {
                        return Ok(Some(earlier_run(&state)));
                    }
                }
                Ok(None)
            }
        }
    }
}

impl Journals {
    fn read(&self, run: &str) -> Result<RunState, String> {
        let reading = journal::read(&self.folder, run).map_err(|error| error.to_string())?;
        RunState::replay(&reading.records).map_err(|error| error.to_string())
    }
}

/// The run with its changes in full.
fn earlier_run(state: &RunState) -> EarlierRun {
    let made = |(path, changes): (&str, &[ChangeState])| {
        let made = changes.iter().enumerate().filter(|(_, change)| change.is_made());
        let made = made.map(|(index, change)| {
            let after = match &change.stage {
                ChangeStage::Finished(finished) => finished.after.clone(),
                ChangeStage::Planned | ChangeStage::Started => Value::Null,
            };
            let change = PlannedChange { after, ..change.planned.clone() };
            EarlierChange { change, step: path.to_owned(), index }
        });
        made.collect::<Vec<_>>()
    };
    let summary = state.summary();
    EarlierRun {
        run: summary.run,
        runbook: summary.runbook,
        started: summary.started,
        verdict: summary.verdict,
        params: summary.params,
        target: summary.target,
        changes: state.changing_steps().flat_map(made).collect(),
    }
}
