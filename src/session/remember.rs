//! What an earlier run saw, for a recording: from its journal and its runbook.

use super::{SessionError, Workspace, load};
use crate::action::http::{HttpPort, Via};
use crate::action::{Action, Target};
use crate::document::{Body, Runbook, Step};
use crate::event::{Event, Record, RunStarted, StepFinished};
use crate::journal;
use crate::plan::step_digest;
use crate::recording::{Asked, SeenStep};
use crate::state::RunState;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Its runbook.
    pub runbook: String,
    /// Its namespace.
    pub namespace: String,
    /// When it ended.
    pub at: Timestamp,
    /// What it came to: `failed`.
    pub verdict: Option<String>,
    /// The causes that it named.
    pub findings: Vec<String>,
    /// Its steps.
    pub steps: Vec<SeenStep>,
}

/// Remembers a run by its id, or the end of it.
///
/// # Errors
/// When there is no such run, or its record cannot be read.
pub fn remember(workspace: &Workspace, run: &str) -> Result<Remembered, SessionError> {
    let run = journal::find(&workspace.state_dir, run)?;
    let reading = journal::read(&workspace.state_dir, &run)?;
    let state = RunState::replay(&reading.records).map_err(crate::engine::EngineError::from)?;
    let summary = state.summary();
    let header = reading.records.iter().find_map(|record| match &record.event {
        Event::RunStarted(header) => Some(&**header),
        _ => None,
    });
    // with those that it calls
    let loaded = load(&workspace.catalogue(), &summary.runbook).map(|(_, loaded)| loaded);
    let loaded: Vec<Arc<Runbook>> = loaded.unwrap_or_default().into_values().collect();
    let namespace = summary.target.namespace.clone().unwrap_or_default();
    Ok(Remembered {
        steps: header
            .map_or_else(Vec::new, |header| steps(&reading.records, header, &loaded, &namespace)),
        at: reading.records.last().map_or_else(Timestamp::now, |record| record.at),
        verdict: serde_json::to_value(summary.verdict)
            .ok()
            .and_then(|verdict| verdict.as_str().map(str::to_owned)),
        findings: summary.findings.iter().map(|finding| finding.id.clone()).collect(),
        runbook: summary.runbook,
        namespace,
    })
}

/// The steps in the order in which they ended. What a step asked is worked out as the run did: from
/// the parameters and the steps before it.
fn steps(
    records: &[Record],
    header: &RunStarted,
    loaded: &[Arc<Runbook>],
    namespace: &str,
) -> Vec<SeenStep> {
    let mut results = Map::new();
    let mut all = Vec::new();
    for record in records {
        let Event::StepFinished(step) = &record.event else { continue };
        let output = output(step);
        let context = json!({"params": header.params, "steps": results, "namespace": namespace,
            "run": {"id": header.run, "namespace": namespace, "now": record.at.to_string()}});
        all.push(SeenStep {
            path: step.path.clone(),
            asked: asked(step, loaded, namespace, &context),
            output: output.clone(),
        });
        let result = json!({"output": output, "outcome": step.outcome.as_str(),
            "passed": step.outcome.is_good(), "failed": step.outcome.is_bad()});
        results.insert(step.id.clone(), result);
    }
    all
}

/// The output of a step; that of a large one is in a file of its own.
fn output(step: &StepFinished) -> Value {
    let stored = step.stored.as_ref().and_then(|stored| std::fs::read(&stored.path).ok());
    stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(step.output.clone())
}

fn asked(step: &StepFinished, loaded: &[Arc<Runbook>], namespace: &str, context: &Value) -> Asked {
    let verb = step.action.as_str();
    if ["get", "rollout", "wait"].contains(&verb) {
        return Asked::Objects;
    }
    if !["http", "metrics", "promql", "logs", "traces"].contains(&verb) {
        return Asked::Other;
    }
    let written = loaded.iter().find_map(|runbook| {
        // of a called runbook, what it was called with follows
        let same = |known: &&Step| {
            known.id == step.id && step.digest.starts_with(&step_digest(runbook, known))
        };
        runbook.all_steps().into_iter().find(same)
    });
    let Some(Body::Verb(written)) = written.map(|known| &known.body) else {
        return Asked::Unclear("the step is not in the runbook as it is now".to_owned());
    };
    match written.resolve(context) {
        Ok(Action::Http(http)) => {
            let Some(target) = http.target.as_ref().filter(|_| http.via != Via::Pod) else {
                let why =
                    "it was sent from inside a pod, or to a URL: the network of the world decides";
                return Asked::Unclear(why.to_owned());
            };
            Asked::Http {
                namespace: target.namespace(namespace).to_owned(),
                method: serde_json::to_value(http.method)
                    .ok()
                    .and_then(|method| method.as_str().map(str::to_owned))
                    .unwrap_or_default(),
                path: http.path.clone(),
                port: port_of(http.port.as_ref(), target),
            }
        }
        Ok(Action::Metrics(metrics)) => Asked::Http {
            namespace: metrics.target.namespace(namespace).to_owned(),
            method: "GET".to_owned(),
            path: metrics.path.clone(),
            port: port_of(metrics.port.as_ref(), &metrics.target),
        },
        Ok(Action::Traces(_)) => Asked::Unclear("traces are not recorded".to_owned()),
        Ok(Action::Promql(promql)) => Asked::Promql(promql.query.clone()),
        Ok(Action::Logs(logs)) => {
            Asked::Logs { namespace: logs.target.namespace(namespace).to_owned() }
        }
        Ok(_) => Asked::Other,
        Err(why) => Asked::Unclear(why),
    }
}

/// The port of the pods, if it is written as a number: that of a Service is another one.
fn port_of(port: Option<&HttpPort>, target: &Target) -> Option<u16> {
    match port {
        Some(HttpPort::Number(port))
            if !["service", "services", "svc"]
                .contains(&target.kind.to_ascii_lowercase().as_str()) =>
        {
            Some(*port)
        }
        _ => None,
    }
}
