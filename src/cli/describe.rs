//! `runbook describe NAME`

use super::arguments::catalogue;
use super::exit::{CommandError, Exit};
use super::plan::{effect, shown};
use super::{Global, ResultFormat, output};
use crate::document::{Deferred, Param, Runbook};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(super) struct DescribeArguments {
    /// Name of the runbook, or path of its file
    name: String,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

pub(super) fn describe(
    global: &Global,
    arguments: &DescribeArguments,
) -> Result<Exit, CommandError> {
    let runbook = catalogue(global).load_alone(&arguments.name)?;
    if arguments.output == ResultFormat::Text {
        output::write(&text(&runbook))?;
    } else {
        output::write(&format!("{:#}\n", document(&runbook)))?;
    }
    Ok(Exit::Passed)
}

fn document(runbook: &Runbook) -> Value {
    let steps: Vec<_> = runbook
        .all_steps()
        .iter()
        .map(|step| json!({"id": step.id, "action": step.verb(), "effect": step.effect()}))
        .collect();
    let findings: Vec<_> = runbook
        .findings
        .iter()
        .map(|finding| json!({"id": finding.id, "severity": finding.severity}))
        .collect();
    json!({
        "schema": "runbook.describe/v1", "name": runbook.name, "title": runbook.title,
        "description": runbook.description, "alerts": alerts(runbook),
        "covers": runbook.covers, "params": runbook.params, "effect": runbook.effect(),
        "steps": steps, "findings": findings,
    })
}

fn alerts(runbook: &Runbook) -> Vec<&str> {
    runbook.alerts.iter().map(|alert| alert.name.as_str()).collect()
}

fn text(runbook: &Runbook) -> String {
    let mut text = format!("{}  {}\n", runbook.name, runbook.title);
    let mut line = |line: String| text.extend([line.as_str(), "\n"]);
    if !runbook.description.is_empty() {
        line(String::new());
        runbook.description.lines().for_each(|words| line(format!("  {words}")));
    }
    if !runbook.alerts.is_empty() {
        line(format!("\nAlerts\n  {}", alerts(runbook).join(", ")));
    }
    if !runbook.params.is_empty() {
        line("\nParameters".to_owned());
        runbook.params.iter().for_each(|(name, param)| line(parameter(name, param)));
    }
    line("\nSteps".to_owned());
    let steps = runbook.all_steps();
    let width = steps.iter().map(|step| step.verb().len()).max().unwrap_or_default().max(8);
    for step in steps {
        let (verb, effect, title) = (step.verb(), effect(step.effect()), written(&step.title));
        line(format!("  {:<18} {verb:<width$} {effect:<8} {title}", step.id));
    }
    if !runbook.findings.is_empty() {
        line("\nPossible findings".to_owned());
        let ids = runbook.findings.iter().map(|finding| finding.id.len());
        let width = ids.max().unwrap_or_default().max(22);
        for finding in &runbook.findings {
            line(format!("  {:<width$} {}", finding.id, written(&finding.cause)));
        }
    }
    if !runbook.covers.is_empty() {
        line(format!("\nCovers\n  {}", runbook.covers.join(" ")));
    }
    text
}

/// A text as it is written, as far as it is no program: what it yields is known to a run only.
fn written(text: &Deferred) -> String {
    match text {
        Deferred::Template(template) => match template.source().split_once("{%") {
            Some((before, _)) => format!("{before}..."),
            None => template.source().to_owned(),
        },
        known => known.render_text(&Value::Null).unwrap_or_default(),
    }
}

fn parameter(name: &str, param: &Param) -> String {
    let default = match &param.default {
        Some(_) if param.secret => "has a default, which is secret".to_owned(),
        Some(value) => format!("default {}", shown(value)),
        None if param.optional => "optional".to_owned(),
        None => "required".to_owned(),
    };
    let mut text = format!("  {name:<18} {:<9} {default}", param.kind.as_str());
    if !param.description.is_empty() {
        text = format!("{text}\n  {:<18} {}", "", param.description);
    }
    text
}
