//! What stands in a `runbook.toml`.

use crate::action::Duration;
use crate::notify::Occasion;
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a project, or of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "runbook.toml")]
pub struct ConfigFile {
    /// Directories with runbooks, relative to this file, strongest first.
    pub catalogues: Vec<String>,
    /// Built-in runbooks that are listed, completed, and answer alerts: names, or folders such as
    /// `kubernetes/`. An empty list hides all. The others can still be called by their full name.
    /// All by default.
    pub builtin: Option<Vec<String>>,
    /// Directory for the records of runs, relative to this file. Only in the file of the user.
    pub state_dir: Option<String>,
    /// Command that shows long text page by page, such as `less -R`; an empty text for none. Only
    /// in the file of the user.
    pub pager: Option<String>,
    /// What is used if the command line does not say it.
    pub defaults: Defaults,
    /// Kubeconfig contexts.
    pub contexts: Contexts,
    /// Who is told when a run ends or pauses. Only in the file of the user.
    pub notify: Notify,
    /// What `runbook prune` keeps if the command line does not say it. Only in the file of the
    /// user.
    pub retention: KeptRuns,
}

/// What is used if the command line does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "defaults")]
pub struct Defaults {
    /// Namespace of runbooks that do not name one, on a real cluster; instead of the namespace of
    /// the context.
    pub namespace: Option<String>,
    /// Time limit of a whole run, as `--timeout`.
    pub timeout: Option<Duration>,
    /// Prometheus, as `--prometheus`: `service/NAME:PORT` or a URL. Only in the file of the user.
    pub prometheus: Option<String>,
    /// Namespace of the Prometheus. Only in the file of the user.
    pub prometheus_namespace: Option<String>,
}

/// Kubeconfig contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "contexts")]
pub struct Contexts {
    /// Contexts in which nothing is changed unless the command line names them with `--context`;
    /// `*` stands for any characters. Those of both files count.
    pub protected: Vec<String>,
}

/// Who is told when a run ends or pauses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "notify")]
pub struct Notify {
    /// Where messages go, as `--notify`: `slack=URL` or `webhook=URL`.
    pub channels: Vec<String>,
    /// When they are sent, as `--notify-on`.
    pub on: Option<Occasion>,
}

/// What `runbook prune` keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "retention")]
pub struct KeptRuns {
    /// So many of the newest runs of each runbook on each target, as `--keep`.
    pub keep: Option<usize>,
    /// Only older runs are removed, as `--older-than`.
    pub older_than: Option<Duration>,
}

/// The structures of the file, by name.
pub fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("runbook.toml", generator.subschema_for::<ConfigFile>()),
        ("defaults", generator.subschema_for::<Defaults>()),
        ("contexts", generator.subschema_for::<Contexts>()),
        ("notify", generator.subschema_for::<Notify>()),
        ("retention", generator.subschema_for::<KeptRuns>()),
    ]
}
