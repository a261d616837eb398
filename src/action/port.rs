//! Which port is meant: by number, by name, or the only one there is. Pure.

use super::http::Port;
use serde_json::Value;

/// The port of a pod. Without a port: the only TCP port that its containers declare.
///
/// # Errors
/// When there is no such port, or several to choose from; the ports there are.
pub(super) fn of_pod(pod: &Value, port: Option<&Port>) -> Result<u16, String> {
    if let Some(Port::Number(number)) = port {
        return Ok(*number);
    }
    let mut declared = Vec::new();
    for key in ["containers", "initContainers"] {
        let containers = pod["spec"][key].as_array().into_iter().flatten();
        let ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
        declared.extend(ports.filter(|port| is_tcp(port)));
    }
    let what = format!("pod {}", pod["metadata"]["name"].as_str().unwrap_or_default());
    let numbers = |entry: &&Value| number(&entry["containerPort"]);
    match port {
        Some(Port::Name(name)) => declared
            .iter()
            .find(|entry| entry["name"] == name.as_str())
            .and_then(numbers)
            .ok_or_else(|| format!("{what} has no port named `{name}`; {}", listed(&declared, "containerPort"))),
        Some(Port::Number(_)) | None => {
            let mut all: Vec<u16> = declared.iter().filter_map(numbers).collect();
            all.sort_unstable();
            all.dedup();
            match all[..] {
                [only] => Ok(only),
                _ => Err(format!("which port of {what}? name one with `port`; {}", listed(&declared, "containerPort"))),
            }
        }
    }
}

/// The entry of `spec.ports` of a service. Without a port: its only one.
///
/// # Errors
/// When there is no such port, or several to choose from; the ports there are.
pub(super) fn of_service<'a>(service: &'a Value, port: Option<&Port>) -> Result<&'a Value, String> {
    let declared: Vec<&Value> = service["spec"]["ports"].as_array().into_iter().flatten().filter(|port| is_tcp(port)).collect();
    let what = format!("service {}", service["metadata"]["name"].as_str().unwrap_or_default());
    let found = match (port, &declared[..]) {
        (Some(Port::Number(wanted)), _) => declared.iter().find(|entry| number(&entry["port"]) == Some(*wanted)),
        (Some(Port::Name(name)), _) => declared.iter().find(|entry| entry["name"] == name.as_str()),
        (None, [only]) => Some(only),
        (None, _) => return Err(format!("which port of {what}? name one with `port`; {}", listed(&declared, "port"))),
    };
    let wanted = || match port {
        Some(Port::Name(name)) => format!("named `{name}`"),
        Some(Port::Number(number)) => number.to_string(),
        None => String::new(),
    };
    found.copied().ok_or_else(|| format!("{what} has no port {}; {}", wanted(), listed(&declared, "port")))
}

/// The port of a pod that an entry of `spec.ports` of a service leads to, also of a headless one.
///
/// # Errors
/// When its target port is a name that the pod does not have.
pub(super) fn behind(entry: &Value, pod: &Value) -> Result<u16, String> {
    match &entry["targetPort"] {
        Value::String(name) => of_pod(pod, Some(&Port::Name(name.clone()))),
        target => number(target).or_else(|| number(&entry["port"])).ok_or_else(|| format!("port {} of the service is no port number", entry["port"])),
    }
}

/// A port number; 0 stands for none.
pub(super) fn number(value: &Value) -> Option<u16> {
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

    fn name(name: &str) -> Option<Port> {
        Some(Port::Name(name.to_owned()))
    }

    #[test]
    fn ports_of_pods() {
        let one = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"ports": [
            {"name": "web", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]}});
        let two = json!({"metadata": {"name": "b"}, "spec": {"containers": [{"ports": [{"containerPort": 80}]}], "initContainers": [{"ports": [{"name": "mesh", "containerPort": 15000}]}]}});
        let none = json!({"metadata": {"name": "c"}, "spec": {"containers": [{}]}});
        let cases = [
            (&one, None, Ok(8080)),
            (&one, Some(Port::Number(9)), Ok(9)),
            (&one, name("web"), Ok(8080)),
            (&one, name("dns"), Err("pod a has no port named `dns`; it has 8080 (web)")),
            (&two, name("mesh"), Ok(15000)),
            (&two, None, Err("which port of pod b? name one with `port`; it has 80, 15000 (mesh)")),
            (&none, None, Err("which port of pod c? name one with `port`; it declares no TCP ports")),
        ];
        for (pod, port, wanted) in cases {
            assert_eq!(of_pod(pod, port.as_ref()), wanted.map_err(str::to_owned), "{port:?}");
        }
    }

    #[test]
    fn ports_of_services() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": "web"}, {"name": "admin", "port": 81, "targetPort": 9000}, {"port": 82}]}});
        let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]}});
        let cases = [
            (Some(Port::Number(80)), Ok(8080)),
            (name("admin"), Ok(9000)),
            (Some(Port::Number(82)), Ok(82)),
            (Some(Port::Number(8080)), Err("service s has no port 8080; it has 80 (http), 81 (admin), 82")),
            (name("x"), Err("service s has no port named `x`; it has 80 (http), 81 (admin), 82")),
            (None, Err("which port of service s? name one with `port`; it has 80 (http), 81 (admin), 82")),
        ];
        for (port, wanted) in cases {
            let found = of_service(&service, port.as_ref()).and_then(|entry| behind(entry, &pod));
            assert_eq!(found, wanted.map_err(str::to_owned), "{port:?}");
        }
        let only = json!({"spec": {"ports": [{"port": 80, "targetPort": "gone"}]}});
        let entry = of_service(&only, None).unwrap();
        assert_eq!(behind(entry, &pod), Err("pod a has no port named `gone`; it has 8080 (web)".to_owned()));
    }
}
