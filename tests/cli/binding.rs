//! Names for values, what rules a finding out, what it concerns, and messages with values.

use crate::support::{Place, findings};
use serde_json::{Value, json};

/// Runs a runbook without a cluster and gives (document, exit code).
fn run(text: &str) -> (Value, i32) {
    let place = Place::new();
    let file = place.write("named.yaml", format!("runbook: v1\ntitle: Named\n{text}"));
    place.json(&["run", &file])
}

/// The outcome and output of a step.
fn step<'a>(document: &'a Value, path: &str) -> (&'a str, &'a str) {
    let steps = document["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["path"] == path).unwrap();
    (found["outcome"].as_str().unwrap(), found["reason"].as_str().unwrap())
}

#[test]
fn a_name_is_seen_in_conditions_and_templates_of_its_scope() {
    let (document, code) = run(concat!(
        "params: {app: {type: string, default: web}}\n",
        "let: {full: '\"shop-\" + $params.app', size: $full | length}\n",
        "steps:\n",
        "  - id: group\n    let: {twice: $size * 2}\n    steps:\n",
        "      - id: a\n        title: 'Of {{ full }} and {{ twice }}'\n",
        "        when: $twice == 16\n        value: '{n: $twice, name: $full}'\n",
        "        expect: {that: .n == 1, message: '{{ full }} has {{ twice }}'}\n",
        "  - id: each\n    on_failure: continue\n    let: {list: '[$size, 1]'}\n",
        "    for_each: $list\n    steps:\n",
        "      - {id: b, let: {more: $item + 1}, value: $more, expect: . == $item + 1}\n",
    ));
    assert_eq!(code, 1);
    let steps = document["steps"].as_array().unwrap();
    let a = steps.iter().find(|step| step["path"] == "group/a").unwrap();
    assert_eq!(a["title"], "Of shop-web and 16");
    assert_eq!(a["expectations"][0]["message"], "shop-web has 16");
}

#[test]
fn what_is_not_known_makes_unknown_what_uses_its_name_and_accuses_nobody() {
    let (document, code) = run(concat!(
        "on_failure: continue\nsteps:\n",
        "  - {id: never, when: $run.id == \"\", value: '1'}\n",
        "  - {id: a, let: {x: $steps.never.output}, value: $x}\n",
        "  - {id: b, let: {x: $steps.never.output, z: $x + 1}, when: $z == 2, value: '1'}\n",
        "  - {id: c, let: {x: $steps.never.output}, for_each: $x, value: $item}\n",
        "  - {id: d, let: {x: $steps.never.output}, value: '1', expect: . == $x}\n",
        "  - {id: e, let: {x: 'null | length'}, value: $x}\n",
        "  - {id: f, let: {unused: $steps.never.output}, value: '1'}\n",
        "findings:\n",
        "  - {id: open, let: {bad: $steps.never.failed}, when: $bad, cause: c}\n",
        "  - {id: not, let: {bad: $steps.never.failed}, when: $bad | not, cause: c}\n",
        "  - {id: ruled-out, when: $steps.never.failed, not_when: $steps.f.passed, cause: c}\n",
        "  - {id: held, when: $steps.f.passed, not_when: $steps.never.failed, cause: c}\n",
        "  - {id: found, let: {ok: $steps.f.passed}, when: [$ok], not_when: [$steps.f.failed],\n",
        "     objects: '[{kind: \"Pod\", name: \"web-1\"}, \"x\"]', cause: 'ok is {{ ok }}'}\n",
    ));
    assert_eq!(code, 1);
    for path in ["a", "b", "c", "d"] {
        let (outcome, reason) = step(&document, path);
        assert_eq!(outcome, "unknown", "{path}");
        assert!(reason.contains("step never"), "{path}: {reason}");
    }
    assert_eq!(step(&document, "e").0, "error");
    assert!(step(&document, "e").1.contains("`let` x"), "{}", step(&document, "e").1);
    assert_eq!(step(&document, "f").0, "passed");
    assert_eq!(findings(&document), ["found"]);
    let open: Vec<_> =
        document["not_ruled_out"].as_array().unwrap().iter().map(|open| &open["id"]).collect();
    assert_eq!(open, ["open", "not", "held"]);
    let found = &document["findings"][0];
    assert_eq!(found["cause"], "ok is true");
    assert_eq!(found["objects"], json!([{"kind": "Pod", "name": "web-1"}, "x"]));
}

#[test]
fn the_objects_of_a_finding_are_shown_compactly() {
    let place = Place::new();
    let file = place.write(
        "o.yaml",
        concat!(
            "runbook: v1\ntitle: T\nsteps:\n  - {id: a, value: '[range(20)]', expect: '. == []'}\n",
            "findings:\n  - id: many\n    when: $steps.a.failed\n    cause: Too many.\n",
            "    objects: '[{kind: \"Pod\", metadata: {name: \"web\"}}] + $steps.a.output'\n",
        ),
    );
    let said = place.run(&["run", &file]);
    assert!(said.stdout.contains("Where  pod/web, 0, 1,"), "{}", said.all());
    assert!(said.stdout.contains("and 9 more"), "{}", said.all());
}

#[test]
fn a_plan_knows_what_the_parameters_alone_decide() {
    let place = Place::new();
    let file = place.write(
        "p.yaml",
        concat!(
            "runbook: v1\ntitle: T\nparams: {app: {type: string, default: web}}\n",
            "let: {target: '\"deployment/\" + $params.app', now: $run.now}\n",
            "steps:\n  - {id: never, when: $target == \"x\", restart: {target: '{{ target }}'}}\n",
            "  - {id: again, title: 'Restart {{ target }}', restart: {target: '{{ target }}'}}\n",
        ),
    );
    let said = place.run(&["plan", &file]);
    assert!(said.stdout.contains("Restart deployment/web"), "{}", said.all());
    assert!(said.stdout.contains("kubectl rollout restart"), "{}", said.all());
    assert!(!said.stdout.contains("target }}"), "{}", said.all());
}
