//! Changes: requests as values, their server-side preview, and the one type that can send them.

use std::time::Duration;

use http::{Request, header};
use kube::client::Body;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer;
use super::client::Cluster;
use super::error::{Doing, Error, ErrorKind};
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
            Self::MergePatch
            | Self::StrategicPatch
            | Self::JsonPatch
            | Self::Apply
            | Self::ForceApply => "patch",
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
        if self.namespace.is_empty() {
            format!("{kind} {}", self.name)
        } else {
            format!("{kind} {}/{}", self.namespace, self.name)
        }
    }

    /// What comes of the request if it is sent once more, and the first one was carried out, or
    /// still will be.
    pub fn again(&self) -> Again {
        match self.method {
            // what both end on is the uid of the object that there was
            Method::Delete | Method::Evict if self.body["preconditions"]["uid"].is_string() => {
                Again::Refused
            }
            Method::Delete | Method::Evict => Again::Twice,
            Method::MergePatch | Method::StrategicPatch | Method::Apply | Method::ForceApply => {
                Again::Harmless
            }
            Method::JsonPatch => again(self.body.as_array().map(Vec::as_slice).unwrap_or_default()),
            // a second one is refused only as long as the first one is there, and what runs to its
            // end is cleaned up
            Method::Create if matches!(self.resource.kind.as_str(), "Job" | "Pod") => Again::Twice,
            Method::Create => Again::Harmless,
        }
    }

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
            Method::MergePatch
            | Method::StrategicPatch
            | Method::JsonPatch
            | Method::Apply
            | Method::ForceApply => Request::patch(uri),
        };
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
        Ok(builder
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content)
            .body(Body::from(body.to_string().into_bytes())))
    }
}

/// What comes of a request that is sent once more, and the first one was carried out, or still will
/// be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It names what it replaces, or the one object that it ends: only one of the two is carried
    /// out, and the other one is refused.
    Refused,
    /// It says what shall be, not what shall be done: a second time changes nothing.
    Harmless,
    /// It would be done twice.
    Twice,
}

/// The same of a JSON patch. A place whose value is tested, or that of what it lies in, is not as
/// tested any more once it was changed.
fn again(operations: &[Value]) -> Again {
    let text =
        |operation: &Value, key: &str| operation[key].as_str().unwrap_or_default().to_owned();
    let tested: Vec<String> = operations
        .iter()
        .filter(|operation| operation["op"] == "test")
        .map(|operation| text(operation, "path"))
        .collect();
    let pinned = |path: &str| {
        let within = |test: &&String| {
            path.strip_prefix(test.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        tested.iter().filter(|test| *test != "/metadata/uid").any(|test| within(&test))
    };
    let harmless = |operation: &Value| {
        let path = text(operation, "path");
        let index = path
            .rsplit('/')
            .next()
            .is_some_and(|last| last == "-" || last.parse::<usize>().is_ok());
        !index && matches!(operation["op"].as_str(), Some("add" | "replace" | "remove"))
    };
    let mut open = operations
        .iter()
        .filter(|operation| operation["op"] != "test" && !pinned(&text(operation, "path")))
        .peekable();
    match (open.peek().is_some(), open.all(harmless)) {
        (false, _) => Again::Refused,
        (true, true) => Again::Harmless,
        (true, false) => Again::Twice,
    }
}

/// Can send changes. A dry run has none: what it holds is a [`Cluster`], which only reads and
/// previews.
#[derive(Clone)]
pub struct Writer {
    cluster: Cluster,
}

impl Writer {
    /// Allows changes of this cluster. Made by the engine for a run that is no dry run, and nowhere
    /// else.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Sends a change, once: nothing below repeats it. Gives the object as it is then.
    ///
    /// # Errors
    /// [`Error::not_executed`] says whether it is certain that nothing has changed.
    pub async fn send(&self, write: &Write) -> Result<Value, Error> {
        self.send_within(write, None, self.cluster.request_timeout()).await
    }

    /// The same within a time, for the object of this uid, if one is known.
    ///
    /// # Errors
    /// As [`Writer::send`]. An answer that is not that of the object is a lost answer
    /// ([`ErrorKind::Malformed`]).
    pub async fn send_within(
        &self,
        write: &Write,
        uid: Option<&str>,
        limit: Duration,
    ) -> Result<Value, Error> {
        let doing = self.cluster.doing(write.method.doing(), write.what());
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
        let doing = self.doing(write.method.doing(), format!("{} (preview)", write.what()));
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
    fn what_comes_of_a_request_that_is_sent_again() {
        let of = |method, kind: &str, body| {
            Write {
                method,
                resource: builtin(kind).unwrap(),
                namespace: "ns".to_owned(),
                name: "x".to_owned(),
                body,
            }
            .again()
        };
        let test = |path: &str| json!({"op": "test", "path": path, "value": 1});
        let add = |path: &str| json!({"op": "add", "path": path, "value": 2});
        for (method, kind, body, again) in [
            (Method::Delete, "Pod", json!({"preconditions": {"uid": "u"}}), Again::Refused),
            (Method::Delete, "Pod", json!({"preconditions": {"uid": null}}), Again::Twice),
            (Method::Evict, "Pod", json!({"preconditions": {"uid": "u"}}), Again::Refused),
            (Method::Apply, "Deployment", json!({}), Again::Harmless),
            (Method::MergePatch, "Deployment", json!({}), Again::Harmless),
            (Method::Create, "ConfigMap", json!({}), Again::Harmless),
            (Method::Create, "Job", json!({}), Again::Twice),
            (Method::Create, "Pod", json!({}), Again::Twice),
            (
                Method::JsonPatch,
                "Deployment",
                json!([test("/metadata/uid"), test("/spec/replicas"), add("/spec/replicas")]),
                Again::Refused,
            ),
            (
                Method::JsonPatch,
                "Deployment",
                json!([test("/spec/l"), add("/spec/l/-")]),
                Again::Refused,
            ),
            // the uid alone pins the object and not what is in it
            (
                Method::JsonPatch,
                "Deployment",
                json!([test("/metadata/uid"), add("/spec/replicas")]),
                Again::Harmless,
            ),
            (
                Method::JsonPatch,
                "Deployment",
                json!([test("/metadata/uid"), add("/spec/l/-")]),
                Again::Twice,
            ),
            (
                Method::JsonPatch,
                "Deployment",
                json!([test("/spec/lists"), add("/spec/l/0")]),
                Again::Twice,
            ),
            (
                Method::JsonPatch,
                "Deployment",
                json!([{"op": "move", "from": "/a", "path": "/b"}]),
                Again::Twice,
            ),
        ] {
            assert_eq!(of(method, kind, body.clone()), again, "{method:?} {kind} {body}");
        }
    }

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
