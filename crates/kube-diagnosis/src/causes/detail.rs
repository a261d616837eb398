//! What is wrong with a pod in particular, in the few words that follow the title of its cause.

use super::placement::asked as asked_of_node;
use super::reason::reason;
use crate::object::{array, filled, text};
use crate::symptom::{SILENT, Symptom, own_words_of_probe, point};
use serde_json::Value;

/// What the title leaves open, in a few words: `main: exit code 3, 2 restarts`.
pub(super) fn detail(pod: &Value, symptom: &Symptom) -> String {
    let mut parts: Vec<String> = Vec::new();
    if !IMPLIED.contains(&symptom.reason.as_str()) {
        parts.push(symptom.reason.clone());
    }
    parts.extend(symptom.exit_code.map(|code| format!("exit code {code}")));
    match symptom.restarts {
        0 => {}
        1 => parts.push("1 restart".to_owned()),
        many => parts.push(format!("{many} restarts")),
    }
    let spec = container_spec(pod, symptom.container.as_deref());
    if symptom.id == "oom-killed" {
        parts.push(match filled(&spec["resources"]["limits"]["memory"]) {
            Some(limit) if is_by_default(pod, symptom.container.as_deref()) => {
                format!("limit {limit}, the default of a LimitRange")
            }
            Some(limit) => format!("limit {limit}"),
            // Kubernetes 1.34, PodLevelResources
            None => match filled(&pod["spec"]["resources"]["limits"]["memory"]) {
                Some(limit) => format!("limit {limit} of the whole pod"),
                None => "no limit, so that its node was out of memory".to_owned(),
            },
        });
    }
    let mut said = match symptom.exit_code {
        None => point(&symptom.message),
        // the kubelet takes the end of the log for the message where the container asks for it
        Some(_) if spec["terminationMessagePolicy"] == "FallbackToLogsOnError" => {
            reason(&symptom.last_words).unwrap_or_default().to_owned()
        }
        Some(_) => symptom.last_words.clone(),
    };
    // the pod and the container are named already
    said.truncate(said.find(" (pod: \"").unwrap_or(said.len()));
    if let Some((_, probe, by)) = PROBES.iter().find(|(id, ..)| *id == symptom.id) {
        said = said.trim_start_matches(by).to_owned();
        said = own_words_of_probe(&said, probe.trim_end_matches("Probe")).to_owned();
        // of a hook the kubelet says no more than that it failed
        let asked = asked(if *probe == HOOK { &spec["lifecycle"][HOOK] } else { &spec[*probe] });
        if said == SILENT && !asked.is_empty() {
            said = format!("{asked} and prints nothing");
        } else if said.is_empty()
            || *probe == HOOK && said == "PostStartHook failed" && !asked.is_empty()
        {
            said = asked;
        }
    }
    if let Some(wanted) = wanted_of_node(pod, symptom.id) {
        said = format!("{said} {wanted}").trim().to_owned();
    }
    let mut detail = parts.join(", ");
    for (before, part) in [(true, symptom.container.as_deref()), (false, Some(said.as_str()))] {
        let part = part.unwrap_or_default();
        detail = match (detail.is_empty(), part.is_empty(), before) {
            (_, true, _) => detail,
            (true, ..) => part.to_owned(),
            (_, _, true) => format!("{part}: {detail}"),
            (_, _, false) => format!("{detail}: {part}"),
        };
    }
    detail
}

/// Whether the memory limit of a container is none of its own. Admission says so in an annotation:
/// `LimitRanger plugin set: cpu, memory request for container a; memory limit for container a`
/// (plugin/pkg/admission/limitranger, `mergePodResourceRequirements`).
fn is_by_default(pod: &Value, container: Option<&str>) -> bool {
    let said = text(&pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"]);
    let (_, parts) = said.split_once(": ").unwrap_or_default();
    parts.split("; ").any(|part| {
        let (resources, of) = part.split_once(" limit for ").unwrap_or_default();
        let of = of.trim_start_matches("init ").strip_prefix("container ");
        of.is_some() && of == container && resources.split(", ").any(|one| one == "memory")
    })
}

/// What a pod without a node asks of one.
fn wanted_of_node(pod: &Value, id: &str) -> Option<String> {
    match id {
        "node-selector-mismatch" => {
            let asked = asked_of_node(&pod["spec"]);
            (!asked.is_empty()).then(|| format!("It asks for {asked}"))
        }
        "insufficient-resources" => {
            let all: Vec<String> = array(&pod["spec"]["containers"])
                .flat_map(|spec| spec["resources"]["requests"].as_object().into_iter().flatten())
                .map(|(resource, amount)| format!("{resource} {}", text(amount)))
                .collect();
            (!all.is_empty()).then(|| format!("It requests {}", all.join(", ")))
        }
        _ => None,
    }
}

/// Reasons of the API that say no more than a title.
const IMPLIED: &[&str] = &[
    "Error",
    "Completed",
    "Restarted",
    "CrashLoopBackOff",
    "OOMKilled",
    "Unhealthy",
    "FailedPostStartHook",
    "NotReady",
    "Unschedulable",
    "FailedMount",
    "FailedAttachVolume",
    "StuckTerminating",
    "Evicted",
    "SchedulingGated",
    "PodInitializing",
    "NodeLost",
];

/// What fails where a probe does: the probe, and how its message begins.
const PROBES: &[(&str, &str, &str)] = &[
    ("liveness-probe-kills", "livenessProbe", "killed by its liveness probe: "),
    ("startup-probe-kills", "startupProbe", "killed by its startup probe: "),
    ("post-start-hook-failed", HOOK, "killed as its postStart hook failed: "),
    ("readiness-failing", "readinessProbe", ""),
    ("startup-failing", "startupProbe", ""),
];

/// The hook of a container's lifecycle that must succeed for it to run.
const HOOK: &str = "postStart";

/// A container of a pod by its name: spec and status.
pub(super) fn container_of<'a>(pod: &'a Value, container: &str) -> (&'a Value, &'a Value) {
    let statuses = ["containerStatuses", "initContainerStatuses"];
    let mut own = statuses
        .iter()
        .flat_map(|key| array(&pod["status"][*key]))
        .filter(|status| name_of(status) == container);
    (container_spec(pod, Some(container)), own.next().unwrap_or(&Value::Null))
}

fn container_spec<'a>(pod: &'a Value, container: Option<&str>) -> &'a Value {
    let all = array(&pod["spec"]["containers"]).chain(array(&pod["spec"]["initContainers"]));
    let mut own = all.filter(|spec| Some(name_of(spec)) == container);
    own.next().unwrap_or(&Value::Null)
}

fn name_of(spec: &Value) -> &str {
    text(&spec["name"])
}

/// What a probe asks, in words.
fn asked(probe: &Value) -> String {
    let port = |of: &Value| of["port"].to_string().trim_matches('"').to_owned();
    let command: Vec<&str> = array(&probe["exec"]["command"]).map(text).collect();
    if !command.is_empty() {
        format!("`{}` fails", command.join(" "))
    } else if probe["httpGet"].is_object() {
        format!("GET :{}{}", port(&probe["httpGet"]), text(&probe["httpGet"]["path"]))
    } else if probe["tcpSocket"].is_object() {
        format!("port {}", port(&probe["tcpSocket"]))
    } else {
        String::new()
    }
}
