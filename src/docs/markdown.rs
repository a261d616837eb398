//! The page as Markdown (GitHub's kind).

use super::chart::chart;
use super::link::Links;
use super::sheet::{Call, Cause, Sheet};
use super::step::{Expected, Part, StepSheet};
use crate::report::{fenced, inline};
use crate::secret::sanitize;
use std::fmt::{Result, Write};

/// The page of a runbook, with links to those beside it.
pub fn markdown(sheet: &Sheet, links: &Links) -> String {
    let mut page = Page { text: String::new(), sheet, links };
    // writing to a string does not fail
    let _ = page
        .head()
        .and_then(|()| page.params())
        .and_then(|()| page.steps())
        .and_then(|()| page.causes())
        .and_then(|()| page.undo());
    page.text
}

struct Page<'a> {
    text: String,
    sheet: &'a Sheet,
    links: &'a Links,
}

impl Page<'_> {
    fn head(&mut self) -> Result {
        let sheet = self.sheet;
        writeln!(self.text, "# {}\n\nRunbook {}", inline(&sheet.title), code(&sheet.name))?;
        for paragraph in sheet.description.split("\n\n").filter(|text| !text.trim().is_empty()) {
            writeln!(self.text, "\n{}", inline(paragraph))?;
        }
        writeln!(self.text, "\n| | |\n|---|---|")?;
        for fact in &sheet.facts {
            writeln!(self.text, "| {} | {} |", fact.label, inline(&fact.text))?;
        }
        let command = format!("runbook run {}", crate::action::shell_word(&sheet.name));
        writeln!(self.text, "\nWith the program:\n\n{}", fenced("sh", &command))
    }

    fn params(&mut self) -> Result {
        if !self.sheet.params.is_empty() {
            writeln!(
                self.text,
                "\n## Parameters\n\n| name | type | default | |\n|---|---|---|---|"
            )?;
        }
        for param in &self.sheet.params {
            let default = match &param.default {
                Some(default) => cell(default),
                None => format!("*{}*", param.otherwise),
            };
            let (name, kind, about) =
                (cell(&param.name), inline(&param.kind), inline(&param.about));
            writeln!(self.text, "| {name} | {kind} | {default} | {about} |")?;
        }
        if !self.sheet.values.is_empty() {
            writeln!(self.text, "\nValues that follow from them:\n")?;
        }
        for value in &self.sheet.values {
            writeln!(self.text, "- {} is {}", code(&value.name), code(&value.program))?;
        }
        Ok(())
    }

    fn steps(&mut self) -> Result {
        let after = match self.sheet.on_failure {
            "stop" => "The first step that does not pass ends the run.",
            _ => "A step that does not pass does not end the run: the next one follows.",
        };
        let chart = fenced("mermaid", &chart(self.sheet));
        writeln!(self.text, "\n## Flow\n\n{after}\n\n{chart}\n\n## Steps\n")?;
        writeln!(
            self.text,
            "`<name>` stands for what you fill in or what an earlier step yields, `[A | B]` for one of \
                the two."
        )?;
        self.sheet.all_steps().into_iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &StepSheet) -> Result {
        let level = "#".repeat((3 + step.number.matches('.').count()).min(6));
        writeln!(self.text, "\n{level} {} {}\n", step.number, inline(&step.title))?;
        let mut words = vec![format!("id {}", code(&step.id)), kind(step), step.effect.to_owned()];
        words.extend(Some(step.part.words().to_owned()).filter(|_| step.part != Part::Step));
        writeln!(self.text, "{}", words.join(", "))?;
        self.flow(step)?;
        self.work(step)?;
        self.expectations(&step.expectations)
    }

    fn flow(&mut self, step: &StepSheet) -> Result {
        let programs = [("Only if", &step.when), ("Once for each item of", &step.for_each)];
        let programs =
            programs.into_iter().filter_map(|(label, program)| Some((label, program.as_ref()?)));
        let mut lines: Vec<String> =
            programs.map(|(label, program)| format!("- {label} {}", code(program))).collect();
        let rules = step.rules.iter().map(|(label, words)| format!("- {label}: {}", inline(words)));
        lines.extend(rules);
        let values = step.values.iter();
        lines.extend(
            values.map(|value| format!("- {} is {}", code(&value.name), code(&value.program))),
        );
        if lines.is_empty() { Ok(()) } else { writeln!(self.text, "\n{}", lines.join("\n")) }
    }

    fn work(&mut self, step: &StepSheet) -> Result {
        if let Some(program) = &step.program {
            writeln!(self.text, "\nWork out (jq):\n\n{}", fenced("jq", program))?;
        }
        if let Some(call) = &step.call {
            writeln!(self.text, "\nFollow the runbook {}.", self.call(call))?;
        }
        if step.commands.is_empty() {
            return Ok(());
        }
        let by_hand = if step.is_example { "By hand, for example:" } else { "By hand:" };
        writeln!(self.text, "\n{by_hand}\n\n{}", fenced("sh", &step.commands.join("\n")))
    }

    fn expectations(&mut self, expectations: &[Expected]) -> Result {
        if !expectations.is_empty() {
            writeln!(self.text, "\nExpected:\n")?;
        }
        for expected in expectations {
            let mut line = String::new();
            if !expected.how_many.is_empty() {
                line.push_str(&expected.how_many);
                if let Some(over) = &expected.over {
                    line.extend([" of ", &code(over)]);
                }
                line.push_str(": ");
            }
            line.push_str(&code(&expected.condition));
            if !expected.message.is_empty() {
                line.extend([" (otherwise: ", &inline(&expected.message), ")"]);
            }
            writeln!(self.text, "- {line}")?;
        }
        Ok(())
    }

    fn causes(&mut self) -> Result {
        if !self.sheet.causes.is_empty() {
            writeln!(self.text, "\n## Causes and remedies")?;
        }
        self.sheet.causes.iter().try_for_each(|cause| self.cause(cause))
    }

    fn cause(&mut self, cause: &Cause) -> Result {
        let severity = match cause.severity {
            "" => String::new(),
            severity => format!(" ({severity})"),
        };
        writeln!(self.text, "\n- **{}**: {}{severity}", inline(&cause.id), inline(&cause.cause))?;
        for when in &cause.when {
            writeln!(self.text, "  - If {}", code(when))?;
        }
        for when in &cause.not_when {
            writeln!(self.text, "  - Not if {}", code(when))?;
        }
        if !cause.text.is_empty() {
            writeln!(self.text, "  - Do: {}", inline(&cause.text))?;
        }
        match &cause.call {
            Some(call) => writeln!(self.text, "  - Follow {}", self.call(call)),
            None => Ok(()),
        }
    }

    /// A runbook with its parameters, as a link if it has a page.
    fn call(&self, call: &Call) -> String {
        let name = code(&call.name);
        let name = match self.links.between(&self.sheet.name, &call.name) {
            Some(link) => format!("[{name}]({link})"),
            None => name,
        };
        let with = call.with.iter().map(|(name, value)| code(&format!("{name}={value}")));
        match with.collect::<Vec<_>>().join(", ") {
            with if with.is_empty() => name,
            with => format!("{name} with {with}"),
        }
    }

    fn undo(&mut self) -> Result {
        let sheet = self.sheet;
        writeln!(self.text, "\n## Undo\n")?;
        if sheet.undo.is_empty() {
            return writeln!(self.text, "Its own steps change nothing. {CALLED}");
        }
        writeln!(
            self.text,
            "With the program, `runbook undo RUN` takes back what a run has changed, newest change \
                first, and stops where somebody else has changed the object since. By hand, newest \
                change first:\n"
        )?;
        for undone in sheet.undo.iter().rev() {
            writeln!(self.text, "- {} {}: {}", undone.number, code(undone.verb), undone.words)?;
        }
        Ok(())
    }
}

const CALLED: &str = "What a runbook that it calls changes is taken back as its page says.";

/// The verb, or how the steps of a group run.
fn kind(step: &StepSheet) -> String {
    match (step.verb, step.parallel) {
        ("group", 1) => "a group of steps".to_owned(),
        ("group", parallel) => format!("a group of steps, up to {parallel} at the same time"),
        (verb, _) => format!("verb {}", code(verb)),
    }
}

/// A span of code that no part of the text can end, on one line.
pub(super) fn code(text: &str) -> String {
    let text = sanitize(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let tick = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{tick}{space}{text}{space}{tick}")
}

/// A span of code in a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_code() {
        let table = [
            ("a | b", "`a | b`"),
            ("`x`", "`` `x` ``"),
            ("two\nlines", "`two lines`"),
            ("<script>", "`<script>`"),
            ("", ""),
        ];
        for (text, wanted) in table {
            assert_eq!(code(text), wanted);
        }
        assert_eq!(cell("a | b"), "`a \\| b`");
    }
}
