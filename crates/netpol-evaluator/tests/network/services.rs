//! What the paths to Services say, and what becomes of the same connections on a real cluster with
//! the systems of the runbooks on it (`RUNBOOK_TEST_WORLD` is set, see the tests of the program).

use netpol_evaluator::{
    Decision, Destination, Edge, Inventory, Path, PortName, Protocol, ServiceKind, Source,
    Workload, trace,
};
use serde_json::{Value, json};

use crate::real_cluster::{Kubectl, Target, listening_pod, names, settled};

const MARK: &str = "runbook-test=stand-in";

/// The stand-ins go when the test ends, however it ends.
struct Place(Kubectl);

impl Place {
    fn clear(&self, wait: &str) -> Result<String, String> {
        self.0.attempt(&["delete", "pods", "--all-namespaces", "--selector", MARK, wait], None)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // a second panic would hide the first
        let _ = self.clear("--wait=false");
    }
}

/// Beside every workload a pod with its labels and with what is needed to connect; it is never
/// ready, so that nobody is sent to it.
fn stand_in(workload: &Workload) -> Value {
    let (mark, value) = MARK.split_once('=').unwrap();
    let mut labels = json!(workload.pod.labels);
    labels[mark] = value.into();
    let metadata = json!({"name": format!("stand-in-{}-{}", workload.kind, workload.name),
        "namespace": workload.pod.namespace, "labels": labels});
    // a name that cannot be asked for fails soon
    let patience =
        json!({"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "2"}]});
    let mut pod = listening_pod(
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"dnsConfig": patience}}),
        &[9],
    );
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"exec": {"command": ["false"]}});
    pod
}

/// Every TCP port of every Service, by its name and by its address; and on those with an address
/// one port that they do not have.
fn edges(inventory: &Inventory) -> Vec<(Destination, Target)> {
    let mut edges = Vec::new();
    for service in &inventory.services {
        let (namespace, name) = (service.namespace.clone(), service.name.clone());
        let host = format!("{name}.{namespace}.svc.cluster.local.");
        let by_name = || Destination::Service { namespace: namespace.clone(), name: name.clone() };
        let ports: Vec<u16> = service
            .ports
            .iter()
            .filter(|port| port.protocol == Protocol::Tcp)
            .map(|port| port.port)
            .collect();
        for port in &ports {
            edges.push((by_name(), Target { protocol: "TCP", address: host.clone(), port: *port }));
        }
        if let ServiceKind::ClusterIp(addresses) = &service.kind {
            let missing = ports.iter().copied().max().map(|port| port + 1);
            for (address, port) in addresses.iter().flat_map(|address| {
                ports.iter().copied().chain(missing).map(move |port| (address, port))
            }) {
                edges.push((
                    Destination::Address(*address),
                    Target { protocol: "TCP", address: address.to_string(), port },
                ));
            }
        }
    }
    edges
}

fn path(inventory: &Inventory, source: Source, destination: &Destination, port: u16) -> Path {
    let edge = Edge {
        source,
        destination: destination.clone(),
        port: PortName::Number(port),
        protocol: Protocol::Tcp,
        addresses: Vec::new(),
    };
    trace(inventory, &edge).unwrap()
}

#[test]
fn connections_to_services_end_as_their_paths_say() {
    let Some(kubectl) = Kubectl::of_the_environment() else { return };
    if std::env::var_os("RUNBOOK_TEST_WORLD").is_none() {
        eprintln!("not run: RUNBOOK_TEST_WORLD is not set");
        return;
    }
    let place = Place(kubectl);
    place.clear("--wait=true").unwrap();
    let kubectl = &place.0;
    let workloads = Inventory::from_objects(&kubectl.objects("deployments,cronjobs")).workloads;
    // in a namespace that is being deleted nothing can be created
    let namespaces = kubectl.objects("namespaces");
    let may_create = |name: &str| {
        let is_it = |one: &&Value| one["metadata"]["name"] == name;
        let found = namespaces.iter().find(is_it);
        found.is_some_and(|one| one["metadata"]["deletionTimestamp"].is_null())
    };
    let is_free = |workload: &&Workload| {
        workload.pod.namespace != "kube-system" && may_create(&workload.pod.namespace)
    };
    let workloads: Vec<&Workload> = workloads.iter().filter(is_free).collect();
    let pods: Vec<Value> = workloads.iter().map(|workload| stand_in(workload)).collect();
    kubectl.all("create", &pods);
    let pods = kubectl.started(&pods);

    let inventory =
        Inventory::from_objects(&kubectl.objects(
            "namespaces,pods,networkpolicies,services,endpointslices,deployments,cronjobs",
        ));
    let edges = edges(&inventory);
    let paths: Vec<Path> = pods
        .iter()
        .map(names)
        .flat_map(|(namespace, name)| {
            edges.iter().map(|(destination, target)| {
                path(
                    &inventory,
                    Source::Pod { namespace: namespace.into(), name: name.into() },
                    destination,
                    target.port,
                )
            })
        })
        .collect();
    // with pods everything is known; their templates say the same, but for blocks around addresses
    // that nobody has yet
    assert!(paths.iter().all(|path| path.verdict != Decision::Unknown));
    for (path, place) in paths.iter().zip(0..) {
        let (workload, (destination, target)) =
            (workloads[place / edges.len()], &edges[place % edges.len()]);
        let source = Source::Workload {
            kind: workload.kind.clone(),
            namespace: workload.pod.namespace.clone(),
            name: workload.name.clone(),
        };
        let template = self::path(&inventory, source, destination, target.port);
        assert!(
            template.verdict == path.verdict || template.verdict == Decision::Unknown,
            "{path}\n{template}"
        );
    }
    let expected: Vec<bool> = paths.iter().map(|path| path.verdict == Decision::Allowed).collect();
    let targets: Vec<Target> = edges.iter().map(|(_, target)| target.clone()).collect();
    let wrong: Vec<String> = settled(&expected, || kubectl.probe_all(&pods, &targets))
        .into_iter()
        .map(|(place, answer)| {
            format!(
                "the cluster says {answer} at {:?}\n{}",
                targets[place % targets.len()],
                paths[place]
            )
        })
        .collect();
    let denied = expected.iter().filter(|allowed| !**allowed).count();
    eprintln!("{} connections to Services, {denied} denied", expected.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n\n"));
    assert!(denied > 0 && denied < expected.len());
}
