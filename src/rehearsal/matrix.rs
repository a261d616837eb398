//! Every scenario with every runbook that diagnoses: what is planted beside what is named.

use super::play::Play;
use super::runner::{Task, play_all};
use crate::action::OutsideResponses;
use crate::document::{Approve, Case, Expected, Situation, Suite, Vary};
use crate::event::Verdict;
use indexmap::IndexMap;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the runbooks say of one scenario. Each cause is `RUNBOOK: FINDING`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScenarioRow {
    /// The scenario.
    pub scenario: String,
    /// Causes that are named as a case says.
    pub right: Vec<String>,
    /// Causes that a case says and that are not named.
    pub missed: Vec<String>,
    /// Causes that are named where no case of the runbook says so.
    pub false_alarms: Vec<String>,
}

/// Plays every scenario with every runbook of these suites that only reads. What a case says of a
/// runbook in a scenario is right; of the rest nothing may be named.
pub fn matrix(
    play: &Play,
    suites: &[Suite],
    scenarios: &[String],
    jobs: usize,
    mut each: impl FnMut(),
) -> Vec<ScenarioRow> {
    let planted = planted(suites);
    let cases: Vec<Case> = scenarios.iter().map(|scenario| unjudged(scenario)).collect();
    let tasks: Vec<Task<'_>> = suites
        .iter()
        .flat_map(|suite| cases.iter().map(move |case| Task::of(suite, case)))
        .collect();
    let results = play_all(play, &tasks, jobs, |_| each());
    let mut rows: BTreeMap<&str, ScenarioRow> = BTreeMap::new();
    for result in &results {
        let row = rows.entry(&result.case).or_default();
        row.scenario.clone_from(&result.case);
        let none = BTreeSet::new();
        let key = (result.runbook.clone(), result.case.clone());
        let wanted = planted.get(&key).unwrap_or(&none);
        let named: BTreeSet<String> = result
            .played
            .iter()
            .filter_map(|played| played.stages.last())
            .flat_map(|stage| stage.findings.clone())
            .collect();
        let told = |id: &String| format!("{}: {id}", result.runbook);
        row.right.extend(wanted.intersection(&named).map(told));
        row.missed.extend(wanted.difference(&named).map(told));
        row.false_alarms.extend(named.difference(wanted).map(told));
    }
    rows.into_values().collect()
}

/// What cases without parameters of their own say, by runbook and scenario.
fn planted(suites: &[Suite]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut planted: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for suite in suites {
        for case in suite.cases.iter().filter(|case| case.params.is_empty()) {
            if let Situation::Named(scenario) = &case.situation {
                let key = (suite.runbook.clone(), scenario.clone());
                planted.entry(key).or_default().extend(case.expect.findings.iter().cloned());
            }
        }
    }
    planted
}

/// A case that only shows what is named.
fn unjudged(scenario: &str) -> Case {
    Case {
        name: scenario.to_owned(),
        span: 0..0,
        situation: Situation::Named(scenario.to_owned()),
        namespace: None,
        params: IndexMap::new(),
        overrides: Vec::new(),
        answers: IndexMap::new(),
        approve: Approve::All(false),
        dry_run: false,
        crash: None,
        resume: true,
        twice: false,
        undo: false,
        vary: Vary::default(),
        outside: OutsideResponses::default(),
        expect: Expected {
            verdict: Verdict::Passed,
            findings: Vec::new(),
            changes: Vec::new(),
            steps: IndexMap::new(),
            saved: Vec::new(),
            state: Vec::new(),
        },
    }
}
