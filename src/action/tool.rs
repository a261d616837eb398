//! Tools in the images of pods: the first that is there answers, and none being there is an answer of its own.

use super::{Access, Context, Failure, Target};
use crate::cluster::Exit;
use crate::cluster::pod::default_container;
use serde_json::Value;
use std::time::{Duration, Instant};

/// What a tool said, which it was, and how long it took.
pub(super) struct Said {
    pub(super) tool: usize,
    pub(super) done: Done,
    pub(super) elapsed: Duration,
}

/// Runs the first of several commands whose program the image of a pod has.
///
/// # Errors
/// When exec is not possible, or the image has none of them.
pub(super) async fn first_tool(context: &Context, namespace: &str, pod: &Value, purpose: &str, commands: &[Vec<String>]) -> Result<Said, Failure> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let container = default_container(pod);
    for (tool, command) in commands.iter().enumerate() {
        let begun = Instant::now();
        if let Some(done) = try_in(context, namespace, name, container.as_deref(), command).await? {
            return Ok(Said { tool, done, elapsed: begun.elapsed() });
        }
    }
    let tried: Vec<_> = commands.iter().filter_map(|command| command.first()).map(String::as_str).collect();
    Err(Failure::error(format!("the image of pod/{name} has no tool to {purpose} with: tried {}", tried.join(", "))))
}

/// Words of a command.
pub(super) fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// Most bytes of a tool's answer.
const LIMIT: usize = 64 << 10;

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a command that may not be in the image: none if it is not.
async fn try_in(context: &Context, namespace: &str, pod: &str, container: Option<&str>, command: &[String]) -> Result<Option<Done>, Failure> {
    let executed = context.cluster()?.exec(namespace, pod, container, command, None, context.remaining(), LIMIT).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match executed.exit {
        Exit::Code(code) => Ok(Some(Done { code, stdout: text(executed.stdout), stderr: text(executed.stderr) })),
        Exit::NotStarted(_) => Ok(None),
        Exit::Unknown(why) => Err(Failure::error(format!("the command in pod/{pod} ended without a status, so nothing is known of its result: {why}"))),
        Exit::TimedOut => Err(Failure::error(format!("the command in pod/{pod} did not end in time and may still run"))),
    }
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
