//! The parts of the page as values: what the template draws.

use crate::report::theme::{Charset, OutcomeMark};
use serde::Serialize;

/// A mark with its class: the colour is never the only sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    class: &'static str,
    symbol: &'static str,
}

impl From<OutcomeMark> for Mark {
    fn from(mark: OutcomeMark) -> Self {
        let class = match mark {
            OutcomeMark::Good => "good",
            OutcomeMark::Bad => "bad",
            OutcomeMark::Open | OutcomeMark::Attention => "open",
            OutcomeMark::NotDone => "idle",
            OutcomeMark::Preview => "preview",
        };
        Self { class, symbol: mark.symbol(Charset::Unicode) }
    }
}

/// All of the page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) mark: Mark,
    pub(super) verdict: &'static str,
    pub(super) title: String,
    pub(super) runbook: String,
    pub(super) run: String,
    pub(super) facts: Vec<Fact>,
    pub(super) causes: Vec<Cause>,
    pub(super) open: Vec<Open>,
    /// Commands to type.
    pub(super) next: Vec<String>,
    pub(super) changes: Vec<Change>,
    pub(super) counts: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) not_begun: Vec<String>,
    pub(super) happenings: Vec<Happening>,
    pub(super) took: String,
    /// Of the program.
    pub(super) version: String,
}

/// A line of the table of the run.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) text: String,
}

/// A concluded cause, at one of the items that have it.
#[derive(Debug, Serialize)]
pub(super) struct Cause {
    pub(super) mark: Mark,
    pub(super) id: String,
    /// Why it does not count; empty if it does.
    pub(super) note: &'static str,
    pub(super) text: String,
    pub(super) objects: Vec<String>,
    /// What a person does; empty if nothing is said.
    pub(super) todo: String,
    /// What does not prove that the remedy helped.
    pub(super) not_fixed: Vec<String>,
    /// The remedy as a command; empty if there is none.
    pub(super) command: String,
}

/// Causes that are not ruled out for the same reason.
#[derive(Debug, Serialize)]
pub(super) struct Open {
    pub(super) ids: String,
    pub(super) because: String,
}

/// A change, made or not.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) step: String,
    pub(super) verb: String,
    pub(super) object: String,
    pub(super) summary: String,
    pub(super) mark: Mark,
    pub(super) ended: String,
    pub(super) diff: Vec<String>,
}

/// What happened besides steps.
#[derive(Debug, Serialize)]
pub(super) struct Happening {
    /// Since the begin of the run.
    pub(super) at: String,
    pub(super) text: String,
}

/// A step that has begun.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) path: String,
    pub(super) depth: usize,
    pub(super) is_group: bool,
    /// Shown unfolded: it is why the run did not pass.
    pub(super) is_open: bool,
    pub(super) mark: Mark,
    pub(super) title: String,
    pub(super) verb: String,
    pub(super) outcome: String,
    /// The result in a few words, or why it did not pass.
    pub(super) note: String,
    /// The whole reason, if the note is not it.
    pub(super) reason: String,
    pub(super) attempts: u32,
    pub(super) took: String,
    /// Since the begin of the run.
    pub(super) began: String,
    /// Place in the timeline, in thousandths of its width.
    pub(super) left: u64,
    pub(super) width: u64,
    pub(super) expectations: Vec<Expectation>,
    pub(super) matrix: Option<Matrix>,
    /// The first lines of the output as JSON.
    pub(super) output: Vec<String>,
    /// Lines of the output that are not shown.
    pub(super) more: usize,
    pub(super) saved: Vec<SavedFile>,
}

/// A judged expectation.
#[derive(Debug, Serialize)]
pub(super) struct Expectation {
    pub(super) mark: Mark,
    pub(super) that: String,
    pub(super) message: String,
    pub(super) expected: String,
    pub(super) actual: String,
    pub(super) items: Vec<Item>,
}

/// An item to blame.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) because: String,
}

/// The output of a fan-out: a row for each pod.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Rows that are not shown.
    pub(super) more: usize,
}

/// A saved file, beside the page in an archive.
#[derive(Debug, Serialize)]
pub(super) struct SavedFile {
    pub(super) path: String,
    pub(super) text: String,
}
