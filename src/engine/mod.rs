//! The async driver: loop, deadlines, cancellation, signals.
//!
//! Decisions are made on values (`judge`, `finding`, `resume`); the rest moves data: intent into
//! the journal, action, outcome into the journal, reporters told.

mod asked;
mod attempt;
mod body;
mod border;
mod call;
mod change;
mod cleanup;
mod clock;
mod consent;
mod doubt;
mod dry_run;
mod due;
mod each;
mod ended;
#[cfg(test)]
mod fake;
mod finding;
mod group;
mod judge;
mod kept;
mod lock;
mod observed;
mod opaque;
mod part;
mod permit;
mod preflight;
mod recorder;
mod repeat;
mod resume;
mod save;
mod scope;
mod send;
mod step;
mod stop;
mod unmet;

pub use change::digest_of_record;
pub use clock::Clock;
pub use consent::{Consent, sealed, valid_approvals};
pub use lock::Locking;
pub use recorder::{EngineError, Recorder, Sink};
pub use resume::{Kept, kept};
pub use save::Page;
pub use stop::{Signal, Stop};

use crate::action::{Connection, Outside, Programs, Prompt, Records};
use crate::api;
use crate::document::{OnFailure, Origin, Runbook};
use crate::event::{
    AnsweredAlert, Effect, Event, JOURNAL_SCHEMA, Mark, Mode, Next, Outcome, Part, ProgramStarted,
    RunFinished, RunInterrupted, RunResumed, RunStarted, Severity, StepFinished, StepKind,
    StepMark, StepStarted, Target, Verdict, short_id,
};
use crate::plan::{Invocation, Plan, PlannedAction, actions, also_changes};
use crate::secret::Masker;
use crate::state::RunState;
use border::MaskedPrompt;
use ended::Halt;
use part::Selection;
use permit::Permit;
use preflight::Stopped;
use save::RunShelf;
use scope::Scope;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Everything a run needs, from outside. Nothing here is global, so that runs can stand beside each
/// other.
pub struct Engine {
    /// What to do.
    pub plan: Plan,
    /// Where; none if the plan asks no cluster; an error if it cannot be connected to.
    pub cluster: Option<Result<Connection, api::Error>>,
    /// Name of the scenario, if the cluster is simulated.
    pub sandbox: Option<String>,
    /// What kind of run this is. A dry run is given nothing that could change the cluster.
    pub mode: Mode,
    /// Id of the run whose changes it takes back, if it does.
    pub undoes: Option<String>,
    /// The alert that it answers, if it does.
    pub alert: Option<AnsweredAlert>,
    /// The part of the runbook that it does.
    pub part: Part,
    /// Whether a dry run believes a runbook that something only reads.
    pub trust_reads: bool,
    /// How changes are allowed.
    pub consent: Consent,
    /// How the lock is taken.
    pub locking: Locking,
    /// Earlier runs.
    pub records: Arc<dyn Records>,
    /// Where events go. Its masker knows what is secret.
    pub recorder: Recorder,
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
    /// Working directory, for the journal.
    pub directory: Option<String>,
    /// The command line, for the journal.
    pub arguments: Vec<String>,
    /// What programs of this machine get.
    pub programs: Programs,
    /// In a rehearsal: what programs and hosts outside of the cluster respond with.
    pub outside: Option<Arc<Outside>>,
    /// Makes a page of the run, for what it hands over.
    pub page: Option<Page>,
}

/// What a run shares between its branches.
pub(crate) struct Run {
    plan: Plan,
    recorder: Recorder,
    masker: Masker,
    prompt: Arc<dyn Prompt>,
    stop: Stop,
    invocation: Invocation,
    kept: Kept,
    programs: Arc<Programs>,
    outside: Option<Arc<Outside>>,
    shelf: Arc<RunShelf>,
    host: Arc<str>,
    run_id: Arc<str>,
    mode: Mode,
    trust_reads: bool,
    consent: Consent,
    records: Arc<dyn Records>,
    /// In a dry run: the first step whose change was only previewed, or not done at all.
    left_out: Mutex<Option<String>>,
    halt: Halt,
    permit: Permit,
    selection: Selection,
    /// It was stopped, and what it cleans up with is done: there is nothing to go on with.
    is_cleaned_up: AtomicBool,
    /// A person said yes to all further changes that want no typed word.
    allows_all: AtomicBool,
    /// Paths of the steps whose changes a person refused in an earlier process of the run.
    refused: BTreeSet<String>,
    begun: clock::Begun,
}

impl Engine {
    /// Runs to the end and returns the state. The last event is always written, also after an
    /// interruption.
    ///
    /// # Errors
    /// When an event could not be written: the run has then stopped before the next step.
    pub async fn run(self, run_id: &str) -> Result<RunState, EngineError> {
        let begun = self.recorder.clock().start();
        let place = match &self.cluster {
            Some(Ok(cluster)) => cluster.port().place().namespace,
            _ => self.programs.namespace().unwrap_or("default").to_owned(),
        };
        let selection = Selection::new(&self.plan, self.part.clone());
        let mut planned = actions(&self.plan, &place);
        planned.retain(|action| selection.leaves_out(&action.path).is_none());
        let (connection, target, stopped) = self.identify(&planned).await;
        let refused = self.recorder.state(consent::refused);
        self.header(run_id, &target, selection.part())?;
        let (locking, timeout) = (self.locking, self.timeout);
        let run = self.start(run_id, connection, target, begun, (selection, refused));
        let scope = run.scope();
        let writes =
            planned.iter().any(|action| matches!(action.effect, Effect::Write | Effect::Opaque));
        let stopped = match stopped {
            None if writes => run.cleared(&planned, &scope, locking).await?,
            stopped => stopped,
        };
        match stopped {
            Some(stopped) => run.stopped_before(stopped)?,
            None => run.until(&scope, timeout).await?,
        }
        run.permit.release().await;
        run.conclude(&scope)?;
        run.finish(run_id)
    }

    /// The first record of this process.
    fn header(&self, run_id: &str, target: &Target, part: Option<Part>) -> Result<(), EngineError> {
        if self.recorder.state(|state| state.header().is_some()) {
            return self.recorder.record(Event::RunResumed(RunResumed {
                host: self.host.clone(),
                target: target.clone(),
                digest: self.plan.digest.clone(),
                kept: self.kept.paths(),
                changed: self.kept.changed.clone(),
            }));
        }
        let params = self.plan.shown_params();
        let recorded = self.recorder.as_recorded(params.clone());
        let secret = self.plan.params.iter().filter(|(name, value)| {
            let declared = self.plan.runbook.params.get(*name).filter(|param| param.secret);
            !value.is_null() && declared.is_some_and(|param| param.default.as_ref() != Some(value))
        });
        let masked = params.iter().filter(|(name, value)| recorded.get(*name) != Some(value));
        let withheld: BTreeSet<&String> = masked.chain(secret).map(|(name, _)| name).collect();
        self.recorder.record(Event::RunStarted(Box::new(RunStarted {
            schema: JOURNAL_SCHEMA.to_owned(),
            run: run_id.to_owned(),
            runbook: self.plan.runbook.name.clone(),
            title: self.plan.runbook.title.clone(),
            digest: self.plan.digest.clone(),
            hiding: (self.plan.runbook.origin == Origin::Hiding)
                .then(|| self.plan.runbook.file.clone()),
            mode: self.mode,
            undoes: self.undoes.clone(),
            alert: self.alert.clone().map(Box::new),
            part,
            target: target.clone(),
            withheld: withheld.into_iter().cloned().collect(),
            params: recorded,
            steps: self.plan.steps(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.host.clone(),
            directory: self.directory.clone(),
            arguments: self.arguments.clone(),
        })))
    }

    /// The run, with nothing of it done.
    fn start(
        self,
        run_id: &str,
        connection: Option<Connection>,
        target: Target,
        begun: clock::Begun,
        (selection, refused): (Selection, BTreeSet<String>),
    ) -> Arc<Run> {
        let masker = self.recorder.masker().clone();
        Arc::new(Run {
            refused,
            run_id: Arc::from(run_id),
            mode: self.mode,
            trust_reads: self.trust_reads,
            // who the cluster says it is, not who this system does
            consent: Consent {
                operator: target.user.clone().unwrap_or(self.consent.operator),
                ..self.consent
            },
            permit: Permit::new(
                connection,
                target,
                &self.plan.runbook.name,
                self.mode == Mode::DryRun,
            ),
            records: self.records,
            left_out: Mutex::new(None),
            selection,
            is_cleaned_up: AtomicBool::new(false),
            allows_all: AtomicBool::new(false),
            halt: Halt::default(),
            plan: self.plan,
            prompt: Arc::new(MaskedPrompt { prompt: self.prompt, masker: masker.clone() }),
            masker,
            stop: self.stop,
            invocation: self.invocation,
            kept: self.kept,
            programs: Arc::new(self.programs),
            outside: self.outside,
            shelf: Arc::new(RunShelf { recorder: self.recorder.clone(), page: self.page }),
            recorder: self.recorder,
            host: Arc::from(self.host.as_str()),
            begun,
        })
    }

    /// Pins the cluster: who answers, as whom we ask, and whether the namespace is there; all at
    /// once.
    async fn identify(
        &self,
        planned: &[PlannedAction],
    ) -> (Option<Connection>, Target, Option<Stopped>) {
        let mut target = self.target(planned);
        let cluster = match &self.cluster {
            None => return (None, target, None),
            Some(Ok(cluster)) => cluster.clone(),
            Some(Err(error)) => return (None, target, Some(Stopped::unreachable(error))),
        };
        let namespace = target.namespace.clone().unwrap_or_default();
        let (identity, missing) = tokio::join!(
            cluster.port().identify(),
            preflight::no_namespace(&**cluster.port(), &namespace, planned)
        );
        match identity {
            Ok(identity) => {
                // as they are recorded, because they are compared with what is recorded
                target.cluster_uid = self.recorder.as_recorded(identity.cluster_uid);
                target.user = self.recorder.as_recorded(identity.user);
                (Some(cluster), target, missing)
            }
            Err(error) => (Some(cluster), target, Some(Stopped::unreachable(&error))),
        }
    }

    /// Where the run acts, as far as it is known without asking.
    fn target(&self, planned: &[PlannedAction]) -> Target {
        let mut target = Target {
            sandbox: self.sandbox.clone(),
            namespace: self.plan.namespace.clone(),
            ..Target::default()
        };
        if let Some(Ok(cluster)) = &self.cluster {
            let place = cluster.port().place();
            target.context = place.context;
            target.server = Some(place.server);
            target.namespace.get_or_insert(place.namespace);
        }
        target.also_changes = target
            .namespace
            .as_deref()
            .map(|namespace| also_changes(planned, namespace))
            .unwrap_or_default();
        target
    }
}

impl Run {
    /// What the steps of the runbook see.
    fn scope(&self) -> Scope {
        let own = self.plan.namespace.clone().or_else(|| self.permit.target.namespace.clone());
        Scope::root(
            self.plan.runbook.clone(),
            self.plan.params.clone(),
            own.unwrap_or_else(|| "default".to_owned()),
            self.alert(),
            &self.run_id,
            self.recorder.clock().now(),
        )
    }

    /// Before the first step of a run that changes something: its programs, permissions and locks.
    /// Why it may not begin, if so. A dry run starts no program.
    async fn cleared(
        &self,
        planned: &[PlannedAction],
        scope: &Scope,
        locking: Locking,
    ) -> Result<Option<Stopped>, EngineError> {
        if self.mode != Mode::DryRun {
            let outside = self.outside.as_deref();
            let missing = preflight::no_tool(planned, &self.programs, outside).await;
            if missing.is_some() {
                return Ok(missing);
            }
        }
        let (own, recorder) = (self.own(), &self.recorder);
        self.permit.begin(planned, &scope.namespace, own, locking, recorder).await
    }

    /// The alert that it answers, as it is recorded, so that it is the same after a resume; null if
    /// it was started otherwise.
    fn alert(&self) -> Value {
        let alert = self.recorder.state(|state| state.header()?.alert.clone());
        serde_json::to_value(alert).unwrap_or_default()
    }

    /// What its locks say of it.
    fn own(&self) -> lock::Own {
        lock::Own {
            run: self.run_id.to_string(),
            host: self.host.to_string(),
            runbook: self.plan.runbook.name.clone(),
        }
    }

    /// The procedure, until its end or that of this time.
    async fn until(
        self: &Arc<Self>,
        scope: &Scope,
        timeout: Option<Duration>,
    ) -> Result<(), EngineError> {
        let deadline = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
            self.stop.time_is_up();
            // a change in flight is let finish: its deadline is its own
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = self.procedure(scope) => result.map(drop),
            () = deadline => Ok(()),
        }
    }

    /// The steps of the runbook, then its `always`.
    async fn procedure(self: &Arc<Self>, scope: &Scope) -> Result<bool, EngineError> {
        let runbook: Arc<Runbook> = scope.runbook.clone();
        let steps = self.unless_cleaned_up(scope, &runbook.steps, &runbook.always);
        let good = self.sequence(&steps, &runbook.steps).await?;
        // what must always be done is done, also after the first signal
        let always = self.sequence(&scope.unstoppable(), &runbook.always).await?;
        self.note_cleanup(scope, &runbook.steps, &runbook.always, always);
        Ok(good && always)
    }

    /// Records the programs of this machine that a step starts.
    fn starter(&self, path: &str) -> Arc<dyn Fn(&str, u32) + Send + Sync> {
        let (recorder, path, host) = (self.recorder.clone(), path.to_owned(), self.host.clone());
        Arc::new(move |program, group| {
            let started = ProgramStarted {
                path: path.clone(),
                program: program.to_owned(),
                group,
                host: host.to_string(),
            };
            // a record that cannot be written ends the run at its next one
            drop(recorder.record(Event::ProgramStarted(started)));
        })
    }

    /// One line instead of a failure of every step: the run cannot begin.
    fn stopped_before(&self, stopped: Stopped) -> Result<(), EngineError> {
        let Stopped { id, title, reason, output } = stopped;
        let (path, title, action) = (id.to_owned(), title.to_owned(), StepKind::Preflight);
        let (effect, digest) = (Effect::Read, String::new());
        self.recorder.record(Event::StepStarted(StepStarted {
            path: path.clone(),
            id: path.clone(),
            title: title.clone(),
            action: action.clone(),
            effect,
            digest: digest.clone(),
            item: String::new(),
        }))?;
        self.recorder.record(Event::StepFinished(Box::new(StepFinished {
            id: path.clone(),
            path,
            title,
            action,
            effect,
            digest,
            item: String::new(),
            outcome: Outcome::Error,
            severity: Severity::Critical,
            summary: String::new(),
            reason,
            why: None,
            attempts: 1,
            duration_ms: 0,
            expectations: Vec::new(),
            output,
            stored: None,
            saved: Vec::new(),
            met_secrets: false,
        })))
    }

    fn finish(&self, run_id: &str) -> Result<RunState, EngineError> {
        let (interrupted, duration_ms) = (self.stop.signal(), self.elapsed());
        if let Some(signal) = interrupted {
            self.recorder.record(Event::RunInterrupted(RunInterrupted {
                signal: signal.name().to_owned(),
            }))?;
        }
        let (mut verdict, mut exit_code) = self.recorder.state(RunState::verdict);
        let run = short_id(run_id);
        let resume = if self.is_cleaned_up.load(Ordering::Relaxed) {
            self.plan.again(&self.invocation)
        } else {
            self.resume_command(None)
        };
        let is_whole = self.recorder.state(|state| !state.is_stopped_early());
        if self.mode == Mode::DryRun && verdict == Verdict::Unknown && is_whole {
            // what a dry run cannot know is no fault
            (verdict, exit_code) = (Verdict::Previewed, 0);
        }
        let (mut waiting, mut due) = (BTreeMap::new(), BTreeMap::new());
        let mut commands: Vec<Next> = self.recorder.state(|state| {
            state.findings().iter().filter_map(|finding| finding.next.clone()).collect()
        });
        let waits = self.halt.waiting();
        if self.recorder.state(|state| !state.in_doubt().is_empty()) {
            (verdict, exit_code) = (Verdict::InDoubt, 5);
            let doubt: Vec<String> = self
                .recorder
                .state(|state| state.in_doubt().into_iter().map(str::to_owned).collect());
            // where a look does not tell, a person does
            let marks = doubt.iter().flat_map(|step| {
                [StepMark::Done, StepMark::NotDone]
                    .map(|mark| self.resume_command(Some(Mark { step: step.clone(), mark })))
            });
            let status = Next::Status { run: run.to_owned() };
            commands.splice(0..0, std::iter::once(resume.clone()).chain(marks).chain([status]));
        } else if let Some(signal) = interrupted {
            let stopped =
                if signal == Signal::Deadline { Verdict::TimedOut } else { Verdict::Cancelled };
            (verdict, exit_code) = (stopped, signal.exit_code());
            commands.insert(0, resume);
        } else if !waits.is_empty() {
            (verdict, exit_code) = (Verdict::Paused, 4);
            let why = waits.iter().filter(|(_, waits)| !waits.before.is_empty());
            waiting.extend(why.map(|(path, waits)| (path.clone(), waits.before.to_owned())));
            let times = waits.iter().filter_map(|(path, waits)| Some((path.clone(), waits.due?)));
            due.extend(times);
            commands.splice(0..0, waits.into_values().map(|waits| waits.command).chain([resume]));
        }
        let changed =
            self.mode != Mode::DryRun && self.recorder.state(RunState::has_lasting_changes);
        if changed && !matches!(verdict, Verdict::Passed | Verdict::Partial) {
            let options = self.invocation.options.clone();
            commands.push(Next::Undo { run: run.to_owned(), options });
        }
        let mut seen = std::collections::BTreeSet::new();
        commands.retain(|command| seen.insert(command.to_string()));
        // what is masked is quoted for the shell as it is shown
        let commands = self.recorder.as_recorded(commands);
        self.recorder.record(Event::RunFinished(RunFinished {
            verdict,
            exit_code,
            duration_ms,
            next: commands.iter().map(Next::to_string).collect(),
            commands,
            waiting,
            due,
        }))?;
        Ok(self.recorder.clone().into_state())
    }

    /// The command that goes on with the run where this process acts.
    fn resume_command(&self, mark: Option<Mark>) -> Next {
        let options = self.invocation.options.clone();
        self.recorder.state(|state| state.resume_command_with(mark, options))
    }

    /// Whether the run goes on after a step that did not pass.
    fn goes_on(scope: &Scope, on_failure: Option<OnFailure>) -> bool {
        on_failure.unwrap_or(scope.runbook.on_failure) == OnFailure::Continue
    }
}
