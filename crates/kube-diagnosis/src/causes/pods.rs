//! What keeps pods from working, once for each workload.

use super::detail::detail;
use super::init;
use super::logs::{
    LOGGED, UNREAD, complains, is_complained_of, is_logged, remedy, unread, with_log,
};
use super::mount;
use super::open::{Open, completed, kept_open, never_ready};
use super::past::{self, Tense};
use super::removed;
use super::revision::{ROLLING, has_its_rollout, lacks_pods};
use super::standby::{STANDBY, stands_by};
use super::{Kind, dns, forbidden, governing};
use super::{surge, taken};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{condition, filled, name, timestamp};
use crate::pod::{is_finished, is_live, is_ready, pod_status, starting_since};
use crate::symptom::Symptom;
use crate::view::{View, listed, said};
use jiff::SignedDuration;
use serde_json::Value;

const POD: &[&str] = &["Pod"];
const EVENTS: &[&str] = &["Pod", "Event"];

/// The ids, with what each needs to be ruled out.
pub(super) const KINDS: &[Kind] = &[
    Kind("oom-killed", "is OOM-killed", POD),
    Kind("app-exit", "exits with an error", POD),
    Kind("liveness-probe-kills", "is killed by its liveness probe", EVENTS),
    Kind("startup-probe-kills", "is killed by its startup probe", EVENTS),
    Kind("start-error", "cannot be started", POD),
    Kind("exits-zero", "exits with code 0 and is restarted", POD),
    Kind("init-container-fails", "has an init container that fails", POD),
    Kind("init-container-waits", "waits for its init container", POD),
    Kind("init-container-runs", "still runs its init container", POD),
    Kind("post-start-hook-failed", "has a postStart hook that fails", POD),
    Kind("container-lost", "lost a container with its node", POD),
    Kind("container-waiting", "has a container in state Waiting", POD),
    Kind("image-not-found", "references an image that does not exist in the registry", POD),
    Kind("image-name-invalid", "has an invalid image name", POD),
    Kind("image-pull-denied", "is not authorized to pull its image", POD),
    Kind("image-pull-failed", "cannot pull its image", POD),
    Kind("image-pull-slow", "has been pulling its image for a long time", EVENTS),
    Kind(
        "image-not-present",
        "needs an image that is not present on the node, and imagePullPolicy is Never",
        POD,
    ),
    Kind("image-wrong-platform", "has an image for another platform", POD),
    Kind("registry-unreachable", "cannot reach the registry of its image", POD),
    Kind("registry-rate-limit", "is rate-limited by the image registry", POD),
    Kind("node-disk-full", "is on a node without space for images", POD),
    Kind("config-missing", "refers to a ConfigMap, Secret or key that does not exist", POD),
    Kind("container-config-error", "has a container spec that the kubelet rejects", POD),
    Kind(
        "security-context-refused",
        "violates runAsNonRoot (its user is root or is not numeric)",
        POD,
    ),
    Kind("volume-mount-failed", "cannot mount a volume", EVENTS),
    Kind("volume-attach-failed", "cannot attach a volume", EVENTS),
    Kind("sandbox-failed", "has no pod sandbox (the container runtime cannot create it)", EVENTS),
    Kind("network-not-ready", "is on a node without a network", EVENTS),
    Kind("post-start-hook-runs", "waits for a postStart hook that has not ended", EVENTS),
    Kind("not-started", "is not started", EVENTS),
    Kind("insufficient-resources", "requests more than any node has free", POD),
    Kind("node-selector-mismatch", "has a nodeSelector or node affinity that no node matches", POD),
    Kind("taint-not-tolerated", "does not tolerate the taints of the nodes", POD),
    Kind("affinity-unsatisfied", "has affinity rules that no node satisfies", POD),
    Kind("topology-spread-unmet", "has spread constraints that no node satisfies", POD),
    Kind("host-port-taken", "requests a hostPort that is in use", POD),
    Kind("volume-unbound", "waits for a volume claim that is not bound", POD),
    Kind("volume-elsewhere", "has a volume that is only available on other nodes", POD),
    Kind("volume-limit", "needs a volume on nodes that have reached their limit", POD),
    Kind("nodes-cordoned", "cannot be scheduled (all nodes are cordoned)", POD),
    Kind("no-nodes", "cannot be scheduled (the cluster has no nodes)", POD),
    Kind("scheduling-gated", "is held back by scheduling gates", POD),
    Kind("not-scheduled", "is not processed by its scheduler", POD),
    Kind("unschedulable", "cannot be scheduled on any node", POD),
    Kind("readiness-failing", "does not pass its readiness probe", POD),
    Kind(
        "standby",
        "is not ready while another replica holds the leader-election Lease",
        &["Pod", "Lease"],
    ),
    Kind("rollout-in-progress", "is being rolled out with fewer available pods than desired", POD),
    Kind("startup-failing", "does not pass its startup probe", POD),
    Kind("readiness-gate-unmet", "waits for its readiness gates", POD),
    Kind("resize-infeasible", "cannot be resized on its node", POD),
    Kind("stuck-terminating", "does not finish terminating", POD),
    Kind("evicted", "was evicted", POD),
    Kind("preempted", "was preempted", POD),
    Kind("disrupted", "is being evicted", POD),
    Kind("node-shutdown", "was terminated by a node shutdown", POD),
    Kind("node-refused", "was rejected by its node", POD),
    Kind("node-lost", "is on a node that stopped responding", POD),
    Kind("no-address", "has no IP address", POD),
    Kind("pod-failed", "has failed", POD),
    Kind("pod-not-ready", "is not ready", POD),
    Kind("kept-open", "may be kept running by a sidecar container", POD),
    Kind("pod-deadline-exceeded", "ran longer than its deadline", POD),
];

/// Ids that say something of a pod as a whole.
pub(super) const OF_POD: &[&str] = &[
    "resize-infeasible",
    "stuck-terminating",
    "evicted",
    "preempted",
    "disrupted",
    "node-shutdown",
    "node-refused",
    "node-lost",
    "no-address",
    "pod-failed",
    "pod-not-ready",
    "kept-open",
    "pod-deadline-exceeded",
];

/// How long a controller may take to open a readiness gate.
const OPENING: SignedDuration = SignedDuration::from_mins(2);

/// The causes of all pods.
pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let mut found = of_symptoms(view);
    mount::explain(view, &mut found);
    found.extend(unexplained(view));
    let gone = removed::present(view);
    let known =
        |one: &Cause| found.iter().any(|other| other.object == one.object && other.id == one.id);
    let gone: Vec<Cause> = gone.into_iter().filter(|one| !known(one)).collect();
    found.extend(gone);
    taken::explain(view, &mut found);
    surge::explain(view, &mut found);
    dns::explain(view, &mut found);
    governing::explain(view, &mut found);
    forbidden::explain(&mut found);
    found.iter_mut().for_each(|cause| count_pods(view, cause));
    found
}

/// What the pods show, once for each workload.
pub(super) fn of_symptoms(view: &View<'_>) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for (pod, symptom) in seen(view) {
        let workload = view.workload(pod);
        let same = |cause: &&mut Cause| {
            cause.object == workload
                && cause.id == id(&symptom)
                && cause.container == symptom.container
        };
        match found.iter_mut().find(same) {
            Some(cause) => cause.pods.push(name(pod).to_owned()),
            None => found.push(cause(view, pod, workload, symptom)),
        }
    }
    found
}

/// Pods that are not ready, of which nothing says why and no Deployment or the like counts them.
fn unexplained(view: &View<'_>) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for pod in view.of("Pod").iter().filter(|pod| is_live(pod) && !is_ready(pod)) {
        let workload = view.workload(pod);
        let Some(Open { id, words, hint }) = unready(view, pod, &workload) else { continue };
        let same = |cause: &&mut Cause| cause.object == workload && cause.id == id;
        if let Some(cause) = found.iter_mut().find(same) {
            cause.pods.push(name(pod).to_owned());
            continue;
        }
        let evidence = Evidence::new(format!("pod/{}", name(pod)), pod_status(pod));
        let cause = Cause::new(id, workload, "NotReady", words);
        found.push(cause.pods([pod]).seen([evidence]).hint(hint));
    }
    found
}

/// What is said of a pod that is not ready and has no symptom, if it ought to be ready.
fn unready(view: &View<'_>, pod: &Value, workload: &Object) -> Option<Open> {
    if is_of_ended_job(view, pod) || !view.symptoms(pod).is_empty() {
        return None;
    }
    // nobody waits for a pod that nothing controls
    if let Some(lasting) = never_ready(pod).filter(|_| workload.kind != "Pod") {
        return Some(lasting);
    }
    let is_late = condition(pod, "Ready")
        .is_some_and(|ready| view.older(&ready["lastTransitionTime"], OPENING));
    if super::workload::COUNTED.contains(&workload.kind.as_str())
        || !is_late
        || starting_since(pod, view.now).is_some()
        || stands_by(view, pod)
    {
        return None;
    }
    // what has completed can never be ready again, and need not
    if let Some(done) = completed(pod) {
        return kept_open(pod, workload, &done);
    }
    let words = format!("its status is {}; no cause was found", pod_status(pod));
    let hint = format!("look at it: kubectl describe -n {} pod {}", workload.namespace, name(pod));
    Some(Open { id: "pod-not-ready", words, hint })
}

/// What was wrong a moment ago with pods that work again. It explains nothing of what is wrong now.
pub(super) fn recovered(view: &View<'_>, present: &[Cause]) -> Vec<Cause> {
    let mut found = past::find(over(view), view, present);
    let known = |one: &Cause| present.iter().any(|other| other.object == one.object);
    found.extend(removed::recovered(view).into_iter().filter(|one| !known(one)));
    found.iter_mut().for_each(|cause| count_pods(view, cause));
    found
}

/// The symptoms of all pods that say something about the present.
pub(super) fn seen<'a>(view: &View<'a>) -> Vec<(&'a Value, Symptom)> {
    let told = told(view).filter(|(.., tense)| matches!(tense, Tense::Present));
    told.map(|(pod, symptom, _)| (pod, symptom)).collect()
}

/// The symptoms of pods that work again, with what was wrong.
pub(super) fn over<'a>(view: &View<'a>) -> Vec<(&'a Value, Symptom, String)> {
    let told = told(view).filter_map(|(pod, symptom, tense)| match tense {
        Tense::Recovered(words) => Some((pod, symptom, words)),
        Tense::Present | Tense::Over => None,
    });
    let unready = view.of("Pod").iter().filter_map(|pod| {
        let (symptom, words) = past::unready(view, pod)?;
        Some((pod, symptom, words))
    });
    told.chain(unready).collect()
}

/// The symptoms of all pods that are to be said by now.
fn told<'a>(view: &View<'a>) -> impl Iterator<Item = (&'a Value, Symptom, Tense)> {
    // without a status it is a manifest
    let all = view.of("Pod").iter().filter(|pod| pod["status"].is_object());
    let mut pods: Vec<&Value> = all.collect();
    // the first of a workload speaks for it
    pods.sort_by_cached_key(|pod| !view.is_asked_about(pod));
    pods.into_iter().flat_map(|pod| {
        let symptoms = view.symptoms(pod).into_iter().map(|symptom| match symptom.id {
            "readiness-failing" if stands_by(view, pod) => {
                Symptom { id: "standby", hint: STANDBY.to_owned(), ..symptom }
            }
            "init-container-runs" => init::judged(view, pod, symptom),
            "readiness-failing" | "startup-failing"
                if has_its_rollout(view, pod, &symptom) && lacks_pods(view, pod) =>
            {
                Symptom { id: "rollout-in-progress", hint: ROLLING.to_owned(), ..symptom }
            }
            _ => symptom,
        });
        let is_told = is_of_ended_job(view, pod);
        let said = symptoms.filter(|symptom| {
            // its Job says how it ended, and not that it stays
            (!is_told || symptom.id == "stuck-terminating")
                && !is_early(view, pod, symptom)
                && !is_uncertain(view, symptom)
        });
        said.map(|symptom| {
            let tense = past::tense(view, pod, &symptom);
            (pod, symptom, tense)
        })
        .collect::<Vec<_>>()
    })
}

/// The id of the contract where the symptom's word says more or another thing.
pub(super) fn id(symptom: &Symptom) -> &'static str {
    match symptom.id {
        "pod-affinity-unmet" => "affinity-unsatisfied",
        "deadline-exceeded" => "pod-deadline-exceeded",
        other => other,
    }
}

/// A pod of a Job that is over, which says itself how it ended.
fn is_of_ended_job(view: &View<'_>, pod: &Value) -> bool {
    let workload = view.workload(pod);
    workload.kind == "Job"
        && view.snapshot.get("Job", &workload.name).is_some_and(|job| {
            ["Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"].iter().any(|kind| {
                condition(job, kind).is_some_and(|condition| condition["status"] == "True")
            })
        })
}

/// What is not to be said before some time has passed.
fn is_early(view: &View<'_>, pod: &Value, symptom: &Symptom) -> bool {
    match symptom.id {
        // a container that crashes by itself is told from the first time on
        "readiness-failing" | "startup-failing" => has_its_rollout(view, pod, symptom),
        "readiness-gate-unmet" => condition(pod, "Ready")
            .and_then(|ready| timestamp(&ready["lastTransitionTime"]))
            .is_some_and(|since| view.now.duration_since(since) <= OPENING),
        _ => false,
    }
}

/// Without its events a container that was killed by its probe looks like one that ended by
/// itself.
fn is_uncertain(view: &View<'_>, symptom: &Symptom) -> bool {
    view.snapshot.why_unread("Event").is_some()
        && symptom.id == "app-exit"
        && matches!(symptom.exit_code, Some(137 | 143))
}

fn cause(view: &View<'_>, pod: &Value, workload: Object, symptom: Symptom) -> Cause {
    let logged = symptom
        .container
        .as_deref()
        .filter(|_| is_logged(&symptom))
        .and_then(|container| view.snapshot.last_words(name(pod), container));
    let detail = detail(pod, &symptom);
    let source = match &symptom.container {
        Some(container) => format!("pod/{}: container {container}", name(pod)),
        None => format!("pod/{}", name(pod)),
    };
    let said = match symptom.message.as_str() {
        "" => symptom.reason.clone(),
        message => format!("{}: {message}", symptom.reason),
    };
    let mut evidence = vec![Evidence::new(source, said)];
    let mut hint = remedy(&symptom, logged).unwrap_or(&symptom.hint).to_owned();
    if let Some(scaling) = scaling(view, pod) {
        hint = format!("{}; otherwise {hint}", scaling.0);
        evidence.push(scaling.1);
    }
    // what a container writes that runs need not be about its probe: it has to say so, and go on
    let container = symptom.container.as_deref().unwrap_or_default();
    let complains_of = |log: &str| complains(pod, container, log);
    let is_said = LOGGED.contains(&symptom.id)
        || is_complained_of(&symptom) && logged.is_some_and(complains_of);
    let cause = Cause {
        container: symptom.container.clone(),
        ..Cause::new(id(&symptom), workload, &symptom.reason, detail)
    }
    .pods([pod])
    .seen(evidence)
    .hint(hint);
    match (logged, unread(view, pod, cause.container.as_deref())) {
        (Some(log), _) => with_log(cause, pod, log, is_said),
        (None, Some(unread)) => {
            let detail = format!("{}; {UNREAD}", cause.detail);
            Cause { detail, ..cause }.seen([unread])
        }
        (None, None) => cause,
    }
}

/// What an autoscaler of nodes does for a pod without one, and where it says so.
fn scaling(view: &View<'_>, pod: &Value) -> Option<(&'static str, Evidence)> {
    if filled(&pod["spec"]["nodeName"]).is_some() {
        return None;
    }
    let event = view.last_event(pod, |event| {
        matches!(event.reason, "TriggeredScaleUp" | "Nominated" | "NotTriggerScaleUp")
    })?;
    let does = if event.reason == "NotTriggerScaleUp" {
        "the cluster autoscaler adds no node for it, see its event"
    } else {
        "a node is being added for it, wait"
    };
    Some((does, said(pod, &event)))
}

/// Says how many of the pods have it, unless it is all or the only one.
fn count_pods(view: &View<'_>, cause: &mut Cause) {
    if cause.object.kind == "Pod" {
        return;
    }
    let is_ill = |pod: &&Value| cause.pods.iter().any(|ill| ill == name(pod));
    let all = view.pods_of(&cause.object).filter(|pod| !is_finished(pod)).count();
    let is_over = view.pods_of(&cause.object).filter(is_ill).all(is_finished);
    let names: Vec<&str> = cause.pods.iter().map(String::as_str).collect();
    let listed = listed(&names);
    cause.detail = match cause.pods.len() {
        // those that run now are others
        2.. if is_over => format!("{} (pods {listed})", cause.detail),
        ill if ill < all && !is_over => format!("{} ({ill} of {all} pods: {listed})", cause.detail),
        1 => format!("{} (pod {listed})", cause.detail),
        ill => format!("{} (all {ill} pods)", cause.detail),
    };
}
