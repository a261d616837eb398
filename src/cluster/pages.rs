//! Reads the pages of a list, object by object.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::answer::{self, Envelope};
use super::client::Cluster;
use super::error::{Doing, Error, ErrorKind};
use super::http::{get_as, query};
use super::read::{Selection, add_kind, strip, where_};
use super::splitter::{Splitter, TooLarge};
use crate::api::resource::Resource;

/// How many objects are asked for at once, as kubectl does.
const PAGE: usize = 500;
/// The most pages of a list: with a million objects it does not come from a cluster.
const PAGES: usize = 2000;

/// Takes the objects of a list as they are read, and decides what is kept of them.
pub trait Gather: Send {
    /// The list is read from its beginning again: what was taken so far does not count.
    fn restart(&mut self);

    /// Takes the next object. It has its `apiVersion` and `kind` and no `metadata.managedFields`.
    fn take(&mut self, object: Value);

    /// The estimated memory of all objects together, as values, that are taken. Whoever holds less
    /// of them than that may take more.
    fn budget(&self) -> usize {
        answer::MEMORY
    }
}

impl Gather for Vec<Value> {
    fn restart(&mut self) {
        self.clear();
    }

    fn take(&mut self, object: Value) {
        self.push(object);
    }
}

/// What is asked for of each object of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The object without `metadata.managedFields`.
    Plain,
    /// The object with `metadata.managedFields`: who wrote what, and when.
    Written,
    /// Its metadata alone, with `metadata.managedFields`: of a Secret, no value is sent.
    Metadata,
}

impl Form {
    /// The `Accept` header of a list.
    fn accept(self) -> &'static str {
        match self {
            Self::Plain | Self::Written => "application/json",
            Self::Metadata => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        }
    }

    /// The kind that the server writes into the list and its objects.
    fn listed(self, resource: &Resource) -> Resource {
        match self {
            Self::Plain | Self::Written => resource.clone(),
            Self::Metadata => {
                Resource { kind: "PartialObjectMetadata".to_owned(), ..resource.clone() }
            }
        }
    }

    /// An object as it is given on.
    fn finish(self, object: &mut Value, resource: &Resource) {
        match self {
            Self::Plain => strip(object),
            Self::Written => {}
            Self::Metadata => {
                if let Some(fields) = object.as_object_mut() {
                    fields.retain(|key, _| key == "metadata");
                }
            }
        }
        add_kind(object, &resource.api_version(), &resource.kind);
    }
}

/// What is wrong with a list, for the end of a sentence.
struct PageFault(String);

impl From<TooLarge> for PageFault {
    fn from(_: TooLarge) -> Self {
        Self("its response is invalid: an object exceeds 64 MiB".to_owned())
    }
}

/// Takes an object of a page, or says what is wrong with it.
type Take<'a> = dyn FnMut(&[u8]) -> Result<(), PageFault> + Send + 'a;

impl Cluster {
    /// Reads the objects of a kind in one namespace, or in all of them, in the order of the server,
    /// and gives the place in history at which the list was true. No more than one object is held
    /// here: pages of 500 are asked for, and each is cut up while it arrives.
    ///
    /// # Errors
    /// Any failure; what was gathered until then is no answer.
    pub async fn list_into(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &Selection,
        gather: &mut dyn Gather,
    ) -> Result<String, Error> {
        self.list_form_into((resource, Form::Plain), namespace, selection, gather).await
    }

    /// The same, with what is asked for of each object.
    ///
    /// # Errors
    /// As [`Cluster::list_into`].
    pub(super) async fn list_form_into(
        &self,
        what: (&Resource, Form),
        namespace: Option<&str>,
        selection: &Selection,
        gather: &mut dyn Gather,
    ) -> Result<String, Error> {
        let resource = what.0;
        let doing =
            self.doing("list", format!("{}{}", resource.qualified(), where_(resource, namespace)));
        match self.pages(&doing, what, namespace, selection, Some(PAGE), gather).await {
            // The continue token outlived the history of the server: take it all at once.
            Err(error) if error.kind == ErrorKind::Gone => {
                gather.restart();
                self.pages(&doing, what, namespace, selection, None, gather).await
            }
            other => other,
        }
    }

    async fn pages(
        &self,
        doing: &Doing,
        (resource, form): (&Resource, Form),
        namespace: Option<&str>,
        selection: &Selection,
        limit: Option<usize>,
        gather: &mut dyn Gather,
    ) -> Result<String, Error> {
        let collection = resource.collection(namespace);
        let listed = form.listed(resource);
        let mut token = String::new();
        // of all pages together
        let mut budget = gather.budget();
        for _ in 0..PAGES {
            let mut parameters = selection.parameters();
            if let Some(limit) = limit {
                parameters.push(("limit", limit.to_string()));
            }
            if !token.is_empty() {
                parameters.push(("continue", token.clone()));
            }
            let path = format!("{collection}{}", query(&parameters));
            let mut take = |text: &[u8]| {
                let mut object = answer::parse(text, &mut budget)
                    .map_err(|why| PageFault(format!("its response is invalid: {why}")))?;
                if let Some(why) = answer::watched(&listed, namespace, &object) {
                    return Err(PageFault(format!("an item of the list is invalid: {why}")));
                }
                form.finish(&mut object, resource);
                gather.take(object);
                Ok(())
            };
            let page = self.page(doing, (&listed, form), &path, &mut take);
            let (count, page) = match tokio::time::timeout(self.request_timeout(), page).await {
                Ok(page) => page?,
                Err(_) => return Err(doing.timed_out(self.request_timeout())),
            };
            if page.next.is_empty() {
                return Ok(page.resource_version);
            }
            if page.next == token || count == 0 {
                return Err(doing.not_understood(
                    "the list is endless: a page is empty but refers to another one",
                ));
            }
            token = page.next;
        }
        Err(doing.not_understood(&format!("the list has more than {PAGES} pages")))
    }

    /// Reads a page. How many objects it had, and what stood around them.
    async fn page(
        &self,
        doing: &Doing,
        (resource, form): (&Resource, Form),
        path: &str,
        take: &mut Take<'_>,
    ) -> Result<(usize, Envelope), Error> {
        let mut body = self.send(doing, get_as(path, form.accept())).await?.into_body();
        let mut splitter = Splitter::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| doing.broken(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            splitter
                .feed(&data, &mut *take)
                .map_err(|fault: PageFault| doing.not_understood(&fault.0))?;
        }
        let (text, count) = splitter.finish();
        let list = answer::parse(&text, &mut { answer::MEMORY })
            .map_err(|why| doing.not_understood(&format!("its response is invalid: {why}")))?;
        let (envelope, items) = answer::envelope(doing, resource, list)?;
        // a placeholder for each object, and nothing else
        let other = items
            .iter()
            .find(|item| **item != 0)
            .cloned()
            .or_else(|| (items.len() != count).then(|| json!(0)));
        match other.and_then(|item| answer::watched(resource, None, &item)) {
            Some(why) => {
                Err(doing.not_understood(&format!("an item of the list is invalid: {why}")))
            }
            None if items.len() != count => {
                Err(doing.not_understood("the list has its items twice"))
            }
            None => Ok((count, envelope)),
        }
    }
}
