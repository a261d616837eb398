//! Ingresses that lead to no Service, or that nobody serves.

use super::Kind;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, filled, has_address, is_deleting, name, text};
use crate::view::{View, listed};
use jiff::SignedDuration;
use serde_json::Value;

/// How long a controller may take to write its address.
const SERVED: SignedDuration = SignedDuration::from_mins(1);
/// How an Ingress named its class before it had a field for it (networking.k8s.io/v1 API,
/// `ingressClassName`).
const CLASS: &str = "kubernetes.io/ingress.class";
/// Of the class for Ingresses without one.
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

const CLASSES: &[&str] = &["Ingress", "IngressClass"];

pub(super) const KINDS: &[Kind] = &[
    Kind(
        "backend-missing",
        "references a Service or port that does not exist",
        &["Ingress", "Service"],
    ),
    Kind("ingress-class-missing", "references an IngressClass that does not exist", CLASSES),
    Kind(
        "ingress-unclassed",
        "has no ingressClassName, the cluster has no default IngressClass, and no controller \
            serves it",
        CLASSES,
    ),
];

pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let ingresses = view.of("Ingress").iter().filter(|ingress| !is_deleting(ingress));
    ingresses
        .flat_map(|ingress| backends(view, ingress).into_iter().chain(unserved(view, ingress)))
        .collect()
}

/// An Ingress of a class that does not exist, or without one where none is the default. Whoever
/// serves it writes an address into its status.
fn unserved(view: &View<'_>, ingress: &Value) -> Option<Cause> {
    let (spec, metadata) = (&ingress["spec"], &ingress["metadata"]);
    if !ingress["status"]["loadBalancer"].is_object()
        || has_address(ingress)
        || metadata["annotations"][CLASS].is_string()
        || !view.has_read(&["IngressClass"])
        || !view.older(&metadata["creationTimestamp"], SERVED)
    {
        return None;
    }
    let classes = view.of("IngressClass");
    let known: Vec<&str> = classes.iter().map(name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { listed(&known) };
    let (id, detail) = match filled(&spec["ingressClassName"]) {
        Some(class) if !classes.iter().any(|known| name(known) == class) => {
            ("ingress-class-missing", format!("{class}; the classes of the cluster: {known}"))
        }
        None if !classes
            .iter()
            .any(|class| class["metadata"]["annotations"][DEFAULT] == "true") =>
        {
            ("ingress-unclassed", format!("the classes of the cluster: {known}"))
        }
        _ => return None,
    };
    let object = Object::of(ingress);
    let said = Evidence::new(format!("{object}: status"), "loadBalancer has no ingress");
    let hint = "set spec.ingressClassName to a class of the cluster, or install its controller";
    Some(Cause::new(id, object, "", detail).seen([said]).hint(hint))
}

/// The Services of an Ingress that do not exist, or not with that port.
fn backends(view: &View<'_>, ingress: &Value) -> Vec<Cause> {
    if !view.has_read(&["Service"]) {
        return Vec::new();
    }
    let mut wrong: Vec<String> = Vec::new();
    for backend in backend_services(ingress) {
        if let Some(said) = no_backend(view, backend)
            && !wrong.contains(&said)
        {
            wrong.push(said);
        }
    }
    let object = Object::of(ingress);
    let source = format!("{object}: spec.rules");
    wrong
        .into_iter()
        .map(|said| {
            Cause::new("backend-missing", object.clone(), "", said.clone())
                .seen([Evidence::new(&source, said)])
                .hint("correct the backend of the Ingress, or create the Service")
        })
        .collect()
}

/// The Services that an Ingress leads to, as its backends name them; a backend may also be another
/// resource.
pub(super) fn backend_services(ingress: &Value) -> impl Iterator<Item = &Value> {
    let rules = array(&ingress["spec"]["rules"])
        .flat_map(|rule| array(&rule["http"]["paths"]))
        .map(|path| &path["backend"]["service"]);
    let all = rules.chain([&ingress["spec"]["defaultBackend"]["service"]]);
    // the controller of AWS reads such a backend from an annotation
    all.filter(|backend| backend["name"].is_string() && backend["port"]["name"] != "use-annotation")
}

/// What is missing of a backend.
fn no_backend(view: &View<'_>, backend: &Value) -> Option<String> {
    let (service, port) = (text(&backend["name"]), &backend["port"]);
    let Some(found) = view.get("Service", service) else {
        return Some(format!("there is no service/{service}"));
    };
    let (key, wanted) = match &port["number"] {
        Value::Number(_) => ("port", &port["number"]),
        _ => ("name", &port["name"]),
    };
    let has = array(&found["spec"]["ports"]).any(|own| own[key] == *wanted);
    let is_elsewhere = found["spec"]["type"] == "ExternalName" || wanted.is_null();
    (!has && !is_elsewhere).then(|| format!("service/{service} has no port {wanted}"))
}
