//! What operators say of their custom resources.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::health::{Fact, Sign, health};
use crate::object::{controller, filled, is_deleting, name, text, timestamp};
use crate::snapshot::CUSTOM;
use crate::view::View;
use jiff::SignedDuration;
use serde_json::{Value, json};

pub(super) const KINDS: &[Kind] =
    &[Kind("custom-resource-unhealthy", "does not work, as its status says", &[CUSTOM])];

/// How long an operator may take to look at an object that is new.
const NEW: SignedDuration = SignedDuration::from_mins(1);

/// How many of the facts are in the sentence.
const FACTS: usize = 2;

/// Fields that say that the object was to do something once, and has ended: a pipeline, a backup.
const ENDS: [&str; 6] =
    ["completionTime", "completionTimestamp", "finishedAt", "completedAt", "endTime", "finishTime"];

/// Custom resources that do not work, each at the topmost one that says so: what an operator makes of
/// it has its status from the same fault.
pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let is_named = |one: &&Value| {
        // of most of them there is nothing to say, and their owners need not be looked for
        one["status"].as_object().is_some_and(|status| !status.is_empty())
            && view.older(&one["metadata"]["creationTimestamp"], NEW)
            && !is_deleting(one)
            && !is_covered(view, one)
            && !(has_ended(one) && has_later(view, one))
    };
    view.of(CUSTOM).iter().filter(is_named).filter_map(|one| cause(view, one, so_far)).collect()
}

/// Whether what is said of an object is said of the one for which it was made, or does not matter to
/// that. One that says nothing of itself covers nothing.
fn is_covered(view: &View<'_>, object: &Value) -> bool {
    let owners = std::iter::successors(owner(view, object), |one| owner(view, one));
    // no longer chain is known, and references may be a circle
    owners.take(8).any(|one| one["status"] == json!({}) || health(one).unknown.is_empty())
}

/// The custom resource that controls this one. Of one that works, a snapshot has an empty status.
fn owner<'a>(view: &View<'a>, object: &Value) -> Option<&'a Value> {
    let owner = controller(object)?;
    let mut all = view.of(CUSTOM).iter().chain(view.of("Certificate"));
    all.find(|one| one["kind"] == owner["kind"] && owner["name"] == name(one))
}

fn has_ended(object: &Value) -> bool {
    ENDS.iter().any(|field| filled(&object["status"][*field]).is_some())
}

/// Whether there is a later object of its kind.
fn has_later(view: &View<'_>, object: &Value) -> bool {
    let made = |one: &Value| timestamp(&one["metadata"]["creationTimestamp"]);
    let is_alike =
        |one: &&Value| one["kind"] == object["kind"] && one["apiVersion"] == object["apiVersion"];
    view.of(CUSTOM).iter().filter(is_alike).any(|one| made(one) > made(object))
}

fn cause(view: &View<'_>, object: &Value, so_far: &[Cause]) -> Option<Cause> {
    let facts = health(object).facts;
    let bad: Vec<&Fact> = facts.iter().filter(|fact| fact.sign == Sign::Bad).collect();
    let first = bad.first()?;
    let own = Object::custom(object);
    let said = |fact: &&Fact| Evidence::new(format!("{own}: status {}", fact.at), &*fact.says);
    let evidence: Vec<Evidence> = bad.iter().map(said).collect();
    let says = |fact: &&Fact| format!("{} is {}", fact.at, fact.says);
    // a word alone says less than the error beside it
    let detail = bad.iter().take(FACTS).map(says).collect::<Vec<_>>().join("; ");
    let reason = first.at.rsplit(' ').next().unwrap_or_default();
    let hint = format!(
        "read its events and the log of its operator: kubectl describe {}",
        reference(&own)
    );
    let cause = Cause::new("custom-resource-unhealthy", own, reason, detail);
    let follows_from = root(view, object, so_far);
    Some(Cause { follows_from, ..cause.seen(evidence).hint(hint) })
}

/// The object as kubectl takes it.
fn reference(own: &Object) -> String {
    match own.namespace.as_str() {
        "" => own.to_string(),
        namespace => format!("-n {namespace} {own}"),
    }
}

/// What is wrong with the pods or workloads that an operator has made for an object.
fn root(view: &View<'_>, object: &Value, so_far: &[Cause]) -> Option<(Object, &'static str)> {
    let own = Object::custom(object);
    let of_own = |cause: &&Cause| {
        let maker = view.get(&cause.object.kind, &cause.object.name).and_then(controller);
        let is_made = maker.is_some_and(|maker| {
            text(&maker["kind"]) == own.kind && text(&maker["name"]) == own.name
        });
        is_made || cause.object.is(&own)
    };
    so_far.iter().find(of_own).map(|cause| (cause.object.clone(), cause.id))
}

#[cfg(test)]
mod tests {
    use crate::{Snapshot, diagnose};
    use serde_json::{Value, json};

    const NOW: &str = "2026-11-30T12:00:00Z";

    fn resource(name: &str, created: &str, status: &Value) -> Value {
        json!({"apiVersion": "pg.example.com/v1", "kind": "Cluster", "status": status,
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created}})
    }

    /// What is named of custom resources.
    fn named(custom: Vec<Value>, others: Vec<Value>) -> Vec<String> {
        let mut snapshot = Snapshot::from_iter(others);
        snapshot.add("CustomResource", custom);
        let found = diagnose(&snapshot, NOW.parse().expect("a time"));
        let own = found.causes.iter().filter(|cause| cause.id == "custom-resource-unhealthy");
        let told = own.map(|cause| {
            let root = cause.follows_from.as_ref().map(|(of, id)| format!(" from {of} {id}"));
            format!("{}{}", cause.sentence(), root.unwrap_or_default())
        });
        told.collect()
    }

    const OLD: &str = "2026-11-30T10:00:00Z";

    #[test]
    fn one_that_says_so_is_named_with_its_group() {
        let status = json!({"conditions": [
            {"type": "Ready", "status": "False", "reason": "NoQuorum", "message": "1 of 3"}]});
        assert_eq!(
            named(vec![resource("db", OLD, &status)], vec![]),
            ["cluster.pg.example.com/db does not work, as its status says: Ready is False, \
                NoQuorum: 1 of 3"]
        );
    }

    #[test]
    fn one_that_works_is_new_or_says_nothing_is_not() {
        let failed = json!({"phase": "Failed"});
        let fine = [
            resource("db", OLD, &json!({"phase": "Running"})),
            resource("new", "2026-11-30T11:59:30Z", &failed),
            resource("odd", OLD, &json!({"phase": "Frobnicating"})),
            resource("bare", OLD, &Value::Null),
        ];
        assert_eq!(named(fine.to_vec(), vec![]), Vec::<String>::new());
    }

    #[test]
    fn what_it_has_made_has_its_fault_from_it() {
        let failed = json!({"phase": "Failed"});
        let mut made = resource("db-1", OLD, &failed);
        made["metadata"]["ownerReferences"] =
            json!([{"kind": "Cluster", "name": "db", "controller": true}]);
        let told = named(vec![resource("db", OLD, &failed), made], vec![]);
        let phase = "does not work, as its status says: phase is Failed";
        assert_eq!(told, [format!("cluster.pg.example.com/db {phase}")]);
    }

    #[test]
    fn the_error_beside_a_word_is_told() {
        let status = json!({"operationalStatus": "error", "errorMessage": "BMC unreachable"});
        let told = named(vec![resource("db", OLD, &status)], vec![]);
        let says = "operationalStatus is error; errorMessage is BMC unreachable";
        assert!(told[0].ends_with(says), "{told:?}");
    }

    #[test]
    fn an_owner_that_says_nothing_hides_nothing() {
        let made_of = |owner: &Value| {
            let mut made = resource("db-1", OLD, &json!({"phase": "Failed"}));
            made["metadata"]["ownerReferences"] =
                json!([{"kind": "Cluster", "name": "db", "controller": true}]);
            named(vec![resource("db", OLD, owner), made], vec![]).len()
        };
        // a snapshot has an empty status of what works, and none of what does not say
        assert_eq!((made_of(&Value::Null), made_of(&json!({}))), (1, 0));
    }

    #[test]
    fn of_what_runs_once_the_latest_counts() {
        let ended = |phase: &str| json!({"phase": phase, "completionTime": OLD});
        let (first, second) = ("2026-11-30T08:00:00Z", "2026-11-30T09:00:00Z");
        let all = |last: &str| {
            let runs = vec![
                resource("run-1", first, &ended("Failed")),
                resource("run-2", second, &ended(last)),
            ];
            named(runs, vec![]).len()
        };
        assert_eq!((all("Succeeded"), all("Failed")), (0, 1));
    }

    #[test]
    fn it_follows_from_the_workload_that_was_made_for_it() {
        let status = json!({"phase": "Failed"});
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db",
            "namespace": "shop", "generation": 1, "creationTimestamp": OLD, "ownerReferences": [
                {"kind": "Cluster", "name": "db", "controller": true}]},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "db"}}},
            "status": {"replicas": 1, "readyReplicas": 0, "observedGeneration": 1}});
        let pod = json!({"kind": "Pod", "metadata": {"name": "db-0", "namespace": "shop",
            "creationTimestamp": OLD, "labels": {"app": "db"}, "ownerReferences": [
                {"kind": "StatefulSet", "name": "db", "controller": true}]},
            "spec": {"containers": [{"name": "db"}], "nodeName": "n"},
            "status": {"phase": "Running", "containerStatuses": [{"name": "db", "ready": false,
                "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}});
        let told = named(vec![resource("db", OLD, &status)], vec![set, pod]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with("from statefulset/db oom-killed"), "{told:?}");
    }
}
