//! The JSON Schema and the parser agree: on every runbook and rehearsal file of this repository, on
//! the mistakes of `tests/mistakes`, and on what is left of right documents after a change.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use boon::{Compiler, SchemaIndex, Schemas};
use runbook::document::{Catalogue, CatalogueError, Suite, collect_all};
use runbook::reference::{Described, EXAMPLES, schema};
use runbook::sandbox::World;
use serde_json::{Value, json};
use std::path::Path;

/// A schema that is ready to judge.
struct Judge {
    schemas: Schemas,
    index: SchemaIndex,
    of: Described,
    /// Keeps what it has read: the called runbooks are the same in every document.
    catalogue: Catalogue,
}

impl Judge {
    fn new(of: Described) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema(of)).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index, of, catalogue: Catalogue::new(&[]) }
    }

    /// What the schema says is wrong.
    fn wrong(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| format!("{error:#}"))
    }

    /// What the parser says is wrong: the codes with their messages.
    fn faults(&self, document: &Value) -> Vec<(&'static str, String)> {
        let text = document.to_string();
        let result = match self.of {
            Described::Runbook => self.catalogue.load_text("x", text).map(|_| ()),
            Described::Rehearsal => Suite::read("x", "x", text).map(|_| ()),
            other => panic!("{other:?} has a parser of its own"),
        };
        match result {
            Ok(()) => Vec::new(),
            Err(CatalogueError::Invalid { diagnostics }) => {
                diagnostics.into_iter().map(|one| (one.code, one.message)).collect()
            }
            Err(error) => panic!("{error}"),
        }
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
            map.iter().for_each(|(key, inner)| collect(&step(key), inner, places));
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

/// So many changes of a document are left out between two that are tried.
const EVERY: usize = 6;

/// The changes of right documents, and the mistakes.
fn wrong_documents(of: Described) -> Vec<(String, Value)> {
    let all = documents(of);
    let chosen = all.iter().filter(|(file, _)| CHANGED.iter().any(|name| file.contains(name)));
    let mut documents: Vec<(String, Value)> = Vec::new();
    for (file, document) in chosen {
        let of_file = |(change, value)| (format!("{file}: {change}"), value);
        documents.extend(changed(document).into_iter().step_by(EVERY).map(of_file));
    }
    if of == Described::Runbook {
        documents.extend(mistakes());
    }
    documents
}

#[test]
fn the_schema_and_the_parser_agree_on_wrong_documents() {
    let (mut read, mut refused) = (0, 0);
    for of in [Described::Runbook, Described::Rehearsal] {
        let judge = Judge::new(of);
        for (name, document) in wrong_documents(of) {
            let (schema, faults) = (judge.wrong(&document), judge.faults(&document));
            // what the parser reads, the schema takes
            assert!(
                schema.is_none() || !faults.is_empty(),
                "{name}: the parser reads it, the schema says {schema:?}"
            );
            // what is unknown to the parser, the schema refuses
            let unknown = ["RB0101", "RB0102", "RB0103"];
            let unknown: Vec<_> =
                faults.iter().filter(|(code, _)| unknown.contains(code)).collect();
            assert!(
                schema.is_some() || unknown.is_empty(),
                "{name}: the schema takes it, the parser says {unknown:?}"
            );
            if faults.is_empty() { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > 50 && refused > 300, "{read} read, {refused} refused");
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

#[test]
fn settings_are_what_their_schema_says() {
    let judge = Judge::new(Described::Config);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runbook.toml");
    for (text, document) in [
        ("", json!({})),
        ("catalogues = ['a']\nbuiltin = []", json!({"catalogues": ["a"], "builtin": []})),
        ("builtin = 'kubernetes/'", json!({"builtin": "kubernetes/"})),
        ("[defaults]\ntimeout = '5m'", json!({"defaults": {"timeout": "5m"}})),
        ("[defaults]\noutput = 'json'", json!({"defaults": {"output": "json"}})),
        ("[contexts]\nprotected = [1]", json!({"contexts": {"protected": [1]}})),
        ("[notify]\non = 'not-passed'", json!({"notify": {"on": "not-passed"}})),
        ("[notify]\non = 'never'", json!({"notify": {"on": "never"}})),
        ("[retention]\nkeep = 3", json!({"retention": {"keep": 3}})),
        ("[retention]\nkeep = -3", json!({"retention": {"keep": -3}})),
        ("colour = true", json!({"colour": true})),
    ] {
        std::fs::write(&file, text).unwrap();
        let read = runbook::config::load(&runbook::config::Found::None, Some(&file));
        let wrong = judge.wrong(&document);
        assert_eq!(read.is_ok(), wrong.is_none(), "{text}: {read:?} {wrong:?}");
    }
}

/// The files of the worlds of this repository that have a schema, by world: the name of each,
/// relative to the folder of the world, and its text.
fn worlds() -> Vec<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds");
    let mut worlds: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
    worlds.sort_by_key(std::fs::DirEntry::path);
    let files = worlds.iter().map(|world| {
        let read = |file: std::path::PathBuf| {
            let name = file.strip_prefix(world.path()).unwrap().display().to_string();
            (name, std::fs::read_to_string(&file).unwrap())
        };
        collect_all(&world.path()).into_iter().map(read).collect()
    });
    files.collect()
}

/// What a file of a world is; none of the manifests has a schema here.
fn kind(file: &str) -> Option<Described> {
    match file {
        "world.yaml" => Some(Described::World),
        "applications.yaml" => Some(Described::Applications),
        _ => file.starts_with("scenarios/").then_some(Described::Scenario),
    }
}

#[test]
fn the_files_of_worlds_are_what_their_schemas_say() {
    let judges = [Described::World, Described::Applications, Described::Scenario].map(Judge::new);
    let judge = |file: &str| judges.iter().find(|judge| Some(judge.of) == kind(file));
    let (mut right, mut read, mut refused) = (0, 0, 0);
    for (at, files) in worlds().into_iter().enumerate() {
        for (place, (file, text)) in files.iter().enumerate() {
            let Some(judge) = judge(file) else { continue };
            let document: Value = serde_saphyr::from_str(text).unwrap();
            assert_eq!(judge.wrong(&document), None, "{file}");
            right += 1;
            // a change of each kind of a few files is enough
            let changes = changed(&document).into_iter().skip(place % EVERY).step_by(5 * EVERY);
            for (change, document) in changes.take(if at == 0 { 6 } else { 1 }) {
                let mut files = files.clone();
                files[place].1 = document.to_string();
                let faults = World::from_files(files).err();
                let wrong = judge.wrong(&document);
                assert!(
                    wrong.is_none() || faults.is_some(),
                    "{file}, {change}: the parser reads it, the schema says {wrong:?}"
                );
                assert!(
                    wrong.is_some() || !change.starts_with("another key") || faults.is_none(),
                    "{file}, {change}: the schema takes it, the parser says {faults:?}"
                );
                if faults.is_none() { read += 1 } else { refused += 1 }
            }
        }
    }
    assert!(right > 100 && read > 10 && refused > 100, "{right}, {read}, {refused}");
}
