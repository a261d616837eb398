//! `apply`: objects as a manifest has them.

use super::change::{Change, Guard, Intent};
use super::fan::{quote, reading};
use super::{Access, Context, Failure, FailureKind, Verb, guard};
use crate::cluster::{Method, Write, builtin};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Applies objects by server-side apply, with the field manager `runbook`: what the manifest names is set, the rest stays. Fields that others own
/// are conflicts, named with their owner, unless `force` takes them over. Namespaces and definitions come first, workloads after what they need.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// YAML file with one or more documents, from the working directory.
    pub file: Option<String>,
    /// The objects, written in the runbook.
    #[serde(default)]
    pub manifests: Vec<Value>,
    /// Take fields over from other managers.
    #[serde(default)]
    pub force: bool,
    /// Namespace of objects that name none, if another than the step's.
    pub namespace: Option<String>,
}

/// The largest file, in bytes: what the API server stores is smaller.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What comes before what: an object can need those of lower numbers.
const ORDER: &[(&str, usize)] = &[
    ("Namespace", 0),
    ("CustomResourceDefinition", 1),
    ("ServiceAccount", 2),
    ("Role", 2),
    ("ClusterRole", 2),
    ("RoleBinding", 3),
    ("ClusterRoleBinding", 3),
    ("ConfigMap", 4),
    ("Secret", 4),
    ("PersistentVolumeClaim", 4),
    ("NetworkPolicy", 4),
    ("Service", 5),
    ("HorizontalPodAutoscaler", 7),
    ("PodDisruptionBudget", 7),
    ("Ingress", 7),
    ("ValidatingWebhookConfiguration", 8),
    ("MutatingWebhookConfiguration", 8),
];

impl Verb for Apply {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        match (&self.file, self.manifests.as_slice()) {
            (Some(_), []) => Ok(()),
            (None, [_, ..]) => self.manifests.iter().try_for_each(|object| complete(object)),
            _ => Err("either a `file` or `manifests`".to_owned()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let objects = self.objects().unwrap_or_default();
        let mut all = Vec::new();
        for object in &objects {
            let Some(resource) = object["kind"].as_str().and_then(builtin) else { continue };
            let place = object["metadata"]["namespace"].as_str().or(self.namespace.as_deref()).unwrap_or(namespace);
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            all.extend([("get", name), ("patch", name), ("create", "")].map(|(verb, name)| reading(&resource, verb, place, name)));
        }
        all
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.namespace.as_deref().unwrap_or(namespace));
        let force = if self.force { " --force-conflicts" } else { "" };
        match &self.file {
            Some(file) => vec![format!("kubectl apply --server-side{force} -n {place} -f {}", quote(file))],
            None => self
                .manifests
                .iter()
                .map(|object| format!("echo {} | kubectl apply --server-side{force} -n {place} -f -", quote(&object.to_string())))
                .collect(),
        }
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        let objects = self.objects().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        objects
            .iter()
            .map(|object| {
                let place = object["metadata"]["namespace"].as_str().or(self.namespace.as_deref()).unwrap_or(namespace);
                format!("{place}/{}/{}", text(&object["kind"]).to_ascii_lowercase(), text(&object["metadata"]["name"]))
            })
            .collect()
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let wrong = |reason: String| Failure::new(FailureKind::Failed, reason);
        let objects = self.objects().map_err(wrong)?;
        let mut intent = Intent::default();
        for mut object in objects {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let resource = cluster.resolve(&format!("{}/{}", text(&object["apiVersion"]), text(&object["kind"]))).await?;
            let namespace = if resource.namespaced {
                let place = object["metadata"]["namespace"].as_str().or(self.namespace.as_deref()).unwrap_or(&context.namespace).to_owned();
                object["metadata"]["namespace"] = json!(place);
                place
            } else {
                String::new()
            };
            let name = text(&object["metadata"]["name"]);
            let before = cluster.get_optional(&resource, &namespace, &name).await?;
            let mut guards: Vec<Guard> = guard::manifest(&object);
            if let Some(before) = &before {
                guards.extend(guard::managed(before));
                guards.extend(guard::overwritten(before, &object));
            }
            intent.guards.extend(guards);
            let method = if self.force { Method::ForceApply } else { Method::Apply };
            let summary = if before.is_some() { "applied" } else { "created" }.to_owned();
            let write = Write { method, resource, namespace, name, body: object };
            intent.changes.push(Change { write, before, summary });
        }
        Ok(Some(intent))
    }
}

impl Apply {
    /// The objects in the order of applying.
    fn objects(&self) -> Result<Vec<Value>, String> {
        let mut objects = match &self.file {
            None => self.manifests.clone(),
            Some(file) => {
                let size = std::fs::metadata(file).map_err(|error| format!("cannot read {file}: {error}"))?.len();
                if size > LARGEST {
                    return Err(format!("{file} has {size} bytes, which no API server takes"));
                }
                let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
                documents(&text).map_err(|reason| format!("{file}: {reason}"))?
            }
        };
        objects = objects.into_iter().flat_map(flattened).collect();
        objects.iter().try_for_each(complete)?;
        objects.sort_by_key(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            ORDER.iter().find(|(name, _)| *name == kind).map_or(6, |(_, place)| *place)
        });
        Ok(objects)
    }
}

/// The documents of a YAML text; empty ones are left out.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
    Ok(all.into_iter().filter(|object| !object.is_null()).collect())
}

/// A `List` stands for its items.
fn flattened(object: Value) -> Vec<Value> {
    let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && object["items"].is_array();
    if !is_list {
        return vec![object];
    }
    object["items"].as_array().cloned().unwrap_or_default().into_iter().flat_map(flattened).collect()
}

fn complete(object: &Value) -> Result<(), String> {
    let missing = ["apiVersion", "kind"].into_iter().find(|key| !object[*key].is_string());
    let missing = missing.or_else(|| (!object["metadata"]["name"].is_string()).then_some("metadata.name"));
    match missing {
        Some("metadata.name") if object["metadata"]["generateName"].is_string() => {
            Err("an object to be applied has a name; `generateName` makes a new one each time".to_owned())
        }
        Some(key) => Err(format!("an object to be applied needs `{key}`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_the_rest_keeps_its_order() {
        let object = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [object("Service", "s"), object("Namespace", "n")]});
        let apply = Apply {
            file: None,
            manifests: vec![object("Deployment", "b"), object("Deployment", "a"), list, object("ConfigMap", "c")],
            force: false,
            namespace: None,
        };
        let names: Vec<_> = apply.objects().unwrap().iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["n", "c", "s", "b", "a"]);
    }

    #[test]
    fn files_have_several_documents_and_incomplete_objects_are_refused() {
        assert_eq!(documents("a: 1\n---\n---\nb: 2\n").unwrap().len(), 2);
        assert!(documents("a: [").is_err());
        for (object, reason) in [
            (json!({"kind": "Pod", "metadata": {"name": "x"}}), "an object to be applied needs `apiVersion`"),
            (json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}}), "an object to be applied has a name; `generateName` makes a new one each time"),
        ] {
            assert_eq!(complete(&object).unwrap_err(), reason);
        }
    }
}
