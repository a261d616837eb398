//! Labels as names of objects: which of them name what the alert is about, and not what scraped it.

use std::collections::BTreeMap;

/// Labels that name an object and the kind that they name, the most specific first. `job` is the
/// scrape job of Prometheus and never a Job.
pub const TARGETS: &[(&str, &str)] = &[
    ("pod", "pod"),
    ("deployment", "deployment"),
    ("statefulset", "statefulset"),
    ("daemonset", "daemonset"),
    ("replicaset", "replicaset"),
    ("job_name", "job"),
    ("cronjob", "cronjob"),
    ("horizontalpodautoscaler", "hpa"),
    ("poddisruptionbudget", "pdb"),
    ("persistentvolumeclaim", "pvc"),
    ("persistentvolume", "pv"),
    ("service", "service"),
    ("node", "node"),
];
/// What Prometheus puts before a label of a metric when its own label has the same name.
const EXPORTED: &str = "exported_";
/// Labels that Prometheus sets to the pod that it scrapes.
const OF_SCRAPER: [&str; 6] = ["namespace", "pod", "container", "service", "endpoint", "instance"];
/// Programs whose metrics are about other objects than themselves.
const EXPORTERS: [&str; 2] = ["state-metrics", "node-exporter"];

/// The labels with those of the object in place of those of the program that was scraped.
pub fn of_object(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut own = labels.clone();
    let exported: Vec<(String, String)> = labels
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(EXPORTED)?.to_owned(), value.clone())))
        .filter(|(name, _)| OF_SCRAPER.contains(&name.as_str()) || is_target(name))
        .collect();
    if !exported.is_empty() {
        OF_SCRAPER.iter().for_each(|name| drop(own.remove(*name)));
    }
    own.extend(exported);
    let job = labels.get("job").map(String::as_str).unwrap_or_default();
    let exporter = EXPORTERS.iter().find(|exporter| job.contains(**exporter));
    // what these name beside another object is the exporter itself
    if let Some(exporter) = exporter
        && own.iter().any(|(name, value)| is_target(name) && !value.contains(exporter))
    {
        for name in ["pod", "service", "container"] {
            if own.get(name).is_some_and(|value| value.contains(exporter)) {
                own.remove(name);
            }
        }
    }
    own
}

/// The labels that tell a person something: without the name of the alert, and without what only
/// says how the metric came in.
pub fn shown(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let job = labels.get("job").map(String::as_str).unwrap_or_default();
    // those of a node-exporter name its node
    let of_exporter = job.contains(EXPORTERS[0]);
    let mut shown = of_object(labels);
    shown.retain(|name, _| {
        let how = ["instance", "job", "endpoint"].contains(&name.as_str()) && of_exporter;
        let hidden = how || ["uid", "prometheus"].contains(&name.as_str());
        name != "alertname" && !hidden && !name.starts_with(EXPORTED)
    });
    shown
}

fn is_target(label: &str) -> bool {
    TARGETS.iter().any(|(known, _)| *known == label)
}

/// The object that labels name, as a runbook takes it: `pod/api-0`. Of several the most specific.
///
/// # Errors
/// The label and its value, if that cannot be the name of an object.
pub fn target(
    of_object: &BTreeMap<String, String>,
) -> Result<Option<String>, (&'static str, &str)> {
    let found =
        TARGETS.iter().find_map(|(label, kind)| Some((*label, kind, of_object.get(*label)?)));
    match found {
        None => Ok(None),
        Some((_, kind, name)) if is_name(name) => Ok(Some(format!("{kind}/{name}"))),
        Some((label, _, name)) => Err((label, name)),
    }
}

/// Whether this can be the name of an object.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 253
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn the_most_specific_label_is_the_target() {
        let table = [
            ("namespace=shop pod=api-0 deployment=api node=n1", "pod/api-0"),
            ("deployment=api service=api", "deployment/api"),
            ("statefulset=db persistentvolumeclaim=data-db-0", "statefulset/db"),
            ("daemonset=agent node=n1", "daemonset/agent"),
            ("job_name=nightly-1 job=kube-state-metrics", "job/nightly-1"),
            ("job=api", ""),
            ("cronjob=nightly", "cronjob/nightly"),
            ("horizontalpodautoscaler=api", "hpa/api"),
            ("poddisruptionbudget=api", "pdb/api"),
            ("persistentvolumeclaim=data job=kubelet service=kubelet node=n1", "pvc/data"),
            ("persistentvolume=pv-1", "pv/pv-1"),
            ("service=api job=api", "service/api"),
            ("node=n1", "node/n1"),
            ("severity=warning", ""),
        ];
        for (text, wanted) in table {
            let own = of_object(&labels(text));
            assert_eq!(target(&own).unwrap().unwrap_or_default(), wanted, "{text}");
        }
        for value in ["../../secrets/x", "-x", "a b", "$(id)", "a/b", &"x".repeat(254)] {
            let own = BTreeMap::from([("pod".to_owned(), value.to_owned())]);
            assert_eq!(target(&own), Err(("pod", value)));
        }
    }

    #[test]
    fn labels_for_a_person_are_about_the_object() {
        let table = [
            (
                "alertname=A job=kube-state-metrics instance=ksm:8080 uid=1 namespace=shop pod=api-0",
                "namespace=shop pod=api-0",
            ),
            (
                "alertname=A job=api instance=10.0.0.1:80 prometheus=m/k",
                "job=api instance=10.0.0.1:80",
            ),
            ("exported_pod=api-0 pod=ksm namespace=m", "pod=api-0"),
        ];
        for (text, wanted) in table {
            assert_eq!(shown(&labels(text)), labels(wanted), "{text}");
        }
    }

    #[test]
    fn labels_of_the_scraper_name_no_object() {
        let table = [
            // renamed by Prometheus: the others are those of the scraped pod
            (
                "namespace=monitoring pod=ksm-1 container=main service=ksm \
                    exported_namespace=shop exported_pod=api-0 exported_container=app",
                "namespace=shop pod=api-0 container=app",
            ),
            (
                "namespace=monitoring pod=ksm-1 exported_namespace=shop deployment=api",
                "namespace=shop deployment=api",
            ),
            // kept by the exporter: only its own pod and Service remain of it
            (
                "job=kube-state-metrics namespace=shop deployment=api pod=kube-state-metrics-1 \
                    service=kube-state-metrics container=kube-state-metrics",
                "namespace=shop deployment=api",
            ),
            (
                "job=kube-state-metrics namespace=shop pod=api-0 container=app \
                    service=kube-state-metrics",
                "namespace=shop pod=api-0 container=app",
            ),
            (
                "job=kube-state-metrics namespace=m node=n1 pod=kube-state-metrics-1",
                "namespace=m node=n1",
            ),
            ("job=node-exporter node=n1 pod=node-exporter-1 instance=n1:9100", "node=n1"),
            // the exporter itself
            ("job=kube-state-metrics pod=kube-state-metrics-1", "pod=kube-state-metrics-1"),
            ("job=api pod=api-0 service=api node=n1", "pod=api-0 service=api node=n1"),
            // of a pushed metric: no object
            ("job=push exported_job=nightly pod=gateway-0", "pod=gateway-0"),
        ];
        for (text, wanted) in table {
            let mut own = of_object(&labels(text));
            own.retain(|name, _| {
                !name.starts_with(EXPORTED) && name != "job" && name != "instance"
            });
            assert_eq!(own, labels(wanted), "{text}");
        }
    }
}
