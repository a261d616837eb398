//! Kinds and their places in the API.

use super::error::{Error, ErrorKind};
use crate::encoding::percent_encode;

/// A kind of object and where the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version within the group: `v1`.
    pub version: String,
    /// The kind: `Deployment`.
    pub kind: String,
    /// The plural name in lower case, as in paths and in RBAC rules: `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Other names by which people ask for it: `deploy`.
    #[serde(default, skip_serializing)]
    pub short: Vec<String>,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, as kubectl names it in messages.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// The path of the collection; of all namespaces when none is given.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => {
                format!("{root}/namespaces/{}/{}", percent_encode(namespace), self.plural)
            }
            None => format!("{root}/{}", self.plural),
        }
    }

    /// The path of an object.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> Result<String, Error> {
        check_name("name", name)?;
        if self.namespaced {
            check_name("namespace", namespace)?;
        }
        Ok(format!("{}/{}", self.collection(Some(namespace)), percent_encode(name)))
    }

    fn answers_to(&self, asked: &Asked) -> bool {
        let group = asked.group.as_deref().is_none_or(|group| group == self.group);
        let version = asked.version.as_deref().is_none_or(|version| version == self.version);
        group && version && self.names().any(|name| name == asked.name)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        [self.kind.to_ascii_lowercase(), self.plural.clone()]
            .into_iter()
            .chain(self.short.iter().cloned())
    }
}

/// An empty name would turn a GET of an object into a list, and dots would walk the path.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("{name:?} is not a valid {what} of a Kubernetes object"),
        ));
    }
    Ok(())
}

/// What a person wrote for a kind, taken apart.
struct Asked {
    name: String,
    group: Option<String>,
    version: Option<String>,
}

/// `Deployment`, `deploy`, `deployments.apps`, `deployments.v1.apps`, `apps/v1/Deployment`,
/// `v1/Pod`.
fn parse(text: &str) -> Asked {
    let text = text.trim();
    if let Some((place, name)) = text.rsplit_once(['/', ' ']) {
        let (group, version) = match place.split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", place),
        };
        return Asked {
            name: name.to_ascii_lowercase(),
            group: Some(group.to_ascii_lowercase()),
            version: Some(version.to_ascii_lowercase()),
        };
    }
    let Some((name, rest)) = text.split_once('.') else {
        return Asked { name: text.to_ascii_lowercase(), group: None, version: None };
    };
    let rest = rest.to_ascii_lowercase();
    let (version, group) = match rest.split_once('.') {
        Some((first, group)) if is_version(first) => (Some(first.to_owned()), group.to_owned()),
        None if is_version(&rest) => (Some(rest.clone()), String::new()),
        _ => (None, rest),
    };
    Asked { name: name.to_ascii_lowercase(), group: Some(group), version }
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The kinds that every cluster has: group, version, kind, plural, namespaced, other names.
const BUILTIN: &[(&str, &str, &str, &str, bool, &str)] = &[
    ("", "v1", "Pod", "pods", true, "po"),
    ("", "v1", "Service", "services", true, "svc"),
    ("", "v1", "Namespace", "namespaces", false, "ns"),
    ("", "v1", "Node", "nodes", false, "no"),
    ("", "v1", "ConfigMap", "configmaps", true, "cm"),
    ("", "v1", "Secret", "secrets", true, ""),
    ("", "v1", "Event", "events", true, "ev"),
    ("", "v1", "Endpoints", "endpoints", true, "ep"),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, "sa"),
    ("", "v1", "PersistentVolume", "persistentvolumes", false, "pv"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, "pvc"),
    ("", "v1", "ResourceQuota", "resourcequotas", true, "quota"),
    ("", "v1", "LimitRange", "limitranges", true, "limits"),
    ("", "v1", "ReplicationController", "replicationcontrollers", true, "rc"),
    ("", "v1", "PodTemplate", "podtemplates", true, ""),
    ("apps", "v1", "Deployment", "deployments", true, "deploy"),
    ("apps", "v1", "ReplicaSet", "replicasets", true, "rs"),
    ("apps", "v1", "StatefulSet", "statefulsets", true, "sts"),
    ("apps", "v1", "DaemonSet", "daemonsets", true, "ds"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", true, ""),
    ("batch", "v1", "Job", "jobs", true, ""),
    ("batch", "v1", "CronJob", "cronjobs", true, "cj"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, "hpa"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, "pdb"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true, "netpol"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", true, "ing"),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", false, ""),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true, ""),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, ""),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", true, ""),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true, ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false, ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", false, ""),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", false, "sc"),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", false, ""),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false, "pc"),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        "crd crds",
    ),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", false, ""),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        "",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
        "",
    ),
];

/// A built-in kind by any of its names, without asking a cluster.
pub fn builtin(kind: &str) -> Option<Resource> {
    let asked = parse(kind);
    builtins().find(|resource| resource.answers_to(&asked))
}

fn builtins() -> impl Iterator<Item = Resource> {
    BUILTIN.iter().map(|&(group, version, kind, plural, namespaced, short)| Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
        short: short.split_whitespace().map(str::to_owned).collect(),
    })
}

/// The served kind that was asked for, or the nearest names.
pub(crate) fn choose(kind: &str, served: &[Resource]) -> Result<Resource, Vec<String>> {
    let asked = parse(kind);
    // Discovery comes in the server's order of groups and preferred versions: the first one is
    // kubectl's choice.
    if let Some(found) = served.iter().find(|resource| resource.answers_to(&asked)) {
        return Ok(found.clone());
    }
    let mut near: Vec<(f64, String)> = Vec::new();
    for resource in builtins().chain(served.iter().cloned()) {
        let best = resource
            .names()
            .map(|name| strsim::jaro_winkler(&name, &asked.name))
            .fold(0.0, f64::max);
        if best > 0.8 && !near.iter().any(|(_, name)| *name == resource.kind) {
            near.push((best, resource.kind));
        }
    }
    near.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    Err(near.into_iter().take(3).map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_builtin_kinds_by_all_their_names() {
        let cases = [
            ("Pod", "v1", "pods"),
            ("po", "v1", "pods"),
            ("pods", "v1", "pods"),
            ("v1/Pod", "v1", "pods"),
            ("pods.v1", "v1", "pods"),
            ("deploy", "apps/v1", "deployments"),
            ("Deployment.apps", "apps/v1", "deployments"),
            ("deployments.v1.apps", "apps/v1", "deployments"),
            ("apps/v1 Deployment", "apps/v1", "deployments"),
            ("apps/v1/Deployment", "apps/v1", "deployments"),
            ("NetworkPolicy.networking.k8s.io", "networking.k8s.io/v1", "networkpolicies"),
            ("lease", "coordination.k8s.io/v1", "leases"),
            ("hpa", "autoscaling/v2", "horizontalpodautoscalers"),
        ];
        for (asked, api_version, plural) in cases {
            let found = builtin(asked).unwrap_or_else(|| panic!("{asked}"));
            assert_eq!(
                (found.api_version().as_str(), found.plural.as_str()),
                (api_version, plural),
                "{asked}"
            );
        }
        for asked in ["Pods.apps", "deployments.extensions", "v2/Pod", "Certificate", "", "."] {
            assert_eq!(builtin(asked), None, "{asked}");
        }
    }

    #[test]
    fn suggests_the_nearest_names() {
        assert_eq!(
            choose("Deploiment", &[]).unwrap_err().first().map(String::as_str),
            Some("Deployment")
        );
        assert_eq!(choose("xyzzy", &[]).unwrap_err(), Vec::<String>::new());
    }

    #[test]
    fn builds_paths_and_refuses_names_that_would_change_them() {
        let pods = builtin("pods").unwrap();
        assert_eq!(pods.object("a", "b").unwrap(), "/api/v1/namespaces/a/pods/b");
        assert_eq!(pods.collection(None), "/api/v1/pods");
        assert_eq!(builtin("node").unwrap().object("a", "b").unwrap(), "/api/v1/nodes/b");
        assert_eq!(
            builtin("clusterrole").unwrap().object("", "system:x").unwrap().rsplit('/').next(),
            Some("system%3Ax")
        );
        for name in ["", ".", "..", "a/b", "%2e"] {
            assert_eq!(pods.object("a", name).unwrap_err().kind, ErrorKind::Invalid, "{name}");
        }
    }
}
