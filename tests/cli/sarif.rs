//! SARIF of `check` and of `report`: what the published schema requires of both.

use crate::support::Place;
use boon::{Compiler, Schemas};
use serde_json::Value;

/// Refuses what is no SARIF 2.1.0.
fn valid(document: &Value) {
    let schema = include_str!("fixtures/sarif-2.1.0.json");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("sarif.json", serde_json::from_str(schema).unwrap()).unwrap();
    let index = compiler.compile("sarif.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(document, index) {
        panic!("{error:#}\n{document:#}");
    }
    let run = &document["runs"][0];
    let rules: Vec<&Value> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    for result in run["results"].as_array().unwrap() {
        assert!(rules.contains(&&result["ruleId"]), "{result}");
    }
}

#[test]
fn mistakes_in_runbooks() {
    let place = Place::new();
    let file = place.write(
        "a b.yaml",
        "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    name: x\n    get: {kind: Pod, selecter: \
            app=web}\n",
    );
    let said = place.run(&["check", &file, "-o", "sarif"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    valid(&document);
    assert_eq!(document["runs"][0]["results"].as_array().unwrap().len(), 2, "{document:#}");
}

#[test]
fn results_of_an_audit_of_policies() {
    let place = Place::new();
    place.write(
        "edges.yaml",
        "edges: [{from: deployment/mongodb, to: \"petrosa-tradeengine-service:80\"}]\n",
    );
    let run = [
        "run",
        "platform/networkpolicy-audit",
        "--sandbox=petrosa/te-ingress-missing",
        "--params",
        "edges.yaml",
        "--report",
        "sarif=audit.sarif",
    ];
    assert_eq!(place.run(&run).code, 1);
    let written = std::fs::read_to_string(place.path().join("audit.sarif")).unwrap();
    let said = place.run(&["report", "latest", "-o", "sarif"]);
    assert_eq!((said.code, &said.stdout), (0, &written), "{}", said.stderr);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    valid(&document);
    let run = &document["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], true, "{run:#}");
    for rule in ["connection-closed", "workload-without-allow"] {
        let mut results = run["results"].as_array().unwrap().iter();
        let first = results.find(|result| result["ruleId"] == rule);
        insta::assert_json_snapshot!(format!("sarif_{rule}"), first);
    }
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().all(|rule| rule["fullDescription"]["text"].is_string()), "{rules:#?}");
}

#[test]
fn a_run_without_an_audit_has_no_results_that_could_be_taken_for_none() {
    let place = Place::new();
    assert_eq!(place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]).code, 0);
    let said = place.run(&["report", "latest", "-o", "sarif"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.all());
    assert!(said.stderr.contains("no step `network_audit` has ended"), "{}", said.stderr);
}

#[test]
fn an_audit_that_could_not_look_says_so() {
    let place = Place::new();
    let audit = "platform/networkpolicy-audit";
    let run = place.run(&["run", audit, "--sandbox=te-ingress-missing", "--set", "edges=nothing"]);
    assert_eq!(run.code, 3, "{}", run.all());
    let said = place.run(&["report", "latest", "-o", "sarif"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    valid(&document);
    let invocation = &document["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false, "{invocation:#}");
    assert_eq!(invocation["toolExecutionNotifications"][0]["level"], "error");
}
