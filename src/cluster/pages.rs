//! The pages of a list, read one object at a time.

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Map, Value};

use super::client::Cluster;
use super::error::{Doing, Error, ErrorKind};
use super::http::query;
use super::read::{Selection, strip, where_};
use super::resource::Resource;
use super::splitter::{Splitter, TooLarge};

/// How many objects are asked for at once, as kubectl does.
const PAGE: usize = 500;

/// Takes the objects of a list as they are read, and decides what is kept of them.
pub trait Gather: Send {
    /// The list is read from its beginning again: what was taken so far does not count.
    fn restart(&mut self);

    /// Takes the next object. It has its `apiVersion` and `kind` and no `metadata.managedFields`.
    fn take(&mut self, object: Value);
}

impl Gather for Vec<Value> {
    fn restart(&mut self) {
        self.clear();
    }

    fn take(&mut self, object: Value) {
        self.push(object);
    }
}

/// The text of a list goes wrong: what is too large, and what a parser says.
enum Fault {
    Large,
    Malformed(serde_json::Error),
}

impl From<TooLarge> for Fault {
    fn from(_: TooLarge) -> Self {
        Self::Large
    }
}

/// What stands around the objects of a page.
struct Page {
    token: String,
    version: String,
}

impl Cluster {
    /// Reads the objects of a kind in one namespace, or in all of them, in the order of the server, and gives the place in history at
    /// which the list was true. No more than one object is held here: pages of 500 are asked for, and each is cut up while it arrives.
    ///
    /// # Errors
    /// Any failure; what was gathered until then is no answer.
    pub async fn list_into(&self, resource: &Resource, namespace: Option<&str>, selection: &Selection, gather: &mut dyn Gather) -> Result<String, Error> {
        let doing = self.doing("list", format!("{}{}", resource.qualified(), where_(resource, namespace)));
        match self.pages(&doing, resource, namespace, selection, Some(PAGE), gather).await {
            // The continue token outlived the history of the server: take it all at once.
            Err(error) if error.kind == ErrorKind::Gone => {
                gather.restart();
                self.pages(&doing, resource, namespace, selection, None, gather).await
            }
            other => other,
        }
    }

    async fn pages(
        &self,
        doing: &Doing,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &Selection,
        limit: Option<usize>,
        gather: &mut dyn Gather,
    ) -> Result<String, Error> {
        let collection = resource.collection(namespace);
        let api_version = resource.api_version();
        let mut token = String::new();
        loop {
            let mut parameters = selection.parameters();
            if let Some(limit) = limit {
                parameters.push(("limit", limit.to_string()));
            }
            if !token.is_empty() {
                parameters.push(("continue", token));
            }
            let path = format!("{collection}{}", query(&parameters));
            let mut take = |mut object| {
                strip(&mut object);
                add_kind(&mut object, &api_version, &resource.kind);
                gather.take(object);
            };
            let page = match tokio::time::timeout(self.request_timeout(), self.page(doing, &path, &mut take)).await {
                Ok(page) => page?,
                Err(_) => return Err(doing.timed_out(self.request_timeout())),
            };
            if page.token.is_empty() {
                return Ok(page.version);
            }
            token = page.token;
        }
    }

    async fn page(&self, doing: &Doing, path: &str, take: &mut (dyn FnMut(Value) + Send)) -> Result<Page, Error> {
        let request = Request::get(path).header(http::header::ACCEPT, "application/json").body(Body::empty());
        let mut body = self.send(doing, request).await?.into_body();
        let mut splitter = Splitter::default();
        let no_json = |error: serde_json::Error| doing.not_understood(&format!("its answer is no JSON ({error})"));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| doing.broken(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            let fed = splitter.feed(&data, |object| {
                take(serde_json::from_slice(object).map_err(Fault::Malformed)?);
                Ok(())
            });
            fed.map_err(|fault| match fault {
                Fault::Large => doing.not_understood("an object of its answer is larger than 64 MiB"),
                Fault::Malformed(error) => no_json(error),
            })?;
        }
        let (envelope, count) = splitter.finish();
        let list: Value = serde_json::from_slice(&envelope).map_err(no_json)?;
        match list["items"].as_array() {
            // a placeholder for each object, and nothing else
            Some(items) if items.len() == count => {}
            Some(_) => return Err(doing.not_understood("an item of the list is no object")),
            // Go writes an empty list as null.
            None if list["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && list["items"].is_null() => {}
            None => return Err(doing.not_understood("the list has no items")),
        }
        let text = |field: &str| list["metadata"][field].as_str().unwrap_or_default().to_owned();
        Ok(Page { token: text("continue"), version: text("resourceVersion") })
    }
}

fn add_kind(object: &mut Value, api_version: &str, kind: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    if fields.contains_key("kind") && fields.contains_key("apiVersion") {
        return;
    }
    let mut whole = Map::with_capacity(fields.len() + 2);
    whole.insert("apiVersion".to_owned(), api_version.into());
    whole.insert("kind".to_owned(), kind.into());
    whole.extend(std::mem::take(fields));
    *fields = whole;
}
