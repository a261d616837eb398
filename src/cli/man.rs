//! `runbook man`

use super::exit::{CommandError, Exit};
use super::{help, output};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Directory for the pages of all commands, instead of the page of the program on stdout
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn man(arguments: &ManArguments) -> Result<Exit, CommandError> {
    let command = help::plain();
    match &arguments.dir {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            output::write(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Passed)
}
