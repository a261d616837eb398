//! One case, played from its situation to its end.

use super::persona::Persona;
use super::recent::Recent;
use super::stage::{Dies, Keeps, Stage, StageKind};
use crate::action::Outside;
use crate::cluster::Dial;
use crate::document::{Case, Runbook, Situation};
use crate::engine::{Clock, Sink};
use crate::journal::Durability;
use crate::sandbox::{Chosen, Loaded, Options, Prepared, Sandbox, Variation, WorldError, Worlds};
use crate::session::{
    Attended, ClusterChoice, Conduct, End, Params, Refusal, Resume, Running, Session, SessionError,
    Start, Undo, Workspace, resume, start, undo,
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// When every case begins.
pub const NOW: &str = "2026-03-10T09:30:00Z";
/// How much time of its world a process of a case may take.
const LONGEST: Duration = Duration::from_secs(48 * 3600);

/// How long before a run goes on its world is looked at again.
const BEFORE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

/// What all cases share.
pub struct Play {
    workspace: Workspace,
    worlds: Worlds,
    /// The worlds that were read.
    read: Arc<Mutex<Vec<Loaded>>>,
    /// The worlds in their states, by situation.
    prepared: Arc<Mutex<Recent>>,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its processes, in order.
    pub stages: Vec<Stage>,
    /// The objects at the beginning.
    pub before: Vec<Arc<Value>>,
    /// The objects at the end of the run itself.
    pub after: Vec<Arc<Value>>,
    /// The objects at the very end, after a second run and the undo.
    pub end: Vec<Arc<Value>>,
    /// The namespace of the run.
    pub namespace: String,
}

/// Why a case has no result.
#[derive(Debug, thiserror::Error)]
pub enum Unplayed {
    /// There is no such situation.
    #[error("{0}")]
    Situation(String),
    /// It cannot be run.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The step at which the process dies never began.
    #[error("the run never came to step `{0}`, at which it was to crash")]
    NotCrashed(String),
    /// A change of the scenario could not be made when its time came.
    #[error("{0}")]
    Change(String),
    /// It does not end.
    #[error("the run did not end within 48 hours of its world")]
    Endless,
    /// The machine refuses.
    #[error("the records of a case cannot be kept: {0}")]
    Records(#[from] std::io::Error),
}

impl Played {
    /// The last process of the run itself.
    pub(super) fn last(&self) -> Option<&Stage> {
        let of = |kind| self.stages.iter().rfind(|stage| stage.kind == kind);
        of(StageKind::Resumed).or_else(|| of(StageKind::Run))
    }

    /// What the run itself changed, before and after a crash.
    pub(super) fn changes(&self) -> Vec<String> {
        let of_run = |stage: &&Stage| matches!(stage.kind, StageKind::Run | StageKind::Resumed);
        self.stages.iter().filter(of_run).flat_map(|stage| stage.changes.clone()).collect()
    }

    /// Lets go of what only explains a difference: the objects, states and events.
    pub(super) fn forget(&mut self) {
        (self.before, self.after, self.end) = (Vec::new(), Vec::new(), Vec::new());
        self.stages.iter_mut().for_each(Stage::forget);
    }
}

impl Play {
    /// Cases of the runbooks and worlds that this workspace sees. Its records are not touched.
    pub fn new(workspace: &Workspace) -> Self {
        let (catalogue, worlds) = (workspace.catalogue(), workspace.worlds());
        let workspace = Workspace { read: Some(catalogue), ..workspace.clone() };
        Self { workspace, worlds, read: Arc::default(), prepared: Arc::default() }
    }

    /// The same with this runbook in the place of that of its name.
    #[must_use]
    pub fn with(&self, runbook: &Runbook) -> Self {
        let catalogue = self.workspace.catalogue().with(runbook.clone());
        Self {
            workspace: Workspace { read: Some(catalogue), ..self.workspace.clone() },
            worlds: self.worlds.clone(),
            read: Arc::clone(&self.read),
            prepared: Arc::clone(&self.prepared),
        }
    }

    /// Plays a case in a world that is varied. Blocks the thread, for as long as what happens takes;
    /// time that only passes takes none.
    ///
    /// # Errors
    /// Why it has no result.
    pub fn play(
        &self,
        runbook: &str,
        case: &Case,
        variations: &[Variation],
    ) -> Result<Played, Unplayed> {
        let prepared = self.prepared(case, variations)?;
        let folder = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()?;
        let played = runtime.block_on(async {
            let staging = Staging::new(self, (runbook, case), prepared, folder.path())?;
            staging.play().await
        });
        runtime.shutdown_background();
        played
    }

    /// The world in the state of a case.
    fn prepared(
        &self,
        case: &Case,
        variations: &[Variation],
    ) -> Result<(Prepared, String), Unplayed> {
        let chosen = self.situation(case)?;
        let known = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let scenario = match &case.situation {
            Situation::Named(_) => String::new(),
            Situation::Inline { scenario, .. } => scenario.to_string(),
        };
        // cases of one situation are not varied in the same way
        let same = variations.is_empty().then(|| format!("{} {scenario}", chosen.label));
        if let Some(prepared) = same.as_ref().and_then(|same| known().get(same)) {
            return Ok((prepared, chosen.label));
        }
        let now = NOW.parse().ok();
        let options = Options { now, variations: variations.to_vec(), ..Options::default() };
        let failed = |error: WorldError| Unplayed::Situation(error.to_string());
        let prepared = chosen.prepare(options).map_err(failed)?;
        if let Some(same) = same {
            known().keep(same, prepared.clone());
        }
        Ok((prepared, chosen.label))
    }

    fn situation(&self, case: &Case) -> Result<Chosen, Unplayed> {
        let failed = |error: String| Unplayed::Situation(error);
        let (name, inline) = match &case.situation {
            Situation::Named(name) => (name, None),
            Situation::Inline { world, scenario, .. } => (world, Some(scenario)),
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = self.worlds.find_again(name, None, &mut read);
        drop(read);
        let chosen = chosen.map_err(|error| failed(error.to_string()))?;
        let Some(scenario) = inline else { return Ok(chosen) };
        chosen.with(scenario).map_err(|error| failed(error.to_string()))
    }
}

/// A case on its stage.
struct Staging<'a> {
    runbook: &'a str,
    case: &'a Case,
    sandbox: Sandbox,
    label: String,
    workspace: Workspace,
    folder: &'a Path,
}

impl<'a> Staging<'a> {
    fn new(
        play: &Play,
        (runbook, case): (&'a str, &'a Case),
        (prepared, label): (Prepared, String),
        folder: &'a Path,
    ) -> Result<Self, Unplayed> {
        let now: Timestamp = NOW.parse().unwrap_or_default();
        // digests in the records depend on the key; here they must be the same every time
        Outside::put(&case.outside.files, &folder.join("machine"))?;
        std::fs::create_dir_all(folder.join("run"))?;
        std::fs::write(folder.join("run/key"), "00".repeat(32))?;
        let sandbox = prepared.start_in_memory(Options::default());
        let workspace = Workspace {
            state_dir: folder.join("run"),
            clock: Clock::starting_at(now),
            durability: Durability::Lazy,
            host: "rehearsal".to_owned(),
            directory: None,
            environment: Vec::new(),
            ..play.workspace.clone()
        };
        Ok(Self { runbook, case, sandbox, label, workspace, folder })
    }

    async fn play(&self) -> Result<Played, Unplayed> {
        let before = self.sandbox.objects();
        let (mut stages, workspace) = self.run().await?;
        let after = self.sandbox.objects();
        if self.case.twice {
            let session = start(&workspace, self.start(2))?;
            stages.push(self.stage(StageKind::Again, session).await?);
        }
        if self.case.undo {
            let conduct = self.conduct().1;
            let options = Undo { run: id(1), dry_run: false, conduct, id: Some(id(3)) };
            match undo(&workspace, options) {
                // it has cleaned up after itself
                Err(SessionError::Refused(Refusal::NothingToUndo { opaque, gone, .. }))
                    if opaque.is_empty() && !gone.is_empty() => {}
                undone => {
                    stages.push(self.stage(StageKind::Undone, undone?).await?);
                }
            }
        }
        if let Some(fault) = self.sandbox.failed().first() {
            return Err(Unplayed::Change(fault.to_string()));
        }
        let namespace = stages
            .first()
            .and_then(|stage| stage.state.target()?.namespace.clone())
            .unwrap_or_default();
        Ok(Played { stages, before, after, end: self.sandbox.objects(), namespace })
    }

    /// The workspace of the process that goes on after a crash: with the records as they were then.
    fn kept(&self) -> Workspace {
        Workspace { state_dir: self.folder.join("kept"), ..self.workspace.clone() }
    }

    /// The processes of the run itself: a run that dies, or that pauses until a time, is gone on
    /// with.
    async fn run(&self) -> Result<(Vec<Stage>, Workspace), Unplayed> {
        let mut crash = self.case.crash.as_deref();
        let (mut stages, mut workspace) = (Vec::new(), self.workspace.clone());
        let (dial, conduct) = self.conduct();
        let mut session = start(&workspace, Start { conduct, ..self.start(1) })?;
        let (mut kind, mut dial) = (StageKind::Run, dial);
        loop {
            let dies = crash.map(|step| Dies {
                at: step.to_owned(),
                dial,
                records: self.workspace.state_dir.clone(),
                kept: self.kept().state_dir,
                died: CancellationToken::new(),
            });
            let (stage, died) = self.process(kind, session, dies).await?;
            let due = stage.due();
            stages.push(stage);
            if died {
                (crash, workspace) = (None, self.kept());
            } else if let Some(due) = due.filter(|_| self.case.resume) {
                let left = due.duration_since(workspace.clock.now());
                if let Ok(until) = due.checked_sub(BEFORE) {
                    self.sandbox.unwatched(until);
                }
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            } else if let Some(step) = crash {
                return Err(Unplayed::NotCrashed(step.to_owned()));
            } else {
                return Ok((stages, workspace));
            }
            let (next, conduct) = self.conduct();
            let options =
                Resume { run: id(1), params: self.params(), conduct, ..Resume::default() };
            session = resume(&workspace, options)?;
            (kind, dial) = (StageKind::Resumed, next);
        }
    }

    /// A process that must come to its end.
    async fn stage(&self, kind: StageKind, session: Session) -> Result<Stage, Unplayed> {
        self.process(kind, session, None).await.map(|(stage, _)| stage)
    }

    /// Runs a process to its end, or until it dies; says whether it did.
    async fn process(
        &self,
        kind: StageKind,
        session: Session,
        dies: Option<Dies>,
    ) -> Result<(Stage, bool), Unplayed> {
        let (keeps, earlier) = (Keeps::default(), self.sandbox.writes().len());
        let mut attended = Attended::by(keeps.clone());
        attended.prompt = Arc::new(Persona::of(self.case));
        let died = dies.as_ref().map(|dies| dies.died.clone()).unwrap_or_default();
        attended.sinks.extend(dies.map(|dies| Box::new(dies) as Box<dyn Sink>));
        let state = tokio::select! {
            biased;
            () = died.cancelled() => None,
            end = tokio::time::timeout(LONGEST, session.run(attended)) => {
                let End { state, .. } = end.map_err(|_| Unplayed::Endless)??;
                Some(state)
            }
        };
        let is_dead = state.is_none();
        let records = keeps.records();
        let state =
            state.unwrap_or_else(|| crate::state::RunState::replay(&records).unwrap_or_default());
        let changes = self.sandbox.writes()[earlier..].iter().filter_map(change).collect();
        Ok((Stage::new(kind, state, records, changes), is_dead))
    }

    fn params(&self) -> Params {
        let values: BTreeMap<String, Value> =
            self.case.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Params { values, ..Params::default() }
    }

    fn start(&self, number: usize) -> Start {
        Start {
            runbook: self.runbook.to_owned(),
            params: self.params(),
            dry_run: self.case.dry_run,
            conduct: self.conduct().1,
            run: Some(id(number)),
            ..Start::default()
        }
    }

    /// How a process is conducted, and its way to the cluster.
    fn conduct(&self) -> (crate::sandbox::Dial, Conduct) {
        let Some(dial) = self.sandbox.dial() else {
            unreachable!("a sandbox in memory has a way to it")
        };
        let way = dial.clone();
        let running = Running {
            kubeconfig: self.sandbox.kubeconfig(),
            dial: Dial::new(move || way.connect()),
            outside: Arc::new(Outside::new(self.case.outside.clone(), self.folder.join("machine"))),
        };
        let cluster = ClusterChoice {
            sandbox: Some(self.label.clone()),
            running: Some(running),
            namespace: self.case.namespace.clone(),
            ..ClusterChoice::default()
        };
        (dial, Conduct { cluster, overrides: self.case.overrides.clone(), ..Conduct::default() })
    }
}

/// The id of a run of a case.
fn id(number: usize) -> String {
    format!("01REHEARSA{number:016}")
}

/// A request that changed something, in words: `patch deployments web-apps/web`. Locks do not count.
fn change(write: &Value) -> Option<String> {
    let text = |field: &str| write[field].as_str().unwrap_or_default();
    let made = write["status"].as_u64().is_some_and(|status| status < 400);
    if !made || text("resource") == "leases" {
        return None;
    }
    let namespace = match text("namespace") {
        "" => String::new(),
        namespace => format!("{namespace}/"),
    };
    Some(format!("{} {} {namespace}{}", text("verb"), text("resource"), text("name")))
}
