//! `get`: one object by name, or a list by selector.

use super::{Access, Context, Failure, Output, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Reads objects of the cluster. With `name` the output is the object; otherwise it is `{items: [...]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// Kind: `Pod`, `deployment`, `leases.coordination.k8s.io`, …
    pub kind: String,
    /// Name of one object. Without it, all objects that the selectors match.
    pub name: Option<String>,
    /// Label selector: `app=x,tier in (a, b)`.
    pub selector: Option<String>,
    /// Field selector: `status.phase=Running`.
    pub fields: Option<String>,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
    /// Look in every namespace.
    #[serde(default)]
    pub all_namespaces: bool,
    /// The object may be absent: the output is then null, and not an error.
    #[serde(default)]
    pub optional: bool,
}
