//! Claims that get no volume.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{filled, is_deleting, name, quantity, text};
use crate::view::{View, listed, said};
use jiff::SignedDuration;
use serde_json::Value;

const CLAIM: &[&str] = &["PersistentVolumeClaim", "StorageClass"];

pub(super) const KINDS: &[Kind] = &[
    Kind("storage-class-missing", "has no usable StorageClass", CLAIM),
    Kind(
        "volume-provisioning-failed",
        "gets no volume from its provisioner",
        &["PersistentVolumeClaim", "Event"],
    ),
    Kind("volume-not-bound", "is not bound to a volume", &["PersistentVolumeClaim", "Event"]),
    Kind("volume-resize-failed", "cannot be expanded", &["PersistentVolumeClaim", "Event"]),
    Kind("volume-filling-up", "is filling up", &["VolumeStats"]),
    Kind("volume-lost", "has lost its volume", &["PersistentVolumeClaim"]),
];

/// How long a claim may take to be bound when nothing is said against it.
const BINDING: SignedDuration = SignedDuration::from_mins(2);

/// The annotation of the class that a claim without one gets.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let claims = view.of("PersistentVolumeClaim").iter();
    let mut found: Vec<Cause> =
        claims.filter_map(|claim| lost(claim).or_else(|| unbound(view, claim))).collect();
    for stats in view.of("VolumeStats") {
        // each pod that mounts it tells the same
        let filling = filling(stats);
        let known = |cause: &Cause| found.iter().any(|other| other.object == cause.object);
        found.extend(filling.filter(|cause| !known(cause)));
    }
    let claims = view.of("PersistentVolumeClaim").iter();
    found.extend(claims.filter_map(|claim| not_resized(view, claim)));
    found
}

/// The share of a volume, or of its inodes, that may be used.
const FULL: f64 = 0.9;

/// A volume that is nearly full, as the kubelet tells: `{claim, capacity_bytes, available_bytes,
/// inodes, inodes_free}`.
fn filling(stats: &Value) -> Option<Cause> {
    let used = |all: &str, free: &str| {
        let (all, free) = (stats[all].as_f64()?, stats[free].as_f64()?);
        (all > 0.0).then(|| (1.0 - free / all, all, free))
    };
    let bytes = used("capacity_bytes", "available_bytes").filter(|(share, ..)| *share > FULL);
    let inodes = used("inodes", "inodes_free").filter(|(share, ..)| *share > FULL);
    let detail = match (bytes, inodes) {
        (Some((share, all, free)), _) => format!(
            "{:.0} % of {} used, {} left",
            (share * 100.0).floor(),
            bytes_text(all),
            bytes_text(free)
        ),
        (None, Some((share, _, free))) => {
            format!("{:.0} % of its inodes used, {free:.0} left", (share * 100.0).floor())
        }
        (None, None) => return None,
    };
    let namespace = text(&stats["metadata"]["namespace"]);
    let object = Object::named("PersistentVolumeClaim", namespace, text(&stats["claim"]));
    let source = format!("kubelet: volume of {object}");
    let said = Evidence::new(source, detail.clone());
    Some(
        Cause::new("volume-filling-up", object, "", detail)
            .seen([said])
            .hint("remove what is not needed, or expand the claim if its class allows it"),
    )
}

/// Why nothing can be told of how full volumes are.
pub(super) fn untried(view: &View<'_>) -> Option<String> {
    let mut claims = view.of("PersistentVolumeClaim").iter();
    let is_used = claims.any(|claim| claim["status"]["phase"] == "Bound");
    (is_used && view.of("VolumeStats").is_empty() && view.has_read(&["VolumeStats"]))
        .then(|| "no statistics of volumes were read from the kubelets".to_owned())
}

/// Bytes as one says them: `9.5 GiB`.
fn bytes_text(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = units[0];
    for next in &units[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let shown = format!("{value:.1}");
    format!("{} {unit}", shown.trim_end_matches(".0"))
}

/// A claim that should have become larger.
fn not_resized(view: &View<'_>, claim: &Value) -> Option<Cause> {
    let failed = view.last_event(claim, |event| {
        matches!(event.reason, "VolumeResizeFailed" | "FileSystemResizeFailed")
    })?;
    let (asked, got) = (
        text(&claim["spec"]["resources"]["requests"]["storage"]),
        text(&claim["status"]["capacity"]["storage"]),
    );
    if quantity(asked)? <= quantity(got)? {
        return None;
    }
    let detail = format!("{got} instead of {asked}: {}", failed.message);
    Some(
        Cause::new("volume-resize-failed", Object::of(claim), failed.reason, detail)
            .seen([said(claim, &failed)])
            .hint("check whether its class allows expansion, and the log of its provisioner"),
    )
}

fn lost(claim: &Value) -> Option<Cause> {
    let volume = text(&claim["spec"]["volumeName"]);
    (claim["status"]["phase"] == "Lost").then(|| {
        Cause::new("volume-lost", Object::of(claim), "Lost", format!("volume {volume} is gone"))
            .seen([Evidence::new(Object::of(claim).to_string(), "phase Lost")])
            .hint("restore the data from a backup into a new claim")
    })
}

fn unbound(view: &View<'_>, claim: &Value) -> Option<Cause> {
    if claim["status"]["phase"] != "Pending" || is_deleting(claim) {
        return None;
    }
    if let Some(volume) = filled(&claim["spec"]["volumeName"]) {
        return unmatched(view, claim, volume);
    }
    class_missing(view, claim)
        .or_else(|| not_provisioned(view, claim))
        .or_else(|| no_volume(view, claim))
}

/// A claim of one certain volume that it does not get.
fn unmatched(view: &View<'_>, claim: &Value, volume: &str) -> Option<Cause> {
    if !view.older(&claim["metadata"]["creationTimestamp"], BINDING) {
        return None;
    }
    let object = Object::of(claim);
    let event =
        view.last_event(claim, |event| matches!(event.reason, "FailedBinding" | "VolumeMismatch"));
    let known = view.of("PersistentVolume");
    let detail = match (event, view.get("PersistentVolume", volume)) {
        (Some(event), _) => event.message.to_owned(),
        (None, Some(found)) => {
            let claimed = &found["spec"]["claimRef"];
            format!(
                "volume {volume} is {}, claimed by {}/{}",
                text(&found["status"]["phase"]),
                text(&claimed["namespace"]),
                text(&claimed["name"])
            )
        }
        (None, None) if !known.is_empty() => format!("there is no volume {volume}"),
        (None, None) => format!("it names volume {volume}"),
    };
    let source = format!("{object}: spec.volumeName");
    let said = event.map_or_else(|| Evidence::new(source, volume), |event| said(claim, &event));
    let hint = "compare class, size, access modes and claimRef of volume and claim";
    Some(Cause::new("volume-not-bound", object, "Pending", detail).seen([said]).hint(hint))
}

/// Volumes that are made by hand name a class that need not exist.
const BY_CLASS: &str = "create the StorageClass, or provision a PersistentVolume with the same \
    storageClassName, or recreate the claim with an existing class";

fn class_missing(view: &View<'_>, claim: &Value) -> Option<Cause> {
    if !view.has_read(&["StorageClass"]) {
        return None;
    }
    let classes = view.of("StorageClass");
    let known: Vec<&str> = classes.iter().map(name).collect();
    let are = if known.is_empty() {
        "the cluster has none".to_owned()
    } else {
        format!("the cluster has {}", listed(&known))
    };
    // "" asks for a volume that somebody makes by hand
    let detail = match claim["spec"]["storageClassName"].as_str() {
        Some(class) if class.is_empty() || known.contains(&class) => return None,
        Some(class) => format!("{class} does not exist; {are}"),
        None if classes.iter().any(is_default) => return None,
        None => format!("it names none and no class is the default; {are}"),
    };
    let failed = view.last_event(claim, |event| event.reason == "ProvisioningFailed");
    let object = Object::of(claim);
    let source = format!("{object}: spec.storageClassName");
    let asked = text(&claim["spec"]["storageClassName"]);
    let said = failed.map_or_else(|| Evidence::new(source, asked), |event| said(claim, &event));
    Some(
        Cause::new("storage-class-missing", object, "ProvisioningFailed", detail)
            .seen([said])
            .hint(BY_CLASS),
    )
}

/// What its provisioner says, or that it says nothing for long. A claim whose class waits for the
/// first consumer is not asked for before that.
fn not_provisioned(view: &View<'_>, claim: &Value) -> Option<Cause> {
    let event = view
        .last_event(claim, |event| {
            let about = ["ProvisioningFailed", "ExternalProvisioning", "Provisioning"];
            about.contains(&event.reason) || event.reason == "WaitForFirstConsumer"
        })
        // what failed before it began to wait is over
        .filter(|event| event.reason != "WaitForFirstConsumer")?;
    let failed = view.last_event(claim, |event| event.reason == "ProvisioningFailed");
    let (event, hint) = match failed {
        Some(failed) => (failed, "check the provisioner of the storage class and its log"),
        None if view.older(&claim["metadata"]["creationTimestamp"], BINDING) => {
            (event, "check whether the provisioner of the storage class runs, and its log")
        }
        None => return None,
    };
    Some(
        Cause::new("volume-provisioning-failed", Object::of(claim), event.reason, event.message)
            .seen([said(claim, &event)])
            .hint(hint),
    )
}

/// A claim for which nobody has made a volume by hand.
fn no_volume(view: &View<'_>, claim: &Value) -> Option<Cause> {
    let event = view.last_event(claim, |event| event.reason == "FailedBinding")?;
    view.older(&claim["metadata"]["creationTimestamp"], BINDING).then(|| {
        Cause::new("volume-not-bound", Object::of(claim), event.reason, event.message)
            .seen([said(claim, &event)])
            .hint("create a PersistentVolume that matches the claim, or set storageClassName")
    })
}

fn is_default(class: &Value) -> bool {
    class["metadata"]["annotations"][DEFAULT_CLASS] == "true"
}
