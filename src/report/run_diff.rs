//! What was different from one run to another, as text. Pure.

use super::text::{duration, one_line, value, wrap};
use super::theme::{
    BAD, Charset, DIM, GOOD, Line, Look, OutcomeMark, PLAIN, REMOVED, STRONG, WARN,
};
use crate::event::{Mode, Outcome, Truth, short_id};
use crate::history::{
    ExpectationDiff, FieldDiff, FindingDiff, Known, RunDiff, SeenValue, Side, StepDiff, StepEnd,
};
use anstyle::Style;
use serde_json::Value;

/// The text of a difference, each line with its newline.
pub fn run_diff(diff: &RunDiff, look: &Look) -> String {
    let mut text = DiffText { look, lines: Vec::new() };
    text.heading(diff);
    if diff.same {
        text.lines.push(Line::empty());
        text.lines.push(Line::empty().text("Nothing was different."));
    }
    text.fields("Target", &diff.target);
    text.fields("Parameters", &diff.params);
    text.findings(&diff.findings);
    text.steps(&diff.steps);
    text.changes(diff);
    text.lines.iter().map(|line| line.render(look.color) + "\n").collect()
}

struct DiffText<'a> {
    look: &'a Look,
    lines: Vec<Line>,
}

impl DiffText<'_> {
    fn section(&mut self, title: &str) {
        self.lines.push(Line::empty());
        self.lines.push(Line::empty().push(STRONG, title));
    }

    /// A text below a mark, at whose place it goes on if it is long.
    fn marked(&mut self, indent: usize, mark: &str, style: Style, text: &str) {
        let start = indent + 2;
        let room = self.look.width.saturating_sub(start + 2).max(20);
        for (index, part) in wrap(text, room).into_iter().enumerate() {
            let line = if index == 0 {
                Line::new(indent).push(style, mark).pad_to(start)
            } else {
                Line::new(start)
            };
            self.lines.push(line.text(part));
        }
    }

    fn arrow(&self) -> &'static str {
        match self.look.charset {
            Charset::Unicode => "→",
            Charset::Ascii => "->",
        }
    }

    fn heading(&mut self, diff: &RunDiff) {
        let (before, after) = (&diff.before, &diff.after);
        self.lines.push(Line::empty().push(STRONG, after.runbook.as_str()));
        let other = before.runbook != after.runbook;
        self.side("before", before, other);
        self.side("after", after, other);
        if diff.runbook_changed {
            self.marked(2, "!", WARN, "The runbook was changed between the two runs.");
        }
    }

    fn side(&mut self, label: &str, side: &Side, with_name: bool) {
        let style = side.verdict.map_or(WARN, |verdict| OutcomeMark::of_verdict(verdict).style());
        let verdict = side.verdict.map_or("without a verdict", |verdict| verdict.words());
        let mut facts = Vec::new();
        facts.extend((side.mode == Mode::DryRun).then(|| "dry run".to_owned()));
        facts.extend(side.duration_ms.map(duration));
        facts.extend(with_name.then(|| side.runbook.clone()));
        let line = Line::new(2).push(DIM, label).pad_to(10).text(short_id(&side.run));
        let line = line.text(format!("  {}  ", side.started.strftime("%Y-%m-%d %H:%M:%SZ")));
        let line = line.push(style, verdict);
        self.lines.push(if facts.is_empty() {
            line
        } else {
            line.text(format!("  {}", facts.join(self.look.separator())))
        });
    }

    fn fields(&mut self, title: &str, fields: &[FieldDiff]) {
        if fields.is_empty() {
            return;
        }
        self.section(title);
        let shown = |given: &Value| match given {
            Value::Null => "none".to_owned(),
            given => value(given),
        };
        for field in fields {
            let (name, before, after) = (&field.name, shown(&field.before), shown(&field.after));
            let text = format!("{name}: {before} {} {after}", self.arrow());
            self.marked(2, "~", WARN, &text);
        }
    }

    fn findings(&mut self, findings: &[FindingDiff]) {
        if findings.is_empty() {
            return;
        }
        self.section("Causes");
        for finding in findings {
            let (mark, style, text) = told(finding);
            self.marked(2, mark, style, &format!("{}: {}", finding.id, one_line(&text)));
        }
    }

    fn steps(&mut self, steps: &[StepDiff]) {
        if steps.is_empty() {
            return;
        }
        self.section("Steps");
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &StepDiff) {
        let text = match (&step.before, &step.after) {
            (Some(before), Some(after)) if before.outcome == after.outcome => {
                format!("{}: {} both times", step.path, end(after))
            }
            (before, after) => {
                let word = |side: &Option<StepEnd>| side.as_ref().map_or("not started", end);
                format!("{}: {} {} {}", step.path, word(before), self.arrow(), word(after))
            }
        };
        let outcome = step.after.as_ref().and_then(|after| after.outcome);
        let style = match outcome {
            Some(outcome) if outcome.is_good() => GOOD,
            Some(outcome) if outcome.is_bad() => BAD,
            Some(Outcome::Skipped) | None => DIM,
            Some(_) => WARN,
        };
        self.marked(2, "~", style, &text);
        for expectation in &step.expectations {
            self.expectation(expectation);
        }
        // what an expectation saw is the reason already
        if step.expectations.is_empty() {
            self.reasons(step);
        }
    }

    fn reasons(&mut self, step: &StepDiff) {
        let reason = |side: &Option<StepEnd>| {
            side.as_ref().map(|end| end.reason.clone()).filter(|reason| !reason.is_empty())
        };
        let is_same = |before: &StepEnd| {
            step.after.as_ref().is_some_and(|after| after.outcome == before.outcome)
        };
        let before = step.before.as_ref().filter(|before| is_same(before)).cloned();
        match (reason(&before), reason(&step.after)) {
            (None, None) => {}
            (None, Some(after)) => self.marked(4, "", PLAIN, &one_line(&after)),
            (Some(before), after) => {
                self.marked(6, "-", REMOVED, &one_line(&before));
                self.marked(6, "+", GOOD, &one_line(&after.unwrap_or_default()));
            }
        }
    }

    fn expectation(&mut self, expectation: &ExpectationDiff) {
        self.marked(4, "", PLAIN, &one_line(&expectation.that));
        for (mark, style, side) in
            [("-", REMOVED, &expectation.before), ("+", GOOD, &expectation.after)]
        {
            let text = side.as_ref().map_or_else(|| "not judged".to_owned(), seen);
            self.marked(6, mark, style, &text);
        }
    }

    fn changes(&mut self, diff: &RunDiff) {
        let only = [("-", REMOVED, &diff.changes.before), ("+", GOOD, &diff.changes.after)];
        if only.iter().all(|(_, _, changes)| changes.is_empty()) {
            return;
        }
        self.section("Changes");
        for (mark, style, changes) in only {
            for change in changes {
                let field = |name: &str| change.get(name).map(value).unwrap_or_default();
                let text = format!("{}: {}, {}", field("step"), field("object"), field("summary"));
                self.marked(2, mark, style, &one_line(&text));
            }
        }
    }
}

fn end(end: &StepEnd) -> &'static str {
    end.outcome.map_or("no outcome", Outcome::as_str)
}

fn seen(seen: &SeenValue) -> String {
    let word = match seen.outcome {
        Truth::True => "passed",
        Truth::False => "failed",
        Truth::Error => "not judged",
    };
    match seen.reason.as_str() {
        "" => format!("{word}: {}", value(&seen.actual)),
        reason => format!("{word}: {}", one_line(reason)),
    }
}

/// Mark, style and words for what became of a cause.
fn told(finding: &FindingDiff) -> (&'static str, Style, String) {
    match (&finding.before, &finding.after) {
        (Known::Found { cause: old }, Known::Found { cause }) => {
            ("~", BAD, format!("{cause} (before: {old})"))
        }
        (_, Known::Found { cause }) => ("+", BAD, cause.clone()),
        (_, Known::Fixed { cause }) => ("-", GOOD, format!("fixed: {cause}")),
        (_, Known::NotRuledOut { because }) => ("?", WARN, format!("not ruled out: {because}")),
        (_, Known::NotJudged) => {
            ("?", WARN, "the run ended before it came to its conclusions".to_owned())
        }
        (Known::NotRuledOut { .. } | Known::NotJudged, Known::NotFound) => {
            ("-", GOOD, "ruled out now".to_owned())
        }
        (Known::Found { cause } | Known::Fixed { cause }, Known::NotFound) => {
            ("-", GOOD, cause.clone())
        }
        (Known::NotFound, Known::NotFound) => ("-", DIM, String::new()),
    }
}
