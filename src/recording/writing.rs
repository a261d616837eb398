//! The text of the files.

use super::{Seen, kind, namespace};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most bytes of one file of manifests: a world refuses larger ones.
const LARGEST: usize = 700 << 10;

/// A document as YAML.
pub(super) fn document(value: &Value) -> String {
    // JSON is YAML as well
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"))
}

/// `world.yaml`
pub(super) fn header(seen: &Seen) -> String {
    let of = match seen.version.as_str() {
        "" => String::new(),
        version => format!(" of a cluster of {version}"),
    };
    let first = seen.namespaces.first().map_or("default", String::as_str);
    let title = format!("Recording{of}, {}", seen.at.strftime("%Y-%m-%d %H:%M UTC"));
    document(&json!({"world": "v1", "title": title, "namespace": first}))
}

/// The manifests, one file for each namespace and one for what is in none.
pub(super) fn manifests(objects: &[Value]) -> BTreeMap<String, String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in objects {
        let place = match (kind(object), namespace(object)) {
            (_, "") => "cluster",
            (_, namespace) => namespace,
        };
        places.entry(place.to_owned()).or_default().push(document(object));
    }
    let mut files = BTreeMap::new();
    for (place, documents) in places {
        for (part, text) in parts(&documents).into_iter().enumerate() {
            let number = if part == 0 { String::new() } else { format!("-{}", part + 1) };
            files.insert(format!("manifests/{place}{number}.yaml"), text);
        }
    }
    files
}

fn parts(documents: &[String]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for document in documents {
        match parts.last_mut() {
            Some(last) if last.len() + document.len() < LARGEST => {
                last.push_str("---\n");
                last.push_str(document);
            }
            _ => parts.push(document.clone()),
        }
    }
    parts
}
