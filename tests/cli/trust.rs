//! What a document may do on its word alone, on this machine and in a dry run.

use crate::support::{Place, Said};
use std::os::unix::fs::PermissionsExt;

const COMMAND: &str = "runbook: v1\ntitle: Another smoke test\nsteps:\n  - id: here\n    command: \
    {argv: [touch, made], effect: read}\n";

fn hiding(text: &str) -> Place {
    let place = Place::new();
    place.write("runbooks/ta-bot/smoke.yaml", text);
    place
}

fn made(place: &Place) -> bool {
    place.path().join("made").exists()
}

/// The text on one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The digest that the program asks to be named.
fn asked(said: &Said) -> String {
    said.stderr.split("--trust ").nth(1).unwrap().split([' ', ',']).next().unwrap().to_owned()
}

#[test]
fn a_runbook_that_hides_another_runs_nothing_here_before_it_is_trusted() {
    let place = hiding(COMMAND);
    let refused = place.run(&["run", "ta-bot/smoke"]);
    assert_eq!((refused.code, made(&place)), (2, false), "{}", refused.all());
    assert!(
        refused.stderr.contains("overrides the built-in runbook ta-bot/smoke"),
        "{}",
        refused.stderr
    );
    let digest = asked(&refused);
    let trusted = place.run(&["run", "ta-bot/smoke", "--trust", &digest]);
    assert_eq!((trusted.code, made(&place)), (0, true), "{}", trusted.all());
    assert!(
        words(&trusted.stdout).contains("which overrides the built-in runbook"),
        "{}",
        trusted.stdout
    );
    let store = std::fs::metadata(place.state().join("trusted")).unwrap();
    assert_eq!(store.permissions().mode() & 0o777, 0o600);
    // once for each text: another one is asked for again
    let command = |place: &Place| {
        place
            .command()
            .env("RUNBOOK_RUN_ID", "01K9ZQ4T000000000000000001")
            .args(["run", "ta-bot/smoke"])
            .output()
            .unwrap()
    };
    assert_eq!(command(&place).status.code(), Some(0));
    place.write("runbooks/ta-bot/smoke.yaml", COMMAND.replace("made", "other"));
    let changed = place.run(&["run", "ta-bot/smoke", "--trust", &digest]);
    assert_eq!(changed.code, 2, "{}", changed.all());
}

#[test]
fn what_was_named_or_hides_nothing_is_not_asked_about() {
    let place = hiding(COMMAND);
    let named = place.run(&["run", "ta-bot/smoke", "--catalogue", "runbooks"]);
    assert_eq!((named.code, made(&place)), (0, true), "{}", named.all());
    for arguments in [&["run", "runbooks/ta-bot/smoke.yaml"][..], &["run", "mine"]] {
        let place = hiding(COMMAND);
        place.write("runbooks/mine.yaml", COMMAND);
        let said = place.run(arguments);
        assert_eq!((said.code, made(&place)), (0, true), "{}", said.all());
    }
    let place = hiding("runbook: v1\ntitle: T\nsteps:\n  - id: a\n    value: 1\n");
    let harmless = place.run(&["run", "ta-bot/smoke"]);
    assert_eq!(harmless.code, 0, "{}", harmless.all());
    assert!(harmless.stdout.contains("runbooks/ta-bot/smoke.yaml"), "{}", harmless.stdout);
}

#[test]
fn the_list_says_what_hides_a_runbook_of_the_program() {
    let place = hiding(COMMAND);
    let said = place.run(&["list"]);
    assert!(
        said.stdout.contains("from runbooks/ta-bot/smoke.yaml, overrides the built-in one"),
        "{}",
        said.stdout
    );
    let (document, _) = place.json(&["list", "smoke"]);
    assert_eq!(document["runbooks"][0]["origin"], "hiding", "{document}");
}

#[test]
fn a_dry_run_does_not_believe_that_a_command_only_reads() {
    let place = Place::new();
    place.write(
        "x.yaml",
        COMMAND.replace(
            "effect: read}\n",
            "effect: read}\n    expect:\n      - that: .exit_code == 0\n",
        ),
    );
    let dry = place.run(&["run", "x.yaml", "--dry-run"]);
    assert_eq!((dry.code, made(&place)), (0, false), "{}", dry.all());
    assert!(dry.stdout.contains("--trust-reads"), "{}", dry.stdout);
    let place = Place::new();
    place.write("x.yaml", COMMAND);
    let believed = place.run(&["run", "x.yaml", "--dry-run", "--trust-reads"]);
    assert_eq!((believed.code, made(&place)), (0, true), "{}", believed.all());
}

#[test]
fn a_request_from_this_machine_goes_to_declared_hosts_only() {
    let place = Place::new();
    let text = |hosts: &str, url: &str| {
        format!(
            "runbook: v1\ntitle: T\nparams:\n  host: {{type: string, default: \
                127.0.0.1}}\n{hosts}steps:\n  - id: a\n    http: {{url: '{url}', via: \
                direct}}\n    expect:\n      - that: .refused\n"
        )
    };
    let cases = [
        ("", "http://127.0.0.1:1/", 2, "declares no `hosts`"),
        ("hosts: [example.com]\n", "http://127.0.0.1:1/", 2, "is not in the `hosts`"),
        ("hosts: ['{{ params.host }}']\n", "http://127.0.0.1:1/", 0, ""),
        ("hosts: ['{{ params.host }}:1']\n", "http://{{ params.host }}:1/", 0, ""),
        (
            "hosts: ['{{ params.host }}:2']\n",
            "http://{{ params.host }}:1/",
            3,
            "is not in the `hosts`",
        ),
        (
            "hosts: ['169.254.169.254']\n",
            "http://169.254.169.254/latest/meta-data",
            3,
            "is a link-local address",
        ),
        ("hosts: ['2852039166']\n", "http://2852039166/latest/meta-data", 3, "link-local"),
    ];
    for (index, (hosts, url, code, wanted)) in cases.into_iter().enumerate() {
        let file = place.write("x.yaml", text(hosts, url));
        let run = format!("01K9ZQ4T0000000000000000{index:02}");
        let said =
            crate::support::said(place.command().env("RUNBOOK_RUN_ID", run).args(["run", &file]));
        assert_eq!(said.code, code, "{hosts} {url}: {}", said.all());
        assert!(words(&said.all()).contains(wanted), "{}", said.all());
    }
}
