//! Identifies the cluster and the current user.

use serde_json::{Value, json};

use super::answer;
use super::client::{Cluster, is_absent};
use super::error::{Error, ErrorKind};
use crate::api::{Identity, builtin};

impl Cluster {
    /// Requests version, cluster UID and user concurrently.
    ///
    /// # Errors
    /// When the cluster cannot be reached. What the user may not read is none.
    pub async fn identify(&self) -> Result<Identity, Error> {
        let version =
            async { self.get_json(&self.doing("read", "the server version"), "/version").await };
        let namespace = async {
            let Some(kind) = builtin("Namespace") else { return Ok(Value::Null) };
            let (path, doing) =
                (kind.object("", "kube-system")?, self.doing("get", "namespace kube-system"));
            permitted(
                self.get_json(&doing, &path)
                    .await
                    .and_then(|object| answer::object(&doing, &kind, "", "kube-system", object)),
            )
        };
        let review = async {
            let body =
                json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
            let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
            let doing = self.doing("review", "the own user");
            let answered = self.post_json(&doing, path, &body).await;
            permitted(answered.and_then(|review| {
                if review["kind"] == "SelfSubjectReview" {
                    Ok(review)
                } else {
                    Err(doing.not_understood("it is no review"))
                }
            }))
        };
        // all are awaited, so that the same failure is always told by the same one
        let (version, namespace, review) = tokio::join!(version, namespace, review);
        let (version, namespace, review) = (version?, namespace?, review?);
        let Some(server_version) = version["gitVersion"].as_str() else {
            return Err(self
                .doing("read", "the server version")
                .not_understood("it has no gitVersion"));
        };
        let user = &review["status"]["userInfo"];
        Ok(Identity {
            server_version: server_version.to_owned(),
            cluster_uid: namespace["metadata"]["uid"].as_str().map(str::to_owned),
            user: user["username"].as_str().map(str::to_owned),
            groups: user["groups"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// None if the user may not read it, or it does not exist.
fn permitted(answer: Result<Value, Error>) -> Result<Value, Error> {
    match answer {
        Err(error) if error.kind == ErrorKind::Forbidden || is_absent(&error) => Ok(Value::Null),
        other => other,
    }
}
