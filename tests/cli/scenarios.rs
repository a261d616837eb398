//! Every scenario of the sandbox, as the operator sees it, and what must be named in it.

use crate::support::{Place, findings};

/// Scenario, runbook, findings that must be named and no other, exit code.
pub(crate) const VERDICTS: &[(&str, &str, &[&str], i32)] = &[
    ("healthy", "ta-bot/no-signals", &[], 0),
    ("healthy", "ta-bot/smoke", &[], 0),
    ("healthy", "ta-bot/metrics-verification", &[], 0),
    ("healthy", "ta-bot/leader-election", &[], 0),
    ("healthy", "ta-bot/mysql-down", &[], 0),
    ("healthy", "ta-bot/nats-down", &[], 0),
    ("healthy", "ta-bot/health", &[], 0),
    ("tabot-no-leader", "ta-bot/no-signals", &["leader-stuck"], 1),
    ("tabot-no-leader", "ta-bot/leader-election", &["no-leader"], 1),
    ("tabot-no-leader", "ta-bot/smoke", &[], 1),
    ("tabot-two-leaders", "ta-bot/leader-election", &["two-leaders"], 1),
    ("tabot-two-leaders", "ta-bot/no-signals", &[], 1),
    ("tabot-leader-dead-pod", "ta-bot/leader-election", &["leader-is-dead-pod"], 1),
    ("tabot-leader-dead-pod", "ta-bot/no-signals", &["leader-stuck"], 1),
    ("tabot-one-pod-mysql-down", "ta-bot/no-signals", &["mysql-down"], 1),
    ("tabot-one-pod-mysql-down", "ta-bot/mysql-down", &["one-pod-only"], 1),
    ("tabot-one-pod-mysql-down", "ta-bot/health", &["dependency-disconnected"], 1),
    ("tabot-mysql-no-endpoints", "ta-bot/mysql-down", &["no-endpoints"], 1),
    ("tabot-mysql-no-endpoints", "ta-bot/no-signals", &["mysql-down"], 1),
    ("tabot-mysql-secret-malformed", "ta-bot/mysql-down", &["secret-malformed"], 1),
    ("tabot-mysql-secret-malformed", "ta-bot/no-signals", &["mysql-down"], 1),
    ("tabot-mysql-auth-denied", "ta-bot/mysql-down", &["auth-denied"], 1),
    ("tabot-mysql-policy-blocked", "ta-bot/mysql-down", &["egress-blocked"], 1),
    ("tabot-nats-down", "ta-bot/no-signals", &["nats-down"], 1),
    ("tabot-nats-down", "ta-bot/nats-down", &["endpoint-missing"], 1),
    ("tabot-nats-policy-namespace-label", "ta-bot/nats-down", &["egress-blocked"], 1),
    ("tabot-candles-insufficient", "ta-bot/no-signals", &["candles-insufficient"], 1),
    ("tabot-strategies-disabled", "ta-bot/no-signals", &["strategies-disabled"], 1),
    ("tabot-old-version", "ta-bot/metrics-verification", &["version-too-old"], 1),
    ("tabot-old-version", "ta-bot/health", &["path-404"], 1),
    ("tabot-otel-off", "ta-bot/metrics-verification", &["otel-disabled"], 1),
    ("tabot-no-prometheus", "ta-bot/metrics-verification", &[], 3),
    ("tabot-no-prometheus", "ta-bot/no-signals", &[], 0),
    ("tabot-metrics-absent-in-prometheus", "ta-bot/metrics-verification", &["no-scrape-target"], 1),
    ("tabot-metrics-absent-in-prometheus", "ta-bot/no-signals", &["metrics-absent"], 0),
    ("rbac-missing", "ta-bot/no-signals", &[], 3),
    ("rbac-missing", "ta-bot/mysql-down", &[], 3),
    ("rbac-missing", "ta-bot/smoke", &[], 3),
    ("api-down", "ta-bot/no-signals", &[], 3),
    ("api-down", "ta-bot/smoke", &[], 3),
    ("healthy", "ta-bot/await-version", &[], 0),
    ("tabot-rollout-stuck", "ta-bot/smoke", &[], 1),
    ("tabot-rollback-below-min", "ta-bot/smoke", &[], 0),
    ("tabot-rollback-good", "ta-bot/smoke", &[], 0),
    ("tabot-scale-hpa-fights", "ta-bot/smoke", &[], 0),
    ("tabot-latency-cpu", "ta-bot/smoke", &[], 0),
    ("tabot-latency-nan", "ta-bot/smoke", &[], 0),
    ("tabot-config-replicas-disagree", "ta-bot/smoke", &[], 0),
    ("node-drain-pdb-blocked", "ta-bot/smoke", &[], 0),
    ("lease-held", "ta-bot/smoke", &[], 0),
    ("restore-without-record", "ta-bot/smoke", &[], 0),
    ("healthy", "ta-bot/configuration", &[], 0),
    ("tabot-config-replicas-disagree", "ta-bot/configuration", &["replicas-disagree"], 1),
    ("healthy", "ta-bot/high-latency", &[], 0),
    ("tabot-latency", "ta-bot/high-latency", &["latency-unexplained"], 1),
    ("tabot-latency-cpu", "ta-bot/high-latency", &["cpu-throttled"], 1),
    ("tabot-latency-candles", "ta-bot/high-latency", &["candles-too-many"], 1),
    ("tabot-latency-mysql", "ta-bot/high-latency", &["mysql-slow"], 1),
    ("tabot-latency-strategies", "ta-bot/high-latency", &["strategies-many"], 1),
    ("tabot-latency-nan", "ta-bot/high-latency", &["no-data"], 3),
    ("tabot-no-prometheus", "ta-bot/high-latency", &[], 3),
    ("tabot-rollout-stuck", "ta-bot/no-signals", &["pods-not-ready"], 1),
    ("healthy", "tradeengine/network-connectivity", &[], 0),
    ("healthy", "tradeengine/health", &[], 0),
    ("healthy", "tradeengine/trace-check", &[], 0),
    ("te-ingress-missing", "tradeengine/trace-check", &["no-server-spans"], 1),
    ("te-egress-missing-on-client", "tradeengine/trace-check", &["no-server-spans"], 1),
    ("te-slow-child", "tradeengine/trace-check", &["slow-child"], 1),
    ("te-not-instrumented", "tradeengine/trace-check", &["not-instrumented"], 1),
    ("te-no-tempo", "tradeengine/trace-check", &["no-tempo"], 4),
    ("tabot-no-leader", "tradeengine/trace-check", &["no-traces"], 1),
    ("healthy", "binance-extractor/gap-filler-network", &[], 0),
    // its CronJobs are younger than the time at which they run
    ("healthy", "binance-extractor/gap-filler-verify", &[], 3),
    ("healthy", "data-manager/client-connectivity", &[], 0),
    ("healthy", "data-manager/health", &[], 0),
    ("healthy", "platform/networkpolicy-audit", &[], 0),
    ("healthy", "platform/secret-check", &[], 0),
    ("healthy", "platform/preflight", &[], 0),
    ("te-ingress-missing", "tradeengine/network-connectivity", &["ingress-policy-missing"], 1),
    ("te-ingress-missing", "tradeengine/health", &[], 0),
    (
        "te-ingress-missing",
        "platform/networkpolicy-audit",
        &["template-not-selected", "one-direction-only"],
        1,
    ),
    ("te-egress-missing-on-client", "tradeengine/network-connectivity", &["egress-missing"], 1),
    ("te-ingress-dead-nginx-selector", "tradeengine/network-connectivity", &["dead-selector"], 0),
    (
        "te-ingress-dead-nginx-selector",
        "platform/networkpolicy-audit",
        &["selector-matches-nothing"],
        1,
    ),
    ("te-degraded", "tradeengine/network-connectivity", &["app-degraded"], 0),
    ("te-degraded", "tradeengine/health", &["degraded"], 0),
    (
        "gapfiller-label-mismatch",
        "binance-extractor/gap-filler-network",
        &["policy-selector-mismatch"],
        1,
    ),
    (
        "gapfiller-dns-ok-exchange-down",
        "binance-extractor/gap-filler-network",
        &["exchange-unreachable"],
        1,
    ),
    (
        "gapfiller-job-partial",
        "binance-extractor/gap-filler-network",
        &["policy-selector-mismatch"],
        1,
    ),
    (
        "gapfiller-job-partial",
        "binance-extractor/gap-filler-verify",
        &["job-failed", "dns-errors", "incomplete"],
        1,
    ),
    ("gapfiller-ran", "binance-extractor/gap-filler-network", &[], 0),
    ("gapfiller-ran", "binance-extractor/gap-filler-verify", &["not-scheduled"], 1),
    ("dm-wrong-url-port", "data-manager/client-connectivity", &["url-port-not-on-service"], 1),
    ("dm-egress-8000-missing", "data-manager/client-connectivity", &["egress-8000-missing"], 1),
    (
        "dm-egress-8000-missing",
        "platform/networkpolicy-audit",
        &["edge-closed", "one-direction-only", "ineffective-rule"],
        1,
    ),
    ("tabot-mysql-policy-blocked", "data-manager/health", &[], 0),
    ("tabot-mysql-no-endpoints", "data-manager/health", &["db-disconnected"], 1),
    ("tabot-mysql-secret-malformed", "platform/secret-check", &["malformed"], 1),
    ("te-one-of-three-cut-off", "tradeengine/network-connectivity", &["some-cut-off"], 1),
    ("te-one-of-three-cut-off", "tradeengine/health", &[], 0),
    ("te-one-client-cut-off", "tradeengine/network-connectivity", &["some-cut-off"], 1),
    (
        "te-both-directions-closed",
        "tradeengine/network-connectivity",
        &["ingress-policy-missing", "egress-missing"],
        1,
    ),
    ("te-selector-mismatch", "tradeengine/network-connectivity", &["selector-mismatch"], 1),
    ("tabot-one-pod-no-dns", "ta-bot/mysql-down", &["one-pod-only"], 1),
    ("tabot-one-pod-no-dns", "ta-bot/nats-down", &["some-cut-off"], 1),
    ("tabot-one-pod-no-dns", "ta-bot/no-signals", &["mysql-down", "nats-down"], 1),
    ("tabot-mysql-pods-stale", "ta-bot/mysql-down", &["pods-stale"], 1),
    ("tabot-mysql-pods-stale", "platform/secret-check", &["pods-stale"], 1),
    ("tabot-mysql-selector-mismatch", "ta-bot/mysql-down", &["selector-mismatch"], 1),
    ("tabot-mysql-target-port", "ta-bot/mysql-down", &["target-port-wrong"], 1),
    ("tabot-nats-selector-mismatch", "ta-bot/nats-down", &["selector-mismatch"], 1),
    ("dm-one-of-three-cut-off", "data-manager/client-connectivity", &["ingress-missing"], 1),
    ("dm-one-of-three-cut-off", "data-manager/health", &["db-disconnected"], 1),
    ("dm-egress-8000-missing", "ta-bot/no-signals", &["data-manager-unreachable"], 1),
    ("rbac-missing", "platform/preflight", &["no-rbac"], 1),
    ("rbac-missing", "tradeengine/network-connectivity", &[], 3),
    ("api-down", "tradeengine/network-connectivity", &[], 3),
    ("api-down", "platform/networkpolicy-audit", &[], 3),
];

#[test]
fn each_verdict_names_the_planted_cause_and_no_other() {
    let mut wrong = Vec::new();
    for (scenario, runbook, wanted, code) in VERDICTS {
        let (document, exit) =
            Place::new().json(&["run", runbook, &format!("--sandbox={scenario}")]);
        let named = findings(&document);
        if named != *wanted || exit != *code {
            wrong.push(format!(
                "{scenario} {runbook}: named {named:?} exit {exit}, wanted {wanted:?} exit {code}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    let mut scenarios: Vec<&str> = VERDICTS.iter().map(|(scenario, ..)| *scenario).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    let mut same = Vec::new();
    for scenario in scenarios {
        match difference(&healthy, &screen(scenario)) {
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
    dm-one-of-three-cut-off
    gapfiller-dns-ok-exchange-down
    gapfiller-job-partial
    gapfiller-label-mismatch
    gapfiller-ran
    healthy
    lease-held
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
    te-degraded
    te-ingress-dead-nginx-selector
    te-no-tempo
    te-not-instrumented
    te-one-client-cut-off
    te-one-of-three-cut-off
    te-slow-child
    ");
}

#[test]
fn every_scenario_of_the_sandbox_has_a_verdict_here() {
    let (document, _) = Place::new().json(&["sandbox", "list"]);
    for scenario in document["scenarios"].as_array().unwrap() {
        let name = scenario["name"].as_str().unwrap();
        assert!(VERDICTS.iter().any(|(scenario, ..)| *scenario == name), "{name} has no row");
    }
}

#[test]
fn what_a_runbook_names_for_the_sandbox_has_something_to_find() {
    let catalogue = runbook::document::Catalogue::new(&[]);
    let declared = |name: &str| {
        let runbook = catalogue.load(name).unwrap();
        runbook.sandbox.as_ref().map(|rehearsal| rehearsal.scenario.clone())
    };
    let finds = |runbook: &str| {
        let rows = VERDICTS.iter().filter(|row| row.1 == runbook && !row.2.is_empty());
        rows.map(|row| format!("petrosa/{}", row.0)).collect::<Vec<_>>()
    };
    for runbook in catalogue.list().map(|listed| listed.name.as_str()) {
        let rows = finds(runbook);
        assert!(
            rows.is_empty() || declared(runbook).is_some_and(|scenario| rows.contains(&scenario)),
            "{runbook} names {:?}, and finds something in {rows:?}",
            declared(runbook)
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
