//! The catalogue of this repository: without faults, and true to the rows that it covers.

use crate::support::Place;
use std::collections::BTreeMap;

pub(crate) fn names() -> Vec<String> {
    let (document, _) = Place::new().json(&["list"]);
    document["runbooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|runbook| runbook["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The runbooks that change something; all others only look.
const CHANGING: &[&str] = &[
    "eafix/deploy-basic",
    "eafix/deploy-helm",
    "eafix/deploy-istio",
    "eafix/node-maintenance",
    "eafix/restore-postgres",
    "eafix/rolling-update",
    "eafix/scale",
    "kubernetes/raise-memory",
    "kubernetes/restart",
    "kubernetes/rollback",
    "kubernetes/uncordon",
    "ta-bot/emergency-scale-down",
    "ta-bot/restart",
    "ta-bot/restore-replicas",
    "ta-bot/rollback",
];

/// Runbooks that only look, unless a parameter asks for more.
const ASKED: &[(&str, &str)] = &[
    ("binance-extractor/gap-filler-network", "remedy=apply"),
    ("data-manager/common-config", "op=set"),
    ("eafix/metrics-check", "import=true"),
    ("eafix/secrets", "method=external"),
    ("platform/change-gate", "merge=true"),
    ("platform/network-path", "remedy=apply"),
    ("ta-bot/configuration", "op=set"),
    ("ta-bot/high-latency", "remedy=cpu"),
    ("ta-bot/mysql-down", "remedy=start-server"),
    ("ta-bot/nats-down", "remedy=restart-server"),
    ("tradeengine/data-manager-cutover", "op=switch"),
    ("tradeengine/network-connectivity", "remedy=apply"),
];

/// Runbooks that do what the system does by itself: a Job of a CronJob, an analysis.
const TRYING: &[&str] = &["binance-extractor/new-cronjob-check", "ta-bot/record-test-signal"];

/// Runbooks whose change only time proves: the next run of a schedule, a day of observation.
const WAITING: &[&str] =
    &["binance-extractor/adjust-deadline", "binance-extractor/retire-mongodb-jobs"];

/// What must be given, of runbooks whose parameters have no default.
pub(crate) fn required(name: &str) -> &'static [&'static str] {
    match name {
        "ta-bot/emergency-scale-down" => &["--set", "reason=test"],
        "platform/network-path" => {
            &["--set", "src=app=petrosa-ta-bot", "--set", "dst=http://petrosa-tradeengine-service"]
        }
        "platform/connection" => {
            &["--set", "client=app=petrosa-ta-bot", "--set", "host=mysql", "--set", "port=3306"]
        }
        "binance-extractor/new-cronjob-check" => &["--set", "cronjob=binance-klines-gap-filler-m5"],
        "kubernetes/cronjob-not-running" => {
            &["--set", "target=cronjob/binance-klines-gap-filler-m5"]
        }
        "kubernetes/hpa" => &["--set", "target=hpa/petrosa-ta-bot"],
        "kubernetes/job-failed" => &["--set", "target=job/import"],
        "kubernetes/namespace-terminating" => &["--set", "namespace=petrosa-apps"],
        "kubernetes/node" => &["--set", "target=node/node"],
        "kubernetes/raise-memory" => &[
            "--set",
            "deployment=petrosa-ta-bot",
            "--set",
            "container=ta-bot",
            "--set",
            "memory=2Gi",
        ],
        "eafix/node-maintenance" => &["--set", "node=node"],
        "eafix/restore-postgres" => &["--set", "file=backups/eafix_trading.sql"],
        "kubernetes/uncordon" => &["--set", "node=node"],
        "kubernetes/pod-crash-looping"
        | "kubernetes/restart"
        | "kubernetes/rollback"
        | "kubernetes/pod-not-ready"
        | "kubernetes/resource"
        | "kubernetes/workload-unavailable" => &["--set", "target=deployment/petrosa-ta-bot"],
        "kubernetes/pod-disruption-budget" => &["--set", "target=pdb/petrosa-ta-bot"],
        "kubernetes/service-unreachable" | "kubernetes/target-down" => {
            &["--set", "target=service/petrosa-ta-bot-service"]
        }
        _ => &[],
    }
}

#[test]
fn every_runbook_that_changes_something_ends_with_a_smoke_test() {
    for name in CHANGING {
        let (document, _) = Place::new().json(&[&["plan", name][..], required(name)].concat());
        let steps = document["steps"].as_array().unwrap();
        assert!(
            steps.iter().any(|step| {
                let last = ["smoke", "verify", "analysis"];
                last.iter().any(|path| step["path"] == *path) && step["action"] == "run"
            }),
            "{name}"
        );
    }
}

#[test]
fn what_only_time_proves_is_waited_for() {
    for name in WAITING {
        let (document, _) = Place::new().json(&["plan", name]);
        let steps = document["steps"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["action"] == "wait_for_time"), "{name}");
    }
}

#[test]
fn a_diagnosis_changes_nothing_unless_it_is_asked_to() {
    for (name, asking) in ASKED {
        let effects = |arguments: &[&str]| {
            let (document, _) =
                Place::new().json(&[&["plan", name][..], required(name), arguments].concat());
            let steps = document["steps"].as_array().unwrap().clone();
            steps.iter().map(|step| step["effect"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let changes = |effect: &String| effect == "write" || effect == "opaque";
        assert!(!effects(&[]).iter().any(changes), "{name}");
        assert!(effects(&["--set", asking]).iter().any(changes), "{name}");
    }
}

#[test]
fn every_runbook_is_valid_and_says_what_it_does_and_what_it_is_for() {
    for name in names() {
        let (document, code) = Place::new().json(&["describe", &name]);
        assert_eq!(code, 0);
        let changes = CHANGING.contains(&name.as_str())
            || TRYING.contains(&name.as_str())
            || WAITING.contains(&name.as_str())
            || ASKED.iter().any(|(asked, _)| *asked == name);
        let effect = document["effect"].as_str().unwrap();
        assert_eq!(["write", "opaque"].contains(&effect), changes, "{name}: {effect}");
        assert!(document["description"].as_str().unwrap().len() > 40, "{name} explains itself");
        assert!(document["title"].as_str().unwrap().len() <= 60, "{name}");
    }
}

#[test]
fn each_row_of_the_source_documents_is_covered_once() {
    let mut rows = BTreeMap::new();
    for name in names() {
        let (document, _) = Place::new().json(&["describe", &name]);
        for row in document["covers"].as_array().unwrap() {
            let row = row.as_str().unwrap().to_owned();
            if let Some(other) = rows.insert(row.clone(), name.clone()) {
                panic!("{row} is covered by {other} and {name}");
            }
        }
    }
    // every id is a row of a document, and documents that are complete are covered whole
    let said = Place::new().run(&["coverage"]);
    assert_eq!(said.code, 0, "{}", said.all());
    for part in
        ["54 of 54 rows", "34 of 34 rows", "123 of 123 rows", "141 of 141 rows", "121 of 121 rows"]
    {
        assert!(said.stdout.contains(part), "{}", said.stdout);
    }
}

/// `UPDATE_DOCS=1` writes the page anew.
#[test]
fn the_page_of_the_coverage_is_true() {
    let said = Place::new().run(&["coverage", "--output", "markdown"]);
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coverage.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &said.stdout).unwrap();
    }
    assert!(std::fs::read_to_string(&page).unwrap() == said.stdout, "UPDATE_DOCS=1 updates it");
}

#[test]
fn every_plan_names_its_permissions_and_the_commands_by_hand() {
    for name in names() {
        let (document, _) = Place::new().json(&[&["plan", &name][..], required(&name)].concat());
        let steps = document["steps"].as_array().unwrap();
        let asking = steps.iter().filter(|step| {
            !["value", "group", "run", "confirm", "pause"]
                .contains(&step["action"].as_str().unwrap())
        });
        for step in asking {
            assert!(!step["by_hand"].as_array().unwrap().is_empty(), "{name} {step}");
        }
        // a gate asks GitHub, and the cluster only about a workload or manifests that it is given
        let asks_cluster = name != "platform/change-gate";
        assert_eq!(!document["permissions"].as_array().unwrap().is_empty(), asks_cluster, "{name}");
        let text = document.to_string();
        assert!(!text.contains("jsonpath='{.data"), "{name} prints no secret");
    }
}

#[test]
fn a_runbook_can_do_what_the_ones_that_it_calls_do() {
    let place = Place::new();
    let head = "runbook: v1\ntitle: T\nsteps:\n  - id: s\n    ";
    let change = "annotate: {target: deployment/x, annotations: {noted: '1'}}\n";
    // in the order of names, the last one is read last
    place.write("runbooks/a.yaml", format!("{head}run: b\n"));
    place.write("runbooks/b.yaml", format!("{head}steps: [{{id: c, run: c}}]\n"));
    place.write("runbooks/c.yaml", format!("{head}{change}"));
    let (listed, _) = place.json(&["list", "--catalogue", "runbooks"]);
    let effects: Vec<_> = listed["runbooks"].as_array().unwrap()[..3]
        .iter()
        .map(|runbook| &runbook["effect"])
        .collect();
    assert_eq!(effects, ["write"; 3], "{listed:#}");
    let (plan, _) = place.json(&["plan", "a", "--catalogue", "runbooks"]);
    assert_eq!(plan["steps"][0]["effect"], "write", "{plan:#}");
}
