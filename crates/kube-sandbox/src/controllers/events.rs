//! Events about objects.

use crate::digest::sha256;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::object;
use crate::store::Store;

/// How long events are kept: twice the default, so that those of the start are there to be seen.
const KEPT: SignedDuration = SignedDuration::from_hours(2);

/// Removes the events that have been kept long enough.
pub(crate) fn expire_events(store: &mut Store, now: Timestamp) {
    let old = |event: &Value| {
        object::timestamp(&event["lastTimestamp"])
            .is_some_and(|last| now.duration_since(last) > KEPT)
    };
    let expired: Vec<(String, String)> = store
        .list("events", None)
        .filter(|event| old(event))
        .map(|event| (object::namespace(event).to_owned(), object::name(event).to_owned()))
        .collect();
    for (namespace, name) in expired {
        store.delete("events", &namespace, &name);
    }
}

/// Records an ordinary event.
pub(crate) fn record(
    store: &mut Store,
    about: &Value,
    component: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    publish(store, about, component, "Normal", reason, message, now);
}

/// Records a warning.
pub(crate) fn warn(
    store: &mut Store,
    about: &Value,
    component: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    publish(store, about, component, "Warning", reason, message, now);
}

/// Whether this was said of an object at this time or later.
pub(crate) fn is_known(
    store: &Store,
    about: &Value,
    reason: &str,
    message: &str,
    since: Timestamp,
) -> bool {
    let known = store.get("events", object::namespace(about), &name_of(about, reason, message));
    // events know no parts of a second
    known.is_some_and(|event| {
        object::timestamp(&event["lastTimestamp"])
            .is_some_and(|last| last.as_second() >= since.as_second())
    })
}

/// The name of an event: what is said again has the same.
fn name_of(about: &Value, reason: &str, message: &str) -> String {
    let digest = sha256(format!("{reason}/{message}"));
    format!("{}.{}", object::name(about), &digest[..16])
}

fn publish(
    store: &mut Store,
    about: &Value,
    component: &str,
    kind: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    // what has no namespace is spoken of in the default one
    let (metadata, default) = (&about["metadata"], json!("default"));
    let mut involved = json!({"kind": about["kind"], "namespace": metadata["namespace"],
        "name": metadata["name"], "uid": metadata["uid"], "apiVersion": about["apiVersion"],
        "resourceVersion": metadata["resourceVersion"]});
    if component == "kubelet"
        && let Some(container) = about["spec"]["containers"][0]["name"].as_str()
    {
        involved["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
    }
    let source = if component == "kubelet" {
        json!({"component": component, "host": about["spec"]["nodeName"]})
    } else {
        json!({"component": component})
    };
    let name = name_of(about, reason, message);
    // what is said again is counted
    let before = store.get("events", object::namespace(about), &name);
    let (first, count) = before.map_or_else(
        || (json!(object::time(now)), 1),
        |before| (before["firstTimestamp"].clone(), before["count"].as_u64().unwrap_or(0) + 1),
    );
    store.put(
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name,
            "namespace": if metadata["namespace"].is_string() { &metadata["namespace"] } else { &default }},
            "involvedObject": involved, "reason": reason, "message": message, "source": source,
            "firstTimestamp": first, "lastTimestamp": object::time(now), "count": count,
            "type": kind,
            "eventTime": null, "reportingComponent": component,
            "reportingInstance": if component == "kubelet" { about["spec"]["nodeName"].as_str().unwrap_or_default() } else { "" },
        }),
        now,
    );
}
