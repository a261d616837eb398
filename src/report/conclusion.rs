//! The end of the text: verdict, cause, next command, and what stayed open. Pure.

use super::standing;
use super::text::{duration, file, one_line, wrap};
use super::theme::{BAD, DIM, Detail, Line, Look, OutcomeMark, STRONG};
use crate::event::short_id;
use crate::event::{
    Effect, FindingConcluded, FindingItem, Mode, Next, NotRuledOut, Outcome, Reason, RunFinished,
    Saved, Severity, StepFinished, Verdict,
};
use crate::state::RunState;
use indexmap::IndexMap;
use serde_json::Value;

/// The most names in a list.
const NAMES: usize = 12;
/// The most items of a cause that are told one by one.
const ITEMS: usize = 5;

/// The conclusion of a run that is over, paused, or was found without an end.
pub(super) fn lines(state: &RunState, look: &Look) -> Vec<Line> {
    let Some(header) = state.header() else { return Vec::new() };
    let end = state.end_of_run();
    let mut lines = Vec::new();
    let dry = header.mode == Mode::DryRun;
    let quiet_dry = dry
        && end.is_some_and(|end| {
            // journals of earlier versions have `unknown` where nothing is false
            matches!(
                end.verdict,
                Verdict::Passed | Verdict::Previewed | Verdict::Partial | Verdict::Unknown
            )
        });
    if !quiet_dry {
        lines.extend(verdict(end, state, look));
    }
    if dry {
        lines.extend(dry_run(state, look));
    }
    let stopped = end.is_none_or(|end| end.verdict.is_of_a_stop());
    let blocks = [
        if stopped { standing::lines(state, look) } else { Vec::new() },
        state
            .findings()
            .iter()
            .flat_map(|finding| cause(finding, look))
            .chain(commands(state, stopped && state.is_running() != Some(true)))
            .collect(),
        rest(
            state,
            end.is_none_or(|end| !matches!(end.verdict, Verdict::Passed | Verdict::Partial))
                && !quiet_dry,
            look,
        ),
    ];
    for block in blocks.into_iter().filter(|block| !block.is_empty()) {
        lines.push(Line::empty());
        lines.extend(block);
    }
    lines
}

fn verdict(end: Option<&RunFinished>, state: &RunState, look: &Look) -> Vec<Line> {
    let mark = end.map_or(OutcomeMark::Open, |end| OutcomeMark::of_verdict(end.verdict));
    let line = Line::empty().push(mark.style(), mark.symbol(look.charset)).text(" ");
    let line = match state.header() {
        Some(header) if look.detail == Detail::Quiet => {
            line.push(STRONG, format!("{}: ", header.runbook))
        }
        Some(_) | None => line,
    };
    let Some(end) = end else {
        let words = state.words_without_end();
        return vec![line.push(STRONG, words.replacen("not", "Not", 1))];
    };
    let words = match end.verdict {
        Verdict::Passed => "Passed in",
        Verdict::Failed => "Failed in",
        Verdict::Error => "Could not be determined after",
        Verdict::Unknown => "Unknown after",
        Verdict::Paused => "Paused after",
        Verdict::InDoubt => "In doubt after",
        Verdict::Cancelled => "Cancelled after",
        Verdict::TimedOut => "Reached the time limit of the run after",
        Verdict::Previewed => "Previewed in",
        Verdict::Partial => "Partial run passed in",
    };
    let took = match end.duration_ms {
        100..1000 => format!("0.{} s", end.duration_ms / 100),
        ms => duration(ms),
    };
    line.push(mark.style(), format!("{words} {took}")).flow(counts(state), look)
}

/// `4 passed`, `1 failed`, …; failures that leave the verdict as it is are told apart.
fn counts(state: &RunState) -> Vec<String> {
    let counts = state.counts();
    let counted = |is: fn(&StepFinished) -> bool| {
        state.counted().filter(|step| step.outcome.is_bad() && is(step)).count()
    };
    let warnings = counted(|step| step.severity < Severity::Critical);
    let decisive = counted(|step| step.severity == Severity::Critical);
    let left_out_alone = state
        .ended()
        .filter(|step| !step.action.is_group() && matches!(step.why, Some(Reason::LeftOut { .. })))
        .count();
    let all = [
        (counts.passed as usize, "passed"),
        (decisive, "failed"),
        ((counts.failed as usize).saturating_sub(decisive + warnings), "recovered"),
        (warnings, if warnings == 1 { "warning" } else { "warnings" }),
        (counts.error as usize, "undetermined"),
        (counts.unknown as usize, "unknown"),
        // a group that was left out as one stands for all of its steps
        ((counts.skipped as usize).saturating_sub(left_out_alone) + state.left_out(), "skipped"),
        (counts.cancelled as usize, "cancelled"),
    ];
    let some: Vec<String> = all
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    // of a step in doubt it is not known whether it was
    match some {
        some if some.is_empty() && state.in_doubt().is_empty() => {
            vec!["no step was executed".into()]
        }
        some => some,
    }
}

/// What a dry run could see, and what it could not.
fn dry_run(state: &RunState, look: &Look) -> Vec<Line> {
    let count = |is: fn(&StepFinished) -> bool| {
        state.ended().filter(|step| !step.action.is_group() && is(step)).count()
    };
    let parts = [
        (count(|step| step.effect == Effect::Read && step.outcome.is_judged()), "read"),
        (count(|step| step.effect == Effect::Write && step.outcome.is_judged()), "previewed"),
        (count(|step| step.effect == Effect::Opaque), "opaque"),
        (
            count(|step| step.effect != Effect::Opaque && step.outcome == Outcome::Unknown),
            "unknown",
        ),
        (
            count(|step| step.effect != Effect::Opaque && step.outcome == Outcome::Error),
            "undetermined",
        ),
    ];
    let always = |word: &str| word != "undetermined";
    let mut parts = parts
        .into_iter()
        .filter(|(count, word)| *count > 0 || always(word))
        .map(|(count, word)| format!("{count} {word}"));
    let first = Line::empty().push(STRONG, "Dry run: ").text(parts.next().unwrap_or_default());
    let mut parts: Vec<String> = parts.collect();
    if let Some(last) = parts.last_mut() {
        last.push_str(". Nothing was changed.");
    }
    first.flow(parts, look)
}

/// A cause, with everything that has it: what is to be done is said once for those that say the
/// same.
fn cause(finding: &FindingConcluded, look: &Look) -> Vec<Line> {
    let items = finding.items();
    let mut lines = Vec::new();
    for (index, item) in items.iter().take(ITEMS).enumerate() {
        let text = one_line(&item.cause);
        let whole = format!("{}: {text}{}", finding.id, weight(finding));
        let (label, text) = match index {
            0 if finding.fixed => ("Fixed", whole),
            0 => ("Cause", whole),
            _ => ("", text),
        };
        lines.extend(beside(label, &text, look));
        let objects = unsaid(item);
        if !objects.is_empty() {
            lines.extend(wrapped("Where", &some(objects.iter().map(String::as_str)), look));
        }
        // what is the same for the next one is said after that
        let next = items.get(index + 1).filter(|_| index + 1 < ITEMS);
        if let Some(text) = todo(item).filter(|_| next.is_none_or(|next| differ(item, next))) {
            // a command is there to be copied: it stays in one piece
            lines.push(Line::new(2).push(DIM, "Do").pad_to(9).text(one_line(text)));
        }
    }
    for proof in &finding.not_fixed {
        let (words, reason) = (proof.outcome.words(), one_line(&proof.reason));
        let text = format!("{words}: {}: {reason}", proof.step);
        lines.extend(wrapped("Proof", &text, look));
    }
    let rest: Vec<String> = items.iter().skip(ITEMS).flat_map(named).collect();
    if !rest.is_empty() {
        let names = some(rest.iter().map(String::as_str));
        lines.extend(beside("", &format!("and {} more: {names}", items.len() - ITEMS), look));
    }
    lines
}

/// What is to be done about an item.
fn todo(item: &FindingItem) -> Option<&str> {
    item.remedy.as_ref()?.text.as_deref()
}

/// Whether other things are to be done about two items: the names of their objects make no
/// difference.
fn differ(one: &FindingItem, other: &FindingItem) -> bool {
    let nameless = |item: &FindingItem| {
        let names = named(item);
        let names = names.iter().map(|object| object.rsplit('/').next().unwrap_or(object));
        names.fold(todo(item).map(str::to_owned), |text, name| {
            text.map(|text| text.replace(name, "NAME"))
        })
    };
    todo(one) != todo(other) && nameless(one) != nameless(other)
}

/// The objects of an item, in a word each.
pub(super) fn named(item: &FindingItem) -> Vec<String> {
    item.objects.iter().flatten().map(object).collect()
}

/// The objects that the words of the cause do not name.
pub(super) fn unsaid(item: &FindingItem) -> Vec<String> {
    let words = one_line(&item.cause);
    named(item).into_iter().filter(|object| !is_said(&words, object)).collect()
}

/// Whether words name an object, with its API group or without: `cluster.pg.example.com/db`.
fn is_said(words: &str, object: &str) -> bool {
    let with_group = || {
        let (kind, name) = object.split_once('/')?;
        words.split([' ', ',', ';', ':', '(', ')']).find(|word| {
            let (of, own) = word.split_once('/').unwrap_or_default();
            own == name && of.strip_prefix(kind).is_some_and(|group| group.starts_with('.'))
        })
    };
    words.contains(object) || with_group().is_some()
}

/// An object in a word: its kind and name, whether they are written as the API does or beside each
/// other; otherwise all of it.
pub(super) fn object(object: &Value) -> String {
    let text = |field: &Value| field.as_str().map(one_line);
    let name = text(&object["metadata"]["name"]).or_else(|| text(&object["name"]));
    match (text(&object["kind"]), name, object) {
        (Some(kind), Some(name), _) => format!("{}/{name}", kind.to_lowercase()),
        (None, Some(name), Value::Object(fields)) if fields.len() == 1 => name,
        (_, _, Value::String(text)) => one_line(text),
        _ => object.to_string(),
    }
}

/// What is to be said of a cause that does not make the verdict.
pub(super) fn weight(finding: &FindingConcluded) -> &'static str {
    if finding.fixed || finding.severity == Severity::Critical { "" } else { " (warning)" }
}

/// Commands are never wrapped: they are there to be copied.
fn commands(state: &RunState, stopped: bool) -> Vec<Line> {
    let mut commands = next(state);
    let run = state.header().map(|header| short_id(&header.run)).unwrap_or_default().to_owned();
    let writes = |step: &StepFinished| step.effect == Effect::Write && step.outcome.is_good();
    let mode = state.header().map(|header| header.mode);
    let undoable =
        stopped && matches!(mode, Some(Mode::Run | Mode::Resume)) && state.ended().any(writes);
    // lines of an earlier version are all that there are
    let earlier = state.end_of_run().is_some_and(|end| end.commands.len() < end.next.len());
    let mut add = |wanted: bool, is: fn(&Next) -> bool, next: Next| {
        let known = |(known, _): &(Option<Next>, String)| known.as_ref().is_some_and(is);
        if wanted && !earlier && !commands.iter().any(known) {
            commands.push((Some(next.clone()), next.to_string()));
        }
    };
    add(stopped, |next| matches!(next, Next::Resume { .. }), state.resume_command(None));
    let undo = Next::Undo { run: run.clone(), options: state.place_options() };
    add(undoable, |next| matches!(next, Next::Undo { .. }), undo);
    if state.is_running() == Some(true) {
        commands.push((None, format!("runbook log -f {}", short_id(&run))));
    }
    let resumes = commands.iter().any(|(next, _)| matches!(next, Some(Next::Resume { .. })));
    // as wide as the longest label, so that all commands stand in one column
    let column = if resumes { 13 } else { 9 };
    let mut lines = Vec::new();
    let mut above = "";
    let mut seen: Vec<&str> = Vec::new();
    for (next, command) in &commands {
        if seen.contains(&command.as_str()) {
            continue;
        }
        seen.push(command);
        let label = match next {
            Some(Next::Resume { .. }) => "Continue",
            Some(Next::Undo { .. }) => "Undo",
            // beside the commands that continue the run, it is to be told apart from them
            Some(Next::Run { .. }) if resumes => "Remedy",
            Some(Next::Run { .. } | Next::Approve { .. } | Next::Status { .. }) | None => "Next",
        };
        let shown = if label == above { "" } else { label };
        above = label;
        lines.push(Line::new(2).push(DIM, shown).pad_to(column).push(STRONG, command.as_str()));
    }
    lines
}

/// What can be done next, with its line; just the line in records of earlier versions.
fn next(state: &RunState) -> Vec<(Option<Next>, String)> {
    let end = state.end_of_run();
    let lines = end.filter(|end| end.commands.is_empty()).into_iter().flat_map(|end| &end.next);
    let commands = end.into_iter().flat_map(|end| &end.commands);
    let remedies = state.findings().iter();
    lines
        .map(|line| (None, line.clone()))
        .chain(commands.map(|next| (Some(next.clone()), next.to_string())))
        .chain(
            remedies
                .flat_map(|finding| finding.items().into_iter().take(ITEMS))
                .filter_map(|item| Some((item.next, item.command?))),
        )
        .collect()
}

/// How many reasons are said why causes are not ruled out; the record has all.
const REASONS: usize = 3;

fn rest(state: &RunState, has_more: bool, look: &Look) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open = by_reason(state.not_ruled_out()).into_iter();
    for (because, ids) in open.by_ref().take(REASONS) {
        // a diagnosis that was not made leaves all of its causes: the names of some tell nothing
        let names = match ids.len() {
            count if count > NAMES => format!("{count} causes"),
            _ => some(ids.into_iter()),
        };
        let text = format!("Not ruled out: {names} ({})", one_line(because));
        lines.extend(wrapped("", &text, look));
    }
    let others: Vec<usize> = open.map(|(_, ids)| ids.len()).collect();
    if !others.is_empty() {
        let (causes, reasons) = (others.iter().sum::<usize>(), others.len());
        let text = format!("Not ruled out: {causes} more, for {reasons} more reasons");
        lines.extend(wrapped("", &text, look));
    }
    let has_more = has_more || !others.is_empty();
    let saved: Vec<&Saved> = state.ended().flat_map(|step| &step.saved).collect();
    if let Some(last) = saved.last() {
        let others = match saved.len() - 1 {
            0 => String::new(),
            1 => " and 1 other file".to_owned(),
            count => format!(" and {count} other files"),
        };
        lines.extend(wrapped("", &format!("Saved: {}{others}", file(last)), look));
    }
    if let Some(header) = state.header().filter(|_| has_more || !saved.is_empty()) {
        lines.push(
            Line::new(2).push(DIM, format!("Full record: runbook show {}", short_id(&header.run))),
        );
    }
    lines
}

/// Causes that were not ruled out, those with the same reason together.
pub(super) fn by_reason(open: &[NotRuledOut]) -> IndexMap<&str, Vec<&str>> {
    let mut grouped: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for NotRuledOut { id, because } in open {
        grouped.entry(because).or_default().push(id);
    }
    grouped
}

/// A label and a text beside it, which stays in its column; without a label, the text has the width.
pub(super) fn wrapped(label: &str, text: &str, look: &Look) -> Vec<Line> {
    in_column(label, if label.is_empty() { 2 } else { 9 }, text, look)
}

/// A label and a text beside it; without a label, the text stands below the one before.
fn beside(label: &str, text: &str, look: &Look) -> Vec<Line> {
    in_column(label, 9, text, look)
}

fn in_column(label: &str, column: usize, text: &str, look: &Look) -> Vec<Line> {
    let style = if label == "Cause" { BAD } else { DIM };
    wrap(text, look.width.saturating_sub(column + 2).max(20))
        .into_iter()
        .enumerate()
        .map(|(index, part)| {
            let label = if index == 0 { label } else { "" };
            Line::new(2).push(style, label).pad_to(column).text(part)
        })
        .collect()
}

/// Names in a row, and how many more.
pub(super) fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().checked_sub(NAMES) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..NAMES].join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Remedy;
    use crate::report::theme::{Charset, Detail};
    use serde_json::json;

    #[test]
    fn an_object_is_named_with_its_group_or_without() {
        for (words, is) in [
            ("pod/a is ill", true),
            ("cluster.pg.example.com/db: not ready", true),
            ("cluster.pg.example.com/db-1 is not ready", false),
            ("clusters/db is not ready", false),
        ] {
            let object = if words.starts_with("pod") { "pod/a" } else { "cluster/db" };
            assert_eq!(is_said(words, object), is, "{words}");
        }
    }

    #[test]
    fn what_is_to_be_done_is_said_once_for_items_that_differ_by_name() {
        let item = |name: &str, todo: &str| FindingItem {
            cause: format!("cronjob/{name} has missed its schedule"),
            objects: Some(vec![json!({"kind": "CronJob", "name": name})]),
            remedy: Some(Remedy { text: Some(todo.to_owned()), ..Remedy::default() }),
            command: None,
            next: None,
        };
        let finding = FindingConcluded {
            id: "missed".into(),
            severity: Severity::Critical,
            cause: String::new(),
            objects: None,
            steps: Vec::new(),
            remedy: None,
            command: None,
            next: None,
            each: vec![
                item("a-1", "kubectl create job --from=cronjob/a-1"),
                item("b-2", "kubectl create job --from=cronjob/b-2"),
                item("c-3", "look at the controller"),
            ],
            fixed: false,
            not_fixed: Vec::new(),
        };
        let look =
            Look { width: 60, color: false, charset: Charset::Unicode, detail: Detail::Normal };
        let lines: Vec<String> =
            cause(&finding, &look).iter().map(|line| line.render(false)).collect();
        assert_eq!(
            lines,
            [
                "  Cause  missed: cronjob/a-1 has missed its schedule",
                "         cronjob/b-2 has missed its schedule",
                "  Do     kubectl create job --from=cronjob/b-2",
                "         cronjob/c-3 has missed its schedule",
                "  Do     look at the controller",
            ]
        );
    }
}
