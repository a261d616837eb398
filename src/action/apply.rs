//! `apply`: creates or updates objects from manifests, by server-side apply.

use super::support::change::{Change, Intent};
use super::support::fan_out::{quote, reading};
use super::support::local_file::expand;
use super::support::manifest::{
    Document, covers, defined, documents, in_order, place_of, read, stamped,
};
use super::support::network_inventory::everything_permissions;
use super::support::policy_guard::cuts;
use super::support::{guard, workload};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Verb};
use crate::cluster::{ErrorKind, Method, builtin};
use crate::event::{Effect, PlannedChange};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Applies manifests with server-side apply. Fails on fields that other managers own, and names
/// them. Applies Namespaces, CustomResourceDefinitions, RBAC, configuration and Services before
/// workloads, and autoscalers and the like afterwards; otherwise in the order of the manifests.
/// Refuses placeholders, credentials in plain text, and Secrets whose values would change. Nothing
/// is deleted that the manifests do not have. The output has `objects: [{kind, namespace, name, existed}]`. To wait for the pods, use `then:
/// {rollout: …}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// YAML file, relative to the working directory; may contain several documents and Lists.
    pub file: Option<String>,
    /// List of YAML files, instead of `file`, with `*`, `?` and `**`; sorted by path.
    pub paths: Option<Vec<String>>,
    /// One object, instead of `file`.
    pub manifest: Option<Value>,
    /// List of objects, instead of `file`.
    pub manifests: Option<Vec<Value>>,
    /// Whether to take over fields that other managers own.
    #[serde(default)]
    pub force: bool,
    /// Whether to refuse NetworkPolicies that would cut a connection that the workloads of the
    /// namespace declare in their environment and that policies allow now.
    #[serde(default)]
    pub keep_connections: bool,
}

impl Verb for Apply {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (&self.file, &self.paths, &self.manifest, &self.manifests) {
            // files belong to the machine of the run
            (Some(file), None, None, None) if file.is_empty() => {
                Err("the `file` is empty".to_owned())
            }
            (None, Some(paths), None, None) if paths.is_empty() => {
                Err("the list of `paths` is empty".to_owned())
            }
            (None, None, Some(Value::Array(_)), None) => {
                Err("`manifest` is one object; a list of them is `manifests`".to_owned())
            }
            (Some(_), None, None, None) | (None, Some(_), None, None) => Ok(()),
            (None, None, Some(_), None) | (None, None, None, Some(_)) => {
                match self.documents()?.as_slice() {
                    [] => Err("nothing to apply".to_owned()),
                    _ => Ok(()),
                }
            }
            _ => Err("use exactly one of `file`, `paths`, `manifest` and `manifests`".to_owned()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let all = self.documents().unwrap_or_default();
        let mut needed: Vec<Access> = Vec::new();
        for document in &all {
            let Some(resource) = defined(document, &all) else { continue };
            let place = place_of(document, &resource, namespace);
            let name = document.metadata("name");
            needed.extend(
                [("get", name), ("patch", name), ("create", "")]
                    .map(|(verb, name)| reading(&resource, verb, &place, name)),
            );
            if document.object["spec"]["replicas"].is_u64() {
                needed.extend(
                    builtin("HorizontalPodAutoscaler")
                        .map(|resource| reading(&resource, "list", &place, "")),
                );
            }
        }
        if self.keep_connections {
            needed.extend(everything_permissions());
        }
        needed.sort();
        needed.dedup();
        needed
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let force = if self.force { " --force-conflicts" } else { "" };
        let line = |from: &str| {
            format!("kubectl apply --server-side{force} -n {} -f {from}", quote(namespace))
        };
        let files = self.paths.iter().flatten().chain(&self.file);
        let files: Vec<String> = files.map(|file| quote(file)).collect();
        match files.as_slice() {
            [_, ..] => vec![line(&files.join(" -f "))],
            [] => {
                // JSON is YAML, and a stream of it is several documents
                let all = self.documents().unwrap_or_default();
                all.iter()
                    .map(|document| {
                        format!("printf %s {} | {}", quote(&document.object.to_string()), line("-"))
                    })
                    .collect()
            }
        }
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        let all = self.documents().unwrap_or_default();
        let target = |document: &Document| {
            let place = defined(document, &all).map_or_else(
                || namespace.to_owned(),
                |resource| place_of(document, &resource, namespace),
            );
            format!(
                "{place}/{}/{}",
                document.object["kind"].as_str().unwrap_or_default().to_ascii_lowercase(),
                document.metadata("name")
            )
        };
        // a namespace that is yet to be made has no room for a lock
        let made: Vec<&str> = all
            .iter()
            .filter(|document| document.object["kind"] == "Namespace")
            .map(|document| document.metadata("name"))
            .collect();
        let targets = all.iter().map(target);
        targets
            .map(|target| match target.split_once('/') {
                Some((place, rest)) if made.contains(&place) => format!("/{rest}"),
                _ => target,
            })
            .collect()
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let action = self.clone();
        let all = crate::blocking::blocking(move || action.documents())
            .await
            .map_err(|error| Failure::error(error.to_string()))?;
        let all = all.map_err(|reason| Failure::new(FailureKind::Failed, reason))?;
        if all.is_empty() {
            return Err(Failure::new(
                FailureKind::Failed,
                format!("{} contains no objects", self.source()),
            ));
        }
        let cluster = context.cluster()?;
        let mut intent = Intent::default();
        let (mut objects, mut stamps) = (Vec::new(), Vec::new());
        for document in &all {
            let resource = match defined(document, &all) {
                Some(resource) => resource,
                None => cluster
                    .resolve(&document.kind())
                    .await
                    .map_err(|error| unknown(document, error))?,
            };
            let namespace = place_of(document, &resource, &context.namespace);
            let name = document.metadata("name");
            let before = match cluster.get_optional(&resource, &namespace, name).await {
                Ok(before) => before,
                // the definition of its kind is applied before it
                Err(error)
                    if error.kind == ErrorKind::Unsupported
                        && builtin(&document.kind()).is_none() =>
                {
                    None
                }
                Err(error) => return Err(error.into()),
            };
            let manifest = stamped(document, &namespace);
            intent.guards.extend(self.guards(context, &manifest, before.as_ref()).await?);
            stamps.push(manifest.clone());
            objects.push(json!({"kind": resource.kind, "namespace": namespace, "name": name,
                "existed": before.is_some()}));
            let method = if self.force { Method::ForceApply } else { Method::Apply };
            let summary = if before.is_some() { PlannedChange::APPLIED } else { "made" };
            intent.changes.push(Change::written(
                method,
                &resource,
                (&namespace, name),
                manifest,
                before,
                summary,
            ));
        }
        if self.keep_connections {
            intent.guards.extend(cuts(context, &stamps).await?);
        }
        intent.output.insert("objects".to_owned(), Value::Array(objects));
        Ok(Some(intent))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

impl Apply {
    /// Applies one object. Fields of others would be taken over.
    pub(in crate::action) fn of(manifest: Value) -> Self {
        Self {
            file: None,
            paths: None,
            manifest: Some(manifest),
            manifests: None,
            force: true,
            keep_connections: false,
        }
    }

    /// Where the manifests are, for a message.
    fn source(&self) -> String {
        let files = self.paths.iter().flatten().chain(&self.file);
        let files: Vec<&str> = files.map(String::as_str).collect();
        if files.is_empty() { "the manifest".to_owned() } else { files.join(", ") }
    }

    fn documents(&self) -> Result<Vec<Document>, String> {
        match (&self.file, &self.paths, &self.manifest, &self.manifests) {
            (Some(file), ..) => read(file),
            (None, Some(patterns), ..) => {
                let mut all = Vec::new();
                for path in expand(patterns)? {
                    all.extend(read(&path.to_string_lossy())?);
                }
                in_order(all)
            }
            (None, None, Some(manifest), _) => documents("manifest", vec![manifest.clone()]),
            (None, None, None, Some(manifests)) => documents("manifests", manifests.clone()),
            (None, None, None, None) => Ok(Vec::new()),
        }
    }

    /// The guards that refuse to apply a manifest; none if nothing would change.
    async fn guards(
        &self,
        context: &Context,
        manifest: &Value,
        before: Option<&Value>,
    ) -> Result<Vec<super::Guard>, Failure> {
        if before.is_some_and(|before| covers(before, manifest)) {
            return Ok(Vec::new());
        }
        let mut guards = guard::manifest(manifest);
        let Some(before) = before else { return Ok(guards) };
        guards.extend(guard::overwritten(before, manifest));
        guards.extend(workload::guards(before));
        let wanted = manifest["spec"]["replicas"]
            .as_u64()
            .filter(|wanted| before["spec"]["replicas"] != *wanted);
        if let Some(replicas) = wanted {
            guards.extend(workload::autoscaled(context, before, replicas).await?);
        }
        Ok(guards)
    }
}

fn unknown(document: &Document, error: crate::cluster::Error) -> Failure {
    match error.kind {
        ErrorKind::Unsupported => Failure::new(
            FailureKind::Failed,
            format!("{}: {error}; install its CustomResourceDefinition first", document.place),
        ),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(value: Value) -> Apply {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn faults() {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}});
        for (value, good) in [
            (json!({"file": "not/there.yaml"}), true),
            (json!({"file": ""}), false),
            (json!({"paths": ["not/there/*.yaml"]}), true),
            (json!({"paths": []}), false),
            (json!({"paths": ["a.yaml"], "file": "a.yaml"}), false),
            (json!({"manifest": service}), true),
            (
                json!({"manifests": [service, {"apiVersion": "v1", "kind": "List", "items": []}]}),
                true,
            ),
            (json!({"manifests": []}), false),
            (json!({"manifest": {"kind": "Service"}}), false),
            (json!({"manifest": service, "file": "a.yaml"}), false),
            (json!({}), false),
        ] {
            assert_eq!(apply(value.clone()).check().is_ok(), good, "{value}");
        }
    }

    #[test]
    fn namespaces_locks_and_permissions() {
        let action = apply(json!({"manifests": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new",
            "namespace": "x"}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d",
            "namespace": "new"}},
        ]}));
        assert_eq!(action.targets("n"), ["/namespace/new", "n/configmap/c", "/configmap/d"]);
        let permissions: Vec<String> =
            action.permissions("n").iter().map(ToString::to_string).collect();
        assert!(
            permissions.contains(&"create configmaps in n".to_owned())
                && permissions.contains(&"patch namespaces new (cluster-wide)".to_owned()),
            "{permissions:?}"
        );
        let all = action.documents().unwrap();
        let placed: Vec<Value> = all
            .iter()
            .map(|document| {
                let resource = defined(document, &all).unwrap();
                stamped(document, &place_of(document, &resource, "n"))["metadata"].clone()
            })
            .collect();
        assert_eq!(
            placed,
            [
                json!({"name": "new"}),
                json!({"name": "c", "namespace": "n"}),
                json!({"name": "d", "namespace": "new"})
            ]
        );
        assert_eq!(
            apply(json!({"file": "a b.yaml", "force": true})).manual_commands("n"),
            ["kubectl apply --server-side --force-conflicts -n n -f 'a b.yaml'"]
        );
    }
}
