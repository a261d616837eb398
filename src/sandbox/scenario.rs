//! Scenarios: a world in a given state, as data.
//!
//! A scenario is a YAML file in `src/sandbox/scenarios/`; its name is the name of the file.
//!
//! ```yaml
//! title: MySQL is scaled to zero                # one line
//! description: The Service of MySQL has no endpoints, connections are refused.
//! changes:                                      # in this order, before anything is derived from the manifests
//! - patch: {kind: Deployment, namespace: petrosa-apps, name: mysql}
//!   with: {spec: {replicas: 0}}                 # merged; null removes; lists of named elements merge by name
//! - delete: {kind: NetworkPolicy, namespace: petrosa-apps, name: default-deny-all}
//! - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: more, namespace: petrosa-apps}}
//! - pod: {of: petrosa-ta-bot, namespace: petrosa-apps, index: 2}   # a pod of this Deployment, by its place in the list
//!   with: {metadata: {labels: {mysql-client: null}}}
//! later:                                        # changes of the same kinds, made ten minutes ago on the world that runs
//! - patch: {kind: Deployment, namespace: petrosa-apps, name: petrosa-ta-bot}
//!   with: {spec: {replicas: 1}}
//! requests:                                     # what pods were asked a minute ago
//! - {pod: {of: petrosa-ta-bot, namespace: petrosa-apps, index: 2}, port: 8080, request: PUT /config, json: {a: 1}}
//! unpullable: ["example/web:1.1"]               # images that exist and cannot be pulled
//! renewed: [{kind: Lease, namespace: petrosa-apps, name: job}]   # Leases that their holder, outside, keeps renewing
//! deny:                                         # what the user may not do; everything else is allowed
//! - {group: "", resources: [pods/exec], verbs: [create, get], namespaces: [petrosa-apps]}   # no verbs: all; no namespaces: all
//! server: down                                  # nothing listens at the address of the kubeconfig
//! ```
//!
//! Only causes are planted. What follows from them (a dependency that is disconnected, a log line,
//! a series that is absent) comes about by itself.

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::Value;

use super::SandboxError;

static SCENARIOS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/sandbox/scenarios");

/// What a list of scenarios shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioInfo {
    /// The name by which it is started.
    pub name: String,
    /// One line.
    pub title: String,
    /// What is planted and what to expect.
    pub description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    title: String,
    description: String,
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
    #[serde(default)]
    pub(crate) later: Vec<Change>,
    #[serde(default)]
    pub(crate) requests: Vec<Asked>,
    #[serde(default)]
    pub(crate) unpullable: Vec<String>,
    #[serde(default)]
    pub(crate) renewed: Vec<Reference>,
    #[serde(default)]
    pub(crate) deny: Vec<Denial>,
    pub(crate) server: Option<ServerState>,
}

/// One change on the world.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    patch: Option<Reference>,
    pod: Option<PodReference>,
    with: Option<Value>,
    delete: Option<Reference>,
    apply: Option<Value>,
}

/// What a change is.
#[derive(Debug)]
pub(crate) enum Kind {
    Patch(Reference, Value),
    Pod(PodReference, Value),
    Delete(Reference),
    Apply(Value),
}

impl Change {
    pub(crate) fn kind(self) -> Result<Kind, SandboxError> {
        match self {
            Self {
                patch: Some(reference),
                with: Some(patch),
                pod: None,
                delete: None,
                apply: None,
            } => Ok(Kind::Patch(reference, patch)),
            Self {
                pod: Some(reference),
                with: Some(patch),
                patch: None,
                delete: None,
                apply: None,
            } => Ok(Kind::Pod(reference, patch)),
            Self { delete: Some(reference), patch: None, pod: None, with: None, apply: None } => {
                Ok(Kind::Delete(reference))
            }
            Self { apply: Some(manifest), patch: None, pod: None, with: None, delete: None } => {
                Ok(Kind::Apply(manifest))
            }
            other => Err(SandboxError::World {
                file: "scenario".to_owned(),
                reason: format!(
                    "a change must be one of patch+with, pod+with, delete, apply: {other:?}"
                ),
            }),
        }
    }
}

/// A request that was sent to a pod.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) pod: PodReference,
    pub(crate) port: u16,
    /// `METHOD /path`.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) json: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PodReference {
    pub(crate) of: String,
    pub(crate) namespace: String,
    pub(crate) index: usize,
}

/// What the user may not do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Denial {
    #[serde(default)]
    group: String,
    /// With their subresource: `pods/exec`; `*` for all.
    resources: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    namespaces: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServerState {
    Down,
}

impl Denial {
    pub(crate) fn forbids(&self, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
        self.group == group
            && self.resources.iter().any(|denied| denied == resource || denied == "*")
            && (self.verbs.is_empty() || self.verbs.iter().any(|denied| denied == verb))
            && (self.namespaces.is_empty()
                || self.namespaces.iter().any(|denied| denied == namespace))
    }
}

/// The scenarios that can be started, by name.
#[must_use]
pub fn scenarios() -> Vec<ScenarioInfo> {
    let described = names().into_iter().filter_map(|name| {
        let Scenario { title, description, .. } = load(&name).ok()?;
        Some(ScenarioInfo { name, title, description: description.trim().to_owned() })
    });
    described.collect()
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = SCENARIOS
        .files()
        .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort_unstable();
    names
}

/// Reads the scenario of this name.
pub(crate) fn load(name: &str) -> Result<Scenario, SandboxError> {
    let Some(text) =
        SCENARIOS.get_file(format!("{name}.yaml")).and_then(|file| file.contents_utf8())
    else {
        return Err(SandboxError::UnknownScenario {
            name: name.to_owned(),
            nearest: nearest(name),
        });
    };
    serde_saphyr::from_str(text).map_err(|error| SandboxError::World {
        file: format!("scenarios/{name}.yaml"),
        reason: error.to_string(),
    })
}

fn nearest(name: &str) -> Vec<String> {
    let mut names: Vec<(usize, String)> = names()
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, &known), known))
        .collect();
    names.sort();
    let best: Vec<String> = names
        .iter()
        .filter(|(distance, known)| *distance <= 4 || known.contains(name))
        .map(|(_, known)| known.clone())
        .collect();
    let shown =
        if best.is_empty() { names.into_iter().map(|(_, known)| known).collect() } else { best };
    shown.into_iter().take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_read() {
        for name in names() {
            load(&name).unwrap();
        }
        assert_eq!(scenarios().len(), names().len());
        assert!(names().contains(&super::super::DEFAULT_SCENARIO.to_owned()));
    }

    #[test]
    fn an_unknown_scenario_names_the_nearest() {
        let SandboxError::UnknownScenario { nearest, .. } = load("tabot-noleader").unwrap_err()
        else {
            panic!()
        };
        assert_eq!(nearest[0], "tabot-no-leader");
    }
}
