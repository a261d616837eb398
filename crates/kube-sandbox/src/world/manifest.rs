//! The objects that a world declares, validated as an API server validates them.

use serde_json::{Value, json};
use serde_saphyr::Spanned;

use super::certificate;
use super::fault::{Place, WorldFault, unreadable};
use crate::kinds;
use crate::object;
use crate::server::admit;

/// How many replicas a workload may ask for: each is simulated.
const MOST_REPLICAS: i64 = 500;
/// The fields that say how many pods there are to be.
const COUNTS: [&str; 4] = ["replicas", "parallelism", "completions", "minReplicas"];

/// An object of a world, and where it is declared.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) object: Value,
    pub(crate) place: Place,
}

impl Manifest {
    /// The object as messages name it: `Deployment shop/web`.
    pub(crate) fn words(&self) -> String {
        let kind = self.object["kind"].as_str().unwrap_or_default();
        let (namespace, name) = (object::namespace(&self.object), object::name(&self.object));
        let separator = if namespace.is_empty() { "" } else { "/" };
        format!("{kind} {namespace}{separator}{name}")
    }

    /// Whether two manifests are of the same object.
    pub(crate) fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.object["kind"] == kind
            && object::namespace(&self.object) == namespace
            && object::name(&self.object) == name
    }
}

/// Reads the kinds that a file defines, so that what comes before their definition is known as well.
/// What is wrong with them is said when the file is read.
pub(crate) fn definitions(text: &str) {
    if !text.contains("CustomResourceDefinition") {
        return;
    }
    let documents = serde_saphyr::from_multiple::<Value>(text).unwrap_or_default();
    for document in documents.iter().filter(|one| one["kind"] == "CustomResourceDefinition") {
        let _ = kinds::define(document);
    }
}

/// Reads the documents of a file. An object without a namespace is in that of the world.
pub(crate) fn manifests(
    file: &str,
    text: &str,
    namespace: &str,
) -> Result<Vec<Manifest>, WorldFault> {
    let documents: Vec<Spanned<Value>> =
        serde_saphyr::from_multiple(text).map_err(|error| unreadable(file, &error))?;
    let documents = documents.into_iter().filter(|document| !document.value.is_null());
    documents
        .map(|document| {
            let place = Place::at(file, document.defined);
            let object =
                checked(document.value, namespace).map_err(|reason| place.fault(reason))?;
            Ok(Manifest { object, place })
        })
        .collect()
}

/// The object as an API server would store it before defaults; or why it would not.
pub(crate) fn checked(mut object: Value, namespace: &str) -> Result<Value, String> {
    if !object.is_object() {
        return Err(
            "a manifest is a mapping with apiVersion, kind and metadata; write one for each object"
                .to_owned(),
        );
    }
    if !object["metadata"].is_object() {
        return Err("a manifest has metadata with a name; add `metadata: {name: …}`".to_owned());
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    let Some(resource) = kinds::of(&object) else {
        return Err(if kind.is_empty() {
            "a manifest has a kind, such as `kind: Deployment`; add it".to_owned()
        } else {
            unknown(&object, kind)
        });
    };
    let version = resource.api_version();
    match object["apiVersion"].as_str() {
        Some(given) if given == version => {}
        given => {
            return Err(format!(
                "{} {}; write `apiVersion: {version}`",
                resource.kind,
                given.map_or_else(
                    || "has no apiVersion".to_owned(),
                    |given| format!("is not simulated in apiVersion {given}")
                )
            ));
        }
    }
    if resource.namespaced && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    let described = certificate::take(&mut object)?;
    let mut object = admit(resource, object)?;
    certificate::put_back(&mut object, described);
    for field in COUNTS {
        if object["spec"][field].as_i64().is_some_and(|count| count > MOST_REPLICAS) {
            return Err(format!(
                "spec.{field} is {}, but the sandbox simulates at most {MOST_REPLICAS} pods of a \
                    workload; write a lower number",
                object["spec"][field]
            ));
        }
    }
    Ok(object)
}

/// What is to be done about a kind that there is not: the one that was probably meant; or, where
/// the group is not one of Kubernetes, its definition.
fn unknown(object: &Value, kind: &str) -> String {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    match api_version.split_once('/') {
        Some((group, _)) if group.contains('.') && !group.ends_with(".k8s.io") => format!(
            "kind {kind} of apiVersion {api_version} is not defined; {}",
            definition_of(group)
        ),
        _ => format!("kind {kind} is not simulated; {}", simulated(kind)),
    }
}

/// What is to be done about a kind of this group that nothing defines.
pub(crate) fn definition_of(group: &str) -> String {
    format!("add its CustomResourceDefinition of group {group} to the manifests of the world")
}

/// The kind that was probably meant, or all that there are.
fn simulated(kind: &str) -> String {
    let kinds = || kinds::RESOURCES.iter().map(|resource| resource.kind);
    let nearest = kinds()
        .map(|known| {
            (strsim::damerau_levenshtein(&known.to_lowercase(), &kind.to_lowercase()), known)
        })
        .filter(|(edits, _)| *edits <= 2)
        .min();
    match nearest {
        Some((_, known)) => format!("did you mean {known}?"),
        None => format!("simulated are {}", kinds().collect::<Vec<_>>().join(", ")),
    }
}
