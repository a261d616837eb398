//! What a run needs of a cluster: five questions, and one request that changes something.
//!
//! The engine knows a cluster by these traits alone; its rules are tested without a server.

use super::{Access, AccessAnswer, Error, Identity, Resource, Write};
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Where a run acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The context of the kubeconfig; none inside a cluster.
    pub context: Option<String>,
    /// The URL of the API server.
    pub server: String,
    /// The namespace of everything that names none.
    pub namespace: String,
}

/// Asks a cluster, and changes nothing.
pub trait Port: Send + Sync {
    /// Where it is, without asking.
    fn place(&self) -> Place;

    /// Which cluster it is, and who asks.
    fn identify(&self) -> BoxFuture<'_, Result<Identity, Error>>;

    /// An object, or none if there is none.
    fn look<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>, Error>>;

    /// The names of all namespaces.
    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Whether this is allowed.
    fn may<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<AccessAnswer, Error>>;

    /// The object as it would be after this request: the server checks it and stores nothing.
    fn preview<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<Value, Error>>;

    /// What can change this cluster. Asked for by the engine for a run that is no dry run, and
    /// nowhere else.
    fn sender(&self) -> Arc<dyn Sender>;
}

/// Sends changes.
pub trait Sender: Send + Sync {
    /// Sends a request once, for the object of this uid if one is known, within this time, or the
    /// one that requests have. Gives the object as it is then. [`Error::not_executed`] says whether
    /// it is certain that nothing has changed.
    fn send<'a>(
        &'a self,
        write: &'a Write,
        uid: Option<&'a str>,
        limit: Option<Duration>,
    ) -> BoxFuture<'a, Result<Value, Error>>;
}
