//! Mistakes of somebody who knows other tools: each is told its place, its reason and the line as
//! it should be. The cases are in `tests/mistakes/`: a text, and what is said of it.
//!
//! `mended` says that the text is without errors and warnings once every correction is made.
//! `UPDATE_MISTAKES=1 cargo test --test cli mistakes` writes what is said into the files; read the
//! difference.

use crate::support::Place;
use runbook::diagnostic::{Diagnostic, DiagnosticSeverity};
use runbook::document::{Catalogue, CatalogueError, Suite};
use runbook::sandbox::{WorldError, Worlds};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A mistake: its name, the kind of text in which it is made, the text, and what is said of it.
struct Case {
    name: String,
    kind: String,
    text: String,
    said: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}

/// The cases of a file.
fn cases(text: &str) -> Vec<Case> {
    let blocks = text.split("\n## ").map(|block| block.trim_start_matches("## "));
    blocks
        .map(|block| {
            let (name, rest) = block.split_once("\n--- ").unwrap();
            let (kind, rest) = rest.split_once('\n').unwrap();
            let (text, said) = rest.split_once("--- says\n").unwrap_or((rest, ""));
            Case {
                name: name.to_owned(),
                kind: kind.to_owned(),
                text: format!("{}\n", text.trim_end()),
                said: said.trim_end().to_owned(),
            }
        })
        .collect()
}

/// The declarations of the parameters that a text uses.
fn params(text: &str) -> String {
    let known = [
        ("ns", "ns: {type: string, default: shop}"),
        ("names", "names: {type: list, default: [web, api]}"),
        ("deep", "deep: {type: bool, default: false}"),
    ];
    let used = known.iter().filter(|(name, _)| {
        ['.', ' '].iter().any(|before| text.contains(&format!("{before}{name}")))
    });
    let lines: String = used.map(|(_, line)| format!("  {line}\n")).collect();
    if lines.is_empty() { lines } else { format!("params:\n{lines}") }
}

/// The whole text: a case shows only the part in which its mistake is.
fn whole(case: &Case) -> String {
    let Case { kind, text, .. } = case;
    let head = "runbook: v1\ntitle: T\n";
    let looks = "  - {id: look, get: {kind: Pod, selector: app=web}}\n";
    match kind.as_str() {
        "steps" => format!("{head}{}steps:\n{text}", params(text)),
        "params" => {
            let uses = "steps:\n  - {id: look, get: {kind: Pod, selector: \"app={{ params.app \
                }}\"}}\n";
            format!("{head}params:\n{text}{uses}")
        }
        "expect" => {
            let step = "  - id: first\n    get: {kind: Pod, selector: app=web}\n  - id: second\n    \
                get: {kind: Deployment, name: web}\n    expect: ";
            format!("{head}{}steps:\n{step}{text}", params(text))
        }
        "findings" => format!("{head}steps:\n{looks}findings:\n{text}"),
        _ => text.clone(),
    }
}

/// What is wrong with a text of this kind.
fn mistakes(kind: &str, text: &str) -> Vec<Diagnostic> {
    match kind {
        "rehearsal" => of(Suite::read("x", "x", text.to_owned()).map(|_| Vec::new())),
        "scenario" | "applications" | "world" => of_world(kind, text),
        _ => of(Catalogue::new(&[]).load_text("x", text.to_owned()).map(|all| {
            let own = all.get("x").into_iter();
            own.flat_map(|own| own.warnings()).collect::<Vec<_>>()
        })),
    }
}

fn of(result: Result<Vec<Diagnostic>, CatalogueError>) -> Vec<Diagnostic> {
    match result {
        Ok(warnings) => warnings,
        Err(CatalogueError::Invalid { diagnostics }) => diagnostics,
        Err(error) => panic!("{error}"),
    }
}

/// The same, in a world whose other files are right.
fn of_world(kind: &str, text: &str) -> Vec<Diagnostic> {
    let place = Place::new();
    let files = [
        ("world", "worlds/shop/world.yaml", "world: v1\ntitle: T\nnamespace: shop\n"),
        (
            "manifest",
            "worlds/shop/manifests/web.yaml",
            "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: apps/v1, \
                kind: Deployment, metadata: {name: web}, spec: {replicas: 1, selector: \
                {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: \
                {containers: [{name: web, image: \"shop/web:1.0\", command: [shop, web]}]}}}}\n",
        ),
        (
            "applications",
            "worlds/shop/applications.yaml",
            "images: [{images: [\"shop/web:1.0\"], tools: few}]\ntools: {few: [sh]}\napps: [{app: \
                web, command: shop web}]\n",
        ),
        ("scenario", "worlds/shop/scenarios/down.yaml", "title: T\ndescription: D\n"),
    ];
    for (of, file, right) in files {
        place.write(file, if of == kind { text } else { right });
    }
    let worlds = Worlds::new(&[place.path().join("runbooks")]);
    match worlds.find("shop/down", None) {
        Ok(_) => Vec::new(),
        Err(WorldError::Invalid(diagnostics)) => diagnostics,
        Err(error) => panic!("{error}"),
    }
}

/// Everything that is said of a text, as lines.
fn said(kind: &str, text: &str) -> String {
    let all = mistakes(kind, text);
    let mut lines = String::new();
    for one in &all {
        let (line, column) = one.place().unwrap_or_default();
        let level = if one.severity == DiagnosticSeverity::Warning { " warning" } else { "" };
        let label = one.labels.first().map(|label| label.text.as_str()).unwrap_or_default();
        let between = if label.is_empty() { "" } else { ": " };
        writeln!(lines, "{line}:{column} {}{level} {}{between}{label}", one.code, one.message)
            .unwrap();
        for line in one.corrected().iter().flat_map(|corrected| corrected.lines()) {
            writeln!(lines, "    {}", line.trim_end()).unwrap();
        }
    }
    let mended = mend(text, &all);
    if mended != text && mistakes(kind, &mended).is_empty() {
        lines.push_str("mended\n");
    }
    lines.trim_end().to_owned()
}

/// The text with all corrections made, from the end to the start.
fn mend(text: &str, all: &[Diagnostic]) -> String {
    let mut corrections: Vec<_> = all.iter().filter_map(|one| one.correction.clone()).collect();
    corrections.sort_by_key(|one| std::cmp::Reverse(one.range.start));
    corrections.dedup_by_key(|one| one.range.clone());
    let mut text = text.to_owned();
    for one in corrections {
        text.replace_range(one.range, &one.text);
    }
    text
}

#[test]
fn each_mistake_is_told_its_place_its_reason_and_the_corrected_line() {
    let mut files: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut written = String::new();
        for case in cases(&text) {
            count += 1;
            let found = said(&case.kind, &whole(&case));
            let Case { name, kind, text, said } = case;
            if found != said {
                wrong.push(format!("{name}:\n{found}\n  instead of\n{said}\n"));
            }
            let gap = if written.is_empty() { "" } else { "\n" };
            write!(written, "{gap}## {name}\n--- {kind}\n{text}--- says\n{found}\n").unwrap();
        }
        if std::env::var_os("UPDATE_MISTAKES").is_some() {
            std::fs::write(&file, written).unwrap();
        }
    }
    assert!(count > 60, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file with an error that has a correction, and one with a warning.
fn wrong() -> (Place, [String; 2]) {
    let place = Place::new();
    let error = "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    name: \"50%, more\"\n    get: {kind: \
        Pod, selector: app=web}\n";
    let warning = "runbook: v1\ntitle: T\nparams: {p: {type: bool, default: true}}\nsteps:\n  - \
        {id: a, get: {kind: Pod, selector: app=web}}\n";
    let files = [place.write("a b.yaml", error), place.write("w.yaml", warning)];
    (place, files)
}

#[test]
fn mistakes_are_annotations_of_github() {
    let (place, [error, warning]) = wrong();
    let said = place.run(&["check", &error, &warning, "--output", "github"]);
    assert_eq!(said.code, 2, "{}", said.all());
    insta::assert_snapshot!(said.stdout);
}

#[test]
fn mistakes_are_results_of_sarif() {
    let (place, [error, warning]) = wrong();
    let said = place.run(&["check", &error, &warning, "--output", "sarif"]);
    assert_eq!(said.code, 2, "{}", said.all());
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    insta::assert_json_snapshot!(document["runs"][0]["results"]);
    let driver = &document["runs"][0]["tool"]["driver"];
    assert_eq!((&document["version"], &driver["name"]), (&"2.1.0".into(), &"runbook".into()));
    let rules = driver["rules"].as_array().unwrap().iter();
    let rules: Vec<_> = rules.map(|rule| rule["fullDescription"]["text"].is_string()).collect();
    assert_eq!(rules, [true, true]);
}
