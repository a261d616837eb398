//! Ingresses that lead to no Service.

use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, is_deleting, text};
use crate::view::View;
use serde_json::Value;

/// The Services of an Ingress that do not exist, or not with that port.
pub(super) fn backends(view: &View<'_>, ingress: &Value) -> Vec<Cause> {
    if is_deleting(ingress) || !view.has_read(&["Service"]) {
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
