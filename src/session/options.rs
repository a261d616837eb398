//! What a caller chooses, whatever kind of run it is.

use crate::action::Outside;
use crate::cluster::Dial;
use crate::engine::Locking;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Which cluster: a simulated one, or that of a kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct ClusterChoice {
    /// Scenario of a simulated cluster, empty for the one that the runbook declares; the rest is
    /// left out then.
    pub sandbox: Option<String>,
    /// A simulated cluster that runs already, instead of starting that scenario.
    pub running: Option<Running>,
    /// Kubeconfig context; the current one if none.
    pub context: Option<String>,
    /// Kubeconfig file; the usual ones if none.
    pub kubeconfig: Option<PathBuf>,
    /// User to impersonate.
    pub impersonate: Option<String>,
    /// Namespace; overrides the namespace of the runbook.
    pub namespace: Option<String>,
}

/// A simulated cluster in this process, which its caller keeps.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its kubeconfig, as YAML.
    pub kubeconfig: String,
    /// The way to it.
    pub dial: Dial,
    /// What programs of this machine and hosts outside of the cluster respond with.
    pub outside: Arc<Outside>,
}

/// How a run is conducted.
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// Which cluster.
    pub cluster: ClusterChoice,
    /// Changes are made without asking, except those that want a typed word.
    pub yes: bool,
    /// Guards that do not hold the run up.
    pub overrides: Vec<String>,
    /// How the lock is taken.
    pub locking: Locking,
    /// Digests, or their beginnings, of runbooks that are trusted from now on.
    pub trusted: Vec<String>,
    /// Whether a dry run believes a runbook that something only reads.
    pub trust_reads: bool,
    /// How long the whole run may take.
    pub timeout: Option<Duration>,
}
