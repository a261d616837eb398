//! Documents that are made to take all memory or time: the program ends, within a small address
//! space.

use crate::support::{Place, Said};
use std::fmt::Write;
use std::process::Command;

/// The program with little address space: the stacks of its threads count, what is not touched as
/// well.
fn confined(place: &Place, arguments: &[&str]) -> Said {
    let plain = place.command();
    let mut command = Command::new("sh");
    command
        .env_clear()
        .envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .current_dir(place.path());
    command
        .args(["-c", "ulimit -v 2500000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_runbook")])
        .args(arguments);
    crate::support::said(&mut assert_cmd::Command::from_std(command))
}

#[test]
fn expressions_that_want_all_memory_end_and_leave_the_program_alive() {
    let place = Place::new();
    let jq = [
        "[range(1e9) | {a: {b: [.]}}]",
        "reduce range(1e9) as $i (\"x\"; . + .)",
        "reduce range(1e9) as $i ({a: \"x\"}; .a += .a)",
        "reduce range(1e9) as $i ([1]; . + .)",
        "reduce range(1e7) as $i (0; ., .)",
        "(\"abc\" * 1000000) | [match(\"\"; \"g\")]",
        "(\"abc\" * 1000000) as $b | [range(1e6) | $b + \"x\"]",
        "[range(1e6)] as $b | [range(1e6) as $i | $b | .[0] = $i]",
        "[range(1e6)] | group_by(.)",
        "[range(400)] | [., ., ., .] | [combinations]",
        "reduce range(100) as $i (1; [., .]) | tojson",
    ];
    let mut text = String::from("runbook: v1\ntitle: T\non_failure: continue\nsteps:\n");
    for (index, program) in jq.iter().enumerate() {
        let _ = writeln!(text, "  - id: s{index}\n    value: '{program}'");
    }
    let templates = [
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ range(100000) | join('x' * 1000000) }}",
    ];
    for (index, template) in templates.iter().enumerate() {
        let _ = writeln!(text, "  - id: t{index}\n    title: \"{template}\"\n    value: '1'");
    }
    let file = place.write("x.yaml", text);
    for arguments in [&["check", &file][..], &["plan", &file], &["run", &file]] {
        let said = confined(&place, arguments);
        assert!((0..=3).contains(&said.code), "{arguments:?}: {}", said.all());
        assert!(!said.stderr.contains("panicked"), "{}", said.all());
    }
}

/// Twice the document takes about twice the time; what is quadratic would not end within the time
/// of a test.
#[test]
fn large_documents_are_checked_in_time() {
    let place = Place::new();
    let head = "runbook: v1\ntitle: T\n";
    let mut duplicates = format!("{head}steps:\n");
    for _ in 0..20_000 {
        duplicates.push_str("  - {id: a, value: '1'}\n");
    }
    let mut unknown = format!("{head}params:\n");
    for index in 0..5_000 {
        let _ = writeln!(unknown, "  param{index:05}: {{type: string, optional: true}}");
    }
    unknown.push_str("steps:\n");
    for index in 0..5_000 {
        let _ = writeln!(unknown, "  - {{id: step{index:05}, value: '$params.parax{index:05}'}}");
    }
    let keys = format!("{head}steps: []\n")
        + &(0..60_000).map(|index| format!("k{index}: 1\n")).collect::<String>();
    // each of them is one letter from a field
    let near = format!("{head}steps: []\n")
        + &('\u{4e00}'..'\u{9c00}').map(|last| format!("step{last}: 1\n")).collect::<String>();
    let twice = format!("{head}steps: []\n") + &"k: 1\n".repeat(100_000);
    let long = format!("{head}steps: [{{id: a, value: '{}'}}]\n", "x".repeat(900_000));
    for (name, text) in [
        ("duplicates", duplicates),
        ("unknown", unknown),
        ("keys", keys),
        ("near", near),
        ("twice", twice),
        ("long", long),
    ] {
        let file = place.write("x.yaml", text);
        let said = confined(&place, &["check", &file]);
        assert_eq!(said.code, 2, "{name}: {}", said.stderr.chars().take(2000).collect::<String>());
        assert!(said.stderr.len() < 1 << 20, "{name}: {} bytes", said.stderr.len());
    }
}

#[test]
fn runbooks_that_call_each_other_twice_are_checked_once() {
    let place = Place::new();
    for level in 0..40 {
        let called = format!("run: {{runbook: level{}}}", level + 1);
        let step = if level == 39 { "value: '1'".to_owned() } else { called };
        let text = format!(
            "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    {step}\n  - id: b\n    {step}\n"
        );
        place.write(&format!("runbooks/level{level}.yaml"), text);
    }
    let said = place.run(&["check", "level0"]);
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn a_catalogue_with_pipes_devices_and_circles_is_listed() {
    let place = Place::new();
    place.write(
        "runbooks/mine.yaml",
        "runbook: v1\ntitle: Mine\nsteps:\n  - id: a\n    value: '1'\n",
    );
    let at = |name: &str| place.path().join("runbooks").join(name);
    assert!(Command::new("mkfifo").arg(at("pipe.yaml")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", at("zero.yaml")).unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        std::os::unix::fs::symlink(".", at(name)).unwrap();
    }
    let said = place.run(&["list", "mine"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stdout.contains("Mine"), "{}", said.stdout);
    for file in ["runbooks/pipe.yaml", "runbooks/zero.yaml"] {
        let said = place.run(&["check", file]);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains("is not a regular file"), "{}", said.stderr);
        let said = place.run(&["run", "mine", "--params", file]);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains("is not a regular file"), "{}", said.stderr);
    }
}
