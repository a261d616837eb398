//! A request that changes one object, as a value.

use super::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

impl Write {
    /// `deployment petrosa-apps/petrosa-ta-bot`
    pub(crate) fn what(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::builtin;
    use serde_json::json;

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
}
