use serde_json::{Value, json};

use crate::event::{Judgement, Truth};
use crate::expression::{Bindings, Budget, Expect, compile_expectation};

fn expect(fields: &Value) -> Expect {
    match serde_json::from_value(fields.clone()) {
        Ok(expect) => expect,
        Err(error) => panic!("{fields}: {error}"),
    }
}

fn judge(fields: &Value, output: &Value) -> Judgement {
    let compiled = match compile_expectation(&expect(fields), &["params"]) {
        Ok(compiled) => compiled,
        Err(error) => panic!("{fields}: {error:?}"),
    };
    let bindings = Bindings::new().with("params", json!({"version": "v1.0.68"}));
    compiled.judge(output, &bindings, Budget::default())
}

fn pods(statuses: &[u64]) -> Value {
    let pods = statuses.iter().enumerate();
    pods.map(|(i, status)| {
        json!({"pod": format!("ta-{i}"), "status": status,
        "json": {"leader": *status == 200}})
    })
    .collect()
}

#[test]
fn that_shows_the_value_behind_a_false_condition() {
    let pod = json!({"status": 503, "version": "v1.0.60", "ready": false, "tags": ["a", "b"],
        "n": 3, "items": []});
    let cases = [
        (".status == 200", json!(200), json!(503), "503, want 200"),
        (".status != 503", json!("!= 503"), json!(503), "503, want != 503"),
        (".items | length > 0", json!("> 0"), json!(0), "0, want > 0"),
        ("(.items | length) > 0", json!("> 0"), json!(0), "0, want > 0"),
        (".n == 3 and .status == 200", json!(200), json!(503), "503, want 200"),
        (".status == 200 and .n == 3", json!(200), json!(503), "503, want 200"),
        (".n == 3 and (.status == 200 and .ready)", json!(200), json!(503), "503, want 200"),
        (
            ".status == 200 or .status == 204",
            json!("200 or 204"),
            json!(503),
            "503, want 200 or 204",
        ),
        (
            ".status == 200 or .n == 4",
            json!("200 or 4"),
            json!([503, 3]),
            "503 and 3, want 200 or 4",
        ),
        (
            ".version == $params.version",
            json!("v1.0.68"),
            json!("v1.0.60"),
            "v1.0.60, want v1.0.68",
        ),
        (
            "semver_cmp(.version; $params.version) >= 0",
            json!(">= v1.0.68"),
            json!("v1.0.60"),
            "v1.0.60, want >= v1.0.68",
        ),
        (
            ".version | test(\"^v2\")",
            json!("test(\"^v2\")"),
            json!("v1.0.60"),
            "v1.0.60, want test(\"^v2\")",
        ),
        (
            "(.version | startswith(\"v2 and\")) and .ready",
            json!("startswith(\"v2 and\")"),
            json!("v1.0.60"),
            "v1.0.60, want startswith(\"v2 and\")",
        ),
        (
            ".tags | all(. == \"a\")",
            json!("all(. == \"a\")"),
            json!(["a", "b"]),
            "[\"a\",\"b\"], want all(. == \"a\")",
        ),
        (".n as $n | .tags | length == $n", json!(3), json!(2), "2, want 3"),
        (".n | . == 3 | not", json!(false), json!(true), "true, want false"),
        (".n | near(5; 1)", json!("near(5; 1)"), json!(3), "3, want near(5; 1)"),
        (".ready", json!(true), json!(false), "false, want true"),
        (
            ".tags | contains([\"z\"])",
            json!("contains([\"z\"])"),
            json!(["a", "b"]),
            "[\"a\",\"b\"], want contains([\"z\"])",
        ),
    ];
    for (that, expected, actual, reason) in cases {
        let judgement = judge(&json!({"that": that}), &pod);
        assert_eq!(judgement.outcome, Truth::False, "{that}: {}", judgement.reason);
        assert_eq!(judgement.expected, expected, "{that}");
        assert_eq!(judgement.actual, actual, "{that}");
        assert_eq!(judgement.reason, reason, "{that}");
        assert_eq!(judgement.that, that);
    }
}

#[test]
fn an_object_of_the_api_is_said_by_its_name() {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": {"replicas": 1}});
    let judgement = judge(&json!({"that": "any(.spec.names[]?; . == 1)"}), &object);
    assert_eq!(judgement.reason, "deployment/web, want any(.spec.names[]?; . == 1)");
    assert_eq!(judgement.actual, object);
}

#[test]
fn that_is_true_false_or_an_error() {
    let cases = [
        (".a == 1", json!({"a": 1}), Truth::True),
        (".a == 1", json!({"a": 2}), Truth::False),
        (".a", json!({}), Truth::Error),
        (".a[]", json!({"a": []}), Truth::Error),
        (".a.b", json!({"a": 1}), Truth::Error),
        (". == $params.nope", json!(null), Truth::True),
    ];
    for (that, output, outcome) in cases {
        let judgement = judge(&json!({"that": that}), &output);
        assert_eq!(judgement.outcome, outcome, "{that}: {}", judgement.reason);
    }
    assert!(
        judge(&json!({"that": ".a"}), &json!({}))
            .reason
            .contains("the path does not exist or has no value")
    );
}

#[test]
fn quantifiers_judge_lists() {
    let all = json!({"all": ".status == 200"});
    let any = json!({"any": ".status == 200"});
    let none = json!({"none": ".status == 200"});
    let one = json!({"exactly": 1, "of": ".status == 200"});
    let zero = json!({"exactly": 0, "of": ".status == 200"});
    let same = json!({"same": ".status"});
    use Truth::{Error, False, True};
    let cases: [(&Value, &[u64], Truth, &str); 20] = [
        (&all, &[200, 200], True, "2 of 2"),
        (&all, &[200, 503], False, "1 of 2, want all: pod/ta-1: 503, want 200"),
        (
            &all,
            &[500, 500, 500, 500, 500],
            False,
            "0 of 5, want all: pod/ta-0: 500, want 200; pod/ta-1: 500, want 200; pod/ta-2: 500, \
                want 200; and 2 more",
        ),
        (&all, &[], Error, "nothing to evaluate: the list is empty"),
        (&any, &[200, 503], True, "1 of 2"),
        (&any, &[500, 503], False, "0 of 2, want at least 1"),
        (&any, &[], False, "0 of 0, want at least 1"),
        (&none, &[500], True, "0 of 1"),
        (&none, &[500, 200], False, "1 of 2, want none: pod/ta-1"),
        (&none, &[], True, "0 of 0"),
        (&one, &[200, 500, 500], True, "1 of 3"),
        (&one, &[500, 500, 500], False, "0 of 3, want 1"),
        (&one, &[200, 200, 500], False, "2 of 3, want 1"),
        (&one, &[], False, "0 of 0, want 1"),
        (&zero, &[], True, "0 of 0"),
        (&zero, &[200], False, "1 of 1, want 0"),
        (&same, &[200, 200], True, "200 for all 2"),
        (&same, &[500, 200, 200], False, "2 different values: 200 (2 of 3), 500 (pod/ta-0)"),
        (&same, &[200, 500], False, "2 different values: 200 (pod/ta-0), 500 (pod/ta-1)"),
        (&same, &[], Error, "nothing to evaluate: the list is empty"),
    ];
    for (fields, statuses, outcome, reason) in cases {
        let judgement = judge(fields, &pods(statuses));
        assert_eq!(judgement.outcome, outcome, "{fields} {statuses:?}: {}", judgement.reason);
        assert_eq!(judgement.reason, reason, "{fields} {statuses:?}");
    }
}

#[test]
fn items_to_blame_are_named_with_their_values() {
    let items = |judgement: &Judgement| -> Vec<(String, Value)> {
        judgement.items.iter().map(|item| (item.name.clone(), item.value.clone())).collect()
    };
    let judgement = judge(&json!({"all": ".status == 200"}), &pods(&[200, 503, 500]));
    assert_eq!(
        items(&judgement),
        [("pod/ta-1".into(), json!(503)), ("pod/ta-2".into(), json!(500))]
    );
    assert_eq!((judgement.expected, judgement.actual), (json!(3), json!(1)));

    let judgement = judge(&json!({"exactly": 1, "of": ".json.leader"}), &pods(&[1, 2]));
    assert_eq!(
        items(&judgement),
        [("pod/ta-0".into(), json!(false)), ("pod/ta-1".into(), json!(false))]
    );
    assert_eq!((judgement.expected, judgement.actual), (json!(1), json!(0)));

    let judgement = judge(&json!({"same": ".status"}), &pods(&[200, 503, 200]));
    assert_eq!(items(&judgement), [("pod/ta-1".into(), json!(503))]);
    assert_eq!((judgement.expected, judgement.actual), (json!(200), json!([200, 503])));
}

#[test]
fn items_are_named_by_what_they_have() {
    let output = json!([
        {"pod": "a", "x": 1}, {"pod": "pod/b", "x": 1}, {"name": "c", "x": 1},
        {"metadata": {"name": "d"}, "x": 1}, {"x": 1},
    ]);
    let judgement = judge(&json!({"all": ".x == 2"}), &output);
    let names: Vec<_> = judgement.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["pod/a", "pod/b", "c", "d", "item 5"]);
}

#[test]
fn unknown_items_are_judged_in_three_valued_logic() {
    let error = json!({"pod": "e", "error": "connection refused", "unread": true});
    let good = json!({"pod": "g", "ok": true});
    let bad = json!({"pod": "b", "ok": false});
    let shapeless = json!({"pod": "s"});
    let value = json!({"pod": "v", "ok": true, "value": 1, "error": {"message": "old"}});
    use Truth::{Error, False, True};
    let all = json!({"all": ".ok"});
    let any = json!({"any": ".ok"});
    let none = json!({"none": ".ok"});
    let one = json!({"exactly": 1, "of": ".ok"});
    let same = json!({"same": ".ok"});
    let cases: [(&Value, &[&Value], Truth); 20] = [
        (&all, &[&good, &error], Error),
        (&all, &[&bad, &error], False),
        (&all, &[&good, &shapeless], Error),
        (&all, &[&good, &value], True),
        (&any, &[&good, &error], True),
        (&any, &[&bad, &error], Error),
        (&any, &[&error], Error),
        (&none, &[&good, &error], False),
        (&none, &[&bad, &error], Error),
        (&one, &[&good, &error], Error),
        (&one, &[&bad, &error], Error),
        (&one, &[&good, &good, &error], False),
        (&one, &[&bad, &bad], False),
        (&json!({"exactly": 3, "of": ".ok"}), &[&good, &error], False),
        (&json!({"exactly": 2, "of": ".ok"}), &[&good, &error], Error),
        (&same, &[&good, &bad, &error], False),
        (&same, &[&good, &error], Error),
        (&same, &[&error], Error),
        (&same, &[&good, &shapeless], Error),
        (&same, &[&good, &value], True),
    ];
    for (fields, items, outcome) in cases {
        let output: Value = items.iter().map(|item| (*item).clone()).collect();
        let judgement = judge(fields, &output);
        assert_eq!(judgement.outcome, outcome, "{fields} {output}: {}", judgement.reason);
    }
    let judgement = judge(&all, &json!([good, error]));
    assert_eq!(judgement.reason, "pod/e: connection refused");
    assert_eq!(judgement.items[0].value, json!("error: connection refused"));
    let judgement = judge(&all, &json!([good, shapeless]));
    assert!(judgement.reason.starts_with("pod/s: `.ok` is null"), "{}", judgement.reason);
}

#[test]
fn over_gives_the_list() {
    let output = json!({"items": [{"a": 1}, {"a": 2}], "one": {"a": 1}});
    let cases = [
        (json!({"all": ".a > 0", "over": ".items"}), Truth::True, "2 of 2"),
        (
            json!({"all": ".a > 1", "over": ".items"}),
            Truth::False,
            "1 of 2, want all: item 1: 1, want > 1",
        ),
        (json!({"all": ".a > 0", "over": "[.items[]]"}), Truth::True, "2 of 2"),
        (
            json!({"all": ".a > 0", "over": ".items[]"}),
            Truth::Error,
            "`over` returned 2 values instead of one list: use `[.items[]]`",
        ),
        (json!({"all": ".a > 0", "over": ".nope"}), Truth::Error, "`.nope` is null, not a list"),
        (
            json!({"all": ".a > 0", "over": "empty, (.items[] | select(.a > 5))"}),
            Truth::Error,
            "`over` returned 0 values instead of one list: use `[empty, (.items[] | select(.a > \
                5))]`",
        ),
    ];
    for (fields, outcome, reason) in cases {
        let judgement = judge(&fields, &output);
        assert_eq!((judgement.outcome, judgement.reason.as_str()), (outcome, reason), "{fields}");
    }
    let judgement = judge(&json!({"all": ".a"}), &json!({"a": 1}));
    assert_eq!(judgement.reason, "`.` is {\"a\":1}, not a list: select the list with `over`");
}

#[test]
fn an_expectation_that_makes_no_sense_is_refused() {
    let cases = [
        (json!({}), "expect", "an expectation requires one of"),
        (json!({"message": "x"}), "expect", "an expectation requires one of"),
        (json!({"that": ".a", "all": ".b"}), "all", "`that` and `all` cannot be combined"),
        (json!({"exactly": 1}), "exactly", "`exactly` requires `of`"),
        (json!({"of": ".a"}), "of", "an expectation requires one of"),
        (json!({"all": ".a", "of": ".b"}), "of", "`of` belongs to `exactly`, not to `all`"),
        (json!({"that": ".a", "over": ".b"}), "over", "`over` belongs to a quantifier"),
        (json!({"that": "true"}), "that", "constant expectation"),
        (json!({"that": "anny(.a)"}), "that", "there is no filter `anny`"),
        (json!({"exactly": 1, "of": "anny(.a)"}), "of", "there is no filter `anny`"),
        (json!({"all": ".a", "over": "$nope"}), "over", "unknown variable `$nope`"),
    ];
    for (fields, field, message) in cases {
        let (at, error) = compile_expectation(&expect(&fields), &["params"]).expect_err("refused");
        assert_eq!(at, field, "{fields}");
        assert!(error.message.contains(message), "{fields}: {}", error.message);
    }
    serde_json::from_value::<Expect>(json!({"al": ".a"})).expect_err("unknown key");
}

#[test]
fn a_judgement_survives_the_journal() {
    let judgement = judge(
        &json!({"all": ".status == 200", "message": "every pod answers"}),
        &pods(&[200, 503]),
    );
    assert_eq!(judgement.message.as_deref(), Some("every pod answers"));
    assert_eq!(judgement.that, "all: .status == 200");
    let text = serde_json::to_string(&judgement).expect("serializes");
    assert_eq!(serde_json::from_str::<Judgement>(&text).expect("parses"), judgement);
}

#[test]
fn references_come_from_every_part() {
    let fields = json!({"all": ". == $params.a", "over": "$params.b"});
    let compiled = compile_expectation(&expect(&fields), &["params"]).expect("compiles");
    let names: Vec<_> =
        compiled.references().filter_map(|reference| reference.name.as_deref()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn large_values_and_endless_conditions_are_cut() {
    let judgement = judge(&json!({"that": ".big | all(. > 1)"}), &json!({"big": vec![1; 5000]}));
    let actual = judgement.actual.as_str().expect("cut").to_owned();
    assert!(actual.len() < 1000 && actual.ends_with("(5000 items)"), "{actual}");
    assert!(judgement.reason.len() < 300);

    let compiled = compile_expectation(&expect(&json!({"all": "[., range(infinite)] == 1"})), &[])
        .expect("compiles");
    let budget = Budget { fuel: 10_000, ..Budget::default() };
    let judgement = compiled.judge(&json!([1, 2]), &Bindings::new(), budget);
    assert_eq!(judgement.outcome, Truth::Error);
    assert!(judgement.reason.starts_with("stopped after 10000 steps"), "{}", judgement.reason);
}
