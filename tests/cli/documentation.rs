//! What the documentation shows is true: its runbooks load, and its transcript is what is printed.

use crate::support::Place;
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

#[test]
fn the_transcript_in_the_readme_is_what_is_printed() {
    let shown = blocks(&page("README.md"), "")
        .into_iter()
        .find(|block| block.contains("leader-stuck"))
        .unwrap();
    let said = Place::new().run(&["run", "ta-bot/no-signals", "--sandbox"]).stdout;
    // ids and times differ from run to run
    let strip = |text: &str| {
        let changing = regex::Regex::new(r"(run|show) [0-9A-Z]{8}|\s+\d+ ms$|\d+ ms").unwrap();
        text.trim()
            .lines()
            .map(|line| changing.replace_all(line, "").trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(strip(&shown), strip(&said).trim_end());
}
