//! The Leases of a run: one beside each object that it changes.

use super::{PlannedAction, Touched};
use crate::action::Access;
use crate::event::Effect;
use std::collections::BTreeSet;

/// The Leases of a run, as far as they are known before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// Namespace and name.
    pub known: BTreeSet<(String, String)>,
    /// Namespaces of Leases that are taken once their objects are known.
    pub later: BTreeSet<String>,
}

/// The Lease of a target: `petrosa-apps/deployment/petrosa-ta-bot` is
/// `runbook-deployment-petrosa-ta-bot` in that namespace.
pub fn lease_of(target: &str, namespace: &str) -> (String, String) {
    let mut parts = target.splitn(2, '/');
    let (place, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let place = if place.is_empty() { namespace } else { place };
    let plain: String = rest
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    (place.to_owned(), format!("runbook-{}", plain.trim_matches(['-', '.'])))
}

/// The Leases of these steps. Where one of them changes something that is no object, it is that of
/// the runbook.
pub fn leases(planned: &[PlannedAction], namespace: &str, runbook: &str) -> Leases {
    let mut leases = Leases::default();
    for touched in planned.iter().flat_map(|action| &action.needs.touched) {
        match touched {
            Touched::Object(target) => drop(leases.known.insert(lease_of(target, namespace))),
            Touched::In(place) => drop(leases.later.insert(if place.is_empty() {
                namespace.to_owned()
            } else {
                place.clone()
            })),
            Touched::Any => {}
        }
    }
    let changes = |action: &PlannedAction| {
        !action.action.is_group() && matches!(action.own_effect, Effect::Write | Effect::Opaque)
    };
    let all_computed = planned
        .iter()
        .filter(|action| changes(action))
        .all(|action| !action.needs.touched.is_empty());
    if leases.known.is_empty() && !all_computed {
        leases.known.insert(lease_of(&format!("{namespace}/{runbook}"), namespace));
    }
    leases
}

impl Leases {
    /// What taking them needs; those that are known only in the run without their names.
    pub fn permissions(&self) -> BTreeSet<Access> {
        let later = self.later.iter().flat_map(|namespace| on(namespace, ""));
        self.certain().into_iter().chain(later).collect()
    }

    /// What taking those needs that are known.
    pub fn certain(&self) -> BTreeSet<Access> {
        self.known.iter().flat_map(|(namespace, name)| on(namespace, name)).collect()
    }
}

fn on(namespace: &str, name: &str) -> [Access; 4] {
    [("get", name), ("create", ""), ("patch", name), ("delete", name)].map(|(verb, name)| Access {
        verb: verb.to_owned(),
        group: "coordination.k8s.io".to_owned(),
        resource: "leases".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Access::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_named_after_its_target() {
        for (target, lease) in [
            (
                "petrosa-apps/deployment/petrosa-ta-bot",
                ("petrosa-apps", "runbook-deployment-petrosa-ta-bot"),
            ),
            ("/node/worker-1.example", ("own", "runbook-node-worker-1.example")),
            ("own/ta-bot/rollback", ("own", "runbook-ta-bot-rollback")),
        ] {
            assert_eq!(lease_of(target, "own"), (lease.0.to_owned(), lease.1.to_owned()));
        }
    }
}
