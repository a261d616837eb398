//! Runs the containers of pods, as far as that can be seen from outside, and probes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::events;
use crate::network::{Labels, PortName, Protocol};
use crate::sandbox::app::{Apps, Request, respond};
use crate::sandbox::object;
use crate::sandbox::snapshot::{NODE_ADDRESS, Snapshot, target_port};
use crate::sandbox::store::Store;

/// What the containers of a pod were started with: later changes of ConfigMaps and Secrets do not reach them.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) started: Timestamp,
    /// The environment of each container.
    pub(crate) environments: BTreeMap<String, Labels>,
}

/// Why a container does not start.
struct Waiting {
    reason: &'static str,
    message: String,
}

/// Starts what is not started yet. Pods that run count as ready until they are probed.
pub(crate) fn run_pods(store: &mut Store, processes: &mut BTreeMap<String, Process>, apps: &Apps, now: Timestamp) {
    let pods: Vec<Value> = store.list("pods", None).map(|pod| (**pod).clone()).collect();
    let mut used: Vec<String> = pods.iter().filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned)).collect();
    for mut pod in pods {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if processes.contains_key(&uid) {
            continue;
        }
        let name = format!("{}/{}", object::namespace(&pod), object::name(&pod));
        events::record(store, &pod, "default-scheduler", "Scheduled", &format!("Successfully assigned {name} to node"), now);
        let free = (2..255).map(|number| format!("10.244.0.{number}")).find(|address| !used.contains(address)).unwrap_or_default();
        used.push(free.clone());
        pod["status"]["hostIP"] = json!(NODE_ADDRESS);
        pod["status"]["hostIPs"] = json!([{"ip": NODE_ADDRESS}]);
        pod["status"]["podIP"] = json!(free);
        pod["status"]["podIPs"] = json!([{"ip": free}]);
        pod["status"]["startTime"] = json!(object::time(now));
        let containers = object::list(&pod["spec"]["containers"]).to_vec();
        let started: Vec<Result<Labels, Waiting>> = containers.iter().map(|container| start(&pod, container, store, apps)).collect();
        let statuses: Vec<Value> = containers.iter().zip(&started).map(|(container, outcome)| container_status(container, outcome, &uid, now)).collect();
        pod["status"]["containerStatuses"] = json!(statuses);
        for (container, outcome) in containers.iter().zip(&started) {
            let (image, container) = (container["image"].as_str().unwrap_or_default(), container["name"].as_str().unwrap_or_default());
            match outcome {
                Ok(_) => {
                    events::record(store, &pod, "kubelet", "Pulled", &format!("Container image \"{image}\" already present on machine"), now);
                    events::record(store, &pod, "kubelet", "Created", &format!("Container created: {container}"), now);
                    events::record(store, &pod, "kubelet", "Started", &format!("Container started: {container}"), now);
                }
                Err(waiting) => {
                    events::warn(store, &pod, "kubelet", "Failed", &waiting.message, now);
                }
            }
        }
        let running = started.iter().all(Result::is_ok);
        pod["status"]["phase"] = json!(if running { "Running" } else { "Pending" });
        set_ready(&mut pod, running, now);
        if running {
            let environments = containers.iter().zip(started).filter_map(|(container, outcome)| Some((container["name"].as_str()?.to_owned(), outcome.ok()?)));
            processes.insert(uid, Process { started: now, environments: environments.collect() });
        }
        store.put(pod, now);
    }
}

fn start(pod: &Value, container: &Value, store: &Store, apps: &Apps) -> Result<Labels, Waiting> {
    let image = container["image"].as_str().unwrap_or_default();
    if apps.tools(image).is_none() {
        return Err(Waiting { reason: "ImagePullBackOff", message: format!("Back-off pulling image \"{image}\"") });
    }
    environment(pod, container, store).map_err(|message| Waiting { reason: "CreateContainerConfigError", message })
}

/// The variables of a container, or what is missing for them.
fn environment(pod: &Value, container: &Value, store: &Store) -> Result<Labels, String> {
    let namespace = object::namespace(pod);
    let mut variables: Labels = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOSTNAME", object::name(pod)),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
        ("HOME", "/root"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    for variable in object::list(&container["env"]) {
        let Some(name) = variable["name"].as_str() else {
            continue;
        };
        let source = &variable["valueFrom"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let value = if let Some(path) = source["fieldRef"]["fieldPath"].as_str() {
            text(pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null))
        } else if let Some(reference) = source.get("secretKeyRef") {
            let (object, key) = (text(&reference["name"]), text(&reference["key"]));
            let secret = store.get("secrets", namespace, &object).ok_or_else(|| format!("Error: secret \"{object}\" not found"))?;
            let encoded = secret["data"][&key].as_str().ok_or_else(|| format!("Error: couldn't find key {key} in Secret {namespace}/{object}"))?;
            base64::engine::general_purpose::STANDARD.decode(encoded).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        } else if let Some(reference) = source.get("configMapKeyRef") {
            let (object, key) = (text(&reference["name"]), text(&reference["key"]));
            let map = store.get("configmaps", namespace, &object).ok_or_else(|| format!("Error: configmap \"{object}\" not found"))?;
            let value = map["data"][&key].as_str().ok_or_else(|| format!("Error: couldn't find key {key} in ConfigMap {namespace}/{object}"))?;
            value.to_owned()
        } else {
            text(&variable["value"])
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

fn container_status(container: &Value, outcome: &Result<Labels, Waiting>, uid: &str, now: Timestamp) -> Value {
    use sha2::{Digest, Sha256};
    let hex = |text: String| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (name, image) = (container["name"].as_str().unwrap_or_default(), container["image"].as_str().unwrap_or_default());
    let running = outcome.is_ok();
    let state = match outcome {
        Ok(_) => json!({"running": {"startedAt": object::time(now)}}),
        Err(waiting) => json!({"waiting": {"reason": waiting.reason, "message": waiting.message}}),
    };
    let mut status =
        json!({"name": name, "state": state, "lastState": {}, "ready": running, "restartCount": 0, "image": image, "imageID": "", "started": running});
    if running {
        status["imageID"] = json!(format!("sha256:{}", hex(image.to_owned())));
        status["containerID"] = json!(format!("containerd://{}", hex(format!("{uid}/{name}"))));
    }
    status
}

/// Writes the conditions of a pod.
fn set_ready(pod: &mut Value, ready: bool, now: Timestamp) {
    let unready: Vec<String> =
        object::list(&pod["status"]["containerStatuses"]).iter().filter(|_| !ready).filter_map(|status| status["name"].as_str().map(str::to_owned)).collect();
    let condition = |kind: &str, holds: bool| {
        let mut condition =
            json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": object::time(now)});
        if !holds {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(format!("containers with unready status: [{}]", unready.join(" ")));
        }
        condition
    };
    pod["status"]["conditions"] = json!([
        condition("PodReadyToStartContainers", true),
        condition("Initialized", true),
        condition("Ready", ready),
        condition("ContainersReady", ready),
        condition("PodScheduled", true),
    ]);
}

/// Asks the readiness probes of all running pods. Probes come from the node, which every pod admits.
pub(crate) fn probe(store: &mut Store, snapshot: &Arc<Snapshot>, begin: Timestamp, now: Timestamp) {
    for (index, state) in snapshot.pods.iter().enumerate() {
        let Some(pod) = store.get("pods", &state.network.namespace, &state.network.name) else {
            continue;
        };
        let mut pod = (**pod).clone();
        let containers = object::list(&pod["spec"]["containers"]).to_vec();
        let ready: Vec<bool> =
            containers.iter().map(|container| container.get("readinessProbe").is_none_or(|probe| succeeds(snapshot, index, &pod, probe, now))).collect();
        if let Some(statuses) = pod["status"]["containerStatuses"].as_array_mut() {
            for (status, ready) in statuses.iter_mut().zip(&ready) {
                status["ready"] = json!(ready);
            }
        }
        set_ready(&mut pod, ready.iter().all(|ready| *ready), begin);
        store.put(pod, begin);
    }
}

fn succeeds(snapshot: &Arc<Snapshot>, index: usize, pod: &Value, probe: &Value, now: Timestamp) -> bool {
    let port = |value: &Value| serde_json::from_value::<PortName>(value.clone()).ok().and_then(|port| target_port(&port, pod, Protocol::Tcp));
    if let Some(get) = probe.get("httpGet") {
        let request = Request::get(get["path"].as_str().unwrap_or("/"));
        return port(&get["port"])
            .and_then(|port| respond(snapshot, index, port, &request, now, 0))
            .is_some_and(|response| (200..400).contains(&response.status));
    }
    probe.get("tcpSocket").is_none_or(|socket| port(&socket["port"]).is_some_and(|port| snapshot.listener(index, port, Protocol::Tcp).is_some()))
}
