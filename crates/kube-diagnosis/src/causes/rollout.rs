//! Changes of a Deployment, StatefulSet or DaemonSet that do not get through.

use super::Kind;
use super::evaluate;
use super::revision;
use super::standby::stands_by;
use super::workload::{is_behind, ordinal, wanted};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{condition, controller, count, filled, is_deleting, name, namespace, text};
use crate::pod::{is_live, is_ready, starting_since};
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

const DEPLOYMENT: &[&str] = &["Deployment", "ReplicaSet"];
const SETS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "Pod"];

/// How long a pod may not be ready before it counts as one that holds up others.
const LEFT: SignedDuration = SignedDuration::from_mins(2);

pub(super) const KINDS: &[Kind] = &[
    Kind("rollout-paused", "has a pending change (its rollout is paused)", DEPLOYMENT),
    Kind("rollout-stuck", "cannot complete the rollout of its new revision", SETS),
];

pub(super) fn find(view: &View<'_>, of_pods: &[Cause]) -> Vec<Cause> {
    let mut found = Vec::new();
    for deployment in view.of("Deployment").iter().filter(|one| is_judged(one)) {
        found.extend(paused(view, deployment));
        found.extend(deployment_stuck(view, deployment, of_pods));
    }
    let sets = view.of("StatefulSet").iter().filter(|one| is_judged(one));
    found.extend(sets.filter_map(|set| set_stuck(view, set, of_pods)));
    let daemons = view.of("DaemonSet").iter().filter(|one| is_judged(one));
    found.extend(daemons.filter_map(|set| daemons_stuck(view, set, of_pods)));
    found
}

/// Its status is of its present spec.
fn is_judged(workload: &Value) -> bool {
    !is_deleting(workload) && !is_behind(workload)
}

/// A change that nobody rolls out. A paused Deployment without one is as it should be.
fn paused(view: &View<'_>, deployment: &Value) -> Option<Cause> {
    if deployment["spec"]["paused"] != true || !view.has_read(&["ReplicaSet"]) {
        return None;
    }
    let status = &deployment["status"];
    let (replicas, updated) = (count(&status["replicas"]), count(&status["updatedReplicas"]));
    let sets: Vec<&Value> = view.owned("ReplicaSet", deployment).collect();
    let (own, old): (Vec<&Value>, Vec<&Value>) =
        sets.iter().partition(|set| same_template(set, deployment));
    let has_old = old.iter().any(|set| count(&set["status"]["replicas"]) > 0);
    let detail = if has_old || replicas > updated {
        format!("{updated} of {} pods are of the present revision", wanted(deployment))
    } else if sets.is_empty() && replicas == 0 && wanted(deployment) > 0 {
        "it has not been rolled out at all".to_owned()
    } else if !sets.is_empty() && own.is_empty() {
        "the pod template has changed since".to_owned()
    } else {
        return None;
    };
    let object = Object::of(deployment);
    let resume = format!("to resume it: kubectl rollout resume -n {} {object}", object.namespace);
    let said = match condition(deployment, "Progressing") {
        Some(progressing) => Evidence::condition(deployment, progressing),
        None => Evidence::new(object.to_string(), "spec.paused is true"),
    };
    Some(Cause::new("rollout-paused", object, "DeploymentPaused", detail).seen([said]).hint(resume))
}

/// Whether a ReplicaSet is of the present template of its Deployment.
fn same_template(set: &Value, deployment: &Value) -> bool {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    let mut wanted = deployment["spec"]["template"].clone();
    for template in [&mut template, &mut wanted] {
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.remove("creationTimestamp");
        }
    }
    template == wanted
}

/// A new revision that does not come up beside an old one, or of which nothing says why it does
/// not.
fn deployment_stuck(view: &View<'_>, deployment: &Value, of_pods: &[Cause]) -> Option<Cause> {
    let progressing = condition(deployment, "Progressing")
        .filter(|condition| condition["reason"] == "ProgressDeadlineExceeded")?;
    let (wanted, status) = (wanted(deployment), &deployment["status"]);
    // the condition stays when the rollout has come to its end after all
    let complete = count(&status["updatedReplicas"]) >= wanted
        && count(&status["availableReplicas"]) >= wanted
        && count(&status["replicas"]) <= count(&status["updatedReplicas"]);
    if complete || deployment["spec"]["paused"] == true {
        return None;
    }
    let object = Object::of(deployment);
    let old = count(&status["replicas"]) - count(&status["updatedReplicas"]);
    let mut unready = view.pods_of(&object).filter(|pod| is_live(pod) && !is_ready(pod)).peekable();
    let stand_by = unready.peek().is_some() && unready.all(|pod| stands_by(view, pod));
    if old <= 0 && (stand_by || of_pods.iter().any(|cause| cause.object == object)) {
        return None;
    }
    let of_old = match old {
        ..=0 => String::new(),
        old => format!(", {old} of an older one"),
    };
    let detail = format!(
        "pods of the new revision: {} of {wanted}{of_old}, available: {}; {}",
        count(&status["updatedReplicas"]),
        count(&status["availableReplicas"]),
        text(&progressing["message"]).trim_end_matches('.'),
    );
    let hint = if old > 0 {
        roll_back(view, &object)
    } else {
        format!("look at its pods: {}", look(deployment))
    };
    Some(
        Cause::new("rollout-stuck", object, "ProgressDeadlineExceeded", detail)
            .seen([Evidence::condition(deployment, progressing)])
            .hint(hint),
    )
}

/// Where to go back to: without a number, `rollout undo` takes the revision before, which may never
/// have worked.
fn roll_back(view: &View<'_>, object: &Object) -> String {
    let is_it = |owner: &Value| {
        owner["kind"] == object.kind.as_str() && owner["name"] == object.name.as_str()
    };
    let mut sets: Vec<(u64, bool)> = view
        .of("ReplicaSet")
        .iter()
        .filter(|set| controller(set).is_some_and(&is_it))
        .filter_map(|set| {
            Some((revision::number(set)?, count(&set["status"]["readyReplicas"]) > 0))
        })
        .collect();
    sets.sort_unstable();
    sets.pop();
    let works = sets.iter().rev().find(|(_, works)| *works).map(|(revision, _)| *revision);
    let to = works.filter(|works| sets.last().is_some_and(|(before, _)| before != works));
    let to = to.map(|revision| format!(" --to-revision={revision}")).unwrap_or_default();
    let namespace = &object.namespace;
    format!("fix the new revision, or roll back: kubectl rollout undo -n {namespace} {object}{to}")
}

fn look(deployment: &Value) -> String {
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    format!("kubectl describe pod -n {} -l {}", namespace(deployment), labels.join(","))
}

/// The pods of a workload that are known to be ill.
fn ill<'a>(view: &View<'a>, object: &Object, of_pods: &[Cause]) -> Vec<&'a Value> {
    let is_named = |pod: &Value| {
        let mut own = of_pods.iter().filter(|cause| cause.object == *object);
        own.any(|cause| cause.pods.iter().any(|ill| ill == name(pod)))
    };
    let pods = view.pods_of(object);
    pods.filter(|pod| is_live(pod) && !is_ready(pod) && is_named(pod)).collect()
}

/// The reason of a StatefulSet that waits for a pod of an earlier revision: to roll it back helps
/// nothing. The runbooks tell it by this.
const OLD_POD: &str = "OldPodNotReady";

/// A StatefulSet of which one pod is ill while others are still of the old revision: it replaces no
/// other pod until that one is ready (pkg/controller/statefulset, `updateStatefulSet`). After a bad
/// change was taken back the pod that got it is of neither revision, and stays as it is: the
/// documentation of StatefulSets calls for a forced rollback.
fn set_stuck(view: &View<'_>, set: &Value, of_pods: &[Cause]) -> Option<Cause> {
    let update = filled(&set["status"]["updateRevision"])?;
    let strategy = &set["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return None;
    }
    let object = Object::of(set);
    let live: Vec<&Value> = view.pods_of(&object).filter(|pod| is_live(pod)).collect();
    // what is below the partition keeps its revision
    let kept =
        count(&strategy["rollingUpdate"]["partition"]) + count(&set["spec"]["ordinals"]["start"]);
    let is_kept = |pod: &Value| ordinal(pod).is_some_and(|ordinal| ordinal < kept);
    let old = live.iter().filter(|pod| revision_of(pod) != update && !is_kept(pod)).count();
    if old == 0 || live.iter().any(|pod| revision_of(pod).is_empty()) {
        return None;
    }
    let named = ill(view, &object, of_pods).into_iter().next();
    let is_old = |pod: &&Value| revision_of(pod) != update && is_left(view, pod);
    let blocker = named.or_else(|| live.iter().copied().find(is_old))?;
    let (reason, detail, hint) = if revision_of(blocker) == update {
        let waiting = match old {
            1 => "1 pod of the old one waits".to_owned(),
            many => format!("{many} pods of the old one wait"),
        };
        let detail =
            format!("{} of the new revision is not ready, and {waiting} for it", name(blocker));
        ("RollingUpdate", detail, roll_back_set(set))
    } else if set["spec"]["podManagementPolicy"] == "Parallel" {
        return None;
    } else {
        let detail = format!(
            "{} of an earlier revision is not ready, and nothing is replaced until it is",
            name(blocker)
        );
        let delete = delete(blocker);
        // the present revision has served before
        let is_back = set["status"]["currentRevision"] == update;
        let when = if is_back { "delete the pod" } else { "if the new revision fixes it" };
        (OLD_POD, detail, format!("{when}: {delete}"))
    };
    let source = format!("{object}: status");
    let says =
        format!("updateRevision {update}, {old} of {} pods are of another revision", live.len());
    Some(
        Cause::new("rollout-stuck", object, reason, detail)
            .pods([blocker])
            .seen([Evidence::new(source, says)])
            .hint(hint),
    )
}

/// How to go back with a StatefulSet or DaemonSet: which revision has worked is in its
/// ControllerRevisions, and of a StatefulSet the pod that is not ready may have to be deleted.
fn roll_back_set(set: &Value) -> String {
    format!("fix the new revision, or roll back: {}", evaluate::rollback(&Object::of(set)))
}

fn delete(pod: &Value) -> String {
    format!("kubectl delete pod -n {} {}", namespace(pod), name(pod))
}

/// A pod that has not been ready for some time, and is not about to be.
fn is_left(view: &View<'_>, pod: &Value) -> bool {
    let since = condition(pod, "Ready").map(|ready| &ready["lastTransitionTime"]);
    !is_ready(pod)
        && since.is_some_and(|since| view.older(since, LEFT))
        && starting_since(pod, view.now).is_none()
        && !stands_by(view, pod)
}

/// A DaemonSet of which as many pods of the new revision are ill as may be at once.
fn daemons_stuck(view: &View<'_>, set: &Value, of_pods: &[Cause]) -> Option<Cause> {
    let status = &set["status"];
    let (wanted, updated) =
        (count(&status["desiredNumberScheduled"]), count(&status["updatedNumberScheduled"]));
    let generation =
        filled(&set["metadata"]["annotations"]["deprecated.daemonset.template.generation"])?;
    let strategy = &set["spec"]["updateStrategy"];
    if updated >= wanted || strategy["type"] == "OnDelete" {
        return None;
    }
    let object = Object::of(set);
    let is_new = |pod: &&Value| pod["metadata"]["labels"]["pod-template-generation"] == generation;
    let ill: Vec<&Value> = ill(view, &object, of_pods).into_iter().filter(is_new).collect();
    if ill.is_empty() || count_of(ill.len()) < share(&strategy["rollingUpdate"], wanted) {
        return None;
    }
    let detail = format!(
        "{updated} of {wanted} pods are of the new revision, and {} not ready",
        if let [one] = ill[..] {
            format!("{} is", name(one))
        } else {
            format!("{} are", ill.len())
        }
    );
    let source = format!("{object}: status");
    let says = format!("updatedNumberScheduled {updated}, desiredNumberScheduled {wanted}");
    let hint = roll_back_set(set);
    Some(
        Cause::new("rollout-stuck", object, "RollingUpdate", detail)
            .pods(ill)
            .seen([Evidence::new(source, says)])
            .hint(hint),
    )
}

fn revision_of(pod: &Value) -> &str {
    text(&pod["metadata"]["labels"]["controller-revision-hash"])
}

fn count_of(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// How many pods of a DaemonSet may be unavailable at once: a number or a percentage, rounded up.
fn share(strategy: &Value, wanted: i64) -> i64 {
    let most = &strategy["maxUnavailable"];
    let share = match most.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok()) {
        Some(percent) => (percent * wanted + 99) / 100,
        None => most.as_i64().unwrap_or(1),
    };
    share.max(1)
}
