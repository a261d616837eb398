//! Certificates of Ingresses: of a Secret this only sees what is public of its certificate.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, is_deleting, text, timestamp};
use crate::view::{View, listed};
use jiff::SignedDuration;
use serde_json::Value;

const TLS: &[&str] = &["Ingress", "Secret"];

pub(super) const KINDS: &[Kind] = &[
    Kind("certificate-missing", "has no certificate for its hosts", TLS),
    Kind("certificate-invalid", "has a certificate that cannot be read", TLS),
    Kind("certificate-expired", "has a certificate that has expired", TLS),
    Kind("certificate-not-yet-valid", "has a certificate that is not valid yet", TLS),
    Kind("certificate-host-mismatch", "has a certificate for another host", TLS),
    Kind("certificate-key-mismatch", "has a certificate that does not fit its key", TLS),
    Kind("certificate-expiring", "has a certificate that expires soon", TLS),
];

/// How long before its end a certificate should have been renewed, at most: one that lives for
/// hours or days is renewed later, and as a rule when a third of its life is left.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Which part of its life is then left.
const PART: i32 = 4;

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let mut found = Vec::new();
    for ingress in view.of("Ingress").iter().filter(|ingress| !is_deleting(ingress)) {
        for entry in array(&ingress["spec"]["tls"]) {
            if let Some(secret) = entry["secretName"].as_str().filter(|name| !name.is_empty()) {
                found.extend(of_entry(view, ingress, entry, secret));
            }
        }
    }
    found
}

fn of_entry(view: &View<'_>, ingress: &Value, entry: &Value, secret: &str) -> Vec<Cause> {
    if view.snapshot.why_unread("Secret").is_some() {
        return Vec::new();
    }
    let object = Object::of(ingress);
    let cause =
        |id, detail: String, hint: &str| Cause::new(id, object.clone(), "", detail).hint(hint);
    let Some(found) = view.get("Secret", secret) else {
        let detail = format!("secret/{secret} does not exist");
        return vec![cause(
            "certificate-missing",
            detail,
            "create the Secret, or find out why cert-manager did not",
        )];
    };
    let certificate = &found["certificate"];
    if !certificate.is_object() {
        return Vec::new();
    }
    if let Some(error) = certificate["error"].as_str() {
        let detail = format!("secret/{secret}: {error}");
        return vec![cause(
            "certificate-invalid",
            detail,
            "put the certificate into the Secret again",
        )];
    }
    let source = Evidence::new(
        format!("secret/{secret}: tls.crt"),
        format!(
            "subject {}, names {}, valid from {} to {}",
            text(&certificate["subject"]),
            array(&certificate["names"]).map(text).collect::<Vec<_>>().join(", "),
            text(&certificate["not_before"]),
            text(&certificate["not_after"]),
        ),
    );
    let mut all = Vec::new();
    let end = timestamp(&certificate["not_after"]);
    let begin = timestamp(&certificate["not_before"]);
    if let Some(end) = end {
        let left = end.duration_since(view.now);
        let soon = begin.map_or(SOON, |begin| SOON.min(end.duration_since(begin) / PART));
        if left.is_negative() || left.is_zero() {
            let detail = format!("secret/{secret} expired {} ago, at {end}", lasting(left.abs()));
            all.push(cause("certificate-expired", detail, "renew the certificate"));
        } else if left <= soon {
            let detail = format!("secret/{secret} expires in {}, at {end}", lasting(left));
            all.push(cause(
                "certificate-expiring",
                detail,
                "renew the certificate, or find out why it is not renewed by itself",
            ));
        }
    }
    if begin.is_some_and(|begin| begin > view.now) {
        let detail = format!("secret/{secret} is valid from {}", text(&certificate["not_before"]));
        all.push(cause("certificate-not-yet-valid", detail, "wait, or check the clocks"));
    }
    let names: Vec<&str> = array(&certificate["names"]).map(text).collect();
    let strange: Vec<&str> = array(&entry["hosts"])
        .map(text)
        .filter(|host| !names.iter().any(|name| covers(name, host)))
        .collect();
    if !strange.is_empty() {
        let own = if names.is_empty() { "no host".to_owned() } else { listed(&names) };
        let detail = format!("secret/{secret} is for {own}, not for {}", listed(&strange));
        all.push(cause("certificate-host-mismatch", detail, "use a certificate for these hosts"));
    }
    if certificate["key_fits"] == false {
        let detail = format!("secret/{secret}: tls.key is of another certificate");
        all.push(cause(
            "certificate-key-mismatch",
            detail,
            "put certificate and key of one pair into the Secret",
        ));
    }
    all.into_iter().map(|cause| cause.seen([source.clone()])).collect()
}

/// A duration as one says it: `9 days`, `5 hours`.
fn lasting(time: SignedDuration) -> String {
    match (time.as_hours(), time.as_mins()) {
        (48.., _) => format!("{} days", time.as_hours() / 24),
        (2.., _) => format!("{} hours", time.as_hours()),
        (_, minutes) => format!("{minutes} minutes"),
    }
}

/// Whether a name of a certificate covers a host (RFC 6125, section 6.4.3: a wildcard stands for one
/// label).
fn covers(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    match name.strip_prefix("*.") {
        Some(rest) => {
            host == name
                || host
                    .split_once('.')
                    .is_some_and(|(label, domain)| !label.is_empty() && domain == rest)
        }
        None => name == host,
    }
}
