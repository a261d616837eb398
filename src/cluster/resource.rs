//! Resolves a kind to a resource that the cluster serves.

use super::client::Cluster;
use super::discovery::Served;
use super::error::{Error, ErrorKind};
use crate::api::resource::{Resource, builtin, choose};
use std::collections::BTreeSet;

/// API groups of custom resources with the suffix that Kubernetes keeps for its own (KEP-2337).
const PROTECTED: [&str; 2] = ["gateway.networking.k8s.io", "snapshot.storage.k8s.io"];

/// Whether Kubernetes does not have the kinds of this group itself.
fn is_custom(group: &str) -> bool {
    PROTECTED.contains(&group) || group.contains('.') && !group.ends_with(".k8s.io")
}

impl Served {
    /// The namespaced kinds of custom resources, each once, and their groups that did not answer.
    fn custom(&self) -> (Vec<Resource>, Vec<String>) {
        let mut seen = BTreeSet::new();
        let mut is_first = |one: &&Resource| seen.insert((one.group.clone(), one.plural.clone()));
        let listed = |one: &&Resource| one.namespaced && is_custom(&one.group);
        let kinds = self.resources.iter().filter(listed).filter(|one| is_first(one));
        let of_group = |place: &&String| is_custom(place.split('/').next().unwrap_or_default());
        let silent = self.broken.iter().filter(of_group);
        (kinds.cloned().collect(), silent.cloned().collect())
    }
}

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

    /// The namespaced kinds that the cluster serves and Kubernetes does not have itself, each once in
    /// the version that the server prefers, and those API groups that did not answer when it was
    /// asked.
    ///
    /// # Errors
    /// When the discovery fails.
    pub async fn custom_kinds(&self) -> Result<(Vec<Resource>, Vec<String>), Error> {
        Ok(self.discovery().get(self, false).await?.custom())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_kinds_are_those_that_kubernetes_does_not_have() {
        let kind = |group: &str, version: &str, plural: &str, namespaced: bool| Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: String::new(),
            plural: plural.to_owned(),
            namespaced,
            short: Vec::new(),
        };
        let served = Served {
            resources: vec![
                kind("", "v1", "pods", true),
                kind("apps", "v1", "deployments", true),
                kind("metrics.k8s.io", "v1beta1", "pods", true),
                kind("gateway.networking.k8s.io", "v1", "gateways", true),
                kind("cluster.x-k8s.io", "v1beta2", "machines", true),
                kind("pg.example.com", "v2", "clusters", true),
                kind("pg.example.com", "v1", "clusters", true),
                kind("pg.example.com", "v2", "classes", false),
            ],
            broken: vec!["metrics.k8s.io/v1beta1".to_owned(), "b.io/v1".to_owned()],
        };
        let (kinds, silent) = served.custom();
        let names: Vec<String> =
            kinds.iter().map(|kind| format!("{}/{}", kind.qualified(), kind.version)).collect();
        assert_eq!(
            names,
            [
                "gateways.gateway.networking.k8s.io/v1",
                "machines.cluster.x-k8s.io/v1beta2",
                "clusters.pg.example.com/v2"
            ]
        );
        assert_eq!(silent, ["b.io/v1"]);
    }
}
