//! The endpoints of Services, in both forms.
//!
//! After `pkg/controller/endpoint/endpoints_controller.go` and `pkg/controller/endpointslice/` of
//! kube-controller-manager.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::letters;
use super::pods::{deleting, ended, is_ready};
use crate::object;
use crate::snapshot::{NODE_ADDRESS, protocol, target_port};
use crate::store::Store;
use netpol_evaluator::{LabelSelector, PortName};

/// The annotation of a Service that says how many endpoints one slice of it holds, as
/// `--max-endpoints-per-slice` says it for all.
pub(crate) const PER_SLICE: &str = "sandbox/endpoints-per-slice";

/// Writes Endpoints and EndpointSlices for every Service.
pub(crate) fn endpoints(store: &mut Store, now: Timestamp) {
    let services: Vec<Value> =
        store.list("services", None).map(|service| (**service).clone()).collect();
    for service in services {
        let namespace = object::namespace(&service);
        let selected = object::strings(&service["spec"]["selector"]);
        let mut groups: Vec<(Vec<Value>, Vec<Value>)> = Vec::new();
        if selected.is_empty() {
            // who makes a Service without a selector makes its endpoints
            if object::name(&service) != "kubernetes" {
                continue;
            }
            let endpoint = json!({"addresses": [NODE_ADDRESS], "conditions": {"ready": true}});
            groups.push((
                vec![json!({"name": "https", "protocol": "TCP", "port": 6443})],
                vec![endpoint],
            ));
        } else {
            let selector = LabelSelector { match_labels: selected, match_expressions: Vec::new() };
            let pods = store.list("pods", Some(namespace)).filter(|pod| {
                selector.matches(&object::labels(pod))
                    && pod["status"]["podIP"].is_string()
                    && !ended(pod)
            });
            for pod in pods {
                // pods that resolve a named port differently are in groups of their own
                let ports: Vec<Value> = object::list(&service["spec"]["ports"])
                    .iter()
                    .filter_map(|port| slice_port(port, &service, pod))
                    .collect();
                let endpoint = endpoint(pod);
                match groups.iter_mut().find(|(known, _)| *known == ports) {
                    Some((_, endpoints)) => endpoints.push(endpoint),
                    None => groups.push((ports, vec![endpoint])),
                }
            }
        }
        publish(store, &service, groups, now);
    }
    remove_stale(store);
}

/// Endpoints of Services that are gone; their slices have an owner and go with it.
fn remove_stale(store: &mut Store) {
    let managed = |object: &&Arc<Value>| {
        object["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"] == "endpoint-controller"
    };
    let stale: Vec<(String, String)> = store
        .list("endpoints", None)
        .filter(managed)
        .map(|object| (object::namespace(object).to_owned(), object::name(object).to_owned()))
        .filter(|(namespace, name)| store.get("services", namespace, name).is_none())
        .collect();
    for (namespace, name) in stale {
        store.delete("endpoints", &namespace, &name);
    }
}

fn slice_port(port: &Value, service: &Value, pod: &Value) -> Option<Value> {
    let target =
        if service["spec"]["clusterIP"] == "None" { &port["port"] } else { &port["targetPort"] };
    let target: PortName = serde_json::from_value(target.clone()).ok()?;
    let number = target_port(&target, pod, protocol(&port["protocol"]))?;
    Some(json!({"name": port["name"].as_str().unwrap_or_default(), "protocol": port["protocol"],
            "port": number}))
}

fn endpoint(pod: &Value) -> Value {
    let (serving, terminating) = (is_ready(pod), deleting(pod));
    let ready = serving && !terminating;
    json!({
        "addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready, "serving": serving,
        "terminating": terminating}, "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod),
        "uid": pod["metadata"]["uid"]},
    })
}

fn publish(
    store: &mut Store,
    service: &Value,
    groups: Vec<(Vec<Value>, Vec<Value>)>,
    now: Timestamp,
) {
    let (namespace, name) = (object::namespace(service), object::name(service));
    let mut subsets = Vec::new();
    for (ports, endpoints) in &groups {
        let addresses = |ready: bool| {
            let chosen = endpoints
                .iter()
                .filter(|endpoint| (endpoint["conditions"]["ready"] == true) == ready);
            let addresses = chosen.map(|endpoint| {
                let mut address = json!({"ip": endpoint["addresses"][0]});
                if endpoint["targetRef"].is_object() {
                    address["nodeName"] = endpoint["nodeName"].clone();
                    address["targetRef"] = endpoint["targetRef"].clone();
                }
                address
            });
            addresses.collect::<Vec<_>>()
        };
        let mut subset = json!({});
        for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            let addresses = addresses(ready);
            if !addresses.is_empty() {
                subset[field] = json!(addresses);
            }
        }
        subset["ports"] = json!(ports);
        subsets.push(subset);
    }
    let mut object = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name,
        "namespace": namespace, "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}});
    if !subsets.is_empty() {
        object["subsets"] = json!(subsets);
    }
    store.put(object, now);
    let most = service["metadata"]["annotations"][PER_SLICE]
        .as_str()
        .and_then(|most| most.parse::<usize>().ok())
        .filter(|most| *most > 0);
    let groups: Vec<(Vec<Value>, Vec<Value>)> = match most {
        Some(most) => groups
            .into_iter()
            .flat_map(|(ports, endpoints)| {
                endpoints
                    .chunks(most)
                    .map(|part| (ports.clone(), part.to_vec()))
                    .collect::<Vec<_>>()
            })
            .collect(),
        None => groups,
    };
    let groups = if groups.is_empty() { vec![(Vec::new(), Vec::new())] } else { groups };
    for index in groups.len().. {
        let surplus = format!("{name}-{}", letters(&format!("{namespace}/{name}/{index}"), 5));
        if !store.delete("endpointslices", namespace, &surplus) {
            break;
        }
    }
    for (index, (ports, endpoints)) in groups.into_iter().enumerate() {
        let fixed = name == "kubernetes" && namespace == "default";
        let slice_name = if fixed {
            name.to_owned()
        } else {
            format!("{name}-{}", letters(&format!("{namespace}/{name}/{index}"), 5))
        };
        let mut slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": slice_name, "namespace": namespace,
                "labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io", "kubernetes.io/service-name": name},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name,
                "uid": service["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}],
            },
            "endpoints": endpoints, "ports": ports,
        });
        if fixed {
            slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": name});
        } else if slice["endpoints"] == json!([]) {
            slice["endpoints"] = Value::Null;
            slice["ports"] = Value::Null;
        }
        store.put(slice, now);
    }
}
