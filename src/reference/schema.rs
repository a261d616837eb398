//! The JSON Schema of a document, for editors: the types of the parser, with the short forms, and
//! with templates wherever a verb takes a value.

use crate::sandbox::{self, WorldFile};
use crate::{action, config, construct, document};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// A runbook.
    Runbook,
    /// A rehearsal file.
    Rehearsal,
    /// The settings in a `runbook.toml`.
    Config,
    /// The `world.yaml` of a world.
    World,
    /// The `applications.yaml` of a world.
    Applications,
    /// A scenario of a world.
    Scenario,
}

/// Keys of a group besides its head.
const GROUP: [&str; 3] = ["steps", "rescue", "always"];
/// The prefix of definitions in whose values templates may stand.
const OPEN: &str = "with-templates.";

/// The schema of a document.
pub fn schema(of: Described) -> Value {
    let parts = Parts::new();
    let of_world = |title: &str, file| {
        let mut schema = sandbox::schema(file).to_value();
        schema["title"] = title.into();
        schema
    };
    let (title, root) = match of {
        Described::World => return of_world("World", WorldFile::World),
        Described::Applications => return of_world("Applications", WorldFile::Applications),
        Described::Scenario => return of_world("Scenario", WorldFile::Scenario),
        Described::Runbook => ("Runbook", parts.runbook()),
        Described::Rehearsal => ("Rehearsal file of a runbook", parts.rehearsal()),
        Described::Config => ("Settings of runbook", parts.structure("runbook.toml")),
    };
    let mut schema = root;
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = title.into();
    schema["definitions"] = Value::Object(used(&schema, parts.definitions()));
    schema
}

/// The definitions to which a schema refers, directly or not.
fn used(schema: &Value, all: Map<String, Value>) -> Map<String, Value> {
    let (mut found, mut open) = (Vec::new(), vec![schema.to_string()]);
    while let Some(text) = open.pop() {
        for reference in text.split("\"#/definitions/").skip(1) {
            let name = reference.split('"').next().unwrap_or_default().to_owned();
            if let Some(definition) = all.get(&name).filter(|_| !found.contains(&name)) {
                open.push(definition.to_string());
                found.push(name);
            }
        }
    }
    all.into_iter().filter(|(name, _)| found.contains(name)).collect()
}

/// The schemas of the parts of a document.
struct Parts {
    definitions: Map<String, Value>,
    structures: Vec<(String, Value)>,
    actions: Vec<(String, Value)>,
}

impl Parts {
    fn new() -> Self {
        let mut generator = SchemaSettings::draft07().into_generator();
        let mut structures = document::schemas(&mut generator);
        structures.extend(config::schemas(&mut generator));
        let mut actions = action::schemas(&mut generator);
        actions.extend(construct::schemas(&mut generator));
        let named = |(name, schema): (&str, schemars::Schema)| (name.to_owned(), schema.to_value());
        let structures = structures.into_iter().map(named).collect();
        let actions = actions.into_iter().map(named).collect();
        let mut definitions: Map<String, Value> =
            generator.take_definitions(true).into_iter().collect();
        // `true` and `1` are programs, too
        if let Some(jq) = definitions.get_mut("Jq") {
            jq["type"] = json!(["string", "boolean", "number"]);
        }
        Self { definitions, structures, actions }
    }

    /// The schema of a structure of the parser, to be changed.
    fn structure(&self, name: &str) -> Value {
        let schema = self.structures.iter().find(|(known, _)| known == name);
        let schema = schema.map(|(_, schema)| schema.clone()).unwrap_or_default();
        super::entry::resolved(&schema, &Value::Object(self.definitions.clone())).clone()
    }

    fn runbook(&self) -> Value {
        let mut schema = self.structure("runbook");
        schema["properties"]["runbook"] = json!({"const": "v1"});
        for key in ["steps", "always"] {
            described(&mut schema, key, json!({"$ref": "#/definitions/steps"}));
        }
        described(&mut schema, "findings", listed("finding-of-list"));
        described(
            &mut schema,
            "alerts",
            json!({"type": "array", "items": {"anyOf": [
            {"type": "string"}, {"$ref": "#/definitions/alert-long"}]}}),
        );
        schema
    }

    fn rehearsal(&self) -> Value {
        let mut schema = self.structure("rehearsal");
        schema["properties"]["rehearsal"] = json!({"const": "v1"});
        described(&mut schema, "cases", listed("case-of-file"));
        schema
    }

    /// Every definition: those of the parser, and what the short forms make of them.
    fn definitions(&self) -> Map<String, Value> {
        let mut all = self.definitions.clone();
        for (name, definition) in &self.definitions {
            let mut open = definition.clone();
            with_templates(&mut open);
            all.insert(format!("{OPEN}{name}"), open);
        }
        let mut case = self.structure("case");
        described(&mut case, "scenario", json!({"type": ["string", "object", "null"]}));
        let mut finding = self.structure("finding");
        let short = json!({
            "ids": {"type": ["array", "string"], "items": {"type": "string"},
                "description": "Identifiers of `diagnose` that are taken over; `'*'` for the rest."},
            "from": {"type": "string", "description": "The causes of `diagnose`."},
        });
        if let (Some(properties), Value::Object(short)) =
            (finding["properties"].as_object_mut(), short)
        {
            properties.extend(short);
        }
        for key in ["when", "not_when"] {
            let jq = json!({"$ref": "#/definitions/Jq"});
            described(&mut finding, key, json!({"anyOf": [jq, {"type": "array", "items": jq}]}));
        }
        described(&mut finding, "for_each", list_or_program());
        described(
            &mut finding,
            "remedy",
            json!({"anyOf": [
            {"type": "string"}, {"$ref": "#/definitions/remedy-long"}]}),
        );
        finding["required"] = json!([]);
        finding["anyOf"] = json!([
            {"required": ["id", "cause"]}, {"required": ["id", "from"]}, {"required": ["ids", "from"]}]);
        let own = [
            ("template", template()),
            ("alert-long", self.structure("alert")),
            ("case-of-file", case),
            ("finding-of-list", finding),
            ("remedy-long", self.structure("remedy")),
            ("expectation-long", self.structure("expectation")),
            ("file-long", self.structure("save")),
            ("step-of-list", self.step(true)),
            ("verification", self.step(false)),
            (
                "steps",
                json!({"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step-of-list"}}),
            ),
        ];
        all.extend(own.map(|(name, schema)| (name.to_owned(), schema)));
        all
    }

    /// A step: its head, and one action.
    fn step(&self, needs_id: bool) -> Value {
        let mut schema = self.structure("step");
        let condition = json!({"anyOf": [
            {"type": ["string", "boolean", "number"]}, {"$ref": "#/definitions/expectation-long"}]});
        described(&mut schema, "expect", one_or_list(&condition));
        let file = json!({"anyOf": [{"type": "string"}, {"$ref": "#/definitions/file-long"}]});
        described(&mut schema, "save", one_or_list(&file));
        described(&mut schema, "for_each", list_or_program());
        let verification = json!({"$ref": "#/definitions/verification"});
        described(
            &mut schema,
            "then",
            json!({"anyOf": [
            verification, {"type": "array", "minItems": 1, "items": verification}]}),
        );
        for key in GROUP {
            schema["properties"][key] = json!({"$ref": "#/definitions/steps"});
        }
        for (verb, arguments) in &self.actions {
            let mut arguments = arguments.clone();
            with_templates(&mut arguments);
            if ["run", "confirm", "approve"].contains(&verb.as_str()) {
                arguments = json!({"anyOf": [{"type": "string"}, arguments]});
            }
            schema["properties"][verb] = arguments;
        }
        schema["required"] = if needs_id { json!(["id"]) } else { json!([]) };
        let required = |verb: &str| json!({"required": [verb]});
        let others =
            || self.actions.iter().map(|(verb, _)| verb.as_str()).filter(|verb| *verb != "confirm");
        let one: Vec<Value> = others().chain(["steps"]).map(required).collect();
        // `confirm: typed` stands beside a change
        let alone = json!({"required": ["confirm"], "not": {"anyOf": one}});
        schema["anyOf"] = json!([{"oneOf": one}, alone]);
        schema["dependencies"] = json!({"rescue": ["steps"], "always": ["steps"]});
        schema
    }
}

fn listed(definition: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/definitions/{definition}")}})
}

fn one_or_list(one: &Value) -> Value {
    json!({"anyOf": [one, {"type": "array", "items": one}, {"type": "null"}]})
}

fn list_or_program() -> Value {
    json!({"anyOf": [{"$ref": "#/definitions/Jq"}, {"type": "array"}]})
}

/// Another schema of a property, with its description.
fn described(schema: &mut Value, property: &str, mut instead: Value) {
    let description = schema["properties"][property]["description"].take();
    if description.is_string() {
        instead["description"] = description;
    }
    schema["properties"][property] = instead;
}

fn template() -> Value {
    json!({"type": "string", "pattern": r"\{\{|\{%|\{#"})
}

/// Lets a template stand for every value but a text, which may be one anyway, and for every mapping
/// with fields.
fn with_templates(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for (key, inner) in map.iter_mut() {
        match key.as_str() {
            "properties" => {
                inner.as_object_mut().into_iter().flatten().for_each(|(_, one)| open(one));
            }
            "items" | "additionalProperties" if inner.is_object() => open(inner),
            "anyOf" | "oneOf" | "allOf" => {
                inner.as_array_mut().into_iter().flatten().for_each(with_templates);
            }
            _ => {}
        }
    }
    if let Some(Value::String(reference)) = map.get_mut("$ref") {
        *reference = reference.replace("#/definitions/", &format!("#/definitions/{OPEN}"));
    }
}

/// The same for a value at its place.
fn open(schema: &mut Value) {
    with_templates(schema);
    let is_text = schema["type"] == "string" && schema.get("enum").is_none();
    if is_text || schema.as_object().is_none_or(Map::is_empty) {
        return;
    }
    let description = schema.as_object_mut().and_then(|map| map.remove("description"));
    let inner = schema.take();
    *schema = json!({"anyOf": [inner, {"$ref": "#/definitions/template"}]});
    if let Some(description) = description {
        schema["description"] = description;
    }
}
