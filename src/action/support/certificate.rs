//! What is public of a certificate: subject, names, validity, and whether a key fits. Pure.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The first certificate of a PEM file, which is the server's, with what is said about it:
/// `{subject, issuer, names, not_before, not_after, chain, key_fits}`, or `{error}`. `key_fits` is
/// null without a key.
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
    let Ok((_, first)) = X509Certificate::from_der(&certificates[0]) else {
        return json!({"error": "its first certificate cannot be read"});
    };
    let time =
        |seconds: i64| jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string());
    let validity = first.validity();
    json!({
        "subject": first.subject().to_string(), "issuer": first.issuer().to_string(),
        "names": names(&first),
        "not_before": time(validity.not_before.timestamp()),
        "not_after": time(validity.not_after.timestamp()),
        "chain": certificates.len(),
        "key_fits": key.and_then(|key| fits(certificates, key)),
    })
}

/// The names for which it stands. The common name counts only where there are no others: clients
/// do not look at it (RFC 9525, section 2.2).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let listed: Vec<String> = alternative
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
            _ => None,
        })
        .collect();
    listed
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
