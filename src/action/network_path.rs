//! `network_path`: whether policies, names and ports let one end reach another, and why not.

use super::probe_pod::equalities;
use super::support::fan_out::{quote, reading};
use super::support::manifest::{documents, read};
use super::support::network_inventory::{
    Survey, everything, everything_permissions, namespaces, namespaces_permissions,
};
use super::support::workload;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Target, Verb, Which};
use crate::cluster::{PodsOf, builtin};
use crate::event::Effect;
use crate::network::{
    Decision, Destination, Edge, Inventory, Path, PortName, Protocol, Source, StageName,
    StageOutcome, host, propose_for_path, trace,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The kinds that a path may start from or end at, beside pods and Services.
const WORKLOADS: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

/// Evaluates from live objects whether a connection can succeed: name, Service port, target port,
/// ready endpoints, egress of the source, ingress of the destination, DNS. Sends no traffic.
/// Evaluates every running pod of the source, or the pod template if none is running. The output
/// describes the worst result: `{verdict, allowed, first_failing, reason, stages, host, port,
/// sources, failed, connections, not_evaluated, notes, fix}`. `verdict` is `allowed`, `denied` or
/// `unknown`; `allowed` is null if it is unknown, which satisfies no expectation. `first_failing`
/// is `dns_udp`, `dns_tcp`, `name`, `service_port`, `endpoints`, `egress`, `ingress` or
/// `other_policies`. `failed` lists every stage that fails for any source, so that a connection
/// denied on both sides shows both; `connections` has one item per source and endpoint: `{from, to,
/// allowed, egress, ingress}`. `fix` has the `policies` that would allow the connection, and
/// `alternatives` that change existing objects.
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

/// The destination as far as the text says.
#[derive(Clone, Debug, PartialEq)]
struct Parsed {
    to: To,
    port: Option<PortName>,
}

#[derive(Clone, Debug, PartialEq)]
enum To {
    Workload { kind: String, name: String },
    Pod(String),
    Service(String),
    Address(IpAddr),
    Host(String),
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

impl To {
    /// The name or address that a client uses; none for pods, which have no name.
    fn host(&self, namespace: Option<&str>) -> Option<String> {
        match self {
            To::Address(address) => Some(address.to_string()),
            To::Host(name) | To::Service(name) if !name.contains('.') => Some(
                namespace.map_or_else(|| name.clone(), |namespace| format!("{name}.{namespace}")),
            ),
            To::Host(name) | To::Service(name) => Some(name.clone()),
            To::Pod(_) | To::Workload { .. } => None,
        }
    }
}

impl NetworkPath {
    /// Puts the manifests into the inventory, in the place of objects of the same name.
    async fn assume(&self, survey: &mut Survey, namespace: &str) -> Result<(), Failure> {
        let mut all = documents("assume", self.assume.clone()).map_err(Failure::error)?;
        if let Some(file) = self.assume_file.clone() {
            let documents = tokio::task::spawn_blocking(move || read(&file))
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

/// Reads a destination: a URL, `host:port`, a host, an address, or `kind/name`.
fn parse(text: &str) -> Result<Parsed, String> {
    let wrong = || {
        format!(
            "`{text}` is not a destination: use a host name, a URL, an address, pod/NAME, \
                service/NAME or deployment/NAME"
        )
    };
    let text_only = |to| Ok(Parsed { to, port: None });
    if let Some((kind, name)) = text.split_once('/').filter(|_| !text.contains("://")) {
        if name.is_empty() || name.contains('/') {
            return Err(wrong());
        }
        return match builtin(kind).map(|resource| resource.kind) {
            Some(kind) if kind == "Pod" => text_only(To::Pod(name.to_owned())),
            Some(kind) if kind == "Service" => text_only(To::Service(name.to_owned())),
            Some(found) if WORKLOADS.contains(&found.as_str()) => {
                text_only(To::Workload { kind: found, name: name.to_owned() })
            }
            _ => Err(wrong()),
        };
    }
    let (destination, port) = host::parse(text).ok_or_else(wrong)?;
    let to = match destination {
        Destination::Address(address) => To::Address(address),
        Destination::Host(name) => To::Host(name),
        Destination::Pod { .. } | Destination::Service { .. } => return Err(wrong()),
    };
    Ok(Parsed { to, port: port.map(PortName::Number) })
}

/// The namespaces that could matter: those of both ends, and the second part of a host name, which
/// may be one.
fn candidates(to: &To, source: &str, given: Option<&str>) -> BTreeSet<String> {
    let mut names = BTreeSet::from([source.to_owned()]);
    names.extend(given.map(str::to_owned));
    if let To::Host(host) = to {
        let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        let named = match parts.as_slice() {
            [_, namespace] | [_, namespace, "svc", ..] | [_, _, namespace, "svc", ..] => {
                Some(*namespace)
            }
            _ => None,
        };
        names.extend(named.map(str::to_owned));
    }
    names
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

/// The worst of the paths with what would mend all of them.
fn answer(survey: &Survey, paths: &[Path]) -> Result<Output, Failure> {
    let badness = |path: &Path| match path.verdict {
        Decision::Denied => 2,
        Decision::Unknown => 1,
        Decision::Allowed => 0,
    };
    // the first of the worst
    let worst = paths
        .iter()
        .rev()
        .max_by_key(|path| badness(path))
        .ok_or_else(|| Failure::error("there is no connection to evaluate"))?;
    let mut fix = crate::network::Fix::default();
    for path in paths {
        let one = propose_for_path(survey.inventory.cluster(), path);
        fix.policies.extend(
            one.policies.into_iter().filter(|new| !fix.policies.contains(new)).collect::<Vec<_>>(),
        );
        fix.alternatives.extend(
            one.alternatives
                .into_iter()
                .filter(|new| !fix.alternatives.contains(new))
                .collect::<Vec<_>>(),
        );
        fix.obstacles.extend(
            one.obstacles
                .into_iter()
                .filter(|new| !fix.obstacles.contains(new))
                .collect::<Vec<_>>(),
        );
    }
    let allowed = match worst.verdict {
        Decision::Allowed => Some(true),
        Decision::Denied => Some(false),
        Decision::Unknown => None,
    };
    let each: Vec<Value> = paths
        .iter()
        .map(|path| {
            json!({"source": path.source, "destination": path.destination,
            "verdict": path.verdict, "first_failing": path.first_failing, "reason": reason(path)})
        })
        .collect();
    let good = paths.iter().filter(|path| path.verdict == Decision::Allowed).count();
    let summary = if good == paths.len() {
        "allowed".to_owned()
    } else if paths.len() == 1 {
        worst.verdict.to_string()
    } else {
        format!("{} ({good} of {} allowed)", worst.verdict, paths.len())
    };
    let foreign: Vec<String> =
        worst.not_evaluated.iter().map(|one| one.policy.to_string()).collect();
    let notes: Vec<String> =
        worst.notes.iter().cloned().chain(survey.gaps.iter().cloned()).collect();
    let mut value = json!({
        "verdict": worst.verdict, "allowed": allowed, "first_failing": worst.first_failing,
        "reason": reason(worst),
        "source": worst.source, "destination": worst.destination, "protocol": worst.protocol,
        "port": worst.port,
        "stages": worst.stages, "sources": each, "failed": failed(paths),
        "connections": connections(paths), "not_evaluated": foreign, "notes": notes, "fix": fix,
    });
    if worst.verdict != Decision::Allowed {
        value["display"] = json!(lines(worst));
    }
    Ok(Output::new(value, summary))
}

/// Every stage that fails on any of the ways, in their order.
pub(super) fn failed(paths: &[Path]) -> Vec<StageName> {
    let mut found: Vec<StageName> = paths
        .iter()
        .flat_map(|path| &path.stages)
        .filter(|stage| stage.outcome == StageOutcome::Failed)
        .map(|stage| stage.stage)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What policies say of each source and endpoint.
fn connections(paths: &[Path]) -> Vec<Value> {
    let judged = paths.iter().flat_map(|path| {
        path.connections.iter().filter(|one| !one.dns).map(move |one| (path, &one.explanation))
    });
    let told = judged.map(|(path, explanation)| {
        json!({"from": path.source, "to": explanation.destination, "allowed": explanation.allowed,
            "egress": explanation.egress.passes(), "ingress": explanation.ingress.passes()})
    });
    told.collect()
}

/// For a person: what does not pass, and what looks like a slip beside it.
fn lines(path: &Path) -> Vec<String> {
    const SLIP: u8 = 2;
    const NEAR: usize = 2;
    let mut lines = Vec::new();
    for stage in path.stages.iter().filter(|stage| stage.outcome != StageOutcome::Passed) {
        lines.push(format!("{}: {}", stage.stage, stage.sentence));
        let slips = stage.near_misses.iter().filter(|miss| miss.distance <= SLIP).take(NEAR);
        lines.extend(slips.map(|miss| format!("near: {miss}")));
    }
    lines.extend(path.notes.iter().map(|note| format!("note: {note}")));
    lines
}

/// What the first stage that does not pass says; empty if all pass.
fn reason(path: &Path) -> String {
    let with = |outcome| path.stages.iter().find(|stage| stage.outcome == outcome);
    with(StageOutcome::Failed)
        .or_else(|| with(StageOutcome::Unknown))
        .map(|stage| format!("{}: {}", stage.stage, stage.sentence))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_as_clients_write_them() {
        let host = |name: &str| To::Host(name.to_owned());
        for (text, to, port) in [
            ("mysql", host("mysql"), None),
            ("mysql:3306", host("mysql"), Some(3306)),
            ("http://petrosa-data-manager:80", host("petrosa-data-manager"), Some(80)),
            (
                "http://petrosa-tradeengine-service/health?x=1",
                host("petrosa-tradeengine-service"),
                Some(80),
            ),
            ("https://fapi.binance.com", host("fapi.binance.com"), Some(443)),
            ("mysql+pymysql://user:p@ss@mysql/db", host("mysql"), Some(3306)),
            ("nats://nats-server.nats:4222", host("nats-server.nats"), Some(4222)),
            ("10.1.2.3:80", To::Address("10.1.2.3".parse().unwrap()), Some(80)),
            ("[fd00::1]:80", To::Address("fd00::1".parse().unwrap()), Some(80)),
            ("fd00::1", To::Address("fd00::1".parse().unwrap()), None),
            ("pod/a", To::Pod("a".into()), None),
            ("svc/a", To::Service("a".into()), None),
            ("deploy/a", To::Workload { kind: "Deployment".into(), name: "a".into() }, None),
        ] {
            assert_eq!(parse(text), Ok(Parsed { to, port: port.map(PortName::Number) }), "{text}");
        }
        for text in ["", "a b", "mysql:x", "configmap/a", "a/b/c", "http://", "-x", "mysql:99999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn namespaces_that_could_matter() {
        let of = |to: &str| {
            candidates(&parse(to).unwrap().to, "apps", None)
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of("mysql"), "apps");
        assert_eq!(of("nats-server.nats"), "apps nats");
        assert_eq!(of("a.b.svc.cluster.local."), "apps b");
        assert_eq!(of("mysql-0.mysql.db.svc"), "apps db");
        assert_eq!(of("fapi.binance.com"), "apps");
    }

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
