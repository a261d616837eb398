//! A workload whose pods are made and are gone again before they are ready. Nothing is wrong with
//! the pod that is there at the moment: something deletes them.

use super::revision::number;
use crate::cause::Evidence;
use crate::object::{filled, text};
use crate::symptom::ObjectEvent;
use crate::view::{View, said};
use jiff::SignedDuration;
use serde_json::Value;

/// How far back pods that were made count.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How many pods that are gone say that the next one will go, too.
const MANY: usize = 3;

/// How far apart the creations of one pod are, at most, where something deletes it again and again.
const PACE: SignedDuration = SignedDuration::from_mins(3);

/// What is so, what says it, and what to do about it.
pub(super) struct Remade {
    pub(super) words: String,
    pub(super) seen: Evidence,
    pub(super) hint: String,
}

/// What to do about pods that somebody deletes.
const FIND: &str = "find out what deletes its pods: their events, or another controller";

/// That a workload has made pods again and again.
pub(super) fn remade(view: &View<'_>, workload: &Value) -> Option<Remade> {
    if workload["kind"] == "StatefulSet" { again(view, workload) } else { gone(view, workload) }
}

/// That a StatefulSet has made a pod of the same name again and again.
fn again(view: &View<'_>, set: &Value) -> Option<Remade> {
    let is_often = |event: &ObjectEvent<'_>| {
        let times = i64::try_from(event.count).unwrap_or(i64::MAX);
        let lasted = event.at.duration_since(event.since).as_secs();
        event.reason == "SuccessfulCreate"
            && event.count > MANY as u64
            && view.now.duration_since(event.at) <= RECENT
            && lasted / times.max(1) <= PACE.as_secs()
    };
    let event = view.events(set).last(is_often)?;
    let words = format!("a pod was created {} times since {}", event.count, event.since);
    Some(Remade { words, seen: said(set, &event), hint: FIND.to_owned() })
}

/// That the newest ReplicaSet of a Deployment, or a DaemonSet or ReplicaSet itself, has made several
/// pods that are not there any more.
fn gone(view: &View<'_>, workload: &Value) -> Option<Remade> {
    let own: Vec<&Value> = match text(&workload["kind"]) {
        "Deployment" => view.owned("ReplicaSet", workload).collect(),
        "DaemonSet" | "ReplicaSet" => vec![workload],
        _ => Vec::new(),
    };
    let maker = own.into_iter().max_by_key(|set| number(set))?;
    let is_made = |event: &ObjectEvent<'_>| {
        event.reason == "SuccessfulCreate" && view.now.duration_since(event.at) <= RECENT
    };
    let events = view.events(maker);
    let named = |event: &ObjectEvent<'_>| event.message.rsplit(' ').next().map(str::to_owned);
    // those that it has deleted itself were too many
    let own = |pod: &Option<String>| {
        events.all().any(|event| event.reason == "SuccessfulDelete" && named(event) == *pod)
    };
    let gone = |event: &ObjectEvent<'_>| {
        let pod = named(event);
        view.get("Pod", pod.as_deref().unwrap_or_default()).is_none() && !own(&pod)
    };
    let made: Vec<_> = events.all().filter(|event| is_made(event) && gone(event)).collect();
    let (first, last) = (made.first()?, made.last()?);
    if made.len() < MANY {
        return None;
    }
    let words = format!("{} pods that were created since {} are gone", made.len(), first.at);
    let hint = match filled(&maker["spec"]["template"]["spec"]["nodeName"]) {
        Some(node) => {
            format!("remove spec.nodeName of its template, or check that node {node} exists")
        }
        None => FIND.to_owned(),
    };
    Some(Remade { words, seen: said(maker, last), hint })
}
