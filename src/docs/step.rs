//! The steps of a page.

use super::marks::Marked;
use super::placeholder::filled;
use super::sheet::{Call, Known, Named, call, effect, named, on_failure, program, severity, words};
use crate::action::Action;
use crate::construct::Construct;
use crate::document::{Body, Group, Retry, Step, Written};
use crate::event::typed_value;
use crate::expression::Expectation;
use serde::Serialize;

/// A step, with the steps in it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepSheet {
    /// `2`, `2.1`
    pub(super) number: String,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) verb: &'static str,
    pub(super) effect: &'static str,
    /// Whether it changes something itself, or may.
    pub(super) changes: bool,
    pub(super) part: Part,
    /// How many of its steps run at the same time; 1 is one after the other.
    pub(super) parallel: usize,
    pub(super) when: Option<String>,
    pub(super) for_each: Option<String>,
    /// Rules of its flow: a label, and words.
    pub(super) rules: Vec<(&'static str, String)>,
    pub(super) values: Vec<Named>,
    /// The program of `value`.
    pub(super) program: Option<String>,
    pub(super) commands: Vec<String>,
    /// Whether the commands show values that only the run knows.
    pub(super) is_example: bool,
    pub(super) call: Option<Call>,
    pub(super) expectations: Vec<Expected>,
    pub(super) steps: Vec<StepSheet>,
}

/// What a step is in the one that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Step,
    /// Runs if a step before it did not pass.
    Rescue,
    /// Runs however the steps before it ended.
    Always,
    /// Verifies a change.
    Proof,
}

impl Part {
    /// In words, for the heading of the step.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Step => "",
            Self::Rescue => "only if a step above did not pass",
            Self::Always => "in any case, even if a step above did not pass",
            Self::Proof => "verifies the change",
        }
    }
}

/// What must hold after a step.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Expected {
    /// What it means when it does not.
    pub(super) message: String,
    /// `every item`; empty if it is about the output as a whole.
    pub(super) how_many: String,
    pub(super) over: Option<String>,
    pub(super) condition: String,
}

/// Writes steps with what is known before a run.
pub(super) struct Writer<'a> {
    pub(super) known: &'a Known,
}

impl StepSheet {
    /// The step and every step in it, depth first.
    pub(super) fn all(&self) -> Vec<&Self> {
        let inner = self.steps.iter().flat_map(Self::all);
        std::iter::once(self).chain(inner).collect()
    }
}

impl Writer<'_> {
    /// Steps that belong to the one of this number, counted from here.
    pub(super) fn steps(
        &self,
        steps: &[Step],
        outer: &str,
        first: usize,
        part: Part,
        namespace: &str,
    ) -> Vec<StepSheet> {
        let number = |at: usize| match outer {
            "" => (first + at).to_string(),
            outer => format!("{outer}.{}", first + at),
        };
        let numbered = steps.iter().enumerate();
        numbered.map(|(at, step)| self.step(step, number(at), part, namespace)).collect()
    }

    fn step(&self, step: &Step, number: String, part: Part, namespace: &str) -> StepSheet {
        let own = step.namespace.as_ref().map(|own| words(own, self.known));
        let place = own.clone().unwrap_or_else(|| namespace.to_owned());
        let mut sheet = StepSheet {
            id: step.id.clone(),
            title: words(&step.title, self.known),
            verb: step.verb(),
            effect: effect(step.own_effect()),
            changes: !matches!(step.body, Body::Group(_)) && step.changes(),
            part,
            parallel: 1,
            when: step.when.as_ref().map(program),
            for_each: step.for_each.as_ref().map(program),
            rules: self.rules(step, own),
            values: step.bound.iter().map(|bound| named(&bound.name, &bound.program)).collect(),
            program: None,
            commands: Vec::new(),
            is_example: false,
            call: None,
            expectations: step.expect.iter().map(|expect| self.expected(expect)).collect(),
            steps: Vec::new(),
            number,
        };
        self.body(&mut sheet, &step.body, &place);
        let proof =
            self.steps(&step.then, &sheet.number, 1 + sheet.steps.len(), Part::Proof, &place);
        sheet.steps.extend(proof);
        sheet
    }

    fn body(&self, sheet: &mut StepSheet, body: &Body, namespace: &str) {
        match body {
            Body::Verb(written) => self.verb(sheet, written, namespace),
            Body::Group(group) => self.group(sheet, group, namespace),
            Body::Value(value) => sheet.program = Some(program(value)),
            Body::Run(written) => {
                let arguments = written.arguments.partial(&self.known.filled);
                let name = filled(&typed_value(&arguments["runbook"]), &self.known.filled);
                sheet.call = Some(call(name, &arguments["with"], self.known));
            }
            Body::Confirm(written) => self.construct(sheet, written),
            Body::Approve(written) => self.construct(sheet, written),
            Body::Pause(written) => self.construct(sheet, written),
            Body::WaitForTime(written) => self.construct(sheet, written),
        }
    }

    fn verb(&self, sheet: &mut StepSheet, written: &Written<Box<Action>>, namespace: &str) {
        // a target or a number that is left open can be told as such, a text that is calculated
        // from it cannot: the one of which more is known
        let candidates = [&self.known.open, &self.known.filled].map(|known| {
            let sketch = written.sketch(known);
            if sketch.exact {
                let action = sketch.known.unwrap_or_else(|| written.sketch.as_ref().clone());
                return (true, self.typed(&action.manual_commands(namespace)));
            }
            let marked = Marked::of(sketch.arguments, |arguments| written.with(arguments));
            let action = marked.read.unwrap_or_else(|| written.sketch.as_ref().clone());
            let commands = marked.marks.told(action.manual_commands(namespace));
            (false, self.typed(&commands))
        });
        let left_open = |commands: &[String]| {
            commands.iter().map(|command| command.matches("{{").count()).sum::<usize>()
        };
        let [open, filled] = candidates;
        let (exact, commands) =
            if left_open(&filled.1) < left_open(&open.1) { filled } else { open };
        sheet.is_example = !exact;
        sheet.commands = commands;
    }

    fn construct<T: Construct + Clone>(&self, sheet: &mut StepSheet, written: &Written<T>) {
        let sketch = written.sketch(&self.known.filled);
        sheet.is_example = !sketch.exact;
        let construct = sketch.known.unwrap_or_else(|| written.sketch.clone());
        sheet.commands = self.typed(&construct.manual_commands());
    }

    fn typed(&self, commands: &[String]) -> Vec<String> {
        commands.iter().map(|command| filled(command, &self.known.filled)).collect()
    }

    fn group(&self, sheet: &mut StepSheet, group: &Group, namespace: &str) {
        sheet.parallel = group.parallel;
        for (steps, part) in [
            (&group.steps, Part::Step),
            (&group.rescue, Part::Rescue),
            (&group.always, Part::Always),
        ] {
            let first = sheet.steps.len() + 1;
            sheet.steps.extend(self.steps(steps, &sheet.number, first, part, namespace));
        }
    }

    fn expected(&self, expectation: &Expectation) -> Expected {
        let (how_many, over, condition) = expectation.worded();
        let message =
            expectation.message().map(|message| filled(message.source(), &self.known.filled));
        Expected {
            message: message.unwrap_or_default(),
            how_many,
            over: over.map(program),
            condition: program(condition),
        }
    }

    fn rules(&self, step: &Step, namespace: Option<String>) -> Vec<(&'static str, String)> {
        let mut rules = Vec::new();
        rules.extend(namespace.map(|namespace| ("Namespace", namespace)));
        if let Some(poll) = &step.poll {
            let until = poll.until.as_ref().map_or("the expectations hold".to_owned(), program);
            let hold = poll.hold.map(|hold| format!(", and for {hold}")).unwrap_or_default();
            rules.push(("Repeat", format!("every {} until {until}{hold}", poll.every)));
        }
        let timeout = step.timeout.as_ref().map(|timeout| words(timeout, self.known));
        rules.extend(timeout.map(|timeout| ("Time limit", timeout)));
        rules.extend(step.retry.map(|retry| ("Attempts", attempts(retry))));
        if step.typed {
            let words = "by typing the name of what is changed";
            rules.push(("Confirm", words.to_owned()));
        }
        let then = step.on_failure.map(on_failure);
        rules.extend(then.map(|then| ("If it does not pass", then.to_owned())));
        let severity = severity(step.severity);
        if !severity.is_empty() {
            rules.push(("Counts", format!("{severity}: a failure does not fail the run")));
        }
        let files: Vec<String> =
            step.save.iter().map(|save| words(&save.file, self.known)).collect();
        if !files.is_empty() {
            rules.push(("Keep", files.join(", ")));
        }
        rules
    }
}

fn attempts(retry: Retry) -> String {
    format!("{}, {} apart at first", retry.attempts, retry.delay)
}
