//! Input that is wrong gets an error that helps, exit 2 or 3, and never a panic or a hang.

use crate::support::{Place, said};
use std::process::{Command, Stdio};

fn check(text: impl AsRef<[u8]>) -> String {
    let place = Place::new();
    let file = place.write("x.yaml", text);
    let said = place.run(&["check", &file]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    said.all()
}

const HEAD: &str = "runbook: v1\ntitle: T\nparams:\n  window: {type: duration, default: 15m}\n";

/// Every mistake with its place, its reason and what to do.
#[test]
fn mistakes_in_a_runbook() {
    for (name, steps) in [
        ("unknown_field", "steps:\n  - id: a\n    get: {kind: Pod, selecter: app=x}\n"),
        ("unknown_verb", "steps:\n  - id: a\n    gte: {kind: Pod}\n"),
        ("two_actions", "steps:\n  - id: a\n    get: {kind: Pod}\n    pause: 1s\n"),
        ("no_action", "steps:\n  - id: a\n    title: Nothing\n"),
        (
            "wrong_types",
            "steps:\n  - id: a\n    http: {target: deployment/x, port: [1], pods: some}\n    \
                timeout: 5\n",
        ),
        (
            "duplicate_key",
            "steps:\n  - id: a\n    title: One\n    title: Two\n    get: {kind: Pod}\n",
        ),
        (
            "duplicate_id",
            "steps:\n  - id: a\n    get: {kind: Pod}\n  - id: a\n    get: {kind: Pod}\n",
        ),
        (
            "later_step",
            "steps:\n  - id: a\n    value: $steps.b.output\n  - id: b\n    get: {kind: Pod}\n",
        ),
        (
            "no_such_step",
            "steps:\n  - id: pods\n    get: {kind: Pod}\n  - id: b\n    value: $steps.pod.output\n",
        ),
        (
            "parallel_sibling",
            "steps:\n  - id: g\n    parallel: true\n    steps:\n      - id: a\n        get: {kind: \
                Pod}\n      - id: b\n        value: $steps.a.output\n",
        ),
        (
            "undefined_parameter",
            "steps:\n  - id: a\n    logs: {target: deployment/x, since: \"{{ params.windwo }}\"}\n",
        ),
        (
            "jq_syntax",
            "steps:\n  - id: a\n    get: {kind: Pod}\n    expect:\n      - that: .items | lenght > \
                0\n      - that: .items[ | length\n",
        ),
        (
            "template_syntax",
            "steps:\n  - id: a\n    title: \"{{ params.window | shoutt }}\"\n    get: {kind: \
                Pod}\n  - id: b\n    title: \"{{ params.window\"\n    get: {kind: Pod}\n",
        ),
        (
            "unquoted_template",
            "steps:\n  - id: a\n    logs: {target: deployment/x, since: {{ params.window }}}\n",
        ),
        ("yaml_1_1", "steps:\n  - id: a\n    get: {kind: Pod, all_namespaces: yes, name: 0755}\n"),
        (
            "constant_condition",
            "steps:\n  - id: a\n    when: 1 == 1\n    get: {kind: Pod}\n    expect:\n      - \
                that: \"true\"\n",
        ),
        (
            "no_deadline",
            "steps:\n  - id: a\n    wait: {kind: Pod, name: x, until: .status.phase \
                == \"Running\"}\n  - id: b\n    get: {kind: Pod}\n    until: .items | length > 0\n",
        ),
        ("no_such_runbook", "steps:\n  - id: a\n    run: {runbook: ta-bot/smokee}\n"),
        (
            "wrong_arguments",
            "steps:\n  - id: a\n    get: {kind: Pod, name: x, selector: app=y}\n  - id: b\n    \
                exec: {target: deployment/x, command: []}\n",
        ),
        (
            "duration_as_number",
            "steps:\n  - id: a\n    get: {kind: Pod, name: x}\n    expect:\n      - that: \
                (.status.startTime | age) < $params.window * 2\n      - that: $params.window != \
                null and ($params.window|duration) > 1\n",
        ),
        ("item_outside", "steps:\n  - id: a\n    value: $item\n"),
        (
            "shell_in_list",
            "steps:\n  - id: a\n    exec: {target: deployment/x, command: \"ls | grep x\"}\n",
        ),
        (
            "wrong_parameter",
            "steps:\n  - id: a\n    run: {runbook: ta-bot/smoke, with: {namespcae: x}}\n",
        ),
    ] {
        insta::assert_snapshot!(format!("mistake_{name}"), check(format!("{HEAD}{steps}")));
    }
}

/// A runbook that judges less than it seems to is usable, and is said to be so.
#[test]
fn a_step_that_judges_nothing_is_a_warning() {
    let place = Place::new();
    let file = place.write(
        "x.yaml",
        "runbook: v1\ntitle: T\nsteps:\n  - id: events\n    title: Nothing is wrong\n    events: \
            {warnings: true}\n  - {id: shown, severity: info, events: {}}\n",
    );
    let said = place.run(&["check", &file]);
    assert_eq!(said.code, 0, "{}", said.all());
    insta::assert_snapshot!("warning_judges_nothing", said.all());
    let (document, code) = place.json(&["check", &file]);
    assert_eq!((code, document["errors"].as_array().map(Vec::len)), (0, Some(0)));
    let warning = &document["warnings"][0];
    assert_eq!((&warning["code"], &warning["line"]), (&"RB0501".into(), &4.into()), "{document}");
}

#[test]
fn a_cycle_of_runbooks_is_found() {
    let place = Place::new();
    let text = |other: &str| {
        format!("runbook: v1\ntitle: T\nsteps:\n  - id: a\n    run: {{runbook: {other}}}\n")
    };
    place.write("runbooks/one.yaml", text("two"));
    place.write("runbooks/two.yaml", text("one"));
    let said = place.run(&["check", "one"]);
    assert_eq!(said.code, 2);
    insta::assert_snapshot!(said.all(), @r"
    --- stderr
    error[RB0401]: a cycle of runbooks: one -> two -> one
     --> runbooks/two.yaml:5:20
      |
    5 |     run: {runbook: one}
      |                    ^^^ calls itself
    error: 1 error in 1 of 1 runbook
    --- exit 2
    ");
}

#[test]
fn files_that_are_no_runbooks() {
    for (name, text) in [
        ("empty", Vec::new()),
        ("comment", b"# nothing\n".to_vec()),
        ("utf8", b"runbook: v1\ntitle: \xff\xfe\n".to_vec()),
        ("huge", vec![b'a'; 10 << 20]),
        ("list", b"- a\n- b\n".to_vec()),
        ("version", b"runbook: v2\ntitle: T\nsteps: [{id: a, pause: 1s}]\n".to_vec()),
        ("bomb", b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n".to_vec()),
    ] {
        insta::assert_snapshot!(format!("file_{name}"), check(text));
    }
    for deep in [
        "[".repeat(200_000),
        "{a: ".repeat(200_000),
        format!(
            "{HEAD}steps:\n  - id: a\n    value: '{}1{}'\n",
            "(".repeat(7000),
            ")".repeat(7000)
        ),
    ] {
        check(deep);
    }
    let place = Place::new();
    std::fs::create_dir(place.path().join("folder.yaml")).unwrap();
    let said = place.run(&["run", "folder.yaml"]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.stderr.contains("is a folder"), "{}", said.stderr);
    let missing = place.run(&["run", "missing.yaml"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("cannot be read"), "{}", missing.stderr);
}

#[test]
fn a_jq_program_that_never_ends_is_stopped() {
    let place = Place::new();
    let file = place.write(
        "x.yaml",
        "runbook: v1\ntitle: T\nsteps:\n  - id: a\n    title: For ever\n    value: \
            '[range(infinite)] | length'\n  - id: b\n    title: Recursion\n    value: \
            '[recurse(.)] | length'\n",
    );
    let said = place.run(&["run", &file]);
    assert_eq!(said.code, 3, "{}", said.all());
    assert!(!said.stderr.contains("panicked"));
}

#[test]
fn a_dead_server_is_said_in_one_sentence() {
    let place = Place::new();
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, \
        cluster: {server: \"http://127.0.0.1:1\"}}]\ncontexts: [{name: c, context: {cluster: c, \
        user: u}}]\nusers: [{name: u, user: {}}]\n";
    let file = place.write("kubeconfig", kubeconfig);
    let said = place.run(&["run", "ta-bot/no-signals", "--kubeconfig", &file]);
    assert_eq!(said.code, 3, "{}", said.all());
    insta::assert_snapshot!("dead_server", said.all());
    let broken = place.write("broken", "clusters: [");
    let said = place.run(&["run", "ta-bot/no-signals", "--kubeconfig", &broken]);
    assert_eq!(said.code, 3, "{}", said.all());
}

/// A server whose certificate was valid in 2020 only; its authority is known.
#[test]
fn an_expired_certificate_is_called_expired() {
    let config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![include_bytes!("fixtures/expired.der").to_vec().into()],
        rustls::pki_types::PrivatePkcs8KeyDer::from(
            include_bytes!("fixtures/expired.key.der").to_vec(),
        )
        .into(),
    )
    .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap());
    let config = std::sync::Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().take(20) {
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            // the client refuses the certificate: that is the point
            let _ = connection.complete_io(&mut stream.unwrap());
        }
    });
    let place = Place::new();
    let authority = place.write("authority.pem", include_str!("fixtures/authority.pem"));
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: \
            {{server: \"{server}\", certificate-authority: {authority}}}}}]\ncontexts: [{{name: c, \
            context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    );
    let file = place.write("kubeconfig", kubeconfig);
    let said = place.run(&["run", "ta-bot/smoke", "--kubeconfig", &file]);
    assert_eq!(said.code, 3, "{}", said.all());
    insta::assert_snapshot!(said.all(), @r"
    ta-bot/smoke  Verify TA Bot after a change
    c · petrosa-apps · run 00000000

      ? cluster    The cluster is reachable                 undetermined
                     no trusted connection to https://127.0.0.1:PORT to read the
                     server version: invalid peer certificate: certificate
                     expired; the certificate of the server has expired: renew it,
                     or correct the clock of this machine

    ? Could not be determined after 0 ms · 1 undetermined

      Full record: runbook show 00000000
    --- exit 3
    ");
}

/// `runbook … | head`: a reader that goes away is no failure of the run.
#[test]
fn a_closed_stdout_is_no_panic() {
    let place = Place::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["run", "ta-bot/no-signals", "--sandbox=healthy"])
        .env("RUNBOOK_STATE_DIR", place.state())
        .current_dir(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = said(place.command().args(["list"]));
    assert_eq!(said.code, 0);
}
