//! The entries of verbs and constructs, from the fields of their types.

use crate::{action, construct};
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::fmt::Write;

/// A verb or construct.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: String,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A field of something.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, in a word.
    pub kind: String,
    /// What it is.
    pub about: String,
    /// Whether it must be there.
    pub required: bool,
    /// The value if there is none, if it says something.
    pub default: Option<String>,
}

/// Every verb and construct, in the order of the reference.
pub fn verbs() -> Vec<Entry> {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut schemas = action::schemas(&mut generator);
    schemas.extend(construct::schemas(&mut generator));
    let definitions = Value::Object(generator.take_definitions(true).into_iter().collect());
    let entry = |(name, schema): (&'static str, schemars::Schema)| {
        let schema = resolved(schema.as_value(), &definitions);
        let about = one_line(&schema["description"]);
        Entry { name, about, fields: fields_of(schema, &definitions) }
    };
    schemas.into_iter().map(entry).collect()
}

/// The entry of this name.
pub fn verb(name: &str) -> Option<Entry> {
    verbs().into_iter().find(|entry| entry.name == name)
}

/// A schema, or the definition to which it refers.
pub(super) fn resolved<'a>(schema: &'a Value, definitions: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some(name) => &definitions[name.replace("%20", " ")],
        None => schema,
    }
}

/// The fields of an object.
pub(super) fn fields_of(schema: &Value, definitions: &Value) -> Vec<Field> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, schema)| {
            let default = schema.get("default").filter(|default| {
                let empty = [Value::Null, Value::Bool(false), serde_json::json!({})];
                !empty.contains(default)
            });
            let text =
                |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Field {
                name: name.clone(),
                kind: kind(schema, definitions),
                about: one_line(&schema["description"]),
                required: required.contains(&name.as_str()),
                default: default.map(text),
            }
        })
        .collect()
}

/// The type of a field, in a word.
fn kind(schema: &Value, definitions: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let definition = &definitions[name];
        let of = |list: &str| definition[list].as_array().into_iter().flatten();
        let values: Vec<&str> = of("oneOf").filter_map(|one| one["const"].as_str()).collect();
        let values =
            if values.is_empty() { of("enum").filter_map(Value::as_str).collect() } else { values };
        return if values.is_empty() { name.to_lowercase() } else { values.join(", ") };
    }
    for list in ["anyOf", "allOf"] {
        if let Some(any) = schema[list].as_array() {
            let kinds = any.iter().filter(|one| one["type"] != "null");
            return kinds.map(|one| kind(one, definitions)).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.find(|name| *name != "null").unwrap_or("any").to_owned()
        }
        _ => "any".to_owned(),
    }
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Field {
    /// What it is, with whether it is required and its default.
    pub fn says(&self) -> String {
        let mut about = self.about.clone();
        if self.required {
            about.push_str(" Required.");
        }
        if let Some(default) = &self.default {
            about.extend([" Default: `", default, "`."]);
        }
        about
    }
}

impl Entry {
    /// The entry as a section of a page.
    pub fn markdown(&self) -> String {
        let mut text = format!("\n## {}\n\n{}\n", self.name, self.about);
        if !self.fields.is_empty() {
            text.push_str("\n| field | type | |\n|---|---|---|\n");
        }
        for field in &self.fields {
            let says = field.says().replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {} | {says} |", field.name, field.kind);
        }
        if let Some(example) = super::example(self.name) {
            let _ = write!(text, "\n```text\n{example}\n```\n");
        }
        text
    }
}
