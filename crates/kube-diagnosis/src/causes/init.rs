//! Whether an init container that runs for long is at work, or waits in vain. The API does not say
//! what it does: the time that its owner has given it says something, and its log.

use super::detail::container_of;
use super::reason::mentions;
use crate::object::{name, stated, timestamp};
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
/// What it writes of something that is not there.
const NOWHERE: &[&str] = &[
    "no such host",
    "name or service not known",
    "name resolution",
    "not resolve",
    "n't resolve",
    "cannot resolve",
    "failed to resolve",
    "can't find",
    "nxdomain",
    "bad address",
    "does not exist",
    "not found",
];

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
    let (_, status) = container_of(pod, container);
    let since = timestamp(&status["state"]["running"]["startedAt"])?;
    let log = view.snapshot.last_words(name(pod), container).unwrap_or_default();
    let lines: Vec<String> = log.lines().map(str::to_lowercase).collect();
    let mut lines: Vec<&str> =
        lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(LINES));
    if is_for_nothing(&lines) {
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
    (in_time && moves(&lines)).then(|| "its log says what it does".to_owned())
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

fn seconds(value: &Value) -> Option<SignedDuration> {
    value.as_i64().map(SignedDuration::from_secs)
}

/// It says again and again that something is not there.
fn is_for_nothing(lines: &[&str]) -> bool {
    lines.iter().filter(|line| has(line, NOWHERE)).count() > 1
}

/// Its lines change, and the last one speaks of nothing for which it waits.
fn moves(lines: &[&str]) -> bool {
    let [.., before, last] = lines else { return false };
    before != last && !has(last, WAITING) && !mentions(last)
}

fn has(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}
