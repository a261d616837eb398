//! Pods that have ended as a whole and are gone. The controllers of StatefulSets and DaemonSets
//! delete a pod that has failed, and make another (pkg/controller/statefulset, `processReplica`;
//! pkg/controller/daemon, `podsShouldBeOnNode`): the events on it remain.

use super::past::{LONGER, RECENT, SETTLED};
use super::workload::wanted;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{is_deleting, is_numbered, name, text};
use crate::pod::{is_live, is_ready};
use crate::symptom::{ObjectEvent, Symptom, ended_by, involved, point, read_all, reported};
use crate::view::{View, listed};
use serde_json::Value;
use std::collections::BTreeMap;

/// Kinds whose failed pods are deleted.
const KINDS: &[&str] = &["StatefulSet", "DaemonSet"];

/// Pods that are gone and of which others will go the same way.
pub(super) fn present(view: &View<'_>) -> Vec<Cause> {
    of_all(view, false)
}

/// Pods that are gone and in whose place others are ready.
pub(super) fn recovered(view: &View<'_>) -> Vec<Cause> {
    of_all(view, true)
}

fn of_all(view: &View<'_>, over: bool) -> Vec<Cause> {
    let mut found = Vec::new();
    let about_pods = view.of("Event").iter().filter(|event| involved(event)["kind"] == "Pod");
    let events = read_all(about_pods);
    // one that is scaled to 0 makes no other in their place
    let wants = |set: &&Value| !is_deleting(set) && wanted(set) > 0;
    for set in KINDS.iter().flat_map(|kind| view.of(kind)).filter(wants) {
        let ends = ends(view, set, &events);
        if is_over(view, set, &ends) == over {
            found.extend(cause(view, set, &ends, over));
        }
    }
    found
}

/// How a pod has ended that is gone.
struct End<'a> {
    symptom: Symptom,
    event: ObjectEvent<'a>,
}

/// The ends of pods of a set that are gone, the last one last; each has its own uid.
fn ends<'a>(view: &View<'a>, set: &Value, events: &[ObjectEvent<'a>]) -> Vec<End<'a>> {
    let mut found: BTreeMap<&str, End<'a>> = BTreeMap::new();
    let of_set = events.iter().copied().filter(|event| {
        let pod = text(&event.about["name"]);
        is_of(set, pod) && !is_of_another(view, set, pod)
    });
    for event in of_set {
        let uid = text(&event.about["uid"]);
        let is_there = view
            .get("Pod", text(&event.about["name"]))
            .is_some_and(|pod| pod["metadata"]["uid"] == uid);
        let is_recent = view.now.duration_since(event.at) <= RECENT;
        let symptom = ended_by(&event).filter(|_| is_recent && !is_there && !uid.is_empty());
        found.extend(symptom.map(|symptom| (uid, End { symptom, event })));
    }
    let mut ends: Vec<End<'a>> = found.into_values().collect();
    ends.sort_by_key(|end| end.event.at);
    ends
}

/// Whether something else has made a pod: those of Jobs and ReplicaSets are named like those of a
/// DaemonSet.
fn is_of_another(view: &View<'_>, set: &Value, pod: &str) -> bool {
    let made = reported(view.of("Event"), "SuccessfulCreate");
    let own = made.iter().find(|event| event.message.split(' ').next_back() == Some(pod));
    set["kind"] == "DaemonSet"
        && own.is_some_and(|event| {
            event.about["kind"] != set["kind"] || text(&event.about["name"]) != name(set)
        })
}

/// Whether a pod is of a set by its name: `SET-ORDINAL`, or `SET-` and five letters or digits of a
/// DaemonSet. The pod itself is gone.
fn is_of(set: &Value, pod: &str) -> bool {
    if set["kind"] == "StatefulSet" {
        return is_numbered(pod, name(set));
    }
    let rest = pod.strip_prefix(name(set)).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| rest.len() == 5 && rest.bytes().all(|one| one.is_ascii_alphanumeric()))
}

/// Whether its pods are ready again and will stay so, as far as can be told: after one end, or after
/// far more time than lay between several.
fn is_over(view: &View<'_>, set: &Value, ends: &[End<'_>]) -> bool {
    let mut live = view.owned("Pod", set).filter(|pod| is_live(pod)).peekable();
    let all_ready = live.peek().is_some() && live.all(is_ready);
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return true };
    let gaps = i32::try_from(ends.len() - 1).unwrap_or(i32::MAX);
    let since = view.now.duration_since(last.event.at);
    let lasted = last.event.at.duration_since(first.event.at);
    let long = lasted.checked_div(gaps).map(|gap| gap.saturating_mul(LONGER).max(SETTLED));
    all_ready && long.is_none_or(|long| since > long)
}

fn cause(view: &View<'_>, set: &Value, ends: &[End<'_>], over: bool) -> Option<Cause> {
    let End { symptom, event } = ends.last()?;
    let mut pods: Vec<&str> = ends.iter().map(|end| text(&end.event.about["name"])).collect();
    pods.sort_unstable();
    pods.dedup();
    let message = point(&symptom.message);
    let words = match (symptom.id, message.trim_end_matches('.')) {
        ("evicted", message) => message.to_owned(),
        (_, message) => format!("{}: {message}", symptom.reason),
    };
    let often = match ends {
        [first, _, ..] => format!("{} times since {}", ends.len(), first.event.at),
        _ => view.ago(event.at),
    };
    let source = format!("event {} of pod/{}", event.reason, text(&event.about["name"]));
    let said = Evidence::new(source, event.message);
    let object = Object::of(set);
    let mut cause = match over {
        true => {
            let ended = if symptom.id == "evicted" { "evicted" } else { "terminated as a whole" };
            let words =
                format!("{} was {ended} {often}, and has been ready since: {words}", listed(&pods));
            let hint = format!("if it happens again: {}", symptom.hint);
            Cause::new("recovered", object, &symptom.reason, words).hint(hint)
        }
        false => {
            let id = super::pods::id(symptom);
            Cause::new(id, object, &symptom.reason, format!("{words}, {often}"))
                .hint(symptom.hint.clone())
        }
    };
    cause.pods = pods.into_iter().map(str::to_owned).collect();
    Some(cause.seen([said]))
}
