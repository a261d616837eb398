//! Changes: requests as values, their preview by the server, and the only type that can send them.

use std::time::Duration;

use http::{Request, header};
use kube::client::Body;
use serde_json::{Value, json};

use super::answer;
use super::client::Cluster;
use super::error::{Doing, Error, ErrorKind};
use crate::api::{FIELD_MANAGER, Method, Resource, Write};

/// What is done, for the messages of errors.
fn doing(method: Method) -> &'static str {
    match method {
        Method::Create => "create",
        Method::MergePatch | Method::StrategicPatch | Method::JsonPatch => "patch",
        Method::Apply | Method::ForceApply => "apply",
        Method::Delete => "delete",
        Method::Evict => "evict",
    }
}

impl Write {
    /// The request. The server is told, too, when nobody waits for its answer any more (`timeout`),
    /// and gives it up then.
    fn request(
        &self,
        dry_run: bool,
        limit: Duration,
    ) -> Result<http::Result<Request<Body>>, Error> {
        let object = self.resource.object(&self.namespace, &self.name)?;
        let path = match self.method {
            Method::Create => self.resource.collection(Some(&self.namespace)),
            Method::Evict => format!("{object}/eviction"),
            Method::MergePatch
            | Method::StrategicPatch
            | Method::JsonPatch
            | Method::Apply
            | Method::ForceApply
            | Method::Delete => object,
        };
        let parameters = self.parameters(dry_run, limit);
        let uri = format!("{path}{}", super::http::query(&parameters));
        let builder = match self.method {
            Method::Create | Method::Evict => Request::post(uri),
            Method::Delete => Request::delete(uri),
            Method::MergePatch
            | Method::StrategicPatch
            | Method::JsonPatch
            | Method::Apply
            | Method::ForceApply => Request::patch(uri),
        };
        Ok(builder
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content_type(self.method))
            .body(Body::from(self.sent(dry_run).to_string().into_bytes())))
    }

    fn parameters(&self, dry_run: bool, limit: Duration) -> Vec<(&'static str, String)> {
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
        parameters.push(("timeout", format!("{}s", limit.as_millis().div_ceil(1000).max(1))));
        parameters
    }

    /// The body as it is sent.
    fn sent(&self, dry_run: bool) -> Value {
        let mut body = self.body.clone();
        if dry_run && matches!(self.method, Method::Delete | Method::Evict) {
            // said twice: in the options and in the query
            body["dryRun"] = json!(["All"]);
        }
        if self.method == Method::Evict {
            let metadata = json!({"name": self.name, "namespace": self.namespace});
            body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata,
                "deleteOptions": body});
        }
        body
    }
}

fn content_type(method: Method) -> &'static str {
    match method {
        Method::Create | Method::Delete | Method::Evict => "application/json",
        Method::MergePatch => "application/merge-patch+json",
        Method::StrategicPatch => "application/strategic-merge-patch+json",
        Method::JsonPatch => "application/json-patch+json",
        // JSON is YAML
        Method::Apply | Method::ForceApply => "application/apply-patch+yaml",
    }
}

/// Can send changes. A dry run has none: what it holds is a [`Cluster`], which only reads and
/// previews.
#[derive(Clone)]
pub(super) struct Writer {
    cluster: Cluster,
}

impl Writer {
    /// Allows changes of this cluster. Made through [`crate::api::Port::sender`] for a run that is
    /// no dry run, and nowhere else.
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.cluster.request_timeout()
    }

    /// Sends a change, once: nothing below repeats it. Within a time, for the object of this uid, if
    /// one is known. Gives the object as it is then.
    ///
    /// # Errors
    /// [`Error::not_executed`] says whether it is certain that nothing has changed. An answer that
    /// is not that of the object is a lost answer ([`ErrorKind::Malformed`]).
    pub(super) async fn send_within(
        &self,
        write: &Write,
        uid: Option<&str>,
        limit: Duration,
    ) -> Result<Value, Error> {
        let doing = self.cluster.doing(doing(write.method), write.what());
        let limit = limit.min(self.cluster.request_timeout());
        let answer = self
            .cluster
            .json_within(&doing, write.request(false, limit)?, limit, &mut { answer::MEMORY })
            .await?;
        confirmed(&doing, write, uid, answer)
    }
}

/// The answer to a change, if it is one: the object, or for what ends it the word that it was done.
fn confirmed(
    doing: &Doing,
    write: &Write,
    uid: Option<&str>,
    answer: Value,
) -> Result<Value, Error> {
    let ends = matches!(write.method, Method::Delete | Method::Evict);
    if ends && answer["kind"] == "Status" {
        let details = &answer["details"];
        let other = |key: &str, wanted: &str| {
            details[key].as_str().is_some_and(|found| !found.is_empty() && found != wanted)
        };
        let wrong = answer["status"] != "Success"
            || other("name", &write.name)
            || uid.is_some_and(|uid| other("uid", uid));
        return if wrong {
            Err(doing
                .not_understood(&format!("its answer is no word that {} was done", write.what())))
        } else {
            Ok(answer)
        };
    }
    match answer::named(&write.resource, &write.namespace, &write.name, uid, &answer) {
        Some(why) => Err(doing.not_understood(&format!("its answer is not the object: {why}"))),
        None => Ok(answer),
    }
}

impl Cluster {
    /// The object as it would be after this change: the server checks, defaults and answers, and
    /// stores nothing (`dryRun=All`).
    ///
    /// # Errors
    /// What the change itself would meet, and [`ErrorKind::Invalid`] where a webhook does not
    /// support dry runs.
    pub async fn preview(&self, write: &Write) -> Result<Value, Error> {
        let doing = self.doing(doing(write.method), format!("{} (preview)", write.what()));
        let answer = self.json(&doing, write.request(true, self.request_timeout())?).await?;
        confirmed(&doing, write, None, answer)
    }

    /// An object, or none if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get_optional(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Error> {
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
        use Method::{
            Apply, Create, Delete, Evict, ForceApply, JsonPatch, MergePatch, StrategicPatch,
        };
        for method in
            [Create, MergePatch, StrategicPatch, JsonPatch, Apply, ForceApply, Delete, Evict]
        {
            let write = Write {
                method,
                resource: builtin("Pod").unwrap(),
                namespace: "ns".to_owned(),
                name: "p".to_owned(),
                body: json!({"metadata": {"name": "p"}}),
            };
            for dry_run in [true, false] {
                let request = write.request(dry_run, Duration::from_millis(1500)).unwrap().unwrap();
                let query = request.uri().query().unwrap_or_default();
                let parameters: Vec<&str> =
                    query.split('&').filter(|parameter| !parameter.is_empty()).collect();
                assert_eq!(
                    parameters.iter().filter(|parameter| **parameter == "dryRun=All").count(),
                    usize::from(dry_run),
                    "{method:?}: {query}"
                );
                assert!(
                    !query.contains('?') && parameters.contains(&"timeout=2s"),
                    "{method:?}: {query}"
                );
                let managed = !matches!(method, Delete | Evict);
                assert_eq!(
                    parameters.contains(&"fieldManager=runbook"),
                    managed,
                    "{method:?}: {query}"
                );
                assert_eq!(
                    parameters.contains(&"force=true"),
                    method == ForceApply,
                    "{method:?}: {query}"
                );
            }
        }
    }
}
