//! Resolves the name that a client uses to the ports of the pods behind it.

use std::net::IpAddr;

use super::{
    Destination, Edge, EndpointSlice, Inventory, Pod, PodState, PortName, Protocol, Service,
    ServiceKind, ServicePort, Stage, StageName, StageOutcome,
};

/// So many names may point to one another; DNS servers give up as well.
const MOST_ALIASES: usize = 8;

/// What a connection ends at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Pod(Pod),
    Address(IpAddr),
    /// A host outside whose address is not known.
    Outside(String),
}

/// The ends of an edge, with the stages that led there.
#[derive(Debug, Default)]
pub(super) struct Resolution {
    pub(super) stages: Vec<Stage>,
    pub(super) targets: Vec<(Target, u16)>,
    pub(super) service_port: Option<u16>,
    /// The source asks DNS for it.
    pub(super) by_name: bool,
}

impl Resolution {
    fn say(&mut self, stage: StageName, outcome: StageOutcome, sentence: impl Into<String>) {
        self.stages.push(Stage {
            stage,
            outcome,
            sentence: sentence.into(),
            near_misses: Vec::new(),
        });
    }
}

/// Follows the destination of an edge; `namespace` is that of the source, for names that leave
/// theirs out.
pub(super) fn resolve(inventory: &Inventory, edge: &Edge, namespace: &str) -> Resolution {
    let mut found = Resolution::default();
    match &edge.destination {
        Destination::Pod { namespace, name } => {
            to_pod(inventory, edge, namespace, name, &mut found);
        }
        Destination::Service { namespace, name } => {
            found.by_name = true;
            to_service(inventory, edge, namespace, name, &mut found);
        }
        Destination::Address(address) => to_address(inventory, edge, *address, &mut found),
        Destination::Host(host) => to_host(inventory, edge, host, namespace, 0, &mut found),
    }
    found
}

fn to_host(
    inventory: &Inventory,
    edge: &Edge,
    host: &str,
    own: &str,
    depth: usize,
    found: &mut Resolution,
) {
    let host = host.trim_end_matches('.');
    if let Ok(address) = host.parse() {
        return to_address(inventory, edge, address, found);
    }
    found.by_name = true;
    if depth == MOST_ALIASES {
        return found.say(
            StageName::Name,
            StageOutcome::Failed,
            format!(
                "{host} is behind {MOST_ALIASES} ExternalName Services that refer to each other"
            ),
        );
    }
    let parts: Vec<&str> = host.split('.').collect();
    // svc, or svc.namespace; the longer forms say `svc` in third or, for a pod of a headless
    // Service, in fourth place
    let service = match parts.as_slice() {
        [name] => Some((*name, own)),
        [name, namespace]
            if inventory.namespaces.contains_key(*namespace)
                || service(inventory, namespace, name).is_some() =>
        {
            Some((*name, *namespace))
        }
        [name, namespace, "svc", ..] => Some((*name, *namespace)),
        [pod, _, namespace, "svc", ..] => return to_pod(inventory, edge, namespace, pod, found),
        _ => None,
    };
    if let Some((name, namespace)) = service {
        if let Some(ServiceKind::ExternalName(other)) = service_kind(inventory, namespace, name) {
            let other = other.clone();
            found.say(
                StageName::Name,
                StageOutcome::Passed,
                format!("Service {namespace}/{name} is an alias of {other}"),
            );
            return to_host(inventory, edge, &other, namespace, depth + 1, found);
        }
        return to_service(inventory, edge, namespace, name, found);
    }
    let Some(port) = number(edge, host, found) else { return };
    if edge.addresses.is_empty() {
        found.say(
            StageName::Name,
            StageOutcome::Passed,
            format!("{host} is outside the cluster; its addresses are not known"),
        );
        return found.targets.push((Target::Outside(host.to_owned()), port));
    }
    found.say(
        StageName::Name,
        StageOutcome::Passed,
        format!("{host} is outside the cluster at {}", join(&edge.addresses)),
    );
    found.targets.extend(edge.addresses.iter().map(|address| (Target::Address(*address), port)));
}

fn to_address(inventory: &Inventory, edge: &Edge, address: IpAddr, found: &mut Resolution) {
    let own = |service: &&Service| {
        matches!(&service.kind,
        ServiceKind::ClusterIp(addresses) if addresses.contains(&address))
    };
    if let Some(service) = inventory.services.iter().find(own) {
        return to_service(inventory, edge, &service.namespace, &service.name, found);
    }
    if let Some(state) =
        inventory.pods.iter().find(|state| !state.pod.host_network && state.pod.ip == Some(address))
    {
        return to_pod(inventory, edge, &state.pod.namespace, &state.pod.name, found);
    }
    if let Some(port) = number(edge, &address.to_string(), found) {
        found.targets.push((Target::Address(address), port));
    }
}

/// The number of the port, where no pod could say what a name means.
fn number(edge: &Edge, whose: &str, found: &mut Resolution) -> Option<u16> {
    match &edge.port {
        PortName::Number(port) => Some(*port),
        PortName::Name(name) => {
            found.say(
                StageName::ServicePort,
                StageOutcome::Failed,
                format!("{whose} has no port names; use a number instead of {name}"),
            );
            None
        }
    }
}

fn to_pod(inventory: &Inventory, edge: &Edge, namespace: &str, name: &str, found: &mut Resolution) {
    let Some(state) = inventory
        .pods
        .iter()
        .find(|state| state.pod.namespace == namespace && state.pod.name == name)
    else {
        return found.say(
            StageName::Name,
            StageOutcome::Failed,
            format!("pod {namespace}/{name} does not exist or has finished"),
        );
    };
    let Some(port) = port_on(&state.pod, &edge.port, edge.protocol) else {
        return found.say(
            StageName::ServicePort,
            StageOutcome::Failed,
            format!("pod {namespace}/{name} has no {} port named {}", edge.protocol, edge.port),
        );
    };
    if !state.ready {
        found.say(
            StageName::Endpoints,
            StageOutcome::Warning,
            format!("pod {namespace}/{name} is not ready"),
        );
    }
    found.targets.push((Target::Pod(state.pod.clone()), port));
}

fn to_service(
    inventory: &Inventory,
    edge: &Edge,
    namespace: &str,
    name: &str,
    found: &mut Resolution,
) {
    let Some(service) = service(inventory, namespace, name) else {
        let sentence = format!(
            "Service {namespace}/{name} does not exist{}",
            suggestion(inventory, namespace, name)
        );
        return found.say(StageName::Name, StageOutcome::Failed, sentence);
    };
    if let ServiceKind::ExternalName(other) = &service.kind {
        found.say(
            StageName::Name,
            StageOutcome::Passed,
            format!("Service {namespace}/{name} is an alias of {other}"),
        );
        return to_host(inventory, edge, other, namespace, 1, found);
    }
    found.say(StageName::Name, StageOutcome::Passed, format!("Service {namespace}/{name}"));
    let port = match port_of_service(service, edge) {
        Ok(port) => port,
        Err(sentence) => {
            return found.say(StageName::ServicePort, StageOutcome::Failed, sentence);
        }
    };
    let headless = service.kind == ServiceKind::Headless;
    if !headless {
        found.service_port = Some(port.port);
    }
    let (outcome, sentence) =
        if headless { untranslated(service, edge, &port) } else { translated(&port) };
    found.say(StageName::ServicePort, outcome, sentence);
    let number = match &edge.port {
        PortName::Number(number) if headless => Some(*number),
        PortName::Number(_) | PortName::Name(_) => None,
    };
    backends(inventory, service, &port, number, found);
}

/// The port of a Service that an edge means, or what the Service has instead.
fn port_of_service(service: &Service, edge: &Edge) -> Result<ServicePort, String> {
    let asked = |port: &&ServicePort| match &edge.port {
        PortName::Number(number) => port.port == *number,
        PortName::Name(name) => port.name == *name,
    };
    let listed = service.ports.iter().find(|port| asked(port) && port.protocol == edge.protocol);
    match (listed, &edge.port) {
        (Some(port), _) => Ok(port.clone()),
        // a headless Service is but a name for its pods; connections need no port of it
        (None, PortName::Number(number)) if service.kind == ServiceKind::Headless => {
            Ok(ServicePort {
                name: String::new(),
                port: *number,
                target: PortName::Number(*number),
                protocol: edge.protocol,
            })
        }
        (None, _) => {
            let ports: Vec<String> = service
                .ports
                .iter()
                .map(|port| format!("{} {}", port.protocol, port.port))
                .collect();
            let has = if ports.is_empty() {
                "it has no ports".to_owned()
            } else {
                format!("it has {}", ports.join(", "))
            };
            let Service { namespace, name, .. } = service;
            let Edge { protocol, port, .. } = edge;
            Err(format!("Service {namespace}/{name} has no port {protocol} {port}; {has}"))
        }
    }
}

fn translated(port: &ServicePort) -> (StageOutcome, String) {
    let ServicePort { port, protocol, target, .. } = port;
    let sentence = format!("{protocol} port {port} of the Service is port {target} of the pods");
    (StageOutcome::Passed, sentence)
}

/// What a headless Service makes of a port: nothing, whatever its `targetPort` says.
fn untranslated(service: &Service, edge: &Edge, port: &ServicePort) -> (StageOutcome, String) {
    let sentence = format!(
        "Service {}/{} is headless: port {} of the pods is used as it is",
        service.namespace, service.name, edge.port
    );
    let without_effect =
        port.target != PortName::Number(port.port) && matches!(edge.port, PortName::Number(_));
    if without_effect {
        let sentence = format!("{sentence}, its targetPort {} has no effect", port.target);
        return (StageOutcome::Warning, sentence);
    }
    (StageOutcome::Passed, sentence)
}

fn backends(
    inventory: &Inventory,
    service: &Service,
    port: &ServicePort,
    untranslated: Option<u16>,
    found: &mut Resolution,
) {
    let Service { namespace, name, .. } = service;
    let mut slices = inventory
        .slices
        .iter()
        .filter(|slice| slice.namespace == *namespace && slice.service == *name)
        .peekable();
    let (mut missed, before) = (Missed::default(), found.targets.len());
    if slices.peek().is_some() {
        for slice in slices {
            from_slice(inventory, slice, port, untranslated, &mut missed, found);
        }
    } else if service.selector.is_empty() {
        let sentence = format!("Service {namespace}/{name} has no selector and no EndpointSlice");
        return found.say(StageName::Endpoints, StageOutcome::Failed, sentence);
    } else {
        let pods = inventory.pods.iter().filter(|state| selects(service, &state.pod));
        for PodState { pod, ready, .. } in pods {
            match untranslated.or_else(|| port_on(pod, &port.target, port.protocol)) {
                Some(number) if *ready || service.publishes_not_ready => {
                    found.targets.push((Target::Pod(pod.clone()), number));
                }
                Some(_) => missed.not_ready.push(pod.name.clone()),
                None => missed.portless.push(pod.name.clone()),
            }
        }
        if found.targets.len() == before
            && missed.is_none()
            && from_templates(inventory, service, port, untranslated, found)
        {
            return;
        }
    }
    let ready = found.targets.len() - before;
    if ready == 0 && missed.not_ready.is_empty() && !missed.portless.is_empty() {
        return no_such_port(service, port, &missed.portless, found);
    }
    let sentence = match (ready, missed.words(port)) {
        (0, None) => nobody(inventory, service),
        (0, Some(missed)) => format!("Service {namespace}/{name} has no ready endpoint; {missed}"),
        (ready, None) => format!("{ready} ready {}", endpoints(ready)),
        (ready, Some(missed)) => format!("{ready} ready {}; {missed}", endpoints(ready)),
    };
    let outcome = if ready == 0 { StageOutcome::Failed } else { StageOutcome::Passed };
    found.say(StageName::Endpoints, outcome, sentence);
}

/// Pods behind a Service that no connection ends at.
#[derive(Default)]
struct Missed {
    not_ready: Vec<String>,
    /// They have no port of the name that the Service leads to.
    portless: Vec<String>,
}

impl Missed {
    fn is_none(&self) -> bool {
        self.not_ready.is_empty() && self.portless.is_empty()
    }

    fn words(&self, port: &ServicePort) -> Option<String> {
        let of = |names: &[String], what: &str| {
            (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
        };
        let without = format!("without a {} port {}", port.protocol, port.target);
        let parts = [of(&self.not_ready, "not ready"), of(&self.portless, &without)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The Service leads to a port by a name that none of its pods has.
fn no_such_port(
    service: &Service,
    port: &ServicePort,
    portless: &[String],
    found: &mut Resolution,
) {
    found.stages.retain(|stage| stage.stage != StageName::ServicePort);
    let sentence = format!(
        "Service {}/{} leads to the {} port {} of its pods, and none has a port of this name: {}",
        service.namespace,
        service.name,
        port.protocol,
        port.target,
        portless.join(", ")
    );
    found.say(StageName::ServicePort, StageOutcome::Failed, sentence);
}

/// Why a Service has no endpoint at all.
fn nobody(inventory: &Inventory, service: &Service) -> String {
    let Service { namespace, name, .. } = service;
    if service.selector.is_empty() {
        return format!("Service {namespace}/{name} has no endpoint, and no selector to find any");
    }
    // a pod is an endpoint from its address on
    let pods = inventory.pods.iter().filter(|state| selects(service, &state.pod));
    let called = |state: &PodState| {
        let ready = if state.ready { "" } else { " (not ready)" };
        format!("{}{ready}", state.pod.name)
    };
    let pods: Vec<String> = pods.map(called).collect();
    if pods.is_empty() {
        format!("no pod has the labels of Service {namespace}/{name}: {}", pairs(service))
    } else {
        format!("Service {namespace}/{name} has no endpoint; its pods: {}", pods.join(", "))
    }
}

fn from_slice(
    inventory: &Inventory,
    slice: &EndpointSlice,
    port: &ServicePort,
    untranslated: Option<u16>,
    missed: &mut Missed,
    found: &mut Resolution,
) {
    let listed = slice
        .ports
        .iter()
        .find(|(name, _, protocol)| *name == port.name && *protocol == port.protocol)
        .map(|(_, number, _)| *number);
    let number = untranslated.or(listed);
    for endpoint in &slice.endpoints {
        let by_name = |state: &&PodState| {
            state.pod.namespace == slice.namespace && endpoint.pod.as_ref() == Some(&state.pod.name)
        };
        let by_address = |state: &&PodState| {
            !state.pod.host_network
                && state.pod.ip.is_some_and(|ip| endpoint.addresses.contains(&ip))
        };
        let pod =
            inventory.pods.iter().find(by_name).or_else(|| inventory.pods.iter().find(by_address));
        let Some(address) = endpoint.addresses.first() else { continue };
        let called = || endpoint.pod.clone().unwrap_or_else(|| address.to_string());
        match (number, endpoint.ready, pod) {
            // the controller leaves a port out of a slice whose pods have none of its name
            (None, _, _) => missed.portless.push(called()),
            (Some(_), false, _) => missed.not_ready.push(called()),
            (Some(number), true, Some(state)) => {
                found.targets.push((Target::Pod(state.pod.clone()), number));
            }
            (Some(number), true, None) => found.targets.push((Target::Address(*address), number)),
        }
    }
}

/// Manifests have no pods yet: what will be made of the templates stands for them.
fn from_templates(
    inventory: &Inventory,
    service: &Service,
    port: &ServicePort,
    untranslated: Option<u16>,
    found: &mut Resolution,
) -> bool {
    let mut names = Vec::new();
    for workload in inventory.workloads.iter().filter(|workload| selects(service, &workload.pod)) {
        if let Some(number) =
            untranslated.or_else(|| port_on(&workload.pod, &port.target, port.protocol))
        {
            found.targets.push((Target::Pod(workload.pod.clone()), number));
            names.push(workload.pod.name.clone());
        }
    }
    if !names.is_empty() {
        found.say(
            StageName::Endpoints,
            StageOutcome::Warning,
            format!("there is no pod yet; evaluated for the template of {}", names.join(", ")),
        );
    }
    !names.is_empty()
}

pub(super) fn selects(service: &Service, pod: &Pod) -> bool {
    service.namespace == pod.namespace
        && !service.selector.is_empty()
        && service.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
}

/// The number that a port has on a pod.
pub(super) fn port_on(pod: &Pod, port: &PortName, protocol: Protocol) -> Option<u16> {
    match port {
        PortName::Number(number) => Some(*number),
        PortName::Name(name) => pod
            .ports
            .iter()
            .find(|named| named.name == *name && named.protocol == protocol)
            .map(|named| named.port),
    }
}

fn service<'a>(inventory: &'a Inventory, namespace: &str, name: &str) -> Option<&'a Service> {
    inventory.services.iter().find(|service| service.namespace == namespace && service.name == name)
}

fn service_kind<'a>(
    inventory: &'a Inventory,
    namespace: &str,
    name: &str,
) -> Option<&'a ServiceKind> {
    service(inventory, namespace, name).map(|service| &service.kind)
}

/// The Service that was probably meant: the same name elsewhere, or nearly the name here.
fn suggestion(inventory: &Inventory, namespace: &str, name: &str) -> String {
    let elsewhere = inventory
        .services
        .iter()
        .find(|service| service.name == name)
        .map(|service| format!("{name}.{}", service.namespace));
    let here = inventory.services.iter().filter(|service| service.namespace == namespace);
    let nearest = here
        .map(|service| (strsim::levenshtein(&service.name, name), &service.name))
        .filter(|(edits, _)| *edits <= 3)
        .min();
    let meant = elsewhere.or(nearest.map(|(_, name)| name.clone()));
    meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

fn pairs(service: &Service) -> String {
    service
        .selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn endpoints(count: usize) -> &'static str {
    if count == 1 { "endpoint" } else { "endpoints" }
}

fn join(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
