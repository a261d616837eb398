//! Another runbook as a step.

use super::ended::{Ended, Lack, judged};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::construct;
use crate::document::Step;
use crate::event::{Outcome, Severity};
use serde_json::{Value, json};
use std::sync::Arc;

impl Run {
    /// Another runbook as a step: its steps under this path, its verdict as the outcome.
    pub(super) async fn call(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        path: &str,
        call: &construct::Run,
    ) -> Result<Ended, EngineError> {
        let construct::Run { runbook: name, with } = call;
        let Some(called) = self.plan.loaded.get(name).cloned() else {
            return Ok(Ended::without_output(
                Outcome::Error,
                format!("runbook {name} is not part of the plan"),
            ));
        };
        let (params, namespace) = match self.plan.called(&called, with) {
            Ok(settled) => settled,
            Err(errors) => {
                let reason = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                return Ok(Ended::without_output(Outcome::Error, format!("{name}: {reason}")));
            }
        };
        called.learn_secrets(&params, &self.masker);
        let namespace = namespace.unwrap_or_else(|| scope.namespace.clone());
        let mut inner = scope.called(called, params, namespace, path, step.severity);
        inner.guards |= !Self::goes_on(scope, step.on_failure);
        self.procedure(&inner).await?;
        let conclusions = self.conclusions(&inner);
        let causes: Vec<_> = conclusions
            .iter()
            .filter(|judged| judged.is_concluded())
            .map(|judged| judged.finding)
            .collect();
        let (mut outcome, mut reason) = judged(
            inner.runbook.steps.iter().chain(&inner.runbook.always),
            &inner,
            self.halted(scope),
        );
        if causes.iter().any(|finding| {
            finding.severity == Severity::Critical && !self.is_fixed(&inner, finding)
        }) {
            outcome = Outcome::Failed;
        }
        let open = conclusions.iter().find_map(|judged| {
            let why = judged.why_open()?;
            let text = format!("its cause {} could not be ruled out: {why}", judged.finding.id);
            Some(Lack::Some(text.into()))
        });
        let ids: Vec<_> = causes.iter().map(|finding| finding.id.as_str()).collect();
        if !ids.is_empty() {
            reason = format!("found: {}", ids.join(", ")).into();
        }
        let steps: serde_json::Map<_, _> = inner
            .results()
            .into_iter()
            .map(|(id, result)| (id, Value::from(result.outcome.as_str())))
            .collect();
        Ok(Ended {
            outcome,
            summary: ids.join(", "),
            reason,
            attempts: 1,
            expectations: Vec::new(),
            output: json!({"verdict": outcome.as_str(), "findings": ids, "steps": steps}).into(),
            recorded: None,
            lacks: Lack::of(&inner.runbook.steps, &inner).or(open).map(Box::new),
        })
    }
}
