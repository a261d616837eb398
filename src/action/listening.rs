//! `listening`: whether something listens on a port of pods.

use super::support::fan_out::{each_pod, item, pods_of, quote};
use super::support::kubectl_line;
use super::support::port_state::port_state;
use super::support::settled::Question;
use super::support::wrong;
use super::{Access, Context, Failure, Output, Pods, Reach, Target, Verb, Wrong};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Whether something listens on a port of pods. Connects as `kubectl port-forward` does, to the
/// loopback address, and through the proxy of the API server, to the address of the pod: no
/// NetworkPolicy stops it, and the image needs no tool. The output is a list with one item per pod:
/// `{pod, port, listening, loopback, address}`. `listening` is false if both addresses refuse the
/// connection; if nothing is known of one and the other refuses, the item is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listening {
    /// Pods to ask.
    pub target: Target,
    /// Port of the pods, by number; containers need not declare it.
    pub port: u16,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
}

impl Verb for Listening {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map(drop).map_err(|failure| failure.message)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let on = |verb: &str, subresource: &str| Access {
            verb: verb.to_owned(),
            resource: "pods".to_owned(),
            subresource: subresource.to_owned(),
            namespace: self.target.namespace(namespace).to_owned(),
            ..Access::default()
        };
        let mut all = self.target.pod_permissions(namespace);
        all.extend([on("create", "portforward"), on("get", "proxy")]);
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let (place, port) = (self.target.namespace(namespace), self.port);
        let (mut lines, pod) = kubectl_line::pods(&self.target, Pods::All, place);
        lines.push(format!("kubectl port-forward -n {} {pod} {port}:{port} &", quote(place)));
        lines.push(format!("nc -zv localhost {port}"));
        lines
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        wrong::items(output, &["listening", "loopback", "address"], |item| {
            (item["listening"] == false)
                .then(|| format!("nothing listens on port {}", item["port"]))
        })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let pods = pods_of(context, &self.target, self.pods).await?;
        let namespace = self.target.namespace(&context.namespace);
        let question = Question::read(context, &self.target, self.pods);
        let cluster = context.cluster()?;
        let mut output = each_pod(question, &pods, |name, _| async move {
            let state = port_state(cluster, (namespace, &name, self.port), true).await;
            let listening = match (state.loopback, state.address) {
                (Some(true), _) | (_, Some(true)) => true,
                (Some(false), Some(false)) => false,
                _ => {
                    return Err(Failure::error(format!(
                        "cannot tell whether pod {name} listens on port {}: neither its loopback \
                        address nor its own accepts a connection, and {} refuses it",
                        self.port,
                        if state.loopback.or(state.address).is_some() {
                            "only one"
                        } else {
                            "none"
                        }
                    )));
                }
            };
            Ok(item([
                ("port", self.port.into()),
                ("listening", listening.into()),
                ("loopback", state.loopback.into()),
                ("address", state.address.into()),
            ]))
        })
        .await?;
        if let Some(items) = output.value.as_array() {
            let listening = items.iter().filter(|item| item["listening"] == true).count();
            output.summary = format!("{listening} of {}", items.len());
        }
        Ok(output)
    }
}
