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

fn columns(resource: &Resource) -> Vec<Column> {
    match resource.plural {
        "pods" => vec![
            NAME,
            column("Ready", |pod, _| {
                let statuses = object::list(&pod["status"]["containerStatuses"]);
                let ready = statuses.iter().filter(|status| status["ready"] == true).count();
                json!(format!("{ready}/{}", object::list(&pod["spec"]["containers"]).len()))
            }),
            column("Status", |pod, _| {
                let statuses = object::list(&pod["status"]["containerStatuses"]);
                let waiting = statuses
                    .iter()
                    .find_map(|status| status["state"]["waiting"]["reason"].as_str());
                json!(waiting.or_else(|| pod["status"]["phase"].as_str()).unwrap_or_default())
            }),
            column("Restarts", |pod, _| {
                let restarts: u64 = object::list(&pod["status"]["containerStatuses"])
                    .iter()
                    .filter_map(|status| status["restartCount"].as_u64())
                    .sum();
                json!(restarts.to_string())
            }),
            AGE,
            wide("IP", |pod, _| or_none(&pod["status"]["podIP"])),
            wide("Node", |pod, _| or_none(&pod["spec"]["nodeName"])),
            wide("Nominated Node", |pod, _| or_none(&pod["status"]["nominatedNodeName"])),
            wide("Readiness Gates", |_, _| json!("<none>")),
        ],
        "deployments" => vec![
            NAME,
            column("Ready", |deployment, _| {
                json!(format!(
                    "{}/{}",
                    count(&deployment["status"]["readyReplicas"]),
                    count(&deployment["spec"]["replicas"])
                ))
            }),
            column("Up-to-date", |deployment, _| {
                json!(count(&deployment["status"]["updatedReplicas"]))
            }),
            column("Available", |deployment, _| {
                json!(count(&deployment["status"]["availableReplicas"]))
            }),
            AGE,
            wide("Containers", |deployment, _| containers(deployment, "name")),
            wide("Images", |deployment, _| containers(deployment, "image")),
            wide("Selector", |deployment, _| pairs(&deployment["spec"]["selector"]["matchLabels"])),
        ],
        "replicasets" => vec![
            NAME,
            column("Desired", |set, _| json!(count(&set["spec"]["replicas"]))),
            column("Current", |set, _| json!(count(&set["status"]["replicas"]))),
            column("Ready", |set, _| json!(count(&set["status"]["readyReplicas"]))),
            AGE,
            wide("Containers", |set, _| containers(set, "name")),
            wide("Images", |set, _| containers(set, "image")),
            wide("Selector", |set, _| pairs(&set["spec"]["selector"]["matchLabels"])),
        ],
        "services" => vec![
            NAME,
            column("Type", |service, _| service["spec"]["type"].clone()),
            column("Cluster-IP", |service, _| or_none(&service["spec"]["clusterIP"])),
            column("External-IP", |_, _| json!("<none>")),
            column("Port(s)", |service, _| {
                let ports: Vec<String> = object::list(&service["spec"]["ports"])
                    .iter()
                    .map(|port| {
                        format!(
                            "{}/{}",
                            count(&port["port"]),
                            port["protocol"].as_str().unwrap_or("TCP")
                        )
                    })
                    .collect();
                json!(ports.join(","))
            }),
            AGE,
            wide("Selector", |service, _| pairs(&service["spec"]["selector"])),
        ],
        "nodes" => vec![
            NAME,
            column("Status", |node, _| {
                let ready = object::list(&node["status"]["conditions"])
                    .iter()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
                let schedulable =
                    if node["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
                json!(format!("{}{schedulable}", if ready { "Ready" } else { "NotReady" }))
            }),
            column("Roles", |_, _| json!("<none>")),
            AGE,
            column("Version", |node, _| node["status"]["nodeInfo"]["kubeletVersion"].clone()),
            wide("Internal-IP", |node, _| or_none(&node["status"]["addresses"][0]["address"])),
            wide("OS-Image", |node, _| node["status"]["nodeInfo"]["osImage"].clone()),
        ],
        "namespaces" => {
            vec![NAME, column("Status", |namespace, _| namespace["status"]["phase"].clone()), AGE]
        }
        "configmaps" | "secrets" => {
            let data = column("Data", |object, _| {
                json!(object["data"].as_object().map_or(0, serde_json::Map::len))
            });
            if resource.plural == "secrets" {
                vec![NAME, column("Type", |secret, _| secret["type"].clone()), data, AGE]
            } else {
                vec![NAME, data, AGE]
            }
        }
        "endpoints" => vec![
            NAME,
            column("Endpoints", |endpoints, _| {
                let mut found = Vec::new();
                for subset in object::list(&endpoints["subsets"]) {
                    for address in object::list(&subset["addresses"]) {
                        found.extend(object::list(&subset["ports"]).iter().map(|port| {
                            format!(
                                "{}:{}",
                                address["ip"].as_str().unwrap_or_default(),
                                count(&port["port"])
                            )
                        }));
                    }
                }
                let more = if found.len() > 3 {
                    format!(" + {} more...", found.len() - 3)
                } else {
                    String::new()
                };
                found.truncate(3);
                json!(if found.is_empty() {
                    "<none>".to_owned()
                } else {
                    format!("{}{more}", found.join(","))
                })
            }),
            AGE,
        ],
        "events" => vec![
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
        ],
        "leases" => {
            vec![NAME, column("Holder", |lease, _| or_none(&lease["spec"]["holderIdentity"])), AGE]
        }
        "networkpolicies" => vec![
            NAME,
            column("Pod-Selector", |policy, _| {
                pairs(&policy["spec"]["podSelector"]["matchLabels"])
            }),
            AGE,
        ],
        "cronjobs" => vec![
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
        ],
        "endpointslices" => vec![
            NAME,
            column("AddressType", |slice, _| slice["addressType"].clone()),
            column("Ports", |slice, _| {
                let ports: Vec<String> = object::list(&slice["ports"])
                    .iter()
                    .map(|port| count(&port["port"]).to_string())
                    .collect();
                json!(if ports.is_empty() { "<unset>".to_owned() } else { ports.join(",") })
            }),
            column("Endpoints", |slice, _| {
                let addresses: Vec<&str> = object::list(&slice["endpoints"])
                    .iter()
                    .filter_map(|endpoint| endpoint["addresses"][0].as_str())
                    .collect();
                json!(if addresses.is_empty() { "<unset>".to_owned() } else { addresses.join(",") })
            }),
            AGE,
        ],
        _ => vec![NAME, AGE],
    }
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
