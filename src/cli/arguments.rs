//! Options that commands share: which runbooks, parameters and cluster.

use super::Global;
use super::changes::ChangeArguments;
use super::exit::CommandError;
use crate::action::{Duration, Prometheus, shell_word};
use crate::config::{Given, Settings};
use crate::document::{self, Catalogue, FileKind, Root};
use crate::engine::Clock;
use crate::journal;
use crate::plan::check_namespace;
use crate::report::html;
use crate::session::{ClusterChoice, Conduct, Params, Protected, Workspace, host_name};
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The parameters of a run.
#[derive(Clone, Debug, Args)]
pub(super) struct ParamArguments {
    /// Set a parameter; can be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// YAML file with parameters; --set takes precedence
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
}

/// The real cluster, and as whom.
#[derive(Clone, Debug, Args)]
pub(super) struct KubeconfigArguments {
    /// Kubeconfig context
    #[arg(long)]
    context: Option<String>,
    /// Kubeconfig file
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate, as in kubectl
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
}

/// The cluster of a run.
#[derive(Clone, Debug, Args)]
pub(super) struct ClusterArguments {
    /// Run on a simulated cluster: in this scenario (see `runbook sandbox list`), in that of the
    /// folder of a world, or in the scenario that the runbook declares
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, require_equals = true,
        default_missing_value = "", conflicts_with_all = ["kubeconfig", "context"])]
    sandbox: Option<String>,
    #[command(flatten)]
    kubeconfig: KubeconfigArguments,
    /// Namespace; overrides the namespace of the runbook
    #[arg(short, long, value_parser = namespace)]
    pub(super) namespace: Option<String>,
    /// Time limit of the whole run, such as 10m
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<Duration>,
}

/// Where Prometheus is.
#[derive(Clone, Debug, Args)]
pub(super) struct PrometheusArguments {
    /// Ask this Prometheus for the rules of alerts and whether they still fire: service/NAME:PORT,
    /// or a URL
    #[arg(long, env = "RUNBOOK_PROMETHEUS", value_name = "TARGET")]
    prometheus: Option<String>,
    /// Namespace of the Prometheus; defaults to that of the cluster options
    #[arg(long, env = "RUNBOOK_PROMETHEUS_NAMESPACE", value_name = "NAMESPACE",
        value_parser = namespace)]
    prometheus_namespace: Option<String>,
}

impl PrometheusArguments {
    /// The Prometheus, if one is to be asked.
    pub(super) fn chosen(&self, global: &Global) -> Result<Option<Prometheus>, CommandError> {
        let of_file = |given: &Option<Given<String>>| given.as_ref().map(|one| one.value.clone());
        let settings = &global.settings;
        let text = self.prometheus.clone().or_else(|| of_file(&settings.prometheus));
        let Some(text) = &text else { return Ok(None) };
        let namespace = self.prometheus_namespace.clone();
        let namespace = namespace.or_else(|| of_file(&settings.prometheus_namespace));
        let chosen = Prometheus::parse(text, namespace.as_deref());
        chosen.map(Some).map_err(|error| CommandError::Usage(format!("--prometheus: {error}")))
    }
}

/// What may be done on the word of a runbook alone.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrustArguments {
    /// Trust the runbook with this digest, which overrides a built-in one, to run programs on this
    /// machine
    #[arg(long, value_name = "DIGEST")]
    trust: Vec<String>,
    /// In a dry run, execute commands, exec and POST requests that the runbook declares as
    /// read-only
    #[arg(long)]
    trust_reads: bool,
}

/// What every command that executes a runbook takes: consent, trust, parameters, the cluster.
#[derive(Debug, Args)]
pub(super) struct ConductArguments {
    #[command(flatten)]
    changes: ChangeArguments,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    params: ParamArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
}

impl ConductArguments {
    /// How the run is to be conducted.
    pub(super) fn conduct(&self) -> Conduct {
        self.trust.of(self.changes.of(self.cluster.conduct()))
    }

    /// Everything that was given of parameters: environment, file, --set.
    pub(super) fn params(&self, workspace: &Workspace) -> Result<Params, CommandError> {
        self.params.params(workspace)
    }
}

impl ParamArguments {
    /// Everything that was given: environment, file, --set.
    pub(super) fn params(&self, workspace: &Workspace) -> Result<Params, CommandError> {
        let values = self.params.as_deref().map(from_file).transpose()?.unwrap_or_default();
        let pair = |pair: &String| {
            pair.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| CommandError::Usage(format!("--set {pair}: use NAME=VALUE")))
        };
        let texts = self.set.iter().map(pair).collect::<Result<_, _>>()?;
        Ok(Params { environment: workspace.environment.clone(), values, texts })
    }
}

/// The parameters of a file.
fn from_file(path: &Path) -> Result<BTreeMap<String, Value>, CommandError> {
    let text = document::read(path, FileKind::PARAMS)
        .map_err(|error| CommandError::Usage(format!("{} {error}", path.display())))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        CommandError::Usage(format!(
            "{}: not a YAML mapping of parameters: {}",
            path.display(),
            first_line(&error.to_string())
        ))
    })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A namespace as it is typed.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    check_namespace(text).map(|()| text.to_owned())
}

impl KubeconfigArguments {
    /// The cluster that was chosen: the simulated one, if a scenario is named.
    pub(super) fn choice(&self, sandbox: Option<String>) -> ClusterChoice {
        ClusterChoice {
            sandbox,
            context: self.context.clone(),
            kubeconfig: self.kubeconfig.clone(),
            impersonate: self.impersonate.clone(),
            ..ClusterChoice::default()
        }
    }
}

impl ClusterArguments {
    /// The cluster that was chosen.
    pub(super) fn choice(&self) -> ClusterChoice {
        ClusterChoice {
            namespace: self.namespace.clone(),
            ..self.kubeconfig.choice(self.sandbox.clone())
        }
    }

    /// A run on this cluster, and in no other way special.
    pub(super) fn conduct(&self) -> Conduct {
        let timeout = self.timeout.map(|timeout| timeout.0);
        Conduct { cluster: self.choice(), timeout, ..Conduct::default() }
    }
}

impl TrustArguments {
    /// The same run with this trust.
    pub(super) fn of(&self, conduct: Conduct) -> Conduct {
        Conduct { trusted: self.trust.clone(), trust_reads: self.trust_reads, ..conduct }
    }
}

/// What this command line and this machine have for runs.
pub(super) fn workspace(global: &Global) -> Result<Workspace, CommandError> {
    let machine = Workspace::new(state_dir(global)?);
    let host = std::env::var("RUNBOOK_HOST").unwrap_or_else(|_| host_name());
    let option =
        |folder: &PathBuf| format!("--catalogue {}", shell_word(&folder.to_string_lossy()));
    let Settings { builtin, namespace, timeout, protected, .. } = &global.settings;
    let protected = protected.iter().map(|Given { value, source }| Protected {
        pattern: value.clone(),
        by: source.to_string(),
    });
    Ok(Workspace {
        roots: folders(global),
        catalogue_options: global.catalogue.iter().map(option).collect(),
        builtin: builtin.as_ref().map(|given| given.value.clone()),
        clock: clock()?,
        host,
        page: Some(html),
        namespace: namespace.as_ref().map(|given| given.value.clone()),
        timeout: timeout.as_ref().map(|given| given.value),
        protected: protected.collect(),
        ..machine
    })
}

/// The folder of the records of runs.
pub(super) fn state_dir(global: &Global) -> Result<PathBuf, journal::Error> {
    let of_file = || global.settings.state_dir.as_ref().map(|given| given.value.clone());
    global.state_dir.clone().or_else(of_file).map_or_else(journal::default_state_dir, Ok)
}

/// The clock: that of the machine, or a fixed one from `RUNBOOK_NOW`, for output that is the same
/// twice.
pub(super) fn clock() -> Result<Clock, CommandError> {
    match std::env::var("RUNBOOK_NOW") {
        Err(_) => Ok(Clock::System),
        Ok(text) => text.parse().map(Clock::Fixed).map_err(|_| {
            CommandError::Usage(format!(
                "RUNBOOK_NOW={text} is not a time such as 2026-11-20T03:12:07Z"
            ))
        }),
    }
}

/// The id of a new run, if the environment says one.
pub(super) fn run_id() -> Option<String> {
    std::env::var("RUNBOOK_RUN_ID").ok()
}

/// The catalogue that this command line and this folder see.
pub(super) fn catalogue(global: &Global) -> Catalogue {
    let builtin = global.settings.builtin.as_ref().map(|given| given.value.as_slice());
    Catalogue::new(&folders(global)).offering(builtin)
}

/// The folders of the catalogue, strongest first: what a person has named comes before what lies in
/// the working directory.
pub(super) fn folders(global: &Global) -> Vec<Root> {
    let mut folders = global.catalogue.clone();
    if let Some(path) = std::env::var_os("RUNBOOK_PATH") {
        folders.extend(std::env::split_paths(&path).filter(|path| !path.as_os_str().is_empty()));
    }
    let mut roots: Vec<Root> =
        folders.into_iter().map(|folder| Root { folder, named: true }).collect();
    roots.extend(
        global
            .settings
            .catalogues
            .iter()
            .map(|Given { value, source }| Root { folder: value.clone(), named: source.of_user }),
    );
    let usual = PathBuf::from("runbooks");
    if !roots.iter().any(|root| root.folder == usual) {
        roots.push(Root { folder: usual, named: false });
    }
    roots
}
