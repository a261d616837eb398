//! The endpoints of Services, in both forms.
//!
//! After `pkg/controller/endpoint/endpoints_controller.go` and `pkg/controller/endpointslice/` of
//! kube-controller-manager.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::letters;
use super::pods::{all, deleting, ended, is_ready};
use crate::object;
use crate::snapshot::{NODE_ADDRESS, protocol, target_port};
use crate::store::Store;
use netpol_evaluator::PortName;

/// The annotation of a Service that says how many endpoints one slice of it holds, as
/// `--max-endpoints-per-slice` says it for all.
pub(crate) const PER_SLICE: &str = "sandbox/endpoints-per-slice";

/// Endpoints that have the same ports.
struct Group {
    ports: Vec<Value>,
    endpoints: Vec<Value>,
}

/// Writes Endpoints and EndpointSlices for every Service.
pub(crate) fn endpoints(store: &mut Store, now: Timestamp) {
    for service in all(store, "services") {
        if let Some(groups) = groups(store, &service) {
            store.put(endpoints_object(&service, &groups), now);
            publish_slices(store, &service, groups, now);
        }
    }
    remove_stale(store);
}

/// The endpoints of a Service; none for a Service without a selector: who makes it makes its
/// endpoints.
fn groups(store: &Store, service: &Value) -> Option<Vec<Group>> {
    let selected: Vec<(&String, &Value)> =
        service["spec"]["selector"].as_object().into_iter().flatten().collect();
    if selected.is_empty() {
        let endpoint = json!({"addresses": [NODE_ADDRESS], "conditions": {"ready": true}});
        let https = json!({"name": "https", "protocol": "TCP", "port": 6443});
        return (object::name(service) == "kubernetes")
            .then(|| vec![Group { ports: vec![https], endpoints: vec![endpoint] }]);
    }
    let fits = |pod: &Value| {
        let labels = &pod["metadata"]["labels"];
        selected.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let pods = store
        .list("pods", Some(object::namespace(service)))
        .filter(|pod| fits(pod) && pod["status"]["podIP"].is_string() && !ended(pod));
    let mut groups: Vec<Group> = Vec::new();
    for pod in pods {
        // pods that resolve a named port differently are in groups of their own
        let ports: Vec<Value> = object::list(&service["spec"]["ports"])
            .iter()
            .filter_map(|port| slice_port(port, service, pod))
            .collect();
        let endpoint = endpoint(pod);
        match groups.iter_mut().find(|group| group.ports == ports) {
            Some(group) => group.endpoints.push(endpoint),
            None => groups.push(Group { ports, endpoints: vec![endpoint] }),
        }
    }
    Some(groups)
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

/// The Endpoints of a Service.
fn endpoints_object(service: &Value, groups: &[Group]) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": object::name(service), "namespace": object::namespace(service),
            "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}});
    if !groups.is_empty() {
        object["subsets"] = groups.iter().map(subset).collect();
    }
    object
}

fn subset(group: &Group) -> Value {
    let mut subset = json!({});
    for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
        let addresses: Vec<Value> = group
            .endpoints
            .iter()
            .filter(|endpoint| (endpoint["conditions"]["ready"] == true) == ready)
            .map(address)
            .collect();
        if !addresses.is_empty() {
            subset[field] = json!(addresses);
        }
    }
    subset["ports"] = json!(group.ports);
    subset
}

fn address(endpoint: &Value) -> Value {
    let mut address = json!({"ip": endpoint["addresses"][0]});
    if endpoint["targetRef"].is_object() {
        address["nodeName"] = endpoint["nodeName"].clone();
        address["targetRef"] = endpoint["targetRef"].clone();
    }
    address
}

/// Writes the slices of a Service, and removes those that it no longer needs.
fn publish_slices(store: &mut Store, service: &Value, groups: Vec<Group>, now: Timestamp) {
    let mut groups = split(groups, service);
    if groups.is_empty() {
        groups.push(Group { ports: Vec::new(), endpoints: Vec::new() });
    }
    for index in groups.len().. {
        let surplus = slice_name(service, index);
        if !store.delete("endpointslices", object::namespace(service), &surplus) {
            break;
        }
    }
    for (index, group) in groups.into_iter().enumerate() {
        store.put(slice(service, index, group), now);
    }
}

/// Groups that are no larger than the annotation of the Service lets a slice be.
fn split(groups: Vec<Group>, service: &Value) -> Vec<Group> {
    let most = service["metadata"]["annotations"][PER_SLICE]
        .as_str()
        .and_then(|most| most.parse::<usize>().ok())
        .filter(|most| *most > 0);
    let Some(most) = most else { return groups };
    let mut parts = Vec::new();
    for Group { ports, endpoints } in groups {
        let chunks = endpoints.chunks(most);
        parts.extend(chunks.map(|part| Group { ports: ports.clone(), endpoints: part.to_vec() }));
    }
    parts
}

fn slice_name(service: &Value, index: usize) -> String {
    let (namespace, name) = (object::namespace(service), object::name(service));
    format!("{name}-{}", letters(&format!("{namespace}/{name}/{index}"), 5))
}

fn slice(service: &Value, index: usize, group: Group) -> Value {
    let (namespace, name) = (object::namespace(service), object::name(service));
    // the API server writes the slice of its own Service itself
    let of_api_server = name == "kubernetes" && namespace == "default";
    let slice_name = if of_api_server { name.to_owned() } else { slice_name(service, index) };
    let mut slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": slice_name, "namespace": namespace,
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            },
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name,
                "uid": service["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}],
        },
        "endpoints": group.endpoints, "ports": group.ports,
    });
    // a port whose name no pod has is none
    if slice["ports"] == json!([]) {
        slice["ports"] = Value::Null;
    }
    if of_api_server {
        slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": name});
    } else if slice["endpoints"] == json!([]) {
        slice["endpoints"] = Value::Null;
        slice["ports"] = Value::Null;
    }
    slice
}
