//! Symptoms of one container.

use super::{LAG, PodCase, STARTING, Symptom, image};
use crate::object::{array, filled, text, timestamp};
use crate::pod::end_text;
use jiff::SignedDuration;
use serde_json::Value;

/// How long ago a container that runs well now may have ended badly: after this time the kubelet
/// forgets its crashes, too.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// What a container is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It runs before the others, and ends.
    Init,
    /// It starts before the others and runs beside them.
    Sidecar,
    Main,
}

/// A container in its pod.
struct ContainerCase<'a> {
    case: &'a PodCase<'a>,
    spec: &'a Value,
    status: &'a Value,
    role: Role,
    name: &'a str,
    restarts: u64,
}

/// The symptoms of all containers of a pod.
pub(super) fn symptoms(case: &PodCase<'_>) -> Vec<Symptom> {
    let mut found = Vec::new();
    for (specs, statuses, init) in [
        ("initContainers", "initContainerStatuses", true),
        ("containers", "containerStatuses", false),
    ] {
        for status in array(&case.status()[statuses]) {
            let spec = array(&case.pod["spec"][specs])
                .find(|spec| spec["name"] == status["name"])
                .unwrap_or(&Value::Null);
            let role = match init {
                true if spec["restartPolicy"] == "Always" => Role::Sidecar,
                true => Role::Init,
                false => Role::Main,
            };
            let restarts = status["restartCount"].as_u64().unwrap_or_default();
            found.extend(
                ContainerCase { case, spec, status, role, name: text(&status["name"]), restarts }
                    .symptom(),
            );
        }
    }
    found
}

impl ContainerCase<'_> {
    fn symptom(&self) -> Option<Symptom> {
        let state = &self.status["state"];
        if state["waiting"].is_object() {
            return self.waiting(&state["waiting"]);
        }
        let terminated = &state["terminated"];
        if terminated.is_object() {
            return self
                .is_bad_end(terminated)
                .then(|| self.ended(terminated, &end_text(terminated)));
        }
        if !state["running"].is_object() {
            return None;
        }
        let last = &self.status["lastState"]["terminated"];
        if last.is_object() && self.is_bad_end(last) && self.is_recent(last, &state["running"]) {
            return Some(self.ended(last, "Restarted"));
        }
        match self.role {
            Role::Init if self.case.older(&state["running"]["startedAt"], STARTING) => {
                Some(self.init_runs(&state["running"]))
            }
            Role::Init => None,
            Role::Sidecar | Role::Main => self.unready(&state["running"]),
        }
    }

    fn make(
        &self,
        id: &'static str,
        reason: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Symptom {
        let container = Some(self.name.to_owned());
        Symptom {
            id,
            container,
            reason: reason.to_owned(),
            message: message.into(),
            exit_code: None,
            last_words: String::new(),
            restarts: self.restarts,
            hint: hint.into(),
        }
    }

    /// It is started again whenever it ends.
    fn is_kept(&self) -> bool {
        match self.role {
            Role::Sidecar => true,
            Role::Init => false,
            Role::Main => self.case.pod["spec"]["restartPolicy"]
                .as_str()
                .is_none_or(|policy| policy == "Always"),
        }
    }

    fn is_bad_end(&self, terminated: &Value) -> bool {
        // a sidecar is ended with its pod
        if self.role == Role::Sidecar && self.case.is_finished() {
            return false;
        }
        terminated["exitCode"] != 0 || terminated["reason"] == "OOMKilled" || self.is_kept()
    }

    fn is_recent(&self, last: &Value, running: &Value) -> bool {
        let time = if last["finishedAt"].is_string() {
            &last["finishedAt"]
        } else {
            &running["startedAt"]
        };
        !self.case.older(time, RECENT)
    }

    fn waiting(&self, waiting: &Value) -> Option<Symptom> {
        let reason = text(&waiting["reason"]);
        let message = text(&waiting["message"]);
        match reason {
            // what the pod waits for is seen elsewhere
            "" | "ContainerCreating" | "PodInitializing" => None,
            "CrashLoopBackOff" => {
                let last = &self.status["lastState"]["terminated"];
                if last.is_object() {
                    Some(self.ended(last, reason))
                } else {
                    Some(self.make("app-exit", reason, message, CRASHED))
                }
            }
            _ if image::is_awaited(reason) => {
                let (id, message, hint) = image::cause(reason, waiting, self.name, &self.case.seen);
                let image = text(&self.spec["image"]);
                let message = if message.contains(image) {
                    message
                } else {
                    format!("image {image}: {message}")
                };
                Some(self.make(id, reason, message, hint))
            }
            "CreateContainerConfigError" => {
                let (id, hint) = config(message);
                Some(self.make(id, reason, message, hint))
            }
            "CreateContainerError" | "RunContainerError" | "ContainerCannotRun" | "StartError" => {
                Some(self.make("start-error", reason, message, start_hint(message)))
            }
            "PostStartHookError" => {
                let event = self.case.seen.last(|event| {
                    event.reason == "FailedPostStartHook"
                        && event.container.is_none_or(|name| name == self.name)
                });
                let message = event.map_or(message, |event| event.message);
                Some(self.make(
                    "post-start-hook-failed",
                    reason,
                    message,
                    "check lifecycle.postStart of the container",
                ))
            }
            _ => {
                Some(self.make("container-waiting", reason, message, "check the events of the pod"))
            }
        }
    }

    /// A run that ended and should not have, or not so.
    fn ended(&self, terminated: &Value, reason: &str) -> Symptom {
        let message = ended_text(terminated, self.restarts);
        let code = terminated["exitCode"].as_i64();
        let own = text(&terminated["reason"]);
        let mut last_words = text(&terminated["message"]).trim().to_owned();
        let symptom =
            if own == "OOMKilled" {
                self.make(
                    "oom-killed",
                    "OOMKilled",
                    message,
                    "compare its memory use with limits.memory",
                )
            } else if let Some((id, hint, said)) = self.killed_by_probe(terminated) {
                last_words.clone_from(&said);
                self.make(id, "Unhealthy", format!("{said}; {message}"), hint)
            } else if own == "ContainerStatusUnknown" {
                self.make("container-lost", own, message,
                "the node lost track of the container: the node restarted, or the container was \
                    removed")
            } else if matches!(own, "StartError" | "ContainerCannotRun" | "RunContainerError") {
                self.make(
                    "start-error",
                    if reason == "CrashLoopBackOff" { reason } else { own },
                    message,
                    start_hint(text(&terminated["message"])),
                )
            } else if code == Some(0) {
                self.make(
                    "exits-zero",
                    reason,
                    message,
                    "the program exits and is restarted: it must run in the foreground, or in a \
                        Job",
                )
            } else if self.role == Role::Init {
                self.make(
                    "init-container-fails",
                    reason,
                    message,
                    "read the log of the init container: the other containers wait for it",
                )
            } else {
                self.make(
                    "app-exit",
                    reason,
                    message,
                    exit_hint(code, self.spec["livenessProbe"].is_object()),
                )
            };
        Symptom { exit_code: code, last_words, ..symptom }
    }

    /// Whether the kubelet ended this run because a probe failed. A program may end with any code
    /// then, 0 included.
    fn killed_by_probe(&self, terminated: &Value) -> Option<(&'static str, &'static str, String)> {
        let of_this = |name: Option<&str>| name.is_none_or(|name| name == self.name);
        for (word, id, hint) in [
            (
                "liveness",
                "liveness-probe-kills",
                "the program is running but its liveness probe fails: send the request of the \
                    probe, and check its timeout and threshold",
            ),
            (
                "startup",
                "startup-probe-kills",
                "the program starts more slowly than its startup probe allows, or does not start: \
                    check its log and failureThreshold",
            ),
        ] {
            let kill = self.case.seen.last(|event| {
                event.reason == "Killing"
                    && of_this(event.container)
                    && event.message.contains(&format!("failed {word} probe"))
            });
            let Some(kill) = kill else { continue };
            // within this run; a signal may also be of a kill that was no longer recorded: the
            // kubelet says only so much of one pod
            let (from, to) =
                (timestamp(&terminated["startedAt"]), timestamp(&terminated["finishedAt"]));
            let during =
                from.is_none_or(|from| kill.at >= from) && to.is_none_or(|to| kill.at <= to);
            if !during && !matches!(terminated["exitCode"].as_i64(), Some(137 | 143)) {
                continue;
            }
            let failed = self.case.seen.last(|event| {
                event.reason == "Unhealthy"
                    && of_this(event.container)
                    && event.message.to_lowercase().starts_with(word)
            });
            let said = failed.map_or_else(
                || format!("killed by its {word} probe"),
                |failed| format!("killed by its {word} probe: {}", failed.message),
            );
            return Some((id, hint, said));
        }
        None
    }

    fn init_runs(&self, running: &Value) -> Symptom {
        let since = text(&running["startedAt"]);
        self.make(
            "init-container-runs",
            "PodInitializing",
            format!("running since {since}; the containers of the pod wait for it to finish"),
            "read its log: it may be waiting for something",
        )
    }

    /// A container that runs and does not pass its probes: once a probe has failed, or should have
    /// passed long ago.
    fn unready(&self, running: &Value) -> Option<Symptom> {
        if self.status["ready"] != false || self.case.is_finished() {
            return None;
        }
        let starts = self.status["started"] == false && self.spec["startupProbe"].is_object();
        let (word, id, probe) = if starts {
            ("startup", "startup-failing", &self.spec["startupProbe"])
        } else {
            ("readiness", "readiness-failing", &self.spec["readinessProbe"])
        };
        let started = timestamp(&running["startedAt"]);
        let failed = self.case.seen.last(|event| {
            event.reason == "Unhealthy"
                && event.container.is_none_or(|name| name == self.name)
                && event.message.to_lowercase().starts_with(word)
                && started.is_none_or(|started| event.at >= started)
        });
        // a container without a probe is ready as long as it runs: another one is what is not
        if failed.is_none() && !probe.is_object() {
            return None;
        }
        let seconds = |key: &str, otherwise: i64| probe[key].as_i64().unwrap_or(otherwise);
        let due = SignedDuration::from_secs(
            seconds("initialDelaySeconds", 0)
                + seconds("periodSeconds", 10)
                + seconds("timeoutSeconds", 1),
        ) + LAG;
        if failed.is_none() && started.is_some() && !self.case.older(&running["startedAt"], due) {
            return None;
        }
        let message = failed.map_or_else(
            || format!("running, but its {word} probe does not pass"),
            |failed| failed.message.to_owned(),
        );
        let hint = if starts {
            "read its log to see how far it gets"
        } else {
            "send the request of the probe, and read the log to see what the container waits for"
        };
        Some(self.make(id, "NotReady", message, hint))
    }
}

const CRASHED: &str = "read the log of its previous run";

fn ended_text(terminated: &Value, restarts: u64) -> String {
    let mut parts = vec![format!("ended with {}", end_text(terminated))];
    if let Some(time) = filled(&terminated["finishedAt"]) {
        parts.push(format!("at {time}"));
    }
    if let Some(message) = filled(&terminated["message"]) {
        parts.push(format!("saying: {}", message.trim()));
    }
    if restarts > 0 {
        parts.push(format!("({restarts} restarts)"));
    }
    parts.join(" ")
}

fn exit_hint(code: Option<i64>, probed: bool) -> &'static str {
    match code {
        Some(126) => "the command cannot be executed: check its mode and interpreter",
        Some(127) => "the command is not in the image",
        Some(132) => "killed by SIGILL: the image is built for another CPU",
        Some(139) => "killed by SIGSEGV: read the log of its previous run",
        Some(137) if probed => {
            "killed by SIGKILL: check the events of the pod for its liveness probe, and the \
                memory of its node"
        }
        Some(137) => {
            "killed by SIGKILL: check the memory of its node, and what may kill processes there"
        }
        Some(143) => "ended by SIGTERM: check the events of the pod for the reason",
        _ => CRASHED,
    }
}

/// A container that cannot be made from what its spec refers to.
fn config(message: &str) -> (&'static str, &'static str) {
    let lower = message.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("runasnonroot") || has("non-root") || has("will run as root") || has("non-numeric user")
    {
        (
            "security-context-refused",
            "set runAsUser to a number other than 0, or use an image whose user is a number and \
                not root",
        )
    } else if has("subpath") || has("volume") {
        ("volume-mount-failed", "check the volume and the subPath of the mount")
    } else if has("not found") || has("couldn't find key") || has("non-existent") {
        (
            "config-missing",
            "create the named ConfigMap, Secret or key, or correct the reference to it",
        )
    } else {
        ("container-config-error", "check the field in the container spec that the message names")
    }
}

fn start_hint(message: &str) -> &'static str {
    let lower = message.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("exec format error") {
        "the image is not built for the architecture of the node"
    } else if has("executable file not found")
        || has("exec: \"") && has("no such file or directory")
    {
        "its command is not in the image: check command and args"
    } else if has("permission denied") {
        "permission to execute the command is denied: check its mode, the user and the security \
            context"
    } else if has("no command specified") {
        "the image has no command of its own: set one"
    } else if has("deadline exceeded") || has("is reserved for") {
        "the container runtime of the node is overloaded"
    } else if has("mount") {
        "check the paths of its mounts"
    } else if has("read-only") {
        "the container writes to a read-only path: check readOnlyRootFilesystem and its mounts"
    } else {
        "check its command, its mounts and its security context"
    }
}
