//! What the type of a condition says: about what it is, and whether it is well if it is True.

use super::word::{is_failing, is_working};

/// Conditions about the whole object.
const VERDICTS: [&str; 10] = [
    "Ready",
    "Available",
    "Healthy",
    "Reconciled",
    "Synced",
    "Accepted",
    "Programmed",
    "Established",
    "ResolvedRefs",
    "Succeeded",
];
/// Ends of conditions that count in their place: `ClusterAvailable`, `ReconcileSuccess`, `Complete`.
const SUMMARIES: [&str; 13] = [
    "Ready",
    "Available",
    "Healthy",
    "Success",
    "Succeeded",
    "Successful",
    "Synced",
    "Reachable",
    "Complete",
    "Completed",
    "UpToDate",
    "Admitted",
    "Valid",
];
/// The opposites of Ready and Available: True while the object is made, too (Strimzi).
const OPPOSITES: [&str; 3] = ["NotReady", "Unready", "Unavailable"];
/// Conditions that are True if something is wrong.
const ABNORMAL: [&str; 10] = [
    "Fallback",
    "Conflicted",
    "PartiallyInvalid",
    "InvalidSpec",
    "InvalidRequest",
    "Stalled",
    "Terminal",
    "Irreconcilable",
    "Sealed",
    BLOCKED,
];
/// Ends of those.
const ABNORMAL_ENDS: [&str; 18] = [
    "Degraded",
    "Failed",
    "Failure",
    "Failing",
    "Error",
    "Errors",
    "ErrorOccurred",
    "Unhealthy",
    "Unavailable",
    "Unreachable",
    "Pressure",
    "Expired",
    "Exceeded",
    "Corrupted",
    "Crashing",
    "TimedOut",
    "OutOfSync",
    "Unsupported",
];
/// May be what somebody wants, until they approve it.
pub(super) const BLOCKED: &str = "Blocked";
/// Conditions that are True while a controller is at work, beside those that name the work: DataVolumes
/// of CDI are Running while they are filled, cert-manager has Issuing, Flux Reconciling.
const AT_WORK: [&str; 3] = ["Issuing", "Reconciling", "Running"];

/// A type without what is put before it (`ACK.Terminal`), and with a capital.
pub(super) fn plain_type(kind: &str) -> String {
    let kind = kind.rsplit(['.', '/']).next().unwrap_or(kind);
    let mut letters = kind.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
    })
}

pub(super) fn is_verdict(kind: &str) -> bool {
    VERDICTS.contains(&kind)
}

pub(super) fn is_summary(kind: &str) -> bool {
    let is_of_version = ["Upgrade", "Update", "Version"].iter().any(|word| kind.starts_with(word));
    !is_of_version && SUMMARIES.iter().any(|end| kind.ends_with(end))
}

pub(super) fn is_opposite(kind: &str) -> bool {
    OPPOSITES.contains(&kind)
}

pub(super) fn is_abnormal(kind: &str) -> bool {
    is_opposite(kind)
        || ABNORMAL.contains(&kind)
        || ABNORMAL_ENDS.iter().any(|end| kind.ends_with(end))
}

/// `NoErrors` is no error.
pub(super) fn is_denial(kind: &str) -> bool {
    kind.strip_prefix("No")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// Without these, the object does not work even if it is Ready: a certificate that is not renewed, a
/// Vault that is not reached, a policy that is not valid.
pub(super) fn is_vital(kind: &str) -> bool {
    matches!(kind, "Issuing" | "Valid")
        || kind.ends_with("Reachable")
        || kind.ends_with("Connected")
}

/// Whether the controller is at work while it is True: `ScalingUp` of Cluster API, `Progressing`.
pub(super) fn is_at_work(kind: &str) -> bool {
    AT_WORK.contains(&kind) || is_working(kind) && !is_failing(kind)
}
