//! What a word says: of a phase, a state, a reason.

use super::entry::Entry;
use super::{Hint, Part, Said, Sign, Sure, UNHEALTHY};
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Words for what is broken. `stall` is also in "install", and `fault` in "default".
const FAILING: &str = r"fail|error|(^|_)err|degraded|missing|unhealthy|unavailable|unreachable|lost|out ?of ?sync|invalid|reject|abort|broken|offline|crash|\bstall|\bfault|denied|refused|expired|corrupt|time(d ?)?out|back-?off|exceeded|cannot|\bunable|not ?enough|insufficient|not_?found|unschedulable|evicted|pressure|no_quorum|^(red|critical)$";

fn pattern(text: &str) -> Regex {
    #[expect(
        clippy::expect_used,
        reason = "the patterns are constants, and each is used by a test"
    )]
    Regex::new(text).expect("a valid pattern")
}

static IS_FAILING: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i){FAILING}")));
static IS_NOT_READY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^not.*(ready|healthy|available)$| not (ready|healthy|available)")
});
/// The opposite: "0 errors", `NoErrors`, "Degraded mode disabled"; `FailedOver` is where a failover ends
/// (Ramen).
static NEGATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)\b(no|not|non|0|zero|without)[ _-]?({FAILING})[a-z]*|\b({FAILING})[a-z]*( mode)?( is)? disabled|failed[ -]?over"
    ))
});
static FAILOVER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)failing[ -]?over|failover"));
static WELL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(active|attached|available|bound|completed?|deployed|enabled|established|green|happy|health_ok|healthy|initialized|normal|ok|online|operational|ready|reconciled|relocated|running|stable|succeeded|success(ful)?|synced|valid|)$|in healthy state",
    )
});
static WARNING: LazyLock<Regex> =
    LazyLock::new(|| pattern("(?i)^(yellow|health_warn|warning|rolled[ _-]?back)$"));
static UNDER_WAY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        "(?i)progress|reconciling|pending|waiting|creating|provisioning|starting|initializ|deploying|updating|upgrading|scaling|rolling|installing|issuing|resolving|outofdate|relocating|moving",
    )
});
static PAUSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern("^(([^N]|N[^o]).*)?Paused$|^(Job)?Suspended$|^(Stopped|Halted|Hibernated)$")
});

/// A text without what it denies: "0 errors" is no error.
pub(super) fn affirmed(text: &str) -> Cow<'_, str> {
    match NEGATED.replace_all(text, "") {
        Cow::Owned(rest) => Cow::Owned(rest),
        Cow::Borrowed(_) => Cow::Borrowed(text),
    }
}

/// The reason of a condition, or a word, without what it denies; a failover moves.
fn plain(word: &str) -> String {
    affirmed(&FAILOVER.replace_all(word, "moving")).into_owned()
}

/// What the reason of a condition says.
#[expect(clippy::struct_excessive_bools, reason = "a reason may say several of these")]
pub(super) struct Reason {
    pub(super) is_failing: bool,
    pub(super) is_not_ready: bool,
    pub(super) is_under_way: bool,
    pub(super) is_paused: bool,
    /// The object has done what it is for.
    pub(super) is_done: bool,
}

impl Reason {
    pub(super) fn of(reason: &str) -> Self {
        let plain = plain(reason);
        Self {
            is_failing: IS_FAILING.is_match(&plain),
            is_not_ready: IS_NOT_READY.is_match(&plain),
            is_under_way: UNDER_WAY.is_match(&plain),
            is_paused: is_paused(reason),
            is_done: ["Completed", "PodCompleted"].contains(&reason),
        }
    }
}

/// Whether a type of condition, or a word, says that somebody has paused the object.
pub(super) fn is_paused(word: &str) -> bool {
    PAUSED.is_match(word)
}

/// What a phase, a state or a health says.
pub(super) fn sign(word: &str) -> Sign {
    let is_denied = NEGATED.is_match(word);
    let plain = plain(word);
    let plain = plain.trim_matches([' ', ',', '.', ';']);
    if IS_FAILING.is_match(plain) || IS_NOT_READY.is_match(plain) {
        Sign::Bad
    } else if WARNING.is_match(plain) {
        Sign::Warning
    } else if PAUSED.is_match(plain) {
        Sign::Paused
    } else if WELL.is_match(plain) || is_denied && !UNDER_WAY.is_match(plain) {
        Sign::Good
    } else {
        Sign::Open
    }
}

/// Fields that say yes or no of the object.
const FLAGS: [&str; 5] = ["ready", "readyToUse", "valid", "healthy", "available"];

/// The phases, states and healths of a status. Those of the whole object are at the top, or one level
/// below (`sync.status`, `health.status` of Argo CD).
pub(super) fn words(entries: &[Entry<'_>]) -> Vec<Said> {
    let all: Vec<(&Entry<'_>, Hint)> =
        entries.iter().filter_map(|entry| Some((entry, hint(entry)?))).collect();
    let whole = [1, 2]
        .into_iter()
        .find(|depth| all.iter().any(|(entry, _)| entry.depth == *depth && !entry.is_part()));
    let said = |(entry, hint): (&Entry<'_>, Hint)| Said {
        id: UNHEALTHY,
        at: entry.at.clone(),
        says: says(entry),
        hint,
        is_whole: !entry.is_part() && Some(entry.depth) == whole,
    };
    all.into_iter().map(said).collect()
}

/// The word, with why it is so where it is not good.
fn says(entry: &Entry<'_>) -> String {
    let word = entry.value.as_str().map_or_else(|| entry.value.to_string(), str::to_owned);
    match entry.why.filter(|_| entry.sign != Some(Sign::Good)) {
        Some(why) if why != word => format!("{word}: {why}"),
        _ => word,
    }
}

/// How many of the pods or members of the object are ready, if it counts them.
pub(super) fn count(status: &Value) -> Option<Said> {
    let number = |name: &str| status[name].as_i64();
    let (at, ready, all) = [("readyReplicas", "replicas"), ("readyInstances", "instances")]
        .into_iter()
        .find_map(|(ready, all)| Some((ready, number(ready)?, number(all)?)))?;
    let sign = if ready >= all { Sign::Good } else { Sign::Open };
    let says = format!("{ready} of {all}");
    Some(Said { id: UNHEALTHY, at: at.to_owned(), says, hint: Sure(sign), is_whole: true })
}

fn hint(entry: &Entry<'_>) -> Option<Hint> {
    if let Some(sign) = entry.sign {
        let is_empty = entry.value == "";
        return (!is_empty).then(|| match sign {
            Sign::Bad if entry.is_part() => Part,
            sign => Sure(sign),
        });
    }
    let is_flag = FLAGS.contains(&entry.at.as_str());
    let yes = is_flag.then(|| flag(entry.value))??;
    Some(Sure(if yes { Sign::Good } else { Sign::Open }))
}

/// Whether a field says yes: `true`, or `3/3`.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) => match text.split_once('/') {
            Some((some, all)) => Some(some == all),
            None => text.parse().ok(),
        },
        _ => None,
    }
}
