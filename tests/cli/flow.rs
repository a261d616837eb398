//! The flow of steps: conditions, loops, groups, repetition, called runbooks, and what is unknown.

use crate::support::{Place, findings};
use serde_json::Value;

/// Runs steps and gives (document, exit code); `{{` in the text stands for itself.
fn run(text: &str) -> (Value, i32) {
    let place = Place::new();
    let file = place.write("flow.yaml", format!("runbook: v1\ntitle: Flow\n{text}"));
    place.json(&["run", &file])
}

/// `path outcome` of every step that is no group.
fn outcomes(document: &Value) -> Vec<String> {
    let steps =
        document["steps"].as_array().unwrap().iter().filter(|step| step["action"] != "group");
    steps
        .map(|step| {
            format!("{} {}", step["path"].as_str().unwrap(), step["outcome"].as_str().unwrap())
        })
        .collect()
}

fn reason<'a>(document: &'a Value, path: &str) -> &'a str {
    document["steps"].as_array().unwrap().iter().find(|step| step["path"] == path).unwrap()["reason"].as_str().unwrap()
}

const BAD: &str = "value: $run.id | length\n    expect: [{that: . == 0}]";

#[test]
fn a_procedure_stops_and_a_diagnosis_goes_on() {
    let steps = format!("steps:\n  - id: a\n    {BAD}\n  - id: b\n    value: $run.id\n");
    let (document, code) = run(&steps);
    assert_eq!(
        (outcomes(&document), code),
        (vec!["a failed".to_owned(), "b skipped".to_owned()], 1)
    );
    assert_eq!(reason(&document, "b"), "step a did not pass");
    let (document, code) = run(&format!("on_failure: continue\n{steps}"));
    assert_eq!(
        (outcomes(&document), code),
        (vec!["a failed".to_owned(), "b passed".to_owned()], 1)
    );
}

/// The part of a condition that does not hold is said in a word; and what looks at a step that has
/// returned nothing says why that is, not that it is null.
#[test]
fn what_is_skipped_or_not_ruled_out_says_why_in_words() {
    let place = Place::new();
    let text = r#"runbook: v1
title: Flow
on_failure: continue
params:
  from: {type: string, optional: true}
  via: {type: string, default: helm}
steps:
  - id: look
    get: {kind: Service, name: nosuch}
  - id: rounds
    for_each: [nosuch]
    get: {kind: Service, name: "{{ item }}"}
  - id: given
    when: $params.from != null and $steps.look.failed
    value: $params
  - id: helm
    when: $run.id != null and ($params.via == "hpa" and $params.via != "x")
    value: $params
  - id: good
    when: $run.id != null and $steps.look.passed
    value: $params
  - id: nothing
    when: $steps.look.output.spec.type == "ClusterIP"
    value: $params
findings:
  - id: of-look
    when: $steps.look.output.spec.type == "ClusterIP"
    cause: c
    remedy: {text: r}
  - id: of-rounds
    for_each: '[$steps.rounds.output[].output]'
    when: $item.spec.type == "ClusterIP"
    cause: c
    remedy: {text: r}
"#;
    let file = place.write("flow.yaml", text);
    let (document, code) = place.json(&["run", &file, "--sandbox=plain/healthy"]);
    assert_eq!(code, 1);
    let gone = "services \"nosuch\" not found in namespace \"shop\"";
    for (path, outcome, why) in [
        ("given", "skipped", "parameter from is not given"),
        ("helm", "skipped", "parameter via is helm"),
        ("good", "skipped", "step look failed"),
        ("nothing", "unknown", &format!("step look: {gone}")),
    ] {
        assert_eq!(reason(&document, path), why);
        assert!(outcomes(&document).contains(&format!("{path} {outcome}")), "{path}");
    }
    let open = document["not_ruled_out"].as_array().unwrap();
    let because = |id: &str| open.iter().find(|open| open["id"] == id).unwrap()["because"].clone();
    assert_eq!(because("of-look"), format!("step look: {gone}"));
    assert_eq!(because("of-rounds"), "step rounds failed");
}

#[test]
fn always_is_done_however_the_steps_ended() {
    let (document, _) =
        run(&format!("steps:\n  - id: a\n    {BAD}\nalways:\n  - id: z\n    value: $run.id\n"));
    assert_eq!(outcomes(&document), ["a failed", "z passed"]);
}

#[test]
fn a_condition_skips_and_one_that_depends_on_nothing_known_is_unknown() {
    let (document, code) = run(concat!(
        "on_failure: continue\nsteps:\n",
        "  - id: a\n    value: '{n: 1}'\n",
        "  - id: nay\n    when: $steps.a.output.n > 1\n    value: $run.id\n",
        "  - id: broken\n    value: $steps.a.output.n | error(\"cannot look\")\n",
        "  - id: after\n    value: $steps.broken.output\n",
        "  - id: when\n    when: $steps.broken.output == 1\n    value: $run.id\n",
        "  - id: null\n    when: $steps.a.output.missing\n    value: $run.id\n",
    )
    .replace("id: null", "id: missing")
    .as_str());
    assert_eq!(
        outcomes(&document),
        [
            "a passed",
            "nay skipped",
            "broken error",
            "after unknown",
            "when unknown",
            "missing error"
        ]
    );
    assert_eq!(code, 3, "unknown is not pass");
    assert_eq!(reason(&document, "after"), "step broken could not be determined: cannot look");
    assert!(reason(&document, "missing").contains("null"), "{}", reason(&document, "missing"));
}

#[test]
fn severity_decides_what_counts() {
    let (document, code) = run(&format!(
        "on_failure: continue\nsteps:\n  - id: a\n    severity: warning\n    {BAD}\n  - id: b\n    \
            severity: info\n    {BAD}\n"
    ));
    assert_eq!((code, &document["verdict"]), (0, &"passed".into()));
    assert_eq!(document["counts"]["failed"], 2);
}

#[test]
fn a_run_that_stops_before_what_counts_has_not_passed() {
    for (rest, wanted) in [("", (3, "unknown")), ("    severity: info\n", (0, "passed"))] {
        let (document, code) = run(&format!(
            "steps:\n  - id: a\n    severity: warning\n    {BAD}\n  - id: b\n{rest}    {BAD}\n"
        ));
        assert_eq!((code, document["verdict"].as_str().unwrap()), wanted, "{document:#}");
    }
    let (document, code) = run(&format!(
        "steps:\n  - id: g\n    steps:\n    - id: a\n      severity: warning\n      {bad}\n    - id: b\n      \
            {bad}\n    rescue: [{{id: r, value: 1}}]\n",
        bad = BAD.replace("    ", "      ")
    ));
    assert_eq!((code, &document["verdict"]), (0, &"passed".into()), "{document:#}");
}

#[test]
fn what_does_not_count_in_a_round_does_not_end_the_loop() {
    let (document, code) = run(concat!(
        "steps:\n  - id: l\n    for_each: [a, b]\n    steps:\n",
        "    - {id: there, value: $item, expect: . == \"a\"}\n",
        "    - {id: w, severity: info, value: '[]', expect: '. != []'}\n",
    ));
    assert_eq!((code, &document["verdict"]), (1, &"failed".into()), "{document:#}");
}

#[test]
fn rounds_of_a_loop_that_were_not_done_are_open() {
    let (document, code) = run(concat!(
        "steps:\n  - id: l\n    for_each: [a, b]\n    severity: warning\n    value: $item\n",
        "    expect: . == \"c\"\n  - {id: z, value: '1'}\n",
        "findings:\n  - id: one\n    when: any($steps.l.output[]; .item == \"b\")\n    cause: b is there\n",
    ));
    assert_eq!((code, &document["verdict"]), (3, &"unknown".into()), "{document:#}");
    assert_eq!(document["steps"][2]["reason"], "step l did not pass", "{document:#}");
    assert_eq!(document["not_ruled_out"][0]["id"], "one", "{document:#}");
}

#[test]
fn what_is_unknown_is_not_made_good_by_a_rescue() {
    let (document, code) = run(
        "steps:\n  - id: g\n    steps: [{id: never, when: $run.id == null, value: '1'}, {id: u, value: \
            $steps.never.output}]\n    rescue: [{id: r, value: '1', severity: info}]\n",
    );
    assert_eq!((code, &document["verdict"]), (3, &"unknown".into()), "{document:#}");
}

#[test]
fn a_called_runbook_that_stops_before_what_counts_has_not_passed() {
    let place = Place::new();
    let look = format!(
        "runbook: v1\ntitle: L\nsteps:\n  - id: a\n    severity: warning\n    {BAD}\n  - id: b\n    {BAD}\n"
    );
    place.write("runbooks/look.yaml", &look);
    place.write(
        "caller.yaml",
        "runbook: v1\ntitle: C\nsteps: [{id: look, run: look}, {id: after, value: 1}]\n",
    );
    let (document, code) = place.json(&["run", "caller.yaml", "--catalogue", "runbooks"]);
    assert_eq!((code, &document["verdict"]), (3, &"unknown".into()), "{document:#}");
    let outcome = |id: &str| {
        let steps = document["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap()["outcome"].clone()
    };
    assert_eq!((outcome("look"), outcome("after")), ("unknown".into(), "skipped".into()));
}

#[test]
fn a_loop_has_one_path_for_each_item_and_one_result_for_all() {
    let (document, code) = run(concat!(
        "params:\n  names: {type: list, default: [p, q]}\n",
        "steps:\n  - id: each\n    title: \"Item {{ item }}\"\n    for_each: $params.names\n    \
            value: $item + \"!\"\n",
        "  - id: all\n    value: '[$steps.each.output[].output]'\n    expect:\n      - that: . == \
            [\"p!\", \"q!\"]\n",
    ));
    assert_eq!(
        (outcomes(&document), code),
        (vec!["each[0] passed".into(), "each[1] passed".into(), "all passed".into()], 0)
    );
}

#[test]
fn a_loop_over_a_group_sees_its_own_item_only() {
    let (document, code) = run(concat!(
        "steps:\n  - id: pairs\n    for_each: '[1, 2] + [$run.id | length]'\n    steps:\n",
        "      - id: double\n        value: $item * 2\n",
        "      - id: check\n        value: $steps.double.output\n        expect: [{that: . == \
            $item * 2}]\n",
    ));
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(outcomes(&document).len(), 6);
    assert_eq!(outcomes(&document)[3], "pairs[1]/check passed");
}

#[test]
fn a_rescue_that_succeeds_makes_the_group_good() {
    let group = |rescue: &str| {
        format!(
            "steps:\n  - id: g\n    steps:\n      - id: a\n        {}\n    rescue:\n      - id: \
                r\n        {rescue}\n    always:\n      - id: z\n        value: $run.id\n  - id: \
                after\n    value: $run.id\n",
            BAD.replace("\n    ", "\n        ")
        )
    };
    let (document, code) = run(&group("value: $run.id"));
    assert_eq!(
        (outcomes(&document), code),
        (
            vec![
                "g/a failed".into(),
                "g/r passed".into(),
                "g/z passed".into(),
                "after passed".into()
            ],
            0
        )
    );
    let group_outcome = |document: &Value| {
        document["steps"].as_array().unwrap().iter().find(|step| step["path"] == "g").unwrap()["outcome"].clone()
    };
    assert_eq!(group_outcome(&document), "recovered");
    let (document, code) = run(&group(&BAD.replace("\n    ", "\n        ")));
    assert_eq!((group_outcome(&document), code), ("failed".into(), 1));
    assert_eq!(outcomes(&document).last().unwrap(), "after skipped");
}

#[test]
fn a_parallel_group_does_all_its_steps_whatever_comes_of_one() {
    let (document, code) = run(&format!(
        "steps:\n  - id: g\n    parallel: 2\n    steps:\n      - id: a\n        {}\n      - id: \
            b\n        pause: 20ms\n      - id: c\n        value: $run.id\n",
        BAD.replace("\n    ", "\n        ")
    ));
    assert_eq!(code, 1);
    assert_eq!(outcomes(&document), ["g/a failed", "g/b passed", "g/c passed"]);
}

#[test]
fn a_repeated_look_ends_with_its_deadline_and_says_what_it_last_saw() {
    let place = Place::new();
    let file = place.write(
        "poll.yaml",
        "runbook: v1\ntitle: Poll\nsteps:\n  - id: pods\n    title: Five pods\n    timeout: \
            2s\n    every: 200ms\n    get: {kind: Pod, selector: app=petrosa-ta-bot, namespace: \
            petrosa-apps}\n    expect:\n      - that: .items | length == 5\n",
    );
    let (document, code) = place.json(&["run", &file, "--sandbox=healthy"]);
    assert_eq!((outcomes(&document), code), (vec!["pods timed_out".to_owned()], 1));
    assert_eq!(reason(&document, "pods"), "condition not met within 2s; last seen: 3, want 5");
}

#[test]
fn a_wait_for_what_does_not_come_times_out_and_for_what_is_gone_passes() {
    let place = Place::new();
    let file = place.write(
        "wait.yaml",
        "runbook: v1\ntitle: Wait\non_failure: continue\nnamespace: petrosa-apps\nsteps:\n  - id: \
            comes\n    timeout: 2s\n    wait: {kind: Pod, name: nobody, until: .status.phase \
            == \"Running\"}\n  - id: gone\n    timeout: 5s\n    wait: {kind: Pod, name: nobody, \
            absent: true}\n  - id: there\n    timeout: 5s\n    wait: {kind: Deployment, name: \
            petrosa-ta-bot, until: .status.readyReplicas == 3}\n",
    );
    let (document, code) = place.json(&["run", &file, "--sandbox=healthy"]);
    assert_eq!(
        (outcomes(&document), code),
        (vec!["comes timed_out".into(), "gone passed".into(), "there passed".into()], 1)
    );
    assert!(reason(&document, "comes").contains("nothing found"), "{document:#}");
}

#[test]
fn a_called_runbook_gives_its_verdict() {
    let place = Place::new();
    place.write(
        "runbooks/check.yaml",
        "runbook: v1\ntitle: Check\nparams:\n  limit: {type: int, default: 0}\non_failure: \
            continue\nsteps:\n  - id: a\n    value: '1 + $params.limit - $params.limit'\n    \
            expect: [{that: . <= $params.limit}]\nfindings:\n  - id: too-many\n    when: \
            $steps.a.failed\n    cause: Too many\n",
    );
    let call = |limit: u32| {
        place.write(
            "call.yaml",
            format!(
                "runbook: v1\ntitle: Call\non_failure: \
            continue\nsteps:\n  - id: sub\n    run: {{runbook: check, with: {{limit: \
            {limit}}}}}\nfindings:\n  - id: sub-found\n    when: $steps.sub.failed and \
            ($steps.sub.output.findings | index(\"too-many\") != null)\n    cause: The called one \
            found it\n"
            ),
        )
    };
    let file = call(5);
    let (document, code) = place.json(&["run", &file]);
    assert_eq!((outcomes(&document), code), (vec!["sub passed".into(), "sub/a passed".into()], 0));
    let other = Place::new();
    std::fs::create_dir_all(other.path().join("runbooks")).unwrap();
    std::fs::copy(
        place.path().join("runbooks/check.yaml"),
        other.path().join("runbooks/check.yaml"),
    )
    .unwrap();
    let file =
        other.write("call.yaml", std::fs::read_to_string(place.path().join(call(0))).unwrap());
    let (document, code) = other.json(&["run", &file]);
    assert_eq!((findings(&document), code), (vec!["sub-found"], 1));
    assert_eq!(reason(&document, "sub"), "found: too-many");
}

#[test]
fn a_cause_is_open_when_what_it_needs_could_not_be_judged() {
    let (document, code) = run(concat!(
        "on_failure: continue\nsteps:\n",
        "  - id: good\n    value: '{n: 1} | .n'\n    expect: [{that: . == 1}]\n",
        "  - id: broken\n    value: $steps.good.output | error(\"cannot look\")\n",
        "findings:\n",
        "  - id: ruled-out\n    when: $steps.good.failed\n    cause: A\n",
        "  - id: open\n    when: $steps.broken.failed\n    cause: B\n",
        "  - id: concluded\n    severity: warning\n    when: [$steps.broken.failed, \
            $steps.good.passed]\n    cause: C\n",
    ));
    assert_eq!((findings(&document), code), (vec!["concluded"], 3));
    assert_eq!(
        document["not_ruled_out"],
        serde_json::json!([{"id": "open",
            "because": "step broken could not be determined: cannot look"}])
    );
}

#[test]
fn a_context_in_which_it_must_not_run_is_refused() {
    let place = Place::new();
    let file = place.write(
        "x.yaml",
        "runbook: v1\ntitle: X\ncontexts: [staging]\nsteps:\n  - id: a\n    get: {kind: Pod}\n",
    );
    let config = place.write(
        "config",
        "{apiVersion: v1, kind: Config, current-context: prod, clusters: [{name: c, cluster: \
            {server: 'https://127.0.0.1:1'}}], users: [{name: u}], contexts: [{name: prod, \
            context: {cluster: c, user: u}}]}",
    );
    let said = place.run(&["run", &file, "--kubeconfig", &config]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.stderr.contains("runs only in the contexts staging"), "{}", said.stderr);
    // the sandbox does no harm
    let said = place.run(&["run", &file, "--sandbox=healthy"]);
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn a_namespace_that_is_none_is_an_error_of_its_step() {
    let (document, code) =
        run("steps:\n  - {id: a, value: '\"No Name\"'}\n  - {id: b, namespace: \
        '{{ steps.a.output }}', value: $run.id}\n");
    assert_eq!((outcomes(&document), code), (vec!["a passed".to_owned(), "b error".to_owned()], 3));
    assert!(reason(&document, "b").contains("its `namespace`"), "{}", reason(&document, "b"));
}

#[test]
fn a_finding_knows_what_a_step_has_read_also_where_its_expectation_could_not_be_judged() {
    let (document, code) = run(concat!(
        "on_failure: continue\nsteps:\n",
        "  - id: look\n    value: '{count: 3, allowed: null}'\n    expect: [{that: .allowed}]\n",
        "  - {id: broken, value: '$run.id | error(\"cannot look\")'}\n",
        "findings:\n",
        "  - {id: seen, when: $steps.look.output.count == 3, cause: c}\n",
        "  - {id: not-seen, when: $steps.look.output.count == 4, cause: c}\n",
        "  - {id: open-end, when: $steps.look.failed, cause: c}\n",
        "  - {id: open-step, when: $steps.look | .output.count == 3, cause: c}\n",
        "  - {id: nothing-read, when: $steps.broken.output == null, cause: c}\n",
    ));
    assert_eq!((findings(&document), code), (vec!["seen"], 1), "{document:#}");
    let open: Vec<&Value> =
        document["not_ruled_out"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(open, ["open-end", "open-step", "nothing-read"]);
}

#[test]
fn a_finding_accuses_nobody_for_what_could_not_be_read() {
    let (document, _) = run(concat!(
        "on_failure: continue\nsteps:\n",
        "  - id: pods\n",
        "    value: '[{pod: \"a\", code: 1}, {pod: \"b\", error: \"gone\", unread: true}]'\n",
        "    expect: {all: .code == 0}\n",
        "  - {id: each, for_each: [1, 2], value: '$item | error(\"cannot look\")'}\n",
        "findings:\n",
        "  - {id: one, for_each: '[$steps.pods.output[] | select(.code == 1)]', cause: '{{ item.pod }}'}\n",
        "  - {id: none, for_each: '[$steps.pods.output[] | select(.code == 7)]', cause: c}\n",
        "  - {id: part, for_each: '[$steps.pods.output[] | select(.code == 7) | {pod, code}]', cause: c}\n",
        "  - {id: loop, for_each: '[$steps.each.output[] | .output[]?]', cause: c}\n",
    ));
    assert_eq!(findings(&document), ["one"], "{document:#}");
    assert_eq!(document["findings"][0]["cause"], "a", "{document:#}");
    let open: Vec<&Value> =
        document["not_ruled_out"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(open, ["none", "part", "loop"], "{document:#}");
}

#[test]
fn a_step_that_a_group_did_not_come_to_leaves_open_what_is_made_of_its_output() {
    let (document, code) = run(concat!(
        "on_failure: continue\nsteps:\n  - id: g\n    steps:\n",
        "    - {id: a, value: '1', expect: . == 2, on_failure: stop}\n",
        "    - {id: b, value: '1', expect: . == 2}\n",
        "findings:\n  - id: only-a\n    when: $steps.g.failed\n",
        "    not_when: '$steps.g.output.b.outcome == \"failed\"'\n    cause: a is bad, and b is not\n",
    ));
    assert_eq!((code, findings(&document)), (1, vec![]), "{document:#}");
    let why = "step g: step b was skipped: step a did not pass";
    assert_eq!(document["not_ruled_out"][0]["because"], why, "{document:#}");
}

#[test]
fn a_cause_that_a_called_runbook_could_not_rule_out_is_open_for_its_caller() {
    let place = Place::new();
    place.write(
        "runbooks/sub.yaml",
        "runbook: v1\ntitle: S\non_failure: continue\nsteps:\n  - {id: look, severity: info, command: \
            {argv: [nosuchtool], effect: read}}\n  - {id: ok, value: '1'}\nfindings:\n  - {id: x, when: \
            $steps.look.output.exit_code != 0, cause: x is it}\n",
    );
    let file = place.write(
        "caller.yaml",
        "runbook: v1\ntitle: C\nsteps: [{id: c, run: sub}]\nfindings:\n  - {id: found, when: \
            'any($steps.c.output.findings[]; . == \"x\")', cause: sub found x}\n  - {id: none, severity: \
            info, when: $steps.c.passed, not_when: '$steps.c.output.findings != []', cause: sub found \
            nothing}\n",
    );
    let (document, _) = place.json(&["run", &file, "--catalogue", "runbooks"]);
    assert_eq!(findings(&document), Vec::<&str>::new(), "{document:#}");
    assert_eq!(document["not_ruled_out"].as_array().unwrap().len(), 2, "{document:#}");
}

/// What is fixed: by something that was done after the cause was seen and before it was proven.
#[test]
fn a_cause_is_fixed_only_by_what_is_done_between_its_sight_and_the_proof() {
    let acts = "  - {id: act, command: {argv: ['true']}}\n";
    let look = "  - {id: look, value: '5', expect: . == 2, severity: warning}\n";
    let proof = "  - {id: proof, value: '1', expect: . == 1}\n";
    let cause = "findings:\n  - {id: broken, when: $steps.look.failed, cause: it is broken, fixed_by: proof}\n";
    for (steps, fixed) in
        [([look, acts, proof], true), ([acts, look, proof], false), ([look, proof, acts], false)]
    {
        let place = Place::new();
        let text = format!(
            "runbook: v1\ntitle: T\non_failure: continue\nsteps:\n{}{cause}",
            steps.concat()
        );
        let file = place.write("fix.yaml", text);
        let (document, code) = place.json(&["run", &file, "--yes"]);
        let is_fixed = document["findings"][0]["fixed"] == true;
        assert_eq!((code, is_fixed), (i32::from(!fixed), fixed), "{steps:?}: {document:#}");
    }
}

#[test]
fn a_wait_that_its_group_has_no_time_for_names_the_time_that_it_had() {
    let (document, code) = run(concat!(
        "steps:\n  - id: g\n    timeout: 1s\n    steps:\n",
        "    - {id: w, command: {argv: [ls], effect: read}, until: .exit_code == 1, every: 100ms, timeout: 30m}\n",
    ));
    assert_eq!(code, 1, "{document:#}");
    let said = reason(&document, "g/w");
    assert!(said.contains(", which was left of the timeout of its group"), "{said}");
    assert!(!said.contains("30m"), "{said}");
}

#[test]
fn a_dry_run_that_stops_before_what_counts_previews_nothing() {
    let place = Place::new();
    let text = format!(
        "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    severity: warning\n    {BAD}\n  - {{id: act, command: \
            {{argv: ['true']}}}}\n"
    );
    let file = place.write("dry.yaml", text);
    let (document, code) = place.json(&["run", &file, "--dry-run"]);
    assert_eq!((code, &document["verdict"]), (3, &"unknown".into()), "{document:#}");
}
