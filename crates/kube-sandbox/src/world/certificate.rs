//! Certificates of a world: self-signed, valid from and until so long before or after the world
//! begins, and the same each time.
//!
//! The forms are those of RFC 5280 and, for the keys, RFC 8410.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The field of a Secret of type `kubernetes.io/tls` in a manifest.
const FIELD: &str = "certificate";
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
const SEQUENCE: u8 = 0x30;

/// What a manifest says of a certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    /// The name that it is for.
    host: String,
    /// From when and until when it is valid, counted from when the world begins.
    from: Offset,
    to: Offset,
    /// The Secret has the key of another certificate.
    #[serde(default)]
    other_key: bool,
}

/// A while before or after a time: `-10d`, `36h`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Offset(SignedDuration);

impl TryFrom<String> for Offset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse::<i32>().ok());
        let offset = match days {
            Some(days) => SignedDuration::from_hours(24).checked_mul(days),
            None => text.parse::<SignedDuration>().ok(),
        };
        offset.map(Self).ok_or_else(|| format!("{text} is no while such as -10d or 36h"))
    }
}

/// Takes the description of a certificate out of a manifest, which is then as the API knows it.
pub(super) fn take(object: &mut Value) -> Result<Option<Value>, String> {
    if object["kind"] != "Secret" {
        return Ok(None);
    }
    let described = object.as_object_mut().and_then(|fields| fields.shift_remove(FIELD));
    if let Some(described) = &described {
        serde_json::from_value::<Certificate>(described.clone()).map_err(|error| {
            format!("{FIELD}: {error}; write `{FIELD}: {{host: example.com, from: -80d, to: 9d}}`")
        })?;
    }
    Ok(described)
}

/// Puts the description back.
pub(super) fn put_back(object: &mut Value, described: Option<Value>) {
    if let Some(described) = described {
        object[FIELD] = described;
    }
}

/// Writes the certificate that a manifest describes into its data.
pub(crate) fn issue(manifest: &mut Value, now: Timestamp) {
    let Ok(Some(described)) = take(manifest) else { return };
    let Ok(certificate) = serde_json::from_value::<Certificate>(described) else { return };
    let Some((public, private)) = certificate.sign(now) else { return };
    manifest["data"]["tls.crt"] = json!(STANDARD.encode(public));
    manifest["data"]["tls.key"] = json!(STANDARD.encode(private));
}

impl Certificate {
    /// The certificate and its key, as PEM.
    fn sign(&self, now: Timestamp) -> Option<(String, String)> {
        let seed = |of: &str| Sha256::digest(format!("{of}/{}", self.host));
        let key = Ed25519KeyPair::from_seed_unchecked(&seed("key")).ok()?;
        let content = self.content(key.public_key().as_ref(), now);
        let signature = key.sign(&content);
        let whole = der(SEQUENCE, &[&content, &algorithm(), &bits(signature.as_ref())]);
        let shown = if self.other_key { seed("other key") } else { seed("key") };
        let secret = der(0x04, &[&der(0x04, &[&shown])]);
        let private = der(SEQUENCE, &[&[0x02, 0x01, 0x00], &algorithm(), &secret]);
        Some((pem("CERTIFICATE", &whole), pem("PRIVATE KEY", &private)))
    }

    /// What is signed.
    fn content(&self, key: &[u8], now: Timestamp) -> Vec<u8> {
        let host = self.host.as_bytes();
        let name =
            der(SEQUENCE, &[&der(0x31, &[&der(SEQUENCE, &[COMMON_NAME, &der(0x0c, &[host])])])]);
        let at = |Offset(offset)| time(now.saturating_add(offset).unwrap_or(now));
        let validity = der(SEQUENCE, &[&at(self.from), &at(self.to)]);
        let names = der(0x04, &[&der(SEQUENCE, &[&der(0x82, &[host])])]);
        let extension = der(SEQUENCE, &[ALTERNATIVE_NAMES, &names]);
        let mut serial = Sha256::digest([key, &validity].concat())[..16].to_vec();
        // a positive number, without a zero before it
        serial[0] = serial[0] & 0x7f | 0x40;
        der(
            SEQUENCE,
            &[
                &der(0xa0, &[&[0x02, 0x01, 0x02]]),
                &der(0x02, &[&serial]),
                &algorithm(),
                &name,
                &validity,
                &name,
                &der(SEQUENCE, &[&algorithm(), &bits(key)]),
                &der(0xa3, &[&der(SEQUENCE, &[&extension])]),
            ],
        )
    }
}

fn algorithm() -> Vec<u8> {
    der(SEQUENCE, &[ED25519])
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    der(0x03, &[&[0], bytes])
}

/// One element: what it is, how long, and its parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut element = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    match significant.as_slice() {
        [] => element.push(0),
        [short] if *short < 0x80 => element.push(*short),
        long => {
            element.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            element.extend(long);
        }
    }
    element.extend(content);
    element
}

/// A time: with two digits of the year until 2049, and with four from then on.
fn time(at: Timestamp) -> Vec<u8> {
    let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
    match text.as_bytes() {
        [_, _, short @ ..] if text.as_str() < "2050" => der(0x17, &[short]),
        long => der(0x18, &[long]),
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..encoded.len())
        .step_by(64)
        .map(|start| &encoded[start..encoded.len().min(start + 64)])
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Value {
        json!({"kind": "Secret", "metadata": {"name": "tls"},
            "certificate": serde_saphyr::from_str::<Value>(text).unwrap()})
    }

    #[test]
    fn a_certificate_is_the_same_each_time() {
        let now = "2026-03-10T09:30:00Z".parse().unwrap();
        let issued = |text: &str| {
            let mut secret = secret(text);
            issue(&mut secret, now);
            assert!(secret.get("certificate").is_none());
            secret["data"].clone()
        };
        let one = issued("{host: shop.example.com, from: -80d, to: 9d}");
        assert_eq!(one, issued("{host: shop.example.com, from: -80d, to: 9d}"));
        let other = issued("{host: shop.example.com, from: -80d, to: 9d, other_key: true}");
        assert_eq!(one["tls.crt"], other["tls.crt"]);
        assert_ne!(one["tls.key"], other["tls.key"]);
    }

    #[test]
    fn what_describes_none_is_refused() {
        for (text, expected) in [
            ("{host: a, from: -1d}", "missing field `to`"),
            ("{host: a, from: soon, to: 1d}", "soon is no while such as -10d"),
        ] {
            let error = take(&mut secret(text)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn lengths_and_times_are_written_as_der_wants_them() {
        assert_eq!(der(4, &[&[0; 200]])[..3], [4, 0x81, 200]);
        assert_eq!(der(4, &[])[..], [4, 0]);
        assert_eq!(time("2049-12-31T23:59:59Z".parse().unwrap())[2..], *b"491231235959Z");
        assert_eq!(time("2050-01-01T00:00:00Z".parse().unwrap())[2..], *b"20500101000000Z");
    }
}
