//! Pods come and go: a pod that is still starting says nothing about what will run in it, and one
//! that was deleted during the query says nothing about what ran there.

use super::fan_out::Item;
use super::wrong::is_doubtful;
use crate::action::{Context, Failure, FailureKind, Pods, Target};
use crate::diagnosis::pod::{is_deleting, is_finished, starting_since};
use crate::event::Effect;
use serde_json::Value;
use std::collections::BTreeSet;

/// A question to the pods of a target.
#[derive(Clone, Copy)]
pub(in crate::action) struct Question<'a> {
    pub(in crate::action) context: &'a Context,
    /// Whose pods they are.
    pub(in crate::action) target: &'a Target,
    /// It changes nothing: who is not asked has lost nothing.
    pub(in crate::action) reads: bool,
    /// The output is the one item, and not a list.
    pub(in crate::action) one: bool,
}

impl<'a> Question<'a> {
    /// A question that changes nothing, to these pods of a target.
    pub(in crate::action) fn read(context: &'a Context, target: &'a Target, pods: Pods) -> Self {
        Self { context, target, reads: true, one: pods == Pods::One || target.is_one_pod() }
    }

    /// The same with the effect of what is asked.
    pub(in crate::action) fn with(self, effect: Effect) -> Self {
        Self { reads: effect == Effect::Read, ..self }
    }

    /// Whether any pods will do that are there: a pod that somebody has named is asked as it is.
    fn is_of_whoever_runs(&self) -> bool {
        self.reads && !self.target.is_one_pod()
    }

    /// Why this pod cannot be asked yet.
    pub(in crate::action) fn not_yet(&self, pod: &Value) -> Option<Failure> {
        let since = starting_since(pod, self.context.now).filter(|_| self.is_of_whoever_runs())?;
        let seconds = self.context.now.duration_since(since).as_secs().max(0);
        let name = name(pod);
        let message = format!("pod {name} is only starting: made {seconds} s ago, not ready yet");
        Some(Failure::new(FailureKind::Transient, message))
    }

    /// The pods that went away meanwhile, by name. They are looked for only where an answer is
    /// missing or bad.
    pub(in crate::action) async fn gone(
        &self,
        pods: &[Value],
        mut results: impl Iterator<Item = &Item>,
    ) -> BTreeSet<String> {
        let doubtful = results.any(|result| match result {
            Ok(item) => is_doubtful(item),
            Err(_) => true,
        });
        if !doubtful || !self.is_of_whoever_runs() {
            return BTreeSet::new();
        }
        let namespace = self.target.namespace(&self.context.namespace);
        let (Ok(cluster), Ok(of)) = (self.context.cluster(), self.target.pods()) else {
            return BTreeSet::new();
        };
        // who cannot look again takes the answers as they are
        let Ok(now) = cluster.pods_with_finished(&of, namespace).await else {
            return BTreeSet::new();
        };
        pods.iter().filter(|pod| is_gone(pod, &now)).map(|pod| name(pod).to_owned()).collect()
    }
}

/// Why nothing is known where all pods went away.
pub(in crate::action) fn all_gone(names: &BTreeSet<String>) -> Failure {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!("went away while asked: pod {}", names.join(", pod "));
    Failure::new(FailureKind::Transient, message)
}

fn is_gone(before: &Value, now: &[Value]) -> bool {
    let same = now.iter().find(|pod| pod["metadata"]["uid"] == before["metadata"]["uid"]);
    same.is_none_or(|pod| {
        is_deleting(pod) && !is_deleting(before) || is_finished(pod) && !is_finished(before)
    })
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::support::real_pods::context;
    use serde_json::json;

    fn pod(uid: &str, status: Value) -> Value {
        json!({"metadata": {"name": "web-0", "uid": uid,
            "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status})
    }

    #[test]
    fn a_pod_is_gone_when_it_is_replaced_deleted_or_over() {
        let before = pod("1", json!({"phase": "Running"}));
        let mut deleted = before.clone();
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let over = pod("1", json!({"phase": "Failed"}));
        for (before, now, wanted) in [
            (&before, vec![before.clone()], false),
            (&before, vec![], true),
            (&before, vec![pod("2", json!({"phase": "Running"}))], true),
            (&before, vec![deleted.clone()], true),
            (&before, vec![over.clone()], true),
            // it was so when it was chosen: the logs of finished pods are asked for
            (&over, vec![over.clone()], false),
            (&deleted, vec![deleted.clone()], false),
        ] {
            assert_eq!(is_gone(before, &now), wanted, "{before} {now:?}");
        }
    }

    #[test]
    fn only_who_looks_at_whoever_runs_waits_for_pods_that_start() {
        let mut context = context(None, "n");
        context.now = "2026-01-01T00:00:03Z".parse().unwrap();
        let starting = pod("1", json!({"phase": "Pending"}));
        let ready = pod(
            "1",
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
        );
        for (target, reads, pod, wanted) in [
            ("deployment/web", true, &starting, true),
            ("deployment/web", true, &ready, false),
            ("deployment/web", false, &starting, false),
            ("pod/web-0", true, &starting, false),
        ] {
            let target: Target = serde_json::from_value(json!(target)).unwrap();
            let question = Question { context: &context, target: &target, reads, one: false };
            assert_eq!(question.not_yet(pod).is_some(), wanted, "{target} {reads} {pod}");
        }
        let target: Target = serde_json::from_value(json!("deployment/web")).unwrap();
        let question = Question { context: &context, target: &target, reads: true, one: false };
        assert_eq!(
            question.not_yet(&starting).unwrap().message,
            "pod web-0 is only starting: made 3 s ago, not ready yet"
        );
    }
}
