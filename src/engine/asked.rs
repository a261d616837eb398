//! What a person is shown of the changes that are to be allowed. Pure.

use super::step::one_line;
use crate::document::Step;
use crate::event::{PlannedChange, Target};
use crate::expression::Expectation;
use std::collections::BTreeSet;

/// The most lines of a kind.
const LINES: usize = 6;

/// The cluster for a person; empty where there is none.
pub(super) fn cluster(target: &Target) -> String {
    match (&target.sandbox, &target.context, &target.server) {
        (Some(scenario), _, _) => format!("sandbox {scenario}"),
        (None, Some(context), _) => format!("context {context}"),
        (None, None, Some(server)) => server.clone(),
        (None, None, None) => String::new(),
    }
}

/// Cluster and namespace: `context prod-eu · namespace shop`.
pub(super) fn place(target: &Target) -> String {
    let cluster = Some(cluster(target)).filter(|cluster| !cluster.is_empty());
    let namespace = target.namespace.as_ref().map(|name| format!("namespace {name}"));
    let namespace = namespace.filter(|_| cluster.is_some());
    cluster.into_iter().chain(namespace).collect::<Vec<_>>().join(" · ")
}

/// Why a step makes its changes, each of them in words, and what is looked at after them.
pub(super) fn why(step: &Step, changes: &[PlannedChange]) -> Vec<String> {
    let when = step.when.iter().map(|when| format!("because {}", one_line(when.source())));
    let change = |change: &PlannedChange| {
        format!("{} {}: {}", change.verb, change.object.short(), change.summary)
    };
    let more = changes.len().saturating_sub(LINES);
    let more = (more > 0).then(|| format!("and {more} more changes"));
    let expected = step.expect.iter().map(Expectation::describe);
    let expected = expected.map(|text| format!("expected after it: {text}"));
    let then =
        step.then.iter().map(|next| format!("checked after it: {} ({})", next.id, next.verb()));
    when.chain(changes.iter().take(LINES).map(change))
        .chain(more)
        .chain(expected)
        .chain(then)
        .collect()
}

/// The blast radius in words: `2 objects · 3 replicas · namespace petrosa-apps`.
pub(super) fn reach(changes: &[PlannedChange]) -> String {
    let objects: BTreeSet<_> = changes.iter().map(|change| &change.object).collect();
    let namespaces: BTreeSet<_> = objects
        .iter()
        .map(|object| object.namespace.as_str())
        .filter(|namespace| !namespace.is_empty())
        .collect();
    let replicas: u64 =
        changes.iter().filter_map(|change| change.before["spec"]["replicas"].as_u64()).sum();
    let mut parts = vec![if let [change] = changes {
        change.object.short()
    } else {
        format!("{} objects", objects.len())
    }];
    if replicas > 0 {
        parts.push(format!("{replicas} {}", if replicas == 1 { "replica" } else { "replicas" }));
    }
    match namespaces.len() {
        0 => parts.push("cluster-wide".to_owned()),
        1 => parts
            .push(format!("namespace {}", namespaces.iter().next().copied().unwrap_or_default())),
        count => parts.push(format!("{count} namespaces")),
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ObjectReference;
    use serde_json::{Value, json};

    #[test]
    fn the_reach_is_told_in_objects_replicas_and_namespaces() {
        let change = |name: &str, namespace: &str, replicas: u64| PlannedChange {
            object: ObjectReference {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: namespace.into(),
                name: name.into(),
            },
            verb: "patch".into(),
            summary: String::new(),
            before: json!({"spec": {"replicas": replicas}}),
            after: Value::Null,
            request: Value::Null,
            masked: false,
        };
        assert_eq!(reach(&[change("a", "n", 3)]), "deployment/a · 3 replicas · namespace n");
        assert_eq!(
            reach(&[change("a", "n", 1), change("b", "m", 0)]),
            "2 objects · 1 replica · 2 namespaces"
        );
        assert_eq!(reach(&[change("node", "", 0)]), "deployment/node · cluster-wide");
    }

    #[test]
    fn the_place_is_the_simulated_cluster_or_the_context() {
        let text = |text: &str| Some(text.to_owned());
        let real =
            Target { context: text("prod-eu"), namespace: text("shop"), ..Target::default() };
        assert_eq!(place(&real), "context prod-eu · namespace shop");
        let simulated = Target { sandbox: text("healthy"), ..real.clone() };
        assert_eq!(place(&simulated), "sandbox healthy · namespace shop");
        let nowhere = Target { namespace: text("shop"), ..Target::default() };
        assert_eq!(place(&nowhere), "", "a run without a cluster is in no namespace");
    }
}
