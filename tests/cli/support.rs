//! A hermetic place to run the program in: own home, own state, fixed time and ids.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The time of every run.
pub(crate) const NOW: &str = "2026-11-20T03:12:07Z";

pub(crate) struct Place {
    folder: TempDir,
}

/// What the program said.
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file and gives its name, as typed.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        name.to_owned()
    }

    /// The program in this place, without a cluster and without anything of the machine's
    /// environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("RUNBOOK_STATE_DIR", self.state())
            .env("RUNBOOK_NOW", NOW)
            .env("RUNBOOK_RUN_ID", "01K9ZQ4T000000000000000000")
            .env("RUNBOOK_HOST", "test-host")
            // a fault does not settle, however long one waits
            .env("RUNBOOK_PARAM_SETTLE", "1s")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.path())
            .timeout(std::time::Duration::from_secs(120));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.command().args(arguments))
    }

    /// Runs with `--output json` and gives the document.
    pub(crate) fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let said = self.run(&[arguments, &["--output", "json"]].concat());
        let document = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", said.stdout, said.stderr));
        (document, said.code)
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        code: output.status.code().unwrap_or(-1),
    }
}

impl Said {
    /// Everything in one text, for a snapshot.
    pub(crate) fn all(&self) -> String {
        let mut text = self.stdout.clone();
        if !self.stderr.is_empty() {
            text.push_str("--- stderr\n");
            text.push_str(&self.stderr);
        }
        text.extend(["--- exit ", &self.code.to_string(), "\n"]);
        // a port is any free one, and so is its place in a message
        let port = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
        port.replace_all(&text, "127.0.0.1:PORT").into_owned()
    }
}

/// A journal whose hashes are worked out again after it was changed, as one does who covers it up.
pub(crate) fn chained_again(journal: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut link = [0_u8; 32];
    let mut text = String::new();
    for line in journal.lines() {
        let body = format!("{}}}", line.rsplit_once(",\"chain\":").unwrap().0);
        link = Sha256::new().chain_update(link).chain_update(&body).finalize().into();
        let hex: String = link.iter().map(|byte| format!("{byte:02x}")).collect();
        text.extend([body.strip_suffix('}').unwrap(), ",\"chain\":\"", &hex, "\"}\n"]);
    }
    text
}

/// The ids of the findings of a summary document.
pub(crate) fn findings(document: &Value) -> Vec<&str> {
    document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect()
}
