//! The roots in which runbooks are searched, and what they call.

use super::calls;
use super::deferred::Deferred;
use super::deserialize::from_node;
use super::files::{FileKind, collect, is_yaml, read};
use super::head::{RunbookHead, head};
use super::lower::lower;
use super::node::{Fault, join_corrections, parse};
use super::runbook::{Interface, Origin, Runbook};
use super::suite::{SUITE, Suite};
use crate::diagnostic::{Diagnostic, nearest};
use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The catalogue of this repository, so that an installed program works anywhere.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");

/// So few runbooks are not worth a thread.
const FEW: usize = 16;

/// Where runbooks are found: folders in order, then the embedded catalogue.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<String, CatalogueEntry>,
    /// What was read before: a runbook that many call is compiled once.
    loaded: LoadedRunbooks,
}

type LoadedRunbooks = Arc<Mutex<HashMap<String, Result<Arc<Runbook>, Vec<Diagnostic>>>>>;

/// A folder in which runbooks are searched.
#[derive(Clone, Debug)]
pub struct Root {
    /// The folder.
    pub folder: PathBuf,
    /// Whether a person named it. What merely lies in `./runbooks` was named by nobody.
    pub named: bool,
}

/// Whether a name is this runbook, or a folder such as `kubernetes/` that has it.
pub fn is_or_has(name: &str, runbook: &str) -> bool {
    runbook == name || (name.ends_with('/') && runbook.starts_with(name))
}

/// A runbook's name and where its text is.
#[derive(Clone, Debug)]
pub struct CatalogueEntry {
    /// Name in the catalogue.
    pub name: String,
    /// The file as shown to a person.
    pub file: String,
    path: Option<PathBuf>,
    named: bool,
    /// Whether it is found by its full name only.
    hidden: bool,
}

impl CatalogueEntry {
    /// Whether it is in no file, but a part of the program.
    pub fn is_built_in(&self) -> bool {
        self.path.is_none()
    }

    fn text(&self) -> Result<String, CatalogueError> {
        match &self.path {
            Some(path) => read_file(path),
            None => Ok(embedded(&self.name).unwrap_or_default().to_owned()),
        }
    }

    /// Where this text of it comes from.
    fn origin(&self, text: &str) -> Origin {
        match &self.path {
            None => Origin::Embedded,
            Some(_) if !self.named && embedded(&self.name).is_some_and(|own| own != text) => {
                Origin::Hiding
            }
            Some(_) => Origin::File,
        }
    }

    /// What a list shows of it: its title and what it can do, without compiling it.
    ///
    /// # Errors
    /// When it cannot be read that far.
    pub fn head(&self) -> Result<RunbookHead, CatalogueError> {
        let text = self.text()?;
        let origin = self.origin(&text);
        let source: Arc<str> = text.into();
        let result = parse(&source).and_then(|root| head(&root));
        result
            .map(|head| RunbookHead { origin, ..head })
            .map_err(|faults| invalid(&self.file, &source, faults))
    }
}

/// The text of a runbook inside the program.
fn embedded(name: &str) -> Option<&'static str> {
    ["yaml", "yml"]
        .iter()
        .find_map(|extension| EMBEDDED.get_file(format!("{name}.{extension}")))
        .and_then(|file| file.contents_utf8())
}

/// Why a runbook cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is none of this name.
    #[error("unknown runbook `{name}`{}",
        near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The name asked for.
        name: String,
        /// The nearest that there is.
        near: Option<String>,
    },
    /// It has faults.
    #[error("{} in {}", count(diagnostics.len(), "error"),
        diagnostics.first().and_then(|d| d.file.as_ref()).map(|file| file.display().to_string()).unwrap_or_default())]
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
    /// The catalogue of these folders, of which the first that has a name wins, with the embedded
    /// one last. A folder that is not there is passed over.
    pub fn new(roots: &[Root]) -> Self {
        let mut entries = BTreeMap::new();
        for root in roots {
            for path in collect(&root.folder) {
                let Some(name) = path.strip_prefix(&root.folder).ok().and_then(name_of) else {
                    continue;
                };
                let file = path.display().to_string();
                entries.entry(name.clone()).or_insert(CatalogueEntry {
                    name,
                    file,
                    path: Some(path),
                    named: root.named,
                    hidden: false,
                });
            }
        }
        let mut embedded = Vec::new();
        embedded_files(&EMBEDDED, &mut embedded);
        for path in embedded {
            if let Some(name) = name_of(path) {
                let file = format!("runbooks/{}", path.display());
                entries.entry(name.clone()).or_insert(CatalogueEntry {
                    name,
                    file,
                    path: None,
                    named: true,
                    hidden: false,
                });
            }
        }
        Self { entries, ..Self::default() }
    }

    /// The same catalogue, where of the embedded runbooks only these are listed: names, or folders
    /// such as `kubernetes/`. The others are still found by their full name, so that what calls
    /// them works, and what was begun with them can be gone on with.
    #[must_use]
    pub fn offering(mut self, embedded: Option<&[String]>) -> Self {
        if let Some(offered) = embedded {
            for entry in self.entries.values_mut().filter(|entry| entry.path.is_none()) {
                entry.hidden = !offered.iter().any(|wanted| is_or_has(wanted, &entry.name));
            }
        }
        self
    }

    /// The runbook of this name, also one that is not listed.
    pub fn entry(&self, name: &str) -> Option<&CatalogueEntry> {
        self.entries.get(name)
    }

    /// The same catalogue with this runbook in the place of that of its name.
    #[must_use]
    pub fn with(&self, runbook: Runbook) -> Self {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        loaded.insert(runbook.name.clone(), Ok(Arc::new(runbook)));
        Self { entries: self.entries.clone(), loaded: Arc::new(Mutex::new(loaded)) }
    }

    /// The suite beside a runbook; none if it has none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn suite(&self, name: &str) -> Option<Result<Suite, CatalogueError>> {
        let listed = self.entries.get(name)?;
        let beside = |file: &Path| file.with_extension("").with_added_extension("test.yaml");
        let (file, text) = match &listed.path {
            Some(path) => {
                let file = beside(path);
                if !file.is_file() {
                    return None;
                }
                let text = read_file(&file);
                (file.display().to_string(), text)
            }
            None => {
                let embedded = EMBEDDED.get_file(format!("{name}{SUITE}"))?;
                let text = embedded.contents_utf8().unwrap_or_default().to_owned();
                (format!("runbooks/{name}{SUITE}"), Ok(text))
            }
        };
        Some(text.and_then(|text| Suite::read(name, &file, text)))
    }

    /// All runbooks that are offered, by name.
    pub fn list(&self) -> impl Iterator<Item = &CatalogueEntry> {
        self.entries.values().filter(|entry| !entry.hidden)
    }

    /// The heads of all runbooks in order, read by as many threads as there are processors. The
    /// effect of one is the strongest of its steps and of the runbooks that it calls.
    pub fn heads(&self) -> Vec<(&CatalogueEntry, Result<RunbookHead, CatalogueError>)> {
        let all: Vec<&CatalogueEntry> = self.entries.values().collect();
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(all.len().div_ceil(FEW))
            .max(1);
        let part = all.len().div_ceil(threads).max(1);
        let read = |listed: &[&'_ CatalogueEntry]| {
            listed.iter().map(|listed| listed.head()).collect::<Vec<_>>()
        };
        let mut heads: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                all.chunks(part).map(|part| scope.spawn(move || read(part))).collect();
            workers
                .into_iter()
                .flat_map(|worker| {
                    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        add_calls(&all, &mut heads);
        all.into_iter().zip(heads).filter(|(entry, _)| !entry.hidden).collect()
    }

    /// Loads a runbook by name and checks it, without looking at what it calls.
    ///
    /// # Errors
    /// When there is none of this name, or it has faults.
    pub fn load(&self, name: &str) -> Result<Arc<Runbook>, CatalogueError> {
        let listed = self.entries.get(name).ok_or_else(|| CatalogueError::Unknown {
            name: name.to_owned(),
            near: self.suggest(name).map(str::to_owned),
        })?;
        let before = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let result = before.unwrap_or_else(|| {
            let result = listed
                .text()
                .and_then(|text| read_runbook(name, &listed.file, listed.origin(&text), text));
            let result = match result {
                Ok(runbook) => Ok(Arc::new(runbook)),
                Err(CatalogueError::Invalid { diagnostics }) => Err(diagnostics),
                Err(error @ CatalogueError::Unknown { .. }) => {
                    Err(vec![Diagnostic::error("RB0001", error.to_string(), None, "".into())])
                }
            };
            self.loaded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.to_owned(), result.clone());
            result
        });
        result.map_err(|diagnostics| CatalogueError::Invalid { diagnostics })
    }

    /// Loads a runbook by name, or by the path of its file, without looking at what it calls.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_alone(&self, name: &str) -> Result<Arc<Runbook>, CatalogueError> {
        let path = Path::new(name);
        if !is_yaml(path) {
            return self.load(name);
        }
        let known = self.entries.values().find(|listed| listed.path.as_deref() == Some(path));
        read_runbook(
            known.map_or(name, |listed| &listed.name),
            name,
            Origin::File,
            read_file(path)?,
        )
        .map(Arc::new)
    }

    /// Parameters and namespace of a runbook, without reading and compiling the rest of it; none if
    /// it is not there or has faults.
    pub fn interface(&self, name: &str) -> Option<Interface> {
        let text = self.entries.get(name)?.text().ok()?;
        let root = parse(&text).ok()?;
        let params =
            root.get("params").map_or_else(|| Some(IndexMap::new()), |node| from_node(node).0)?;
        let namespace = root.get("namespace").map(|node| {
            Deferred::compile(node, &text, &BTreeSet::new(), &mut Vec::new(), &mut Vec::new())
        });
        Some(Interface { params, namespace })
    }

    /// Loads a runbook with all that it calls, by name; the runbook itself is among them.
    ///
    /// # Errors
    /// When one does not exist, has faults, is called with parameters that it does not have, or
    /// calls itself.
    pub fn load_with_called(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        let first = self.load(name)?;
        self.with_called(first)
    }

    /// Loads a runbook from a file that need not be in the catalogue, with all that it calls.
    ///
    /// # Errors
    /// As [`Self::load_with_called`].
    pub fn load_file(&self, path: &Path) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        let known = self
            .entries
            .values()
            .find(|listed| listed.path.as_deref() == Some(path))
            .map(|listed| listed.name.clone());
        // a file outside the catalogue is called as it was typed, so that a resume finds it again
        let name = known.unwrap_or_else(|| path.display().to_string());
        let runbook =
            read_runbook(&name, &path.display().to_string(), Origin::File, read_file(path)?)?;
        self.with_called(Arc::new(runbook))
    }

    /// Loads a runbook from its text, with all that it calls.
    ///
    /// # Errors
    /// As [`Self::load_with_called`].
    pub fn load_text(
        &self,
        name: &str,
        text: String,
    ) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        self.with_called(Arc::new(read_runbook(name, name, Origin::File, text)?))
    }

    fn with_called(
        &self,
        first: Arc<Runbook>,
    ) -> Result<BTreeMap<String, Arc<Runbook>>, CatalogueError> {
        let (called, diagnostics) = calls::follow(self, first);
        if diagnostics.is_empty() {
            Ok(called)
        } else {
            Err(CatalogueError::Invalid { diagnostics })
        }
    }

    /// Whether there is a runbook of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    fn suggest(&self, name: &str) -> Option<&str> {
        let names = || self.list().map(|entry| entry.name.as_str());
        // `no-signals` alone is enough to be understood, and so is a slip of the pen in either half
        nearest(name, names())
            .or_else(|| names().find(|full| full.rsplit('/').next() == Some(name)))
            .or_else(|| {
                let last = name.rsplit('/').next()?;
                let near = nearest(last, names().filter_map(|full| full.rsplit('/').next()))?;
                names().find(|full| full.rsplit('/').next() == Some(near))
            })
    }

    /// The nearest name, as the label of a fault.
    pub(super) fn did_you_mean(&self, name: &str) -> String {
        self.suggest(name).map_or_else(
            || "not in the catalogue".to_owned(),
            |near| format!("did you mean `{near}`?"),
        )
    }
}

fn embedded_files(folder: &'static Dir<'static>, files: &mut Vec<&'static Path>) {
    files.extend(folder.files().map(include_dir::File::path).filter(|path| is_yaml(path)));
    folder.dirs().for_each(|dir| embedded_files(dir, files));
}

fn name_of(path: &Path) -> Option<String> {
    let parts: BTreeSet<_> = path.components().collect();
    (!parts.is_empty()).then(|| {
        path.with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    })
}

/// The text of a file that is to be a runbook.
pub(super) fn read_file(path: &Path) -> Result<String, CatalogueError> {
    read(path, FileKind::RUNBOOK).map_err(|message| CatalogueError::Invalid {
        diagnostics: vec![Diagnostic::error("RB0001", message, Some(path.to_owned()), "".into())],
    })
}

/// Reads a runbook from its text.
fn read_runbook(
    name: &str,
    file: &str,
    origin: Origin,
    text: String,
) -> Result<Runbook, CatalogueError> {
    let source: Arc<str> = text.into();
    let result = parse(&source).and_then(|root| lower(name, file, &source, &root));
    result
        .map(|runbook| Runbook { origin, ..runbook })
        .map_err(|faults| invalid(file, &source, faults))
}

pub(super) fn invalid(file: &str, source: &Arc<str>, faults: Vec<Fault>) -> CatalogueError {
    CatalogueError::Invalid { diagnostics: diagnose_all(file, source, faults) }
}

/// The faults of a file. What is corrected in one line is shown once, with the last of them.
pub(super) fn diagnose_all(
    file: &str,
    source: &Arc<str>,
    mut faults: Vec<Fault>,
) -> Vec<Diagnostic> {
    join_corrections(source, &mut faults);
    faults.into_iter().map(|fault| diagnose(file, source, fault)).collect()
}

/// A fault with its place in this file.
pub(super) fn diagnose(file: &str, source: &Arc<str>, fault: Fault) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(fault.code, fault.message, Some(PathBuf::from(file)), source.clone())
            .with_label(fault.span, fault.label)
            .with_correction(fault.correction.map(|correction| *correction));
    fault.notes.into_iter().fold(diagnostic, Diagnostic::with_note)
}
/// Raises the effects of runbooks to those of the ones that they call, directly or not.
fn add_calls(all: &[&CatalogueEntry], heads: &mut [Result<RunbookHead, CatalogueError>]) {
    let mut is_settled = false;
    while !is_settled {
        is_settled = true;
        let names = all.iter().map(|entry| entry.name.clone());
        let effect = |head: &Result<RunbookHead, _>| head.as_ref().ok().map(|head| head.effect);
        let effects: BTreeMap<_, _> = names.zip(heads.iter().map(effect)).collect();
        for head in heads.iter_mut().flatten() {
            let called = head.calls.iter().filter_map(|name| *effects.get(name)?).max();
            if called > Some(head.effect) {
                (head.effect, is_settled) = (called.unwrap_or(head.effect), false);
            }
        }
    }
}
