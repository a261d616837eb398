//! Who ended a run: the kubelet does when a probe or a hook fails, whatever code the program then
//! ends with.

use super::command::is_absent;
use super::{ObjectEvent, ObjectEvents, probe};
use crate::object::{array, timestamp};
use crate::pod::budget;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Times of events and of containers are cut to whole seconds, each by its own.
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// How many kills say of themselves how the runs of a container end.
const MANY: u64 = 3;

/// What the kubelet ends a container for.
pub(super) struct Killer {
    pub(super) id: &'static str,
    /// The reason in the words of the API.
    pub(super) reason: &'static str,
    pub(super) hint: &'static str,
    /// The probe in its container's spec; none for a hook.
    probe: Option<&'static str>,
    /// How it stands in the event of the kill (pkg/kubelet/kuberuntime/kuberuntime_manager.go and
    /// kuberuntime_container.go).
    kill: &'static str,
    /// The reason of the event of the failure, and how its message begins, in lower case. A probe
    /// that could not be asked has `errored`, and ends nothing (pkg/kubelet/prober/prober.go).
    failure: (&'static str, &'static str),
    said: &'static str,
}

const KILLERS: &[Killer] = &[
    Killer {
        id: "liveness-probe-kills",
        reason: "Unhealthy",
        hint: "the program is running but its liveness probe fails: run the probe by hand \
            (kubectl exec, curl), and check its timeout and threshold",
        probe: Some("livenessProbe"),
        kill: "failed liveness probe",
        failure: ("Unhealthy", "liveness probe failed"),
        said: "killed by its liveness probe",
    },
    Killer {
        id: "startup-probe-kills",
        reason: "Unhealthy",
        hint: "the program starts more slowly than its startup probe allows, or does not start: \
            check its log and failureThreshold",
        probe: Some("startupProbe"),
        kill: "failed startup probe",
        failure: ("Unhealthy", "startup probe failed"),
        said: "killed by its startup probe",
    },
    Killer {
        id: "post-start-hook-failed",
        reason: "FailedPostStartHook",
        hint: HOOK,
        probe: None,
        kill: "FailedPostStartHook",
        failure: ("FailedPostStartHook", ""),
        said: "killed as its postStart hook failed",
    },
];

const HOOK: &str = "fix lifecycle.postStart: run its command in the container, and \
    have it wait for its dependencies";

/// What to do about a postStart hook that fails. The event of older kubelets has
/// what it says.
pub(super) fn hook_hint(message: &str) -> &'static str {
    if is_absent(message) {
        "use a command for lifecycle.postStart that is in the image: its command is not"
    } else {
        HOOK
    }
}

const UNDECLARED: &str = "check the port of the liveness probe, which the container does not declare, and \
    where nothing listens; if it is right, give the program time to start, by a startupProbe or a higher \
    initialDelaySeconds";

const EARLY: &str = "give it time to start, by a startupProbe or a higher initialDelaySeconds: it is \
    killed as soon as its liveness probe can fail, and nothing listens by then; if it never does, check \
    the port of the probe and the log";

/// A run that has ended, of a container of which these events are.
pub(super) struct Run<'a> {
    pub(super) pod: &'a Value,
    pub(super) spec: &'a Value,
    pub(super) container: &'a str,
    pub(super) restarts: u64,
    pub(super) terminated: &'a Value,
    pub(super) seen: &'a ObjectEvents<'a>,
}

/// What is known of a kill, the strongest first.
type Proof<'a> = fn(&Run<'a>, &Killer) -> bool;

impl<'a> Run<'a> {
    /// For what the kubelet ended it, if it did, and what says so.
    pub(super) fn killer(&self) -> Option<(&'static Killer, String)> {
        let proofs: [Proof<'a>; 3] = [Self::was_killed, Self::failed_at_its_end, Self::is_killed];
        let mut pairs =
            proofs.iter().flat_map(|proof| KILLERS.iter().map(move |killer| (proof, killer)));
        let (_, killer) = pairs.find(|(proof, killer)| proof(self, killer))?;
        let said = self.failure(killer).map_or_else(
            || killer.said.to_owned(),
            |failed| format!("{}: {}", killer.said, probe::said(failed.message)),
        );
        Some((killer, said))
    }

    /// What to do about a kill. One that comes as soon as the probe can have failed, while nothing
    /// listens so far, need not be of a program that hangs.
    pub(super) fn hint(&self, killer: &Killer, said: &str) -> &'static str {
        let liveness = "livenessProbe";
        let is_early = || {
            let (from, to) = self.started().zip(self.finished())?;
            let time = budget(&self.spec[liveness]);
            let grace = self.pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            let most = time + self.slack(killer) + SignedDuration::from_secs(grace);
            Some(to.duration_since(from) <= most)
        };
        if killer.probe == Some(liveness)
            && said.contains("connection refused")
            && probe::elsewhere(&self.spec[liveness]).is_none()
            && !self.spec["startupProbe"].is_object()
            && is_early() == Some(true)
        {
            return if self.is_undeclared(liveness) { UNDECLARED } else { EARLY };
        }
        match killer.probe {
            Some(field) => probe::elsewhere(&self.spec[field])
                .or_else(|| probe::wrong(said))
                .unwrap_or(killer.hint),
            None => hook_hint(said),
        }
    }

    /// Whether the container declares ports, and not that of its probe.
    fn is_undeclared(&self, probe: &str) -> bool {
        let probe = &self.spec[probe];
        let asked = ["httpGet", "tcpSocket", "grpc"].map(|way| &probe[way]["port"]);
        let asked = asked.into_iter().find_map(Value::as_u64);
        let ports = array(&self.spec["ports"]);
        let declared: Vec<u64> = ports.filter_map(|port| port["containerPort"].as_u64()).collect();
        asked.is_some_and(|asked| !declared.is_empty() && !declared.contains(&asked))
    }

    /// The failure that it was killed for: the last one up to the kill, or one that goes on since. A
    /// later one is of the next run, which is asked while it starts; and of what fails again and
    /// again the last is not recorded for good, as events of one object are limited.
    fn failure(&self, killer: &Killer) -> Option<ObjectEvent<'a>> {
        let last = |fits: &dyn Fn(&ObjectEvent<'_>) -> bool| {
            self.seen.last(|event| self.is_failure(event, killer) && fits(event))
        };
        let kill =
            self.kill(killer).or_else(|| self.seen.last(|event| self.is_kill(event, killer)));
        let end = kill.map(|kill| kill.at).or_else(|| self.finished());
        let Some(end) = end.and_then(|end| end.checked_add(SECOND).ok()) else {
            return last(&|_| true);
        };
        let slack = self.slack(killer);
        last(&|event| event.at <= end && end.duration_since(event.at) <= slack)
            .or_else(|| last(&|event| event.since <= end && event.at > end))
            .or_else(|| last(&|event| event.at <= end))
            .or_else(|| last(&|_| true))
    }

    /// The last kill that was recorded within this run.
    fn kill(&self, killer: &Killer) -> Option<ObjectEvent<'a>> {
        self.seen.last(|event| self.is_kill(event, killer) && self.is_within(event.at))
    }

    fn was_killed(&self, killer: &Killer) -> bool {
        self.kill(killer).is_some()
    }

    /// How long before a kill the failure may lie that it is for: the kubelet acts on it at once.
    fn slack(&self, killer: &Killer) -> SignedDuration {
        let Some(name) = killer.probe else { return SECOND + SECOND };
        self.seconds(name, "periodSeconds", 10).max(self.seconds(name, "timeoutSeconds", 1))
            + SECOND
            + SECOND
    }

    /// A time of a probe, with its default (pkg/apis/core/v1/defaults.go).
    fn seconds(&self, probe: &str, key: &str, otherwise: i64) -> SignedDuration {
        SignedDuration::from_secs(self.spec[probe][key].as_i64().unwrap_or(otherwise))
    }

    /// The kill was not recorded, and what it was for was: the last failure of a probe lies at the
    /// end of a run, as the kubelet does not ask again before the next one
    /// (pkg/kubelet/prober/worker.go, onHold). A failing hook always ends its container.
    fn failed_at_its_end(&self, killer: &Killer) -> bool {
        let of_run =
            |event: &ObjectEvent<'_>| self.is_failure(event, killer) && self.is_within(event.at);
        let Some(failed) = self.seen.last(of_run) else { return false };
        let (Some(name), Some(to)) = (killer.probe, self.finished()) else { return true };
        let seconds = |key: &str, otherwise: i64| self.seconds(name, key, otherwise);
        let period = seconds("periodSeconds", 10);
        let times = self.spec[name]["failureThreshold"].as_i64().unwrap_or(3);
        // a run in which the probe cannot have failed as often as it must has ended by itself
        let least = i32::try_from(times - 1).unwrap_or(i32::MAX);
        let least = period.checked_mul(least).unwrap_or(SignedDuration::MAX);
        let is_long = self.started().is_none_or(|from| to.duration_since(from) + SECOND >= least);
        // the program may take its time to end
        let mut slack = period.max(seconds("timeoutSeconds", 1)) + SECOND;
        if self.looks_killed() {
            let of_pod = self.pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            slack = slack.max(seconds("terminationGracePeriodSeconds", of_pod) + SECOND + SECOND);
        }
        is_long && to.duration_since(failed.at) <= slack
    }

    /// Neither was recorded of this run, and of earlier ones was: a run that a signal ended, or the
    /// program when it was asked to, ended as they did; so did any other, if most of them did.
    fn is_killed(&self, killer: &Killer) -> bool {
        let kills = self.seen.count(|event| self.is_kill(event, killer));
        kills > 0 && self.looks_killed()
            || kills >= MANY && kills.saturating_mul(2) >= self.restarts
    }

    /// Its code is that of a signal, or of a program that ends well when it is asked to.
    fn looks_killed(&self) -> bool {
        matches!(self.terminated["exitCode"].as_i64(), Some(0 | 137 | 143))
    }

    fn is_kill(&self, event: &ObjectEvent<'_>, killer: &Killer) -> bool {
        event.reason == "Killing" && self.is_of_this(event) && event.message.contains(killer.kill)
    }

    fn is_failure(&self, event: &ObjectEvent<'_>, killer: &Killer) -> bool {
        let (reason, begin) = killer.failure;
        event.reason == reason
            && self.is_of_this(event)
            && event.message.to_lowercase().starts_with(begin)
    }

    fn is_of_this(&self, event: &ObjectEvent<'_>) -> bool {
        event.container.is_none_or(|name| name == self.container)
    }

    fn started(&self) -> Option<Timestamp> {
        timestamp(&self.terminated["startedAt"])
    }

    fn finished(&self) -> Option<Timestamp> {
        timestamp(&self.terminated["finishedAt"])
    }

    fn is_within(&self, time: Timestamp) -> bool {
        self.started().is_none_or(|from| time >= from)
            && self.finished().is_none_or(|to| time.duration_since(to) <= SECOND)
    }
}
