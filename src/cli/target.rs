//! Which runbook, with which parameters, on which cluster: the options that `run`, `plan` and
//! `resume` share.

use super::Global;
use super::exit::CommandError;
use crate::action::{Duration, Reach};
use crate::cluster::{self, Cluster};
use crate::document::{self, Catalogue, CatalogueError, Reading, Root, Runbook, Step};
use crate::plan::{Given, Invocation, Plan, Says, check_namespace, unreached};
use crate::sandbox::{self, Sandbox};
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The parameters of a run.
#[derive(Clone, Debug, Args)]
pub(super) struct ParamArguments {
    /// Set a parameter; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// YAML file with parameters; --set wins
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
}

/// The cluster of a run.
#[derive(Clone, Debug, Args)]
pub(super) struct ClusterArguments {
    /// Run on a simulated cluster, in this scenario (see `runbook sandbox list`)
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, require_equals = true,
        default_missing_value = sandbox::DEFAULT_SCENARIO, conflicts_with_all = ["kubeconfig",
            "context"])]
    pub(super) sandbox: Option<String>,
    /// Context of the kubeconfig
    #[arg(long)]
    context: Option<String>,
    /// Kubeconfig file
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate, as kubectl does
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
    /// Namespace, instead of that of the runbook
    #[arg(short, long, value_parser = namespace)]
    pub(super) namespace: Option<String>,
    /// How long the whole run may take, such as 10m
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<Duration>,
}

impl ParamArguments {
    /// Everything that was given, weakest first: environment, file, --set.
    pub(super) fn given(&self, runbook: &Runbook) -> Result<Vec<Given>, CommandError> {
        let mut given = Vec::new();
        for name in runbook.params.keys() {
            let variable = format!("RUNBOOK_PARAM_{}", name.to_uppercase().replace('-', "_"));
            if let Ok(value) = std::env::var(variable) {
                given.push(Given { name: name.clone(), value: Value::from(value), is_text: true });
            }
        }
        if let Some(path) = &self.params {
            let text = document::read(path, Reading::PARAMS)
                .map_err(|error| CommandError::Usage(format!("{} {error}", path.display())))?;
            let values: BTreeMap<String, Value> =
                serde_saphyr::from_str(&text).map_err(|error| {
                    CommandError::Usage(format!(
                        "{}: not a YAML mapping of parameters: {}",
                        path.display(),
                        first_line(&error.to_string())
                    ))
                })?;
            given.extend(values.into_iter().map(|(name, value)| Given {
                name,
                value,
                is_text: false,
            }));
        }
        for pair in &self.set {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| CommandError::Usage(format!("--set {pair}: write NAME=VALUE")))?;
            given.push(Given { name: name.to_owned(), value: Value::from(value), is_text: true });
        }
        Ok(given)
    }
}

impl ParamArguments {
    /// Refuses a namespace beside a parameter that says another.
    pub(super) fn agree(&self, namespace: &str, runbook: &Runbook) -> Result<(), CommandError> {
        let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
        let set = says.set_by(namespace);
        let other = self
            .set
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, value)| set.iter().any(|own| own == name) && *value != namespace);
        match other {
            None => Ok(()),
            Some((name, value)) => Err(CommandError::Usage(format!(
                "-n {namespace} and --set {name}={value} contradict each other: -n sets the \
                    parameter `{name}`; leave one of them out"
            ))),
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A namespace as it is typed.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    check_namespace(text).map(|()| text.to_owned())
}

/// The catalogue that this command line and this folder see.
pub(super) fn catalogue(global: &Global) -> Catalogue {
    Catalogue::new(&folders(global))
}

/// The folders of the catalogue, strongest first.
pub(super) fn folders(global: &Global) -> Vec<Root> {
    let mut folders = global.catalogue.clone();
    if let Some(path) = std::env::var_os("RUNBOOK_PATH") {
        folders.extend(std::env::split_paths(&path).filter(|path| !path.as_os_str().is_empty()));
    }
    let named = folders.into_iter().map(|folder| Root { folder, named: true });
    named.chain([Root { folder: PathBuf::from("runbooks"), named: false }]).collect()
}

/// Loads a runbook by name, or by the path of its file.
pub(super) fn load(
    catalogue: &Catalogue,
    name: &str,
) -> Result<(String, BTreeMap<String, Arc<Runbook>>), CatalogueError> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
        let loaded = catalogue.load_file(path)?;
        let file = path.display().to_string();
        let own = loaded
            .values()
            .find(|runbook| runbook.file == file)
            .map(|runbook| runbook.name.clone())
            .unwrap_or_default();
        return Ok((own, loaded));
    }
    Ok((name.to_owned(), catalogue.load_with_called(name)?))
}

/// Plans a run from the command line.
pub(super) fn plan(
    global: &Global,
    name: &str,
    params: &ParamArguments,
    namespace: Option<&str>,
) -> Result<Plan, CommandError> {
    let catalogue = catalogue(global);
    let (name, loaded) = load(&catalogue, name)?;
    let given = match loaded.get(&name) {
        Some(runbook) => params.given(runbook)?,
        None => Vec::new(),
    };
    if let (Some(namespace), Some(runbook)) = (namespace, loaded.get(&name)) {
        params.agree(namespace, runbook)?;
    }
    let plan = Plan::new(&name, loaded, &given, namespace).map_err(CommandError::Params)?;
    let unreached = unreached(&plan);
    if !unreached.is_empty() {
        return Err(CommandError::Params(unreached));
    }
    with_neighbours(plan, &catalogue)
}

/// Adds what the commands of remedies need to be short.
pub(super) fn with_neighbours(mut plan: Plan, catalogue: &Catalogue) -> Result<Plan, CommandError> {
    for finding in &plan.runbook.findings {
        let name = finding.run.as_ref().and_then(|run| run.render_text(&Value::Null).ok());
        if let Some((name, interface)) =
            name.and_then(|name| Some((name.clone(), catalogue.interface(&name)?)))
        {
            plan.neighbours.insert(name, interface);
        }
    }
    Ok(plan)
}

/// Whether any step of the plan asks a cluster. Who approves is who the cluster says.
pub(super) fn needs_cluster(plan: &Plan) -> bool {
    let steps =
        |runbook: &Arc<Runbook>| runbook.all_steps().iter().any(|step| step.body.needs_cluster());
    plan.loaded.values().any(steps)
}

/// Whether any step of the plan starts a program of this machine.
pub(super) fn has_programs(plan: &Plan) -> bool {
    let starts =
        |step: &Step| step.body.action().is_some_and(|action| action.reach() == Reach::Program);
    plan.loaded.values().any(|runbook| runbook.all_steps().into_iter().any(starts))
}

/// A cluster, and the simulation behind it that lives as long as this does.
pub(super) struct Connected {
    pub(super) cluster: Result<Cluster, cluster::Error>,
    pub(super) sandbox: Option<Sandbox>,
}

impl ClusterArguments {
    /// A cluster and a user, for a command that is no run.
    pub(super) fn of(
        sandbox: Option<String>,
        context: Option<String>,
        kubeconfig: Option<PathBuf>,
        impersonate: Option<String>,
    ) -> Self {
        Self { sandbox, context, kubeconfig, impersonate, namespace: None, timeout: None }
    }

    /// Whether a cluster was named on the command line.
    pub(super) fn is_named(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// The kubeconfig of the command line, as other programs find it.
    pub(super) fn kubeconfig_file(&self) -> Option<String> {
        let file = self.kubeconfig.as_ref()?;
        Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string())
    }

    /// Connects; nothing is asked yet.
    pub(super) async fn connect(
        &self,
        now: Option<jiff::Timestamp>,
    ) -> Result<Connected, CommandError> {
        let mut options = cluster::Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            impersonate: self.impersonate.clone(),
            ..cluster::Options::default()
        };
        let mut running = None;
        if let Some(scenario) = &self.sandbox {
            let sandbox = sandbox::start(sandbox::Options {
                scenario: scenario.clone(),
                now,
                ..sandbox::Options::default()
            })
            .await;
            let sandbox = sandbox.map_err(|error| CommandError::Usage(error.to_string()))?;
            options.kubeconfig_text = Some(sandbox.kubeconfig());
            running = Some(sandbox);
        }
        let cluster = Cluster::connect(&options).await;
        match cluster {
            // where nobody can be asked at all there is nothing to record
            Err(error)
                if matches!(
                    error.kind,
                    cluster::ErrorKind::NoKubeconfig | cluster::ErrorKind::Kubeconfig
                ) =>
            {
                Err(error.into())
            }
            cluster => Ok(Connected { cluster, sandbox: running }),
        }
    }

    /// The options that a following command must repeat.
    pub(super) fn invocation(&self) -> Invocation {
        let mut options = Vec::new();
        if let Some(scenario) = &self.sandbox {
            options.push(if scenario == sandbox::DEFAULT_SCENARIO {
                "--sandbox".to_owned()
            } else {
                format!("--sandbox={scenario}")
            });
        }
        let mut cluster = Vec::new();
        if let Some(kubeconfig) = &self.kubeconfig {
            cluster.push(format!(
                "--kubeconfig {}",
                crate::action::shell_word(&kubeconfig.display().to_string())
            ));
        }
        if let Some(context) = &self.context {
            cluster.push(format!("--context {}", crate::action::shell_word(context)));
        }
        if let Some(user) = &self.impersonate {
            cluster.push(format!("--as {}", crate::action::shell_word(user)));
        }
        options.extend(cluster.iter().cloned());
        Invocation { options, cluster }
    }
}

/// Refuses a context in which the runbook must not run.
pub(super) fn guard(plan: &Plan, cluster: &Cluster) -> Result<(), CommandError> {
    let allowed = &plan.runbook.contexts;
    let context = cluster.target().context.unwrap_or_default();
    if allowed.is_empty() || allowed.contains(&context) {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "{} runs only in the contexts {}, and this is {context}",
        plan.runbook.name,
        allowed.join(", ")
    )))
}
