//! Reads objects, lists and events.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::{self, Page};
use super::client::Cluster;
use super::error::{Error, ErrorKind};
use super::http::query;
use super::pages::Form;
use crate::api::resource::{Resource, builtin};

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// A label selector as the API takes it: `app=shop,tier!=cache`.
    pub labels: Option<String>,
    /// A field selector as the API takes it: `status.phase=Running`.
    pub fields: Option<String>,
}

impl Selection {
    /// Every object.
    pub fn all() -> Selection {
        Selection::default()
    }

    /// The object of this name, if it exists.
    pub fn name(name: &str) -> Selection {
        Selection { labels: None, fields: Some(format!("metadata.name={name}")) }
    }

    /// The objects with these labels.
    pub fn labels(selector: impl Into<String>) -> Selection {
        Selection { labels: Some(selector.into()), fields: None }
    }

    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = Vec::new();
        if let Some(labels) = self.labels.as_ref().filter(|labels| !labels.is_empty()) {
            parameters.push(("labelSelector", labels.clone()));
        }
        if let Some(fields) = self.fields.as_ref().filter(|fields| !fields.is_empty()) {
            parameters.push(("fieldSelector", fields.clone()));
        }
        parameters
    }
}

/// A list and the place in history at which it was true.
pub(super) struct Listed {
    pub(super) items: Vec<Value>,
    pub(super) resource_version: String,
}

impl Cluster {
    /// The object of this name, without `metadata.managedFields`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; when the namespace itself is missing the message says that, as
    /// kubectl does.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, Error> {
        let mut object = self.get_whole(resource, namespace, name).await?;
        strip(&mut object);
        Ok(object)
    }

    /// The same with `metadata.managedFields`: who wrote what, and when.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn get_whole(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, Error> {
        let namespace = self.namespace(namespace);
        let doing = self.doing(
            "get",
            format!("{} {}", resource.qualified(), place(resource, Some(namespace), name)),
        );
        let path = resource.object(namespace, name)?;
        match self.get_json(&doing, &path).await {
            Ok(object) => answer::object(&doing, resource, namespace, name, object),
            Err(error) if error.kind == ErrorKind::NotFound => {
                Err(self.not_found(resource, namespace, name, error).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn not_found(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        error: Error,
    ) -> Error {
        if resource.namespaced
            && namespace != "default"
            && let Some(kind) = builtin("Namespace")
            && let Ok(path) = kind.object("", namespace)
            && let Err(missing) =
                self.get_json(&self.doing("get", format!("namespace {namespace}")), &path).await
            && missing.kind == ErrorKind::NotFound
        {
            let message = format!(
                "namespace {namespace:?} not found, so it has no {} {name:?}",
                resource.qualified()
            );
            return Error { message, ..missing };
        }
        let message = if resource.namespaced {
            format!("{} {name:?} not found in namespace {namespace:?}", resource.qualified())
        } else {
            format!("{} {name:?} not found", resource.qualified())
        };
        Error { message, ..error }
    }

    /// The objects of a kind in one namespace, or in all of them, sorted by namespace and name.
    /// Each has its `apiVersion` and `kind` and no `metadata.managedFields`.
    ///
    /// # Errors
    /// Any failure; an empty list always means that there are no such objects.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &Selection,
    ) -> Result<Vec<Value>, Error> {
        let mut items = self.list_all(resource, namespace, selection).await?.items;
        items.sort_by(|left, right| sort_key(left).cmp(&sort_key(right)));
        Ok(items)
    }

    /// The objects of a kind in one namespace, or in all of them, in this form,
    /// sorted by namespace and name.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    pub async fn list_form(
        &self,
        resource: &Resource,
        form: Form,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let mut items: Vec<Value> = Vec::new();
        let all = Selection::all();
        self.list_form_into((resource, form), namespace, &all, &mut items).await?;
        items.sort_by(|left, right| sort_key(left).cmp(&sort_key(right)));
        Ok(items)
    }

    pub(super) async fn list_all(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &Selection,
    ) -> Result<Listed, Error> {
        let mut items: Vec<Value> = Vec::new();
        let resource_version = self.list_into(resource, namespace, selection, &mut items).await?;
        Ok(Listed { items, resource_version })
    }

    /// When this field manager last changed the object, by the clock of the cluster; none if it
    /// never did, or if there is no such object.
    ///
    /// # Errors
    /// Any failure of the list: one object is listed, as a watch of it is.
    pub async fn changed_by(
        &self,
        manager: &str,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Timestamp>, Error> {
        let doing = self.doing(
            "list",
            format!("{}{}", resource.qualified(), where_(resource, Some(namespace))),
        );
        let path = format!(
            "{}{}",
            resource.collection(Some(namespace)),
            query(&Selection::name(name).parameters())
        );
        let Page { items, .. } =
            answer::page(&doing, resource, Some(namespace), self.get_json(&doing, &path).await?)?;
        let entries = items.iter().flat_map(|object| {
            object["metadata"]["managedFields"].as_array().into_iter().flatten()
        });
        Ok(entries
            .filter(|entry| entry["manager"] == manager)
            .filter_map(|entry| entry["time"].as_str()?.parse().ok())
            .max())
    }

    /// The events of a namespace, or of one object in it (kind and name), oldest first.
    ///
    /// # Errors
    /// Any failure of the list.
    pub async fn events(
        &self,
        namespace: &str,
        involved: Option<(&str, &str)>,
    ) -> Result<Vec<Value>, Error> {
        let Some(kind) = builtin("Event") else { return Ok(Vec::new()) };
        let fields = involved
            .map(|(kind, name)| format!("involvedObject.kind={kind},involvedObject.name={name}"));
        let mut events =
            self.list(&kind, Some(namespace), &Selection { labels: None, fields }).await?;
        sort_events(&mut events);
        Ok(events)
    }
}

/// Sorts events by the time they were last seen, oldest first, as `kubectl events` does: by
/// `series.lastObservedTime`, else `lastTimestamp`, else `eventTime`, else `creationTimestamp`.
pub fn sort_events(events: &mut [Value]) {
    events.sort_by_cached_key(|event| {
        let places = [
            &event["series"]["lastObservedTime"],
            &event["lastTimestamp"],
            &event["eventTime"],
            &event["firstTimestamp"],
            &event["metadata"]["creationTimestamp"],
        ];
        places.into_iter().find_map(|time| time.as_str()?.parse::<jiff::Timestamp>().ok())
    });
}

/// `managedFields` is the larger half of many objects and of use to the server only.
pub(super) fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
}

pub(super) fn add_kind(object: &mut Value, api_version: &str, kind: &str) {
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

pub(super) fn sort_key(object: &Value) -> (&str, &str) {
    let metadata = &object["metadata"];
    (
        metadata["namespace"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default(),
    )
}

fn place(resource: &Resource, namespace: Option<&str>, name: &str) -> String {
    format!("{name}{}", where_(resource, namespace))
}

pub(super) fn where_(resource: &Resource, namespace: Option<&str>) -> String {
    match namespace {
        _ if !resource.namespaced => String::new(),
        Some(namespace) => format!(" in namespace {namespace}"),
        None => " in all namespaces".to_owned(),
    }
}
