//! Quotas that have nothing left.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{quantity, text};
use crate::view::View;
use serde_json::Value;

pub(super) const KINDS: &[Kind] = &[Kind("quota-exhausted", "is fully used", &["ResourceQuota"])];

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    view.of("ResourceQuota").iter().filter_map(exhausted).collect()
}

fn exhausted(quota: &Value) -> Option<Cause> {
    let hard = quota["status"]["hard"].as_object()?;
    let full: Vec<String> = hard
        .iter()
        .filter_map(|(resource, limit)| {
            let used = &quota["status"]["used"][resource.as_str()];
            let (most, now) = (quantity(text(limit))?, quantity(text(used))?);
            // a limit of zero forbids the resource
            let is_full = now >= most && most > 0.0;
            is_full.then(|| format!("{resource}: {} of {} used", text(used), text(limit)))
        })
        .collect();
    if full.is_empty() {
        return None;
    }
    let detail = full.join(", ");
    let object = Object::of(quota);
    let said = Evidence::new(format!("{object}: status"), detail.clone());
    let hint = "raise the quota, or delete objects that are not needed: further requests for these \
        resources are denied";
    Some(Cause::new("quota-exhausted", object, "", detail).seen([said]).hint(hint))
}
