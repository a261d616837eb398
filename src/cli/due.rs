//! `runbook resume --due`: all runs whose time has come, one after the other.

use super::after::AfterArguments;
use super::conduct::conducted;
use super::exit::{CommandError, Exit, worst};
use super::{Format, Global, output};
use crate::event::{Verdict, short_id};
use crate::session::{self, Conduct, Params, Resume, Waiting, Workspace};
use crate::state::RunState;
use indicatif::MultiProgress;
use serde_json::{Value, json};
use std::fmt::Write;

/// How the runs are gone on with.
pub(super) struct Due {
    pub(super) params: Params,
    pub(super) conduct: Conduct,
    pub(super) output: Format,
    pub(super) after: AfterArguments,
}

/// Goes on with every run that is due. The exit code is the worst.
pub(super) fn resume_due(
    global: &Global,
    workspace: &Workspace,
    how: &Due,
) -> Result<Exit, CommandError> {
    let now = workspace.clock.now();
    let waiting = session::waiting(workspace)?;
    let (due, later): (Vec<Waiting>, Vec<Waiting>) =
        waiting.into_iter().partition(|one| one.due <= now);
    let (mut exits, mut runs, mut not_run) = (Vec::new(), Vec::new(), Vec::new());
    for (index, one) in due.iter().enumerate() {
        match resumed(global, workspace, how, one, index + 1) {
            Ok((exit, state)) => {
                exits.push(exit.code());
                if how.output == Format::Text {
                    output::write(&line(one, &ending(state.as_ref())))?;
                }
                runs.extend(state.map(|state| json!(state.summary())));
            }
            Err(error) => {
                exits.push(error.report(global, false).code());
                if how.output == Format::Text {
                    output::write(&line(one, "was not resumed"))?;
                }
                not_run.push(json!({"run": one.run, "runbook": one.runbook,
                    "reason": error.to_string()}));
            }
        }
        if exits.last().is_some_and(|code| *code > 128) {
            break;
        }
    }
    let code = worst(&exits);
    match how.output {
        Format::Text => output::write(&rest(due.is_empty(), &later))?,
        Format::Json => output::write(&format!(
            "{:#}\n",
            json!({"schema": "runbook.due/v1", "exit_code": code, "runs": runs,
                "not_run": not_run,
                "waiting": later.iter().map(as_json).collect::<Vec<_>>()})
        ))?,
        Format::Jsonl => {}
    }
    Ok(Exit::Run(code))
}

/// Goes on with one run, in the context in which it began unless another is named.
fn resumed(
    global: &Global,
    workspace: &Workspace,
    how: &Due,
    one: &Waiting,
    number: usize,
) -> Result<(Exit, Option<RunState>), CommandError> {
    let options = Resume {
        run: one.run.clone(),
        params: how.params.clone(),
        conduct: how.conduct.clone(),
        where_it_began: true,
        ..Resume::default()
    };
    let session = session::resume(workspace, options)?;
    let after = how.after.numbered(number);
    let shown = |bars: &MultiProgress| match how.output {
        Format::Text | Format::Json => output::quiet_reporters(global, bars),
        Format::Jsonl => output::reporters(global, Format::Jsonl, bars),
    };
    conducted(global, session, shown, &after)
}

fn as_json(one: &Waiting) -> Value {
    json!({"run": one.run, "runbook": one.runbook, "step": one.step, "due": one.due})
}

/// How a run ended, in words, with what waits now.
fn ending(state: Option<&RunState>) -> String {
    let Some(end) = state.and_then(RunState::end_of_run) else { return "not ended".to_owned() };
    let word = json!(end.verdict).as_str().unwrap_or_default().replace('_', " ");
    let next = end.due.values().min().filter(|_| end.verdict == Verdict::Paused);
    let causes: Vec<&str> =
        state.into_iter().flat_map(RunState::findings).map(|found| found.id.as_str()).collect();
    match (next, causes.is_empty()) {
        (Some(next), _) => format!("{word}, due at {next}"),
        (None, false) => format!("{word}: {}", causes.join(", ")),
        (None, true) => word,
    }
}

fn line(one: &Waiting, how: &str) -> String {
    format!("{}  {}  {how}\n", short_id(&one.run), one.runbook)
}

/// What is still to come.
fn rest(nothing_was_due: bool, later: &[Waiting]) -> String {
    let mut text = String::new();
    if nothing_was_due {
        text.push_str("no run is due\n");
    }
    for Waiting { run, runbook, due, .. } in later {
        let _ = writeln!(text, "{}  {runbook}  due at {due}", short_id(run));
    }
    text
}
