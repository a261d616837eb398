//! Steps with their place in time.

use super::part::{Expectation, Item, Matrix, SavedFile, Step};
use crate::event::{Event, Judgement, Mode, Outcome, Record, StepFinished, Truth};
use crate::report::output::head;
use crate::report::step_line::depth;
use crate::report::text::{duration, file, one_line, value};
use crate::report::theme::OutcomeMark;
use crate::state::{RunState, StepState};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most lines of an output on the page.
const OUTPUT: usize = 200;
/// The most rows and columns of a matrix.
const ROWS: usize = 100;
const COLUMNS: usize = 8;
/// The longest text in a cell of a matrix, in characters: longer ones stand in the output alone.
const CELL: usize = 60;

/// The time of the run.
#[derive(Clone, Copy)]
pub(super) struct Span {
    from: Timestamp,
    until: Timestamp,
}

impl Span {
    /// From the first record to the last.
    pub(super) fn of(records: &[Record]) -> Self {
        let at = |record: Option<&Record>| record.map_or(Timestamp::UNIX_EPOCH, |record| record.at);
        Self { from: at(records.first()), until: at(records.last()) }
    }

    pub(super) fn length_ms(self) -> u64 {
        self.since(self.until)
    }

    /// The time of a record since the begin.
    pub(super) fn at(self, record: &Record) -> String {
        format!("+{}", duration(self.since(record.at)))
    }

    fn since(self, at: Timestamp) -> u64 {
        u64::try_from(at.duration_since(self.from).as_millis()).unwrap_or(0)
    }

    /// A time in thousandths of the whole.
    fn share(self, ms: u64) -> u64 {
        (ms * 1000).checked_div(self.length_ms()).unwrap_or(0).min(1000)
    }
}

/// Every step that has begun or ended, in order.
pub(super) fn steps(records: &[Record], state: &RunState, span: Span) -> Vec<Step> {
    let mut begun: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut ended: BTreeMap<&str, (Timestamp, &StepFinished)> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::StepStarted(step) => drop(begun.insert(&step.path, record.at)),
            Event::StepFinished(step) => drop(ended.insert(&step.path, (record.at, step))),
            _ => {}
        }
    }
    let blamed: BTreeSet<&str> = state
        .counted()
        .filter(|step| !step.outcome.is_good() && step.outcome != Outcome::Skipped)
        .map(|step| step.path.as_str())
        .collect();
    let mode = state.header().map_or(Mode::Run, |header| header.mode);
    let all = state.steps().map(|(path, step)| {
        let (until, finished) =
            ended.get(path).map_or((span.until, None), |(at, step)| (*at, Some(*step)));
        let from = begun.get(path).copied().unwrap_or(until);
        let (left, right) = (span.since(from), span.since(until));
        let base = Step {
            path: path.to_owned(),
            depth: depth(path),
            is_group: step.action().is_group(),
            is_open: blamed.contains(path) && !step.action().is_group(),
            mark: OutcomeMark::Open.into(),
            title: one_line(step.title()),
            verb: step.action().as_str().to_owned(),
            outcome: "not ended".to_owned(),
            note: String::new(),
            reason: String::new(),
            attempts: 0,
            took: duration(right.saturating_sub(left)),
            began: format!("+{}", duration(left)),
            left: span.share(left),
            width: span.share(right.saturating_sub(left)).max(4),
            expectations: Vec::new(),
            matrix: None,
            output: Vec::new(),
            more: 0,
            saved: Vec::new(),
        };
        match (finished, step) {
            (Some(finished), StepState::Finished(_)) => with_end(base, finished, mode),
            _ => base,
        }
    });
    all.collect()
}

fn with_end(base: Step, step: &StepFinished, mode: Mode) -> Step {
    let why = if step.reason.is_empty() { &step.summary } else { &step.reason };
    let note = if step.summary.is_empty() { why } else { &step.summary };
    // the outputs of steps within a group are theirs
    let (output, count) = if step.action.is_group() { (Vec::new(), 0) } else { head(step, OUTPUT) };
    let is_null = output.first().is_none_or(|line| line == "null") && count <= 1;
    let output = if is_null { Vec::new() } else { output };
    let took = if step.attempts == 0 { String::new() } else { duration(step.duration_ms) };
    Step {
        mark: OutcomeMark::of_step(step, mode).into(),
        outcome: step.outcome.as_str().replace('_', " "),
        note: one_line(note),
        reason: if why == note { String::new() } else { one_line(why) },
        attempts: step.attempts,
        took,
        expectations: step.expectations.iter().map(expectation).collect(),
        matrix: matrix(&step.output),
        more: if is_null { 0 } else { count - output.len().min(count) },
        output,
        saved: step
            .saved
            .iter()
            .map(|saved| SavedFile { path: saved.file.clone(), text: file(saved) })
            .collect(),
        ..base
    }
}

fn expectation(judged: &Judgement) -> Expectation {
    let mark = match judged.outcome {
        Truth::True => OutcomeMark::Good,
        Truth::False => OutcomeMark::Bad,
        Truth::Error => OutcomeMark::Open,
    };
    let (expected, actual) = match judged.outcome {
        Truth::True => (String::new(), String::new()),
        Truth::False => (shown(&judged.expected), shown(&judged.actual)),
        Truth::Error => (String::new(), one_line(&judged.reason)),
    };
    let items = judged.items.iter().map(|item| Item {
        name: item.name.clone(),
        value: shown(&item.value),
        because: item.because.as_deref().map(one_line).unwrap_or_default(),
    });
    Expectation {
        mark: mark.into(),
        that: judged.that.clone(),
        message: judged.message.clone().unwrap_or_default(),
        expected,
        actual,
        items: items.collect(),
    }
}

fn shown(given: &Value) -> String {
    match given {
        Value::Null => "null".to_owned(),
        other => value(other),
    }
}

/// A list of objects that name their pod, as a table of its plain fields.
fn matrix(output: &Value) -> Option<Matrix> {
    let items = output.as_array()?;
    let rows: Vec<_> = items.iter().filter_map(Value::as_object).collect();
    if rows.len() != items.len()
        || rows.is_empty()
        || !rows.iter().all(|row| row.contains_key("pod"))
    {
        return None;
    }
    let is_plain = |field: &Value| {
        let is_short = |text: &str| text.chars().count() <= CELL;
        match field {
            Value::String(text) => is_short(text),
            Value::Bool(_) | Value::Number(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    };
    let mut columns = vec!["pod".to_owned()];
    for (name, field) in rows.iter().flat_map(|row| row.iter()) {
        if is_plain(field) && !columns.contains(name) && columns.len() < COLUMNS {
            columns.push(name.clone());
        }
    }
    let cell = |field: Option<&Value>| field.filter(|field| is_plain(field)).map(value);
    let line = |row: &&serde_json::Map<String, Value>| {
        columns.iter().map(|name| cell(row.get(name)).unwrap_or_default()).collect()
    };
    let shown = rows.iter().take(ROWS).map(line).collect();
    Some(Matrix { rows: shown, more: rows.len().saturating_sub(ROWS), columns })
}
