//! Tests as text, for a terminal or a pipe.

use super::{Tested, milliseconds, name, reasons};
use crate::rehearsal::{CaseResult, Coverage, Mutation, ScenarioRow};
use crate::report::reporter::Reporter;
use crate::report::text::{duration, one_line, wrap};
use crate::report::theme::{BAD, DIM, GOOD, Line, Look, OutcomeMark, STRONG, WARN};
use crate::report::{Detail, Plain};
use crate::state::RunState;
use std::collections::BTreeMap;

/// The results, what failed in full, then the sum.
pub fn text(tested: &Tested<'_>, look: Look) -> String {
    let mut lines = Vec::new();
    let mut suites: BTreeMap<&str, Vec<&CaseResult>> = BTreeMap::new();
    for result in tested.results {
        suites.entry(&result.runbook).or_default().push(result);
    }
    let width = suites.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    for (runbook, results) in &suites {
        suite(runbook, results, (look, width), &mut lines);
    }
    for coverage in tested.coverage {
        covered(coverage, look, &mut lines);
    }
    for mutation in tested.mutation {
        mutated(mutation, look, &mut lines);
    }
    if !tested.matrix.is_empty() {
        matrix(tested.matrix, look, &mut lines);
    }
    lines.push(Line::empty());
    lines.push(sum(tested, look));
    lines.into_iter().map(|line| line.render(look.color) + "\n").collect()
}

fn mark(good: bool) -> OutcomeMark {
    if good { OutcomeMark::Good } else { OutcomeMark::Bad }
}

/// A line for a runbook, or, where a case does not hold or more is asked for, a line for each.
fn suite(
    runbook: &str,
    results: &[&CaseResult],
    (look, width): (Look, usize),
    lines: &mut Vec<Line>,
) {
    let failed = results.iter().filter(|result| !result.holds()).count();
    let mark_of = |good: bool| (mark(good).style(), mark(good).symbol(look.charset));
    let (style, symbol) = mark_of(failed == 0);
    let cases = match results.len() {
        1 => "1 case".to_owned(),
        several => format!("{several} cases"),
    };
    let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    if look.detail > Detail::Quiet || failed > 0 {
        let line = Line::new(2).push(style, symbol).text(format!("  {runbook}"));
        lines.push(line.pad_to(width + 9).push(DIM, format!("{cases}{failures}")));
    }
    for result in results {
        if result.holds() && look.detail < Detail::Verbose {
            continue;
        }
        let (style, symbol) = mark_of(result.holds());
        let took = duration(milliseconds(result.took));
        let line = Line::new(6).push(style, symbol).text(format!("  {}", name(result)));
        lines.push(line.text("  ").push(DIM, took));
        if !result.holds() {
            failure(result, look, lines);
        }
    }
}

/// Where the case stands, what is different, and the screen of the run.
fn failure(result: &CaseResult, look: Look, lines: &mut Vec<Line>) {
    lines.push(Line::new(9).push(DIM, format!("{}:{}", result.file, result.line)));
    for reason in reasons(result) {
        for part in wrap(&reason, look.width.saturating_sub(9)) {
            lines.push(Line::new(9).push(BAD, part));
        }
    }
    for stage in result.played.iter().flat_map(|played| &played.stages) {
        lines.push(Line::new(9).push(DIM, format!("--- {} ---", stage.kind.as_str())));
        let mut screen = Vec::new();
        let narrow = Look { width: look.width.saturating_sub(9).max(40), color: false, ..look };
        let mut plain = Plain::new(&mut screen, narrow);
        let mut state = RunState::new();
        for record in &stage.records {
            // what cannot be replayed is shown as far as it can, and a buffer takes everything
            if state.apply(record).is_err() || plain.record(record, &state).is_err() {
                break;
            }
        }
        plain.finish(&state).ok();
        let screen = String::from_utf8_lossy(&screen).into_owned();
        lines.extend(screen.lines().map(|line| Line::new(9).text(line)));
    }
}

fn covered(coverage: &Coverage, look: Look, lines: &mut Vec<Line>) {
    let missing = coverage.missing();
    if missing == 0 && look.detail == Detail::Quiet {
        return;
    }
    lines.push(Line::empty());
    let share = (coverage.all - missing) * 100 / coverage.all.max(1);
    let line = Line::empty().push(STRONG, coverage.runbook.as_str());
    lines.push(line.text(format!("  {share} % covered")));
    for (what, list) in [
        ("never executed", &coverage.not_executed),
        ("never passed", &coverage.never_passed),
        ("never failed", &coverage.never_failed),
        ("never skipped", &coverage.never_skipped),
        ("never concluded", &coverage.never_concluded),
    ] {
        if !list.is_empty() {
            for (number, part) in
                wrap(&list.join(", "), look.width.saturating_sub(19)).iter().enumerate()
            {
                let label = if number == 0 { what } else { "" };
                lines.push(Line::new(2).push(WARN, label).pad_to(19).text(part.as_str()));
            }
        }
    }
}

fn mutated(mutation: &Mutation, look: Look, lines: &mut Vec<Line>) {
    if mutation.survivors.is_empty() && look.detail == Detail::Quiet {
        return;
    }
    lines.push(Line::empty());
    let noticed = mutation.all - mutation.survivors.len();
    let line = Line::empty().push(STRONG, mutation.runbook.as_str());
    lines.push(line.text(format!("  {noticed} of {} mutants noticed", mutation.all)));
    for survivor in &mutation.survivors {
        let line = Line::new(2).push(WARN, "not noticed").text(format!("  {}", survivor.what));
        lines.push(line.push(DIM, format!("  line {}", survivor.line)));
    }
}

fn matrix(rows: &[ScenarioRow], look: Look, lines: &mut Vec<Line>) {
    lines.push(Line::empty());
    lines.push(Line::empty().push(STRONG, "Scenarios"));
    let width = rows.iter().map(|row| row.scenario.chars().count()).max().unwrap_or_default();
    for row in rows {
        let good = row.missed.is_empty() && row.false_alarms.is_empty();
        let (style, symbol) = (mark(good).style(), mark(good).symbol(look.charset));
        let line = Line::new(2).push(style, symbol).text(format!("  {}", row.scenario));
        let right = format!("{} correct", row.right.len());
        lines.push(line.pad_to(width + 8).push(DIM, right));
        for (what, list) in [("missed", &row.missed), ("false", &row.false_alarms)] {
            for one in list {
                lines.push(Line::new(6).push(BAD, what).text(format!("  {}", one_line(one))));
            }
        }
    }
}

/// `118 cases, all passed in 3.4s`
fn sum(tested: &Tested<'_>, look: Look) -> Line {
    let failed = tested.failed().count();
    let took = duration(milliseconds(tested.took));
    let all = tested.results.len();
    let is_good = failed == 0 && all > 0;
    let (style, symbol) = (mark(is_good).style(), mark(is_good).symbol(look.charset));
    let said = match (all, failed) {
        (0, _) => "No case was found".to_owned(),
        (1, 0) => "1 case passed".to_owned(),
        (_, 0) => format!("{all} cases passed"),
        _ => format!("{failed} of {all} cases failed"),
    };
    let said_style = if is_good { GOOD } else { BAD };
    Line::empty()
        .push(style, symbol)
        .text("  ")
        .push(said_style, said)
        .push(DIM, format!("  {took}"))
}
