//! Allowing the step that a paused run waits with.

use super::resume::refuse_ended;
use super::{ClusterChoice, NotApproved, Notice, Refusal, SessionError, Workspace};
use crate::compare::difference;
use crate::engine::{EngineError, Recorder, digest_of_record, sealed, valid_approvals};
use crate::event::{Event, Next, PlannedChange, StepApproved, StepKind, Target};
use crate::journal::{self, Journal, Key};
use crate::secret::Masker;
use crate::state::{ChangeState, RunState, StepState};
use jiff::Timestamp;
use std::time::Duration;

/// A step that waits, and what for. The journal of its run is locked as long as this lives.
pub struct Pending {
    workspace: Workspace,
    key: Key,
    journal: Journal,
    state: RunState,
    asked: Asked,
    /// The run's id.
    pub run: String,
    /// Its runbook.
    pub runbook: String,
    /// The step that waits.
    pub step: String,
    /// The digest of the plan that waits: that of the last process that went on with the run.
    pub plan: String,
    /// What ought to be known before it is approved.
    pub notices: Vec<Notice>,
}

/// What a step waits for.
#[derive(Debug, PartialEq)]
struct Asked {
    /// What is shown.
    lines: Vec<String>,
    /// The word that must be typed.
    typed: Option<String>,
    /// What the approval is bound to.
    digest: String,
    /// Only somebody else than who goes on can give it.
    of_another: bool,
}

/// An approval to be given.
#[derive(Clone, Debug, Default)]
pub struct Approval {
    /// Who the cluster of the run says that this is ([`Pending::user`]); none if it asks none.
    pub user: Option<String>,
    /// The word that the step wants typed.
    pub typed: Option<String>,
    /// How long it holds.
    pub expires: Duration,
    /// How it was given, for the record.
    pub how: String,
}

/// An approval that was given.
#[derive(Clone, Debug)]
pub struct Approved {
    /// Who gave it.
    pub by: String,
    /// Until when it holds; for ever if none.
    pub expires: Option<Timestamp>,
}

/// The step that waits, with what it waits for.
///
/// # Errors
/// When there is no such run, when another process has it, or when the step waits for no person.
pub fn pending(workspace: &Workspace, run: &str, step: &str) -> Result<Pending, SessionError> {
    let folder = &workspace.state_dir;
    let run = journal::find(folder, run)?;
    let (reading, journal) = Journal::reopen(folder, &run, workspace.durability)?;
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    let Some(header) = state.header() else { return Err(Refusal::NoHeader { run }.into()) };
    let key = Key::of(folder, workspace.durability)?;
    refuse_ended(&run, &state)?;
    let asked = asked(&key, &run, &state, step)?;
    Ok(Pending {
        workspace: workspace.clone(),
        key,
        journal,
        asked,
        run,
        runbook: header.runbook.clone(),
        step: step.to_owned(),
        plan: plan(&state),
        notices: Notice::of_journal(&reading),
        state,
    })
}

impl Pending {
    /// What is asked, or what would be changed, line by line.
    pub fn lines(&self) -> &[String] {
        &self.asked.lines
    }

    /// The word that must be typed.
    pub fn word(&self) -> Option<&str> {
        self.asked.typed.as_deref()
    }

    /// The command that goes on with the run.
    pub fn resume_command(&self) -> Next {
        self.state.resume_command(None)
    }

    /// Whether it counts only where somebody else goes on with the run.
    pub fn of_another(&self) -> bool {
        self.asked.of_another
    }

    /// Who this is where no cluster says so.
    pub fn local_user(&self) -> String {
        self.workspace.local_user()
    }

    /// Refuses another word than the one that must be typed.
    ///
    /// # Errors
    /// When it is another, or when none is wanted.
    pub fn check(&self, typed: Option<&str>) -> Result<(), NotApproved> {
        let step = || self.step.clone();
        match (self.word(), typed) {
            (Some(word), given) if given != Some(word) => {
                Err(NotApproved::Word { step: step(), word: word.to_owned() })
            }
            (None, Some(_)) => Err(NotApproved::NoWord { step: step() }),
            _ => Ok(()),
        }
    }

    /// Who the cluster of the run says that this is; none if the run asks no cluster.
    ///
    /// # Errors
    /// When it cannot be asked, is another, or does not say it.
    pub async fn user(&self, place: &ClusterChoice) -> Result<Option<String>, SessionError> {
        let target = self.state.target().cloned().unwrap_or_default();
        if target.server.is_none() {
            return match place.impersonate {
                None => Ok(None),
                Some(_) => Err(NotApproved::NoCluster.into()),
            };
        }
        let sandbox = target.sandbox.clone().filter(|_| !place.is_named());
        let connected = ClusterChoice { sandbox, ..place.clone() }
            .connect(&self.workspace.worlds(), None)
            .await?;
        let cluster = connected.cluster?;
        let identity = cluster.identify().await?;
        let server = cluster.target().server;
        let Target { server: of_run, cluster_uid: uid_of_run, .. } = target;
        let same = match (&uid_of_run, &identity.cluster_uid) {
            (Some(run), Some(this)) => run == this,
            // who approves need not be allowed to read kube-system
            _ => of_run.as_ref() == Some(&server),
        };
        if !same {
            let uid = identity.cluster_uid;
            return Err(NotApproved::OtherCluster { server, uid, of_run, uid_of_run }.into());
        }
        identity.user.map(Some).ok_or_else(|| NotApproved::NoUser.into())
    }

    /// Records the approval, sealed. The run goes on when it is resumed.
    ///
    /// # Errors
    /// When the word is not the one that is wanted, or when it cannot be recorded.
    pub fn approve(self, approval: Approval) -> Result<Approved, SessionError> {
        self.check(approval.typed.as_deref())?;
        let Approval { user, expires, how, .. } = approval;
        let by = user.clone().unwrap_or_else(|| self.local_user());
        let clock = self.workspace.clock;
        let long = jiff::SignedDuration::try_from(expires).unwrap_or(jiff::SignedDuration::MAX);
        let expires = clock.now().checked_add(long).ok();
        let approval = StepApproved {
            path: self.step,
            by: by.clone(),
            how,
            plan: self.plan,
            changes: self.asked.digest,
            expires,
            user,
            seal: String::new(),
        };
        let recorder =
            Recorder::new(clock, Masker::new(), self.state, Some(self.journal), Vec::new());
        // the seal is one of what stands in the record
        let approval = recorder.as_recorded(approval);
        recorder.record(Event::StepApproved(sealed(&self.key, &self.run, approval)))?;
        Ok(Approved { by, expires })
    }
}

/// The approval with which a step that waits goes on when its run is resumed by who ran it.
///
/// # Errors
/// When the key that approvals are sealed with cannot be read.
pub(super) fn approval_of(
    workspace: &Workspace,
    run: &str,
    state: &RunState,
    path: &str,
) -> Result<Option<StepApproved>, SessionError> {
    if state.approvals().iter().all(|(_, approval)| approval.path != path) {
        return Ok(None);
    }
    let key = Key::of(&workspace.state_dir, workspace.durability)?;
    let Ok(asked) = asked(&key, run, state, path) else { return Ok(None) };
    let (plan, now) = (plan(state), workspace.clock.now());
    let who_ran = state.target().and_then(|target| target.user.as_ref());
    let counts = |given: &&StepApproved| !asked.of_another || given.user.as_ref() != who_ran;
    let mut valid = valid_approvals(&key, run, state, path, (&plan, &asked.digest), now);
    Ok(valid.find(counts).cloned())
}

/// The digest of the plan that waits.
fn plan(state: &RunState) -> String {
    state
        .resumes()
        .last()
        .map(|resumed| &resumed.digest)
        .or_else(|| state.header().map(|header| &header.digest))
        .cloned()
        .unwrap_or_default()
}

/// What a step waits for that an approval can give.
///
/// # Errors
/// Why it waits for none.
fn asked(key: &Key, run: &str, state: &RunState, path: &str) -> Result<Asked, NotApproved> {
    let (run_id, step_path) = (run.to_owned(), path.to_owned());
    let step = match state.step(path) {
        Some(step @ StepState::Begun { .. }) => step,
        Some(StepState::Finished(_)) => {
            return Err(NotApproved::Over { run: run_id, step: step_path });
        }
        None => {
            let waiting = state.running().into_iter().map(str::to_owned).collect();
            return Err(NotApproved::NotWaiting { run: run_id, step: step_path, waiting });
        }
    };
    if state.in_doubt().contains(&path) {
        return Err(NotApproved::InDoubt { run: run_id, step: step_path });
    }
    if let Some(question) = state.question(path) {
        let lines = vec![question.question.clone()];
        return Ok(Asked {
            lines,
            typed: question.typed.clone(),
            digest: question.digest.clone(),
            of_another: *step.action() == StepKind::Approve,
        });
    }
    let open: Vec<PlannedChange> = state
        .changes_of(path)
        .iter()
        .filter(|change| !change.is_made())
        .map(|change| change.planned.clone())
        .collect();
    let Some(digest) = state.changes_digest(path).filter(|_| !open.is_empty()).map(str::to_owned)
    else {
        return Err(match step.action() {
            StepKind::Confirm | StepKind::Approve => {
                NotApproved::NoQuestion { run: run_id, step: step_path }
            }
            action => {
                let action = action.to_string();
                NotApproved::NoPerson { run: run_id, step: step_path, action }
            }
        });
    };
    if !is_as_planned(key, run, state, path, &digest) {
        return Err(NotApproved::NotAsPlanned { run: run_id, step: step_path });
    }
    Ok(Asked {
        lines: difference(&open),
        typed: state.typed(path).map(str::to_owned),
        digest,
        of_another: false,
    })
}

/// Whether what the record has of the changes of a step is what was planned.
fn is_as_planned(key: &Key, run: &str, state: &RunState, path: &str, digest: &str) -> bool {
    let planned: Vec<PlannedChange> =
        state.planned(path).iter().map(|ChangeState { planned, .. }| planned.clone()).collect();
    let cluster = state.target().and_then(|target| target.cluster_uid.as_deref());
    match digest_of_record(key, [run, cluster.unwrap_or_default(), path], &planned) {
        Some(found) => found == digest,
        // what is sent is not in the record: it is worked out and compared when the run goes on
        None => digest.starts_with("hmac-sha256:"),
    }
}
