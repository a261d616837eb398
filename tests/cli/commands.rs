//! The other commands, and what is said when something is missing.

use crate::support::Place;

#[test]
fn texts() {
    let place = Place::new();
    for (name, arguments) in [
        ("list", vec!["list"]),
        ("describe", vec!["describe", "ta-bot/no-signals"]),
        ("plan", vec!["plan", "ta-bot/no-signals", "--set", "log_window=5m"]),
        ("sandbox_list", vec!["sandbox", "list"]),
        ("quiet", vec!["run", "ta-bot/no-signals", "--sandbox", "-q"]),
    ] {
        insta::assert_snapshot!(name, place.run(&arguments).all());
    }
}

#[test]
fn short_texts() {
    let said = |arguments: &[&str]| Place::new().run(arguments).all();
    insta::assert_snapshot!(said(&["check"]), @r"
    84 runbooks checked, no errors
    --- exit 0
    ");
    insta::assert_snapshot!(said(&["history"]), @r"
    no runs yet
    --- exit 0
    ");
    insta::assert_snapshot!(said(&["run", "ta-bot/no-signal", "--sandbox"]), @r"
    --- stderr
    error: unknown runbook `ta-bot/no-signal`; did you mean `ta-bot/no-signals`?
      To list all runbooks: runbook list
    --- exit 2
    ");
    insta::assert_snapshot!(said(&["run", "no-signals", "--sandbox"]), @r"
    --- stderr
    error: unknown runbook `no-signals`; did you mean `ta-bot/no-signals`?
      To list all runbooks: runbook list
    --- exit 2
    ");
    insta::assert_snapshot!(said(&["run", "ta-bot/no-signals", "--sandbox=tabot-noleader"]), @r"
    --- stderr
    error: there is no sandbox scenario `tabot-noleader`; did you mean `tabot-no-leader`? See `runbook sandbox list`
    --- exit 2
    ");
    insta::assert_snapshot!(said(&["run", "ta-bot/no-signals"]), @r"
    --- stderr
    error: no cluster to run against: no kubeconfig at ~/.kube/config, and KUBECONFIG is not set
      Select a cluster with --kubeconfig or --context, or run without one: --sandbox
    --- exit 3
    ");
    insta::assert_snapshot!(said(&["run", "ta-bot/no-signals", "--context", "prod"]), @r"
    --- stderr
    error: no cluster to run against: no kubeconfig at ~/.kube/config, and KUBECONFIG is not set
      Select a cluster with --kubeconfig or --context, or run without one: --sandbox
    --- exit 3
    ");
    insta::assert_snapshot!(said(&["show", "01ABC"]), @r"
    --- stderr
    error: run `01ABC` not found; no runs are recorded yet
    --- exit 2
    ");
    insta::assert_snapshot!(said(&["run", "ta-bot/no-signals", "--sandbox", "--set", "log_windwo=5m", "--set", "min_candles=many"]), @r"
    --- stderr
    error: parameter `log_windwo` is unknown; did you mean `log_window`?
    error: parameter `min_candles`: `many` is not a whole number
    --- exit 2
    ");
}

#[test]
fn a_run_can_be_shown_again_and_stands_in_the_history() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: Count\nparams:\n  limit: {type: int, default: 2}\nsteps:\n  - \
        id: numbers\n    title: Some numbers\n    value: '[{name: \"a\", n: 1}, {name: \"b\", n: \
        3}]'\n  - id: small\n    title: All are small\n    value: $steps.numbers.output\n    \
        expect:\n      - all: .n <= $params.limit\n        message: too large\nfindings:\n  - id: \
        too-large\n    when: $steps.small.failed\n    cause: A number is too large\n    remedy: \
        {text: count again}\n";
    let file = place.write("count.yaml", text);
    assert_eq!(place.run(&["run", &file]).code, 1);
    insta::assert_snapshot!("show", place.run(&["show", "01K9ZQ4T"]).all());
    insta::assert_snapshot!("history", place.run(&["history"]).all());
    let other = place.run(&["history", "ta-bot/smoke"]);
    assert_eq!(other.stdout, "no run matches; 1 run is recorded\n");
}

#[test]
fn colour_is_an_option_and_never_in_a_pipe() {
    let place = Place::new();
    let coloured = place.run(&["run", "ta-bot/no-signals", "--sandbox", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}["));
    let plain = Place::new().run(&["run", "ta-bot/no-signals", "--sandbox", "--color", "never"]);
    assert!(!plain.stdout.contains('\u{1b}'));
}

#[test]
fn without_utf8_the_symbols_are_words() {
    let place = Place::new();
    let said = crate::support::said(place.command().env("LC_ALL", "C").args([
        "run",
        "ta-bot/no-signals",
        "--sandbox",
    ]));
    assert!(said.stdout.is_ascii(), "{}", said.stdout);
    assert!(said.stdout.contains("FAIL leader"), "{}", said.stdout);
}

#[test]
fn a_confirmation_without_a_terminal_pauses_the_run() {
    let place = Place::new();
    let file = place.write(
        "ask.yaml",
        "runbook: v1\ntitle: Ask\nsteps:\n  - id: sure\n    title: Are we sure\n    confirm: \
            {question: Go on?}\n  - id: after\n    title: Only after the answer\n    value: \
            $params\n",
    );
    let said = place.run(&["run", &file]);
    assert_eq!(said.code, 4, "{}", said.all());
    insta::assert_snapshot!(said.all(), @r"
    ask.yaml  Ask
    run 00000000

    ! Paused after 0 ms · no step was executed

      Waits for an answer: sure. Not started: after.
      sure: Go on?

      Next       runbook approve 00000000 --step sure
      Continue   runbook resume 00000000

      Full record: runbook show 00000000
    --- exit 4
    ");
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!(document["verdict"], "paused");
}

#[test]
fn words_of_other_tools_get_ours() {
    let place = Place::new();
    for (words, wanted) in [
        (&["run", "x", "-e", "a=b"][..], "A value of a parameter follows --set: --set NAME=VALUE"),
        (&["run", "x", "target=web"], "A value of a parameter follows --set: --set target=VALUE"),
        (&["run", "x", "--check"], "A preview without changes is --dry-run"),
        (&["run", "x", "-A"], "A run is about one namespace: -n NAMESPACE"),
        (&["lint"], "The command for this is: runbook check"),
        (&["triage"], "To run a runbook: runbook run kubernetes/triage"),
    ] {
        let said = place.run(words);
        assert_eq!(said.code, 2, "{words:?}");
        assert!(said.stderr.contains(wanted), "{words:?}: {}", said.stderr);
    }
}

#[test]
fn an_error_is_a_document_where_one_is_wanted() {
    let place = Place::new();
    let bad = place.write("bad.yaml", "runbook: v1\ntitel: x\n");
    for (words, code, says) in [
        (&["run", "nosuch", "--sandbox"][..], 2, "unknown runbook `nosuch`"),
        (&["run", &bad, "--sandbox"], 2, ""),
        (&["run", "ta-bot/health", "--sandbox", "--set", "nope=1"], 2, "parameter `nope` is"),
        (&["run", "ta-bot/health"], 3, "no cluster to run against"),
        (&["show", "nosuch"], 2, "run `nosuch` not found"),
        (&["undo", "latest"], 2, "run `latest` not found"),
        (&["list", "--nope"], 2, "unexpected argument '--nope' found"),
        (&["status"], 2, "the following required arguments were not provided: <RUN>"),
    ] {
        // what has no events has no lines of them
        let lines = ["list", "status"].contains(&words[0]);
        let lines = if lines { &["-ojson"][..] } else { &["-o", "jsonl"] };
        for format in [&["--output", "json"][..], lines, &["--output=json"]] {
            let said = place.run(&[words, format].concat());
            let document: serde_json::Value =
                serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.all()));
            assert_eq!((said.code, &document["exit_code"]), (code, &code.into()), "{document}");
            assert_eq!(document["schema"], "runbook.error/v1");
            match document["errors"][0].as_str() {
                Some(error) => assert!(error.contains(says) && !says.is_empty(), "{document}"),
                None => assert_eq!(document["diagnostics"][0]["code"], "RB0104", "{document}"),
            }
        }
        // without it, stdout is for results
        assert_eq!(place.run(words).stdout, "", "{words:?}");
    }
}
