use std::time::Duration;

use serde_json::{Value, json};

use crate::expression::{Bindings, Budget, EvalErrorKind, compile, template};

const BUDGET: Budget = Budget { fuel: 200_000, deadline: Duration::from_secs(2) };

#[test]
fn endless_programs_are_stopped() {
    let programs = [
        "[range(infinite)]",
        "[range(0; 1; 0)]",
        "[repeat(1)]",
        "[repeat(.)]",
        "last(repeat(1))",
        "[recurse(.)]",
        "[recurse(. + 1)]",
        "[recurse(.; true)]",
        "until(false; .)",
        "until(false; . + 1)",
        "[while(true; .)]",
        "first(range(infinite) | select(. < 0))",
        "isempty(range(infinite) | empty)",
        "any(range(infinite); . < 0)",
        "reduce range(infinite) as $x (0; . + 1)",
        "last(foreach range(infinite) as $x (0; . + 1))",
        "[limit(1e18; repeat(1))]",
        "[skip(1e18; repeat(1))]",
        "try [range(infinite)] catch 1",
        "[range(infinite)?] // 1",
        "[.[]?, (try repeat(1) catch 2)]",
        "reduce range(infinite) as $i (.; .a) |= 1",
        "path(repeat(.a))",
        "[paths(repeat(1))]",
        "[range(3000)] | [.[] as $a | .[] as $b | .[] as $c | $a + $b + $c] | length",
        "[[range(100)] | [., ., ., ., .] | combinations] | length",
        "reduce range(100) as $i ([0]; [., .]) | tojson | length",
        "reduce range(100) as $i ([0]; [., .])",
        "reduce range(1e9) as $i (0; [.])",
        "reduce range(1e9) as $i (0; {a: .})",
        "reduce range(1e9) as $i (0; .a = .)",
        "last(recurse([.]))",
        "until(false; [.])",
        "reduce range(1e9) as $i (\"x\"; . + .)",
        "reduce range(1e9) as $i ([1]; . + .)",
        "reduce range(1e9) as $i ([1]; group_by(.))",
    ];
    for program in programs {
        let jq = compile(program, &[]).expect(program);
        let error = jq.run(&json!({"a": 1}), &Bindings::new(), BUDGET).expect_err(program);
        let stopped = [
            EvalErrorKind::OutOfFuel,
            EvalErrorKind::Deadline,
            EvalErrorKind::TooLarge,
            EvalErrorKind::Runtime,
        ];
        assert!(stopped.contains(&error.kind), "{program}: {error:?}");
    }
}

#[test]
fn a_caught_error_does_not_hide_the_stop() {
    let jq = compile("try [range(infinite)] catch true", &[]).expect("compiles");
    let patient = Budget { deadline: Duration::from_secs(60), ..BUDGET };
    let result = jq.condition(&Value::Null, &Bindings::new(), patient);
    assert_eq!(result.map_err(|error| error.kind), Err(EvalErrorKind::OutOfFuel));
}

#[test]
fn what_does_not_count_its_steps_meets_the_deadline() {
    let budget = Budget { fuel: u64::MAX, deadline: Duration::from_millis(200) };
    for program in ["[range(infinite)] | length", "last(recurse(. + 1))"] {
        let jq = compile(program, &[]).expect(program);
        let error = jq.run(&Value::Null, &Bindings::new(), budget).expect_err(program);
        assert_eq!(error.kind, EvalErrorKind::Deadline, "{program}");
    }
}

#[test]
fn large_requests_are_refused() {
    let programs = [
        "\"xxxxxxxx\" * 1000000000000",
        "1000000000000 * \"xxxxxxxx\"",
        "\"x\" * 99999999999999999999",
        "\"[\" * 100000 | fromjson",
        "setpath([range(10000) | 0]; 1)",
        ". *= 1e400",
    ];
    for program in programs {
        let jq = compile(program, &[]).expect(program);
        jq.run(&json!("xxxxxxxx"), &Bindings::new(), BUDGET).expect_err(program);
    }
}

/// Each would make gigabytes; what it made until it was stopped is small, so that tests beside it
/// are not disturbed.
#[test]
fn what_multiplies_its_input_is_refused_before_it_does() {
    let input = json!("abc\n".repeat(250_000));
    let programs = [
        "[match(\"\"; \"g\")] | length",
        "[scan(\".\")] | length",
        "gsub(\"\"; \"xxxxxxxxxxxxxxxx\") | length",
        "[. * 8 | splits(\"\")] | length",
        ". / \"\" | length",
        ". * 30 | explode | length",
        ". * 30 | indices(\"b\") | length",
        "(. * 16) as $x | \"\\($x)\\($x)\\($x)\"",
        "[., ., ., ., ., ., ., .] | [., ., ., ., ., ., ., .] | tojson",
        "reduce range(60) as $i (1; [., .]) | tobytes",
        "\"[\" + (\"{},\" * 2000000) + \"1]\" | fromjson",
        "(\"%255d\" * 100000) as $format | 0 | strftime($format)",
        "reduce range(100) as $i (10000000000000000000; . * .)",
        "test(\"(a{1000}){1000}\")",
        ". * 30 | @html",
    ];
    for program in programs {
        let jq = compile(program, &[]).expect(program);
        let result = jq.run(
            &input,
            &Bindings::new(),
            Budget { deadline: Duration::from_secs(60), ..BUDGET },
        );
        let Err(error) = result else { panic!("{program}: not refused") };
        assert!(error.message.contains("too large"), "{program}: {error:?}");
    }
}

#[test]
fn templates_that_multiply_are_stopped() {
    let context = json!({"params": {"big": "abc\n".repeat(100_000), "items": [{"name": "a"}]}});
    let doubled = "{% set a = [1] %}".to_owned() + &"{% set a = [a, a] %}".repeat(40);
    let sources = [
        "{{ '%1000000000d' | format(1) }}",
        "{{ '%*d' | format(1000000000, 1) }}",
        "{{ range(1000) | batch(1000000000, 'x') }}",
        "{{ range(1000) | slice(1000000000) }}",
        "{{ params.items | tojson(indent=1000000000) }}",
        "{{ params.big | indent(1000000000) }}",
        "{{ params.big | indent(width=1000000000) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 1000000000 * 'x' }}",
        "{{ [1] * 1000000000 }}",
        "{{ range(1000000000) }}",
        "{{ range(100000) | join(params.big) }}",
        "{{ params.big | replace('a', params.big) }}",
        "{{ params.big | list }}",
        "{{ range(100000) | map('replace', '', params.big) | list }}",
        "{% for i in range(10000) %}{{ params.big }}{% endfor %}",
        "{% for i in range(10000) %}{{ (params.big ~ params.big) | length }}{% endfor %}",
        &(doubled.clone() + "{{ a }}"),
        &(doubled + "{{ a | tojson }}"),
    ];
    for source in sources {
        let error = template(source).expect(source).render(&context).expect_err(source);
        let stopped = [EvalErrorKind::TooLarge, EvalErrorKind::Runtime];
        assert!(stopped.contains(&error.kind) && error.message.len() < 200, "{source}: {error:?}");
    }
}

#[test]
fn dangerous_sources_are_refused_before_they_are_parsed() {
    let deep = [
        "(".repeat(300),
        "[".repeat(10_000) + &"]".repeat(10_000),
        "x".repeat(20_000),
        "1 + ".repeat(10_000),
    ];
    for source in deep {
        let error = compile(&source, &[]).expect_err("refused");
        assert!(source.get(error.range.clone()).is_some(), "{:?}", error.range);
    }
}

#[test]
fn deep_sources_without_brackets_do_not_overflow() {
    let sources = [
        "-".repeat(16_000) + "1",
        "try ".repeat(4_000) + "1",
        "1 as $x | ".repeat(1_600) + "1",
        "1 + ".repeat(4_000) + "1",
        ".|".repeat(8_000) + ".",
        "if 1 then ".repeat(1_000) + "1" + &" end".repeat(1_000),
        "\"))\" + (".repeat(1_000) + "1" + &")".repeat(1_000),
        ".[0]".repeat(4_000),
        "reduce ".repeat(2_000),
    ];
    for source in sources {
        if let Ok(jq) = compile(&source, &[]) {
            let _ = jq.run(&json!(null), &Bindings::new(), BUDGET);
        }
    }
}

#[test]
fn deep_values_are_refused() {
    let mut value = json!(1);
    for _ in 0..5_000 {
        value = Value::Array(vec![value]);
    }
    let jq = compile(".", &[]).expect("compiles");
    let error = jq.run(&value, &Bindings::new(), BUDGET).expect_err("too deep");
    assert_eq!(error.kind, EvalErrorKind::TooLarge);
    // Freed piece by piece: the recursive drop of such a value needs more stack than a test thread
    // has.
    while let Value::Array(mut items) = value {
        value = items.pop().unwrap_or_default();
    }
}

#[test]
fn any_text_compiles_or_is_refused() {
    proptest::proptest!(|(source in "[-.|,()\\[\\]{}$a-e \"\\\\?:;=<>+*/0-9@#é]{0,40}")| {
        match compile(&source, &["a"]) {
            Ok(jq) => drop(jq.run(&json!([1, {"a": "b"}]), &Bindings::new(), BUDGET)),
            Err(error) => proptest::prop_assert!(source.get(error.range).is_some()),
        }
    });
}
