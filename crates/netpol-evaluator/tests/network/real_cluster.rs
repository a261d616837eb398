//! Pods on a real cluster that listen, and connections between them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) use crate::kubectl::Kubectl;

/// Any image with a python3 on the cluster will do; this is that of the systems of the runbooks.
const IMAGE: &str = "docker.io/yurisa2/petrosa-ta-bot:v1.0.68";
const LISTEN: &str = include_str!("listen.py");
const PROBE: &str = include_str!("probe.py");

/// A connection to be tried; the address may be a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) protocol: &'static str,
    pub(crate) address: String,
    pub(crate) port: u16,
}

impl Kubectl {
    /// Objects with one verb: `create`, `apply`, `delete`.
    pub(crate) fn all(&self, verb: &str, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.run(&[verb, "-f", "-"], Some(&list));
    }

    /// The objects as the server has them, by kinds with commas between.
    pub(crate) fn objects(&self, kinds: &str) -> Vec<Value> {
        let list: Value = serde_json::from_str(
            &self.run(&["get", kinds, "--all-namespaces", "-o", "json"], None),
        )
        .unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// What comes of the connections from within a pod, in order: `yes`, `no` when nothing came
    /// back, or an error.
    pub(crate) fn probe(&self, pod: &Value, targets: &[Target]) -> Vec<String> {
        let (namespace, name) = names(pod);
        let mut arguments = vec!["exec", "-n", namespace, name, "--", "python3", "-c", PROBE];
        let targets: Vec<String> = targets
            .iter()
            .map(|Target { protocol, address, port }| format!("{protocol}/{address}/{port}"))
            .collect();
        arguments.extend(targets.iter().map(String::as_str));
        let answers: Vec<String> = self.run(&arguments, None).lines().map(str::to_owned).collect();
        assert_eq!(answers.len(), targets.len(), "{answers:?}");
        answers
    }

    /// The same from several pods at once, one after the other in the result.
    pub(crate) fn probe_all(&self, pods: &[Value], targets: &[Target]) -> Vec<String> {
        thread::scope(|scope| {
            let probes: Vec<_> =
                pods.iter().map(|pod| scope.spawn(|| self.probe(pod, targets))).collect();
            probes.into_iter().flat_map(|probe| probe.join().unwrap()).collect()
        })
    }

    /// Waits until the containers of all pods have started, and gives the pods as they are then.
    pub(crate) fn started(&self, pods: &[Value]) -> Vec<Value> {
        let mut found = Vec::new();
        eventually("all pods have started", || {
            let there = self.objects("pods");
            found = pods
                .iter()
                .filter_map(|pod| there.iter().find(|other| names(other) == names(pod)).cloned())
                .collect();
            let started = found
                .iter()
                .filter(|pod| pod["status"]["containerStatuses"][0]["started"] == true)
                .count();
            if started == pods.len() {
                Ok(())
            } else {
                Err(found.iter().map(|pod| pod["status"].to_string()).collect())
            }
        });
        found
    }
}

/// Probes until all is as it should be or, twice in a row, not: the places that differ, with the
/// answers. Rules take a moment to be in force.
pub(crate) fn settled(expected: &[bool], probe: impl Fn() -> Vec<String>) -> Vec<(usize, String)> {
    const ROUNDS: usize = 6;
    let mut differing = Vec::new();
    for _ in 0..ROUNDS {
        let found = probe();
        assert_eq!(found.len(), expected.len());
        let now = found
            .into_iter()
            .enumerate()
            .filter(|(place, answer)| (answer == "yes") != expected[*place])
            .collect();
        let before = std::mem::replace(&mut differing, now);
        if differing.is_empty() || differing == before {
            break;
        }
    }
    differing
}

/// Namespace and name.
pub(crate) fn names(object: &Value) -> (&str, &str) {
    (
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap(),
    )
}

/// The pod with all its ports in one container that listens on `listening` over TCP and UDP.
pub(crate) fn listening_pod(pod: &Value, listening: &[u16]) -> Value {
    let mut pod = pod.clone();
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports: Vec<Value> = containers
        .flat_map(|container| container["ports"].as_array().cloned().unwrap_or_default())
        .collect();
    let command: Vec<String> = ["python3", "-c", LISTEN]
        .into_iter()
        .map(str::to_owned)
        .chain(listening.iter().map(u16::to_string))
        .collect();
    let probe = json!({"tcpSocket": {"port": listening[0]}, "periodSeconds": 1});
    let address =
        json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}});
    let container = json!({
        "name": "all", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": command,
        "ports": ports, "env": [address], "startupProbe": probe,
    });
    pod["spec"]["containers"] = json!([container]);
    pod["spec"]["terminationGracePeriodSeconds"] = 1.into();
    pod["spec"]["automountServiceAccountToken"] = false.into();
    pod
}

/// Looks again and again until it holds, for a bounded time.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(why) = holds() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it did not come about that {what}: {why}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}
