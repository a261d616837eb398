//! Lists as tables, for `kubectl get`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::Resource;
use crate::object;

/// A column: its name, whether only `-o wide` shows it, and what it shows.
struct Column {
    name: &'static str,
    wide: bool,
    cell: fn(&Value, Timestamp) -> Value,
}

const fn column(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, wide: false, cell }
}

const fn wide(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, wide: true, cell }
}

const NAME: Column = column("Name", |object, _| json!(object::name(object)));
const AGE: Column =
    column("Age", |object, now| json!(age(&object["metadata"]["creationTimestamp"], now)));

pub(crate) fn table(
    resource: &Resource,
    items: &[Arc<Value>],
    now: Timestamp,
    metadata: Value,
) -> Value {
    let columns = columns(resource);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|column| {
            let format = if column.name == "Name" { "name" } else { "" };
            json!({"name": column.name, "type": "string", "format": format, "description": "",
                "priority": u8::from(column.wide)})
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|object| {
            let cells: Vec<Value> =
                columns.iter().map(|column| (column.cell)(object, now)).collect();
            json!({"cells": cells, "object": super::listing::metadata_only(object)})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows})
}

/// The columns of a kind, as kubectl shows it.
fn columns(resource: &Resource) -> &'static [Column] {
    match resource.plural {
        "pods" => PODS,
        "deployments" => DEPLOYMENTS,
        "replicasets" => REPLICA_SETS,
        "services" => SERVICES,
        "nodes" => NODES,
        "namespaces" => NAMESPACES,
        "endpoints" => ENDPOINTS,
        "events" => EVENTS,
        "leases" => LEASES,
        "networkpolicies" => NETWORK_POLICIES,
        "cronjobs" => CRON_JOBS,
        "endpointslices" => ENDPOINT_SLICES,
        "configmaps" => CONFIG_MAPS,
        "secrets" => SECRETS,
        _ => OTHERS,
    }
}

const PODS: &[Column] = &[
    NAME,
    column("Ready", ready_containers),
    column("Status", pod_status),
    column("Restarts", restarts),
    AGE,
    wide("IP", |pod, _| or_none(&pod["status"]["podIP"])),
    wide("Node", |pod, _| or_none(&pod["spec"]["nodeName"])),
    wide("Nominated Node", |pod, _| or_none(&pod["status"]["nominatedNodeName"])),
    wide("Readiness Gates", |_, _| json!("<none>")),
];

const DEPLOYMENTS: &[Column] = &[
    NAME,
    column("Ready", |deployment, _| {
        json!(format!(
            "{}/{}",
            count(&deployment["status"]["readyReplicas"]),
            count(&deployment["spec"]["replicas"])
        ))
    }),
    column("Up-to-date", |deployment, _| json!(count(&deployment["status"]["updatedReplicas"]))),
    column("Available", |deployment, _| json!(count(&deployment["status"]["availableReplicas"]))),
    AGE,
    wide("Containers", |deployment, _| containers(deployment, "name")),
    wide("Images", |deployment, _| containers(deployment, "image")),
    wide("Selector", |deployment, _| pairs(&deployment["spec"]["selector"]["matchLabels"])),
];

const REPLICA_SETS: &[Column] = &[
    NAME,
    column("Desired", |set, _| json!(count(&set["spec"]["replicas"]))),
    column("Current", |set, _| json!(count(&set["status"]["replicas"]))),
    column("Ready", |set, _| json!(count(&set["status"]["readyReplicas"]))),
    AGE,
    wide("Containers", |set, _| containers(set, "name")),
    wide("Images", |set, _| containers(set, "image")),
    wide("Selector", |set, _| pairs(&set["spec"]["selector"]["matchLabels"])),
];

const SERVICES: &[Column] = &[
    NAME,
    column("Type", |service, _| service["spec"]["type"].clone()),
    column("Cluster-IP", |service, _| or_none(&service["spec"]["clusterIP"])),
    column("External-IP", |_, _| json!("<none>")),
    column("Port(s)", service_ports),
    AGE,
    wide("Selector", |service, _| pairs(&service["spec"]["selector"])),
];

const NODES: &[Column] = &[
    NAME,
    column("Status", node_status),
    column("Roles", |_, _| json!("<none>")),
    AGE,
    column("Version", |node, _| node["status"]["nodeInfo"]["kubeletVersion"].clone()),
    wide("Internal-IP", |node, _| or_none(&node["status"]["addresses"][0]["address"])),
    wide("OS-Image", |node, _| node["status"]["nodeInfo"]["osImage"].clone()),
];

const NAMESPACES: &[Column] =
    &[NAME, column("Status", |namespace, _| namespace["status"]["phase"].clone()), AGE];

const ENDPOINTS: &[Column] = &[NAME, column("Endpoints", addresses_and_ports), AGE];

const EVENTS: &[Column] = &[
    column("Last Seen", |event, now| json!(age(&event["lastTimestamp"], now))),
    column("Type", |event, _| event["type"].clone()),
    column("Reason", |event, _| event["reason"].clone()),
    column("Object", |event, _| {
        let about = &event["involvedObject"];
        json!(format!(
            "{}/{}",
            about["kind"].as_str().unwrap_or_default().to_ascii_lowercase(),
            about["name"].as_str().unwrap_or_default()
        ))
    }),
    column("Message", |event, _| event["message"].clone()),
];

const LEASES: &[Column] =
    &[NAME, column("Holder", |lease, _| or_none(&lease["spec"]["holderIdentity"])), AGE];

const NETWORK_POLICIES: &[Column] = &[
    NAME,
    column("Pod-Selector", |policy, _| pairs(&policy["spec"]["podSelector"]["matchLabels"])),
    AGE,
];

const CRON_JOBS: &[Column] = &[
    NAME,
    column("Schedule", |job, _| job["spec"]["schedule"].clone()),
    column("Timezone", |job, _| or_none(&job["spec"]["timeZone"])),
    column("Suspend", |job, _| {
        json!(if job["spec"]["suspend"] == true { "True" } else { "False" })
    }),
    column("Active", |job, _| json!(object::list(&job["status"]["active"]).len())),
    column("Last Schedule", |job, now| {
        if job["status"]["lastScheduleTime"].is_null() {
            json!("<none>")
        } else {
            json!(age(&job["status"]["lastScheduleTime"], now))
        }
    }),
    AGE,
];

const ENDPOINT_SLICES: &[Column] = &[
    NAME,
    column("AddressType", |slice, _| slice["addressType"].clone()),
    column("Ports", slice_ports),
    column("Endpoints", slice_addresses),
    AGE,
];

const DATA: Column =
    column("Data", |object, _| json!(object["data"].as_object().map_or(0, serde_json::Map::len)));
const CONFIG_MAPS: &[Column] = &[NAME, DATA, AGE];
const SECRETS: &[Column] = &[NAME, column("Type", |secret, _| secret["type"].clone()), DATA, AGE];
const OTHERS: &[Column] = &[NAME, AGE];

fn ready_containers(pod: &Value, _: Timestamp) -> Value {
    let statuses = object::list(&pod["status"]["containerStatuses"]);
    let ready = statuses.iter().filter(|status| status["ready"] == true).count();
    json!(format!("{ready}/{}", object::list(&pod["spec"]["containers"]).len()))
}

/// What kubectl shows of the state of a pod.
fn pod_status(pod: &Value, _: Timestamp) -> Value {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return json!("Terminating");
    }
    let init = object::list(&pod["status"]["initContainerStatuses"]);
    let waits = |status: &Value| status["state"]["waiting"]["reason"].as_str().map(str::to_owned);
    let initialized = object::list(&pod["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == "Initialized" && condition["status"] == "True");
    if !init.is_empty() && !initialized {
        let over = init.iter().filter(|status| status["ready"] == true).count();
        let why = init.iter().find_map(waits).filter(|reason| reason != "PodInitializing");
        return json!(why.map_or_else(
            || format!("Init:{over}/{}", init.len()),
            |reason| format!("Init:{reason}")
        ));
    }
    let statuses = object::list(&pod["status"]["containerStatuses"]);
    let ended = statuses.iter().find_map(|status| status["state"]["terminated"]["reason"].as_str());
    let waiting = statuses.iter().find_map(waits);
    let phase = || pod["status"]["phase"].as_str().map(str::to_owned);
    json!(waiting.or(ended.map(str::to_owned)).or_else(phase).unwrap_or_default())
}

fn restarts(pod: &Value, _: Timestamp) -> Value {
    let restarts: u64 = object::list(&pod["status"]["containerStatuses"])
        .iter()
        .filter_map(|status| status["restartCount"].as_u64())
        .sum();
    json!(restarts.to_string())
}

fn service_ports(service: &Value, _: Timestamp) -> Value {
    let ports: Vec<String> = object::list(&service["spec"]["ports"])
        .iter()
        .map(|port| {
            format!("{}/{}", count(&port["port"]), port["protocol"].as_str().unwrap_or("TCP"))
        })
        .collect();
    json!(ports.join(","))
}

fn node_status(node: &Value, _: Timestamp) -> Value {
    let ready = object::list(&node["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let schedulable =
        if node["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
    json!(format!("{}{schedulable}", if ready { "Ready" } else { "NotReady" }))
}

/// The first three, and how many more there are.
fn addresses_and_ports(endpoints: &Value, _: Timestamp) -> Value {
    let mut found = Vec::new();
    for subset in object::list(&endpoints["subsets"]) {
        for address in object::list(&subset["addresses"]) {
            found.extend(object::list(&subset["ports"]).iter().map(|port| {
                format!("{}:{}", address["ip"].as_str().unwrap_or_default(), count(&port["port"]))
            }));
        }
    }
    let more =
        if found.len() > 3 { format!(" + {} more...", found.len() - 3) } else { String::new() };
    found.truncate(3);
    json!(if found.is_empty() { "<none>".to_owned() } else { format!("{}{more}", found.join(",")) })
}

fn slice_ports(slice: &Value, _: Timestamp) -> Value {
    let ports: Vec<String> =
        object::list(&slice["ports"]).iter().map(|port| count(&port["port"]).to_string()).collect();
    json!(if ports.is_empty() { "<unset>".to_owned() } else { ports.join(",") })
}

fn slice_addresses(slice: &Value, _: Timestamp) -> Value {
    let addresses: Vec<&str> = object::list(&slice["endpoints"])
        .iter()
        .filter_map(|endpoint| endpoint["addresses"][0].as_str())
        .collect();
    json!(if addresses.is_empty() { "<unset>".to_owned() } else { addresses.join(",") })
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn or_none(value: &Value) -> Value {
    if value.is_null() { json!("<none>") } else { value.clone() }
}

fn pairs(value: &Value) -> Value {
    let pairs: Vec<String> =
        object::strings(value).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    json!(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") })
}

fn containers(workload: &Value, field: &str) -> Value {
    let names: Vec<&str> = object::list(&workload["spec"]["template"]["spec"]["containers"])
        .iter()
        .filter_map(|container| container[field].as_str())
        .collect();
    json!(names.join(","))
}

/// How long ago, as kubectl writes it: the two largest units while the first is small.
fn age(since: &Value, now: Timestamp) -> String {
    let Some(since) = object::timestamp(since) else {
        return "<unknown>".to_owned();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let pair = |big: i64, unit: &str, small: i64, part: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{part}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_does() {
        let now: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
        for (seconds, expected) in [
            (5, "5s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (3600, "60m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (1_000_000, "11d"),
        ] {
            let since = now.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap();
            assert_eq!(age(&json!(object::time(since)), now), expected);
        }
    }
}
