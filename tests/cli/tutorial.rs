//! docs/tutorial.md as a newcomer follows it, in the sandbox that it describes; and the runbook of
//! docs/converting.md.

use crate::support::{Place, Said, said};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A command of the page with what it shows, and the scenario in which it is played; none if it
/// needs a cluster.
struct Shown {
    command: String,
    output: String,
    scenario: Option<String>,
}

/// The fenced blocks of a language, each with the line before it.
fn blocks(text: &str, language: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = text.split("\n```").collect();
    let inside = parts.chunks(2).filter_map(|pair| Some((pair[0], *pair.get(1)?)));
    inside
        .filter_map(|(before, block)| {
            let body = block.strip_prefix(language)?.strip_prefix('\n')?;
            Some((before.lines().last().unwrap_or_default().to_owned(), body.to_owned()))
        })
        .collect()
}

fn commands(text: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for (before, block) in blocks(text, "console") {
        let scenario = match before.as_str() {
            "<!-- cluster only -->" => None,
            other => Some(
                other
                    .strip_prefix("<!-- sandbox: ")
                    .and_then(|rest| rest.strip_suffix(" -->"))
                    .unwrap_or("healthy")
                    .to_owned(),
            ),
        };
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => all.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                    scenario: scenario.clone(),
                }),
                None => all.last_mut().unwrap().output.extend([line, "\n"]),
            }
        }
    }
    all
}

/// The steps and causes of a transcript: mark and id.
fn marks(text: &str) -> BTreeSet<String> {
    let word = |line: &str| {
        let mut words = line.split_whitespace();
        let (mark, id) = (words.next()?, words.next()?);
        let is_step = line.starts_with("  ") && ["✔", "✘", "–", "~", "?"].contains(&mark);
        let is_rule = mark == "-" && line.starts_with("- {apiGroups");
        (is_step || mark == "Cause" || is_rule).then(|| match is_rule {
            true => line.to_owned(),
            false => format!("{mark} {id}"),
        })
    };
    text.lines().filter_map(word).collect()
}

/// The exit code that a transcript stands for.
fn code(shown: &Shown) -> i32 {
    let verdicts = [("✘ Failed", 1), ("? Could not", 3), ("! Paused", 4)];
    let found = verdicts.iter().find(|(words, _)| shown.output.contains(words));
    match found {
        Some((_, code)) => *code,
        None if shown.command.contains("replicas=9") => 2,
        None => 0,
    }
}

fn files(place: &Place, text: &str) {
    for (_, block) in blocks(text, "yaml") {
        let first = block.lines().next().unwrap();
        let name = first.strip_prefix("# ").unwrap_or_else(|| panic!("no name: {first}"));
        place.write(name, &block);
        if name == "web.yaml" {
            place.write("worlds/tutorial/manifests/web.yaml", &block);
        }
    }
}

fn typed(place: &Place, shown: &Shown, run: &str) -> Said {
    let command = shown.command.trim_end_matches(" < /dev/null").replace("EV55JR2W", run);
    let mut words: Vec<String> = command.split_whitespace().skip(1).map(str::to_owned).collect();
    if words[0] == "run" {
        words.push(format!("--sandbox=tutorial/{}", shown.scenario.as_ref().unwrap()));
    }
    // every run has an id of its own, as in life
    said(place.command().env_remove("RUNBOOK_RUN_ID").env_remove("RUNBOOK_NOW").args(&words))
}

#[test]
fn the_tutorial_can_be_followed() {
    let (place, text) = (Place::new(), page("docs/tutorial.md"));
    files(&place, &text);
    let all = commands(&text);
    assert!(all.len() > 12, "{}", all.len());
    let mut paused = String::new();
    for shown in all.iter().filter(|shown| shown.scenario.is_some()) {
        let said = typed(&place, shown, &paused);
        let told = said.all();
        assert_eq!(said.code, code(shown), "{}\n{told}", shown.command);
        assert_eq!(marks(&shown.output), marks(&said.stdout), "{}\n{told}", shown.command);
        if said.code == 4 {
            let id = said.stdout.split(" · run ").nth(1).unwrap();
            paused = id.split_whitespace().next().unwrap().to_owned();
        }
        for created in shown.output.lines().filter(|line| line.starts_with("created ")) {
            assert!(said.stdout.contains(created), "{created}\n{told}");
        }
    }
    assert!(!paused.is_empty());
}

#[test]
fn the_converted_runbook_is_one() {
    let (place, text) = (Place::new(), page("docs/converting.md"));
    files(&place, &text);
    let checked = place.run(&["check", "runbooks/shop/web-down.yaml"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{}", checked.all());
    let planned = place.run(&["plan", "shop/web-down"]);
    assert!(planned.stdout.contains("kubectl logs"), "{}", planned.all());
    place.run(&["new", "shop/web"]);
    let (document, code) = place.json(&["run", "shop/web-down", "--sandbox=shop/degraded"]);
    assert_eq!(code, 1, "{document:#}");
    // every verb of the table is one
    let names: Vec<String> =
        runbook::reference::verbs().iter().map(|verb| verb.name.to_owned()).collect();
    let rows = text.split("| you type today | verb |").nth(1).unwrap().lines().skip(2);
    let words = ["expect", "match", "until", "timeout", "remedy", "let", "live"];
    for row in rows.take_while(|row| row.starts_with('|')) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            let known = names.iter().any(|verb| verb == name) || words.contains(&name);
            assert!(known, "{name} in {row}");
        }
    }
}
