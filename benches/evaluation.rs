//! How the time of jq programs, masking and steps grows with their input: each figure is the ratio
//! of a large input to a small one, so that it means the same on every machine.

#![expect(clippy::unwrap_used, reason = "a benchmark fails where it panics")]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use runbook::expression::{Bindings, Budget, compile};
use runbook::secret::Masker;
use serde_json::{Value, json};

/// The shortest of a few calls: what disturbs a measurement only makes it longer.
fn shortest(mut call: impl FnMut()) -> Duration {
    (0..5)
        .map(|_| {
            let begin = Instant::now();
            call();
            begin.elapsed()
        })
        .min()
        .unwrap()
}

/// Says how much longer the large input takes, beside how much larger it is.
fn compare(name: &str, small: usize, large: usize, mut call: impl FnMut(usize)) {
    let (short, long) = (shortest(|| call(small)), shortest(|| call(large)));
    println!(
        "{name}: {small} in {short:.2?}, {large} in {long:.2?}: {:.1} times the time for {} times \
            the input",
        long.as_secs_f64() / short.as_secs_f64(),
        large / small
    );
}

fn pods(count: usize) -> Value {
    let pod = |index: usize| {
        json!({"metadata": {"name": format!("web-{index}"), "labels": {"app": "web"}},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    json!({"items": (0..count).map(pod).collect::<Vec<_>>()})
}

fn jq() {
    let programs = [
        ("jq, a condition over items", ".items | all(.[]; .status.phase == \"Running\")"),
        ("jq, a grouping", "[.items | group_by(.metadata.labels.app)[] | length] == [$n]"),
    ];
    let lists = [100, 10_000].map(|count| (count, pods(count)));
    for (name, source) in programs {
        let program = compile(source, &["n"]).unwrap();
        compare(name, 100, 10_000, |count| {
            let (_, list) = lists.iter().find(|(size, _)| *size == count).unwrap();
            let bindings = Bindings::new().with("n", json!(count));
            assert!(program.condition(list, &bindings, Budget::default()).unwrap());
        });
    }
    let program = compile(".a + $n", &["n"]).unwrap();
    let bindings = Bindings::new().with("n", json!(1));
    compare("jq, calls of a small program", 10, 1000, |count| {
        for _ in 0..count {
            black_box(program.run_one(&json!({"a": 1}), &bindings, Budget::default()).unwrap());
        }
    });
}

fn masking() {
    let log = |lines: usize| {
        let mut text = String::new();
        for line in 0..lines {
            writeln!(text, "03:12:07 INFO request {line} of user app, password=hunter{line} done")
                .unwrap();
        }
        text
    };
    let masker = Masker::new();
    masker.learn("a value that was read from a Secret", "db/password");
    let texts = [100, 10_000].map(|lines| (lines, log(lines)));
    compare("masking, lines of a log", 100, 10_000, |lines| {
        let (_, text) = texts.iter().find(|(size, _)| *size == lines).unwrap();
        black_box(masker.clean(text));
    });
}

fn steps() {
    let folder = tempfile::tempdir().unwrap();
    compare("steps of a run", 10, 400, |count| {
        let mut text = "runbook: v1\ntitle: Steps\nsteps:\n".to_owned();
        for step in 0..count {
            writeln!(text, "  - id: s{step}\n    value: '$run.now | length'").unwrap();
        }
        fs::write(folder.path().join("x.yaml"), text).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_runbook"))
            .args(["run", "x.yaml", "--quiet"])
            .env("RUNBOOK_STATE_DIR", folder.path().join("state"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    });
}

fn main() {
    jq();
    masking();
    steps();
}
