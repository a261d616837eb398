//! Every scenario of the sandbox, as the operator sees it, and what must be named in it.

use crate::support::Place;
use runbook::document::{Case, Catalogue, Situation, Suite};
use runbook::event::Effect;
use serde_json::Value;

/// The scenarios of the program: world and name.
fn scenarios() -> Vec<(String, String)> {
    let (document, _) = Place::new().json(&["sandbox", "list"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = document["scenarios"].as_array().unwrap();
    all.iter().map(|scenario| (text(&scenario["world"]), text(&scenario["name"]))).collect()
}

/// The suites of the catalogue.
fn suites() -> Vec<Suite> {
    let catalogue = Catalogue::new(&[]);
    let names: Vec<String> = catalogue.list().map(|listed| listed.name.clone()).collect();
    names.iter().map(|name| catalogue.suite(name).expect(name).unwrap()).collect()
}

#[test]
fn what_could_not_be_looked_at_is_not_ruled_out() {
    let (document, _) = Place::new().json(&["run", "ta-bot/no-signals", "--sandbox=rbac-missing"]);
    let open: Vec<_> = document["not_ruled_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|open| open["id"].as_str().unwrap())
        .collect();
    for id in
        ["leader-stuck", "mysql-down", "candles-insufficient", "strategies-disabled", "nats-down"]
    {
        assert!(open.contains(&id), "{open:?}");
    }
    let (document, _) = Place::new().json(&["run", "ta-bot/no-signals", "--sandbox=api-down"]);
    assert_eq!(document["not_ruled_out"].as_array().unwrap().len(), 8, "{document:#}");
}

/// What stands on the screen, with the scenario's name and passing seconds made the same.
fn screen(scenario: &str) -> String {
    let said = Place::new().run(&["run", "ta-bot/no-signals", &format!("--sandbox={scenario}")]);
    let text = said.all().replace(&format!("sandbox {scenario} "), "sandbox SCENARIO ");
    // what the simulated applications log goes on while the run looks
    let seconds = regex::Regex::new(r"03:12:\d\d ERROR").unwrap();
    seconds.replace_all(&text, "03:12:SS ERROR").into_owned()
}

/// The lines of two screens that only one of them has. Columns that moved are no difference.
fn difference(from: &str, to: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let only = |these: &str, those: &str, sign: &str| {
        let mut those: Vec<String> = those.lines().map(words).collect();
        let mut lines = String::new();
        for line in these.lines() {
            match those.iter().position(|other| *other == words(line)) {
                Some(place) => _ = those.remove(place),
                None => lines.extend([sign, line, "\n"]),
            }
        }
        lines
    };
    only(from, to, "- ") + &only(to, from, "+ ")
}

/// What stands on the screen at 3 am: whole where all is well, and otherwise what differs from that.
#[test]
fn the_screen_of_each_scenario() {
    let healthy = screen("healthy");
    insta::assert_snapshot!("no_signals_healthy", healthy);
    let mut same = Vec::new();
    let of_world = scenarios().into_iter().filter(|(world, _)| world == "petrosa");
    for (_, scenario) in of_world {
        match difference(&healthy, &screen(&scenario)) {
            none if none.is_empty() => same.push(scenario),
            lines => {
                insta::assert_snapshot!(
                    format!("no_signals_{}", scenario.replace('-', "_")),
                    lines
                );
            }
        }
    }
    insta::assert_snapshot!(same.join("\n"), @r"
    dm-candles-duplicate
    dm-candles-gap
    dm-candles-stale
    dm-deadline-exceeded
    dm-image-old
    dm-mongo-still-direct
    dm-one-of-three-cut-off
    dm-stale-configmap-pods
    dm-store-divergence
    dm-suspended
    dm-unsupported-arg
    extractor-deadline
    extractor-mongodb-jobs
    gapfiller-dns-ok-exchange-down
    gapfiller-job-partial
    gapfiller-label-mismatch
    gapfiller-ran
    healthy
    lease-held
    mesh-allows
    mesh-denied
    node-drain-pdb-blocked
    tabot-config-replicas-disagree
    tabot-latency
    tabot-latency-candles
    tabot-latency-cpu
    tabot-latency-mysql
    tabot-latency-strategies
    tabot-rollback-below-min
    tabot-rollback-good
    tabot-scale-hpa-fights
    te-cutover
    te-degraded
    te-ingress-dead-nginx-selector
    te-no-tempo
    te-not-instrumented
    te-one-client-cut-off
    te-one-of-three-cut-off
    te-slow-child
    ");
}

/// The scenario of a case, if it is one of the program.
fn scenario(case: &Case) -> Option<&str> {
    match &case.situation {
        Situation::Named(name) => Some(name),
        Situation::Inline { .. } => None,
    }
}

#[test]
fn every_scenario_of_the_sandbox_is_in_a_case() {
    let suites = suites();
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    for (world, name) in scenarios() {
        let named = format!("{world}/{name}");
        assert!(cases().any(|case| scenario(case) == Some(&named)), "{named} is in no case");
    }
}

#[test]
fn what_a_runbook_names_for_the_sandbox_has_something_to_find() {
    let catalogue = Catalogue::new(&[]);
    for suite in suites() {
        let finds: Vec<&str> = suite
            .cases
            .iter()
            .filter(|case| !case.expect.findings.is_empty() && case.params.is_empty())
            // what a person has to answer first is no diagnosis
            .filter(|case| case.answers.is_empty())
            .filter_map(scenario)
            .collect();
        let runbook = catalogue.load(&suite.runbook).unwrap();
        let declared = runbook.sandbox.as_ref().map(|rehearsal| rehearsal.scenario.as_str());
        let Some(declared) = declared else {
            panic!("{} names no world: what is meant by --sandbox depends on others", suite.runbook)
        };
        assert!(
            // one that changes something asks first, and finds nothing alone
            finds.is_empty() || runbook.effect() != Effect::Read || finds.contains(&declared),
            "{} names {declared}, and finds something in {finds:?}",
            suite.runbook
        );
    }
}

#[test]
fn a_value_of_sandbox_without_an_equals_sign_is_explained() {
    let said = Place::new().run(&["run", "ta-bot/smoke", "--sandbox", "healthy"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--sandbox=healthy"), "{}", said.stderr);
}

#[test]
fn no_line_is_wider_than_eighty_columns() {
    for scenario in
        ["healthy", "tabot-no-leader", "tabot-one-pod-mysql-down", "rbac-missing", "api-down"]
    {
        for runbook in [
            "ta-bot/no-signals",
            "ta-bot/mysql-down",
            "ta-bot/health",
            "ta-bot/smoke",
            "ta-bot/leader-election",
            "ta-bot/metrics-verification",
        ] {
            let said = Place::new().run(&["run", runbook, &format!("--sandbox={scenario}")]);
            // a command to copy stays in one piece
            let is_command = |line: &str| {
                ["Next  ", "Do  "].iter().any(|word| line.trim_start().starts_with(word))
                    || line.contains("kubectl")
            };
            for line in said.stdout.lines().filter(|line| !is_command(line)) {
                assert!(line.chars().count() <= 80, "{scenario} {runbook}: {line}");
            }
            assert!(!said.stdout.contains('\u{1b}'), "a pipe gets no escape sequence");
        }
    }
}
