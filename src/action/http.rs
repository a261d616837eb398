//! `http`: a request to every pod, to a service, or to a URL.

use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sends an HTTP request. On a workload or a selector of pods the output is a list with one item a pod; on one pod, on a service, on a URL and
/// with `pods: one` it is that item: `{pod, status, headers, body, json, elapsed_ms, refused, reason}`. `status` is null where the
/// target refused the connection or did not answer in time; then `reason` says so.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// What answers: a workload, a pod, a service.
    pub target: Option<Target>,
    /// Port of the pod, or of the service: a number or a name.
    pub port: Option<Port>,
    /// Path and query.
    #[serde(default = "root")]
    pub path: String,
    /// A whole URL instead of target, port and path, for `via: direct` and `via: pod`.
    pub url: Option<String>,
    /// How the request travels.
    #[serde(default)]
    pub via: Via,
    /// With `via: pod`: the pods that send the request.
    pub from: Option<Target>,
    /// Method.
    #[serde(default)]
    pub method: Method,
    /// Headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Body; anything but a string is sent as JSON.
    pub body: Option<serde_json::Value>,
    /// How long one answer may take.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

fn root() -> String {
    "/".to_owned()
}

fn five_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(5))
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Port {
    /// Its number.
    Number(u16),
    /// The name of a container's or a service's port.
    Name(String),
}

/// How a request travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Through a port-forward inside this program; no local port is opened.
    #[default]
    Forward,
    /// Through the API server's proxy; needs `pods/proxy` or `services/proxy`.
    Proxy,
    /// From inside the pods of `from`, with curl, wget or python3, whichever the image has: their network policies apply.
    Pod,
    /// From this machine.
    Direct,
}

/// Request method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Verb for Http {
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
