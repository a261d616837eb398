//! What `run` and `resume` share: journal, reporters, signals, engine.

use super::changes::{ChangeArguments, local_user};
use super::exit::{CommandError, Exit};
use super::prompt::TerminalPrompt;
use super::records::Journals;
use super::report::{ReportFile, write_all};
use super::target::{ClusterArguments, guard, has_programs, needs_cluster};
use super::{Format, Global, output};
use crate::action::{Connection, environment_of_programs};
use crate::cluster::Cluster;
use crate::engine::{Clock, Engine, Kept, Recorder, Signal, Stop};
use crate::event::{Event, Mode, StepMarked};
use crate::journal::{self, Journal, Key};
use crate::plan::Plan;
use crate::secret::Masker;
use crate::state::RunState;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Length of what stands for a secret value in a record: enough to tell equal from different.
const FINGERPRINT: usize = "hmac-sha256:".len() + 16;

/// A run to be begun or gone on with.
pub(super) struct Session<'a> {
    pub(super) global: &'a Global,
    pub(super) plan: Plan,
    pub(super) cluster: &'a ClusterArguments,
    /// Kind of run.
    pub(super) mode: Mode,
    /// Whether a dry run believes a runbook that something only reads.
    pub(super) trust_reads: bool,
    /// How changes are allowed.
    pub(super) changes: &'a ChangeArguments,
    pub(super) format: Format,
    /// Files to write when the run is over, whatever came of it.
    pub(super) reports: &'a [ReportFile],
    /// The run's id.
    pub(super) run: String,
    /// The journal and what it says, of an earlier process.
    pub(super) earlier: Option<(Journal, RunState, Kept)>,
    /// What a person says of steps of that process; recorded once it is known that the run goes on.
    pub(super) marks: Vec<StepMarked>,
    /// The cluster and user that it must be.
    pub(super) expected: Expected,
}

/// What an earlier part of a run was pinned to.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) cluster_uid: Option<String>,
    pub(super) user: Option<String>,
}

impl Expected {
    /// Refuses another cluster or user than before.
    async fn check(&self, cluster: &Cluster, masker: &Masker) -> Result<(), CommandError> {
        if self.cluster_uid.is_none() && self.user.is_none() {
            return Ok(());
        }
        // a run that goes on blindly would end here for good; this way it can be gone on with when
        // the cluster answers again
        let identity = cluster.identify().await?;
        // as it was recorded
        let user = identity.user.map(|user| masker.clean(&user));
        if let (Some(before), None) = (&self.cluster_uid, &identity.cluster_uid) {
            return Err(CommandError::Usage(format!(
                "it cannot be told whether this is the cluster that the run began on, the one with \
                    kube-system {before}: the namespace kube-system cannot be read; have it \
                    allowed, or insist with --despite cluster"
            )));
        }
        let differs = |before: &Option<String>, now: &Option<String>| {
            matches!((before, now),
            (Some(before), Some(now)) if before != now)
        };
        if differs(&self.cluster_uid, &identity.cluster_uid) {
            let (before, now) = (
                self.cluster_uid.clone().unwrap_or_default(),
                identity.cluster_uid.unwrap_or_default(),
            );
            return Err(CommandError::Usage(format!(
                "this is another cluster: the run began on the one with kube-system {before}, and \
                    this one has {now}; name the right one with --context, or insist with \
                    --despite cluster"
            )));
        }
        if differs(&self.user, &user) {
            let (before, now) = (self.user.clone().unwrap_or_default(), user.unwrap_or_default());
            return Err(CommandError::Usage(format!(
                "the run began as {before}, and this is {now}; insist with --despite user"
            )));
        }
        Ok(())
    }
}

/// The folder of the records of runs.
pub(super) fn state_dir(global: &Global) -> Result<PathBuf, journal::Error> {
    global.state_dir.clone().map_or_else(journal::default_state_dir, Ok)
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

impl Session<'_> {
    /// Runs to the end.
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(CommandError::Output)?;
        let result = runtime.block_on(self.drive());
        // what still waits for a cluster that does not answer must not keep the process
        runtime.shutdown_background();
        result
    }

    async fn drive(self) -> Result<Exit, CommandError> {
        let clock = clock()?;
        let now = match clock {
            Clock::System => None,
            Clock::Fixed(now) => Some(now),
        };
        let connected = if needs_cluster(&self.plan) || self.cluster.sandbox.is_some() {
            Some(self.cluster.connect(now).await?)
        } else {
            None
        };
        let (cluster, sandbox) = match connected {
            Some(connected) => (Some(connected.cluster), connected.sandbox),
            None => (None, None),
        };
        let key = Key::of(&state_dir(self.global)?)?;
        let masker = Masker::default().with_fingerprint({
            let key = key.clone();
            move |value| key.digest(&["secret", value]).chars().take(FINGERPRINT).collect()
        });
        self.plan.runbook.learn_secrets(&self.plan.params, &masker);
        if let Some(Ok(cluster)) = &cluster {
            guard(&self.plan, cluster)?;
            self.expected.check(cluster, &masker).await?;
        }
        let bars = output::bars();
        output::trace(self.global, &masker, &bars);
        let sinks = vec![output::reporters(self.global, self.format, &bars)];
        let (journal, state, kept) = match self.earlier {
            Some((journal, state, kept)) => {
                let recorder =
                    Recorder::new(clock, masker.clone(), state, Some(journal), Vec::new());
                let by =
                    if self.marks.is_empty() { String::new() } else { who(cluster.as_ref()).await };
                for mark in self.marks {
                    recorder.record(Event::StepMarked(StepMarked { by: by.clone(), ..mark }))?;
                }
                let (journal, state) = recorder.into_parts();
                (journal, state, kept)
            }
            None => (
                Some(Journal::create(&state_dir(self.global)?, &self.run)?),
                RunState::new(),
                Kept::default(),
            ),
        };
        let kubeconfig = match (&sandbox, &journal) {
            // programs of this machine must not reach the real cluster from a simulated run
            (Some(sandbox), Some(journal)) if has_programs(&self.plan) => {
                Some(KubeconfigFile::write(journal.directory(), &sandbox.kubeconfig())?)
            }
            _ => None,
        };
        let environment = environment_of_programs(
            std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            }),
            kubeconfig
                .as_ref()
                .map(|file| file.0.display().to_string())
                .or_else(|| self.cluster.kubeconfig_file())
                .as_deref(),
        );
        let stop = Stop::new();
        let listener = tokio::spawn(listen(stop.clone(), bars.clone()));
        let typed = std::iter::once("runbook".to_owned()).chain(std::env::args().skip(1));
        let arguments: Vec<String> = typed.collect();
        let engine = Engine {
            plan: self.plan,
            mode: self.mode,
            trust_reads: self.trust_reads,
            consent: self.changes.consent(key),
            locking: self.changes.locking(),
            records: Arc::new(Journals { folder: state_dir(self.global)? }),
            cluster: cluster.map(|cluster| cluster.map(Connection::new)),
            sandbox: self.cluster.sandbox.clone(),
            recorder: Recorder::new(clock, masker, state, journal, sinks),
            prompt: Arc::new(TerminalPrompt { bars, stop: stop.clone() }),
            stop,
            invocation: self.cluster.invocation(),
            timeout: self.cluster.timeout.map(|timeout| timeout.0),
            kept,
            host: host(),
            arguments,
            environment,
        };
        let result = engine.run(&self.run).await;
        listener.abort();
        drop((sandbox, kubeconfig));
        let written = write_all(self.global, &self.run, self.reports);
        let code = result?.end_of_run().map_or(3, |end| end.exit_code);
        // a report that is missing must not look like a run that is well, and must not hide what
        // the run says
        Ok(if code == 0 && !written { Exit::NotJudged } else { Exit::Run(code) })
    }
}

/// The kubeconfig of a simulated cluster, as long as that lives.
struct KubeconfigFile(PathBuf);

impl KubeconfigFile {
    /// Writes it into a folder that only its owner can read.
    fn write(folder: &Path, text: &str) -> std::io::Result<Self> {
        let path = std::path::absolute(folder)?.join("kubeconfig");
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.write(true).create(true).truncate(true).open(&path)?.write_all(text.as_bytes())?;
        Ok(Self(path))
    }
}

impl Drop for KubeconfigFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// Who acts: the user whom the cluster sees, or that of this system where no cluster says so.
async fn who(cluster: Option<&Result<Cluster, crate::cluster::Error>>) -> String {
    let identity = match cluster {
        Some(Ok(cluster)) => cluster.identify().await.ok(),
        Some(Err(_)) | None => None,
    };
    identity.and_then(|identity| identity.user).unwrap_or_else(local_user)
}

/// Waits for signals and passes them on; the third ends the process.
async fn listen(stop: Stop, bars: indicatif::MultiProgress) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    // under nohup it stays ignored
    let mut hangup = if ignores_hangup() { None } else { signal(SignalKind::hangup()).ok() };
    loop {
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
            _ = async { match &mut hangup { Some(hangup) => hangup.recv().await,
                None => std::future::pending().await } } => Signal::Hangup,
        };
        match stop.take(signal) {
            1 => bars.suspend(|| {
                output::hint("Stopping: no further step is begun. Ctrl-C again to stop now.");
            }),
            2 => bars.suspend(|| output::hint("Stopping now.")),
            _ => std::process::exit(i32::from(signal.exit_code())),
        }
    }
}

/// Whether this process was started with SIGHUP ignored, as nohup does. Where that cannot be told,
/// it is not.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

pub(super) fn host() -> String {
    let file = std::fs::read_to_string("/etc/hostname").map(|name| name.trim().to_owned());
    std::env::var("RUNBOOK_HOST")
        .ok()
        .or_else(|| file.ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}
