//! What nobody can know is neither true nor false, wherever a condition stands.

use super::super::{Bindings, Budget, Expect, compile, compile_expectation};
use crate::event::Truth;
use serde_json::{Value, json};

fn condition(text: &str, input: &Value) -> Result<bool, String> {
    let jq = compile(text, &["params", "steps"]).unwrap_or_else(|error| panic!("{text}: {error}"));
    let bindings =
        Bindings::new().with("params", json!({"none": null, "most": 3})).with("steps", json!({}));
    jq.condition(input, &bindings, Budget::default()).map_err(|error| error.message)
}

fn value(text: &str, input: &Value) -> Result<Value, String> {
    compile(text, &[])
        .unwrap()
        .run_one(input, &Bindings::new(), Budget::default())
        .map_err(|error| error.message)
}

/// `t`, `f`, or `?` for what cannot be judged.
fn word(judged: &Result<bool, String>) -> char {
    match judged {
        Ok(true) => 't',
        Ok(false) => 'f',
        Err(_) => '?',
    }
}

#[test]
fn an_order_is_one_of_values_of_the_same_type() {
    for (text, wanted) in [
        (".n < 5", 't'),
        (".n > 5", 'f'),
        (".text < \"b\"", 't'),
        (".list < [2]", 't'),
        (".n < $params.most", 't'),
        (".null < 5", '?'),
        (".null <= 0", '?'),
        (".null >= 0", '?'),
        (".missing > 0", '?'),
        (".missing < .null", '?'),
        (".text > 3", '?'),
        ("3 < .text", '?'),
        (".list > 3", '?'),
        (".n < .object", '?'),
        (".object < {}", '?'),
        ("[.null] < [1]", '?'),
        (".n < $params.none", '?'),
        ("(.zero / .zero) < 5", '?'),
        ("([] | max) < 5", '?'),
        (".missing // 0 | . <= 0", 't'),
        ("(.missing // 0) <= 0", 't'),
        // what decides without it decides
        (".n == 1 or .null < 5", 't'),
        (".n == 2 and .null < 5", 'f'),
        ("any(.n, .null; . < 5)", 't'),
        ("any(.null, .n; . < 5)", 't'),
        ("any(.null, .n; . > 5)", '?'),
        ("all(.null, .n; . > 5)", 'f'),
        ("all(.n, .null; . < 5)", '?'),
        ("[.n, .null] | map(select(. < 5)) | length == 1", '?'),
    ] {
        let input =
            json!({"n": 1, "zero": 0, "text": "a", "list": [1], "object": {}, "null": null});
        let judged = condition(text, &input);
        assert_eq!(word(&judged), wanted, "{text}: {judged:?}");
    }
    assert_eq!(
        condition(".a.rate < 0.05", &json!({"a": {"rate": null}})).unwrap_err(),
        "cannot compare null < 0.05: null and a number have no order (`.a.rate`)"
    );
}

#[test]
fn a_path_that_is_missing_is_no_answer() {
    for (text, wanted) in [
        (".phase == \"Running\"", 't'),
        (".phase != \"Running\"", 'f'),
        (".phaze == \"Running\"", '?'),
        (".phaze != \"Running\"", '?'),
        ("(.phaze == \"Running\") | not", '?'),
        (".phaze == .other", '?'),
        ("\"Running\" == .phaze", '?'),
        (".phaze == null", 't'),
        (".phase != null", 't'),
        ("(.phaze // \"\") == \"Running\"", 'f'),
        ("(.phaze // \"\") != \"Running\"", 't'),
        (".phaze == $params.none", 't'),
        ("$params.none == \"x\"", 'f'),
        // one side of a connective decides
        (".phaze == \"Running\" or .phase == \"Running\"", 't'),
        (".phaze != \"x\" and .phase == \"Failed\"", 'f'),
        // there is one that has it
        ("any(.conditions[]; .reason == \"Gone\")", 't'),
        ("any(.conditions[]; .reason != \"Gone\")", 't'),
        // a selection that finds nothing is an answer; that something differs from nothing is none
        ("any(.conditions[]; .raison == \"Gone\")", 'f'),
        ("any(.conditions[]; .raison != \"Gone\")", '?'),
        (".conditions | length == 2", 't'),
        (".conditionz | length == 0", '?'),
        ("(.conditionz // []) | length == 0", 't'),
    ] {
        let input = json!({"phase": "Running", "conditions": [{"type": "A"},
            {"type": "B", "reason": "Gone"}]});
        let judged = condition(text, &input);
        assert_eq!(word(&judged), wanted, "{text}: {judged:?}");
    }
}

#[test]
fn all_of_nothing_is_no_answer_and_any_of_nothing_is_false() {
    for (text, wanted) in [
        ("all(.none[]; . > 1)", '?'),
        (".none | all(. > 1)", '?'),
        (".none | all", '?'),
        ("all(.none[]?; . == 1) or true", 't'),
        ("any(.none[]; . > 1)", 'f'),
        (".none | any(. > 1) | not", 't'),
        (".some | all(. > 1)", 't'),
        ("all(.some[]; . > 2)", 'f'),
        (".flags | any", 't'),
        (".flags | all", 'f'),
        ("all(range(10); . < 10)", 't'),
        ("any(range(1000000000); . > 3)", 't'),
        ("first(.some[] | select(. > 2)) == 3", 't'),
    ] {
        let judged = condition(text, &json!({"none": [], "some": [2, 3], "flags": [true, false]}));
        assert_eq!(word(&judged), wanted, "{text}: {judged:?}");
    }
}

fn fan_out() -> Value {
    json!([{"pod": "a", "exit_code": 0, "json": {"errors": 0, "ready": true}}, {"pod": "b",
        "error": "not allowed", "unread": true}])
}

#[test]
fn an_unread_item_is_no_answer_whatever_default_stands_behind_it() {
    for (text, wanted) in [
        ("any(.[]; .json.errors > 0)", '?'),
        ("any(.[]; .json.errors == 0)", 't'),
        ("all(.[]; .json.errors == 0)", '?'),
        ("all(.[]; .json.errors == 1)", 'f'),
        ("any(.[]; (.json.errors // 0) == 1)", '?'),
        ("any(.[]; .json.ready | not)", '?'),
        ("all(.[]; .json.ready)", '?'),
        ("all(.[]; .json.ready and true)", '?'),
        ("map(.json.errors // 0) | add == 0", '?'),
        ("map(.json.errors?) | min == 0", '?'),
        ("map(select(.json.errors > 0)) | length == 0", '?'),
        ("map(select(.json.errors > 0)) == []", '?'),
        ("[.[].json.errors] | unique | length == 1", '?'),
        ("length == 2", '?'),
        ("all(.[]; has(\"json\"))", '?'),
        (".[1] | \"\\(.json)\" == \"x\"", '?'),
        ("any(.[]; .exit_code != 0)", '?'),
        ("if .[1].json.ready then true else false end", '?'),
        ("map({pod, json}) | all(.[]; .json.errors == 0)", '?'),
        // who it is and why it could not be read is known
        ("any(.[]; .pod == \"b\")", 't'),
        ("map(select(.error == null)) | length == 1", 't'),
    ] {
        let judged = condition(text, &fan_out());
        assert_eq!(word(&judged), wanted, "{text}: {judged:?}");
    }
    let why = "pod/b could not be read: not allowed";
    assert_eq!(condition("all(.[]; .json.errors == 0)", &fan_out()).unwrap_err(), why);
    let mapped = value("[.[] | {name: .pod, errors: (.json.errors // 0)}]", &fan_out()).unwrap();
    assert_eq!(
        mapped,
        json!([{"name": "a", "errors": 0}, {"name": "b",
            "errors": {"pod": "b", "error": "not allowed", "unread": true}}])
    );
    let all: Expect = serde_json::from_value(json!({"all": ".errors == 0"})).unwrap();
    let judgement =
        compile_expectation(&all, &[]).unwrap().judge(&mapped, &Bindings::new(), Budget::default());
    assert_eq!(
        (judgement.outcome, judgement.reason.as_str()),
        (Truth::Error, "b: pod/b could not be read: not allowed")
    );
}

#[test]
fn the_fields_of_an_unread_item_are_no_items() {
    let input = json!([{"pod": "a", "list": [{"n": 1, "pod": "x"}], "of": {"k": 1}},
        {"pod": "b", "error": "refused", "unread": true}]);
    for (text, wanted) in [
        ("any(.[].list[]; .n == 2)", '?'),
        ("any(.[].list[]; . == \"refused\")", '?'),
        ("[.[].list[] | select(. == true)] | length > 0", '?'),
        ("any(.[].list[]; .n == 1)", 't'),
        ("all(.[].list[]; .n == 1)", '?'),
        (".[1].list | any(. == true)", '?'),
        (".[1].list | any", '?'),
        (".[1].list | all(. == 1)", '?'),
        (".[1].list | map(. == true) | any", '?'),
        ("[.[1].list | add] == [1]", '?'),
        ("(.[1].list | first) == \"b\"", '?'),
        (".[1].list | join(\",\") | length > 0", '?'),
        (".[1].list[0].n == null", 'f'),
        (".[1].list[0].n == 1", '?'),
        (".[1].list[1:] | length == 0", '?'),
        ("\"k\" as $key | .[1].of[$key] == 1", '?'),
        ("any(.[1] | ..; . == true)", '?'),
    ] {
        let judged = condition(text, &input);
        assert_eq!(word(&judged), wanted, "{text}: {judged:?}");
    }
}

#[test]
fn paths_and_updates_are_those_of_jq() {
    let input = json!({"a": {"b": [1, 2]}, "c": [{"n": 1}, {"n": 2}]});
    for (text, wanted) in [
        (".a.b[0] = 5 | .a.b", json!([5, 2])),
        ("[path(.a.b[1])]", json!([["a", "b", 1]])),
        ("del(.a.b) | .a", json!({})),
        (".c |= map(.n += 1) | .c", json!([{"n": 2}, {"n": 3}])),
        ("(.c[] | select(.n > 1)).n = 9 | .c", json!([{"n": 1}, {"n": 9}])),
        (".c[.a.b[0]].n", json!(2)),
        (".a[\"b\"][1:]", json!([2])),
        (".c[.a.b[0]:.a.b[1]] | length", json!(1)),
        (".a | keys[0] as $key | .[$key][0]", json!(1)),
        ("[.c[][\"n\"]] | add", json!(3)),
        ("add(.c[].n)", json!(3)),
        ("first(.c[] | .n)", json!(1)),
        ("[.c[].n]", json!([1, 2])),
        ("{a}.a.b", json!([1, 2])),
        (".c[0] as {n: $n} | $n", json!(1)),
        ("[.c[] | .n?]", json!([1, 2])),
        ("[limit(1; .c[] | select(.n > 0) | .n)]", json!([1])),
        ("reduce .c[] as $c (0; . + $c.n)", json!(3)),
    ] {
        assert_eq!(value(text, &input), Ok(wanted), "{text}");
    }
}

#[test]
fn quantifiers_over_what_is_not_there() {
    let judge = |fields: Value, output: &Value| {
        let expect: Expect = serde_json::from_value(fields).unwrap();
        compile_expectation(&expect, &[]).unwrap().judge(
            output,
            &Bindings::new(),
            Budget::default(),
        )
    };
    let pods = json!([{"pod": "a", "status": 200, "reason": "x"}, {"pod": "b", "status": 503}]);
    for (fields, output, wanted) in [
        (json!({"none": ".bad"}), json!([]), Truth::True),
        (json!({"all": ".good"}), json!([]), Truth::Error),
        (json!({"same": ".good"}), json!([]), Truth::Error),
        (json!({"any": ".good"}), json!([]), Truth::False),
        (json!({"exactly": 0, "of": ".good"}), json!([]), Truth::True),
        (json!({"all": ".statuz == 200"}), pods.clone(), Truth::Error),
        (json!({"none": ".statuz == 200"}), pods.clone(), Truth::Error),
        (json!({"none": ".statuz != 200"}), pods.clone(), Truth::Error),
        (json!({"any": ".statuz != 200"}), pods.clone(), Truth::Error),
        (json!({"exactly": 0, "of": ".statuz == 200"}), pods.clone(), Truth::Error),
        // one has it: the others lack it
        (json!({"any": ".reason == \"x\""}), pods.clone(), Truth::True),
        (json!({"exactly": 1, "of": ".reason == \"x\""}), pods.clone(), Truth::True),
        (json!({"all": ".status == 200 or .statuz == 1"}), pods.clone(), Truth::Error),
        (json!({"any": ".status == 200 or .statuz == 1"}), pods.clone(), Truth::True),
        (json!({"all": ".status == 200"}), fan_out(), Truth::Error),
        (json!({"none": ".exit_code == 0"}), fan_out(), Truth::False),
    ] {
        let judgement = judge(fields.clone(), &output);
        assert_eq!(judgement.outcome, wanted, "{fields}: {}", judgement.reason);
    }
    assert_eq!(
        judge(json!({"all": ".statuz == 200"}), &pods).reason,
        "pod/a: `.statuz` is null for every item: the path does not exist or has no value; if it is optional, use \
            `(… // DEFAULT)`; pod/b: `.statuz` is null for every item: the path does not exist or has no value; \
            if it is optional, use `(… // DEFAULT)`"
    );
}
