//! `diagnose`: names what is wrong in a namespace, or with one object, and why.

use super::support::fan_out::{quote, reading};
use super::support::snapshot;
use super::{Access, Context, Failure, Output, Reach, Target, Unseen, Verb, Which};
use crate::cluster::builtin;
use crate::diagnosis::{Cause, Diagnosis, Object, Snapshot, diagnose, ids};
use crate::event::Effect;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Names what is wrong in the namespace of the step, or with one object, from objects, events and
/// the last lines of logs. The output is `{namespace, target, causes: {ID: [{id, object, target,
/// pods, container, reason, cause, detail, evidence: [{source, says}], remedy, follows_from}]},
/// untried, restricted, looked_at}`. `causes` has every identifier that can be named (`oom-killed`,
/// `quota-exceeded`, `selector-matches-nothing`, and others): an empty list is ruled out, and
/// `{not_looked_at: REASON}` in the place of a list could not be looked at. A cause is named once, at
/// the object that carries it, such as the Deployment of several pods. Of a Service that is the
/// target, `untried` lists to what it leads that was not tried, and why; and `restricted` the ports
/// to which NetworkPolicies admit only some clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Diagnose {
    /// Object to explain: `deployment/NAME`, `pod/NAME`, `service/NAME`, `job/NAME`, `hpa/NAME`,
    /// `node/NAME`, and others. Defaults to the whole namespace. Of a Service, the ports of its pods
    /// are tried.
    pub target: Option<Target>,
    /// Namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// Whether to list what only follows from another cause, too: a Service without endpoints
    /// because its pods crash.
    #[serde(default)]
    pub consequences: bool,
}

impl Verb for Diagnose {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    /// What it cannot do without. What else may not be read is not looked at, and said.
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.place(namespace);
        let kind = builtin(if self.node().is_some() { "Node" } else { "Pod" });
        match (kind, self.node()) {
            (Some(kind), Some(node)) => vec![reading(&kind, "get", "", node)],
            (Some(kind), None) => vec![reading(&kind, "list", place, "")],
            (None, _) => Vec::new(),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.target.as_ref().map_or(Ok(()), Target::one_object)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.place(namespace));
        match &self.target {
            Some(target) => vec![format!("kubectl describe -n {place} {}", target.kubectl())],
            None => vec![
                format!("kubectl get pods,deployments,jobs,services -n {place}"),
                format!("kubectl events -n {place} --types=Warning"),
            ],
        }
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let namespace = self.place(&context.namespace);
        let target = self.target.as_ref().map(|target| target.object(namespace));
        let (snapshot, target) = match (self.node(), target) {
            (Some(node), target) => (snapshot::of_node(context.cluster()?, node).await?, target),
            (None, target) => {
                (snapshot::of_namespace(context, namespace, target.as_ref()).await?, target)
            }
        };
        let target = match target {
            Some(target) => Some(snapshot::exists(context, &snapshot, &target).await?),
            None => None,
        };
        target.as_ref().map_or(Ok(()), judgeable)?;
        let found = diagnose(&snapshot, context.now);
        let mut listed = roots_first(&found, &snapshot, target.as_ref());
        listed.retain(|cause| self.consequences || cause.follows_from.is_none());
        let summary = summary(&listed);
        let unseen = unseen(&snapshot);
        let output = json!({
            "namespace": namespace, "target": target.as_ref().map(Object::to_string),
            "causes": by_id(&listed, &found),
            "untried": found.untried, "restricted": found.restricted,
            "looked_at": looked_at(&snapshot),
        });
        Ok(Output { unseen, ..Output::new(output, summary) })
    }
}

/// Kinds beside those that are listed of which causes are known.
const OTHERS: [&str; 7] = [
    "Node",
    "Namespace",
    "PersistentVolume",
    "StorageClass",
    "APIService",
    "Secret",
    "Certificate",
];

/// Refuses an object of a kind of which no cause is known: that nothing was found would say nothing
/// of it. What an operator defines may have pods.
fn judgeable(target: &Object) -> Result<(), Failure> {
    let kind = target.kind.as_str();
    let is_known = snapshot::KINDS.contains(&kind) || OTHERS.contains(&kind);
    if is_known || builtin(kind).is_none() {
        return Ok(());
    }
    Err(Failure::error(format!(
        "{target} cannot be diagnosed: no causes are known of kind {kind}; name a pod, a workload, a \
            Service or another object that runs or leads to pods"
    )))
}

/// Kinds without which nothing good can be said of a namespace: what runs in it, and what is said of
/// it. Whoever may view it may list them.
const ESSENTIAL: [&str; 6] =
    ["Event", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"];

/// The essential kinds that could not be read.
fn unseen(snapshot: &Snapshot) -> Option<Unseen> {
    let unread: Vec<&str> =
        ESSENTIAL.into_iter().filter(|kind| snapshot.why_unread(kind).is_some()).collect();
    let first = snapshot.why_unread(unread.first()?)?;
    let reason = format!("{} objects could not be read: {first}", unread.join(", "));
    Some(Unseen { that: format!("{} objects can be read", ESSENTIAL.join(", ")), reason })
}

impl Diagnose {
    fn place<'a>(&'a self, namespace: &'a str) -> &'a str {
        let of_target = self.target.as_ref().and_then(|target| target.namespace.as_deref());
        of_target.or(self.namespace.as_deref()).unwrap_or(namespace)
    }

    /// The name of the node, if it is one that is to be explained.
    fn node(&self) -> Option<&str> {
        let target = self.target.as_ref()?;
        let is_node = builtin(&target.kind).is_some_and(|kind| kind.kind == "Node");
        match &target.which {
            Which::Name(name) if is_node => Some(name),
            Which::Name(_) | Which::Selector(_) => None,
        }
    }
}

/// What is wrong with one object, with what only follows from it at the end.
pub(super) fn causes(snapshot: &Snapshot, target: &Object, now: Timestamp) -> Vec<Value> {
    let found = diagnose(snapshot, now);
    roots_first(&found, snapshot, Some(target)).into_iter().map(value).collect()
}

/// The causes that concern an object, or all of them, with what only follows from others at the
/// end.
fn roots_first<'a>(
    found: &'a Diagnosis,
    snapshot: &Snapshot,
    target: Option<&Object>,
) -> Vec<&'a Cause> {
    let mut causes = match target {
        Some(target) => found.concerning(snapshot, target),
        None => found.causes.iter().collect(),
    };
    causes.sort_by_key(|cause| cause.follows_from.is_some());
    causes
}

fn summary(causes: &[&Cause]) -> String {
    match causes {
        [] => "nothing found".to_owned(),
        [one] => format!("{} {}", one.object, one.id),
        many => format!("{} causes", many.len()),
    }
}

/// Every id with its causes; of one that could not be looked at, the reason.
fn by_id(causes: &[&Cause], found: &Diagnosis) -> Map<String, Value> {
    let of_id = |id: &'static str| {
        let all: Vec<Value> =
            causes.iter().filter(|cause| cause.id == id).map(|cause| value(cause)).collect();
        match found.not_looked_at.get(id) {
            Some(why) if all.is_empty() => json!({"not_looked_at": why}),
            Some(_) | None => Value::Array(all),
        }
    };
    ids().map(|id| (id.to_owned(), of_id(id))).collect()
}

fn value(cause: &Cause) -> Value {
    json!({
        "id": cause.id, "object": cause.object, "target": cause.object.to_string(),
        "pods": cause.pods, "container": cause.container, "reason": cause.reason,
        "cause": cause.sentence(), "detail": cause.detail, "evidence": cause.evidence,
        "remedy": cause.hint,
        "follows_from": cause.follows_from.as_ref().map(|(object, id)| json!({"object": object, "id": id})),
    })
}

/// How many objects of each kind there were.
fn looked_at(snapshot: &Snapshot) -> Map<String, Value> {
    snapshot::KINDS
        .iter()
        .filter(|kind| snapshot.why_unread(kind).is_none())
        .map(|kind| ((*kind).to_owned(), snapshot.of(kind).len().into()))
        .collect()
}
