//! `patch`: some fields of an object.

use super::change::{Change, Intent};
use super::fan::quote;
use super::{Access, Context, Failure, Target, Verb, workload};
use crate::cluster::{Method, Write};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Patches one object of any kind. The patch is refused if the object is replaced by another one of its name meanwhile.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The object: `deployment/NAME`, `{kind, name}`.
    pub target: Target,
    /// How the patch is read.
    #[serde(default, rename = "type")]
    pub kind: PatchType,
    /// The patch: an object, or for `json` a list of operations.
    pub patch: Value,
}

/// How a patch is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatchType {
    /// RFC 7396: lists are replaced as a whole, null takes a field away.
    #[default]
    Merge,
    /// Kubernetes' own: lists of built-in kinds are merged by their keys.
    Strategic,
    /// RFC 6902: operations, one after the other.
    Json,
}

impl Verb for Patch {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("patch", &self.target, &[])?;
        match (self.kind, &self.patch) {
            (PatchType::Json, Value::Array(_)) | (PatchType::Merge | PatchType::Strategic, Value::Object(_)) => Ok(()),
            (PatchType::Json, _) => Err("a patch of type json is a list of operations".to_owned()),
            _ => Err("a merge patch is an object with the fields to be changed".to_owned()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let kind = match self.kind {
            PatchType::Merge => "merge",
            PatchType::Strategic => "strategic",
            PatchType::Json => "json",
        };
        let place = quote(self.target.namespace(namespace));
        vec![format!("kubectl patch {} -n {place} --type={kind} -p {}", self.target.kubectl(), quote(&self.patch.to_string()))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let uid = &found.object["metadata"]["uid"];
        let (method, body) = match (self.kind, &self.patch) {
            (PatchType::Json, Value::Array(operations)) => {
                let test = json!({"op": "test", "path": "/metadata/uid", "value": uid});
                (Method::JsonPatch, std::iter::once(test).chain(operations.iter().cloned()).collect())
            }
            (kind, patch) => {
                let mut body = patch.clone();
                body["metadata"]["uid"] = uid.clone();
                (if kind == PatchType::Strategic { Method::StrategicPatch } else { Method::MergePatch }, body)
            }
        };
        let text = |key: &str| found.object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let namespace = if found.resource.namespaced { text("namespace") } else { String::new() };
        let summary = match &self.patch {
            Value::Object(fields) => format!("patched {}", fields.keys().cloned().collect::<Vec<_>>().join(", ")),
            _ => "patched".to_owned(),
        };
        let guards = workload::guards(&found.object);
        let write = Write { method, resource: found.resource, namespace, name: text("name"), body };
        Ok(Some(Intent::of(Some(Change { write, before: Some(found.object), summary }), guards)))
    }
}
