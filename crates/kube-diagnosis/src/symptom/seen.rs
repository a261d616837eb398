//! The events of one pod, or of one object that creates pods, oldest first.

use crate::object::{filled, text};
use jiff::Timestamp;
use serde_json::Value;

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObjectEvent<'a> {
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
    pub(crate) warning: bool,
    /// The object that it is about.
    pub(crate) about: &'a Value,
    /// Another object that takes part; null if none does.
    pub(crate) related: &'a Value,
    /// The container of it that it is about.
    pub(crate) container: Option<&'a str>,
    /// When it was last seen; in whole seconds as a rule.
    pub(crate) at: Timestamp,
    /// When it was first seen.
    pub(crate) since: Timestamp,
    /// How often it was seen, as far as it was recorded: of one object the kubelet records no more
    /// than 25 events at once, and then one in five minutes (client-go, tools/record).
    pub(crate) count: u64,
}

/// The events of one object.
pub(crate) struct ObjectEvents<'a>(Vec<ObjectEvent<'a>>);

impl<'a> ObjectEvents<'a> {
    /// Those of this object and not of one that had its name before.
    pub(crate) fn of(object: &Value, events: impl IntoIterator<Item = &'a Value>) -> Self {
        Self(read_all(events.into_iter().filter(|event| is_about(event, object))))
    }

    /// The last event that fits.
    pub(crate) fn last(&self, fits: impl Fn(&ObjectEvent<'a>) -> bool) -> Option<ObjectEvent<'a>> {
        self.0.iter().rev().copied().find(fits)
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ObjectEvent<'a>> {
        self.0.iter()
    }

    /// How often events that fit were seen.
    pub(crate) fn count(&self, fits: impl Fn(&ObjectEvent<'a>) -> bool) -> u64 {
        let counts = self.0.iter().filter(|event| fits(event)).map(|event| event.count);
        counts.fold(0, u64::saturating_add)
    }

    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.0.last().map(|event| event.at)
    }
}

/// The events with this reason, of whatever object, oldest first.
pub(crate) fn reported<'a>(events: &'a [Value], reason: &str) -> Vec<ObjectEvent<'a>> {
    read_all(events.iter().filter(|event| event["reason"] == reason))
}

/// These events, oldest first.
pub(crate) fn read_all<'a>(events: impl IntoIterator<Item = &'a Value>) -> Vec<ObjectEvent<'a>> {
    let mut all: Vec<ObjectEvent<'a>> = events.into_iter().filter_map(read).collect();
    all.sort_by_key(|event| event.at);
    all
}

/// The object that an event is about; `events.k8s.io` has it under another name.
pub(crate) fn involved(event: &Value) -> &Value {
    let core = &event["involvedObject"];
    if core.is_object() { core } else { &event["regarding"] }
}

fn is_about(event: &Value, object: &Value) -> bool {
    let (involved, metadata) = (involved(event), &object["metadata"]);
    let kind = object["kind"].as_str().unwrap_or("Pod");
    // the kubelet puts the name of its node where its uid should be
    if kind == "Node" {
        return involved["kind"] == kind && involved["name"] == metadata["name"];
    }
    match (filled(&involved["uid"]), filled(&metadata["uid"])) {
        (Some(of), Some(own)) => of == own,
        _ => {
            involved["kind"] == kind
                && involved["name"] == metadata["name"]
                && involved["namespace"] == metadata["namespace"]
        }
    }
}

fn read(event: &Value) -> Option<ObjectEvent<'_>> {
    let times = [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["deprecatedLastTimestamp"],
        &event["eventTime"],
        &event["firstTimestamp"],
        &event["metadata"]["creationTimestamp"],
    ];
    let at = times.into_iter().find_map(crate::object::timestamp)?;
    let first = [&event["firstTimestamp"], &event["deprecatedFirstTimestamp"], &event["eventTime"]];
    let counts = [&event["series"]["count"], &event["count"], &event["deprecatedCount"]];
    let field = text(&involved(event)["fieldPath"]);
    let message = filled(&event["message"]).unwrap_or_else(|| text(&event["note"]));
    Some(ObjectEvent {
        reason: text(&event["reason"]),
        message: message.trim(),
        warning: event["type"] == "Warning",
        about: involved(event),
        related: &event["related"],
        container: field.split_once('{').and_then(|(_, name)| name.strip_suffix('}')),
        at,
        since: first.into_iter().find_map(crate::object::timestamp).unwrap_or(at).min(at),
        count: counts.into_iter().find_map(Value::as_u64).unwrap_or(1),
    })
}
