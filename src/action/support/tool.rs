//! Runs the tools that the images of pods contain, one after another, until the output of one is
//! understood. Output that is not understood is not a result.

use crate::action::{Access, Context, Failure, Target};
use crate::cluster::CommandExit;
use crate::diagnosis::pod::network_containers;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How a tool is used; the first word of its command need not be its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Tool {
    /// `nc -z`: connects and closes. Not every nc knows it.
    Nc,
    /// `nc` with nothing to send, ended by `timeout` if the other side keeps the connection.
    PlainNc,
    Python,
    Curl,
    /// bash with its `/dev/tcp`, ended by `timeout`.
    Bash,
    Wget,
    Getent,
    Nslookup,
    Dig,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Nc => "nc -z",
            Self::PlainNc => "nc",
            Self::Python => "python3",
            Self::Curl => "curl",
            Self::Bash => "bash",
            Self::Wget => "wget",
            Self::Getent => "getent",
            Self::Nslookup => "nslookup",
            Self::Dig => "dig",
        }
    }
}

/// What the output of a tool means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Heard<T> {
    /// It says this.
    Sure(T),
    /// It says this, and another tool may say why.
    Perhaps(T),
    /// It says nothing about the question: a usage message, an unknown exit code.
    Nothing,
}

/// An answer that was understood, with the words in which it was given.
pub(in crate::action) struct Said<T> {
    pub(in crate::action) what: T,
    pub(in crate::action) words: String,
    pub(in crate::action) elapsed: Duration,
}

/// Asks the tools in their order, in each container of the pod: they share its network. `read` says
/// what a tool's end means; it is given what an earlier one perhaps said.
///
/// # Errors
/// When exec is not possible, or no tool of the image gave an answer that is understood: the first
/// line of each.
pub(in crate::action) async fn ask_tools<T>(
    context: &Context,
    namespace: &str,
    pod: &Value,
    purpose: &str,
    commands: &[(Tool, Vec<String>)],
    read: impl Fn(Tool, &Done, Duration, Option<&T>) -> Heard<T>,
) -> Result<Said<T>, Failure> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let (mut perhaps, mut absent, mut unclear) = (None, Vec::new(), Vec::new());
    for container in network_containers(pod) {
        for (tool, command) in commands {
            let begun = Instant::now();
            let Some(done) = try_in(context, namespace, name, Some(&container), command).await?
            else {
                absent.push(tool.name());
                continue;
            };
            let elapsed = begun.elapsed();
            let said = |what| Said { what, words: done.words(), elapsed };
            match read(*tool, &done, elapsed, perhaps.as_ref().map(|said: &Said<T>| &said.what)) {
                Heard::Sure(what) => return Ok(said(what)),
                Heard::Perhaps(what) => perhaps = perhaps.or(Some(said(what))),
                // what the shell and its kind say of a program that is not there
                Heard::Nothing if done.code == 126 || done.code == 127 => absent.push(tool.name()),
                Heard::Nothing => unclear.push(format!(
                    "{} ended with exit code {}: {}",
                    tool.name(),
                    done.code,
                    done.first_line()
                )),
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    absent.retain(|name| seen.insert(*name));
    perhaps.ok_or_else(|| Failure::error(no_answer(name, purpose, &absent, &unclear)))
}

fn no_answer(pod: &str, purpose: &str, absent: &[&str], unclear: &[String]) -> String {
    if unclear.is_empty() {
        return format!(
            "the image of pod/{pod} has no tool to {purpose}: tried {}",
            absent.join(", ")
        );
    }
    let absent = if absent.is_empty() {
        String::new()
    } else {
        format!("; not in the image: {}", absent.join(", "))
    };
    format!("no tool in pod/{pod} could {purpose}: {}{absent}", unclear.join("; "))
}

/// Words of a command.
pub(in crate::action) fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// Most bytes of a tool's answer.
const LIMIT: usize = 64 << 10;

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Done {
    pub(in crate::action) code: i32,
    pub(in crate::action) stdout: String,
    pub(in crate::action) stderr: String,
}

impl Done {
    /// What it printed to say why: standard error, or what it printed at all.
    pub(in crate::action) fn words(&self) -> String {
        let stderr = self.stderr.trim();
        if stderr.is_empty() { self.stdout.trim().to_owned() } else { stderr.to_owned() }
    }

    fn first_line(&self) -> String {
        let words = self.words();
        let line = words
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("it printed nothing");
        line.chars().take(200).collect()
    }
}

/// Runs a command that may not be in the image: none if it is not.
async fn try_in(
    context: &Context,
    namespace: &str,
    pod: &str,
    container: Option<&str>,
    command: &[String],
) -> Result<Option<Done>, Failure> {
    let executed = context
        .cluster()?
        .exec(namespace, pod, container, command, None, context.remaining(), LIMIT)
        .await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match executed.exit {
        CommandExit::Code(code) => {
            Ok(Some(Done { code, stdout: text(executed.stdout), stderr: text(executed.stderr) }))
        }
        CommandExit::NotStarted(why) if is_absent(&why) => Ok(None),
        CommandExit::NotStarted(why) => {
            Err(Failure::error(format!("no command can be started in pod/{pod}: {why}")))
        }
        CommandExit::Unknown(why) => Err(Failure::error(format!(
            "the command in pod/{pod} ended without a status, so its result is unknown: {why}"
        ))),
        CommandExit::TimedOut => Err(Failure::error(format!(
            "the command in pod/{pod} timed out and may still be running"
        ))),
    }
}

/// What runtimes say when there is no such program.
pub(in crate::action) fn is_absent(why: &str) -> bool {
    ["executable file not found", "no such file or directory"].iter().any(|sign| why.contains(sign))
}

/// The permissions that exec in the pods of a target needs. API servers before 1.35 ask for `get`,
/// later ones for `create`.
pub(in crate::action) fn exec_permissions(target: &Target, namespace: &str) -> Vec<Access> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_answer_every_tool_is_quoted() {
        let usage = Done {
            code: 1,
            stdout: String::new(),
            stderr: "nc: invalid option -- 'z'\nBusyBox v1.37.0 multi-call binary.\n".to_owned(),
        };
        let unclear = [format!("nc -z ended with exit code 1: {}", usage.first_line())];
        assert_eq!(
            no_answer("web-1", "connect", &["python3", "curl"], &unclear),
            "no tool in pod/web-1 could connect: nc -z ended with exit code 1: nc: invalid option \
                -- 'z'; not in the image: python3, curl"
        );
        assert_eq!(
            no_answer("web-1", "connect", &["nc -z"], &[]),
            "the image of pod/web-1 has no tool to connect: tried nc -z"
        );
    }
}
