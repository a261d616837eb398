//! `runbook show RUN`: everything that a run recorded, with full names.

use super::conclusion::by_reason;
use super::output;
use super::text::{duration, file, one_line, value, wrap};
use super::theme::{BAD, DIM, GOOD, Line, Look, OutcomeMark, STRONG, WARN};
use crate::event::{
    Effect, Event, Judgement, Record, Severity, StepFinished, StepRetried, StepSummary, Summary,
    Truth, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// The full text of a run.
pub struct Show<'a> {
    look: Look,
    lines: Vec<Line>,
    out: &'a mut dyn Write,
}

impl Show<'_> {
    /// Writes the full text of a run from its summary and records, step by step. `look.detail` does
    /// not matter: everything is shown.
    ///
    /// # Errors
    /// When it cannot be written, or a stored output cannot be read.
    pub fn write(
        summary: &Summary,
        records: &[Record],
        look: Look,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut show = Show { look, lines: Vec::new(), out };
        show.header(summary);
        let recorded = Recorded::new(records);
        for step in &summary.steps {
            show.lines.push(Line::empty());
            show.step(step, summary, &recorded)?;
        }
        show.not_begun(summary, records);
        show.findings(summary);
        show.rest(summary, records);
        show.flush()
    }

    /// Writes the steps of a summary, and nothing else of the run.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn steps(
        summary: &Summary,
        records: &[Record],
        look: Look,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut show = Show { look, lines: Vec::new(), out };
        let recorded = Recorded::new(records);
        for (index, step) in summary.steps.iter().enumerate() {
            if index > 0 {
                show.lines.push(Line::empty());
            }
            show.step(step, summary, &recorded)?;
        }
        Ok(())
    }

    /// Writes the lines that there are.
    fn flush(&mut self) -> io::Result<()> {
        self.lines
            .drain(..)
            .try_for_each(|line| writeln!(self.out, "{}", line.render(self.look.color)))
    }

    fn pair(&mut self, label: &str, text: impl Into<String>) {
        self.lines.push(Line::new(2).push(DIM, label).pad_to(13).text(text));
    }

    fn pair_if(&mut self, label: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.pair(label, text.as_str());
        }
    }

    fn section(&mut self, title: &str) {
        self.lines.push(Line::empty());
        self.lines.push(Line::empty().push(STRONG, title));
    }

    fn header(&mut self, summary: &Summary) {
        self.lines.push(
            Line::empty()
                .push(STRONG, summary.runbook.as_str())
                .text(format!("  {}", summary.title)),
        );
        self.pair("run", summary.run.as_str());
        self.pair("mode", word(&summary.mode));
        self.pair("digest", summary.digest.as_str());
        self.pair("started", format!("{:.0}", summary.started));
        match (summary.ended, summary.duration_ms) {
            (Some(ended), Some(ms)) => {
                self.pair("ended", format!("{ended:.0}, after {}", duration(ms)));
            }
            _ => self.pair(
                "ended",
                match summary.running {
                    Some(true) => "not yet: the run is in progress",
                    Some(false) => "not recorded: the process of the run died",
                    None => {
                        "not recorded: the process ended before, or the run is still in progress"
                    }
                },
            ),
        }
        match (summary.verdict, summary.exit_code) {
            (Some(verdict), Some(code)) => {
                let line = Line::new(2).push(DIM, "verdict").pad_to(13);
                let style = OutcomeMark::of_verdict(verdict).style();
                self.lines
                    .push(line.push(style, word(&verdict)).text(format!(", exit code {code}")));
            }
            _ => self.pair("verdict", "none"),
        }
        let target = &summary.target;
        self.pair_if("sandbox", target.sandbox.as_ref());
        self.pair_if("context", target.context.as_ref());
        self.pair_if("server", target.server.as_ref());
        self.pair_if("cluster", target.cluster_uid.as_ref());
        self.pair_if("namespace", target.namespace.as_ref());
        self.pair_if(
            "also changes",
            (!target.also_changes.is_empty()).then(|| target.also_changes.join(", ")).as_ref(),
        );
        self.pair_if("user", target.user.as_ref());
        for (index, (name, param)) in summary.params.iter().enumerate() {
            self.pair(
                if index == 0 { "parameters" } else { "" },
                format!("{name} = {}", value(param)),
            );
        }
    }

    fn step(
        &mut self,
        step: &StepSummary,
        summary: &Summary,
        recorded: &Recorded,
    ) -> io::Result<()> {
        let finished = recorded.finished.get(step.path.as_str()).copied();
        let (mark, outcome) = match (finished, step.outcome) {
            (Some(finished), Some(outcome)) => {
                (OutcomeMark::of_step(finished, summary.mode), outcome.as_str())
            }
            _ => (OutcomeMark::Attention, begun(step, summary)),
        };
        let line = Line::empty().push(mark.style(), mark.symbol(self.look.charset)).text(" ");
        self.lines.push(
            line.push(STRONG, step.path.as_str()).text(format!("  {}", one_line(&step.title))),
        );
        let mut facts = vec![step.action.to_string(), word(&step.effect), outcome.to_owned()];
        if step.attempts > 0 {
            facts.push(duration(step.duration_ms));
        }
        if step.attempts > 1 {
            facts.push(format!("{} attempts", step.attempts));
        }
        if step.severity != Severity::Critical {
            facts.push(format!("severity {}", word(&step.severity)));
        }
        self.lines.push(Line::new(4).push(DIM, facts.join(self.look.separator())));
        self.text(4, &step.summary);
        if step.reason != step.summary {
            self.text(4, &step.reason);
        }
        for retried in recorded.retried.get(step.path.as_str()).into_iter().flatten() {
            self.text(4, &format!("attempt {}: {}", retried.attempt, retried.reason));
        }
        for judgement in &step.expectations {
            self.judgement(judgement);
        }
        for saved in &step.saved {
            self.text(4, &format!("saved {}", file(saved)));
        }
        if let Some(finished) = finished.filter(|finished| output::is_there(finished)) {
            self.lines.push(Line::new(4).push(DIM, "output"));
            self.flush()?;
            let mut indented = Indented { out: self.out, begun: false };
            output::write(finished, &mut indented)?;
            indented.end()?;
        }
        self.flush()
    }

    fn not_begun(&mut self, summary: &Summary, records: &[Record]) {
        let planned = records.iter().find_map(|record| match &record.event {
            Event::RunStarted(header) => Some(header.steps.as_slice()),
            _ => None,
        });
        let known: BTreeSet<&str> = summary.steps.iter().map(|step| step.path.as_str()).collect();
        for step in
            planned.unwrap_or_default().iter().filter(|step| !known.contains(step.path.as_str()))
        {
            self.lines.push(Line::empty());
            let line =
                Line::empty().push(DIM, OutcomeMark::NotDone.symbol(self.look.charset)).text(" ");
            self.lines.push(
                line.push(STRONG, step.path.as_str()).text(format!("  {}", one_line(&step.title))),
            );
            self.lines.push(Line::new(4).push(DIM, "not started"));
        }
    }

    fn text(&mut self, indent: usize, text: &str) {
        let room = self.look.width.saturating_sub(indent + 2).max(20);
        self.lines.extend(wrap(text, room).into_iter().map(|part| Line::new(indent).text(part)));
    }

    fn judgement(&mut self, judgement: &Judgement) {
        let (mark, style) = match judgement.outcome {
            Truth::True => (OutcomeMark::Good, GOOD),
            Truth::False => (OutcomeMark::Bad, BAD),
            Truth::Error => (OutcomeMark::Open, WARN),
        };
        let line = Line::new(4).push(style, mark.symbol(self.look.charset)).text(" ");
        self.lines.push(line.text(one_line(&judgement.that)));
        if judgement.outcome == Truth::True {
            return;
        }
        for text in judgement.message.iter().chain([&judgement.reason]) {
            self.text(6, text);
        }
        self.lines.push(Line::new(6).text(format!("actual    {}", value(&judgement.actual))));
        self.lines.push(Line::new(6).text(format!("expected  {}", value(&judgement.expected))));
        for item in &judgement.items {
            let because = item
                .because
                .as_deref()
                .map(|because| format!("  {}", one_line(because)))
                .unwrap_or_default();
            self.lines.push(
                Line::new(6)
                    .push(style, item.name.as_str())
                    .text(format!("  {}{because}", value(&item.value))),
            );
        }
        if let Some(at) = &judgement.at {
            self.lines.push(Line::new(6).push(DIM, format!("written at {at}")));
        }
    }

    fn findings(&mut self, summary: &Summary) {
        if summary.findings.is_empty() && summary.not_ruled_out.is_empty() {
            return;
        }
        self.section("Findings");
        for finding in &summary.findings {
            let head = format!(
                "{} ({}): ",
                finding.id,
                if finding.fixed { "fixed".to_owned() } else { word(&finding.severity) }
            );
            for (index, item) in finding.items().into_iter().enumerate() {
                let style = if finding.fixed { GOOD } else { BAD };
                let line = Line::new(2).push(style, head.as_str());
                self.lines.push(line.text(one_line(&item.cause)));
                if index == 0 && !finding.steps.is_empty() {
                    self.text(4, &format!("from {}", finding.steps.join(", ")));
                }
                if let Some(text) = item.remedy.as_ref().and_then(|remedy| remedy.text.as_ref()) {
                    self.text(4, text);
                }
                if let Some(command) = &item.command {
                    self.lines.push(Line::new(4).push(STRONG, command.as_str()));
                }
            }
            for proof in &finding.not_fixed {
                let (words, reason) = (proof.outcome.words(), one_line(&proof.reason));
                self.text(4, &format!("proof {words}: {}: {reason}", proof.step));
            }
        }
        for (because, ids) in by_reason(&summary.not_ruled_out) {
            self.text(2, &format!("not ruled out: {} ({because})", ids.join(", ")));
        }
    }

    fn rest(&mut self, summary: &Summary, records: &[Record]) {
        if !summary.changes.is_empty() {
            self.section("Changes");
            for change in &summary.changes {
                let field = |name: &str| change.get(name).map(value).unwrap_or_default();
                let text = ["step", "verb", "object", "summary"].map(field).join("  ");
                self.lines.push(Line::new(2).text(one_line(&text)));
            }
        }
        let events: Vec<String> = records.iter().filter_map(history).collect();
        self.section("History");
        for event in events {
            self.text(2, &event);
        }
        if !summary.next.is_empty() {
            self.section("Next");
            for command in &summary.next {
                self.lines.push(Line::new(2).push(STRONG, command.as_str()));
            }
        }
    }
}

/// Sets each line of a text in.
struct Indented<'a> {
    out: &'a mut dyn Write,
    /// Within a line.
    begun: bool,
}

impl Indented<'_> {
    fn end(&mut self) -> io::Result<()> {
        if self.begun { self.out.write_all(b"\n") } else { Ok(()) }
    }
}

impl Write for Indented<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.begun && line != b"\n" {
                self.out.write_all(b"      ")?;
            }
            self.out.write_all(line)?;
            self.begun = !line.ends_with(b"\n");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What is said of a step that has begun and has no outcome.
fn begun(step: &StepSummary, summary: &Summary) -> &'static str {
    let paused = summary.verdict == Some(Verdict::Paused);
    match step.effect {
        _ if paused && summary.due.contains_key(&step.path) => "waits for a time",
        _ if paused && step.action.is_group() => "a step in it waits",
        Effect::Operator if paused => "waits for an answer",
        Effect::Write | Effect::Opaque if paused => "waits for approval",
        _ => "started, no outcome recorded",
    }
}

/// What happened to the run as a whole.
fn history(record: &Record) -> Option<String> {
    let text = match &record.event {
        Event::RunStarted(header) => {
            format!(
                "started on {} by runbook {}: {}",
                header.host,
                header.version,
                header.arguments.join(" ")
            )
        }
        Event::RunResumed(resumed) => format!(
            "resumed on {}; kept: {}; executed again: {}",
            resumed.host,
            list(&resumed.kept),
            list(&resumed.changed)
        ),
        Event::RunInterrupted(interrupted) => format!("asked to stop by {}", interrupted.signal),
        Event::RunFinished(finished) if finished.verdict == Verdict::Paused => "paused".to_owned(),
        Event::RunFinished(finished) => format!("ended: {}", word(&finished.verdict)),
        Event::ProgramStarted(started) => format!(
            "{} started {} (process group {}) on {}",
            started.path, started.program, started.group, started.host
        ),
        Event::StepDue(due) => format!("{} waits until {}", due.path, due.due),
        Event::StepAsked(asked) => format!("{} asks: {}", asked.path, asked.question),
        Event::StepApproved(approved) => {
            format!("{} approved by {} ({})", approved.path, approved.by, approved.how)
        }
        Event::StepMarked(marked) => format!(
            "{} marked {} by {}: {}",
            marked.path,
            word(&marked.mark),
            marked.by,
            marked.reason
        ),
        Event::Lock(lock) if lock.other.is_empty() => {
            format!("lock {} {}", lock.lease, word(&lock.what).replace('_', " "))
        }
        Event::Lock(lock) => {
            format!("lock {} {}: {}", lock.lease, word(&lock.what).replace('_', " "), lock.other)
        }
        Event::ChangesPlanned(planned) if !planned.overridden.is_empty() => {
            format!(
                "{} continues: guard {} overridden",
                planned.path,
                planned.overridden.join(", ")
            )
        }
        Event::ChangeFinished(finished) if !finished.reason.is_empty() => {
            format!(
                "{} change {}: {}: {}",
                finished.path,
                finished.index + 1,
                word(&finished.result).replace('_', " "),
                finished.reason
            )
        }
        Event::StepStarted(_)
        | Event::StepRetried(_)
        | Event::ChangesPlanned(_)
        | Event::ChangeStarted(_)
        | Event::ChangeNoted(_)
        | Event::ChangeDoubted(_)
        | Event::ChangeFinished(_)
        | Event::StepFinished(_)
        | Event::FindingConcluded(_)
        | Event::FindingNotRuledOut(_) => return None,
    };
    Some(format!("{}  {text}", record.at))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// What the records say of each step, by path.
struct Recorded<'a> {
    /// The last outcome: a resume may have done the step again.
    finished: BTreeMap<&'a str, &'a StepFinished>,
    retried: BTreeMap<&'a str, Vec<&'a StepRetried>>,
}

impl<'a> Recorded<'a> {
    fn new(records: &'a [Record]) -> Self {
        let mut recorded = Self { finished: BTreeMap::new(), retried: BTreeMap::new() };
        for record in records {
            match &record.event {
                Event::StepFinished(finished) => {
                    recorded.finished.insert(&finished.path, finished);
                }
                Event::StepStarted(started) => {
                    recorded.finished.remove(started.path.as_str());
                }
                Event::StepRetried(retried) => {
                    recorded.retried.entry(&retried.path).or_default().push(retried);
                }
                Event::RunStarted(_)
                | Event::RunResumed(_)
                | Event::ChangesPlanned(_)
                | Event::ChangeStarted(_)
                | Event::ChangeNoted(_)
                | Event::ChangeDoubted(_)
                | Event::ChangeFinished(_)
                | Event::ProgramStarted(_)
                | Event::StepDue(_)
                | Event::StepAsked(_)
                | Event::StepApproved(_)
                | Event::StepMarked(_)
                | Event::Lock(_)
                | Event::FindingConcluded(_)
                | Event::FindingNotRuledOut(_)
                | Event::RunInterrupted(_)
                | Event::RunFinished(_) => {}
            }
        }
        recorded
    }
}

/// The word for a value of a small vocabulary, as in machine output.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
