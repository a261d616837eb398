//! `exec`: a command in a container, without a TTY and without a shell.

use super::{Access, Context, Failure, Output, Pods, Target, Verb};
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

impl Verb for Exec {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::error("not built yet"))
    }
}
