use serde_json::{Value, json};

use crate::expression::{EvalErrorKind, Template, template};

fn context() -> Value {
    json!({
        "params": {
            "namespace": "petrosa-apps", "replicas": 3, "big": 18_446_744_073_709_551_615_u64,
            "ratio": 0.5,
            "ready": true, "nothing": null, "tags": ["a", 1, null, true], "map": {"z": 1,
            "a": {"b": []}},
            "tricky": "{{ params.namespace }}", "html": "<a & 'b'>", "dash-name": 7, "empty": "",
        },
        "steps": {"pods": {"output": {"items": [{"name": "p-0"}, {"name": "p-1"}]}}},
        "item": "x",
    })
}

fn compiled(source: &str) -> Template {
    match template(source) {
        Ok(template) => template,
        Err(error) => panic!("{source}: {error:?}"),
    }
}

#[test]
fn templates_render() {
    let cases = [
        ("plain", json!("plain")),
        ("", json!("")),
        ("  spaced  ", json!("  spaced  ")),
        ("line\n", json!("line\n")),
        ("{{ params.namespace }}\n", json!("petrosa-apps")),
        ("a {{ params.namespace }}\n", json!("a petrosa-apps\n")),
        ("{{ params.namespace }}", json!("petrosa-apps")),
        ("{{ params.replicas }}", json!(3)),
        (" {{ params.replicas }} ", json!(3)),
        ("{{- params.replicas -}}", json!(3)),
        ("{{ params.replicas + 1 }}", json!(4)),
        ("{{ params.big }}", json!(18_446_744_073_709_551_615_u64)),
        ("{{ params.ratio }}", json!(0.5)),
        ("{{ params.ready }}", json!(true)),
        ("{{ params.nothing }}", json!(null)),
        ("{{ params.tags }}", json!(["a", 1, null, true])),
        ("{{ params.map }}", json!({"z": 1, "a": {"b": []}})),
        ("{{ params['dash-name'] }}", json!(7)),
        ("{{ {'a': params.replicas} }}", json!({"a": 3})),
        ("{{ '}}' }}", json!("}}")),
        ("{{ params.namespace }}{{ item }}", json!("petrosa-appsx")),
        ("n={{ params.replicas }}", json!("n=3")),
        ("{{ params.ready }}!", json!("true!")),
        ("{{ params.nothing }}!", json!("null!")),
        ("{{ params.tags }}!", json!("[\"a\",1,null,true]!")),
        ("{{ params.map }}!", json!("{\"z\":1,\"a\":{\"b\":[]}}!")),
        ("{{ params.tricky }}", json!("{{ params.namespace }}")),
        ("a {{ params.tricky }}", json!("a {{ params.namespace }}")),
        ("a {{ params.html }}", json!("a <a & 'b'>")),
        ("{{ params.tags | length }}", json!(4)),
        ("{{ params.tags | tojson }}", json!("[\"a\", 1, null, true]")),
        ("{{ params.missing | default('x') }}", json!("x")),
        ("{{ params.empty | default('x', true) }}", json!("x")),
        ("{{ params.namespace | upper }}", json!("PETROSA-APPS")),
        ("{{ steps.pods.output['items'] | map(attribute='name') | join(',') }}", json!("p-0,p-1")),
        ("{% for i in params.tags %}{{ i }};{% endfor %}", json!("a;1;null;true;")),
        (
            "{% for i in [1, 2] %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}",
            json!("1a2b"),
        ),
        ("{% if params.ready %}yes{% else %}no{% endif %}", json!("yes")),
        ("{% set n = params.replicas %}{{ n }}{{ n }}", json!("33")),
        ("{{ params.tags | tojson(indent=1) }}", json!("[\n \"a\",\n 1,\n null,\n true\n]")),
        ("{{ 'a' ~ 1 ~ [2] }}", json!("a1[2]")),
        ("{{ 'a' + 'b' }}{{ 'ab' * 2 }}{{ [1] + [2] }}", json!("ababab[1,2]")),
        ("{{ ['a', 'b'] | map('upper') | list }}", json!(["A", "B"])),
        ("{{ '%s-%03d' | format('a', 7) }}", json!("a-007")),
        ("{% with n = 2 %}{{ n * 3 }}{% endwith %}", json!("6")),
        ("{% for a, b in [[1, 2]] %}{{ a + b }}{% endfor %}", json!("3")),
        ("{{ [1, 2, 3][1:] }}", json!([2, 3])),
        ("{{ (1, 2) | length }}", json!(2)),
        ("{# nothing #}a", json!("a")),
        ("{% raw %}{{ x }}{% endraw %}", json!("{{ x }}")),
        ("{{ 'yes' if params.missing is defined else 'no' }}", json!("no")),
        ("{{ range(3) | list }}", json!([0, 1, 2])),
    ];
    for (source, expected) in cases {
        assert_eq!(compiled(source).render(&context()), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_undefined_is_an_error_that_names_it() {
    let cases = [
        ("{{ params.missing }}", "params.missing"),
        ("a {{ params.missing }}", "params.missing"),
        ("{{ missing }}", "missing"),
        ("{{ params.missing.deeper }}", "params.missing"),
        ("{{ params.missing | upper }}", "params.missing"),
        ("{% if params.missing %}x{% endif %}", "params.missing"),
        ("{% for x in params.missing %}x{% endfor %}", "params.missing"),
        ("{{ params['missing'] }}", "missing"),
    ];
    for (source, name) in cases {
        let error = compiled(source).render(&context()).expect_err(source);
        assert_eq!(error.kind, EvalErrorKind::Undefined, "{source}: {error:?}");
        assert!(error.message.contains(name), "{source}: {}", error.message);
        assert!(!error.message.contains("petrosa"), "{source}: {}", error.message);
    }
}

#[test]
fn failures_are_short_and_quote_no_other_variable() {
    for source in ["{{ params.tags | int }}", "a {{ params.replicas / 0 }}", "{{ params.map + 1 }}"]
    {
        let error = compiled(source).render(&context()).expect_err(source);
        assert_eq!(error.kind, EvalErrorKind::Runtime, "{source}");
        assert!(
            error.message.len() < 200 && !error.message.contains("petrosa"),
            "{}",
            error.message
        );
    }
}

#[test]
fn mistakes_are_found_when_compiled() {
    let cases = [
        ("a {{ params.x", "", None),
        ("{{ }}", "", None),
        ("{% if x %}", "", None),
        ("{% frobnicate %}", "frobnicate", None),
        (
            "a {{ params.x | uper }}",
            "templates have no filter `uper`",
            Some("did you mean `upper`?"),
        ),
        (
            "{{ params.x | tojsn }}",
            "templates have no filter `tojsn`",
            Some("did you mean `tojson`?"),
        ),
        (
            "{{ params.x is defind }}",
            "templates have no test `defind`",
            Some("did you mean `defined`?"),
        ),
        ("{{ uper(params.x) }}", "templates have no function `uper`", None),
        ("{{ debug() }}", "templates have no function `debug`", None),
        (
            "{{ params.x.split(',') }}",
            "values in templates have no method `split`",
            Some("use the filter: `value | split`"),
        ),
        ("{% include 'x' %}", "`include` is not available", None),
        ("{% extends 'x' %}", "`extends` is not available", None),
        ("{% import 'x' as y %}", "`import` is not available", None),
        ("{% macro f() %}{% endmacro %}", "`macro` is not available in templates", None),
        ("{% set x %}a{% endset %}", "a block of `set` is not available", None),
        ("{% filter upper %}a{% endfilter %}", "a block of `filter` is not available", None),
        (
            "{% for x in [1] recursive %}{{ loop([2]) }}{% endfor %}",
            "a recursive loop is not available",
            None,
        ),
        ("{% set n = namespace(a=1) %}", "templates have no function `namespace`", None),
    ];
    for (source, message, help) in cases {
        let error = template(source).expect_err(source);
        assert!(error.message.contains(message), "{source}: {}", error.message);
        assert!(source.get(error.range.clone()).is_some(), "{source}: {:?}", error.range);
        if help.is_some() {
            assert_eq!(error.help.as_deref(), help, "{source}");
        }
    }
    let error = template("a {{ params.x | uper }}").expect_err("unknown filter");
    assert!("a {{ params.x | uper }}"[error.range].contains("uper"));
}

#[test]
fn references_are_found() {
    let cases: [(&str, &[(&str, Option<&str>, &str)]); 9] = [
        ("plain", &[]),
        ("{{ params.x }}", &[("params", Some("x"), "params.x")]),
        ("a {{ steps.y.z }}", &[("steps", Some("y"), "steps.y")]),
        ("{{ steps['y'].z }}", &[("steps", Some("y"), "steps['y']")]),
        ("{{ item }}", &[("item", None, "item")]),
        (
            "{{ item.x | default(run.id) }}",
            &[("item", Some("x"), "item.x"), ("run", Some("id"), "run.id")],
        ),
        (
            "{% for i in steps.a.output %}{{ i.name }}{% endfor %}",
            &[("steps", Some("a"), "steps.a")],
        ),
        ("{% set n = params.a %}{{ n }}", &[("params", Some("a"), "params.a")]),
        ("{{ range(params.n) }}", &[("params", Some("n"), "params.n")]),
    ];
    for (source, expected) in cases {
        let template = compiled(source);
        let actual: Vec<_> = template
            .references()
            .iter()
            .map(|r| (r.root.as_str(), r.name.as_deref(), &source[r.range.clone()]))
            .collect();
        assert_eq!(actual, expected, "{source}");
    }
}

#[test]
fn a_literal_has_no_syntax() {
    assert!(compiled("plain } text").is_literal());
    for source in ["{{ a }}", "a {# c #}", "{% if true %}{% endif %}"] {
        assert!(!compiled(source).is_literal(), "{source}");
    }
}

#[test]
fn endless_templates_are_stopped() {
    let sources = [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 20000000000 }}",
    ];
    for source in sources {
        compiled(source).render(&context()).expect_err(source);
    }
}

#[test]
fn any_text_compiles_or_is_refused() {
    proptest::proptest!(|(source in "[-{}%#|. a-e'\"()\\[\\]é\n]{0,40}")| {
        match template(&source) {
            Ok(template) => drop(template.render(&serde_json::json!({"a": 1}))),
            Err(error) => proptest::prop_assert!(source.get(error.range).is_some()),
        }
    });
}
