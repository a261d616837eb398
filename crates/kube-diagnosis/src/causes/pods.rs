//! What keeps pods from working, once for each workload.

use super::Kind;
use super::detail::detail;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, count, filled, name, text, timestamp};
use crate::pod::{is_finished, is_live, is_ready, pod_status, restarts, starting_since};
use crate::symptom::Symptom;
use crate::view::{View, listed, said};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const POD: &[&str] = &["Pod"];
const EVENTS: &[&str] = &["Pod", "Event"];

/// The ids, with what each needs to be ruled out.
pub(super) const KINDS: &[Kind] = &[
    Kind("oom-killed", "runs out of memory", POD),
    Kind("app-exit", "exits with an error", POD),
    Kind("liveness-probe-kills", "is killed by its liveness probe", EVENTS),
    Kind("startup-probe-kills", "is killed by its startup probe", EVENTS),
    Kind("start-error", "cannot be started", POD),
    Kind("exits-zero", "exits with success and is started again", POD),
    Kind("init-container-fails", "has an init container that fails", POD),
    Kind("init-container-waits", "waits for its init container", POD),
    Kind("post-start-hook-failed", "has a postStart hook that fails", POD),
    Kind("container-lost", "lost a container with its node", POD),
    Kind("container-waiting", "has a container that waits", POD),
    Kind("image-not-found", "has an image that its registry does not have", POD),
    Kind("image-name-invalid", "has an invalid image name", POD),
    Kind("image-pull-denied", "may not pull its image", POD),
    Kind("image-pull-failed", "cannot pull its image", POD),
    Kind("image-pull-slow", "has been pulling its image for long", EVENTS),
    Kind("image-not-present", "has an image that is not on the node and must not be pulled", POD),
    Kind("image-wrong-platform", "has an image for another platform", POD),
    Kind("registry-unreachable", "cannot reach the registry of its image", POD),
    Kind("registry-rate-limit", "is limited by the registry of its image", POD),
    Kind("node-disk-full", "is on a node without space for images", POD),
    Kind("config-missing", "refers to a ConfigMap, Secret or key that does not exist", POD),
    Kind("container-config-error", "has a container spec that the kubelet rejects", POD),
    Kind("security-context-refused", "may not run as the user of its image", POD),
    Kind("volume-mount-failed", "cannot mount a volume", EVENTS),
    Kind("volume-attach-failed", "cannot attach a volume", EVENTS),
    Kind("sandbox-failed", "gets no pod sandbox", EVENTS),
    Kind("network-not-ready", "is on a node without a network", EVENTS),
    Kind("not-started", "is not started", EVENTS),
    Kind("insufficient-resources", "requests more than any node has free", POD),
    Kind("node-selector-mismatch", "selects labels that no node has", POD),
    Kind("taint-not-tolerated", "does not tolerate the taints of the nodes", POD),
    Kind("affinity-unsatisfied", "has affinity rules that no node satisfies", POD),
    Kind("topology-spread-unmet", "has spread constraints that no node satisfies", POD),
    Kind("host-port-taken", "needs a host port that is taken", POD),
    Kind("volume-unbound", "waits for a volume claim that is not bound", POD),
    Kind("volume-elsewhere", "has a volume that is only available on other nodes", POD),
    Kind("volume-limit", "needs a volume on nodes that have reached their limit", POD),
    Kind("nodes-cordoned", "finds only cordoned nodes", POD),
    Kind("no-nodes", "finds no node in the cluster", POD),
    Kind("scheduling-gated", "is held back by scheduling gates", POD),
    Kind("not-scheduled", "is not processed by its scheduler", POD),
    Kind("unschedulable", "fits on no node", POD),
    Kind("readiness-failing", "does not pass its readiness probe", POD),
    Kind("startup-failing", "does not pass its startup probe", POD),
    Kind("readiness-gate-unmet", "waits for its readiness gates", POD),
    Kind("stuck-terminating", "does not finish terminating", POD),
    Kind("evicted", "was evicted", POD),
    Kind("preempted", "was preempted", POD),
    Kind("disrupted", "is being evicted", POD),
    Kind("node-shutdown", "was ended by the shutdown of its node", POD),
    Kind("node-refused", "was rejected by its node", POD),
    Kind("node-lost", "is on a node that stopped responding", POD),
    Kind("no-address", "has no IP address", POD),
    Kind("pod-failed", "has failed", POD),
    Kind("pod-not-ready", "has a pod that is not ready, and nothing says why", POD),
    Kind("pod-deadline-exceeded", "ran longer than its deadline", POD),
];

/// How long ago a pod may have ended of which another has taken the place.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How long a controller may take to open a readiness gate.
const OPENING: SignedDuration = SignedDuration::from_mins(2);

/// The causes of all pods.
pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
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
    found.extend(unexplained(view));
    found.iter_mut().for_each(|cause| count_pods(view, cause));
    found
}

/// Pods that are not ready, of which nothing says why and no Deployment or the like counts them.
fn unexplained(view: &View<'_>) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    for pod in view.of("Pod").iter().filter(|pod| is_live(pod) && !is_ready(pod)) {
        let workload = view.workload(pod);
        let is_late = condition(pod, "Ready")
            .is_some_and(|ready| view.older(&ready["lastTransitionTime"], OPENING));
        if super::workload::COUNTED.contains(&workload.kind.as_str())
            || !is_late
            || starting_since(pod, view.now).is_some()
            || stands_by(view, pod)
            || is_of_ended_job(view, pod)
            || !view.symptoms(pod).is_empty()
        {
            continue;
        }
        if let Some(cause) = found.iter_mut().find(|cause| cause.object == workload) {
            cause.pods.push(name(pod).to_owned());
            continue;
        }
        let status = pod_status(pod);
        let evidence = Evidence::new(format!("pod/{}", name(pod)), status.clone());
        let hint =
            format!("look at it: kubectl describe -n {} pod {}", workload.namespace, name(pod));
        let cause = Cause::new("pod-not-ready", workload, "NotReady", status);
        found.push(cause.pods([pod]).seen([evidence]).hint(hint));
    }
    found
}

/// The symptoms of all pods that say something about the present.
fn seen<'a>(view: &View<'a>) -> Vec<(&'a Value, Symptom)> {
    let mut all = Vec::new();
    // without a status it is a manifest
    let pods = view.of("Pod").iter().filter(|pod| pod["status"].is_object());
    for pod in pods.filter(|pod| !is_of_ended_job(view, pod)) {
        let counts = |symptom: &Symptom| {
            !is_past(view, pod, symptom)
                && !is_early(view, pod, symptom)
                && !is_uncertain(view, symptom)
        };
        all.extend(view.symptoms(pod).into_iter().filter(counts).map(|symptom| (pod, symptom)));
    }
    all
}

/// The id of the contract where the symptom's word says more or another thing.
fn id(symptom: &Symptom) -> &'static str {
    match symptom.id {
        "pod-affinity-unmet" => "affinity-unsatisfied",
        "init-container-runs" => "init-container-waits",
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

/// A pod that has ended as a whole and of which another has taken the place is the record of
/// something that is over: but an eviction or a refusal a moment ago may come again.
fn is_past(view: &View<'_>, pod: &Value, symptom: &Symptom) -> bool {
    let workload = view.workload(pod);
    if !is_finished(pod) || workload.kind == "Pod" {
        return false;
    }
    let ended = ended(pod, view);
    let is_recent = ended.is_some_and(|ended| view.now.duration_since(ended) <= RECENT);
    if workload.kind != "Job" {
        return !is_recent || !matches!(symptom.id, "evicted" | "node-refused");
    }
    // a Job tries again: the attempt that runs now counts, when it has run for some time
    let made = |pod: &Value| timestamp(&pod["metadata"]["creationTimestamp"]);
    let index = |pod: &'_ Value| pod["metadata"]["annotations"][INDEX].clone();
    let later = |other: &Value| {
        made(other) > made(pod)
            && index(other) == index(pod)
            && (is_live(other) || other["status"]["phase"] == "Succeeded")
    };
    !is_recent && view.pods_of(&workload).any(later)
}

/// The annotation of a pod of an Indexed Job.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// When a pod has ended.
fn ended(pod: &Value, view: &View<'_>) -> Option<Timestamp> {
    let of_containers = array(&pod["status"]["containerStatuses"])
        .filter_map(|status| timestamp(&status["state"]["terminated"]["finishedAt"]));
    let target = condition(pod, "DisruptionTarget");
    let of_target = target.and_then(|target| timestamp(&target["lastTransitionTime"]));
    let event = view.last_event(pod, |event| event.warning).map(|event| event.at);
    let known = of_containers.chain(of_target).chain(event).max();
    // a pod that its node refuses ends as it starts
    known.or_else(|| timestamp(&pod["status"]["startTime"]))
}

/// What is not to be said before some time has passed.
fn is_early(view: &View<'_>, pod: &Value, symptom: &Symptom) -> bool {
    match symptom.id {
        "readiness-failing" => stands_by(view, pod),
        "readiness-gate-unmet" => condition(pod, "Ready")
            .and_then(|ready| timestamp(&ready["lastTransitionTime"]))
            .is_some_and(|since| view.now.duration_since(since) <= OPENING),
        _ => false,
    }
}

/// Whether a pod is not ready as it should be: one of its kind holds the lease and is the only
/// ready one, and this one runs and waits for its turn.
pub(super) fn stands_by(view: &View<'_>, pod: &Value) -> bool {
    let leads = |pod: &Value| {
        view.of("Lease").iter().any(|lease| {
            let holder = text(&lease["spec"]["holderIdentity"]);
            holder
                .strip_prefix(name(pod))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    };
    let waits = |pod: &Value| {
        restarts(pod) == 0
            && array(&pod["status"]["containerStatuses"])
                .all(|status| status["state"]["running"].is_object())
    };
    let all = || view.pods_of(&view.workload(pod)).filter(|pod| is_live(pod));
    !is_ready(pod)
        && all().any(|pod| is_ready(pod) && leads(pod))
        && all().all(|pod| is_ready(pod) == leads(pod) && (is_ready(pod) || waits(pod)))
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
        .filter(|_| symptom.exit_code.is_some() || symptom.id == "init-container-runs")
        .filter(|_| symptom.last_words.is_empty())
        .and_then(|container| view.snapshot.last_words(name(pod), container));
    let mut detail = detail(pod, &symptom);
    let source = match &symptom.container {
        Some(container) => format!("pod/{}: container {container}", name(pod)),
        None => format!("pod/{}", name(pod)),
    };
    let said = match symptom.message.as_str() {
        "" => symptom.reason.clone(),
        message => format!("{}: {message}", symptom.reason),
    };
    let mut evidence = vec![Evidence::new(source, said)];
    if let (Some(words), Some(container)) = (logged, &symptom.container) {
        let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
        if let Some(last) = last.filter(|_| {
            matches!(
                symptom.id,
                "app-exit"
                    | "exits-zero"
                    | "init-container-fails"
                    | "init-container-runs"
                    | "start-error"
            )
        }) {
            detail = format!("{detail}: {last}");
        }
        evidence
            .push(Evidence::new(format!("log of pod/{}, container {container}", name(pod)), words));
    }
    let mut hint = symptom.hint.clone();
    if let Some(scaling) = scaling(view, pod) {
        hint = format!("{}; otherwise {hint}", scaling.0);
        evidence.push(scaling.1);
    }
    Cause {
        container: symptom.container.clone(),
        ..Cause::new(id(&symptom), workload, &symptom.reason, detail)
    }
    .pods([pod])
    .seen(evidence)
    .hint(hint)
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
    let all = view.pods_of(&cause.object).filter(|pod| !is_finished(pod)).count();
    let names: Vec<&str> = cause.pods.iter().map(String::as_str).collect();
    let listed = listed(&names);
    cause.detail = match cause.pods.len() {
        ill if ill < all => format!("{} ({ill} of {all} pods: {listed})", cause.detail),
        1 => format!("{} (pod {listed})", cause.detail),
        ill => format!("{} (all {ill} pods)", cause.detail),
    };
}

/// The containers whose log tells why: pod, container, and whether it is that of the run before.
pub(super) fn wanted_logs(view: &View<'_>, most: usize) -> Vec<(String, String, bool)> {
    let mut wanted = Vec::new();
    let mut known: Vec<(Object, &'static str)> = Vec::new();
    for (pod, symptom) in seen(view) {
        let Some(container) = &symptom.container else { continue };
        let waits = symptom.id == "init-container-runs";
        if !waits && (symptom.exit_code.is_none() || !symptom.last_words.is_empty()) {
            continue;
        }
        // one pod speaks for all of its workload
        let key = (view.workload(pod), symptom.id);
        if known.contains(&key) || wanted.len() >= most {
            continue;
        }
        known.push(key);
        let before = !waits && has_new_run(pod, container);
        wanted.push((name(pod).to_owned(), container.clone(), before));
    }
    wanted
}

/// Whether a container has been started again, so that its end is in the log of the run before.
pub(super) fn has_new_run(pod: &Value, container: &str) -> bool {
    let statuses = ["containerStatuses", "initContainerStatuses"];
    let mut own = statuses
        .iter()
        .flat_map(|key| crate::object::array(&pod["status"][*key]))
        .filter(|status| status["name"] == container);
    own.any(|status| {
        count(&status["restartCount"]) > 0 && !status["state"]["terminated"].is_object()
    })
}
