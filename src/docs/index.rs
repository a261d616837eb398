//! The index of the pages of a catalogue.

use super::html::drawn;
use super::link::Links;
use super::markdown::code;
use super::sheet::Sheet;
use crate::report::inline;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The index as Markdown.
pub fn markdown_index(sheets: &[Sheet], links: &Links) -> String {
    let mut page = "# Runbooks\n".to_owned();
    for (folder, entries) in folders(sheets, links) {
        // writing to a string does not fail
        let _ = write!(
            page,
            "\n## {}\n\n| runbook | purpose | effect |\n|---|---|---|\n",
            inline(folder)
        );
        for Entry { name, title, effect, link } in entries {
            let _ = writeln!(
                page,
                "| [{}]({link}) | {} | {effect} |",
                code(&name).replace('|', "\\|"),
                inline(&title)
            );
        }
    }
    page
}

/// The index as one page of HTML.
pub fn html_index(sheets: &[Sheet], links: &Links) -> String {
    drawn("index.html", &serde_json::json!({"folders": folders(sheets, links)}))
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    title: String,
    effect: &'static str,
    link: String,
}

/// The runbooks by the first folder of their name.
fn folders<'a>(sheets: &'a [Sheet], links: &Links) -> BTreeMap<&'a str, Vec<Entry>> {
    let mut folders: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for sheet in sheets {
        let folder = sheet.name.split_once('/').map_or("Others", |(folder, _)| folder);
        folders.entry(folder).or_default().push(Entry {
            name: sheet.name.clone(),
            title: sheet.title.clone(),
            effect: sheet.effect,
            link: links.of_index(&sheet.name),
        });
    }
    folders
}
