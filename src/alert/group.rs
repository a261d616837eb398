//! Which alerts one run answers.

use super::choose::Answer;
use super::parameters::Parameters;
use crate::event::Alert;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};

/// Namespace and name of a pod.
pub type PodName = (String, String);

/// An alert, a runbook that answers it, and what it gives to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The alert.
    pub alert: Alert,
    /// Name of the runbook.
    pub runbook: String,
    /// What the labels give.
    pub parameters: Parameters,
}

/// What is the same of runs that differ in their pod at most.
type Likeness = (String, BTreeMap<String, String>, Option<String>);

impl Fit {
    fn likeness(&self) -> Likeness {
        let mut texts = self.parameters.texts.clone();
        texts.remove("target");
        (self.runbook.clone(), texts, self.parameters.namespace.clone())
    }
}

/// The pods whose runs differ in nothing else, where there are several: these may be of one workload.
pub fn alike(fits: &[Fit]) -> BTreeSet<PodName> {
    let mut pods: BTreeMap<Likeness, BTreeSet<PodName>> = BTreeMap::new();
    for fit in fits {
        if let Some(pod) = &fit.parameters.pod {
            pods.entry(fit.likeness()).or_default().insert(pod.clone());
        }
    }
    pods.into_values().filter(|pods| pods.len() > 1).flatten().collect()
}

/// The runs for alerts, in the order of the alerts: one for each runbook with the same parameters.
/// Where several pods of one workload would have a run each, the workload has one.
pub fn grouped(fits: Vec<Fit>, workloads: &BTreeMap<PodName, String>) -> Vec<Answer> {
    let mut pods: BTreeMap<(Likeness, &String), BTreeSet<PodName>> = BTreeMap::new();
    let workload = |fit: &Fit| workloads.get(fit.parameters.pod.as_ref()?);
    for fit in &fits {
        if let (Some(workload), Some(pod)) = (workload(fit), &fit.parameters.pod) {
            pods.entry((fit.likeness(), workload)).or_default().insert(pod.clone());
        }
    }
    let mut answers: IndexMap<_, Answer> = IndexMap::new();
    for mut fit in fits {
        if let Some(workload) = workload(&fit)
            && pods.get(&(fit.likeness(), workload)).is_some_and(|pods| pods.len() > 1)
        {
            fit.parameters.texts.insert("target".to_owned(), workload.clone());
        }
        let Fit { alert, runbook, parameters } = fit;
        let key = (runbook.clone(), parameters.texts.clone(), parameters.namespace.clone());
        let new = || Answer { runbook, parameters, alerts: Vec::new() };
        answers.entry(key).or_insert_with(new).alerts.push(alert);
    }
    answers.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(name: &str, runbook: &str, target: &str) -> Fit {
        let pod = target.strip_prefix("pod/").map(|pod| ("shop".to_owned(), pod.to_owned()));
        let texts = BTreeMap::from([("target".to_owned(), target.to_owned())]);
        Fit {
            alert: Alert { name: name.to_owned(), ..Alert::default() },
            runbook: runbook.to_owned(),
            parameters: Parameters { texts, pod, ..Parameters::default() },
        }
    }

    /// `RUNBOOK TARGET ALERTS`, each.
    fn shown(answers: &[Answer]) -> Vec<String> {
        let one = |answer: &Answer| {
            let names: String = answer.alerts.iter().map(|alert| alert.name.as_str()).collect();
            format!("{} {} {names}", answer.runbook, answer.parameters.texts["target"])
        };
        answers.iter().map(one).collect()
    }

    #[test]
    fn equal_runs_are_one() {
        let fits = vec![
            fit("A", "x", "pod/1"),
            fit("B", "y", "pod/1"),
            fit("C", "x", "pod/1"),
            fit("D", "x", "pod/2"),
        ];
        let answers = grouped(fits, &BTreeMap::new());
        assert_eq!(shown(&answers), ["x pod/1 AC", "y pod/1 B", "x pod/2 D"]);
    }

    #[test]
    fn several_pods_of_a_workload_have_one_run() {
        let fits = vec![
            fit("A", "x", "pod/api-1"),
            fit("B", "x", "pod/db-0"),
            fit("C", "x", "pod/api-2"),
            fit("D", "x", "pod/alone"),
            fit("E", "y", "pod/api-1"),
            fit("F", "x", "deployment/api"),
        ];
        let names = |pods: &BTreeSet<PodName>| -> String {
            pods.iter().map(|(_, pod)| pod.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&alike(&fits)), "alone api-1 api-2 db-0");
        assert_eq!(names(&alike(&fits[3..])), "");
        let of =
            |pod: &str, workload: &str| (("shop".to_owned(), pod.to_owned()), workload.to_owned());
        let workloads = BTreeMap::from([
            of("api-1", "deployment/api"),
            of("api-2", "deployment/api"),
            of("db-0", "statefulset/db"),
        ]);
        assert_eq!(
            shown(&grouped(fits, &workloads)),
            ["x deployment/api ACF", "x pod/db-0 B", "x pod/alone D", "y pod/api-1 E"]
        );
    }
}
