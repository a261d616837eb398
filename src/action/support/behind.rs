//! The state of the pods behind an object, for the message of a wait that timed out or failed.

use crate::action::Context;
use crate::cluster::{Cluster, Error, PodsOf, Resource, Selection, label_selector};
use crate::diagnosis::object::text;
use crate::diagnosis::pod::{is_deleting, is_finished};
use crate::diagnosis::symptom::{Said, few, ill, not_made, unready};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long may be looked at the pods once the deadline has come.
const AFTER: Duration = Duration::from_millis(400);
/// How long at most.
const LONGEST: Duration = Duration::from_secs(5);
/// The most workloads whose pods are looked at.
const WORKLOADS: usize = 3;

/// Looks at the pods behind the objects that a step waits for.
#[derive(Clone, Copy)]
pub(in crate::action) struct Behind<'a> {
    context: &'a Context,
    resource: &'a Resource,
    namespace: &'a str,
    /// When the wait began.
    begun: Instant,
}

impl<'a> Behind<'a> {
    /// For a wait that begins now.
    pub(in crate::action) fn new(
        context: &'a Context,
        resource: &'a Resource,
        namespace: &'a str,
    ) -> Self {
        Self { context, resource, namespace, begun: Instant::now() }
    }

    /// What is wrong with these objects if they are pods, or else with their pods, one entry a pod:
    /// `crash-x2f: main: CrashLoopBackOff, exit code 78, 9 restarts`.
    ///
    /// # Errors
    /// Why the pods could not be read, in words that follow a sentence.
    pub(in crate::action) async fn found(self, objects: &[&Value]) -> Result<Vec<Said>, String> {
        let Ok(cluster) = self.context.cluster() else { return Ok(Vec::new()) };
        if objects.is_empty() || !HAVE_PODS.contains(&self.resource.kind.as_str()) {
            return Ok(Vec::new());
        }
        let remaining = self.context.remaining();
        let limit = if remaining > AFTER { remaining.min(LONGEST) } else { remaining + AFTER };
        let looked = look(cluster, self.resource, self.namespace, objects, self.now());
        match tokio::time::timeout(limit, looked).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(format!(" (cannot read the state of the pods: {error})")),
            Err(_) => Err(" (reading the state of the pods timed out)".to_owned()),
        }
    }

    /// The same in words that follow those that have been said, without what these say already.
    pub(in crate::action) async fn words(self, objects: &[&Value], said: &str) -> String {
        match self.found(objects).await {
            Ok(mut found) => {
                // the names of pods that were refused differ from attempt to attempt
                let is_said = |Said { words, .. }: &Said| {
                    ["is forbidden: ", "Error creating: "].iter().any(|start| {
                        words.rsplit_once(start).is_some_and(|(_, why)| said.contains(why))
                    })
                };
                found.retain(|one| !is_said(one));
                if found.is_empty() { String::new() } else { format!("; {}", few(&found)) }
            }
            Err(why) => why,
        }
    }

    /// The time of the run is that of the beginning of the step.
    fn now(self) -> Timestamp {
        self.context
            .now
            .saturating_add(SignedDuration::try_from(self.begun.elapsed()).unwrap_or_default())
            .unwrap_or(self.context.now)
    }
}

const HAVE_PODS: &[&str] = &["Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"];

async fn look(
    cluster: &Cluster,
    resource: &Resource,
    namespace: &str,
    objects: &[&Value],
    now: Timestamp,
) -> Result<Vec<Said>, Error> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if resource.kind == "Pod" {
        let events = match objects {
            [only] => cluster.events(namespace, Some(("Pod", &name(only)))).await?,
            _ => cluster.events(namespace, None).await?,
        };
        return Ok(ill(objects.iter().copied(), &events, now));
    }
    let events = cluster.events(namespace, None).await?;
    let mut found = Vec::new();
    for workload in objects.iter().take(WORKLOADS) {
        let of = PodsOf::Workload { kind: resource.kind.clone(), name: name(workload) };
        let (pods, makers) = futures::try_join!(
            cluster.pods_with_finished(&of, namespace),
            makers(cluster, resource, workload)
        )?;
        // what has ended was replaced; a Job counts its pods that have failed
        let pods: Vec<&Value> =
            pods.iter().filter(|pod| resource.kind == "Job" || !is_finished(pod)).collect();
        let refused = makers
            .iter()
            .filter_map(|maker| Some(Said::of(name(maker), not_made(maker, &events)?.brief())));
        let mut of_this: Vec<Said> =
            refused.chain(ill(pods.iter().copied(), &events, now)).collect();
        if of_this.is_empty() {
            of_this.extend(leaving(workload, &pods));
            let waiting = unready(pods.into_iter().filter(|pod| !is_deleting(pod)));
            of_this
                .extend((!waiting.is_empty()).then(|| Said::of("not ready", waiting.join(", "))));
        }
        found.extend(of_this);
    }
    Ok(found)
}

/// The pods that must have gone before there are others in their place: a rolling update of a
/// Deployment does not wait for them.
fn leaving(workload: &Value, pods: &[&Value]) -> Option<Said> {
    let strategy = &workload["spec"]["strategy"]["type"];
    if workload["kind"] == "Deployment" && strategy != "Recreate" || workload["kind"] == "Job" {
        return None;
    }
    let named: Vec<String> = pods
        .iter()
        .filter(|pod| is_deleting(pod))
        .map(|pod| {
            let metadata = &pod["metadata"];
            format!("{} (until {})", text(&metadata["name"]), text(&metadata["deletionTimestamp"]))
        })
        .collect();
    (!named.is_empty()).then(|| Said::of("still terminating", named.join(", ")))
}

/// The objects that make the pods of a workload.
async fn makers(
    cluster: &Cluster,
    resource: &Resource,
    workload: &Value,
) -> Result<Vec<Value>, Error> {
    if resource.kind != "Deployment" {
        return Ok(vec![workload.clone()]);
    }
    let sets = cluster.resolve("ReplicaSet").await?;
    let selection = Selection::labels(label_selector(&workload["spec"]["selector"]));
    let mut sets =
        cluster.list(&sets, workload["metadata"]["namespace"].as_str(), &selection).await?;
    sets.retain(|set| {
        set["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|owner| owner["uid"] == workload["metadata"]["uid"])
    });
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_the_pods_that_must_have_gone_first() {
        let stays = json!({"metadata": {"name": "web-b"}});
        let leaves = json!({"metadata": {"name": "web-a",
            "deletionTimestamp": "2026-01-01T00:30:00Z"}});
        let of = |kind: &str, strategy: &str| {
            let workload = json!({"kind": kind, "spec": {"strategy": {"type": strategy}}});
            leaving(&workload, &[&stays, &leaves])
        };
        let said = Some(Said::of("still terminating", "web-a (until 2026-01-01T00:30:00Z)"));
        for (kind, strategy, wanted) in [
            ("Deployment", "Recreate", said.clone()),
            ("Deployment", "RollingUpdate", None),
            ("StatefulSet", "", said.clone()),
            ("DaemonSet", "", said),
            ("Job", "", None),
        ] {
            assert_eq!(of(kind, strategy), wanted, "{kind} {strategy}");
        }
        let recreate = json!({"kind": "Deployment", "spec": {"strategy": {"type": "Recreate"}}});
        assert_eq!(leaving(&recreate, &[&stays]), None);
    }
}
