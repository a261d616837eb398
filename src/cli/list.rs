//! `runbook list`

use super::exit::{CommandError, Exit};
use super::plan::effect;
use super::target::catalogue;
use super::{Format, Global, output};
use clap::Args;
use serde_json::json;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only runbooks whose name, title or alerts contain this
    filter: Option<String>,
    /// How the result is written
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn list(global: &Global, arguments: &ListArguments) -> Result<Exit, CommandError> {
    let catalogue = catalogue(global);
    let (mut text, mut documents, mut invalid) = (String::new(), Vec::new(), 0);
    for listed in catalogue.list() {
        let runbook = match catalogue.load(&listed.name) {
            Ok(runbook) => runbook,
            Err(_) => {
                invalid += 1;
                let _ = writeln!(text, "{:<28} invalid: runbook check {}", listed.name, listed.file);
                documents.push(json!({"name": listed.name, "file": listed.file, "valid": false}));
                continue;
            }
        };
        let wanted = arguments.filter.as_ref().is_none_or(|filter| {
            let filter = filter.to_lowercase();
            [&runbook.name, &runbook.title].into_iter().chain(&runbook.alerts).any(|text| text.to_lowercase().contains(&filter))
        });
        if !wanted {
            continue;
        }
        let params: Vec<_> = runbook.params.keys().cloned().collect();
        let _ = writeln!(text, "{:<28} {:<5} {}", runbook.name, effect(runbook.effect()), runbook.title);
        if !runbook.alerts.is_empty() {
            let _ = writeln!(text, "{:<34} alerts: {}", "", runbook.alerts.join(", "));
        }
        if !params.is_empty() && global.verbose > 0 {
            let _ = writeln!(text, "{:<34} parameters: {}", "", params.join(", "));
        }
        documents.push(json!({"name": runbook.name, "file": listed.file, "valid": true, "title": runbook.title, "params": params, "alerts": runbook.alerts, "effect": runbook.effect()}));
    }
    match arguments.output {
        Format::Text if text.is_empty() => output::write("no runbook found\n")?,
        Format::Text => output::write(&text)?,
        Format::Json | Format::Jsonl => output::write(&format!("{:#}\n", json!({"schema": "runbook.list/v1", "runbooks": documents})))?,
    }
    Ok(if invalid == 0 { Exit::Passed } else { Exit::Usage })
}
