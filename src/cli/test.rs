//! `runbook test [NAME…]`

use super::arguments::workspace;
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::document::{Case, Suite};
use crate::rehearsal::{CaseResult, Coverage, Mutation, Play, Runner, Task};
use clap::Args;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// Runbooks to test, or the beginnings of their names; defaults to all that have a rehearsal
    /// file
    names: Vec<String>,
    /// Cases whose names contain this text
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Number of cases at a time; defaults to the number of processors
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Name steps and findings that no case exercises
    #[arg(long)]
    coverage: bool,
    /// Change each expectation and condition in turn, and name the changes that no case notices
    #[arg(long)]
    mutate: bool,
}

pub(super) fn test(global: &Global, arguments: &TestArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let catalogue = workspace.catalogue();
    let mut suites: Vec<Suite> = Vec::new();
    for listed in catalogue.list() {
        let chosen = arguments.names.is_empty()
            || arguments.names.iter().any(|name| listed.name.starts_with(name.as_str()));
        if chosen && let Some(suite) = catalogue.suite(&listed.name) {
            suites.push(suite?);
        }
    }
    let wanted =
        |case: &&Case| arguments.case.as_ref().is_none_or(|text| case.name.contains(text.as_str()));
    let tasks: Vec<Task<'_>> = suites
        .iter()
        .flat_map(|suite| {
            let cases = suite.cases.iter().filter(wanted);
            cases.map(move |case| Task { suite, case, variations: Vec::new() })
        })
        .collect();
    let play = Play::new(&workspace);
    let jobs = arguments
        .jobs
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1);
    let runner = Runner { play: &play, jobs };
    let results = runner.run(&tasks, |_| {});
    let mut text = String::new();
    for result in &results {
        // writing into a string cannot fail
        line(&mut text, result).ok();
    }
    for suite in &suites {
        let runbook = catalogue.load(&suite.runbook)?;
        let own: Vec<&CaseResult> =
            results.iter().filter(|result| result.runbook == suite.runbook).collect();
        if arguments.coverage {
            let coverage = Coverage::of(&runbook, &own);
            text.push_str(&format!("{coverage:#?}\n"));
        }
        if arguments.mutate {
            let mutation = Mutation::of(&play, &runbook, suite, jobs, || {})?;
            eprintln!("{} {} {:#?}", mutation.runbook, mutation.all, mutation.survivors);
        }
    }
    let failed = results.iter().filter(|result| !result.holds()).count();
    let summary = format!("{} cases, {failed} failed\n", results.len());
    output::write(&(text + &summary))?;
    Ok(if failed == 0 { Exit::Passed } else { Exit::Failed })
}

fn line(text: &mut String, result: &CaseResult) -> std::fmt::Result {
    let mark = if result.holds() { "✓" } else { "✗" };
    writeln!(text, "{mark} {}  {}  {:?}", result.runbook, result.case, result.took)?;
    if let Err(error) = &result.played {
        writeln!(text, "    {error}")?;
    }
    for difference in &result.differences {
        let (what, expected, actual) = (&difference.what, &difference.expected, &difference.actual);
        writeln!(text, "    {what}: expected {expected}, got {actual}")?;
    }
    Ok(())
}
