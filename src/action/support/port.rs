//! Chooses the port: by number, by name, or the only one that is declared. Pure.

use crate::action::http::HttpPort;
use crate::diagnosis::pod::annotated_container;
use serde_json::Value;

/// The port of a pod. Without a port: the only TCP port of the container that is meant, or of
/// several the one that its HTTP probes ask.
///
/// The container is the one that is named, or that the annotation
/// `kubectl.kubernetes.io/default-container` names; where there is neither, the only one that
/// says where it listens. Init containers, and so native sidecars, are meant by name only.
///
/// # Errors
/// When there is no such port, or several to choose from; the ports there are.
pub(in crate::action) fn of_pod(
    pod: &Value,
    port: Option<&HttpPort>,
    container: Option<&str>,
) -> Result<u16, String> {
    if let Some(HttpPort::Number(number)) = port {
        return Ok(*number);
    }
    let what = format!("pod {}", pod["metadata"]["name"].as_str().unwrap_or_default());
    let all: Vec<&Value> = ["containers", "initContainers"]
        .iter()
        .flat_map(|key| pod["spec"][*key].as_array().into_iter().flatten())
        .collect();
    let meant = match (container, port) {
        (Some(name), _) => Some(name.to_owned()),
        // a name is that of one port only, whichever container has it
        (None, Some(_)) => None,
        (None, None) => annotated_container(pod),
    };
    let own: Vec<&Value> = all
        .iter()
        .filter(|container| meant.as_ref().is_none_or(|name| container["name"] == name.as_str()))
        .copied()
        .collect();
    if own.is_empty()
        && let Some(name) = meant
    {
        let names: Vec<&str> =
            all.iter().filter_map(|container| container["name"].as_str()).collect();
        return Err(format!("{what} has no container {name}; available: {}", names.join(", ")));
    }
    let declared: Vec<&Value> = own.iter().flat_map(|container| tcp_ports(container)).collect();
    let serving = if meant.is_some() { own } else { listening(pod) };
    let numbers = |entry: &&Value| number(&entry["containerPort"]);
    match port {
        Some(HttpPort::Name(name)) => declared
            .iter()
            .find(|entry| entry["name"] == name.as_str())
            .and_then(numbers)
            .ok_or_else(|| {
                format!("{what} has no port named `{name}`; {}", listed(&declared, "containerPort"))
            }),
        Some(HttpPort::Number(_)) | None => {
            let ports = serving.iter().flat_map(|container| tcp_ports(container));
            let mut all: Vec<u16> = ports.filter_map(|port| numbers(&port)).collect();
            all.sort_unstable();
            all.dedup();
            match (&all[..], &asked(&serving)[..]) {
                ([only], _) | (_, [only]) if serving.len() == 1 => Ok(*only),
                _ => Err(format!(
                    "cannot select a port of {what}: set `port`; {}",
                    listed(&declared, "containerPort")
                )),
            }
        }
    }
}

/// The containers that run beside each other and say by TCP ports or HTTP probes that they listen.
fn listening(pod: &Value) -> Vec<&Value> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let says = |container: &&Value| {
        tcp_ports(container).next().is_some() || !asked(&[*container]).is_empty()
    };
    containers.filter(says).collect()
}

fn tcp_ports(container: &Value) -> impl Iterator<Item = &Value> {
    container["ports"].as_array().into_iter().flatten().filter(|port| is_tcp(port))
}

/// The port to which Services lead that select a pod; none unless all of them agree. For pods whose
/// containers do not say what they listen on.
pub(in crate::action) fn by_services(pod: &Value, services: &[Value]) -> Option<u16> {
    let has = |key: &String, value: &Value| pod["metadata"]["labels"][key.as_str()] == *value;
    let selects = |service: &&Value| {
        service["spec"]["selector"].as_object().is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| has(key, value))
        })
    };
    let entries = services
        .iter()
        .filter(selects)
        .flat_map(|service| service["spec"]["ports"].as_array().into_iter().flatten())
        .filter(|entry| is_tcp(entry));
    let mut found: Vec<u16> = entries.filter_map(|entry| behind(entry, pod).ok()).collect();
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// The ports of the HTTP probes of these containers, each once.
fn asked(containers: &[&Value]) -> Vec<u16> {
    let mut found = Vec::new();
    for container in containers {
        let probes = ["readinessProbe", "livenessProbe", "startupProbe"]
            .map(|probe| &container[probe]["httpGet"]["port"]);
        let named = |name: &str| {
            container["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|port| port["name"] == name)
                .and_then(|port| number(&port["containerPort"]))
        };
        found.extend(
            probes.into_iter().filter_map(|port| port.as_str().map_or_else(|| number(port), named)),
        );
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The entry of `spec.ports` of a service. Without a port: its only one.
///
/// # Errors
/// When there is no such port, or several to choose from; the ports there are.
pub(in crate::action) fn of_service<'a>(
    service: &'a Value,
    port: Option<&HttpPort>,
) -> Result<&'a Value, String> {
    let declared: Vec<&Value> = service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|port| is_tcp(port))
        .collect();
    let what = format!("service {}", service["metadata"]["name"].as_str().unwrap_or_default());
    let found = match (port, &declared[..]) {
        (Some(HttpPort::Number(wanted)), _) => {
            declared.iter().find(|entry| number(&entry["port"]) == Some(*wanted))
        }
        (Some(HttpPort::Name(name)), _) => {
            declared.iter().find(|entry| entry["name"] == name.as_str())
        }
        (None, [only]) => Some(only),
        (None, _) => {
            return Err(format!(
                "cannot select a port of {what}: set `port`; {}",
                listed(&declared, "port")
            ));
        }
    };
    let wanted = || match port {
        Some(HttpPort::Name(name)) => format!("named `{name}`"),
        Some(HttpPort::Number(number)) => number.to_string(),
        None => String::new(),
    };
    found
        .copied()
        .ok_or_else(|| format!("{what} has no port {}; {}", wanted(), listed(&declared, "port")))
}

/// The port of a pod that an entry of `spec.ports` of a service leads to, also of a headless one.
///
/// # Errors
/// When its target port is a name that the pod does not have.
pub(in crate::action) fn behind(entry: &Value, pod: &Value) -> Result<u16, String> {
    match &entry["targetPort"] {
        Value::String(name) => of_pod(pod, Some(&HttpPort::Name(name.clone())), None),
        target => number(target)
            .or_else(|| number(&entry["port"]))
            .ok_or_else(|| format!("port {} of the Service is not a port number", entry["port"])),
    }
}

/// A port number; 0 stands for none.
pub(in crate::action) fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

fn is_tcp(port: &Value) -> bool {
    port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP")
}

fn listed(ports: &[&Value], key: &str) -> String {
    if ports.is_empty() {
        return "it declares no TCP ports".to_owned();
    }
    let one = |port: &&Value| match port["name"].as_str() {
        Some(name) => format!("{} ({name})", port[key]),
        None => port[key].to_string(),
    };
    format!("it has {}", ports.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(name: &str) -> Option<HttpPort> {
        Some(HttpPort::Name(name.to_owned()))
    }

    #[test]
    fn ports_of_pods() {
        let one = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"ports": [
            {"name": "web", "containerPort": 8080}, {"name": "dns", "containerPort": 53,
            "protocol": "UDP"}]}]}});
        let two = json!({"metadata": {"name": "b"},
            "spec": {"containers": [{"ports": [{"containerPort": 80}]}],
            "initContainers": [{"ports": [{"name": "mesh", "containerPort": 15000}]}]}});
        let three = json!({"metadata": {"name": "d"}, "spec": {"containers": [
            {"name": "a", "ports": [{"containerPort": 80}]},
            {"name": "b", "ports": [{"containerPort": 90}],
                "readinessProbe": {"httpGet": {"port": 90}}}]}});
        let none = json!({"metadata": {"name": "c"}, "spec": {"containers": [{}]}});
        let cases = [
            (&one, None, Ok(8080)),
            (&one, Some(HttpPort::Number(9)), Ok(9)),
            (&one, name("web"), Ok(8080)),
            (&one, name("dns"), Err("pod a has no port named `dns`; it has 8080 (web)")),
            (&two, name("mesh"), Ok(15000)),
            (&two, None, Ok(80)),
            (&three, None, Err("cannot select a port of pod d: set `port`; it has 80, 90")),
            (
                &none,
                None,
                Err("cannot select a port of pod c: set `port`; it declares no TCP ports"),
            ),
        ];
        for (pod, port, wanted) in cases {
            assert_eq!(of_pod(pod, port.as_ref(), None), wanted.map_err(str::to_owned), "{port:?}");
        }
    }

    #[test]
    fn the_port_of_the_container_that_is_meant() {
        let mut pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [
            {"name": "proxy", "ports": [{"name": "admin", "containerPort": 15000}],
            "readinessProbe": {"httpGet": {"port": 15000}}},
            {"name": "web", "ports": [{"name": "http", "containerPort": 8000}, {"name": "metrics",
            "containerPort": 9090}], "readinessProbe": {"httpGet": {"port": "http"}}},
            {"name": "two", "ports": [{"containerPort": 1}, {"containerPort": 2}]}]}});
        let several = "cannot select a port of pod a: set `port`; it has ";
        let cases = [
            (None, Some("web"), Ok(8000)),
            (None, Some("proxy"), Ok(15000)),
            (name("metrics"), None, Ok(9090)),
            (name("metrics"), Some("web"), Ok(9090)),
            (
                name("metrics"),
                Some("proxy"),
                Err("pod a has no port named `metrics`; it has 15000 (admin)".to_owned()),
            ),
            (None, Some("two"), Err(format!("{several}1, 2"))),
            (
                None,
                Some("none"),
                Err("pod a has no container none; available: proxy, web, two".to_owned()),
            ),
            (None, None, Err(format!("{several}15000 (admin), 8000 (http), 9090 (metrics), 1, 2"))),
        ];
        for (port, container, wanted) in cases {
            assert_eq!(of_pod(&pod, port.as_ref(), container), wanted, "{port:?} {container:?}");
        }
        pod["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/default-container": "web"});
        assert_eq!(of_pod(&pod, None, None), Ok(8000));
        assert_eq!(
            of_pod(&pod, name("admin").as_ref(), None),
            Ok(15000),
            "a port that is named is found in any container"
        );
    }

    #[test]
    fn services_say_what_pods_do_not() {
        let pod = json!({"metadata": {"name": "a", "labels": {"app": "a", "x": "y"}},
            "spec": {"containers": [{"name": "c"}]}});
        let service = |selector: Value, target: Value| {
            json!({"spec": {"selector": selector,
                "ports": [{"port": 80, "targetPort": target}, {"port": 53, "protocol": "UDP"}]}})
        };
        let own = service(json!({"app": "a"}), json!(8000));
        assert_eq!(
            by_services(
                &pod,
                &[
                    own.clone(),
                    service(json!({"app": "b"}), json!(1)),
                    service(Value::Null, json!(2))
                ]
            ),
            Some(8000)
        );
        assert_eq!(
            by_services(&pod, &[own.clone(), service(json!({"x": "y"}), json!(8000))]),
            Some(8000)
        );
        assert_eq!(by_services(&pod, &[own, service(json!({"x": "y"}), json!(9000))]), None);
        assert_eq!(by_services(&pod, &[]), None);
    }

    #[test]
    fn ports_of_services() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": "web"}, {"name": "admin", "port": 81,
            "targetPort": 9000}, {"port": 82}]}});
        let pod = json!({"metadata": {"name": "a"},
            "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]}});
        let cases = [
            (Some(HttpPort::Number(80)), Ok(8080)),
            (name("admin"), Ok(9000)),
            (Some(HttpPort::Number(82)), Ok(82)),
            (
                Some(HttpPort::Number(8080)),
                Err("service s has no port 8080; it has 80 (http), 81 (admin), 82"),
            ),
            (name("x"), Err("service s has no port named `x`; it has 80 (http), 81 (admin), 82")),
            (
                None,
                Err("cannot select a port of service s: set `port`; it has 80 (http), 81 \
                        (admin), 82"),
            ),
        ];
        for (port, wanted) in cases {
            let found = of_service(&service, port.as_ref()).and_then(|entry| behind(entry, &pod));
            assert_eq!(found, wanted.map_err(str::to_owned), "{port:?}");
        }
        let only = json!({"spec": {"ports": [{"port": 80, "targetPort": "gone"}]}});
        let entry = of_service(&only, None).unwrap();
        assert_eq!(
            behind(entry, &pod),
            Err("pod a has no port named `gone`; it has 8080 (web)".to_owned())
        );
    }
}
