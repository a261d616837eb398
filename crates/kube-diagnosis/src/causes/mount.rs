//! A mount of a part of a volume that is not there: its `subPath` names a key that the ConfigMap or
//! Secret does not have. The kubelet makes an empty directory of it and says nothing
//! (pkg/kubelet/kubelet_pods.go, `makeMounts`): the program finds a directory in the place of a file.

use super::detail::container_of;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, data_keys, filled, name, text};
use crate::view::{View, listed};
use serde_json::Value;

/// Ids of a container that a missing file may be what ails.
const MAY_FOLLOW: &[&str] = &[
    "app-exit",
    "exits-zero",
    "init-container-fails",
    "liveness-probe-kills",
    "post-start-hook-failed",
    "readiness-failing",
    "start-error",
    "startup-failing",
    "startup-probe-kills",
];

/// How a program says that it found a directory in the place of a file, or the other way round.
const DIRECTORY: &[&str] = &["is a directory", "not a directory", "eisdir", "enotdir"];

/// What a mount names and its volume does not have.
struct Absent<'a> {
    /// `configmap/conf has no key app.cnf`, and where it is mounted.
    detail: String,
    said: Evidence,
    mount: &'a Value,
}

impl Absent<'_> {
    /// Whether these are the words of a program that misses the file.
    fn explains(&self, words: &str) -> bool {
        let lower = words.to_lowercase();
        let names = [text(&self.mount["mountPath"]), text(&self.mount["subPath"])];
        // what is short stands in other words by chance
        let mut telling = names.iter().filter(|name| name.len() > 3);
        DIRECTORY.iter().any(|part| lower.contains(part))
            || telling.any(|part| words.contains(part))
    }
}

/// Names what the mounts of ill containers lack, and says of these containers that they follow from
/// it where their words tell so.
pub(super) fn explain(view: &View<'_>, found: &mut Vec<Cause>) {
    let mut causes: Vec<Cause> = Vec::new();
    for cause in found.iter_mut() {
        let Some((pod, container)) = ill(view, cause) else { continue };
        let Some(absent) = mounts(pod, container).find_map(|mount| missing(view, pod, mount))
        else {
            continue;
        };
        let is_why = cause.evidence.iter().any(|evidence| absent.explains(&evidence.says));
        let same =
            |other: &Cause| other.object == cause.object && other.container == cause.container;
        if !causes.iter().any(same) {
            let detail = format!("{container}: {}", absent.detail);
            let own = Cause::new(MISSING, cause.object.clone(), "SubPath", detail);
            let (container, pods) = (cause.container.clone(), cause.pods.clone());
            causes.push(Cause { container, pods, ..own.seen([absent.said]).hint(CORRECT) });
        }
        if is_why {
            cause.follows_from = Some((cause.object.clone(), MISSING));
        }
    }
    found.extend(causes);
}

const MISSING: &str = "config-missing";
const CORRECT: &str = "add the key, or correct subPath of the mount; then delete the pod: a \
    subPath mount is not updated";

/// The pod and the container of a cause that a missing file may be behind.
fn ill<'a, 'b>(view: &View<'a>, cause: &'b Cause) -> Option<(&'a Value, &'b str)> {
    let pod = view.get("Pod", cause.pods.first()?)?;
    let container = cause.container.as_deref()?;
    MAY_FOLLOW.contains(&cause.id).then_some((pod, container))
}

/// The ConfigMaps and Secrets whose keys would tell whether a mount lacks one, and that were not
/// read.
pub(super) fn wanted(view: &View<'_>, found: &[Cause]) -> Vec<Object> {
    let mut all: Vec<Object> = Vec::new();
    for (pod, container) in found.iter().filter_map(|cause| ill(view, cause)) {
        let volumes = mounts(pod, container).filter_map(|mount| volume(pod, mount));
        for source in volumes.flat_map(sources) {
            let Source::Keys { kind, from } = source else { continue };
            let object = Object::named(kind, text(&pod["metadata"]["namespace"]), name_in(from));
            let is_known = has_items(from)
                || view.get(kind, &object.name).and_then(keys).is_some()
                || all.contains(&object);
            if !is_known {
                all.push(object);
            }
        }
    }
    all
}

/// The mounts of a part of a volume. What `subPathExpr` names is known to the kubelet alone.
fn mounts<'a>(pod: &'a Value, container: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let (spec, _) = container_of(pod, container);
    array(&spec["volumeMounts"]).filter(|mount| filled(&mount["subPath"]).is_some())
}

fn volume<'a>(pod: &'a Value, mount: &Value) -> Option<&'a Value> {
    array(&pod["spec"]["volumes"]).find(|volume| volume["name"] == mount["name"])
}

/// What files of a volume are made from.
enum Source<'a> {
    /// A ConfigMap or Secret.
    Keys { kind: &'static str, from: &'a Value },
    /// Files of these names.
    Paths(Vec<&'a str>),
    /// Something else.
    Other,
}

/// The sources of a volume of files that the API server gives; none of any other volume.
fn sources(volume: &Value) -> Vec<Source<'_>> {
    if volume["projected"].is_object() {
        return array(&volume["projected"]["sources"]).map(source).collect();
    }
    match ["configMap", "secret"].iter().any(|kind| volume[*kind].is_object()) {
        true => vec![source(volume)],
        false => Vec::new(),
    }
}

fn source(of: &Value) -> Source<'_> {
    for (field, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        if of[field].is_object() {
            return Source::Keys { kind, from: &of[field] };
        }
    }
    if of["serviceAccountToken"].is_object() {
        return Source::Paths(vec![text(&of["serviceAccountToken"]["path"])]);
    }
    if of["downwardAPI"].is_object() {
        return Source::Paths(
            array(&of["downwardAPI"]["items"]).map(|item| text(&item["path"])).collect(),
        );
    }
    Source::Other
}

/// The name of the ConfigMap or Secret: a Secret that is a volume of its own has it elsewhere.
fn name_in(from: &Value) -> &str {
    filled(&from["name"]).unwrap_or_else(|| text(&from["secretName"]))
}

fn has_items(from: &Value) -> bool {
    array(&from["items"]).next().is_some()
}

/// The keys of a ConfigMap, or those that were read of a Secret.
fn keys(object: &Value) -> Option<Vec<&str>> {
    if let Some(keys) = object["keys"].as_array() {
        return Some(keys.iter().map(text).collect());
    }
    (object["kind"] == "ConfigMap").then(|| data_keys(object).collect())
}

/// The files that a source gives; none if that is not known.
fn paths<'a>(view: &View<'a>, source: &Source<'a>) -> Option<Vec<&'a str>> {
    match source {
        Source::Paths(paths) => Some(paths.clone()),
        Source::Keys { from, .. } if has_items(from) => {
            Some(array(&from["items"]).map(|item| text(&item["path"])).collect())
        }
        Source::Keys { kind, from } => keys(view.get(kind, name_in(from))?),
        Source::Other => None,
    }
}

fn missing<'a>(view: &View<'_>, pod: &Value, mount: &'a Value) -> Option<Absent<'a>> {
    let sub_path = text(&mount["subPath"]).trim_start_matches("./").trim_end_matches('/');
    if matches!(sub_path, "" | ".") {
        return None;
    }
    let volume = volume(pod, mount)?;
    let sources = sources(volume);
    let [first, ..] = sources.as_slice() else { return None };
    let mut all: Vec<&str> = Vec::new();
    for source in &sources {
        all.extend(paths(view, source)?);
    }
    // a part of a volume may be a directory of it
    let is_there = |path: &&str| {
        path.strip_prefix(sub_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if all.iter().any(is_there) {
        return None;
    }
    let whole = match (first, sources.len()) {
        (Source::Keys { kind, from }, 1) if has_items(from) => {
            format!("the items of {} name no path", Object::named(kind, "", name_in(from)))
        }
        (Source::Keys { kind, from }, 1) => {
            format!("{} has no key", Object::named(kind, "", name_in(from)))
        }
        _ => format!("the sources of volume {} have no file", text(&volume["name"])),
    };
    let (at, of) = (text(&mount["mountPath"]), text(&volume["name"]));
    Some(Absent {
        detail: format!(
            "{whole} {sub_path}, which is mounted with subPath at {at}: the kubelet makes an empty \
                directory in its place"
        ),
        said: Evidence::new(
            format!("pod/{}: spec.containers.volumeMounts", name(pod)),
            format!("subPath {sub_path} of volume {of}, whose files are: {}", listed(&all)),
        ),
        mount,
    })
}
