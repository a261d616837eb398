//! `runbook approve RUN --step STEP`

use super::arguments::workspace;
use super::exit::{CommandError, Exit};
use super::prompt::{TerminalPrompt, coloured};
use super::{Global, output};
use crate::action::{Duration, Prompt, Question};
use crate::engine::Stop;
use crate::session::{Approval, ClusterChoice, Pending, SessionError, pending};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// Paused run: its id, a part of it, latest, or latest:RUNBOOK
    run: String,
    /// Path of the waiting step
    #[arg(long)]
    step: String,
    /// Word that the step requires as confirmation
    #[arg(long, value_name = "WORD")]
    typed: Option<String>,
    /// How long the approval is valid
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    expires: Duration,
    /// Approve without a prompt
    #[arg(short, long)]
    yes: bool,
    /// Kubeconfig context that identifies the approver
    #[arg(long)]
    context: Option<String>,
    /// Kubeconfig file that identifies the approver
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// User to impersonate, as in kubectl
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
}

pub(super) fn approve(global: &Global, arguments: &ApproveArguments) -> Result<Exit, CommandError> {
    let pending = pending(&workspace(global)?, &arguments.run, &arguments.step)?;
    let (path, runbook, plan) = (&pending.step, &pending.runbook, &pending.plan);
    output::notices(&pending.notices);
    output::hint(&format!("{runbook}  {path}  (plan {})", plan.get(..19).unwrap_or(plan)));
    pending.lines().iter().for_each(|line| output::hint(&format!("  {}", coloured(line))));
    pending.check(arguments.typed.as_deref()).map_err(SessionError::from)?;
    let user = user(&pending, arguments)?;
    let by = user.clone().unwrap_or_else(|| pending.local_user());
    if !arguments.yes && pending.word().is_none() {
        let prompt = TerminalPrompt { bars: output::bars(), stop: Stop::new() };
        let text = format!("Approve step {path} of {runbook} as {by}?");
        let why = match prompt.ask(&Question { text, ..Question::default() }) {
            Some(true) => None,
            Some(false) => Some("not approved; the run stays paused"),
            None => Some("no valid answer, or no terminal; to approve without a prompt: --yes"),
        };
        if let Some(why) = why {
            return Err(CommandError::Usage(why.to_owned()));
        }
    }
    let how =
        if arguments.impersonate.is_some() { "runbook approve --as" } else { "runbook approve" };
    let (next, of_another) = (pending.resume_command(), pending.of_another());
    let approved = pending.approve(Approval {
        user,
        typed: arguments.typed.clone(),
        expires: arguments.expires.0,
        how: how.to_owned(),
    })?;
    let until = approved.expires.map(|time| format!(" until {time:.0}")).unwrap_or_default();
    output::write(&format!("approved by {by}{until}\n"))?;
    if of_another {
        output::hint(&format!("It is valid only if a person other than {by} resumes the run."));
    }
    output::hint(&format!("To continue: {next}"));
    Ok(Exit::Passed)
}

/// Who the cluster of the run says that this is; none if the run asks no cluster.
fn user(pending: &Pending, arguments: &ApproveArguments) -> Result<Option<String>, CommandError> {
    let ApproveArguments { context, kubeconfig, impersonate, .. } = arguments;
    let place = ClusterChoice {
        context: context.clone(),
        kubeconfig: kubeconfig.clone(),
        impersonate: impersonate.clone(),
        ..ClusterChoice::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(CommandError::Output)?;
    let user = runtime.block_on(pending.user(&place));
    runtime.shutdown_background();
    Ok(user?)
}
