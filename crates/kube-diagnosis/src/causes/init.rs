//! Whether an init container that runs for long is at work, or waits in vain. The API does not say
//! what it does: the time that its owner has given it says something, and its log.

use super::detail::container_of;
use super::progress::gets_on;
use super::resolution::is_unresolved;
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
/// What it writes of something that is not there, beside a name that cannot be resolved.
const NOWHERE: &[&str] = &["does not exist", "not found"];
/// What it does about that: `table "a" does not exist, skipping`, `not found in cache, downloading`.
const MADE: &[&str] = &["skip", "creat", "download", "ignor", "install", "build", "using"];

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
    // a bar of progress begins its line again
    let lines: Vec<String> = log.split(['\n', '\r']).map(str::to_lowercase).collect();
    let lines: Vec<&str> =
        lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    // a deadline is no evidence of work: what says or does the same again and again waits
    let moves = gets_on(&lines, view.now.duration_since(since).as_secs());
    if is_for_nothing(last) || !moves && (lines.len() > 1 || is_loop(spec)) {
        return None;
    }
    let workload = view.workload(pod);
    let owner = view.get(&workload.kind, &workload.name).unwrap_or(&Value::Null);
    if let Some((field, until)) = given(owner, pod, since) {
        return (until > view.now).then(|| format!("{field} allows it until {until}"));
    }
    let most = seconds(&owner["spec"]["progressDeadlineSeconds"]).unwrap_or(DEFAULT).min(DEFAULT);
    let in_time =
        stated(owner, "Progressing", "False").is_none() && view.now.duration_since(since) <= most;
    (in_time && moves).then(|| "its log shows progress".to_owned())
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
    let is_missing =
        |line: &&&str| has(line, NOWHERE) && !has(line, MADE) && !line.contains("0 not found");
    lines.iter().filter(|line| is_missing(line) || is_unresolved(line)).count() > 1
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
