//! What a person at a command line can do where something was refused: said after the fact.

use crate::action::shell_word;
use crate::journal::short_id;
use crate::session::{NotApproved, Refusal};

/// A refusal in words, with what to type next.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let advice = match refusal {
        Refusal::TwoNamespaces { namespace, param, value } => {
            return format!(
                "-n {namespace} and --set {param}={value} contradict each other: -n sets the \
                    parameter `{param}`; leave one of them out"
            );
        }
        Refusal::Approval(error) => return not_approved(error),
        Refusal::Context { .. }
        | Refusal::RealCluster
        | Refusal::NoHeader { .. }
        | Refusal::NoStep { .. }
        | Refusal::NothingToUndo { .. } => String::new(),
        Refusal::Untrusted { digest, .. } => format!(
            "; look at it, then run again with --trust {digest}, or name its folder with \
                --catalogue"
        ),
        Refusal::Withheld { param, .. } => format!(": give it again with --set {param}=VALUE"),
        Refusal::Ended { run, .. } => format!("; see it with: runbook show {}", short_id(run)),
        Refusal::OtherNamespace { wanted, undo, .. } => {
            let does = if *undo { "is taken back there" } else { "goes on there" };
            format!(" and {does}: leave -n {wanted} out, or begin another run")
        }
        Refusal::StepChanged { .. } => {
            ": take the former text back, or insist with --despite runbook (the change is not made \
                again)"
                .to_owned()
        }
        Refusal::NothingToMark { step } => format!("; leave it out with --skip {step}"),
        Refusal::ClusterUnknown { .. } => {
            "; have it allowed, or insist with --despite cluster".to_owned()
        }
        Refusal::OtherCluster { .. } => {
            "; name the right one with --context, or insist with --despite cluster".to_owned()
        }
        Refusal::OtherUser { .. } => "; insist with --despite user".to_owned(),
        Refusal::UndoInDoubt { run, .. } => {
            format!(": settle that first with runbook resume {}", short_id(run))
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
                ": {resume} looks at the cluster; if you know it, say it with {resume} --mark-done \
                    {place} --reason '…', or with --mark-not-done"
            )
        }
        NotApproved::NoQuestion { run, .. } => {
            format!(": {} asks anew, and can then be approved", resume(run))
        }
        NotApproved::NoPerson { run, .. } => format!(", and {} does it again", resume(run)),
        NotApproved::NotAsPlanned { run, .. } => format!("; {} plans it again", resume(run)),
        NotApproved::Word { word, .. } => format!(": --typed {}", shell_word(word)),
        NotApproved::NoWord { .. } => ": leave out --typed".to_owned(),
        NotApproved::NoCluster => ", so that --as means nothing".to_owned(),
        NotApproved::OtherCluster { .. } => {
            "; name the right one with --context or --kubeconfig; nothing was recorded".to_owned()
        }
        NotApproved::NoUser => "; nothing was recorded".to_owned(),
    };
    format!("{error}{advice}")
}
