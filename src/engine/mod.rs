//! The async driver: loop, deadlines, cancellation, signals.
//!
//! Decisions are made on values (`judge`, `finding`, `resume`); the rest moves data: intent into the journal, action, outcome into
//! the journal, reporters told.

mod attempt;
mod clock;
mod finding;
mod group;
mod recorder;
mod resume;
mod scope;
mod step;
mod stop;

pub use clock::Clock;
pub use recorder::{EngineError, Recorder, Sink};
pub use resume::{Kept, kept};
pub use stop::{Signal, Stop};

use crate::action::Prompt;
use crate::cluster::{self, Cluster};
use crate::document::{OnFailure, Runbook};
use crate::event::{
    Effect, Event, JOURNAL_SCHEMA, Mode, Outcome, PlannedStep, RunFinished, RunInterrupted, RunResumed, RunStarted, Severity, StepFinished, StepStarted,
    Target, Verdict,
};
use crate::journal::short_id;
use crate::plan::{Invocation, Plan};
use crate::secret::Masker;
use crate::state::RunState;
use scope::Scope;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Everything a run needs, from outside. Nothing here is global, so that runs can stand beside each other.
pub struct Engine {
    /// What to do.
    pub plan: Plan,
    /// Where; none if the plan asks no cluster; an error if it cannot be connected to.
    pub cluster: Option<Result<Cluster, cluster::Error>>,
    /// Name of the scenario, if the cluster is simulated.
    pub sandbox: Option<String>,
    /// Where events go.
    pub recorder: Recorder,
    /// What is secret.
    pub masker: Masker,
    /// How a person is asked.
    pub prompt: Arc<dyn Prompt>,
    /// How the run is asked to stop.
    pub stop: Stop,
    /// How the program was called.
    pub invocation: Invocation,
    /// How long the whole run may take.
    pub timeout: Option<Duration>,
    /// Steps of an earlier process that are kept.
    pub kept: Kept,
    /// Host name, for the journal.
    pub host: String,
    /// The command line, for the journal.
    pub arguments: Vec<String>,
}

/// What a run shares between its branches.
pub(crate) struct Run {
    plan: Plan,
    cluster: Option<Cluster>,
    recorder: Recorder,
    masker: Masker,
    prompt: Arc<dyn Prompt>,
    stop: Stop,
    invocation: Invocation,
    kept: Kept,
    target: Target,
    /// A step waits for a person.
    paused: AtomicBool,
    begun: clock::Begun,
}

impl Engine {
    /// Runs to the end and returns the state. The last event is always written, also after an interruption.
    ///
    /// # Errors
    /// When an event could not be written: the run has then stopped before the next step.
    pub async fn run(self, run_id: &str) -> Result<RunState, EngineError> {
        let begun = self.recorder.clock().start();
        let (cluster, target, unreachable) = self.identify().await;
        let resumed = self.recorder.state(|state| state.header().is_some());
        if resumed {
            let kept = self.kept.clone();
            self.recorder.record(Event::RunResumed(RunResumed {
                host: self.host.clone(),
                target: target.clone(),
                digest: self.plan.digest.clone(),
                kept: kept.paths(),
                changed: kept.changed,
            }))?;
        } else {
            self.recorder.record(Event::RunStarted(Box::new(RunStarted {
                schema: JOURNAL_SCHEMA.to_owned(),
                run: run_id.to_owned(),
                runbook: self.plan.runbook.name.clone(),
                title: self.plan.runbook.title.clone(),
                digest: self.plan.digest.clone(),
                mode: Mode::Run,
                target: target.clone(),
                params: self.plan.shown_params(),
                steps: self.planned_steps(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                host: self.host.clone(),
                arguments: self.arguments.clone(),
            })))?;
        }
        let run = Run {
            plan: self.plan,
            cluster,
            recorder: self.recorder,
            masker: self.masker,
            prompt: self.prompt,
            stop: self.stop,
            invocation: self.invocation,
            kept: self.kept,
            target,
            paused: AtomicBool::new(false),
            begun,
        };
        let namespace = run.plan.namespace.clone().or_else(|| run.target.namespace.clone()).unwrap_or_else(|| "default".to_owned());
        let scope = Scope::root(run.plan.runbook.clone(), run.plan.params.clone(), namespace, run_id, run.recorder.clock().now());
        match unreachable {
            Some(error) => run.not_reached(&error)?,
            None => {
                let deadline = async {
                    match self.timeout {
                        Some(timeout) => tokio::time::sleep(timeout).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    result = run.procedure(&scope) => drop(result?),
                    () = async { deadline.await; run.stop.time_is_up(); std::future::pending().await } => {}
                }
            }
        }
        run.conclude(&scope)?;
        run.finish(run_id)
    }

    /// The steps for the header, with what is secret in their titles masked.
    fn planned_steps(&self) -> Vec<PlannedStep> {
        let mut steps = self.plan.steps();
        for step in &mut steps {
            step.title = crate::secret::sanitize(&self.masker.mask(&step.title)).into_owned();
        }
        steps
    }

    /// Pins the cluster: who answers, and as whom we ask. The reason, if nobody answers.
    async fn identify(&self) -> (Option<Cluster>, Target, Option<cluster::Error>) {
        let mut target = Target { sandbox: self.sandbox.clone(), namespace: self.plan.namespace.clone(), ..Target::default() };
        let cluster = match &self.cluster {
            None => return (None, target, None),
            Some(Ok(cluster)) => cluster.clone(),
            Some(Err(error)) => return (None, target, Some(error.clone())),
        };
        let place = cluster.target();
        target.context = place.context;
        target.server = Some(place.server);
        target.namespace.get_or_insert(place.namespace);
        match cluster.identify().await {
            Ok(identity) => {
                target.cluster_uid = identity.cluster_uid;
                target.user = identity.user;
                (Some(cluster), target, None)
            }
            Err(error) => (Some(cluster), target, Some(error)),
        }
    }
}

impl Run {
    /// The steps of the runbook, then its `always`.
    async fn procedure(&self, scope: &Scope) -> Result<bool, EngineError> {
        let runbook: Arc<Runbook> = scope.runbook.clone();
        let good = self.sequence(scope, &runbook.steps).await?;
        // what must always be done is done, also after the first signal
        let always = self.sequence(&scope.unstoppable(), &runbook.always).await?;
        Ok(good && always)
    }

    /// One line instead of a failure of every step: the cluster did not answer.
    fn not_reached(&self, error: &cluster::Error) -> Result<(), EngineError> {
        let (path, title, action) = ("cluster".to_owned(), "Reach the cluster".to_owned(), "preflight".to_owned());
        let (effect, digest) = (Effect::Read, String::new());
        self.recorder.record(Event::StepStarted(StepStarted {
            path: path.clone(),
            id: path.clone(),
            title: title.clone(),
            action: action.clone(),
            effect,
            digest: digest.clone(),
        }))?;
        self.recorder.record(Event::StepFinished(Box::new(StepFinished {
            id: path.clone(),
            path,
            title,
            action,
            effect,
            digest,
            outcome: Outcome::Error,
            severity: Severity::Critical,
            summary: String::new(),
            reason: self.clean(&error.to_string()),
            attempts: 1,
            duration_ms: 0,
            expectations: Vec::new(),
            output: Value::Null,
        })))
    }

    fn finish(self, run_id: &str) -> Result<RunState, EngineError> {
        let (interrupted, duration_ms) = (self.stop.signal(), self.elapsed());
        if let Some(signal) = interrupted {
            self.recorder.record(Event::RunInterrupted(RunInterrupted { signal: signal.name().to_owned() }))?;
        }
        let (mut verdict, mut exit_code) = self.recorder.state(RunState::verdict);
        let resume =
            std::iter::once(format!("runbook resume {}", short_id(run_id))).chain(self.invocation.options.iter().cloned()).collect::<Vec<_>>().join(" ");
        let mut next = self.recorder.state(|state| state.findings().iter().filter_map(|finding| finding.command.clone()).collect::<Vec<_>>());
        if let Some(signal) = interrupted {
            (verdict, exit_code) = (Verdict::Cancelled, signal.exit_code());
            next.insert(0, resume);
        } else if self.paused.load(std::sync::atomic::Ordering::SeqCst) {
            (verdict, exit_code) = (Verdict::Paused, 4);
            next.insert(0, resume);
        }
        let mut seen = std::collections::BTreeSet::new();
        next.retain(|command| seen.insert(command.clone()));
        self.recorder.record(Event::RunFinished(RunFinished { verdict, exit_code, duration_ms, next }))?;
        Ok(self.recorder.into_state())
    }

    /// Whether the run goes on after a step that did not pass.
    fn goes_on(scope: &Scope, on_failure: Option<OnFailure>) -> bool {
        on_failure.unwrap_or(scope.runbook.on_failure) == OnFailure::Continue
    }
}
