//! `network_audit`: lints the policies of a namespace, and evaluates whether the connections that
//! its workloads need are allowed.

use super::support::fan_out::quote;
use super::support::local_file::expand;
use super::support::manifest::{read, stamped};
use super::support::network_answer::{decisive, failed, misdirected, reason};
use super::support::network_inventory::{Survey, everything, everything_permissions};
use super::support::policy_guard::with;
use super::{Access, Context, Failure, FailureKind, Output, Reach, Verb};
use crate::diagnosis::pod::is_live;
use crate::event::Effect;
use crate::network::{
    Decision, Edge, Inventory, Lint, LintId, Path, PodState, PortName, Protocol, Severity, Source,
    declared, host, lint, trace,
};
use indexmap::{IndexMap, IndexSet};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many lines are shown.
const SHOWN: usize = 40;

/// Reads all policies, Services, pods and pod templates of the cluster and audits one namespace.
/// The output is `{lints, edges, drift}`. `lints` are `{severity, id, object, sentence}` with ids
/// such as `selector-matches-nothing`, `namespace-label-missing`, `service-port-not-pod-port`,
/// `one-direction-only`, `workload-without-allow`, `dns-udp-without-tcp`, `placeholder-text`.
/// `edges` are required connections: `{name, from, to, by, allowed, verdict, first_failing, failed,
/// reason, near, pods}`, evaluated for the pod template of the workload and for each of its pods
/// with different labels. `pods` are the pods whose connection is denied, `failed` lists all
/// failing stages, `allowed` is null if it is unknown, and `near` lists policies that would allow
/// the connection but for one difference: `{policy, difference, text}`. `drift` lists policies that
/// differ from the given files or are missing from them: `{policy, reason}`; it is null without
/// files.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkAudit {
    /// Namespace to audit; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// Required connections in addition to those that the environment of the workloads declares.
    #[serde(default)]
    pub edges: Vec<Needed>,
    /// Whether to include the addresses in the environment variables of the workloads, literal or
    /// from ConfigMaps.
    #[serde(default = "yes")]
    pub declared: bool,
    /// Ids of the `lints` to report; all if empty.
    #[serde(default)]
    pub only: Vec<LintId>,
    /// YAML files with the expected policies.
    #[serde(default)]
    pub manifests: Vec<String>,
    /// YAML files, with `*`, `?` and `**`, whose policies are evaluated as if they were applied.
    #[serde(default)]
    pub intended: Vec<String>,
}

/// A connection that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// A workload of the namespace: `deployment/NAME`, `cronjob/NAME`.
    pub from: String,
    /// A host, `host:port` or URL as the client writes it.
    pub to: String,
    /// The port, if `to` has none.
    pub port: Option<PortName>,
    /// `TCP`, `UDP` or `SCTP`.
    #[serde(default)]
    pub protocol: Protocol,
}

fn yes() -> bool {
    true
}

impl Verb for NetworkAudit {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        self.edges.iter().try_for_each(|needed| edge("", needed).map(|_| ()))
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        everything_permissions()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.namespace.as_deref().unwrap_or(namespace));
        let mut lines = vec![
            format!("kubectl get networkpolicies -n {place} -o yaml"),
            format!(
                "kubectl get deployments,statefulsets,daemonsets,cronjobs -n {place} -o wide \
                    --show-labels"
            ),
            "kubectl get namespaces --show-labels".to_owned(),
        ];
        lines.extend(
            self.manifests.iter().map(|file| format!("kubectl diff -n {place} -f {}", quote(file))),
        );
        lines
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let namespace = self.namespace.as_ref().unwrap_or(&context.namespace);
        let wanted = self.wanted().await?;
        let intended = self.intended(namespace).await?;
        let mut survey = everything(context.cluster()?).await?;
        if !intended.is_empty() {
            survey.objects = with(&survey.objects, &intended);
            survey.inventory = Inventory::from_objects(&survey.objects);
        }
        if !survey.objects.iter().any(|object| {
            object["kind"] == "Namespace" && object["metadata"]["name"] == namespace.as_str()
        }) {
            return Err(Failure::new(
                FailureKind::Failed,
                format!("namespace {namespace} does not exist"),
            ));
        }
        let audit = self.clone();
        let place = namespace.clone();
        // thousands of pods against hundreds of policies take their time
        crate::blocking::blocking(move || audit.judge(&survey, &place, wanted))
            .await
            .map_err(|error| Failure::error(error.to_string()))?
    }
}

impl NetworkAudit {
    /// The policies of the files; none without files.
    async fn wanted(&self) -> Result<Option<Vec<Value>>, Failure> {
        if self.manifests.is_empty() {
            return Ok(None);
        }
        let files = self.manifests.clone();
        let read = crate::blocking::blocking(move || {
            files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()
        });
        let documents = read
            .await
            .map_err(|error| Failure::error(error.to_string()))?
            .map_err(|reason| Failure::new(FailureKind::Failed, reason))?;
        let policies = documents
            .into_iter()
            .flatten()
            .map(|document| document.object)
            .filter(|object| object["kind"] == "NetworkPolicy");
        Ok(Some(policies.collect()))
    }

    /// The policies that are evaluated as if they were applied.
    async fn intended(&self, namespace: &str) -> Result<Vec<Value>, Failure> {
        let (patterns, place) = (self.intended.clone(), namespace.to_owned());
        let policies = crate::blocking::blocking(move || {
            let mut all = Vec::new();
            for path in expand(&patterns)? {
                let documents = read(&path.to_string_lossy())?.into_iter();
                let policies = documents.filter(|one| one.object["kind"] == "NetworkPolicy");
                all.extend(policies.map(|one| match one.metadata("namespace") {
                    "" => stamped(&one, &place),
                    own => stamped(&one, own),
                }));
            }
            Ok::<_, String>(all)
        });
        policies
            .await
            .map_err(|error| Failure::error(error.to_string()))?
            .map_err(|reason| Failure::new(FailureKind::Failed, reason))
    }

    fn judge(
        &self,
        survey: &Survey,
        namespace: &str,
        wanted: Option<Vec<Value>>,
    ) -> Result<Output, Failure> {
        let mut lints = lint(&survey.inventory, Some(namespace));
        lints.retain(|lint| self.only.is_empty() || self.only.contains(&lint.id));
        let edges = self.edges(survey, namespace)?;
        let drift = wanted.map(|wanted| drift(&survey.inventory, namespace, &wanted));
        let closed = edges.iter().filter(|edge| edge["allowed"] != true).count();
        let count = |severity| lints.iter().filter(|lint| lint.severity == severity).count();
        let found =
            format!("{} errors, {} warnings", count(Severity::Error), count(Severity::Warning));
        let open = format!(
            "{} of {} connections allowed",
            edges.len().saturating_sub(closed),
            edges.len()
        );
        let summary = match (edges.is_empty(), self.only.is_empty()) {
            (true, _) => found,
            (false, true) => format!("{open}, {found}"),
            (false, false) => open,
        };
        // lints that were asked for by name are judged by what asked for them
        let shown = if self.only.is_empty() { lints.as_slice() } else { &[] };
        let display: Vec<String> = lines(shown, &edges).into_iter().take(SHOWN).collect();
        let mut value =
            json!({"lints": lints, "edges": edges, "drift": drift, "notes": survey.gaps});
        if !display.is_empty() {
            value["display"] = json!(display);
        }
        Ok(Output::new(value, summary))
    }

    fn edges(&self, survey: &Survey, namespace: &str) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        for needed in &self.edges {
            let edge = edge(namespace, needed).map_err(Failure::error)?;
            all.push(match trace(&survey.inventory, &edge) {
                Ok(path) => told(&needed.from, &needed.to, "edges", &each(survey, &edge, path)),
                // the others are judged all the same
                Err(error) => json!({"name": format!("{} -> {}", needed.from, needed.to),
                    "from": needed.from, "to": needed.to, "by": "edges", "allowed": null,
                    "verdict": Decision::Unknown,
                    "first_failing": null, "failed": [], "reason": error.to_string(), "near": [],
                    "pods": []}),
            });
        }
        if self.declared {
            for one in declared(&survey.inventory, &survey.objects, Some(namespace)) {
                let path = trace(&survey.inventory, &one.edge)
                    .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
                all.push(told(
                    &one.workload,
                    &one.to,
                    &one.variable,
                    &each(survey, &one.edge, path),
                ));
            }
        }
        Ok(all)
    }
}

/// An edge as the evaluator takes it.
///
/// # Errors
/// What is wrong with it.
pub fn edge(namespace: &str, needed: &Needed) -> Result<Edge, String> {
    let wrong = |what: &str| format!("connection {} -> {}: {what}", needed.from, needed.to);
    let (kind, name) = needed
        .from
        .split_once('/')
        .ok_or_else(|| wrong("`from` must be a workload: deployment/NAME, cronjob/NAME"))?;
    let kind = crate::cluster::builtin(kind)
        .map(|resource| resource.kind.to_lowercase())
        .ok_or_else(|| wrong("`from` has an unknown kind"))?;
    let (destination, port) =
        host::parse(&needed.to).ok_or_else(|| wrong("`to` must be a host, host:port or URL"))?;
    let port =
        needed.port.clone().or(port.map(PortName::Number)).ok_or_else(|| wrong("set the port"))?;
    let namespace = namespace.to_owned();
    let name = name.to_owned();
    let source = if kind == "pod" {
        Source::Pod { namespace, name }
    } else {
        Source::Workload { kind, namespace, name }
    };
    Ok(Edge { source, destination, port, protocol: needed.protocol, addresses: Vec::new() })
}

/// The path from the template of a workload, and from each of its pods with different labels: one
/// pod of three may differ.
fn each(survey: &Survey, edge: &Edge, by_template: Path) -> Vec<(Option<String>, Path)> {
    let mut paths = vec![(None, by_template)];
    let Source::Workload { kind, namespace, name } = &edge.source else { return paths };
    let Some(workload) = survey.inventory.workloads.iter().find(|workload| {
        workload.kind == *kind && workload.name == *name && workload.pod.namespace == *namespace
    }) else {
        return paths;
    };
    let odd = survey.objects.iter().filter(|object| {
        object["kind"] == "Pod"
            && object["metadata"]["namespace"] == namespace.as_str()
            && is_live(object)
            && is_of(object, kind, name)
    });
    for pod in odd.filter_map(|pod| pod["metadata"]["name"].as_str()) {
        let same = |state: &PodState| {
            workload.pod.labels.iter().all(|(key, value)| state.pod.labels.get(key) == Some(value))
        };
        let state = survey
            .inventory
            .pods
            .iter()
            .find(|state| state.pod.namespace == *namespace && state.pod.name == pod);
        if state.is_none_or(same) {
            continue;
        }
        let source = Source::Pod { namespace: namespace.clone(), name: pod.to_owned() };
        if let Ok(path) = trace(&survey.inventory, &Edge { source, ..edge.clone() }) {
            paths.push((Some(pod.to_owned()), path));
        }
    }
    paths
}

/// Whether a workload made this pod, itself or through a ReplicaSet of its own. The pods of Jobs
/// come and go: they are represented by their template.
fn is_of(pod: &Value, kind: &str, name: &str) -> bool {
    let owner = pod["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|owner| owner["controller"] == true);
    let Some(owner) = owner else { return false };
    let is_kind = owner["kind"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(kind));
    match (kind, owner["kind"].as_str(), owner["name"].as_str()) {
        // a ReplicaSet has the name of its Deployment and a hash
        ("deployment", Some("ReplicaSet"), Some(set)) => {
            set.rsplit_once('-').is_some_and(|(deployment, _)| deployment == name)
        }
        ("statefulset" | "daemonset" | "replicaset", _, Some(own)) => is_kind && own == name,
        _ => false,
    }
}

fn told(from: &str, to: &str, by: &str, paths: &[(Option<String>, Path)]) -> Value {
    let badness = |path: &Path| match path.verdict {
        Decision::Denied => 2,
        Decision::Unknown => 1,
        Decision::Allowed => 0,
    };
    let Some((worst_pod, path)) = paths.iter().rev().max_by_key(|(_, path)| badness(path)) else {
        return Value::Null;
    };
    let pods: Vec<&String> = paths
        .iter()
        .filter(|(_, path)| path.verdict == Decision::Denied)
        .filter_map(|(pod, _)| pod.as_ref())
        .collect();
    let all: Vec<Path> = paths.iter().map(|(_, path)| path.clone()).collect();
    let allowed = match path.verdict {
        Decision::Allowed => Some(true),
        Decision::Denied => Some(false),
        Decision::Unknown => None,
    };
    let stage = decisive(path);
    let whose = worst_pod.as_ref().map(|pod| format!("pod {pod}: ")).unwrap_or_default();
    let reason = stage.map(|_| format!("{whose}{}", reason(path))).unwrap_or_default();
    let near: Vec<Value> = stage.iter().flat_map(|stage| &stage.near_misses).map(|miss| json!({"difference": miss.difference, "policy": miss.policy, "text": miss.sentence})).collect();
    json!({"name": format!("{from} -> {to}"), "from": from, "to": to, "by": by, "allowed": allowed,
        "verdict": path.verdict, "first_failing": path.first_failing, "failed": failed(&all),
        "misdirected": misdirected(&all), "reason": reason, "near": near, "pods": pods})
}

/// Policies that are not as the files say, on either side.
fn drift(inventory: &Inventory, namespace: &str, wanted: &[Value]) -> Vec<Value> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let here = |object: &&Value| {
        object["metadata"]["namespace"].as_str().is_none_or(|own| own == namespace)
    };
    let live: Vec<&Value> = inventory
        .policy_objects
        .iter()
        .filter(|object| object["metadata"]["namespace"] == namespace)
        .collect();
    let mut all = Vec::new();
    for object in wanted.iter().filter(here) {
        let reason = match live.iter().find(|other| name(other) == name(object)) {
            None => "it is in the files but not in the cluster",
            Some(other)
                if !super::support::manifest::covers(other, &json!({"spec": object["spec"]})) =>
            {
                "the cluster differs from the file"
            }
            Some(_) => continue,
        };
        all.push(json!({"policy": name(object), "reason": reason}));
    }
    let extra = live
        .iter()
        .filter(|object| !wanted.iter().filter(here).any(|other| name(other) == name(object)));
    all.extend(extra.map(|object| {
        json!({"policy": name(object),
        "reason": "it is in the cluster but not in the files"})
    }));
    all
}

/// For the user: the denied connections, grouped by the stage at which they fail, with the reason
/// of the first; then the lints.
fn lines(lints: &[Lint], edges: &[Value]) -> Vec<String> {
    let text = |edge: &Value, key: &str| edge[key].as_str().unwrap_or_default().to_owned();
    let mut groups: IndexMap<(String, String), (IndexSet<String>, IndexSet<String>, String)> =
        IndexMap::new();
    for edge in edges.iter().filter(|edge| edge["allowed"] != true) {
        let group = groups.entry((text(edge, "verdict"), text(edge, "first_failing"))).or_default();
        group.0.insert(text(edge, "from"));
        group.1.insert(text(edge, "to"));
        if group.2.is_empty() {
            group.2 = text(edge, "reason");
        }
    }
    let names = |names: &IndexSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    for ((verdict, _), (from, to, reason)) in &groups {
        lines.push(format!("{verdict}: {} -> {}", names(from), names(to)));
        lines.push(reason.clone());
    }
    lines.extend(
        lints.iter().filter(|lint| lint.severity != Severity::Info).map(ToString::to_string),
    );
    lines
}
