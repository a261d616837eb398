//! What the evaluator says about random worlds, and what the network plugin of a real cluster does with their connections.

use std::collections::BTreeSet;

use runbook::network::{Connection, Endpoint, Inventory, Translation, evaluate, explain};
use serde_json::{Value, json};

use crate::real_cluster::{Kubectl, Target, eventually, listening_pod};
use crate::support::{find, protocol};
use crate::worlds::{NAMESPACES, PORTS, World, policies};

/// Worlds whose policies let about half of the connections pass and use every field between them.
const SEEDS: [u64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/// Where a policy of its own tells when those before it are in force.
const SENTINEL: &str = "net-sentinel";
/// Where the pod in the network of the node listens.
const HOST_PORT: u16 = 28000;
/// SCTP needs a module of the kernel of the node that few have; the evaluator reads the protocol as it reads the others.
const PROTOCOLS: [&str; 2] = ["TCP", "UDP"];
/// So often is looked whether what differs is only not yet in force.
const ROUNDS: usize = 6;

/// The namespaces go when the test ends, however it ends.
struct Place(Kubectl);

impl Place {
    fn clear(&self, wait: &str) {
        let mut arguments = vec!["delete", "namespace", "--ignore-not-found", wait, SENTINEL];
        arguments.extend(NAMESPACES);
        self.0.run(&arguments, None);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear("--wait=false");
    }
}

#[test]
fn the_cluster_enforces_what_the_evaluator_says() {
    let Some(kubectl) = Kubectl::of_the_environment() else { return };
    let place = Place(kubectl);
    place.clear("--wait=true");
    let kubectl = &place.0;
    kubectl.all("create", &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SENTINEL}})]);
    let standing = |name: &str, spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": SENTINEL, "labels": {"app": "web"}}, "spec": spec});
    let sentinels =
        [listening_pod(&standing("near", json!({})), &[80]), listening_pod(&standing("far", json!({})), &[80]), listening_pod(&standing("host", json!({"hostNetwork": true})), &[HOST_PORT])];
    kubectl.all("create", &sentinels);
    let sentinels = kubectl.ready(&sentinels);
    let (mut edges, mut denied, mut wrong) = (0, 0, Vec::new());
    for seed in SEEDS {
        let (here, here_denied) = compare(kubectl, seed, &sentinels, &mut wrong);
        edges += here;
        denied += here_denied;
    }
    eprintln!("{edges} connections, {denied} denied");
    assert!(wrong.is_empty(), "{} of {edges}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(edges > 2_000 && denied > edges / 5 && denied < edges * 4 / 5, "{denied} of {edges} denied");
}

/// One world: how many connections were tried, and how many were denied.
fn compare(kubectl: &Kubectl, seed: u64, sentinels: &[Value], wrong: &mut Vec<String>) -> (usize, usize) {
    let world = World::without_policies(seed);
    kubectl.all("apply", &world.namespaces);
    let pods: Vec<Value> = world.pods.iter().map(|pod| listening_pod(pod, &PORTS)).collect();
    kubectl.all("create", &pods);
    let pods = kubectl.ready(&pods);
    let addresses: Vec<String> = pods.iter().map(|pod| pod["status"]["podIP"].as_str().unwrap().to_owned()).collect();
    let written = policies(seed, &addresses);
    let guard = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "closed", "namespace": SENTINEL}, "spec": {"podSelector": {"matchLabels": {"app": "web"}}}});
    let planted: Vec<Value> = written.iter().cloned().chain([guard]).collect();
    let far = [target("TCP", &sentinels[1], 80)];
    let sentinel = |open: bool| {
        let word = if open { "open" } else { "closed" };
        eventually(&format!("the sentinel is {word}"), || if kubectl.probe(&sentinels[0], &far) == [open] { Ok(()) } else { Err("it is not".to_owned()) });
    };
    sentinel(true);
    kubectl.all("create", &planted);
    sentinel(false);

    // the manifests as they were written: the server's defaults must be the evaluator's own
    let live = kubectl.objects("namespaces,pods");
    let inventory = Inventory::from_objects(live.iter().chain(&planted));
    let stored = Inventory::from_objects(&kubectl.objects("networkpolicies"));
    for policy in &inventory.policies {
        let other = stored.policies.iter().find(|other| other.reference == policy.reference);
        assert_eq!(other, Some(policy), "seed {seed}: the server reads it differently");
    }
    let mut targets: Vec<Target> = Vec::new();
    for pod in &pods {
        targets.extend(PROTOCOLS.iter().flat_map(|protocol| PORTS.map(|port| target(protocol, pod, port))));
    }
    targets.extend(PROTOCOLS.map(|protocol| target(protocol, &sentinels[2], HOST_PORT)));
    let sources: Vec<Value> = pods.iter().chain(&sentinels[2..]).cloned().collect();
    let expected: Vec<Vec<bool>> = sources.iter().map(|from| targets.iter().map(|to| says(&inventory, from, to).0).collect()).collect();
    let mut before = BTreeSet::new();
    for _ in 0..ROUNDS {
        let found = kubectl.probe_all(&sources, &targets);
        let differing: BTreeSet<(usize, usize)> =
            (0..sources.len()).flat_map(|from| (0..targets.len()).map(move |to| (from, to))).filter(|(from, to)| expected[*from][*to] != found[*from][*to]).collect();
        // what was so twice is not on its way any more
        let settled = differing == before;
        before = differing;
        if settled || before.is_empty() {
            break;
        }
    }
    for (from, to) in before {
        let (said, explanation) = says(&inventory, &sources[from], &targets[to]);
        let policies: String = written.iter().map(|policy| format!("\n{policy}")).collect();
        wrong.push(format!("seed {seed}: the evaluator says {said}, the cluster does not\n{explanation}\n{:?}{policies}", targets[to]));
    }
    kubectl.all("delete", &planted);
    kubectl.all("delete", &pods);
    let all = expected.iter().flatten();
    (all.clone().count(), all.filter(|allowed| !**allowed).count())
}

fn target(protocol: &'static str, pod: &Value, port: u16) -> Target {
    Target { protocol, address: pod["status"]["podIP"].as_str().unwrap().to_owned(), port }
}

/// The answer of the evaluator, and its reasons.
fn says(inventory: &Inventory, from: &Value, to: &Target) -> (bool, String) {
    // the cluster has one node
    let source = if from["spec"]["hostNetwork"] == true { Endpoint::Node } else { Endpoint::Pod(find(inventory, from)) };
    let address = to.address.parse().unwrap();
    let pod = inventory.pods.iter().map(|state| &state.pod).find(|pod| pod.ip == Some(address) && pod.host_network == (to.port == HOST_PORT)).unwrap();
    let connection = Connection { source, destination: Endpoint::Pod(pod), protocol: protocol(to.protocol), port: to.port };
    let verdict = evaluate(inventory.cluster(), &connection);
    (verdict.allowed(), explain(inventory.cluster(), &connection, &verdict, Translation::default()).to_string())
}
