//! The kinds of objects that the server stores, and what discovery says about them.

mod custom;

use serde_json::Value;

pub(crate) use self::custom::define;

/// One stored kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The API group; empty for the core.
    pub(crate) group: &'static str,
    /// The version.
    pub(crate) version: &'static str,
    /// The name in paths.
    pub(crate) plural: &'static str,
    /// The kind of its objects.
    pub(crate) kind: &'static str,
    /// Lives in a namespace.
    pub(crate) namespaced: bool,
    /// The short names that kubectl takes.
    pub(crate) short: &'static [&'static str],
    /// What can be asked beneath an object: name, kind, verbs.
    pub(crate) subresources: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// Is defined by an object of the cluster.
    pub(crate) custom: bool,
}

/// The kinds that a world can hold: API group, version, kind and plural name of each.
pub fn simulated() -> impl Iterator<Item = [&'static str; 4]> {
    RESOURCES.iter().map(|kind| [kind.group, kind.version, kind.kind, kind.plural])
}

/// What can be done with stored objects.
pub(crate) const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const fn resource(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
) -> Resource {
    Resource { group, version, plural, kind, namespaced, short, subresources: &[], custom: false }
}

const STORED: &[&str] = &["get", "patch", "update"];
const PROXIED: &[&str] = &["create", "delete", "get", "patch", "update"];

const fn with(
    resource: Resource,
    subresources: &'static [(&'static str, &'static str, &'static [&'static str])],
) -> Resource {
    Resource { subresources, ..resource }
}

/// The plural name of what defines kinds.
pub(crate) const CUSTOM: &str = "customresourcedefinitions";

/// Every stored kind that is there without a definition, the core first and then by group, as discovery lists them.
pub(crate) static RESOURCES: &[Resource] = &[
    resource("", "v1", "configmaps", "ConfigMap", true, &["cm"]),
    resource("", "v1", "endpoints", "Endpoints", true, &["ep"]),
    resource("", "v1", "events", "Event", true, &["ev"]),
    resource("", "v1", "limitranges", "LimitRange", true, &["limits"]),
    with(
        resource("", "v1", "namespaces", "Namespace", false, &["ns"]),
        &[("status", "Namespace", STORED)],
    ),
    with(resource("", "v1", "nodes", "Node", false, &["no"]), &[("status", "Node", STORED)]),
    with(
        resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, &["pvc"]),
        &[("status", "PersistentVolumeClaim", STORED)],
    ),
    with(
        resource("", "v1", "persistentvolumes", "PersistentVolume", false, &["pv"]),
        &[("status", "PersistentVolume", STORED)],
    ),
    with(
        resource("", "v1", "pods", "Pod", true, &["po"]),
        &[
            ("eviction", "Eviction", &["create"]),
            ("exec", "PodExecOptions", &["create", "get"]),
            ("log", "Pod", &["get"]),
            ("portforward", "PodPortForwardOptions", &["create", "get"]),
            ("proxy", "PodProxyOptions", PROXIED),
            ("status", "Pod", STORED),
        ],
    ),
    with(
        resource("", "v1", "replicationcontrollers", "ReplicationController", true, &["rc"]),
        &[("scale", "Scale", STORED), ("status", "ReplicationController", STORED)],
    ),
    with(
        resource("", "v1", "resourcequotas", "ResourceQuota", true, &["quota"]),
        &[("status", "ResourceQuota", STORED)],
    ),
    resource("", "v1", "secrets", "Secret", true, &[]),
    resource("", "v1", "serviceaccounts", "ServiceAccount", true, &["sa"]),
    with(
        resource("", "v1", "services", "Service", true, &["svc"]),
        &[("proxy", "ServiceProxyOptions", PROXIED), ("status", "Service", STORED)],
    ),
    resource(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
        &[],
    ),
    resource(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        &[],
    ),
    resource(
        "apiextensions.k8s.io",
        "v1",
        CUSTOM,
        "CustomResourceDefinition",
        false,
        &["crd", "crds"],
    ),
    resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", false, &[]),
    resource("apps", "v1", "controllerrevisions", "ControllerRevision", true, &[]),
    with(
        resource("apps", "v1", "daemonsets", "DaemonSet", true, &["ds"]),
        &[("status", "DaemonSet", STORED)],
    ),
    with(
        resource("apps", "v1", "deployments", "Deployment", true, &["deploy"]),
        &[("scale", "Scale", STORED), ("status", "Deployment", STORED)],
    ),
    with(
        resource("apps", "v1", "replicasets", "ReplicaSet", true, &["rs"]),
        &[("scale", "Scale", STORED), ("status", "ReplicaSet", STORED)],
    ),
    with(
        resource("apps", "v1", "statefulsets", "StatefulSet", true, &["sts"]),
        &[("scale", "Scale", STORED), ("status", "StatefulSet", STORED)],
    ),
    with(
        resource(
            "autoscaling",
            "v2",
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
            true,
            &["hpa"],
        ),
        &[("status", "HorizontalPodAutoscaler", STORED)],
    ),
    with(
        resource("batch", "v1", "cronjobs", "CronJob", true, &["cj"]),
        &[("status", "CronJob", STORED)],
    ),
    with(resource("batch", "v1", "jobs", "Job", true, &[]), &[("status", "Job", STORED)]),
    resource("coordination.k8s.io", "v1", "leases", "Lease", true, &[]),
    resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true, &[]),
    with(
        resource("networking.k8s.io", "v1", "ingresses", "Ingress", true, &["ing"]),
        &[("status", "Ingress", STORED)],
    ),
    resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false, &[]),
    resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, &["netpol"]),
    with(
        resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, &["pdb"]),
        &[("status", "PodDisruptionBudget", STORED)],
    ),
    resource(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
        &[],
    ),
    resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false, &[]),
    resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true, &[]),
    resource("rbac.authorization.k8s.io", "v1", "roles", "Role", true, &[]),
    resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", false, &["sc"]),
];

/// A kind that is answered at once and never stored: it can only be created.
#[derive(Debug)]
pub(crate) struct Review {
    /// The API group.
    pub(crate) group: &'static str,
    /// The name in paths.
    pub(crate) plural: &'static str,
    /// The kind.
    pub(crate) kind: &'static str,
}

/// The reviews that the server answers, all of version v1.
pub(crate) static REVIEWS: &[Review] = &[
    Review {
        group: "authentication.k8s.io",
        plural: "selfsubjectreviews",
        kind: "SelfSubjectReview",
    },
    Review {
        group: "authorization.k8s.io",
        plural: "selfsubjectaccessreviews",
        kind: "SelfSubjectAccessReview",
    },
    Review {
        group: "authorization.k8s.io",
        plural: "selfsubjectrulesreviews",
        kind: "SelfSubjectRulesReview",
    },
];

impl Resource {
    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The name in error messages: `pods`, `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Has something of this name beneath its objects.
    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|known| known.0 == subresource)
    }

    /// The groups of kinds that kubectl knows it by: `all`.
    pub(crate) fn categories(&self) -> &'static [&'static str] {
        match self.kind {
            "Pod"
            | "Service"
            | "ReplicationController"
            | "DaemonSet"
            | "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "HorizontalPodAutoscaler"
            | "CronJob"
            | "Job" => &["all"],
            _ => &[],
        }
    }

    /// The singular name.
    pub(crate) fn singular(&self) -> String {
        self.kind.to_ascii_lowercase()
    }
}

/// The group and the version of what is beneath an object, by its kind; none when they are those of
/// the object or of the core.
pub(crate) fn beneath(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "Scale" => Some(("autoscaling", "v1")),
        "Eviction" => Some(("policy", "v1")),
        _ => None,
    }
}

/// Every kind of a cluster that has these besides those that are always there.
pub(crate) fn all<'a>(
    custom: &'a [&'static Resource],
) -> impl Iterator<Item = &'static Resource> + 'a {
    RESOURCES.iter().chain(custom.iter().copied())
}

/// Finds a kind by its path, among those that are always there and those of the cluster.
pub(crate) fn by_path(
    custom: &[&'static Resource],
    group: &str,
    version: &str,
    plural: &str,
) -> Option<&'static Resource> {
    all(custom).find(|resource| {
        resource.group == group && resource.version == version && resource.plural == plural
    })
}

/// Finds a kind by the name of its kind, among those that are always there.
pub(crate) fn by_kind(kind: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.kind == kind)
}

/// Finds the kind of an object, among those that are always there and all that any world defines.
pub(crate) fn of(object: &Value) -> Option<&'static Resource> {
    let kind = object["kind"].as_str()?;
    by_kind(kind).or_else(|| custom::of(object["apiVersion"].as_str()?, kind))
}

/// Finds the kind of an object, among those that are always there and those of a cluster.
pub(crate) fn among(custom: &[&'static Resource], object: &Value) -> Option<&'static Resource> {
    let kind = object["kind"].as_str()?;
    by_kind(kind).or_else(|| {
        let api_version = object["apiVersion"].as_str()?;
        custom.iter().copied().find(|one| one.kind == kind && one.api_version() == api_version)
    })
}

/// The groups in order of discovery, without the core.
pub(crate) fn groups(custom: &[&'static Resource]) -> Vec<(&'static str, &'static str)> {
    let stored = all(custom)
        .filter(|resource| !resource.group.is_empty())
        .map(|resource| (resource.group, resource.version));
    let mut groups: Vec<_> =
        stored.chain(REVIEWS.iter().map(|review| (review.group, "v1"))).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}
