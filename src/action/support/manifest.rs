//! Reads manifests: multi-document YAML, as objects in the order in which they can be applied. Pure
//! except for reading a file.

use crate::cluster::{Resource, builtin};
use serde_json::{Value, json};
use serde_saphyr::Spanned;
use std::path::Path;

/// The largest object: the API server takes about 1.5 MiB.
const OBJECT: usize = 1024 * 1024;
/// The largest file.
const FILE: u64 = 16 * 1024 * 1024;

/// An object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::action) struct Document {
    /// The object.
    pub(in crate::action) object: Value,
    /// Where it is written: `deploy.yaml: document 2`.
    pub(in crate::action) place: String,
    /// The line of the file on which it begins; 0 if it is in no file.
    pub(in crate::action) line: u64,
}

impl Document {
    /// A field of the metadata; empty if it is absent.
    pub(in crate::action) fn metadata(&self, key: &str) -> &str {
        self.object["metadata"][key].as_str().unwrap_or_default()
    }

    /// The kind as [`builtin`] and the cluster know it: `apps/v1/Deployment`.
    pub(in crate::action) fn kind(&self) -> String {
        format!(
            "{}/{}",
            self.object["apiVersion"].as_str().unwrap_or_default(),
            self.object["kind"].as_str().unwrap_or_default()
        )
    }
}

/// The objects of a file, in the order in which they are applied.
///
/// # Errors
/// The place and the reason: it cannot be read, is no YAML, or has what is no object.
pub(in crate::action) fn read(path: &str) -> Result<Vec<Document>, String> {
    let unreadable = |reason: String| format!("{path} cannot be read: {reason}");
    let about = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !about.is_file() {
        return Err(unreadable(format!(
            "it is {}",
            if about.is_dir() {
                "a directory: list the files individually"
            } else {
                "not a regular file"
            }
        )));
    }
    if about.len() > FILE {
        return Err(unreadable(format!("it has {} bytes; the maximum is {FILE}", about.len())));
    }
    let text =
        std::fs::read_to_string(Path::new(path)).map_err(|error| unreadable(error.to_string()))?;
    let values = spanned(&text).map_err(|reason| format!("{path}: {reason}"))?;
    let values = values.into_iter().map(|value| (value.referenced.line(), value.value));
    placed(path, values.collect())
}

/// The documents of a text, with the rules of YAML 1.2 for `yes` and `no` and those of kubectl for
/// numbers such as `0644`.
pub(in crate::action) fn parse(text: &str) -> Result<Vec<Value>, String> {
    spanned(text).map(|documents| documents.into_iter().map(|document| document.value).collect())
}

/// The same, with where each begins.
fn spanned(text: &str) -> Result<Vec<Spanned<Value>>, String> {
    let options = serde_saphyr::options! { strict_booleans: true, legacy_octal_numbers: true,
    with_snippet: false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

/// Objects as they are written in the runbook or in a file: lists are flattened, empty ones passed
/// over, each is checked, and all are sorted.
///
/// # Errors
/// The place and what is wrong there.
pub(in crate::action) fn documents(
    source: &str,
    values: Vec<Value>,
) -> Result<Vec<Document>, String> {
    placed(source, values.into_iter().map(|value| (0, value)).collect())
}

fn placed(source: &str, values: Vec<(u64, Value)>) -> Result<Vec<Document>, String> {
    let mut all = Vec::new();
    let several = values.len() > 1;
    for (index, (line, value)) in values.into_iter().enumerate() {
        let place =
            if several { format!("{source}: document {}", index + 1) } else { source.to_owned() };
        flatten(value, (place, line), &mut all)?;
    }
    in_order(all)
}

/// Objects of one or several files, in the order in which they are applied.
///
/// # Errors
/// Which object is defined twice.
pub(in crate::action) fn in_order(mut all: Vec<Document>) -> Result<Vec<Document>, String> {
    all.sort_by_key(|document| rank(document.object["kind"].as_str().unwrap_or_default()));
    for (index, document) in all.iter().enumerate() {
        let same = |other: &&Document| {
            other.kind() == document.kind()
                && ["namespace", "name"]
                    .iter()
                    .all(|key| other.metadata(key) == document.metadata(key))
        };
        if let Some(other) = all[..index].iter().find(same) {
            return Err(format!(
                "{}: {} {} is defined twice, also in {}",
                document.place,
                document.kind(),
                document.metadata("name"),
                other.place
            ));
        }
    }
    Ok(all)
}

fn flatten(
    value: Value,
    (place, line): (String, u64),
    into: &mut Vec<Document>,
) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    if let (true, Some(items)) = (is_list, value["items"].as_array()) {
        return items.iter().enumerate().try_for_each(|(index, item)| {
            flatten(item.clone(), (format!("{place}, item {}", index + 1), line), into)
        });
    }
    let document = Document { object: value, place, line };
    fault(&document).map_or_else(
        || {
            into.push(document.clone());
            Ok(())
        },
        |reason| Err(format!("{}: {reason}", document.place)),
    )
}

fn fault(document: &Document) -> Option<String> {
    let object = &document.object;
    if !object.is_object() {
        return Some("is not an object: apiVersion, kind and metadata are missing".to_owned());
    }
    for key in ["apiVersion", "kind"] {
        if object[key].as_str().is_none_or(str::is_empty) {
            return Some(format!("{key} is missing"));
        }
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    match (document.metadata("name"), object["metadata"].get("generateName")) {
        ("", Some(_)) => {
            return Some(format!(
                "{kind} has a generateName: every run would create another object; set a name"
            ));
        }
        ("", None) => return Some(format!("metadata.name of {kind} is missing")),
        _ => {}
    }
    let size = object.to_string().len();
    (size > OBJECT).then(|| {
        format!("{kind} {} has {size} bytes; the maximum is {OBJECT}", document.metadata("name"))
    })
}

/// What comes first because others need it. What is not named here comes with the workloads.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "ServiceAccount" | "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => 2,
        "ConfigMap"
        | "Secret"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "StorageClass"
        | "PriorityClass"
        | "ResourceQuota"
        | "LimitRange" => 3,
        "Service" => 4,
        "HorizontalPodAutoscaler" | "PodDisruptionBudget" | "Ingress" => 6,
        "APIService" | "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => 7,
        _ => 5,
    }
}

/// The kind that a document defines or one of the definitions beside it does: it need not be served
/// yet.
pub(in crate::action) fn defined(document: &Document, all: &[Document]) -> Option<Resource> {
    let kind = document.kind();
    if let Some(resource) = builtin(&kind) {
        return Some(resource);
    }
    let (group, version) = document.object["apiVersion"].as_str()?.split_once('/')?;
    let definitions = all
        .iter()
        .map(|document| &document.object)
        .filter(|object| object["kind"] == "CustomResourceDefinition");
    let definition = definitions
        .map(|object| &object["spec"])
        .find(|spec| spec["group"] == group && spec["names"]["kind"] == document.object["kind"])?;
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: document.object["kind"].as_str()?.to_owned(),
        plural: definition["names"]["plural"].as_str()?.to_owned(),
        namespaced: definition["scope"] == "Namespaced",
        short: Vec::new(),
    })
}

/// The namespace of an object: its own, or that of the step; none for kinds without.
pub(in crate::action) fn place_of(document: &Document, resource: &Resource, step: &str) -> String {
    match document.metadata("namespace") {
        _ if !resource.namespaced => String::new(),
        "" => step.to_owned(),
        own => own.to_owned(),
    }
}

/// The manifest with its namespace, as it is sent.
pub(in crate::action) fn stamped(document: &Document, namespace: &str) -> Value {
    let mut manifest = document.object.clone();
    if let Some(metadata) = manifest["metadata"].as_object_mut() {
        if namespace.is_empty() {
            metadata.shift_remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        // an object that was read before is applied without what the server keeps; it would refuse
        // managedFields
        for kept_by_server in
            ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"]
        {
            metadata.shift_remove(kept_by_server);
        }
    }
    manifest
}

/// Whether an object has everything that a manifest says, so that applying it would change nothing
/// but the ownership of fields.
pub(in crate::action) fn covers(object: &Value, manifest: &Value) -> bool {
    match (object, manifest) {
        (Value::Object(object), Value::Object(manifest)) => manifest.iter().all(|(key, wanted)| {
            object.get(key).map_or_else(|| is_empty(wanted), |value| covers(value, wanted))
        }),
        (Value::Array(items), Value::Array(wanted)) => {
            items.len() == wanted.len()
                && items.iter().zip(wanted).all(|(item, wanted)| covers(item, wanted))
        }
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        _ => object == manifest,
    }
}

/// What the server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_flattened_checked_and_sorted() {
        let text = "---\n# nothing\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \
            d}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, \
            metadata: {name: s}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: n}}\n---\n";
        let all = documents("f.yaml", parse(text).unwrap()).unwrap();
        let kinds: Vec<String> = all.iter().map(Document::kind).collect();
        assert_eq!(kinds, ["v1/Namespace", "v1/Service", "apps/v1/Deployment"]);
        assert!(
            all[0].place.starts_with("f.yaml: document") && all[0].place.ends_with("item 2"),
            "{}",
            all[0].place
        );
        assert_eq!(all.iter().map(|one| one.line).collect::<Vec<_>>(), [0, 0, 0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.yaml");
        std::fs::write(&path, text).unwrap();
        let lines: Vec<u64> =
            read(path.to_str().unwrap()).unwrap().iter().map(|one| one.line).collect();
        assert_eq!(lines, [8, 8, 4]);
        for (value, reason) in [
            (json!([1]), "f: is not an object: apiVersion, kind and metadata are missing"),
            (json!({"kind": "Pod"}), "f: apiVersion is missing"),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}}),
                "f: metadata.name of Pod is missing",
            ),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}}),
                "f: Pod has a generateName: every run would create another object; set a name",
            ),
        ] {
            assert_eq!(documents("f", vec![value]).unwrap_err(), reason);
        }
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
        assert!(
            documents("f", vec![pod.clone(), pod.clone()])
                .unwrap_err()
                .contains("is defined twice")
        );
        let mut large = pod;
        large["data"] = json!("x".repeat(OBJECT));
        assert!(documents("f", vec![large]).unwrap_err().contains("the maximum is"));
    }

    #[test]
    fn scalars_are_read_as_kubectl_does() {
        let read = parse(
            "mode: 0644\nten: 010\nword: yes\nflag: true\nport: 80\nversion: \
            '1.10'\ntext: 1.2.3\nnone: ~\nzip: 08001\n",
        )
        .unwrap();
        assert_eq!(
            read[0],
            json!({"mode": 420, "ten": 8, "word": "yes", "flag": true, "port": 80,
                "version": "1.10", "text": "1.2.3", "none": null, "zip": 8001.0})
        );
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        let name = path.to_str().unwrap();
        assert!(read(name).unwrap_err().contains("a.yaml cannot be read"));
        std::fs::write(&path, "a: b\n c: d\n").unwrap();
        let reason = read(name).unwrap_err();
        assert!(reason.contains("a.yaml: ") && reason.contains("line 2"), "{reason}");
        assert!(read(folder.path().to_str().unwrap()).unwrap_err().contains("a directory"));
    }

    #[test]
    fn a_kind_may_be_defined_beside_its_object() {
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition", "metadata": {"name": "xs.a.b"},
            "spec": {"group": "a.b", "scope": "Namespaced", "names": {"kind": "X",
            "plural": "xs"}}});
        let all = documents(
            "f",
            vec![
                json!({"apiVersion": "a.b/v1", "kind": "X", "metadata": {"name": "x"}}),
                definition,
            ],
        )
        .unwrap();
        let found = defined(&all[1], &all).unwrap();
        assert_eq!(
            (found.plural.as_str(), found.namespaced, found.api_version().as_str()),
            ("xs", true, "a.b/v1")
        );
        assert_eq!(defined(&all[1], &all[1..]), None);
    }

    #[test]
    fn what_is_there_covers_what_is_written() {
        let object = json!({"metadata": {"name": "d", "uid": "u"}, "spec": {"replicas": 1,
            "ports": [{"port": 80, "protocol": "TCP"}]}});
        for (manifest, wanted) in [
            (
                json!({"metadata": {"name": "d"}, "spec": {"replicas": 1.0,
                    "ports": [{"port": 80}]}}),
                true,
            ),
            (json!({"metadata": {"name": "d", "labels": {}, "creationTimestamp": null}}), true),
            (json!({"spec": {"replicas": 2}}), false),
            (json!({"spec": {"ports": []}}), false),
            (json!({"metadata": {"labels": {"a": "b"}}}), false),
        ] {
            assert_eq!(covers(&object, &manifest), wanted, "{manifest}");
        }
    }
}
