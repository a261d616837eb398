//! A rehearsal file with what came out in the place of what was expected.

use super::judge::Subject;
use super::runner::CaseResult;
use crate::document::{CatalogueError, Place, Suite};
use serde_json::{Map, Value, json};
use std::ops::Range;

/// The text of the file after the cases that came out differently were changed. What was expected
/// of the state of objects stays: only its author knows what it means.
///
/// # Errors
/// When the file cannot be read any more.
pub fn update(suite: &Suite, results: &[&CaseResult]) -> Result<String, CatalogueError> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for result in results.iter().filter(|result| !result.holds()) {
        let Some(actual) = actual(result) else { continue };
        let Some(place) = suite.place(&result.case)? else { continue };
        edits.extend(edit(&place, &suite.source, &actual));
    }
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = suite.source.to_string();
    for (range, replacement) in edits {
        text.replace_range(range, &replacement);
    }
    Ok(text)
}

/// What came out, by the fields that differ.
fn actual(result: &CaseResult) -> Option<Vec<(&'static str, Value)>> {
    let played = result.played.as_ref().ok()?;
    let last = played.last()?;
    let mut fields = Vec::new();
    let mut steps = Map::new();
    for difference in &result.differences {
        match &difference.what {
            Subject::Verdict => fields.push(("verdict", json!(last.verdict))),
            Subject::Findings => fields.push(("findings", json!(last.findings))),
            Subject::Changes => fields.push(("changes", json!(played.changes()))),
            Subject::Step(path) => {
                let outcome = last.state.step(path).and_then(|step| step.outcome());
                steps.extend(outcome.map(|outcome| (path.clone(), json!(outcome))));
            }
            Subject::Other(_) => {}
        }
    }
    if !steps.is_empty() {
        fields.push(("steps", Value::Object(steps)));
    }
    Some(fields)
}

/// The changes of the text of one case.
fn edit(
    place: &Place,
    source: &str,
    actual: &[(&'static str, Value)],
) -> Vec<(Range<usize>, String)> {
    let mut edits = Vec::new();
    let mut added = Vec::new();
    for (field, value) in actual {
        let mut value = value.clone();
        if let (Some(known), Some(steps)) = (&place.steps, value.as_object_mut())
            && *field == "steps"
        {
            // those that came out as expected stay
            for (path, outcome) in known {
                steps.entry(path).or_insert_with(|| outcome.clone());
            }
        }
        match place.fields.get(*field) {
            Some(range) => edits.push((range.clone(), flow(&value))),
            None => added.push(format!("{field}: {}", flow(&value))),
        }
    }
    if added.is_empty() {
        return edits;
    }
    let indent = " ".repeat(place.indent);
    match &place.expect {
        Some(expect) if source[expect.start..].starts_with('{') => {
            let comma = if place.fields.is_empty() { "" } else { ", " };
            let at = expect.start + 1;
            edits.push((at..at, format!("{}{comma}", added.join(", "))));
        }
        Some(expect) => {
            let inner = " ".repeat(column(source, expect.start));
            let text = added.join(&format!("\n{inner}")) + "\n" + &inner;
            edits.push((expect.start..expect.start, text));
        }
        None => {
            let end = source[..place.end].trim_end().len();
            edits.push((end..end, format!("\n{indent}expect: {{{}}}", added.join(", "))));
        }
    }
    edits
}

fn column(source: &str, at: usize) -> usize {
    at - source[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// A value in flow style; texts are quoted where YAML wants it.
fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| format!("{}: {}", word(key), flow(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => word(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | ' ');
    let simple = text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphabetic());
    if simple && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off") {
        text.to_owned()
    } else {
        json!(text).to_string()
    }
}
