//! Network runbooks on the sandbox: the remedy really opens the connection, and what was not asked
//! for is not done.

use crate::support::Place;
use runbook::sandbox::{Options, Sandbox};
use serde_json::Value;

/// A sandbox that several runs share.
pub(crate) struct Stage {
    sandbox: Sandbox,
    pub(crate) place: Place,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    pub(crate) fn new(scenario: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let sandbox = runtime
            .block_on(runbook::sandbox::start(Options {
                scenario: scenario.to_owned(),
                ..Options::default()
            }))
            .unwrap();
        let place = Place::new();
        place.write("kubeconfig", sandbox.kubeconfig());
        Self { sandbox, place, _runtime: runtime }
    }

    /// Exit code and the document of a run.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Value, i32) {
        let mut command = self.place.command();
        command
            .env_remove("RUNBOOK_NOW")
            .env_remove("RUNBOOK_RUN_ID")
            .env("KUBECONFIG", self.place.path().join("kubeconfig"));
        let said = crate::support::said(command.args(arguments).args(["--output", "json"]));
        (
            serde_json::from_str(&said.stdout)
                .unwrap_or_else(|error| panic!("{error}: {}", said.all())),
            said.code,
        )
    }

    /// What was sent to be changed, as `verb resource name`.
    fn writes(&self) -> Vec<String> {
        let text = crate::changes::http_get(&self.sandbox.address().to_string(), "/sandbox/writes");
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        let text = |write: &Value, key: &str| write[key].as_str().unwrap_or_default().to_owned();
        all.iter()
            .filter(|write| write["resource"] != "leases" && write["dry_run"] != true)
            .map(|write| text(write, "resource"))
            .collect()
    }
}

pub(crate) fn findings(document: &Value) -> Vec<(String, bool)> {
    let all = document["findings"].as_array().unwrap().iter();
    all.map(|finding| (finding["id"].as_str().unwrap().to_owned(), finding["fixed"] == true))
        .collect()
}

#[test]
fn a_diagnosis_writes_nothing_not_even_a_lock() {
    for (scenario, name) in [
        ("te-ingress-missing", "tradeengine/network-connectivity"),
        ("gapfiller-label-mismatch", "binance-extractor/gap-filler-network"),
        ("dm-egress-8000-missing", "data-manager/client-connectivity"),
    ] {
        let stage = Stage::new(scenario);
        let (_, code) = stage.run(&["run", name]);
        assert_eq!(code, 1, "{name}");
        let text =
            crate::changes::http_get(&stage.sandbox.address().to_string(), "/sandbox/writes");
        assert_eq!(text.trim(), "[]", "{name}");
    }
}

#[test]
fn the_remedy_opens_the_connection_and_the_next_run_is_green() {
    for (scenario, name, finding) in [
        ("te-ingress-missing", "tradeengine/network-connectivity", "ingress-policy-missing"),
        ("te-egress-missing-on-client", "tradeengine/network-connectivity", "egress-missing"),
        (
            "gapfiller-label-mismatch",
            "binance-extractor/gap-filler-network",
            "policy-selector-mismatch",
        ),
        (
            "gapfiller-job-partial",
            "binance-extractor/gap-filler-network",
            "policy-selector-mismatch",
        ),
    ] {
        let stage = Stage::new(scenario);
        let (document, code) = stage.run(&["run", name, "--set", "remedy=apply", "--yes"]);
        assert_eq!(
            (code, findings(&document)),
            (0, vec![(finding.to_owned(), true)]),
            "{scenario}: {document:#}"
        );
        assert_eq!(
            document["findings"][0]["command"],
            Value::Null,
            "{scenario}: nothing is left to do"
        );
        let (document, code) = stage.run(&["run", name]);
        assert_eq!((code, findings(&document)), (0, vec![]), "{scenario} afterwards: {document:#}");
    }
}

#[test]
fn the_remedy_named_by_a_client_is_one_that_works() {
    let stage = Stage::new("dm-egress-8000-missing");
    let (document, _) = stage.run(&["run", "data-manager/client-connectivity"]);
    let command = document["findings"][0]["command"].as_str().unwrap().to_owned();
    let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
    words.push("--yes");
    let (document, code) = stage.run(&words);
    assert_eq!(
        (code, findings(&document)),
        (0, vec![("egress-blocked".to_owned(), true)]),
        "{command}: {document:#}"
    );
    let (document, code) = stage.run(&["run", "data-manager/client-connectivity"]);
    // the rule that never had an effect is still there
    assert_eq!((code, findings(&document)), (0, vec![]), "{document:#}");
}

#[test]
fn gap_fillers_that_have_all_run_well_are_verified() {
    let stage = Stage::new("gapfiller-ran");
    // the time of the scenario is a fixed one, far back
    let (document, code) =
        stage.run(&["run", "binance-extractor/gap-filler-verify", "--set", "within=36500d"]);
    assert_eq!((code, findings(&document)), (0, vec![]), "{document:#}");
}

#[test]
fn from_the_symptom_to_the_policy_each_run_names_the_next() {
    for (scenario, name) in [
        ("tabot-mysql-policy-blocked", "ta-bot/mysql-down"),
        ("tabot-nats-policy-namespace-label", "ta-bot/nats-down"),
    ] {
        let stage = Stage::new(scenario);
        let next = |document: &Value| {
            document["findings"][0]["command"]
                .as_str()
                .unwrap_or_else(|| panic!("{document:#}"))
                .to_owned()
        };
        let words = |command: &str| {
            command.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut command = format!("runbook run {name}");
        // the symptom, the connection, the remedy
        for (code, remedied) in [(1, false), (1, false), (0, true)] {
            let mut words = words(&command);
            words.extend(remedied.then(|| "--yes".to_owned()));
            let (document, got) = stage.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(
                (
                    got,
                    document["findings"][0]["id"].as_str(),
                    document["findings"][0]["fixed"] == true
                ),
                (code, Some("egress-blocked"), remedied),
                "{command}: {document:#}"
            );
            if !remedied {
                command = next(&document);
            }
        }
        let (document, code) = stage.run(&["run", name]);
        assert_eq!((code, findings(&document)), (0, vec![]), "{scenario} afterwards: {document:#}");
    }
}

#[test]
fn without_consent_the_remedy_waits_and_without_a_fault_nothing_is_applied() {
    let stage = Stage::new("te-ingress-missing");
    let (_, code) =
        stage.run(&["run", "tradeengine/network-connectivity", "--set", "remedy=apply"]);
    assert_eq!(code, 4);
    assert_eq!(stage.writes(), Vec::<String>::new());
    let stage = Stage::new("healthy");
    let (document, code) =
        stage.run(&["run", "tradeengine/network-connectivity", "--set", "remedy=apply", "--yes"]);
    assert_eq!((code, findings(&document)), (0, vec![]));
    assert_eq!(stage.writes(), Vec::<String>::new());
}

#[test]
fn a_pod_for_probes_is_made_and_deleted_again() {
    let stage = Stage::new("gapfiller-label-mismatch");
    let from = [
        "run",
        "platform/network-path",
        "--set",
        "src=cronjob/binance-klines-gap-filler-m5",
        "--set",
        "dst=https://fapi.binance.com",
        "--set",
        "probe=pod",
    ];
    let (document, code) = stage.run(&[&from[..], &["--yes"]].concat());
    assert_eq!(code, 1, "{document:#}");
    assert_eq!(findings(&document), [("egress-blocked".to_owned(), false)]);
    assert_eq!(stage.writes(), ["pods", "pods"], "made and deleted");
    let (document, code) = stage.run(&[&from[..], &["--set", "remedy=apply", "--yes"]].concat());
    assert_eq!(
        (code, findings(&document)),
        (0, vec![("egress-blocked".to_owned(), true)]),
        "{document:#}"
    );
}

#[test]
fn a_dry_run_shows_the_policy_and_applies_none() {
    let stage = Stage::new("te-ingress-missing");
    let (document, code) = stage.run(&[
        "run",
        "tradeengine/network-connectivity",
        "--set",
        "remedy=apply",
        "--dry-run",
    ]);
    assert_eq!(code, 1, "the fault is there still");
    let open = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["path"] == "reach/open")
        .unwrap()
        .clone();
    assert!(open.to_string().contains("petrosa-tradeengine-allow-ingress"), "{open:#}");
    assert_eq!(stage.writes(), Vec::<String>::new());
    assert!(findings(&document).iter().all(|(_, fixed)| !fixed));
}

#[test]
fn the_graph_of_a_namespace() {
    let place = Place::new();
    let said = place.run(&["network", "graph", "petrosa-apps", "--sandbox=te-ingress-missing"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stdout.starts_with("flowchart LR\n"));
    let closed: Vec<&str> = said.stdout.lines().filter(|line| line.contains("--x")).collect();
    assert!(closed.len() == 1 && closed[0].contains("default-deny-all"), "{closed:?}");
    let (document, _) =
        place.json(&["network", "graph", "petrosa-apps", "--sandbox=te-ingress-missing", "--all"]);
    let edges = document["graph"]["edges"].as_array().unwrap();
    assert!(
        edges.len() > 60
            && edges.iter().any(|edge| edge["verdict"] == "denied")
            && edges.iter().any(|edge| edge["verdict"] == "allowed")
    );
    for (format, start) in [("svg", "<svg "), ("html", "<!doctype html>")] {
        let file = place.path().join(format);
        let said = place.run(&[
            "network",
            "graph",
            "petrosa-apps",
            "--sandbox=te-ingress-missing",
            "--output",
            format,
            "--file",
            file.to_str().unwrap(),
        ]);
        assert_eq!(said.code, 0, "{}", said.all());
        assert!(said.stdout.contains("19 open, 1 closed, 0 unknown"), "{}", said.stdout);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with(start) && text.contains("#cf222e") && !text.contains("<script"));
    }
    for (arguments, code, reason) in [
        (&["nowhere", "--sandbox"][..], 2, "namespace nowhere does not exist"),
        (&["petrosa-apps", "--sandbox", "--edge", "x"], 2, "is not a connection"),
        (&["petrosa-apps", "--sandbox=api-down"], 3, "could not reach"),
    ] {
        let said = place.run(&[&["network", "graph"], arguments].concat());
        assert_eq!(said.code, code, "{}", said.all());
        assert!(said.stderr.contains(reason), "{}", said.stderr);
    }
}
