//! From the labels of an alert to the parameters of a runbook.

use super::group::PodName;
use super::labels::{TARGETS, of_object, target};
use crate::document::{AlertMapping, Deferred, Runbook};
use crate::event::Alert;
use crate::plan::Says;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Parameters that say what is looked at.
const OBJECTS: [&str; 2] = ["namespace", "target"];

/// What an alert gives to a runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Values by name; each is read as the type of its parameter.
    pub texts: BTreeMap<String, String>,
    /// The namespace, where no parameter is it.
    pub namespace: Option<String>,
    /// The pod, where `target` is one by its label alone.
    pub pod: Option<PodName>,
    /// Which of `namespace` and `target` no label gives, so that the runbook looks at its default.
    pub by_default: Vec<String>,
    /// Required parameters that it does not give.
    pub missing: Vec<Missing>,
}

/// A required parameter that no label gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The parameter.
    pub param: String,
    /// The labels that could have given it.
    pub looked: Vec<String>,
}

/// A label that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It names no object.
    #[error("the label {label}={value} is not the name of an object")]
    Name {
        /// The label.
        label: String,
        /// Its value.
        value: String,
    },
    /// The template of the runbook does not take it.
    #[error("parameter `{param}`: {message}")]
    Template {
        /// The parameter.
        param: String,
        /// What is wrong.
        message: String,
    },
}

/// The parameters that an alert gives to a runbook: by what the runbook says, and by the names of
/// labels otherwise. What somebody gives is left out.
///
/// # Errors
/// A label that cannot be used.
pub fn parameters(
    alert: &Alert,
    runbook: &Runbook,
    is_given: impl Fn(&str) -> bool,
) -> Result<Parameters, Unfit> {
    let labels = of_object(&alert.labels);
    let mapping = runbook.alerts.iter().find(|mapping| mapping.name == alert.name);
    let context = json!({"labels": labels, "annotations": alert.annotations});
    let mut given = Parameters::default();
    for (name, param) in runbook.params.iter().filter(|(name, _)| !is_given(name)) {
        let (value, looked) = match mapping.and_then(|mapping| mapping.with.get(name)) {
            Some(written) => rendered(name, written, &context)?,
            None => by_name(name, &labels)?,
        };
        let is_mapped = mapping.is_some_and(|mapping| mapping.sets(name));
        if name == "target" && !is_mapped && value.is_some() {
            given.pod = labels.get("namespace").cloned().zip(labels.get("pod").cloned());
        }
        match value {
            Some(value) => drop(given.texts.insert(name.clone(), value)),
            None if param.default.is_none() && !param.optional => {
                given.missing.push(Missing { param: name.clone(), looked });
            }
            None if OBJECTS.contains(&name.as_str()) => given.by_default.push(name.clone()),
            None => {}
        }
    }
    if let Some(namespace) = labels.get("namespace") {
        let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
        let own = says.set_by(namespace);
        let mapped = |name: &String| mapping.is_some_and(|mapping| mapping.sets(name));
        for name in own.iter().filter(|name| !mapped(name) && !is_given(name)) {
            given.missing.retain(|missing| missing.param != *name);
            given.by_default.retain(|default| default != name);
            given.texts.insert(name.clone(), namespace.clone());
        }
        // one that is written out is meant so
        if own.is_empty() && runbook.namespace.is_none() {
            given.namespace = Some(namespace.clone());
        }
    }
    Ok(given)
}

impl AlertMapping {
    fn sets(&self, param: &str) -> bool {
        self.with.contains_key(param)
    }
}

/// What the runbook makes of the labels, and those that it looks at. Where one is missing that has
/// no default, there is no value.
fn rendered(
    param: &str,
    written: &Deferred,
    context: &Value,
) -> Result<(Option<String>, Vec<String>), Unfit> {
    let looked: Vec<String> = written
        .references()
        .iter()
        .filter(|reference| reference.root == "labels")
        .filter_map(|reference| reference.name.clone())
        .collect();
    let incomplete = || {
        written.references().iter().any(|reference| {
            reference.name.as_ref().is_some_and(|name| context[&reference.root][name].is_null())
        })
    };
    match written.render_text(context) {
        Ok(text) => Ok((Some(text).filter(|text| !text.is_empty()), looked)),
        Err(_) if incomplete() => Ok((None, looked)),
        Err(error) => Err(Unfit::Template { param: param.to_owned(), message: error.to_string() }),
    }
}

/// What a parameter of this name takes by itself, and the labels for it.
fn by_name(
    param: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(Option<String>, Vec<String>), Unfit> {
    let first = |looked: &[&str]| {
        let value = looked.iter().find_map(|label| labels.get(*label)).cloned();
        (value, looked.iter().map(|label| (*label).to_owned()).collect())
    };
    Ok(match param {
        "target" => {
            let value = target(labels).map_err(|(label, value)| Unfit::Name {
                label: label.to_owned(),
                value: value.to_owned(),
            })?;
            (value, TARGETS.iter().map(|(label, _)| (*label).to_owned()).collect())
        }
        "alert" => first(&["alertname"]),
        // the label `job` is the scrape job
        "job" => first(&["job_name", "job"]),
        _ => first(&[param, &param.replace('-', "_")][..if param.contains('-') { 2 } else { 1 }]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Catalogue;
    use std::sync::Arc;

    fn runbook(head: &str) -> Arc<Runbook> {
        let text = format!("runbook: v1\ntitle: T\n{head}\nsteps: [{{id: a, value: '1'}}]\n");
        Catalogue::new(&[]).load_text("x", text).unwrap().remove("x").unwrap()
    }

    fn alert(labels: &str) -> Alert {
        let labels: Vec<String> = labels.split_whitespace().map(str::to_owned).collect();
        let mut alert = super::super::typed("A", &labels).unwrap();
        alert.annotations.insert("runbook_url".to_owned(), "http://r".to_owned());
        alert
    }

    /// `NAME=VALUE …`, `-n NAMESPACE`, `NAME?LABEL,LABEL` of what is missing.
    fn shown(found: Parameters) -> String {
        let texts = found.texts.iter().map(|(name, value)| format!("{name}={value}"));
        let namespace = found.namespace.iter().map(|namespace| format!("-n {namespace}"));
        let missing = found
            .missing
            .iter()
            .map(|missing| format!("{}?{}", missing.param, missing.looked.join(",")));
        let default = found.by_default.iter().map(|name| format!("{name}!"));
        texts.chain(namespace).chain(default).chain(missing).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn labels_become_the_parameters_that_the_runbook_has() {
        let both = "params: {namespace: {type: string}, target: {type: string}}\n\
            namespace: '{{ params.namespace }}'";
        let table = [
            (both, "namespace=shop pod=api-0 container=app", "namespace=shop target=pod/api-0"),
            (
                both,
                "exported_namespace=shop namespace=m pod=ksm deployment=api",
                "namespace=shop target=deployment/api",
            ),
            (
                both,
                "namespace=shop job=api",
                "namespace=shop target?pod,deployment,statefulset,\
                daemonset,replicaset,job_name,cronjob,horizontalpodautoscaler,poddisruptionbudget,\
                persistentvolumeclaim,persistentvolume,service,node",
            ),
            (both, "pod=x", "target=pod/x namespace?namespace"),
            (
                "params: {container: {type: string, optional: true}}",
                "namespace=shop container=app",
                "container=app -n shop",
            ),
            ("params: {storage-class: {type: string}}", "storage_class=fast", "storage-class=fast"),
            ("params: {job: {type: string}}", "job=api job_name=nightly", "job=nightly"),
            ("params: {job: {type: string}}", "job=api", "job=api"),
            ("params: {alert: {type: string}}", "pod=x", "alert=A"),
            ("params: {limit: {type: int, default: 3}}", "pod=x", ""),
            // what is looked at by default is told
            ("params: {namespace: {type: string, default: a}}", "pod=x", "namespace!"),
            ("params: {namespace: {type: string, default: a}}", "namespace=b", "namespace=b"),
            // a namespace of another name, and one that is written out
            (
                "params: {place: {type: string, default: a}}\nnamespace: '{{ params.place }}'",
                "namespace=shop",
                "place=shop",
            ),
            ("namespace: petrosa-apps", "namespace=shop", ""),
            // by the runbook
            (
                "alerts: [{name: A, with: {who: 'pod/{{ labels.pod }}', url: '{{ annotations.runbook_url }}'}}]\n\
                params: {who: {type: string}, url: {type: string}}",
                "exported_pod=api-0 pod=ksm",
                "url=http://r who=pod/api-0",
            ),
            (
                "alerts: [{name: A, with: {target: 'pod/{{ labels.pod }}'}}]\n\
                params: {target: {type: string}}",
                "deployment=api",
                "target?pod",
            ),
            (
                "alerts: [{name: A, with: {target: \"node/{{ labels.node | default(labels.instance) }}\"}}]\n\
                params: {target: {type: string}}",
                "instance=n1",
                "target=node/n1",
            ),
            (
                "alerts: [{name: A, with: {target: service/x}}, B]\nparams: {target: {type: string}}",
                "pod=x",
                "target=service/x",
            ),
            // what a label says is no template
            (
                "alerts: [{name: A, with: {who: '{{ labels.pod }}'}}]\nparams: {who: {type: string}}",
                "pod={{labels}}",
                "who={{labels}}",
            ),
        ];
        for (head, labels, wanted) in table {
            let found = parameters(&alert(labels), &runbook(head), |_| false).unwrap();
            assert_eq!(shown(found), wanted, "{head}: {labels}");
        }
    }

    #[test]
    fn what_somebody_gives_is_not_looked_for() {
        let target = runbook("params: {target: {type: string}, pod: {type: string}}");
        let found = parameters(&alert("pod=../x"), &target, |name| name == "target").unwrap();
        assert_eq!(shown(found), "pod=../x");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let target = runbook("params: {target: {type: string}}");
        let error = parameters(&alert("pod=../x"), &target, |_| false).unwrap_err();
        assert_eq!(error.to_string(), "the label pod=../x is not the name of an object");
        let wrong = "alerts: [{name: A, with: {count: '{{ labels.pod + 1 }}'}}]\n\
            params: {count: {type: int}}";
        let error =
            parameters(&alert("pod=x"), &runbook(wrong), |_| false).unwrap_err().to_string();
        assert!(error.starts_with("parameter `count`: "), "{error}");
    }
}
