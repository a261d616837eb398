//! Completions in a real shell, as far as it is there: the script is sourced, and its function
//! called with what the shell would pass.

use crate::support::{Place, said};
use assert_cmd::Command;
use std::path::Path;

/// What bash offers for a line.
const BASH: &str = r#"
    source <(runbook completions bash)
    COMP_LINE=$1 COMP_POINT=${#1}
    piece=${1##*[ =:]}
    _runbook runbook "$piece" previous
    printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The line of an interactive zsh after Tab was pressed at its end.
const ZSH: &str = r#"
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z 'stty columns 200; PS1=RE""ADY; autoload -Uz compinit; compinit -u -D
        source <(runbook completions zsh); show() { print -r -- "LINE""<$BUFFER>" }
        zle -N show; bindkey "^G" show; PS1=G""O'
    zpty -r z said '*GO*'
    zpty -w -n z "$1"$'\t\a'
    zpty -r z said '*LINE<*>*'
    said=${said##*LINE<}
    print -r -- "${said%%>*}"
"#;

/// What fish offers for a line, each with its description.
const FISH: &str = "runbook completions fish | source; complete -C $argv[1]";

/// What a shell prints that is given a script and a line.
fn offered(place: &Place, shell: &str, line: &str) -> Vec<String> {
    let arguments = match shell {
        "bash" => &["--norc", "--noprofile", "-c", BASH, "bash", line][..],
        "zsh" => &["-f", "-c", ZSH, "zsh", line],
        _ => &["--no-config", "-c", FISH, line],
    };
    let program = Path::new(env!("CARGO_BIN_EXE_runbook")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(shell);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:{path}", program.display()))
        .env("HOME", place.path())
        .env("RUNBOOK_STATE_DIR", place.state())
        .env("KUBECONFIG", place.path().join("config"))
        .current_dir(place.path());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Whether the shell is installed here.
fn is_there(shell: &str) -> bool {
    Command::new(shell).arg("--version").output().is_ok()
}

#[test]
fn zsh_and_fish_complete_what_the_program_knows() {
    let place = Place::new();
    for (line, completed) in [
        ("runbook run ta-bot/smo", "runbook run ta-bot/smoke "),
        ("runbook run ta-bot/rollback --set to_", "runbook run ta-bot/rollback --set to_revision="),
        ("runbook run --sandbox=tabot-no-l", "runbook run --sandbox=tabot-no-leader "),
        ("kubectl-runbook pla", "kubectl-runbook plan "),
    ] {
        if is_there("zsh") {
            assert_eq!(offered(&place, "zsh", line), [completed], "{line}");
        }
        if is_there("fish") && !line.starts_with("kubectl") {
            let offers = offered(&place, "fish", line);
            let word = completed.split(' ').rfind(|word| !word.is_empty()).unwrap();
            let [offer] = &offers[..] else { panic!("{line}: {offers:?}") };
            assert_eq!(offer.split('\t').next(), Some(word), "{line}");
        }
    }
}

#[test]
fn bash_completes_what_the_program_knows() {
    if !is_there("bash") {
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
        assert_eq!(offered(&place, "bash", line), wanted, "{line}");
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
