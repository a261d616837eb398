//! Which runbook, with which parameters, on which cluster: what `start` and `resume` share.

use super::{ClusterChoice, Params, Refusal, Running, SessionError, Workspace};
use crate::action::Reach;
use crate::cluster::{self, ClientConfig, Cluster};
use crate::document::Rehearsal;
use crate::document::{Catalogue, CatalogueError, Runbook, Step};
use crate::plan::{Invocation, Plan, Says, unreached};
use crate::sandbox::{Options, Sandbox, WorldError, Worlds};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Loads a runbook by name, or by the path of its file.
///
/// # Errors
/// When there is none, or it has faults.
pub fn load(
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

/// Plans a run.
pub(super) fn planned(
    workspace: &Workspace,
    name: &str,
    params: &Params,
    place: &ClusterChoice,
) -> Result<Plan, SessionError> {
    let catalogue = workspace.catalogue();
    let (name, loaded) = load(&catalogue, name)?;
    let given = loaded.get(&name).map(|runbook| params.given(runbook)).unwrap_or_default();
    // a simulated cluster has namespaces of its own
    let usual = workspace.namespace.as_deref().filter(|_| !place.is_simulated());
    let leaves = |runbook: &Arc<Runbook>| {
        let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
        says.leaves_to_the_context(&given)
    };
    let usual = usual.filter(|_| loaded.get(&name).is_some_and(leaves));
    let namespace = place.namespace.as_deref().or(usual);
    if let (Some(namespace), Some(runbook)) = (namespace, loaded.get(&name)) {
        params.agree(namespace, runbook)?;
    }
    let plan = Plan::new(&name, loaded, &given, namespace).map_err(SessionError::Params)?;
    let unreached = unreached(&plan);
    if !unreached.is_empty() {
        return Err(SessionError::Params(unreached));
    }
    Ok(with_neighbours(plan, &catalogue))
}

/// Adds what the commands of remedies need to be short.
pub(super) fn with_neighbours(mut plan: Plan, catalogue: &Catalogue) -> Plan {
    for finding in &plan.runbook.findings {
        let name = finding.run.as_ref().and_then(|run| run.render_text(&Value::Null).ok());
        if let Some((name, interface)) =
            name.and_then(|name| Some((name.clone(), catalogue.interface(&name)?)))
        {
            plan.neighbours.insert(name, interface);
        }
    }
    plan
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
pub struct Connected {
    /// The cluster, or why it cannot be asked.
    pub cluster: Result<Cluster, cluster::Error>,
    /// The simulation.
    pub sandbox: Option<Sandbox>,
}

impl ClusterChoice {
    /// Whether it is a simulated cluster.
    pub(super) fn is_simulated(&self) -> bool {
        self.sandbox.is_some() || self.running.is_some()
    }

    /// Whether a real cluster was named.
    pub(super) fn is_named(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// What programs need to reach it, where the run itself asks no cluster; none if there is none.
    ///
    /// # Errors
    /// When a cluster was named that is not there.
    pub(super) async fn client_config(&self) -> Result<Option<ClientConfig>, SessionError> {
        match ClientConfig::read(&self.options()).await {
            Ok(config) => Ok(Some(config)),
            Err(error) if self.is_named() => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn options(&self) -> cluster::Options {
        cluster::Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            impersonate: self.impersonate.clone(),
            ..cluster::Options::default()
        }
    }

    /// Finds the scenario that was asked for; an empty name is the one that the runbook declares.
    ///
    /// # Errors
    /// When there is none.
    pub fn choose(
        &mut self,
        workspace: &Workspace,
        declared: Option<&Rehearsal>,
    ) -> Result<(), WorldError> {
        if let (Some(text), None) = (&mut self.sandbox, &self.running) {
            let declared = declared.map(|rehearsal| rehearsal.scenario.as_str());
            *text = workspace.worlds().name(text, declared)?;
        }
        Ok(())
    }

    /// Connects; nothing is asked yet. A simulated cluster begins at `now`, or at the real time.
    ///
    /// # Errors
    /// When there is no cluster that could be asked.
    pub async fn connect(
        &self,
        worlds: &Worlds,
        now: Option<jiff::Timestamp>,
    ) -> Result<Connected, SessionError> {
        let mut options = self.options();
        let mut sandbox = None;
        if let Some(Running { kubeconfig, dial, .. }) = &self.running {
            options.kubeconfig_text = Some(kubeconfig.clone());
            options.dial = Some(dial.clone());
        } else if let Some(scenario) = &self.sandbox {
            let start = Options { now, ..Options::default() };
            let started = worlds.find(scenario, None)?.start(start).await?;
            options.kubeconfig_text = Some(started.kubeconfig());
            sandbox = Some(started);
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
            cluster => Ok(Connected { cluster, sandbox }),
        }
    }

    /// The options that a following command must repeat, besides those about the catalogue.
    pub(super) fn invocation(&self, catalogue: &[String]) -> Invocation {
        let mut options = catalogue.to_vec();
        if let Some(scenario) = &self.sandbox {
            options.push(format!("--sandbox={}", crate::action::shell_word(scenario)));
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

/// Refuses a context in which the runbook must not run. A simulated cluster does no harm.
pub(super) fn guard(
    plan: &Plan,
    place: &ClusterChoice,
    context: Option<&str>,
) -> Result<(), Refusal> {
    let allowed = &plan.runbook.contexts;
    let context = context.unwrap_or_default().to_owned();
    if allowed.is_empty() || allowed.contains(&context) || place.is_simulated() {
        return Ok(());
    }
    let (runbook, allowed) = (plan.runbook.name.clone(), allowed.clone());
    Err(Refusal::Context { runbook, allowed, context })
}
