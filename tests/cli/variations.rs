//! Legal variations of every scenario change no verdict.
//!
//! `cargo test` looks at a part: every kind of variation alone, and some pairs.
//! `RUNBOOK_VARIATIONS=all` looks at every kind alone over every row, `RUNBOOK_VARIATIONS=N` at N
//! pairs for each scenario beside that part.

use crate::scenarios::VERDICTS;
use crate::support::NOW;
use futures::StreamExt;
use runbook::action::{Approval, Connection, EarlierRun, Prompt, Records, WhichRun};
use runbook::cluster::{self, Cluster};
use runbook::document::{Catalogue, Root};
use runbook::engine::{Clock, Consent, Engine, Kept, Locking, Recorder, Stop};
use runbook::event::Mode;
use runbook::journal::Key;
use runbook::plan::{Given, Invocation, Plan};
use runbook::sandbox::{self, VARIATIONS, Variation, VariationKind};
use runbook::secret::Masker;
use runbook::state::RunState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

type Row = (&'static str, &'static str, &'static [&'static str], i32);

/// What a variation would change rightly: its kind, and the scenario or the runbook that it must
/// not meet.
const NOT_LEGAL: &[(&str, &str, &str)] = &[
    (
        "policy-for-nobody",
        "platform/networkpolicy-audit",
        "a policy that selects nobody is what the audit looks for",
    ),
    ("one-replica", "tabot-two-leaders", "one pod is one leader"),
    (
        "other-port",
        "te-selector-mismatch",
        "a Service that selects no pod of TradeEngine cannot follow its port",
    ),
    (
        "prometheus-elsewhere",
        "platform/preflight",
        "the namespaces to look at are a parameter of its own",
    ),
];

/// Scenarios in which something is wrong with the third pod: there must be one.
const THIRD_POD: &[&str] = &[
    "tabot-one-pod-mysql-down",
    "tabot-config-replicas-disagree",
    "tabot-one-pod-no-dns",
    "te-one-of-three-cut-off",
    "te-one-client-cut-off",
    "dm-one-of-three-cut-off",
];

/// Where Prometheus is when it is elsewhere, for runbooks with these parameters.
const ELSEWHERE: &[(&str, &str)] = &[
    ("prom_namespace", "observability-metrics"),
    ("prom_service", "prometheus-operated:9090"),
    ("scrape_namespace", "observability-metrics"),
];

struct Nobody;

impl Prompt for Nobody {
    fn ask(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn approve(&self, _: &Approval) -> Option<bool> {
        None
    }
}

impl Records for Nobody {
    fn find(&self, _: &WhichRun) -> Result<Option<EarlierRun>, String> {
        Ok(None)
    }
}

/// A world, and the rows that are judged in it.
#[derive(Clone)]
struct Case {
    scenario: &'static str,
    variations: Vec<Variation>,
    rows: Vec<Row>,
}

impl Case {
    /// Without the rows that it would rightly change; none if nothing is left.
    fn of(
        scenario: &'static str,
        variations: Vec<Variation>,
        rows: impl IntoIterator<Item = Row>,
    ) -> Option<Self> {
        let illegal = |what: &str| {
            NOT_LEGAL.iter().any(|(kind, place, _)| {
                *place == what && variations.iter().any(|variation| variation.kind.name == *kind)
            })
        };
        let rows: Vec<Row> =
            rows.into_iter().filter(|row| !illegal(row.0) && !illegal(row.1)).collect();
        let fewer = variations
            .iter()
            .any(|variation| ["one-replica", "two-replicas"].contains(&variation.kind.name));
        let pointless = rows.is_empty() || fewer && THIRD_POD.contains(&scenario);
        (!pointless).then_some(Self { scenario, variations, rows })
    }

    fn name(&self) -> String {
        let variations: Vec<String> = self.variations.iter().map(ToString::to_string).collect();
        format!("{} {}", self.scenario, variations.join("+"))
    }

    async fn judge(&self, catalogue: &Catalogue) -> Vec<String> {
        let options = sandbox::Options {
            scenario: self.scenario.to_owned(),
            now: NOW.parse().ok(),
            variations: self.variations.clone(),
            ..sandbox::Options::default()
        };
        let sandbox = sandbox::start(options)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        let mut wrong = Vec::new();
        for (_, runbook, wanted, code) in &self.rows {
            let state = self.run(catalogue, &sandbox.kubeconfig(), runbook).await;
            let named: Vec<String> =
                state.findings().iter().map(|finding| finding.id.clone()).collect();
            let exit = state.end_of_run().map_or(-1, |end| i32::from(end.exit_code));
            if named != *wanted || exit != *code {
                let told = format!(
                    "{} {runbook}: named {named:?} exit {exit}, wanted {wanted:?} exit {code}{}",
                    self.name(),
                    why(&state)
                );
                eprintln!("{told}");
                wrong.push(told);
            }
        }
        wrong
    }

    async fn run(&self, catalogue: &Catalogue, kubeconfig: &str, runbook: &str) -> RunState {
        let loaded = catalogue
            .load_with_called(runbook)
            .unwrap_or_else(|error| panic!("{runbook}: {error}"));
        let known = |name: &str| {
            loaded.get(runbook).is_some_and(|runbook| runbook.params.contains_key(name))
        };
        let mut given = Vec::new();
        let mut give = |name: &str, value: &str| {
            given.push(Given { name: name.to_owned(), value: value.into(), is_text: true });
        };
        if known("settle") {
            give("settle", "1s");
        }
        // what does not come about soon in these worlds never does
        if ["ta-bot/smoke", "ta-bot/await-version"].contains(&runbook) {
            give("timeout", "20s");
        }
        if self.variations.iter().any(|variation| variation.kind.name == "prometheus-elsewhere") {
            ELSEWHERE
                .iter()
                .filter(|(name, _)| known(name))
                .for_each(|(name, value)| give(name, value));
        }
        let plan = Plan::new(runbook, loaded.clone(), &given, None)
            .unwrap_or_else(|errors| panic!("{runbook}: {errors:?}"));
        let options = cluster::Options {
            kubeconfig_text: Some(kubeconfig.to_owned()),
            ..cluster::Options::default()
        };
        let keys = tempfile::tempdir().unwrap();
        let engine = Engine {
            plan,
            cluster: Some(Cluster::connect(&options).await.map(Connection::new)),
            sandbox: Some(self.scenario.to_owned()),
            mode: Mode::Run,
            undoes: None,
            // nothing is changed, so that nothing is sealed
            consent: Consent {
                yes: false,
                overrides: Vec::new(),
                operator: "test".to_owned(),
                key: Key::of(keys.path()).unwrap(),
            },
            locking: Locking::default(),
            records: Arc::new(Nobody),
            recorder: Recorder::new(
                Clock::Fixed(NOW.parse().unwrap()),
                Masker::default(),
                RunState::new(),
                None,
                Vec::new(),
            ),
            prompt: Arc::new(Nobody),
            stop: Stop::new(),
            invocation: Invocation::default(),
            timeout: Some(MOST),
            kept: Kept::default(),
            host: "test-host".to_owned(),
            arguments: Vec::new(),
            trust_reads: false,
            environment: std::collections::BTreeMap::new(),
            outside: None,
        };
        engine.run("01K9ZQ4T000000000000000000").await.unwrap()
    }
}

/// The steps that did not pass.
fn why(state: &RunState) -> String {
    let bad = state.ended().filter(|step| {
        !matches!(step.outcome, runbook::event::Outcome::Passed | runbook::event::Outcome::Skipped)
    });
    bad.map(|step| {
        format!("\n    {} {:?}: {} {}", step.path, step.outcome, step.summary, step.reason)
    })
    .collect()
}

/// One test at a time: worlds that wait for the processor answer late, and that is a finding of its
/// own.
static TURN: Mutex<()> = Mutex::new(());

/// How long one run may take: what waits longer waits for something that a variation has taken
/// away.
const MOST: std::time::Duration = std::time::Duration::from_secs(60);

/// The stack that a run needs in a debug build: as much as the main thread of the program has.
/// Threads of tests have less.
const STACK: usize = 8 << 20;

fn judge(cases: Vec<Case>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let wrong = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || judge_all(&cases))
        .unwrap()
        .join()
        .unwrap();
    assert!(wrong.is_empty(), "{} verdicts were changed:\n{}", wrong.len(), wrong.join("\n"));
}

/// What differs from what is wanted.
fn judge_all(cases: &[Case]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .unwrap();
    let runs: usize = cases.iter().map(|case| case.rows.len()).sum();
    let worlds = cases.len();
    let begun = std::time::Instant::now();
    let catalogue = Catalogue::new(&[Root {
        folder: concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks").into(),
        named: true,
    }]);
    let catalogue = &catalogue;
    let wrong: Vec<String> = runtime.block_on(async {
        // much of the time is spent waiting, in the worlds as in real ones
        let judged = futures::stream::iter(cases)
            .map(|case| async move { (case, case.judge(catalogue).await) })
            .buffer_unordered(2);
        let suspects: Vec<&Case> = judged
            .filter_map(|(case, wrong)| async move { (!wrong.is_empty()).then_some(case) })
            .collect()
            .await;
        // a machine that is busy lets worlds answer too late: what a variation has changed is
        // changed each time, and with nothing beside it
        let mut wrong = Vec::new();
        for case in suspects {
            wrong.extend(case.judge(catalogue).await);
        }
        wrong
    });
    println!("{runs} runs in {worlds} worlds, {} wrong, {:?}", wrong.len(), begun.elapsed());
    wrong
}

fn by_scenario() -> BTreeMap<&'static str, Vec<Row>> {
    let mut all: BTreeMap<&'static str, Vec<Row>> = BTreeMap::new();
    for row in VERDICTS {
        all.entry(row.0).or_default().push(*row);
    }
    all
}

fn asked() -> Option<String> {
    std::env::var("RUNBOOK_VARIATIONS").ok().filter(|text| !text.is_empty())
}

/// Some of the items, others for every turn.
fn share<T: Copy>(items: &[T], turn: usize, most: usize) -> Vec<T> {
    (0..most.min(items.len())).map(|step| items[(turn * most + step) % items.len()]).collect()
}

#[test]
fn each_kind_of_variation_alone_changes_no_verdict() {
    let rows = by_scenario();
    let only = std::env::var("RUNBOOK_VARIATION").ok();
    let kinds: Vec<(usize, &'static VariationKind)> = VARIATIONS
        .iter()
        .enumerate()
        .filter(|(_, kind)| only.as_ref().is_none_or(|only| only == kind.name))
        .collect();
    let all = asked().is_some_and(|asked| asked == "all");
    let faulty: Vec<Row> = VERDICTS.iter().filter(|row| row.0 != "healthy").copied().collect();
    let mut cases = Vec::new();
    for (turn, kind) in kinds {
        let vary = |seed| vec![Variation { kind, seed }];
        if all {
            cases.extend(
                rows.iter().filter_map(|(scenario, rows)| {
                    Case::of(scenario, vary(7), rows.iter().copied())
                }),
            );
            continue;
        }
        cases.extend(Case::of("healthy", vary(1), share(&rows["healthy"], turn, 3)));
        for row in share(&faulty, turn, 2) {
            cases.extend(Case::of(row.0, vary(2), [row]));
        }
    }
    judge(cases);
}

#[test]
fn pairs_of_variations_change_no_verdict() {
    let rows = by_scenario();
    let pairs: Option<usize> = asked().and_then(|asked| asked.parse().ok());
    let mut cases = Vec::new();
    for (turn, (scenario, rows)) in rows.iter().enumerate() {
        let most = if pairs.is_some() { rows.len() } else { 2 };
        for pair in 0..pairs.unwrap_or(1) {
            let seed = turn * 1000 + pair;
            let first = seed * 7 % VARIATIONS.len();
            let second = (first + 1 + seed * 13 % (VARIATIONS.len() - 1)) % VARIATIONS.len();
            let variations = [first, second].map(|place| Variation {
                kind: &VARIATIONS[place],
                seed: u64::try_from(seed).unwrap(),
            });
            cases.extend(Case::of(scenario, variations.to_vec(), share(rows, pair, most)));
        }
    }
    judge(cases);
}

#[test]
fn what_is_not_legal_names_kinds_scenarios_and_runbooks_that_there_are() {
    let places: BTreeSet<&str> = VERDICTS.iter().flat_map(|row| [row.0, row.1]).collect();
    for (kind, place, _) in NOT_LEGAL {
        assert!(VariationKind::named(kind).is_some() && places.contains(place), "{kind} {place}");
    }
}
