//! Events about objects.

use crate::digest::sha256;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use crate::object;
use crate::store::Store;

/// How long events are kept: twice the default, so that those of the start are there to be seen.
const KEPT: SignedDuration = SignedDuration::from_hours(2);

/// Removes the events that have been kept long enough.
pub(crate) fn expire_events(store: &mut Store, moment: &Moment) {
    let old = |event: &Value| {
        object::timestamp(&event["lastTimestamp"]).is_some_and(|last| moment.passed(last, KEPT))
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

/// What is said of an object as often as this, between two times.
pub(crate) struct Told {
    /// What of the object is meant.
    pub(crate) path: Option<String>,
    pub(crate) warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) count: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// Records what was said, instead of what was recorded of the same before.
pub(crate) fn tell(store: &mut Store, about: &Value, component: &str, told: &Told, now: Timestamp) {
    let kind = if told.warning { "Warning" } else { "Normal" };
    let mut event = event(about, component, kind, told.reason, &told.message);
    if let Value::Object(involved) = &mut event["involvedObject"] {
        involved.shift_remove("fieldPath");
        if let Some(path) = &told.path {
            involved.insert("fieldPath".to_owned(), json!(path));
        }
    }
    event["firstTimestamp"] = json!(object::time(told.first));
    event["lastTimestamp"] = json!(object::time(told.last));
    event["count"] = json!(told.count);
    let known = store.get("events", object::namespace(&event), object::name(&event));
    // its object has another version by now, which is no news
    if let Some(known) = known {
        event["involvedObject"] = known["involvedObject"].clone();
    }
    store.put(event, now);
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
    let mut event = event(about, component, kind, reason, message);
    // what is said again is counted
    let before = store.get("events", object::namespace(about), object::name(&event));
    let (first, count) = before.map_or_else(
        || (json!(object::time(now)), 1),
        |before| (before["firstTimestamp"].clone(), before["count"].as_u64().unwrap_or(0) + 1),
    );
    event["firstTimestamp"] = first;
    event["lastTimestamp"] = json!(object::time(now));
    event["count"] = json!(count);
    store.put(event, now);
}

/// An event without its times.
fn event(about: &Value, component: &str, kind: &str, reason: &str, message: &str) -> Value {
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
    let namespace =
        if metadata["namespace"].is_string() { &metadata["namespace"] } else { &default };
    let instance = if component == "kubelet" {
        about["spec"]["nodeName"].as_str().unwrap_or_default()
    } else {
        ""
    };
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved, "reason": reason, "message": message, "source": source,
        "firstTimestamp": null, "lastTimestamp": null, "count": 1, "type": kind,
        "eventTime": null, "reportingComponent": component, "reportingInstance": instance,
    })
}
