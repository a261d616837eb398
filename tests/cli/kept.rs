//! What a resume keeps of a run, and what it does again.

use crate::changes::{OTHER, RUN, Stage, http_send};
use crate::resume::{begun, interrupted, signalled, started};
use crate::support::{Place, Said};
use std::fs;

/// A step that writes a word into the log, each time that it is done.
fn logs(id: &str, word: &str) -> String {
    let log = format!("{{argv: [sh, -c, 'echo \"$0\" >> log', {word}]}}");
    format!("  - id: {id}\n    command: {log}\n")
}

fn log(place: &Place) -> String {
    fs::read_to_string(place.path().join("log")).unwrap_or_default().replace('\n', " ")
}

/// Runs to a question that nobody answers, changes the file that was looked at, and goes on past the
/// question. What is said then, with the exit code.
fn resumed_with(place: &Place, steps: &str, looked_at: [&str; 2]) -> Said {
    let look = "  - id: look\n    command: {argv: [cat, looked-at], effect: read, output: json}\n    \
        expect: .parsed.complete\n";
    let text = format!(
        "runbook: v1\ntitle: T\non_failure: continue\nsteps:\n{look}{steps}  - id: \
        ask\n    confirm: Go on?\n"
    );
    let file = place.write("looks.yaml", text);
    place.write("looked-at", looked_at[0]);
    let paused = place.run(&["run", &file, "--yes"]);
    assert_eq!(paused.code, 4, "{}", paused.all());
    place.write("looked-at", looked_at[1]);
    place.run(&["resume", "01K9ZQ4T", "--skip", "ask", "--reason", "seen", "--yes"])
}

#[test]
fn a_round_of_a_loop_is_that_of_its_item_wherever_it_stands_in_the_list() {
    let place = Place::new();
    let mark = logs("mark", "'{{ item }}'")
        .replace("    command", "    for_each: $steps.look.output.parsed.apps\n    command");
    let lists = [
        r#"{"apps": ["web", "worker"]}"#,
        r#"{"apps": ["cart", "web", "worker"], "complete": true}"#,
    ];
    let said = resumed_with(&place, &mark, lists);
    assert_eq!((said.code, log(&place).as_str()), (0, "web worker cart "), "{}", said.all());
}

/// A round that failed, of an item that the list does not have any more, says nothing now.
#[test]
fn a_round_whose_item_is_gone_does_not_count() {
    let place = Place::new();
    let judged = "  - id: judged\n    for_each: $steps.look.output.parsed.apps\n    value: $item\n    \
        expect: . != \"bad\"\n";
    let made = logs("mark", "'{{ item }}'")
        .replace("    command", "    for_each: $steps.look.output.parsed.apps\n    command");
    let lists = [r#"{"apps": ["web", "bad"]}"#, r#"{"apps": ["web"], "complete": true}"#];
    let said = resumed_with(&place, &format!("{judged}{made}"), lists);
    assert_eq!((said.code, log(&place).as_str()), (0, "web bad "), "{}", said.all());
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    let of = |path: &str| {
        document["steps"].as_array().unwrap().iter().find(|step| step["path"] == path).unwrap()
    };
    assert_eq!(of("judged[1]")["outcome"], "skipped", "{document:#}");
    assert_eq!(of("judged[1]")["reason"], "its item is no longer in the list");
    assert_eq!(of("mark[1]")["outcome"], "passed", "what was done stays");
}

#[test]
fn whether_a_step_is_skipped_is_decided_again_and_what_was_changed_stays() {
    let place = Place::new();
    let when = |condition: &str, steps: &str| {
        steps.replace("    command", &format!("    when: {condition}\n    command"))
    };
    let steps = when("$steps.look.passed", &logs("late", "late"))
        + &when("$steps.look.passed | not", &logs("early", "early"));
    let said = resumed_with(&place, &steps, ["{}", r#"{"complete": true}"#]);
    assert_eq!((said.code, log(&place).as_str()), (0, "early late "), "{}", said.all());
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!(document["counts"]["passed"], 3, "{document:#}");
}

#[test]
fn a_called_runbook_that_failed_before_it_waited_is_done_to_its_end() {
    let place = Place::new();
    let called = "runbook: v1\ntitle: C\non_failure: continue\nsteps:\n  - id: bad\n    value: '1'\n    \
        expect: . == 2\n  - id: ask\n    confirm: Go on?\n";
    place.write("runbooks/called.yaml", format!("{called}{}", logs("last", "last")));
    let text = "runbook: v1\ntitle: T\nsteps: [{id: c, run: called}]\n";
    let file = place.write("caller.yaml", text);
    let paused = place.run(&["run", &file, "--yes", "--catalogue", "runbooks"]);
    assert_eq!((paused.code, log(&place).as_str()), (4, ""), "{}", paused.all());
    let skip = ["--skip", "c/ask", "--reason", "seen", "--yes", "--catalogue", "runbooks"];
    let said = place.run(&[&["resume", "01K9ZQ4T"][..], &skip].concat());
    assert_eq!((said.code, log(&place).as_str()), (1, "last "), "{}", said.all());
}

#[test]
fn a_called_runbook_that_is_cut_off_is_cancelled_and_leaves_findings_open() {
    let place = Place::new();
    let called = "runbook: v1\ntitle: C\nsteps: [{id: first, value: '1'}, {id: slow, severity: \
        warning, pause: 30s}]\n";
    place.write("runbooks/called.yaml", called);
    let caller = "runbook: v1\ntitle: T\nsteps: [{id: c, run: called}]\nfindings: [{id: bad, when: \
        $steps.c.failed, cause: it is bad}]\n";
    let file = place.write("caller.yaml", caller);
    interrupted(&place, &file, "c/slow");
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!(document["steps"][0]["outcome"], "cancelled", "{document:#}");
    assert_eq!(document["not_ruled_out"][0]["id"], "bad", "{document:#}");
}

#[test]
fn what_was_stopped_and_has_cleaned_up_is_not_gone_on_with() {
    let place = Place::new();
    let text = format!(
        "runbook: v1\ntitle: T\nparams: {{app: {{type: string}}}}\nsteps:\n{}  - {{id: slow, pause: \
            30s}}\n{}always:\n{}",
        logs("down", "down"),
        logs("work", "'{{ params.app }}'"),
        logs("up", "up")
    );
    place.write("runbooks/clean.yaml", &text);
    let file =
        place.write("file.yaml", text.replace("{type: string}", "{type: string, default: web}"));
    interrupted(&place, &file, "slow");
    assert_eq!(log(&place), "down up ");
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    let next = document["next"].as_array().unwrap();
    assert_eq!(next[0], "runbook run file.yaml", "{document:#}");
    assert!(!next.iter().any(|line| line.as_str().unwrap().contains("resume")), "{document:#}");
    let said = place.run(&["resume", "01K9ZQ4T", "--yes"]);
    assert_eq!((said.code, log(&place).as_str()), (2, "down up "), "{}", said.all());
    assert!(said.stderr.contains("have cleaned up; run the runbook again"), "{}", said.all());
}

/// The same in a group of a run that goes on behind it, and cut off while it cleans up: the resume
/// ends what was begun.
#[test]
fn a_cleanup_that_was_cut_off_is_ended_and_nothing_else_is_done() {
    let place = Place::new();
    let inner =
        |steps: String| steps.replace("  - id", "      - id").replace("\n    ", "\n        ");
    let text = format!(
        "runbook: v1\ntitle: T\nsteps:\n  - id: g\n    steps:\n{}      - {{id: slow, pause: 30s}}\n{}    \
            always:\n{}{}{}",
        inner(logs("down", "down")),
        inner(logs("work", "work")),
        inner(logs("up", "up")),
        "      - {id: settle, pause: 2s}\n",
        inner(logs("end", "end")),
    ) + &logs("behind", "behind");
    let file = place.write("group.yaml", text);
    let mut run = started(&place, &file);
    signalled(&place, &run, "g/slow", "-INT");
    signalled(&place, &run, "g/settle", "-KILL");
    run.wait().unwrap();
    assert_eq!(log(&place), "down up ");
    let said = place.run(&["resume", "01K9ZQ4T", "--yes"]);
    assert_eq!((said.code, log(&place).as_str()), (3, "down up end "), "{}", said.all());
}

#[test]
fn what_was_seen_before_a_change_that_is_made_now_is_looked_at_again() {
    let place = Place::new();
    let late =
        logs("late", "late").replace("    command", "    when: $steps.look.passed\n    command");
    let steps = format!(
        "  - {{id: before, command: {{argv: [ls], effect: read}}}}\n{late}  - {{id: after, command: {{argv: [ls], \
            effect: read}}}}\n"
    );
    let said = resumed_with(&place, &steps, ["{}", r#"{"complete": true}"#]);
    assert_eq!((said.code, log(&place).as_str()), (0, "late "), "{}", said.all());
    assert_eq!((begun(&place, "before"), begun(&place, "after")), (1, 2));
}

#[test]
fn what_looks_at_a_step_that_is_done_again_is_judged_again() {
    let place = Place::new();
    let steps = "  - {id: other, value: '1'}\n  - id: few\n    let: {apps: $steps.look.output.parsed.apps}\n    \
        value: $apps | length\n    expect: . < 2\n";
    let lists = [r#"{"apps": ["web"]}"#, r#"{"apps": ["cart", "web"], "complete": true}"#];
    let said = resumed_with(&place, steps, lists);
    assert_eq!(said.code, 1, "{}", said.all());
    assert_eq!((begun(&place, "other"), begun(&place, "few")), (1, 2));
}

#[test]
fn a_called_runbook_with_other_parameters_is_not_taken_for_what_was_done() {
    let place = Place::new();
    let called = "runbook: v1\ntitle: C\nparams: {app: {type: string}}\nsteps:\n";
    place.write("runbooks/called.yaml", format!("{called}{}", logs("mark", "'{{ params.app }}'")));
    let text = "runbook: v1\ntitle: T\nsteps: [{id: c, run: {runbook: called, with: {app: web}}}, {id: ask, \
        confirm: Go on?}]\n";
    let file = place.write("caller.yaml", text);
    let paused = place.run(&["run", &file, "--yes", "--catalogue", "runbooks"]);
    assert_eq!((paused.code, log(&place).as_str()), (4, "web "), "{}", paused.all());
    place.write("caller.yaml", text.replace("web", "cart"));
    let resume = ["resume", "01K9ZQ4T", "--yes", "--catalogue", "runbooks"];
    let said = place.run(&resume);
    assert_eq!((said.code, log(&place).as_str()), (3, "web "), "{}", said.all());
    assert!(said.all().contains("does not make it again"), "{}", said.all());
}

#[test]
fn secrets_that_kept_steps_have_read_stay_secret() {
    let stage = Stage::new("healthy", false);
    stage.place.write(
        "steps.yaml",
        "runbook: v1\ntitle: T\nnamespace: petrosa-apps\nsteps:\n  - {id: read, secret: {name: vault, key: \
            word}}\n  - {id: ask, confirm: Go on?}\n  - {id: echo, command: {argv: [cat, note], effect: \
            read}}\n",
    );
    stage.place.write("note", "the word is open sesame 4711");
    let secret = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault"}, "stringData":
        {"word": "open sesame 4711"}}"#;
    let address = stage.sandbox.address().to_string();
    http_send(&address, "POST", "/api/v1/namespaces/petrosa-apps/secrets", secret);
    assert_eq!(stage.run(&["run", "steps.yaml"]).code, 4);
    let said = stage.run(&["resume", RUN, "--skip", "ask", "--reason", "seen"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let path = stage.place.state().join("runs").join(RUN).join("journal.jsonl");
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("the word is [secret"), "{text}");
    assert!(!text.contains("sesame"), "{text}");
}

#[test]
fn a_run_that_was_undone_is_not_gone_on_with() {
    let stage = Stage::new("healthy", false);
    let text = fs::read_to_string(stage.place.path().join(stage.scale(2))).unwrap();
    stage.place.write("scale.yaml", text + "  - {id: ask, confirm: Go on?}\n");
    let paused = stage.run(&["run", "scale.yaml", "--yes"]);
    assert_eq!(paused.code, 4, "{}", paused.all());
    let undone = stage.run_as(OTHER, &["undo", RUN, "--yes"]);
    assert_eq!(undone.code, 0, "{}", undone.all());
    let said = stage.run(&["resume", RUN, "--skip", "ask", "--reason", "seen", "--yes"]);
    assert_eq!(said.code, 2, "{}", said.all());
    let wanted = "run 00000001 was undone by run 00000002 and cannot be resumed; to execute the \
        runbook again: runbook run scale.yaml";
    assert!(said.stderr.contains(wanted), "{}", said.all());
}

#[test]
fn a_run_goes_on_with_the_parameters_that_it_began_with() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: T\nparams: {app: {type: string, default: web}}\nsteps: [{id: ask, \
        confirm: 'Restart {{ params.app }}?'}]\n";
    let file = place.write("ask.yaml", text);
    assert_eq!(place.run(&["run", &file]).code, 4);
    let skip = ["resume", "01K9ZQ4T", "--skip", "ask", "--reason", "seen"];
    let other = place.run(&[&skip[..], &["--set", "app=cart"]].concat());
    assert_eq!(other.code, 2, "{}", other.all());
    let wanted = "began with app=web, and continues with it: omit --set app, or start another run";
    assert!(other.stderr.contains(wanted), "{}", other.all());
    let mut same = place.command();
    let same = crate::support::said(same.env("RUNBOOK_PARAM_APP", "cart").args(skip));
    assert_eq!(same.code, 0, "what only the environment says changes nothing: {}", same.all());
}

#[test]
fn a_group_of_which_a_person_has_skipped_a_question_has_not_passed() {
    let place = Place::new();
    let change =
        logs("act", "act").replace("    command", "    when: $steps.g.passed\n    command");
    let text = format!(
        "runbook: v1\ntitle: T\nsteps:\n  - id: g\n    steps: [{{id: ask, confirm: Is it closed?}}, {{id: b, \
            value: '1'}}]\n{change}findings: [{{id: closed, when: $steps.g.passed, cause: it is closed}}]\n"
    );
    let file = place.write("skip.yaml", text);
    assert_eq!(place.run(&["run", &file, "--yes"]).code, 4);
    let skip = ["resume", "01K9ZQ4T", "--skip", "g/ask", "--reason", "seen", "--yes"];
    let (document, code) = place.json(&skip);
    assert_eq!((code, log(&place).as_str()), (3, ""), "{document:#}");
    assert_eq!(document["not_ruled_out"][0]["id"], "closed", "{document:#}");
}
