//! `runbook sandbox list|serve`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Format, Global, output};
use crate::sandbox;
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
        output: Format,
    },
    /// Run a simulated cluster, for kubectl or another runbook
    Serve {
        /// Scenario to run
        #[arg(default_value = sandbox::DEFAULT_SCENARIO)]
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
        SandboxCommand::List { output } => list(*output),
        SandboxCommand::Serve { scenario, port, kubeconfig } => {
            serve(scenario, *port, &kubeconfig_path(global, kubeconfig.as_deref())?)
        }
    }
}

fn list(format: Format) -> Result<Exit, CommandError> {
    let scenarios = sandbox::scenarios();
    let text = match format {
        Format::Text => scenarios.iter().fold(String::new(), |mut text, scenario| {
            let default =
                if scenario.name == sandbox::DEFAULT_SCENARIO { " (default)" } else { "" };
            let _ = writeln!(text, "{:<38} {}{default}", scenario.name, scenario.title);
            text
        }),
        Format::Json | Format::Jsonl => {
            let all: Vec<_> = scenarios
                .iter()
                .map(|scenario| {
                    json!({"name": scenario.name,
                    "title": scenario.title, "description": scenario.description})
                })
                .collect();
            format!("{:#}\n", json!({"schema": "runbook.scenarios/v1", "scenarios": all}))
        }
    };
    output::write(&text)?;
    Ok(Exit::Passed)
}

fn kubeconfig_path(global: &Global, given: Option<&Path>) -> Result<PathBuf, CommandError> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let folder = state_dir(global)?;
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("sandbox.kubeconfig"))
}

fn serve(scenario: &str, port: Option<u16>, kubeconfig: &Path) -> Result<Exit, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let options =
            sandbox::Options { scenario: scenario.to_owned(), port, ..sandbox::Options::default() };
        let running = sandbox::start(options)
            .await
            .map_err(|error| CommandError::Usage(error.to_string()))?;
        std::fs::write(kubeconfig, running.kubeconfig())?;
        output::write(&format!(
            "{scenario} on http://{}\n  export KUBECONFIG={}\nPress Ctrl-C to stop.\n",
            running.address(),
            kubeconfig.display()
        ))?;
        tokio::signal::ctrl_c().await?;
        Ok(Exit::Passed)
    })
}
