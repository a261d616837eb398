//! Secrets of many shapes, pushed through everything that the program says and writes.

use crate::changes::{OTHER, RUN, Stage, http_send};
use crate::support::Said;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use runbook::sandbox::Options;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A name and a value for each shape.
fn shapes() -> Vec<(&'static str, String)> {
    let long: String = (0..400).map(|number| format!("{:02x}z", number * 37 % 251)).collect();
    [
        ("uri", "mysql://petrosa:Wq7vTr2mKx@db.example:3306/petrosa?tls=1"),
        ("uri-encoded", "amqp://svc:Zk%2F9%40pLm3Qd@mq.example/vhost"),
        (
            "pem",
            "-----BEGIN PRIVATE \
            KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE \
            KEY-----\n",
        ),
        ("json", r#"{"client_id": "Hn4Xc8RyTw", "client_secret": "Lb6 \"Jf\" 0Vs/Gd"}"#),
        ("lines", "first-Ua5Ej1Nz\nsecond line Bo3Wi9\n\nfourth\tCy8Sk2Px"),
        ("regex", r"Fg4.*(Yt7|Mh2)+?[^a]$\d{3}"),
        ("quotes", r#"Ie9'Vn3"Rb6'Kz"""#),
        ("backslashes", r"Jd2\Xp8\\Tw5\nQm\"),
        ("percent", "Os7%20Lc%%4%Ev%2FHy"),
        ("spaces", "Gu1  Zf6   Wt3 Dk  "),
        ("unicode", "Pä9ßöЖ東🔑Kq4Nv"),
        ("padding", "Sm9yZ2VTZWNyZXQxMg=="),
        ("long", &long),
        ("short", "x7Q!m2Kp"),
        ("dashes", "--Ar5-Vy8--Cj1"),
        ("newline", "Mt6Bd3XzUe0\n"),
        ("braces", "Nw2{{ params.x }}Hs7{% raw %}"),
        ("ansi", "Ez4\u{1b}[31mTj9\u{1b}[0mLp6\u{7}Rk"),
        ("shell", "Yc8$(id)`ls`;&|><*?!Dn5"),
        ("yaml", "&Qb3: [Xu6, {Ki: 9}] # Of2 - |"),
        ("xml", "Vh1<Wd5>&amp;'Gs8\"/>"),
        ("number", "7305529186424"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .collect()
}

/// What must be found nowhere, for one value.
fn forms(value: &str) -> Vec<String> {
    let escaped = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let mut parts = vec![value.to_owned(), value.trim().to_owned()];
    if value.trim().contains('\n') {
        parts.extend(
            value
                .lines()
                .filter(|line| line.len() >= 8 && !line.starts_with("-----"))
                .map(str::to_owned),
        );
    }
    // whoever reads a piece of a long value has read too much
    let letters: Vec<char> = value.chars().collect();
    parts.extend(
        letters
            .chunks(24)
            .filter(|chunk| chunk.len() == 24)
            .map(String::from_iter)
            .filter(|piece| !piece.contains("-----")),
    );
    let mut forms = Vec::new();
    for part in parts {
        let encoded: String = part
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        let xml = part
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('\'', "&apos;")
            .replace('"', "&quot;");
        for written in [part.clone(), part.replace('\'', r"'\''"), xml] {
            forms.extend([escaped(&written), escaped(&escaped(&written)), written]);
        }
        forms.push(encoded);
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&part));
            for before in 1..3 {
                // without the characters that depend on what stands around it
                let inside = engine.encode([&b"u:"[..before], part.as_bytes()].concat());
                let inside = inside.trim_end_matches('=');
                forms.push(inside[before + 1..inside.len() - 1].to_owned());
            }
        }
    }
    for known in ["Wq7vTr2mKx", "Zk%2F9%40pLm3Qd", "Zk/9@pLm3Qd", "Hn4Xc8RyTw"] {
        if value.contains(known) || value.contains("Zk%2F9") && known.contains("pLm3Qd") {
            forms.extend([known.to_owned(), STANDARD_NO_PAD.encode(known)]);
        }
    }
    forms.retain(|form| form.len() >= 8);
    forms.sort();
    forms.dedup();
    forms
}

/// Fails with every place in which a form of a value is found.
fn nowhere(texts: &[(String, String)]) {
    let mut leaks = Vec::new();
    for (shape, value) in shapes() {
        for form in forms(&value) {
            for (place, text) in texts {
                if let Some(at) = text.find(&form) {
                    let start =
                        text[..at].char_indices().rev().nth(60).map_or(0, |(start, _)| start);
                    let around: String = text[start..].chars().take(60 + 40).collect();
                    leaks.push(format!("{shape} in {place}: {form:?} in …{around:?}…"));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// Everything that was said and everything that was written.
#[derive(Default)]
struct Heard(Vec<(String, String)>);

impl Heard {
    fn hear(&mut self, what: &str, said: Said) -> Said {
        self.0.push((format!("stdout of {what}"), said.stdout.clone()));
        self.0.push((format!("stderr of {what}"), said.stderr.clone()));
        said
    }

    fn read(&mut self, folder: &Path) {
        let mut found = Vec::new();
        files(folder, &mut found);
        assert!(!found.is_empty(), "{}", folder.display());
        for path in found {
            self.0.push((
                path.display().to_string(),
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            ));
        }
    }
}

/// Answers every request with an error that quotes all values in all kinds of ways.
fn talkative() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = |text: &str| text.to_owned();
    let ways: [fn(&str) -> String; 4] = [
        plain,
        |text| format!("{text:?}"),
        |text| json!({"error": {"detail": text}}).to_string(),
        |text| STANDARD.encode(format!("user:{text}")),
    ];
    let lines: Vec<String> = shapes()
        .iter()
        .flat_map(|(name, value)| ways.map(|way| format!("{name} was refused: {}", way(value))))
        .collect();
    let body = lines.join("\n");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let head = format!(
                "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: \
                    {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
    });
    port
}

/// A cluster with a Secret of all shapes, and a pod that has them in its environment.
fn stage() -> Stage {
    let stage = Stage::with(Options { scenario: "healthy".to_owned(), ..Options::default() });
    let address = stage.sandbox.address().to_string();
    let data: Map<String, Value> = shapes()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), STANDARD.encode(value).into()))
        .collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shapes",
        "namespace": "petrosa-apps"}, "data": data});
    http_send(&address, "POST", "/api/v1/namespaces/petrosa-apps/secrets", &secret.to_string());
    let variable = |name: &str| {
        json!({"name": name.to_uppercase().replace('-', "_"),
        "valueFrom": {"secretKeyRef": {"name": "shapes", "key": name}}})
    };
    let env: Vec<Value> = shapes().iter().map(|(name, _)| variable(name)).collect();
    let container = json!({"name": "main", "image": "yurisa2/petrosa-ta-bot:v1.0.70", "env": env});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "leaky",
        "namespace": "petrosa-apps"}, "spec": {"containers": [container]}});
    let made =
        http_send(&address, "POST", "/api/v1/namespaces/petrosa-apps/pods", &pod.to_string());
    assert!(made.contains("\"leaky\""), "{made}");
    stage
}

/// A runbook that says its secrets wherever a runbook can say something. `values` is a jq
/// expression for the map of them.
fn talkative_runbook(head: &str, values: &str, port: u16) -> String {
    format!(
        r#"runbook: v1
title: Leaks
namespace: petrosa-apps
hosts: [127.0.0.1]
on_failure: continue
{head}
  - id: plain
    value: {values}
  - id: whole
    title: All of them
    value: $steps.plain.output
    expect:
      - that: . == {{}}
      - that: (. | tojson) == ""
      - that: '[.[] | @base64, @uri, @sh, @html, @json, ("u:" + . | @base64)] | length == 0'
      - that: (.uri | tonumber) > 0
  - id: each
    title: "Fails with {{{{ item.value }}}}"
    for_each: $steps.plain.output | to_entries
    value: '{{value: $item.value, again: [$item.value, {{($item.value): 1}}], forms: ($item.value | [@base64, @uri, @sh, @html, @json, ("u:" + . | @base64)])}}'
    expect:
      - that: .value == "other"
      - that: .forms == .again
      - all: . == ""
        over: .forms
      - that: (.value | error) == 1
  - id: running
    timeout: 20s
    wait: {{kind: Pod, name: leaky, until: .status.phase == "Running"}}
  - id: environment
    exec: {{target: pod/leaky, command: [env], effect: read}}
    expect:
      - that: .stdout == ""
  - id: stdout
    for_each: $steps.plain.output | to_entries
    exec: {{target: pod/leaky, command: [echo, "{{{{ item.value }}}}"], effect: read}}
    expect:
      - that: .stdout == ""
  - id: stderr
    for_each: $steps.plain.output | to_entries
    exec: {{target: pod/leaky, command: [cat, "/{{{{ item.value }}}}"], effect: read}}
    expect:
      - that: .stderr == ""
  - id: not-there
    for_each: $steps.plain.output | to_entries
    exec: {{target: pod/leaky, command: ["/{{{{ item.value }}}}"], effect: read}}
  - id: local
    for_each: $steps.plain.output | to_entries
    command: {{argv: [printf, "%s", "{{{{ item.value }}}}"], effect: read}}
    expect:
      - that: .stdout == ""
  - id: body
    http: {{url: "http://127.0.0.1:{port}/", via: direct, headers: {{X-Number: "{{{{ steps.plain.output.number }}}}"}}}}
    expect:
      - that: .status == 200
      - that: .body == ""
  - id: address
    for_each: $steps.plain.output | to_entries
    http: {{url: "http://127.0.0.1:{port}/?q={{{{ item.value | urlencode }}}}", via: direct}}
    expect:
      - that: .status == 200
  - id: no-address
    for_each: $steps.plain.output | to_entries
    http: {{url: "http://127.0.0.1:1/{{{{ item.value }}}}", via: direct}}
  - id: refused
    for_each: $steps.plain.output | del(.number, .short) | to_entries
    label: {{target: deployment/petrosa-ta-bot, labels: {{x: "{{{{ item.value }}}}"}}}}
  - id: rejected
    for_each: $steps.plain.output | del(.number, .short) | to_entries
    patch: {{target: deployment/petrosa-ta-bot, patch: {{metadata: {{labels: {{x: "{{{{ item.value }}}}"}}}}}}}}
  - id: missing
    for_each: $steps.plain.output | to_entries
    get: {{kind: Pod, name: "{{{{ item.value }}}}"}}
  - id: selected
    for_each: $steps.plain.output | to_entries
    get: {{kind: Pod, selector: "{{{{ item.value }}}}"}}
  - id: patched
    patch: {{target: {{kind: Secret, name: shapes}}, patch: {{stringData: {{uri: "{{{{ steps.plain.output.long }}}}", long: "{{{{ steps.plain.output.uri }}}}"}}}}}}
  - id: operations
    patch:
      target: {{kind: Secret, name: shapes}}
      type: json
      patch: [{{op: replace, path: /data/pem, value: "{{{{ steps.plain.output.padding }}}}"}}]
  - id: applied
    apply:
      manifest: {{apiVersion: v1, kind: Secret, metadata: {{name: other}}, type: Opaque, stringData: "{{{{ steps.plain.output }}}}"}}
  - id: configured
    for_each: $steps.plain.output | to_entries
    apply:
      manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: "shape-{{{{ item.key }}}}"}}, data: {{conf: "a\n{{{{ item.value }}}}\nb"}}}}
  - id: environment-set
    for_each: $steps.plain.output | to_entries
    set_env: {{target: deployment/petrosa-ta-bot, env: {{SHAPE: "{{{{ item.value }}}}"}}}}
  - id: annotated
    for_each: $steps.plain.output | to_entries
    annotate: {{target: deployment/petrosa-ta-bot, annotations: {{why: "because of {{{{ item.value }}}}"}}}}
  - id: opaque
    for_each: $steps.plain.output | to_entries
    command: {{argv: ["true", "{{{{ item.value }}}}"], env: {{X: "{{{{ item.value }}}}"}}}}
  - id: question
    confirm: {{question: "Is it {{{{ steps.plain.output }}}} or {{{{ steps.plain.output.uri }}}}?"}}
findings:
  - id: found
    when: $steps.whole.failed
    cause: "It is {{{{ steps.plain.output.quotes }}}} and {{{{ steps.plain.output }}}}"
    remedy: {{run: ta-bot/restart, with: {{reason: "{{{{ steps.plain.output.shell }}}}"}}}}
  - id: text
    when: $steps.whole.failed
    cause: Something
    remedy: {{text: "Type {{{{ steps.plain.output.yaml }}}}"}}
  - id: open
    when: ($steps.plain.output.ansi | error) == 1
    cause: Nobody knows
"#
    )
}

/// Runs it in every way, and looks at it in every way.
fn run_all(stage: &Stage, file: &str, parameters: &[&str]) -> Heard {
    let mut heard = Heard::default();
    for (number, output) in ["text", "json", "jsonl"].into_iter().enumerate() {
        let id = format!("01K9ZQ4T0000000000000000D{number}");
        let arguments =
            [&["run", file, "--dry-run", "-vvv", "--output", output][..], parameters].concat();
        let said = heard.hear(&format!("a dry run as {output}"), stage.run_as(&id, &arguments));
        assert_eq!(said.code, 1, "{}", said.all());
    }
    // waits at the first change
    let said = heard.hear(
        "run",
        stage.run(
            &[
                &[
                    "run",
                    file,
                    "-vvv",
                    "--override",
                    "plaintext-secret",
                    "--report",
                    "markdown=report.md",
                ][..],
                parameters,
            ]
            .concat(),
        ),
    );
    assert_eq!(said.code, 4, "{}", said.all());
    let said =
        heard.hear("approve", stage.run(&["approve", RUN, "--step", "patched", "--yes", "-vvv"]));
    assert_eq!(said.code, 0, "{}", said.all());
    for output in ["text", "json", "jsonl"] {
        let arguments = ["--output", output, "-vvv"];
        heard.hear("show", stage.run(&[&["show", RUN][..], &arguments].concat()));
        heard.hear("log", stage.run(&[&["log", RUN][..], &arguments].concat()));
        heard.hear(
            "show",
            stage.run(&[&["show", RUN, "--step", "patched"][..], &arguments].concat()),
        );
    }
    for output in ["text", "json"] {
        let arguments = ["--output", output, "-vvv"];
        heard.hear("status", stage.run(&[&["status", RUN][..], &arguments].concat()));
        heard.hear("history", stage.run(&[&["history"][..], &arguments].concat()));
        heard.hear("diff", stage.run(&[&["diff", RUN, RUN][..], &arguments].concat()));
        heard.hear("plan", stage.run(&[&["plan", file][..], &arguments, parameters].concat()));
    }
    let rest = [
        "--yes",
        "-vvv",
        "--override",
        "plaintext-secret",
        "--report",
        "junit=report.xml",
        "--output",
        "jsonl",
    ];
    let said = heard.hear("resume", stage.run(&[&["resume", RUN][..], &rest, parameters].concat()));
    assert_eq!(said.code, 4, "the question waits: {}", said.all());
    for kind in ["text", "markdown", "junit", "json", "jsonl", "prometheus"] {
        heard.hear("report", stage.run(&["report", RUN, "--format", kind]));
    }
    heard.hear("show", stage.run(&["show", RUN, "-vvv"]));
    heard.hear("status", stage.run(&["status", RUN, "-vvv"]));
    let said = heard.hear("undo", stage.run_as(OTHER, &["undo", RUN, "--yes", "-vvv"]));
    assert!([0, 3].contains(&said.code), "{}", said.all());
    heard.read(&stage.place.state());
    for report in ["report.md", "report.xml"] {
        heard.0.push((
            report.to_owned(),
            fs::read_to_string(stage.place.path().join(report)).unwrap(),
        ));
    }
    heard
}

/// The reasons must still be there: masking everything would hide every secret, too.
fn still_readable(heard: &Heard) {
    let all: String = heard.0.iter().map(|(_, text)| text.as_str()).collect();
    for words in [
        "Fails with [secret ",
        "uri was refused: [secret ",
        "No such file or directory",
        "pod/leaky",
        "is not a valid label value",
        "metadata.labels: Invalid value: ",
        "because of [secret ",
        "Is it ",
    ] {
        assert!(all.contains(words), "{words}:\n{}", heard.0[0].1);
    }
}

#[test]
fn promise_5_what_a_secret_of_the_cluster_holds_is_said_nowhere() {
    let stage = stage();
    let head = "steps:\n  - id: read\n    get: {kind: Secret, name: shapes}";
    let file = stage.place.write(
        "leaks.yaml",
        talkative_runbook(head, "$steps.read.output.data | map_values(@base64d)", talkative()),
    );
    let heard = run_all(&stage, &file, &[]);
    nowhere(&heard.0);
    still_readable(&heard);
}

#[test]
fn every_way_to_read_a_secret_learns_it() {
    let stage = stage();
    let from_list =
        ".items[] | select(.metadata.name == \"shapes\") | .data | map_values(@base64d)";
    let learnt =
        "{kind: Secret, until: .items | any(.metadata.name == \"shapes\")}\n    timeout: 20s";
    let read = [
        ("get: {kind: Secret}".to_owned(), from_list.to_owned()),
        (format!("wait: {learnt}"), from_list.to_owned()),
        // what the environment of a pod says of it afterwards
        (
            "secret: {name: shapes, key: pem, shape: uri}".to_owned(),
            "{uri: \"nothing to tell\"}".to_owned(),
        ),
    ];
    for (number, (verb, values)) in read.into_iter().enumerate() {
        let mut heard = Heard::default();
        let head = format!("steps:\n  - id: read\n    {verb}");
        let text = talkative_runbook(&head, &format!("'$steps.read.output | {values}'"), 1);
        let text = &text[..text.find("  - id: stdout\n").unwrap()];
        let file = stage.place.write("leaks.yaml", text);
        let said = heard.hear(
            &verb,
            stage.run_as(&format!("01K9ZQ4T0000000000000000F{number}"), &["run", &file, "-vvv"]),
        );
        assert!(said.code == 1 && said.stdout.contains("[secret shapes/ansi]"), "{}", said.all());
        heard.read(&stage.place.state());
        nowhere(&heard.0);
    }
}

#[test]
fn what_a_secret_parameter_holds_is_said_nowhere() {
    let stage = stage();
    let port = talkative();
    let names: Vec<String> = shapes().iter().map(|(name, _)| (*name).replace('-', "_")).collect();
    let declared: String = names
        .iter()
        .map(|name| {
            format!(
                "  {name}: {{type: {}, secret: true}}\n",
                if name == "number" { "int" } else { "string" }
            )
        })
        .collect();
    let values: Vec<String> =
        names.iter().map(|name| format!("{name}: ($params.{name} | tostring)")).collect();
    let given: Map<String, Value> = shapes()
        .into_iter()
        .map(|(name, value)| {
            (
                name.replace('-', "_"),
                if name == "number" { value.parse::<u64>().unwrap().into() } else { value.into() },
            )
        })
        .collect();
    stage.place.write("params.yaml", Value::Object(given).to_string());
    let text = talkative_runbook(
        &format!("params:\n{declared}steps:"),
        &format!("'{{{}}}'", values.join(", ")),
        port,
    );
    let file = stage.place.write("leaks.yaml", text);
    let mut heard = run_all(&stage, &file, &["--params", "params.yaml"]);
    // on the command line, where they are right and where they are wrong
    let on_the_line: Vec<String> = shapes()
        .iter()
        .map(|(name, value)| format!("{}={value}", name.replace('-', "_")))
        .collect();
    let arguments: Vec<&str> = ["run", &file, "--dry-run"]
        .into_iter()
        .chain(on_the_line.iter().flat_map(|pair| ["--set", pair.as_str()]))
        .collect();
    heard.hear("a dry run with --set", stage.run_as("01K9ZQ4T0000000000000000E1", &arguments));
    let wrong = stage.place.write(
        "wrong.yaml",
        format!(
            "runbook: v1\ntitle: Wrong\nparams:\n{}steps:\n  - id: one\n    pause: 1ms\n",
            declared.replace("type: string", "type: int")
        ),
    );
    let arguments: Vec<&str> = ["run", &wrong]
        .into_iter()
        .chain(on_the_line.iter().flat_map(|pair| ["--set", pair.as_str()]))
        .collect();
    let said = heard.hear("wrong values", stage.run(&arguments));
    assert!(
        said.code == 2
            && said.stderr.contains("parameter `uri`: `[secret value]` is not a whole number"),
        "{}",
        said.all()
    );
    heard.read(&stage.place.state());
    nowhere(&heard.0);
    still_readable(&heard);
}

/// What nobody has read from a Secret, and what is a credential by its looks.
#[test]
fn credentials_of_known_shapes_are_said_nowhere_though_no_secret_was_read() {
    let stage = Stage::with(Options { scenario: "healthy".to_owned(), ..Options::default() });
    let address = stage.sandbox.address().to_string();
    let token = "ghp_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8";
    let env = json!([
        {"name": "DATABASE_URL", "value": "mysql://petrosa:Wq7vTr2mKx@mysql:3306/petrosa"},
        {"name": "MYSQL_PASSWORD", "value": "Hn4Xc8RyTw"},
        {"name": "GITHUB_TOKEN", "value": token},
        {"name": "LOG_LEVEL", "value": "info"},
    ]);
    let container = json!({"name": "main", "image": "yurisa2/petrosa-ta-bot:v1.0.70", "env": env});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "leaky",
        "namespace": "petrosa-apps"}, "spec": {"containers": [container]}});
    http_send(&address, "POST", "/api/v1/namespaces/petrosa-apps/pods", &pod.to_string());
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "leaky.1",
        "namespace": "petrosa-apps"}, "type": "Warning", "reason": "Unhealthy",
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", "name": "leaky",
        "namespace": "petrosa-apps"},
        "message": "cannot connect to mysql://petrosa:Wq7vTr2mKx@mysql:3306/petrosa: connection \
            refused; sent Authorization: Bearer Lb6Jf0VsGd9Qm2"});
    http_send(&address, "POST", "/api/v1/namespaces/petrosa-apps/events", &event.to_string());
    let file = stage.place.write(
        "shapes.yaml",
        r#"runbook: v1
title: Credentials in clear
namespace: petrosa-apps
on_failure: continue
steps:
  - id: running
    timeout: 20s
    wait: {kind: Pod, name: leaky, until: .status.phase == "Running"}
  - id: pod
    get: {kind: Pod, name: leaky}
    expect: [{that: '.spec.containers[0].env == []'}]
  - id: environment
    exec: {target: pod/leaky, command: [env], effect: read}
    expect: [{that: .stdout == ""}]
  - id: events
    events: {target: pod/leaky}
    expect: [{all: .message == "", over: .items}]
  - id: judged
    value: $steps.pod.output.spec.containers[0].env[1].value
    expect: [{that: . == "Hn4Xc8RyTw"}]
findings:
  - id: url
    when: $steps.pod.failed
    cause: "It connects to {{ steps.pod.output.spec.containers[0].env[0].value }}"
"#,
    );
    let mut heard = Heard::default();
    let said =
        heard.hear("run", stage.run(&["run", &file, "-vvv", "--report", "markdown=report.md"]));
    assert_eq!(said.code, 1, "{}", said.all());
    for kind in ["text", "markdown", "junit", "json", "jsonl", "prometheus"] {
        heard.hear("report", stage.run(&["report", RUN, "--format", kind]));
    }
    heard.hear("show", stage.run(&["show", RUN, "-vvv"]));
    heard.read(&stage.place.state());
    for (place, text) in &heard.0 {
        for secret in ["Wq7vTr2mKx", token, "Lb6Jf0VsGd9Qm2"] {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
        // the runbook itself says this one
        assert!(
            !text
                .replace(r#". == "Hn4Xc8RyTw""#, "")
                .replace(r#". == \"Hn4Xc8RyTw\""#, "")
                .contains("Hn4Xc8RyTw"),
            "{place}: {text}"
        );
    }
    let all: String = heard.0.iter().map(|(_, text)| text.as_str()).collect();
    for words in [
        "mysql://petrosa:[secret password]@mysql:3306/petrosa: connection refused",
        "LOG_LEVEL",
        "info",
        "It connects to mysql://petrosa:[secret password]@mysql",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert!(
        said.stdout.contains("✔ judged") || said.stdout.contains("judged"),
        "judged by the real value: {}",
        said.all()
    );
}
