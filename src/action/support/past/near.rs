//! How near an object is to the target of a question about changes.

use crate::action::support::managed_by::managed_by;
use crate::action::support::relation::{Edge, Relation, edges, family, named, owners, references};
use crate::diagnosis::{Object, Snapshot};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the changed object is to the target, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::action) enum Nearness {
    /// The target, or what it owns.
    Target,
    /// What owns the target.
    Owner,
    /// What its pods refer to.
    Reference,
    /// What selects, scales or leads to its pods.
    Related,
    /// Where its pods run.
    Node,
    /// Anything else in the namespace.
    Namespace,
    /// Another node.
    Cluster,
}

impl Nearness {
    /// How much farther than on the target itself a change at the same time is.
    pub(super) fn weight(self) -> i64 {
        match self {
            Self::Target | Self::Owner | Self::Reference => 1,
            Self::Related => 2,
            Self::Node => 4,
            Self::Namespace => 30,
            Self::Cluster => 60,
        }
    }
}
/// What is near to a target.
pub(super) struct Near {
    target: Option<Object>,
    sets: BTreeMap<Object, Nearness>,
}

impl Near {
    pub(super) fn new(snapshot: &Snapshot, target: Option<&Object>) -> Self {
        let mut sets = BTreeMap::new();
        let Some(target) = target else { return Self { target: None, sets } };
        let edges = edges(snapshot);
        let own = family(&edges, target);
        let mut add = |object: Object, nearness: Nearness| {
            sets.entry(object)
                .and_modify(|known: &mut Nearness| *known = nearness.min(*known))
                .or_insert(nearness);
        };
        owners(&edges, target).into_iter().for_each(|owner| add(owner, Nearness::Owner));
        for Edge { from, relation, to } in &edges {
            match relation {
                Relation::Uses if own.contains(from) => add(to.clone(), Nearness::Reference),
                Relation::RunsOn if own.contains(from) => add(to.clone(), Nearness::Node),
                Relation::Selects | Relation::Scales | Relation::RoutesTo if own.contains(to) => {
                    add(from.clone(), Nearness::Related);
                }
                _ => {}
            }
        }
        // without pods, the template tells what they would refer to
        if let Some(object) = snapshot.get(&target.kind, &target.name) {
            let spec = match target.kind.as_str() {
                "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
                "Pod" => &object["spec"],
                _ => &object["spec"]["template"]["spec"],
            };
            for (kind, name) in references(spec) {
                add(named(kind, &target.namespace, name), Nearness::Reference);
            }
        }
        own.into_iter().for_each(|member| add(member, Nearness::Target));
        for release in releases(snapshot, target) {
            add(release, Nearness::Related);
        }
        Self { target: Some(target.clone()), sets }
    }

    pub(super) fn of(&self, object: &Object) -> Nearness {
        match self.sets.get(object) {
            Some(near) => *near,
            None if object.kind == "Node" => {
                if self.target.is_some() {
                    Nearness::Cluster
                } else {
                    Nearness::Node
                }
            }
            None => Nearness::Namespace,
        }
    }
}

/// The Secrets of the Helm release that the target belongs to.
fn releases(snapshot: &Snapshot, target: &Object) -> Vec<Object> {
    let tool = snapshot
        .get(&target.kind, &target.name)
        .and_then(|object| managed_by(&object["metadata"]))
        .filter(|tool| tool["tool"] == "helm");
    let Some(tool) = tool else { return Vec::new() };
    let of = |secret: &&Value| {
        let labels = &secret["metadata"]["labels"];
        labels["owner"] == "helm" && labels["name"] == tool["name"]
    };
    snapshot.of("Secret").iter().filter(of).map(Object::of).collect()
}
