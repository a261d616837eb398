//! `runbook schema [DOCUMENT]`

use super::exit::{CommandError, Exit};
use super::output;
use crate::reference::{self, Described};
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Kind of document
    #[arg(value_enum, default_value_t)]
    document: Document,
}

/// A kind of document.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Document {
    /// Runbooks: runbooks/**/*.yaml
    #[default]
    Runbook,
    /// Rehearsal files: runbooks/**/*.test.yaml
    Rehearsal,
    /// Settings: runbook.toml
    Config,
    /// Worlds of the sandbox: worlds/*/world.yaml
    World,
    /// Processes of a world: worlds/*/applications.yaml
    Applications,
    /// Scenarios of a world: worlds/*/scenarios/*.yaml
    Scenario,
}

pub(super) fn schema(arguments: &SchemaArguments) -> Result<Exit, CommandError> {
    let of = match arguments.document {
        Document::Runbook => Described::Runbook,
        Document::Rehearsal => Described::Rehearsal,
        Document::Config => Described::Config,
        Document::World => Described::World,
        Document::Applications => Described::Applications,
        Document::Scenario => Described::Scenario,
    };
    output::write(&format!("{:#}\n", reference::schema(of)))?;
    Ok(Exit::Passed)
}
