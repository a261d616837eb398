//! Programs that a step requires on this machine: whether they are there, in which version, and how
//! to install them.

use super::stream::Said;
use crate::action::{Failure, FailureKind, Outside};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that must be installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requires {
    /// The program; default: the first word of `argv`.
    #[serde(default)]
    pub tool: String,
    /// The versions that will do: `">=2"`, or `">=3.12, <4"`. Pre-releases and builds are not
    /// compared.
    pub version: Option<String>,
    /// Arguments with which the program prints its version; the first version in its output counts.
    #[serde(default = "version_flag")]
    pub version_args: Vec<String>,
    /// How to install it: a URL, or a command.
    pub install: Option<String>,
}

fn version_flag() -> Vec<String> {
    vec!["--version".to_owned()]
}

/// A version without what follows its numbers.
type Version = [u64; 3];

impl Requires {
    /// A fault in the requirement.
    pub(in crate::action) fn check(&self) -> Result<(), String> {
        self.bounds().map(|_| ())
    }

    /// Whether the program is there, in a version that will do.
    ///
    /// # Errors
    /// What is missing, and how to install it; or why its version is not known.
    pub(super) async fn look(
        &self,
        environment: &BTreeMap<String, String>,
        outside: Option<&Outside>,
    ) -> Result<(), Failure> {
        let words: Vec<String> =
            std::iter::once(&self.tool).chain(&self.version_args).cloned().collect();
        match outside {
            Some(outside) if outside.lacks(&self.tool) => return Err(self.not_there()),
            Some(_) => {}
            None if !is_installed(&self.tool, environment) => return Err(self.not_there()),
            None => {}
        }
        let bounds = self.bounds().map_err(Failure::error)?;
        if bounds.is_empty() {
            return Ok(());
        }
        let text = match outside {
            Some(outside) => outside.says(&words)?.text(),
            None => self.ask(&words, environment).await?,
        };
        let Some((shown, version)) = version_in(&text) else {
            return Err(self.unusable("prints no version"));
        };
        match bounds.iter().all(|bound| bound.holds(version)) {
            true => Ok(()),
            false => Err(self.unusable(&format!("is version {shown}"))),
        }
    }

    async fn ask(
        &self,
        words: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Result<String, Failure> {
        let mut process = tokio::process::Command::new(&words[0]);
        process.args(&words[1..]).env_clear().envs(environment).kill_on_drop(true);
        process.stdin(Stdio::null());
        match tokio::time::timeout(PATIENCE, process.output()).await {
            Ok(Ok(output)) => {
                let text = [output.stdout, output.stderr].concat();
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Ok(Err(error)) => Err(self.unusable(&format!("cannot be started: {error}"))),
            Err(_) => Err(self.unusable("does not print its version")),
        }
    }

    fn not_there(&self) -> Failure {
        self.failure(format!("{} is not installed", self.tool))
    }

    fn unusable(&self, what: &str) -> Failure {
        let wanted = self.version.as_deref().unwrap_or_default();
        self.failure(format!("{} {what}; {wanted} is required", self.tool))
    }

    fn failure(&self, what: String) -> Failure {
        let install = self.install.as_deref().map(|how| format!(": install it: {how}"));
        Failure {
            not_executed: true,
            ..Failure::new(FailureKind::NotThere, format!("{what}{}", install.unwrap_or_default()))
        }
    }

    fn bounds(&self) -> Result<Vec<Bound>, String> {
        let Some(text) = &self.version else { return Ok(Vec::new()) };
        text.split(',').map(|part| Bound::read(part.trim())).collect()
    }
}

/// Whether a program is in the PATH, or at the path that is its name.
fn is_installed(tool: &str, environment: &BTreeMap<String, String>) -> bool {
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    if tool.contains('/') {
        return is_program(Path::new(tool));
    }
    let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
    std::env::split_paths(path).any(|folder| is_program(&folder.join(tool)))
}

/// One bound of a version: `>=2.40`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    comparison: &'static str,
    version: Version,
    /// How many of its numbers are written: `=2` holds for all of 2.
    given: usize,
}

impl Bound {
    fn read(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a version bound such as >=2 or <3.1");
        let comparison = [">=", "<=", ">", "<", "="]
            .into_iter()
            .find(|comparison| text.starts_with(comparison))
            .ok_or_else(fault)?;
        let numbers = text[comparison.len()..].trim();
        let numbers = numbers.strip_prefix('v').unwrap_or(numbers);
        let read: Vec<u64> = numbers
            .split('.')
            .map(|number| number.parse().map_err(|_| fault()))
            .collect::<Result<_, _>>()?;
        let mut version = Version::default();
        if read.len() > version.len() {
            return Err(fault());
        }
        version[..read.len()].copy_from_slice(&read);
        Ok(Self { comparison, version, given: read.len() })
    }

    fn holds(self, version: Version) -> bool {
        // what is not written does not count: 2.5 is not above 2
        let order = version[..self.given].cmp(&self.version[..self.given]);
        match self.comparison {
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            _ => order.is_eq(),
        }
    }
}

/// The first version in a text, as it is written and in numbers.
fn version_in(text: &str) -> Option<(String, Version)> {
    #[expect(clippy::unwrap_used, reason = "the pattern is a constant")]
    static VERSION: LazyLock<regex::Regex> =
        LazyLock::new(|| regex::Regex::new(r"(\d+)\.(\d+)(?:\.(\d+))?").unwrap());
    let found = VERSION.captures(text)?;
    let number = |index: usize| match found.get(index) {
        Some(number) => number.as_str().parse().ok(),
        None => Some(0),
    };
    Some((found[0].to_owned(), [number(1)?, number(2)?, number(3)?]))
}

impl Said {
    /// Both streams as one text.
    fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn requires(value: serde_json::Value) -> Requires {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn versions_are_found_as_programs_print_them() {
        for (text, version) in [
            ("gh version 2.83.1 (2025-11-13)\nhttps://github.com/cli/cli", Some([2, 83, 1])),
            ("Client Version: v1.34.1\nKustomize Version: v5.7.1", Some([1, 34, 1])),
            ("v3.16.2+g13654a5", Some([3, 16, 2])),
            ("jq-1.7", Some([1, 7, 0])),
            ("git version 2.39.5 (Apple Git-154)", Some([2, 39, 5])),
            ("version 7", None),
            ("", None),
        ] {
            assert_eq!(version_in(text).map(|(_, version)| version), version, "{text}");
        }
    }

    #[test]
    fn bounds_hold_for_what_they_name() {
        for (bounds, version, holds) in [
            (">=2", [2, 0, 0], true),
            (">=2", [1, 99, 0], false),
            (">=2.40", [2, 9, 0], false),
            (">=2.40, <3", [2, 40, 1], true),
            (">=2.40, <3", [3, 0, 0], false),
            (">2", [2, 5, 0], false),
            ("=2", [2, 5, 0], true),
            ("<=v1.7.0", [1, 7, 0], true),
        ] {
            let bounds = requires(json!({"tool": "x", "version": bounds})).bounds().unwrap();
            assert_eq!(bounds.iter().all(|bound| bound.holds(version)), holds, "{bounds:?}");
        }
        for fault in ["2", ">=two", ">=1.2.3.4", ""] {
            assert!(requires(json!({"tool": "x", "version": fault})).check().is_err(), "{fault}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_named_with_the_way_to_install_it() {
        let environment: BTreeMap<String, String> =
            std::env::vars().filter(|(name, _)| name == "PATH").collect();
        let look = |value| {
            let environment = environment.clone();
            async move { requires(value).look(&environment, None).await }
        };
        let missing = look(json!({"tool": "no-such-tool", "install": "https://tool.example"}))
            .await
            .unwrap_err();
        assert_eq!(
            (missing.kind, missing.not_executed, missing.message.as_str()),
            (
                FailureKind::NotThere,
                true,
                "no-such-tool is not installed: install it: https://tool.example"
            )
        );
        assert!(look(json!({"tool": "sh"})).await.is_ok());
        let version = json!({"tool": "sh", "version": ">=2", "version_args": ["-c", "echo v1.9"]});
        assert_eq!(look(version).await.unwrap_err().message, "sh is version 1.9; >=2 is required");
        let version = json!({"tool": "sh", "version": "<2", "version_args": ["-c", "echo v1.9"]});
        assert!(look(version).await.is_ok());
    }
}
