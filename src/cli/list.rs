//! `runbook list`

use super::arguments::catalogue;
use super::exit::{CommandError, Exit};
use super::plan::effect;
use super::{Global, ResultFormat, output};
use crate::document::{CatalogueEntry, Origin, RunbookHead};
use crate::event::Effect;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fmt::Write;

/// The folder of the built-in catalogue that is for every cluster.
pub(super) const GENERAL: &str = "kubernetes/";

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// List only runbooks whose name, title or alerts contain this text, such as `kubernetes/`
    filter: Option<String>,
    /// List only runbooks that handle this alert
    #[arg(long, value_name = "NAME")]
    alert: Option<String>,
    /// List only runbooks with this effect
    #[arg(long, value_enum, value_name = "EFFECT")]
    effect: Option<ListedEffect>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

/// The strongest effect of the steps of a runbook.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListedEffect {
    /// Changes nothing
    Read,
    /// Asks a person and changes nothing
    Operator,
    /// Makes changes that can be previewed
    Write,
    /// May make changes that cannot be previewed
    Opaque,
}

impl From<ListedEffect> for Effect {
    fn from(listed: ListedEffect) -> Self {
        match listed {
            ListedEffect::Read => Self::Read,
            ListedEffect::Operator => Self::Operator,
            ListedEffect::Write => Self::Write,
            ListedEffect::Opaque => Self::Opaque,
        }
    }
}

impl ListArguments {
    fn wants(&self, name: &str, head: &RunbookHead) -> bool {
        let contains = |filter: &String| {
            let filter = filter.to_lowercase();
            [name, &head.title]
                .into_iter()
                .chain(head.alerts.iter().map(String::as_str))
                .any(|text| text.to_lowercase().contains(&filter))
        };
        self.filter.as_ref().is_none_or(contains)
            && self.alert.as_ref().is_none_or(|alert| head.alerts.contains(alert))
            && self.effect.is_none_or(|wanted| Effect::from(wanted) == head.effect)
    }
}

pub(super) fn list(global: &Global, arguments: &ListArguments) -> Result<Exit, CommandError> {
    let catalogue = catalogue(global);
    let mut all = catalogue.heads();
    // one's own first, then what is for every cluster
    all.sort_by_key(|(listed, head)| {
        let is_own = head.as_ref().map_or(true, |head| head.origin != Origin::Embedded);
        (!is_own, !listed.name.starts_with(GENERAL))
    });
    let (mut rows, mut documents, mut invalid) = (Vec::new(), Vec::new(), 0);
    for (listed, head) in all {
        let Ok(head) = head else {
            invalid += 1;
            rows.push(Row {
                name: &listed.name,
                effect: "invalid",
                title: format!("runbook check {}", listed.file),
                notes: Vec::new(),
            });
            documents.push(json!({"name": listed.name, "file": listed.file, "valid": false}));
            continue;
        };
        if !arguments.wants(&listed.name, &head) {
            continue;
        }
        documents.push(json!({"name": listed.name, "file": listed.file, "origin": head.origin,
            "valid": true, "title": head.title, "params": head.params, "alerts": head.alerts,
            "effect": head.effect}));
        let notes = notes(global, listed, &head);
        let (effect, title) = (effect(head.effect), head.title);
        rows.push(Row { name: &listed.name, effect, title, notes });
    }
    match arguments.output {
        ResultFormat::Text if rows.is_empty() => output::write("no runbooks found\n")?,
        ResultFormat::Text => output::write(&table(&rows))?,
        ResultFormat::Json => output::write(&format!(
            "{:#}\n",
            json!({"schema": "runbook.list/v1", "runbooks": documents})
        ))?,
    }
    Ok(if invalid == 0 { Exit::Passed } else { Exit::Usage })
}

/// A line of the table, and what stands below it.
struct Row<'a> {
    name: &'a str,
    effect: &'static str,
    title: String,
    notes: Vec<String>,
}

fn notes(global: &Global, listed: &CatalogueEntry, head: &RunbookHead) -> Vec<String> {
    let mut notes = Vec::new();
    if head.origin == Origin::Hiding {
        notes.push(format!("from {}, overrides the built-in one", listed.file));
    }
    if global.verbose > 0 {
        for (word, names) in [("alerts", &head.alerts), ("parameters", &head.params)] {
            if !names.is_empty() {
                notes.push(format!("{word}: {}", names.join(", ")));
            }
        }
    }
    notes
}

fn table(rows: &[Row<'_>]) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default().max(4);
    let mut text = format!("{:<width$}  {:<8}  TITLE\n", "NAME", "EFFECT");
    for Row { name, effect, title, notes } in rows {
        let _ = writeln!(text, "{name:<width$}  {effect:<8}  {title}");
        for note in notes {
            let _ = writeln!(text, "  {note}");
        }
    }
    text
}
