//! Changes: requests as values, their server-side preview, and the one type that can send them.

use http::{Request, header};
use kube::client::Body;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Cluster;
use super::error::{Error, ErrorKind};
use super::resource::Resource;

/// The field manager of everything that is changed.
pub const FIELD_MANAGER: &str = "runbook";

/// A request that changes one object. A value: it can be shown, previewed, recorded and sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// How the object is changed.
    pub method: Method,
    /// The kind of the object.
    pub resource: Resource,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The body of the request; for [`Method::Delete`] and [`Method::Evict`] the `DeleteOptions`.
    pub body: Value,
}

/// How an object is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// POST to the collection.
    Create,
    /// RFC 7396.
    MergePatch,
    /// With the merge keys of the built-in kinds.
    StrategicPatch,
    /// RFC 6902; its `test` operations are the precondition.
    JsonPatch,
    /// Server-side apply; fields of other managers are conflicts.
    Apply,
    /// Server-side apply that takes fields from other managers.
    ForceApply,
    /// DELETE, with preconditions in the body.
    Delete,
    /// POST to the `eviction` subresource of a pod, which respects disruption budgets.
    Evict,
}

impl Method {
    /// The verb that RBAC asks for.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Create | Self::Evict => "create",
            Self::MergePatch | Self::StrategicPatch | Self::JsonPatch | Self::Apply | Self::ForceApply => "patch",
            Self::Delete => "delete",
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::MergePatch | Self::StrategicPatch | Self::JsonPatch => "patch",
            Self::Apply | Self::ForceApply => "apply",
            Self::Delete => "delete",
            Self::Evict => "evict",
        }
    }
}

impl Write {
    /// `deployment petrosa-apps/petrosa-ta-bot`
    fn what(&self) -> String {
        let kind = self.resource.kind.to_ascii_lowercase();
        if self.namespace.is_empty() { format!("{kind} {}", self.name) } else { format!("{kind} {}/{}", self.namespace, self.name) }
    }

    fn request(&self, dry_run: bool) -> Result<http::Result<Request<Body>>, Error> {
        let object = self.resource.object(&self.namespace, &self.name)?;
        let path = match self.method {
            Method::Create => self.resource.collection(Some(&self.namespace)),
            Method::Evict => format!("{object}/eviction"),
            Method::MergePatch | Method::StrategicPatch | Method::JsonPatch | Method::Apply | Method::ForceApply | Method::Delete => object,
        };
        let mut parameters = Vec::new();
        if !matches!(self.method, Method::Delete | Method::Evict) {
            parameters.push(("fieldManager", FIELD_MANAGER.to_owned()));
        }
        if matches!(self.method, Method::Create | Method::Apply | Method::ForceApply) {
            // as kubectl does: an unknown field is an error, not dropped in silence
            parameters.push(("fieldValidation", "Strict".to_owned()));
        }
        if self.method == Method::ForceApply {
            parameters.push(("force", "true".to_owned()));
        }
        if dry_run {
            parameters.push(("dryRun", "All".to_owned()));
        }
        let content = match self.method {
            Method::Create | Method::Delete | Method::Evict => "application/json",
            Method::MergePatch => "application/merge-patch+json",
            Method::StrategicPatch => "application/strategic-merge-patch+json",
            Method::JsonPatch => "application/json-patch+json",
            // JSON is YAML
            Method::Apply | Method::ForceApply => "application/apply-patch+yaml",
        };
        let uri = format!("{path}{}", super::http::query(&parameters));
        let builder = match self.method {
            Method::Create | Method::Evict => Request::post(uri),
            Method::Delete => Request::delete(uri),
            Method::MergePatch | Method::StrategicPatch | Method::JsonPatch | Method::Apply | Method::ForceApply => Request::patch(uri),
        };
        let mut body = self.body.clone();
        if dry_run && matches!(self.method, Method::Delete | Method::Evict) {
            // said twice: in the options and in the query
            body["dryRun"] = json!(["All"]);
        }
        if self.method == Method::Evict {
            let metadata = json!({"name": self.name, "namespace": self.namespace});
            body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": body});
        }
        Ok(builder.header(header::ACCEPT, "application/json").header(header::CONTENT_TYPE, content).body(Body::from(body.to_string().into_bytes())))
    }
}

/// Can send changes. A dry run has none: what it holds is a [`Cluster`], which only reads and previews.
#[derive(Clone)]
pub struct Writer {
    cluster: Cluster,
}

impl Writer {
    /// Allows changes of this cluster. Made by the engine for a run that is no dry run, and nowhere else.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Sends a change, once: nothing below repeats it. Gives the object as it is then.
    ///
    /// # Errors
    /// [`Error::not_executed`] says whether it is certain that nothing has changed.
    pub async fn send(&self, write: &Write) -> Result<Value, Error> {
        let doing = self.cluster.doing(write.method.doing(), write.what());
        self.cluster.json(&doing, write.request(false)?).await
    }
}

impl Cluster {
    /// The object as it would be after this change: the server checks, defaults and answers, and stores nothing
    /// (`dryRun=All`).
    ///
    /// # Errors
    /// What the change itself would meet, and [`ErrorKind::Invalid`] where a webhook does not support dry runs.
    pub async fn preview(&self, write: &Write) -> Result<Value, Error> {
        let doing = self.doing(write.method.doing(), format!("{} (preview)", write.what()));
        self.json(&doing, write.request(true)?).await
    }

    /// An object, or none if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get_optional(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        match self.get(resource, Some(namespace), name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::builtin;

    #[test]
    fn a_preview_is_a_dry_run_and_a_change_is_none_whatever_the_method() {
        use Method::{Apply, Create, Delete, Evict, ForceApply, JsonPatch, MergePatch, StrategicPatch};
        for method in [Create, MergePatch, StrategicPatch, JsonPatch, Apply, ForceApply, Delete, Evict] {
            let write =
                Write { method, resource: builtin("Pod").unwrap(), namespace: "ns".to_owned(), name: "p".to_owned(), body: json!({"metadata": {"name": "p"}}) };
            for dry_run in [true, false] {
                let request = write.request(dry_run).unwrap().unwrap();
                let query = request.uri().query().unwrap_or_default();
                let parameters: Vec<&str> = query.split('&').filter(|parameter| !parameter.is_empty()).collect();
                assert_eq!(parameters.iter().filter(|parameter| **parameter == "dryRun=All").count(), usize::from(dry_run), "{method:?}: {query}");
                assert!(!query.contains('?'), "{method:?}: {query}");
                let managed = !matches!(method, Delete | Evict);
                assert_eq!(parameters.contains(&"fieldManager=runbook"), managed, "{method:?}: {query}");
                assert_eq!(parameters.contains(&"force=true"), method == ForceApply, "{method:?}: {query}");
            }
        }
    }
}
