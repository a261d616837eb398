//! Completions in a real shell, as far as it is there: the script is sourced, and its function
//! called with what the shell would pass.

use crate::support::{Place, said};
use assert_cmd::Command;
use std::path::Path;

/// What bash offers for a line.
fn offered(place: &Place, line: &str) -> Vec<String> {
    let script = r#"
        source <(runbook completions bash)
        COMP_LINE=$1 COMP_POINT=${#1}
        piece=${1##*[ =:]}
        _runbook runbook "$piece" previous
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let program = Path::new(env!("CARGO_BIN_EXE_runbook")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", script, "bash", line])
        .env_clear()
        .env("PATH", format!("{}:{path}", program.display()))
        .env("HOME", place.path())
        .env("RUNBOOK_STATE_DIR", place.state())
        .env("KUBECONFIG", place.path().join("config"))
        .current_dir(place.path());
    let output = bash.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_what_the_program_knows() {
    if Command::new("bash").arg("--version").output().is_err() {
        return;
    }
    let place = Place::new();
    place.write(
        "config",
        "{apiVersion: v1, kind: Config, contexts: [{name: staging, context: {cluster: c, \
            user: u}}, {name: prod, context: {cluster: c, user: u}}]}",
    );
    place.write(
        "runbooks/shop/own.yaml",
        "runbook: v1\ntitle: Own\nparams:\n  color: {type: enum, values: [red, green], default: \
            red}\n  why: {type: string, default: it is late}\n  dry: {type: bool, default: true}\n\
            steps: [{id: a, value: $params}]\n",
    );
    assert_eq!(place.run(&["run", "shop/own"]).code, 0);
    for (line, wanted) in [
        ("runbook desc", &["describe"][..]),
        ("runbook run shop/o", &["shop/own"]),
        ("runbook run ta-bot/rest", &["ta-bot/restart", "ta-bot/restore-replicas"]),
        ("runbook run shop/own --set ", &["color=", "why=", "dry="]),
        ("runbook run shop/own --set c", &["color="]),
        ("runbook run shop/own --set color=", &["red", "green"]),
        ("runbook run shop/own --set color=g", &["green"]),
        ("runbook run shop/own --set dry=", &["true", "false"]),
        ("runbook run shop/own --set why=", &["'it is late'"]),
        ("runbook run shop/own --sandbox=plain/app-e", &["plain/app-exit"]),
        ("runbook run shop/own --context ", &["staging", "prod"]),
        ("runbook run shop/own --sandbox=app-exi", &["app-exit"]),
        ("runbook show ", &["latest", "00000000"]),
        ("runbook show l", &["latest"]),
        ("runbook show latest:", &["shop/own"]),
        ("runbook show 01K9", &["01K9ZQ4T000000000000000000"]),
        ("runbook explain listen", &["listening"]),
        ("runbook docs shop/o", &["shop/own"]),
        ("kubectl-runbook run shop/o", &["shop/own"]),
    ] {
        assert_eq!(offered(&place, line), wanted, "{line}");
    }
}

#[test]
fn the_other_shells_ask_the_program_too() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = Place::new().run(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.stdout.contains("RUNBOOK_COMPLETE"), "{shell}: {}", script.stdout);
    }
    let place = Place::new();
    let mut command = place.command();
    command.env("RUNBOOK_COMPLETE", "fish").args(["--", "runbook", "run", "ta-bot/smo"]);
    let candidates = said(&mut command);
    assert!(candidates.stdout.starts_with("ta-bot/smoke\t"), "{}", candidates.all());
    let mut command = place.command();
    command.env("RUNBOOK_COMPLETE", "zsh").env("_CLAP_COMPLETE_INDEX", "2");
    command.args(["--", "runbook", "run", "ta-bot/smo"]);
    let candidates = said(&mut command);
    assert!(candidates.stdout.starts_with("ta-bot/smoke:"), "{}", candidates.all());
}

#[test]
fn as_a_plugin_of_kubectl_it_is_called_so() {
    let place = Place::new();
    let plugin = place.path().join("kubectl-runbook");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_runbook"), &plugin).unwrap();
    let output = Command::new(&plugin).args(["plan", "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Usage: kubectl runbook plan [OPTIONS] <NAME>"), "{text}");
    let said = place.run(&["--help"]);
    assert!(said.stdout.contains("Usage: runbook [OPTIONS] <COMMAND>"), "{}", said.all());
    for part in ["Run:\n  run          Run a runbook", "\nExamples:\n  runbook run "] {
        assert!(said.stdout.contains(part), "{part}: {}", said.all());
    }
}

#[test]
fn there_is_a_manual_page_of_every_command() {
    let place = Place::new();
    let said = place.run(&["man", "--dir", "man"]);
    assert_eq!(said.code, 0, "{}", said.all());
    for page in ["runbook.1", "runbook-run.1", "runbook-sandbox-serve.1"] {
        let text = std::fs::read_to_string(place.path().join("man").join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}
