//! `secret`: the shape of a Secret's key, never its value.

use super::{Access, Context, Failure, Output, Verb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Looks at a key of a Secret. The output has no value in it: `{exists, key_exists, keys, empty, utf8, whitespace, placeholder, valid, problems: [text], uri: {scheme, host, port, path,
/// user_present, password_present}, sha256, changed}`. `sha256` is a prefix for comparing; `changed` is when the Secret was last written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// What the value must look like.
    #[serde(default)]
    pub shape: Shape,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Anything that is not empty.
    #[default]
    Opaque,
    /// scheme://user:password@host:port/path
    Uri,
    /// PEM blocks.
    Pem,
    /// A JSON document.
    Json,
}

impl Verb for Secret {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::error("not built yet"))
    }
}
