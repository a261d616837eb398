//! `exec`: runs a command in containers, without a TTY and without a shell.

use super::support::fan_out::{Item, as_json, each_pod, item, pods_of};
use super::support::kubectl_line;
use super::support::settled::Question;
use super::support::tool::exec_permissions;
use super::{Access, Context, Failure, FailureKind, Output, Pods, Reach, Target, Verb, Wrong};
use crate::cluster::{CommandExit, Executed};
use crate::diagnosis::pod;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most bytes of each stream in the output.
const STREAM: usize = 1024 * 1024;

/// Runs a command in containers. The output is a list with one item per pod: `{pod, container,
/// exit_code, stdout, stderr, json, truncated}`; with `pods: one`, it is that item. `json` is
/// stdout parsed as JSON, or null. stdout and stderr are limited to 1 MiB each; `truncated` is then
/// true. A stream that ends without a status is an error, never a success.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Pods to run the command in.
    pub target: Target,
    /// Program and arguments. They are not interpreted by a shell.
    pub command: Vec<String>,
    /// Container; defaults to the default container of the pod.
    pub container: Option<String>,
    /// Effect of the command: `read` if it changes nothing.
    #[serde(default)]
    pub effect: ExecEffect,
    /// Whether to query all pods or one.
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

impl ExecEffect {
    /// The effect of the step.
    pub(super) fn effect(self) -> Effect {
        match self {
            Self::Read => Effect::Read,
            Self::Opaque => Effect::Opaque,
        }
    }
}

impl Verb for Exec {
    fn effect(&self) -> Effect {
        self.effect.effect()
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn is_promised(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map_err(|failure| failure.message)?;
        program_fault(&self.command)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        exec_permissions(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let at = (&self.target, self.pods);
        let command = kubectl_line::line(&self.command);
        kubectl_line::exec(at, namespace, self.container.as_deref(), "", &command)
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::support::wrong::command(output)
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.target, self.pods).await?;
        let namespace = self.target.namespace(&context.namespace);
        let program = self.command.first().map(String::as_str).unwrap_or_default();
        (context.progress)(&format!(
            "{program} in {} of {}",
            kubectl_line::counted(pods.len()),
            self.target
        ));
        let cluster = context.cluster()?;
        let question = Question::read(context, &self.target, self.pods).with(self.effect());
        let output = each_pod(question, &pods, |name, pod| async move {
            // named, so that the API server need not be asked for it
            let container = self.container.clone().or_else(|| pod::default_container(&pod));
            let done = cluster
                .exec(
                    namespace,
                    &name,
                    container.as_deref(),
                    &self.command,
                    None,
                    context.remaining(),
                    STREAM,
                )
                .await?;
            judge(program, &name, container.as_deref(), &done)
        })
        .await?;
        let summary = summary(&output.value);
        Ok(Output::new(output.value, summary))
    }
}

/// A fault in a command.
pub(super) fn program_fault(command: &[String]) -> Result<(), String> {
    match command.first() {
        None => Err("the `command` is empty: list the program and its arguments".to_owned()),
        Some(program) if program.is_empty() => {
            Err("the program, the first word of `command`, is empty".to_owned())
        }
        Some(program) if command.len() == 1 && program.contains(' ') => Err(format!(
            "`{program}` is not a program name: use a list, [program, argument], or [sh, -c, \"…\"]"
        )),
        Some(_) => Ok(()),
    }
}

/// The item of a command that ended; anything else is no answer.
fn judge(program: &str, pod: &str, container: Option<&str>, done: &Executed) -> Item {
    let (kind, message) = match &done.exit {
        CommandExit::Code(code) => {
            let stdout = String::from_utf8_lossy(&done.stdout);
            return Ok(item([
                ("container", json!(container)),
                ("exit_code", json!(code)),
                ("json", if done.truncated { Value::Null } else { as_json(&stdout) }),
                ("stdout", json!(stdout)),
                ("stderr", json!(String::from_utf8_lossy(&done.stderr))),
                ("truncated", json!(done.truncated)),
            ]));
        }
        CommandExit::NotStarted(why) => {
            (FailureKind::Error, format!("cannot start `{program}` in pod {pod}: {}", cause(why)))
        }
        CommandExit::Unknown(why) => (
            FailureKind::Error,
            format!(
                "the result of `{program}` in pod {pod} is unknown, and it may still be \
                running: {why}"
            ),
        ),
        CommandExit::TimedOut => (
            FailureKind::Error,
            format!("`{program}` in pod {pod} timed out and may still be running"),
        ),
    };
    Err(Failure::new(kind, message))
}

/// The last layer of what runtimes wrap around the reason.
fn cause(why: &str) -> &str {
    why.rsplit_once("unable to start container process: ").map_or(why, |(_, cause)| cause)
}

fn summary(output: &Value) -> String {
    match output.as_array() {
        None => format!("exit code {}", output["exit_code"]),
        Some(items) => {
            let good = items.iter().filter(|item| item["exit_code"] == 0).count();
            format!("{good} of {} ended with exit code 0", items.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(value: Value) -> Exec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn ends() {
        let done = |exit| Executed {
            stdout: b"{\"a\": 1}".to_vec(),
            stderr: b"\xff".to_vec(),
            truncated: false,
            exit,
        };
        let fields = judge("p", "a", Some("c"), &done(CommandExit::Code(3))).unwrap();
        assert_eq!(
            Value::Object(fields),
            json!({"container": "c", "exit_code": 3, "json": {"a": 1}, "stdout": "{\"a\": 1}",
                "stderr": "\u{fffd}", "truncated": false})
        );
        let cases = [
            (
                CommandExit::NotStarted(
                    "OCI runtime exec failed: unable to start container process: \
                    exec: \"p\": executable file not found"
                        .into(),
                ),
                FailureKind::Error,
                "cannot start `p` in pod a: exec: \"p\": executable file not found",
            ),
            (
                CommandExit::Unknown("cut".into()),
                FailureKind::Error,
                "the result of `p` in pod a is unknown, and it may still be running: cut",
            ),
            (
                CommandExit::TimedOut,
                FailureKind::Error,
                "`p` in pod a timed out and may still be running",
            ),
        ];
        for (exit, kind, message) in cases {
            assert_eq!(
                judge("p", "a", None, &done(exit)).unwrap_err(),
                Failure::new(kind, message)
            );
        }
    }

    #[test]
    fn faults_and_lines_by_hand() {
        for (command, good) in [
            (json!([]), false),
            (json!([""]), false),
            (json!(["ls -l"]), false),
            (json!(["ls", "-l"]), true),
        ] {
            assert_eq!(
                exec(json!({"target": "pod/a", "command": command})).check().is_ok(),
                good,
                "{command}"
            );
        }
        let cases = [
            (
                json!({"target": "pod/a", "command": ["sh", "-c", "a b"]}),
                vec!["kubectl exec -n n pod/a -- sh -c 'a b'"],
            ),
            (
                json!({"target": "deployment/d", "command": ["ls"], "pods": "one",
                    "container": "c"}),
                vec!["kubectl exec -n n deployment/d -c c -- ls"],
            ),
            (
                json!({"target": "deployment/d", "command": ["ls"]}),
                vec![
                    "kubectl get pods -n n # NAME: each of deployment/d",
                    "kubectl exec -n n pod/NAME -- ls",
                ],
            ),
            (
                json!({"target": {"kind": "Pod", "selector": "a=b"}, "command": ["ls"],
                    "pods": "one"}),
                vec![
                    "kubectl get pods -n n -l a=b # NAME: each of them",
                    "kubectl exec -n n pod/NAME -- ls",
                ],
            ),
        ];
        for (value, wanted) in cases {
            assert_eq!(exec(value.clone()).manual_commands("n"), wanted, "{value}");
        }
    }
}
