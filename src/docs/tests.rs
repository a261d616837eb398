//! The pages of the whole catalogue, and of a runbook whose texts try to be more than text.

use super::chart::chart;
use super::{Links, Sheet, html, html_index, markdown, markdown_index};
use crate::document::Catalogue;
use std::collections::BTreeSet;

fn catalogue() -> Vec<Sheet> {
    let catalogue = Catalogue::new(&[]);
    let names = catalogue.list().map(|entry| entry.name.clone());
    names.map(|name| Sheet::of(&catalogue.load(&name).unwrap())).collect()
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0)).collect()
}

/// Lines outside of fenced blocks; every block is closed.
fn prose(page: &str) -> Vec<&str> {
    let (mut fence, mut lines) = (None, Vec::new());
    for line in page.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        match fence {
            Some(open) if ticks >= open && line.len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => lines.push(line),
        }
    }
    assert_eq!(fence, None, "a block is left open");
    lines
}

#[test]
fn every_runbook_of_the_catalogue_has_a_page_and_every_link_leads_to_one() {
    let sheets = catalogue();
    for ending in ["md", "html"] {
        let links = Links::new(sheets.iter().map(|sheet| sheet.name.as_str()), ending);
        let files: BTreeSet<String> =
            sheets.iter().map(|one| links.file(&one.name).display().to_string()).collect();
        assert_eq!(files.len(), sheets.len());
        let is_markdown = ending == "md";
        let (open, close) = if is_markdown { ("](", ")") } else { ("href=\"", "\"") };
        let index =
            if is_markdown { markdown_index(&sheets, &links) } else { html_index(&sheets, &links) };
        let listed: BTreeSet<String> =
            between(&index, open, close).into_iter().map(unescaped).collect();
        assert_eq!(listed, files);
        for sheet in &sheets {
            let page = if is_markdown { markdown(sheet, &links) } else { html(sheet, &links) };
            assert!(page.len() > 500, "{}", sheet.name);
            let targets = between(&page, open, close).into_iter().map(unescaped);
            for target in targets.filter(|target| target.ends_with(ending)) {
                let up = sheet.name.matches('/').count();
                let path = target.trim_start_matches("../");
                assert_eq!(target.matches("../").count(), up, "{}: {target}", sheet.name);
                assert!(files.contains(path), "{}: {target}", sheet.name);
            }
            let called = sheet.calls().into_iter().filter(|name| !name.contains(['{', '<']));
            for name in called {
                assert!(sheets.iter().any(|other| other.name == name), "{name}");
            }
        }
    }
}

fn unescaped(link: &str) -> String {
    link.replace("&#x2f;", "/")
}

/// Every line is one that Mermaid knows, and every arrow connects what is drawn.
fn assert_chart(text: &str) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("flowchart TD"));
    let (mut drawn, mut frames) = (BTreeSet::new(), 0_usize);
    let is_id = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for line in lines.map(str::trim) {
        if let Some((from, to)) = line.split_once(" --> ").or_else(|| line.split_once("\" --> ")) {
            let from = from.split(" -- ").next().unwrap();
            assert!(drawn.contains(from) && drawn.contains(to), "{line}");
        } else if line == "end" {
            frames -= 1;
        } else {
            frames += usize::from(line.starts_with("subgraph "));
            let node = line.trim_start_matches("subgraph ");
            let (id, label) = node.split_once(['[', '(', '{']).unwrap();
            assert!(is_id(id) && id != "end", "{line}");
            assert!(drawn.insert(id), "{id} twice");
            let label = label.split_once('"').unwrap().1.rsplit_once('"').unwrap().0;
            let entities: String = label.replace(['#', ';'], "");
            let signs = " .,:/-+…";
            assert!(entities.chars().all(|c| c.is_alphanumeric() || signs.contains(c)), "{line}");
        }
    }
    assert_eq!(frames, 0);
}

#[test]
fn the_charts_are_ones_that_mermaid_draws() {
    for sheet in catalogue() {
        assert_chart(&chart(&sheet));
    }
    assert_chart(&chart(&hostile()));
}

const HOSTILE: &str = r#"runbook: v1
title: "A | b `c` <script>alert(1)</script> \n# head [x](javascript:alert(1))"
description: "<img src=x onerror=alert(1)>\n\n```\n| a | b |\n\u202eevil"
contexts: ["prod|<b>"]
params:
  app: {type: string, default: "x | y ``` <script>", description: "a | b\n\n## no"}
  token: {type: string, secret: true, default: hunter2-hunter2}
  pod: {type: string}
steps:
  - id: one
    title: "`{{ params.app }}` %%{init: {}}%% \"]; end\n--> x"
    exec: {target: "pod/{{ params.pod }}", command: [sh, -c, "echo '```' | cat\n# {{ params.token }} </pre>"], effect: read}
    expect:
      - all: '.stdout | test("`|<b>")'
        message: "</li><script>alert(1)</script> | x"
findings:
  - id: bad
    when: $steps.one.failed
    cause: "![x](http://evil) <b>*bold*</b> {{ params.token }}"
    remedy: {text: "a\n\n# b | c"}
"#;

fn hostile() -> Sheet {
    let loaded = Catalogue::new(&[]).load_text("hostile", HOSTILE.to_owned()).unwrap();
    Sheet::of(&loaded["hostile"])
}

#[test]
fn texts_of_a_runbook_stay_texts() {
    let page = markdown(&hostile(), &Links::default());
    let prose = prose(&page);
    for line in &prose {
        // what stands in a span of code means nothing
        let outside: String = line.split('`').step_by(2).collect();
        assert!(!outside.replace("\\<", "").contains('<'), "{line}");
        assert!(!outside.replace("\\]", "").contains("]("), "{line}");
    }
    let heads: Vec<_> = prose.iter().filter(|line| line.starts_with('#')).collect();
    assert_eq!(heads.len(), 7, "{heads:#?}");
    let tables = prose.iter().filter(|line| line.starts_with("| `"));
    for row in tables {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
    }
    let html = html(&hostile(), &Links::default());
    for tag in ["<script", "<img", "<b>", "onerror=alert(1)>", "\u{202e}"] {
        assert!(!html.contains(tag), "{tag}");
    }
    assert_eq!(html.matches("<pre>").count(), html.matches("</pre>").count());
    for page in [&page, &html] {
        assert!(!page.contains("hunter2"), "the default of a secret parameter is shown");
        assert!(!page.contains("http://evil)") || page.contains("\\]("), "{page}");
    }
    assert!(page.contains("kubectl exec") && page.contains("<pod>"), "{page}");
}

#[test]
fn a_page_shows_what_a_person_types() {
    let loaded = Catalogue::new(&[]).load("ta-bot/rollback").unwrap();
    insta::assert_snapshot!(markdown(&Sheet::of(&loaded), &Links::default()));
}

#[test]
fn every_change_has_words_for_taking_it_back() {
    let text = crate::reference::EXAMPLES.to_owned();
    let loaded = Catalogue::new(&[]).load_text("examples", text).unwrap();
    for step in loaded["examples"].all_steps() {
        let changes = step.own_effect() == crate::event::Effect::Write;
        let is_known = super::undone::by_hand(step.verb()).is_some();
        assert!(!changes || is_known, "{}", step.verb());
    }
}
