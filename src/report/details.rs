//! What stands below a step's line: what is wrong, on which pods, what was seen and what was
//! wanted. Pure.

use super::names::Names;
use super::output::{self, Preview};
use super::step_line::{Columns, note};
use super::text::{fields, one_line, value, width, wrap};
use super::theme::{BAD, DIM, Detail, GOOD, Line, Look, OutcomeMark, PLAIN, REMOVED, STRONG, WARN};
use crate::event::{Effect, Judgement, Mode, Outcome, StepFinished, Truth};
use crate::expression::core_of;
use anstyle::Style;
use serde_json::Value;

/// The most failing items that are listed before `-v`.
const ITEMS: usize = 10;
/// The most lines of a preview before `-v`.
const PREVIEW: usize = 40;
/// The most lines of an output with `-v`.
const OUTPUT: usize = 6;

/// The lines below one step's line.
pub(super) struct Details<'a> {
    look: &'a Look,
    names: &'a Names,
    indent: usize,
    lines: Vec<Line>,
    /// What the reader has been told of this step: nothing is said twice.
    said: Vec<String>,
}

impl<'a> Details<'a> {
    /// Everything below the line of `step`.
    pub(super) fn of(
        step: &StepFinished,
        mode: Mode,
        names: &'a Names,
        columns: &Columns,
        look: &'a Look,
    ) -> Vec<Line> {
        let mut details =
            Self { look, names, indent: columns.below, lines: Vec::new(), said: vec![note(step)] };
        details.preview(step);
        match step.outcome {
            Outcome::Failed | Outcome::TimedOut | Outcome::Error => details.wrong(step, mode),
            Outcome::Unknown | Outcome::Cancelled => details.say(DIM, &step.reason),
            Outcome::Passed | Outcome::Skipped | Outcome::Recovered => {}
        }
        if look.detail == Detail::Verbose {
            details.verbose(step);
        }
        details.lines
    }

    fn room(&self) -> usize {
        self.look.width.saturating_sub(self.indent + 2).max(20)
    }

    fn say(&mut self, style: Style, text: &str) {
        let text = text.trim();
        let line = one_line(text);
        if line.is_empty() || self.said.iter().any(|said| said.contains(&line)) {
            return;
        }
        self.lines.extend(
            wrap(text, self.room())
                .into_iter()
                .map(|part| Line::new(self.indent).push(style, part)),
        );
        self.said.push(line);
    }

    /// Lines that the action made for a person: `display` in its output, else the lines of its
    /// `diff`.
    fn preview(&mut self, step: &StepFinished) {
        let preview = Preview::of(step);
        let Some(display) = preview.lines() else { return };
        let most = if self.look.detail == Detail::Verbose { usize::MAX } else { PREVIEW };
        for text in display.iter().take(most) {
            let style = match text.as_bytes().first() {
                Some(b'+') if step.effect == Effect::Write => GOOD,
                Some(b'-') if step.effect == Effect::Write => REMOVED,
                _ => PLAIN,
            };
            // a change is cut, it can be seen whole with -v; what is said in words is not
            let fits = super::text::width(text) <= self.room();
            let texts = if step.effect == Effect::Read && !fits {
                wrap(text, self.room())
            } else {
                vec![self.look.truncate(text, self.room())]
            };
            self.lines
                .extend(texts.into_iter().map(|text| Line::new(self.indent).push(style, text)));
        }
        self.more(display.len(), most);
    }

    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            let text = format!("{} and {} more", self.look.ellipsis(), all - shown);
            self.lines.push(Line::new(self.indent).push(DIM, text));
        }
    }

    fn wrong(&mut self, step: &StepFinished, mode: Mode) {
        let style = if OutcomeMark::of_step(step, mode) == OutcomeMark::Bad { PLAIN } else { WARN };
        for judgement in
            step.expectations.iter().filter(|judgement| judgement.outcome != Truth::True)
        {
            self.judgement(judgement);
        }
        // what the judgement has said is not said again, only what was added to it
        let added = step.expectations.iter().find_map(|judgement| {
            step.reason
                .strip_prefix(judgement.reason.as_str())
                .filter(|_| !judgement.reason.is_empty())
        });
        let rest = added.map_or(step.reason.as_str(), |rest| rest.trim_start_matches("; "));
        if !rest.is_empty() {
            self.say(style, rest);
        }
    }

    fn judgement(&mut self, judgement: &Judgement) {
        // what could not be judged has no value to compare, and the author's words are about one
        // that is false
        if judgement.outcome == Truth::Error {
            self.say(PLAIN, &judgement.reason);
            return self.items(judgement);
        }
        if let Some(message) = &judgement.message {
            self.say(STRONG, message);
        }
        if judgement.reason.is_empty() && judgement.message.is_none() {
            self.say(PLAIN, &judgement.that);
        }
        // the items follow by name: their first one need not be in the sentence, too
        self.say(PLAIN, judgement.in_brief());
        self.seen_and_wanted(judgement);
        self.items(judgement);
    }

    /// The value seen beside the one wanted, unless both have been said or say no more than
    /// "false".
    fn seen_and_wanted(&mut self, judgement: &Judgement) {
        let (seen, wanted) = (value(&judgement.actual), value(&judgement.expected));
        // a reason that was said is not said again beside a condition
        if seen.len() > 20 && self.said.iter().any(|said| said.contains(seen.trim_matches('"'))) {
            return;
        }
        // an object of the API is in the record; its name has been said
        if judgement.actual["apiVersion"].is_string() && judgement.actual["metadata"].is_object() {
            return;
        }
        // "1 of 2, want none" is the same count in words
        if judgement.expected == 0 && !judgement.items.is_empty() {
            return;
        }
        let telling = |value: &Value| !matches!(value, Value::Null | Value::Bool(_));
        if !telling(&judgement.actual) && !telling(&judgement.expected) {
            return;
        }
        let words = |text: &str| {
            let split = text.split(|c: char| {
                c.is_whitespace() || matches!(c, ',' | ';' | ':' | '(' | ')' | '"')
            });
            split.map(str::to_owned).collect::<Vec<_>>()
        };
        let is_said = |said: &String| {
            let known = words(said);
            [&seen, &wanted]
                .iter()
                .all(|value| words(value).iter().all(|word| known.contains(word)))
        };
        if !self.said.iter().any(is_said) {
            let text = self.look.truncate(&format!("saw {seen}, want {wanted}"), self.room());
            self.lines.push(Line::new(self.indent).text(text));
        }
    }

    fn items(&mut self, judgement: &Judgement) {
        let most = if self.look.detail == Detail::Verbose { usize::MAX } else { ITEMS };
        let all = grouped(judgement, self.names);
        let shown = &all[..all.len().min(most)];
        let column =
            shown.iter().map(|item| width(&item.name)).max().unwrap_or(0).min(self.room() / 2);
        for Shown { name, seen, count, is_reason, .. } in shown {
            let line = Line::new(self.indent).push(BAD, name.as_str());
            let column = (self.indent + column).max(line.width()) + 2;
            let room = self.look.width.saturating_sub(column + 2).max(8);
            let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            if *is_reason && width(seen) + width(&times) > room {
                // a sentence is wrapped, below its name where that takes the room
                let below = self.indent + 2;
                self.lines.push(line);
                let room = self.look.width.saturating_sub(below + 2).max(20);
                self.lines.extend(
                    wrap(&format!("{seen}{times}"), room)
                        .into_iter()
                        .map(|text| Line::new(below).text(text)),
                );
            } else {
                self.lines.push(line.pad_to(column).text(format!(
                    "{}{times}",
                    self.look.truncate(seen, room.saturating_sub(width(&times)).max(8))
                )));
            }
        }
        self.more(all.len(), most);
        if let (Detail::Verbose, Some(at)) = (self.look.detail, &judgement.at) {
            self.lines.push(Line::new(self.indent).push(DIM, format!("written at {at}")));
        }
    }

    fn verbose(&mut self, step: &StepFinished) {
        for judgement in
            step.expectations.iter().filter(|judgement| judgement.outcome == Truth::True)
        {
            let text =
                self.look.truncate(&format!("holds: {}", one_line(&judgement.that)), self.room());
            self.lines.push(Line::new(self.indent).push(DIM, text));
        }
        if step.attempts > 1 {
            self.lines
                .push(Line::new(self.indent).push(DIM, format!("{} attempts", step.attempts)));
        }
        if output::is_there(step) {
            self.output(step);
        }
    }

    fn output(&mut self, step: &StepFinished) {
        let (lines, count) = output::head(step, OUTPUT);
        for line in &lines {
            let text = self.look.truncate(line, self.room());
            self.lines.push(Line::new(self.indent).push(DIM, text));
        }
        self.more(count, OUTPUT);
    }
}

/// An item as it is shown, with how often there is one like it.
struct Shown {
    name: String,
    seen: String,
    core: String,
    count: usize,
    /// Whether it is a sentence.
    is_reason: bool,
}

/// The items to blame, by name and with what was seen; those that differ only in the names that
/// they quote once.
fn grouped(judgement: &Judgement, names: &Names) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for item in &judgement.items {
        let name = names.short(&one_line(&item.name));
        let seen = match &item.because {
            // the value says no more than that it is not so
            Some(because) if !matches!(item.value, Value::Number(_) | Value::String(_)) => {
                one_line(because)
            }
            Some(because)
                if matches!(&item.value,
                Value::String(text) if because.contains(text.as_str()) || text == "True" || text == "False") =>
            {
                one_line(because)
            }
            Some(because) => format!("{}: {}", value(&item.value), one_line(because)),
            None => fields(&item.value),
        };
        let core = core_of(&seen);
        let like = item
            .because
            .is_some()
            .then(|| all.iter_mut().find(|known| known.name == name && known.core == core))
            .flatten();
        match like {
            Some(known) => known.count += 1,
            None => {
                all.push(Shown { name, seen, core, count: 1, is_reason: item.because.is_some() });
            }
        }
    }
    all
}
