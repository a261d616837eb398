//! The roots in which runbooks are searched, and what they call.

use super::deferred::Deferred;
use super::deserialize::from_node;
use super::lower::lower;
use super::node::{Fault, MAX_BYTES, parse};
use super::runbook::{Body, Interface, Runbook};
use crate::action::Action;
use crate::diagnostic::{Diagnostic, nearest};
use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The catalogue of this repository, so that an installed program works anywhere.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");

/// Where runbooks are found: folders in order, then the embedded catalogue.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: BTreeMap<String, Listed>,
}

/// A runbook's name and where its text is.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Name in the catalogue.
    pub name: String,
    /// The file as shown to a person.
    pub file: String,
    path: Option<PathBuf>,
}

impl Listed {
    fn text(&self) -> Result<String, CatalogueError> {
        match &self.path {
            Some(path) => read(path),
            None => Ok(EMBEDDED.get_file(self.file.trim_start_matches("runbooks/")).and_then(|file| file.contents_utf8()).unwrap_or_default().to_owned()),
        }
    }
}

/// Why a runbook cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is none of this name.
    #[error("unknown runbook `{name}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The name asked for.
        name: String,
        /// The nearest that there is.
        near: Option<String>,
    },
    /// It has faults.
    #[error("{} in {}", count(diagnostics.len(), "error"), diagnostics.first().and_then(|d| d.file.as_ref()).map(|file| file.display().to_string()).unwrap_or_default())]
    Invalid {
        /// The faults.
        diagnostics: Vec<Diagnostic>,
    },
}

/// `1 error`, `2 errors`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

impl Catalogue {
    /// The catalogue of these folders, of which the first that has a name wins, with the embedded one last.
    /// A folder that is not there is passed over.
    pub fn new(folders: &[PathBuf]) -> Self {
        let mut entries = BTreeMap::new();
        for folder in folders {
            let mut files = Vec::new();
            collect(folder, 0, &mut files);
            for path in files {
                let Some(name) = path.strip_prefix(folder).ok().and_then(name_of) else { continue };
                let file = path.display().to_string();
                entries.entry(name.clone()).or_insert(Listed { name, file, path: Some(path) });
            }
        }
        let mut embedded = Vec::new();
        embedded_files(&EMBEDDED, &mut embedded);
        for path in embedded {
            if let Some(name) = name_of(path) {
                let file = format!("runbooks/{}", path.display());
                entries.entry(name.clone()).or_insert(Listed { name, file, path: None });
            }
        }
        Self { entries }
    }

    /// All runbooks, by name.
    pub fn list(&self) -> impl Iterator<Item = &Listed> {
        self.entries.values()
    }

    /// Loads a runbook by name and checks it, without looking at what it calls.
    ///
    /// # Errors
    /// When there is none of this name, or it has faults.
    pub fn load(&self, name: &str) -> Result<Arc<Runbook>, CatalogueError> {
        let listed = self.entries.get(name).ok_or_else(|| CatalogueError::Unknown { name: name.to_owned(), near: self.suggest(name).map(str::to_owned) })?;
        let text = listed.text()?;
        read_runbook(name, &listed.file, text).map(Arc::new)
    }

    /// Parameters and namespace of a runbook, without reading and compiling the rest of it; none if it is not there or has faults.
    pub fn interface(&self, name: &str) -> Option<Interface> {
        let text = self.entries.get(name)?.text().ok()?;
        let root = parse(&text).ok()?;
        let params = root.get("params").map_or_else(|| Some(IndexMap::new()), |node| from_node(node).0)?;
        let namespace = root.get("namespace").map(|node| Deferred::compile(node, &text, &BTreeSet::new(), &mut Vec::new(), &mut Vec::new()));
        Some(Interface { params, namespace })
    }

    /// Loads a runbook with all that it calls, by name; the runbook itself is among them.
    ///
    /// # Errors
    /// When one does not exist, has faults, is called with parameters that it does not have, or calls itself.
    pub fn load_with_called(&self, name: &str) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        let first = self.load(name)?;
        self.with_called(first)
    }

    /// Loads a runbook from a file that need not be in the catalogue, with all that it calls.
    ///
    /// # Errors
    /// As [`Self::load_with_called`].
    pub fn load_file(&self, path: &Path) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        let known = self.entries.values().find(|listed| listed.path.as_deref() == Some(path)).map(|listed| listed.name.clone());
        // a file outside the catalogue is called as it was typed, so that a resume finds it again
        let name = known.unwrap_or_else(|| path.display().to_string());
        let runbook = read_runbook(&name, &path.display().to_string(), read(path)?)?;
        self.with_called(Arc::new(runbook))
    }

    /// Loads a runbook from its text, with all that it calls.
    ///
    /// # Errors
    /// As [`Self::load_with_called`].
    pub fn load_text(&self, name: &str, text: String) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        self.with_called(Arc::new(read_runbook(name, name, text)?))
    }

    fn with_called(&self, first: Arc<Runbook>) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        let name = first.name.clone();
        let mut loaded = BTreeMap::from([(name.clone(), first)]);
        let mut diagnostics = Vec::new();
        self.follow(&name, &mut vec![name.clone()], &mut loaded, &mut diagnostics);
        if diagnostics.is_empty() { Ok(loaded) } else { Err(CatalogueError::Invalid { diagnostics }) }
    }

    fn follow(&self, name: &str, chain: &mut Vec<String>, loaded: &mut BTreeMap<String, Arc<Runbook>>, diagnostics: &mut Vec<Diagnostic>) {
        let Some(runbook) = loaded.get(name).cloned() else { return };
        let mut fault = |span, message: String, label: String| {
            diagnostics.push(diagnose(&runbook.file, &runbook.source, Fault::new("RB0401", span, message, label)));
        };
        for finding in &runbook.findings {
            let Some(Value::String(called)) = finding.run.as_ref().and_then(known) else { continue };
            if !self.entries.contains_key(&called) {
                let span = runbook.source.find(&called).map_or(0..0, |at| at..at + called.len());
                fault(span, format!("the remedy of `{}` is a runbook that does not exist: `{called}`", finding.id), self.did_you_mean(&called));
            }
        }
        let mut calls = Vec::new();
        for step in runbook.all_steps() {
            let Body::Action { sketch, arguments, .. } = &step.body else { continue };
            let Action::Run(run) = sketch.as_ref() else { continue };
            if known(arguments).is_none() && super::deserialize::has_template(&run.runbook) {
                fault(step.span.start..step.span.start + 1, "the name of a called runbook must be known before the run".to_owned(), "write it out".to_owned());
                continue;
            }
            let within = runbook.source.get(step.span.clone()).and_then(|text| text.find(&run.runbook)).unwrap_or_default();
            let span = step.span.start + within..step.span.start + within + run.runbook.len();
            if chain.contains(&run.runbook) {
                fault(span, format!("a cycle of runbooks: {} -> {}", chain.join(" -> "), run.runbook), "calls itself".to_owned());
                continue;
            }
            match self.load(&run.runbook) {
                Err(CatalogueError::Unknown { .. }) => {
                    fault(span, format!("a runbook that does not exist: `{}`", run.runbook), self.did_you_mean(&run.runbook));
                }
                Err(CatalogueError::Invalid { .. }) => {
                    fault(span, format!("the called runbook `{}` has errors", run.runbook), "see `runbook check`".to_owned());
                }
                Ok(called) => {
                    for key in run.with.keys().filter(|key| !called.params.contains_key(*key)) {
                        let label = match nearest(key, called.params.keys().map(String::as_str)) {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => format!("parameters: {}", called.params.keys().cloned().collect::<Vec<_>>().join(", ")),
                        };
                        fault(span.clone(), format!("`{}` has no parameter `{key}`", run.runbook), label);
                    }
                    for (key, _) in called.params.iter().filter(|(key, param)| param.default.is_none() && !param.optional && !run.with.contains_key(*key)) {
                        fault(span.clone(), format!("`{}` needs the parameter `{key}`", run.runbook), format!("add `{key}` to `with`"));
                    }
                    calls.push(called);
                }
            }
        }
        for called in calls {
            let name = called.name.clone();
            if loaded.insert(name.clone(), called).is_none() || !chain.contains(&name) {
                chain.push(name.clone());
                self.follow(&name, chain, loaded, diagnostics);
                chain.pop();
            }
        }
    }

    fn suggest(&self, name: &str) -> Option<&str> {
        let names = || self.entries.keys().map(String::as_str);
        // `no-signals` alone is enough to be understood, and so is a slip of the pen in either half
        nearest(name, names()).or_else(|| names().find(|full| full.rsplit('/').next() == Some(name))).or_else(|| {
            let last = name.rsplit('/').next()?;
            let near = nearest(last, names().filter_map(|full| full.rsplit('/').next()))?;
            names().find(|full| full.rsplit('/').next() == Some(near))
        })
    }

    fn did_you_mean(&self, name: &str) -> String {
        self.suggest(name).map_or_else(|| "not in the catalogue".to_owned(), |near| format!("did you mean `{near}`?"))
    }
}

/// A deferred value that needs no run.
fn known(value: &super::Deferred) -> Option<Value> {
    value.render(&Value::Null).ok()
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    if depth > 8 {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, depth + 1, files);
        } else if is_yaml(&path) {
            files.push(path);
        }
    }
}

fn embedded_files(folder: &'static Dir<'static>, files: &mut Vec<&'static Path>) {
    files.extend(folder.files().map(include_dir::File::path).filter(|path| is_yaml(path)));
    folder.dirs().for_each(|dir| embedded_files(dir, files));
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn name_of(path: &Path) -> Option<String> {
    let parts: BTreeSet<_> = path.components().collect();
    (!parts.is_empty()).then(|| path.with_extension("").components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

fn read(path: &Path) -> Result<String, CatalogueError> {
    let failed = |message: String| CatalogueError::Invalid { diagnostics: vec![Diagnostic::error("RB0001", message, Some(path.to_owned()), "".into())] };
    let length = fs::metadata(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    if length.is_dir() {
        return Err(failed("is a folder, not a runbook".to_owned()));
    }
    if length.len() > MAX_BYTES as u64 {
        return Err(failed(format!("has {} bytes, more than the {MAX_BYTES} that a runbook may have", length.len())));
    }
    let bytes = fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| failed(format!("is not UTF-8: invalid byte at offset {}", error.utf8_error().valid_up_to())))
}

/// Reads a runbook from its text.
fn read_runbook(name: &str, file: &str, text: String) -> Result<Runbook, CatalogueError> {
    let source: Arc<str> = text.into();
    let result = parse(&source).and_then(|root| lower(name, file, &source, &root));
    result.map_err(|faults| CatalogueError::Invalid { diagnostics: faults.into_iter().map(|fault| diagnose(file, &source, fault)).collect() })
}

fn diagnose(file: &str, source: &Arc<str>, fault: Fault) -> Diagnostic {
    let diagnostic = Diagnostic::error(fault.code, fault.message, Some(PathBuf::from(file)), source.clone()).with_label(fault.span, fault.label);
    fault.notes.into_iter().fold(diagnostic, Diagnostic::with_note)
}
