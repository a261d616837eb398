//! The service account of a pod is there.
//!
//! After `plugin/pkg/admission/serviceaccount/admission.go`.

use serde_json::Value;

use super::Refusal;
use crate::object;
use crate::store::Store;

pub(super) fn check(store: &Store, pod: &Value) -> Result<(), Refusal> {
    let namespace = object::namespace(pod);
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    // that of every namespace follows the namespace
    if account == "default" || store.get("serviceaccounts", namespace, account).is_some() {
        return Ok(());
    }
    // a generated name does not have its end yet
    let name = pod["metadata"]["generateName"].as_str().unwrap_or_else(|| object::name(pod));
    Err(Refusal::Forbidden(format!(
        "pods \"{name}\" is forbidden: error looking up service account {namespace}/{account}: \
            serviceaccount \"{account}\" not found"
    )))
}
