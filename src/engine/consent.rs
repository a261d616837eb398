//! Whether a person allows the changes of a step. Pure, but for the question itself.

use super::step::Ended;
use super::{EngineError, Run};
use crate::action::Approval;
use crate::action::approve::Approve;
use crate::document::Step;
use crate::event::{Event, Outcome, PlannedChange, StepApproved};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// How changes are allowed.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// `--yes`: everything that needs no typed word.
    pub yes: bool,
    /// Guards that are overridden, by id.
    pub overrides: Vec<String>,
    /// Who runs this: user and host.
    pub operator: String,
}

/// What came of asking.
pub(super) enum Answer {
    /// Allowed, by this event or by one that is recorded already.
    Yes,
    /// A person said no.
    No,
    /// Nobody is there to be asked.
    Nobody(String),
}

impl Run {
    /// Asks for the changes of a step, unless they are allowed already.
    pub(super) async fn consent(&self, step: &Step, path: &str, title: &str, changes: &[PlannedChange], digest: &str) -> Result<Answer, EngineError> {
        let now = self.recorder.clock().now();
        let known = self.recorder.state(|state| approved(state.approvals(), path, &self.plan.digest, digest, now));
        if let Known::Valid = known {
            return Ok(Answer::Yes);
        }
        let typed = word(step, changes);
        if self.consent.yes && typed.is_none() {
            self.approve(path, "--yes", digest)?;
            return Ok(Answer::Yes);
        }
        let approval = Approval { title: format!("{path}  {title}"), reach: reach(changes), diff: diff(changes), typed: typed.clone() };
        let prompt = self.prompt.clone();
        let answer = tokio::task::spawn_blocking(move || prompt.approve(&approval)).await.unwrap_or(None);
        match answer {
            Some(true) => {
                self.approve(path, "prompt", digest)?;
                Ok(Answer::Yes)
            }
            Some(false) => Ok(Answer::No),
            None => {
                let run = crate::journal::short_id(&self.run_id);
                let word = typed.map(|word| format!(" --typed {word}")).unwrap_or_default();
                let before = match known {
                    Known::Expired => "the approval has expired; ",
                    Known::Other => "what was approved has changed since; ",
                    Known::Valid | Known::None => "",
                };
                Ok(Answer::Nobody(format!("{before}waits for approval: runbook approve {run} --step {path}{word}")))
            }
        }
    }

    /// An `approve` step: what the record says of somebody else's word. None: the run waits for it.
    pub(super) fn approval_of_another(&self, path: &str, approve: &Approve) -> Option<Ended> {
        let now = self.recorder.clock().now();
        let given: Vec<(Timestamp, StepApproved)> = self
            .recorder
            .state(|state| state.approvals().iter().filter(|(_, approval)| approval.path == path && approval.plan == self.plan.digest).cloned().collect());
        let passed = |at: &Timestamp| i128::from(now.as_second()) - i128::from(at.as_second()) > i128::from(approve.expires.0.as_secs());
        let over = |(at, approval): &&(Timestamp, StepApproved)| passed(at) || approval.expires.is_some_and(|expires| expires <= now);
        let valid = given.iter().find(|given| !over(given) && given.1.by != self.consent.operator);
        if let Some((at, approval)) = valid {
            let output = serde_json::json!({"by": approval.by, "at": at.to_string()});
            return Some(Ended { output: output.into(), attempts: 1, summary: format!("by {}", approval.by), ..Ended::without_output(Outcome::Passed, "") });
        }
        if given.iter().any(|given| over(&given)) {
            return Some(Ended { attempts: 1, ..Ended::without_output(Outcome::Failed, "the approval has expired; run again") });
        }
        let own = if given.is_empty() { "" } else { "who runs this cannot approve it; " };
        let run = crate::journal::short_id(&self.run_id);
        if !own.is_empty() {
            self.recorder.progress(path, own.trim_end_matches("; "));
        }
        self.paused.store(true, std::sync::atomic::Ordering::SeqCst);
        self.waits_for(path, &format!("{own}waits for approval: runbook approve {run} --step {path}"));
        None
    }

    fn approve(&self, path: &str, how: &str, digest: &str) -> Result<(), EngineError> {
        self.recorder.record(Event::StepApproved(StepApproved {
            path: path.to_owned(),
            by: self.consent.operator.clone(),
            how: how.to_owned(),
            plan: self.plan.digest.clone(),
            changes: digest.to_owned(),
            expires: None,
        }))
    }
}

/// The word that must be typed: the name of what is changed.
pub(super) fn word(step: &Step, changes: &[PlannedChange]) -> Option<String> {
    step.typed.then(|| changes.first().map(|change| change.object.name.clone()).unwrap_or_default())
}

/// What the record says of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// There is one, for these changes.
    Valid,
    /// There was one.
    Expired,
    /// There is one, for another plan or other changes.
    Other,
    /// There is none.
    None,
}

/// Looks for an approval of these changes of this plan.
pub(super) fn approved(approvals: &[(Timestamp, StepApproved)], path: &str, plan: &str, changes: &str, now: Timestamp) -> Known {
    let mut found = Known::None;
    for (_, approval) in approvals.iter().filter(|(_, approval)| approval.path == path) {
        let fits = approval.plan == plan && approval.changes == changes;
        let expired = approval.expires.is_some_and(|expires| expires <= now);
        found = match (fits, expired) {
            (true, false) => return Known::Valid,
            (true, true) => Known::Expired,
            (false, _) => Known::Other,
        };
    }
    found
}

/// The blast radius in words: `2 objects · 3 replicas · namespace petrosa-apps`.
pub(super) fn reach(changes: &[PlannedChange]) -> String {
    let objects: BTreeSet<_> = changes.iter().map(|change| &change.object).collect();
    let namespaces: BTreeSet<_> = objects.iter().map(|object| object.namespace.as_str()).filter(|namespace| !namespace.is_empty()).collect();
    let replicas: u64 = changes.iter().filter_map(|change| change.before["spec"]["replicas"].as_u64()).sum();
    let mut parts = vec![if let [change] = changes { change.object.short() } else { format!("{} objects", objects.len()) }];
    if replicas > 0 {
        parts.push(format!("{replicas} {}", if replicas == 1 { "replica" } else { "replicas" }));
    }
    match namespaces.len() {
        0 => parts.push("cluster-wide".to_owned()),
        1 => parts.push(format!("namespace {}", namespaces.iter().next().copied().unwrap_or_default())),
        count => parts.push(format!("{count} namespaces")),
    }
    parts.join(" · ")
}

/// The difference of all changes, line by line.
pub fn diff(changes: &[PlannedChange]) -> Vec<String> {
    let some = |value: &Value| if value.is_null() { None } else { Some(value.clone()) };
    let several = changes.len() > 1;
    changes
        .iter()
        .flat_map(|change| {
            let head = several.then(|| format!("{}: {}", change.object.short(), change.summary));
            let lines = match (change.verb.as_str(), some(&change.before), some(&change.after)) {
                // what cannot be previewed is shown as what a person would type
                ("run", ..) => vec![change.summary.clone()],
                // what goes away as a whole is named, not printed
                ("delete" | "evict", ..) => {
                    if several {
                        Vec::new()
                    } else {
                        vec![format!("- {}", change.object)]
                    }
                }
                (_, before, after) => crate::action::compare::lines(before.as_ref(), after.as_ref()),
            };
            head.into_iter().chain(lines)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ObjectReference;
    use serde_json::json;

    fn approval(plan: &str, changes: &str, expires: Option<&str>) -> (Timestamp, StepApproved) {
        let expires = expires.map(|text| text.parse().unwrap());
        (Timestamp::UNIX_EPOCH, StepApproved { path: "a".into(), by: "b".into(), how: "prompt".into(), plan: plan.into(), changes: changes.into(), expires })
    }

    #[test]
    fn an_approval_holds_for_one_plan_one_change_and_some_time() {
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        for (approvals, known) in [
            (vec![], Known::None),
            (vec![approval("p", "c", None)], Known::Valid),
            (vec![approval("p", "c", Some("2026-11-20T04:00:00Z"))], Known::Valid),
            (vec![approval("p", "c", Some("2026-11-20T03:00:00Z"))], Known::Expired),
            (vec![approval("other", "c", None)], Known::Other),
            (vec![approval("p", "other", None)], Known::Other),
            (vec![approval("p", "other", None), approval("p", "c", None)], Known::Valid),
        ] {
            assert_eq!(approved(&approvals, "a", "p", "c", now), known, "{approvals:?}");
            assert_eq!(approved(&approvals, "another step", "p", "c", now), Known::None);
        }
    }

    #[test]
    fn the_reach_is_told_in_objects_replicas_and_namespaces() {
        let change = |name: &str, namespace: &str, replicas: u64| PlannedChange {
            object: ObjectReference { api_version: "apps/v1".into(), kind: "Deployment".into(), namespace: namespace.into(), name: name.into() },
            verb: "patch".into(),
            summary: String::new(),
            before: json!({"spec": {"replicas": replicas}}),
            after: Value::Null,
            request: Value::Null,
            masked: false,
        };
        assert_eq!(reach(&[change("a", "n", 3)]), "deployment/a · 3 replicas · namespace n");
        assert_eq!(reach(&[change("a", "n", 1), change("b", "m", 0)]), "2 objects · 1 replica · 2 namespaces");
        assert_eq!(reach(&[change("node", "", 0)]), "deployment/node · cluster-wide");
    }
}
