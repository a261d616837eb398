//! `runbook sandbox list|serve`

use super::arguments::{state_dir, workspace};
use super::exit::{CommandError, Exit};
use super::{Global, ResultFormat, output};
use crate::sandbox::{HEALTHY, Options, ScenarioInfo};
use clap::{Args, Subcommand};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct SandboxArguments {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// List the scenarios
    List {
        /// Output format
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: ResultFormat,
    },
    /// Run a simulated cluster, for kubectl or another runbook
    Serve {
        /// Scenario to run, or the folder of a world
        #[arg(default_value = HEALTHY)]
        scenario: String,
        /// Port on 127.0.0.1; defaults to any free port
        #[arg(long)]
        port: Option<u16>,
        /// File to write the kubeconfig to; defaults to a file in the state directory
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
    },
}

pub(super) fn sandbox(global: &Global, arguments: &SandboxArguments) -> Result<Exit, CommandError> {
    match &arguments.command {
        SandboxCommand::List { output } => list(global, *output),
        SandboxCommand::Serve { scenario, port, kubeconfig } => {
            serve(global, scenario, *port, kubeconfig.as_deref())
        }
    }
}

fn list(global: &Global, format: ResultFormat) -> Result<Exit, CommandError> {
    let mut rows: Vec<Row> = Vec::new();
    for listed in workspace(global)?.worlds().list() {
        for ScenarioInfo { name, title, description } in listed.load()?.scenarios() {
            // what is typed is the name alone, unless an earlier world has one of this name
            let taken = rows.iter().any(|row| row.typed == name);
            let typed = if taken { format!("{}/{name}", listed.name) } else { name.clone() };
            rows.push(Row { world: listed.name.clone(), typed, name, title, description });
        }
    }
    let text = match format {
        ResultFormat::Text => rows.iter().fold(String::new(), |mut text, row| {
            let _ = writeln!(text, "{:<38} {}", row.typed, row.title);
            text
        }),
        ResultFormat::Json => {
            let all: Vec<_> = rows
                .iter()
                .map(|row| {
                    json!({"name": row.name, "world": row.world, "title": row.title,
                        "description": row.description})
                })
                .collect();
            format!("{:#}\n", json!({"schema": "runbook.scenarios/v1", "scenarios": all}))
        }
    };
    output::write(&text)?;
    Ok(Exit::Passed)
}

/// A scenario in the list.
struct Row {
    world: String,
    typed: String,
    name: String,
    title: String,
    description: String,
}

fn kubeconfig_path(global: &Global, given: Option<&Path>) -> Result<PathBuf, CommandError> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let folder = state_dir(global)?;
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("sandbox.kubeconfig"))
}

fn serve(
    global: &Global,
    scenario: &str,
    port: Option<u16>,
    kubeconfig: Option<&Path>,
) -> Result<Exit, CommandError> {
    let chosen = workspace(global)?.worlds().find(scenario, None)?;
    let kubeconfig = kubeconfig_path(global, kubeconfig)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let running = chosen.start(Options { port, ..Options::default() }).await?;
        std::fs::write(&kubeconfig, running.kubeconfig())?;
        output::write(&format!(
            "{} on http://{}\n  export KUBECONFIG={}\nPress Ctrl-C to stop.\n",
            chosen.label,
            running.address(),
            kubeconfig.display()
        ))?;
        tokio::signal::ctrl_c().await?;
        Ok(Exit::Passed)
    })
}
