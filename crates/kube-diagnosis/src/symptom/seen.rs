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
    /// The container that it is about.
    pub(crate) container: Option<&'a str>,
    /// When it was last seen; in whole seconds as a rule.
    pub(crate) at: Timestamp,
}

/// The events of one object.
pub(crate) struct ObjectEvents<'a>(Vec<ObjectEvent<'a>>);

impl<'a> ObjectEvents<'a> {
    /// Those of this object and not of one that had its name before.
    pub(crate) fn of(object: &Value, events: &'a [Value]) -> Self {
        let mut all: Vec<ObjectEvent<'a>> =
            events.iter().filter(|event| is_about(event, object)).filter_map(read).collect();
        all.sort_by_key(|event| event.at);
        Self(all)
    }

    /// The last event that fits.
    pub(crate) fn last(&self, fits: impl Fn(&ObjectEvent<'a>) -> bool) -> Option<ObjectEvent<'a>> {
        self.0.iter().rev().copied().find(fits)
    }

    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.0.last().map(|event| event.at)
    }
}

fn is_about(event: &Value, object: &Value) -> bool {
    let (involved, metadata) = (&event["involvedObject"], &object["metadata"]);
    match (filled(&involved["uid"]), filled(&metadata["uid"])) {
        (Some(of), Some(own)) => of == own,
        _ => {
            let kind = object["kind"].as_str().unwrap_or("Pod");
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
        &event["eventTime"],
        &event["firstTimestamp"],
        &event["metadata"]["creationTimestamp"],
    ];
    let field = text(&event["involvedObject"]["fieldPath"]);
    Some(ObjectEvent {
        reason: text(&event["reason"]),
        message: text(&event["message"]).trim(),
        warning: event["type"] == "Warning",
        container: field.split_once('{').and_then(|(_, name)| name.strip_suffix('}')),
        at: times.into_iter().find_map(crate::object::timestamp)?,
    })
}
