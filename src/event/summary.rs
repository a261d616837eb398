//! The summary document of a run: what `--output json` prints.

use super::{
    AnsweredAlert, Effect, FindingConcluded, Judgement, Mode, NotRuledOut, Outcome, Part, Saved,
    Severity, StepKind, Target, Verdict,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Version of the summary document.
pub const SUMMARY_SCHEMA: &str = "runbook.run/v1";

/// A whole run in one document. Additive: a field is never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`].
    pub schema: String,
    /// The run's id.
    pub run: String,
    /// Name in the catalogue.
    pub runbook: String,
    /// Title of the runbook.
    pub title: String,
    /// `sha256:…` of the runbook.
    pub digest: String,
    /// Kind of run.
    pub mode: Mode,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended; none while it runs or after a crash.
    pub ended: Option<Timestamp>,
    /// Milliseconds between the two.
    pub duration_ms: Option<u64>,
    /// The alert that it answers; none if it was started otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Box<AnsweredAlert>>,
    /// The part of the runbook that it does; absent if it does all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Where it acted.
    pub target: Target,
    /// Resolved parameters, masked.
    pub params: Map<String, Value>,
    /// Result; none while it runs or after a crash.
    pub verdict: Option<Verdict>,
    /// Of a run without an end, whether a process executes it; none where nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Exit code that goes with the verdict.
    pub exit_code: Option<u8>,
    /// Steps by outcome.
    pub counts: Counts,
    /// Every step that has ended or begun, in the order of beginning.
    pub steps: Vec<StepSummary>,
    /// Concluded causes, in the order of declaration.
    pub findings: Vec<FindingConcluded>,
    /// Causes that could not be excluded.
    pub not_ruled_out: Vec<NotRuledOut>,
    /// Changes made in the cluster, oldest first.
    pub changes: Vec<Value>,
    /// The times that steps wait for, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<String, Timestamp>,
    /// Commands to type next.
    pub next: Vec<String>,
}

/// Steps by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Passed, recovered ones included.
    pub passed: u32,
    /// Failed or timed out.
    pub failed: u32,
    /// Unknown.
    pub unknown: u32,
    /// Skipped: their condition is false, or they were left out.
    pub skipped: u32,
    /// Cancelled: rejected by a person, stopped, or not begun before the run ended. Absent in
    /// summaries of earlier versions, which counted them as skipped.
    #[serde(default)]
    pub cancelled: u32,
    /// Could not be judged.
    pub error: u32,
}

impl Counts {
    /// Counts one more step.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed | Outcome::Recovered => self.passed += 1,
            Outcome::Failed | Outcome::TimedOut => self.failed += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Error => self.error += 1,
        }
    }
}

/// One step of the summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// Id within its runbook.
    pub id: String,
    /// Place in the run.
    pub path: String,
    /// What it is called for a person.
    pub title: String,
    /// The verb.
    pub action: StepKind,
    /// What the action can do.
    pub effect: Effect,
    /// How it ended; none when it was begun and never ended.
    pub outcome: Option<Outcome>,
    /// Whether a failure counts.
    pub severity: Severity,
    /// Result in a few words.
    pub summary: String,
    /// Why it did not pass.
    pub reason: String,
    /// Attempts made.
    pub attempts: u32,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// The judged expectations.
    pub expectations: Vec<Judgement>,
    /// The files that it saved; absent if it saved none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saved: Vec<Saved>,
}
