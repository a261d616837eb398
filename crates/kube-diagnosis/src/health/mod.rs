//! Whether an object of any kind works, as its status says.
//!
//! An object that works is never accused, what says that it is broken is never passed, and the rest is
//! unknown. There is no contract for a status beyond `conditions` and `observedGeneration` (API
//! conventions, "Typical status properties"), so the words and names here are those that controllers
//! use.

mod all;
mod condition;
mod conditions;
mod course;
mod entry;
mod error;
mod field;
mod kind;
mod observed;
mod told;
mod word;

use self::all::All;
use self::conditions::conditions;
use self::course::{Course, stop};
use self::entry::entries;
use self::error::errors;
use self::field::fields;
pub use self::observed::Behind;
use self::observed::behind;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What a status says of its object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Every part of it that says something.
    pub facts: Vec<Fact>,
    /// Why it is not known whether the object works; empty if that is known.
    pub unknown: Vec<String>,
    /// Where the controller has not observed the current spec.
    pub behind: Vec<Behind>,
}

/// What one part of a status says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What kind of statement it is, in a word that never changes.
    pub id: &'static str,
    /// Where it is said: `Ready`, `listeners[0] Programmed`, `sync.status`.
    pub at: String,
    /// In the words of the controller.
    pub says: String,
    /// What follows.
    pub sign: Sign,
}

/// What follows from a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// The object works.
    Good,
    /// It does not.
    Bad,
    /// It works, and something beside it does not.
    Warning,
    /// Somebody has paused, stopped or cancelled it.
    Paused,
    /// It is in the middle of something, or the statement is not understood.
    Open,
}

/// A statement before it is known what the others say.
struct Said {
    id: &'static str,
    at: String,
    says: String,
    hint: Hint,
    /// It is about the object, not about a part of it.
    is_whole: bool,
}

/// What follows from a statement, if the others agree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Sure(Sign),
    /// An item of a list or map, or the last of several attempts, is bad.
    Part,
    /// A condition about a part has failed.
    Fails,
    /// It is not known whether the object works, even if others say so.
    Doubt,
}

use Hint::{Doubt, Fails, Part, Sure};

impl Said {
    fn is(&self, sign: Sign) -> bool {
        self.hint == Sure(sign)
    }

    fn fact(self, is_ready: bool, is_accused: bool) -> Fact {
        let sign = match self.hint {
            Sure(sign) => sign,
            Part if is_ready => Sign::Warning,
            Part | Doubt => Sign::Open,
            Fails if is_ready || is_accused => Sign::Warning,
            Fails => Sign::Bad,
        };
        Fact { id: self.id, at: self.at, says: self.says, sign }
    }
}

/// What the status of an object says of it.
///
/// # Examples
/// ```
/// use kube_diagnosis::health::{Sign, health};
/// use serde_json::json;
///
/// let found = health(&json!({"status": {"phase": "Failed"}}));
/// assert_eq!((found.facts[0].at.as_str(), found.facts[0].sign), ("phase", Sign::Bad));
/// assert!(health(&json!({"status": {"phase": "Frobnicating"}})).facts.iter().all(|fact| fact.sign == Sign::Open));
/// ```
pub fn health(object: &Value) -> Health {
    let status = match &object["status"] {
        status @ (Value::Object(_) | Value::Null) => Cow::Borrowed(status),
        word => Cow::Owned(json!({"status": word})),
    };
    let entries = entries(&status);
    let course = Course::of(&entries, object);
    let conditions = conditions(&entries, &status, course);
    let mut fields = fields(&entries, &status, course);
    fields.extend(stop(object));
    let errors = errors(&entries, &status);
    let behind = behind(object, &conditions.observed);
    let all = All { conditions: conditions.said, fields, errors };
    let unknown = all.unknown();
    let facts = all.facts();
    let is_bad = facts.iter().any(|fact| fact.sign == Sign::Bad);
    Health { facts, unknown: if is_bad { Vec::new() } else { unknown }, behind }
}

/// A condition about the whole object says that it does not work.
const NOT_READY: &str = "not-ready";
/// A condition that is True if something is wrong.
const STALLED: &str = "stalled";
/// Another condition has failed.
const CONDITION: &str = "condition-failed";
/// A phase, state or health is bad.
const UNHEALTHY: &str = "unhealthy";
/// Somebody has cancelled what it was to do.
const CANCELLED: &str = "cancelled";
/// A field of the spec says so.
const SUSPENDED: &str = "suspended";
/// A field holds an error.
const ERROR: &str = "error-reported";
