//! `exec`: a command in a container, without a TTY and without a shell.

use super::fan::{as_json, each_pod, item, pods_of, quote};
use super::{Access, Context, Failure, FailureKind, Output, Pods, Target, Verb};
use crate::cluster::Exit;
use crate::cluster::pod::default_container;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Runs a command in containers. The output is a list with one item a pod: `{pod, container, exit_code, stdout, stderr, json}`, or that
/// item alone with `pods: one`. `json` is stdout as JSON, or null. A stream cut without a status is an error, never a success.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Where.
    pub target: Target,
    /// Program and arguments. No shell interprets them.
    pub command: Vec<String>,
    /// Container; the pod's default container if none is named.
    pub container: Option<String>,
    /// What the command does: `read` if it changes nothing.
    #[serde(default)]
    pub effect: ExecEffect,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

/// What a command does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecEffect {
    /// It changes nothing.
    Read,
    /// It may change something.
    #[default]
    Opaque,
}

/// Most bytes of stdout and of stderr that are kept.
const LIMIT: usize = 1 << 20;

impl Verb for Exec {
    fn effect(&self) -> Effect {
        match self.effect {
            ExecEffect::Read => Effect::Read,
            ExecEffect::Opaque => Effect::Opaque,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.command.first().is_none_or(|program| program.trim().is_empty()) { Err("the command is empty".to_owned()) } else { Ok(()) }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.target, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let command: Vec<_> = self.command.iter().map(|word| quote(word)).collect();
        let container = self.container.as_ref().map(|name| format!(" -c {}", quote(name))).unwrap_or_default();
        vec![format!("kubectl exec -n {} {}{container} -- {}", quote(self.target.namespace(namespace)), self.target.kubectl(), command.join(" "))]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.target, self.pods).await?;
        let namespace = self.target.namespace(&context.namespace);
        let one = self.pods == Pods::One || self.target.is_one_pod();
        let mut output = each_pod(&pods, one, |name, pod| async move {
            let container = self.container.clone().or_else(|| default_container(&pod));
            let done = run_in(context, namespace, &name, container.as_deref(), &self.command).await?;
            Ok(item([
                ("container", container.into()),
                ("exit_code", done.code.into()),
                ("stdout", done.stdout.as_str().into()),
                ("stderr", done.stderr.into()),
                ("json", as_json(&done.stdout)),
            ]))
        })
        .await?;
        if one {
            output.summary = format!("exit {}", output.value["exit_code"]);
        }
        Ok(output)
    }
}

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// The permissions that exec in the pods of a target needs. API servers before 1.35 ask for `get`, later ones for `create`.
pub(super) fn exec_permissions(target: &Target, namespace: &str) -> Vec<Access> {
    let mut all = target.pod_permissions(namespace);
    for verb in ["create", "get"] {
        all.push(Access {
            verb: verb.to_owned(),
            resource: "pods".to_owned(),
            subresource: "exec".to_owned(),
            namespace: target.namespace(namespace).to_owned(),
            ..Access::default()
        });
    }
    all
}

/// Runs a command and waits for its end. What has no exit code is a failure, never a success.
pub(super) async fn run_in(context: &Context, namespace: &str, pod: &str, container: Option<&str>, command: &[String]) -> Result<Done, Failure> {
    match try_in(context, namespace, pod, container, command).await? {
        Tried::Done(done) => Ok(done),
        Tried::NoProgram(why) => Err(Failure::error(format!("{} could not be started in pod/{pod}: {why}", command.first().map_or("", String::as_str)))),
    }
}

/// What came of a command that may not be in the image.
pub(super) enum Tried {
    /// It ran to its end.
    Done(Done),
    /// The image has no such program.
    NoProgram(String),
}

/// As [`run_in`], where a missing program is an answer of its own.
pub(super) async fn try_in(context: &Context, namespace: &str, pod: &str, container: Option<&str>, command: &[String]) -> Result<Tried, Failure> {
    let executed = context.cluster()?.exec(namespace, pod, container, command, None, context.remaining(), LIMIT).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match executed.exit {
        Exit::Code(code) => Ok(Tried::Done(Done { code, stdout: text(executed.stdout), stderr: text(executed.stderr) })),
        Exit::NotStarted(why) => Ok(Tried::NoProgram(why)),
        Exit::Unknown(why) => Err(Failure::error(format!("the command in pod/{pod} ended without a status, so nothing is known of its result: {why}"))),
        Exit::TimedOut => Err(Failure::new(FailureKind::TimedOut, format!("the command in pod/{pod} did not end in time and may still run"))),
    }
}
