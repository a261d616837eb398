//! The conditions of a status, at any depth.

use super::entry::Entry;
use super::word::{Reason, is_paused};
use super::{CONDITION, Fails, Hint, NOT_READY, Part, STALLED, Said, Sign, Sure};
use crate::object::{array, filled, text};
use serde_json::Value;

/// Conditions about the whole object.
const VERDICTS: [&str; 10] = [
    "Ready",
    "Available",
    "Healthy",
    "Reconciled",
    "Synced",
    "Accepted",
    "Programmed",
    "Established",
    "ResolvedRefs",
    "Succeeded",
];
/// Ends of conditions that count in their place: `ClusterAvailable`, `ReconcileSuccess`, `Complete`.
const SUMMARIES: [&str; 10] = [
    "Ready",
    "Available",
    "Healthy",
    "Success",
    "Succeeded",
    "Successful",
    "Synced",
    "Reachable",
    "Complete",
    "Completed",
];
/// Conditions that are True if something is wrong.
const ABNORMAL: [&str; 9] = [
    "NotReady",
    "Fallback",
    "Conflicted",
    "PartiallyInvalid",
    "InvalidSpec",
    "InvalidRequest",
    "Stalled",
    "Terminal",
    "Irreconcilable",
];
/// Ends of those.
const ABNORMAL_ENDS: [&str; 11] = [
    "Degraded",
    "Failed",
    "Failure",
    "Failing",
    "Error",
    "Errors",
    "ErrorOccurred",
    "Unhealthy",
    "Unavailable",
    "Unreachable",
    "Pressure",
];

/// Conditions that are True while a controller is at work (cert-manager, Flux).
const AT_WORK: [&str; 2] = ["Issuing", "Reconciling"];

/// The conditions of a status.
pub(super) struct Conditions {
    pub(super) said: Vec<Said>,
    /// The generation of the spec that each of them is about, where it says so: the place of its list,
    /// and the generation.
    pub(super) observed: Vec<(String, i64)>,
}

/// A condition.
#[expect(clippy::struct_excessive_bools, reason = "a condition may be several of these")]
struct Condition<'a> {
    kind: &'a str,
    status: &'static str,
    reason: Reason,
    /// Whether it gives a reason.
    is_explained: bool,
    /// Of severity `Info`, as Cluster API writes it.
    is_info: bool,
    /// About the last of several attempts.
    is_last: bool,
    /// The phase of its object.
    phase: &'a str,
    /// Its object is stopped, and not by a fault.
    is_stopped: bool,
    /// Its controller is at work.
    is_at_work: bool,
}

pub(super) fn conditions(entries: &[Entry<'_>], status: &Value) -> Conditions {
    let stopped = |entry: &Entry<'_>| entry.depth == 1 && entry.sign == Some(Sign::Paused);
    let is_stopped = entries.iter().any(stopped);
    let mut found = Conditions { said: Vec::new(), observed: Vec::new() };
    for list in entries.iter().filter(|entry| entry.key.list) {
        let place = place(&list.at);
        let is_true = |one: &Value, is_so: fn(&str) -> bool| {
            one["status"] == "True" && is_so(text(&one["type"]))
        };
        let is_stopped = is_stopped || array(list.value).any(|one| is_true(one, is_paused));
        let is_at_work = array(list.value).any(|one| is_true(one, |kind| AT_WORK.contains(&kind)));
        for one in array(list.value).filter(|one| one["type"].is_string()) {
            let read = Condition { is_stopped, is_at_work, ..Condition::of(one, list, status) };
            if let Some(generation) = generation(&one["observedGeneration"]) {
                found.observed.push((place.clone(), generation));
            }
            let at = format!("{place}{}", text(&one["type"]));
            found.said.extend(read.hint().map(|hint| Said {
                id: read.id(),
                at,
                says: says(one, read.status),
                hint,
                is_whole: true,
            }));
        }
    }
    found
}

/// A generation; that of Argo Rollouts is a string.
pub(super) fn generation(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Where a list of conditions is: `parents[0] `; empty for those of the object.
fn place(at: &str) -> String {
    let (above, _) = at.rsplit_once('.').unwrap_or_default();
    if above.is_empty() { String::new() } else { format!("{above} ") }
}

/// `False, Failed: the message`.
fn says(condition: &Value, status: &str) -> String {
    let reason = filled(&condition["reason"]).map(|reason| format!(", {reason}"));
    let message = filled(&condition["message"]).map(|message| format!(": {message}"));
    format!("{status}{}{}", reason.unwrap_or_default(), message.unwrap_or_default())
}

impl<'a> Condition<'a> {
    fn of(condition: &'a Value, list: &Entry<'_>, object: &'a Value) -> Self {
        let kind = plain_type(text(&condition["type"]));
        let status = match &condition["status"] {
            Value::Bool(false) => "False",
            Value::String(word) if word == "False" => "False",
            // one without a status is there because it is so
            Value::Null | Value::Bool(true) => "True",
            Value::String(word) if word == "True" => "True",
            _ => "Unknown",
        };
        let reason = text(&condition["reason"]);
        Self {
            kind,
            status,
            reason: Reason::of(reason),
            is_explained: !reason.is_empty(),
            is_info: condition["severity"] == "Info",
            is_last: list.is_last() || kind.starts_with("Last"),
            phase: text(&object["phase"]),
            is_stopped: false,
            is_at_work: false,
        }
    }

    fn id(&self) -> &'static str {
        if self.is_verdict() {
            NOT_READY
        } else if is_abnormal(self.kind) {
            STALLED
        } else {
            CONDITION
        }
    }

    fn is_verdict(&self) -> bool {
        VERDICTS.contains(&self.kind)
    }

    /// What it says; none if it is not about whether the object works.
    fn hint(&self) -> Option<Hint> {
        let is_true = self.status == "True";
        let bad = if self.is_last { Part } else { Sure(Sign::Bad) };
        let is_denial = self.kind.strip_prefix("No").is_some_and(starts_upper);
        if self.is_info && !is_true {
            None
        } else if is_paused(self.kind) && is_true || self.reason.is_paused {
            Some(Sure(Sign::Paused))
        } else if is_abnormal(self.kind) && !is_denial {
            is_true.then_some(bad)
        } else if self.kind.ends_with("Warning") {
            is_true.then_some(Sure(Sign::Warning))
        } else if self.kind == "NoWarnings" {
            (self.status == "False").then_some(Sure(Sign::Warning))
        } else if self.kind == "Finished" {
            let sign = if self.reason.is_failing { bad } else { Sure(Sign::Good) };
            is_true.then_some(sign)
        } else if self.is_verdict() {
            self.verdict(bad)
        } else {
            self.of_part()
        }
    }

    fn verdict(&self, bad: Hint) -> Option<Hint> {
        let is_under_way = !self.reason.is_failing && (self.reason.is_under_way || self.is_at_work);
        match (self.kind, self.status, self.phase) {
            (_, "True", _) => Some(Sure(Sign::Good)),
            // of Argo Rollouts, which says so of a canary that waits
            ("Healthy", _, "Paused") => None,
            _ if self.reason.is_done => None,
            _ if self.is_stopped && !self.reason.is_failing => None,
            ("Healthy", _, "Progressing") | ("Succeeded", "Unknown", _) => Some(Sure(Sign::Open)),
            _ if is_under_way => Some(Sure(Sign::Open)),
            _ => Some(bad),
        }
    }

    /// What a condition says that is not about the whole.
    fn of_part(&self) -> Option<Hint> {
        let Reason { is_failing, is_not_ready, .. } = self.reason;
        let is_summary = SUMMARIES.iter().any(|end| self.kind.ends_with(end))
            && !["Upgrade", "Update", "Version"].iter().any(|word| self.kind.starts_with(word));
        if self.status == "False" {
            if is_vital(self.kind) && (is_failing || !self.is_explained) {
                return Some(Sure(Sign::Bad));
            }
            if is_failing || is_not_ready {
                return Some(Fails);
            }
        }
        let sign = if self.status == "True" { Sign::Good } else { Sign::Open };
        is_summary.then_some(Sure(sign))
    }
}

/// Without these, the object does not work even if it is Ready: a certificate that is not renewed, a
/// Vault that is not reached.
fn is_vital(kind: &str) -> bool {
    kind == "Issuing" || kind.ends_with("Reachable") || kind.ends_with("Connected")
}

fn is_abnormal(kind: &str) -> bool {
    ABNORMAL.contains(&kind) || ABNORMAL_ENDS.iter().any(|end| kind.ends_with(end))
}

/// A type without what is put before it: `ACK.Terminal`.
fn plain_type(kind: &str) -> &str {
    kind.rsplit(['.', '/']).next().unwrap_or(kind)
}

fn starts_upper(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
}
