//! The kinds that causes are about, as people name them.

/// Kind, plural and the short names that kubectl takes.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("APIService", "apiservices", &[]),
    ("Certificate", "certificates", &["cert", "certs"]),
    ("CronJob", "cronjobs", &["cj"]),
    ("DaemonSet", "daemonsets", &["ds"]),
    ("Deployment", "deployments", &["deploy"]),
    ("HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"]),
    ("Ingress", "ingresses", &["ing"]),
    ("Job", "jobs", &[]),
    ("Namespace", "namespaces", &["ns"]),
    ("NetworkPolicy", "networkpolicies", &["netpol"]),
    ("Node", "nodes", &["no"]),
    ("PersistentVolume", "persistentvolumes", &["pv"]),
    ("PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"]),
    ("Pod", "pods", &["po"]),
    ("PodDisruptionBudget", "poddisruptionbudgets", &["pdb"]),
    ("ReplicaSet", "replicasets", &["rs"]),
    ("ReplicationController", "replicationcontrollers", &["rc"]),
    ("ResourceQuota", "resourcequotas", &["quota"]),
    ("Secret", "secrets", &[]),
    ("Service", "services", &["svc"]),
    ("StatefulSet", "statefulsets", &["sts"]),
    ("StorageClass", "storageclasses", &["sc"]),
];

/// The kind that a word names, in any case, in the plural or short: `pvc` is a
/// `PersistentVolumeClaim`.
pub fn kind_named(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let fits = |(kind, plural, short): &&(&'static str, &str, &[&str])| {
        kind.eq_ignore_ascii_case(&word) || *plural == word || short.contains(&word.as_str())
    };
    KINDS.iter().find(fits).map(|(kind, ..)| *kind)
}
