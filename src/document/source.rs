//! The documents from which a catalogue is made: each row of them is to be covered by a runbook.

use super::catalogue::{Catalogue, CatalogueError, invalid, read_file};
use super::deserialize::from_node;
use super::files::collect;
use super::node::{Fault, parse};
use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The documents of this repository.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/documents");

/// A document, as `documents/NAME.yaml` describes it.
#[derive(Clone, Debug)]
pub struct SourceDocument {
    /// Its name: that of the file.
    pub name: String,
    /// What it is about, in one line.
    pub title: String,
    /// Whether every row has to be covered.
    pub complete: bool,
    /// Its rows: what each is, by id.
    pub rows: IndexMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "document")]
struct Written {
    document: String,
    title: String,
    #[serde(default)]
    complete: bool,
    rows: IndexMap<String, String>,
}

/// A row of a document, and what covers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CoveredRow {
    /// The document.
    pub document: String,
    /// The id.
    pub row: String,
    /// What it is: `symptom`, `command`.
    pub kind: String,
    /// The runbook that covers it.
    pub runbook: Option<String>,
    /// The cases in which that runbook is tested.
    pub cases: usize,
}

/// Which rows are covered by which runbooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DocumentCoverage {
    /// Every row, in the order of the documents.
    pub rows: Vec<CoveredRow>,
    /// Rows of complete documents that no runbook covers.
    pub uncovered: Vec<String>,
    /// What runbooks cover and no document has: `RUNBOOK: ID`.
    pub unknown: Vec<String>,
}

impl SourceDocument {
    /// The documents in a folder, by name; those of the program if there is no such folder.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn all(folder: &Path) -> Result<Vec<Self>, CatalogueError> {
        if !folder.is_dir() {
            let one = |file: &include_dir::File<'_>| {
                let name = file.path().file_stem().unwrap_or_default().to_string_lossy();
                let shown = format!("documents/{}", file.path().display());
                Self::read(&name, &shown, file.contents_utf8().unwrap_or_default())
            };
            return EMBEDDED.files().map(one).collect();
        }
        let one = |path: &std::path::PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Self::read(&name, &path.display().to_string(), &read_file(path)?)
        };
        collect(folder).iter().map(one).collect()
    }

    fn read(name: &str, file: &str, text: &str) -> Result<Self, CatalogueError> {
        let source: Arc<str> = text.into();
        let root = parse(&source).map_err(|faults| invalid(file, &source, faults))?;
        let (written, found) = from_node::<Written>(&root);
        let mut faults = found.faults;
        if let Some(written) = &written
            && written.document != "v1"
        {
            let span = root.get("document").map_or(0..0, |node| node.span.clone());
            let message = format!("unknown version `{}` of a document", written.document);
            faults.push(Fault::new("RB0801", span, message, "this program reads `v1`"));
        }
        match written {
            Some(Written { title, complete, rows, .. }) if faults.is_empty() => {
                Ok(Self { name: name.to_owned(), title, complete, rows })
            }
            _ => Err(invalid(file, &source, faults)),
        }
    }
}

impl DocumentCoverage {
    /// What the runbooks of a catalogue cover of these documents.
    ///
    /// # Errors
    /// When a runbook or a rehearsal file cannot be read.
    pub fn of(catalogue: &Catalogue, documents: &[SourceDocument]) -> Result<Self, CatalogueError> {
        let mut covers: BTreeMap<String, (String, usize)> = BTreeMap::new();
        let mut coverage = Self::default();
        let known = |row: &str| documents.iter().any(|document| document.rows.contains_key(row));
        for listed in catalogue.list() {
            let runbook = catalogue.load(&listed.name)?;
            let suite = catalogue.suite(&listed.name).transpose()?;
            let cases = suite.map_or(0, |suite| suite.cases.len());
            for row in &runbook.covers {
                if known(row) {
                    covers.insert(row.clone(), (listed.name.clone(), cases));
                } else {
                    coverage.unknown.push(format!("{}: {row}", listed.name));
                }
            }
        }
        for document in documents {
            for (row, kind) in &document.rows {
                let (runbook, cases) = covers.get(row).cloned().unzip();
                if runbook.is_none() && document.complete {
                    coverage.uncovered.push(row.clone());
                }
                coverage.rows.push(CoveredRow {
                    document: document.name.clone(),
                    row: row.clone(),
                    kind: kind.clone(),
                    runbook,
                    cases: cases.unwrap_or_default(),
                });
            }
        }
        Ok(coverage)
    }

    /// How many rows of a document are covered, and how many there are.
    pub fn count(&self, document: &str) -> (usize, usize) {
        let rows = || self.rows.iter().filter(|row| row.document == document);
        (rows().filter(|row| row.runbook.is_some()).count(), rows().count())
    }
}
