//! The fields of a status that say something: phases, states and healths, flags, counts.

use super::course::{Course, STOPS};
use super::entry::Entry;
use super::word::{is_absent, is_cancelled, is_failing, is_out_of_sync};
use super::{CANCELLED, Doubt, Hint, Part, Said, Sign, Sure, UNHEALTHY};
use crate::object::filled;
use serde_json::Value;

/// Fields that say yes or no of the object: yes if it is well.
const FLAGS: [&str; 5] = ["ready", "readyToUse", "valid", "healthy", "available"];
/// Yes if it is not.
const ILL_FLAGS: [&str; 9] = [
    "degraded",
    "unhealthy",
    "failed",
    "stalled",
    "sealed",
    "expired",
    "corrupted",
    "unavailable",
    "unreachable",
];
/// Yes if it does not go on, for whatever reason.
const HELD_FLAGS: [&str; 2] = ["blocked", "stuck"];

/// The phases, states and healths of a status. Those of the whole object are at the top, or one level
/// below (`sync.status`, `health.status` of Argo CD).
pub(super) fn fields(entries: &[Entry<'_>], status: &Value, course: Course) -> Vec<Said> {
    let all: Vec<(&Entry<'_>, Hint)> =
        entries.iter().filter_map(|entry| Some((entry, hint(entry, course)?))).collect();
    let whole = [1, 2]
        .into_iter()
        .find(|depth| all.iter().any(|(entry, _)| entry.depth == *depth && !entry.is_part()));
    let said = |(entry, hint): (&Entry<'_>, Hint)| Said {
        id: id(entry, course),
        at: entry.at.clone(),
        says: says(entry),
        hint,
        is_whole: !entry.is_part() && Some(entry.depth) == whole,
    };
    let doubt = doubt(entries, status);
    all.into_iter().map(said).chain(doubt).chain(count(status)).collect()
}

fn id(entry: &Entry<'_>, course: Course) -> &'static str {
    let is_ended = course.is_cancelled && entry.sign == Some(Sign::Bad) && !entry.is_part();
    let is_so = is_ended || entry.value.as_str().is_some_and(is_cancelled);
    if is_so { CANCELLED } else { UNHEALTHY }
}

/// The word, with why it is so where it is not good.
fn says(entry: &Entry<'_>) -> String {
    let word = entry.value.as_str().map_or_else(|| entry.value.to_string(), str::to_owned);
    match entry.why.as_ref().filter(|_| entry.sign != Some(Sign::Good)) {
        Some(why) if *why != word => format!("{word}: {why}"),
        _ => word,
    }
}

/// A reason that is bad beside words that are good: `Running`, `OOMKilled`. A sentence may tell of the
/// past.
fn doubt(entries: &[Entry<'_>], status: &Value) -> Option<Said> {
    let says = filled(&status["reason"]).filter(|reason| !reason.contains(' '))?;
    let is_well = |entry: &Entry<'_>| entry.sign.is_none_or(|sign| sign == Sign::Good);
    let is_alone = entries.iter().filter(|entry| entry.depth == 1).all(is_well);
    (is_failing(says) && is_alone).then(|| Said {
        id: UNHEALTHY,
        at: "reason".to_owned(),
        says: says.to_owned(),
        hint: Doubt,
        is_whole: false,
    })
}

/// How many of the pods or members of the object are ready, if it counts them.
fn count(status: &Value) -> Option<Said> {
    let number = |name: &str| status[name].as_i64();
    let (at, ready, all) = [("readyReplicas", "replicas"), ("readyInstances", "instances")]
        .into_iter()
        .find_map(|(ready, all)| Some((ready, number(ready)?, number(all)?)))?;
    let sign = if ready >= all { Sign::Good } else { Sign::Open };
    let says = format!("{ready} of {all}");
    Some(Said { id: UNHEALTHY, at: at.to_owned(), says, hint: Sure(sign), is_whole: true })
}

fn hint(entry: &Entry<'_>, course: Course) -> Option<Hint> {
    let Some(sign) = entry.sign else { return flag(entry, course) };
    let word = entry.value.as_str().filter(|word| !word.is_empty())?;
    match sign {
        Sign::Bad if entry.is_part() => Some(Part),
        Sign::Bad if course.is_cancelled => Some(Sure(Sign::Paused)),
        // of a Flink job that is suspended or upgraded, the JobManager is MISSING
        Sign::Bad if is_absent(word) && course.is_stopped => None,
        Sign::Bad if course.is_working && is_absent(word) => Some(Sure(Sign::Open)),
        Sign::Warning if course.is_working && is_out_of_sync(word) => Some(Sure(Sign::Open)),
        Sign::Paused if entry.is_part() && is_cancelled(word) => None,
        sign => Some(Sure(sign)),
    }
}

/// What a field says that is yes or no.
fn flag(entry: &Entry<'_>, course: Course) -> Option<Hint> {
    let name = entry.at.as_str();
    if FLAGS.contains(&name) {
        return match yes(entry.value)? {
            true => Some(Sure(Sign::Good)),
            false if course.is_paused => None,
            // what is new is not ready yet
            false => Some(Sure(if name == "healthy" { Sign::Bad } else { Sign::Open })),
        };
    }
    let hint = if ILL_FLAGS.contains(&name) {
        Sure(Sign::Bad)
    } else if HELD_FLAGS.contains(&name) {
        Doubt
    } else if STOPS.contains(&name) {
        Sure(Sign::Paused)
    } else {
        return None;
    };
    // `failed: 0/0` counts
    (*entry.value == true || *entry.value == "true").then_some(hint)
}

/// Whether a field says yes: `true`, or `3/3`.
fn yes(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) => match text.split_once('/') {
            Some((some, all)) => Some(some == all),
            None => text.parse().ok(),
        },
        _ => None,
    }
}
