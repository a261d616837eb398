//! A StatefulSet whose pods look for each other by names that its Service would give them, and that
//! does not exist.

use super::Kind;
use super::init::UNRESOLVED;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{filled, is_deleting, text};
use crate::view::View;
use serde_json::Value;

const ID: &str = "governing-service-missing";

pub(super) const KINDS: &[Kind] =
    &[Kind(ID, "names a Service that does not exist", &["StatefulSet", "Service", "Pod"])];

/// The Service of a StatefulSet, if there is none of that name. Without it `POD.SERVICE` is no name
/// (apps/v1, StatefulSetSpec.serviceName: it must exist before the StatefulSet).
pub(super) fn missing<'a>(view: &View<'_>, set: &'a Value) -> Option<&'a str> {
    let service = filled(&set["spec"]["serviceName"])?;
    let is_missing = view.has_read(&["Service"]) && view.get("Service", service).is_none();
    (set["kind"] == "StatefulSet" && !is_deleting(set) && is_missing).then_some(service)
}

/// Names it where a pod says that it cannot resolve such a name, which follows from it: that the
/// Service is missing is nothing to pods that do not look for each other.
pub(super) fn explain(view: &View<'_>, found: &mut Vec<Cause>) {
    for set in view.of("StatefulSet") {
        let Some(service) = missing(view, set) else { continue };
        let object = Object::of(set);
        let said = |cause: &Cause| {
            let lines = cause
                .evidence
                .iter()
                .flat_map(|one| one.says.lines().map(move |line| (one.source.as_str(), line)));
            let mut lines = lines.filter(|(_, line)| is_unresolved(line, service));
            lines.next().map(|(source, line)| Evidence::new(source, line.trim()))
        };
        let mut seen = None;
        for cause in found.iter_mut().filter(|cause| cause.object == object) {
            if let Some(evidence) = said(cause) {
                cause.follows_from = Some((object.clone(), ID));
                seen.get_or_insert((evidence, cause.pods.clone()));
            }
        }
        let Some((evidence, pods)) = seen else { continue };
        let source = format!("{object}: spec.serviceName");
        let detail = format!("service/{service}: {}", evidence.says);
        let hint = format!(
            "create the headless Service {service} (clusterIP: None) with the labels of the pods as its \
                selector, and publishNotReadyAddresses if they look for each other as they start"
        );
        let cause = Cause::new(ID, object, text(&set["spec"]["serviceName"]), detail)
            .seen([Evidence::new(source, service), evidence])
            .hint(hint);
        found.push(Cause { pods, ..cause });
    }
}

/// Whether a line says that a name below this Service cannot be resolved: `lookup db-0.db: no such
/// host`.
fn is_unresolved(line: &str, service: &str) -> bool {
    let lower = line.to_lowercase();
    let below = format!(".{service}");
    let is_below = lower.match_indices(&below).any(|(at, part)| {
        !lower[at + part.len()..].starts_with(|one: char| one.is_alphanumeric() || one == '-')
    });
    is_below && UNRESOLVED.iter().any(|word| lower.contains(word))
}
