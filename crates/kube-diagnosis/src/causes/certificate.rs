//! Certificates of Ingresses: of a Secret this only sees what is public of its certificate.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, is_deleting, stated, text, timestamp};
use crate::view::{View, listed};
use jiff::SignedDuration;
use serde_json::Value;

const TLS: &[&str] = &["Ingress", "Secret"];

pub(super) const KINDS: &[Kind] = &[
    Kind("certificate-not-issued", "is not issued or renewed", &["Certificate"]),
    Kind("certificate-missing", "has no certificate for its hosts", TLS),
    Kind("certificate-invalid", "has a certificate that cannot be read", TLS),
    Kind("certificate-expired", "has a certificate that has expired", TLS),
    Kind("certificate-not-yet-valid", "has a certificate that is not valid yet", TLS),
    Kind("certificate-host-mismatch", "has a certificate for another host", TLS),
    Kind("certificate-key-mismatch", "has a certificate that does not match its private key", TLS),
    Kind("certificate-expiring", "has a certificate that expires soon", TLS),
];

/// How long before its end a certificate should have been renewed, at most: one that lives for
/// hours or days is renewed later, and as a rule when a third of its life is left.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long an issuer may take.
const ISSUING: SignedDuration = SignedDuration::from_mins(10);
/// Which part of its life is then left.
const PART: i32 = 4;

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let mut found: Vec<Cause> =
        view.of("Certificate").iter().filter_map(|one| not_issued(view, one)).collect();
    for ingress in view.of("Ingress").iter().filter(|ingress| !is_deleting(ingress)) {
        for entry in array(&ingress["spec"]["tls"]) {
            if let Some(secret) = entry["secretName"].as_str().filter(|name| !name.is_empty()) {
                let why = made_by(view, secret)
                    .map(Object::of)
                    .filter(|made| found.iter().any(|cause| cause.object == *made))
                    .map(|made| (made, "certificate-not-issued"));
                let of_secret = of_entry(view, ingress, entry, secret);
                found.extend(of_secret.into_iter().map(|cause| Cause {
                    follows_from: why.clone().filter(|_| RENEWED.contains(&cause.id)),
                    ..cause
                }));
            }
        }
    }
    found
}

/// What a certificate that is issued anew mends.
const RENEWED: &[&str] = &["certificate-missing", "certificate-expired", "certificate-expiring"];

/// The Certificate of cert-manager that this Secret is of.
fn made_by<'a>(view: &View<'a>, secret: &str) -> Option<&'a Value> {
    view.of("Certificate").iter().find(|one| one["spec"]["secretName"] == secret)
}

/// A Certificate that its issuer has not issued, or not renewed, for some time.
fn not_issued(view: &View<'_>, certificate: &Value) -> Option<Cause> {
    let unready = stated(certificate, "Ready", "False")
        .filter(|ready| view.older(&ready["lastTransitionTime"], ISSUING));
    // one that is valid still, and whose renewal fails
    let failed = stated(certificate, "Issuing", "False").filter(|one| one["reason"] == "Failed");
    let due = timestamp(&certificate["status"]["renewalTime"]);
    let is_due = due.is_some_and(|due| due <= view.now);
    let failed = failed.filter(|_| unready.is_some() || is_due).or(unready)?;
    if is_deleting(certificate) {
        return None;
    }
    let (object, reason) = (Object::of(certificate), text(&failed["reason"]));
    let hint = format!(
        "look at its CertificateRequest, Order and Challenge: kubectl describe -n {} \
            certificaterequest,order,challenge",
        object.namespace
    );
    Some(
        Cause::new("certificate-not-issued", object, reason, text(&failed["message"]))
            .seen([Evidence::condition(certificate, failed)])
            .hint(hint),
    )
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
        return vec![
            cause(
                "certificate-missing",
                detail,
                "create the Secret; where cert-manager issues it, look at its Certificate",
            )
            .seen([Evidence::new(format!("{object}: spec.tls"), format!("secretName {secret}"))]),
        ];
    };
    let certificate = &found["certificate"];
    if !certificate.is_object() {
        return Vec::new();
    }
    if let Some(error) = certificate["error"].as_str() {
        let detail = format!("secret/{secret}: {error}");
        return vec![
            cause("certificate-invalid", detail, "put the certificate into the Secret again")
                .seen([Evidence::new(format!("secret/{secret}: tls.crt"), error)]),
        ];
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
        // its renewal is planned for later
        let planned = made_by(view, secret).map(|one| &one["status"]["renewalTime"]);
        let is_planned = planned.and_then(timestamp).is_some_and(|time| time > view.now);
        let soon = begin.map_or(SOON, |begin| SOON.min(end.duration_since(begin) / PART));
        if left.is_negative() || left.is_zero() {
            let detail = format!("secret/{secret} expired {} ago, at {end}", lasting(left.abs()));
            all.push(cause("certificate-expired", detail, "renew the certificate"));
        } else if left <= soon && !is_planned {
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
        let (detail, hint) = mismatch(certificate, &names, &listed(&strange));
        let detail = format!("secret/{secret} {detail}");
        all.push(cause("certificate-host-mismatch", detail, hint));
    }
    if certificate["key_fits"] == false {
        let detail = format!("secret/{secret}: tls.key belongs to another certificate");
        all.push(cause(
            "certificate-key-mismatch",
            detail,
            "put certificate and key of one pair into the Secret",
        ));
    }
    all.into_iter().map(|cause| cause.seen([source.clone()])).collect()
}

/// Which names a certificate has that is not for these hosts, and what to do. Clients look at its
/// alternative names, and not at its common name (RFC 9525, section 2; RFC 6125, section 6.4.4).
fn mismatch(certificate: &Value, names: &[&str], hosts: &str) -> (String, &'static str) {
    let parts = text(&certificate["subject"]).split([',', '+']).map(str::trim);
    let common = parts.filter_map(|part| part.strip_prefix("CN=")).next_back();
    match (names, common) {
        ([], Some(common)) => (
            format!(
                "has the common name {common}, which clients do not check, and no alternative \
                    name for {hosts}"
            ),
            "issue it with these hosts as alternative names (subjectAltName)",
        ),
        ([], None) => {
            (format!("is for no host, not for {hosts}"), "use a certificate for these hosts")
        }
        _ => {
            let own = listed(names);
            (format!("is for {own}, not for {hosts}"), "use a certificate for these hosts")
        }
    }
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
