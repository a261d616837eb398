//! What can be reported about a secret value without revealing it: its format and its problems.
//! Pure.

use crate::action::secret::Shape;
use crate::encoding::hex;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What can be said about a value without saying it.
pub(in crate::action) fn describe(value: &[u8], wanted: Shape) -> Value {
    let text = std::str::from_utf8(value).ok();
    let trimmed = text.map(str::trim);
    let whitespace = text.zip(trimmed).is_some_and(|(text, trimmed)| text.len() != trimmed.len());
    let placeholder = trimmed.is_some_and(is_placeholder);
    let mut problems: Vec<String> = Vec::new();
    if value.is_empty() {
        problems.push("the value is empty".to_owned());
    }
    // of a file that is read as a whole, whitespace around it is no part
    let is_document = matches!(wanted, Shape::Pem | Shape::Json | Shape::Certificate);
    if whitespace && !is_document {
        problems.push(
            if text.is_some_and(|text| text.ends_with('\n')) {
                "trailing newline"
            } else {
                "leading or trailing whitespace"
            }
            .to_owned(),
        );
    }
    if placeholder && !(is_document && text.is_some_and(is_long)) {
        problems.push("the value is a placeholder".to_owned());
    }
    let mut uri = Value::Null;
    match (wanted, text) {
        // what is wrong with a certificate, `certificate` says
        (Shape::Opaque | Shape::Certificate, _) => {}
        (_, None) => problems.push("not UTF-8".to_owned()),
        (_, Some("")) => {}
        (Shape::Uri, Some(text)) => match parse_uri(text.trim()) {
            Ok(parts) => uri = parts,
            Err(problem) => problems.push(format!("not a URI: {problem}")),
        },
        (Shape::Pem, Some(text)) => {
            if let Err(problem) = pem(text) {
                problems.push(format!("not PEM: {problem}"));
            }
        }
        (Shape::Json, Some(text)) => {
            // editors of Windows put a mark before it
            if let Err(error) =
                serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}'))
            {
                problems.push(format!(
                    "not JSON: error in line {}, column {}",
                    error.line(),
                    error.column()
                ));
            }
        }
    }
    let digest: String = hex(&Sha256::digest(value)[..6]);
    json!({
        "exists": true, "key_exists": true, "empty": value.is_empty(), "utf8": text.is_some(),
        "whitespace": whitespace, "placeholder": placeholder,
        "valid": problems.is_empty(), "problems": problems, "uri": uri, "sha256": digest,
    })
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "changeme",
        "change-me",
        "change_me",
        "replace-me",
        "replace_me",
        "placeholder",
        "your-",
        "<your",
        "todo",
    ]
    .iter()
    .any(|word| lower.contains(word))
        || (text.starts_with('<') && text.ends_with('>'))
}

/// The parts of a URI that are not secret: scheme, host, port, path, and whether there are
/// credentials (RFC 3986, section 3).
fn parse_uri(text: &str) -> Result<Value, &'static str> {
    // jdbc:postgresql://…, and what stands before the address of other drivers
    let (scheme, rest) = text.split_once("://").ok_or("no :// after the scheme")?;
    let (driver, scheme) =
        scheme.rsplit_once(':').map_or((None, scheme), |(driver, scheme)| (Some(driver), scheme));
    if driver.is_some_and(|driver| !driver.starts_with("jdbc")) {
        return Err("no scheme before ://");
    }
    let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts_well || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return Err("no scheme before ://");
    }
    if text.chars().any(char::is_whitespace) {
        return Err("contains whitespace");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (credentials, place) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(credentials, place)| (Some(credentials), place));
    // several hosts: mongodb://a:1,b:2/
    let mut hosts = Vec::new();
    for place in place.split(',') {
        hosts.push(host_and_port(place)?);
    }
    let (host, port) = hosts.first().cloned().unwrap_or_default();
    let (user, password) = credentials.map_or(("", None), |text| {
        text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)))
    });
    // a driver that takes them takes them from the query as well:
    // jdbc:postgresql://db/x?user=a&password=b
    let query = |names: &[&str]| {
        let pairs = rest.split_once('?').map_or("", |(_, query)| query).split(['&', ';']);
        pairs.filter_map(|pair| pair.split_once('=')).any(|(name, value)| {
            names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) && !value.is_empty()
        })
    };
    Ok(json!({
        "scheme": scheme, "host": host, "port": port, "path": path,
        "user_present": !user.is_empty() || query(&["user", "username"]),
        "password_present": password.is_some_and(|password| !password.is_empty()) || query(&["password"]),
    }))
}

/// `host`, `host:port`, `[::1]:port`.
fn host_and_port(place: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) =
                rest.split_once(']').ok_or("an IPv6 address without a closing bracket")?;
            if !after.is_empty() && !after.starts_with(':') {
                return Err("unexpected text after an IPv6 address");
            }
            (host, after.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("no host");
    }
    // `host:` has the port of its scheme (RFC 3986, section 3.2.3)
    let port = port
        .filter(|port| !port.is_empty())
        .map(|port| port.parse::<u16>().map_err(|_| "a port that is not a number"))
        .transpose()?;
    Ok((host.to_owned(), port))
}

fn is_long(text: &str) -> bool {
    text.trim().len() > 200
}

/// PEM as RFC 7468 reads it, and as tools write it: text before, between and behind the blocks
/// (`Bag Attributes`, a certificate in words), headers in the block of an encrypted key, any line
/// ends and widths.
fn pem(text: &str) -> Result<(), String> {
    let mut open: Option<(&str, usize, String)> = None;
    let mut blocks = 0;
    for (number, line) in text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
    {
        let begun = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        let ended = line.strip_prefix("-----END ").and_then(|rest| rest.strip_suffix("-----"));
        match (&mut open, begun, ended) {
            (None, Some(label), _) => open = Some((label, number, String::new())),
            (None, None, Some(label)) => {
                return Err(format!("END {label} in line {number} without its BEGIN"));
            }
            (Some((label, begin, _)), Some(_), _) => {
                return Err(format!("the block {label} starting in line {begin} has no END"));
            }
            (Some((label, begin, body)), None, Some(end)) => {
                if *label != end {
                    return Err(format!(
                        "the block {label} starting in line {begin} ends as {end}"
                    ));
                }
                decodes(body)
                    .map_err(|why| format!("the block {label} starting in line {begin} {why}"))?;
                blocks += 1;
                open = None;
            }
            // Proc-Type: 4,ENCRYPTED
            (Some(_), None, None) if line.contains(':') || line.is_empty() => {}
            (Some((.., body)), None, None) => body.push_str(line),
            (None, None, None) => {}
        }
    }
    match (open, blocks) {
        (Some((label, begin, _)), _) => {
            Err(format!("the block {label} starting in line {begin} has no END"))
        }
        (None, 0) if text.contains("-----BEGIN ") && text.contains("\\n") => {
            Err("line breaks are written as \\n in one line".to_owned())
        }
        (None, 0) => Err("no BEGIN and END lines".to_owned()),
        (None, _) => Ok(()),
    }
}

fn decodes(body: &str) -> Result<(), &'static str> {
    // OpenPGP ends its blocks with a checksum
    let body =
        body.rsplit_once('=').filter(|(_, sum)| sum.len() == 4).map_or(body, |(body, _)| body);
    match STANDARD.decode(body) {
        Ok(bytes) if bytes.is_empty() => Err("is empty"),
        Ok(_) => Ok(()),
        Err(_) => Err("is not base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let good = parse_uri("mysql://petrosa:pass@word@mysql:3306/petrosa?x=1").unwrap();
        assert_eq!(
            good,
            json!({"scheme": "mysql", "host": "mysql", "port": 3306, "path": "/petrosa",
                "user_present": true, "password_present": true})
        );
        assert_eq!(parse_uri("nats://[::1]:4222").unwrap()["host"], "::1");
        for (text, scheme, host, port, has_password) in [
            ("mongodb://u:p@a:27017,b:27018,c/db?replicaSet=x", "mongodb", "a", json!(27017), true),
            (
                "mongodb+srv://u:p%40ss@cluster.example/db",
                "mongodb+srv",
                "cluster.example",
                Value::Null,
                true,
            ),
            (
                "jdbc:postgresql://db:5432/shop?user=a&password=b",
                "postgresql",
                "db",
                json!(5432),
                true,
            ),
            ("jdbc:mysql://db/shop", "mysql", "db", Value::Null, false),
            ("redis://:p@redis:6379/0", "redis", "redis", json!(6379), true),
            ("postgres://u@db:/x", "postgres", "db", Value::Null, false),
            ("amqps://u:p@[fd00::1]:5671/vhost", "amqps", "fd00::1", json!(5671), true),
        ] {
            let uri = parse_uri(text).unwrap();
            assert_eq!(
                (&uri["scheme"], &uri["host"], &uri["port"], &uri["password_present"]),
                (&json!(scheme), &json!(host), &port, &json!(has_password)),
                "{text}"
            );
        }
        for (text, problem) in [
            ("mongodb://a:1,:2/db", "no host"),
            ("mysql://[::1]3306/db", "unexpected text after an IPv6 address"),
            ("mysql//petrosa@mysql", "no :// after the scheme"),
            ("://x", "no scheme before ://"),
            ("a b://x", "no scheme before ://"),
            ("mysql://", "no host"),
            ("mysql://user:secret@", "no host"),
            ("mysql://host:port/db", "a port that is not a number"),
            ("mysql://host:99999/db", "a port that is not a number"),
            ("mysql://host /db", "contains whitespace"),
            ("mysql://[::1/db", "an IPv6 address without a closing bracket"),
        ] {
            assert_eq!(parse_uri(text), Err(problem), "{text}");
        }
    }

    /// A block of this kind around bytes that mean nothing.
    fn block(label: &str, width: usize) -> String {
        let body = STANDARD.encode([7; 300]);
        let lines: Vec<&str> =
            body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn pem_as_tools_write_it() {
        let (certificate, key) = (block("CERTIFICATE", 64), block("PRIVATE KEY", 64));
        let encrypted = block("RSA PRIVATE KEY", 64)
            .replace(
                "KEY-----\n",
                "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0011\n\n",
            )
            .replace(
                "END RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0011\n\n",
                "END RSA PRIVATE KEY-----\n",
            );
        for text in [
            certificate.clone(),
            // Let's Encrypt, cert-manager: a chain
            certificate.repeat(3),
            format!("{certificate}\n{certificate}"),
            // openssl pkcs12 and openssl x509 -text
            format!(
                "Bag Attributes\n    friendlyName: shop\n    localKeyID: 54 69\nsubject=CN = \
                    shop\nissuer=CN = ca\n{certificate}"
            ),
            format!("Certificate:\n    Data:\n        Version: 3 (0x2)\n{certificate}"),
            // openssl ecparam
            format!("{}{}", block("EC PARAMETERS", 64), block("EC PRIVATE KEY", 64)),
            key.clone(),
            block("ENCRYPTED PRIVATE KEY", 64),
            encrypted,
            block("OPENSSH PRIVATE KEY", 70),
            certificate.replace('\n', "\r\n"),
            certificate.trim_end().to_owned(),
            format!("\u{feff}{certificate}"),
            block("CERTIFICATE", 1000),
            format!("{key}{certificate}"),
            block("CERTIFICATE REQUEST", 64),
        ] {
            let output = describe(text.as_bytes(), Shape::Pem);
            assert_eq!(
                (&output["valid"], &output["problems"]),
                (&json!(true), &json!([])),
                "{text}"
            );
        }
        for (text, problem) in [
            (
                certificate.replace("-----END CERTIFICATE-----", ""),
                "not PEM: the block CERTIFICATE starting in line 1 has no END",
            ),
            (
                certificate.replace("END CERTIFICATE", "END PRIVATE KEY"),
                "not PEM: the block CERTIFICATE starting in line 1 ends as PRIVATE KEY",
            ),
            (
                format!("{key}-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
                "is not base64",
            ),
            ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned(), "is empty"),
            (
                certificate.replace('\n', "\\n"),
                "not PEM: line breaks are written as \\n in one line",
            ),
            (STANDARD.encode(&certificate), "not PEM: no BEGIN and END lines"),
        ] {
            let output = describe(text.as_bytes(), Shape::Pem);
            assert!(
                output["valid"] == false
                    && output["problems"][0].as_str().unwrap().contains(problem),
                "{text}: {output}"
            );
        }
    }

    /// What openssl of this machine makes, where it is there.
    #[test]
    fn pem_of_openssl() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (key, certificate, words, bag) = (at("key"), at("cert"), at("words"), at("bag"));
        for arguments in [
            [
                "req",
                "-x509",
                "-newkey",
                "ed25519",
                "-nodes",
                "-keyout",
                &key,
                "-out",
                &certificate,
                "-days",
                "1",
                "-subj",
                "/CN=test",
            ]
            .as_slice(),
            &["x509", "-in", &certificate, "-text", "-out", &words],
            &[
                "pkcs12",
                "-export",
                "-inkey",
                &key,
                "-in",
                &certificate,
                "-out",
                &at("p12"),
                "-passout",
                "pass:test",
            ],
            &["pkcs12", "-in", &at("p12"), "-nodes", "-out", &bag, "-passin", "pass:test"],
            &["ecparam", "-name", "prime256v1", "-genkey", "-out", &at("ec")],
            &["genrsa", "-aes256", "-passout", "pass:test", "-out", &at("encrypted"), "2048"],
        ] {
            if !std::process::Command::new("openssl")
                .args(arguments)
                .output()
                .is_ok_and(|output| output.status.success())
            {
                return;
            }
        }
        for name in ["key", "cert", "words", "bag", "ec", "encrypted"] {
            let output = describe(&std::fs::read(at(name)).unwrap(), Shape::Pem);
            assert_eq!(output["problems"], json!([]), "{name}");
        }
    }

    #[test]
    fn json_as_editors_write_it() {
        for text in ["{\"a\": 1}\n", "\u{feff}{\"a\": 1}", "[]\r\n", "  {}  "] {
            assert_eq!(describe(text.as_bytes(), Shape::Json)["problems"], json!([]), "{text:?}");
        }
    }

    #[test]
    fn shapes_say_what_is_wrong_and_never_the_value() {
        for (value, wanted, problem) in [
            ("mysql//petrosa:hunter2@mysql", Shape::Uri, "not a URI: no :// after the scheme"),
            ("mysql://petrosa:hunter2@mysql/x\n", Shape::Uri, "trailing newline"),
            ("CHANGEME-hunter2", Shape::Opaque, "the value is a placeholder"),
            ("", Shape::Opaque, "the value is empty"),
            ("hunter2", Shape::Pem, "not PEM: no BEGIN and END lines"),
            ("{\"a\": hunter2", Shape::Json, "not JSON: error in line 1, column 7"),
        ] {
            let output = describe(value.as_bytes(), wanted);
            assert_eq!(output["problems"], json!([problem]), "{value:?}");
            assert!(!output.to_string().contains("hunter2"));
        }
        assert_eq!(
            describe(b"mysql://petrosa:hunter2@mysql:3306/petrosa", Shape::Uri)["valid"],
            true
        );
        assert_eq!(describe(&[0xff, 0xfe], Shape::Uri)["problems"], json!(["not UTF-8"]));
    }
}
