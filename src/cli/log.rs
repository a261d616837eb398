//! `runbook log RUN`, and as it happens: `runbook log -f RUN`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Format, Global, output};
use crate::engine::EngineError;
use crate::event::short_id;
use crate::journal::{self, Follow};
use crate::report::Reporter;
use crate::state::RunState;
use clap::Args;
use std::path::Path;
use std::time::Duration;

/// How long the end of a journal is left alone: a person sees no difference, and the disk neither.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK
    #[arg(default_value = "latest")]
    run: String,
    /// Wait for further steps until the run ends; the exit code is that of the run, or 3 if its
    /// process ended without recording a verdict
    #[arg(short, long)]
    follow: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// How far a run has come when nothing more is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It has an end; this is its exit code.
    WithCode(u8),
    /// It goes on elsewhere.
    StillRunning,
    /// It has no end, and nobody executes it.
    Crashed,
}

pub(super) fn log(global: &Global, arguments: &LogArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let bars = output::bars();
    let mut shown = output::earlier_reporters(global, arguments.output, &bars, arguments.follow);
    let (state, ended) = followed(&folder, &run, arguments.follow, &mut shown)?;
    shown.finish(&state)?;
    if let Some(failure) = shown.failures().first() {
        return Err(CommandError::NotJudged(format!("{failure}: {}", failure.source)));
    }
    let id = short_id(&run);
    match ended {
        Ended::WithCode(code) if arguments.follow => {
            output::hint(&format!("Run {id} has ended with exit code {code}."));
            Ok(Exit::Run(code))
        }
        Ended::WithCode(_) => Ok(Exit::Passed),
        Ended::StillRunning => {
            output::hint(&format!("Run {id} is in progress: runbook log -f {id}"));
            Ok(Exit::Passed)
        }
        Ended::Crashed => {
            output::hint(&format!(
                "Run {id} has crashed: its process ended without recording a verdict. To see what \
                    is in doubt: runbook status {id}"
            ));
            Ok(if arguments.follow { Exit::NotJudged } else { Exit::Passed })
        }
    }
}

/// Tells everything that is recorded, and what is recorded meanwhile if that is wanted.
fn followed(
    folder: &Path,
    run: &str,
    follow: bool,
    shown: &mut impl Reporter,
) -> Result<(RunState, Ended), CommandError> {
    let mut journal = Follow::open(folder, run)?;
    let mut state = RunState::new();
    loop {
        // asked before the journal is read: what a process writes last is read then
        let is_running = journal::is_running(folder, run);
        for record in journal.more()? {
            state.apply(&record).map_err(EngineError::from)?;
            shown.record(&record, &state)?;
        }
        match state.end_of_run() {
            // the process may still write reports; what it has to say is said
            Some(end) => return Ok((state.clone(), Ended::WithCode(end.exit_code))),
            None if !is_running && state.seq() == 0 => {
                return Err(journal::Error::Empty { run: run.to_owned() }.into());
            }
            None if !is_running || !follow => {
                state.see_running(is_running);
                let ended = if is_running { Ended::StillRunning } else { Ended::Crashed };
                return Ok((state, ended));
            }
            None => std::thread::sleep(PAUSE),
        }
    }
}
