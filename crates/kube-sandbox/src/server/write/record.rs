//! A record of the writes, for callers that verify whether there were any.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::Method;
use serde_json::{Value, json};

use crate::server::request::ResourceRequest;

/// The writes so far, dry runs not among them, and whether writing is allowed at all.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Every write is answered with an error.
    pub(crate) forbidden: bool,
    all: Mutex<Vec<Write>>,
}

#[derive(Debug)]
struct Write {
    method: String,
    path: String,
    verb: &'static str,
    resource: String,
    namespace: String,
    name: String,
    status: u16,
}

impl Writes {
    pub(crate) fn new(forbidden: bool) -> Self {
        Self { forbidden, all: Mutex::default() }
    }

    /// Records a write that was answered with this code. A created object has its name from the
    /// answer.
    pub(crate) fn record(
        &self,
        method: &Method,
        path: &str,
        verb: &'static str,
        target: &ResourceRequest,
        name: &str,
        status: u16,
    ) {
        let write = Write {
            method: method.to_string(),
            path: path.to_owned(),
            verb,
            resource: target.permission(),
            namespace: target.namespace_name().to_owned(),
            name: name.to_owned(),
            status,
        };
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(write);
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Value {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |write: &Write| {
            json!({
                "method": write.method, "path": write.path, "verb": write.verb,
                "resource": write.resource, "namespace": write.namespace,
                "name": write.name, "dry_run": false, "status": write.status,
            })
        };
        all.iter().map(one).collect()
    }

    /// How many there are of each object: `deployments/namespace/name`.
    pub(crate) fn counts(&self) -> Value {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for write in self.all.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            *counts
                .entry(format!("{}/{}/{}", write.resource, write.namespace, write.name))
                .or_default() += 1;
        }
        json!(counts)
    }
}
