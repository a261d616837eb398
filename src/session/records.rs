//! Earlier runs, for the verbs that look them up.

use crate::action::{Records, WhichRun};
use crate::event::Mode;
use crate::journal;
use crate::state::{ChangeStage, RunState};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The journals of this machine.
pub(super) struct Journals {
    pub(super) folder: PathBuf,
}

impl Records for Journals {
    fn find(&self, which: &WhichRun) -> Result<Option<Value>, String> {
        match which {
            WhichRun::Run(text) => {
                let run = journal::find(&self.folder, text).map_err(|error| error.to_string())?;
                self.read(&run).map(|state| Some(document(&state)))
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
                        return Ok(Some(document(&state)));
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
fn document(state: &RunState) -> Value {
    let changes = state.changing_steps().flat_map(|(path, changes)| {
        changes.iter().enumerate().filter(|(_, change)| change.is_made()).map(
            move |(index, change)| {
                let after = match &change.stage {
                    ChangeStage::Finished(finished) => finished.after.clone(),
                    ChangeStage::Planned | ChangeStage::Started => Value::Null,
                };
                let mut entry = serde_json::to_value(&change.planned).unwrap_or_default();
                entry["step"] = json!(path);
                entry["index"] = json!(index);
                entry["after"] = after;
                entry
            },
        )
    });
    let summary = state.summary();
    json!({
        "run": summary.run, "runbook": summary.runbook, "started": summary.started,
        "verdict": summary.verdict, "params": summary.params,
        "target": summary.target, "changes": changes.collect::<Vec<_>>(),
    })
}
