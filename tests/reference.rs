//! docs/verbs.md is made from the fields of the verbs, and docs/causes.md from the diagnosis:
//! `UPDATE_DOCS=1 cargo test --test reference` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// The type of a field, in a word.
fn kind(schema: &Value, definitions: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let definition = &definitions[name];
        let values: Vec<&str> = definition["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["const"].as_str())
            .collect();
        let values = if values.is_empty() {
            definition["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        } else {
            values
        };
        return if values.is_empty() { name.to_lowercase() } else { values.join(", ") };
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any
            .iter()
            .filter(|one| one["type"] != "null")
            .map(|one| kind(one, definitions))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or("any")
            .to_owned(),
        _ => "any".to_owned(),
    }
}

fn one_line(text: &Value) -> String {
    text.as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn reference() -> String {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut schemas = runbook::action::schemas(&mut generator);
    schemas.extend(runbook::construct::schemas(&mut generator));
    let definitions = Value::Object(generator.take_definitions(true).into_iter().collect());
    let mut text = "# Verbs\n\nGenerated from the source. See [format.md](format.md) for the \
        fields of a step.\n"
        .to_owned();
    for (verb, schema) in schemas {
        let name = schema.as_value()["$ref"]
            .as_str()
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_default()
            .to_owned();
        let schema =
            if name.is_empty() { schema.as_value().clone() } else { definitions[&name].clone() };
        write!(text, "\n## {verb}\n\n{}\n", one_line(&schema["description"]).replace("\\|", "|"))
            .unwrap();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if let Some(fields) = schema["properties"].as_object() {
            text.push_str("\n| field | type | |\n|---|---|---|\n");
            for (field, schema) in fields {
                let mut about = one_line(&schema["description"]);
                if required.contains(&field.as_str()) {
                    about.push_str(" Required.");
                }
                if let Some(default) = schema.get("default").filter(|default| {
                    !default.is_null()
                        && **default != Value::Bool(false)
                        && **default != serde_json::json!({})
                }) {
                    write!(
                        about,
                        " Default: `{}`.",
                        default.as_str().map_or_else(|| default.to_string(), str::to_owned)
                    )
                    .unwrap();
                }
                writeln!(text, "| `{field}` | {} | {about} |", kind(schema, &definitions)).unwrap();
            }
        }
    }
    text
}

/// Every cause that `diagnose` can name.
fn causes() -> String {
    let mut text = "# Causes\n\nGenerated from the source. The causes that `diagnose` and the \
        runbooks of `kubernetes/` can name, in the order in which they are named: the identifier, \
        and what it says of the object that carries it.\n\n| identifier | the object … |\n\
        |---|---|\n"
        .to_owned();
    for id in runbook::diagnosis::ids() {
        let title = runbook::diagnosis::title(id).unwrap();
        writeln!(text, "| `{id}` | {title} |").unwrap();
    }
    text
}

fn is_up_to_date(page: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{page} is not what the source says: UPDATE_DOCS=1 cargo test --test reference"
    );
}

#[test]
fn the_reference_of_the_verbs_is_up_to_date() {
    is_up_to_date("docs/verbs.md", &reference());
}

#[test]
fn the_list_of_causes_is_up_to_date() {
    is_up_to_date("docs/causes.md", &causes());
}
