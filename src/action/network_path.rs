//! `network_path`: whether names, ports and NetworkPolicies allow a connection, and if not, why.

use super::probe_pod::equalities;
use super::support::fan_out::{quote, reading};
use super::support::manifest::{documents, read};
use super::support::network_answer::answer;
use super::support::network_destination::{To, WORKLOADS, candidates, parse};
use super::support::network_inventory::{
    Survey, everything, everything_permissions, namespaces, namespaces_permissions,
};
use super::support::workload;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb, Which};
use crate::cluster::{PodsOf, builtin};
use crate::event::Effect;
use crate::network::{Destination, Edge, Inventory, PortName, Protocol, Source, trace};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Evaluates from live objects whether a connection can succeed: name, Service port, target port,
/// ready endpoints, egress of the source, ingress of the destination, DNS. Sends no traffic.
/// Evaluates every running pod of the source, or the pod template if none is running. The output
/// describes the worst result: `{verdict, allowed, first_failing, reason, reasons, stages, host,
/// port, sources, failed, connections, misdirected, not_evaluated, notes, fix}`. `verdict` is
/// `allowed`, `denied` or `unknown`; `allowed` is null if it is unknown, which satisfies no
/// expectation. `first_failing` is `dns_udp`, `dns_tcp`, `name`, `service_port`, `endpoints`,
/// `egress`, `ingress` or `other_policies`. `failed` lists every stage that fails for any source,
/// so that a connection denied on both sides shows both, and `reasons` has what each of them says;
/// `connections` has one item per source and endpoint: `{from, to, allowed, egress, ingress}`. A
/// Service whose target port no container declares, while policies deny that port and allow one
/// that is declared, fails at `service_port`; `misdirected` is then `{target_port, declared,
/// pods}`, `connections` are those to the declared port, and only a probe in the pods proves that
/// nothing listens on the target port. `not_evaluated` lists the policies of other kinds that could
/// decide about the connection. `fix` has the `policies` that would allow the connection,
/// and `alternatives` that change existing objects.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkPath {
    /// Source: pods, a workload, or the labels of hypothetical pods (`{kind: Pod, selector:
    /// "app=x"}`).
    pub from: Target,
    /// Destination as the client writes it: `mysql`, `mysql.apps`, `http://api:80`, `10.0.0.1`, an
    /// external host; or `pod/NAME`, `service/NAME`, `deployment/NAME`.
    pub to: String,
    /// Namespace of the destination; defaults to the namespace of the source.
    pub to_namespace: Option<String>,
    /// Port that the client connects to, by number or name; defaults to the port of the URL.
    pub port: Option<PortName>,
    /// `TCP`, `UDP` or `SCTP`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Known addresses of an external host.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// `NetworkPolicy` manifests to evaluate as if they were applied.
    #[serde(default)]
    pub assume: Vec<Value>,
    /// YAML file with such manifests.
    pub assume_file: Option<String>,
}

impl Verb for NetworkPath {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        if let Which::Name(_) = &self.from.which
            && let Some(resource) = builtin(&self.from.kind)
            && resource.kind != "Pod"
            && !WORKLOADS.contains(&resource.kind.as_str())
        {
            return Err(format!(
                "the source must be a pod, {} or labels, not {}",
                WORKLOADS.join(", "),
                resource.kind
            ));
        }
        let parsed = parse(&self.to)?;
        match (&self.port, &parsed.port) {
            (None, None) => Err(format!("{} includes no port: set `port`", self.to)),
            (Some(own), Some(other)) if own != other => {
                Err(format!("{} has port {other}, but `port` is {own}", self.to))
            }
            _ => documents("assume", self.assume.clone()).map(|_| ()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let source = self.from.namespace(namespace);
        let mut needed = match (builtin(&self.from.kind), &self.from.which) {
            (Some(resource), Which::Name(name)) if resource.kind != "Pod" => {
                vec![reading(&resource, "get", source, name)]
            }
            _ => Vec::new(),
        };
        needed.extend(self.from.pod_permissions(namespace));
        match parse(&self.to).map(|parsed| parsed.to) {
            Ok(To::Address(_)) => needed.extend(everything_permissions()),
            Ok(to) => needed.extend(namespaces_permissions(
                candidates(&to, source, self.to_namespace.as_deref()).iter().map(String::as_str),
            )),
            Err(_) => {}
        }
        needed.sort();
        needed.dedup();
        needed
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let source = self.from.namespace(namespace);
        let there = self.to_namespace.as_deref().unwrap_or(source);
        let mut lines = vec![format!("kubectl get networkpolicies -n {} -o yaml", quote(source))];
        if there != source {
            lines.push(format!("kubectl get networkpolicies -n {} -o yaml", quote(there)));
        }
        lines.push(format!("kubectl get services,endpointslices -n {}", quote(there)));
        lines.push(format!("kubectl get pods -n {} --show-labels", quote(source)));
        lines
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let parsed = parse(&self.to).map_err(Failure::error)?;
        let own = self.from.namespace(&context.namespace);
        let mut survey = match &parsed.to {
            // an address may be anybody's
            To::Address(_) => everything(context.cluster()?).await?,
            to => {
                namespaces(context.cluster()?, &candidates(to, own, self.to_namespace.as_deref()))
                    .await?
            }
        };
        self.assume(&mut survey, own).await?;
        let sources = sources(context, &self.from, &mut survey.inventory).await?;
        let destinations = destinations(
            context,
            &parsed.to,
            self.to_namespace.as_deref().unwrap_or(own),
            self.to_namespace.is_some(),
        )
        .await?;
        let port =
            self.port.clone().or(parsed.port).ok_or_else(|| Failure::error("set the port"))?;
        let mut paths = Vec::new();
        for source in &sources {
            for destination in &destinations {
                let edge = Edge {
                    source: source.clone(),
                    destination: destination.clone(),
                    port: port.clone(),
                    protocol: self.protocol,
                    addresses: self.addresses.clone(),
                };
                paths.push(
                    trace(&survey.inventory, &edge)
                        .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?,
                );
            }
        }
        let mut output = answer(&survey, &paths)?;
        output.value["host"] = parsed.to.host(self.to_namespace.as_deref()).into();
        Ok(output)
    }
}

impl NetworkPath {
    /// Puts the manifests into the inventory, in the place of objects of the same name.
    async fn assume(&self, survey: &mut Survey, namespace: &str) -> Result<(), Failure> {
        let mut all = documents("assume", self.assume.clone()).map_err(Failure::error)?;
        if let Some(file) = self.assume_file.clone() {
            let documents = crate::blocking::blocking(move || read(&file))
                .await
                .map_err(|error| Failure::error(error.to_string()))?;
            all.extend(documents.map_err(|reason| Failure::new(FailureKind::Failed, reason))?);
        }
        if all.is_empty() {
            return Ok(());
        }
        let assumed: Vec<Value> =
            all.into_iter().map(|document| placed(document.object, namespace)).collect();
        let same = |one: &Value, other: &Value| {
            one["kind"] == other["kind"]
                && ["namespace", "name"]
                    .iter()
                    .all(|key| one["metadata"][key] == other["metadata"][key])
        };
        survey.objects.retain(|object| !assumed.iter().any(|new| same(new, object)));
        survey.objects.extend(assumed);
        survey.inventory = Inventory::from_objects(&survey.objects);
        Ok(())
    }
}

fn placed(mut object: Value, namespace: &str) -> Value {
    if object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// Everybody who connects: each running pod, or what the template or the labels would make.
async fn sources(
    context: &Context,
    target: &Target,
    inventory: &mut Inventory,
) -> Result<Vec<Source>, Failure> {
    let namespace = target.namespace(&context.namespace).to_owned();
    let cluster = context.cluster()?;
    let here = inventory.pods.iter().filter(|state| state.pod.namespace == namespace);
    let known: BTreeSet<String> = here.map(|state| state.pod.name.clone()).collect();
    let pods = async |which: &PodsOf| -> Result<Vec<Source>, Failure> {
        let pods = cluster.pods(which, &namespace).await?;
        // a pod that came after the survey is not judged
        let known = |name: &&str| known.contains(*name);
        Ok(pods
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str())
            .filter(known)
            .map(|name| Source::Pod { namespace: namespace.clone(), name: name.to_owned() })
            .collect())
    };
    match (target.pods()?, &target.which) {
        (PodsOf::Pod(name), _) => Ok(vec![Source::Pod { namespace, name }]),
        (which @ PodsOf::Selector(_), Which::Selector(selector)) => {
            let running = pods(&which).await?;
            match (running.is_empty(), equalities(selector)) {
                (false, _) => Ok(running),
                (true, Some(labels)) => Ok(vec![Source::Labels { namespace, labels }]),
                (true, None) => Err(Failure::new(
                    FailureKind::Failed,
                    format!("{target} in namespace {namespace} has no running pod"),
                )),
            }
        }
        (which, _) => {
            let found = workload::find(context, target).await?;
            let kind = found.resource.kind.clone();
            inventory.add(&kind, &found.object);
            // the pods of Jobs come and go: the template speaks for the next ones
            let running = if matches!(kind.as_str(), "CronJob" | "Job") {
                Vec::new()
            } else {
                pods(&which).await?
            };
            let name = found.object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            Ok(if running.is_empty() {
                vec![Source::Workload { kind: kind.to_lowercase(), namespace, name }]
            } else {
                running
            })
        }
    }
}

async fn destinations(
    context: &Context,
    to: &To,
    namespace: &str,
    given: bool,
) -> Result<Vec<Destination>, Failure> {
    let place = namespace.to_owned();
    Ok(match to {
        To::Address(address) => vec![Destination::Address(*address)],
        To::Pod(name) => vec![Destination::Pod { namespace: place, name: name.clone() }],
        To::Service(name) => vec![Destination::Service { namespace: place, name: name.clone() }],
        // a name without dots in a namespace that is given
        To::Host(name) if given && !name.contains('.') => {
            vec![Destination::Service { namespace: place, name: name.clone() }]
        }
        To::Host(host) => vec![Destination::Host(host.clone())],
        To::Workload { kind, name } => {
            let pods = context
                .cluster()?
                .pods(&PodsOf::Workload { kind: kind.clone(), name: name.clone() }, namespace)
                .await?;
            if pods.is_empty() {
                return Err(Failure::new(
                    FailureKind::Failed,
                    format!(
                        "{} {namespace}/{name} has no running pod to connect to",
                        kind.to_lowercase()
                    ),
                ));
            }
            let name_of =
                |pod: &Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            pods.iter()
                .map(|pod| Destination::Pod { namespace: place.clone(), name: name_of(pod) })
                .collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_in_the_arguments() {
        let check = |value| serde_json::from_value::<NetworkPath>(value).unwrap().check();
        assert!(check(json!({"from": "deployment/a", "to": "http://b"})).is_ok());
        assert!(check(json!({"from": "deployment/a", "to": "b", "port": "http"})).is_ok());
        assert!(
            check(json!({"from": "deployment/a", "to": "b"})).unwrap_err().contains("set `port`")
        );
        assert!(
            check(json!({"from": "deployment/a", "to": "b:80", "port": 81}))
                .unwrap_err()
                .contains("port 80")
        );
        assert!(
            check(json!({"from": "service/a", "to": "b:80"}))
                .unwrap_err()
                .contains("the source must be")
        );
    }
}
