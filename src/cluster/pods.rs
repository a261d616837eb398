//! The pods of a target.

use serde_json::Value;

use super::client::Cluster;
use super::error::{Error, ErrorKind};
use super::read::Selection;
use crate::api::resource::{Resource, builtin};
use crate::diagnosis::pod::is_live;

/// Selects pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodsOf {
    /// The pod of this name.
    Pod(String),
    /// The pods with these labels: `app=shop,tier!=cache`.
    Selector(String),
    /// The pods that this workload controls, directly or through its ReplicaSets or Jobs.
    Workload {
        /// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob, by any of its names.
        kind: String,
        /// The name of the workload.
        name: String,
    },
    /// The pods that this service selects, ready or not.
    Service(String),
}

impl Cluster {
    /// The pods of a target, sorted by name. Pods that have finished or are being deleted are left
    /// out, except when a pod is asked for by its name.
    ///
    /// A workload's pods are found by controller reference, not by its labels alone: overlapping
    /// labels would pick foreign pods.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the target does not exist; no pods at all is an empty list.
    pub async fn pods(&self, target: &PodsOf, namespace: &str) -> Result<Vec<Value>, Error> {
        let mut pods = self.pods_with_finished(target, namespace).await?;
        if !matches!(target, PodsOf::Pod(_)) {
            pods.retain(is_live);
        }
        Ok(pods)
    }

    /// The same with the pods that have finished or are being deleted: for logs.
    ///
    /// # Errors
    /// As [`Cluster::pods`].
    pub async fn pods_with_finished(
        &self,
        target: &PodsOf,
        namespace: &str,
    ) -> Result<Vec<Value>, Error> {
        let pods = known("Pod")?;
        match target {
            PodsOf::Pod(name) => Ok(vec![self.get(&pods, Some(namespace), name).await?]),
            PodsOf::Selector(selector) => {
                self.list(&pods, Some(namespace), &Selection::labels(selector)).await
            }
            PodsOf::Service(name) => {
                let service = self.get(&known("Service")?, Some(namespace), name).await?;
                let selector = equalities(&service["spec"]["selector"]);
                if selector.is_empty() {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!(
                            "service {name:?} in namespace {namespace:?} has no selector, so its \
                                pods are unknown"
                        ),
                    ));
                }
                self.list(&pods, Some(namespace), &Selection::labels(selector)).await
            }
            PodsOf::Workload { kind, name } => self.controlled_pods(kind, name, namespace).await,
        }
    }

    async fn controlled_pods(
        &self,
        kind: &str,
        name: &str,
        namespace: &str,
    ) -> Result<Vec<Value>, Error> {
        let resource = self.resolve(kind).await?;
        let between = match resource.kind.as_str() {
            "Deployment" => Some(known("ReplicaSet")?),
            "CronJob" => Some(known("Job")?),
            "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => None,
            "Pod" => return Ok(vec![self.get(&resource, Some(namespace), name).await?]),
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "{other} {name:?} is not a supported workload: use a Deployment, \
                            StatefulSet, DaemonSet, ReplicaSet, Job or CronJob"
                    ),
                ));
            }
        };
        let pods = known("Pod")?;
        let workload = self.get(&resource, Some(namespace), name).await?;
        let selection = match resource.kind.as_str() {
            // A CronJob selects nothing itself; its pods carry the label of their Job.
            "CronJob" => Selection::labels("job-name"),
            "ReplicationController" => Selection::labels(equalities(&workload["spec"]["selector"])),
            _ => Selection::labels(label_selector(&workload["spec"]["selector"])),
        };
        let owner = uid(&workload);
        let (owners, mut found) = match between {
            None => (vec![owner], self.list(&pods, Some(namespace), &selection).await?),
            Some(between) => {
                let middle =
                    if resource.kind == "CronJob" { Selection::all() } else { selection.clone() };
                let (middle, found) = tokio::try_join!(
                    self.list(&between, Some(namespace), &middle),
                    self.list(&pods, Some(namespace), &selection)
                )?;
                (
                    middle
                        .iter()
                        .filter(|object| controller(object) == Some(owner.as_str()))
                        .map(uid)
                        .collect(),
                    found,
                )
            }
        };
        found.retain(|pod| {
            controller(pod).is_some_and(|uid| owners.iter().any(|owner| owner == uid))
        });
        Ok(found)
    }
}

fn known(kind: &str) -> Result<Resource, Error> {
    builtin(kind)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("no built-in kind {kind:?}")))
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// The uid of the controller of an object.
fn controller(object: &Value) -> Option<&str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

/// `a=b,c=d` of a map of labels.
fn equalities(labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect::<Vec<_>>()
        .join(",")
}

/// A LabelSelector object (`matchLabels`, `matchExpressions`) as the text that list requests take.
pub fn label_selector(selector: &Value) -> String {
    let mut parts = Vec::new();
    let equal = equalities(&selector["matchLabels"]);
    if !equal.is_empty() {
        parts.push(equal);
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_label_selectors() {
        let cases = [
            (json!({"matchLabels": {"a": "b", "c": "d"}}), "a=b,c=d"),
            (
                json!({"matchExpressions": [{"key": "t", "operator": "In", "values": ["x", "y"]}]}),
                "t in (x,y)",
            ),
            (
                json!({"matchLabels": {"a": "b"}, "matchExpressions": [
                    {"key": "t", "operator": "NotIn", "values": ["x"]},
                    {"key": "u", "operator": "Exists"},
                    {"key": "w", "operator": "DoesNotExist"}]}),
                "a=b,t notin (x),u,!w",
            ),
            (Value::Null, ""),
        ];
        for (selector, text) in cases {
            assert_eq!(label_selector(&selector), text);
        }
    }
}
