//! The one pod that something is done in: more than one is not guessed from.

use super::fan_out::pods_of;
use crate::action::{Context, Failure, FailureKind, Pods, Target};
use crate::cluster::{self, Cluster, CommandExit, ErrorKind, Streamed, builtin};
use crate::diagnosis::pod;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// How often it is looked whether a pod is still there.
const LOOK: Duration = Duration::from_secs(3);

/// Where a command runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::action) struct Place {
    pub(in crate::action) namespace: String,
    pub(in crate::action) pod: String,
    pub(in crate::action) container: Option<String>,
    /// Which pod of this name it is, and which start of the container.
    identity: Identity,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Identity {
    uid: Option<String>,
    container_id: Option<String>,
}

impl Place {
    /// Runs a command there, of which nothing more is known once the container is gone, or `over`
    /// says why. What it prints ends with it.
    pub(in crate::action) async fn stream<R, W>(
        &self,
        (context, cluster): (&Context, &Cluster),
        command: &[String],
        (input, output): (Option<R>, &mut W),
        over: impl Future<Output = String> + Send,
    ) -> Result<Streamed, cluster::Error>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let (pod, container) = (self.pod.as_str(), self.container.as_deref());
        let left = context.remaining();
        let stop = async {
            tokio::select! {
                why = self.gone(context) => why,
                why = over => why,
            }
        };
        let done = cluster
            .exec_stream(&self.namespace, pod, container, command, input, output, left, stop)
            .await;
        drop(output.shutdown().await);
        done
    }

    /// Waits until the container is gone, and says how. An API server does not end the stream of a
    /// command whose pod was deleted while it was writing to it.
    pub(in crate::action) async fn gone(&self, context: &Context) -> String {
        loop {
            tokio::time::sleep(LOOK).await;
            let (Ok(cluster), Some(kind)) = (context.cluster(), builtin("Pod")) else { continue };
            let found = match cluster.get(&kind, Some(&self.namespace), &self.pod).await {
                Ok(pod) => Some(pod),
                Err(error) if error.kind == ErrorKind::NotFound => None,
                // nothing is known of it
                Err(_) => continue,
            };
            if let Some(reason) = self.ended(found.as_ref()) {
                return reason;
            }
        }
    }

    /// Why the container is not the one any more in which the command was started.
    fn ended(&self, pod: Option<&Value>) -> Option<String> {
        let Some(pod) = pod.filter(|pod| self.identity.uid == text(&pod["metadata"]["uid"])) else {
            return Some(format!("pod {} was deleted", self.pod));
        };
        let status = status_of(pod, self.container.as_deref())?;
        let id = text(&status["containerID"]);
        let other = self.identity.container_id.is_some() && self.identity.container_id != id;
        let over = !status["state"]["terminated"].is_null();
        let name = status["name"].as_str().unwrap_or_default();
        (other || over).then(|| format!("container {name} of pod {} ended", self.pod))
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The status of a container; of the first without a name.
fn status_of<'a>(pod: &'a Value, container: Option<&str>) -> Option<&'a Value> {
    let all = pod["status"]["containerStatuses"].as_array()?;
    all.iter().find(|status| container.is_none_or(|name| status["name"] == name))
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
    let container = container.map(str::to_owned).or_else(|| pod::default_container(found));
    let status = status_of(found, container.as_deref());
    let identity = Identity {
        uid: text(&found["metadata"]["uid"]),
        container_id: status.and_then(|status| text(&status["containerID"])),
    };
    Ok(Place { namespace, pod: name(found), container, identity })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_that_was_started_again_is_another() {
        let pod = |uid: &str, id: &str, state: Value| {
            let status =
                json!([{"name": "side"}, {"name": "db", "containerID": id, "state": state}]);
            json!({"metadata": {"uid": uid}, "status": {"containerStatuses": status}})
        };
        let place = Place {
            namespace: "n".into(),
            pod: "p".into(),
            container: Some("db".into()),
            identity: Identity { uid: Some("1".into()), container_id: Some("a".into()) },
        };
        let running = json!({"running": {}});
        let ended = |found: Option<Value>| place.ended(found.as_ref());
        assert_eq!(ended(Some(pod("1", "a", running.clone()))), None);
        assert_eq!(ended(None).unwrap(), "pod p was deleted");
        assert_eq!(ended(Some(pod("2", "a", running.clone()))).unwrap(), "pod p was deleted");
        for (id, state) in [("b", running), ("a", json!({"terminated": {}}))] {
            let found = pod("1", id, state);
            assert_eq!(ended(Some(found)).unwrap(), "container db of pod p ended");
        }
    }
}
