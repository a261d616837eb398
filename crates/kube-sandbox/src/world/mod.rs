//! A world: the files of a directory, by name.
//!
//! ```text
//! world.yaml            world: v1, title, namespace
//! manifests/*.yaml      the objects, as `kubectl apply` takes them
//! applications.yaml     what the processes in the pods do, see `app/format.rs`
//! scenarios/*.yaml      the states in which the world can be, see `scenario.rs`
//! ```
//!
//! A node, the namespaces that every cluster has, the Service of the API server and CoreDNS exist by
//! default (`base/`); an object of the same kind, namespace and name replaces them. The scenario
//! `healthy`, the world as its manifests define it, always exists.

mod certificate;
mod fault;
mod manifest;

pub(crate) use certificate::issue;
pub(crate) use fault::unreadable;
pub use fault::{Place, WorldFault};
pub(crate) use manifest::{Manifest, checked, definition_of};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::SandboxError;
use crate::app::Apps;
use crate::kinds;
use crate::object;
use crate::scenario::{Scenario, ScenarioInfo};

/// The scenario of every world: the world as its manifests define it.
pub const HEALTHY: &str = "healthy";

/// How many bytes all files of a world may have together.
const MOST_BYTES: usize = 16 << 20;
/// How many objects a world may declare.
const MOST_OBJECTS: usize = 5_000;
const BASE_CLUSTER: (&str, &str) = ("base/cluster.yaml", include_str!("../base/cluster.yaml"));
const BASE_APPS: (&str, &str) =
    ("base/applications.yaml", include_str!("../base/applications.yaml"));

/// A world: the objects of a cluster, the behavior of its processes, and its scenarios. Clones share
/// it.
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    title: String,
    namespace: String,
    manifests: Arc<[Manifest]>,
    apps: Arc<Apps>,
    /// The text of `applications.yaml`, for scenarios in which apps do otherwise.
    described: Option<Arc<str>>,
    scenarios: BTreeMap<String, Arc<Scenario>>,
}

/// `world.yaml`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The version of the format.
    world: Version,
    /// One line.
    title: String,
    /// The namespace of manifests that name none; `default` if it is missing.
    #[serde(default = "default_namespace")]
    namespace: String,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
enum Version {
    #[serde(rename = "v1")]
    V1,
}

fn default_namespace() -> String {
    "default".to_owned()
}

impl World {
    /// Reads a world from its files: the name of each, relative to the folder, and its text.
    ///
    /// # Errors
    /// The mistakes, one for each invalid file.
    pub fn from_files<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, Vec<WorldFault>> {
        let mut files: Vec<(N, T)> = files.into_iter().collect();
        files.sort_by(|one, other| one.0.as_ref().cmp(other.0.as_ref()));
        let sorted = files.iter().map(|(name, text)| (name.as_ref(), text.as_ref()));
        Sorted::of(sorted)?.read().map(|inner| Self(Arc::new(inner)))
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The namespace of its kubeconfig.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Its scenarios, by name.
    #[must_use]
    pub fn scenarios(&self) -> Vec<ScenarioInfo> {
        self.0.scenarios.iter().map(|(name, scenario)| scenario.info(name)).collect()
    }

    /// The same world with another scenario: its name, and the text of its file.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn with_scenario(&self, name: &str, text: &str) -> Result<Self, WorldFault> {
        let Inner { title, namespace, manifests, apps, described, scenarios } = &*self.0;
        let mut scenario = Scenario::read(&format!("scenarios/{name}.yaml"), text, namespace)?;
        if let Some(based_on) = &scenario.based_on {
            let unknown =
                || scenario.place.fault(format!("the world has no scenario `{based_on}`"));
            scenario = match scenarios.get(based_on).cloned() {
                Some(base) => scenario.after(&base),
                None => return Err(unknown()),
            };
        }
        known_apps(&scenario, apps)?;
        let scenario = Arc::new(scenario);
        let mut scenarios = scenarios.clone();
        scenarios.insert(name.to_owned(), scenario);
        let (manifests, apps) = (Arc::clone(manifests), Arc::clone(apps));
        let (title, namespace) = (title.clone(), namespace.clone());
        let described = described.clone();
        Ok(Self(Arc::new(Inner { title, namespace, manifests, apps, described, scenarios })))
    }

    /// Whether it has a scenario of this name.
    #[must_use]
    pub fn has(&self, scenario: &str) -> bool {
        self.0.scenarios.contains_key(scenario)
    }

    pub(crate) fn scenario(&self, name: &str) -> Result<&Scenario, SandboxError> {
        self.0.scenarios.get(name).map(Arc::as_ref).ok_or_else(|| SandboxError::UnknownScenario {
            name: name.to_owned(),
            nearest: nearest(name, self.0.scenarios.keys()),
        })
    }

    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.0.manifests
    }

    /// Its processes, as they are in a scenario.
    pub(crate) fn apps_in(&self, scenario: &Scenario) -> Result<Arc<Apps>, WorldFault> {
        if scenario.apps.is_empty() {
            return Ok(Arc::clone(&self.0.apps));
        }
        let own = self.0.described.as_deref().map(|text| ("applications.yaml", text));
        Apps::load([BASE_APPS].into_iter().chain(own), &scenario.apps).map(Arc::new)
    }

    #[cfg(test)]
    pub(crate) fn apps(&self) -> &Arc<Apps> {
        &self.0.apps
    }
}

/// The names most like one that there is not, nearest first.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<(usize, &String)> =
        known.map(|known| (strsim::damerau_levenshtein(name, known), known)).collect();
    names.sort();
    let alike = |(distance, known): &&(usize, &String)| *distance <= 4 || known.contains(name);
    let mut best: Vec<String> =
        names.iter().filter(alike).map(|(_, known)| (*known).clone()).collect();
    if best.is_empty() {
        best = names.into_iter().map(|(_, known)| known.clone()).collect();
    }
    best.truncate(5);
    best
}

/// The files by what they are.
#[derive(Default)]
struct Sorted<'a> {
    header: &'a str,
    apps: Option<&'a str>,
    manifests: Vec<(&'a str, &'a str)>,
    scenarios: Vec<(&'a str, &'a str)>,
}

impl<'a> Sorted<'a> {
    fn of(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<WorldFault>> {
        let (mut sorted, mut faults, mut bytes) = (Self::default(), Vec::new(), 0);
        let mut header = None;
        for (name, text) in files {
            bytes += text.len();
            if bytes > MOST_BYTES {
                let reason = format!(
                    "the files of a world have at most {} MiB together; make this one and others \
                        smaller",
                    MOST_BYTES >> 20
                );
                return Err(vec![Place::file(name).fault(reason)]);
            }
            match name.split_once('/') {
                None if name == "world.yaml" => header = Some(text),
                None if name == "applications.yaml" => sorted.apps = Some(text),
                Some(("manifests", _)) => sorted.manifests.push((name, text)),
                Some(("scenarios", rest)) if !rest.contains('/') => {
                    sorted.scenarios.push((name, text));
                }
                _ => faults.push(Place::file(name).fault(
                    "no file of a world has this name; a world consists of world.yaml, \
                        applications.yaml, manifests/*.yaml and scenarios/*.yaml: move or rename \
                        the file",
                )),
            }
        }
        match header {
            Some(text) => sorted.header = text,
            None => faults.push(
                Place::file("world.yaml")
                    .fault("there is none; create it with `world: v1`, `title` and `namespace`"),
            ),
        }
        if faults.is_empty() { Ok(sorted) } else { Err(faults) }
    }

    fn read(self) -> Result<Inner, Vec<WorldFault>> {
        let mut faults = Vec::new();
        let header = serde_saphyr::from_str::<Header>(self.header)
            .map_err(|error| vec![unreadable("world.yaml", &error)])?;
        let Header { world: Version::V1, title, namespace } = header;
        let own = self.apps.map(|text| ("applications.yaml", text));
        let apps = Apps::load([BASE_APPS].into_iter().chain(own), &[]);
        // first what defines kinds: scenarios may have objects of them
        let manifests = self.objects(&namespace, &mut faults);
        let scenarios = scenarios(&self.scenarios, &namespace, &mut faults);
        match apps {
            Ok(apps) if faults.is_empty() => {
                let all = scenarios.values();
                let faults: Vec<WorldFault> =
                    all.filter_map(|scenario| known_apps(scenario, &apps).err()).collect();
                if !faults.is_empty() {
                    return Err(faults);
                }
                let (manifests, apps) = (manifests.into(), Arc::new(apps));
                let described = self.apps.map(Arc::from);
                Ok(Inner { title, namespace, manifests, apps, described, scenarios })
            }
            Ok(_) => Err(faults),
            Err(fault) => {
                faults.push(fault);
                Err(faults)
            }
        }
    }

    /// All objects; what the base has as well is in its place.
    fn objects(&self, namespace: &str, faults: &mut Vec<WorldFault>) -> Vec<Manifest> {
        self.manifests.iter().for_each(|(_, text)| manifest::definitions(text));
        let mut all: Vec<Manifest> = Vec::new();
        for (file, text) in [BASE_CLUSTER].iter().chain(&self.manifests) {
            let read = match manifest::manifests(file, text, namespace) {
                Ok(read) => read,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            for new in read {
                let (kind, name) = (new.object["kind"].as_str(), object::name(&new.object));
                let namespace = object::namespace(&new.object);
                let same = |old: &Manifest| old.is(kind.unwrap_or_default(), namespace, name);
                match all.iter().position(same) {
                    Some(at) if all[at].place.file == BASE_CLUSTER.0 => all[at] = new,
                    Some(at) => faults.push(new.place.fault(format!(
                        "{} is declared already, at {}; remove one of the two",
                        new.words(),
                        all[at].place
                    ))),
                    None => all.push(new),
                }
            }
            if all.len() > MOST_OBJECTS {
                let reason = format!(
                    "a world declares at most {MOST_OBJECTS} objects; remove those that no \
                        runbook looks at"
                );
                faults.push(Place::file(file).fault(reason));
                return all;
            }
        }
        let homeless = all.iter().filter(|new| {
            let namespace = object::namespace(&new.object);
            !namespace.is_empty() && !all.iter().any(|other| other.is("Namespace", "", namespace))
        });
        faults.extend(homeless.map(|new| {
            let namespace = object::namespace(&new.object);
            new.place.fault(format!(
                "{}: no manifest declares its namespace {namespace}; declare the Namespace, or \
                    correct metadata.namespace",
                new.words()
            ))
        }));
        // what defines kinds is there before their objects
        all.sort_by_key(|new| new.object["kind"] != "CustomResourceDefinition");
        let kinds: Vec<_> = all.iter().filter_map(|new| kinds::define(&new.object).ok()).collect();
        let undefined = all.iter().filter(|new| kinds::among(&kinds, &new.object).is_none());
        faults.extend(undefined.map(|new| {
            new.place.fault(format!(
                "{}: no CustomResourceDefinition among the manifests defines its kind; add it",
                new.words()
            ))
        }));
        all
    }
}

/// Refuses a scenario in which apps do otherwise that there are not.
fn known_apps(scenario: &Scenario, apps: &Apps) -> Result<(), WorldFault> {
    for other in &scenario.apps {
        let name = &other.app.value;
        if !apps.document.apps.iter().any(|app| app.name == *name) {
            let place = Place::at(&scenario.place.file, other.app.referenced);
            return Err(place.fault(format!("the world has no app `{name}`")));
        }
    }
    Ok(())
}

fn scenarios(
    files: &[(&str, &str)],
    namespace: &str,
    faults: &mut Vec<WorldFault>,
) -> BTreeMap<String, Arc<Scenario>> {
    let mut all = BTreeMap::from([(HEALTHY.to_owned(), Arc::new(Scenario::healthy()))]);
    for (file, text) in files {
        let name = file.rsplit('/').next().unwrap_or(file);
        let name = name.strip_suffix(".yaml").or(name.strip_suffix(".yml")).unwrap_or(name);
        match Scenario::read(file, text, namespace) {
            Ok(scenario) if scenario.based_on.is_some() => {
                let reason = "`based_on` belongs to the scenario of a case";
                faults.push(scenario.place.fault(reason));
            }
            Ok(scenario) => drop(all.insert(name.to_owned(), Arc::new(scenario))),
            Err(fault) => faults.push(fault),
        }
    }
    all
}
