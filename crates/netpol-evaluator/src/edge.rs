//! An edge from a client to its destination, and the stages of its path.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::{Explanation, ForeignPolicy, Labels, Misdirected, NearMiss, Pod, PortName, Protocol};

/// A required connection: source, destination and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The source.
    pub source: Source,
    /// The destination.
    pub destination: Destination,
    /// The port that the client uses: of the Service, or of the pod or address when there is no
    /// Service.
    pub port: PortName,
    /// The protocol.
    pub protocol: Protocol,
    /// The addresses of a host outside the cluster, as far as they are known.
    pub addresses: Vec<IpAddr>,
}

/// The source.
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
    /// An address outside the cluster.
    Address(IpAddr),
}

/// The destination.
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

/// The path of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// The source, in words.
    pub source: String,
    /// The destination, in words.
    pub destination: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port that the client uses.
    pub port: PortName,
    /// The verdict.
    pub verdict: Decision,
    /// The first stage that fails; none unless denied.
    pub first_failing: Option<StageName>,
    /// All stages in order; a stage that does not apply is left out.
    pub stages: Vec<Stage>,
    /// Every evaluated connection.
    pub connections: Vec<Judged>,
    /// Where the Service leads, if the pods do not declare that port and policies open another. The
    /// connections are then those to the port that they declare.
    pub misdirected: Option<Misdirected>,
    /// Policies of other APIs.
    pub not_evaluated: Vec<NotEvaluated>,
    /// What depends on the network plugin.
    pub notes: Vec<String>,
}

/// The verdict on an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Every stage passes.
    Allowed,
    /// A stage fails: the connection cannot succeed, or not to every endpoint.
    Denied,
    /// No stage fails, but one is unknown.
    Unknown,
}

/// A stage of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name.
    pub stage: StageName,
    /// Its outcome.
    pub outcome: StageOutcome,
    /// The same in words.
    pub sentence: String,
    /// Rules that would allow it except for one difference.
    pub near_misses: Vec<NearMiss>,
}

/// The stages, in the order in which a client passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// A query to the cluster DNS over UDP.
    DnsUdp,
    /// A query over TCP, which long responses require.
    DnsTcp,
    /// The resolution of the name.
    Name,
    /// The translation of the Service port to the port of the pods.
    ServicePort,
    /// The ready endpoints.
    Endpoints,
    /// The policies of the source.
    Egress,
    /// The policies of the destination.
    Ingress,
    /// Policies of other APIs.
    OtherPolicies,
}

/// The outcome of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// It passes.
    Passed,
    /// It passes, with a warning.
    Warning,
    /// It fails.
    Failed,
    /// It is unknown.
    Unknown,
}

/// An evaluated connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Whether this is a DNS query rather than the connection itself.
    pub dns: bool,
    /// The verdict and its reason.
    pub explanation: Explanation,
    /// The source.
    #[serde(skip)]
    pub source: End,
    /// The destination.
    #[serde(skip)]
    pub destination: End,
}

/// One end of an evaluated connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A pod.
    Pod(Pod),
    /// An address.
    Address(IpAddr),
    /// Any public address: a host outside whose address is not known.
    Outside,
}

/// A policy of another API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotEvaluated {
    /// The policy.
    #[serde(flatten)]
    pub policy: ForeignPolicy,
    /// Whether it could select one of the ends.
    pub concerns: bool,
}

/// An edge whose source does not exist.
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
