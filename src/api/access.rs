//! May we do this?

/// One action to ask permission for; empty text means what it means in RBAC: the core group, no
/// subresource, all namespaces, any name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// `get`, `list`, `patch`, …
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name: `deployments`.
    pub resource: String,
    /// `exec`, `log`, `scale`, …, or empty.
    pub subresource: String,
    /// The namespace, or empty for all and for cluster-wide kinds.
    pub namespace: String,
    /// The object, or empty for any.
    pub name: String,
    /// A path of the API server that is no resource: `/readyz`. All but the verb is empty then.
    pub path: String,
}

impl std::fmt::Display for Access {
    /// `patch deployments.apps petrosa-ta-bot in petrosa-apps`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            return write!(f, "{} {} (cluster-wide)", self.verb, self.path);
        }
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if self.namespace.is_empty() {
            f.write_str(" (cluster-wide)")
        } else {
            write!(f, " in {}", self.namespace)
        }
    }
}

/// The answer of the API server to an [`Access`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessAnswer {
    /// Whether the action is allowed.
    pub allowed: bool,
    /// Why, if the server says so.
    pub reason: String,
}
