//! A second evaluator, written from the API documentation alone, on the manifests as they are. Slow
//! and plain on purpose.

use serde_json::Value;

use crate::worlds::World;

#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    Pod(&'a Value),
    Address(&'a str),
}

/// May `from` open a connection to `port` of `to`?
pub(crate) fn allowed(
    world: &World,
    from: End<'_>,
    to: End<'_>,
    protocol: &str,
    port: u64,
) -> bool {
    if let (End::Pod(one), End::Pod(other)) = (from, to) {
        // "a Pod cannot block access to itself"
        if one["metadata"]["name"] == other["metadata"]["name"]
            && one["metadata"]["namespace"] == other["metadata"]["namespace"]
        {
            return true;
        }
    }
    one_way(world, "Egress", from, to, to, protocol, port)
        && one_way(world, "Ingress", to, from, to, protocol, port)
}

fn one_way(
    world: &World,
    direction: &str,
    subject: End<'_>,
    other: End<'_>,
    destination: End<'_>,
    protocol: &str,
    port: u64,
) -> bool {
    let End::Pod(pod) = subject else { return true };
    if pod["spec"]["hostNetwork"] == true {
        return true;
    }
    let mut isolated = false;
    for policy in &world.policies {
        if policy["metadata"]["namespace"] != pod["metadata"]["namespace"] {
            continue;
        }
        if !types(&policy["spec"]).contains(&direction) {
            continue;
        }
        if !selected(&policy["spec"]["podSelector"], &pod["metadata"]["labels"]) {
            continue;
        }
        isolated = true;
        let (rules, end) =
            if direction == "Ingress" { ("ingress", "from") } else { ("egress", "to") };
        for rule in items(&policy["spec"][rules]) {
            let peers = items(&rule[end]);
            let ports = items(&rule["ports"]);
            let peer_ok =
                peers.is_empty() || peers.iter().any(|peer| is_peer(world, policy, peer, other));
            let port_ok = ports.is_empty()
                || ports.iter().any(|rule| is_port(rule, destination, protocol, port));
            if peer_ok && port_ok {
                return true;
            }
        }
    }
    !isolated
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// "If this field is not specified, it will default based on the existence of ingress or egress
/// rules; policies that contain an egress section are assumed to affect egress, and all policies
/// (whether or not they contain an ingress section) are assumed to affect ingress." The server
/// counts an empty list as no section.
fn types(spec: &Value) -> Vec<&str> {
    let written = items(&spec["policyTypes"]);
    if !written.is_empty() {
        return written.iter().map(|kind| kind.as_str().unwrap()).collect();
    }
    if items(&spec["egress"]).is_empty() { vec!["Ingress"] } else { vec!["Ingress", "Egress"] }
}

fn selected(selector: &Value, labels: &Value) -> bool {
    if let Some(wanted) = selector["matchLabels"].as_object() {
        for (key, value) in wanted {
            if labels.get(key) != Some(value) {
                return false;
            }
        }
    }
    for expression in items(&selector["matchExpressions"]) {
        let value = labels.get(expression["key"].as_str().unwrap());
        let listed = value.is_some_and(|value| items(&expression["values"]).contains(value));
        let holds = match expression["operator"].as_str().unwrap() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            other => panic!("{other}"),
        };
        if !holds {
            return false;
        }
    }
    true
}

fn is_peer(world: &World, policy: &Value, peer: &Value, other: End<'_>) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let address = match other {
            End::Pod(pod) => pod["status"]["podIP"].as_str().unwrap(),
            End::Address(address) => address,
        };
        return in_cidr(block["cidr"].as_str().unwrap(), address)
            && !items(&block["except"])
                .iter()
                .any(|hole| in_cidr(hole.as_str().unwrap(), address));
    }
    let End::Pod(pod) = other else { return false };
    if pod["spec"]["hostNetwork"] == true {
        return false;
    }
    if let Some(selector) = peer.get("namespaceSelector") {
        let namespace = world
            .namespaces
            .iter()
            .find(|namespace| namespace["metadata"]["name"] == pod["metadata"]["namespace"])
            .unwrap();
        if !selected(selector, &namespace["metadata"]["labels"]) {
            return false;
        }
    } else if policy["metadata"]["namespace"] != pod["metadata"]["namespace"] {
        return false;
    }
    peer.get("podSelector").is_none_or(|selector| selected(selector, &pod["metadata"]["labels"]))
}

fn is_port(rule: &Value, destination: End<'_>, protocol: &str, port: u64) -> bool {
    if rule["protocol"].as_str().unwrap_or("TCP") != protocol {
        return false;
    }
    match &rule["port"] {
        Value::Null => true,
        Value::Number(first) => {
            let first = first.as_u64().unwrap();
            let last = rule["endPort"].as_u64().unwrap_or(first);
            port >= first && port <= last
        }
        Value::String(name) => match destination {
            End::Pod(pod) => items(&pod["spec"]["containers"]).iter().any(|container| {
                items(&container["ports"]).iter().any(|named| {
                    named["name"] == *name
                        && named["containerPort"].as_u64() == Some(port)
                        && named["protocol"].as_str().unwrap_or("TCP") == protocol
                })
            }),
            End::Address(_) => false,
        },
        other => panic!("{other}"),
    }
}

fn in_cidr(cidr: &str, address: &str) -> bool {
    let number = |text: &str| {
        text.split('.').fold(0_u64, |sum, part| sum * 256 + part.parse::<u64>().unwrap())
    };
    let (base, prefix) = cidr.split_once('/').unwrap();
    let size = 1_u64 << (32 - prefix.parse::<u32>().unwrap());
    number(base) / size == number(address) / size
}
