//! Resolves a kind to a resource that the cluster serves.

use super::client::Cluster;
use super::error::{Error, ErrorKind};
use crate::api::resource::{Resource, builtin, choose};

impl Cluster {
    /// Finds a kind by kind, plural or short name, with an optional group and version: `deploy`,
    /// `Lease`, `certificates.cert-manager.io`, `apps/v1/Deployment`. Built-in kinds need no
    /// request; others need a discovery, which is remembered.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the nearest names when the cluster has no such kind.
    pub async fn resolve(&self, kind: &str) -> Result<Resource, Error> {
        if let Some(resource) = builtin(kind) {
            return Ok(resource);
        }
        let first = self.discovery().get(self, false).await?;
        let near = match choose(kind, &first.resources) {
            Ok(resource) => return Ok(resource),
            Err(near) => near,
        };
        // The kind may have been installed since.
        let served = self.discovery().get(self, true).await?;
        if let Ok(resource) = choose(kind, &served.resources) {
            return Ok(resource);
        }
        let near = if near.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", near.join(", "))
        };
        let broken = if served.broken.is_empty() {
            String::new()
        } else {
            format!(" (these API groups did not answer: {})", served.broken.join(", "))
        };
        let server = self.target().server;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("{server} has no kind {kind:?}{near}{broken}"),
        ))
    }

    /// Those of these kinds (API group and kind) that the cluster serves, and the API groups that
    /// did not answer when it was asked.
    ///
    /// # Errors
    /// When the discovery fails.
    pub async fn served(
        &self,
        kinds: &[(&str, &str)],
    ) -> Result<(Vec<Resource>, Vec<String>), Error> {
        let served = self.discovery().get(self, false).await?;
        let first = |(group, kind): &(&str, &str)| {
            served
                .resources
                .iter()
                .find(|resource| resource.group == *group && resource.kind == *kind)
                .cloned()
        };
        Ok((kinds.iter().filter_map(first).collect(), served.broken.clone()))
    }
}
