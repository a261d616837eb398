//! Symptoms in a few words.

use super::{Symptom, symptoms};
use crate::cluster::pod::{is_finished, is_ready, pod_status, text};
use jiff::Timestamp;
use serde_json::Value;

/// The most pods that are named in one sentence.
const NAMED: usize = 3;
/// The most characters of a message of the API.
const MESSAGE: usize = 240;

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
        // how a run ended has been said; what it left as its last words, and what a probe, the scheduler or a registry says, has not
        let said = match (self.exit_code, self.message.split_once("; ended with"), self.message.split_once("saying: ")) {
            (None, _, _) => self.message.as_str(),
            (_, Some((probe, _)), _) => probe,
            (_, None, Some((_, words))) => words.rsplit_once(" (").map_or(words, |(words, _)| words),
            (_, None, None) => "",
        };
        if said.is_empty() { words } else { format!("{words}: {}", short(said)) }
    }
}

/// One line of at most so many characters.
fn short(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// The pods that do not work, each with what is wrong with it: `crash-x2f: main: CrashLoopBackOff, exit code 78, 9 restarts`.
pub fn ill<'a>(pods: impl IntoIterator<Item = &'a Value>, events: &[Value], now: Timestamp) -> Vec<String> {
    let named = pods.into_iter().filter_map(|pod| {
        let briefs: Vec<String> = symptoms(pod, events, now).iter().map(Symptom::brief).collect();
        (!briefs.is_empty()).then(|| format!("{}: {}", text(&pod["metadata"]["name"]), briefs.join(", ")))
    });
    named.collect()
}

/// The pods that are not ready although nothing is known to be wrong with them: `ring-1 (Pending)`.
pub fn unready<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let waiting = pods.into_iter().filter(|pod| !is_ready(pod) && !is_finished(pod));
    waiting.map(|pod| format!("{} ({})", text(&pod["metadata"]["name"]), pod_status(pod))).collect()
}

/// The first few of several, and how many more there are.
pub fn few(all: &[String]) -> String {
    match all.get(NAMED..) {
        Some(rest) if !rest.is_empty() => format!("{}; and {} more", all[..NAMED].join("; "), rest.len()),
        _ => all.join("; "),
    }
}

/// What is wrong with the pods that an output consists of: a Pod, `{items: […]}` or a list of them. Without their events.
pub fn blame(output: &Value, now: Timestamp) -> Option<String> {
    let items = output.get("items").unwrap_or(output);
    let pods = items.as_array().map_or_else(|| std::slice::from_ref(items), Vec::as_slice);
    let found = ill(pods.iter().filter(|pod| pod["kind"] == "Pod" && pod["status"].is_object()), &[], now);
    (!found.is_empty()).then(|| few(&found))
}
