//! The page as one file of HTML: self-contained, without scripts and without network.

use super::link::Links;
use super::sheet::Sheet;
use crate::secret::sanitize;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const STYLE: &str = include_str!("style.css");
const PAGE: &str = include_str!("page.html");
const INDEX: &str = include_str!("index.html");

/// The page of a runbook, with links to those beside it.
pub fn html(sheet: &Sheet, links: &Links) -> String {
    let ways: BTreeMap<&str, String> = sheet
        .calls()
        .into_iter()
        .filter_map(|name| Some((name, links.between(&sheet.name, name)?)))
        .collect();
    let steps: Vec<Value> = sheet
        .all_steps()
        .into_iter()
        .map(|step| {
            let level = (3 + step.number.matches('.').count()).min(6);
            json!({"sheet": step, "level": level, "words": step.part.words()})
        })
        .collect();
    let command = format!("runbook run {}", crate::action::shell_word(&sheet.name));
    drawn("page.html", &json!({"sheet": sheet, "steps": steps, "links": ways, "command": command}))
}

/// A page of these values, which are harmless then.
pub(super) fn drawn(page: &str, values: &impl Serialize) -> String {
    let mut values = serde_json::to_value(values).unwrap_or_default();
    harmless(&mut values);
    let mut environment = Environment::new();
    environment
        .add_template("page.html", PAGE)
        .and_then(|()| environment.add_template("index.html", INDEX))
        .and_then(|()| environment.add_template("style.css", STYLE))
        .and_then(|()| {
            environment.get_template(page)?.render(minijinja::Value::from(Serde(&values)))
        })
        .unwrap_or_else(|error| format!("<!doctype html><title>runbook</title><p>{error}\n"))
}

/// Takes what a browser or a terminal would act on out of every text.
fn harmless(value: &mut Value) {
    match value {
        Value::String(text) => *text = sanitize(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(harmless),
        Value::Object(fields) => fields.values_mut().for_each(harmless),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
