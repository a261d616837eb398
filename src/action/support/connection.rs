//! The connection to a cluster that a run is given.

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
    /// A cluster that verbs can query.
    pub fn new(cluster: Cluster) -> Self {
        Self { port: Arc::new(cluster.clone()), client: Some(cluster) }
    }

    /// A port without a client: verbs have no cluster to query.
    pub fn without_client(port: Arc<dyn Port>) -> Self {
        Self { port, client: None }
    }

    /// What the engine knows of it.
    pub fn port(&self) -> &Arc<dyn Port> {
        &self.port
    }

    /// The client for the verbs.
    pub fn client(&self) -> Option<Cluster> {
        self.client.clone()
    }
}
