//! `runbook list`

use super::arguments::catalogue;
use super::exit::{CommandError, Exit};
use super::plan::effect;
use super::{Format, Global, output};
use crate::document::Origin;
use clap::Args;
use serde_json::json;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// List only runbooks whose name, title or alerts contain this text
    filter: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn list(global: &Global, arguments: &ListArguments) -> Result<Exit, CommandError> {
    let catalogue = catalogue(global);
    let (mut text, mut documents, mut invalid) = (String::new(), Vec::new(), 0);
    for (listed, head) in catalogue.heads() {
        let Ok(head) = head else {
            invalid += 1;
            let _ = writeln!(text, "{:<28} invalid: runbook check {}", listed.name, listed.file);
            documents.push(json!({"name": listed.name, "file": listed.file, "valid": false}));
            continue;
        };
        let wanted = arguments.filter.as_ref().is_none_or(|filter| {
            let filter = filter.to_lowercase();
            [&listed.name, &head.title]
                .into_iter()
                .chain(&head.alerts)
                .any(|text| text.to_lowercase().contains(&filter))
        });
        if !wanted {
            continue;
        }
        let _ = writeln!(text, "{:<28} {:<5} {}", listed.name, effect(head.effect), head.title);
        if head.origin == Origin::Hiding {
            let _ = writeln!(text, "{:<34} from {}, overrides the built-in one", "", listed.file);
        }
        if !head.alerts.is_empty() {
            let _ = writeln!(text, "{:<34} alerts: {}", "", head.alerts.join(", "));
        }
        if !head.params.is_empty() && global.verbose > 0 {
            let _ = writeln!(text, "{:<34} parameters: {}", "", head.params.join(", "));
        }
        documents.push(json!({"name": listed.name, "file": listed.file, "origin": head.origin,
            "valid": true, "title": head.title, "params": head.params, "alerts": head.alerts,
            "effect": head.effect}));
    }
    match arguments.output {
        Format::Text if text.is_empty() => output::write("no runbooks found\n")?,
        Format::Text => output::write(&text)?,
        Format::Json | Format::Jsonl => output::write(&format!(
            "{:#}\n",
            json!({"schema": "runbook.list/v1", "runbooks": documents})
        ))?,
    }
    Ok(if invalid == 0 { Exit::Passed } else { Exit::Usage })
}
