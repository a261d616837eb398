//! The revisions of StatefulSets and DaemonSets.
//!
//! After `pkg/controller/history/controller_history.go` of kube-controller-manager.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::letters;
use super::pods::{number, owned, owner_reference};
use crate::object;
use crate::store::Store;

/// The label by which a pod says which revision it is of.
pub(super) const REVISION: &str = "controller-revision-hash";

/// Makes the present template the newest revision and gives its name.
pub(super) fn newest(store: &mut Store, owner: &Value, now: Timestamp) -> String {
    let data = json!({"spec": {"template": owner["spec"]["template"]}});
    let revisions = owned(store, "controllerrevisions", owner);
    let last = revisions.iter().map(|revision| number(&revision["revision"], 0)).max().unwrap_or(0);
    if let Some(known) = revisions.iter().find(|revision| revision["data"] == data) {
        if number(&known["revision"], 0) < last {
            let mut again = (**known).clone();
            again["revision"] = json!(last + 1);
            store.put(again, now);
        }
        return object::name(known).to_owned();
    }
    let hash = letters(&data.to_string(), 10);
    let name = format!("{}-{hash}", object::name(owner));
    let mut labels = owner["spec"]["template"]["metadata"]["labels"].clone();
    labels[REVISION] = json!(hash);
    store.put(
        json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {"name": name, "namespace": object::namespace(owner), "labels": labels,
            "ownerReferences": [owner_reference(owner)]},
            "data": data, "revision": last + 1,
        }),
        now,
    );
    name
}
