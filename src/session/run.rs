//! A run that is about to happen, and its way to the end: cluster, journal, engine.

use super::protect::protect;
use super::records::Journals;
use super::target::{guard, has_programs, needs_cluster};
use super::trust::{trust, untrusted};
use super::workspace::Draw;
use super::{
    Attended, Conduct, Connected, Notice, Params, Refusal, SessionError, Untrusted, Workspace,
};
use crate::action::{Connection, PrivateKubeconfig, Programs};
use crate::cluster::Cluster;
use crate::engine::{Consent, Engine, Kept, Page, Recorder, Signal};
use crate::event::{AnsweredAlert, Event, FindingConcluded, Mode, Part, StepMarked, Verdict};
use crate::journal::{self, Journal, Key, is_running};
use crate::plan::Plan;
use crate::secret::Masker;
use crate::state::RunState;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Length of what stands for a secret value in a record: enough to tell equal from different.
const FINGERPRINT: usize = "hmac-sha256:".len() + 16;

/// A run to be begun or gone on with. Nothing of it has happened yet; a run that is resumed holds
/// the lock of its journal.
pub struct Session {
    workspace: Workspace,
    plan: Plan,
    /// Kind of run.
    mode: Mode,
    /// Id of the run that it undoes, if it does.
    undoes: Option<String>,
    /// The alert that it answers, if it does.
    alert: Option<AnsweredAlert>,
    /// The part of the runbook that it does.
    part: Part,
    conduct: Conduct,
    /// The run's id.
    run: String,
    /// What its records are sealed with.
    key: Key,
    masker: Masker,
    /// What nobody trusts yet.
    untrusted: Vec<Untrusted>,
    /// The journal and what it says, of an earlier process.
    earlier: Option<(Journal, RunState, Kept)>,
    /// What a person says of steps of that process; recorded once it is known that the run goes on.
    marks: Vec<StepMarked>,
    /// The cluster and user that it must be.
    expected: Expected,
    notices: Vec<Notice>,
}

/// What every run begins with.
pub(super) struct Begin {
    pub(super) plan: Plan,
    pub(super) mode: Mode,
    /// Id of the run that it undoes, if it does.
    pub(super) undoes: Option<String>,
    /// The alert that it answers, if it does.
    pub(super) alert: Option<AnsweredAlert>,
    /// The part of the runbook that it does.
    pub(super) part: Part,
    pub(super) run: String,
    pub(super) conduct: Conduct,
}

/// The end of a run, or of this process's part of it.
pub struct End {
    /// The run's id.
    pub run: String,
    /// Everything that is known of it.
    pub state: RunState,
}

impl End {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.state.end_of_run().map_or(Verdict::Error, |end| end.verdict)
    }

    /// The exit code that goes with it.
    pub fn exit_code(&self) -> u8 {
        // that a run has no end cannot be: it would be one that nobody judged
        self.state.end_of_run().map_or(3, |end| end.exit_code)
    }

    /// The causes that were found, in the order of the runbook.
    pub fn findings(&self) -> &[FindingConcluded] {
        self.state.findings()
    }
}

impl Session {
    pub(super) fn new(workspace: &Workspace, begin: Begin) -> Result<Self, SessionError> {
        let Begin { plan, mode, undoes, alert, part, run, mut conduct } = begin;
        conduct.cluster.choose(workspace, plan.runbook.sandbox.as_ref())?;
        let untrusted = untrusted(workspace, &plan, &conduct.trusted)?;
        let all_rights = conduct
            .cluster
            .impersonate
            .as_ref()
            .filter(|_| conduct.cluster.sandbox.is_some())
            .map(|user| Notice::AllRights { user: user.clone() });
        let key = Key::of(&workspace.state_dir, workspace.durability)?;
        let masker = Masker::default().with_fingerprint({
            let key = key.clone();
            move |value| key.digest(&["secret", value]).chars().take(FINGERPRINT).collect()
        });
        masker.show(&plan.runbook.name);
        plan.runbook.learn_secrets(&plan.params, &masker);
        Ok(Self {
            workspace: workspace.clone(),
            plan,
            mode,
            undoes,
            alert,
            part,
            conduct,
            run,
            key,
            masker,
            untrusted,
            earlier: None,
            marks: Vec::new(),
            expected: Expected::default(),
            notices: all_rights.into_iter().collect(),
        })
    }

    /// The same run, in which secrets are known as they were typed: their escapes may be others than
    /// those of their values.
    pub(super) fn with_typed(self, params: &Params) -> Self {
        let runbook = &self.plan.runbook;
        let secret = params.texts.iter().filter(|(name, _)| runbook.is_secret(name));
        secret.for_each(|(name, text)| self.masker.learn(text, name));
        self
    }

    /// The same run as another process left it.
    pub(super) fn going_on(
        self,
        earlier: (Journal, RunState, Kept),
        marks: Vec<StepMarked>,
        expected: Expected,
        notices: Vec<Notice>,
    ) -> Self {
        let notices = self.notices.iter().cloned().chain(notices).collect();
        Self { earlier: Some(earlier), marks, expected, notices, ..self }
    }

    /// The same run, on this cluster alone.
    pub(super) fn on(self, expected: Expected, notices: Vec<Notice>) -> Self {
        let notices = self.notices.iter().cloned().chain(notices).collect();
        Self { expected, notices, ..self }
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.run
    }

    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is secret in it, for whoever writes besides the sinks.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// What ought to be known before it is run.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The runbooks that a person has to trust before it can be run.
    pub fn untrusted(&self) -> &[Untrusted] {
        &self.untrusted
    }

    /// Trusts a runbook from now on, also in later runs.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn trust(&mut self, trusted: &Untrusted) -> Result<(), SessionError> {
        trust(&self.workspace, trusted)?;
        self.untrusted.retain(|open| open.digest != trusted.digest);
        Ok(())
    }

    /// Runs to the end, which may be a pause. Events go to the journal, then to the sinks.
    ///
    /// # Errors
    /// When it may not be run, when the cluster cannot be asked at all, or when the records cannot
    /// be kept. A run that is judged, interrupted or paused is an end and no error.
    pub async fn run(mut self, attended: Attended) -> Result<End, SessionError> {
        if let Some(first) = self.untrusted.first() {
            let (file, digest) = (first.file.clone(), first.short().to_owned());
            return Err(Refusal::Untrusted { file, digest }.into());
        }
        let Attended { sinks, prompt, stop, called } = attended;
        let connected = tokio::select! {
            biased;
            connected = self.connect() => connected?,
            () = stop.token(false).cancelled() => {
                return Err(SessionError::Stopped(stop.signal().unwrap_or(Signal::Interrupt)));
            }
        };
        let (cluster, sandbox) = match connected {
            Some(Connected { cluster, sandbox }) => (Some(cluster), sandbox),
            None => (None, None),
        };
        let clock = self.workspace.clock;
        let (journal, state, kept) = match self.earlier.take() {
            Some(earlier) => {
                let marks = (std::mem::take(&mut self.marks), &self.masker);
                marked(earlier, marks, cluster.as_ref(), &self.workspace).await?
            }
            None => {
                let Workspace { state_dir, durability, .. } = &self.workspace;
                let journal = Journal::create(state_dir, &self.run, *durability)?;
                (Some(journal), RunState::new(), Kept::default())
            }
        };
        let programs = self.programs(cluster.as_ref()).await?;
        let place = &self.conduct.cluster;
        // a rehearsal has a time of its own
        let usual = self.workspace.timeout.filter(|_| place.running.is_none());
        let engine = Engine {
            plan: self.plan,
            mode: self.mode,
            undoes: self.undoes,
            alert: self.alert,
            part: self.part,
            trust_reads: self.conduct.trust_reads,
            consent: Consent {
                yes: self.conduct.yes,
                overrides: self.conduct.overrides,
                operator: self.workspace.local_user(),
                key: self.key,
            },
            locking: self.conduct.locking,
            records: Arc::new(Journals { folder: self.workspace.state_dir.clone() }),
            cluster: cluster.map(|cluster| cluster.map(Connection::new)),
            sandbox: place.sandbox.clone(),
            recorder: Recorder::new(clock, self.masker, state, journal, sinks),
            arguments: called,
            prompt,
            stop,
            invocation: place.invocation(&self.workspace.catalogue_options),
            timeout: self.conduct.timeout.or(usual),
            kept,
            host: self.workspace.host.clone(),
            directory: self.workspace.directory.clone(),
            programs,
            outside: place.running.as_ref().map(|running| Arc::clone(&running.outside)),
            page: self.workspace.page.map(|draw| page(&self.workspace.state_dir, &self.run, draw)),
        };
        let state = engine.run(&self.run).await?;
        drop(sandbox);
        Ok(End { run: self.run, state })
    }

    /// What programs of this machine get: the cluster of the run, or without one the one that it
    /// would ask.
    async fn programs(
        &self,
        cluster: Option<&Result<Cluster, crate::cluster::Error>>,
    ) -> Result<Programs, SessionError> {
        let environment = self.workspace.environment.iter().cloned();
        if !has_programs(&self.plan) {
            return Ok(Programs::new(environment, None));
        }
        let config = match cluster {
            Some(cluster) => cluster.as_ref().ok().map(|cluster| cluster.client_config().clone()),
            None => self.conduct.cluster.client_config().await?,
        };
        let Some(config) = config else { return Ok(Programs::new(environment, None)) };
        if cluster.is_none() {
            self.guard(config.context())?;
        }
        config.secrets().for_each(|secret| self.masker.learn(secret, "kubeconfig"));
        remove_left_behind(&self.workspace.state_dir);
        let folder = kubeconfigs(&self.workspace.state_dir).join(&self.run);
        Ok(Programs::new(environment, Some(PrivateKubeconfig::new(folder, config))))
    }

    /// Refuses a context in which this must not happen.
    fn guard(&self, context: Option<&str>) -> Result<(), Refusal> {
        let place = &self.conduct.cluster;
        guard(&self.plan, place, context)?;
        protect(&self.workspace, (&self.plan, self.mode), place, context)
    }

    /// The cluster, if it asks one, found to be one that it may act on.
    async fn connect(&self) -> Result<Option<Connected>, SessionError> {
        let place = &self.conduct.cluster;
        if !needs_cluster(&self.plan) && place.sandbox.is_none() {
            return Ok(None);
        }
        let now = self.workspace.clock.of_simulation();
        let connected = place.connect(&self.workspace.worlds(), now).await?;
        if let Ok(cluster) = &connected.cluster {
            self.guard(cluster.target().context.as_deref())?;
            self.expected.check(cluster, &self.masker).await?;
        }
        Ok(Some(connected))
    }
}

/// What an earlier part of a run was pinned to.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) cluster_uid: Option<String>,
    pub(super) user: Option<String>,
}

impl Expected {
    /// Refuses another cluster or user than before.
    async fn check(&self, cluster: &Cluster, masker: &Masker) -> Result<(), SessionError> {
        if self.cluster_uid.is_none() && self.user.is_none() {
            return Ok(());
        }
        // a run that goes on blindly would end here for good; this way it can be gone on with when
        // the cluster answers again
        let identity = cluster.identify().await?;
        // as it was recorded
        let user = identity.user.map(|user| masker.clean(&user));
        if let (Some(before), None) = (&self.cluster_uid, &identity.cluster_uid) {
            return Err(Refusal::ClusterUnknown { before: before.clone() }.into());
        }
        if let (Some(before), Some(now)) = (&self.cluster_uid, identity.cluster_uid)
            && *before != now
        {
            return Err(Refusal::OtherCluster { before: before.clone(), now }.into());
        }
        if let (Some(before), Some(now)) = (&self.user, user)
            && *before != now
        {
            return Err(Refusal::OtherUser { before: before.clone(), now }.into());
        }
        Ok(())
    }
}

/// Where the kubeconfigs of the programs of runs are, in a folder for each run.
fn kubeconfigs(state_dir: &Path) -> PathBuf {
    std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned()).join("kubeconfigs")
}

/// Removes the kubeconfigs of runs that were killed.
fn remove_left_behind(state_dir: &Path) {
    let entries = std::fs::read_dir(kubeconfigs(state_dir)).into_iter().flatten().flatten();
    for entry in entries {
        let run = entry.file_name();
        if run.to_str().is_some_and(|run| !is_running(state_dir, run)) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// Records what a person says of steps of an earlier process.
async fn marked(
    (journal, state, kept): (Journal, RunState, Kept),
    (marks, masker): (Vec<StepMarked>, &Masker),
    cluster: Option<&Result<Cluster, crate::cluster::Error>>,
    workspace: &Workspace,
) -> Result<(Option<Journal>, RunState, Kept), SessionError> {
    if marks.is_empty() {
        return Ok((Some(journal), state, kept));
    }
    let by = who(cluster, workspace).await;
    let recorder = Recorder::new(workspace.clock, masker.clone(), state, Some(journal), Vec::new());
    for mark in marks {
        recorder.record(Event::StepMarked(StepMarked { by: by.clone(), ..mark }))?;
    }
    let (journal, state) = recorder.into_parts();
    Ok((journal, state, kept))
}

/// Who acts: the user whom the cluster sees, or that of this system where no cluster says so.
async fn who(
    cluster: Option<&Result<Cluster, crate::cluster::Error>>,
    workspace: &Workspace,
) -> String {
    let identity = match cluster {
        Some(Ok(cluster)) => cluster.identify().await.ok(),
        Some(Err(_)) | None => None,
    };
    identity.and_then(|identity| identity.user).unwrap_or_else(|| workspace.local_user())
}

/// The run so far as a page, from its own journal.
fn page(state_dir: &Path, run: &str, draw: Draw) -> Page {
    let (state_dir, run) = (state_dir.to_owned(), run.to_owned());
    Arc::new(move || {
        let reading = journal::read(&state_dir, &run).ok();
        let state = reading.as_ref().and_then(|read| RunState::replay(&read.records).ok());
        reading.zip(state).map(|(read, state)| draw(&read.records, &state)).unwrap_or_default()
    })
}
