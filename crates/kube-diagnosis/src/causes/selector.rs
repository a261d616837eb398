//! Services whose selector matches no pod: it is wrong, or its workload has none now.

use super::service::{TEMPLATES, shown};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{controller, name, text};
use crate::pod::is_finished;
use crate::view::{View, listed, selects};
use serde_json::Value;

/// A Service that selects no live pod leads nowhere, whatever the reason: its selector is wrong, its
/// workload has no pods, or their time is over or still to come.
pub(super) fn nothing_selected(
    view: &View<'_>,
    service: &Value,
    selector: &Value,
    so_far: &[Cause],
) -> Cause {
    let makers: Vec<&Value> = TEMPLATES
        .iter()
        .flat_map(|kind| view.of(kind))
        // an old ReplicaSet makes no pods any more: its Deployment says which there will be
        .filter(|maker| !is_of_a_deployment(maker) && may_make(maker, selector))
        .collect();
    let is_own = |cause: &&Cause| makers.iter().any(|maker| Object::of(maker) == cause.object);
    if let Some(own) = so_far.iter().find(is_own) {
        return follows(service, selector, own);
    }
    let scaled = || scaled_down(view, Object::of(service), &makers);
    // an operator knows which pods it makes: a role that none has now is no mistake
    let is_made = controller(service).is_some();
    let others = unheeded(view, selector);
    let near = near_miss(view, service, selector);
    // what Jobs leave behind serves nothing, where a workload has the name of the Service
    let is_meant = near.as_ref().is_some_and(|(maker, _)| maker.name == name(service));
    let may_be_right = others.as_ref().is_some_and(|others| others.may_serve || !is_meant);
    if is_made || !makers.is_empty() || may_be_right || !view.has_read(TEMPLATES) {
        let others = others.map(|others| others.words);
        return scaled().unwrap_or_else(|| without_pods(service, selector, others));
    }
    let mut detail = format!("no pod has the labels {}", shown(selector));
    if let Some((maker, labels)) = near {
        let maker_of = view.get(&maker.kind, &maker.name);
        let is_meant = |maker: &&Value| maker["spec"]["replicas"] == 0 && may_get(selector, maker);
        let scaled = maker_of.filter(is_meant);
        if let Some(cause) =
            scaled.and_then(|maker| scaled_down(view, Object::of(service), &[maker]))
        {
            return cause;
        }
        let labels = if labels.is_empty() { "no labels" } else { labels.as_str() };
        detail = format!("{detail}; the pods of {maker} have {labels}");
    }
    Cause::new("selector-matches-nothing", Object::of(service), "", detail)
        .seen([asks(service, selector)])
        .hint("correct the selector of the Service, or the labels of the pods")
}

fn asks(service: &Value, selector: &Value) -> Evidence {
    Evidence::new(format!("{}: spec.selector", Object::of(service)), shown(selector))
}

/// Its workload has no pods, and why is known already.
fn follows(service: &Value, selector: &Value, own: &Cause) -> Cause {
    let detail = format!("{} has no pods", own.object);
    let cause = Cause {
        follows_from: Some((own.object.clone(), own.id)),
        ..Cause::new("no-ready-endpoints", Object::of(service), "", detail)
    };
    cause.seen([asks(service, selector)]).hint(format!("fix {}", own.object))
}

/// A Service whose selector may be right, and that leads nowhere all the same.
fn without_pods(service: &Value, selector: &Value, others: Option<String>) -> Cause {
    let mut detail = format!("no pod has the labels {}", shown(selector));
    if let Some(others) = others {
        detail = format!("{detail} except for {others}");
    }
    let hint = match controller(service) {
        Some(owner) => {
            let owner = Object::named(text(&owner["kind"]), "", text(&owner["name"]));
            format!("look at {owner}, which created the Service")
        }
        None => "start its workload if it is needed, or correct its selector".to_owned(),
    };
    let reason = if controller(service).is_some() { "Controlled" } else { "" };
    Cause::new("no-endpoints", Object::of(service), reason, detail)
        .seen([asks(service, selector)])
        .hint(hint)
}

fn is_of_a_deployment(maker: &Value) -> bool {
    controller(maker).is_some_and(|owner| owner["kind"] == "Deployment")
}

/// The pods with the labels of a selector to which the Service leads no more, or not for long.
struct Unheeded {
    words: String,
    /// Some are not of a Job.
    may_serve: bool,
}

/// The pods with these labels that have ended or are leaving, or those of a CronJob.
fn unheeded(view: &View<'_>, selector: &Value) -> Option<Unheeded> {
    let pods = || {
        let pods = view.of("Pod").iter();
        pods.filter(|pod| selects(selector, &pod["metadata"]["labels"]))
    };
    let may_serve = pods().any(|pod| view.workload(pod).kind != "Job");
    let mut all: Vec<String> = pods()
        .map(|pod| {
            let how = match text(&pod["status"]["phase"]) {
                "Failed" => "has failed",
                "Succeeded" => "has completed",
                _ if is_finished(pod) => "has ended",
                _ => "is terminating",
            };
            format!("pod {}, which {how}", name(pod))
        })
        .collect();
    if all.is_empty() {
        let cronjobs = view.of("CronJob").iter();
        let makers = cronjobs.filter(|cronjob| may_make(&cronjob["spec"]["jobTemplate"], selector));
        all = makers.map(|cronjob| format!("those of {}", Object::of(cronjob))).collect();
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    (!all.is_empty()).then(|| Unheeded { words: listed(&all), may_serve })
}

/// Whether the pods of a workload may get what a selector asks for when they run: their template has
/// all of it but a role.
fn may_get(selector: &Value, maker: &Value) -> bool {
    let labels = &maker["spec"]["template"]["metadata"]["labels"];
    let wanted = || selector.as_object().into_iter().flatten();
    let is_role = |key: &str| key.to_lowercase().ends_with("role");
    wanted().any(|(key, value)| labels[key] == *value)
        && wanted()
            .all(|(key, value)| labels[key] == *value || (labels[key].is_null() && is_role(key)))
}

/// Labels that controllers give to pods, so that no template has them.
const GIVEN: &[&str] = &[
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    POD_NAME,
];
/// The one that has the name of the pod.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// Those that have the name of the Job (pkg/controller/job/utils.go).
const JOB_NAME: &[&str] = &["job-name", "batch.kubernetes.io/job-name"];
/// Those that have its uid.
const JOB_UID: &[&str] = &["controller-uid", "batch.kubernetes.io/controller-uid"];

/// Whether a label that its controller gives to a pod says that it is one of this workload: those of
/// a StatefulSet have its name and a number. None if the label says nothing of it.
fn is_given_by(maker: &Value, key: &str, value: &str) -> Option<bool> {
    let is = |kind: &str| maker["kind"] == kind;
    match key {
        POD_NAME => {
            let set = value.rsplit_once('-').map(|(set, _)| set);
            Some(is("StatefulSet") && set == Some(name(maker)))
        }
        key if JOB_NAME.contains(&key) => Some(is("Job") && value == name(maker)),
        key if JOB_UID.contains(&key) => Some(is("Job") && maker["metadata"]["uid"] == value),
        _ => None,
    }
}

/// Whether the pods of a workload are those that a selector asks for, as far as their template and
/// what its controller gives to them say.
fn may_make(maker: &Value, selector: &Value) -> bool {
    let labels = &maker["spec"]["template"]["metadata"]["labels"];
    let all = || selector.as_object().into_iter().flatten();
    let given: Vec<bool> =
        all().filter_map(|(key, value)| is_given_by(maker, key, text(value))).collect();
    let mut written = all().filter(|(key, _)| !GIVEN.contains(&key.as_str())).peekable();
    given.iter().all(|is_own| *is_own)
        && (written.peek().is_some() || !given.is_empty())
        && written.all(|(key, value)| labels[key] == *value)
}

/// A Service of which every workload is scaled to 0: that is somebody's wish, and nobody answers.
fn scaled_down(view: &View<'_>, service: Object, makers: &[&Value]) -> Option<Cause> {
    let scaled: Option<Vec<Object>> = makers
        .iter()
        // the workload speaks for its ReplicaSets
        .filter(|maker| controller(maker).is_none())
        .map(|maker| (maker["spec"]["replicas"] == 0).then(|| Object::of(maker)))
        .collect();
    let scaled = scaled.filter(|scaled| !scaled.is_empty() && view.has_read(TEMPLATES))?;
    let names: Vec<String> = scaled.iter().map(Object::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = format!(
        "to scale it up: kubectl scale -n {} {} --replicas=1",
        service.namespace,
        names.join(" ")
    );
    let seen = names.iter().map(|name| Evidence::new(*name, "spec.replicas is 0"));
    let seen: Vec<Evidence> = seen.collect();
    Some(Cause::new("scaled-to-zero", service, "", listed(&names)).seen(seen).hint(hint))
}

/// The workload that the selector of a Service may mean, and what its pods have instead: it has the
/// name of the Service, some of the labels, or a label that is spelled nearly like that.
fn near_miss(view: &View<'_>, service: &Value, selector: &Value) -> Option<(Object, String)> {
    let wanted: Vec<(&str, &str)> =
        selector.as_object()?.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
    let labels = |maker: &'_ Value| maker["spec"]["template"]["metadata"]["labels"].clone();
    let score = |maker: &&Value| {
        let labels = labels(maker);
        let value = |key: &str| labels[key].as_str().unwrap_or_default();
        let same = wanted.iter().filter(|(key, wanted)| value(key) == *wanted).count();
        let alike = wanted.iter().filter(|(key, wanted)| is_alike(value(key), wanted)).count();
        (same, alike, usize::from(name(maker) == name(service)))
    };
    // the Deployment speaks for its ReplicaSets
    let makers = TEMPLATES.iter().flat_map(|kind| view.of(kind));
    let makers = makers.filter(|maker| controller(maker).is_none());
    let best = makers.filter(|maker| score(maker) != (0, 0, 0)).rev().max_by_key(score)?;
    let labels = labels(best);
    let differs = |(key, value): &&(&str, &str)| labels[*key] != *value;
    let instead: Option<Vec<String>> = wanted
        .iter()
        .filter(differs)
        .map(|(key, _)| Some(format!("{key}={}", labels[*key].as_str()?)))
        .collect();
    let instead = instead.map_or_else(|| shown(&labels), |pairs| pairs.join(","));
    Some((Object::of(best), instead))
}

/// Whether two words differ in a letter or two, as a slip of the keyboard makes them.
fn is_alike(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let most = one.len().max(other.len()) / 3;
    if one.is_empty() || one.len().abs_diff(other.len()) > most.min(2) {
        return false;
    }
    // the distance of Levenshtein, row by row
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.iter().enumerate() {
        let mut before = row[0];
        row[0] = place + 1;
        for (column, of_other) in other.iter().enumerate() {
            let changed = before + usize::from(letter != of_other);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()] <= most.min(2)
}
