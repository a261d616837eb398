//! What must be masked, and what must stay.

use super::*;
use crate::encoding::percent_encode;
use proptest::prelude::*;
use serde_json::json;
use std::time::{Duration, Instant};

const PEM: &str = "-----BEGIN PRIVATE \
    KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n-----END PRIVATE KEY-----\n";

#[test]
fn every_form_of_a_secret_is_hidden_and_the_words_around_it_stay() {
    let masker = Masker::default();
    masker.learn("mysql://petrosa:p@ss/w0rd \"x\"@mysql:3306/petrosa", "db/uri");
    masker.learn(PEM, "tls/key");
    masker.learn("{\"token\": \"abc.def-123\"}", "api/json");
    for secret in
        ["p@ss/w0rd \"x\"", "petrosa:p@ss/w0rd \"x\"", "MIIEvQIBADANBgkqhkiG9w0", "abc.def-123"]
    {
        for form in [
            secret.to_owned(),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            percent_encode(secret),
            serde_json::to_string(secret).unwrap(),
            format!("{secret:?}"),
        ] {
            let said = masker.mask(&format!("cannot connect: {form} refused")).into_owned();
            assert!(
                said.starts_with("cannot connect: ")
                    && said.ends_with(" refused")
                    && said.contains("[secret "),
                "{form} -> {said}"
            );
            assert!(!said.contains(secret) && !said.contains(form.trim_matches('"')), "{said}");
        }
    }
    assert_eq!(masker.mask("dial tcp mysql:3306: refused"), "dial tcp mysql:3306: refused");
}

#[test]
fn passwords_in_sql_are_hidden_wherever_the_statement_stands() {
    let masker = Masker::default();
    for (text, wanted) in [
        (
            "CREATE USER 'a'@'%' IDENTIFIED BY 'Xy7-pass';",
            "CREATE USER 'a'@'%' IDENTIFIED BY '[secret password]';",
        ),
        (
            r#"printf "%s" "identified by \"Xy7-pass\"""#,
            r#"printf "%s" "identified by \"[secret password]\"""#,
        ),
        (
            "ALTER ROLE app WITH PASSWORD 'Xy7-pass'",
            "ALTER ROLE app WITH PASSWORD '[secret password]'",
        ),
        ("ERROR: user is identified by a plugin", "ERROR: user is identified by a plugin"),
        ("IDENTIFIED BY ''", "IDENTIFIED BY ''"),
    ] {
        assert_eq!(masker.mask(text), wanted, "{text}");
    }
}

#[test]
fn entries_of_an_environment_are_hidden_in_a_text() {
    let masker = Masker::default();
    for (text, wanted) in [
        (
            r#"[{"name":"MYSQL_PASSWORD","value":"Hn4Xc8RyTw"}]"#,
            r#"[{"name":"MYSQL_PASSWORD","value":"[secret password]"}]"#,
        ),
        (
            r#"{\"name\": \"DB_PASSWORD\", \"value\": \"Hn4Xc8RyTw\"}"#,
            r#"{\"name\": \"DB_PASSWORD\", \"value\": \"[secret password]\"}"#,
        ),
        (
            "  - name: DB_PASSWORD\n    value: Hn4Xc8RyTw\n",
            "  - name: DB_PASSWORD\n    value: [secret password]\n",
        ),
        (r#"{"name":"LOG_LEVEL","value":"info"}"#, r#"{"name":"LOG_LEVEL","value":"info"}"#),
        ("password: required value: info", "password: required value: info"),
    ] {
        assert_eq!(masker.mask(text), wanted, "{text}");
    }
}

#[test]
fn ordinary_words_are_no_secrets() {
    let masker = Masker::default();
    masker.show("shop/health");
    for word in ["", "abc", "true", "8080", "localhost", "MySQL", "shop"] {
        masker.learn(word, "x");
    }
    assert_eq!(
        masker.mask("true: mysql on localhost:8080 abc of shop"),
        "true: mysql on localhost:8080 abc of shop"
    );
}

#[test]
fn values_are_masked_in_depth() {
    let masker = Masker::default();
    masker.learn("hunter22", "x");
    let mut value = json!({"a": ["hunter22", {"hunter22": 1}], "b": 3});
    masker.mask_value(&mut value);
    assert_eq!(value, json!({"a": ["[secret x]", {"[secret x]": 1}], "b": 3}));
}

#[test]
fn what_is_left_of_a_secret_that_was_cut_is_hidden() {
    let masker = Masker::default();
    masker.learn("correct-horse-battery-staple", "x");
    for (text, wanted) in [
        ("saw \"correct-hor…, want 1", "saw \"[secret x]…, want 1"),
        ("saw …ery-staple\" as JSON", "saw …[secret x]\" as JSON"),
        ("correct-hor…ry-staple, correct-horse-…", "[secret x]…[secret x], [secret x]…"),
        ("that is corr…", "that is corr…"),
        ("nothing…cut", "nothing…cut"),
    ] {
        assert_eq!(masker.mask(text), wanted, "{text}");
    }
}

#[test]
fn the_values_of_a_secret_are_learnt_as_they_are_and_as_they_are_kept() {
    let masker = Masker::default();
    let applied =
        json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"old": "former-value"}})
            .to_string();
    let metadata = json!({"name": "s",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}});
    let secret = json!({"kind": "Secret", "metadata": metadata,
        "data": {"a": STANDARD.encode("hunter22"), "b": "/////w=="},
        "stringData": {"c": "to-be-set"}});
    masker.learn_object(&json!({"kind": "ConfigMap", "data": {"a": "ordinary words"}}));
    masker.learn_object(&json!({"items": [secret]}));
    let said = masker
        .mask("ordinary words: hunter22 aHVudGVyMjI= /////w== to-be-set former-value")
        .into_owned();
    assert_eq!(
        said,
        "ordinary words: [secret s/a] [secret s/a] [secret s/b] [secret s/c] [secret s/old]"
    );
    assert_eq!(
        masker.clean("hun\u{1b}[1mter\u{7}22"),
        "[secret s/a]",
        "torn apart by what a terminal does not show"
    );
}

#[test]
fn nothing_from_a_cluster_moves_the_cursor() {
    for (text, wanted) in [
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("a\u{1b}]0;title\u{7}b", "ab"),
        ("a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "alink"),
        ("10%\r20%\r\n", "10%20%\n"),
        ("a\u{202e}b\u{8}c", "abc"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\u{1b}", ""),
        ("\u{9b}2Jx", "x"),
    ] {
        assert_eq!(sanitize(text), wanted, "{text:?}");
    }
}

#[test]
fn other_encoders_write_a_secret_in_other_ways() {
    let masker = Masker::default();
    let secret = "pä/ss<&>w0rd long";
    masker.learn(secret, "that quotes pä/ss<&>w0rd long");
    for form in [
        "p%c3%a4%2fss%3c%26%3ew0rd%20long".to_owned(),
        "p%C3%A4/ss%3C%26%3Ew0rd%20long".to_owned(),
        "p%C3%A4%2Fss%3C%26%3Ew0rd+long".to_owned(),
        "pä/ss\\u003c\\u0026\\u003ew0rd long".to_owned(),
        "p\\u00e4/ss<&>w0rd long".to_owned(),
        STANDARD.encode(format!("{secret}\n")),
    ] {
        assert_eq!(masker.mask(&form), "[secret value]", "{form}");
    }
    for before in ["", "u", "us", "user:"] {
        let inside = STANDARD.encode(format!("{before}{secret}:after"));
        assert!(masker.mask(&inside).contains("[secret value]"), "{inside}");
    }
    for (text, wanted) in [("a\u{61c}b", "ab"), ("\u{9d}0;title\u{9c}b", "b"), ("\u{1b}(Bx", "x")] {
        assert_eq!(sanitize(text), wanted);
    }
}

proptest! {
    #[test]
    fn sanitized_text_has_no_control_character(text in any::<String>()) {
        let text = sanitize(&text).into_owned();
        prop_assert!(!text.chars().any(is_harmful));
    }

    #[test]
    fn no_learnt_secret_survives(secret in "[ -~]{8,40}", before in "[a-z ]{0,20}",
        after in "[a-z ]{0,20}") {
        let masker = Masker::default();
        masker.learn(&secret, "s");
        prop_assume!(!is_ordinary(secret.trim()));
        for form in [secret.clone(), STANDARD.encode(&secret), percent_encode(&secret)] {
            let said = masker.mask(&format!("{before}{form}{after}")).into_owned();
            prop_assert!(!said.contains(&secret), "{said}");
        }
    }
}

/// A token of this length that is none.
fn drawn(length: usize) -> String {
    "a1B2c3D4e5F6g7H8i9J0".chars().cycle().take(length).collect()
}

#[test]
fn credentials_are_recognised_by_their_looks() {
    let word = drawn(36);
    let long = drawn(64);
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N";
    let basic = STANDARD.encode("petrosa:hunter2");
    // what stands there, what is secret of it
    let cases: Vec<(String, &str)> = [
        // keys that are paths
        ("{\"apps/db/password\": \"hunter2\"}", "hunter2"),
        ("- \"apps/db/password\": hunter2", "hunter2"),
        // URLs
        ("cannot connect to mysql://petrosa:hunter2@mysql:3306/petrosa: refused", "hunter2"),
        ("mongodb+srv://petrosa:p%40ss@cluster.example/db?tls=true", "p%40ss"),
        ("mongodb://u:hunter2@a:1,b:2/db", "hunter2"),
        ("redis://:hunter2@redis:6379/0", "hunter2"),
        ("amqp://u:p@ss/w0rd@mq/vhost", "p@ss/w0rd"),
        ("nats://u:hunter2@a:4222,nats://u:hunter2@b:4222", "hunter2"),
        ("https://u:hunter2@example.com/a/b@c", "hunter2"),
        ("URI is \"postgres://u:hunter2@db/x\"", "hunter2"),
        ("mysql+pymysql://petrosa:hunter2@[::1]:3306/x", "hunter2"),
        ("connecting to mysql://petrosa:hunt…, want 1", "hunt"),
        ("jdbc:mysql://db/x?user=u&password=hunter2&ssl=1", "hunter2"),
        ("Server=db;User Id=sa;Password=hunter2;Encrypt=true", "hunter2"),
        // pairs
        ("password=hunter2", "hunter2"),
        ("DB_PASSWORD: hunter2", "hunter2"),
        ("db_password: correct horse battery", "correct horse battery"),
        ("MYSQL_ROOT_PASSWORD=12345678", "12345678"),
        ("PGPASS=hunter2", "hunter2"),
        ("{\"password\": \"hunter2\", \"user\": \"petrosa\"}", "hunter2"),
        ("{\"password\":\"hun ter2\"}", "hun ter2"),
        ("{'passwd': 'hunter2'}", "hunter2"),
        ("{\\\"password\\\":\\\"hunter2\\\"}", "hunter2"),
        ("level=info msg=connecting password=hunter2 user=petrosa", "hunter2"),
        ("Config{User:petrosa Password:hunter2 Port:3306}", "hunter2"),
        ("app --db-password hunter2 --port 80", "hunter2"),
        ("app --api-key=a1b2c3d4e5 --port 80", "a1b2c3d4e5"),
        ("client_secret=a1b2-c3d4", "a1b2-c3d4"),
        ("clientSecret: s3cr3tValue", "s3cr3tValue"),
        ("SECRET=Abc123xyz", "Abc123xyz"),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        ("AccountName=a;AccountKey=Zm9vYmFyYmF6cXV4;EndpointSuffix=core", "Zm9vYmFyYmF6cXV4"),
        (
            "https://a.blob.core.windows.net/c?sv=2024&sig=abcdefghijklmnopqrstuvwxyz%3D&se=1",
            "abcdefghijklmnopqrstuvwxyz%3D",
        ),
        ("spec.password: Invalid value: \"hunter2\": too short", "hunter2"),
        ("access_token=a1b2c3d4e5f6&x=1", "a1b2c3d4e5f6"),
        ("x-api-key: a1b2c3d4e5f6", "a1b2c3d4e5f6"),
        // headers
        ("> Authorization: Bearer abc123def456ghi", "abc123def456ghi"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("{\"Authorization\": \"token a1b2c3\"}", "a1b2c3"),
        ("sent Bearer abc123def456ghi and got 401", "abc123def456ghi"),
        ("Set-Cookie: session=a1b2c3; Path=/", "session=a1b2c3; Path=/"),
        // files of passwords
        ("db.example:5432:petrosa:app:hunter2", "hunter2"),
        ("*:*:*:app:hunter2", "hunter2"),
        ("[client]\nuser = app\npassword = hunter2\n", "hunter2"),
        ("machine example.com login me password hunter2", "hunter2"),
        ("mysql -u root -phunter2 -h db", "hunter2"),
        ("redis-cli -a hunter2 ping", "hunter2"),
        ("curl -s -u me:hunter2 https://x/", "hunter2"),
    ]
    .into_iter()
    .map(|(text, secret)| (text.to_owned(), secret))
    .chain([
        (format!("got {jwt} from"), jwt),
        (format!("{{\"auths\":{{\"r.example\":{{\"auth\":\"{basic}\"}}}}}}"), basic.as_str()),
    ])
    .collect();
    for (text, secret) in cases {
        let said = shapes::mask(&text);
        assert_eq!(
            said.matches("[secret ").count(),
            text.matches(secret).count(),
            "{text} -> {said}"
        );
        assert!(!said.contains(secret), "{text} -> {said}");
        // nothing but the secret is gone
        let around = text.split(secret).collect::<Vec<_>>();
        assert!(around.iter().all(|part| said.contains(part)), "{text} -> {said}");
        assert_eq!(shapes::mask(&said), said, "masking twice");
    }
    for prefix in [
        "ghp_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "sk_live_",
        "npm_",
        "dop_v1_",
        "sk-ant-api03-",
        "sk-proj-",
        "hvs.",
        "AIza",
        "glsa_",
        "pypi-",
    ] {
        let text = format!("pushed with {prefix}{long} to it");
        assert_eq!(shapes::mask(&text), "pushed with [secret token] to it", "{text}");
    }
    assert_eq!(shapes::mask("key AKIAIOSFODNN7EXAMPLE is old"), "key [secret token] is old");
    assert_eq!(
        shapes::mask("posted to https://hooks.slack.com/services/T0AB1/B0CD2/e3F4g5: 404"),
        "posted to https://hooks.slack.com/services/[secret webhook]: 404"
    );
    assert_eq!(
        shapes::mask(&format!("https://{word}@github.com/x")),
        "https://[secret token]@github.com/x"
    );
}

#[test]
fn what_lost_its_name_to_a_cut_is_hidden() {
    for (text, wanted) in [
        (r#"text…d": "hunter2"}]"#, r#"text…d": "[secret value]"}]"#),
        (r#"…word\": \"hunter2\"}"#, r#"…word\": \"[secret value]\"}"#),
        ("…ssword=hunter2 x", "…ssword=[secret value] x"),
        ("…ter2@mysql:3306/petrosa: refused", "…[secret password]@mysql:3306/petrosa: refused"),
        (r#"…name": "web-1"}]"#, r#"…name": "web-1"}]"#),
        ("… and 3 more", "… and 3 more"),
        ("…us: 200", "…us: 200"),
        ("a…b@example.com", "a…b@example.com"),
        (
            r#""text":"-----BEGIN PRIVATE KEY-----"},{"text":"MIIEvQIBADANBg"},{"te… x"#,
            r#""text":"-----BEGIN PRIVATE KEY-----[secret key]… x"#,
        ),
    ] {
        assert_eq!(shapes::mask(text), wanted, "{text}");
        assert_eq!(shapes::mask(wanted), wanted, "masking twice");
    }
}

#[test]
fn ordinary_text_stays_as_it_is() {
    for text in [
        "Get \"http://10.244.0.7:8080/passwd\": dial tcp 10.244.0.7:8080: connection refused",
        "Get \"http://web/reset-password\": context deadline exceeded",
        "exec: \"/etc/passwd\": permission denied",
        "{\"error\": \"open \\\"/etc/passwd\\\": permission denied\"}",
        "password: required",
        "password is required",
        "token expired",
        "token: expired",
        "invalid token: please log in again",
        "error: unexpected token: identifier at line 3",
        "Access denied for user 'petrosa'@'10.0.0.7' (using password: YES)",
        "password authentication failed for user \"petrosa\"",
        "secretName: shop-tls",
        "secret: db-credentials",
        "secret=\"shop/db-credentials\" err=\"not found\"",
        "imagePullSecrets: [{name: regcred}]",
        "imagePullSecret: regcred",
        "MountVolume.SetUp failed for volume \"x\" : secret \"db\" not found",
        "secrets \"db\" is forbidden: User \"u\" cannot get resource \"secrets\"",
        "couldn't find key password in Secret shop/db",
        "secretKeyRef: {key: password, name: db}",
        "automountServiceAccountToken: false",
        "tokenReview: authenticated",
        "kind: TokenReview",
        "max_tokens: 4096",
        "max_tokens=4096",
        "type: kubernetes.io/service-account-token",
        "PWD=/usr/src/app",
        "OLDPWD=/",
        "password_file: /etc/secrets/password",
        "passwordFile=/run/secrets/db",
        "token: /var/run/secrets/kubernetes.io/serviceaccount/token",
        "password=***",
        "password: ${DB_PASSWORD}",
        "password: {{ params.password }}",
        "password=$DB_PASSWORD",
        "mysql://mysql:3306/petrosa",
        "http://localhost:8080/@scope/package",
        "https://example.com/?email=a@b.example",
        "git clone ssh://git@github.com/x",
        "connecting to https://10.0.0.1:64…",
        "postgres://petrosa:***@db/x",
        "redis://user:xxxxx@redis:6379",
        "mailto:me@example.com",
        "image: docker.io/library/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7",
        "uid: 2b256166-8da4-47b7-8874-609dd79ca416",
        "commit eb8fade48a7af2cdba784d89bea43029bf58a4ed9",
        "data: aGVsbG86IHdvcmxkCmZvbzogYmFyCg==",
        "eyJhIjogMX0=",
        "Authorization: required",
        "the Authorization header is missing",
        "Basic auth is disabled",
        "Bearer token expired",
        "Invalid cookie: expired",
        "10.0.0.1:5432: connection refused",
        "listening on 0.0.0.0:5432:tcp",
        "task-1234567890abcdef, disk-a1b2c3d4e5f6a7b8c9d0e1f2",
        "sk-learn-model-version-two-point-one",
        "npm_config_registry=https://registry.npmjs.org",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "mysql is down, port 3306",
        "curl -u is missing",
        "nextPageToken: CAUQAA1234567",
        "compass=north-by-northwest",
        "author: someone, authority: x509",
        "pods \"a\" not found",
        "key: 3 of 5",
        "[secret db/uri] refused, password: [secret db/password]",
    ] {
        assert_eq!(shapes::mask(text), text);
    }
}

#[test]
fn private_keys_are_masked_however_their_lines_arrive() {
    let masker = Masker::default();
    let body = ["MIIEvQIBADANBgkqhkiG9w0", "BAQEFAASCBKcwggSjAgEAAo"];
    for kind in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
    ] {
        let whole = format!(
            "before\n-----BEGIN {kind}-----\n{}\n{}\n-----END {kind}-----\nafter",
            body[0], body[1]
        );
        for text in [
            whole.clone(),
            whole.replace('\n', "\\n"),
            whole.replace('\n', "\r\n"),
            whole.split("\n-----END").next().unwrap().to_owned(),
        ] {
            let said = masker.clean(&text);
            assert!(
                body.iter().all(|line| !said.contains(line))
                    && said.starts_with("before")
                    && said.contains("[secret key]"),
                "{text} -> {said}"
            );
            assert_eq!(said.contains("after"), text.contains("after"), "{said}");
        }
        let lines: Vec<Value> = whole.lines().map(Value::from).collect();
        let said = masker.clean_value(&Value::Array(lines)).to_string();
        assert!(body.iter().all(|line| !said.contains(line)) && said.contains("after"), "{said}");
        let lines: Vec<Value> = whole
            .lines()
            .map(|line| json!({"time": "2026-01-01T00:00:00Z", "text": line}))
            .collect();
        let said = masker.clean_value(&json!({"lines": lines})).to_string();
        assert!(body.iter().all(|line| !said.contains(line)) && said.contains("after"), "{said}");
    }
}

#[test]
fn places_say_what_is_secret() {
    let masker = Masker::default();
    let value = json!({
        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "DB_HOST", "value": "mysql"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
        "args": ["--password", "hunter2", "--port", "80"],
        "headers": {"authorization": "Bearer hunter2hunter2", "set-cookie": "a=hunter2; Path=/",
        "content-type": "text/plain"},
        "config": {"password": "hunter2", "apiKey": "hunter2hunter2", "secretName": "shop-tls",
        "secret": "db-credentials", "token": "expired"},
    });
    let said = masker.clean_value(&value);
    assert!(!said.to_string().contains("hunter2"), "{said}");
    assert_eq!(said["env"][1]["value"], "mysql");
    assert_eq!(said["env"][2], value["env"][2]);
    assert_eq!(said["args"], json!(["--password", "[secret value]", "--port", "80"]));
    assert_eq!(
        said["headers"],
        json!({"authorization": "Bearer [secret credentials]", "set-cookie": "[secret cookie]",
            "content-type": "text/plain"})
    );
    assert_eq!(
        said["config"],
        json!({"password": "[secret password]", "apiKey": "[secret key]", "secretName": "shop-tls",
            "secret": "db-credentials", "token": "expired"})
    );
    assert_eq!(masker.clean_value(&said), said, "masking twice");
}

/// The time grows with the text and not faster, also where every place is worth a look.
#[test]
fn masking_is_linear() {
    for piece in [
        "://",
        "password",
        "password:",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "eyJ.",
        "authorization:",
        "bearer ",
        ":5432:",
        "mysql ",
        "a:b@",
        "http://a:",
        "sk-",
        "secret=\"",
    ] {
        let time = |count: usize| {
            let text = piece.repeat(count / piece.len());
            let begun = Instant::now();
            let said = shapes::mask(&text);
            assert!(!said.is_empty());
            begun.elapsed()
        };
        time(1_000);
        let (short, long) = (time(10_000), time(80_000));
        assert!(
            long < short * 40 + Duration::from_millis(200),
            "{piece}: {short:?} for 10 kB, {long:?} for 80 kB"
        );
    }
}
