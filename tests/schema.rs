//! The JSON Schema and the parser agree: on every runbook and rehearsal file of this repository, on
//! the mistakes of `tests/mistakes`, and on what is left of right documents after a change.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use boon::{Compiler, SchemaIndex, Schemas};
use runbook::diagnostic::Diagnostic;
use runbook::document::{Catalogue, CatalogueError, Suite, collect_all};
use runbook::reference::{Described, EXAMPLES, schema};
use serde_json::{Value, json};
use std::path::Path;

/// A schema that is ready to judge.
struct Judge {
    schemas: Schemas,
    index: SchemaIndex,
    of: Described,
}

impl Judge {
    fn new(of: Described) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema(of)).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index, of }
    }

    /// What the schema says is wrong.
    fn wrong(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| format!("{error:#}"))
    }

    /// What the parser says is wrong with the structure: what a schema can say.
    fn structural(&self, document: &Value) -> Vec<String> {
        let text = document.to_string();
        let result = match self.of {
            Described::Runbook => Catalogue::new(&[]).load_text("x", text).map(|_| ()),
            Described::Rehearsal => Suite::read("x", "x", text).map(|_| ()),
        };
        let Err(CatalogueError::Invalid { diagnostics }) = result else { return Vec::new() };
        let of_schema = |one: &&Diagnostic| ["RB0101", "RB0102", "RB0103"].contains(&one.code);
        diagnostics.iter().filter(of_schema).map(|one| one.message.clone()).collect()
    }

    /// Whether the parser takes it.
    fn is_read(&self, document: &Value) -> Result<(), String> {
        let text = document.to_string();
        let result = match self.of {
            Described::Runbook => Catalogue::new(&[]).load_text("x", text).map(|_| ()),
            Described::Rehearsal => Suite::read("x", "x", text).map(|_| ()),
        };
        let said = |error: CatalogueError| match error {
            CatalogueError::Invalid { diagnostics } => {
                diagnostics.iter().map(|one| one.message.clone()).collect::<Vec<_>>().join("; ")
            }
            CatalogueError::Unknown { .. } => error.to_string(),
        };
        result.map_err(said)
    }
}

/// The documents of this repository of a kind, by file.
fn documents(of: Described) -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["runbooks", "examples"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| collect_all(folder));
    let wanted = |file: &std::path::PathBuf| {
        let name = file.to_string_lossy();
        let is_suite = name.ends_with(".test.yaml");
        name.contains("runbooks/") && is_suite == (of == Described::Rehearsal)
    };
    let read = |file: std::path::PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file.display().to_string(), serde_saphyr::from_str(&text).unwrap())
    };
    files.filter(wanted).map(read).collect()
}

#[test]
fn every_document_of_the_repository_is_valid() {
    let mut count = 0;
    for of in [Described::Runbook, Described::Rehearsal] {
        let judge = Judge::new(of);
        let examples = ("examples.yaml".to_owned(), serde_saphyr::from_str(EXAMPLES).unwrap());
        let more = (of == Described::Runbook).then_some(examples);
        for (file, document) in documents(of).into_iter().chain(more) {
            count += 1;
            assert_eq!(judge.wrong(&document), None, "{file}");
        }
    }
    assert!(count > 120, "{count}");
}

/// Every change of a document at one place: a key too many, one too few, a value of another type.
fn changed(document: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    collect("", document, &mut places);
    let mut all = Vec::new();
    for place in places {
        let with = |kind: &str, change: &dyn Fn(&mut Value)| {
            let mut changed = document.clone();
            change(changed.pointer_mut(&place).unwrap());
            (format!("{kind} at `{place}`"), changed)
        };
        match document.pointer(&place).unwrap() {
            Value::Object(map) => {
                all.push(with("another key", &|value| value["zzz"] = json!(1)));
                for key in map.keys() {
                    let remove = |value: &mut Value| {
                        value.as_object_mut().unwrap().shift_remove(key);
                    };
                    all.push(with(&format!("no {key}"), &remove));
                }
                all.push(with("a list", &|value| *value = json!([[]])));
            }
            Value::Array(_) => all.push(with("a mapping", &|value| *value = json!({"zzz": {}}))),
            _ => {
                all.push(with("a list", &|value| *value = json!([[]])));
                all.push(with("a mapping", &|value| *value = json!({"zzz": 1})));
            }
        }
    }
    all
}

fn collect(place: &str, value: &Value, places: &mut Vec<String>) {
    places.push(place.to_owned());
    let step = |key: &str| format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| collect(&step(key), inner, places))
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(at, inner)| collect(&step(&at.to_string()), inner, places));
        }
        _ => {}
    }
}

/// Documents of which every change is tried.
const CHANGED: [&str; 4] = [
    "kubernetes/pod-crash-looping.",
    "kubernetes/restart.",
    "ta-bot/health.",
    "platform/change-gate.",
];

#[test]
fn the_schema_refuses_nothing_that_the_parser_reads() {
    let mut count = 0;
    for of in [Described::Runbook, Described::Rehearsal] {
        let judge = Judge::new(of);
        let all = documents(of);
        let chosen = all.iter().filter(|(file, _)| CHANGED.iter().any(|name| file.contains(name)));
        for (file, document) in chosen {
            for (change, changed) in changed(document) {
                count += 1;
                let (schema, parser) = (judge.wrong(&changed), judge.is_read(&changed));
                assert!(
                    schema.is_none() || parser.is_err(),
                    "{file}: {change}: the parser reads it, the schema says {schema:?}"
                );
            }
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn what_the_parser_calls_unknown_the_schema_refuses() {
    let mut count = 0;
    for of in [Described::Runbook, Described::Rehearsal] {
        let judge = Judge::new(of);
        let all = documents(of);
        let chosen = all.iter().filter(|(file, _)| CHANGED.iter().any(|name| file.contains(name)));
        let mut documents: Vec<(String, Value)> = Vec::new();
        for (file, document) in chosen {
            let of_file = |(change, value)| (format!("{file}: {change}"), value);
            documents.extend(changed(document).into_iter().map(of_file));
        }
        if of == Described::Runbook {
            documents.extend(mistakes());
        }
        for (name, document) in documents {
            let structural = judge.structural(&document);
            if !structural.is_empty() {
                count += 1;
                let refused = judge.wrong(&document).is_some();
                assert!(refused, "{name}: the schema takes it, the parser says {structural:?}");
            }
        }
    }
    assert!(count > 200, "{count}");
}

/// The mistakes in steps, as documents.
fn mistakes() -> Vec<(String, Value)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes/steps.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let cases = text.split("## ").skip(1).filter_map(|case| {
        let (name, rest) = case.split_once("\n--- steps\n")?;
        let (steps, _) = rest.split_once("--- says")?;
        let whole = format!("runbook: v1\ntitle: T\nsteps:\n{steps}");
        Some((name.to_owned(), serde_saphyr::from_str(&whole).ok()?))
    });
    cases.collect()
}
