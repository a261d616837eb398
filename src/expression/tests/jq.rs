use serde_json::{Value, json};

use crate::expression::{Bindings, Budget, EvalErrorKind, Jq, compile};

const VARIABLES: [&str; 5] = ["params", "steps", "findings", "run", "item"];

fn jq(source: &str) -> Jq {
    match compile(source, &VARIABLES) {
        Ok(jq) => jq,
        Err(error) => panic!("{source}: {error:?}"),
    }
}

fn bindings() -> Bindings {
    Bindings::new()
        .with("params", json!({"symbol": "BTCUSDT", "version": "v1.0.68"}))
        .with("steps", json!({"leader": {"failed": true, "output": [1, 2]}}))
        .with("run", json!({"now": "2026-11-20T03:00:00Z"}))
}

fn run(source: &str, input: Value) -> Vec<Value> {
    match jq(source).run(&input, &bindings(), Budget::default()) {
        Ok(outputs) => outputs,
        Err(error) => panic!("{source}: {error:?}"),
    }
}

#[test]
fn programs_give_their_outputs() {
    let cases = [
        (".", json!({"a": 1}), json!([{"a": 1}])),
        (".a.b", json!({"a": {"b": null}}), json!([null])),
        (".[]", json!([1, 2, 3]), json!([1, 2, 3])),
        (".[] | select(. > 1)", json!([1, 2, 3]), json!([2, 3])),
        ("length > 0", json!([]), json!([false])),
        ("map(. * 2)", json!([1, 2]), json!([[2, 4]])),
        (".a *= 3", json!({"a": 2}), json!([{"a": 6}])),
        (".[] += 1", json!([1, 2]), json!([[2, 3]])),
        ("[.. | numbers]", json!([1, [2, {"a": 3}]]), json!([[1, 2, 3]])),
        ("walk(if type == \"number\" then . + 1 else . end)", json!([1, [2]]), json!([[2, [3]]])),
        ("del(.[] | select(. == 2))", json!([1, 2, 3]), json!([[1, 3]])),
        ("reduce .[] as $x (0; . + $x)", json!([1, 2, 3]), json!([6])),
        ("[foreach .[] as $x (0; . + $x)]", json!([1, 2, 3]), json!([[1, 3, 6]])),
        ("[foreach .[] as $x (0; . + $x; [$x, .])]", json!([1, 2]), json!([[[1, 1], [2, 3]]])),
        (
            "[range(3)], [range(1; 3)], [range(0; 6; 3)]",
            json!(null),
            json!([[0, 1, 2], [1, 2], [0, 3]]),
        ),
        ("[limit(3; repeat(1))]", json!(null), json!([[1, 1, 1]])),
        ("[.[] | until(. > 100; . * 2)]", json!([1, 30]), json!([[128, 120]])),
        ("[while(. < 10; . * 2)]", json!(1), json!([[1, 2, 4, 8]])),
        ("[recurse(if . < 3 then . + 1 else empty end)]", json!(1), json!([[1, 2, 3]])),
        ("[paths]", json!({"a": [1]}), json!([[["a"], ["a", 0]]])),
        ("[leaf_paths]", json!({"a": [1]}), json!([[["a", 0]]])),
        ("getpath([\"a\", \"b\"])", json!({"a": {"b": 5}}), json!([5])),
        ("setpath([\"a\", 0]; 5)", json!({"a": [1, 2]}), json!([{"a": [5, 2]}])),
        ("delpaths([[0], [1]])", json!([1, 2, 3]), json!([[3]])),
        ("to_entries", json!({"a": 1}), json!([[{"key": "a", "value": 1}]])),
        ("with_entries(.value += 1)", json!({"a": 1}), json!([{"a": 2}])),
        ("group_by(.a) | map(length)", json!([{"a": 1}, {"a": 2}, {"a": 1}]), json!([[2, 1]])),
        ("sort_by(.a) | map(.a)", json!([{"a": 2}, {"a": 1}]), json!([[1, 2]])),
        ("unique", json!([2, 1, 2]), json!([[1, 2]])),
        ("add", json!([[1], [2]]), json!([[1, 2]])),
        ("any, all", json!([true, false]), json!([true, false])),
        ("any(. > 1), all(. > 1)", json!([1, 2]), json!([true, false])),
        ("\"a\\(.x)b\"", json!({"x": [1, "q"]}), json!(["a[1,\"q\"]b"])),
        ("@base64 \"x\\(.)\"", json!("hi"), json!(["xaGk="])),
        (
            "tojson, (tojson | fromjson)",
            json!({"a": [1.5, null]}),
            json!(["{\"a\":[1.5,null]}", {"a": [1.5, null]}]),
        ),
        ("tostring", json!(1), json!(["1"])),
        ("test(\"^v[0-9]\")", json!("v1"), json!([true])),
        ("capture(\"(?<n>[0-9]+)\").n", json!("v12"), json!(["12"])),
        ("split(\",\") | join(\"-\")", json!("a,b"), json!(["a-b"])),
        ("first, last", json!([1, 2]), json!([1, 2])),
        ("try error(\"x\") catch .", json!(null), json!(["x"])),
        (".a?", json!([1]), json!([])),
        ("(.a // \"none\")", json!({}), json!(["none"])),
        ("label $out | .[] | if . == 2 then break $out else . end", json!([1, 2, 3]), json!([1])),
        (". as [$a, {b: $b}] | $a + $b", json!([1, {"b": 2}]), json!([3])),
        ("\"ab\" * 3", json!(null), json!(["ababab"])),
        ("\"2026-11-20T00:00:00Z\" | fromdate", json!(null), json!([1_795_132_800])),
        ("IN(1, 2)", json!(2), json!([true])),
        ("IN(.[]; 2, 3)", json!([1, 2]), json!([true])),
        ("INDEX(.id)", json!([{"id": "a"}]), json!([{"a": {"id": "a"}}])),
        ("ascii", json!(65), json!(["A"])),
        ("toarray", json!(1), json!([[1]])),
        ("trimstr(\"x\")", json!("xax"), json!(["a"])),
        ("@csv", json!([1, "a\"b", null, true]), json!(["1,\"a\"\"b\",,true"])),
        ("@tsv", json!(["a\tb", 1]), json!(["a\\tb\t1"])),
        ("4 / 2, 1.0, 1e3, 0.5", json!(null), json!([2, 1, 1000, 0.5])),
        (".", json!(18_446_744_073_709_551_615_u64), json!([18_446_744_073_709_551_615_u64])),
        ("nan", json!(null), json!([null])),
        ("{a, \"b\": 2, (\"c\"): 3, $params}.params.symbol", json!({"a": 1}), json!(["BTCUSDT"])),
        ("$steps.leader.output | length", json!(null), json!([2])),
        ("[combinations]", json!([[1, 2], [3]]), json!([[[1, 3], [2, 3]]])),
        ("transpose", json!([[1, 2], [3, 4]]), json!([[[1, 3], [2, 4]]])),
        ("flatten", json!([1, [2, [3]]]), json!([[1, 2, 3]])),
        ("min, max", json!([2, 1]), json!([1, 2])),
        ("# only a comment\n .", json!(1), json!([1])),
    ];
    for (source, input, expected) in cases {
        assert_eq!(Value::Array(run(source, input)), expected, "{source}");
    }
}

#[test]
fn operators_have_their_filters() {
    let cases = [
        ("semver_cmp(\"v1.0.68\"; \"1.0.68\")", json!(0)),
        ("semver_cmp(\"v1.0.60\"; \"v1.0.68\")", json!(-1)),
        ("semver_cmp(\"v1.0.100\"; \"v1.0.68\")", json!(1)),
        ("semver_cmp(\"1.2\"; \"1.2.0\")", json!(0)),
        ("semver_cmp(\"1.2.3-rc.1\"; \"1.2.3\")", json!(-1)),
        ("semver_cmp(\"1.2.3-rc.2\"; \"1.2.3-rc.10\")", json!(-1)),
        ("semver_cmp(\"1.2.3-1\"; \"1.2.3-a\")", json!(-1)),
        ("semver_cmp(\"1.2.3+a\"; \"1.2.3+b\")", json!(0)),
        (
            "\"v1.2.3-rc.1+7\" | semver | [.major, .minor, .patch, .pre, .build]",
            json!([1, 2, 3, "rc.1", "7"]),
        ),
        ("\"512Mi\" | quantity", json!(536_870_912)),
        ("\"250m\" | quantity", json!(0.25)),
        ("\"1e3\" | quantity", json!(1000)),
        ("\"1.5Gi\" | quantity", json!(1_610_612_736)),
        ("\"2k\" | quantity", json!(2000)),
        ("\"100n\" | quantity", json!(1e-7)),
        ("3 | quantity", json!(3)),
        ("\"1h30m\" | duration", json!(5400)),
        ("\"500ms\" | duration", json!(0.5)),
        ("\"2d\" | duration", json!(172_800)),
        ("\"1.5h\" | duration", json!(5400)),
        ("\"0\" | duration", json!(0)),
        ("\"-5s\" | duration", json!(-5)),
        ("\"2026-11-20T02:59:00Z\" | age", json!(60)),
        ("\"2026-11-20T03:59:00+01:00\" | age", json!(60)),
        ("10 | near(11; 1)", json!(true)),
        ("10 | near(12; 1)", json!(false)),
        ("95 | near(100; \"5%\")", json!(true)),
        ("94 | near(100; \"5%\")", json!(false)),
    ];
    for (source, expected) in cases {
        assert_eq!(run(source, json!(null)), [expected], "{source}");
    }
}

#[test]
fn failures_say_why() {
    let cases = [
        ("\"latest\" | semver", "\"latest\" is not a version like v1.2.3"),
        ("semver_cmp(\"latest\"; \"v1\")", "\"latest\" is not a version like v1.2.3"),
        ("semver_cmp(1; \"v1\")", "1 is not a string"),
        ("\"lots\" | quantity", "\"lots\" is not a quantity like 512Mi or 250m"),
        ("\"5 parsecs\" | duration", "\"5 parsecs\" is not a duration like 90s or 1h30m"),
        ("\"yesterday\" | age", "\"yesterday\" is not a time like 2026-01-31T12:00:00Z"),
        ("\"a\" | near(1; 1)", "\"a\" is not a number"),
        ("1 | .b", "cannot index 1 with \"b\""),
        ("error(\"too late\")", "too late"),
        ("error({a: 1})", "{\"a\":1}"),
        ("$findings", "$findings has no value here"),
        ("{(1|tojson|fromjson): 2}", "the object key 1 is not a string"),
    ];
    for (source, expected) in cases {
        let error = jq(source).run(&json!(null), &bindings(), Budget::default());
        assert_eq!(error.map_err(|error| error.message), Err(expected.to_owned()), "{source}");
    }
}

#[test]
fn a_long_value_in_an_error_is_cut() {
    let input = json!(vec!["a long element"; 10_000]);
    let error =
        jq(".nope").run(&input, &bindings(), Budget::default()).map_err(|error| error.message);
    let message = error.expect_err("an array has no field");
    assert!(message.len() < 600, "{} bytes", message.len());
    assert!(message.ends_with("with \"nope\""), "{message}");
}

#[test]
fn a_condition_is_true_or_false_and_nothing_else() {
    let cases = [
        (".a", json!({"a": true}), Ok(true)),
        (".a", json!({"a": false}), Ok(false)),
        (
            ".a",
            json!({}),
            Err("`.a` is null, not true or false: the path does not exist or has no value"),
        ),
        (".a", json!({"a": 3}), Err("`.a` is 3, not true or false: compare it, as in `… == 1`")),
        (
            ".[] | . > 1",
            json!([]),
            Err("`.[] | . > 1` returned no value instead of one: nothing was selected"),
        ),
        (
            ".[] | . > 1",
            json!([1, 2]),
            Err("`.[] | . > 1` returned 2 values instead of one: \
            false, true"),
        ),
    ];
    for (source, input, expected) in cases {
        let actual = jq(source).condition(&input, &bindings(), Budget::default());
        let actual = actual.map_err(|error| error.message);
        assert_eq!(actual, expected.map_err(str::to_owned), "{source}");
    }
}

#[test]
fn a_condition_error_has_a_kind() {
    let kind = |source: &str| {
        let result = jq(source).condition(&json!(null), &bindings(), Budget::default());
        result.map_err(|error| error.kind)
    };
    assert_eq!(kind("null"), Err(EvalErrorKind::NotBoolean));
    assert_eq!(kind("empty"), Err(EvalErrorKind::NotOne));
    assert_eq!(kind("error"), Err(EvalErrorKind::Runtime));
}

#[test]
fn mistakes_are_found_when_compiled() {
    let cases = [
        ("", "expected an expression, and the expression ends here", "", None),
        (".a |", "expected an expression, and the expression ends here", "", None),
        (".a ==", "expected an expression, and the expression ends here", "", None),
        ("(.a", "`(` is never closed", "(", None),
        ("\"abc", "`\"` is never closed", "\"", None),
        (".a) == 1", "`)` is not part of jq", ")", None),
        (".a && .b", "`&` is not part of jq", "&", Some("use `and`")),
        (".a || .b", "expected the end of the expression, found `||`", "||", Some("use `or`")),
        (".a == 'x'", "`'` is not part of jq", "'", Some("strings are written in double quotes")),
        (
            "{{ params.x }}",
            "expected key, found `{ params.x }`",
            "{ params.x }",
            Some("this is jq, not a template: write $params.name"),
        ),
        ("anny(.a)", "there is no filter `anny`", "anny", Some("did you mean `any`?")),
        (
            "map(sellect(.a))",
            "there is no filter `sellect`",
            "sellect",
            Some("did you mean `select`?"),
        ),
        ("\"\\(lenght)\"", "there is no filter `lenght`", "lenght", Some("did you mean `length`?")),
        (".[lenght - 1]", "there is no filter `lenght`", "lenght", Some("did you mean `length`?")),
        ("size > 1", "there is no filter `size`", "size", Some("did you mean `length`?")),
        ("@jsn", "there is no filter `@jsn`", "@jsn", Some("did you mean `@json`?")),
        (
            "all(1; 2; 3)",
            "`all` takes 0 or 1 or 2 arguments, not 3",
            "all",
            Some("arguments are separated by `;`"),
        ),
        ("$parms.x", "unknown variable `$parms`", "$parms", Some("did you mean `$params`?")),
        (
            "env.HOME",
            "`env` is not available",
            "env",
            Some("declare a parameter and use $params.NAME"),
        ),
        (
            "\"\\(env)\"",
            "`env` is not available",
            "env",
            Some("declare a parameter and use $params.NAME"),
        ),
        (
            "$ENV.HOME",
            "unknown variable `$ENV`",
            "$ENV",
            Some("expressions cannot read the environment: declare a parameter"),
        ),
        (
            "now",
            "`now` is not available",
            "now",
            Some("use $run.now, or `age` for the seconds since a time"),
        ),
        ("halt", "`halt` is not available", "halt", Some("use `error(…)`")),
        ("input", "`input` is not available", "input", Some("use `.`")),
        ("debug", "`debug` is not available", "debug", Some("remove it")),
        ("localtime", "`localtime` is not available", "localtime", Some("use `gmtime`")),
        (
            "def f: f; f",
            "`def f` is not allowed",
            "f",
            Some("write the filter inline where it is used"),
        ),
        (
            "\"\\(def f: f; f)\"",
            "`def f` is not allowed",
            "f",
            Some("write the filter inline where it is used"),
        ),
        (
            ".[def f: 1; f]",
            "`def f` is not allowed",
            "f",
            Some("write the filter inline where it is used"),
        ),
        ("_tick", "there is no filter `_tick`", "_tick", None),
        ("_main", "there is no filter `_main`", "_main", None),
        (
            "matches(\"x\"; \"\")",
            "there is no filter `matches`",
            "matches",
            Some("did you mean `test`?"),
        ),
        ("break $x", "there is no label `$x`", "$x", None),
        ("import \"a\" as a; .", "expected the end of the expression", "\"a\"", None),
    ];
    for (source, message, at, help) in cases {
        let error = compile(source, &VARIABLES).expect_err(source);
        assert!(error.message.starts_with(message), "{source}: {}", error.message);
        assert_eq!(&source[error.range.clone()], at, "{source}: {}", error.message);
        if help.is_some() {
            assert_eq!(error.help.as_deref(), help, "{source}");
        }
    }
}

#[test]
fn references_are_found_wherever_they_stand() {
    let cases: [(&str, &[(&str, Option<&str>, &str)]); 12] = [
        (".a", &[]),
        ("$params.x", &[("params", Some("x"), "$params.x")]),
        ("$steps.leader.output", &[("steps", Some("leader"), "$steps.leader")]),
        ("$steps[\"leader\"].output", &[("steps", Some("leader"), "$steps[\"leader\"]")]),
        ("$steps.\"leader\" | .output", &[("steps", Some("leader"), "$steps.\"leader\"")]),
        ("$steps | .leader.output == 1", &[("steps", Some("leader"), "$steps | .leader")]),
        ("$steps | keys", &[("steps", None, "$steps")]),
        ("\"\\($params.x)\"", &[("params", Some("x"), "$params.x")]),
        (
            "{($params.k): $params.v}",
            &[("params", Some("k"), "$params.k"), ("params", Some("v"), "$params.v")],
        ),
        ("map(select(. == $item))", &[("item", None, "$item")]),
        (".[$params.i]", &[("params", Some("i"), "$params.i")]),
        (
            "if $findings | any(.id == \"x\") then $run.now else 1 end",
            &[("findings", None, "$findings"), ("run", Some("now"), "$run.now")],
        ),
    ];
    for (source, expected) in cases {
        let jq = jq(source);
        let actual: Vec<_> = jq
            .references()
            .iter()
            .map(|r| (r.root.as_str(), r.name.as_deref(), &source[r.range.clone()]))
            .collect();
        assert_eq!(actual, expected, "{source}");
    }
}

#[test]
fn constants_are_recognised() {
    let constant = ["true", "1 == 1", "[1, 2] | length > 1", "\"a\" | test(\"b\")"];
    let dependent = [
        ".a",
        "$params.x == 1",
        "[1] | . == $params.x",
        "length > 0",
        "all(.a)",
        "{a}",
        "1 | age",
        ".. | true",
    ];
    for source in constant {
        assert!(jq(source).is_constant(), "{source}");
    }
    for source in dependent {
        assert!(!jq(source).is_constant(), "{source}");
    }
}

#[test]
fn a_program_runs_from_many_threads() {
    let jq = jq("[range(100)] | add == 4950 and $params.symbol == \"BTCUSDT\"");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (jq, bindings) = (jq.clone(), bindings());
            std::thread::spawn(move || {
                (0..50)
                    .all(|_| jq.condition(&json!(null), &bindings, Budget::default()) == Ok(true))
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().expect("no panic"));
    }
}
