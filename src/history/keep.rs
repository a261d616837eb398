//! Which runs a retention lets go, and which of them are needed all the same.

use super::Standing;
use super::last::{Place, place};
use crate::event::{Mode, Verdict};
use crate::journal::RunInfo;
use crate::state::RunState;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is kept. A run that one of the two keeps is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest runs of each runbook on each target; dry runs are counted by
    /// themselves, and so are the runs on a target that take earlier ones back.
    pub keep: Option<usize>,
    /// What began at this time or later.
    pub since: Option<Timestamp>,
}

impl Retention {
    /// The runs that it does not keep, of `runs` in the same order, newest first. A run whose header
    /// cannot be read is kept.
    pub fn lets_go<'a>(&self, runs: &'a [RunInfo]) -> Vec<&'a RunInfo> {
        let mut counted: BTreeMap<(&str, Place, bool), usize> = BTreeMap::new();
        let gone = runs.iter().filter(|info| {
            let Some(header) = &info.header else { return false };
            let is_undo = matches!(header.mode, Mode::Undo);
            let name = if is_undo { "undo" } else { header.runbook.as_str() };
            let key = (name, place(&header.target), header.mode == Mode::DryRun);
            let number = counted.entry(key).or_default();
            *number += 1;
            let is_new = self.keep.is_some_and(|keep| *number <= keep);
            let is_young = self.since.is_some_and(|since| header.started >= since);
            let says_something = self.keep.is_some() || self.since.is_some();
            says_something && !is_new && !is_young
        });
        gone.collect()
    }
}

/// Why a run is needed although the retention lets it go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A process executes it.
    Running,
    /// It waits for an approval, an answer or a time.
    Paused,
    /// A change of it may or may not have happened.
    InDoubt {
        /// The first step of which that is so.
        step: String,
    },
    /// It was stopped, or its process died: it can be resumed.
    Unfinished,
    /// What it has changed can be undone, or restored from its record.
    Changes {
        /// How many changes.
        count: usize,
    },
    /// Another run that has not ended takes its changes back.
    TakenBack {
        /// That run.
        by: String,
    },
    /// Its record cannot be read: what is in it is not known.
    Unreadable,
}

/// What may be removed although it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgo {
    /// Runs whose changes can be undone.
    pub changes: bool,
    /// Runs that can be resumed or wait, without changes in doubt.
    pub unfinished: bool,
}

impl Need {
    /// Whether it is one that may be forgone.
    pub fn is_forgone(&self, forgo: Forgo) -> bool {
        match self {
            Self::Changes { .. } => forgo.changes,
            Self::Paused | Self::Unfinished => forgo.unfinished,
            Self::Running | Self::InDoubt { .. } | Self::TakenBack { .. } | Self::Unreadable => {
                false
            }
        }
    }

    /// The word used in machine output.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::InDoubt { .. } => "in_doubt",
            Self::Unfinished => "unfinished",
            Self::Changes { .. } => "changes",
            Self::TakenBack { .. } => "taken_back",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Everything for which a run is needed. `state` is none if its record cannot be read; `taken_back`
/// are the runs that take back what others have changed.
pub fn needs(
    info: &RunInfo,
    standing: Standing,
    state: Option<&RunState>,
    taken_back: &[TakesBack],
) -> Vec<Need> {
    let Some(state) = state else { return vec![Need::Unreadable] };
    let header = info.header.as_ref();
    let dry = header.is_some_and(|header| header.mode == Mode::DryRun);
    let mut needs = Vec::new();
    let of_this = || taken_back.iter().filter(|one| info.run == one.earlier);
    if let Some(step) = state.in_doubt().first() {
        needs.push(Need::InDoubt { step: (*step).to_owned() });
    }
    match standing {
        Standing::Running => needs.push(Need::Running),
        // there is nothing to go on with
        _ if dry => {}
        Standing::Ended(Verdict::Paused) => needs.push(Need::Paused),
        Standing::Ended(Verdict::Cancelled | Verdict::TimedOut | Verdict::InDoubt)
        | Standing::Crashed => needs.push(Need::Unfinished),
        Standing::Unreadable => needs.push(Need::Unreadable),
        Standing::Ended(
            Verdict::Passed
            | Verdict::Failed
            | Verdict::Error
            | Verdict::Unknown
            | Verdict::Previewed
            | Verdict::Partial,
        ) => {}
    }
    if let Some(one) = of_this().find(|one| one.standing != Standing::Ended(Verdict::Passed)) {
        needs.push(Need::TakenBack { by: one.run.clone() });
    }
    let lasting = state.made().iter().filter(|made| made.lasts && !made.is_opaque()).count();
    let undone = of_this().any(|one| one.standing == Standing::Ended(Verdict::Passed));
    if lasting > 0 && !undone && !dry {
        needs.push(Need::Changes { count: lasting });
    }
    needs
}

/// A run that takes back what another one has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakesBack {
    /// Its id.
    pub run: String,
    /// Id of the run whose changes it takes back.
    pub earlier: String,
    /// How it stands.
    pub standing: Standing,
}

impl TakesBack {
    /// The same of a list; a dry run takes nothing back.
    pub fn of(info: &RunInfo, is_running: impl Fn(&str) -> bool) -> Option<Self> {
        let header = info.header.as_ref().filter(|header| header.mode != Mode::DryRun)?;
        let earlier = header.undoes.clone()?;
        Some(Self { run: info.run.clone(), earlier, standing: Standing::of(info, is_running) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{Story, finished};
    use crate::event::{Outcome, Target};
    use crate::journal::RunHeader;

    fn info(run: &str, runbook: &str, mode: Mode) -> RunInfo {
        let header = RunHeader {
            started: format!("2026-11-{run}T03:00:00Z").parse().unwrap(),
            runbook: runbook.to_owned(),
            title: String::new(),
            mode,
            undoes: None,
            target: Target::default(),
            alert: None,
            host: String::new(),
        };
        RunInfo { run: run.to_owned(), header: Some(header), finished: None, ended: None }
    }

    #[test]
    fn the_newest_of_each_runbook_and_the_young_are_kept() {
        let runs = [
            info("25", "a", Mode::Run),
            info("24", "a", Mode::DryRun),
            info("23", "b", Mode::Run),
            info("22", "a", Mode::Run),
            info("21", "a", Mode::Run),
            RunInfo { header: None, ..info("20", "a", Mode::Run) },
        ];
        let since: Option<Timestamp> = "2026-11-22T00:00:00Z".parse().ok();
        for (keep, since, gone) in [
            (None, None, &[][..]),
            (Some(1), None, &["22", "21"]),
            (Some(2), None, &["21"]),
            (Some(0), None, &["25", "24", "23", "22", "21"]),
            (None, since, &["21"]),
            // what one of the two keeps is kept
            (Some(2), since, &["21"]),
            (Some(3), since, &[]),
            (Some(0), since, &["21"]),
        ] {
            let found: Vec<&str> = Retention { keep, since }
                .lets_go(&runs)
                .into_iter()
                .map(|info| info.run.as_str())
                .collect();
            assert_eq!(found, gone, "{keep:?} {since:?}");
        }
    }

    fn changing(verdict: Option<Verdict>) -> RunState {
        let mut story = Story::new(Mode::Run, &[("scale", "Scale")]);
        story.sends("scale", "Scale");
        story.made("scale").end(finished("scale", "Scale", Outcome::Passed, ""));
        if let Some(verdict) = verdict {
            story.finish(verdict, 0, &[]);
        }
        RunState::replay(&story.records).unwrap()
    }

    fn looking() -> RunState {
        let mut story = Story::new(Mode::Run, &[("a", "A")]);
        story.done(finished("a", "A", Outcome::Passed, ""));
        RunState::replay(&story.records).unwrap()
    }

    #[test]
    fn what_can_be_undone_or_gone_on_with_is_needed() {
        let run = info("25", "a", Mode::Run);
        let passed = Standing::Ended(Verdict::Passed);
        let kinds = |standing, state: Option<&RunState>, back: &[TakesBack]| -> Vec<&str> {
            needs(&run, standing, state, back).iter().map(Need::as_str).collect()
        };
        let looking = looking();
        let changed = changing(Some(Verdict::Passed));
        let back = |standing| [TakesBack { run: "26".into(), earlier: "25".into(), standing }];
        assert_eq!(kinds(passed, Some(&looking), &[]), [""; 0]);
        assert_eq!(kinds(Standing::Running, Some(&looking), &[]), ["running"]);
        assert_eq!(kinds(Standing::Crashed, Some(&looking), &[]), ["unfinished"]);
        assert_eq!(kinds(Standing::Ended(Verdict::Paused), Some(&looking), &[]), ["paused"]);
        assert_eq!(kinds(passed, None, &[]), ["unreadable"]);
        assert_eq!(kinds(passed, Some(&changed), &[]), ["changes"]);
        assert_eq!(kinds(passed, Some(&changed), &back(passed)), [""; 0]);
        assert_eq!(
            kinds(passed, Some(&changed), &back(Standing::Ended(Verdict::Paused))),
            ["taken_back", "changes"]
        );
        let mut story = Story::new(Mode::Run, &[("scale", "Scale")]);
        story.sends("scale", "Scale");
        let doubtful = RunState::replay(&story.records).unwrap();
        assert_eq!(kinds(Standing::Crashed, Some(&doubtful), &[]), ["in_doubt", "unfinished"]);
    }

    #[test]
    fn what_is_in_doubt_or_running_is_never_forgone() {
        let all = Forgo { changes: true, unfinished: true };
        assert!(Need::Changes { count: 1 }.is_forgone(all) && Need::Paused.is_forgone(all));
        assert!(!Need::Changes { count: 1 }.is_forgone(Forgo::default()));
        for need in [Need::Running, Need::InDoubt { step: "a".into() }, Need::Unreadable] {
            assert!(!need.is_forgone(all), "{need:?}");
        }
    }
}
