//! Whether a person allows the changes of a step, or answers its question. What was said holds for
//! just what was asked.

use super::asked::{cluster, place, reach, why};
use super::ended::{End, Ended, Waits};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::{Approval, Consented, Output, Question};
use crate::blocking::asking;
use crate::compare::difference;
use crate::construct::{Approve, Confirm};
use crate::document::Step;
use crate::event::{
    Event, Next, Outcome, PlannedChange, Reason, StepApproved, StepAsked, StepFinished, short_id,
};
use crate::journal::Key;
use crate::state::RunState;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// How changes are allowed.
#[derive(Clone, Debug)]
pub struct Consent {
    /// `--yes`: everything that needs no typed word.
    pub yes: bool,
    /// Guards that are overridden, by id.
    pub overrides: Vec<String>,
    /// Who runs this, as far as this system knows. The engine puts the user there whom the cluster
    /// sees, where one is asked.
    pub operator: String,
    /// What approvals are sealed with.
    pub key: Key,
}

/// What came of asking.
pub(super) enum Answer {
    /// Allowed, by this event or by one that is recorded already.
    Yes,
    /// A person said no.
    No,
    /// Nobody is there to be asked.
    Nobody(Waits),
}

impl Run {
    /// Asks for the changes of a step, unless they are allowed already.
    pub(super) async fn consent(
        &self,
        step: &Step,
        path: &str,
        title: &str,
        changes: &[PlannedChange],
        digest: &str,
    ) -> Result<Answer, EngineError> {
        let known = self.known(path, digest);
        if let Known::Valid(_) = known {
            return Ok(Answer::Yes);
        }
        let typed = word(step, changes);
        let by_all = self.allows_all.load(Ordering::Relaxed);
        // what a person refused in this run is made only if a person allows it
        let refused = self.refused.contains(path);
        if (self.consent.yes || by_all) && typed.is_none() && !refused {
            let how = if self.consent.yes { "--yes" } else { "prompt, yes to all" };
            self.approve(path, how, digest)?;
            return Ok(Answer::Yes);
        }
        let approval = Approval {
            step: path.to_owned(),
            title: format!("{path}  {title}"),
            reach: reach(changes),
            place: cluster(&self.permit.target),
            why: why(step, changes),
            diff: difference(changes),
            typed: typed.clone(),
        };
        let prompt = self.prompt.clone();
        let rehearsed = self.recorder.clock().is_simulated();
        let answer = asking(rehearsed, move || prompt.approve(&approval)).await;
        match answer {
            Some(consented @ (Consented::Yes | Consented::All)) => {
                if consented == Consented::All {
                    self.allows_all.store(true, Ordering::Relaxed);
                }
                self.approve(path, "prompt", digest)?;
                Ok(Answer::Yes)
            }
            Some(Consented::No) => Ok(Answer::No),
            None => {
                let command = self.approve_command(path, typed.as_deref());
                Ok(Answer::Nobody(Waits {
                    what: "approval",
                    command,
                    due: None,
                    before: known.before(),
                }))
            }
        }
    }

    /// A `confirm` step: the answer that is recorded already, or one that is given now.
    pub(super) async fn answered(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        confirm: &Confirm,
    ) -> Result<End, EngineError> {
        let digest = self.asks(path, &confirm.question, confirm.typed.as_deref())?;
        let known = self.known(path, &digest);
        let said_yes = |by: &str, summary: String| {
            let output = Output::new(json!({"answer": true, "by": by}), summary);
            self.judge(scope, step, output).into_ended(1)
        };
        if let Known::Valid(approval) = &known {
            return Ok(said_yes(&approval.by, format!("yes, by {}", approval.by)).into());
        }
        // a question has the time that a person needs, unless the step says otherwise
        let over = async {
            match super::attempt::timeout(scope, step) {
                Some(own) => tokio::time::sleep(own).await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = self.ask(path, &confirm.question, confirm.typed.clone()) => answer,
            () = over => None,
        };
        match answer {
            Some(true) => {
                self.approve(path, "prompt", &digest)?;
                Ok(said_yes(&self.consent.operator, "yes".to_owned()).into())
            }
            Some(false) => Ok(Ended {
                attempts: 1,
                ..Ended::without_output(Outcome::Cancelled, "the answer was no")
            }
            .into()),
            None => {
                // as it stands in the record, where it is compared with what is typed
                let typed = self.recorder.as_recorded(confirm.typed.clone());
                let command = self.approve_command(path, typed.as_deref());
                Ok(End::Waits(Waits {
                    what: "an answer",
                    command,
                    due: None,
                    before: known.before(),
                }))
            }
        }
    }

    /// An `approve` step: what the record says of somebody else's word.
    pub(super) fn approval_of_another(
        &self,
        path: &str,
        approve: &Approve,
    ) -> Result<End, EngineError> {
        let Some(own) = self.permit.target.user.as_deref() else {
            let reason = "the cluster does not identify the user of this run, so a second person \
                cannot be distinguished: it does not support SelfSubjectReview (Kubernetes before \
                1.28), or does not allow it for this user";
            return Ok(Ended::without_output(Outcome::Error, reason).into());
        };
        let digest = self.asks(path, &approve.question, None)?;
        let now = self.recorder.clock().now();
        let given: Vec<(Timestamp, StepApproved)> = self.recorder.state(|state| {
            state
                .approvals()
                .iter()
                .filter(|(_, approval)| approval.path == path)
                .cloned()
                .collect()
        });
        let known = |approval: &StepApproved| self.holds(approval, &digest, now);
        let passed = |at: &Timestamp| {
            i128::from(now.as_second()) - i128::from(at.as_second())
                > i128::from(approve.expires.0.as_secs())
        };
        // who approved may have been masked by a process that knew less than this one
        let user = |approval: &StepApproved| self.recorder.as_recorded(approval.user.clone());
        let by_another = |approval: &StepApproved| user(approval).is_some_and(|user| user != own);
        let valid = given.iter().find(|(at, approval)| {
            matches!(known(approval), Known::Valid(_)) && by_another(approval) && !passed(at)
        });
        if let Some((at, approval)) = valid {
            let output = json!({"by": approval.by, "at": at.to_string()});
            return Ok(End::Ended(Ended {
                output: output.into(),
                attempts: 1,
                summary: format!("by {}", approval.by),
                ..Ended::without_output(Outcome::Passed, "")
            }));
        }
        if given.iter().any(|(at, approval)| {
            by_another(approval)
                && matches!(known(approval), Known::Valid(_) | Known::Expired)
                && (passed(at) || known(approval) == Known::Expired)
        }) {
            return Ok(End::Ended(Ended {
                attempts: 1,
                ..Ended::without_output(Outcome::Failed, "the approval has expired; run again")
            }));
        }
        let before = match given.last() {
            None => "",
            Some((_, approval)) => match known(approval) {
                Known::Valid(_) | Known::Expired => "the person who runs this cannot approve it",
                other => other.before(),
            },
        };
        let command = Next::Approve {
            run: short_id(&self.run_id).to_owned(),
            step: path.to_owned(),
            typed: None,
            options: Vec::new(),
        };
        Ok(End::Waits(Waits { what: "approval", command, due: None, before }))
    }

    /// Asks a person. None: there is nobody to ask.
    pub(super) async fn ask(&self, path: &str, text: &str, typed: Option<String>) -> Option<bool> {
        let prompt = self.prompt.clone();
        let place = place(&self.permit.target);
        let question = Question { step: path.to_owned(), place, text: text.to_owned(), typed };
        let rehearsed = self.recorder.clock().is_simulated();
        asking(rehearsed, move || prompt.ask(&question)).await
    }

    /// The command that allows the changes of a step, or answers its question.
    fn approve_command(&self, path: &str, typed: Option<&str>) -> Next {
        Next::Approve {
            run: short_id(&self.run_id).to_owned(),
            step: path.to_owned(),
            typed: typed.map(str::to_owned),
            options: self.invocation.cluster.clone(),
        }
    }

    /// Records what a step asks, unless it is recorded already. Gives the digest of the question.
    fn asks(&self, path: &str, question: &str, typed: Option<&str>) -> Result<String, EngineError> {
        let place = self.place(path);
        let digest = self.consent.key.digest(
            &[&["question"][..], &place[..], &[question, typed.unwrap_or_default()]].concat(),
        );
        if self
            .recorder
            .state(|state| state.question(path).map(|asked| asked.digest.clone()))
            .as_ref()
            != Some(&digest)
        {
            self.recorder.record(Event::StepAsked(StepAsked {
                path: path.to_owned(),
                question: question.to_owned(),
                typed: typed.map(str::to_owned),
                digest: digest.clone(),
            }))?;
        }
        Ok(digest)
    }

    /// Where something is allowed: what is said of it holds nowhere else.
    pub(super) fn place<'a>(&'a self, path: &'a str) -> [&'a str; 3] {
        [&self.run_id, self.permit.target.cluster_uid.as_deref().unwrap_or_default(), path]
    }

    /// What the record says of an approval of this by anybody.
    pub(super) fn known(&self, path: &str, digest: &str) -> Known {
        let now = self.recorder.clock().now();
        let given: Vec<StepApproved> = self.recorder.state(|state| {
            state
                .approvals()
                .iter()
                .filter(|(_, approval)| approval.path == path)
                .map(|(_, approval)| approval.clone())
                .collect()
        });
        let mut found = Known::None;
        for approval in given {
            found = self.holds(&approval, digest, now);
            if let Known::Valid(_) = found {
                break;
            }
        }
        found
    }

    fn holds(&self, approval: &StepApproved, digest: &str, now: Timestamp) -> Known {
        holds(&self.consent.key, &self.run_id, approval, (&self.plan.digest, digest), now)
    }

    fn approve(&self, path: &str, how: &str, digest: &str) -> Result<(), EngineError> {
        let approval = StepApproved {
            path: path.to_owned(),
            by: self.consent.operator.clone(),
            how: how.to_owned(),
            plan: self.plan.digest.clone(),
            changes: digest.to_owned(),
            expires: None,
            user: self.permit.target.user.clone(),
            seal: String::new(),
        };
        // the seal is one of what stands in the record
        let approval = self.recorder.as_recorded(approval);
        self.recorder.record(Event::StepApproved(sealed(&self.consent.key, &self.run_id, approval)))
    }
}

/// The paths of the steps whose changes a person refused.
pub(super) fn refused(state: &RunState) -> BTreeSet<String> {
    let is_refused = |step: &&StepFinished| step.why == Some(Reason::Refused);
    state.ended().filter(is_refused).map(|step| step.path.clone()).collect()
}

/// The approval with its seal, which nobody can make who has just the journal.
pub fn sealed(key: &Key, run: &str, approval: StepApproved) -> StepApproved {
    let seal = seal(key, run, &approval);
    StepApproved { seal, ..approval }
}

fn seal(key: &Key, run: &str, approval: &StepApproved) -> String {
    let StepApproved { path, by, how, plan, changes, expires, user, seal: _ } = approval;
    let (expires, user) = (json!(expires).to_string(), json!(user).to_string());
    key.digest(&["approval", run, path, by, how, plan, changes, &expires, &user])
}

/// The word that must be typed: the name of what is changed.
pub(super) fn word(step: &Step, changes: &[PlannedChange]) -> Option<String> {
    step.typed.then(|| changes.first().map(|change| change.object.name.clone()).unwrap_or_default())
}

/// The approvals of a step that hold at `now` for these changes, or this question, of this plan.
pub fn valid_approvals<'a>(
    key: &Key,
    run: &str,
    state: &'a RunState,
    path: &str,
    (plan, changes): (&str, &str),
    now: Timestamp,
) -> impl Iterator<Item = &'a StepApproved> {
    let of_step = state.approvals().iter().map(|(_, approval)| approval);
    of_step.filter(move |approval| {
        approval.path == path
            && matches!(holds(key, run, approval, (plan, changes), now), Known::Valid(_))
    })
}

/// What an approval is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It holds.
    Valid(Box<StepApproved>),
    /// It has held.
    Expired,
    /// It is of another plan, other changes or another question.
    Other,
    /// It has no seal of this program: an earlier version recorded it, or the record was changed.
    Unsealed,
    /// There is none.
    None,
}

impl Known {
    /// What is said of it before what is asked.
    pub(super) fn before(&self) -> &'static str {
        match self {
            Self::Expired => "the approval has expired",
            Self::Other => "what was approved has changed since",
            Self::Unsealed => {
                "the approval in the record is not valid: an earlier version wrote it, or it was \
                    modified"
            }
            Self::Valid(_) | Self::None => "",
        }
    }
}

/// Whether an approval holds for these changes, or this question, of this plan.
fn holds(
    key: &Key,
    run: &str,
    approval: &StepApproved,
    (plan, changes): (&str, &str),
    now: Timestamp,
) -> Known {
    if approval.seal != seal(key, run, approval) {
        return Known::Unsealed;
    }
    match (
        approval.plan == plan && approval.changes == changes,
        approval.expires.is_some_and(|expires| expires <= now),
    ) {
        (true, false) => Known::Valid(Box::new(approval.clone())),
        (true, true) => Known::Expired,
        (false, _) => Known::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Durability;

    #[test]
    fn an_approval_holds_for_one_plan_one_change_and_some_time_and_only_as_it_was_given() {
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        let state = tempfile::tempdir().unwrap();
        let (key, other) = (
            Key::of(state.path(), Durability::Lazy).unwrap(),
            Key::of(&state.path().join("other"), Durability::Lazy).unwrap(),
        );
        let given = |plan: &str, changes: &str, expires: Option<&str>| {
            let expires = expires.map(|text| text.parse().unwrap());
            let text = str::to_owned;
            let (path, by, how, user) = (text("a"), text("ada"), text("prompt"), Some(text("ada")));
            sealed(
                &key,
                "run",
                StepApproved {
                    path,
                    by,
                    how,
                    plan: text(plan),
                    changes: text(changes),
                    expires,
                    user,
                    seal: String::new(),
                },
            )
        };
        let known = |approval: &StepApproved| holds(&key, "run", approval, ("p", "c"), now);
        for (approval, is_valid, before) in [
            (given("p", "c", None), true, ""),
            (given("p", "c", Some("2026-11-20T04:00:00Z")), true, ""),
            (given("p", "c", Some("2026-11-20T03:00:00Z")), false, "expired"),
            (given("other", "c", None), false, "changed since"),
            (given("p", "other", None), false, "changed since"),
        ] {
            let found = known(&approval);
            assert_eq!(matches!(found, Known::Valid(_)), is_valid, "{approval:?}");
            assert!(found.before().contains(before), "{approval:?}");
        }
        let whole = given("p", "c", None);
        for changed in [
            StepApproved { changes: "c".into(), ..given("p", "other", None) },
            StepApproved { path: "b".into(), ..whole.clone() },
            StepApproved { user: Some("bob".into()), ..whole.clone() },
            StepApproved { by: "bob".into(), ..whole.clone() },
            StepApproved { expires: None, ..given("p", "c", Some("2026-11-20T03:00:00Z")) },
            StepApproved { seal: String::new(), ..whole.clone() },
        ] {
            assert_eq!(known(&changed), Known::Unsealed, "{changed:?}");
        }
        assert_eq!(holds(&key, "another run", &whole, ("p", "c"), now), Known::Unsealed);
        assert_eq!(holds(&other, "run", &whole, ("p", "c"), now), Known::Unsealed);
    }
}
