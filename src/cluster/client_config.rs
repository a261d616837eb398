//! The configuration of one context by itself, as other programs read it.

use super::config::{Options, load};
use super::error::Error;
use kube::config::{Kubeconfig, NamedAuthInfo};
use serde_json::{Value, json};

/// Where the credentials of a pod are.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The kubeconfig of one context: with it, other programs reach the same cluster as the same user.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The namespace of everything that names none.
    pub namespace: String,
    /// The kubeconfig. It contains credentials.
    pub document: Value,
}

impl ClientConfig {
    /// Reads it without connecting: no credential plugin is run.
    ///
    /// # Errors
    /// [`ErrorKind::NoKubeconfig`](super::ErrorKind) and
    /// [`ErrorKind::Kubeconfig`](super::ErrorKind).
    pub async fn read(options: &Options) -> Result<Self, Error> {
        load(options).await.map(|loaded| loaded.own)
    }

    /// Of a context that this kubeconfig has.
    pub(super) fn of(kubeconfig: &Kubeconfig, context: &str, options: &Options) -> Self {
        let mut own = Kubeconfig {
            kind: Some("Config".to_owned()),
            api_version: Some("v1".to_owned()),
            current_context: Some(context.to_owned()),
            contexts: kubeconfig.contexts.clone(),
            ..Kubeconfig::default()
        };
        own.contexts.retain(|named| named.name == context);
        let found = own.contexts.first_mut().and_then(|named| named.context.as_mut());
        let mut namespace = options.namespace.clone();
        if let Some(found) = found {
            own.clusters = kubeconfig.clusters.clone();
            own.clusters.retain(|named| named.name == found.cluster);
            let user = found.user.get_or_insert_default().clone();
            own.auth_infos = kubeconfig.auth_infos.clone();
            own.auth_infos.retain(|named| named.name == user);
            if let Some(acting) = &options.impersonate {
                let mut named = own.auth_infos.pop().unwrap_or_else(|| NamedAuthInfo {
                    name: user.clone(),
                    ..NamedAuthInfo::default()
                });
                named.auth_info.get_or_insert_default().impersonate = Some(acting.clone());
                own.auth_infos.push(named);
            }
            namespace = namespace.or_else(|| found.namespace.clone());
        }
        Self {
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            document: serde_json::to_value(&own).unwrap_or_default(),
        }
    }

    /// Of the service account of this pod, whose token stays in its file.
    pub(super) fn in_pod(config: &kube::Config, options: &Options) -> Self {
        let namespace = options.namespace.clone().unwrap_or(config.default_namespace.clone());
        let user = match &options.impersonate {
            Some(acting) => json!({"tokenFile": format!("{SERVICE_ACCOUNT}/token"), "as": acting}),
            None => json!({"tokenFile": format!("{SERVICE_ACCOUNT}/token")}),
        };
        let server = config.cluster_url.to_string();
        let document = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "in-cluster",
            "contexts": [{"name": "in-cluster",
                "context": {"cluster": "in-cluster", "user": "in-cluster"}}],
            "clusters": [{"name": "in-cluster", "cluster": {
                "server": server.trim_end_matches('/'),
                "certificate-authority": format!("{SERVICE_ACCOUNT}/ca.crt")}}],
            "users": [{"name": "in-cluster", "user": user}],
        });
        Self { namespace, document }
    }

    /// The same, with this namespace in its context.
    pub fn in_namespace(&self, namespace: &str) -> Value {
        let mut document = self.document.clone();
        if !namespace.is_empty() {
            document["contexts"][0]["context"]["namespace"] = json!(namespace);
        }
        document
    }

    /// Name of its context.
    pub fn context(&self) -> Option<&str> {
        self.document["current-context"].as_str()
    }

    /// The credentials in it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let user = &self.document["users"][0]["user"];
        ["token", "password", "client-key-data"].into_iter().filter_map(|key| user[key].as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig() -> Kubeconfig {
        Kubeconfig::from_yaml(
            "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: \
                {cluster: c, user: u, namespace: shop}}, {name: b, context: {cluster: d}}], \
                clusters: [{name: c, cluster: {server: 'https://c', tls-server-name: x}}, {name: \
                d, cluster: {server: 'https://d'}}], users: [{name: u, user: {token: t0k3n}}, \
                {name: v, user: {token: other}}]}",
        )
        .unwrap()
    }

    #[test]
    fn it_has_one_context_with_what_that_refers_to() {
        let config = ClientConfig::of(&kubeconfig(), "a", &Options::default());
        assert_eq!(
            config.in_namespace("prod"),
            json!({"apiVersion": "v1", "kind": "Config", "current-context": "a",
                "contexts": [{"name": "a",
                    "context": {"cluster": "c", "user": "u", "namespace": "prod"}}],
                "clusters": [{"name": "c",
                    "cluster": {"server": "https://c", "tls-server-name": "x"}}],
                "users": [{"name": "u", "user": {"token": "t0k3n"}}]})
        );
        assert_eq!(
            (config.namespace.as_str(), config.context(), config.secrets().collect::<Vec<_>>()),
            ("shop", Some("a"), vec!["t0k3n"])
        );
    }

    #[test]
    fn it_acts_as_the_user_of_the_run() {
        let options = Options {
            impersonate: Some("ada".to_owned()),
            namespace: Some("n".to_owned()),
            ..Options::default()
        };
        let config = ClientConfig::of(&kubeconfig(), "a", &options);
        assert_eq!(config.document["users"][0]["user"], json!({"token": "t0k3n", "as": "ada"}));
        let nobody = ClientConfig::of(&kubeconfig(), "b", &options);
        assert_eq!(nobody.document["users"], json!([{"name": "", "user": {"as": "ada"}}]));
        assert_eq!(nobody.namespace, "n");
    }
}
