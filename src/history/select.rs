//! Which runs a person asks for.

use crate::event::Verdict;
use crate::journal::{RunHeader, RunInfo};
use jiff::Timestamp;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has ended, or waits.
    Ended(Verdict),
    /// A process executes it.
    Running,
    /// It has no end, and no process executes it.
    Crashed,
    /// Its journal does not say what it is.
    Unreadable,
}

impl Standing {
    /// The word used in machine output and for a filter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended(Verdict::Passed) => "passed",
            Self::Ended(Verdict::Failed) => "failed",
            Self::Ended(Verdict::Error) => "error",
            Self::Ended(Verdict::Unknown) => "unknown",
            Self::Ended(Verdict::Paused) => "paused",
            Self::Ended(Verdict::InDoubt) => "in_doubt",
            Self::Ended(Verdict::Cancelled) => "cancelled",
            Self::Ended(Verdict::TimedOut) => "timed_out",
            Self::Ended(Verdict::Previewed) => "previewed",
            Self::Ended(Verdict::Partial) => "partial",
            Self::Running => "running",
            Self::Crashed => "crashed",
            Self::Unreadable => "unreadable",
        }
    }

    /// How this run stands; `is_running` says whether a process executes it, and is asked only of a
    /// run without an end.
    pub fn of(info: &RunInfo, is_running: impl Fn(&str) -> bool) -> Self {
        match &info.finished {
            Some(finished) => Self::Ended(finished.verdict),
            None if is_running(&info.run) => Self::Running,
            None if info.header.is_none() => Self::Unreadable,
            None => Self::Crashed,
        }
    }
}

/// What is asked for; all of it must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Name of the runbook, or the beginning of names up to a `/`: `ta-bot/`.
    pub runbook: Option<String>,
    /// How it stands: one of these; any if empty.
    pub standings: Vec<Standing>,
    /// Begun at this time or later.
    pub since: Option<Timestamp>,
    /// Each is the context, the scenario of the sandbox or the namespace.
    pub targets: Vec<String>,
    /// Name of the kubeconfig context.
    pub context: Option<String>,
    /// Namespace of the runbook.
    pub namespace: Option<String>,
    /// Name of the alert that it answers.
    pub alert: Option<String>,
}

impl Filter {
    /// Whether what the header says is asked for.
    fn wants_header(&self, header: &RunHeader) -> bool {
        let Self { runbook, standings: _, since, targets, context, namespace, alert } = self;
        let target = &header.target;
        let named = |wanted: &String| {
            header.runbook == *wanted
                || wanted.ends_with('/') && header.runbook.starts_with(wanted.as_str())
        };
        let is =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let at = |wanted: &String| {
            [&target.context, &target.sandbox, &target.namespace]
                .into_iter()
                .any(|found| found.as_ref() == Some(wanted))
        };
        runbook.as_ref().is_none_or(named)
            && since.is_none_or(|since| header.started >= since)
            && targets.iter().all(at)
            && is(context, &target.context)
            && is(namespace, &target.namespace)
            && is(alert, &header.alert)
    }

    /// Whether nothing is asked of what the header says.
    fn is_of_any_run(&self) -> bool {
        Self { standings: Vec::new(), ..self.clone() } == Self::default()
    }
}

/// A run of the selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// What its journal says.
    pub info: RunInfo,
    /// How it stands.
    pub standing: Standing,
}

/// The runs that are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Newest first.
    pub runs: Vec<Listed>,
    /// Whether others match as well.
    pub more: bool,
    /// How many were looked at.
    pub seen: usize,
}

/// The first `limit` runs that are asked for. No more runs are taken than that needs. A run whose
/// header cannot be read is in the selection only if nothing is asked of what stands in it.
pub fn select(
    runs: impl IntoIterator<Item = RunInfo>,
    filter: &Filter,
    limit: usize,
    is_running: impl Fn(&str) -> bool,
) -> Selection {
    let mut selection = Selection::default();
    for info in runs {
        selection.seen += 1;
        let wanted = match &info.header {
            Some(header) => filter.wants_header(header),
            None => filter.is_of_any_run(),
        };
        if !wanted {
            continue;
        }
        let standing = Standing::of(&info, &is_running);
        if !filter.standings.is_empty() && !filter.standings.contains(&standing) {
            continue;
        }
        if selection.runs.len() == limit {
            selection.more = true;
            break;
        }
        selection.runs.push(Listed { info, standing });
    }
    selection
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Mode, RunFinished, Target};
    use std::collections::BTreeMap;

    fn info(run: &str, runbook: &str, verdict: Option<Verdict>, context: &str) -> RunInfo {
        let header = RunHeader {
            started: format!("2026-11-{run}T03:00:00Z").parse().unwrap(),
            runbook: runbook.to_owned(),
            title: String::new(),
            mode: Mode::Run,
            undoes: None,
            target: Target {
                context: Some(context.to_owned()),
                namespace: Some("shop".to_owned()),
                ..Target::default()
            },
            alert: (runbook == "ta-bot/no-signals").then(|| "NoSignals".to_owned()),
            host: String::new(),
        };
        let finished = verdict.map(|verdict| RunFinished {
            verdict,
            exit_code: 0,
            duration_ms: 0,
            next: Vec::new(),
            commands: Vec::new(),
            waiting: BTreeMap::new(),
            due: BTreeMap::new(),
        });
        RunInfo { run: run.to_owned(), header: Some(header), finished, ended: None }
    }

    fn runs() -> Vec<RunInfo> {
        let unreadable =
            RunInfo { run: "00".to_owned(), header: None, finished: None, ended: None };
        vec![
            info("25", "ta-bot/smoke", None, "prod"),
            info("24", "ta-bot/no-signals", Some(Verdict::Failed), "prod"),
            info("23", "kubernetes/node", None, "test"),
            info("22", "ta-bot/smoke", Some(Verdict::Passed), "test"),
            unreadable,
        ]
    }

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let some = |text: &str| Some(text.to_owned());
        let all = Filter::default;
        for (filter, wanted) in [
            (all(), &["25", "24", "23", "22", "00"][..]),
            (Filter { runbook: some("ta-bot/smoke"), ..all() }, &["25", "22"]),
            (Filter { runbook: some("ta-bot/"), ..all() }, &["25", "24", "22"]),
            (Filter { runbook: some("ta-bot"), ..all() }, &[]),
            (Filter { standings: vec![Standing::Running], ..all() }, &["25"]),
            (Filter { standings: vec![Standing::Crashed], ..all() }, &["23"]),
            (Filter { standings: vec![Standing::Unreadable], ..all() }, &["00"]),
            (
                Filter {
                    standings: vec![
                        Standing::Ended(Verdict::Failed),
                        Standing::Ended(Verdict::Passed),
                    ],
                    ..all()
                },
                &["24", "22"],
            ),
            (Filter { since: "2026-11-24T03:00:00Z".parse().ok(), ..all() }, &["25", "24"]),
            (Filter { targets: vec!["shop".into(), "test".into()], ..all() }, &["23", "22"]),
            (Filter { context: some("shop"), ..all() }, &[]),
            (Filter { namespace: some("shop"), context: some("prod"), ..all() }, &["25", "24"]),
            (Filter { alert: some("NoSignals"), ..all() }, &["24"]),
            (Filter { runbook: some("ta-bot/"), context: some("test"), ..all() }, &["22"]),
        ] {
            let selection = select(runs(), &filter, 10, |run| run == "25");
            let found: Vec<&str> =
                selection.runs.iter().map(|listed| listed.info.run.as_str()).collect();
            assert_eq!((found.as_slice(), selection.more), (wanted, false), "{filter:?}");
        }
    }

    #[test]
    fn no_more_is_read_than_is_shown() {
        let mut taken = 0;
        let counted = runs().into_iter().inspect(|_| taken += 1);
        let selection = select(counted, &Filter::default(), 1, |_| false);
        assert_eq!((selection.runs.len(), selection.more, taken), (1, true, 2));
    }
}
