//! Services and their endpoints: the fields on which a connection depends.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use super::{Labels, PortName, Protocol};

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How its name resolves.
    pub kind: ServiceKind,
    /// The labels of its pods; empty if something else writes its endpoints.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Whether its endpoints include pods that are not ready.
    pub publishes_not_ready: bool,
}

/// How the name of a Service resolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// To addresses of its own, whose connections are translated to a port of a pod.
    ClusterIp(Vec<IpAddr>),
    /// To the addresses of its pods; nothing translates ports.
    Headless,
    /// To another name.
    ExternalName(String),
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty when it has none.
    pub name: String,
    /// The number that clients use.
    pub port: u16,
    /// The port on the pods.
    pub target: PortName,
    /// The protocol.
    pub protocol: Protocol,
}

/// An EndpointSlice of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Its namespace.
    pub namespace: String,
    /// The Service that it belongs to.
    pub service: String,
    /// Its ports: the name of the Service port, the number on the endpoints, the protocol.
    pub ports: Vec<(String, u16, Protocol)>,
    /// Its endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether traffic is sent to it.
    pub ready: bool,
    /// The name of its pod, if it is one.
    pub pod: Option<String>,
}

impl Service {
    /// Reads the object as the API server returns it.
    #[must_use]
    pub fn from_object(object: &Value) -> Option<Self> {
        let (namespace, name) = identity(object)?;
        let spec = &object["spec"];
        let addresses = || {
            let one = spec["clusterIP"].as_str().into_iter();
            let all = spec["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut addresses: Vec<IpAddr> =
                one.chain(all).filter_map(|text| text.parse().ok()).collect();
            addresses.dedup();
            addresses
        };
        let kind = match (spec["type"].as_str(), spec["clusterIP"].as_str()) {
            (Some("ExternalName"), _) => {
                ServiceKind::ExternalName(spec["externalName"].as_str()?.to_owned())
            }
            (_, Some("None")) => ServiceKind::Headless,
            _ => ServiceKind::ClusterIp(addresses()),
        };
        let ports =
            spec["ports"].as_array().into_iter().flatten().filter_map(service_port).collect();
        let publishes_not_ready = spec["publishNotReadyAddresses"] == Value::Bool(true);
        Some(Self {
            namespace,
            name,
            kind,
            selector: labels(&spec["selector"]),
            ports,
            publishes_not_ready,
        })
    }
}

impl EndpointSlice {
    /// Reads the object as the API server returns it; none if it belongs to no Service.
    #[must_use]
    pub fn from_object(object: &Value) -> Option<Self> {
        let (namespace, _) = identity(object)?;
        let service =
            object["metadata"]["labels"]["kubernetes.io/service-name"].as_str()?.to_owned();
        let ports = object["ports"].as_array().into_iter().flatten().filter_map(|port| {
            Some((
                port["name"].as_str().unwrap_or_default().to_owned(),
                u16::try_from(port["port"].as_u64()?).ok()?,
                protocol(&port["protocol"]),
            ))
        });
        let endpoints =
            object["endpoints"].as_array().into_iter().flatten().map(|endpoint| SliceEndpoint {
                addresses: endpoint["addresses"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|text| text.as_str()?.parse().ok())
                    .collect(),
                // the API says to take an absent condition as ready
                ready: endpoint["conditions"]["ready"] != Value::Bool(false),
                pod: (endpoint["targetRef"]["kind"] == "Pod")
                    .then(|| endpoint["targetRef"]["name"].as_str().map(ToOwned::to_owned))
                    .flatten(),
            });
        Some(Self { namespace, service, ports: ports.collect(), endpoints: endpoints.collect() })
    }
}

fn service_port(port: &Value) -> Option<ServicePort> {
    let number = u16::try_from(port["port"].as_u64()?).ok()?;
    let target = match PortName::deserialize(&port["targetPort"]) {
        Ok(PortName::Number(0)) | Err(_) => PortName::Number(number),
        Ok(target) => target,
    };
    Some(ServicePort {
        name: port["name"].as_str().unwrap_or_default().to_owned(),
        port: number,
        target,
        protocol: protocol(&port["protocol"]),
    })
}

/// The namespace and the name of an object.
pub(super) fn identity(object: &Value) -> Option<(String, String)> {
    let metadata = &object["metadata"];
    Some((
        metadata["namespace"].as_str().unwrap_or_default().to_owned(),
        metadata["name"].as_str()?.to_owned(),
    ))
}

/// Labels of an object; what is not text is left out.
pub(super) fn labels(value: &Value) -> Labels {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A protocol of an object; TCP when there is none.
pub(super) fn protocol(value: &Value) -> Protocol {
    Protocol::deserialize(value).unwrap_or_default()
}
