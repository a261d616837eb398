//! Symptoms of one container.

use super::command::{is_absent, unloadable};
use super::killer::{Run, hook_hint};
use super::{ObjectEvent, PodCase, STARTING, Symptom, image, probe};
use crate::object::{array, filled, text, timestamp};
use crate::pod::{end_text, patience, restart_policy, startup_time};
use jiff::{SignedDuration, Timestamp};
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
        // a container whose startup probe may take long has recovered once that has passed
        let counts = self.is_recent(last, &state["running"]) || self.starts();
        if last.is_object() && self.is_bad_end(last) && counts {
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
            Role::Main => restart_policy(self.case.pod, self.spec) == "Always",
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
            _ if is_out_of_memory(message) => {
                Some(self.make("oom-killed", "OOMKilled", message, LIMIT))
            }
            "CreateContainerError" | "RunContainerError" | "ContainerCannotRun" | "StartError" => {
                Some(self.make("start-error", reason, message, self.start_hint(message)))
            }
            "PostStartHookError" => {
                let event = self.case.seen.last(|event| {
                    event.reason == "FailedPostStartHook"
                        && event.container.is_none_or(|name| name == self.name)
                });
                let message = event.map_or(message, |event| event.message);
                Some(self.make("post-start-hook-failed", reason, message, hook_hint(message)))
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
        let symptom = if own == "OOMKilled" || is_out_of_memory(&last_words) {
            self.make("oom-killed", "OOMKilled", message, LIMIT)
        } else if let Some((killer, said)) = self.run(terminated).killer() {
            last_words.clone_from(&said);
            let hint = self.run(terminated).hint(killer, &said);
            self.make(killer.id, killer.reason, format!("{said}; {message}"), hint)
        } else if own == "ContainerStatusUnknown" {
            self.make(
                "container-lost",
                own,
                message,
                "check the node: it restarted, or the container was removed there",
            )
        } else if matches!(own, "StartError" | "ContainerCannotRun" | "RunContainerError") {
            self.make(
                "start-error",
                if reason == "CrashLoopBackOff" { reason } else { own },
                message,
                self.start_hint(text(&terminated["message"])),
            )
        } else if code == Some(0) {
            self.make(
                "exits-zero",
                reason,
                message,
                "run the program in the foreground, or use a Job: the container exits and is \
                    restarted",
            )
        } else if self.role == Role::Init {
            self.make(
                "init-container-fails",
                reason,
                message,
                "read the log of the init container: the other containers wait for it",
            )
        } else {
            self.make("app-exit", reason, message, self.exit_hint(code))
        };
        Symptom { exit_code: code, last_words, ..symptom }
    }

    fn run<'b>(&'b self, terminated: &'b Value) -> Run<'b> {
        Run {
            pod: self.case.pod,
            spec: self.spec,
            container: self.name,
            restarts: self.restarts,
            terminated,
            seen: &self.case.seen,
        }
    }

    /// What to do about a start that fails: a volume may hide what the image has at its place.
    fn start_hint(&self, message: &str) -> &'static str {
        let command = message.split_once("exec: \"").and_then(|(_, rest)| rest.split_once('"'));
        let is_hidden = command.is_some_and(|(command, _)| {
            array(&self.spec["volumeMounts"])
                .filter(|mount| mount["subPath"].is_null())
                .filter_map(|mount| {
                    command.strip_prefix(filled(&mount["mountPath"])?.trim_end_matches('/'))
                })
                .any(|rest| rest.starts_with('/'))
        });
        if is_hidden && message.contains("no such file or directory") {
            return "change mountPath of the volume that is mounted over the directory of the command, or \
                put the command on it: what the image has there is hidden";
        }
        start_hint(message)
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

    /// Its startup probe has not passed yet.
    fn starts(&self) -> bool {
        self.status["started"] == false && self.spec["startupProbe"].is_object()
    }

    /// A container that runs and does not pass its probes, once it has had the time that they give
    /// it: what a probe says before is how every start looks.
    fn unready(&self, running: &Value) -> Option<Symptom> {
        if self.status["ready"] != false || self.case.is_finished() {
            return None;
        }
        let starts = self.starts();
        let (word, id, probe) = if starts {
            ("startup", "startup-failing", &self.spec["startupProbe"])
        } else {
            ("readiness", "readiness-failing", &self.spec["readinessProbe"])
        };
        let started = timestamp(&running["startedAt"]);
        let failed = self.failed(word, started);
        // a container without a probe is ready as long as it runs: another one is what is not
        if failed.is_none() && !probe.is_object() {
            return None;
        }
        let asked =
            if starts { started } else { started.map(|at| self.asked_since(at, failed.as_ref())) };
        let patience = patience(self.spec, starts);
        if asked.is_some_and(|asked| self.case.now.duration_since(asked) <= patience) {
            return None;
        }
        let message = failed.map_or_else(
            || format!("running, but its {word} probe does not pass"),
            |failed| probe::said(failed.message),
        );
        let far = "read its log to see how far it gets";
        let hint =
            if starts { probe::wrong(&message).unwrap_or(far) } else { probe::hint(&message) };
        let hint = probe::elsewhere(probe).unwrap_or(hint);
        Some(self.make(id, "NotReady", message, hint))
    }

    /// The last failure of a probe of this container since it was started.
    fn failed(&self, word: &str, started: Option<Timestamp>) -> Option<ObjectEvent<'_>> {
        self.case.seen.last(|event| {
            event.reason == "Unhealthy"
                && event.container.is_none_or(|name| name == self.name)
                && event.message.to_lowercase().starts_with(word)
                && started.is_none_or(|started| event.at >= started)
        })
    }

    /// Since when the readiness probe of a container is asked: since its startup probe has passed,
    /// if it has one (pkg/kubelet/prober/worker.go). The API does not say when that was: not after
    /// the first failure of the readiness probe, and not after all that it may take.
    fn asked_since(&self, started: Timestamp, failed: Option<&ObjectEvent<'_>>) -> Timestamp {
        let Some(most) = startup_time(self.spec) else { return started };
        let latest = started.checked_add(most).unwrap_or(started);
        match failed {
            Some(failed) if failed.since >= started => failed.since.min(latest),
            Some(_) => self.failed("startup", Some(started)).map_or(started, |event| event.at),
            None => latest,
        }
    }

    /// What to do about a code that a program has ended with.
    fn exit_hint(&self, code: Option<i64>) -> &'static str {
        // a pod that is not started again has no previous run
        let once = restart_policy(self.case.pod, self.spec) == "Never" || self.case.is_finished();
        match code {
            Some(126) => "check the mode and the interpreter of its command: it cannot be executed",
            Some(127) => {
                "check command, args and the log: the command, or something that it runs or loads, is \
                    not in the image"
            }
            Some(132) => "use an image that is built for the CPU of the node: killed by SIGILL",
            Some(139) if once => "read its log: killed by SIGSEGV",
            Some(139) => "read the log of its previous run: killed by SIGSEGV",
            Some(137) if self.spec["livenessProbe"].is_object() => {
                "killed by SIGKILL: check the events of the pod for its liveness probe, and the \
                    memory of its node"
            }
            Some(137) => {
                "exit code 137 usually means SIGKILL: check the memory of the node and what kills \
                    processes there; a program may also exit with 137 itself, so read its log"
            }
            Some(143) => "ended by SIGTERM: check the events of the pod for the reason",
            _ if once => "read its log",
            _ => CRASHED,
        }
    }
}

const CRASHED: &str = "read the log of its previous run";
const LIMIT: &str = "compare its memory use with limits.memory";

/// A container that had no memory to start with: what it writes to an emptyDir in memory counts, too
/// (runc, libcontainer/process_linux.go: `container init was OOM-killed (memory limit too low?)`).
fn is_out_of_memory(message: &str) -> bool {
    message.contains("container init was OOM-killed")
}

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

/// A container that cannot be made from what its spec refers to.
fn config(message: &str) -> (&'static str, &'static str) {
    let lower = message.to_lowercase();
    let has = |part: &str| lower.contains(part);
    let hint = |hint| ("container-config-error", hint);
    // a name may be anything: `configmap "volume-rules" not found`
    if is_missing(&lower) {
        (
            "config-missing",
            "create the named ConfigMap, Secret or key, or correct the reference to it",
        )
    } else if lower.starts_with("container ") && has(" not found") {
        hint("correct containerName of the resourceFieldRef: the pod has no container of this name")
    } else if has("environment variable key") || has("parse env file") || has("filekeyref") {
        hint(
            "correct the fileKeyRef of the variable, or the file that an init container writes for it",
        )
    } else if has("failed to sync") || has("not registered") || has("have not yet been read") {
        // the cache of the kubelet is not filled (pkg/kubelet/util/manager)
        hint(
            "wait, and check the kubelet of the node if it stays: it has not read the object so far",
        )
    } else if has("runasnonroot")
        || has("non-root")
        || has("will run as root")
        || has("non-numeric user")
    {
        (
            "security-context-refused",
            "set runAsUser to a number other than 0, or use an image whose user is a number and \
                not root",
        )
    } else if has("subpath") || has("volume") {
        ("volume-mount-failed", "check the volume and the subPath of the mount")
    } else {
        hint("check the field in the container spec that the message names")
    }
}

/// Whether a ConfigMap, a Secret or a key of one is not there, by what the kubelet says as it makes
/// the environment (pkg/kubelet/kubelet_pods.go, `makeEnvironmentVariables`): `configmap "a" not
/// found` and `couldn't find key k in Secret n/a`. Other things may not be found, too.
fn is_missing(lower: &str) -> bool {
    let of_these = ["configmap", "secret"].iter().any(|kind| lower.starts_with(kind));
    lower.starts_with("couldn't find key")
        || (of_these || lower.contains("config key"))
            && (lower.contains("not found") || lower.contains("non-existent"))
}

fn start_hint(message: &str) -> &'static str {
    let lower = message.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if let Some(hint) = unloadable(message).filter(|_| !is_absent(message)) {
        hint
    } else if is_absent(message) {
        "check command and args: the command is not in the image"
    } else if has("permission denied") {
        "check the mode of the command, the user and the security context: permission to execute \
            it is denied"
    } else if has("no command specified") {
        "set a command: the image has none of its own"
    } else if has("deadline exceeded") || has("is reserved for") {
        "check the load of the node: its container runtime does not answer in time"
    } else if has("mount") {
        "check the paths of its mounts"
    } else if has("read-only") {
        "check readOnlyRootFilesystem and its mounts: the container writes to a read-only path"
    } else {
        "check its command, workingDir, mounts and security context"
    }
}
