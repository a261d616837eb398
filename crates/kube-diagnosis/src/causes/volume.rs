//! Claims that get no volume.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{filled, name, text};
use crate::view::{View, said};
use serde_json::Value;

const CLAIM: &[&str] = &["PersistentVolumeClaim", "StorageClass"];

pub(super) const KINDS: &[Kind] = &[
    Kind("storage-class-missing", "names a storage class that does not exist", CLAIM),
    Kind(
        "volume-provisioning-failed",
        "gets no volume from its provisioner",
        &["PersistentVolumeClaim", "Event"],
    ),
    Kind("volume-lost", "has lost its volume", &["PersistentVolumeClaim"]),
];

/// The annotation of the class that a claim without one gets.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let claims = view.of("PersistentVolumeClaim").iter();
    claims.filter_map(|claim| lost(claim).or_else(|| unbound(view, claim))).collect()
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
    if claim["status"]["phase"] != "Pending"
        || claim["metadata"]["deletionTimestamp"].is_string()
        || filled(&claim["spec"]["volumeName"]).is_some()
    {
        return None;
    }
    let failed = view.last_event(claim, |event| event.reason == "ProvisioningFailed");
    let classes = view.of("StorageClass");
    let object = Object::of(claim);
    let evidence = failed.map(|event| said(claim, &event));
    let known: Vec<&str> = classes.iter().map(name).collect();
    let are = if known.is_empty() {
        "the cluster has none".to_owned()
    } else {
        format!("the cluster has {}", known.join(", "))
    };
    // "" asks for a volume that somebody makes by hand
    let class = claim["spec"]["storageClassName"].as_str();
    if view.snapshot.why_unread("StorageClass").is_none() {
        let missing = match class {
            Some("") => None,
            Some(class) if known.contains(&class) => None,
            // a volume made by hand may have a class that is only a word
            Some(class) => Some(format!("storage class {class} does not exist; {are}")),
            None if classes.iter().any(is_default) => None,
            None => Some(format!("it names none and no class is the default; {are}")),
        };
        if let Some(detail) = missing {
            return Some(
                Cause::new("storage-class-missing", object, "ProvisioningFailed", detail)
                    .seen(evidence)
                    .hint("create the class, or make the claim anew with one that exists"),
            );
        }
    }
    let failed = failed?;
    Some(
        Cause::new("volume-provisioning-failed", object, failed.reason, failed.message)
            .seen(evidence)
            .hint("check the provisioner of the storage class and its log"),
    )
}

fn is_default(class: &Value) -> bool {
    class["metadata"]["annotations"][DEFAULT_CLASS] == "true"
}
