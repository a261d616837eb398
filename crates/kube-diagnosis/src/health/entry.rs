//! The parts of a status that can say something of its object.

use super::Sign;
use super::told::told;
use super::word::sign;
use serde_json::{Map, Value};

/// What a key says of its value, and of all that is below it.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a key may be several of these")]
pub(super) struct Key {
    /// A list of conditions.
    pub(super) list: bool,
    /// A phase, state or health.
    pub(super) word: bool,
    /// A field for errors.
    pub(super) error: bool,
    /// The last of several attempts.
    pub(super) last: bool,
    /// The last failure, and the last success.
    pub(super) failed: bool,
    pub(super) succeeded: bool,
}

/// A value of a status, with where it is.
pub(super) struct Entry<'a> {
    pub(super) at: String,
    /// 1 at the top.
    pub(super) depth: usize,
    pub(super) value: &'a Value,
    pub(super) key: Key,
    /// What the keys above it say.
    pub(super) above: Key,
    /// What it says, if it is a word.
    pub(super) sign: Option<Sign>,
    /// The text beside it that says why.
    pub(super) why: Option<String>,
    is_numbered: bool,
}

impl Entry<'_> {
    /// Whether it is an item of a list or map, or the last of several attempts.
    pub(super) fn is_part(&self) -> bool {
        self.is_last() || self.depth > 2 || self.is_numbered
    }

    /// Whether it is about the last of several attempts.
    pub(super) fn is_last(&self) -> bool {
        self.key.last || self.above.last
    }
}

/// The parts of a status that can say something, without what is past or desired.
pub(super) fn entries(status: &Value) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    collect(status, &Above::default(), &mut found);
    found
}

/// Where a value is.
#[derive(Clone, Default)]
struct Above {
    at: String,
    depth: usize,
    key: Key,
    is_numbered: bool,
}

fn collect<'a>(value: &'a Value, above: &Above, found: &mut Vec<Entry<'a>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !is_past(name)) {
                let dot = if above.at.is_empty() { "" } else { "." };
                let (at, key) = (format!("{}{dot}{name}", above.at), Key::of(name));
                let below = Above { at, depth: above.depth + 1, ..above.clone() };
                let entry = entry(value, key, &below);
                found.extend(entry.map(|entry| Entry { why: why(fields, name), ..entry }));
                if !key.list {
                    collect(value, &Above { key: above.key.or(key), ..below }, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let at = format!("{}[{index}]", above.at);
                let depth = above.depth + 1;
                collect(item, &Above { at, depth, is_numbered: true, key: above.key }, found);
            }
        }
        _ => {}
    }
}

fn entry<'a>(value: &'a Value, key: Key, place: &Above) -> Option<Entry<'a>> {
    // the time of a failure may be in an object: `lastError.time`
    let is_timed = place.key.failed || place.key.succeeded;
    if !(key.says() || is_timed || place.depth == 1) {
        return None;
    }
    let sign = value.as_str().filter(|_| key.word).map(sign);
    // there may be thousands of items, and what is well with them says nothing of the whole
    if place.depth > 2 && matches!(sign, Some(Sign::Good | Sign::Open)) {
        return None;
    }
    let Above { at, depth, key: above, is_numbered } = place.clone();
    Some(Entry { at, depth, value, key, above, sign, why: None, is_numbered })
}

/// The text that stands beside a word and says why it is so: `message`, `phaseReason`, `problems` of
/// the Logging operator, `lastMessage` of Grafana. The last error says why only where it is beside what
/// has failed; other errors are told by themselves.
fn why(fields: &Map<String, Value>, name: &str) -> Option<String> {
    const NAMES: [&str; 7] = [
        "message",
        "reason",
        "messages",
        "description",
        "problems",
        "statusMessage",
        "lastMessage",
    ];
    let own = [format!("{name}Message"), format!("{name}Reason")];
    let names = NAMES.into_iter().chain(own.iter().map(String::as_str));
    let last = fields.iter().filter(|(name, _)| Key::of(name).error && Key::of(name).last);
    let values = names.filter_map(|name| fields.get(name)).chain(last.map(|(_, value)| value));
    values.filter_map(told).next()
}

impl Key {
    fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let ends = |with: &[&str]| with.iter().any(|end| lower.ends_with(end));
        let after_last = lower.strip_prefix("last");
        let of_last = |words: &[&str]| {
            after_last.is_some_and(|rest| words.iter().any(|word| rest.contains(word)))
        };
        Self {
            list: ends(&["conditions"]),
            word: ends(&["status", "state", "phase", "health", "robustness", "result"]),
            error: is_error(&lower),
            last: name
                .strip_prefix("last")
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase())),
            failed: of_last(&["err", "fail"]),
            succeeded: of_last(&["succ"]),
        }
    }

    /// Whether its value can say something.
    fn says(self) -> bool {
        self.list || self.word || self.error || self.failed || self.succeeded
    }

    fn or(self, below: Self) -> Self {
        Self {
            list: self.list || below.list,
            word: self.word || below.word,
            error: self.error || below.error,
            last: self.last || below.last,
            failed: self.failed || below.failed,
            succeeded: self.succeeded || below.succeeded,
        }
    }
}

/// Whether a field is for errors: `error`, `lastErrors`, `failureMessage`, `lastFailure`.
fn is_error(lower: &str) -> bool {
    let ends = |text: &str, with: &[&str]| with.iter().any(|end| text.ends_with(end));
    let what = ["message", "messages", "reason", "msg", "description", "detail", "details"]
        .iter()
        .find_map(|end| lower.strip_suffix(end));
    let what = what.map(|rest| rest.strip_suffix('_').unwrap_or(rest));
    ends(lower, &["error", "errors"])
        || what.is_some_and(|what| ends(what, &["error", "failure"]))
        || matches!(lower, "lastfailure" | "last_failure")
}

/// What is past, or desired: `history` of Argo CD and Flux, `ceph.previousHealth` of Rook,
/// `retriesStatus` of Tekton, `recentMaintenance` of Velero.
fn is_past(name: &str) -> bool {
    const NAMES: [&str; 5] = ["history", "deprecated", "operation", "syncResult", "retriesStatus"];
    const PREFIXES: [&str; 9] = [
        "previous",
        "prior",
        "old",
        "recent",
        "desired",
        "target",
        "expected",
        "next",
        "previous_",
    ];
    let is_prefixed = PREFIXES
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase() || first == '_'));
    NAMES.contains(&name) || name.ends_with("History") || is_prefixed
}
