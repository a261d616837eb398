//! Symptoms as short text.

use super::{Symptom, symptoms};
use crate::object::text;
use crate::pod::{is_finished, is_ready, pod_status};
use jiff::Timestamp;
use serde_json::Value;

/// The most pods that are named in one sentence.
const NAMED: usize = 3;
/// The most characters of a message of the API: of its beginning, and of its end, which often
/// decides.
const MESSAGE: (usize, usize) = (140, 100);
/// What the container runtime says before it comes to the point.
const WRAPPERS: &[&str] = &[
    "failed to resolve reference ",
    "failed to do request: ",
    "failed to pull and unpack image ",
    "desc = ",
    "ErrImagePull: ",
];

impl Symptom {
    /// The symptom in a few words: `main: CrashLoopBackOff, exit code 78, 9 restarts`.
    pub fn brief(&self) -> String {
        let mut words = match &self.container {
            Some(container) => format!("{container}: {}", self.reason),
            None => self.reason.clone(),
        };
        if let Some(code) = self.exit_code {
            words = format!("{words}, exit code {code}");
        }
        match self.restarts {
            0 => {}
            1 => words.push_str(", 1 restart"),
            many => words = format!("{words}, {many} restarts"),
        }
        // how a run ended has been said; what it left as its last words, and what a probe, the
        // scheduler or a registry says, has not
        let said = match self.exit_code {
            None => point(&self.message),
            Some(_) => self.last_words.clone(),
        };
        if said.is_empty() { words } else { format!("{words}: {}", short(&said)) }
    }
}

/// What decides in a message: without what is wrapped around it, and without what could be driven
/// out for a pod.
pub(crate) fn point(message: &str) -> String {
    let nodes = message.split(" no new claims to deallocate").next().unwrap_or(message);
    let nodes = nodes.split(" preemption: ").next().unwrap_or(nodes);
    // what Kubernetes 1.35 puts behind a sentence about claims
    let nodes = nodes.trim_end_matches('.').strip_suffix(". not found").unwrap_or(nodes);
    let Some(last) =
        WRAPPERS.iter().filter_map(|wrapper| Some(nodes.rfind(wrapper)? + wrapper.len())).max()
    else {
        return nodes.to_owned();
    };
    let rest = nodes[last..].trim_start();
    // the reference in quotes is said again
    let rest = rest
        .strip_prefix('"')
        .and_then(|rest| rest.split_once("\": "))
        .map_or(rest, |(_, rest)| rest);
    let quoted = nodes
        .split_once("image \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(name, _)| name);
    match quoted {
        Some(name) => format!("image {name}: {rest}"),
        None => rest.to_owned(),
    }
}

/// The same of a sentence that may have been put together from several parts.
const SENTENCE: (usize, usize) = (220, 140);

/// One line of moderate length, with its end.
fn short(message: &str) -> String {
    cut(message, MESSAGE)
}

/// A detail of a cause as one line of moderate length, with its end.
pub(crate) fn shortened(detail: &str) -> String {
    cut(detail, SENTENCE)
}

fn cut(text: &str, (begin, end): (usize, usize)) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = line.chars().count();
    if count <= begin + end {
        return line;
    }
    let head: String = line.chars().take(begin).collect();
    let tail: String = line.chars().skip(count - end).collect();
    format!("{} … {}", head.trim_end(), tail.trim_start())
}

/// What is said of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its name.
    pub name: String,
    /// What is said of it; empty where its name says it.
    pub words: String,
}

impl Said {
    /// These words of the object of this name.
    pub fn of(name: impl Into<String>, words: impl Into<String>) -> Self {
        Self { name: name.into(), words: words.into() }
    }
}

/// The pods that do not work, each with what is wrong with it: of `crash-x2f` that it is `main:
/// CrashLoopBackOff, exit code 78, 9 restarts`.
pub fn ill<'a>(
    pods: impl IntoIterator<Item = &'a Value>,
    events: &[Value],
    now: Timestamp,
) -> Vec<Said> {
    let named = pods.into_iter().filter_map(|pod| {
        let briefs: Vec<String> = symptoms(pod, events, now).iter().map(Symptom::brief).collect();
        (!briefs.is_empty()).then(|| Said::of(text(&pod["metadata"]["name"]), briefs.join(", ")))
    });
    named.collect()
}

/// The pods that are not ready although nothing is known to be wrong with them: `ring-1 (Pending)`.
pub fn unready<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let waiting = pods.into_iter().filter(|pod| !is_ready(pod) && !is_finished(pod));
    waiting.map(|pod| format!("{} ({})", text(&pod["metadata"]["name"]), pod_status(pod))).collect()
}

/// The first few of several, and how many more there are. Of those of which the same is said, the
/// names stand together.
pub fn few(all: &[Said]) -> String {
    let mut groups: Vec<(Vec<&str>, &str)> = Vec::new();
    for Said { name, words } in all {
        match groups.iter_mut().find(|(_, said)| said == words && !words.is_empty()) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], words)),
        }
    }
    let shown: Vec<String> = groups.iter().take(NAMED).map(group).collect();
    let rest: usize = groups.iter().skip(NAMED).map(|(names, _)| names.len()).sum();
    let shown = shown.join("; ");
    if rest > 0 { format!("{shown}; and {rest} more") } else { shown }
}

fn group((names, words): &(Vec<&str>, &str)) -> String {
    let listed = match names.get(NAMED..) {
        Some(rest) if !rest.is_empty() => {
            format!("{} and {} more", names[..NAMED].join(", "), rest.len())
        }
        _ => names.join(", "),
    };
    if words.is_empty() { listed } else { format!("{listed}: {words}") }
}

/// What is wrong with the pods that an output consists of: a Pod, `{items: […]}` or a list of them,
/// without their events; or what `triage` says.
pub fn blame(output: &Value, now: Timestamp) -> Vec<Said> {
    let items = output.get("items").unwrap_or(output);
    let items = items.as_array().map_or_else(|| std::slice::from_ref(items), Vec::as_slice);
    let mut found =
        ill(items.iter().filter(|pod| pod["kind"] == "Pod" && pod["status"].is_object()), &[], now);
    found.extend(items.iter().filter_map(|item| {
        let symptoms = item["symptoms"].as_array().filter(|symptoms| !symptoms.is_empty())?;
        let briefs: Vec<&str> =
            symptoms.iter().filter_map(|symptom| symptom["brief"].as_str()).collect();
        let words = briefs.join(", ");
        (!words.is_empty()).then_some(Said::of(item["pod"].as_str()?, words))
    }));
    found
}
