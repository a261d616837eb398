//! `probe_pod`: starts a short-lived pod to which NetworkPolicies apply as to the pods of a
//! workload.

use super::support::change::{Change, Intent};
use super::support::fan_out::{quote, reading};
use super::support::unique_name::{MADE_BY, unique_name};
use super::support::workload;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb, Which};
use crate::cluster::{Selection, WaitError, builtin, ending};
use crate::diagnosis::pod;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The seconds after which the cluster ends a pod that was not deleted.
const LIFE: u64 = 600;
/// A condition that is never set: the pod never becomes ready, so no Service sends it traffic.
const NEVER_READY: &str = "runbook/probe";

/// Creates an idle pod with the labels of a workload's pods and waits until it is running. Verbs
/// such as `tcp`, `dns`, `http` and `exec` can then use `pod/{{ steps.ID.output.pod }}`. The pod is
/// never ready, so that no Service sends it traffic, has no service account token, and ends after
/// ten minutes; delete it in `always`. The output is `{pod, labels, image}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbePod {
    /// Workload whose labels the pod gets: `deployment/NAME`, `cronjob/NAME`; or labels, `{kind:
    /// Pod, selector: "app=x"}`, with equality requirements only.
    pub like: Target,
    /// Image; defaults to the image of the first container of the workload. It must contain nc,
    /// curl or python3.
    pub image: Option<String>,
    /// Command of the pod; it must keep running.
    #[serde(default = "sleep")]
    pub command: Vec<String>,
}

fn sleep() -> Vec<String> {
    vec!["sleep".to_owned(), LIFE.to_string()]
}

impl Verb for ProbePod {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (&self.like.which, builtin(&self.like.kind).map(|resource| resource.kind)) {
            (Which::Selector(selector), Some(kind)) if kind == "Pod" => {
                match (equalities(selector), &self.image) {
                    (None, _) => {
                        Err(format!("`{selector}`: pod labels require equality, such as a=b,c=d"))
                    }
                    (Some(_), None) => Err("labels have no image: set `image`".to_owned()),
                    (Some(_), Some(_)) => Ok(()),
                }
            }
            // their controllers would take the pod for one of theirs
            (Which::Name(_), Some(kind))
                if ["DaemonSet", "ReplicaSet", "ReplicationController"]
                    .contains(&kind.as_str()) =>
            {
                Err(format!(
                    "a {kind} adopts pods with its labels: select the relevant labels with `kind: \
                        Pod` and a selector"
                ))
            }
            (Which::Name(_), Some(kind))
                if workload::TEMPLATED.contains(&kind.as_str()) || kind == "Job" =>
            {
                Ok(())
            }
            _ => Err("`like` must be a Deployment, StatefulSet, CronJob or Job, or `{kind: Pod, \
                    selector}`"
                .to_owned()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.like.namespace(namespace);
        let source = match (&self.like.which, builtin(&self.like.kind)) {
            (Which::Name(name), Some(resource)) => Some(reading(&resource, "get", place, name)),
            _ => None,
        };
        let pods = builtin("Pod").into_iter().flat_map(|resource| {
            ["get", "list", "watch", "create"].map(|verb| reading(&resource, verb, place, ""))
        });
        source.into_iter().chain(pods).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let labels = match &self.like.which {
            Which::Selector(selector) => selector.clone(),
            Which::Name(_) => "LABELS-OF-THE-TEMPLATE".to_owned(),
        };
        let command: Vec<String> = self.command.iter().map(|word| quote(word)).collect();
        vec![format!(
            "kubectl run probe -n {} --image={} --restart=Never --labels={} --command -- {}",
            quote(self.like.namespace(namespace)),
            quote(self.image.as_deref().unwrap_or("IMAGE")),
            quote(&labels),
            command.join(" ")
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        match &self.like.which {
            Which::Name(_) => workload::lock_of(&self.like, namespace),
            Which::Selector(selector) => {
                vec![format!("{}/pod/{selector}", self.like.namespace(namespace))]
            }
        }
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let pods = cluster.resolve("Pod").await?;
        let namespace = self.like.namespace(&context.namespace);
        let name = self.pod_name(context);
        let stamp = format!("{}/{}", context.run, context.path);
        let output = Map::from_iter([("pod".to_owned(), json!(name))]);
        if let Some(present) = cluster.get_optional(&pods, namespace, &name).await? {
            if present["metadata"]["annotations"][MADE_BY] == *stamp {
                return Ok(Some(Intent { output, ..Intent::default() }));
            }
            return Err(Failure::new(
                FailureKind::Failed,
                format!("pod {name} already exists and was not created by this step; delete it"),
            ));
        }
        let (labels, image) = self.resembled(context).await?;
        let object = manifest(&name, namespace, &labels, &image, &self.command, &stamp);
        let mut intent = Intent::of(
            Some(Change::create(
                &pods,
                object,
                format!("a probe pod with the labels of {}", self.like),
            )),
            Vec::new(),
        );
        intent.output = output;
        Ok(Some(intent))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let pods = cluster.resolve("Pod").await?;
        let namespace = self.like.namespace(&context.namespace);
        let name = self.pod_name(context);
        let waited = cluster
            .watch_until(
                &pods,
                Some(namespace),
                &Selection::name(&name),
                context.deadline,
                |objects| {
                    let Some(object) = objects.values().next() else {
                        return ControlFlow::Break(Err(Failure::new(
                            FailureKind::Failed,
                            format!("pod {name} was deleted before it started"),
                        )));
                    };
                    if runs(object) {
                        return ControlFlow::Break(Ok(object.clone()));
                    }
                    if let Some(reason) = ending::terminal(object).or_else(|| {
                        pod::is_finished(object).then(|| {
                            "it ended immediately: its image cannot run the command".to_owned()
                        })
                    }) {
                        return ControlFlow::Break(Err(Failure::new(
                            FailureKind::Failed,
                            format!("pod {name} is not running: {reason}"),
                        )));
                    }
                    (context.progress)(&format!("pod {name}: {}", pod::pod_status(object)));
                    ControlFlow::Continue(())
                },
            )
            .await;
        match waited {
            Ok(Ok(object)) => {
                let value = json!({"pod": name, "labels": object["metadata"]["labels"],
                    "image": object["spec"]["containers"][0]["image"]});
                Ok(Output::new(value, name))
            }
            Ok(Err(failure)) => Err(failure),
            Err(WaitError::Timeout { last, waited, last_error }) => {
                let seen = last
                    .values()
                    .next()
                    .map_or_else(|| "it does not exist".to_owned(), pod::pod_status);
                Err(Failure::in_vain(
                    format!("pod {name} was not running within {} s: {seen}", waited.as_secs()),
                    last_error.as_deref(),
                ))
            }
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}

impl ProbePod {
    fn pod_name(&self, context: &Context) -> String {
        let like = match &self.like.which {
            Which::Name(name) => name.as_str(),
            Which::Selector(_) => "labels",
        };
        unique_name(&format!("probe-{like}"), &context.run, &context.path)
    }

    /// The labels and the image of the pod.
    async fn resembled(
        &self,
        context: &Context,
    ) -> Result<(BTreeMap<String, String>, String), Failure> {
        if let Which::Selector(selector) = &self.like.which {
            let image = self.image.clone().ok_or_else(|| Failure::error("labels have no image"))?;
            return Ok((
                equalities(selector)
                    .ok_or_else(|| Failure::error("pod labels require equality"))?,
                image,
            ));
        }
        let found = workload::find(context, &self.like).await?;
        let template = found
            .object
            .pointer(workload::template_of(&found.resource.kind))
            .cloned()
            .unwrap_or_default();
        let labels = template["metadata"]["labels"].as_object().into_iter().flatten();
        let labels = labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        let image = self
            .image
            .clone()
            .or_else(|| template["spec"]["containers"][0]["image"].as_str().map(str::to_owned));
        Ok((
            labels,
            image.ok_or_else(|| {
                Failure::error(format!(
                    "{} has no container, so there is no image for the probe \
                    pod",
                    self.like
                ))
            })?,
        ))
    }
}

/// The pod: small, without permissions, allowed by the strictest pod security level, and never
/// selected by a Service.
fn manifest(
    name: &str,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    image: &str,
    command: &[String],
    stamp: &str,
) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": name, "namespace": namespace, "labels": labels,
    "annotations": {MADE_BY: stamp}},
    "spec": {
        "restartPolicy": "Never", "activeDeadlineSeconds": LIFE, "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false, "readinessGates": [{"conditionType": NEVER_READY}],
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65534,
        "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "probe", "image": image, "command": command,
            "securityContext": {"allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "200m",
            "memory": "64Mi"}}}],
    }})
}

fn runs(object: &Value) -> bool {
    object["status"]["containerStatuses"][0]["state"]["running"].is_object()
}

/// `a=b,c==d` as labels; none for a selector that says anything else.
pub(super) fn equalities(selector: &str) -> Option<BTreeMap<String, String>> {
    selector
        .split(',')
        .map(|part| {
            let (key, value) = part.split_once('=').filter(|(key, _)| !key.ends_with('!'))?;
            let value = value.strip_prefix('=').unwrap_or(value);
            (!value.contains(['=', '(', ' ']))
                .then(|| (key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_selector() {
        assert_eq!(
            equalities("a=b,c==d"),
            Some([("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())].into())
        );
        for selector in ["a", "a!=b", "a in (b)", "!a"] {
            assert_eq!(equalities(selector), None, "{selector}");
        }
    }

    #[test]
    fn whom_it_may_resemble() {
        let check = |value| serde_json::from_value::<ProbePod>(value).unwrap().check();
        for (value, good) in [
            (json!({"like": "deployment/a"}), true),
            (json!({"like": "cronjob/a", "image": "i"}), true),
            (json!({"like": {"kind": "Pod", "selector": "a=b"}, "image": "i"}), true),
            (json!({"like": {"kind": "Pod", "selector": "a=b"}}), false),
            (json!({"like": {"kind": "Pod", "selector": "a in (b)"}, "image": "i"}), false),
            (json!({"like": "daemonset/a"}), false),
            (json!({"like": "service/a"}), false),
        ] {
            assert_eq!(check(value.clone()).is_ok(), good, "{value}");
        }
    }

    #[test]
    fn no_service_and_no_controller_takes_it_for_its_own() {
        let labels = [("app".to_owned(), "a".to_owned())].into();
        let object = manifest("p", "n", &labels, "i", &sleep(), "r/s");
        assert_eq!(object["spec"]["readinessGates"][0]["conditionType"], NEVER_READY);
        assert_eq!(object["spec"]["automountServiceAccountToken"], false);
        assert!(object["metadata"]["labels"].get("pod-template-hash").is_none());
    }
}
