//! PodDisruptionBudgets that let nothing be evicted: a drain waits for them.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{condition, count, is_deleting, name, text};
use crate::pod::{is_live, starting_since};
use crate::view::{View, selects};
use jiff::SignedDuration;
use serde_json::Value;

const BUDGET: &[&str] = &["PodDisruptionBudget", "Pod"];

pub(super) const KINDS: &[Kind] = &[
    Kind("disruption-blocked", "allows no disruption, as too few of its pods are healthy", BUDGET),
    Kind("disruption-unknown", "cannot tell which disruptions it allows", BUDGET),
    Kind("disruption-never-allowed", "never allows a disruption", BUDGET),
];

/// How long too few pods may be healthy before that says something.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let budgets = view.of("PodDisruptionBudget").iter().filter(|budget| !is_deleting(budget));
    budgets
        .filter(|budget| budget["status"]["disruptionsAllowed"] == 0)
        .filter_map(|budget| {
            unknown(budget).or_else(|| never(budget)).or_else(|| blocked(view, budget, so_far))
        })
        .collect()
}

fn evidence(budget: &Value) -> Evidence {
    let status = &budget["status"];
    let says = format!(
        "disruptionsAllowed 0, currentHealthy {}, desiredHealthy {}, expectedPods {}",
        count(&status["currentHealthy"]),
        count(&status["desiredHealthy"]),
        count(&status["expectedPods"])
    );
    Evidence::new(format!("{}: status", Object::of(budget)), says)
}

/// A budget that its controller could not compute.
fn unknown(budget: &Value) -> Option<Cause> {
    let failed =
        condition(budget, "DisruptionAllowed").filter(|one| one["reason"] == "SyncFailed")?;
    let detail = text(&failed["message"]);
    Some(
        Cause::new("disruption-unknown", Object::of(budget), "SyncFailed", detail)
            .seen([Evidence::condition(budget, failed)])
            .hint("let its selector select pods of workloads that can be scaled"),
    )
}

/// A budget that asks for all of its pods: no node of theirs can be drained.
fn never(budget: &Value) -> Option<Cause> {
    let status = &budget["status"];
    let expected = count(&status["expectedPods"]);
    if expected == 0 || count(&status["desiredHealthy"]) < expected {
        return None;
    }
    let rule = |key: &str| match &budget["spec"][key] {
        Value::Null => None,
        value => Some(format!("{key} is {}", value.to_string().trim_matches('"'))),
    };
    let rule = rule("maxUnavailable").or_else(|| rule("minAvailable")).unwrap_or_default();
    let pods = if expected == 1 { "1 pod".to_owned() } else { format!("{expected} pods") };
    Some(
        Cause::new("disruption-never-allowed", Object::of(budget), "", format!("{rule} of {pods}"))
            .seen([evidence(budget)])
            .hint("a drain waits for it without end: run one pod more, or let one be unavailable"),
    )
}

/// Too few healthy pods: it follows from what is wrong with them.
fn blocked(view: &View<'_>, budget: &Value, so_far: &[Cause]) -> Option<Cause> {
    let status = &budget["status"];
    let (current, desired) = (count(&status["currentHealthy"]), count(&status["desiredHealthy"]));
    let expected = count(&status["expectedPods"]);
    if expected == 0 || current > desired || current >= expected {
        return None;
    }
    let labels = &budget["spec"]["selector"]["matchLabels"];
    let pods: Vec<&Value> = view
        .of("Pod")
        .iter()
        .filter(|pod| is_live(pod) && selects(labels, &pod["metadata"]["labels"]))
        .collect();
    let is_of = |cause: &&Cause| {
        pods.iter().any(|pod| {
            cause.pods.iter().any(|ill| ill == name(pod)) || view.workload(pod) == cause.object
        })
    };
    let own = so_far.iter().find(is_of);
    if own.is_none() {
        let since = condition(budget, "DisruptionAllowed").map(|one| &one["lastTransitionTime"]);
        let is_late = since.is_some_and(|since| view.older(since, SETTLING));
        let starts = pods.iter().any(|pod| starting_since(pod, view.now).is_some());
        // one pod less than the budget has room for is nothing by itself
        if current >= desired || starts || !is_late {
            return None;
        }
    }
    let detail = format!("{current} of {expected} pods are healthy, and {desired} must be");
    let cause = Cause {
        follows_from: own.map(|cause| (cause.object.clone(), cause.id)),
        ..Cause::new("disruption-blocked", Object::of(budget), "InsufficientPods", detail)
    };
    Some(cause.seen([evidence(budget)]).hint("mend its pods: a drain waits for them"))
}
