//! Whether an init container that runs for long is at work, or waits in vain. The API does not say
//! what it does: the time that its owner has given it says something, and its log.

use super::detail::container_of;
use super::reason::mentions;
use crate::object::{array, name, seconds, stated, text, timestamp};
use crate::symptom::Symptom;
use crate::view::View;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long a rollout may make no progress where nobody has said so (pkg/apis/apps/v1/defaults.go,
/// `SetDefaults_Deployment`). That it is this long is no decision of the owner.
const DEFAULT: SignedDuration = SignedDuration::from_secs(600);
/// How many lines from the end of a log are looked at: `nslookup` writes about as many for one
/// attempt.
const LINES: usize = 8;
/// What a program writes that waits for something.
const WAITING: &[&str] =
    &["wait", "retry", "not ready", "no response", "not yet", "trying", "attempt", "unavailable"];
/// What it writes of a name that is none.
pub(super) const UNRESOLVED: &[&str] = &[
    "no such host",
    "name or service not known",
    "name resolution",
    "enotfound",
    "not resolve",
    "n't resolve",
    "cannot resolve",
    "failed to resolve",
    "can't find",
    "nxdomain",
    "bad address",
];
/// What it writes of something else that is not there.
const NOWHERE: &[&str] = &["does not exist", "not found"];

/// The symptom of an init container that runs, as what it is: one within its time, with how long
/// that is, or one that waits.
pub(super) fn judged(view: &View<'_>, pod: &Value, symptom: Symptom) -> Symptom {
    let Some(until) = at_work(view, pod, &symptom) else {
        return Symptom { id: "init-container-waits", ..symptom };
    };
    let message = format!("{}; {until}", symptom.message);
    let hint = "wait, and read its log to see how far it gets".to_owned();
    Symptom { message, hint, ..symptom }
}

/// Until when the container may run on, in words; none if it waits in vain.
fn at_work(view: &View<'_>, pod: &Value, symptom: &Symptom) -> Option<String> {
    let container = symptom.container.as_deref()?;
    let (spec, status) = container_of(pod, container);
    let since = timestamp(&status["state"]["running"]["startedAt"])?;
    let log = view.snapshot.last_words(name(pod), container).unwrap_or_default();
    let lines: Vec<String> = log.lines().map(str::to_lowercase).collect();
    let mut lines: Vec<&str> =
        lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(LINES));
    // a deadline is no evidence of work: what says or does the same again and again waits
    let moves = moves(&lines);
    if is_for_nothing(&lines) || !moves && (lines.len() > 1 || is_loop(spec)) {
        return None;
    }
    let workload = view.workload(pod);
    let owner = view.get(&workload.kind, &workload.name).unwrap_or(&Value::Null);
    if let Some((field, until)) = given(owner, pod, since) {
        return (until > view.now).then(|| format!("{field} gives it until {until}"));
    }
    let most = seconds(&owner["spec"]["progressDeadlineSeconds"]).unwrap_or(DEFAULT).min(DEFAULT);
    let in_time =
        stated(owner, "Progressing", "False").is_none() && view.now.duration_since(since) <= most;
    (in_time && moves).then(|| "its log says what it does".to_owned())
}

/// Until when the owner lets it run by a field that somebody has set, and which field that is. A
/// Deployment that has failed already has no time left.
fn given(owner: &Value, pod: &Value, since: Timestamp) -> Option<(&'static str, Timestamp)> {
    let after =
        |from: Option<Timestamp>, time: Option<SignedDuration>| from?.checked_add(time?).ok();
    let deadline = seconds(&owner["spec"]["progressDeadlineSeconds"])
        .filter(|time| *time > DEFAULT && stated(owner, "Progressing", "False").is_none());
    let (of_owner, of_pod) =
        (&owner["spec"]["activeDeadlineSeconds"], &pod["spec"]["activeDeadlineSeconds"]);
    let begun = |object: &Value| timestamp(&object["status"]["startTime"]);
    let mut all = [
        ("progressDeadlineSeconds", after(Some(since), deadline)),
        ("activeDeadlineSeconds", after(begun(owner), seconds(of_owner))),
        ("activeDeadlineSeconds", after(begun(pod), seconds(of_pod))),
    ]
    .into_iter()
    .filter_map(|(field, until)| Some((field, until?)));
    all.next()
}

/// It says again and again that something is not there.
fn is_for_nothing(lines: &[&str]) -> bool {
    lines.iter().filter(|line| has(line, NOWHERE) || has(line, UNRESOLVED)).count() > 1
}

/// Its lines change, and the last one speaks of nothing for which it waits.
fn moves(lines: &[&str]) -> bool {
    let [.., before, last] = lines else { return false };
    gets_on(before, last) && !has(last, WAITING) && !mentions(last)
}

/// Whether a line is not the one before it with another time or number of an attempt: `applied 243
/// of 400`, `20%` and `row 1200` after `row 1100` get on, and `attempt 7` after `attempt 6` does not.
fn gets_on(before: &str, line: &str) -> bool {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_whitespace().collect(), line.split_whitespace().collect());
    if without_digits(before) != without_digits(line) || old.len() != new.len() {
        return true;
    }
    let is_share = |at: usize| {
        new[at].contains(['%', '/']) && !new[at].contains(':')
            || new.get(at + 1).is_some_and(|next| matches!(*next, "of" | "von"))
    };
    let steps = |at: usize| {
        let number = |word: &str| {
            let bare = word.trim_matches(|one: char| !one.is_alphanumeric());
            // as large as that is a time
            bare.parse::<i64>().ok().filter(|number| *number < 1_000_000_000)
        };
        number(new[at]).zip(number(old[at])).is_some_and(|(new, old)| new > old + 1)
    };
    (0..new.len()).any(|at| old[at] != new[at] && (is_share(at) || steps(at)))
}

fn without_digits(line: &str) -> String {
    line.chars().filter(|one| !one.is_ascii_digit()).collect()
}

/// A command that does nothing but try again: `until nc -z db 5432; do sleep 2; done`, `wait-for db`.
fn is_loop(spec: &Value) -> bool {
    let words = array(&spec["command"]).chain(array(&spec["args"])).map(text);
    let command = words.collect::<Vec<_>>().join(" ");
    let loops = command.contains("until ") || command.contains("while !");
    loops && command.contains("sleep") || command.contains("wait-for")
}

fn has(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}
