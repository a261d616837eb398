//! What `runbook alert` says of alerts.

use crate::action::Duration;
use crate::alert::{Missing, shown};
use crate::event::{Alert, AlertRule, AlertState, Standing};
use crate::secret::Masker;
use crate::session::{AnswerRun, NoAnswer, Unanswered};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// So many other alerts are named.
const NAMED: usize = 5;

/// Why a run was not begun.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unrun {
    /// There are more runs than are allowed.
    TooMany {
        /// How many are.
        most: usize,
    },
    /// Somebody has stopped the run before it.
    Stopped,
}

impl fmt::Display for Unrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { most } => {
                write!(f, "these alerts need more than {most} runs; raise --max-runs")
            }
            Self::Stopped => f.write_str("the run before it was stopped"),
        }
    }
}

/// Alerts about which nothing is done.
pub(super) fn resolved(alerts: &[Alert]) -> String {
    let line = |alert: &Alert| {
        let at = alert.ends_at.map(|time| format!(" at {time}")).unwrap_or_default();
        format!("{}: resolved{at}{}\n", alert.name, labels(&alert.labels, "  "))
    };
    let mut text: String = alerts.iter().map(line).collect();
    if !alerts.is_empty() {
        text.push_str("To run the runbooks all the same: --resolved\n\n");
    }
    Masker::new().clean(&text)
}

/// What stands above a run: the alert, its rule, how it stands, and which others the run answers.
pub(super) fn heading(answer: &AnswerRun, (number, all): (usize, usize), now: Timestamp) -> String {
    let Some(answered) = &answer.start.alert else { return String::new() };
    let alert = &answered.alert;
    let mut lines = Vec::new();
    let count = if all > 1 { format!("[{number}/{all}] ") } else { String::new() };
    let since = match (alert.ends_at, alert.starts_at) {
        (Some(end), _) => format!(", resolved at {end}"),
        (None, Some(start)) => format!(", firing since {start}{}", age(start, now)),
        (None, None) => String::new(),
    };
    lines.push(format!("{count}{}{since}", alert.name));
    lines.push(labels(&alert.labels, "  "));
    lines.extend(standing(&answered.standing, now));
    lines.extend(others(answer, alert));
    for name in &answer.by_default {
        lines.push(format!("  No label gives the parameter {name}: it has its default"));
    }
    let gap = if number > 1 { "\n" } else { "" };
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    format!("{gap}{}\n\n", Masker::new().clean(&lines.join("\n")))
}

/// The other alerts that a run answers, equal ones as one; many by their names alone.
fn others(answer: &AnswerRun, first: &Alert) -> Option<String> {
    let others = || answer.alerts.iter().skip(1);
    let counted = |words: Vec<String>| {
        let mut counted: indexmap::IndexMap<String, usize> = indexmap::IndexMap::new();
        words.into_iter().for_each(|words| *counted.entry(words).or_default() += 1);
        counted
    };
    let whole =
        |other: &Alert| format!("{}{}", other.name, differing(&other.labels, &first.labels));
    let mut all = counted(others().map(whole).collect());
    if all.len() > NAMED {
        all = counted(others().map(|other| other.name.clone()).collect());
    }
    let words = |(words, count): (&String, &usize)| match count {
        1 => words.clone(),
        count => format!("{count} × {words}"),
    };
    let named: Vec<String> = all.iter().take(NAMED).map(words).collect();
    let more = match all.values().skip(NAMED).sum::<usize>() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!named.is_empty()).then(|| format!("  also answers {}{more}", named.join(", ")))
}

/// What Prometheus says, if it was asked.
fn standing(standing: &Standing, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(AlertRule { expr, for_s, .. }) = &standing.rule {
        let expr = expr.split_whitespace().collect::<Vec<_>>().join(" ");
        let hold = for_s.filter(|seconds| *seconds > 0.0).map(|seconds| {
            format!(", for {}", Duration(std::time::Duration::from_secs_f64(seconds)))
        });
        lines.push(format!("  rule: {expr}{}", hold.unwrap_or_default()));
    }
    let since = standing
        .active_since
        .map(|time| format!(" since {time}{}", age(time, now)))
        .unwrap_or_default();
    let value = standing.value.map(|value| format!(", value {value}")).unwrap_or_default();
    match (standing.state, &standing.because) {
        (Some(AlertState::Firing), _) => lines.push(format!("  Prometheus: fires{since}{value}")),
        (Some(AlertState::Pending), _) => {
            lines.push(format!("  Prometheus: pending{since}{value}; it does not fire now"));
        }
        (Some(AlertState::Inactive), _) => {
            lines.push("  Prometheus: it does not fire any more".to_owned());
        }
        (None, Some(because)) => {
            lines.push(format!("  Prometheus: unknown whether it still fires: {because}"));
        }
        (None, None) => {}
    }
    lines
}

/// ` (12m)`; nothing for what is in the future.
fn age(time: Timestamp, now: Timestamp) -> String {
    u64::try_from(now.duration_since(time).as_secs())
        .map(|seconds| format!(" ({})", Duration(std::time::Duration::from_secs(seconds))))
        .unwrap_or_default()
}

fn labels(labels: &BTreeMap<String, String>, before: &str) -> String {
    let all: Vec<String> = shown(labels)
        .iter()
        // a label is one word of one line, whatever it says
        .map(|(name, value)| format!("{name}={}", value.replace(char::is_control, " ")))
        .collect();
    if all.is_empty() { String::new() } else { format!("{before}{}", all.join(" ")) }
}

/// The labels that another alert has otherwise.
fn differing(own: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> String {
    let own: BTreeMap<String, String> = own
        .iter()
        .filter(|(name, value)| other.get(*name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    labels(&own, " ")
}

/// Why an alert is not answered, and what to do.
pub(super) fn no_answer(unanswered: &Unanswered) -> (String, String) {
    let name = &unanswered.alert.name;
    match &unanswered.why {
        NoAnswer::Unknown { near } => {
            let near = match near.as_slice() {
                [] => String::new(),
                near => format!("; did you mean {}?", near.join(" or ")),
            };
            (
                format!("no runbook answers the alert {name}{near}"),
                format!(
                    "A runbook answers it if it has `alerts: [{name}]`. To list the alerts that \
                        are answered: runbook alerts. To use a runbook now: --runbook NAME"
                ),
            )
        }
        NoAnswer::Missing { runbook, missing } => {
            let needs: Vec<String> = missing.iter().map(one_missing).collect();
            let set: Vec<String> =
                missing.iter().map(|one| format!("--set {}=VALUE", one.param)).collect();
            (
                format!("{name}: {runbook} needs {}", needs.join(", and ")),
                format!("Set it: {}", set.join(" ")),
            )
        }
        NoAnswer::Unfit { runbook, why } => (
            format!("{name}: {runbook}: {why}"),
            "Set the parameter with --set, which takes precedence over labels".to_owned(),
        ),
        NoAnswer::Refused { runbook, why } => (
            format!("{name}: {runbook}: {why}"),
            format!("To see what it takes: runbook describe {runbook}"),
        ),
    }
}

fn one_missing(Missing { param, looked }: &Missing) -> String {
    match looked.as_slice() {
        [] => format!("the parameter {param}, which no label gives"),
        [label] => format!("the parameter {param}, and the alert has no label {label}"),
        labels => {
            format!(
                "the parameter {param}, and the alert has none of the labels {}",
                labels.join(", ")
            )
        }
    }
}
