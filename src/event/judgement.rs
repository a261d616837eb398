//! How an expectation was judged: the data, without the engine that judges.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a judgement concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The expectation is met.
    #[serde(rename = "passed")]
    True,
    /// The expectation is not met.
    #[serde(rename = "failed")]
    False,
    /// It could not be judged.
    Error,
}

/// How an expectation was judged, for operators and reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The expectation as shown: `all: .status == 200`.
    pub that: String,
    /// The conclusion.
    pub outcome: Truth,
    /// What was wanted: a value, a count, or a comparison such as `"> 0"`.
    pub expected: Value,
    /// What was found instead; long values are cut.
    pub actual: Value,
    /// The items to blame; for `exactly` that is not met all items with their values.
    pub items: Vec<JudgedItem>,
    /// The conclusion in one line: `1 of 3, want all: pod/a: 500, want 200`.
    pub reason: String,
    /// The same without what it says of single items: `1 of 3, want all`. None where it says
    /// nothing of them, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
    /// The message of the expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the expectation is written, if it is not met: `runbooks/x.yaml:12:9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Judgement {
    /// The conclusion without what it says of single items.
    pub fn in_brief(&self) -> &str {
        self.brief.as_deref().unwrap_or(&self.reason)
    }
}

/// One item of a judged list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedItem {
    /// `pod/NAME`, another name of the item, or its position, counted from one.
    pub name: String,
    /// The value that was compared, or the item itself.
    pub value: Value,
    /// Why it is so, where the item says it: `main: CrashLoopBackOff, exit code 78, 9 restarts:
    /// FATAL …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
