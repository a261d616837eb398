//! `runbook coverage`

use super::arguments::catalogue;
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::document::{DocumentCoverage, SourceDocument};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CoverageArguments {
    /// Directory with the documents, one file each
    #[arg(long, value_name = "DIR", default_value = "documents")]
    documents: PathBuf,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: CoverageFormat,
}

/// How the coverage is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CoverageFormat {
    /// Sums, and the rows that are not covered
    #[default]
    Text,
    /// Every row, as a page
    Markdown,
    /// One JSON document
    Json,
}

pub(super) fn coverage(
    global: &Global,
    arguments: &CoverageArguments,
) -> Result<Exit, CommandError> {
    let documents = SourceDocument::all(&arguments.documents)?;
    let coverage = DocumentCoverage::of(&catalogue(global), &documents)?;
    let text = match arguments.output {
        CoverageFormat::Text => text(&coverage, &documents),
        CoverageFormat::Markdown => markdown(&coverage, &documents),
        CoverageFormat::Json => {
            format!("{:#}\n", json!({"schema": "runbook.coverage/v1", "coverage": coverage}))
        }
    };
    output::write(&text)?;
    let good = coverage.uncovered.is_empty() && coverage.unknown.is_empty();
    Ok(if good { Exit::Passed } else { Exit::Failed })
}

fn text(coverage: &DocumentCoverage, documents: &[SourceDocument]) -> String {
    let mut text = String::new();
    for SourceDocument { name, title, complete, .. } in documents {
        let (covered, all) = coverage.count(name);
        let goal = if *complete { "" } else { ", not complete yet" };
        // writing into a string cannot fail
        writeln!(text, "{name}  {title}: {covered} of {all} rows{goal}").ok();
    }
    for (what, list) in
        [("not covered", &coverage.uncovered), ("in no document", &coverage.unknown)]
    {
        for one in list {
            writeln!(text, "{what}: {one}").ok();
        }
    }
    text
}

fn markdown(coverage: &DocumentCoverage, documents: &[SourceDocument]) -> String {
    let mut text =
        "# Coverage\n\nThe rows of the source documents and the runbooks that cover them, \
        with the number of their cases.\n`runbook coverage --output markdown` prints this page.\n"
            .to_owned();
    for SourceDocument { name, title, .. } in documents {
        let (covered, all) = coverage.count(name);
        write!(text, "\n## {name}: {title}\n\n{covered} of {all} rows are covered.\n\n").ok();
        text.push_str("| row | kind | runbook | cases |\n|---|---|---|---|\n");
        for row in coverage.rows.iter().filter(|row| row.document == *name) {
            let runbook = row.runbook.as_deref().unwrap_or("–");
            writeln!(text, "| {} | {} | {runbook} | {} |", row.row, row.kind, row.cases).ok();
        }
    }
    text
}
