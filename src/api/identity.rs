//! Which cluster this is, and who we are in it.

/// What identifies a cluster and the user in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The version of the API server: `v1.33.1`.
    pub server_version: String,
    /// The uid of the namespace `kube-system`, which lives as long as the cluster; none when it may
    /// not be read.
    pub cluster_uid: Option<String>,
    /// The user name the server sees; none when the server does not review subjects (before 1.28).
    pub user: Option<String>,
    /// The groups the server sees.
    pub groups: Vec<String>,
}
