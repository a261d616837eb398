//! The way of a request to pods and services: which pods, which port, which transport.

use super::fan::{Item, as_json, each_pod, is_answer, item, pods_of, reading};
use super::http::{LIMIT, Port, Via};
use super::{Access, Context, Failure, Output, Pods, Target, Which};
use crate::cluster::pod::is_ready;
use crate::cluster::{self, ErrorKind, HttpAnswer, ProxyTo, builtin};
use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Sends a request to every pod of a target, or to one pod behind a service.
///
/// # Errors
/// When nothing can be said about any of them.
pub(super) async fn reach(
    context: &Context,
    target: &Target,
    port: Option<&Port>,
    via: Via,
    pods: Pods,
    request: &Request<Bytes>,
    timeout: Duration,
) -> Result<Output, Failure> {
    let namespace = target.namespace(&context.namespace).to_owned();
    let cluster = context.cluster()?;
    if let Some(service) = service_name(target) {
        let request = request.clone();
        let answer = match via {
            Via::Proxy => {
                let port = port.map(Port::to_string).unwrap_or_default();
                cluster.proxy_http(&namespace, &ProxyTo::Service { name: service.to_owned(), port }, request, timeout, LIMIT).await
            }
            Via::Forward | Via::Pod | Via::Direct => {
                let Some(kind) = builtin("Service") else { return Err(Failure::error("services are unknown")) };
                let object = cluster.get(&kind, Some(&namespace), service).await?;
                let pods = cluster.pods(&target.pods()?, &namespace).await?;
                let pod = pods.iter().find(|pod| is_ready(pod)).ok_or_else(|| Failure::error(format!("service/{service} in namespace {namespace} has no ready pod")))?;
                let number = service_port(&object, port, pod).map_err(Failure::error)?;
                cluster.forward_http(&namespace, pod["metadata"]["name"].as_str().unwrap_or_default(), number, request, timeout, LIMIT).await
            }
        };
        let mut fields = item([("service", service.into())]);
        fields.extend(answered(answer)?);
        return Ok(Output::new(Value::Object(fields), ""));
    }
    let found = pods_of(context, target, pods).await?;
    let one = pods == Pods::One || target.is_one_pod();
    let namespace = &namespace;
    each_pod(&found, one, |name, pod| async move {
        let number = pod_port(&pod, port).map_err(Failure::error)?;
        let request = request.clone();
        answered(match via {
            Via::Proxy => cluster.proxy_http(namespace, &ProxyTo::Pod { name, port: number }, request, timeout, LIMIT).await,
            Via::Forward | Via::Pod | Via::Direct => cluster.forward_http(namespace, &name, number, request, timeout, LIMIT).await,
        })
    })
    .await
}

/// The name of a target that is a service.
fn service_name(target: &Target) -> Option<&str> {
    match (&target.which, target.kind.to_ascii_lowercase().as_str()) {
        (Which::Name(name), "service" | "services" | "svc") => Some(name),
        _ => None,
    }
}

/// The permissions that a request to a target needs.
pub(super) fn reach_permissions(target: &Target, via: Via, namespace: &str) -> Vec<Access> {
    let mut all = target.pod_permissions(namespace);
    let service = service_name(target).is_some();
    let (resource, subresource, verbs): (&str, &str, &[&str]) = match (via, service) {
        (Via::Proxy, true) => ("services", "proxy", &["get"]),
        (Via::Proxy, false) => ("pods", "proxy", &["get"]),
        // API servers before 1.35 ask for `get`, later ones for `create`
        (Via::Forward | Via::Pod | Via::Direct, _) => ("pods", "portforward", &["create", "get"]),
    };
    for verb in verbs {
        if let Some(kind) = builtin(resource) {
            all.push(Access { subresource: subresource.to_owned(), ..reading(&kind, verb, target.namespace(namespace), "") });
        }
    }
    all
}

/// The port of a pod: as given, by name, or its only one.
fn pod_port(pod: &Value, port: Option<&Port>) -> Result<u16, String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let ports: Vec<&Value> = pod["spec"]["containers"].as_array().into_iter().flatten().filter_map(|container| container["ports"].as_array()).flatten().collect();
    let number = |port: &Value| port["containerPort"].as_u64().and_then(|number| u16::try_from(number).ok());
    let known = || ports.iter().filter_map(|port| Some(format!("{} ({})", number(port)?, port["name"].as_str().unwrap_or("no name")))).collect::<Vec<_>>().join(", ");
    match port {
        Some(Port::Number(number)) => Ok(*number),
        Some(Port::Name(wanted)) => {
            ports.iter().find(|port| port["name"] == wanted.as_str()).and_then(|port| number(port)).ok_or_else(|| format!("pod/{name} has no port named {wanted}; it has {}", known()))
        }
        None => match ports.as_slice() {
            [only] => number(only).ok_or_else(|| format!("pod/{name} has no port")),
            _ => Err(format!("`port` is needed: pod/{name} has {}", if ports.is_empty() { "none declared".to_owned() } else { known() })),
        },
    }
}

/// The port of a pod that a service's port leads to.
fn service_port(service: &Value, port: Option<&Port>, pod: &Value) -> Result<u16, String> {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let ports: Vec<&Value> = service["spec"]["ports"].as_array().into_iter().flatten().collect();
    let found = match port {
        Some(Port::Number(number)) => ports.iter().find(|port| port["port"].as_u64() == Some(u64::from(*number))),
        Some(Port::Name(wanted)) => ports.iter().find(|port| port["name"] == wanted.as_str()),
        None if ports.len() == 1 => ports.first(),
        None => None,
    };
    let Some(found) = found else {
        let known: Vec<_> = ports.iter().map(|port| port["port"].to_string()).collect();
        return Err(format!("service/{name} has no port {}; it has {}", port.map(Port::to_string).unwrap_or_default(), known.join(", ")));
    };
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    match &found["targetPort"] {
        Value::String(named) => pod_port(pod, Some(&Port::Name(named.clone()))),
        target => number(target).filter(|number| *number != 0).or_else(|| number(&found["port"])).ok_or_else(|| format!("service/{name} has a port that is no number")),
    }
}

/// An answer as fields. A refused connection and a silent target are answers, too: about the target.
pub(super) fn answered(answer: Result<HttpAnswer, cluster::Error>) -> Item {
    match answer {
        Ok(answer) => {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            Ok(item([
                ("status", answer.status.into()),
                ("headers", answer.headers.into_iter().map(|(name, value)| (name, Value::from(value))).collect::<Map<_, _>>().into()),
                ("json", as_json(&body)),
                ("body", body.into()),
                ("elapsed_ms", u64::try_from(answer.elapsed.as_millis()).unwrap_or(u64::MAX).into()),
                ("refused", false.into()),
                ("reason", Value::Null),
            ]))
        }
        Err(error) if is_answer(error.kind) => Ok(item([
            ("status", Value::Null),
            ("headers", json!({})),
            ("json", Value::Null),
            ("body", Value::Null),
            ("elapsed_ms", Value::Null),
            ("refused", (error.kind == ErrorKind::ConnectionRefused).into()),
            ("reason", error.to_string().into()),
        ])),
        Err(error) => Err(error.into()),
    }
}

/// `3 of 3` answered well, or the status of the only answer.
pub(super) fn summary(output: &Output) -> String {
    let good = |item: &Value| item["status"].as_u64().is_some_and(|status| status < 400);
    match output.value.as_array() {
        Some(items) => format!("{} of {}", items.iter().filter(|item| good(item)).count(), items.len()),
        None => output.value["status"].as_u64().map_or_else(|| "no answer".to_owned(), |status| status.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_by_number_by_name_and_through_a_service() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]}]}});
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 9090}, {"port": 82}]}});
        assert_eq!(pod_port(&pod, Some(&Port::Name("metrics".into()))), Ok(9090));
        assert!(pod_port(&pod, None).unwrap_err().contains("8080 (http), 9090 (metrics)"));
        assert!(pod_port(&pod, Some(&Port::Name("web".into()))).is_err());
        for (port, wanted) in [(80, 8080), (81, 9090), (82, 82)] {
            assert_eq!(service_port(&service, Some(&Port::Number(port)), &pod), Ok(wanted));
        }
        assert!(service_port(&service, Some(&Port::Number(8080)), &pod).unwrap_err().contains("it has 80, 81, 82"));
    }
}
