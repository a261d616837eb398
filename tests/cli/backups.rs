//! `backup`, `backup_file` and `restore`: what is on this machine afterwards, and in the database.

use crate::support::{Place, Said, said};
use std::fs;
use std::path::PathBuf;

const MANIFESTS: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: postgres, labels: {app: db}}
spec: {containers: [{name: server, image: "postgres:15", command: [postgres]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: db}}
spec: {containers: [{name: server, image: "postgres:15", command: [postgres]}]}
"#;

/// A dump of some 60 KiB; the database counts how often it was restored.
const APPLICATIONS: &str = r##"images:
- {images: ["postgres:15"], tools: postgres}
tools: {postgres: [psql, pg_dump, cat]}
apps:
- app: postgres
  command: postgres
  routes:
  - {route: DUMP /, when: "'--fail' in request.json.command", status: 500, text: "no such table"}
  - route: DUMP /
    text: |-
      --
      -- PostgreSQL database dump
      --

      {{ 'row ' * 15000 }}
      {% if '--cut' not in request.json.command %}--
      -- PostgreSQL database dump complete
      --
      {% endif %}
  - {route: RESTORE /, when: "request.json.phase == 'execute' and 'wrong' in request.json.file", status: 400, text: "syntax error"}
  - {route: RESTORE /, when: request.json.phase == 'execute', text: ""}
  - {route: RESTORE /, when: request.json.phase == 'commit', text: "", does: "store('times', (stored('times') or 0) + 1)"}
  - {route: RESTORE /, text: "{{ 'committed' if stored('times') else 'aborted' }}"}
  - {route: SQL /, json: "[{'times': stored('times') or 0}]"}
"##;

fn step(id: &str, verb: &str, arguments: &str) -> String {
    format!("  - {{id: {id}, title: T, timeout: 30s, {verb}: {{{arguments}}}}}\n")
}

fn dump(option: &str, more: &str) -> String {
    let command =
        if option.is_empty() { "[pg_dump]".to_owned() } else { format!("[pg_dump, {option}]") };
    let fields = "directory: backups, name: shop, format: pg_dump";
    step("dump", "backup", &format!("target: pod/postgres, command: {command}, {fields}{more}"))
}

fn restore(file: &str, more: &str) -> String {
    let fields = format!("command: [psql, -X], file: {file}, transaction: psql{more}");
    step("restore", "restore", &format!("target: pod/postgres, {fields}"))
        + "  - id: times\n    title: T\n    sql: {target: pod/postgres, client: psql, statement: \
            SELECT times}\n    expect: '.rows[0].times == \"1\"'\n"
}

fn place(steps: &str) -> Place {
    let place = Place::new();
    place.write("worlds/shop/world.yaml", "world: v1\ntitle: A shop\nnamespace: shop\n");
    place.write("worlds/shop/manifests/shop.yaml", MANIFESTS);
    place.write("worlds/shop/applications.yaml", APPLICATIONS);
    again(&place, steps);
    place
}

fn again(place: &Place, steps: &str) {
    let head = "runbook: v1\ntitle: Backups\nnamespace: shop\nsteps:\n";
    place.write("runbooks/shop/backup.yaml", format!("{head}{steps}"));
}

fn run(place: &Place) -> Said {
    // every run has the same id here
    fs::remove_dir_all(place.state()).ok();
    place.run(&["run", "shop/backup", "--sandbox=shop", "--yes"])
}

fn files(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.path().join("backups"));
    let mut all: Vec<_> = folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn names(place: &Place) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files(place).iter().map(name).collect()
}

#[test]
fn a_backup_is_made_and_bad_ones_leave_the_last_as_it_is() {
    let place = place(&dump("", ", min_ratio: 0.5"));
    let made = run(&place);
    assert_eq!(made.code, 0, "{}", made.all());
    let whole = files(&place);
    assert_eq!(whole.len(), 2, "the file and its record: {whole:?}");
    let content = fs::read(&whole[0]).unwrap();
    assert!(content.len() > 60_000);
    for (option, more, says) in [
        ("--cut", "", "is incomplete: it does not end with"),
        ("--fail", "", "ended with exit code 1: pg_dump: error: no such table"),
        ("", ", min_bytes: 1000000", "fewer than 1000000"),
        ("", ", container: none", "container"),
    ] {
        // another name: the time in it has seconds
        again(&place, &dump(option, more).replace("name: shop", "name: other"));
        let bad = run(&place);
        assert_ne!(bad.code, 0, "{option}{more}: {}", bad.all());
        let text = bad.all().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(says), "{says}: {text}");
        assert_eq!(files(&place), whole, "{option}{more}");
        assert_eq!(fs::read(&whole[0]).unwrap(), content);
    }
}

#[test]
fn what_a_killed_run_left_is_no_backup_and_is_removed() {
    let place = place(&dump("", ""));
    let left = "shop-20260101T000000Z.sql.partial";
    place.write(&format!("backups/{left}"), "half of it");
    let made = place.run(&["run", "shop/backup", "--sandbox=shop", "--output=json"]);
    assert_eq!(made.code, 0, "{}", made.all());
    assert!(!names(&place).iter().any(|name| name.contains("partial")), "{:?}", names(&place));
}

#[test]
fn a_full_disk_and_a_folder_that_cannot_be_written_to_are_said() {
    let full = place(&dump("", ""));
    // files cannot become larger than 40 blocks of 512 bytes: the journal fits, the dump does not
    let script = format!(
        "trap '' XFSZ; ulimit -f 40; exec {} run shop/backup --sandbox=shop --yes",
        env!("CARGO_BIN_EXE_runbook")
    );
    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", &script])
        .env("HOME", full.path())
        .env("RUNBOOK_STATE_DIR", full.state())
        .current_dir(full.path());
    let ran = said(&mut command);
    let text = ran.all().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ran.code, 1, "{text}");
    assert!(text.contains("no backup was made: cannot write to backups: File too large"), "{text}");
    assert_eq!(names(&full), [""; 0]);

    let file = place(&dump("", ""));
    file.write("backups", "a file");
    let ran = run(&file);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.all().contains("cannot write to backups"), "{}", ran.all());
}

#[test]
fn a_dry_run_leaves_no_file() {
    let place = place(&dump("", ""));
    let dry = place.run(&["run", "shop/backup", "--sandbox=shop", "--dry-run", "--trust-reads"]);
    assert_eq!(dry.code, 0, "{}", dry.all());
    assert!(dry.all().contains("leaves a file on this machine"), "{}", dry.all());
    assert!(!place.path().join("backups").exists());
}

#[test]
fn more_than_one_pod_is_not_guessed_from() {
    let both = "target: {kind: Pod, selector: app=db}, command: [pg_dump], directory: backups";
    let place = place(&step("dump", "backup", &format!("{both}, name: shop, format: pg_dump")));
    let ran = run(&place);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.all().contains("has 2 pods"), "{}", ran.all());
}

#[test]
fn only_the_file_that_was_verified_is_restored_and_once() {
    let place = place(&dump("", ""));
    assert_eq!(run(&place).code, 0);
    let file = files(&place).remove(0);
    let relative = format!("backups/{}", names(&place)[0]);
    again(&place, &restore(&relative, ""));
    let done = run(&place);
    assert_eq!(done.code, 0, "{}", done.all());

    let content = fs::read_to_string(&file).unwrap();
    fs::write(&file, content.replacen("row", "now", 1)).unwrap();
    let changed = run(&place);
    assert_eq!(changed.code, 1, "{}", changed.all());
    let text = changed.all().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("nothing was restored") && text.contains("its record says"), "{text}");

    // a statement that fails
    place.write("wrong.sql", content.replacen("row", "wrong", 1));
    let sum = {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(content.replacen("row", "wrong", 1));
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    again(&place, &restore("wrong.sql", &format!(", sha256: {sum}")));
    let failed = run(&place);
    assert_eq!(failed.code, 1, "{}", failed.all());
    let text = failed.all().split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["syntax error", "it was rolled back, and the database is unchanged"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_commits_the_half_of_a_file_is_refused() {
    let place = place(&step(
        "restore",
        "restore",
        "target: pod/postgres, command: [psql, --single-transaction], file: a.sql",
    ));
    let checked = place.run(&["check", "runbooks/shop/backup.yaml"]);
    assert_eq!(checked.code, 2, "{}", checked.all());
    assert!(checked.all().contains("when its input ends early"), "{}", checked.all());
}
