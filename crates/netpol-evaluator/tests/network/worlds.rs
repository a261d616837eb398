//! Random worlds as manifests of the API: three namespaces, eight pods, up to twelve policies that
//! use every field.
//!
//! The manifests are valid to a real API server. There the addresses of pods are known only after
//! they run: plant namespaces and pods first, then ask for the policies with the addresses that the
//! pods got.

use serde_json::{Map, Value, json};

/// A small generator of numbers (splitmix64): the same seed gives the same world on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

pub(crate) const NAMESPACES: [&str; 3] = ["net-x", "net-y", "net-z"];
pub(crate) const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
pub(crate) const PORTS: [u16; 4] = [80, 8000, 8080, 9090];
/// Addresses that are nobody's.
pub(crate) const OUTSIDE: [&str; 2] = ["203.0.113.7", "198.51.100.9"];
const LABELS: [(&str, [&str; 3]); 3] =
    [("app", ["web", "api", "db"]), ("tier", ["front", "back", "none"]), ("env", ["a", "b", "c"])];
const POLICIES: usize = 12;
const PODS: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) namespaces: Vec<Value>,
    pub(crate) pods: Vec<Value>,
    pub(crate) policies: Vec<Value>,
}

impl World {
    /// A world whose pods have invented addresses, some of them that of their node.
    pub(crate) fn generate(seed: u64) -> Self {
        let mut world = Self::without_policies(seed);
        let mut random = Random::new(seed ^ 0x5eed);
        for (index, pod) in world.pods.iter_mut().enumerate() {
            let host = random.percent(8);
            if host {
                pod["spec"]["hostNetwork"] = true.into();
            }
            let address = if host {
                format!("10.20.0.{}", 10 + index)
            } else {
                format!("10.244.{}.{}", index % 3, 2 + index * 9)
            };
            pod["status"] = json!({"phase": "Running", "podIP": address,
                "conditions": [{"type": "Ready", "status": "True"}]});
        }
        let addresses: Vec<String> = world
            .pods
            .iter()
            .map(|pod| pod["status"]["podIP"].as_str().unwrap().to_owned())
            .collect();
        world.policies = policies(seed, &addresses);
        world
    }

    /// The namespaces and pods alone, without addresses: what can be planted on a real cluster
    /// first.
    pub(crate) fn without_policies(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let namespaces = NAMESPACES
            .iter()
            .map(|name| {
                let mut labels = labels(&mut random);
                labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
                    "labels": labels}})
            })
            .collect();
        let pods = (0..PODS).map(|index| pod(&mut random, index)).collect();
        Self { namespaces, pods, policies: Vec::new() }
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.namespaces.iter().chain(&self.pods).chain(&self.policies)
    }
}

/// The policies of a world, with blocks around the addresses of its pods.
pub(crate) fn policies(seed: u64, addresses: &[String]) -> Vec<Value> {
    let mut random = Random::new(seed.wrapping_mul(31).wrapping_add(7));
    let count = random.below(POLICIES + 1);
    (0..count)
        .map(|index| {
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": format!("p{index}"), "namespace": random.pick(&NAMESPACES)},
                "spec": spec(&mut random, addresses),
            })
        })
        .collect()
}

fn labels(random: &mut Random) -> Map<String, Value> {
    let mut labels = Map::new();
    for (key, values) in LABELS {
        if random.percent(75) {
            labels.insert(key.to_owned(), json!(random.pick(&values)));
        }
    }
    labels
}

/// Names of ports differ by pod: `http` is not the same number everywhere.
fn pod(random: &mut Random, index: usize) -> Value {
    let names = ["http", "metrics", "admin", "plain"];
    let offset = random.below(names.len());
    let mut containers = Vec::new();
    for (position, port) in PORTS.into_iter().enumerate() {
        for protocol in PROTOCOLS {
            if containers.is_empty() || random.percent(60) {
                let name = names[(position + offset) % names.len()];
                let lower = protocol.to_lowercase();
                // what answers on a port: TCP and UDP with the name of the pod, SCTP with `up`
                let args = match protocol {
                    "SCTP" => vec!["porter".to_owned()],
                    _ => vec![
                        "serve-hostname".to_owned(),
                        format!("--{lower}"),
                        "--http=false".to_owned(),
                        format!("--port={port}"),
                    ],
                };
                containers.push(json!({
                    "name": format!("{lower}-{port}"),
                    "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
                    "args": args,
                    "env": if protocol == "SCTP" { json!([{"name": format!("SERVE_SCTP_PORT_{port}"), "value": "up"}]) } else { json!([]) },
                    "ports": [{"name": if protocol == "TCP" { name.to_owned() } else { format!("{name}-{lower}") }, "containerPort": port, "protocol": protocol}],
                }));
            }
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("pod-{index}"), "namespace": random.pick(&NAMESPACES),
        "labels": labels(random)},
        "spec": {"containers": containers},
    })
}

fn selector(random: &mut Random) -> Value {
    let mut selector = Map::new();
    if random.percent(30) {
        return Value::Object(selector);
    }
    if random.percent(60) {
        let (key, values) = random.pick(&LABELS);
        selector.insert("matchLabels".to_owned(), json!({*key: random.pick(values)}));
    }
    if random.percent(50) {
        let expressions: Vec<Value> = (0..=random.below(2)).map(|_| expression(random)).collect();
        selector.insert("matchExpressions".to_owned(), json!(expressions));
    }
    Value::Object(selector)
}

fn expression(random: &mut Random) -> Value {
    let (key, values) = random.pick(&LABELS);
    let operator = *random.pick(&["In", "NotIn", "Exists", "DoesNotExist"]);
    match operator {
        "In" | "NotIn" => {
            let count = 1 + random.below(2);
            let chosen: Vec<&str> =
                values.iter().cycle().skip(random.below(3)).take(count).copied().collect();
            json!({"key": key, "operator": operator, "values": chosen})
        }
        _ => json!({"key": key, "operator": operator}),
    }
}

fn namespace_selector(random: &mut Random) -> Value {
    if random.percent(50) {
        json!({"matchLabels": {"kubernetes.io/metadata.name": random.pick(&NAMESPACES)}})
    } else {
        selector(random)
    }
}

/// A block around an address; the exceptions lie inside it.
fn block(random: &mut Random, addresses: &[String]) -> Value {
    let address = if random.percent(75) {
        random.pick(addresses).clone()
    } else {
        (*random.pick(&OUTSIDE)).to_owned()
    };
    let parts: Vec<&str> = address.split('.').collect();
    let (cidr, hole) = match random.below(4) {
        0 => (format!("{address}/32"), None),
        1 => {
            (format!("{}.{}.{}.0/24", parts[0], parts[1], parts[2]), Some(format!("{address}/32")))
        }
        2 => (
            format!("{}.{}.0.0/16", parts[0], parts[1]),
            Some(format!("{}.{}.{}.0/24", parts[0], parts[1], parts[2])),
        ),
        _ => ("0.0.0.0/0".to_owned(), Some(format!("{}.{}.0.0/16", parts[0], parts[1]))),
    };
    match hole.filter(|_| random.percent(50)) {
        Some(hole) => json!({"ipBlock": {"cidr": cidr, "except": [hole]}}),
        None => json!({"ipBlock": {"cidr": cidr}}),
    }
}

fn peer(random: &mut Random, addresses: &[String]) -> Value {
    match random.below(4) {
        0 => json!({"podSelector": selector(random)}),
        1 => json!({"namespaceSelector": namespace_selector(random)}),
        2 => {
            json!({"namespaceSelector": namespace_selector(random),
                "podSelector": selector(random)})
        }
        _ => block(random, addresses),
    }
}

fn port(random: &mut Random) -> Value {
    let mut port = Map::new();
    if random.percent(60) {
        port.insert("protocol".to_owned(), json!(random.pick(&PROTOCOLS)));
    }
    match random.below(4) {
        0 => {}
        1 => {
            port.insert("port".to_owned(), json!(random.pick(&PORTS)));
        }
        2 => {
            let first = *random.pick(&PORTS);
            port.insert("port".to_owned(), json!(first));
            port.insert("endPort".to_owned(), json!(first + *random.pick(&[0, 1, 80, 1090])));
        }
        _ => {
            port.insert(
                "port".to_owned(),
                json!(random.pick(&["http", "metrics", "http-udp", "metrics-sctp", "nobody"])),
            );
        }
    }
    Value::Object(port)
}

fn rules(random: &mut Random, end: &str, addresses: &[String]) -> Value {
    let mut rules = Vec::new();
    for _ in 0..random.below(4) {
        let mut rule = Map::new();
        match random.below(10) {
            0 => {}
            1 => {
                rule.insert(end.to_owned(), json!([]));
            }
            _ => {
                let peers: Vec<Value> =
                    (0..=random.below(2)).map(|_| peer(random, addresses)).collect();
                rule.insert(end.to_owned(), json!(peers));
            }
        }
        match random.below(10) {
            0..=3 => {}
            4 => {
                rule.insert("ports".to_owned(), json!([]));
            }
            _ => {
                let ports: Vec<Value> = (0..=random.below(2)).map(|_| port(random)).collect();
                rule.insert("ports".to_owned(), json!(ports));
            }
        }
        rules.push(Value::Object(rule));
    }
    json!(rules)
}

fn spec(random: &mut Random, addresses: &[String]) -> Value {
    let mut spec = Map::new();
    spec.insert("podSelector".to_owned(), selector(random));
    match random.below(6) {
        0 | 1 => {}
        2 => {
            spec.insert("policyTypes".to_owned(), json!(["Ingress"]));
        }
        3 => {
            spec.insert("policyTypes".to_owned(), json!(["Egress"]));
        }
        4 => {
            spec.insert("policyTypes".to_owned(), json!([]));
        }
        _ => {
            spec.insert("policyTypes".to_owned(), json!(["Ingress", "Egress"]));
        }
    }
    for (field, end) in [("ingress", "from"), ("egress", "to")] {
        if random.percent(65) {
            spec.insert(field.to_owned(), rules(random, end, addresses));
        }
    }
    Value::Object(spec)
}
