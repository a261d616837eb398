//! A namespace that does not go away.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{condition, text};
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

pub(super) const KINDS: &[Kind] = &[
    Kind("finalizers-remaining", "is terminating, and finalizers remain", &["Namespace"]),
    Kind("namespace-not-emptied", "is terminating, and its content is not removed", &["Namespace"]),
];

/// How long the controllers may take to remove what is in it.
const EMPTYING: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    view.of("Namespace").iter().filter_map(|namespace| stuck(view, namespace)).collect()
}

fn stuck(view: &View<'_>, namespace: &Value) -> Option<Cause> {
    if !view.older(&namespace["metadata"]["deletionTimestamp"], EMPTYING) {
        return None;
    }
    let stated = |kind: &str| condition(namespace, kind).filter(|one| one["status"] == "True");
    let object = Object::of(namespace);
    if let Some(remaining) = stated("NamespaceFinalizersRemaining") {
        let left = stated("NamespaceContentRemaining");
        let detail = text(&remaining["message"]);
        return Some(
            Cause::new("finalizers-remaining", object, text(&remaining["reason"]), detail)
                .seen(Some(remaining).into_iter().chain(left).map(|one| Evidence::condition(namespace, one)))
                .hint("find out why the controller of the named finalizer does not remove it: it may be gone"),
        );
    }
    let failed = [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceContentRemaining",
    ];
    let failed = failed.iter().find_map(|kind| stated(kind))?;
    let hint = if failed["type"] == "NamespaceDeletionDiscoveryFailure" {
        "an API group does not answer: check its APIService (kubectl get apiservices)"
    } else {
        "look at the objects that the message names"
    };
    let (reason, message) = (text(&failed["reason"]), text(&failed["message"]));
    Some(
        Cause::new("namespace-not-emptied", object, reason, message)
            .seen([Evidence::condition(namespace, failed)])
            .hint(hint),
    )
}
