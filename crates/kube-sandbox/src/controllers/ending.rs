//! How the program of a container ends when it is started: by itself, for want of memory, because
//! it is not there, or because its probe fails.
//!
//! After `pkg/kubelet/prober/` and `kuberuntime_container.go` of the kubelet, and the words of
//! containerd and runc.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::pods::number;
use super::probe::ask;
use crate::app::{AppContext, Apps, Watch};
use crate::object;
use crate::quantity;
use crate::snapshot::Snapshot;

/// The exit code of a program that SIGKILL has ended.
const SIGKILL: i64 = 137;
/// The exit code that the runtime gives a program that it cannot start.
const NOT_STARTED: i64 = 128;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// How long a program takes to fill its memory.
const FILLED: SignedDuration = SignedDuration::from_secs(1);

/// How a program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How long it runs.
    pub(crate) after: SignedDuration,
    pub(crate) code: i64,
    pub(crate) reason: &'static str,
    /// Why it did not start at all.
    pub(crate) not_started: Option<String>,
    /// The probe that ends it, and what that says.
    pub(crate) probe: Option<(&'static str, String)>,
}

impl Ending {
    fn by_itself(after: SignedDuration, code: i64, reason: &'static str) -> Self {
        Self { after, code, reason, not_started: None, probe: None }
    }
}

/// How the program at a place of a pod ends by itself; it does not, where there is nothing.
pub(crate) fn of_program(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    place: usize,
    container: &Value,
    watch: &Watch,
) -> Option<Ending> {
    if let Some(message) = not_started(&snapshot.apps, container) {
        let not_started = Some(message);
        let ending = Ending::by_itself(SignedDuration::ZERO, NOT_STARTED, "StartError");
        return Some(Ending { not_started, ..ending });
    }
    let context = AppContext::new(snapshot, pod, place, watch, 0).map(Arc::new)?;
    let app = snapshot.apps.app(context.app);
    let limit = context.container().limits.get("memory").and_then(|limit| quantity::number(limit));
    if let (Some(limit), Some(_)) = (limit, &app.memory)
        && context.evaluate("memory", 0).ok()?.as_f64()? * MEBIBYTE > limit
    {
        return Some(Ending::by_itself(FILLED, SIGKILL, "OOMKilled"));
    }
    let exits = app.exits.as_ref()?;
    if !context.holds("exits-when", 0, exits.when.as_ref()) {
        return None;
    }
    let after = context.evaluate("exits-after", 0).ok().and_then(|after| after.as_f64());
    let code = context.evaluate("exits-code", 0).ok().and_then(|code| code.as_i64()).unwrap_or(1);
    let after = SignedDuration::try_from_secs_f64(after.unwrap_or(0.0)).unwrap_or_default();
    Some(Ending::by_itself(after, code, reason(code)))
}

/// The reason of a program that ended with an exit code.
pub(crate) fn reason(code: i64) -> &'static str {
    if code == 0 { "Completed" } else { "Error" }
}

/// How a failing probe ends a program that runs.
pub(crate) fn of_probe(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    place: usize,
    (object, container): (&Value, &Value),
    watch: &Watch,
) -> Option<Ending> {
    let failing = |field: &str| {
        let probe = container.get(field)?;
        ask(snapshot, pod, place, object, probe, watch).err().map(|why| (probe, why))
    };
    let startup = failing("startupProbe").map(|found| ("Startup", found));
    let (kind, (probe, why)) =
        startup.or_else(|| failing("livenessProbe").map(|found| ("Liveness", found)))?;
    let grace = number(&object["spec"]["terminationGracePeriodSeconds"], 30);
    let grace = number(&probe["terminationGracePeriodSeconds"], grace);
    let failures = number(&probe["failureThreshold"], 3) - 1;
    let seconds = number(&probe["initialDelaySeconds"], 0)
        + number(&probe["periodSeconds"], 10) * failures.max(0)
        + 1
        + grace;
    let ending = Ending::by_itself(SignedDuration::from_secs(seconds), SIGKILL, "Error");
    Some(Ending { probe: Some((kind, why)), ..ending })
}

/// Why the runtime cannot start the command of a container, if the programs of its image are known.
pub(super) fn not_started(apps: &Apps, container: &Value) -> Option<String> {
    let name = container["image"].as_str()?;
    let (image, tools) = (apps.image(name)?, apps.tools(name)?);
    let command = object::list(&container["command"]).first()?.as_str()?;
    let program = command.rsplit('/').next().unwrap_or(command);
    let mut known = image.programs.iter().chain(tools);
    if image.programs.is_empty() || known.any(|known| known == program) {
        return None;
    }
    let why = if command.contains('/') {
        format!("stat {command}: no such file or directory")
    } else {
        "executable file not found in $PATH".to_owned()
    };
    Some(format!(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: \
            runc create failed: unable to start container process: exec: \"{command}\": {why}: \
            unknown"
    ))
}
