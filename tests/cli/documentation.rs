//! What the documentation shows is true: its runbooks load, and its transcript is what is printed.

use crate::support::{Place, findings};
use std::fs;
use std::path::Path;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    text.split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix(&format!("{language}\n")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_runbooks_in_the_documentation_run() {
    for name in ["README.md", "docs/format.md"] {
        let found = blocks(&page(name), "yaml");
        assert!(!found.is_empty(), "{name}");
        for text in found {
            let place = Place::new();
            let file = place.write("shown.yaml", text);
            let said = place.run(&["run", &file, "--sandbox=healthy"]);
            assert_eq!(said.code, 0, "{name}: {}", said.all());
        }
    }
}

/// The files that a page shows: blocks that begin with the name of a file.
fn files(place: &Place, text: &str) -> Vec<String> {
    let named = blocks(text, "yaml").into_iter().filter_map(|block| {
        let name = block.lines().next()?.strip_prefix("# ")?.to_owned();
        Some(place.write(&name, block))
    });
    named.collect()
}

#[test]
fn the_world_in_the_documentation_plays() {
    let (place, text) = (Place::new(), page("docs/worlds.md"));
    let written = files(&place, &text);
    assert_eq!(written.len(), blocks(&text, "yaml").len(), "every block names its file");
    let listed = place.run(&["sandbox", "list"]).stdout;
    assert!(listed.contains("stock-down") && listed.contains("tabot-no-leader"), "{listed}");
    let (document, code) = place.json(&["run", "shop/web", "--sandbox"]);
    assert_eq!((findings(&document), code), (vec!["no-stock"], 1), "{document:#}");
    for value in ["shop/healthy", "healthy", "worlds/shop/healthy", "./worlds/shop/healthy"] {
        let place = Place::new();
        files(&place, &text);
        let said = place.run(&["run", "shop/web", &format!("--sandbox={value}")]);
        assert_eq!(said.code, 0, "{value}: {}", said.all());
    }
    let checked = place.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.all());
}

#[test]
fn the_cases_in_the_documentation_hold() {
    let (place, text) = (Place::new(), page("docs/testing.md"));
    let written = files(&place, &text);
    assert_eq!(written.len(), blocks(&text, "yaml").len(), "every block names its file");
    let said = place.run(&["test", "store", "--coverage", "--mutate"]);
    assert_eq!(said.code, 0, "{}", said.all());
    for part in ["6 cases passed", "100 % covered", "10 of 10 mutants noticed"] {
        assert!(said.stdout.contains(part), "{part}: {}", said.all());
    }
    assert_eq!(place.run(&["check", "runbooks"]).code, 0);
}

#[test]
fn the_example_of_another_application_holds() {
    let place = Place::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/podinfo");
    let said = crate::support::said(place.command().current_dir(&example).args([
        "test",
        "podinfo",
        "--coverage",
        "--mutate",
    ]));
    assert_eq!(said.code, 0, "{}", said.all());
    for part in ["7 cases passed", "100 % covered", "16 of 17 mutants noticed"] {
        assert!(said.stdout.contains(part), "{part}: {}", said.all());
    }
}

#[test]
fn the_transcript_in_the_readme_is_what_is_printed() {
    let shown = blocks(&page("README.md"), "")
        .into_iter()
        .find(|block| block.contains("app-exit"))
        .unwrap();
    let said = Place::new().run(&["run", "kubernetes/triage", "--sandbox"]).stdout;
    // ids and times differ from run to run; in a clone the scenario is one of a folder
    let strip = |text: &str| {
        let text = text.replace("plain/app-exit", "app-exit");
        let changing = regex::Regex::new(r"(run|show) [0-9A-Z]{8}|\s+\d+ ms$|\d+ ms").unwrap();
        text.trim()
            .lines()
            .map(|line| changing.replace_all(line, "").trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(strip(&shown), strip(&said).trim_end());
}
