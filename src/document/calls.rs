//! What a runbook calls, and whether the calls fit: names, parameters, cycles.

use super::body::{Body, Written};
use super::catalogue::{Catalogue, CatalogueError, diagnose_all};
use super::deferred::Deferred;
use super::deserialize::has_template;
use super::node::Fault;
use super::runbook::{Runbook, Step};
use crate::construct::Run;
use crate::diagnostic::{Diagnostic, nearest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// This runbook and all that it calls, directly or not, by name; and what is wrong with the calls.
pub(super) fn follow(
    catalogue: &Catalogue,
    first: Arc<Runbook>,
) -> (BTreeMap<String, Arc<Runbook>>, Vec<Diagnostic>) {
    let mut calls = Calls { catalogue, followed: BTreeMap::new(), diagnostics: Vec::new() };
    calls.follow(first, &mut Vec::new());
    (calls.followed, calls.diagnostics)
}

struct Calls<'a> {
    catalogue: &'a Catalogue,
    followed: BTreeMap<String, Arc<Runbook>>,
    diagnostics: Vec<Diagnostic>,
}

impl Calls<'_> {
    /// Each runbook is followed once, whoever calls it: a cycle is seen from the one that closes
    /// it.
    fn follow(&mut self, runbook: Arc<Runbook>, chain: &mut Vec<String>) {
        let name = runbook.name.clone();
        if self.followed.insert(name.clone(), runbook.clone()).is_some() {
            return;
        }
        chain.push(name);
        let mut faults = remedies(self.catalogue, &runbook);
        let mut called = Vec::new();
        for step in runbook.all_steps() {
            let Body::Run(run) = &step.body else { continue };
            match self.call(&runbook, step, run, chain) {
                Ok((other, wrong)) => {
                    called.push(other);
                    faults.extend(wrong);
                }
                Err(fault) => faults.push(fault),
            }
        }
        self.diagnostics.extend(diagnose_all(&runbook.file, &runbook.source, faults));
        for other in called {
            self.follow(other, chain);
        }
        chain.pop();
    }

    /// The runbook that a step calls, with the faults of the arguments.
    fn call(
        &self,
        caller: &Runbook,
        step: &Step,
        written: &Written<Run>,
        chain: &[String],
    ) -> Result<(Arc<Runbook>, Vec<Fault>), Fault> {
        let run = &written.sketch;
        if known(&written.arguments).is_none() && has_template(&run.runbook) {
            return Err(fault(
                step.span.start..step.span.start + 1,
                "the name of a called runbook must be known before the run",
                "write the name out",
            ));
        }
        let span = place_of_name(&caller.source, &step.span, &run.runbook);
        if chain.contains(&run.runbook) {
            return Err(fault(
                span,
                format!("a cycle of runbooks: {} -> {}", chain.join(" -> "), run.runbook),
                "calls itself",
            ));
        }
        match self.catalogue.load(&run.runbook) {
            Ok(called) => {
                let faults = arguments(run, &called, &span);
                Ok((called, faults))
            }
            Err(CatalogueError::Unknown { .. }) => Err(fault(
                span,
                format!("a runbook that does not exist: `{}`", run.runbook),
                self.catalogue.did_you_mean(&run.runbook),
            )),
            Err(CatalogueError::Invalid { .. }) => Err(fault(
                span,
                format!("the called runbook `{}` has errors", run.runbook),
                "see `runbook check`",
            )),
        }
    }
}

fn fault(span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Fault {
    Fault::new("RB0401", span, message, label)
}

/// The place of the called name within the text of its step.
fn place_of_name(source: &str, step: &Range<usize>, name: &str) -> Range<usize> {
    let within = source.get(step.clone()).and_then(|text| text.find(name)).unwrap_or_default();
    let start = step.start + within;
    start..start + name.len()
}

/// Remedies that name a runbook that does not exist.
fn remedies(catalogue: &Catalogue, runbook: &Runbook) -> Vec<Fault> {
    let mut faults = Vec::new();
    for finding in &runbook.findings {
        let Some(Value::String(called)) = finding.run.as_ref().and_then(known) else { continue };
        if !catalogue.has(&called) {
            let span = runbook.source.find(&called).map_or(0..0, |at| at..at + called.len());
            faults.push(fault(
                span,
                format!(
                    "the remedy of `{}` is a runbook that does not exist: `{called}`",
                    finding.id
                ),
                catalogue.did_you_mean(&called),
            ));
        }
    }
    faults
}

/// Parameters that the called runbook does not have, and required ones that are not given.
fn arguments(run: &Run, called: &Runbook, span: &Range<usize>) -> Vec<Fault> {
    let undeclared = run.with.keys().filter(|key| !called.params.contains_key(*key)).map(|key| {
        let label = match nearest(key, called.params.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let all: Vec<_> = called.params.keys().cloned().collect();
                format!("parameters: {}", all.join(", "))
            }
        };
        fault(span.clone(), format!("`{}` has no parameter `{key}`", run.runbook), label)
    });
    let required = called.params.iter().filter(|(key, param)| {
        param.default.is_none() && !param.optional && !run.with.contains_key(*key)
    });
    let missing = required.map(|(key, _)| {
        fault(
            span.clone(),
            format!("`{}` needs the parameter `{key}`", run.runbook),
            format!("add `{key}` to `with`"),
        )
    });
    undeclared.chain(missing).collect()
}

/// A deferred value that needs no run.
fn known(value: &Deferred) -> Option<Value> {
    value.render(&Value::Null).ok()
}
