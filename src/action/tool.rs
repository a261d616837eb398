//! Tools in the images of pods: the first that is there answers, and none being there is an answer of its own.

use super::exec::{Done, Tried, try_in};
use super::{Context, Failure};
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
        if let Tried::Done(done) = try_in(context, namespace, name, container.as_deref(), command).await? {
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
