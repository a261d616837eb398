//! The only room that knows kube: client, error classes, exec, port-forward, pod selection.
//!
//! At its border, objects are [`serde_json::Value`] and errors are [`Error`]. The files `pod`,
//! `ending`, `rollout` and `exposition` decide on values and never talk to a cluster.

mod access;
mod answer;
mod client;
mod client_config;
mod config;
mod discovery;
pub mod ending;
mod error;
mod exec;
pub mod exposition;
mod forward;
pub mod history;
mod http;
mod identity;
mod logs;
mod memory;
mod pages;
mod plugin;
mod pods;
mod port;
mod proxy;
mod proxy_env;
mod raw;
mod read;
mod resource;
pub mod rollout;
mod splitter;
mod tls;
mod watch;
mod write;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod real;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::http::{HttpAnswer, direct_http};
pub use crate::api::{
    Access, AccessAnswer, Again, Error, ErrorKind, FIELD_MANAGER, Identity, Method, Resource,
    Write, builtin,
};
pub use client::Cluster;
pub use client_config::ClientConfig;
pub use config::{Options, contexts};
pub use exec::{CommandExit, Executed, Streamed};
pub use logs::{LogOptions, LogText};
pub use memory::Dial;
pub use pages::{Form, Gather};
pub use pods::{PodsOf, label_selector};
pub use proxy::ProxyTo;
pub use read::{Selection, sort_events};
pub use tls::{TlsAnswer, Trust, direct_tls};
pub use watch::{ObjectKey, WaitError};
