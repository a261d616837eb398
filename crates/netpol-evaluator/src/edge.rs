//! An edge from a client to its destination, and the stages of its path.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::{Explanation, ForeignPolicy, Labels, NearMiss, Pod, PortName, Protocol};

/// Who wants to reach whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Who connects.
    pub source: Source,
    /// To whom.
    pub destination: Destination,
    /// The port that the client uses: of the Service, or of the pod or address when there is no
    /// Service.
    pub port: PortName,
    /// The protocol.
    pub protocol: Protocol,
    /// The addresses of a host outside the cluster, as far as they are known.
    pub addresses: Vec<IpAddr>,
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Any pod of a workload, by its template.
    Workload {
        /// The kind in lower case: `deployment`, `cronjob`.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Any pod with these labels.
    Labels {
        /// Its namespace.
        namespace: String,
        /// Its labels.
        labels: Labels,
    },
    /// Somebody outside.
    Address(IpAddr),
}

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Service, by its name.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An address; that of a Service or of a pod stands for it.
    Address(IpAddr),
    /// A host name as a client writes it: `svc`, `svc.ns`, `svc.ns.svc.cluster.local`, or one
    /// outside.
    Host(String),
}

/// The way of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// Who connects, in words.
    pub source: String,
    /// To whom, in words.
    pub destination: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port that the client uses.
    pub port: PortName,
    /// The answer.
    pub verdict: Decision,
    /// The first stage that fails; none unless denied.
    pub first_failing: Option<StageName>,
    /// All stages in order; a stage that does not apply is left out.
    pub stages: Vec<Stage>,
    /// Every connection that was judged.
    pub connections: Vec<Judged>,
    /// Policies of other kinds.
    pub not_evaluated: Vec<NotEvaluated>,
    /// What depends on the network plugin.
    pub notes: Vec<String>,
}

/// The answer for an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Every stage passes.
    Allowed,
    /// A stage fails: the connection cannot succeed, or not to every endpoint.
    Denied,
    /// No stage fails, but one cannot be judged.
    Unknown,
}

/// A stage of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Which.
    pub stage: StageName,
    /// How it went.
    pub outcome: StageOutcome,
    /// The same in words.
    pub sentence: String,
    /// What would let it pass but for one thing.
    pub near_misses: Vec<NearMiss>,
}

/// The stages, in the order in which a client meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Asking the DNS of the cluster over UDP.
    DnsUdp,
    /// Asking it over TCP, which long answers need.
    DnsTcp,
    /// What the name means.
    Name,
    /// From the port of the Service to that of the pods.
    ServicePort,
    /// The endpoints that are ready.
    Endpoints,
    /// The policies of the source.
    Egress,
    /// The policies of the destination.
    Ingress,
    /// Policies of other kinds.
    OtherPolicies,
}

/// How a stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// It passes.
    Passed,
    /// It passes, but look at it.
    Warning,
    /// It fails.
    Failed,
    /// It cannot be judged.
    Unknown,
}

/// A connection that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Whether it asks DNS rather than the destination.
    pub dns: bool,
    /// The answer and why.
    pub explanation: Explanation,
    /// Who connects.
    #[serde(skip)]
    pub source: End,
    /// To whom.
    #[serde(skip)]
    pub destination: End,
}

/// One end of a judged connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A pod.
    Pod(Pod),
    /// An address.
    Address(IpAddr),
    /// Any public address: a host outside whose address is not known.
    Outside,
}

/// A policy of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotEvaluated {
    /// The policy.
    #[serde(flatten)]
    pub policy: ForeignPolicy,
    /// Whether it could select one of the ends.
    pub concerns: bool,
}

/// An edge whose source is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no such pod.
    #[error("pod {namespace}/{name} does not exist or has finished")]
    NoPod {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// There is no such workload.
    #[error("{kind} {namespace}/{name} does not exist; existing workloads: {}",
        if others.is_empty() { "none".to_owned() } else { others.join(", ") })]
    NoWorkload {
        /// The kind.
        kind: String,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// What is in the namespace, as `kind/name`.
        others: Vec<String>,
    },
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DnsUdp => "DNS over UDP",
            Self::DnsTcp => "DNS over TCP",
            Self::Name => "name",
            Self::ServicePort => "port",
            Self::Endpoints => "endpoints",
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::OtherPolicies => "other policies",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        })
    }
}

/// The head, then a line per stage and per near miss.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, port, verdict, .. } = self;
        write!(f, "{source} -> {destination} {protocol} {port}: {verdict}")?;
        for Stage { stage, outcome, sentence, near_misses } in &self.stages {
            let mark = match outcome {
                StageOutcome::Passed => "ok  ",
                StageOutcome::Warning => "warn",
                StageOutcome::Failed => "FAIL",
                StageOutcome::Unknown => "?   ",
            };
            write!(f, "\n  {mark} {stage}: {sentence}")?;
            near_misses.iter().try_for_each(|miss| write!(f, "\n         near miss: {miss}"))?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n  note: {note}"))
    }
}
