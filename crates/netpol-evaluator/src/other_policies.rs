//! Policies of other APIs: not evaluated, but reported where they could apply.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::service::{identity, labels};
use super::{LabelSelector, Labels, Pod};

/// A policy that applies in addition to NetworkPolicies and is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignPolicy {
    /// The API version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Its namespace; empty for one of the whole cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it can allow what NetworkPolicies deny; the others only deny.
    pub can_allow: bool,
    #[serde(skip)]
    scope: Scope,
    #[serde(skip)]
    about: About,
}

/// Which connections of the pods that it selects a policy decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Those in both directions.
    Both,
    /// Those to them.
    Inbound,
    /// Those to them that do not come through the proxy of the mesh.
    Unencrypted,
}

/// The pods that a policy could concern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    /// All of the cluster, or of the policy's namespace: its selector is not read.
    All,
    /// Those of the policy's namespace with these labels.
    Pods(LabelSelector),
    /// Those with these labels in namespaces with those labels.
    Cluster { namespaces: LabelSelector, pods: LabelSelector },
}

impl ForeignPolicy {
    /// The recognized kinds: API group and kind.
    pub const KINDS: [(&'static str, &'static str); 9] = [
        ("policy.networking.k8s.io", "AdminNetworkPolicy"),
        ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
        ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
        ("cilium.io", "CiliumNetworkPolicy"),
        ("cilium.io", "CiliumClusterwideNetworkPolicy"),
        ("crd.projectcalico.org", "NetworkPolicy"),
        ("crd.projectcalico.org", "GlobalNetworkPolicy"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "PeerAuthentication"),
    ];

    /// Reads the object if it is of such a kind and can deny a connection.
    #[must_use]
    pub fn from_object(api_version: &str, kind: &str, object: &Value) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let spec = &object["spec"];
        let (can_allow, scope) = match (group, kind) {
            ("policy.networking.k8s.io", "AdminNetworkPolicy" | "ClusterNetworkPolicy") => {
                (true, subject(&spec["subject"]))
            }
            ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy") => {
                (false, subject(&spec["subject"]))
            }
            ("cilium.io", "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy") => {
                (true, cilium(&spec["endpointSelector"]))
            }
            (
                "crd.projectcalico.org" | "projectcalico.org",
                "NetworkPolicy" | "GlobalNetworkPolicy",
            ) => (true, Scope::All),
            // https://istio.io/latest/docs/reference/config/security/authorization-policy/
            ("security.istio.io", "AuthorizationPolicy") if spec["action"] != "AUDIT" => {
                (false, istio(object))
            }
            ("security.istio.io", "PeerAuthentication") if is_strict(spec) => {
                (false, istio(object))
            }
            _ => return None,
        };
        let about = match (group, kind) {
            ("security.istio.io", "PeerAuthentication") => About::Unencrypted,
            ("security.istio.io", _) => About::Inbound,
            _ => About::Both,
        };
        let (namespace, name) = identity(object)?;
        Some(Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace,
            name,
            can_allow,
            scope,
            about,
        })
    }

    /// Whether the policy could decide about connections of these pods; true if that is not certain.
    #[must_use]
    pub fn could_decide<'a>(
        &self,
        source: Option<&Pod>,
        destinations: &[&Pod],
        namespace_of: impl Fn(&Pod) -> &'a Labels,
    ) -> bool {
        let selects = |pod: &Pod| self.could_select(pod, namespace_of(pod));
        match self.about {
            About::Both => source.into_iter().chain(destinations.iter().copied()).any(selects),
            About::Inbound => destinations.iter().copied().any(selects),
            About::Unencrypted => {
                source.is_none_or(|pod| !pod.sidecar) && destinations.iter().copied().any(selects)
            }
        }
    }

    /// Whether the policy could apply to the pod; true if that is not certain.
    fn could_select(&self, pod: &Pod, namespace: &Labels) -> bool {
        let near =
            self.namespace.is_empty() || self.namespace == pod.namespace || self.is_mesh_wide();
        near && match &self.scope {
            Scope::All => true,
            Scope::Pods(selector) => selector.matches(&pod.labels),
            Scope::Cluster { namespaces, pods } => {
                namespaces.matches(namespace) && pods.matches(&pod.labels)
            }
        }
    }

    /// A policy in the root namespace of the mesh, by its usual name, is about all namespaces.
    fn is_mesh_wide(&self) -> bool {
        matches!(self.about, About::Inbound | About::Unencrypted)
            && self.namespace == "istio-system"
    }
}

impl fmt::Display for ForeignPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

fn subject(subject: &Value) -> Scope {
    let pods = &subject["pods"];
    let selectors = if pods.is_null() {
        (LabelSelector::deserialize(&subject["namespaces"]), Ok(LabelSelector::default()))
    } else {
        (
            LabelSelector::deserialize(&pods["namespaceSelector"]),
            LabelSelector::deserialize(&pods["podSelector"]),
        )
    };
    match selectors {
        (Ok(namespaces), Ok(pods)) => Scope::Cluster { namespaces, pods },
        _ => Scope::All,
    }
}

/// Keys may say where the label comes from; those of pods come from Kubernetes.
fn cilium(selector: &Value) -> Scope {
    let Ok(mut selector) = LabelSelector::deserialize(selector) else {
        return Scope::All;
    };
    let plain = |key: &str| {
        ["k8s:", "any:", "k8s.", "any."]
            .iter()
            .find_map(|prefix| key.strip_prefix(prefix))
            .unwrap_or(key)
            .to_owned()
    };
    // reserved labels and those of the namespace are not on the pod
    let elsewhere = |key: &str| key.starts_with("io.") || key.starts_with("reserved");
    selector.match_labels = selector
        .match_labels
        .iter()
        .map(|(key, value)| (plain(key), value.clone()))
        .filter(|(key, _)| !elsewhere(key))
        .collect();
    for requirement in &mut selector.match_expressions {
        requirement.key = plain(&requirement.key);
    }
    selector.match_expressions.retain(|requirement| !elsewhere(&requirement.key));
    Scope::Pods(selector)
}

/// Whether a PeerAuthentication refuses what is not encrypted, on any port. A mode that is not set
/// is that of the namespace or of the mesh, whose own object says it.
fn is_strict(spec: &Value) -> bool {
    let ports = spec["portLevelMtls"].as_object().into_iter().flat_map(|ports| ports.values());
    ports.chain([&spec["mtls"]]).any(|mtls| mtls["mode"] == "STRICT")
}

fn istio(object: &Value) -> Scope {
    let spec = &object["spec"];
    // a policy that targets a gateway or a Service is read no further
    let targets = ["targetRef", "targetRefs"].iter().any(|field| !spec[field].is_null());
    if targets {
        Scope::All
    } else {
        Scope::Pods(LabelSelector {
            match_labels: labels(&spec["selector"]["matchLabels"]),
            ..LabelSelector::default()
        })
    }
}
