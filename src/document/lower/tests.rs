use crate::document::node::parse;
use crate::document::{Runbook, lower::lower};
use std::sync::Arc;

/// A runbook, or `CODE AT: MESSAGE (LABEL)` of everything that is wrong with it.
fn read(text: &str) -> Result<Runbook, Vec<String>> {
    let source: Arc<str> = text.into();
    parse(&source).and_then(|root| lower("x", "x", &source, &root)).map_err(|faults| {
        let told = |fault: &crate::document::node::Fault| {
            let at = source[fault.span.clone()].to_owned();
            format!("{} {at}: {} ({})", fault.code, fault.message, fault.label)
        };
        faults.iter().map(told).collect()
    })
}

/// What is wrong with these lines of a runbook.
fn faults(lines: &str) -> Vec<String> {
    read(&format!("runbook: v1\ntitle: T\nparams: {{p: {{type: string, default: x}}}}\n{lines}"))
        .err()
        .unwrap_or_default()
}

const STEP: &str = "steps: [{id: a, value: $run.id}]\n";

#[test]
fn a_name_is_bound_in_its_scope_and_nowhere_else() {
    let right = [
        format!("let: {{x: $params.p, z: '$x + \"-z\"'}}\nnamespace: shop\n{STEP}"),
        "steps:\n  - {id: a, let: {x: $run.id}, when: $x != \"\", title: 'of {{ x }}', value: $x, \
            expect: [{that: . == $x, message: 'not {{ x }}'}]}"
            .to_owned(),
        "steps:\n  - id: g\n    let: {x: $run.id}\n    steps: [{id: a, value: $x}]\n    rescue: \
            [{id: b, value: $x}]"
            .to_owned(),
        format!(
            "{STEP}findings:\n  - {{id: f, let: {{bad: $steps.a.failed}}, when: $bad, not_when: \
                [$bad | not], objects: '[$bad]', cause: 'It is {{{{ bad }}}}', remedy: {{text: '{{{{ \
                bad }}}}'}}}}"
        ),
        // the same name in scopes beside each other
        "steps: [{id: a, let: {x: '1'}, value: $x}, {id: b, let: {x: '2'}, value: $x}]".to_owned(),
        "steps: [{id: a, for_each: [1], steps: [{id: b, let: {x: $item}, value: $x}]}]".to_owned(),
    ];
    for text in right {
        assert_eq!(faults(&text), [""; 0], "{text}");
    }
    let wrong = [
        (
            "steps: [{id: a, let: {x: '1'}, value: $x}, {id: b, value: $x}]",
            "RB0201 $x: jq: unknown variable `$x`",
        ),
        (
            "steps: [{id: a, let: {z: $x, x: '1'}, value: $z}]",
            "RB0201 $x: jq: unknown variable `$x`",
        ),
        ("steps: [{id: a, let: {params: '1'}, value: '1'}]", "RB0307 params: `let` cannot bind"),
        ("let: {x: '1'}\nsteps: [{id: a, let: {x: '1'}, value: '1'}]", "RB0307 x: `x` is bound"),
        ("steps: [{id: a, let: {a-b: '1'}, value: '1'}]", "RB0307 a-b: `let` cannot bind `a-b`"),
        ("let: {x: $steps.a.output}\nsteps: [{id: a, value: '1'}]", "RB0303 $steps.a: `$steps`"),
        (
            "steps: [{id: a, let: {x: $steps.b.output}, value: $x}, {id: b, value: '1'}]",
            "RB0303 $steps.b: step `b` runs after `a`",
        ),
        (
            "steps: [{id: g, let: {x: $steps.a.output}, steps: [{id: a, value: '1'}]}]",
            "RB0303 $steps.a: step `a` runs after `g`",
        ),
        (
            "steps: [{id: a, let: {x: $item}, for_each: [1], value: $x}]",
            "RB0305 $item: `item` outside of a `for_each`",
        ),
        ("steps: [{id: a, let: [x], value: '1'}]", "RB0104 [x]: `let` must be a mapping"),
        (
            "steps: [{id: a, let: {x: [1]}, value: $x}]",
            "RB0104 [1]: expected a jq program, found a list (quote the program",
        ),
        (
            "let: {name: $params.p}\nsteps: [{id: a, title: '{{ nam }}', value: '1'}]",
            "RB0202 nam: template: undefined variable `nam` (did you mean `name`?)",
        ),
        ("let: {x: $params.p}\nnamespace: '{{ x }}'\nsteps: [{id: a, value: '1'}]", "RB0202 x: "),
    ];
    for (text, wanted) in wrong {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].starts_with(wanted), "{text}: {found:#?}");
    }
}

#[test]
fn the_likely_slips_say_what_to_write() {
    let finding = |fields: &str| format!("{STEP}findings: [{{id: f, cause: c, {fields}}}]");
    let wrong = [
        (
            finding("when: $steps.a.failed, remedy: Restart it"),
            "RB0104 Restart it: `remedy` cannot be a string `Restart it` (a remedy is the name of a \
                runbook; words are `text`)",
        ),
        (
            finding("when: $steps.a.failed, remedy: {with: {}}"),
            "RB0104 {with: {}}: a remedy must be the name of a runbook, `run`",
        ),
        (
            finding("when: {that: $steps.a.failed}"),
            "RB0104 {that: $steps.a.failed}: expected a jq program, found a mapping",
        ),
        (finding("when: true"), "RB0203 true: constant condition"),
        (
            "steps: [{id: a, value: $run.id, expect: 1}]".to_owned(),
            "RB0201 1: jq: constant expectation",
        ),
        (
            "steps: [{id: a, for_each: ['{{ params.p }}'], value: $item}]".to_owned(),
            "RB0104 ['{{ params.p }}']: a list that is written out contains no templates (use jq",
        ),
        (
            "steps: [{id: a, value: $run.id, expect: {that: any(., 1), message: m}}]".to_owned(),
            "RB0102 1): unknown field `1)` of `expect` (quote the condition before it",
        ),
        (
            "steps:\n  - id: a\n    value: $run.id\n    expect: . == \"a #b\"\n".to_owned(),
            "RB0201 \": jq: ",
        ),
        (
            "steps: [{id: a, value: $run.id, expect: [{that: . == 1, message: '{{ x '}]}]".into(),
            "RB0202 ",
        ),
        (
            "steps: [{id: a, get: {kind: Pod}, every: '{{ params.p }}', timeout: 1m, until: .x}]"
                .into(),
            "RB0202 '{{ params.p }}': `every` must be written out: it cannot be a template",
        ),
        (
            "steps: [{id: a, wait: {kind: Pod, name: a, until: .x == $params.p}, timeout: 1m}]"
                .into(),
            "RB0303 $params.p: `$params` is not available here",
        ),
        (
            "steps: [{id: a, value: $run.id, severity: '{{ params.p }}'}]".into(),
            "RB0202 '{{ params.p }}': `severity` must be written out",
        ),
    ];
    for (text, wanted) in wrong {
        let found = faults(&text);
        assert!(found.iter().any(|one| one.starts_with(wanted)), "{text}: {found:#?}");
    }
    let found = faults("steps:\n  - id: a\n    value: $run.id\n    expect: . == \"a #b\"\n");
    assert!(
        found[0].ends_with("(` #` begins a comment in YAML: quote the condition)"),
        "{found:?}"
    );
}
