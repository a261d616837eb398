//! What to type when a command was refused.

use crate::action::shell_word;
use crate::event::{Verdict, assignment, short_id};
use crate::session::{NotApproved, Refusal};

/// A refusal in words, with what to type next.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let advice = match refusal {
        Refusal::TwoNamespaces { namespace, param, value } => {
            return format!(
                "-n {namespace} and --set {param}={value} conflict: -n sets the parameter \
                    `{param}`; use only one of them"
            );
        }
        Refusal::Approval(error) => return not_approved(error),
        Refusal::Context { .. }
        | Refusal::RealCluster
        | Refusal::NoHeader { .. }
        | Refusal::NoStep { .. }
        | Refusal::NoSuchStep { near: Some(_), .. }
        | Refusal::PartOfAChange { .. }
        | Refusal::NothingToUndo { .. } => String::new(),
        Refusal::Protected { context, .. } => {
            format!(": name it, if it is the one that you mean: --context {}", shell_word(context))
        }
        Refusal::NoSuchStep { runbook, near: None, .. } | Refusal::EmptyPart { runbook } => {
            format!("; to list its steps: runbook plan {runbook}")
        }
        Refusal::Untrusted { digest, .. } => format!(
            "; review it, then run again with --trust {digest}, or pass its directory with \
                --catalogue"
        ),
        Refusal::Elsewhere { began: (host, directory), .. } => format!(
            ": the run was started in {directory} on {host}; resume it there, or pass the directory of \
                its runbooks with --catalogue"
        ),
        Refusal::Withheld { param, .. } => {
            format!(": pass it again in the environment, as {}", assignment(param))
        }
        Refusal::Ended { verdict: Verdict::Cancelled, .. } => {
            ": its `always` steps have cleaned up; run the runbook again".to_owned()
        }
        Refusal::Ended { run, .. } => format!("; to see it: runbook show {}", short_id(run)),
        Refusal::Undone { runbook, .. } => {
            format!("; to execute the runbook again: runbook run {runbook}")
        }
        Refusal::OtherParam { param, .. } => {
            format!(": omit --set {param}, or start another run")
        }
        Refusal::NotDue { run, step, .. } => format!(
            "; then continue with: runbook resume --due. Not to wait: runbook resume {} --skip {} \
                --reason '…'",
            short_id(run),
            shell_word(step)
        ),
        Refusal::OtherNamespace { wanted, undo, .. } => {
            let does = if *undo { "is undone there" } else { "continues there" };
            format!(" and {does}: omit -n {wanted}, or start another run")
        }
        Refusal::StepChanged { .. } => {
            ": restore the previous text, or use --despite runbook (the change is not made again)"
                .to_owned()
        }
        Refusal::NothingToMark { step } => format!("; to skip it, use --skip {step}"),
        Refusal::ClusterUnknown { .. } => "; request access, or use --despite cluster".to_owned(),
        Refusal::OtherCluster { .. } => {
            "; select the cluster of the run with --context, or use --despite cluster".to_owned()
        }
        Refusal::OtherUser { .. } => "; to resume anyway, use --despite user".to_owned(),
        Refusal::UndoInDoubt { run, .. } => {
            format!(": resolve it first with runbook resume {}", short_id(run))
        }
    };
    format!("{refusal}{advice}")
}

/// Why a step cannot be approved, with what to type next.
fn not_approved(error: &NotApproved) -> String {
    let resume = |run: &str| format!("runbook resume {}", short_id(run));
    let advice = match error {
        NotApproved::Over { .. } | NotApproved::NotWaiting { .. } => String::new(),
        NotApproved::InDoubt { run, step } => {
            let (resume, place) = (resume(run), shell_word(step));
            format!(
                ": {resume} checks the cluster; if you know the result, use {resume} --mark-done \
                    {place} --reason '…', or --mark-not-done"
            )
        }
        NotApproved::NoQuestion { run, .. } => {
            format!(": {} asks it again, and you can then approve it", resume(run))
        }
        NotApproved::NoPerson { run, .. } => format!(", and {} runs it again", resume(run)),
        NotApproved::NotAsPlanned { run, .. } => format!("; {} previews it again", resume(run)),
        NotApproved::Word { word, .. } => format!(": --typed {}", shell_word(word)),
        NotApproved::NoWord { .. } => ": omit --typed".to_owned(),
        NotApproved::NoCluster => ", so --as has no effect".to_owned(),
        NotApproved::OtherCluster { .. } => {
            "; select the cluster of the run with --context or --kubeconfig; nothing was recorded"
                .to_owned()
        }
        NotApproved::NoUser => "; nothing was recorded".to_owned(),
    };
    format!("{error}{advice}")
}
