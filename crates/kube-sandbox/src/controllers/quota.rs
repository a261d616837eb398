//! ResourceQuotas: what is used of them.
//!
//! After `pkg/controller/resourcequota/resource_quota_controller.go` of kube-controller-manager.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::pods::all;
use crate::admission::used;
use crate::object;
use crate::quantity;
use crate::store::Store;

/// Writes the status of every quota.
pub(crate) fn quotas(store: &mut Store, now: Timestamp) {
    for quota in all(store, "resourcequotas") {
        let hard = object::strings(&quota["spec"]["hard"]);
        let counted: Map<String, Value> = hard
            .keys()
            .filter_map(|key| {
                let number = used(store, object::namespace(&quota), key)?;
                Some((key.clone(), json!(quantity::text(number))))
            })
            .collect();
        let status = json!({"hard": hard, "used": counted});
        if quota["status"] != status {
            let mut after = (*quota).clone();
            after["status"] = status;
            store.put(after, now);
        }
    }
}
