//! A real kubectl on a real cluster, for the tests of this package and of the program:
//! `RUNBOOK_TEST_KUBECONFIG` names the cluster, `RUNBOOK_TEST_KUBECTL` is the command with its first
//! arguments.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) struct Kubectl {
    command: String,
    pub(crate) kubeconfig: String,
}

impl Kubectl {
    /// None, with a note on stderr, if the environment names no cluster.
    pub(crate) fn of_the_environment() -> Option<Self> {
        let (Ok(kubeconfig), Ok(command)) =
            (std::env::var("RUNBOOK_TEST_KUBECONFIG"), std::env::var("RUNBOOK_TEST_KUBECTL"))
        else {
            eprintln!("not run: RUNBOOK_TEST_KUBECONFIG or RUNBOOK_TEST_KUBECTL is not set");
            return None;
        };
        Some(Self { command, kubeconfig })
    }

    pub(crate) fn run(&self, arguments: &[&str], input: Option<&Value>) -> String {
        self.attempt(arguments, input).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What it prints, or what went wrong.
    pub(crate) fn attempt(
        &self,
        arguments: &[&str],
        input: Option<&Value>,
    ) -> Result<String, String> {
        let mut parts = self.command.split_whitespace();
        let mut command = Command::new(parts.next().unwrap());
        command
            .args(parts)
            .args(["--kubeconfig", &self.kubeconfig])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        if let Some(input) = input {
            child.stdin.as_mut().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        }
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            return Err(format!(
                "kubectl {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
