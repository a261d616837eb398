//! What applications wrote, as log rules of the sandbox.

use super::disguise::Disguise;
use super::routes::{Part, literal, template};
use super::{Log, items, text};
use jiff::Timestamp;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How often a line is written until it counts as one that goes on.
const OFTEN: usize = 3;

/// The times that programs write before their lines, each as strftime writes it.
static PREFIXES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let date = [("/", "%Y/%m/%d %H:%M:%S "), ("-", "%Y-%m-%d %H:%M:%S ")];
    let regexes = date.into_iter().filter_map(|(sign, prefix)| {
        let pattern = format!(r"^\d{{4}}{sign}\d\d{sign}\d\d \d\d:\d\d:\d\d ");
        Some((Regex::new(&pattern).ok()?, prefix))
    });
    regexes.collect()
});

/// The log rules of one program, and what stands before each line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) prefix: Option<&'static str>,
    pub(super) rules: Vec<Value>,
}

/// The rules: a line for each that was written, or one for those that were written again and again
/// until the end.
pub(super) fn rules(logs: &[(&Log, &Value)], at: Timestamp, disguise: &Disguise) -> Written {
    let prefix = PREFIXES.iter().find(|(regex, _)| {
        let mut lines = logs.iter().flat_map(|(log, _)| &log.lines).peekable();
        lines.peek().is_some() && lines.all(|(_, line)| regex.is_match(line))
    });
    let mut rules = Vec::new();
    for (log, pod) in logs {
        let mut same: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
        for (time, line) in &log.lines {
            let line = prefix.map_or(line.as_str().into(), |(regex, _)| regex.replace(line, ""));
            same.entry(disguise.text(&line)).or_default().push(*time);
        }
        let begun = started(pod).unwrap_or(at);
        let when = format!("pod.name == {}", literal(&log.pod));
        let mut own: Vec<(f64, Value)> = Vec::new();
        for (line, times) in &same {
            own.extend(of_line(line, times, begun, at).into_iter().map(|(after, every)| {
                let mut rule = json!({"after": after});
                if let Some(every) = every {
                    rule["every"] = json!(every);
                }
                rule["when"] = json!(when);
                rule["text"] = json!(template(&[Part::Text(line)]));
                (after, rule)
            }));
        }
        own.sort_by(|one, other| one.0.total_cmp(&other.0));
        rules.extend(own.into_iter().map(|(_, rule)| rule));
    }
    Written { prefix: prefix.map(|(_, prefix)| *prefix), rules }
}

/// When a line is written: seconds after the start, and between repetitions.
fn of_line(
    line: &str,
    times: &[Timestamp],
    begun: Timestamp,
    at: Timestamp,
) -> Vec<(f64, Option<f64>)> {
    let after = |time: &Timestamp| rounded(time.duration_since(begun).as_secs_f64().max(0.0));
    if let (Some(first), Some(last)) = (times.first(), times.last())
        && times.len() >= OFTEN
        && !line.trim().is_empty()
    {
        #[expect(clippy::cast_precision_loss, reason = "as many as there are lines")]
        let every = last.duration_since(*first).as_secs_f64() / (times.len() - 1) as f64;
        if every > 0.1 && at.duration_since(*last).as_secs_f64() < 3.0 * every {
            return vec![(after(first), Some(rounded(every)))];
        }
    }
    times.iter().map(|time| (after(time), None)).collect()
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// When the sandbox lets the programs of a pod begin.
pub(super) fn started(pod: &Value) -> Option<Timestamp> {
    let started = items(pod, "/status/containerStatuses").iter().filter_map(|status| {
        let states = ["/state/running", "/state/terminated", "/lastState/terminated"];
        let mut times = states.into_iter().map(|state| text(status, &format!("{state}/startedAt")));
        times.find_map(|time| time.parse::<Timestamp>().ok())
    });
    started.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_again_go_on() {
        let at = |seconds: i64| Timestamp::from_second(1_000 + seconds).unwrap();
        let begun = at(0).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let running = json!({"running": {"startedAt": begun}});
        let pod = json!({"status": {"containerStatuses": [{"state": running}]}});
        let line = |seconds: i64, text: &str| {
            (at(seconds), format!("{} {text}", at(seconds).strftime("%Y/%m/%d %H:%M:%S")))
        };
        let log = Log {
            namespace: "shop".to_owned(),
            pod: "a".to_owned(),
            container: "web".to_owned(),
            lines: vec![line(1, "up"), line(10, "ERROR"), line(12, "ERROR"), line(14, "ERROR")],
        };
        let written = rules(&[(&log, &pod)], at(15), &Disguise::default());
        let when = "pod.name == \"a\"";
        assert_eq!(written.prefix, Some("%Y/%m/%d %H:%M:%S "));
        assert_eq!(
            written.rules,
            [
                json!({"after": 1.0, "when": when, "text": "up"}),
                json!({"after": 10.0, "every": 2.0, "when": when, "text": "ERROR"}),
            ]
        );
        let later = rules(&[(&log, &pod)], at(100), &Disguise::default());
        assert_eq!(later.rules.len(), 4, "they had stopped: {later:?}");
    }
}
