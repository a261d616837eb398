//! `runbook test [NAME…]`

use super::arguments::workspace;
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::document::{Case, Catalogue, Suite};
use crate::rehearsal::{
    CaseResult, Coverage, Mutation, Play, ScenarioRow, Task, matrix, play_all, sampled, update,
    varied,
};
use crate::report::SILENCE;
use crate::report::tested::{Tested, github, json, junit, text};
use crate::session::Workspace;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// Runbooks to test, or the beginnings of their names; defaults to all of yours that have a
    /// rehearsal file. Built-in ones must be named
    names: Vec<String>,
    /// Play only cases whose names contain this text
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Number of cases at a time; defaults to the number of processors
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TestFormat,
    /// Write the results into the rehearsal files as expectations
    #[arg(long, conflicts_with_all = ["mutate", "matrix", "vary"])]
    update: bool,
    /// Test again whenever a file of a runbook or a world changes
    #[arg(long, conflicts_with_all = ["update", "mutate", "matrix", "vary"])]
    watch: bool,
    /// List steps and findings that no case exercises
    #[arg(long)]
    coverage: bool,
    /// Change each expectation and condition in turn, and list the changes that no case notices
    #[arg(long, conflicts_with = "vary")]
    mutate: bool,
    /// Play every scenario with every runbook, and compare the causes named with those planted
    #[arg(long)]
    matrix: bool,
    /// Play each case in worlds with legal differences: each kind alone, and this many pairs
    #[arg(long, value_name = "PAIRS", num_args = 0..=1, default_missing_value = "0",
        require_equals = true)]
    vary: Option<usize>,
    /// Play only this many of the cases of --vary, chosen by --seed
    #[arg(long, value_name = "N", requires = "vary")]
    sample: Option<usize>,
    /// Number from which the differences of --vary are chosen
    #[arg(long, value_name = "N", default_value_t = 1, requires = "vary")]
    seed: u64,
}

/// How the results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum TestFormat {
    /// Human-readable text
    #[default]
    Text,
    /// One JSON document
    Json,
    /// JUnit XML
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

pub(super) fn test(global: &Global, arguments: &TestArguments) -> Result<Exit, CommandError> {
    if !arguments.watch {
        return once(global, arguments);
    }
    let mut seen = None;
    loop {
        let now = newest(&workspace(global)?);
        if seen != Some(now) {
            seen = Some(now);
            if let Err(error) = once(global, arguments) {
                error.report(global, false);
            }
            output::hint("Waiting for changes; Ctrl-C ends.");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// When a file of the runbooks or worlds was changed last, and how many there are.
fn newest(workspace: &Workspace) -> (usize, Option<SystemTime>) {
    let beside = |folder: &std::path::Path| folder.parent().map(|parent| parent.join("worlds"));
    let mut folders: Vec<std::path::PathBuf> =
        workspace.roots.iter().map(|root| root.folder.clone()).collect();
    folders.extend(workspace.roots.iter().filter_map(|root| beside(&root.folder)));
    let files: Vec<_> =
        folders.iter().flat_map(|folder| crate::document::collect_all(folder)).collect();
    let changed =
        files.iter().filter_map(|file| std::fs::metadata(file).ok()?.modified().ok()).max();
    (files.len(), changed)
}

fn once(global: &Global, arguments: &TestArguments) -> Result<Exit, CommandError> {
    let begun = Instant::now();
    let workspace = workspace(global)?;
    // what was compiled for the checks is played
    let catalogue = workspace.catalogue();
    let workspace = Workspace { read: Some(catalogue.clone()), ..workspace };
    let suites = suites(&catalogue, &arguments.names)?;
    let chosen = Chosen::of(arguments, &suites);
    let play = Play::new(&workspace);
    let bar = bar(global, chosen.tasks.len());
    let mut signs = SignsOfLife::new(chosen.tasks.len());
    let results = play_all(&play, &chosen.tasks, jobs(arguments), |result| {
        bar.inc(1);
        if bar.is_hidden() && !global.quiet {
            signs.saw(result);
        }
    });
    let mut judged = Judged::default();
    for suite in &suites {
        judged.suite(arguments, (&play, &catalogue), suite, &results, &bar)?;
    }
    if arguments.matrix {
        let scenarios = scenarios(&workspace, &suites)?;
        bar.set_length((scenarios.len() * suites.len()) as u64);
        judged.matrix = matrix(&play, &suites, &scenarios, jobs(arguments), || bar.inc(1));
    }
    bar.finish_and_clear();
    let Judged { coverage, mutation, matrix } = &judged;
    let tested = Tested { results: &results, coverage, mutation, matrix, took: begun.elapsed() };
    output::write(&match arguments.output {
        TestFormat::Text => text(&tested, output::look(global)),
        TestFormat::Json => format!("{:#}\n", json(&tested)),
        TestFormat::Junit => junit(&tested),
        TestFormat::Github => github(&tested),
    })?;
    if arguments.update {
        return write_updates(&suites, &results);
    }
    let wrong = tested.failed().count()
        + matrix.iter().map(|row| row.missed.len() + row.false_alarms.len()).sum::<usize>();
    Ok(if results.is_empty() {
        Exit::Usage
    } else if wrong == 0 {
        Exit::Passed
    } else {
        Exit::Failed
    })
}

/// What is asked for beside the cases themselves.
#[derive(Default)]
struct Judged {
    coverage: Vec<Coverage>,
    mutation: Vec<Mutation>,
    matrix: Vec<ScenarioRow>,
}

impl Judged {
    fn suite(
        &mut self,
        arguments: &TestArguments,
        (play, catalogue): (&Play, &Catalogue),
        suite: &Suite,
        results: &[CaseResult],
        bar: &ProgressBar,
    ) -> Result<(), CommandError> {
        let runbook = catalogue.load(&suite.runbook)?;
        let own: Vec<&CaseResult> =
            results.iter().filter(|result| result.runbook == suite.runbook).collect();
        if arguments.coverage {
            self.coverage.push(Coverage::of(&runbook, &own));
        }
        if arguments.mutate {
            bar.set_message(format!("mutants of {}", suite.runbook));
            let mutation =
                Mutation::of(play, &runbook, (suite, &own), jobs(arguments), || bar.inc_length(1))?;
            self.mutation.push(mutation);
        }
        Ok(())
    }
}

/// The cases that were chosen.
struct Chosen<'a> {
    tasks: Vec<Task<'a>>,
}

impl<'a> Chosen<'a> {
    fn of(arguments: &TestArguments, suites: &'a [Suite]) -> Self {
        let wanted = |case: &&Case| {
            arguments.case.as_ref().is_none_or(|text| case.name.contains(text.as_str()))
        };
        let mut tasks = Vec::new();
        for suite in suites {
            for case in suite.cases.iter().filter(wanted) {
                match arguments.vary {
                    None => tasks.push(Task::of(suite, case)),
                    Some(pairs) => tasks.extend(varied(suite, case, pairs, arguments.seed)),
                }
            }
        }
        if let Some(sample) = arguments.sample {
            tasks = sampled(tasks, sample, arguments.seed);
        }
        Self { tasks }
    }
}

/// The suites of the runbooks that were named.
fn suites(catalogue: &Catalogue, names: &[String]) -> Result<Vec<Suite>, CommandError> {
    let mut suites: Vec<Suite> = Vec::new();
    for name in names {
        if !catalogue.list().any(|listed| listed.name.starts_with(name.as_str())) {
            catalogue.load(name)?;
        }
    }
    for listed in catalogue.list() {
        let chosen = if names.is_empty() {
            // the built-in ones are tested with the program, and need files of its repository
            !listed.is_built_in()
        } else {
            names.iter().any(|name| listed.name.starts_with(name.as_str()))
        };
        if chosen && let Some(suite) = catalogue.suite(&listed.name) {
            let suite = suite?;
            let runbook = catalogue.load(&listed.name)?;
            suite.fits(&runbook)?;
            suites.push(suite);
        }
    }
    if suites.is_empty() {
        let what =
            names.first().map_or("any runbook of yours".to_owned(), |name| format!("`{name}`"));
        return Err(CommandError::Usage(format!(
            "there is no rehearsal file for {what}: write NAME.test.yaml beside the runbook"
        )));
    }
    Ok(suites)
}

/// The scenarios of the worlds in which the cases are.
fn scenarios(workspace: &Workspace, suites: &[Suite]) -> Result<Vec<String>, CommandError> {
    let named = suites.iter().flat_map(|suite| suite.cases.iter().filter_map(Case::world));
    let named: std::collections::BTreeSet<&str> = named.collect();
    let mut scenarios = Vec::new();
    for listed in workspace.worlds().list().filter(|listed| named.contains(listed.name.as_str())) {
        let world = listed.load()?;
        let of_world = world.scenarios().into_iter();
        scenarios.extend(of_world.map(|scenario| format!("{}/{}", listed.name, scenario.name)));
    }
    Ok(scenarios)
}

fn jobs(arguments: &TestArguments) -> usize {
    let processors = || std::thread::available_parallelism().ok().map(usize::from);
    arguments.jobs.or_else(processors).unwrap_or(1)
}

fn bar(global: &Global, length: usize) -> ProgressBar {
    if global.quiet { ProgressBar::hidden() } else { ProgressBar::new(length as u64) }
}

/// What is said now and then where no bar can move: in a pipe, in CI.
struct SignsOfLife {
    all: usize,
    done: usize,
    failed: usize,
    last: Instant,
}

impl SignsOfLife {
    fn new(all: usize) -> Self {
        Self { all, done: 0, failed: 0, last: Instant::now() }
    }

    fn saw(&mut self, result: &CaseResult) {
        self.done += 1;
        self.failed += usize::from(!result.holds());
        if self.last.elapsed() >= SILENCE {
            self.last = Instant::now();
            let Self { all, done, failed, .. } = self;
            output::hint(&format!("{done} of {all} cases, {failed} failed"));
        }
    }
}

/// Writes the files anew in which something came out differently.
fn write_updates(suites: &[Suite], results: &[CaseResult]) -> Result<Exit, CommandError> {
    for suite in suites {
        let own: Vec<&CaseResult> =
            results.iter().filter(|result| result.runbook == suite.runbook).collect();
        let text = update(suite, &own)?;
        if *text != *suite.source {
            std::fs::write(&suite.file, text).map_err(CommandError::Output)?;
            output::hint(&format!("{} was updated; review the difference.", suite.file));
        }
    }
    Ok(Exit::Passed)
}
