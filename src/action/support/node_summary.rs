//! What a kubelet's `/stats/summary` says
//! (staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go). What it does not measure is null.
//! Pure.

use crate::diagnosis::object::{array, text};
use crate::encoding::percent_encode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The path of what a kubelet serves, through the API server.
pub(in crate::action) fn kubelet_path(node: &str, what: &str) -> String {
    format!("/api/v1/nodes/{}/proxy/{what}", percent_encode(node))
}

/// The node.
pub(in crate::action) fn node(summary: &Value, name: &str) -> Value {
    let node = &summary["node"];
    let memory = &node["memory"];
    let (used, available) = (memory["workingSetBytes"].as_u64(), memory["availableBytes"].as_u64());
    let whole = used.zip(available).map(|(used, available)| used + available);
    let pids = &node["rlimit"];
    json!({
        "node": name,
        "cpu_cores": cores(&node["cpu"]),
        "memory": {"used_bytes": used, "available_bytes": available,
            "used_percent": percent(used, whole)},
        "fs": disk(&node["fs"]),
        "imagefs": disk(&node["runtime"]["imageFs"]),
        "pids": {"used": pids["curproc"], "most": pids["maxpid"],
            "used_percent": percent(pids["curproc"].as_u64(), pids["maxpid"].as_u64())},
    })
}

/// The pods, in one namespace or in all, with their volumes.
pub(in crate::action) fn pods(summary: &Value, node: &str, namespace: Option<&str>) -> Vec<Value> {
    let wanted = |pod: &&Value| {
        namespace.is_none_or(|namespace| text(&pod["podRef"]["namespace"]) == namespace)
    };
    let mut all: Vec<Value> = array(&summary["pods"])
        .filter(wanted)
        .map(|pod| {
            let volumes: Vec<Value> = array(&pod["volume"]).map(volume).collect();
            json!({
                "pod": pod["podRef"]["name"], "namespace": pod["podRef"]["namespace"],
                "node": node, "cpu_cores": cores(&pod["cpu"]),
                "memory_bytes": pod["memory"]["workingSetBytes"], "volumes": volumes,
            })
        })
        .collect();
    all.sort_by_key(|pod| (text(&pod["namespace"]).to_owned(), text(&pod["pod"]).to_owned()));
    all
}

fn volume(volume: &Value) -> Value {
    let mut item = json!({"name": volume["name"], "claim": volume["pvcRef"]["name"]});
    if let (Some(item), Some(disk)) = (item.as_object_mut(), disk(volume).as_object()) {
        item.extend(disk.clone());
    }
    item
}

/// The claims of pods, each once, the fullest first.
pub(in crate::action) fn claims(pods: &[Value]) -> Vec<Value> {
    let mut found = BTreeMap::new();
    for pod in pods {
        for volume in array(&pod["volumes"]).filter(|volume| volume["claim"].is_string()) {
            let key = (text(&pod["namespace"]).to_owned(), text(&volume["claim"]).to_owned());
            let mut item = json!({"claim": volume["claim"], "namespace": pod["namespace"],
                "pod": pod["pod"], "node": pod["node"]});
            if let (Some(item), Some(volume)) = (item.as_object_mut(), volume.as_object()) {
                item.extend(volume.clone());
            }
            found.entry(key).or_insert(item);
        }
    }
    let mut all: Vec<Value> = found.into_values().collect();
    let fill = |item: &Value| item["used_percent"].as_f64().unwrap_or(-1.0);
    all.sort_by(|one, other| fill(other).total_cmp(&fill(one)));
    all
}

/// The volumes of claims of a namespace, as a diagnosis takes them.
pub(in crate::action) fn volumes_of_claims(summary: &Value, namespace: &str) -> Vec<Value> {
    array(&summary["pods"])
        .filter(|pod| pod["podRef"]["namespace"] == namespace)
        .flat_map(|pod| array(&pod["volume"]))
        .filter(|volume| volume["pvcRef"]["name"].is_string())
        .map(|volume| {
            json!({"kind": "VolumeStats", "metadata": {"namespace": namespace},
                "claim": volume["pvcRef"]["name"],
                "capacity_bytes": volume["capacityBytes"],
                "available_bytes": volume["availableBytes"],
                "inodes": volume["inodes"], "inodes_free": volume["inodesFree"]})
        })
        .collect()
}

/// A filesystem.
fn disk(stats: &Value) -> Value {
    let count = |field: &str| stats[field].as_u64();
    let (capacity, available) = (count("capacityBytes"), count("availableBytes"));
    // of a disk that several use, `usedBytes` is the part of this one: what is left tells how full
    // the disk is
    let full = capacity.zip(available).map(|(capacity, free)| capacity.saturating_sub(free));
    let (inodes, free) = (count("inodes"), count("inodesFree"));
    let inodes_used = inodes.zip(free).map(|(inodes, free)| inodes.saturating_sub(free));
    json!({
        "used_bytes": count("usedBytes"), "available_bytes": available,
        "capacity_bytes": capacity, "used_percent": percent(full, capacity),
        "inodes_used_percent": percent(inodes_used, inodes),
    })
}

fn cores(cpu: &Value) -> Option<f64> {
    cpu["usageNanoCores"].as_f64().map(|nanocores| (nanocores / 1e6).round() / 1e3)
}

/// To one decimal.
pub(in crate::action) fn percent(used: Option<u64>, whole: Option<u64>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "to one decimal, 52 bits are plenty")]
    let ratio = used? as f64 / whole.filter(|whole| *whole > 0)? as f64;
    Some((ratio * 1000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Value {
        let fs = json!({"capacityBytes": 1000, "availableBytes": 40, "usedBytes": 900,
            "inodes": 100, "inodesFree": 75});
        let mut claim = fs.clone();
        claim["name"] = "data".into();
        claim["pvcRef"] = json!({"name": "db", "namespace": "shop"});
        let pod = |name: &str, namespace: &str, volumes: Value| {
            json!({"podRef": {"name": name, "namespace": namespace},
                "cpu": {"usageNanoCores": 250_000_000}, "memory": {"workingSetBytes": 10},
                "volume": volumes})
        };
        json!({"node": {"cpu": {"usageNanoCores": 1_500_400_000}, "fs": fs,
            "memory": {"workingSetBytes": 30, "availableBytes": 10, "usageBytes": 99},
            "rlimit": {"maxpid": 1000, "curproc": 5}},
            "pods": [pod("web", "shop", json!([{"name": "token"}])),
                pod("db-0", "shop", json!([claim])), pod("db-1", "shop", json!([claim])),
                pod("x", "other", json!([]))]})
    }

    #[test]
    fn a_node_is_measured_as_the_kubelet_does_for_eviction() {
        let item = node(&summary(), "n1");
        assert_eq!(item["cpu_cores"], 1.5);
        assert_eq!(
            item["memory"],
            json!({"used_bytes": 30, "available_bytes": 10, "used_percent": 75.0})
        );
        assert_eq!(
            item["fs"],
            json!({"used_bytes": 900, "available_bytes": 40, "capacity_bytes": 1000,
                "used_percent": 96.0, "inodes_used_percent": 25.0})
        );
        assert_eq!(item["pids"], json!({"used": 5, "most": 1000, "used_percent": 0.5}));
        // what is not measured is unknown, and not empty
        assert_eq!(item["imagefs"]["used_percent"], Value::Null);
    }

    #[test]
    fn a_claim_is_named_once_with_a_pod_that_mounts_it() {
        let all = pods(&summary(), "n1", Some("shop"));
        let names: Vec<&str> = all.iter().map(|pod| text(&pod["pod"])).collect();
        assert_eq!(names, ["db-0", "db-1", "web"]);
        assert_eq!(all[2]["volumes"][0]["used_percent"], Value::Null);
        let claims = claims(&all);
        assert_eq!(claims.len(), 1);
        assert_eq!(
            (&claims[0]["claim"], &claims[0]["pod"], &claims[0]["used_percent"]),
            (&json!("db"), &json!("db-0"), &json!(96.0))
        );
        assert_eq!(pods(&summary(), "n1", None).len(), 4);
    }
}
