//! jq programs: conditions, expectations, lists.

use super::Lower;
use crate::document::check::Use;
use crate::document::foreign;
use crate::document::node::{Fault, Node, NodeKind};
use crate::document::quoting::quoted;
use crate::expression::{self, CompileError, Expect, Jq};
use std::ops::Range;

/// Whether what follows a duration makes it a number, or only asks whether it is given. Every
/// number is less than every text in jq: a comparison would hold always.
fn is_converted(rest: &str) -> bool {
    let rest = rest.trim_start();
    let piped = rest.strip_prefix('|').map(str::trim_start);
    piped.is_some_and(|rest| rest.starts_with("duration"))
        || rest.starts_with("== null")
        || rest.starts_with("!= null")
}

impl Lower<'_> {
    /// `FILE:LINE:COLUMN` of a node, counted from one.
    fn place(&self, node: &Node) -> String {
        let before = self.source.get(..node.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.file)
    }

    pub(super) fn expectations(
        &mut self,
        fields: &[Expect],
        node: Option<&Node>,
    ) -> Vec<expression::Expectation> {
        let items: &[Node] = match node.map(|node| &node.kind) {
            Some(NodeKind::List(items)) => items,
            _ => &[],
        };
        let mut compiled = Vec::new();
        for (expect, item) in fields.iter().zip(items) {
            match expression::compile_expectation(expect, &self.names.variables()) {
                Ok(expectation) => {
                    for field in ["that", "all", "any", "none", "same", "of", "over"] {
                        let jq = item.get(field).and_then(|node| self.jq(node));
                        if let Some(node) = item.get(field).filter(|_| field != "over") {
                            self.faults.extend(self.assigned(node));
                        }
                        if let Some(node) = item
                            .get(field)
                            .filter(|_| jq.is_some_and(|jq| jq.is_constant() && field != "over"))
                        {
                            self.constant(node.span.clone());
                        }
                    }
                    if let Some(message) = item.get("message") {
                        self.deferred(message);
                    }
                    compiled.push(expectation.written_at(self.place(item)));
                }
                Err((field, error)) if field == "message" => {
                    self.template_fault(item.get(&field).unwrap_or(item), error);
                }
                Err((field, error)) => {
                    let at = item.get(&field).unwrap_or(item);
                    self.jq_fault(at, error);
                }
            }
        }
        compiled
    }

    /// A jq program that must be a condition: one that does not look at anything is a mistake.
    pub(super) fn condition(&mut self, node: Option<&Node>) -> Option<Jq> {
        let node = node?;
        let jq = self.program(node)?;
        self.faults.extend(self.assigned(node));
        if jq.is_constant() {
            self.constant(node.span.clone());
        }
        Some(jq)
    }

    /// The list of a loop: a program, or a list that is written out.
    pub(super) fn list(&mut self, node: Option<&Node>) -> Option<Jq> {
        let node = node?;
        if matches!(node.kind, NodeKind::List(_)) {
            let message = "a list that is written out contains no templates";
            let label = "use jq: for_each: '[$params.NAME]'";
            self.faults.push(Fault::new("RB0104", node.span.clone(), message, label));
            return None;
        }
        self.program(node)
    }

    /// A jq program; anything else is a fault.
    pub(super) fn program(&mut self, node: &Node) -> Option<Jq> {
        if matches!(&node.kind, NodeKind::Scalar { value, .. } if !value.is_null()) {
            return self.jq(node);
        }
        self.faults.push(Fault::new(
            "RB0104",
            node.span.clone(),
            format!("expected a jq program, found {}", node.describe()),
            "quote the program: a `[` or `{` begins a list or mapping of YAML",
        ));
        None
    }

    /// The program of a verb sees what the verb looks at, and none of the run's values.
    pub(super) fn own_objects_only(&mut self, jq: &Jq, node: &Node) {
        for reference in jq.references() {
            self.faults.push(Fault::new(
                "RB0303",
                node.locate(self.source, &reference.range),
                format!(
                    "`${}` is not available here: a verb sees only its objects",
                    reference.root
                ),
                "use `get` and the `until` of the step",
            ));
        }
    }

    fn constant(&mut self, span: Range<usize>) {
        self.faults.push(Fault::new(
            "RB0203",
            span,
            "constant condition: it refers to nothing and never changes",
            "refer to the output or a variable",
        ));
    }

    pub(super) fn jq(&mut self, node: &Node) -> Option<Jq> {
        let NodeKind::Scalar { text, value } = &node.kind else { return None };
        if value.is_null() {
            return None;
        }
        match expression::compile(text, &self.names.variables()) {
            Ok(jq) => {
                for reference in jq.references() {
                    let duration = reference.root == "params"
                        && reference
                            .name
                            .as_ref()
                            .is_some_and(|name| self.durations.contains(name));
                    if duration && !is_converted(&text[reference.range.end..]) {
                        let name = reference.name.as_deref().unwrap_or_default();
                        let message = format!(
                            "`$params.{name}` is a duration, which jq sees as a string such as \
                                \"5s\""
                        );
                        let label = format!("use ($params.{name} | duration) for seconds");
                        self.faults.push(Fault::new(
                            "RB0204",
                            node.locate(self.source, &reference.range),
                            message,
                            label,
                        ));
                    }
                }
                self.uses.extend(
                    jq.references().iter().map(|reference| Use::new(reference, node, self.source)),
                );
                Some(jq)
            }
            Err(error) => {
                self.jq_fault(node, error);
                None
            }
        }
    }

    /// What to say of a wrong program behind which YAML has seen a comment.
    fn cut_by_comment(&self, node: &Node) -> Option<&'static str> {
        let is_plain = !self.source.get(node.span.start..)?.starts_with(['\'', '"', '|', '>']);
        let rest = self.source.get(node.span.end..)?.lines().next()?;
        (is_plain && rest.trim_start().starts_with('#'))
            .then_some("` #` begins a comment in YAML: quote the condition")
    }

    fn template_fault(&mut self, node: &Node, error: CompileError) {
        let span = node.locate(self.source, &error.range);
        let message = format!("template: {}", error.message);
        self.faults.push(Fault::new("RB0202", span, message, error.help.unwrap_or_default()));
    }

    fn jq_fault(&mut self, node: &Node, error: CompileError) {
        let mut span = node.locate(self.source, &error.range);
        if span.is_empty() && span.end < node.span.end {
            span.end += 1;
        }
        let cut = self.cut_by_comment(node).map(str::to_owned);
        let message = format!("jq: {}", error.message);
        let fault = Fault::new("RB0201", span, message, cut.or(error.help).unwrap_or_default());
        let fault = match self.meant(node) {
            Some((text, says)) => {
                Fault { label: says.to_owned(), ..fault }.corrected(node.span.clone(), text)
            }
            None => fault,
        };
        self.faults.push(fault);
    }

    /// A program with what others write in the place of jq, as it stands in the text; none if
    /// nothing in it is known, or if it is still wrong.
    fn meant(&self, node: &Node) -> Option<(String, &'static str)> {
        let NodeKind::Scalar { text, .. } = &node.kind else { return None };
        let raw = self.source.get(node.span.clone())?;
        if raw.trim_end().contains('\n') {
            return None;
        }
        let (meant, says) = foreign::condition(text)?;
        expression::compile(&meant, &self.names.variables()).ok()?;
        Some((quoted(&meant), says))
    }

    /// A condition that is valid jq and can never hold: it assigns, or asks `not` for a field.
    fn assigned(&self, node: &Node) -> Option<Fault> {
        let NodeKind::Scalar { text, .. } = &node.kind else { return None };
        let message = match foreign::never_a_condition(text)? {
            foreign::Never::Assigns => "jq: the condition assigns a value and compares nothing",
            foreign::Never::Negates => "jq: `not` is applied to the output, not to what follows",
        };
        let fault = Fault::new("RB0201", node.span.clone(), message, "");
        Some(match self.meant(node) {
            Some((text, says)) => {
                Fault { label: says.to_owned(), ..fault }.corrected(node.span.clone(), text)
            }
            None => fault,
        })
    }
}
