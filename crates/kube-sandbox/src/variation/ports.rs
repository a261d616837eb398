//! Variations of ports: numbers, names, and the target ports of Services.

use serde_json::{Value, json};

use super::Chance;
use super::containers::PROXY;
use super::pods::{home, is_application};
use crate::object;
use netpol_evaluator::{LabelSelector, Labels};

/// A port of an application.
struct Place {
    namespace: String,
    labels: Labels,
    number: u64,
    name: Option<String>,
}

impl Place {
    /// The Service leads to these pods.
    fn serves(&self, service: &Value) -> bool {
        let selector = object::strings(&service["spec"]["selector"]);
        service["kind"] == "Service"
            && object::namespace(service) == self.namespace
            && !selector.is_empty()
            && selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }

    /// A selector of pods, written in an object of this namespace, selects these; one that is not
    /// there selects all.
    fn selected(&self, selector: &Value) -> bool {
        selector.is_null()
            || serde_json::from_value::<LabelSelector>(selector.clone())
                .is_ok_and(|selector| selector.matches(&self.labels))
    }
}

/// The HTTP ports of the applications with several pods: those that a probe asks.
fn places(manifests: &[Value]) -> Vec<Place> {
    let (mut found, home) = (Vec::new(), home(manifests));
    let here = |manifest: &&Value| is_application(manifest) && object::namespace(manifest) == home;
    for application in manifests.iter().filter(here) {
        let template = &application["spec"]["template"];
        let Some(container) =
            object::list(&template["spec"]["containers"]).iter().find(|container| {
                container["readinessProbe"]["httpGet"].is_object() && container["image"] != PROXY
            })
        else {
            continue;
        };
        let asked = &container["readinessProbe"]["httpGet"]["port"];
        let Some(port) = object::list(&container["ports"])
            .iter()
            .find(|port| port["name"] == *asked || port["containerPort"] == *asked)
        else {
            continue;
        };
        found.push(Place {
            namespace: object::namespace(application).to_owned(),
            labels: object::strings(&template["metadata"]["labels"]),
            number: port["containerPort"].as_u64().unwrap_or_default(),
            name: port["name"].as_str().map(str::to_owned),
        });
    }
    found
}

/// The containers of these pods.
fn containers_of<'a>(
    manifests: &'a mut [Value],
    place: &'a Place,
) -> impl Iterator<Item = &'a mut Value> {
    let own = manifests.iter_mut().filter(|manifest| {
        is_application(manifest)
            && object::namespace(manifest) == place.namespace
            && object::strings(&manifest["spec"]["template"]["metadata"]["labels"]) == place.labels
    });
    own.filter_map(|manifest| manifest["spec"]["template"]["spec"]["containers"].as_array_mut())
        .flatten()
}

pub(super) fn other_port(manifests: &mut Vec<Value>, chance: &mut Chance) {
    for place in places(manifests) {
        let number = place.number + [5, 81, 443][chance.below(3)];
        for container in containers_of(manifests, &place) {
            let mut own = false;
            for port in container["ports"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .filter(|port| port["containerPort"] == place.number)
            {
                port["containerPort"] = json!(number);
                own = true;
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if container[probe]["httpGet"]["port"] == place.number {
                    container[probe]["httpGet"]["port"] = json!(number);
                }
            }
            if own {
                object::merge(
                    container,
                    &json!({"env": [{"name": format!("PORT_{}", place.number),
                        "value": number.to_string()}]}),
                );
            }
        }
        for manifest in manifests.iter_mut() {
            follow(manifest, &place, number);
        }
    }
}

/// What names the number of a port names the new one as well.
fn follow(manifest: &mut Value, place: &Place, number: u64) {
    match manifest["kind"].as_str() {
        Some("Service") if place.serves(manifest) => {
            let headless = manifest["spec"]["clusterIP"] == "None";
            for port in manifest["spec"]["ports"].as_array_mut().into_iter().flatten() {
                if port["targetPort"] == place.number {
                    port["targetPort"] = json!(number);
                }
                // nothing translates the ports of a headless Service
                if headless && port["port"] == place.number {
                    port["port"] = json!(number);
                }
            }
        }
        Some("ConfigMap") if object::name(manifest) == "prometheus" && place.number == 8080 => {
            let text = manifest["data"]["prometheus.yml"].as_str().unwrap_or_default();
            manifest["data"]["prometheus.yml"] =
                json!(text.replace(&format!("port: {}", place.number), &format!("port: {number}")));
        }
        Some("NetworkPolicy") => {
            let here = object::namespace(manifest) == place.namespace;
            let subject = here && place.selected(&manifest["spec"]["podSelector"]);
            for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
                for rule in manifest["spec"][direction].as_array_mut().into_iter().flatten() {
                    let concerned = match direction {
                        "ingress" => subject,
                        _ => {
                            rule[peers].is_null()
                                || object::list(&rule[peers]).iter().any(|peer| {
                                    peer["podSelector"].is_object()
                                        && place.selected(&peer["podSelector"])
                                })
                        }
                    };
                    let ports = rule["ports"].as_array_mut().filter(|_| concerned);
                    if let Some(ports) =
                        ports.filter(|ports| ports.iter().any(|port| port["port"] == place.number))
                    {
                        ports.push(json!({"port": number}));
                    }
                }
            }
        }
        _ => {}
    }
}

pub(super) fn port_renamed(manifests: &mut Vec<Value>, chance: &mut Chance) {
    for place in places(manifests) {
        let Some(name) = &place.name else { continue };
        let new = chance.of(&["web", "api-http", "rest"]);
        for container in containers_of(manifests, &place) {
            for port in container["ports"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .filter(|port| port["name"] == name.as_str())
            {
                port["name"] = json!(new);
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if container[probe]["httpGet"]["port"] == name.as_str() {
                    container[probe]["httpGet"]["port"] = json!(new);
                }
            }
        }
        for port in
            ports_of_services(manifests, &place).filter(|port| port["targetPort"] == name.as_str())
        {
            port["targetPort"] = json!(new);
        }
    }
}

/// The ports of the Services that lead to these pods.
fn ports_of_services<'a>(
    manifests: &'a mut [Value],
    place: &'a Place,
) -> impl Iterator<Item = &'a mut Value> {
    let services = manifests
        .iter_mut()
        .filter(|manifest| place.serves(manifest) && manifest["spec"]["clusterIP"] != "None");
    services.filter_map(|service| service["spec"]["ports"].as_array_mut()).flatten()
}

pub(super) fn target_port_by_name(manifests: &mut Vec<Value>, _: &mut Chance) {
    for place in places(manifests) {
        let Some(name) = &place.name else { continue };
        for port in
            ports_of_services(manifests, &place).filter(|port| port["targetPort"] == place.number)
        {
            port["targetPort"] = json!(name);
        }
    }
}

pub(super) fn target_port_by_number(manifests: &mut Vec<Value>, _: &mut Chance) {
    for place in places(manifests) {
        let Some(name) = &place.name else { continue };
        for port in
            ports_of_services(manifests, &place).filter(|port| port["targetPort"] == name.as_str())
        {
            port["targetPort"] = json!(place.number);
        }
    }
}
