//! A StatefulSet whose pods look for each other by names that its Service would give them: the
//! Service does not exist, or gives a name only to pods that are ready.

use super::Kind;
use super::dependency::is_in_namespace;
use super::resolution::is_unresolved;
use super::service::is_headless;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{filled, is_deleting, is_numbered, name};
use crate::pod::{is_live, is_ready};
use crate::view::View;

const KINDS_READ: &[&str] = &["StatefulSet", "Service", "Pod"];
const MISSING: &str = "governing-service-missing";
const UNPUBLISHED: &str = "peers-not-published";

/// Ids of a pod that runs, and need not be more than one that waits for its peers.
const WAITS: &[&str] = &["readiness-failing", "startup-failing"];

pub(super) const KINDS: &[Kind] = &[
    Kind(MISSING, "references a Service that does not exist", KINDS_READ),
    Kind(
        UNPUBLISHED,
        "looks up its pods by DNS names that are published only when they are ready",
        KINDS_READ,
    ),
];

/// Names it where a pod says that it cannot resolve such a name, which follows from it: it is nothing
/// to pods that do not look for each other.
pub(super) fn explain(view: &View<'_>, found: &mut Vec<Cause>) {
    for set in view.of("StatefulSet") {
        let Some(service) = filled(&set["spec"]["serviceName"]) else { continue };
        if is_deleting(set) || !view.has_read(&["Service"]) {
            continue;
        }
        let object = Object::of(set);
        // a pod that no policy lets ask for a name says nothing of the name
        let own = |cause: &Cause| {
            (cause.object == object && cause.follows_from.is_none())
                .then(|| said(view, cause, name(set), service))
                .flatten()
        };
        let all: Vec<Option<Said>> = found.iter().map(own).collect();
        // a peer with a fault of its own is not kept by this
        let ill: Vec<String> = found
            .iter()
            .zip(&all)
            .filter(|(cause, said)| cause.object == object && said.is_none())
            .filter(|(cause, _)| !WAITS.contains(&cause.id))
            .flat_map(|(cause, _)| cause.pods.clone())
            .collect();
        let mut seen = None;
        for (cause, said) in found.iter_mut().zip(all) {
            let is_kept = |said: &Said| said.id == MISSING || !ill.contains(&said.pod);
            if let Some(Said { id, evidence, .. }) = said.filter(is_kept) {
                cause.follows_from = Some((object.clone(), id));
                seen.get_or_insert((id, evidence, cause.pods.clone()));
            }
        }
        let Some((id, evidence, pods)) = seen else { continue };
        found.push(Cause { pods, ..cause(object, id, service, evidence) });
    }
}

/// That the name of a pod below a Service cannot be resolved.
struct Said {
    /// Why that is so.
    id: &'static str,
    /// The pod that is looked for.
    pod: String,
    evidence: Evidence,
}

/// What of the evidence of a cause says so of this Service.
fn said(view: &View<'_>, cause: &Cause, set: &str, service: &str) -> Option<Said> {
    let own = view.get("Service", service);
    let withholds =
        own.is_some_and(|own| is_headless(own) && own["spec"]["publishNotReadyAddresses"] != true);
    let is_unready = |pod: &str| {
        let pod = view.get("Pod", pod);
        pod.is_some_and(|pod| is_live(pod) && !is_ready(pod))
    };
    cause.evidence.iter().find_map(|one| {
        one.says.lines().find_map(|line| {
            let pod = unresolved(line, service, &cause.object.namespace)?;
            let pod = Some(pod).filter(|pod| is_numbered(pod, set))?;
            let id = match own {
                None => MISSING,
                Some(_) if withholds && is_unready(&pod) => UNPUBLISHED,
                Some(_) => return None,
            };
            Some(Said { id, pod, evidence: Evidence::new(one.source.as_str(), line.trim()) })
        })
    })
}

fn cause(object: Object, id: &'static str, service: &str, evidence: Evidence) -> Cause {
    let detail = format!("service/{service}: {}", evidence.says);
    let (source, says, hint) = if id == MISSING {
        let hint = format!(
            "create the headless Service {service} (clusterIP: None) with the labels of the pods \
                as its selector, and publishNotReadyAddresses if they look up each other during \
                startup"
        );
        (format!("{object}: spec.serviceName"), service.to_owned(), hint)
    } else {
        let hint = format!(
            "set publishNotReadyAddresses: true in the Service {service}, and \
                podManagementPolicy: Parallel in {object} if a pod looks up one that is created \
                after it"
        );
        let source = format!("service/{service}: spec.publishNotReadyAddresses");
        (source, "is not true".to_owned(), hint)
    };
    Cause::new(id, object, service, detail).seen([Evidence::new(source, says), evidence]).hint(hint)
}

/// The pod of a line that says that its name below this Service cannot be resolved: `lookup
/// db-0.db: no such host`.
fn unresolved(line: &str, service: &str, namespace: &str) -> Option<String> {
    let lower = line.to_lowercase();
    let below = format!(".{service}");
    let is_of_name = |one: char| one.is_alphanumeric() || one == '-';
    let (at, _) = lower.match_indices(&below).find(|(at, part)| {
        let rest = &lower[at + part.len()..];
        let ends = !rest.starts_with(is_of_name) && !rest.starts_with('.');
        ends || is_in_namespace(rest, namespace)
    })?;
    let pod = lower[..at].rsplit(|one: char| !is_of_name(one)).next().unwrap_or_default();
    is_unresolved(&lower).then(|| pod.to_owned())
}
