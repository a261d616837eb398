//! `command`: a program on this machine, without a shell.

use super::fan::{as_json, quote};
use super::{Access, Context, Failure, FailureKind, Output, Verb};
use super::exec::ExecEffect;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Stdio;
use tokio::io::AsyncReadExt;

/// Runs a local program, such as helm, istioctl or gh. The output is `{exit_code, stdout, stderr, json}`; a program that ends with another
/// code than 0 is an output like any other: judge `exit_code`. stdout and stderr are cut after 1 MiB each.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments. No shell interprets them.
    pub argv: Vec<String>,
    /// Environment variables besides those of this process.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What the program does: `read` if it changes nothing.
    #[serde(default)]
    pub effect: ExecEffect,
}

/// The most bytes of each stream.
const STREAM: u64 = 1024 * 1024;

impl Verb for Command {
    fn effect(&self) -> Effect {
        match self.effect {
            ExecEffect::Read => Effect::Read,
            _ => Effect::Opaque,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.argv.first().is_none_or(String::is_empty) { Err("`argv` names no program".to_owned()) } else { Ok(()) }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        vec![self.argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")]
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        let Some((program, arguments)) = self.argv.split_first() else { return Err(Failure::error("`argv` names no program")) };
        let spawned = tokio::process::Command::new(program)
            .args(arguments)
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = spawned.map_err(|error| Failure {
            not_executed: true,
            ..Failure::new(FailureKind::Error, format!("{program} cannot be started: {error}; is it installed?"))
        })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr, status) = tokio::join!(text(out), text(err), child.wait());
        let status = status.map_err(|error| Failure::error(format!("nobody knows how {program} ended: {error}")))?;
        let Some(code) = status.code() else { return Err(Failure::error(format!("{program} was ended by a signal"))) };
        let output = json!({"exit_code": code, "json": as_json(&stdout), "stdout": stdout, "stderr": stderr});
        Ok(Output::new(output, if code == 0 { String::new() } else { format!("exit code {code}") }))
    }
}

/// A stream to its end, of which the beginning is kept: a program whose output nobody reads would stand still.
async fn text(stream: Option<impl AsyncReadExt + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut bytes = Vec::new();
    // what cannot be read any more is at its end
    drop((&mut stream).take(STREAM).read_to_end(&mut bytes).await);
    drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    async fn run(argv: &[&str]) -> Result<Value, Failure> {
        let command = Command { argv: argv.iter().map(|word| (*word).to_owned()).collect(), env: BTreeMap::from([("X".to_owned(), "1".to_owned())]), effect: ExecEffect::default() };
        command.perform(&super::super::real_pods::context(None, "default")).await.map(|output| output.value)
    }

    #[tokio::test]
    async fn words_are_not_interpreted_and_codes_are_outputs() {
        assert_eq!(run(&["printf", "%s", "$HOME; exit 3"]).await.unwrap()["stdout"], "$HOME; exit 3");
        assert_eq!(run(&["false"]).await.unwrap()["exit_code"], 1);
        assert_eq!(run(&["printenv", "X"]).await.unwrap()["json"], 1);
        let failure = run(&["no-such-program-here"]).await.unwrap_err();
        assert!(failure.not_executed, "{failure:?}");
    }
}
