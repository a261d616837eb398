//! What refuses new objects although they are valid: a service account that is not there, webhooks,
//! the security standard of a namespace, and quotas, in the order of the API server.
//!
//! After `plugin/pkg/admission/` and `pkg/admission/plugin/webhook/` of Kubernetes.

mod pod_security;
mod quota;
mod service_account;
mod webhook;

use serde_json::Value;

pub(crate) use quota::{requested, used};

use crate::kinds::Resource;
use crate::object;
use crate::store::Store;

/// Why an object is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not allowed.
    Forbidden(String),
    /// It cannot be known whether it is.
    Failed(String),
}

impl Refusal {
    fn of_pod(pod: &Value, why: &str) -> Self {
        Self::Forbidden(format!("pods \"{}\" is forbidden: {why}", object::name(pod)))
    }

    /// As the API server says it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Forbidden(message) => message.clone(),
            Self::Failed(message) => format!("Internal error occurred: {message}"),
        }
    }
}

/// Whether a new pod is let in.
pub(crate) fn pod(store: &Store, pod: &Value) -> Result<(), Refusal> {
    service_account::check(store, pod)?;
    webhook::check(store, "", "v1", "pods", pod)?;
    pod_security::check(store, pod)?;
    quota::check(store, pod)
}

/// Whether a new object of a request is let in.
pub(crate) fn created(store: &Store, resource: &Resource, object: &Value) -> Result<(), Refusal> {
    if resource.kind == "Pod" {
        return pod(store, object);
    }
    webhook::check(store, resource.group, resource.version, resource.plural, object)
}
