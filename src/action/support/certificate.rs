//! What is public of a certificate: subject, names, validity, and whether a key fits. Pure.

use crate::diagnosis::object::{text, timestamp};
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The first certificate of a PEM file, which is the server's, with what is said about it:
/// `{subject, issuer, names, not_before, not_after, chain: [{subject, issuer, not_after}],
/// key_fits}`, or `{error}`. `key_fits` is null without a key.
pub(in crate::action) fn describe(chain: &[u8], key: Option<&[u8]>) -> Value {
    let certificates: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(chain).collect();
    let certificates = match certificates {
        Ok(certificates) if certificates.is_empty() => {
            return json!({"error": "it contains no certificate in PEM"});
        }
        Ok(certificates) => certificates,
        Err(_) => return json!({"error": "it is not PEM"}),
    };
    let mut said = of_chain(&certificates);
    if said["error"].is_null() {
        said["key_fits"] = json!(key.and_then(|key| fits(certificates, key)));
    }
    said
}

/// The same of a chain in DER, the server's own certificate first.
pub(in crate::action) fn of_chain<C: AsRef<[u8]>>(chain: &[C]) -> Value {
    let read = |der: &C| {
        let (_, certificate) = X509Certificate::from_der(der.as_ref()).ok()?;
        let validity = certificate.validity();
        Some(json!({
            "subject": certificate.subject().to_string(),
            "issuer": certificate.issuer().to_string(),
            "names": names(&certificate),
            "not_before": time(validity.not_before.timestamp()),
            "not_after": time(validity.not_after.timestamp()),
        }))
    };
    let Some(mut first) = chain.first().and_then(read) else {
        return json!({"error": "its first certificate cannot be read"});
    };
    let short = |one: &C| {
        read(one).map_or(json!({"error": "it cannot be read"}), |one| {
            json!({"subject": one["subject"], "issuer": one["issuer"],
                "not_after": one["not_after"]})
        })
    };
    first["chain"] = chain.iter().map(short).collect();
    first["key_fits"] = Value::Null;
    first
}

fn time(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

/// Seconds until a certificate expires; negative if it has. None if it cannot be read.
pub(in crate::action) fn expires_in(certificate: &Value, now: Timestamp) -> Option<i64> {
    Some(timestamp(&certificate["not_after"])?.duration_since(now).as_secs())
}

/// What is wrong with a certificate, of which clients would refuse a connection.
pub(in crate::action) fn problems(certificate: &Value, now: Timestamp) -> Vec<String> {
    if let Some(error) = certificate["error"].as_str() {
        return vec![format!("not a certificate: {error}")];
    }
    let mut found = Vec::new();
    if expires_in(certificate, now).is_some_and(|left| left < 0) {
        found.push(format!("the certificate expired at {}", text(&certificate["not_after"])));
    }
    if timestamp(&certificate["not_before"]).is_some_and(|from| from > now) {
        found.push(format!(
            "the certificate is not valid before {}",
            text(&certificate["not_before"])
        ));
    }
    if certificate["key_fits"] == false {
        found.push("the private key does not belong to the certificate".to_owned());
    }
    found
}

/// The names for which it stands: the alternative ones. Clients do not look at the common name (RFC
/// 9525, section 2).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    alternative
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
            _ => None,
        })
        .collect()
}

/// Whether a private key is that of the first certificate; none if it cannot be told.
fn fits(certificates: Vec<CertificateDer<'static>>, key: &[u8]) -> Option<bool> {
    let key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let provider = rustls::crypto::ring::default_provider();
    match CertifiedKey::from_der(certificates, key, &provider) {
        Ok(_) => Some(true),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Some(false),
        Err(_) => None,
    }
}
