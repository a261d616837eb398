//! PodDisruptionBudgets that let nothing be evicted: a drain waits for them.

use super::Kind;
use super::service::TEMPLATES;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{condition, count, is_deleting, name, text};
use crate::pod::{is_live, starting_since};
use crate::view::{View, fits, names, said};
use jiff::SignedDuration;
use serde_json::Value;

const BUDGET: &[&str] = &["PodDisruptionBudget", "Pod"];

pub(super) const KINDS: &[Kind] = &[
    Kind("disruption-blocked", "allows no disruption (too few of its pods are healthy)", BUDGET),
    Kind("disruption-unknown", "cannot tell which disruptions it allows", BUDGET),
    Kind("disruption-never-allowed", "never allows a disruption", BUDGET),
    Kind(OVERLAP, "selects pods that another budget selects", BUDGET),
    Kind("disruption-budget-unused", "selects no pod, and protects nothing", BUDGET),
];

/// The id of budgets that select the same pods.
const OVERLAP: &str = "disruption-budgets-overlap";
/// What the controller of budgets says of such pods.
const MULTIPLE: &str = "MultiplePodDisruptionBudgets";

/// How long too few pods may be healthy before that says something.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let budgets = view.of("PodDisruptionBudget").iter().filter(|budget| !is_deleting(budget));
    let mut found: Vec<Cause> = Vec::new();
    for budget in budgets {
        let overlap = overlapping(view, budget, &found);
        let is_clear = overlap.is_none();
        found.extend(overlap);
        found.extend(unused(view, budget));
        if budget["status"]["disruptionsAllowed"] == 0 {
            // which budget counts the pods of two is left to chance
            let blocked = || blocked(view, budget, so_far).filter(|_| is_clear);
            found.extend(
                unknown(budget)
                    .or_else(|| never(budget))
                    .or_else(|| uncounted(budget))
                    .or_else(blocked),
            );
        }
    }
    found
}

/// The live pods that a budget selects.
fn selected<'a>(view: &View<'a>, budget: &Value) -> Vec<&'a Value> {
    let selector = &budget["spec"]["selector"];
    let pods = view.of("Pod").iter();
    pods.filter(|pod| is_live(pod) && fits(selector, &pod["metadata"]["labels"])).collect()
}

/// Budgets of the same pods: the API server refuses to evict these
/// (pkg/registry/core/pod/storage/eviction.go), and only one budget, any of them, counts them
/// (pkg/controller/disruption, `MultiplePodDisruptionBudgets`). It is one cause, at the first.
fn overlapping(view: &View<'_>, budget: &Value, so_far: &[Cause]) -> Option<Cause> {
    // a pod that does not run yet is evicted without a budget
    let runs = |pod: &&Value| pod["status"]["phase"] != "Pending";
    let own: Vec<&Value> = selected(view, budget).into_iter().filter(runs).collect();
    let is_shared =
        |other: &Value, pod: &Value| fits(&other["spec"]["selector"], &pod["metadata"]["labels"]);
    let budgets = view.of("PodDisruptionBudget").iter();
    let others: Vec<&Value> = budgets
        .filter(|other| !is_deleting(other) && name(other) != name(budget))
        .filter(|other| own.iter().any(|pod| is_shared(other, pod)))
        .collect();
    let shared = own.into_iter().filter(|pod| others.iter().any(|other| is_shared(other, pod)));
    let shared: Vec<&Value> = shared.collect();
    let first = shared.first()?;
    let is_first = |cause: &&Cause| {
        cause.id == OVERLAP && others.iter().any(|other| Object::of(other) == cause.object)
    };
    let rivals = names(others.iter().copied());
    let detail = format!(
        "{} (with {rivals}); the API server evicts no pod that two budgets select",
        names(shared.iter().copied())
    );
    let object = Object::of(budget);
    let said = match view.last_event(first, |event| event.reason == MULTIPLE) {
        Some(event) => said(first, &event),
        None => {
            let source = format!("{object}: spec.selector");
            Evidence::new(source, format!("pod/{} is selected by {rivals}, too", name(first)))
        }
    };
    let cause = Cause {
        follows_from: so_far.iter().find(is_first).map(|cause| (cause.object.clone(), cause.id)),
        ..Cause::new(OVERLAP, object, MULTIPLE, detail)
    };
    let hint = format!(
        "remove all but one of the budgets {}, {rivals}, or make their selectors disjoint",
        name(budget)
    );
    Some(cause.seen([said]).hint(hint))
}

/// A budget of no pod, while pods of the namespace run: its selector may be wrong.
fn unused(view: &View<'_>, budget: &Value) -> Option<Cause> {
    let selector = &budget["spec"]["selector"];
    let may_get = |maker: &Value| fits(selector, &maker["spec"]["template"]["metadata"]["labels"]);
    let of_cronjobs = view.of("CronJob").iter().map(|cronjob| &cronjob["spec"]["jobTemplate"]);
    let makers = TEMPLATES.iter().flat_map(|kind| view.of(kind)).chain(of_cronjobs);
    let is_of_a_maker = { makers }.any(may_get);
    if !view.has_read(&["Pod"])
        || !view.has_read(TEMPLATES)
        || budget["status"]["expectedPods"] != 0
        || !selected(view, budget).is_empty()
        || is_of_a_maker
        || !view.older(&budget["metadata"]["creationTimestamp"], SETTLING)
    {
        return None;
    }
    let object = Object::of(budget);
    let source = format!("{object}: spec.selector");
    Some(
        Cause::new("disruption-budget-unused", object, "", "")
            .seen([Evidence::new(source, selector.to_string())])
            .hint("correct its selector, or remove it"),
    )
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
            .hint(
                "change its selector so that it selects only pods of workloads that can be scaled",
            ),
    )
}

/// A budget that asks for all of its pods: no node of theirs can be drained.
fn never(budget: &Value) -> Option<Cause> {
    let status = &budget["status"];
    let expected = count(&status["expectedPods"]);
    if expected == 0 || count(&status["desiredHealthy"]) < expected {
        return None;
    }
    let rule = rule(budget);
    let pods = if expected == 1 { "1 pod".to_owned() } else { format!("{expected} pods") };
    Some(
        Cause::new("disruption-never-allowed", Object::of(budget), "", format!("{rule} of {pods}"))
            .seen([evidence(budget)])
            .hint(format!("kubectl drain blocks indefinitely: {}", way_out(budget))),
    )
}

/// What lets one pod be evicted: another replica does not, where all of them must be healthy.
fn way_out(budget: &Value) -> &'static str {
    let spec = &budget["spec"];
    match (spec["maxUnavailable"].is_null(), spec["minAvailable"].is_string()) {
        (false, _) => "raise maxUnavailable, or remove the budget",
        (true, true) => "lower minAvailable, or replace it by maxUnavailable: 1",
        (true, false) => "add a replica, or lower minAvailable",
    }
}

/// A budget of pods without a controller, with a rule for which their number has to be known: nothing
/// is allowed (pkg/controller/disruption, `getExpectedPodCount`).
fn uncounted(budget: &Value) -> Option<Cause> {
    let (spec, status) = (&budget["spec"], &budget["status"]);
    let is_uncounted = count(&status["expectedPods"]) == 0
        && count(&status["currentHealthy"]) > 0
        && status["disruptionsAllowed"] == 0
        && (!spec["maxUnavailable"].is_null() || spec["minAvailable"].is_string());
    let rule = rule(budget);
    is_uncounted.then(|| {
        let detail = format!("{rule}, which cannot be computed for pods without a controller");
        Cause::new("disruption-never-allowed", Object::of(budget), "UnmanagedPods", detail)
            .seen([evidence(budget)])
            .hint(
                "kubectl drain blocks indefinitely: set minAvailable to a number, or let a workload \
                    manage the pods",
            )
    })
}

/// What a budget asks for.
fn rule(budget: &Value) -> String {
    let rule = |key: &str| match &budget["spec"][key] {
        Value::Null => None,
        value => Some(format!("{key} is {}", value.to_string().trim_matches('"'))),
    };
    rule("maxUnavailable").or_else(|| rule("minAvailable")).unwrap_or_default()
}

/// Too few healthy pods: it follows from what is wrong with them.
fn blocked(view: &View<'_>, budget: &Value, so_far: &[Cause]) -> Option<Cause> {
    let status = &budget["status"];
    let (current, desired) = (count(&status["currentHealthy"]), count(&status["desiredHealthy"]));
    let expected = count(&status["expectedPods"]);
    if expected == 0 || current > desired || current >= expected {
        return None;
    }
    let pods = selected(view, budget);
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
    Some(cause.seen([evidence(budget)]).hint("fix its pods: a drain waits for them"))
}
