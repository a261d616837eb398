//! `runbook approve RUN --step STEP`

use super::changes::local_user;
use super::exit::{CommandError, Exit};
use super::prompt::{TerminalPrompt, coloured};
use super::resume::refuse_ended;
use super::session::{clock, state_dir};
use super::target::ClusterArguments;
use super::{Global, output};
use crate::action::{Duration, Prompt, shell_word};
use crate::engine::{Recorder, Stop, digest_of_record, sealed};
use crate::event::{Event, PlannedChange, StepApproved, StepKind, Target};
use crate::journal::{self, Journal, Key};
use crate::secret::Masker;
use crate::state::{ChangeState, RunState, StepState};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// Id of the paused run, or the end of it
    run: String,
    /// The step that waits
    #[arg(long)]
    step: String,
    /// The word that the step wants typed
    #[arg(long, value_name = "WORD")]
    typed: Option<String>,
    /// How long the approval holds
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    expires: Duration,
    /// Do not ask again
    #[arg(short, long)]
    yes: bool,
    /// Context of the kubeconfig that says who approves
    #[arg(long)]
    context: Option<String>,
    /// Kubeconfig file that says who approves
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate, as kubectl does
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
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

pub(super) fn approve(global: &Global, arguments: &ApproveArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let (reading, journal) = Journal::reopen(&folder, &run)?;
    output::of_journal(&reading);
    let state = RunState::replay(&reading.records).map_err(crate::engine::EngineError::from)?;
    let usage = |text: String| Err(CommandError::Usage(text));
    let Some(header) = state.header().cloned() else {
        return usage(format!("run {run} has no header"));
    };
    let path = arguments.step.as_str();
    let key = Key::of(&folder)?;
    refuse_ended(&run, &state)?;
    let asked = asked(&key, &run, &state, path).map_err(CommandError::Usage)?;
    let plan = plan(&state);
    output::hint(&format!(
        "{}  {path}  (plan {})",
        header.runbook,
        plan.get(..19).unwrap_or(&plan)
    ));
    asked.lines.iter().for_each(|line| output::hint(&format!("  {}", coloured(line))));
    match (&asked.typed, &arguments.typed) {
        (Some(word), given) if given.as_ref() != Some(word) => {
            return usage(format!("step {path} wants a word typed: --typed {}", shell_word(word)));
        }
        (None, Some(_)) => {
            return usage(format!("step {path} wants no word typed: leave out --typed"));
        }
        _ => {}
    }
    let user = user(&state.target().cloned().unwrap_or_default(), arguments)?;
    let by = user.clone().unwrap_or_else(local_user);
    if !arguments.yes && asked.typed.is_none() {
        let prompt = TerminalPrompt { bars: output::bars(), stop: Stop::new() };
        match prompt.ask(&format!("Approve step {path} of {} as {by}?", header.runbook), None) {
            Some(true) => {}
            Some(false) => return usage("not approved".to_owned()),
            None => {
                return usage(
                    "there is no terminal to ask on, or no answer: say it with --yes".to_owned(),
                );
            }
        }
    }
    let clock = clock()?;
    let expires = clock
        .now()
        .checked_add(
            jiff::SignedDuration::try_from(arguments.expires.0)
                .unwrap_or(jiff::SignedDuration::MAX),
        )
        .ok();
    let how =
        if arguments.impersonate.is_some() { "runbook approve --as" } else { "runbook approve" }
            .to_owned();
    let approval = StepApproved {
        path: path.to_owned(),
        by: by.clone(),
        how,
        plan,
        changes: asked.digest,
        expires,
        user,
        seal: String::new(),
    };
    let recorder = Recorder::new(clock, Masker::new(), state, Some(journal), Vec::new());
    // the seal is one of what stands in the record
    let approval = recorder.as_recorded(approval);
    recorder.record(Event::StepApproved(sealed(&key, &run, approval)))?;
    let until = expires.map(|time| format!(" until {time:.0}")).unwrap_or_default();
    output::write(&format!("approved by {by}{until}\n"))?;
    if asked.of_another {
        output::hint(&format!("It counts where someone else than {by} goes on with the run."));
    }
    output::hint(&format!("Go on with: runbook resume {}", journal::short_id(&run)));
    Ok(Exit::Passed)
}

/// The digest of the plan that waits: that of the last process that went on with the run.
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
/// Why it waits for none, and what helps instead.
fn asked(key: &Key, run: &str, state: &RunState, path: &str) -> Result<Asked, String> {
    let id = journal::short_id(run);
    let resume = format!("runbook resume {id}");
    let step = match state.step(path) {
        Some(step @ StepState::Begun { .. }) => step,
        Some(StepState::Finished(_)) => return Err(format!("step {path} of run {run} is over")),
        None => {
            let waiting = state.running().join(", ");
            return Err(format!(
                "step {path} of run {run} waits for nothing; waiting: {}",
                if waiting.is_empty() { "none" } else { &waiting }
            ));
        }
    };
    if state.in_doubt().contains(&path) {
        let place = shell_word(path);
        return Err(format!(
            "step {path} is in doubt, and an approval does not say how it ended: {resume} looks at \
                the cluster; if you know it, say it with {resume} --mark-done {place} --reason \
                '…', or with --mark-not-done"
        ));
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
                format!(
                    "what step {path} asks is not in the record, which an earlier version wrote: \
                        {resume} asks anew, and can then be approved"
                )
            }
            action => format!(
                "step {path} ({action}) waits for no person: it was stopped, and {resume} does it \
                    again"
            ),
        });
    };
    let planned: Vec<PlannedChange> =
        state.planned(path).iter().map(|ChangeState { planned, .. }| planned.clone()).collect();
    let place = [
        run,
        state.target().and_then(|target| target.cluster_uid.as_deref()).unwrap_or_default(),
        path,
    ];
    let as_planned = match digest_of_record(key, place, &planned) {
        Some(found) => found == digest,
        // what is sent is not in the record: it is worked out and compared when the run goes on
        None => digest.starts_with("hmac-sha256:"),
    };
    if !as_planned {
        return Err(format!(
            "what step {path} would send is not what was planned: an earlier version recorded it, \
                or the record was changed; {resume} plans it again"
        ));
    }
    Ok(Asked {
        lines: crate::engine::difference(&open),
        typed: state.typed(path).map(str::to_owned),
        digest,
        of_another: false,
    })
}

/// Who the cluster of the run says that this is; none if the run asks no cluster.
fn user(target: &Target, arguments: &ApproveArguments) -> Result<Option<String>, CommandError> {
    let ApproveArguments { context, kubeconfig, impersonate, .. } = arguments;
    if target.server.is_none() {
        return match impersonate {
            None => Ok(None),
            Some(_) => Err(CommandError::Usage(
                "the run asks no cluster, so that --as means nothing".to_owned(),
            )),
        };
    }
    let named = context.is_some() || kubeconfig.is_some();
    let sandbox = target.sandbox.clone().filter(|_| !named);
    let cluster =
        ClusterArguments::of(sandbox, context.clone(), kubeconfig.clone(), impersonate.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(CommandError::Output)?;
    let asked: Result<Option<String>, CommandError> = runtime.block_on(async {
        let connected = cluster.connect(None).await?;
        let cluster = connected.cluster?;
        let identity = cluster.identify().await?;
        let server = cluster.target().server;
        let same = match (&target.cluster_uid, &identity.cluster_uid) {
            (Some(run), Some(this)) => run == this,
            // who approves need not be allowed to read kube-system
            _ => target.server.as_ref() == Some(&server),
        };
        if same {
            Ok(identity.user)
        } else {
            Err(CommandError::Usage(elsewhere(target, &server, identity.cluster_uid.as_deref())))
        }
    });
    runtime.shutdown_background();
    match asked? {
        Some(user) => Ok(Some(user)),
        None => Err(CommandError::NotJudged(
            "the cluster does not say who this is, and nobody else does: it reviews no subjects \
                (Kubernetes before 1.28), or does not let this user ask; nothing was recorded"
                .to_owned(),
        )),
    }
}

/// Why the word of another cluster does not count.
fn elsewhere(target: &Target, server: &str, uid: Option<&str>) -> String {
    let known = |uid: Option<&str>| {
        uid.map_or("a kube-system that may not be read".to_owned(), |uid| {
            format!("kube-system {uid}")
        })
    };
    format!(
        "this is another cluster, {server} with {}, and the run is on {} with {}; name the right \
            one with --context or --kubeconfig; nothing was recorded",
        known(uid),
        target.server.as_deref().unwrap_or("none"),
        known(target.cluster_uid.as_deref())
    )
}
