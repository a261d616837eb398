//! How a run stands: what is done, in doubt and left of it.

use super::approve::approval_of;
use super::{Notice, SessionError, Workspace};
use crate::action::group_is_alive;
use crate::engine::EngineError;
use crate::event::{Outcome, ProgramStarted, StepApproved, Verdict};
use crate::journal;
use crate::state::{RunState, StepState};

/// How a run stands. The steps are said by their paths.
pub struct Status {
    /// The run's id.
    pub run: String,
    /// Everything that is known of it.
    pub state: RunState,
    /// Steps that ended well.
    pub done: Vec<String>,
    /// Steps that ended otherwise.
    pub not_passed: Vec<String>,
    /// Steps of which it is not known whether they were done.
    pub in_doubt: Vec<String>,
    /// Steps that were begun and have not ended.
    pub waiting: Vec<String>,
    /// The approvals with which steps that wait go on when the run is resumed.
    pub approved: Vec<StepApproved>,
    /// Steps that were not begun.
    pub left: Vec<String>,
    /// Programs that may still be running; of another machine nobody here knows.
    pub programs: Vec<ProgramStarted>,
    /// Whether it can be gone on with.
    pub resumable: bool,
    /// Whether something can be taken back.
    pub undoable: bool,
    /// What ought to be known of its journal.
    pub notices: Vec<Notice>,
}

impl Status {
    /// How it ended; none if it runs, or its process died.
    pub fn verdict(&self) -> Option<Verdict> {
        self.state.end_of_run().map(|end| end.verdict)
    }

    /// Whether the step that waits at this path goes on when the run is resumed.
    pub fn is_approved(&self, path: &str) -> bool {
        self.approved.iter().any(|approval| approval.path == path)
    }
}

/// How a run stands, which may be in progress.
///
/// # Errors
/// When there is no such run, or its journal cannot be read.
pub fn status(workspace: &Workspace, run: &str) -> Result<Status, SessionError> {
    let run = journal::find(&workspace.state_dir, run)?;
    let reading = journal::read(&workspace.state_dir, &run)?;
    let mut state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    state.see_running(journal::is_running(&workspace.state_dir, &run));
    let owned = |paths: Vec<&str>| paths.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let in_doubt = owned(state.in_doubt());
    let paths = |wanted: &dyn Fn(&StepState) -> bool| -> Vec<String> {
        state
            .steps()
            .filter(|(path, step)| {
                !in_doubt.iter().any(|doubt| doubt == path)
                    && !step.action().is_group()
                    && wanted(step)
            })
            .map(|(path, _)| path.to_owned())
            .collect()
    };
    let good = |step: &StepState| step.outcome().is_some_and(Outcome::is_good);
    let not_good = |step: &StepState| {
        step.outcome().is_some_and(|outcome| !outcome.is_good() && outcome != Outcome::Skipped)
    };
    let (done, not_passed) = (paths(&good), paths(&not_good));
    let waiting = paths(&|step| step.outcome().is_none());
    let approvals = waiting.iter().map(|path| approval_of(workspace, &run, &state, path));
    let approved = approvals.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let may_run =
        |program: &&ProgramStarted| program.host != workspace.host || group_is_alive(program.group);
    Ok(Status {
        run,
        done,
        not_passed,
        waiting,
        approved,
        left: owned(state.not_begun()),
        programs: state.programs_without_end().filter(may_run).cloned().collect(),
        resumable: state.is_resumable(),
        undoable: state.has_lasting_changes() && in_doubt.is_empty(),
        in_doubt,
        notices: Notice::of_journal(&reading),
        state,
    })
}
