//! The one pod that something is done in: more than one is not guessed from.

use super::fan_out::pods_of;
use crate::action::{Context, Failure, FailureKind, Pods, Target};
use crate::cluster::CommandExit;
use crate::diagnosis::pod;

/// Where a command runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::action) struct Place {
    pub(in crate::action) namespace: String,
    pub(in crate::action) pod: String,
    pub(in crate::action) container: Option<String>,
}

/// The pod of a target, and the container: that of the step, or the default one of the pod.
///
/// # Errors
/// When there is none, or more than one.
pub(in crate::action) async fn one_pod(
    context: &Context,
    target: &Target,
    container: Option<&str>,
) -> Result<Place, Failure> {
    let pods = pods_of(context, target, Pods::All).await?;
    let namespace = target.namespace(&context.namespace).to_owned();
    let name =
        |pod: &serde_json::Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let [found] = pods.as_slice() else {
        let names: Vec<String> = pods.iter().map(name).collect();
        return Err(Failure::new(
            FailureKind::Failed,
            format!(
                "{target} in namespace {namespace} has {} pods: select one by its labels or by \
                    name: {}",
                names.len(),
                names.join(", ")
            ),
        ));
    };
    Ok(Place {
        namespace,
        pod: name(found),
        container: container.map(str::to_owned).or_else(|| pod::default_container(found)),
    })
}

/// Why a command that ran there gave no answer.
pub(in crate::action) fn no_answer(program: &str, place: &Place, exit: CommandExit) -> String {
    let pod = &place.pod;
    match exit {
        CommandExit::Code(code) => {
            format!("`{program}` in pod {pod} ended with exit code {code}")
        }
        CommandExit::NotStarted(why) => format!("cannot start `{program}` in pod {pod}: {why}"),
        CommandExit::Unknown(why) => {
            format!("the result of `{program}` in pod {pod} is unknown: {why}")
        }
        CommandExit::TimedOut => format!("`{program}` in pod {pod} timed out"),
    }
}

/// The error that a command ended with: hints and the place may follow it.
pub(in crate::action) fn last_line(stream: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stream);
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let names_error =
        |line: &&str| ["error:", "fatal:"].iter().any(|word| line.to_lowercase().contains(word));
    lines().find(names_error).or_else(|| lines().next()).map(str::to_owned)
}
