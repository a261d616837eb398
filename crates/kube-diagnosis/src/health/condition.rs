//! What a condition says.

use super::course::Course;
use super::kind::{
    BLOCKED, is_abnormal, is_at_work, is_denial, is_opposite, is_summary, is_verdict, is_vital,
    plain_type,
};
use super::word::{Reason, is_cancelled, is_failing, is_paused, is_working, tells_failure};
use super::{CANCELLED, CONDITION, Doubt, Fails, Hint, NOT_READY, Part, STALLED, Sign, Sure};
use crate::object::{filled, text};
use serde_json::Value;

/// A condition.
#[expect(clippy::struct_excessive_bools, reason = "a condition may be several of these")]
pub(super) struct Condition {
    kind: String,
    status: &'static str,
    reason: Reason,
    /// Whether it gives a reason.
    is_explained: bool,
    /// Whether its message tells of a failure.
    tells_failure: bool,
    /// Of severity `Info`, as Cluster API writes it.
    is_info: bool,
    /// About the last of several attempts.
    pub(super) is_last: bool,
    /// It is a word, written like a state: `ready`. Operators of Percona add one for every state that
    /// the object was in, so that of these only the ones that are False are about now.
    is_lower: bool,
    /// The phase of its object.
    pub(super) phase: String,
    /// What its object is in the middle of.
    pub(super) course: Course,
}

fn status(value: &Value) -> &'static str {
    match value {
        Value::Bool(false) => "False",
        Value::String(word) if word.eq_ignore_ascii_case("false") => "False",
        // a word of the Prometheus Operator: `Degraded`
        Value::String(word) if is_failing(word) => "False",
        // one without a status is there because it is so
        Value::Null | Value::Bool(true) => "True",
        Value::String(word) if word.eq_ignore_ascii_case("true") => "True",
        _ => "Unknown",
    }
}

impl Condition {
    pub(super) fn of(condition: &Value) -> Self {
        let kind = text(&condition["type"]);
        let reason = text(&condition["reason"]);
        let status = status(&condition["status"]);
        // `MinimumReplicasUnavailable` of a Deployment says no more than that it is not Available
        let repeats = kind == "Available" && status == "False" && reason.ends_with("Unavailable");
        let read = Reason::of(reason);
        Self {
            kind: plain_type(kind),
            status,
            reason: Reason { is_failing: read.is_failing && !repeats, ..read },
            is_explained: !reason.is_empty(),
            tells_failure: tells_failure(text(&condition["message"])),
            is_info: condition["severity"] == "Info",
            is_last: false,
            // a prefix is a domain, and no state
            is_lower: kind.starts_with(|first: char| first.is_ascii_lowercase())
                && !kind.contains('/'),
            phase: String::new(),
            course: Course::default(),
        }
    }

    /// `False, Failed: the message`.
    pub(super) fn says(&self, condition: &Value) -> String {
        let status = filled(&condition["status"]).unwrap_or(self.status);
        let reason = filled(&condition["reason"]).map(|reason| format!(", {reason}"));
        // `error` is of Bank-Vaults
        let message = ["message", "error"].into_iter().find_map(|name| filled(&condition[name]));
        let message = message.map(|message| format!(": {message}"));
        format!("{status}{}{}", reason.unwrap_or_default(), message.unwrap_or_default())
    }

    fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// What it says by itself that the object is in the middle of.
    pub(super) fn course_of_own(&self, condition: &Value) -> Course {
        if self.is_true() {
            let kind = if self.is_lower { "" } else { self.kind.as_str() };
            let is_working = is_at_work(kind) && !self.reason.is_failing && !self.reason.is_done;
            return Course { is_working, ..Course::of_pause(kind) };
        }
        // of what is False, its own name is no reason: `ScalingUp`
        let reason = text(&condition["reason"]);
        let is_working = is_working(reason) && !self.reason.is_failing && reason != self.kind;
        Course { is_working: self.status == "False" && is_working, ..Course::default() }
    }

    pub(super) fn id(&self, hint: Hint) -> &'static str {
        if hint == Sure(Sign::Paused) && self.is_cancelled() {
            CANCELLED
        } else if is_verdict(&self.kind) {
            NOT_READY
        } else if is_abnormal(&self.kind) {
            STALLED
        } else {
            CONDITION
        }
    }

    fn is_paused(&self) -> bool {
        is_paused(&self.kind) && self.is_true() || self.reason.is_paused
    }

    /// Whether somebody has cancelled it, and not something that failed.
    fn is_cancelled(&self) -> bool {
        let is_so =
            if self.is_true() { is_cancelled(&self.kind) } else { self.reason.is_cancelled };
        is_so && !self.tells_failure
    }

    /// What it says; none if it is not about whether the object works.
    pub(super) fn hint(&self) -> Option<Hint> {
        let is_true = self.is_true();
        let bad = if self.is_last { Part } else { Sure(Sign::Bad) };
        let kind = self.kind.as_str();
        if self.is_info && !is_true {
            None
        } else if self.is_paused() || self.is_cancelled() {
            Some(Sure(Sign::Paused))
        } else if self.is_lower && is_true {
            None
        } else if is_abnormal(kind) && !is_denial(kind) {
            if is_true { self.abnormal(bad) } else { None }
        } else if kind.ends_with("Warning") {
            is_true.then_some(Sure(Sign::Warning))
        } else if kind == "NoWarnings" {
            (self.status == "False").then_some(Sure(Sign::Warning))
        } else if kind == "Finished" {
            let sign = if self.reason.is_failing { bad } else { Sure(Sign::Good) };
            is_true.then_some(sign)
        } else if is_verdict(kind) {
            self.verdict(bad)
        } else {
            self.of_part()
        }
    }

    /// Whether its controller is at work and has not said that it failed.
    fn is_under_way(&self) -> bool {
        let is_so = self.reason.is_under_way || self.course.is_working;
        is_so && !self.reason.is_failing && !self.tells_failure
    }

    /// Whether it is what follows from a stop.
    fn is_of_stop(&self) -> bool {
        let is_neutral = self.course.is_paused && !self.reason.is_failing;
        is_neutral || self.course.is_stopped && self.reason.is_absent
    }

    /// What it says that is True and should not be.
    fn abnormal(&self, bad: Hint) -> Option<Hint> {
        if is_opposite(&self.kind) && self.is_of_stop() {
            return None;
        }
        let is_open = is_opposite(&self.kind) && self.is_under_way()
            || self.kind == BLOCKED && !self.reason.is_failing && !self.tells_failure;
        Some(if is_open { Doubt } else { bad })
    }

    fn verdict(&self, bad: Hint) -> Option<Hint> {
        match (self.kind.as_str(), self.status, self.phase.as_str()) {
            (_, "True", _) if self.reason.is_failing => Some(Doubt),
            (_, "True", _) => Some(Sure(Sign::Good)),
            // of Argo Rollouts, which says so of a canary that waits
            ("Healthy", _, "Paused") => None,
            _ if self.reason.is_done || self.is_of_stop() => None,
            (_, "Unknown", _) | ("Healthy", _, "Progressing") => Some(Sure(Sign::Open)),
            _ if self.is_under_way() => Some(Sure(Sign::Open)),
            _ => Some(bad),
        }
    }

    /// What a condition says that is not about the whole.
    fn of_part(&self) -> Option<Hint> {
        let Reason { is_failing, is_not_ready, is_absent, .. } = self.reason;
        if self.status == "False" {
            if self.course.is_stopped && (is_absent || !self.is_explained) {
                return None;
            }
            if is_vital(&self.kind) && (is_failing || !self.is_explained) {
                return Some(Sure(Sign::Bad));
            }
            if is_failing || is_not_ready {
                return Some(if self.course.is_working && is_absent { Part } else { Fails });
            }
        }
        // unknown accuses nobody, and is to be told
        if self.status == "Unknown" && is_failing {
            return Some(Part);
        }
        let sign = if self.is_true() { Sign::Good } else { Sign::Open };
        is_summary(&self.kind).then_some(Sure(sign))
    }
}
