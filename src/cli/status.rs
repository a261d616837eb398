//! `runbook status RUN`

use super::arguments::workspace;
use super::exit::{CommandError, Exit};
use super::{Format, Global, output};
use crate::event::{self, Next};
use crate::session::{self, Status};
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Id of the run, or the end of it
    run: String,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn status(global: &Global, arguments: &StatusArguments) -> Result<Exit, CommandError> {
    let status = session::status(&workspace(global)?, &arguments.run)?;
    output::notices(&status.notices);
    let verdict = status.verdict();
    let Status { run, state, done, not_passed, in_doubt: doubt, waiting: open, .. } = &status;
    let (left, programs) = (&status.left, &status.programs);
    let changes: Vec<_> = state.changes();
    let mut next = Vec::new();
    let id = event::short_id(run);
    if status.resumable {
        // what a person says before it can go on
        let end = state.end_of_run();
        // an earlier version recorded lines alone
        let lines = end.filter(|end| end.commands.is_empty()).into_iter().flat_map(|end| &end.next);
        let commands = end.into_iter().flat_map(|end| &end.commands);
        let approvals = commands.filter(|next| matches!(next, Next::Approve { .. }));
        next.extend(lines.cloned().chain(approvals.map(Next::to_string)));
        next.push(format!("runbook resume {id}"));
    }
    if status.undoable {
        next.push(format!("runbook undo {id}"));
    }
    let mut seen = BTreeSet::new();
    next.retain(|line| seen.insert(line.clone()));
    if arguments.output != Format::Text {
        let document = json!({
            "schema": "runbook.status/v1", "run": run,
            "runbook": state.header().map(|header| &header.runbook), "verdict": verdict,
            "done": done, "not_passed": not_passed, "in_doubt": doubt, "waiting": open,
            "left": left, "changes": changes,
            "programs": programs, "next": next,
        });
        output::write(&format!("{document:#}\n"))?;
        return Ok(Exit::Passed);
    }
    let mut text = String::new();
    let name = state.header().map(|header| header.runbook.clone()).unwrap_or_default();
    let how = match verdict {
        Some(verdict) => serde_json::to_value(verdict)
            .ok()
            .and_then(|value| value.as_str().map(|word| word.replace('_', " ")))
            .unwrap_or_default(),
        None => "not finished: it is running, or its process died".to_owned(),
    };
    // writing to a String cannot fail
    let _ = writeln!(text, "{name}  run {id}  {how}");
    for (label, paths) in [
        ("Done", done),
        ("Did not pass", not_passed),
        ("In doubt", doubt),
        ("Waits", open),
        ("Left", left),
    ] {
        if !paths.is_empty() {
            let _ = writeln!(text, "  {label:<13} {}", paths.join(", "));
        }
    }
    for path in doubt {
        for change in state.changes_of(path).iter().filter(|change| change.in_doubt()) {
            let why = change.doubt.as_deref().unwrap_or("no response was recorded");
            let _ = writeln!(
                text,
                "\n  {path}: {} of {} was sent: {why}",
                change.planned.summary, change.planned.object
            );
        }
        let _ = writeln!(text, "    looks for itself:  runbook resume {id}");
        let _ = writeln!(
            text,
            "    you know it is:    runbook resume {id} --mark-done {path} --reason \"…\""
        );
        let _ = writeln!(
            text,
            "    you know it isn't: runbook resume {id} --mark-not-done {path} --reason \"…\""
        );
    }
    for program in programs {
        let (name, group, host) = (&program.program, program.group, &program.host);
        let _ = writeln!(
            text,
            "\n  {}: command {name} (process group {group}) may still be running on host {host}",
            program.path
        );
        let _ = writeln!(text, "    look at it:  pgrep -l -g {group}");
        let _ = writeln!(text, "    end it:      kill -TERM -- -{group}");
    }
    if !changes.is_empty() {
        text.push_str("\nChanges\n");
        for change in &changes {
            let field = |key: &str| change[key].as_str().unwrap_or_default();
            let _ =
                writeln!(text, "  {}  {}: {}", field("step"), field("object"), field("summary"));
        }
    }
    if !next.is_empty() {
        text.push_str("\nNext\n");
        for command in &next {
            let _ = writeln!(text, "  {command}");
        }
    }
    output::write(&text)?;
    Ok(Exit::Passed)
}
