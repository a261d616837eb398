//! `secret`: the shape of a Secret's key, never its value.

use super::fan::{quote, reading};
use super::{Access, Context, Failure, Output, Verb, Wrong};
use crate::cluster::{ErrorKind, builtin};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Looks at a key of a Secret. The output has no value in it: `{exists, key_exists, keys, empty, utf8, whitespace, placeholder, valid, problems: [text], uri: {scheme, host, port, path,
/// user_present, password_present}, sha256, changed}`. `sha256` is a prefix for comparing; `changed` is when the Secret was last written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// What the value must look like.
    #[serde(default)]
    pub shape: Shape,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Anything that is not empty.
    #[default]
    Opaque,
    /// scheme://user:password@host:port/path
    Uri,
    /// PEM blocks.
    Pem,
    /// A JSON document.
    Json,
}

impl Verb for Secret {
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        builtin("Secret").map(|kind| reading(&kind, "get", namespace, &self.name)).into_iter().collect()
    }

    /// A line that does not print the value.
    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.namespace.as_deref().unwrap_or(namespace));
        vec![format!("kubectl get secret -n {place} {} -o json | jq '.data | map_values(length)'", quote(&self.name))]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let problem = output["problems"][0].as_str().unwrap_or("malformed");
        (output["valid"] == false).then(|| Wrong { fields: &["valid", "problems", "exists", "key_exists"], reason: problem.to_owned() })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let namespace = self.namespace.as_deref().unwrap_or(&context.namespace);
        let Some(kind) = builtin("Secret") else { return Err(Failure::error("secrets are unknown")) };
        let object = match context.cluster()?.get(&kind, Some(namespace), &self.name).await {
            Ok(object) => object,
            Err(error) if error.kind == ErrorKind::NotFound => {
                let output = json!({"exists": false, "key_exists": false, "keys": [], "valid": false, "problems": [format!("secret {} does not exist", self.name)]});
                return Ok(Output::new(output, "absent"));
            }
            Err(error) => return Err(error.into()),
        };
        let data: BTreeMap<String, Vec<u8>> = object["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()))
            .collect();
        // from here on nothing of it can be said any more
        for (key, value) in &data {
            context.masker.learn(&String::from_utf8_lossy(value), &format!("{}/{key}", self.name));
        }
        let keys: Vec<&String> = data.keys().collect();
        let Some(value) = data.get(&self.key) else {
            let problem = format!("key {} does not exist; there are {}", self.key, keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", "));
            return Ok(Output::new(json!({"exists": true, "key_exists": false, "keys": keys, "valid": false, "problems": [problem]}), "key missing"));
        };
        let mut output = shape(value, self.shape);
        if let Some(fields) = output.as_object_mut() {
            fields.insert("keys".to_owned(), json!(keys));
            fields.insert("changed".to_owned(), object["metadata"]["creationTimestamp"].clone());
        }
        let summary = if output["valid"] == true { "well-formed" } else { "malformed" };
        Ok(Output::new(output, summary))
    }
}

/// What can be said about a value without saying it.
fn shape(value: &[u8], wanted: Shape) -> Value {
    let text = std::str::from_utf8(value).ok();
    let trimmed = text.map(str::trim);
    let whitespace = text.zip(trimmed).is_some_and(|(text, trimmed)| text.len() != trimmed.len());
    let placeholder = trimmed.is_some_and(is_placeholder);
    let mut problems: Vec<String> = Vec::new();
    if value.is_empty() {
        problems.push("the value is empty".to_owned());
    }
    if whitespace {
        problems.push(if text.is_some_and(|text| text.ends_with('\n')) { "a newline at the end" } else { "whitespace around the value" }.to_owned());
    }
    if placeholder {
        problems.push("the value is a placeholder".to_owned());
    }
    let mut uri = Value::Null;
    match (wanted, text) {
        (Shape::Opaque, _) => {}
        (_, None) => problems.push("not UTF-8".to_owned()),
        (_, Some("")) => {}
        (Shape::Uri, Some(text)) => match parse_uri(text.trim()) {
            Ok(parts) => uri = parts,
            Err(problem) => problems.push(format!("not a URI: {problem}")),
        },
        (Shape::Pem, Some(text)) => {
            if !(text.contains("-----BEGIN ") && text.contains("-----END ")) {
                problems.push("not PEM: no BEGIN and END lines".to_owned());
            }
        }
        (Shape::Json, Some(text)) => {
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                problems.push(format!("not JSON: wrong in line {}, column {}", error.line(), error.column()));
            }
        }
    }
    let digest: String = Sha256::digest(value).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    json!({
        "exists": true, "key_exists": true, "empty": value.is_empty(), "utf8": text.is_some(), "whitespace": whitespace, "placeholder": placeholder,
        "valid": problems.is_empty(), "problems": problems, "uri": uri, "sha256": digest,
    })
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["changeme", "change-me", "change_me", "replace-me", "replace_me", "placeholder", "your-", "<your", "todo"].iter().any(|word| lower.contains(word))
        || (text.starts_with('<') && text.ends_with('>'))
}

/// The parts of a URI that are not secret: scheme, host, port, path, and whether there are credentials (RFC 3986, section 3).
fn parse_uri(text: &str) -> Result<Value, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("no :// after the scheme")?;
    let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts_well || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return Err("no scheme before ://");
    }
    if text.chars().any(char::is_whitespace) {
        return Err("whitespace in it");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (credentials, place) = authority.rsplit_once('@').map_or((None, authority), |(credentials, place)| (Some(credentials), place));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("an IPv6 address without a closing bracket")?;
            (host, after.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("no host");
    }
    let port = port.map(|port| port.parse::<u16>().map_err(|_| "a port that is not a number")).transpose()?;
    let (user, password) = credentials.map_or(("", None), |text| text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password))));
    Ok(json!({
        "scheme": scheme, "host": host, "port": port, "path": path,
        "user_present": !user.is_empty(), "password_present": password.is_some_and(|password| !password.is_empty()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        let good = parse_uri("mysql://petrosa:pass@word@mysql:3306/petrosa?x=1").unwrap();
        assert_eq!(good, json!({"scheme": "mysql", "host": "mysql", "port": 3306, "path": "/petrosa", "user_present": true, "password_present": true}));
        assert_eq!(parse_uri("nats://[::1]:4222").unwrap()["host"], "::1");
        for (text, problem) in [
            ("mysql//petrosa@mysql", "no :// after the scheme"),
            ("://x", "no scheme before ://"),
            ("a b://x", "no scheme before ://"),
            ("mysql://", "no host"),
            ("mysql://user:secret@", "no host"),
            ("mysql://host:port/db", "a port that is not a number"),
            ("mysql://host:99999/db", "a port that is not a number"),
            ("mysql://host /db", "whitespace in it"),
            ("mysql://[::1/db", "an IPv6 address without a closing bracket"),
        ] {
            assert_eq!(parse_uri(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn shapes_say_what_is_wrong_and_never_the_value() {
        for (value, wanted, problem) in [
            ("mysql//petrosa:hunter2@mysql", Shape::Uri, "not a URI: no :// after the scheme"),
            ("mysql://petrosa:hunter2@mysql/x\n", Shape::Uri, "a newline at the end"),
            ("CHANGEME-hunter2", Shape::Opaque, "the value is a placeholder"),
            ("", Shape::Opaque, "the value is empty"),
            ("hunter2", Shape::Pem, "not PEM: no BEGIN and END lines"),
            ("{\"a\": hunter2", Shape::Json, "not JSON: wrong in line 1, column 7"),
        ] {
            let output = shape(value.as_bytes(), wanted);
            assert_eq!(output["problems"], json!([problem]), "{value:?}");
            assert!(!output.to_string().contains("hunter2"));
        }
        assert_eq!(shape(b"mysql://petrosa:hunter2@mysql:3306/petrosa", Shape::Uri)["valid"], true);
        assert_eq!(shape(&[0xff, 0xfe], Shape::Uri)["problems"], json!(["not UTF-8"]));
    }
}
