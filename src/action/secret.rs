//! `secret`: inspects a key of a Secret without revealing its value.

use super::support::certificate;
use super::support::fan_out::{quote, reading};
use super::support::secret_shape::describe;
use super::{Access, Context, Failure, Output, Reach, Verb, Wrong};
use crate::cluster::{ErrorKind, builtin};
use crate::event::Effect;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Inspects a key of a Secret. The output never contains the value: `{exists, key_exists, keys,
/// empty, utf8, whitespace, placeholder, valid, problems: [text], uri: {scheme, host, port, path,
/// user_present, password_present}, sha256, changed, certificate}`. `sha256` is a prefix for
/// comparison; `changed` is when the key was last written, if the API server recorded it. With
/// `shape: certificate`, `certificate` is `{subject, issuer, names, not_before, not_after,
/// expires_in_s, chain: [{subject, issuer, not_after}], key_fits}` of the first certificate;
/// `key_fits` says whether the private key of the Secret (`tls.key` for `tls.crt`) belongs to it,
/// and is null without one. An expired certificate is not valid. Example: `secret: {name: shop-tls,
/// key: tls.crt, shape: certificate}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    pub key: String,
    /// Expected format of the value.
    #[serde(default)]
    pub shape: Shape,
    /// Namespace; defaults to the namespace of the step.
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
    /// An X.509 certificate in PEM, with its chain.
    Certificate,
}

impl Verb for Secret {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        builtin("Secret")
            .map(|kind| reading(&kind, "get", namespace, &self.name))
            .into_iter()
            .collect()
    }

    /// A line that does not print the value.
    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.namespace.as_deref().unwrap_or(namespace));
        vec![format!(
            "kubectl get secret -n {place} {} -o json | jq '.data | map_values(length)'",
            quote(&self.name)
        )]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let problem = output["problems"][0].as_str().unwrap_or("malformed");
        (output["valid"] == false).then(|| Wrong {
            fields: &["valid", "problems", "exists", "key_exists"],
            reason: problem.to_owned(),
        })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let namespace = self.namespace.as_deref().unwrap_or(&context.namespace);
        let Some(kind) = builtin("Secret") else {
            return Err(Failure::error("secrets are unknown"));
        };
        let object = match context.cluster()?.get_whole(&kind, Some(namespace), &self.name).await {
            Ok(object) => object,
            Err(error) if error.kind == ErrorKind::NotFound => {
                let output = json!({"exists": false, "key_exists": false, "keys": [],
                    "valid": false, "problems": [format!("secret {} does not exist", self.name)]});
                return Ok(Output::new(output, "absent"));
            }
            Err(error) => return Err(error.into()),
        };
        let data: BTreeMap<String, Vec<u8>> = object["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                (
                    key.clone(),
                    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default(),
                )
            })
            .collect();
        // from here on nothing of it can be said any more
        for (key, value) in &data {
            context.masker.learn(&String::from_utf8_lossy(value), &format!("{}/{key}", self.name));
        }
        let keys: Vec<&String> = data.keys().collect();
        let Some(value) = data.get(&self.key) else {
            let problem = format!(
                "key {} does not exist; available: {}",
                self.key,
                keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ")
            );
            return Ok(Output::new(
                json!({"exists": true, "key_exists": false, "keys": keys, "valid": false,
                    "problems": [problem]}),
                "key missing",
            ));
        };
        let mut output = describe(value, self.shape);
        if self.shape == Shape::Certificate {
            let key = data.get(&private_key(&self.key)).map(Vec::as_slice);
            add_certificate(&mut output, value, key, context.now);
        }
        if let Some(fields) = output.as_object_mut() {
            fields.insert("keys".to_owned(), json!(keys));
            fields.insert("changed".to_owned(), changed(&object, &self.key));
        }
        let summary = if output["valid"] == true { "well-formed" } else { "malformed" };
        Ok(Output::new(output, summary))
    }
}

/// The key of the Secret that has the private key of a certificate: `tls.key` for `tls.crt`.
fn private_key(certificate: &str) -> String {
    let stem = certificate.rsplit_once('.').map_or(certificate, |(stem, _)| stem);
    format!("{stem}.key")
}

/// Adds what is public of a certificate, and what is wrong with it.
fn add_certificate(output: &mut Value, chain: &[u8], key: Option<&[u8]>, now: Timestamp) {
    let mut certificate = certificate::describe(chain, key);
    let found = certificate::problems(&certificate, now);
    certificate["expires_in_s"] = json!(certificate::expires_in(&certificate, now));
    if let Some(problems) = output["problems"].as_array_mut().filter(|_| !chain.is_empty()) {
        problems.extend(found.into_iter().map(Value::from));
    }
    output["valid"] = json!(output["problems"].as_array().is_some_and(Vec::is_empty));
    output["certificate"] = certificate;
}

/// When a key was last written: the last write of a field manager that owns it, or else when the
/// Secret was created. Writes to labels and other keys do not count, as far as managed fields
/// distinguish them.
fn changed(secret: &Value, key: &str) -> Value {
    let created = &secret["metadata"]["creationTimestamp"];
    let field = format!("f:{key}");
    let entries = secret["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owners = entries.filter(|entry| {
        entry["fieldsV1"]["f:data"].get(&field).is_some()
            || entry["fieldsV1"]["f:stringData"].get(&field).is_some()
    });
    let times = owners.filter_map(|entry| entry["time"].as_str()).chain(created.as_str());
    // all are written the same way, in UTC: they are ordered as texts
    times.max().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_what_is_public_of_it_and_what_is_wrong() {
        let authority = include_bytes!("../../tests/cli/fixtures/authority.pem");
        for (value, now, problem) in [
            (&authority[..], "2026-01-01T00:00:00Z", None),
            (&authority[..], "2019-12-31T00:00:00Z", Some("not valid before 2020-01-01T00:00:00Z")),
            (&authority[..], "2100-01-02T00:00:00Z", Some("expired at 2100-01-01T00:00:00Z")),
            (b"nothing", "2026-01-01T00:00:00Z", Some("not a certificate: ")),
        ] {
            let mut output = describe(value, Shape::Certificate);
            add_certificate(&mut output, value, None, now.parse().unwrap());
            let problems = output["problems"].to_string();
            assert_eq!(output["valid"], problem.is_none(), "{problems}");
            assert!(problem.is_none_or(|problem| problems.contains(problem)), "{problems}");
        }
        let mut output = describe(authority, Shape::Certificate);
        let now = "2099-12-31T00:00:00Z".parse().unwrap();
        add_certificate(&mut output, authority, Some(b"no key"), now);
        let certificate = &output["certificate"];
        assert_eq!(
            (&certificate["subject"], &certificate["expires_in_s"], &certificate["key_fits"]),
            (&json!("CN=test authority"), &json!(86_400), &Value::Null)
        );
        assert_eq!(certificate["chain"][0]["issuer"], "CN=test authority");
        assert_eq!(
            (private_key("tls.crt"), private_key("ca")),
            ("tls.key".into(), "ca.key".into())
        );
    }

    #[test]
    fn a_key_was_changed_when_somebody_who_owns_it_wrote() {
        let entry = |manager: &str, time: &str, fields: Value| {
            json!({"manager": manager, "operation": "Update", "time": time,
                "fieldsV1": fields})
        };
        let secret = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [
            entry("deploy", "2026-01-02T00:00:00Z",
                json!({"f:data": {".": {}, "f:uri": {}}, "f:type": {}})),
            entry("edit", "2026-01-03T00:00:00Z", json!({"f:data": {"f:uri": {}}})),
            entry("other", "2026-01-04T00:00:00Z", json!({"f:data": {"f:token": {}}})),
            entry("label", "2026-01-05T00:00:00Z", json!({"f:metadata": {"f:labels": {}}}))]}});
        assert_eq!(changed(&secret, "uri"), "2026-01-03T00:00:00Z");
        assert_eq!(changed(&secret, "token"), "2026-01-04T00:00:00Z");
        assert_eq!(changed(&secret, "none"), "2026-01-01T00:00:00Z");
        assert_eq!(changed(&json!({"metadata": {}}), "uri"), Value::Null);
    }
}
