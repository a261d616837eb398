//! Reads the custom resources of a namespace: of each only what a diagnosis looks at, as there may be
//! thousands, and large ones.

use super::snapshot::add;
use crate::cluster::{Cluster, Error, ErrorKind, Gather, Resource, Selection};
use crate::diagnosis::health::{Sign, health};
use crate::diagnosis::{CUSTOM, Snapshot};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

/// How many kinds are listed at a time.
const AT_ONCE: usize = 20;
/// The most kinds that are listed: clusters with many operators have about 200.
const KINDS: usize = 400;
/// The certificates of cert-manager, of which more is known than that they are not ready.
const CERTIFICATES: (&str, &str) = ("cert-manager.io", "certificates");

/// The custom resources of a namespace, or why they are not known.
pub(in crate::action) struct Custom {
    /// In the order of the kinds that the cluster serves.
    kinds: Vec<(Resource, Result<Vec<Value>, Error>)>,
    /// What may be missing, and why.
    missing: Vec<String>,
}

/// Lists every kind of custom resource that the cluster serves.
pub(in crate::action) async fn custom(cluster: &Cluster, namespace: &str) -> Custom {
    let (kinds, silent) = match cluster.custom_kinds().await {
        Ok(served) => served,
        Err(error) => return Custom { kinds: Vec::new(), missing: vec![error.message] },
    };
    let mut missing: Vec<String> =
        silent.iter().map(|group| format!("API group {group} did not answer")).collect();
    if kinds.len() > KINDS {
        missing.push(format!("the cluster serves {} kinds, and {KINDS} were listed", kinds.len()));
    }
    let read = kinds.into_iter().take(KINDS).map(|kind| async move {
        let mut found = Found { whole: is_certificate(&kind), objects: Vec::new() };
        let everything = Selection::default();
        let read = cluster.list_into(&kind, Some(namespace), &everything, &mut found).await;
        (kind, read.map(|_| found.objects))
    });
    Custom { kinds: stream::iter(read).buffered(AT_ONCE).collect().await, missing }
}

impl Custom {
    /// Adds them to what is known of the namespace.
    pub(in crate::action) fn add_to(self, snapshot: &mut Snapshot) {
        let mut missing = self.missing;
        for (kind, read) in self.kinds {
            match read {
                read if is_certificate(&kind) => add(snapshot, &kind.kind, read),
                Ok(objects) => snapshot.add(CUSTOM, objects),
                // one that cannot be listed, such as a review
                Err(error) if error.kind == ErrorKind::Unsupported => {}
                Err(error) => missing.push(error.message),
            }
        }
        if let Some(first) = missing.first() {
            let more = missing.len() - 1;
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            snapshot.partly_read(CUSTOM, format!("{first}{more}"));
        }
    }
}

fn is_certificate(kind: &Resource) -> bool {
    (kind.group.as_str(), kind.plural.as_str()) == CERTIFICATES
}

/// The objects of a list.
struct Found {
    /// All of each object is kept.
    whole: bool,
    objects: Vec<Value>,
}

impl Gather for Found {
    fn restart(&mut self) {
        self.objects.clear();
    }

    fn take(&mut self, object: Value) {
        self.objects.push(if self.whole { object } else { part(&object) });
    }
}

/// What tells whose object it is, and its status if that says that it does not work: an empty one if it
/// works, and none if that is not known.
fn part(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let names =
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "ownerReferences"];
    let kept = names.into_iter().filter(|name| !metadata[*name].is_null());
    let metadata: Value = kept.map(|name| (name.to_owned(), metadata[name].clone())).collect();
    let health = health(object);
    let status = match health.facts.iter().any(|fact| fact.sign == Sign::Bad) {
        true => object["status"].clone(),
        false if health.unknown.is_empty() => json!({}),
        false => Value::Null,
    };
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata,
        "status": status})
}

#[cfg(test)]
mod tests {
    use super::part;
    use serde_json::{Value, json};

    #[test]
    fn of_a_custom_resource_little_is_kept() {
        let object = |phase: &str| {
            json!({"apiVersion": "example.com/v1", "kind": "Report", "spec": {"large": "text"},
                "metadata": {"name": "r", "labels": {"a": "b"}, "uid": "1"},
                "status": {"phase": phase}})
        };
        assert_eq!(part(&object("Failed"))["status"], json!({"phase": "Failed"}));
        let fine = part(&object("Ready"));
        assert_eq!(fine["metadata"], json!({"name": "r", "uid": "1"}));
        assert_eq!((&fine["status"], &fine["spec"]), (&json!({}), &Value::Null));
        assert_eq!(part(&object("Frobnicating"))["status"], Value::Null);
    }
}
