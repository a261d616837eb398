//! Rehearsal files: the situations in which a runbook is tested, and what must come of it.
//!
//! `runbooks/ta-bot/no-signals.test.yaml` is the suite of `ta-bot/no-signals`.

mod fits;
mod place;
mod read;

pub use place::Place;
pub(super) use read::schemas;

use crate::action::OutsideResponses;
use crate::diagnostic::line_of;
use crate::event::{Outcome, Verdict};
use crate::expression::Jq;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// The end of the name of a rehearsal file.
pub const SUITE: &str = ".test.yaml";

/// The cases of one runbook.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The runbook's name.
    pub runbook: String,
    /// The file as shown to a person.
    pub file: String,
    /// Its text.
    pub source: Arc<str>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// A situation, what is done in it, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, which no other case of the suite has.
    pub name: String,
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// The state of the simulated cluster.
    pub situation: Situation,
    /// The namespace of the run; the runbook's own if none.
    pub namespace: Option<String>,
    /// Parameters.
    pub params: IndexMap<String, Value>,
    /// Guards that do not hold the run up.
    pub overrides: Vec<String>,
    /// Answers to questions, by step.
    pub answers: IndexMap<String, Answer>,
    /// Which changes a person approves.
    pub approve: Approve,
    /// Reads, shows what would be changed, and changes nothing.
    pub dry_run: bool,
    /// The step at which the process dies; the run is resumed then.
    pub crash: Option<String>,
    /// A run that pauses until a time is resumed when that has come.
    pub resume: bool,
    /// A second run finds nothing to do.
    pub twice: bool,
    /// The run is undone, and the objects that it changed are as before.
    pub undo: bool,
    /// What may be different in its world.
    pub vary: Vary,
    /// What programs of this machine and hosts outside of the cluster respond with.
    pub outside: OutsideResponses,
    /// What must come of it.
    pub expect: Expected,
}

/// What may be different in the world of a case without changing what comes of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "vary")]
pub struct Vary {
    /// Kinds of variation that would rightly change it.
    pub except: Vec<String>,
    /// Nothing may.
    pub never: bool,
    /// Parameters that tell the runbook of what a kind of variation has moved.
    pub params: IndexMap<String, IndexMap<String, Value>>,
}

impl Vary {
    /// Whether a kind of variation is legal.
    pub fn allows(&self, kind: &str) -> bool {
        !self.never && !self.except.iter().any(|except| except == kind)
    }

    /// The two together.
    fn and(&self, other: &Self) -> Self {
        let except = self.except.iter().chain(&other.except).cloned().collect();
        let params = self.params.iter().chain(&other.params);
        let params = params.map(|(kind, params)| (kind.clone(), params.clone())).collect();
        Self { except, never: self.never || other.never, params }
    }
}

/// The state of the simulated cluster.
#[derive(Clone, Debug)]
pub enum Situation {
    /// A scenario of a world: what `--sandbox` takes.
    Named(String),
    /// A world, changed by a scenario that is written in the case.
    Inline {
        /// The world.
        world: String,
        /// The scenario, as its file would say it.
        scenario: Value,
        /// Where it is written.
        span: Range<usize>,
    },
}

/// What a person answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false, or the word that is typed")]
pub enum Answer {
    /// Yes or no.
    Plain(bool),
    /// A word that is typed.
    Word(String),
}

/// Which changes a person approves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false, or a list of steps")]
pub enum Approve {
    /// All, or none: then the run waits.
    All(bool),
    /// Those of these steps.
    Steps(Vec<String>),
}

/// What must come of a case.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The verdict.
    pub verdict: Verdict,
    /// The causes that are found, and no others.
    pub findings: Vec<String>,
    /// The requests that change something, and no others: `patch deployments/web`.
    pub changes: Vec<String>,
    /// How these steps end.
    pub steps: IndexMap<String, Outcome>,
    /// Files that the run saves, others may be there as well: `logs/*`.
    pub saved: Vec<String>,
    /// What is so in the cluster afterwards.
    pub state: Vec<Condition>,
}

/// A condition on an object.
#[derive(Clone, Debug)]
pub struct Condition {
    /// `[NAMESPACE/]KIND/NAME`.
    pub object: String,
    /// What must be true of it; none: it must not exist.
    pub that: Option<Jq>,
}

impl Suite {
    /// The line of a byte of the text, from 1.
    pub fn line(&self, at: usize) -> usize {
        line_of(&self.source, at)
    }
}

impl Case {
    /// The world in which it is played, if it names one.
    pub fn world(&self) -> Option<&str> {
        match &self.situation {
            Situation::Named(name) => name.rsplit_once('/').map(|(world, _)| world),
            Situation::Inline { world, .. } => Some(world),
        }
    }
}
