//! Access reviews: whether the current user is allowed to perform an action.

use serde_json::json;

use super::client::Cluster;
use super::error::Error;
use crate::api::{Access, AccessAnswer};

impl Cluster {
    /// Asks whether the current user may do this (a SelfSubjectAccessReview, which changes
    /// nothing).
    ///
    /// # Errors
    /// When the server cannot be asked; a refusal is an answer, not an error.
    pub async fn can_i(&self, access: &Access) -> Result<AccessAnswer, Error> {
        let spec = if access.path.is_empty() {
            json!({"resourceAttributes": {
                "verb": access.verb,
                "group": access.group,
                "resource": access.resource,
                "subresource": access.subresource,
                "namespace": access.namespace,
                "name": access.name,
            }})
        } else {
            json!({"nonResourceAttributes": {"verb": access.verb, "path": access.path}})
        };
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": spec,
        });
        let what = if access.path.is_empty() { &access.resource } else { &access.path };
        let doing = self.doing("review", format!("the permission to {} {what}", access.verb));
        let review = self
            .post_json(&doing, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &body)
            .await?;
        let status = &review["status"];
        let Some(allowed) = status["allowed"].as_bool() else {
            return Err(doing.not_understood("the review has no status.allowed"));
        };
        let reason = status["reason"]
            .as_str()
            .or(status["evaluationError"].as_str())
            .unwrap_or_default()
            .to_owned();
        Ok(AccessAnswer { allowed, reason })
    }
}
