//! From alerts to the runs that answer them.

use super::attended::Nobody;
use super::records::Journals;
use super::start::plan;
use super::target::load;
use super::{ClusterChoice, Conduct, Params, SessionError, Start, Workspace};
use crate::action::{Context, Prometheus};
use crate::alert::{
    Answer, Fit, Handled, Missing, Parameters, PodName, Rules, Unfit, alike, grouped, near,
    parameters, rule_in_url, runbooks_of,
};
use crate::cluster::{Cluster, builtin};
use crate::document::{Catalogue, Origin, Runbook};
use crate::encoding::percent_encode;
use crate::event::{Alert, AlertStatus, AnsweredAlert, Standing};
use crate::plan::Says;
use crate::secret::Masker;
use futures::{StreamExt, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many objects are looked up at once.
const CONCURRENCY: usize = 8;
/// How long what is asked before the runs may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Alerts to be answered.
#[derive(Clone, Debug, Default)]
pub struct Alarm {
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// The runbook that answers them, whatever the catalogue says.
    pub runbook: Option<String>,
    /// Whether alerts that are resolved are answered as well.
    pub resolved: bool,
    /// Parameters that somebody gives; they are stronger than labels.
    pub params: Params,
    /// Reads for real, shows what would be changed, and changes nothing.
    pub dry_run: bool,
    /// How the runs are conducted.
    pub conduct: Conduct,
    /// The workloads of pods, as far as they are known: several pods of one have one run.
    pub workloads: BTreeMap<PodName, String>,
}

/// What is done about alerts.
#[derive(Debug, Default)]
pub struct Answers {
    /// The runs, in the order of their first alerts.
    pub runs: Vec<AnswerRun>,
    /// Alerts that are resolved, about which nothing is done.
    pub resolved: Vec<Alert>,
    /// Alerts that cannot be answered.
    pub unanswered: Vec<Unanswered>,
    /// Pods that have a run each and may be of one workload.
    pub pods: BTreeSet<PodName>,
}

/// A run and the alerts that it answers.
#[derive(Clone, Debug)]
pub struct AnswerRun {
    /// The run to begin.
    pub start: Start,
    /// The alerts; at least one.
    pub alerts: Vec<Alert>,
    /// Parameters that say what is looked at, and that have their defaults for want of a label.
    pub by_default: Vec<String>,
}

/// An alert that cannot be answered.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// The alert.
    pub alert: Alert,
    /// Why.
    pub why: NoAnswer,
}

/// Why an alert cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No runbook names it.
    Unknown {
        /// Alerts with a similar name that some runbook answers.
        near: Vec<String>,
    },
    /// Its labels do not give what the runbook needs.
    Missing {
        /// The runbook.
        runbook: String,
        /// The parameters.
        missing: Vec<Missing>,
    },
    /// A label cannot be used.
    Unfit {
        /// The runbook.
        runbook: String,
        /// What is wrong.
        why: Unfit,
    },
    /// The runbook cannot be run so.
    Refused {
        /// The runbook.
        runbook: String,
        /// What is wrong.
        why: String,
    },
}

/// The alerts that the runbooks of a catalogue answer.
pub fn handled(catalogue: &Catalogue) -> Vec<Handled> {
    let of = |(name, head): (&str, crate::document::RunbookHead)| {
        let built_in = head.origin == Origin::Embedded;
        head.alerts
            .into_iter()
            .map(|alert| Handled { alert, runbook: name.to_owned(), built_in })
            .collect::<Vec<_>>()
    };
    catalogue
        .heads()
        .into_iter()
        .filter_map(|(listed, head)| Some((listed.name.as_str(), head.ok()?)))
        .flat_map(of)
        .collect()
}

/// What is to be done about alerts. Nothing of it is done yet.
///
/// # Errors
/// When the runbook that was named cannot be had.
pub fn answers(workspace: &Workspace, alarm: &Alarm) -> Result<Answers, SessionError> {
    let catalogue = workspace.catalogue();
    if let Some(runbook) = &alarm.runbook {
        load(&catalogue, runbook)?;
    }
    let handled = if alarm.runbook.is_some() { Vec::new() } else { handled(&catalogue) };
    let mut answers = Answers::default();
    let mut fitting = Vec::new();
    for alert in &alarm.alerts {
        if alert.status == AlertStatus::Resolved && !alarm.resolved {
            answers.resolved.push(alert.clone());
            continue;
        }
        let named = alarm.runbook.as_deref().map(|name| vec![name]);
        let runbooks = named.unwrap_or_else(|| runbooks_of(&alert.name, &handled));
        if runbooks.is_empty() {
            let known: BTreeSet<&str> = handled.iter().map(|one| one.alert.as_str()).collect();
            let near = near(&alert.name, known).into_iter().map(str::to_owned).collect();
            answers.unanswered.push(no(alert, NoAnswer::Unknown { near }));
        }
        for name in runbooks {
            match fit(&catalogue, name, alert, alarm) {
                Ok(parameters) => {
                    fitting.push(Fit {
                        alert: alert.clone(),
                        runbook: name.to_owned(),
                        parameters,
                    });
                }
                Err(why) => answers.unanswered.push(no(alert, why)),
            }
        }
    }
    let runbooks: BTreeSet<String> = fitting.iter().map(|fit| fit.runbook.clone()).collect();
    answers.pods = alike(&fitting);
    for answer in grouped(fitting, &alarm.workloads) {
        let (alerts, missing) = (answer.alerts.clone(), answer.parameters.missing.clone());
        let by_default = answer.parameters.by_default.clone();
        let start = begin(&catalogue, answer, alarm, runbooks.len() > 1);
        match plan(workspace, &start) {
            Ok(_) => answers.runs.push(AnswerRun { start, alerts, by_default }),
            Err(error) => {
                let why = refused(&start.runbook, &missing, &error);
                answers.unanswered.extend(alerts.iter().map(|alert| no(alert, why.clone())));
            }
        }
    }
    Ok(answers)
}

fn no(alert: &Alert, why: NoAnswer) -> Unanswered {
    Unanswered { alert: alert.clone(), why }
}

/// What an alert gives to a runbook; a namespace that somebody gives wins.
fn fit(
    catalogue: &Catalogue,
    name: &str,
    alert: &Alert,
    alarm: &Alarm,
) -> Result<Parameters, NoAnswer> {
    let runbook = runbook(catalogue, name)?;
    let unfit = |why| NoAnswer::Unfit { runbook: name.to_owned(), why };
    let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
    let namespace = alarm.conduct.cluster.namespace.as_deref();
    let by_namespace = namespace.map(|name| says.set_by(name)).unwrap_or_default();
    let is_given = |name: &str| {
        alarm.params.values.contains_key(name)
            || alarm.params.texts.iter().any(|(given, _)| given == name)
            || by_namespace.iter().any(|given| given == name)
    };
    let given = parameters(alert, &runbook, is_given).map_err(unfit)?;
    Ok(Parameters { namespace: given.namespace.filter(|_| namespace.is_none()), ..given })
}

fn runbook(catalogue: &Catalogue, name: &str) -> Result<Arc<Runbook>, NoAnswer> {
    let refused = |why: String| NoAnswer::Refused { runbook: name.to_owned(), why };
    let (own, loaded) = load(catalogue, name).map_err(|error| refused(error.to_string()))?;
    loaded.get(&own).cloned().ok_or_else(|| refused("it is not there".to_owned()))
}

/// The run that answers alerts. With several runbooks, what somebody gives is for those that have
/// the parameter.
fn begin(catalogue: &Catalogue, answer: Answer, alarm: &Alarm, several: bool) -> Start {
    let Answer { runbook: name, parameters, alerts } = answer;
    let declared = runbook(catalogue, &name).ok();
    let takes = |param: &str| {
        !several || declared.as_ref().is_none_or(|runbook| runbook.params.contains_key(param))
    };
    let mut params = alarm.params.clone();
    params.values.retain(|param, _| takes(param));
    let typed = alarm.params.texts.iter().filter(|(param, _)| takes(param)).cloned();
    params.texts = parameters.texts.into_iter().chain(typed).collect();
    let mut conduct = alarm.conduct.clone();
    conduct.cluster.namespace = conduct.cluster.namespace.or(parameters.namespace);
    Start {
        runbook: name,
        params,
        dry_run: alarm.dry_run,
        alert: answered(&alerts, None),
        conduct,
        ..Start::default()
    }
}

/// Why a run cannot be begun: what the labels lack, or something else.
fn refused(runbook: &str, missing: &[Missing], error: &SessionError) -> NoAnswer {
    let runbook = runbook.to_owned();
    if let SessionError::Params(errors) = error {
        let is_wrong = |one: &&Missing| errors.iter().any(|error| error.name == one.param);
        let missing: Vec<Missing> = missing.iter().filter(is_wrong).cloned().collect();
        if !missing.is_empty() {
            return NoAnswer::Missing { runbook, missing };
        }
    }
    NoAnswer::Refused { runbook, why: error.to_string() }
}

/// The first alert as the run records it. Where nobody asks, the link of an alert still has the
/// expression.
fn answered(alerts: &[Alert], rules: Option<&Result<Rules, String>>) -> Option<AnsweredAlert> {
    let (first, also) = alerts.split_first()?;
    let mut standing = match rules {
        Some(Ok(rules)) => rules.standing(first),
        Some(Err(because)) => Standing { because: Some(because.clone()), ..Standing::default() },
        None => Standing::default(),
    };
    standing.rule = standing.rule.or_else(|| rule_in_url(first.generator_url.as_deref()?));
    let also = also.iter().map(|alert| alert.labels.clone()).collect();
    Some(AnsweredAlert { alert: first.clone(), standing, also })
}

impl Answers {
    /// The same with what Prometheus says of the alerts, or why it says nothing.
    #[must_use]
    pub fn informed(mut self, rules: &Result<Rules, String>) -> Self {
        for AnswerRun { start, alerts, .. } in &mut self.runs {
            start.alert = answered(alerts, Some(rules));
        }
        self
    }
}

/// Asks Prometheus for its alerting rules: those of these alerts, or all.
///
/// # Errors
/// Why nothing is known.
pub async fn alert_rules(
    workspace: &Workspace,
    choice: &ClusterChoice,
    prometheus: &Prometheus,
    alerts: Option<&[Alert]>,
) -> Result<Rules, String> {
    let asked = tokio::time::timeout(PATIENCE, ask(workspace, choice, prometheus, alerts)).await;
    asked.unwrap_or_else(|_| {
        Err(format!("Prometheus did not respond within {} s", PATIENCE.as_secs()))
    })
}

/// Looks up the workloads of pods. A pod that is not found, or that nothing controls, has none.
pub async fn workloads(
    workspace: &Workspace,
    choice: &ClusterChoice,
    pods: &BTreeSet<PodName>,
) -> BTreeMap<PodName, String> {
    let now = workspace.clock.of_simulation();
    let look = async {
        let Ok(connected) = choice.connect(&workspace.worlds(), now).await else {
            return BTreeMap::new();
        };
        let Ok(cluster) = connected.cluster else { return BTreeMap::new() };
        let cluster = &cluster;
        let found = stream::iter(pods)
            .map(|pod| async move { Some((pod.clone(), workload(cluster, pod).await?)) })
            .buffered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        found.into_iter().flatten().collect()
    };
    // what is not known in time leaves each pod its run
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_default()
}

/// The workload that a pod is of: `deployment/NAME`.
async fn workload(cluster: &Cluster, (namespace, name): &PodName) -> Option<String> {
    let (mut kind, mut name) = ("Pod".to_owned(), name.clone());
    // pod, ReplicaSet, Deployment
    for _ in 0..2 {
        let object = cluster.get(&builtin(&kind)?, Some(namespace), &name).await.ok()?;
        let owners = object["metadata"]["ownerReferences"].as_array();
        let owner = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
        // one of a kind that is not built in is no target
        let Some(owner) = owner.filter(|owner| builtin(own_kind(owner)).is_some()) else { break };
        kind = own_kind(owner).to_owned();
        name = owner["name"].as_str()?.to_owned();
        if kind != "ReplicaSet" {
            break;
        }
    }
    (kind != "Pod").then(|| format!("{}/{name}", kind.to_lowercase()))
}

fn own_kind(owner: &Value) -> &str {
    owner["kind"].as_str().unwrap_or_default()
}

async fn ask(
    workspace: &Workspace,
    choice: &ClusterChoice,
    prometheus: &Prometheus,
    alerts: Option<&[Alert]>,
) -> Result<Rules, String> {
    let now = workspace.clock.of_simulation();
    let connected = if prometheus.is_in_cluster() {
        let connected = choice.connect(&workspace.worlds(), now).await;
        Some(connected.map_err(|error| error.to_string())?)
    } else {
        None
    };
    let (cluster, sandbox) = match connected {
        Some(connected) => {
            let cluster = connected.cluster.map_err(|error| error.to_string())?;
            (Some(cluster), connected.sandbox)
        }
        None => (None, None),
    };
    let place = cluster.as_ref().map(|cluster| cluster.target().namespace);
    let context = Context {
        cluster,
        namespace: place.unwrap_or_else(|| "default".to_owned()),
        masker: Masker::new(),
        deadline: Instant::now() + PATIENCE,
        cancel: CancellationToken::new(),
        now: workspace.clock.now(),
        progress: Arc::new(|_| {}),
        started: Arc::new(|_, _| {}),
        note: Arc::new(|_| Ok(())),
        programs: Arc::default(),
        prompt: Arc::new(Nobody),
        run: Arc::from(""),
        path: String::new(),
        made: Arc::default(),
        shelf: Arc::new(()),
        records: Arc::new(Journals { folder: workspace.state_dir.clone() }),
        hosts: prometheus.host().into_iter().collect(),
        outside: None,
    };
    let data = prometheus.data(&context, &path(alerts)).await;
    drop(sandbox);
    Rules::read(&data.map_err(|failure| failure.message)?)
}

/// The request for rules. Versions that do not know the filter send all of them.
fn path(alerts: Option<&[Alert]>) -> String {
    let names: BTreeSet<&str> =
        alerts.unwrap_or_default().iter().map(|alert| alert.name.as_str()).collect();
    let filter: String = match names.len() {
        // a long address is refused
        1..=50 => {
            names.iter().map(|name| format!("&rule_name[]={}", percent_encode(name))).collect()
        }
        _ => String::new(),
    };
    format!("/api/v1/rules?type=alert{filter}")
}
