//! The flow of a runbook as a Mermaid chart.

use super::sheet::Sheet;
use super::step::{Part, StepSheet};
use std::fmt::Write;

/// An end of what is drawn so far, with what is written at the arrow that leaves it.
type Open = (String, &'static str);

/// Characters of a label: more make a box that nobody can read.
const LONGEST: usize = 60;

/// The chart: steps in order, conditions as diamonds, groups as frames.
pub(super) fn chart(sheet: &Sheet) -> String {
    let mut chart = Chart { nodes: "flowchart TD\n".to_owned(), arrows: String::new() };
    chart.node("begin", "([", "Start", "])", 1);
    let ends = chart.sequence(&sheet.steps, vec![("begin".to_owned(), "")], 1);
    let last = if sheet.causes.is_empty() { "Verdict" } else { "Verdict and causes" };
    chart.node("done", "([", last, "])", 1);
    chart.connect(ends, "done");
    chart.nodes + &chart.arrows
}

struct Chart {
    nodes: String,
    arrows: String,
}

impl Chart {
    fn node(&mut self, id: &str, open: &str, text: &str, close: &str, depth: usize) {
        // writing to a string does not fail
        let _ = writeln!(self.nodes, "{:1$}{id}{open}\"{2}\"{close}", "", 2 * depth, label(text));
    }

    fn connect(&mut self, from: Vec<Open>, to: &str) {
        for (from, words) in from {
            let _ = match words {
                "" => writeln!(self.arrows, "  {from} --> {to}"),
                words => writeln!(self.arrows, "  {from} -- \"{words}\" --> {to}"),
            };
        }
    }

    fn sequence(&mut self, steps: &[StepSheet], mut open: Vec<Open>, depth: usize) -> Vec<Open> {
        for step in steps {
            open = self.step(step, open, depth);
        }
        open
    }

    /// Draws a step after these ends; returns its own.
    fn step(&mut self, step: &StepSheet, mut open: Vec<Open>, depth: usize) -> Vec<Open> {
        let id = step.number.replace('.', "_");
        let mut past = Vec::new();
        if let Some(when) = &step.when {
            let diamond = format!("when{id}");
            self.node(&diamond, "{", when, "}", depth);
            self.connect(open, &diamond);
            past.push((diamond.clone(), "no"));
            open = vec![(diamond, "yes")];
        }
        let title = match &step.for_each {
            Some(_) => format!("{} {} (for each item)", step.number, step.title),
            None => format!("{} {}", step.number, step.title),
        };
        let mut ends = if step.verb == "group" {
            self.group(step, &id, &title, open, depth)
        } else {
            let own = format!("step{id}");
            let (left, right) = match step.verb {
                "confirm" | "approve" => ("{{", "}}"),
                "run" => ("[[", "]]"),
                _ if step.changes => ("[/", "/]"),
                _ => ("[", "]"),
            };
            self.node(&own, left, &title, right, depth);
            self.connect(open, &own);
            self.sequence(&step.steps, vec![(own, "")], depth)
        };
        ends.extend(past);
        ends
    }

    fn group(
        &mut self,
        group: &StepSheet,
        id: &str,
        title: &str,
        open: Vec<Open>,
        depth: usize,
    ) -> Vec<Open> {
        let of = |part: Part| {
            let steps = group.steps.iter().filter(move |step| step.part == part);
            steps.cloned().collect::<Vec<_>>()
        };
        let _ =
            writeln!(self.nodes, "{:1$}subgraph group{id}[\"{2}\"]", "", 2 * depth, label(title));
        let mut ends = if group.parallel > 1 {
            let steps = of(Part::Step);
            let each = steps.iter().flat_map(|step| self.step(step, open.clone(), depth + 1));
            each.collect()
        } else {
            self.sequence(&of(Part::Step), open, depth + 1)
        };
        let _ = writeln!(self.nodes, "{:1$}end", "", 2 * depth);
        let rescue = of(Part::Rescue);
        if !rescue.is_empty() {
            let failed = ends.iter().map(|(from, _)| (from.clone(), "if a step did not pass"));
            let rescued = self.sequence(&rescue, failed.collect(), depth);
            ends.extend(rescued);
        }
        let ends = self.sequence(&of(Part::Always), ends, depth);
        self.sequence(&of(Part::Proof), ends, depth)
    }
}

/// A text that means nothing to Mermaid, on one line: everything but letters, digits and a few
/// signs is written as its number.
fn label(text: &str) -> String {
    let text = crate::secret::sanitize(text);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().take(LONGEST).collect();
    let more = if cut.len() < words.len() { "…" } else { "" };
    let mut out = String::new();
    for c in cut.chars() {
        if c.is_alphanumeric() || " .,:/-+…".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out + more
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_is_text_and_nothing_else() {
        let table = [
            ("Every pod, ready", "Every pod, ready"),
            ("a \"b\" `c` <script>", "a #34;b#34; #96;c#96; #60;script#62;"),
            ("%%{init: {}}%%\nend", "#37;#37;#123;init: #123;#125;#125;#37;#37; end"),
            ("#35; ü", "#35;35#59; ü"),
            ("", ""),
        ];
        for (text, wanted) in table {
            assert_eq!(label(text), wanted);
        }
        assert_eq!(label(&"x".repeat(61)), "x".repeat(60) + "…");
    }
}
