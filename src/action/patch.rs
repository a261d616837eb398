//! `patch`: patches an object.

use super::support::change::{Change, Intent};
use super::support::fan_out::{quote, reading};
use super::support::workload;
use super::{Access, Context, Failure, Output, Reach, Target, Verb};
use crate::cluster::{Method, builtin};
use crate::compare::pin;
use crate::event::{Effect, PlannedChange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Patches an object of any kind. The patch applies to this object only: if another object has
/// replaced it in the meantime, nothing changes. With `type: json`, the patch also tests the values
/// that its operations found: if someone else has changed them, nothing changes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Object: `deployment/NAME`.
    pub target: Target,
    /// Type of the patch.
    #[serde(default, rename = "type")]
    pub kind: PatchType,
    /// Patch: an object, or a list of operations with `type: json`.
    pub patch: Value,
}

/// How a patch is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatchType {
    /// Fields replace fields, null removes, lists are replaced as a whole (RFC 7396).
    #[default]
    Merge,
    /// As `merge`, with lists merged by the keys of the kind; built-in kinds only.
    Strategic,
    /// A list of operations (RFC 6902).
    Json,
}

impl Verb for Patch {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (self.kind, &self.patch) {
            (PatchType::Json, Value::Array(operations)) if !operations.is_empty() => {
                if let Some(wrong) = operations.iter().find(|operation| {
                    !operation["op"].is_string() || !operation["path"].is_string()
                }) {
                    return Err(format!(
                        "{wrong} is not a JSON patch operation: use {{op, path, value}}"
                    ));
                }
            }
            (PatchType::Json, _) => {
                return Err("with `type: json`, the patch must be a list of operations".to_owned());
            }
            (PatchType::Merge | PatchType::Strategic, Value::Object(fields))
                if fields.get("metadata").is_some_and(|metadata| !metadata.is_object()) =>
            {
                return Err("`metadata` of the patch must be an object".to_owned());
            }
            (PatchType::Merge | PatchType::Strategic, Value::Object(fields))
                if !fields.is_empty() => {}
            (PatchType::Merge | PatchType::Strategic, _) => {
                return Err("the patch must be an object with the fields to change".to_owned());
            }
        }
        workload::check_target("patch", &self.target, &[])
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = workload::patching(&self.target, namespace);
        if self.replicas().is_some() {
            all.extend(
                builtin("HorizontalPodAutoscaler").map(|resource| {
                    reading(&resource, "list", self.target.namespace(namespace), "")
                }),
            );
        }
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let kind = match self.kind {
            PatchType::Merge => "merge",
            PatchType::Strategic => "strategic",
            PatchType::Json => "json",
        };
        let place = quote(self.target.namespace(namespace));
        vec![format!(
            "kubectl patch {} -n {place} --type={kind} -p {}",
            self.target.kubectl(),
            quote(&self.patch.to_string())
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let mut guards = workload::guards(&found.object);
        if let Some(replicas) =
            self.replicas().filter(|replicas| found.object["spec"]["replicas"] != *replicas)
        {
            guards.extend(workload::autoscaled(context, &found.object, replicas).await?);
        }
        let method = match self.kind {
            PatchType::Merge => Method::MergePatch,
            PatchType::Strategic => Method::StrategicPatch,
            PatchType::Json => Method::JsonPatch,
        };
        let text = |key: &str| found.object["metadata"][key].as_str().unwrap_or_default();
        let body = of_one(&self.patch, &found.object);
        let change = Change::written(
            method,
            &found.resource,
            (text("namespace"), text("name")),
            body,
            Some(found.object.clone()),
            PlannedChange::PATCHED,
        );
        Ok(Some(Intent::of(Some(change), guards)))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

impl Patch {
    /// The replicas that the patch asks for.
    fn replicas(&self) -> Option<u64> {
        match &self.patch {
            Value::Array(operations) => {
                operations.iter().find(|operation| operation["path"] == "/spec/replicas")?["value"]
                    .as_u64()
            }
            fields => fields["spec"]["replicas"].as_u64(),
        }
    }
}

/// The patch for just this object. Operations on places are for what is there now: the same patch
/// is never done twice.
fn of_one(patch: &Value, object: &Value) -> Value {
    let uid = &object["metadata"]["uid"];
    let mut patch = patch.clone();
    match &mut patch {
        Value::Array(operations) => {
            let mut tests = vec![json!({"op": "test", "path": "/metadata/uid", "value": uid})];
            let places = operations.iter().filter(|operation| operation["op"] != "test").flat_map(
                |operation| {
                    let moved = (operation["op"] == "move").then(|| &operation["from"]);
                    std::iter::once(&operation["path"]).chain(moved).filter_map(Value::as_str)
                },
            );
            for test in places.filter_map(|place| pin(object, place)) {
                if !tests.contains(&test) {
                    tests.push(test);
                }
            }
            operations.splice(0..0, tests);
        }
        fields => {
            if !fields["metadata"].is_object() {
                fields["metadata"] = json!({});
            }
            fields["metadata"]["uid"] = uid.clone();
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(value: Value) -> Patch {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_patch_is_of_one_object() {
        let object = json!({"metadata": {"uid": "u"}, "spec": {"a": 1, "l": [1]}});
        for (before, wanted) in [
            (json!({"spec": {"a": 1}}), json!({"spec": {"a": 1}, "metadata": {"uid": "u"}})),
            (
                json!({"metadata": {"labels": {"a": null}}}),
                json!({"metadata": {"labels": {"a": null}, "uid": "u"}}),
            ),
            (
                json!([{"op": "remove", "path": "/spec/a"}]),
                json!([{"op": "test", "path": "/metadata/uid", "value": "u"}, {"op": "test",
                    "path": "/spec/a", "value": 1}, {"op": "remove", "path": "/spec/a"}]),
            ),
            // what is added to a list is not added twice
            (
                json!([{"op": "add", "path": "/spec/l/-", "value": 2}, {"op": "add",
                    "path": "/spec/l/-", "value": 3}]),
                json!([{"op": "test", "path": "/metadata/uid", "value": "u"}, {"op": "test",
                    "path": "/spec/l", "value": [1]},
                    {"op": "add", "path": "/spec/l/-", "value": 2}, {"op": "add",
                    "path": "/spec/l/-", "value": 3}]),
            ),
            (
                json!([{"op": "move", "from": "/spec/a", "path": "/spec/b"}]),
                json!([{"op": "test", "path": "/metadata/uid", "value": "u"}, {"op": "test",
                    "path": "/spec/b", "value": null},
                    {"op": "test", "path": "/spec/a", "value": 1}, {"op": "move", "from": "/spec/a",
                    "path": "/spec/b"}]),
            ),
        ] {
            assert_eq!(of_one(&before, &object), wanted);
        }
    }

    #[test]
    fn faults_and_the_line_by_hand() {
        for (kind, body, good) in [
            ("merge", json!({"spec": {}}), true),
            ("merge", json!({}), false),
            ("merge", json!({"metadata": "x"}), false),
            ("strategic", json!([1]), false),
            ("json", json!({"spec": {}}), false),
            ("json", json!([{"op": "remove"}]), false),
            ("json", json!([{"op": "remove", "path": "/a"}]), true),
        ] {
            assert_eq!(
                patch(json!({"target": "pod/p", "type": kind, "patch": body})).check().is_ok(),
                good,
                "{kind} {body}"
            );
        }
        let scaled = patch(json!({"target": "deployment/d", "patch": {"spec": {"replicas": 2}}}));
        assert_eq!(scaled.replicas(), Some(2));
        assert_eq!(
            scaled.manual_commands("n"),
            [r#"kubectl patch deployment/d -n n --type=merge -p '{"spec":{"replicas":2}}'"#]
        );
    }
}
