//! A cluster of a few objects, for tests of the engine's rules.

use crate::api::{
    Access, AccessAnswer, Error, ErrorKind, Identity, Method, Place, Port, Resource, Sender, Write,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Objects by `namespace/name`. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<Known>>);

#[derive(Default)]
pub(super) struct Known {
    pub(super) objects: BTreeMap<String, Value>,
    /// What is not allowed: `verb resource`.
    pub(super) forbidden: Vec<String>,
    /// The requests that were sent: `method namespace/name`.
    pub(super) sent: Vec<String>,
    version: u64,
}

impl Fake {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object there, with a resourceVersion and a uid of its own.
    pub(super) fn put(&self, namespace: &str, name: &str, mut object: Value) {
        let mut known = self.known();
        known.version += 1;
        object["metadata"]["resourceVersion"] = json!(known.version.to_string());
        object["metadata"]["uid"] = json!(format!("uid-{}", known.version));
        known.objects.insert(format!("{namespace}/{name}"), object);
    }

    fn answer(&self, write: &Write) -> Result<Value, Error> {
        let place = format!("{}/{}", write.namespace, write.name);
        let present = self.known().objects.get(&place).cloned();
        self.known().sent.push(format!("{:?} {place}", write.method));
        let refused = |kind| Err(Error::new(kind, format!("{place}: refused")));
        match (write.method, present) {
            (Method::Create, Some(_)) => refused(ErrorKind::Conflict),
            (Method::Create, None) => {
                self.put(&write.namespace, &write.name, write.body.clone());
                Ok(self.known().objects[&place].clone())
            }
            (Method::Delete, Some(object)) => {
                self.known().objects.remove(&place);
                Ok(object)
            }
            (Method::JsonPatch, Some(object)) => {
                let mut patched = object;
                for operation in write.body.as_array().into_iter().flatten() {
                    let path = operation["path"].as_str().unwrap_or_default();
                    match operation["op"].as_str() {
                        Some("test") if patched.pointer(path) != Some(&operation["value"]) => {
                            return refused(ErrorKind::Invalid);
                        }
                        Some("add") => {
                            let (around, key) = path.rsplit_once('/').unwrap_or_default();
                            if let Some(around) = patched.pointer_mut(around) {
                                around[key] = operation["value"].clone();
                            }
                        }
                        _ => {}
                    }
                }
                self.put(&write.namespace, &write.name, patched);
                Ok(self.known().objects[&place].clone())
            }
            _ => refused(ErrorKind::NotFound),
        }
    }
}

impl Port for Fake {
    fn place(&self) -> Place {
        Place {
            context: Some("fake".to_owned()),
            server: "https://fake".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    fn identify(&self) -> BoxFuture<'_, Result<Identity, Error>> {
        let identity = Identity {
            server_version: "v1.35.0".to_owned(),
            cluster_uid: Some("cluster".to_owned()),
            user: Some("ada".to_owned()),
            groups: Vec::new(),
        };
        async { Ok(identity) }.boxed()
    }

    fn look<'a>(
        &'a self,
        _: &'a Resource,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>, Error>> {
        async move { Ok(self.known().objects.get(&format!("{namespace}/{name}")).cloned()) }.boxed()
    }

    fn namespaces(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async {
            let known = self.known();
            let names = known.objects.keys().filter_map(|place| place.strip_prefix('/'));
            Ok(names.map(str::to_owned).collect())
        }
        .boxed()
    }

    fn may<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<AccessAnswer, Error>> {
        async move {
            let asked = format!("{} {}", access.verb, access.resource);
            let allowed = !self.known().forbidden.contains(&asked);
            Ok(AccessAnswer { allowed, reason: String::new() })
        }
        .boxed()
    }

    fn preview<'a>(&'a self, write: &'a Write) -> BoxFuture<'a, Result<Value, Error>> {
        async move { Ok(write.body.clone()) }.boxed()
    }

    fn sender(&self) -> Arc<dyn Sender> {
        Arc::new(self.clone())
    }
}

impl Sender for Fake {
    fn send<'a>(
        &'a self,
        write: &'a Write,
        _: Option<&'a str>,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<Value, Error>> {
        async move { self.answer(write) }.boxed()
    }
}
