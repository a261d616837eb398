//! The network at one version of the store: names, addresses, and which connections are possible.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::app::{Answers, Apps, Memory};
use super::controllers::{Ended, Process, Run};
use super::object;
use super::store::Store;
use netpol_evaluator::{
    Cluster, Connection, ContainerPort, Endpoint, Labels, NetworkPolicy, Pod, PortName, Protocol,
    evaluate,
};

/// Where the node, and on it the API server, answers.
pub(crate) const NODE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 245, 0, 1));
/// The Service of the cluster's DNS.
pub(crate) const DNS_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));

#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) pods: Vec<PodState>,
    pub(crate) services: Vec<ServiceState>,
    pub(crate) policies: Vec<NetworkPolicy>,
    pub(crate) namespaces: BTreeMap<String, Labels>,
    /// Who holds each lease, by namespace and name.
    pub(crate) holders: BTreeMap<(String, String), String>,
    /// The data of each ConfigMap, by namespace and name.
    pub(crate) config: BTreeMap<(String, String), Labels>,
    pub(crate) apps: Arc<Apps>,
    /// What the processes remember; lives longer than the snapshot.
    pub(crate) memory: Arc<Memory>,
    pub(crate) answers: Answers,
}

/// A pod with a running process.
#[derive(Debug)]
pub(crate) struct PodState {
    pub(crate) network: Pod,
    pub(crate) started: Timestamp,
    /// How its processes ended, if they have.
    pub(crate) ended: Option<Arc<Ended>>,
    pub(crate) containers: Vec<ContainerState>,
    /// The containers that come before them.
    pub(crate) init: Vec<ContainerState>,
    /// Whether those are still at work.
    pub(crate) initializing: bool,
    /// The ConfigMaps that it mounts.
    pub(crate) mounts: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct ContainerState {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) env: Labels,
    /// The place of its program in the list of apps; none when nothing is known of it.
    pub(crate) app: Option<usize>,
    /// The arguments of its program.
    pub(crate) args: Vec<String>,
    /// What it may use of the node.
    pub(crate) limits: Labels,
    /// When its program was started last, and when it ended if it no longer runs.
    pub(crate) run: Run,
    /// The same of the program before.
    pub(crate) previous: Option<Run>,
}

impl PodState {
    /// A container by its place; the places of the init containers follow those of the others.
    pub(crate) fn container(&self, place: usize) -> Option<&ContainerState> {
        self.containers.iter().chain(&self.init).nth(place)
    }

    /// Whether a container waits to be started again.
    pub(crate) fn waits(&self) -> bool {
        self.containers.iter().any(|container| container.run.until.is_some())
    }

    /// The place of the container of this name.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.containers.iter().chain(&self.init).position(|container| container.name == name)
    }
}

#[derive(Debug)]
pub(crate) struct ServiceState {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// None when it is headless.
    pub(crate) address: Option<IpAddr>,
    pub(crate) ports: Vec<ServicePort>,
}

#[derive(Debug)]
pub(crate) struct ServicePort {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// The ready endpoints: address and port.
    pub(crate) backends: Vec<(IpAddr, u16)>,
}

/// What comes of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolution {
    Addresses(Vec<IpAddr>),
    NoSuchHost,
    /// The DNS server does not answer.
    NoAnswer,
}

/// What comes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A process in a pod accepts it on this port.
    Pod {
        pod: usize,
        port: u16,
    },
    /// The API server accepts it.
    ApiServer,
    Refused,
    /// Dropped on the way, or nobody is there.
    TimedOut,
}

impl Snapshot {
    pub(crate) fn of(
        store: &Store,
        processes: &BTreeMap<String, Process>,
        apps: &Arc<Apps>,
        memory: &Arc<Memory>,
    ) -> Self {
        let named = |object: &Arc<Value>| {
            (object::namespace(object).to_owned(), object::name(object).to_owned())
        };
        Self {
            pods: store
                .list("pods", None)
                .filter_map(|pod| pod_state(pod, processes, apps))
                .collect(),
            services: store
                .list("services", None)
                .map(|service| service_state(service, store))
                .collect(),
            // a policy that the API server would have refused does not act
            policies: store
                .list("networkpolicies", None)
                .filter_map(|policy| NetworkPolicy::from_object(policy).ok())
                .collect(),
            namespaces: store
                .list("namespaces", None)
                .map(|namespace| (object::name(namespace).to_owned(), object::labels(namespace)))
                .collect(),
            holders: store
                .list("leases", None)
                .map(|lease| {
                    (
                        named(lease),
                        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned(),
                    )
                })
                .collect(),
            config: store
                .list("configmaps", None)
                .map(|map| (named(map), object::strings(&map["data"])))
                .collect(),
            apps: Arc::clone(apps),
            memory: Arc::clone(memory),
            answers: Answers::default(),
        }
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<usize> {
        self.pods
            .iter()
            .position(|pod| pod.network.namespace == namespace && pod.network.name == name)
    }

    pub(crate) fn service(&self, namespace: &str, name: &str) -> Option<&ServiceState> {
        self.services.iter().find(|service| service.namespace == namespace && service.name == name)
    }

    /// What a name means to a process in a pod.
    pub(crate) fn resolve(&self, source: usize, host: &str) -> Resolution {
        if let Ok(address) = host.parse() {
            return Resolution::Addresses(vec![address]);
        }
        let pod = &self.pods[source].network;
        if host == "localhost" {
            return Resolution::Addresses(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        }
        if host == pod.name {
            return Resolution::Addresses(pod.ip.into_iter().collect());
        }
        if !matches!(self.reach(source, DNS_ADDRESS, 53, Protocol::Udp), Reach::Pod { .. }) {
            return Resolution::NoAnswer;
        }
        let searched =
            ["svc.cluster.local", "cluster.local"].map(|domain| format!("{host}.{domain}"));
        let own = format!("{host}.{}.svc.cluster.local", pod.namespace);
        let absolute = host.trim_end_matches('.').to_owned();
        let candidates = if host.ends_with('.') {
            vec![absolute]
        } else {
            std::iter::once(own).chain(searched).chain([absolute]).collect()
        };
        match candidates
            .iter()
            .map(|name| self.record(name))
            .find(|addresses| !addresses.is_empty())
        {
            Some(addresses) => Resolution::Addresses(addresses),
            None => Resolution::NoSuchHost,
        }
    }

    /// The addresses under one full name.
    pub(crate) fn record(&self, name: &str) -> Vec<IpAddr> {
        if let Some((service, namespace)) =
            name.strip_suffix(".svc.cluster.local").and_then(|rest| rest.split_once('.'))
        {
            let Some(service) = self.service(namespace, service) else {
                return Vec::new();
            };
            let headless = || {
                let mut addresses: Vec<IpAddr> = service
                    .ports
                    .iter()
                    .flat_map(|port| port.backends.iter().map(|backend| backend.0))
                    .collect();
                addresses.sort_unstable();
                addresses.dedup();
                addresses
            };
            return service.address.map_or_else(headless, |address| vec![address]);
        }
        let key = ("kube-system".to_owned(), "coredns".to_owned());
        let hosts = self
            .config
            .get(&key)
            .and_then(|data| data.get("hosts"))
            .map(String::as_str)
            .unwrap_or_default();
        let matching = hosts.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word == name).then_some(address)
        });
        matching.collect()
    }

    /// What comes of a connection from a pod.
    pub(crate) fn reach(
        &self,
        source: usize,
        address: IpAddr,
        port: u16,
        protocol: Protocol,
    ) -> Reach {
        let own = &self.pods[source];
        if address.is_loopback() {
            let listens = self.listener(source, port, protocol).is_some();
            return if listens { Reach::Pod { pod: source, port } } else { Reach::Refused };
        }
        if own.network.ip == Some(address) {
            return self.accepts(source, port, protocol);
        }
        let (address, port) =
            match self.services.iter().find(|service| service.address == Some(address)) {
                None => (address, port),
                Some(service) => {
                    let backends = service
                        .ports
                        .iter()
                        .find(|entry| entry.port == port && entry.protocol == protocol)
                        .map(|entry| entry.backends.as_slice())
                        .unwrap_or_default();
                    // which backend takes it is the same each time, so that runs are repeatable
                    let turn = own.network.name.bytes().map(usize::from).sum::<usize>();
                    match backends.get(turn.checked_rem(backends.len()).unwrap_or(0)) {
                        Some(backend) => *backend,
                        // no such port, or no ready endpoint: the service proxy rejects it
                        None => return Reach::Refused,
                    }
                }
            };
        let target = self.pods.iter().position(|pod| pod.network.ip == Some(address));
        let destination = target
            .map_or(Endpoint::Address(address), |target| Endpoint::Pod(&self.pods[target].network));
        let cluster = Cluster { policies: &self.policies, namespaces: &self.namespaces };
        let verdict = evaluate(
            cluster,
            &Connection { source: Endpoint::Pod(&own.network), destination, protocol, port },
        );
        match target {
            _ if !verdict.allowed() => Reach::TimedOut,
            Some(target) => self.accepts(target, port, protocol),
            None if address == NODE_ADDRESS && port == 6443 => Reach::ApiServer,
            None if address == NODE_ADDRESS => Reach::Refused,
            None => Reach::TimedOut,
        }
    }

    /// Says whether a process listens on a port at the address of its pod.
    pub(crate) fn is_open(&self, pod: usize, port: u16, protocol: Protocol) -> bool {
        self.listener(pod, port, protocol).is_some_and(|place| {
            let container = &self.pods[pod].containers[place];
            !container.app.is_some_and(|app| self.apps.is_loopback(app, &container.env, port))
        })
    }

    /// What comes of a connection that has arrived at a pod.
    pub(crate) fn accepts(&self, pod: usize, port: u16, protocol: Protocol) -> Reach {
        if self.is_open(pod, port, protocol) { Reach::Pod { pod, port } } else { Reach::Refused }
    }

    /// The container whose process listens on a port, by its place in the pod.
    pub(crate) fn listener(&self, pod: usize, port: u16, protocol: Protocol) -> Option<usize> {
        if self.pods[pod].ended.is_some() {
            return None;
        }
        let containers = self.pods[pod].containers.iter();
        containers.enumerate().position(|(_, container)| {
            container.run.until.is_none()
                && container
                    .app
                    .is_some_and(|app| self.apps.listens(app, &container.env, port, protocol))
        })
    }
}

fn pod_state(pod: &Value, processes: &BTreeMap<String, Process>, apps: &Apps) -> Option<PodState> {
    // a pod without a process takes no part in anything
    let process = processes.get(pod["metadata"]["uid"].as_str()?)?;
    let containers = object::list(&pod["spec"]["containers"]);
    let ports = containers
        .iter()
        .flat_map(|container| object::list(&container["ports"]))
        .filter_map(|port| {
            Some(ContainerPort {
                name: port["name"].as_str().unwrap_or_default().to_owned(),
                port: number(&port["containerPort"])?,
                protocol: protocol(&port["protocol"]),
            })
        });
    let mounts = object::list(&pod["spec"]["volumes"])
        .iter()
        .filter_map(|volume| Some(volume["configMap"]["name"].as_str()?.to_owned()));
    Some(PodState {
        network: Pod {
            namespace: object::namespace(pod).to_owned(),
            name: object::name(pod).to_owned(),
            labels: object::labels(pod),
            ip: pod["status"]["podIP"].as_str().and_then(|ip| ip.parse().ok()),
            node: pod["spec"]["nodeName"].as_str().map(str::to_owned),
            host_network: pod["spec"]["hostNetwork"] == Value::Bool(true),
            sidecar: false,
            ports: ports.collect(),
        },
        started: process.started,
        ended: process.ended.clone(),
        containers: containers
            .iter()
            .map(|container| container_state(container, process, apps))
            .collect(),
        init: object::list(&pod["spec"]["initContainers"])
            .iter()
            .map(|container| container_state(container, process, apps))
            .collect(),
        mounts: mounts.collect(),
        initializing: process.initializing,
    })
}

fn container_state(container: &Value, process: &Process, apps: &Apps) -> ContainerState {
    let image = container["image"].as_str().unwrap_or_default().to_owned();
    let name = container["name"].as_str().unwrap_or_default().to_owned();
    let (run, previous) = process.runs_of(&name);
    ContainerState {
        env: process.environments.get(&name).cloned().unwrap_or_default(),
        app: apps.program(&image, container),
        args: object::list(&container["args"])
            .iter()
            .filter_map(|argument| argument.as_str().map(str::to_owned))
            .collect(),
        limits: object::strings(&container["resources"]["limits"]),
        image,
        name,
        run,
        previous,
    }
}

fn service_state(service: &Value, store: &Store) -> ServiceState {
    let (namespace, name) = (object::namespace(service), object::name(service));
    let slices: Vec<_> = store
        .list("endpointslices", Some(namespace))
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name)
        .collect();
    let backends = |port_name: &str| {
        let mut found = Vec::new();
        for slice in &slices {
            let port = object::list(&slice["ports"])
                .iter()
                .find(|port| port["name"].as_str().unwrap_or_default() == port_name);
            let Some(port) = port.and_then(|port| number(&port["port"])) else {
                continue;
            };
            for endpoint in object::list(&slice["endpoints"])
                .iter()
                .filter(|endpoint| endpoint["conditions"]["ready"] == true)
            {
                found.extend(
                    object::list(&endpoint["addresses"])
                        .iter()
                        .filter_map(|address| Some((address.as_str()?.parse().ok()?, port))),
                );
            }
        }
        found
    };
    let ports = object::list(&service["spec"]["ports"]).iter().filter_map(|port| {
        let port_name = port["name"].as_str().unwrap_or_default();
        Some(ServicePort {
            name: port_name.to_owned(),
            port: number(&port["port"])?,
            protocol: protocol(&port["protocol"]),
            backends: backends(port_name),
        })
    });
    let address = service["spec"]["clusterIP"].as_str().and_then(|address| address.parse().ok());
    ServiceState {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        address,
        ports: ports.collect(),
    }
}

pub(crate) fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| port.try_into().ok())
}

pub(crate) fn protocol(value: &Value) -> Protocol {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// The port on a pod that a target port means.
pub(crate) fn target_port(target: &PortName, pod: &Value, protocol: Protocol) -> Option<u16> {
    match target {
        PortName::Number(port) => Some(*port),
        PortName::Name(name) => {
            let ports = object::list(&pod["spec"]["containers"])
                .iter()
                .flat_map(|container| object::list(&container["ports"]));
            ports
                .filter(|port| {
                    port["name"] == name.as_str() && self::protocol(&port["protocol"]) == protocol
                })
                .find_map(|port| number(&port["containerPort"]))
        }
    }
}
