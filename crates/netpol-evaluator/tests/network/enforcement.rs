//! What the evaluator says about random worlds, and what the network plugin of a real cluster does
//! with their connections.

use netpol_evaluator::{Connection, Endpoint, Inventory, Translation, evaluate, explain};
use serde_json::{Value, json};

use crate::real_cluster::{Kubectl, Target, eventually, listening_pod, settled};
use crate::support::{find, protocol};
use crate::worlds::{NAMESPACES, PORTS, World, policies};

/// Worlds whose policies deny about half of the connections and use every field between them; 31
/// has what `names_behind_blocks` is about.
const SEEDS: [u64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 31];
/// Where a policy of its own tells when those before it are in force.
const SENTINEL: &str = "net-sentinel";
/// Where the pod in the network of the node listens.
const HOST_PORT: u16 = 28000;
/// SCTP needs a module of the kernel of the node that few have; the evaluator reads the protocol as
/// it reads the others.
const PROTOCOLS: [&str; 2] = ["TCP", "UDP"];

/// The namespaces go when the test ends, however it ends.
struct Place(Kubectl);

impl Place {
    fn clear(&self, wait: &str) -> Result<String, String> {
        let mut arguments = vec!["delete", "namespace", "--ignore-not-found", wait, SENTINEL];
        arguments.extend(NAMESPACES);
        self.0.attempt(&arguments, None)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // a second panic would hide the first
        let _ = self.clear("--wait=false");
    }
}

#[test]
fn the_cluster_enforces_what_the_evaluator_says() {
    let Some(kubectl) = Kubectl::of_the_environment() else { return };
    let place = Place(kubectl);
    place.clear("--wait=true").unwrap();
    let kubectl = &place.0;
    kubectl.all(
        "create",
        &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SENTINEL}})],
    );
    let standing = |name: &str, spec: Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name,
            "namespace": SENTINEL, "labels": {"app": "web"}}, "spec": spec})
    };
    let sentinels = [
        listening_pod(&standing("near", json!({})), &[80]),
        listening_pod(&standing("far", json!({})), &[80]),
        listening_pod(&standing("host", json!({"hostNetwork": true})), &[HOST_PORT]),
    ];
    kubectl.all("create", &sentinels);
    let sentinels = kubectl.started(&sentinels);
    let mut count = Count::default();
    for seed in SEEDS {
        compare(kubectl, seed, &sentinels, &mut count);
    }
    let Count { connections, denied, unlike, wrong } = count;
    eprintln!(
        "{connections} connections, {denied} denied; {unlike} to names behind blocks are not \
            applied by the network plugin"
    );
    assert!(wrong.is_empty(), "{} of {connections}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(
        connections > 2_000 && denied > connections / 5 && denied < connections * 4 / 5,
        "{denied} of {connections} denied"
    );
}

/// What was tried, over all worlds.
#[derive(Default)]
struct Count {
    connections: usize,
    denied: usize,
    /// Those that the plugin treats otherwise for the reason that `names_behind_blocks` gives.
    unlike: usize,
    wrong: Vec<String>,
}

/// One world.
fn compare(kubectl: &Kubectl, seed: u64, sentinels: &[Value], count: &mut Count) {
    let world = World::without_policies(seed);
    kubectl.all("apply", &world.namespaces);
    let pods: Vec<Value> = world.pods.iter().map(|pod| listening_pod(pod, &PORTS)).collect();
    kubectl.all("create", &pods);
    let pods = kubectl.started(&pods);
    let addresses: Vec<String> =
        pods.iter().map(|pod| pod["status"]["podIP"].as_str().unwrap().to_owned()).collect();
    let written = policies(seed, &addresses);
    let guard = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "closed", "namespace": SENTINEL},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}}});
    let planted: Vec<Value> = written.iter().cloned().chain([guard]).collect();
    let far = [target("TCP", &sentinels[1], 80)];
    let sentinel = |open: bool| {
        let word = if open { "open" } else { "closed" };
        eventually(&format!("the sentinel is {word}"), || {
            if kubectl.probe(&sentinels[0], &far) == [if open { "yes" } else { "no" }] {
                Ok(())
            } else {
                Err("it is not".to_owned())
            }
        });
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
        targets.extend(
            PROTOCOLS.iter().flat_map(|protocol| PORTS.map(|port| target(protocol, pod, port))),
        );
    }
    targets.extend(PROTOCOLS.map(|protocol| target(protocol, &sentinels[2], HOST_PORT)));
    let sources: Vec<Value> = pods.iter().chain(&sentinels[2..]).cloned().collect();
    let other_reading: Vec<Value> = planted.iter().map(names_behind_blocks).collect();
    let other_reading = Inventory::from_objects(live.iter().chain(&other_reading));
    let judged = |inventory: &Inventory| {
        sources
            .iter()
            .flat_map(|from| targets.iter().map(|to| says(inventory, from, to).0))
            .collect::<Vec<bool>>()
    };
    let (expected, other) = (judged(&inventory), judged(&other_reading));
    count.connections += expected.len();
    count.denied += expected.iter().filter(|allowed| !**allowed).count();
    for (place, answer) in settled(&expected, || kubectl.probe_all(&sources, &targets)) {
        // an error would be about who listens, not about policies
        if ["yes", "no"].contains(&answer.as_str()) && other[place] != expected[place] {
            count.unlike += 1;
            continue;
        }
        let (from, to) = (&sources[place / targets.len()], &targets[place % targets.len()]);
        let policies: String = written.iter().map(|policy| format!("\n{policy}")).collect();
        count.wrong.push(format!(
            "seed {seed}: the cluster says {answer}\n{}\n{to:?}{policies}",
            says(&inventory, from, to).1
        ));
    }
    kubectl.all("delete", &planted);
    kubectl.all("delete", &pods);
}

/// Where the specification is silent: an egress rule with a named port, whose peer is an ipBlock
/// that holds the address of a pod. The API says that blocks should be addresses outside the
/// cluster, and outside nobody names ports. Some plugins look the name up on the pod as the
/// evaluator does (whose paths then note that a pod is allowed by a block), others let such a rule
/// match nobody. This is the policy as the latter read it. For ingress the name is that of the
/// selected pod, and there is no doubt.
fn names_behind_blocks(policy: &Value) -> Value {
    let mut policy = policy.clone();
    let Some(rules) = policy["spec"]["egress"].as_array_mut() else { return policy };
    let given = !rules.is_empty();
    for mut rule in std::mem::take(rules) {
        let list = |rule: &Value, field: &str| rule[field].as_array().cloned().unwrap_or_default();
        let (blocks, selected): (Vec<Value>, Vec<Value>) =
            list(&rule, "to").into_iter().partition(|peer| peer["ipBlock"].is_object());
        let (named, numbers): (Vec<Value>, Vec<Value>) =
            list(&rule, "ports").into_iter().partition(|port| port["port"].is_string());
        if blocks.is_empty() || named.is_empty() {
            rules.push(rule);
            continue;
        }
        // an empty list would be everybody, or every port
        if !numbers.is_empty() {
            rules.push(json!({"to": blocks, "ports": numbers}));
        }
        if !selected.is_empty() {
            rule["to"] = json!(selected);
            rules.push(rule);
        }
    }
    if given && rules.is_empty() {
        // without a rule the server could take it for a policy of ingress alone
        rules.push(json!({"to": [{"ipBlock": {"cidr": "255.255.255.255/32"}}]}));
    }
    policy
}

fn target(protocol: &'static str, pod: &Value, port: u16) -> Target {
    Target { protocol, address: pod["status"]["podIP"].as_str().unwrap().to_owned(), port }
}

/// The answer of the evaluator, and its reasons.
fn says(inventory: &Inventory, from: &Value, to: &Target) -> (bool, String) {
    let source = Endpoint::Pod(find(inventory, from));
    let address = to.address.parse().unwrap();
    let pod = inventory
        .pods
        .iter()
        .map(|state| &state.pod)
        .find(|pod| pod.ip == Some(address) && pod.host_network == (to.port == HOST_PORT))
        .unwrap();
    let connection = Connection {
        source,
        destination: Endpoint::Pod(pod),
        protocol: protocol(to.protocol),
        port: to.port,
    };
    let verdict = evaluate(inventory.cluster(), &connection);
    (
        verdict.allowed(),
        explain(inventory.cluster(), &connection, &verdict, Translation::default()).to_string(),
    )
}
