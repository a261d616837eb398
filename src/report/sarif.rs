//! What the `network_audit` steps of a run found, as SARIF 2.1.0. Pure, but for outputs that are in
//! files of their own.

use super::output;
use crate::diagnostic::{SarifTool, sarif_log};
use crate::event::{Event, Outcome, Record, StepFinished};
use crate::network::LintId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;

/// The verb whose results these are.
const VERB: &str = "network_audit";

/// The rules besides the lints, which are called as the audit calls them.
const CLOSED: (&str, &str) = ("connection-closed", "A required connection is not allowed.");
const UNKNOWN: (&str, &str) =
    ("connection-unknown", "It is unknown whether a required connection is allowed.");
const DRIFT: (&str, &str) =
    ("policy-drift", "A policy differs from the expected files, or is missing from them.");

/// The document of these records; none if no such step has ended.
///
/// # Errors
/// When an output cannot be read.
pub fn sarif(records: &[Record]) -> io::Result<Option<Value>> {
    let ended: Vec<&StepFinished> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::StepFinished(step) if step.action.as_str() == VERB => Some(&**step),
            _ => None,
        })
        .collect();
    if ended.is_empty() {
        return Ok(None);
    }
    let mut found = Results::default();
    for step in &ended {
        found.step(step)?;
    }
    let tool = SarifTool { rules: found.rules.into_values().collect(), results: found.results };
    let mut log = sarif_log(tool);
    // a step that could not look has no results, which is not the same as none
    log["runs"][0]["invocations"] = json!([{
        "executionSuccessful": found.notifications.is_empty(),
        "toolExecutionNotifications": found.notifications,
    }]);
    Ok(Some(log))
}

#[derive(Default)]
struct Results {
    rules: BTreeMap<String, Value>,
    results: Vec<Value>,
    notifications: Vec<Value>,
}

impl Results {
    fn step(&mut self, step: &StepFinished) -> io::Result<()> {
        let judged = matches!(step.outcome, Outcome::Passed | Outcome::Failed | Outcome::Recovered);
        let output = output::value(step)?;
        if !judged || !output.is_object() {
            let text = format!("step {}: {}: {}", step.path, step.outcome.as_str(), step.reason);
            self.notifications.push(json!({"level": "error", "message": {"text": text}}));
            return Ok(());
        }
        let list = |key: &str| output[key].as_array().cloned().unwrap_or_default();
        for lint in list("lints") {
            let level = match lint["severity"].as_str() {
                Some("error") => "error",
                Some("warning") => "warning",
                _ => "note",
            };
            let object = lint["object"].as_str().unwrap_or_default();
            let (kind, name) = object.split_once(' ').unwrap_or(("", object));
            let said = format!("{object}: {}", text(&lint["sentence"]));
            let id = text(&lint["id"]);
            self.add((id, &meaning(id)), level, &said, (kind, name), step);
        }
        for edge in list("edges").iter().filter(|edge| edge["allowed"] != true) {
            let (rule, level) =
                if edge["allowed"] == false { (CLOSED, "error") } else { (UNKNOWN, "warning") };
            let said = format!("{}: {}", text(&edge["name"]), text(&edge["reason"]));
            let (kind, name) =
                text(&edge["from"]).split_once('/').unwrap_or(("", text(&edge["from"])));
            self.add(rule, level, said.trim_end_matches([':', ' ']), (kind, name), step);
        }
        for drift in list("drift") {
            let policy = text(&drift["policy"]);
            let said = format!("{policy}: {}", text(&drift["reason"]));
            self.add(DRIFT, "warning", &said, ("networkpolicy", policy), step);
        }
        for note in list("notes") {
            self.notifications.push(json!({"level": "warning", "message": {"text": text(&note)}}));
        }
        Ok(())
    }

    /// An object of a cluster is in no file: its place is its name.
    fn add(
        &mut self,
        (rule, says): (&str, &str),
        level: &str,
        message: &str,
        (kind, name): (&str, &str),
        step: &StepFinished,
    ) {
        self.rules.entry(rule.to_owned()).or_insert_with(|| {
            let mut described = json!({"id": rule});
            if !says.is_empty() {
                described["fullDescription"] = json!({"text": says});
            }
            described
        });
        self.results.push(json!({
            "ruleId": rule,
            "level": level,
            "message": {"text": message},
            "locations": [{"logicalLocations": [{
                "name": name.rsplit('/').next().unwrap_or(name),
                "fullyQualifiedName": name,
                "kind": kind,
            }]}],
            "properties": {"step": step.path},
        }));
    }
}

/// What a lint means, as its own documentation says.
fn meaning(id: &str) -> String {
    let schema = schemars::schema_for!(LintId).to_value();
    let all = schema["oneOf"].as_array().into_iter().flatten();
    let said = all.filter(|one| one["const"] == id).filter_map(|one| one["description"].as_str());
    said.collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
