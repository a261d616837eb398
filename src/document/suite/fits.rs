//! Whether the cases of a suite name what their runbook has.

use super::{Case, Suite};
use crate::diagnostic::nearest;
use crate::document::catalogue::{CatalogueError, invalid};
use crate::document::node::Fault;
use crate::document::runbook::Runbook;

impl Suite {
    /// Refuses cases that name steps or findings that the runbook does not have.
    ///
    /// # Errors
    /// Each such name, with its place.
    pub fn fits(&self, runbook: &Runbook) -> Result<(), CatalogueError> {
        let steps: Vec<&str> =
            runbook.all_steps().into_iter().map(|step| step.id.as_str()).collect();
        let findings: Vec<&str> =
            runbook.findings.iter().map(|finding| finding.id.as_str()).collect();
        let mut faults = Vec::new();
        for case in &self.cases {
            let expected = &case.expect;
            for name in &expected.findings {
                let named = Named { what: "finding", name, known: &findings };
                faults.extend(named.fault(self, case));
            }
            let paths = expected.steps.keys().chain(case.answers.keys()).chain(&case.crash);
            for path in paths {
                // the last part of a path is the name of a step, of this runbook or a called one
                let (name, called) =
                    path.rsplit_once('/').map_or((path.as_str(), false), |(_, name)| (name, true));
                let name = name.split('[').next().unwrap_or(name);
                if !called {
                    let named = Named { what: "step", name, known: &steps };
                    faults.extend(named.fault(self, case));
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(invalid(&self.file, &self.source, faults)) }
    }
}

/// A name in a case.
struct Named<'a> {
    what: &'static str,
    name: &'a str,
    known: &'a [&'a str],
}

impl Named<'_> {
    /// That there is no such thing.
    fn fault(&self, suite: &Suite, case: &Case) -> Option<Fault> {
        let Self { what, name, known } = self;
        if known.contains(name) {
            return None;
        }
        let near = nearest(name, known.iter().copied());
        let rest = suite.source.get(case.span.start..).unwrap_or_default();
        let at = case.span.start + rest.find(name).unwrap_or_default();
        let message = format!("the runbook has no {what} `{name}`");
        let fault = Fault::new("RB0704", at..at + name.len(), message, "not in the runbook");
        Some(fault.nearest(near))
    }
}
