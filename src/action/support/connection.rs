//! A cluster as a run is given it.

use crate::api::Port;
use crate::cluster::Cluster;
use std::sync::Arc;

/// A cluster: through a narrow port for the engine, as a client for the verbs.
#[derive(Clone)]
pub struct Connection {
    port: Arc<dyn Port>,
    client: Option<Cluster>,
}

impl Connection {
    /// A cluster that verbs can ask.
    pub fn new(cluster: Cluster) -> Self {
        Self { port: Arc::new(cluster.clone()), client: Some(cluster) }
    }

    /// A port without a client behind it: verbs have nobody to ask.
    pub fn without_client(port: Arc<dyn Port>) -> Self {
        Self { port, client: None }
    }

    /// What the engine knows of it.
    pub fn port(&self) -> &Arc<dyn Port> {
        &self.port
    }

    /// What verbs ask.
    pub fn client(&self) -> Option<Cluster> {
        self.client.clone()
    }
}
