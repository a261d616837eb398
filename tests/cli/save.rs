//! Files that a run keeps: masked, capped, hashed, listed, packed.

use crate::support::Place;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

const RUN: &str = "01K9ZQ4T000000000000000000";

const KEEPS: &str = r#"runbook: v1
title: Keeps
namespace: petrosa-apps
params:
  token: {type: string, secret: true, default: hunter2-hunter2}
on_failure: continue
steps:
  - id: logs
    title: Keep the logs
    logs: {target: {kind: Pod, selector: app=petrosa-ta-bot}}
    severity: info
    save:
      for_each: .
      file: logs/{{ item.pod }}.log
      content: '[$item.lines[].text] | join("\n")'
      max_bytes: 500
  - id: pods
    get: {kind: Pod, selector: app=petrosa-ta-bot}
    severity: info
    save: [pods.yaml, {file: names.json, content: '[.items[].metadata.name]'}]
  - id: secret
    value: '"the token is " + $params.token'
    severity: info
    save: token-{{ params.token }}.txt
  - id: loop
    for_each: [a, b]
    value: $item
    severity: info
    save: items/{{ item }}.txt
  - id: pack
    archive: {file: all.tar.gz}
"#;

fn saved(place: &Place) -> PathBuf {
    place.state().join("runs").join(RUN).join("saved")
}

/// The files of a run in its summary, by path: length and digest.
fn listed(summary: &Value) -> Vec<(String, u64)> {
    let steps = summary["steps"].as_array().unwrap().iter();
    steps
        .flat_map(|step| step["saved"].as_array().into_iter().flatten())
        .map(|saved| (saved["file"].as_str().unwrap().to_owned(), saved["bytes"].as_u64().unwrap()))
        .collect()
}

#[test]
fn what_is_saved_is_masked_capped_listed_and_packed() {
    let place = Place::new();
    place.write("keeps.yaml", KEEPS);
    let run = place.run(&["run", "keeps.yaml", "--sandbox=petrosa/healthy", "--output", "json"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    let files = listed(&summary);
    for (file, bytes) in &files {
        assert_eq!(fs::metadata(saved(&place).join(file)).unwrap().len(), *bytes, "{file}");
    }
    let names: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("logs/")).count(), 3, "{names:?}");
    assert_eq!(
        names[3..],
        [
            "pods.yaml",
            "names.json",
            "token-[secret token].txt",
            "items/a.txt",
            "items/b.txt",
            "all.tar.gz"
        ]
    );
    let log = fs::read_to_string(saved(&place).join(names[0])).unwrap();
    assert!(log.contains(" bytes before this are left out]\n") && log.len() < 600, "{log}");
    let whole = walk(&saved(&place));
    assert!(!whole.iter().any(|text| text.contains("hunter2")));
    assert!(fs::read_to_string(saved(&place).join("items/b.txt")).unwrap() == "b");

    let packed = fs::File::open(saved(&place).join("all.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut within = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert!(!text.contains("hunter2"), "{name}");
        within.push(name);
    }
    assert_eq!(within.len(), names.len(), "a page, and everything but the archive: {within:?}");
    assert_eq!(within[0], "all/index.html");

    // whoever looks later finds them
    let shown = place.run(&["show", RUN]).stdout;
    assert!(shown.contains("all.tar.gz"), "{shown}");
    let markdown = place.run(&["report", RUN, "--format", "markdown"]).stdout;
    assert!(markdown.contains("pods.yaml"), "{markdown}");
}

/// The texts of all files below a folder that are text.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                fs::read_to_string(&path).into_iter().collect()
            }
        })
        .collect()
}

#[test]
fn what_cannot_be_saved_is_not_passed_over() {
    for (save, wanted) in [
        ("../x", "the path of a saved file must be relative"),
        ("{file: x, content: .a.b.c}", "`save`: cannot evaluate `content`"),
        ("{file: x, for_each: '1'}", "`save`: cannot evaluate `for_each`: 1 is not a list"),
        ("{file: x, max_bytes: many}", "`save`: cannot evaluate `max_bytes`"),
    ] {
        let place = Place::new();
        place.write(
            "x.yaml",
            format!(
                "runbook: v1\ntitle: T\nsteps:\n  - {{id: a, value: '\"t\"', severity: info, \
                    save: {save}}}\n"
            ),
        );
        let run = place.run(&["run", "x.yaml"]);
        assert_eq!(run.code, 0, "it only informs: {}", run.all());
        assert!(run.stdout.contains(wanted), "{save}: {}", run.all());
        assert!(!saved(&place).join("x").exists());
    }
}

#[test]
fn a_file_has_one_step() {
    let place = Place::new();
    let step = |id: &str| format!("  - {{id: {id}, value: '\"{id}\"', severity: info, save: x}}\n");
    place.write(
        "x.yaml",
        format!("runbook: v1\ntitle: T\non_failure: continue\nsteps:\n{}{}", step("a"), step("b")),
    );
    let run = place.run(&["run", "x.yaml"]);
    assert!(run.stdout.contains("`x` was saved by step a"), "{}", run.all());
    assert_eq!(fs::read_to_string(saved(&place).join("x")).unwrap(), "a");
}

#[test]
fn what_would_be_lost_is_not_saved() {
    for (save, wanted) in [
        ("[{for_each: '[1, 2]', file: a.txt}]", "the step saves `a.txt` twice"),
        ("[a.txt, {file: a.txt, content: .n}]", "the step saves `a.txt` twice"),
        ("[{file: a.txt, content: .missing}]", "`content`: it is null"),
        ("index.html", "`index.html`: archives hold the page of the run"),
        ("logs.tar.gz", "`logs.tar.gz`: this is the name of an archive"),
    ] {
        let place = Place::new();
        let file = place.write(
            "lost.yaml",
            format!("runbook: v1\ntitle: T\nsteps:\n  - id: a\n    value: '{{n: 1}}'\n    save: {save}\n"),
        );
        let (document, code) = place.json(&["run", &file]);
        let reason = document["steps"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(wanted) && code == 3, "{save}: {code} {document:#}");
    }
}
