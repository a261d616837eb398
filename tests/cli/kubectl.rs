//! The simulated cluster as a real kubectl sees it, when `RUNBOOK_TEST_KUBECTL` names one (a
//! command with its first arguments).

use crate::support::Place;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Arguments, exit code, words that the answer has.
const ASKED: &[(&str, i32, &[&str])] = &[
    (
        "get pods -n petrosa-apps -l app=petrosa-ta-bot",
        0,
        &["NAME", "READY", "STATUS", "1/1", "Running", "petrosa-ta-bot-"],
    ),
    ("get pods -A -o wide", 0, &["kube-system", "monitoring", "nats", "10.244."]),
    (
        "get deployments,services -n petrosa-apps",
        0,
        &["deployment.apps/petrosa-ta-bot", "3/3", "service/mysql", "3306/TCP"],
    ),
    ("get deployment petrosa-ta-bot -n petrosa-apps -o jsonpath={.spec.replicas}", 0, &["3"]),
    ("get networkpolicies -n petrosa-apps", 0, &["default-deny-all", "mysql-clients-allow-egress"]),
    ("get lease -n petrosa-apps", 0, &["petrosa-ta-bot-leader"]),
    (
        "get pod no-such-pod -n petrosa-apps",
        1,
        &["Error from server (NotFound): pods \"no-such-pod\" not found"],
    ),
    (
        "describe pod -n petrosa-apps -l app=mysql",
        0,
        &["Name:", "mariadb:10.11", "Conditions:", "Ready"],
    ),
    (
        "describe deployment petrosa-ta-bot -n petrosa-apps",
        0,
        &["3 desired | 3 updated | 3 total | 3 available", "NewReplicaSet:"],
    ),
    ("logs deployment/petrosa-ta-bot -n petrosa-apps --tail=5", 0, &["20"]),
    (
        "exec deployment/petrosa-ta-bot -n petrosa-apps -- curl -s http://localhost:8080/healthz",
        0,
        &["\"status\":\"ok\""],
    ),
    (
        "exec deployment/petrosa-tradeengine -n petrosa-apps -- curl -s \
            http://localhost:8000/health",
        1,
        &["executable file not found"],
    ),
    (
        "rollout status deployment/petrosa-ta-bot -n petrosa-apps --timeout=5s",
        0,
        &["successfully rolled out"],
    ),
    ("auth can-i create pods --subresource=exec -n petrosa-apps", 0, &["yes"]),
    ("scale deployment petrosa-ta-bot -n petrosa-apps --replicas=2", 0, &["scaled"]),
    ("rollout restart deployment petrosa-ta-bot -n petrosa-apps", 0, &["restarted"]),
    ("delete pod -n petrosa-apps -l app=mysql --wait=false", 0, &["deleted"]),
];

#[test]
fn a_real_kubectl_gets_along_with_the_sandbox() {
    let Ok(kubectl) = std::env::var("RUNBOOK_TEST_KUBECTL") else {
        eprintln!("not run: RUNBOOK_TEST_KUBECTL is not set");
        return;
    };
    let place = Place::new();
    let kubeconfig = place.path().join("kubeconfig");
    let mut server = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["sandbox", "serve", "healthy", "--kubeconfig"])
        .arg(&kubeconfig)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut wrong = Vec::new();
    for (arguments, code, words) in ASKED {
        let mut parts = kubectl.split_whitespace();
        let output = Command::new(parts.next().unwrap())
            .args(parts)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
        if output.status.code() != Some(*code) || !missing.is_empty() {
            wrong.push(format!(
                "kubectl {arguments}: exit {:?}, without {missing:?}: {said}",
                output.status.code()
            ));
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(first.contains("healthy on http://127.0.0.1:"), "{first}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
