//! `runbook docs NAME…`

use super::arguments::catalogue;
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::docs::{Links, Sheet, html, html_index, markdown, markdown_index};
use crate::document::Catalogue;
use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct DocsArguments {
    /// Names of runbooks, or paths of their files; with --dir and without names, the whole
    /// catalogue
    names: Vec<String>,
    /// Directory for the pages and their index, instead of stdout
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Format of the pages
    #[arg(short, long, alias = "format", value_enum, default_value_t, value_name = "FORMAT")]
    output: PageFormat,
}

/// How a page is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PageFormat {
    /// Markdown with a Mermaid chart, as GitHub and GitLab show it
    #[default]
    Markdown,
    /// One self-contained page of HTML
    Html,
}

impl PageFormat {
    fn ending(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }

    fn page(self, sheet: &Sheet, links: &Links) -> String {
        match self {
            Self::Markdown => markdown(sheet, links),
            Self::Html => html(sheet, links),
        }
    }

    fn index(self, sheets: &[Sheet], links: &Links) -> String {
        match self {
            Self::Markdown => markdown_index(sheets, links),
            Self::Html => html_index(sheets, links),
        }
    }
}

pub(super) fn docs(global: &Global, arguments: &DocsArguments) -> Result<Exit, CommandError> {
    let DocsArguments { names, dir, output: format } = arguments;
    let catalogue = catalogue(global);
    let all = || catalogue.list().map(|entry| entry.name.clone()).collect();
    let names: Vec<String> = match (dir, names.as_slice()) {
        (None, []) => {
            let words = "name a runbook, or write the whole catalogue to a directory: runbook docs \
                --dir DIR";
            return Err(CommandError::Usage(words.to_owned()));
        }
        (None, [_, _, ..]) if *format == PageFormat::Html => {
            let words = "several pages of HTML need a directory: --dir DIR";
            return Err(CommandError::Usage(words.to_owned()));
        }
        (Some(_), []) => all(),
        (_, names) => {
            let mut all: Vec<String> = Vec::new();
            for name in names {
                all.extend(in_folder(&catalogue, name).unwrap_or_else(|| vec![name.clone()]));
            }
            all
        }
    };
    let load = |name: &String| catalogue.load_alone(name).map(|runbook| Sheet::of(&runbook));
    let sheets = names.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    match dir {
        None => {
            let alone = Links::default();
            let pages: Vec<_> = sheets.iter().map(|sheet| format.page(sheet, &alone)).collect();
            output::write(&pages.join("\n"))?;
        }
        Some(folder) => write(folder, *format, &sheets)?,
    }
    Ok(Exit::Passed)
}

/// The runbooks of a folder of the catalogue, such as `kubernetes/`; none if it is no such folder.
fn in_folder(catalogue: &Catalogue, name: &str) -> Option<Vec<String>> {
    let listed = catalogue.list().filter(|entry| entry.name.starts_with(name));
    let names: Vec<String> = listed.map(|entry| entry.name.clone()).collect();
    (name.ends_with('/') && !names.is_empty()).then_some(names)
}

/// Writes the pages and their index.
fn write(folder: &Path, format: PageFormat, sheets: &[Sheet]) -> Result<(), CommandError> {
    let failed = |path: &Path, error: std::io::Error| {
        CommandError::Usage(format!("cannot write {}: {error}", path.display()))
    };
    let put = |file: &Path, text: &str| {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        fs::write(&path, text).map_err(|error| failed(&path, error))
    };
    let links = Links::new(sheets.iter().map(|sheet| sheet.name.as_str()), format.ending());
    for sheet in sheets {
        put(&links.file(&sheet.name), &format.page(sheet, &links))?;
    }
    let index = PathBuf::from("index").with_extension(format.ending());
    put(&index, &format.index(sheets, &links))?;
    let pages = if sheets.len() == 1 { "page" } else { "pages" };
    let index = folder.join(index);
    output::write(&format!("{} {pages}, listed in {}\n", sheets.len(), index.display()))?;
    Ok(())
}
