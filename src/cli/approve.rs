//! `runbook approve RUN --step STEP`

use super::changes::operator;
use super::exit::{CommandError, Exit};
use super::prompt::coloured;
use super::session::{clock, state_dir};
use super::{Global, output};
use crate::action::Duration;
use crate::engine::Recorder;
use crate::event::{Event, StepApproved};
use crate::journal::{self, Journal};
use crate::state::{RunState, StepState};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// Id of the paused run, or the end of it
    run: String,
    /// The step that waits
    #[arg(long)]
    step: String,
    /// The name of what is changed, where the step wants it typed
    #[arg(long, value_name = "NAME")]
    typed: Option<String>,
    /// How long the approval holds
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    expires: Duration,
    /// Do not ask again
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn approve(global: &Global, arguments: &ApproveArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let (records, journal) = Journal::reopen(&folder, &run)?;
    let state = RunState::replay(&records).map_err(crate::engine::EngineError::from)?;
    let usage = |text: String| Err(CommandError::Usage(text));
    let Some(header) = state.header().cloned() else { return usage(format!("run {run} has no header")) };
    let path = arguments.step.as_str();
    match state.step(path) {
        Some(StepState::Begun { .. }) => {}
        Some(StepState::Finished(_)) => return usage(format!("step {path} of run {run} is over")),
        None => {
            let waiting: Vec<_> = state.running();
            return usage(format!(
                "step {path} of run {run} waits for nothing; waiting: {}",
                if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") }
            ));
        }
    }
    let changes: Vec<_> = state.changes_of(path).iter().map(|change| change.planned.clone()).collect();
    let digest = state.changes_digest(path).unwrap_or_default().to_owned();
    output::hint(&format!("{}  {path}  (plan {})", header.runbook, header.digest.get(..19).unwrap_or(&header.digest)));
    for line in crate::engine::difference(&changes) {
        output::hint(&format!("  {}", coloured(&line)));
    }
    let word = state.typed(path).map(str::to_owned);
    if let Some(word) = word.as_ref().filter(|word| arguments.typed.as_ref() != Some(word)) {
        return usage(format!("step {path} wants the name of what it changes: --typed {word}"));
    }
    if !arguments.yes && word.is_none() {
        let prompt = super::prompt::TerminalPrompt { bars: output::bars() };
        match crate::action::Prompt::ask(&prompt, &format!("Approve step {path} of {}?", header.runbook), None) {
            Some(true) => {}
            Some(false) => return usage("not approved".to_owned()),
            None => return usage("there is no terminal to ask on: say it with --yes".to_owned()),
        }
    }
    let clock = clock()?;
    let expires = clock.now().checked_add(jiff::SignedDuration::try_from(arguments.expires.0).unwrap_or(jiff::SignedDuration::MAX)).ok();
    let of_another = state.step(path).is_some_and(|step| step.action() == "approve");
    let recorder = Recorder::new(clock, state, Some(journal), Vec::new());
    let plan = header.digest.clone();
    let by = operator();
    recorder.record(Event::StepApproved(StepApproved {
        path: path.to_owned(),
        by: by.clone(),
        how: "runbook approve".to_owned(),
        plan,
        changes: digest,
        expires,
    }))?;
    let until = expires.map(|time| format!(" until {time:.0}")).unwrap_or_default();
    output::write(&format!("approved by {by}{until}\n"))?;
    if of_another {
        output::hint(&format!("It counts where someone else than {by} goes on with the run."));
    }
    output::hint(&format!("Go on with: runbook resume {}", journal::short_id(&run)));
    Ok(Exit::Passed)
}
