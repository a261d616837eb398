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
