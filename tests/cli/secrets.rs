//! What was read from a Secret is in no stream and in no file.

use crate::support::Place;
use std::fs;
use std::path::Path;

const PASSWORD: &str = "not-a-real-password";

fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

#[test]
fn a_connection_string_appears_nowhere() {
    for output in ["text", "json", "jsonl"] {
        let place = Place::new();
        let said = place.run(&[
            "run",
            "ta-bot/mysql-down",
            "--sandbox=tabot-mysql-auth-denied",
            "--output",
            output,
            "-vvv",
        ]);
        let mut all = vec![said.stdout, said.stderr];
        let mut found = Vec::new();
        files(&place.state(), &mut found);
        assert!(!found.is_empty());
        all.extend(
            found.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()),
        );
        for text in all {
            for form in [PASSWORD, "bm90LWEtcmVhbC1wYXNzd29yZA", "some-other-password"] {
                assert!(!text.contains(form), "{form} in the output as {output}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn the_record_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]);
    let mut found = Vec::new();
    files(&place.state(), &mut found);
    for path in found {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}

#[test]
fn a_secret_parameter_is_masked_everywhere() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: T\nparams:\n  token: {type: string, secret: true}\nsteps:\n  - \
        id: use\n    title: Uses {{ params.token }}\n    value: $params.token\n    expect:\n      \
        - that: . == \"other\"\n";
    let file = place.write("t.yaml", text);
    let said = place.run(&["run", &file, "--set", "token=hunter2-hunter2", "-v"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(!said.all().contains("hunter2"), "{}", said.all());
    let mut found = Vec::new();
    files(&place.state(), &mut found);
    assert!(
        found
            .iter()
            .all(|path| !String::from_utf8_lossy(&fs::read(path).unwrap()).contains("hunter2"))
    );
}

/// All that stands in the folder of records.
fn recorded(place: &Place) -> String {
    let mut found = Vec::new();
    files(&place.state().join("runs"), &mut found);
    assert!(!found.is_empty());
    found
        .iter()
        .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
        .collect()
}

#[test]
fn what_a_person_says_of_a_step_is_recorded_without_secrets_and_escape_sequences() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: T\nparams:\n  token: {type: string, secret: true}\nsteps:\n  - \
        id: ask\n    title: Ask\n    confirm: {question: Is it so?}\n  - id: last\n    title: \
        Last\n    value: 1\n";
    let file = place.write("t.yaml", text);
    let run = "01K9ZQ4T";
    let secret = ["--set", "token=hunter2-hunter2"];
    let paused = place.run(&[&["run", &file][..], &secret].concat());
    assert_eq!(paused.code, 4, "{}", paused.all());
    let reason = "it is hunter2-hunter2\u{1b}[2J";
    let marked = [&["resume", run, "--skip", "ask", "--reason", reason][..], &secret].concat();
    let resumed = place.run(&marked);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    let shown = place.run(&["show", run]);
    let reported = place.run(&["report", run, "--format", "markdown"]);
    let records = recorded(&place);
    assert!(records.contains("it is [secret token]"), "{records}");
    for said in [resumed.all(), shown.all(), reported.all(), records] {
        assert!(!said.contains("hunter2") && !said.contains("[2J"), "{said}");
    }
}

#[test]
fn a_parameter_of_which_something_was_masked_is_given_again_to_go_on() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: T\nparams:\n  url: {type: string}\nsteps:\n  - id: ask\n    \
        title: Ask\n    confirm: {question: Is it so?}\n  - id: last\n    title: Last\n    value: \
        $params.url\n    expect:\n      - that: length == 35\n";
    let file = place.write("t.yaml", text);
    let url = ["--set", "url=https://ada:hunter2-hunter2@db.test"];
    let paused = place.run(&[&["run", &file][..], &url].concat());
    assert_eq!(paused.code, 4, "{}", paused.all());
    assert!(!recorded(&place).contains("hunter2"), "{}", recorded(&place));
    let skipped = ["resume", "01K9ZQ4T", "--skip", "ask", "--reason", "seen"];
    let refused = place.run(&skipped);
    assert_eq!(refused.code, 2, "{}", refused.all());
    assert!(
        refused.stderr.contains("pass it again in the environment, as RUNBOOK_PARAM_URL=URL"),
        "{}",
        refused.all()
    );
    let resumed = place.run(&[&skipped[..], &url].concat());
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    assert!(!recorded(&place).contains("hunter2"), "{}", recorded(&place));
}
