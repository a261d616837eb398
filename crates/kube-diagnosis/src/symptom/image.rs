//! Symptoms of images that cannot be pulled.

use super::ObjectEvents;
use crate::object::text;
use serde_json::Value;

/// The reasons of a container that waits for its image.
const WAITING: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "ImageVolumeMountFailed",
];

/// Whether a container that waits for this reason waits for its image.
pub(super) fn is_awaited(reason: &str) -> bool {
    WAITING.contains(&reason)
}

/// Words of a registry or of the container runtime, with what they mean and what to look at.
const CLASSES: &[(&[&str], &str, &str)] = &[
    (
        &["toomanyrequests", "too many requests", "rate limit"],
        "registry-rate-limit",
        "wait, log in to the registry, or use a mirror",
    ),
    (
        &["no space left"],
        "node-disk-full",
        "free space for images on the node, or add another node",
    ),
    (
        &["no match for platform", "exec format"],
        "image-wrong-platform",
        "use an image that is built for the architecture of the node",
    ),
    (
        &[
            "no such host",
            "dial tcp",
            "i/o timeout",
            "connection refused",
            "tls:",
            "x509",
            "server misbehaving",
            "unreachable",
            "connection reset",
            "bad gateway",
            "service unavailable",
            "gateway timeout",
            "deadline exceeded",
            "unexpected eof",
            "http response to https client",
        ],
        "registry-unreachable",
        "check whether the node reaches the registry: name, proxy, firewall and certificate",
    ),
    (
        &[
            "unauthorized",
            "authentication required",
            "denied",
            "forbidden",
            "no basic auth",
            "failed to authorize",
            "failed to fetch anonymous token",
        ],
        "image-pull-denied",
        "check whether the image exists and imagePullSecrets has valid credentials for the \
            registry",
    ),
    (
        &["not found", "manifest unknown", "does not exist", "name unknown"],
        "image-not-found",
        "check the image name and tag: the registry does not have this image",
    ),
];

/// The id of the cause, what the registry or the node says, and what to look at.
pub(super) fn cause(
    reason: &str,
    waiting: &Value,
    container: &str,
    seen: &ObjectEvents<'_>,
) -> (&'static str, String, &'static str) {
    let said = text(&waiting["message"]);
    match reason {
        "InvalidImageName" => {
            return ("image-name-invalid", said.to_owned(), "correct the image name");
        }
        "ErrImageNeverPull" => {
            return (
                "image-not-present",
                said.to_owned(),
                "load the image onto the node, or set an imagePullPolicy that allows pulling it",
            );
        }
        _ => {}
    }
    let of_this = |of: Option<&str>| of.is_none_or(|of| of == container);
    let event = seen.last(|event| {
        event.reason == "Failed"
            && of_this(event.container)
            && event.message.starts_with("Failed to ")
    });
    // the back-off alone does not say what it comes from
    let message = match event {
        Some(event) if class(said).is_none() => event.message,
        _ => said,
    };
    let secret = seen.last(|event| event.reason == "FailedToRetrieveImagePullSecret");
    let (id, hint) = class(message).unwrap_or((
        "image-pull-failed",
        "check the image name and tag, imagePullSecrets and the registry",
    ));
    match secret {
        Some(secret) if id == "image-pull-denied" => {
            (id, format!("{message}; {}", secret.message), hint)
        }
        _ => (id, message.to_owned(), hint),
    }
}

fn class(message: &str) -> Option<(&'static str, &'static str)> {
    let lower = message.to_lowercase();
    CLASSES
        .iter()
        .find(|(parts, _, _)| parts.iter().any(|part| lower.contains(part)))
        .map(|(_, id, hint)| (*id, *hint))
}
