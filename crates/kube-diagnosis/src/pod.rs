//! The state of a pod, as kubectl shows it. Pure.

pub use crate::object::is_deleting;
use crate::object::{array, condition, filled, seconds, text, timestamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The pod's phase has ended: `Succeeded` or `Failed`.
pub fn is_finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The pod's `Ready` condition is true.
pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// How long a pod, or a container, may take to become ready before that says something about it.
const STARTING: SignedDuration = SignedDuration::from_secs(30);
/// How long a pod may take until a container of it runs: its images are pulled, and its init
/// containers come first.
const BEGINNING: SignedDuration = SignedDuration::from_mins(2);
/// The most that a readiness probe may fail before that says something about a start.
const LONGEST: SignedDuration = SignedDuration::from_mins(2);
/// How long the kubelet may take to act on the last failure of a startup probe.
const LAG: SignedDuration = SignedDuration::from_secs(10);

/// Since when a pod is starting, if it is: it is not ready, nothing has gone wrong with it so far,
/// and it has not had its time yet. Its probes may give it more: the time before the first one, that
/// of as many as must fail, and all the time of a startup probe.
pub fn starting_since(pod: &Value, now: Timestamp) -> Option<Timestamp> {
    let made = timestamp(&pod["metadata"]["creationTimestamp"])?;
    let refused = condition(pod, "PodScheduled")
        .is_some_and(|scheduled| filled(&scheduled["reason"]) == Some("Unschedulable"));
    let (inits, mains) =
        (&pod["status"]["initContainerStatuses"], &pod["status"]["containerStatuses"]);
    let good = array(inits).all(|status| is_going_well(status, true))
        && array(mains).all(|status| is_going_well(status, false));
    let mut begun = begun(pod).peekable();
    let has_time = if begun.peek().is_none() {
        let delay = array(&pod["spec"]["containers"])
            .filter_map(|spec| spec["readinessProbe"]["initialDelaySeconds"].as_i64())
            .max();
        now.duration_since(made) < BEGINNING + SignedDuration::from_secs(delay.unwrap_or_default())
    } else {
        begun.all(|(spec, status)| has_its_time(spec, status, made, now))
    };
    (is_live(pod) && !is_ready(pod) && !refused && good && has_time).then_some(made)
}

/// The containers of a pod that run and are not ready, native sidecars among them: spec and status.
/// An init container that runs is never ready, and says nothing here.
fn begun(pod: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let sidecars = array(&spec["initContainers"]).filter(|spec| spec["restartPolicy"] == "Always");
    let of = |specs, statuses| (specs, statuses);
    let pairs = array(&spec["containers"])
        .map(move |spec| of(spec, &status["containerStatuses"]))
        .chain(sidecars.map(move |spec| of(spec, &status["initContainerStatuses"])));
    pairs.filter_map(|(spec, statuses)| {
        let status = array(statuses).find(|status| status["name"] == spec["name"])?;
        (status["state"]["running"].is_object() && status["ready"] != true)
            .then_some((spec, status))
    })
}

/// When a container of a pod is started again: its own policy (Kubernetes 1.34,
/// ContainerRestartRules), or that of the pod.
pub(crate) fn restart_policy<'a>(pod: &'a Value, container: &'a Value) -> &'a str {
    let own = filled(&container["restartPolicy"]);
    own.or_else(|| filled(&pod["spec"]["restartPolicy"])).unwrap_or("Always")
}

/// Whether a container that runs may still be unready. A startup probe bounds itself: the kubelet
/// ends the container when it has failed too often.
fn has_its_time(spec: &Value, status: &Value, made: Timestamp, now: Timestamp) -> bool {
    if spec["startupProbe"].is_object() && status["started"] != true {
        return true;
    }
    let began = timestamp(&status["state"]["running"]["startedAt"]).unwrap_or(made);
    let before = startup_time(spec).unwrap_or_default();
    now.duration_since(began) <= before + patience(spec, false)
}

/// How long a container may take until its startup probe has passed, if it has one.
pub(crate) fn startup_time(spec: &Value) -> Option<SignedDuration> {
    spec["startupProbe"].is_object().then(|| budget(&spec["startupProbe"]))
}

/// How long a container may be unready before that says something about it: while its startup probe
/// is asked, from the start of the container on; else from when its readiness probe is asked.
pub(crate) fn patience(spec: &Value, starts: bool) -> SignedDuration {
    if starts {
        budget(&spec["startupProbe"]) + LAG
    } else {
        failing(&spec["readinessProbe"]).unwrap_or(STARTING)
    }
}

/// When a readiness probe has failed as often as it must, from when it is asked; none if there is no
/// probe. How often is said of a container that was ready: one that never was is not ready from the
/// start (pkg/kubelet/prober/worker.go, initialValue), so that this gives it no more than `LONGEST`.
fn failing(probe: &Value) -> Option<SignedDuration> {
    let period = seconds(&probe["periodSeconds"]).unwrap_or(SignedDuration::from_secs(10));
    let delay = seconds(&probe["initialDelaySeconds"]).unwrap_or_default();
    let asked = budget(probe) - period - delay;
    probe.is_object().then(|| delay + asked.min(period.max(LONGEST)))
}

/// The time that a probe leaves by its own fields: until the first one, and until as many have
/// failed as must. The defaults are those of the API (pkg/apis/core/v1/defaults.go).
pub(crate) fn budget(probe: &Value) -> SignedDuration {
    let seconds = |key: &str, otherwise: i64| probe[key].as_i64().unwrap_or(otherwise);
    let failures = seconds("failureThreshold", 3).saturating_mul(seconds("periodSeconds", 10));
    SignedDuration::from_secs(seconds("initialDelaySeconds", 0).saturating_add(failures))
}

/// A container that has not ended badly, was not started again, and waits for nothing but its turn.
fn is_going_well(status: &Value, may_end: bool) -> bool {
    let state = &status["state"];
    let ended = &state["terminated"];
    status["restartCount"].as_u64().unwrap_or_default() == 0
        && matches!(text(&state["waiting"]["reason"]), "" | "ContainerCreating" | "PodInitializing")
        && (!ended.is_object() || may_end && ended["exitCode"] == 0)
}

/// The names of the pod's containers, without init and ephemeral ones.
pub fn containers(pod: &Value) -> Vec<String> {
    array(&pod["spec"]["containers"])
        .filter_map(|container| Some(container["name"].as_str()?.to_owned()))
        .collect()
}

/// The container that is meant when none is named: the annotated one if it exists, else the first.
pub fn default_container(pod: &Value) -> Option<String> {
    annotated_container(pod).or_else(|| containers(pod).into_iter().next())
}

/// The container that the annotation `kubectl.kubernetes.io/default-container` names, if there is
/// one of that name.
pub fn annotated_container(pod: &Value) -> Option<String> {
    let annotated =
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str()?;
    containers(pod).into_iter().find(|container| container == annotated)
}

/// The containers from which the pod's network can be seen, which they share: the one that is meant
/// first, then the others.
pub fn network_containers(pod: &Value) -> Vec<String> {
    let meant = default_container(pod);
    let others = containers(pod).into_iter().filter(|name| Some(name) != meant.as_ref());
    meant.clone().into_iter().chain(others).collect()
}

/// The pod takes part in what its workload does: it has not finished and is not being deleted.
pub fn is_live(pod: &Value) -> bool {
    !is_finished(pod) && !is_deleting(pod)
}

/// How often the pod's containers were restarted in all.
pub fn restarts(pod: &Value) -> u64 {
    let statuses = [&pod["status"]["initContainerStatuses"], &pod["status"]["containerStatuses"]];
    statuses.into_iter().flat_map(array).filter_map(|status| status["restartCount"].as_u64()).sum()
}

/// The STATUS column of `kubectl get pods`.
pub fn pod_status(pod: &Value) -> String {
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    let mut reason = filled(&status["reason"]).unwrap_or(phase).to_owned();
    if condition(pod, "PodScheduled")
        .is_some_and(|scheduled| scheduled["reason"] == "SchedulingGated")
    {
        "SchedulingGated".clone_into(&mut reason);
    }
    let initializing = init_status(pod);
    let initialized =
        condition(pod, "Initialized").is_some_and(|condition| condition["status"] == "True");
    if initializing.is_none() || initialized {
        let mut running = false;
        for container in array(&status["containerStatuses"]).rev() {
            let state = &container["state"];
            if let Some(text) = filled(&state["waiting"]["reason"]) {
                text.clone_into(&mut reason);
            } else if state["terminated"].is_object() {
                reason = end_text(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
            }
        }
        if reason == "Completed" && running {
            (if is_ready(pod) { "Running" } else { "NotReady" }).clone_into(&mut reason);
        }
    }
    if let (Some(text), false) = (initializing, initialized) {
        reason = text;
    }
    if is_deleting(pod) {
        if status["reason"] == "NodeLost" {
            "Unknown".clone_into(&mut reason);
        } else if !is_finished(pod) {
            "Terminating".clone_into(&mut reason);
        }
    }
    reason
}

/// `Init:…` while an init container is not through.
fn init_status(pod: &Value) -> Option<String> {
    let specs: Vec<&Value> = array(&pod["spec"]["initContainers"]).collect();
    for (index, container) in array(&pod["status"]["initContainerStatuses"]).enumerate() {
        let terminated = &container["state"]["terminated"];
        let sidecar = specs
            .iter()
            .any(|spec| spec["name"] == container["name"] && spec["restartPolicy"] == "Always");
        if terminated.is_object() && terminated["exitCode"] == 0
            || sidecar && container["started"] == true
        {
            continue;
        }
        let waiting = filled(&container["state"]["waiting"]["reason"])
            .filter(|reason| *reason != "PodInitializing");
        return Some(match (terminated.is_object(), waiting) {
            (true, _) => format!("Init:{}", end_text(terminated)),
            (false, Some(reason)) => format!("Init:{reason}"),
            (false, None) => format!("Init:{index}/{}", specs.len()),
        });
    }
    None
}

/// How a container ended: its reason, its signal or its exit code.
pub fn end_text(terminated: &Value) -> String {
    match (
        filled(&terminated["reason"]),
        terminated["signal"].as_i64().filter(|signal| *signal != 0),
    ) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "p",
            "creationTimestamp": "2026-01-01T00:00:00Z"},
               "spec": {"containers": [{"name": "c"}, {"name": "d"}],
               "initContainers": [{"name": "i"}, {"name": "j"},
                   {"name": "s", "restartPolicy": "Always", "startupProbe": {}}]},
               "status": status})
    }

    fn waiting(reason: &str) -> Value {
        json!({"name": "c", "ready": false, "restartCount": 7,
            "state": {"waiting": {"reason": reason, "message": "text"}}})
    }

    #[test]
    fn shows_the_status_that_kubectl_shows() {
        let running = json!({"name": "c", "ready": true, "state": {"running": {}}});
        let completed =
            json!({"name": "c", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let killed = json!({"name": "d", "state": {"terminated": {"exitCode": 137, "signal": 9}}});
        let failed = json!({"name": "d", "state": {"terminated": {"exitCode": 2}}});
        let through =
            json!({"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let cases = [
            (json!({}), "Unknown"),
            (json!({"phase": "Pending"}), "Pending"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted"),
            (json!({"phase": "Running", "containerStatuses": [running]}), "Running"),
            (
                json!({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff"),
                    running]}),
                "CrashLoopBackOff",
            ),
            (json!({"phase": "Running", "containerStatuses": [completed, running]}), "NotReady"),
            (
                json!({"phase": "Running", "containerStatuses": [completed, running],
                       "conditions": [{"type": "Ready", "status": "True"}]}),
                "Running",
            ),
            (json!({"phase": "Succeeded", "containerStatuses": [completed]}), "Completed"),
            (json!({"phase": "Failed", "containerStatuses": [killed]}), "Signal:9"),
            (json!({"phase": "Failed", "containerStatuses": [failed]}), "ExitCode:2"),
            (
                json!({"phase": "Pending", "initContainerStatuses": [through,
                    {"name": "j", "state": {"running": {}}}]}),
                "Init:1/3",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [
                    {"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
                "Init:ImagePullBackOff",
            ),
            (
                json!({"phase": "Pending",
                    "initContainerStatuses": [{"name": "i",
                    "state": {"terminated": {"exitCode": 1}}}]}),
                "Init:ExitCode:1",
            ),
            (
                json!({"phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "status": "False",
                    "reason": "SchedulingGated"}]}),
                "SchedulingGated",
            ),
        ];
        for (status, expected) in cases {
            assert_eq!(pod_status(&pod(status.clone())), expected, "{status}");
        }
        let mut deleting = pod(json!({"phase": "Running"}));
        deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(pod_status(&deleting), "Terminating");
        deleting["status"]["reason"] = json!("NodeLost");
        assert_eq!(pod_status(&deleting), "Unknown");
    }

    #[test]
    fn a_pod_starts_until_it_has_had_its_time_or_something_goes_wrong() {
        let runs = json!({"name": "c", "restartCount": 0, "started": true,
            "state": {"running": {}}});
        let begins = json!({"name": "c", "restartCount": 0, "started": false,
            "state": {"running": {}}});
        let creating = json!({"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}});
        let pulling = json!({"name": "c", "state": {"waiting": {"reason": "ErrImagePull"}}});
        let again = json!({"name": "c", "restartCount": 1, "state": {"running": {}}});
        let ended = |code: i64| json!({"name": "i", "state": {"terminated": {"exitCode": code}}});
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let unschedulable =
            json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]);
        let startup = json!({"startupProbe": {"periodSeconds": 10}});
        let late = json!({"readinessProbe": {"initialDelaySeconds": 60}});
        let patient = json!({"readinessProbe": {"periodSeconds": 15, "failureThreshold": 6}});
        let since = |clock: &str, ready: bool| {
            json!({"name": "c", "restartCount": 0, "ready": ready, "started": true,
                "state": {"running": {"startedAt": format!("2026-01-01T{clock}Z")}}})
        };
        let both = json!({"startupProbe": {"failureThreshold": 30},
            "readinessProbe": {"periodSeconds": 2}});
        // of the pod, `s` is a native sidecar
        let proxy = |started: bool| json!({"name": "s", "ready": false, "started": started, "state": {"running": {}}});
        let initializing =
            json!({"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}});
        for (age, probes, status, wanted) in [
            // a container that was started late, after its image had come
            (300, json!({}), json!({"containerStatuses": [since("00:04:50", false)]}), true),
            (300, json!({}), json!({"containerStatuses": [since("00:04:20", false)]}), false),
            (70, patient.clone(), json!({"containerStatuses": [since("00:00:00", false)]}), true),
            (95, patient, json!({"containerStatuses": [since("00:00:00", false)]}), false),
            // its startup probe may just have passed
            (200, both.clone(), json!({"containerStatuses": [since("00:00:00", false)]}), true),
            (400, both, json!({"containerStatuses": [since("00:00:00", false)]}), false),
            (
                300,
                json!({}),
                json!({"containerStatuses": [initializing],
                    "initContainerStatuses": [ended(0), proxy(false)]}),
                true,
            ),
            (
                300,
                json!({}),
                json!({"containerStatuses": [initializing],
                    "initContainerStatuses": [ended(0), proxy(true)]}),
                false,
            ),
            (3, json!({}), json!({"phase": "Pending"}), true),
            (3, json!({}), json!({"phase": "Pending", "conditions": unschedulable}), false),
            (3, json!({}), json!({"containerStatuses": [creating]}), true),
            (3, json!({}), json!({"containerStatuses": [runs]}), true),
            (3, json!({}), json!({"containerStatuses": [runs], "conditions": ready}), false),
            (3, json!({}), json!({"containerStatuses": [pulling]}), false),
            (3, json!({}), json!({"containerStatuses": [again]}), false),
            (3, json!({}), json!({"containerStatuses": [ended(0)]}), false),
            (3, json!({}), json!({"initContainerStatuses": [ended(0)]}), true),
            (3, json!({}), json!({"initContainerStatuses": [ended(1)]}), false),
            (3, json!({}), json!({"phase": "Failed"}), false),
            (31, json!({}), json!({"containerStatuses": [runs]}), false),
            (61, late.clone(), json!({"containerStatuses": [runs]}), true),
            (91, late, json!({"containerStatuses": [runs]}), false),
            (300, startup.clone(), json!({"containerStatuses": [begins]}), true),
            (300, startup, json!({"containerStatuses": [runs]}), false),
        ] {
            let mut pod = pod(status);
            pod["spec"]["containers"][0]
                .as_object_mut()
                .unwrap()
                .extend(probes.as_object().unwrap().clone());
            let now = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap()
                + SignedDuration::from_secs(age);
            assert_eq!(starting_since(&pod, now).is_some(), wanted, "{age} {pod}");
        }
        let mut deleting = pod(json!({"containerStatuses": [runs]}));
        deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(starting_since(&deleting, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn takes_the_annotated_container_if_it_exists() {
        let mut object = pod(json!({}));
        assert_eq!(default_container(&object).as_deref(), Some("c"));
        object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = json!("d");
        assert_eq!(default_container(&object).as_deref(), Some("d"));
        object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = json!("x");
        assert_eq!(default_container(&object).as_deref(), Some("c"));
        assert_eq!(default_container(&json!({})), None);
    }
}
