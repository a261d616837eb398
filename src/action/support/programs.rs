//! What programs of this machine get from a run: their environment, and a kubeconfig that leads to
//! the cluster and the namespace of the step.

use super::requires::Requires;
use crate::action::{Failure, Outside};
use crate::cluster::ClientConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Variables that a program gets; those that end in `*` are beginnings.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TERM",
    "TZ",
    "LANG",
    "LC_*",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
];

/// What the programs of a run get, and what it has found out about them.
#[derive(Default)]
pub struct Programs {
    environment: BTreeMap<String, String>,
    kubeconfig: Option<PrivateKubeconfig>,
    /// What was required and is there: it is asked once in a run.
    found: Mutex<BTreeSet<Requires>>,
}

/// The kubeconfig of a run for its programs, with one file for each namespace. A file exists from
/// the first program that needs it until the end of the run.
pub struct PrivateKubeconfig {
    folder: PathBuf,
    config: ClientConfig,
}

impl Programs {
    /// What they get of an environment: an allow-list, so that no token of the operator reaches
    /// them by accident.
    pub fn new(
        environment: impl IntoIterator<Item = (String, String)>,
        kubeconfig: Option<PrivateKubeconfig>,
    ) -> Self {
        let environment = environment.into_iter().filter(|(name, _)| is_passed(name)).collect();
        Self { environment, kubeconfig, found: Mutex::default() }
    }

    /// The environment of a program of a step in this namespace.
    ///
    /// # Errors
    /// When the kubeconfig cannot be written: the program must not be started with another one.
    pub(in crate::action) fn environment(
        &self,
        namespace: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut environment = self.environment.clone();
        if let Some(kubeconfig) = &self.kubeconfig {
            let file = kubeconfig.file(namespace).map_err(|error| Failure {
                not_executed: true,
                ..Failure::error(format!("cannot write the kubeconfig of the program: {error}"))
            })?;
            environment.insert("KUBECONFIG".to_owned(), file.display().to_string());
        }
        Ok(environment)
    }

    /// The namespace of the kubeconfig, for runs that ask no cluster themselves.
    pub fn namespace(&self) -> Option<&str> {
        self.kubeconfig.as_ref().map(|kubeconfig| kubeconfig.config.namespace.as_str())
    }

    /// Whether a required program is there.
    ///
    /// # Errors
    /// [`FailureKind::NotThere`](crate::action::FailureKind): what is missing, and how to install
    /// it.
    pub async fn require(
        &self,
        requires: &Requires,
        outside: Option<&Outside>,
    ) -> Result<(), Failure> {
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found().contains(requires) {
            return Ok(());
        }
        requires.look(&self.environment, outside).await?;
        found().insert(requires.clone());
        Ok(())
    }
}

/// Whether a program gets a variable of this name.
fn is_passed(name: &str) -> bool {
    let is_listed = |name: &str| {
        ENVIRONMENT.iter().any(|known| {
            known.strip_suffix('*').map_or(*known == name, |start| name.starts_with(start))
        })
    };
    // the proxies are written in small letters as often
    let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
    is_listed(name) || (is_proxy && is_listed(&name.to_ascii_uppercase()))
}

impl PrivateKubeconfig {
    /// Files of this configuration in this folder, which is made when the first is needed, and
    /// removed with all that is in it when this is dropped.
    pub fn new(folder: PathBuf, config: ClientConfig) -> Self {
        Self { folder, config }
    }

    /// The file whose context has this namespace.
    fn file(&self, namespace: &str) -> std::io::Result<PathBuf> {
        let path = self.folder.join(if namespace.is_empty() { "default" } else { namespace });
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.folder)?;
        let mut options = std::fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(self.config.in_namespace(namespace).to_string().as_bytes())?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(path)
    }
}

impl Drop for PrivateKubeconfig {
    fn drop(&mut self) {
        // it is not there if no program was started
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_environment_is_an_allow_list() {
        let names = [
            "PATH",
            "LC_TIME",
            "AWS_SECRET_ACCESS_KEY",
            "GH_TOKEN",
            "https_proxy",
            "my_proxy",
            "KUBECONFIG",
            "LANGUAGE",
            "RUNBOOK_PARAM_PIN",
        ];
        let given = names.map(|name| (name.to_owned(), "x".to_owned()));
        let kept = Programs::new(given, None).environment("n").unwrap();
        assert_eq!(
            kept.keys().collect::<Vec<_>>(),
            ["KUBECONFIG", "LC_TIME", "PATH", "https_proxy"]
        );
    }

    #[test]
    fn the_kubeconfig_has_the_namespace_of_the_step_and_ends_with_the_run() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("kubeconfigs/01RUN");
        let config = ClientConfig {
            namespace: "shop".to_owned(),
            document: json!({"contexts": [{"name": "c", "context": {"namespace": "x"}}]}),
        };
        let kubeconfig = PrivateKubeconfig::new(folder.clone(), config);
        let environment = [("KUBECONFIG".to_owned(), "/real".to_owned())];
        let programs = Programs::new(environment, Some(kubeconfig));
        assert!(!folder.exists(), "nothing is written before it is needed");
        let file = |namespace: &str| {
            let file = programs.environment(namespace).unwrap().remove("KUBECONFIG").unwrap();
            let read: Value =
                serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            (file, read["contexts"][0]["context"]["namespace"].clone())
        };
        let (path, namespace) = file("a");
        assert_eq!((file("b").1, namespace), (json!("b"), json!("a")));
        assert_eq!(file("a").0, path);
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.as_ref()), mode(&folder)), (0o600, 0o700));
        drop(programs);
        assert!(!folder.exists());
    }
}
