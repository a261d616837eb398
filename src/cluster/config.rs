//! Selects the cluster: kubeconfig, context, proxy.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};

use super::client_config::ClientConfig;
use super::error::{Error, ErrorKind, deepest};
use super::memory::Dial;
use super::proxy_env::env_proxy;

/// How to find and talk to a cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// This file instead of `KUBECONFIG` and `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The text of a kubeconfig instead of any file.
    pub kubeconfig_text: Option<String>,
    /// The way to an API server in this process instead of the network.
    pub dial: Option<Dial>,
    /// This context instead of the current one.
    pub context: Option<String>,
    /// The namespace of everything that names none; the context's own by default.
    pub namespace: Option<String>,
    /// Ask as this user, as `kubectl --as` does, if the cluster lets the user of the kubeconfig do
    /// so.
    pub impersonate: Option<String>,
    /// The longest time one ordinary request may take, from connecting to the last byte.
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kubeconfig: None,
            kubeconfig_text: None,
            dial: None,
            context: None,
            namespace: None,
            impersonate: None,
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// The kube configuration and the name of its context (none inside a cluster).
pub(super) struct LoadedConfig {
    pub(super) config: kube::Config,
    pub(super) context: Option<String>,
    pub(super) intermediaries: Intermediaries,
    /// The same for other programs.
    pub(super) own: ClientConfig,
}

/// What the connection to the API server depends on, named in the errors of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intermediaries {
    /// The proxy and where it is written, without its password.
    pub(super) proxy: Option<String>,
    /// The credential plugin.
    pub(super) plugin: Option<Plugin>,
}

/// A credential plugin of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plugin {
    /// The name of its program.
    pub(super) name: String,
    /// What its kubeconfig says of installing it.
    pub(super) hint: Option<String>,
}

/// The names of the contexts of this kubeconfig, or of the one that a run would take; none of what
/// cannot be read.
pub fn contexts(kubeconfig: Option<&Path>) -> Vec<String> {
    let files = Sources::new(kubeconfig).files().ok().flatten().unwrap_or_default();
    let read = files.iter().filter_map(|file| Kubeconfig::read_from(file).ok());
    let mut names: Vec<String> = Vec::new();
    for named in read.flat_map(|kubeconfig| kubeconfig.contexts) {
        if !names.contains(&named.name) {
            names.push(named.name);
        }
    }
    names
}

/// Reads the configuration; no request is made.
pub(super) async fn load(options: &Options) -> Result<LoadedConfig, Error> {
    let sources = Sources::new(options.kubeconfig.as_deref());
    if let Some(text) = &options.kubeconfig_text {
        let kubeconfig = Kubeconfig::from_yaml(text)
            .map_err(|error| unreadable(Path::new("kubeconfig"), &error))?;
        return choose(kubeconfig, &[], options).await;
    }
    let files = match sources.files()? {
        Some(files) => files,
        None => {
            let mut config = kube::Config::incluster().map_err(|error| {
                Error::new(
                    ErrorKind::Kubeconfig,
                    format!("cannot use the service account of this pod: {}", deepest(&error)),
                )
            })?;
            let intermediaries = adjust(&mut config, options, None);
            let own = ClientConfig::in_pod(&config, options);
            return Ok(LoadedConfig { config, context: None, intermediaries, own });
        }
    };
    let mut kubeconfig = Kubeconfig::default();
    for file in &files {
        let next = Kubeconfig::read_from(file).map_err(|error| unreadable(file, &error))?;
        kubeconfig = kubeconfig.merge(next).map_err(|error| unreadable(file, &error))?;
    }
    choose(kubeconfig, &files, options).await
}

/// The context asked for, or the current one, of a kubeconfig that was read from these files.
async fn choose(
    mut kubeconfig: Kubeconfig,
    files: &[PathBuf],
    options: &Options,
) -> Result<LoadedConfig, Error> {
    // A plugin that asks for a password would wait for a person who does not look.
    for user in &mut kubeconfig.auth_infos {
        if let Some(exec) = user.auth_info.as_mut().and_then(|info| info.exec.as_mut()) {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    let context = match (&options.context, &kubeconfig.current_context) {
        (Some(context), _) => context.clone(),
        (None, Some(context)) if !context.is_empty() => context.clone(),
        (None, _) => return Err(no_context(files, &kubeconfig)),
    };
    let Some(found) = kubeconfig.contexts.iter().find(|named| named.name == context) else {
        return Err(unknown_context(&context, files, &kubeconfig));
    };
    let (cluster, user) = found
        .context
        .as_ref()
        .map(|context| (context.cluster.as_str(), context.user.as_deref().unwrap_or_default()))
        .unwrap_or_default();
    let Some(named) = kubeconfig.clusters.iter().find(|named| named.name == cluster) else {
        let there = listed(kubeconfig.clusters.iter().map(|named| named.name.as_str()));
        return Err(dangling(files, &context, "cluster", cluster, &there));
    };
    // kube would go on as nobody; kubectl does so only where no user is named
    if !user.is_empty() && !kubeconfig.auth_infos.iter().any(|named| named.name == user) {
        let there = listed(kubeconfig.auth_infos.iter().map(|named| named.name.as_str()));
        return Err(dangling(files, &context, "user", user, &there));
    }
    let proxy = named
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.proxy_url.clone())
        .filter(|url| !url.is_empty());
    let own = ClientConfig::of(&kubeconfig, &context, options);
    let choice =
        KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &choice).await.map_err(|error| {
            Error::new(
                ErrorKind::Kubeconfig,
                format!("cannot use context {context:?} of {}: {}", names(files), deepest(&error)),
            )
        })?;
    let intermediaries = adjust(&mut config, options, proxy);
    Ok(LoadedConfig { config, context: Some(context), intermediaries, own })
}

fn adjust(
    config: &mut kube::Config,
    options: &Options,
    own_proxy: Option<String>,
) -> Intermediaries {
    if let Some(namespace) = &options.namespace {
        config.default_namespace.clone_from(namespace);
    }
    if let Some(user) = &options.impersonate {
        config.auth_info.impersonate = Some(user.clone());
    }
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(concat!("runbook/", env!("CARGO_PKG_VERSION"))),
    ));
    // kube compares NO_PROXY with the proxy instead of the server, so the environment is judged
    // here.
    let origin = if own_proxy.is_none() {
        config.proxy_url = env_proxy(&config.cluster_url, |name| std::env::var(name).ok());
        if config.cluster_url.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" }
    } else {
        "proxy-url of the kubeconfig"
    };
    let plugin = config.auth_info.exec.as_ref().map(|exec| {
        let command = exec.command.as_deref().unwrap_or_default();
        let name = Path::new(command)
            .file_name()
            .map_or_else(|| command.to_owned(), |name| name.to_string_lossy().into_owned());
        Plugin { name, hint: exec.install_hint.clone().filter(|hint| !hint.trim().is_empty()) }
    });
    Intermediaries {
        proxy: config
            .proxy_url
            .as_ref()
            .map(|proxy| format!("{} ({origin})", without_credentials(proxy))),
        plugin,
    }
}

/// A URL as it may be shown: without user and password.
pub(super) fn without_credentials(url: &http::Uri) -> String {
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    format!("{}://{place}", url.scheme_str().unwrap_or("http"))
}

/// Where a kubeconfig may come from.
struct Sources {
    explicit: Option<PathBuf>,
    variable: Option<OsString>,
    home: Option<PathBuf>,
    in_cluster: bool,
}

impl Sources {
    /// Those of this process.
    fn new(explicit: Option<&Path>) -> Self {
        Self {
            explicit: explicit.map(Path::to_owned),
            variable: std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()),
            home: etcetera::home_dir().ok(),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }

    /// The files to read in order, or none for the service account of this pod.
    fn files(&self) -> Result<Option<Vec<PathBuf>>, Error> {
        let missing = |why: String| {
            Error::new(ErrorKind::NoKubeconfig, format!("no cluster to run against: {why}"))
        };
        if let Some(file) = &self.explicit {
            return if file.is_file() {
                Ok(Some(vec![file.clone()]))
            } else {
                Err(missing(format!("the kubeconfig {} does not exist", file.display())))
            };
        }
        if let Some(variable) = &self.variable {
            let listed: Vec<PathBuf> = std::env::split_paths(variable)
                .filter(|path| !path.as_os_str().is_empty())
                .collect();
            // kubectl skips missing files of the list as well.
            let present: Vec<PathBuf> =
                listed.iter().filter(|path| path.is_file()).cloned().collect();
            return match (present.is_empty(), self.in_cluster) {
                (false, _) => Ok(Some(present)),
                (true, true) => Ok(None),
                (true, false) => Err(missing(format!(
                    "KUBECONFIG refers to {}, which does not exist",
                    names(&listed)
                ))),
            };
        }
        let default = self.home.as_ref().map(|home| home.join(".kube/config"));
        match default.filter(|path| path.is_file()) {
            Some(file) => Ok(Some(vec![file])),
            None if self.in_cluster => Ok(None),
            None => Err(missing(
                "no kubeconfig at ~/.kube/config, and KUBECONFIG is not set".to_owned(),
            )),
        }
    }
}

fn unreadable(file: &Path, error: &kube::config::KubeconfigError) -> Error {
    Error::new(
        ErrorKind::Kubeconfig,
        format!("cannot read the kubeconfig {}: {}", file.display(), deepest(error)),
    )
}

fn no_context(files: &[PathBuf], kubeconfig: &Kubeconfig) -> Error {
    Error::new(
        ErrorKind::Kubeconfig,
        format!(
            "{} has no current context; select one with --context: {}",
            names(files),
            listed_contexts(kubeconfig)
        ),
    )
}

fn unknown_context(context: &str, files: &[PathBuf], kubeconfig: &Kubeconfig) -> Error {
    Error::new(
        ErrorKind::Kubeconfig,
        format!(
            "{} has no context {context:?}; available: {}",
            names(files),
            listed_contexts(kubeconfig)
        ),
    )
}

fn dangling(files: &[PathBuf], context: &str, what: &str, name: &str, there: &str) -> Error {
    let place = if files.is_empty() { "the kubeconfig".to_owned() } else { names(files) };
    let text = format!(
        "context {context:?} refers to the {what} {name:?}, which {place} does not contain; its \
            {what}s: {there}; correct the context or log in again"
    );
    Error::new(ErrorKind::Kubeconfig, text)
}

fn listed_contexts(kubeconfig: &Kubeconfig) -> String {
    listed(kubeconfig.contexts.iter().map(|named| named.name.as_str()))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = names.collect();
    all.sort_unstable();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(
        explicit: Option<PathBuf>,
        variable: Option<OsString>,
        home: Option<PathBuf>,
        in_cluster: bool,
    ) -> Sources {
        Sources { explicit, variable, home, in_cluster }
    }

    #[test]
    fn says_which_kubeconfig_is_missing() {
        let empty = tempfile::tempdir().unwrap();
        let absent = empty.path().join("absent");
        let home = Some(empty.path().to_path_buf());
        let error = sources(None, None, home.clone(), false).files().unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoKubeconfig);
        assert_eq!(
            error.message,
            "no cluster to run against: no kubeconfig at ~/.kube/config, and KUBECONFIG is not set"
        );
        let error =
            sources(None, Some(absent.clone().into()), home.clone(), false).files().unwrap_err();
        assert_eq!(
            error.message,
            format!(
                "no cluster to run against: KUBECONFIG refers to {}, which does not exist",
                absent.display()
            )
        );
        let error = sources(Some(absent), None, home.clone(), true).files().unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoKubeconfig);
        assert_eq!(sources(None, None, home, true).files().unwrap(), None);
    }

    #[test]
    fn skips_missing_files_of_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let present = dir.path().join("a");
        std::fs::write(&present, "").unwrap();
        let list = std::env::join_paths([dir.path().join("absent"), present.clone()]).unwrap();
        assert_eq!(sources(None, Some(list), None, false).files().unwrap(), Some(vec![present]));
    }

    #[tokio::test]
    async fn names_the_contexts_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(
            &file,
            "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: \
                {cluster: c, user: u, namespace: shop}}], clusters: [{name: c, cluster: {server: \
                'http://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}]}",
        )
        .unwrap();
        let options = Options { kubeconfig: Some(file), ..Options::default() };
        let loaded = load(&options).await.unwrap();
        assert_eq!(
            (loaded.context.as_deref(), loaded.config.default_namespace.as_str()),
            (Some("a"), "shop")
        );
        let error = load(&Options { context: Some("b".into()), ..options }).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Kubeconfig);
        assert!(error.message.ends_with("has no context \"b\"; available: a"), "{}", error.message);
    }

    async fn load_text(text: &str) -> Result<LoadedConfig, Error> {
        load(&Options { kubeconfig_text: Some(text.to_owned()), ..Options::default() }).await
    }

    #[tokio::test]
    async fn a_user_or_cluster_that_is_not_there_is_an_error_of_the_kubeconfig() {
        let text = |cluster: &str, user: &str| {
            format!(
                "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, \
                    context: {{cluster: {cluster}, user: {user}}}}}], clusters: [{{name: c, \
                    cluster: {{server: 'http://127.0.0.1:1'}}}}], users: [{{name: u, user: \
                    {{token: t}}}}]}}"
            )
        };
        let said = |error: Error| (error.kind, error.message);
        assert_eq!(
            said(load_text(&text("c", "nobody")).await.err().unwrap()),
            (
                ErrorKind::Kubeconfig,
                "context \"x\" refers to the user \"nobody\", which the kubeconfig does not \
                    contain; its users: u; correct the context or log in again"
                    .to_owned()
            )
        );
        assert!(
            said(load_text(&text("d", "u")).await.err().unwrap())
                .1
                .starts_with("context \"x\" refers to the cluster \"d\", which")
        );
        // no user at all: a server that asks nobody who he is
        assert!(load_text(&text("c", "''")).await.is_ok());
        assert!(load_text(&text("c", "u")).await.is_ok());
    }

    #[tokio::test]
    async fn the_way_names_the_proxy_and_the_plugin() {
        let text = "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, \
            context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: \
            'http://127.0.0.1:1', proxy-url: 'http://me:hunter2@proxy.example:3128'}}], users: \
            [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: \
            /opt/bin/kubelogin, installHint: Install it}}}]}";
        let intermediaries = load_text(text).await.unwrap().intermediaries;
        assert_eq!(
            intermediaries.proxy.as_deref(),
            Some("http://proxy.example:3128 (proxy-url of the kubeconfig)")
        );
        assert_eq!(
            intermediaries.plugin,
            Some(Plugin { name: "kubelogin".to_owned(), hint: Some("Install it".to_owned()) })
        );
    }
}
