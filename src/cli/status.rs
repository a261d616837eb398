//! `runbook status RUN`

use super::arguments::workspace;
use super::exit::{CommandError, Exit};
use super::{Global, ResultFormat, output};
use crate::event::{self, Mark, Next, StepApproved, StepMark, Verdict};
use crate::report::wrap;
use crate::session::{self, Status};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK
    run: String,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

pub(super) fn status(global: &Global, arguments: &StatusArguments) -> Result<Exit, CommandError> {
    let status = session::status(&workspace(global)?, &arguments.run)?;
    output::notices(&status.notices);
    let next = next_commands(&status);
    if arguments.output == ResultFormat::Text {
        output::write(&text(&status, &next, output::look(global).width))?;
    } else {
        output::write(&format!("{:#}\n", document(&status, &next)))?;
    }
    Ok(Exit::Passed)
}

/// The commands that continue or undo the run, each once.
fn next_commands(status: &Status) -> Vec<String> {
    let mut next = Vec::new();
    let id = event::short_id(&status.run);
    if status.state.is_running() == Some(true) {
        return vec![format!("runbook log -f {id}")];
    }
    if status.resumable {
        // a person approves before the run can continue
        let end = status.state.end_of_run();
        // earlier versions recorded only lines
        let lines = end.filter(|end| end.commands.is_empty()).into_iter().flat_map(|end| &end.next);
        let commands = end.into_iter().flat_map(|end| &end.commands);
        let approvals = commands
            .filter(|next| matches!(next, Next::Approve { step, .. } if !status.is_approved(step)));
        next.extend(lines.cloned().chain(approvals.map(Next::to_string)));
        next.push(resume(status, None));
    }
    // what it named in the place of a resume: it has cleaned up
    let again = status
        .state
        .end_of_run()
        .filter(|end| !status.resumable && end.verdict == Verdict::Cancelled);
    let again = again.into_iter().flat_map(|end| &end.commands);
    next.extend(again.filter(|next| matches!(next, Next::Run { .. })).map(Next::to_string));
    if status.undoable {
        let options = status.state.place_options();
        next.push(Next::Undo { run: id.to_owned(), options }.to_string());
    }
    let mut seen = BTreeSet::new();
    next.retain(|line| seen.insert(line.clone()));
    next
}

/// The command that continues the run.
fn resume(status: &Status, mark: Option<Mark>) -> String {
    status.state.resume_command(mark).to_string()
}

fn document(status: &Status, next: &[String]) -> Value {
    let approval = |approval: &StepApproved| {
        let StepApproved { path, by, expires, .. } = approval;
        json!({"step": path, "by": by, "expires": expires})
    };
    let approvals: Vec<Value> = status.approved.iter().map(approval).collect();
    json!({
        "schema": "runbook.status/v1", "run": status.run,
        "runbook": status.state.header().map(|header| &header.runbook),
        "verdict": status.verdict(), "running": status.state.is_running(),
        "done": status.done, "not_passed": status.not_passed, "in_doubt": status.in_doubt,
        "waiting": status.waiting, "approved": approvals,
        "due": status.state.waits_for_times(), "left": status.left,
        "changes": status.state.changes(),
        "programs": status.programs, "next": next,
    })
}

fn text(status: &Status, next: &[String], width: usize) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = write_summary(&mut text, status, width)
        .and_then(|()| match status.state.is_running() {
            // what its process has sent is not in doubt as long as it waits for the answer
            Some(true) => Ok(()),
            _ => write_doubts(&mut text, status),
        })
        .and_then(|()| write_programs(&mut text, status))
        .and_then(|()| write_changes(&mut text, &status.state.changes()));
    if !next.is_empty() {
        let _ = writeln!(text, "\nNext\n  {}", next.join("\n  "));
    }
    text
}

/// How far the run is, and its steps by what became of them.
fn write_summary(text: &mut String, status: &Status, width: usize) -> fmt::Result {
    let name = status.state.header().map(|header| header.runbook.as_str()).unwrap_or_default();
    let how = match status.verdict() {
        Some(verdict) => serde_json::to_value(verdict)
            .ok()
            .and_then(|value| value.as_str().map(|word| word.replace('_', " ")))
            .unwrap_or_default(),
        None => status.state.words_without_end().to_owned(),
    };
    let times = status.state.waits_for_times();
    let due = |path: &String| match times.get(path.as_str()) {
        Some(due) => format!("{path} (due at {due})"),
        None => path.clone(),
    };
    let approval = |approval: &StepApproved| {
        let until = approval.expires.map(|time| format!(", until {time:.0}")).unwrap_or_default();
        format!("{} (by {}{until})", approval.path, approval.by)
    };
    let approved: Vec<String> = status.approved.iter().map(approval).collect();
    let waits = status.waiting.iter().filter(|path| !status.is_approved(path));
    let waits: Vec<String> = waits.map(due).collect();
    writeln!(text, "{name}  run {}  {how}", event::short_id(&status.run))?;
    let sent = if status.state.is_running() == Some(true) { "In progress" } else { "In doubt" };
    for (label, paths) in [
        ("Done", &status.done),
        ("Did not pass", &status.not_passed),
        (sent, &status.in_doubt),
        ("Approved", &approved),
        ("Waiting for", &waits),
        ("Remaining", &status.left),
    ] {
        if !paths.is_empty() {
            write_wrapped(text, &format!("  {label:<13} "), &paths.join(", "), width)?;
        }
    }
    for path in status.waiting.iter().filter(|path| !status.is_approved(path)) {
        if let Some(asked) = status.state.question(path) {
            write_wrapped(text, "  ", &format!("{path}: {}", asked.question), width)?;
        }
    }
    Ok(())
}

/// A text that stays in its column.
fn write_wrapped(text: &mut String, label: &str, words: &str, width: usize) -> fmt::Result {
    let mut label = label.to_owned();
    for part in wrap(words, width.saturating_sub(label.len()).max(20)) {
        writeln!(text, "{label}{part}")?;
        label = " ".repeat(label.len());
    }
    Ok(())
}

/// The changes with an unknown result, and how to settle each.
fn write_doubts(text: &mut String, status: &Status) -> fmt::Result {
    for path in &status.in_doubt {
        for change in status.state.changes_of(path).iter().filter(|change| change.in_doubt()) {
            let why = change.doubt.as_deref().unwrap_or("no response was recorded");
            writeln!(
                text,
                "\n  {path}: {} of {} was sent: {why}",
                change.planned.summary, change.planned.object
            )?;
        }
        let marked = |mark| resume(status, Some(Mark { step: path.clone(), mark }));
        writeln!(text, "    check the cluster:   {}", resume(status, None))?;
        writeln!(text, "    it was applied:      {}", marked(StepMark::Done))?;
        writeln!(text, "    it was not applied:  {}", marked(StepMark::NotDone))?;
    }
    Ok(())
}

/// The commands that may have outlived the run.
fn write_programs(text: &mut String, status: &Status) -> fmt::Result {
    for program in &status.programs {
        let (name, group, host) = (&program.program, program.group, &program.host);
        writeln!(
            text,
            "\n  {}: command {name} (process group {group}) may still be running on host {host}",
            program.path
        )?;
        writeln!(text, "    look at it:  pgrep -l -g {group}")?;
        writeln!(text, "    end it:      kill -TERM -- -{group}")?;
    }
    Ok(())
}

fn write_changes(text: &mut String, changes: &[Value]) -> fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nChanges")?;
    for change in changes {
        let field = |key: &str| change[key].as_str().unwrap_or_default();
        writeln!(text, "  {}  {}: {}", field("step"), field("object"), field("summary"))?;
    }
    Ok(())
}
