//! The engine's port to a cluster, implemented by the client.

use super::client::Cluster;
use super::read::Selection;
use super::write::Writer;
use crate::api::{
    Access, AccessAnswer, Error, Identity, Place, Port, Resource, Sender, Write, builtin,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

impl Port for Cluster {
    fn place(&self) -> Place {
        self.target()
    }

    fn identify(&self) -> BoxFuture<'_, Result<Identity, Error>> {
        Cluster::identify(self).boxed()
    }

    fn look<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>, Error>> {
        self.get_optional(resource, namespace, name).boxed()
    }

    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async {
            let Some(kind) = builtin("Namespace") else { return Ok(Vec::new()) };
            let all = self.list(&kind, None, &Selection::default()).await?;
            let names = all.iter().filter_map(|object| object["metadata"]["name"].as_str());
            Ok(names.map(str::to_owned).collect())
        }
        .boxed()
    }

    fn may<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<AccessAnswer, Error>> {
        self.can_i(access).boxed()
    }

    fn preview<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<Value, Error>> {
        Cluster::preview(self, write).boxed()
    }

    fn sender(&self) -> Arc<dyn Sender> {
        Arc::new(Writer::new(self.clone()))
    }
}

impl Sender for Writer {
    fn send<'a>(
        &'a self,
        write: &'a Write,
        uid: Option<&'a str>,
        limit: Option<Duration>,
    ) -> BoxFuture<'a, Result<Value, Error>> {
        let limit = limit.unwrap_or_else(|| self.request_timeout());
        self.send_within(write, uid, limit).boxed()
    }
}
