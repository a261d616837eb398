//! The worlds that a command line sees: those in a folder `worlds` beside a folder of runbooks,
//! then those inside the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};
use kube_sandbox::{HEALTHY, Options, Place, Prepared, Sandbox, SandboxError, World, WorldFault};

use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{FileKind, collect, foreign_words, read};

/// The worlds of this repository, so that an installed program works anywhere.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/worlds");
/// The world that is meant by a scenario that several have, such as `healthy`.
const FIRST: &str = "petrosa";
/// The file by which a folder is a world.
const HEADER: &str = "world.yaml";
/// How many bytes of a folder are read before it is refused.
const MOST_BYTES: usize = 16 << 20;

/// The worlds, strongest first.
#[derive(Clone, Debug, Default)]
pub struct Worlds(Vec<ListedWorld>);

/// A world's name and where its files are.
#[derive(Debug, Clone)]
pub struct ListedWorld {
    /// The name of its folder.
    pub name: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Folder(PathBuf),
    Embedded(&'static Dir<'static>),
}

/// A world that was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    listed: ListedWorld,
    world: World,
}

/// A scenario of a world.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The world.
    pub world: World,
    /// The name of the scenario in it.
    pub scenario: String,
    /// What names both again: the value of `--sandbox`.
    pub label: String,
}

/// The nearest scenario, and where all are listed.
fn where_listed(near: Option<&str>) -> String {
    let list = "`runbook sandbox list`";
    near.map_or_else(|| format!("see {list}"), |near| format!("did you mean `{near}`? See {list}"))
}

/// Why there is no simulated cluster.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// No world has a scenario of this name.
    #[error("there is no sandbox scenario `{name}`; {}", where_listed(near.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The nearest that there is.
        near: Option<String>,
    },
    /// The folder is not a world.
    #[error("{} is not a world: it has no {HEADER}", .0.display())]
    NoWorld(PathBuf),
    /// The files of the world have faults.
    #[error("{}", .0.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Diagnostic>),
    /// The sandbox does not start.
    #[error(transparent)]
    Start(#[from] SandboxError),
}

impl Worlds {
    /// The worlds beside these folders of runbooks, then the embedded ones. Of two of one name the
    /// first counts.
    pub fn new(runbooks: &[PathBuf]) -> Self {
        let mut worlds = Self::default();
        for folder in runbooks.iter().filter_map(|folder| folder.parent()) {
            worlds.folder(&folder.join("worlds"));
        }
        let mut folders: Vec<_> = EMBEDDED.dirs().collect();
        folders.sort_by_key(|folder| place(folder.path()));
        for embedded in folders {
            if let Some(name) = embedded.path().file_name() {
                worlds.add(name.to_string_lossy().into_owned(), Source::Embedded(embedded));
            }
        }
        worlds
    }

    /// The worlds in a folder, by name.
    fn folder(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort_by_key(|path| place(path));
        for path in paths.into_iter().filter(|path| is_world(path)) {
            if let Some(name) = path.file_name() {
                self.add(name.to_string_lossy().into_owned(), Source::Folder(path.clone()));
            }
        }
    }

    fn add(&mut self, name: String, source: Source) {
        if !self.0.iter().any(|world| world.name == name) {
            self.0.push(ListedWorld { name, source });
        }
    }

    /// All worlds, in the order in which a scenario is looked for.
    pub fn list(&self) -> impl Iterator<Item = &ListedWorld> {
        self.0.iter()
    }

    /// The scenario that a text names: `SCENARIO`, `WORLD`, `WORLD/SCENARIO`, or the folder of a
    /// world, alone or followed by `/SCENARIO`. `declared` is what the runbook names: it is meant by
    /// an empty text, its world comes first, and its scenario is that of a world without one.
    ///
    /// # Errors
    /// There is no such scenario, or the files of the world have faults.
    pub fn find(&self, text: &str, declared: Option<&str>) -> Result<Chosen, WorldError> {
        self.find_again(text, declared, &mut Vec::new())
    }

    /// The same; a world that was read is not read again.
    ///
    /// # Errors
    /// As [`Worlds::find`].
    pub fn find_again(
        &self,
        text: &str,
        declared: Option<&str>,
        read: &mut Vec<Loaded>,
    ) -> Result<Chosen, WorldError> {
        let (listed, scenario) = self.locate(text, declared)?;
        let label = self.label(&listed, &scenario);
        if let Some(known) = read.iter().find(|known| known.listed.is(&listed)) {
            return Ok(Chosen { world: known.world.clone(), scenario, label });
        }
        let world = listed.load()?;
        read.push(Loaded { listed, world: world.clone() });
        Ok(Chosen { world, scenario, label })
    }

    /// What names the scenario again that [`Worlds::find`] would find, without reading its world.
    ///
    /// # Errors
    /// There is none.
    pub fn name(&self, text: &str, declared: Option<&str>) -> Result<String, WorldError> {
        let (world, scenario) = self.locate(text, declared)?;
        Ok(self.label(&world, &scenario))
    }

    fn locate(
        &self,
        text: &str,
        declared: Option<&str>,
    ) -> Result<(ListedWorld, String), WorldError> {
        let text = if text.is_empty() { declared.unwrap_or(HEALTHY) } else { text };
        let text = text.trim_end_matches('/');
        let (own_world, own_scenario) = declared.map_or((None, None), |declared| {
            let (world, scenario) = split(declared);
            (world, Some(scenario))
        });
        let usual = |world: ListedWorld| {
            let own = own_scenario.filter(|scenario| world.has(scenario));
            let scenario = own.unwrap_or(HEALTHY).to_owned();
            (world, scenario)
        };
        let known = |world: ListedWorld, scenario: &str| {
            let there = world.has(scenario).then(|| (world, scenario.to_owned()));
            there.ok_or_else(|| self.unknown(text))
        };
        let named = |name: &str| self.0.iter().find(|world| world.name == name).cloned();
        let (world, scenario) = split(text);
        if let Some(world) = world.and_then(named) {
            return known(world, scenario);
        }
        if world.is_none() {
            let mut worlds = own_world.and_then(named).into_iter().chain(self.0.iter().cloned());
            if let Some(world) = worlds.find(|world| world.has(scenario)) {
                return Ok((world, scenario.to_owned()));
            }
            if let Some(world) = named(scenario) {
                return Ok(usual(world));
            }
        }
        let path = Path::new(text);
        if let Some(world) = ListedWorld::at(path) {
            return Ok(usual(world));
        }
        if let Some(world) = path.parent().and_then(ListedWorld::at) {
            return known(world, scenario);
        }
        if path.is_dir() {
            return Err(WorldError::NoWorld(path.to_owned()));
        }
        Err(self.unknown(text))
    }

    /// The shortest text that names the scenario wherever the command is typed again.
    fn label(&self, world: &ListedWorld, scenario: &str) -> String {
        let listed = |other: &&ListedWorld| other.name == world.name && other.is(world);
        match &world.source {
            Source::Folder(folder) if !self.0.iter().any(|other| listed(&other)) => {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                folder.join(scenario).display().to_string()
            }
            Source::Embedded(_)
                if self.0.iter().find(|other| other.has(scenario)).is_some_and(|o| o.is(world)) =>
            {
                scenario.to_owned()
            }
            Source::Embedded(_) | Source::Folder(_) => format!("{}/{scenario}", world.name),
        }
    }

    fn unknown(&self, text: &str) -> WorldError {
        let (world, scenario) = split(text);
        let chosen = self.0.iter().filter(|other| world.is_none_or(|world| other.name == world));
        let known: Vec<String> = chosen
            .flat_map(ListedWorld::scenarios)
            .chain(self.0.iter().map(|world| world.name.clone()))
            .collect();
        let near = nearest(scenario, known.iter().map(String::as_str)).map(str::to_owned);
        WorldError::Unknown { name: text.to_owned(), near }
    }
}

/// The world before the last slash, and the scenario.
fn split(text: &str) -> (Option<&str>, &str) {
    text.rsplit_once('/').map_or((None, text), |(world, scenario)| (Some(world), scenario))
}

fn is_world(folder: &Path) -> bool {
    folder.join(HEADER).is_file()
}

impl ListedWorld {
    fn at(folder: &Path) -> Option<Self> {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        is_world(folder).then(|| Self { name, source: Source::Folder(folder.to_owned()) })
    }

    fn is(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Source::Folder(one), Source::Folder(other)) => one == other,
            (Source::Embedded(_), Source::Embedded(_)) => self.name == other.name,
            (Source::Folder(_), Source::Embedded(_)) | (Source::Embedded(_), Source::Folder(_)) => {
                false
            }
        }
    }

    fn has(&self, scenario: &str) -> bool {
        self.scenarios().iter().any(|known| known == scenario)
    }

    /// The names of its scenarios, from the names of its files.
    fn scenarios(&self) -> Vec<String> {
        let name = |path: &Path| {
            let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            yaml.then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
        };
        let mut names: Vec<String> = match &self.source {
            Source::Folder(folder) => {
                let entries = std::fs::read_dir(folder.join("scenarios")).into_iter().flatten();
                entries.filter_map(|entry| name(&entry.ok()?.path())).collect()
            }
            Source::Embedded(folder) => {
                let scenarios = folder.get_dir(folder.path().join("scenarios"));
                let files = scenarios.into_iter().flat_map(Dir::files);
                files.filter_map(|file| name(file.path())).collect()
            }
        };
        names.push(HEALTHY.to_owned());
        names.sort();
        names.dedup();
        names
    }

    /// Reads and checks all of its files.
    ///
    /// # Errors
    /// The files of the world have faults.
    pub fn load(&self) -> Result<World, WorldError> {
        let files = match &self.source {
            Source::Folder(folder) => from_folder(folder)?,
            Source::Embedded(folder) => embedded(folder, folder.path()),
        };
        World::from_files(files.iter().map(|(name, text)| (name, text)))
            .map_err(|faults| WorldError::Invalid(self.diagnosed(faults, &files)))
    }

    /// The faults with their texts. Of a file with words of other tools, these are said.
    fn diagnosed(&self, faults: Vec<WorldFault>, files: &[(String, String)]) -> Vec<Diagnostic> {
        let (mut all, mut told) = (Vec::new(), BTreeSet::new());
        for fault in faults {
            let file = fault.place.file.clone();
            let text = files.iter().find(|(name, _)| *name == file);
            let foreign = text
                .map(|(name, text)| foreign_words(name, &self.folder().join(name), text))
                .unwrap_or_default();
            if foreign.is_empty() {
                all.push(self.diagnose(fault, files));
            } else if told.insert(file) {
                all.extend(foreign);
            }
        }
        all
    }

    fn folder(&self) -> PathBuf {
        match &self.source {
            Source::Folder(folder) => folder.clone(),
            Source::Embedded(folder) => Path::new("worlds").join(folder.path()),
        }
    }

    /// A fault with the text in which it is.
    fn diagnose(&self, fault: WorldFault, files: &[(String, String)]) -> Diagnostic {
        let WorldFault { place: Place { file, position }, reason } = fault;
        let text = files.iter().find(|(name, _)| *name == file).map(|(_, text)| text.as_str());
        let text = text.unwrap_or_default();
        let path = self.folder().join(file);
        let diagnostic = Diagnostic::error("RB0601", reason, Some(path), text.into());
        match position {
            Some((line, column)) => {
                let at = offset(text, line, column);
                let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
                diagnostic.with_label(at..end, "")
            }
            None => diagnostic,
        }
    }
}

impl Chosen {
    /// Starts it on the current tokio runtime. The scenario is this one, whatever the options name.
    ///
    /// # Errors
    /// The scenario does not fit its world, or the port cannot be opened.
    pub async fn start(&self, options: Options) -> Result<Sandbox, WorldError> {
        let options = Options { scenario: self.scenario.clone(), ..options };
        Ok(kube_sandbox::start(&self.world, options).await?)
    }

    /// Brings it into its state, to be started in the memory of this process.
    ///
    /// # Errors
    /// The scenario does not fit its world.
    pub fn prepare(&self, options: Options) -> Result<Prepared, WorldError> {
        let options = Options { scenario: self.scenario.clone(), ..options };
        Ok(Prepared::new(&self.world, &options)?)
    }

    /// The same world in a state that a scenario describes, as its file would.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn with(&self, scenario: &serde_json::Value) -> Result<Self, WorldError> {
        let name = "inline";
        let mut scenario = scenario.clone();
        for field in ["title", "description"] {
            if scenario[field].is_null() {
                scenario[field] = name.into();
            }
        }
        let world = self.world.with_scenario(name, &scenario.to_string());
        let world = world.map_err(SandboxError::from)?;
        Ok(Self { world, scenario: name.to_owned(), label: self.label.clone() })
    }
}

/// Where a line and a column begin, both counted from 1, the column in characters.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let begin: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = text.get(begin..).unwrap_or_default();
    let within = rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at);
    (begin + within).min(text.len())
}

/// The place of a world among those of its folder: by name, behind the one that is always first, so
/// that a new world does not change what a scenario means that several have.
fn place(folder: &Path) -> (bool, PathBuf) {
    (folder.file_name().is_none_or(|name| name != FIRST), folder.to_owned())
}

fn embedded(folder: &Dir<'_>, root: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => all.extend(embedded(folder, root)),
            DirEntry::File(file) => {
                if let (Ok(name), Some(text)) =
                    (file.path().strip_prefix(root), file.contents_utf8())
                {
                    all.push((name.display().to_string(), text.to_owned()));
                }
            }
        }
    }
    all
}

/// The YAML files of a folder, by their names in it.
fn from_folder(folder: &Path) -> Result<Vec<(String, String)>, WorldError> {
    let (mut files, mut bytes) = (Vec::new(), 0);
    for path in collect(folder) {
        let refused = |reason: String| {
            let diagnostic = Diagnostic::error("RB0601", reason, Some(path.clone()), "".into());
            WorldError::Invalid(vec![diagnostic])
        };
        let text = read(&path, FileKind::WORLD).map_err(refused)?;
        bytes += text.len();
        if bytes > MOST_BYTES {
            return Err(refused(format!("a world has at most {MOST_BYTES} bytes")));
        }
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
        files.push((parts.join("/"), text));
    }
    Ok(files)
}
