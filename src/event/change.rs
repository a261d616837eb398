//! What a run changes, and who allowed it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a step will change: resolved, previewed, and durable before consent is asked and before the
/// first request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangesPlanned {
    /// Place of the step in the run.
    pub path: String,
    /// The changes in the order of sending.
    pub changes: Vec<PlannedChange>,
    /// Guards that would have stopped the step and were overridden, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<String>,
    /// Keyed digest of the changes with their requests: an approval holds only for these.
    pub digest: String,
    /// The word that consent must type, if it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The object.
    pub object: ObjectReference,
    /// The verb of the request: `create`, `patch`, `delete`, `evict`.
    pub verb: String,
    /// What changes, in a few words: `3 → 1 replicas`.
    pub summary: String,
    /// The object as it was read, without status and bookkeeping; null if there was none. Values of
    /// Secrets are hashed.
    pub before: Value,
    /// The object as the server says it would be, likewise; null if it would be gone, or could not
    /// be previewed.
    pub after: Value,
    /// The request.
    pub request: Value,
    /// Something secret was masked in what is recorded here, so that it cannot be sent again from
    /// the record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

impl PlannedChange {
    /// The summary of a patch that the runbook writes out.
    pub const PATCHED: &str = "patched";
    /// The summary of a manifest that the runbook writes out.
    pub const APPLIED: &str = "applied";

    /// Whether the runbook writes out what is stored, so that the summary says that it was done and
    /// not what.
    pub fn is_written_out(&self) -> bool {
        [Self::PATCHED, Self::APPLIED].contains(&self.summary.as_str())
    }

    /// Whether the request only asks for it, and controllers or the kubelet do it afterwards.
    pub fn is_request(&self) -> bool {
        match self.verb.as_str() {
            "delete" | "evict" => true,
            "create" => matches!(self.object.kind.as_str(), "Job" | "Pod"),
            "patch" => self.is_rolled_out(),
            _ => false,
        }
    }

    /// Whether it gives a workload other pods, or another number of them.
    pub fn is_rolled_out(&self) -> bool {
        let differs = |part: &str| self.before["spec"][part] != self.after["spec"][part];
        let workload = matches!(
            self.object.kind.as_str(),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
        );
        workload
            && !self.before.is_null()
            && !self.after.is_null()
            && (differs("template") || differs("replicas"))
    }

    /// What was done, in a few words. What was only asked for is told as that, until its end was
    /// seen.
    pub fn told(&self, seen: bool) -> String {
        match (self.verb.as_str(), seen) {
            ("delete", true) => "deleted".to_owned(),
            ("evict", true) => "evicted".to_owned(),
            // what is written out was stored, whatever follows from it
            _ if seen || !self.is_request() || self.is_written_out() => self.summary.clone(),
            _ => format!("{} requested", self.summary),
        }
    }
}

/// Names an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectReference {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Empty for kinds without.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl std::fmt::Display for ObjectReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {} {}", self.api_version, self.kind, self.name)
        } else {
            write!(f, "{} {} {}/{}", self.api_version, self.kind, self.namespace, self.name)
        }
    }
}

impl ObjectReference {
    /// `deployment/petrosa-ta-bot`
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind.to_ascii_lowercase(), self.name)
    }
}

/// Intent: the request of a change is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeStarted {
    /// Place of the step in the run.
    pub path: String,
    /// Place of the change in the step, from 0.
    pub index: usize,
}

/// No answer to the request came, or none that says what came of it, and the looks that followed do
/// not prove it either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDoubted {
    /// Place of the step in the run.
    pub path: String,
    /// Place of the change in the step, from 0.
    pub index: usize,
    /// What happened to the answer, and what was seen.
    pub reason: String,
}

/// By what it can be found out later what came of a change that cannot be previewed: recorded
/// before it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNoted {
    /// Place of the step in the run.
    pub path: String,
    /// Place of the change in the step, from 0.
    pub index: usize,
    /// What the verb looks for.
    pub note: String,
}

/// Outcome: what came of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeFinished {
    /// Place of the step in the run.
    pub path: String,
    /// Place of the change in the step, from 0.
    pub index: usize,
    /// What came of it.
    pub result: ChangeResult,
    /// The object afterwards, as in [`PlannedChange::before`]; null if it is gone.
    pub after: Value,
    /// Why it was not made, or how it is known to have been.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// With `not_made`: a look says so and no more, so that the request may still be carried out.
    /// What is sent instead of it tells.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeResult {
    /// The server confirmed it.
    Made,
    /// The answer was lost, and a look at the object shows that it was made.
    Observed,
    /// It was not made: certainly, unless it is `unproven`.
    NotMade,
}

/// A person allowed the changes of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepApproved {
    /// Place of the step in the run.
    pub path: String,
    /// Who: the user whom the cluster sees, or the user of this system where no cluster is asked.
    pub by: String,
    /// How: `prompt`, `--yes` or `runbook approve`.
    pub how: String,
    /// Digest of the plan that was approved.
    pub plan: String,
    /// Digest of the changes, or of the question, that were approved.
    pub changes: String,
    /// When the approval ends; never if none.
    pub expires: Option<Timestamp>,
    /// The user as the API server sees it; none where none was asked, and in records of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Keyed digest of all of this: an approval without it was not given by this program.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seal: String,
}

/// A step asks a person something that only a person can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAsked {
    /// Place of the step in the run.
    pub path: String,
    /// What is asked.
    pub question: String,
    /// The word that the answer must type, if it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
    /// Digest of the question: an answer holds only for this one.
    pub digest: String,
}

/// A person says how a step ended that the program did not do, or does not know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepMarked {
    /// Place of the step in the run.
    pub path: String,
    /// What was said.
    pub mark: StepMark,
    /// Who: as in [`StepApproved::by`].
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a person says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepMark {
    /// It was done by hand: it is not done again, and its expectations are still checked.
    Done,
    /// It was not done: what was in doubt is done again.
    NotDone,
    /// It shall not be done.
    Skip,
}

/// The run holds a lock, or no longer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockEvent {
    /// The Lease, `namespace/name`.
    pub lease: String,
    /// What happened.
    pub what: LockChange,
    /// Whom it was taken from, or who has it now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub other: String,
}

/// What happened to a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockChange {
    /// It was free, expired, or ours from before.
    Taken,
    /// It was taken from a living holder with `--takeover`.
    TakenOver,
    /// It was lost during the run: nothing more is changed.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_only_asked_for_is_not_told_as_done() {
        let deployment = |replicas: u32, image: &str| json!({"spec": {"replicas": replicas, "template": {"image": image}}});
        let old = deployment(3, "a");
        for (verb, kind, summary, before, after, told, seen) in [
            (
                "patch",
                "Deployment",
                "3 → 1 replicas",
                &old,
                deployment(1, "a"),
                "3 → 1 replicas requested",
                "3 → 1 replicas",
            ),
            (
                "patch",
                "Deployment",
                "a: 1 → 2",
                &old,
                deployment(3, "b"),
                "a: 1 → 2 requested",
                "a: 1 → 2",
            ),
            (
                "patch",
                "Deployment",
                "restart of 3 pods",
                &old,
                deployment(3, "b"),
                "restart of 3 pods requested",
                "restart of 3 pods",
            ),
            ("patch", "Deployment", "patched", &old, deployment(3, "b"), "patched", "patched"),
            ("patch", "Deployment", "why set", &old, old.clone(), "why set", "why set"),
            (
                "patch",
                "ConfigMap",
                "patched",
                &json!({"data": 1}),
                json!({"data": 2}),
                "patched",
                "patched",
            ),
            (
                "create",
                "Job",
                "a run of cronjob/x",
                &Value::Null,
                json!({}),
                "a run of cronjob/x requested",
                "a run of cronjob/x",
            ),
            (
                "create",
                "ConfigMap",
                "made again",
                &Value::Null,
                json!({}),
                "made again",
                "made again",
            ),
            ("delete", "Pod", "deletion", &json!({}), Value::Null, "deletion requested", "deleted"),
            ("evict", "Pod", "eviction", &json!({}), Value::Null, "eviction requested", "evicted"),
        ] {
            let change = PlannedChange {
                object: ObjectReference {
                    kind: kind.into(),
                    name: "x".into(),
                    ..ObjectReference::default()
                },
                verb: verb.into(),
                summary: summary.into(),
                before: before.clone(),
                after,
                request: Value::Null,
                masked: false,
            };
            assert_eq!(
                (change.told(false).as_str(), change.told(true).as_str()),
                (told, seen),
                "{verb} {kind}"
            );
        }
    }
}
