//! `get`: reads one object by name, or a list by selector.

use super::support::fan_out::{quote, reading};
use super::{Access, Context, Failure, Output, Reach, Verb, Wrong};
use crate::cluster::{ErrorKind, Gather, Resource, Selection, builtin};
use crate::diagnosis::pod::is_live;
use crate::event::Effect;
use crate::expression::Data;
use crate::secret::Masker;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Reads objects from the cluster. With `name`, the output is the object; otherwise it is `{items:
/// [...]}`.
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
    /// Namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// Whether to read from all namespaces.
    #[serde(default)]
    pub all_namespaces: bool,
    /// For pods: omits finished and terminating pods, as the verbs that query pods do.
    #[serde(default)]
    pub live: bool,
    /// Whether the object may be missing: the output is then null instead of an error. With a
    /// selector: whether the list may be empty; without it, a step whose expectations do not use
    /// `.items` fails on an empty list.
    #[serde(default)]
    pub optional: bool,
}

/// The most text, in bytes, of a list that is held as a value: one that takes ten times of it does
/// not matter.
const SMALL: usize = 256 * 1024;

/// The objects of a list as text, each with its namespace and name.
struct ListedObjects<'a> {
    masker: &'a Masker,
    resource: &'a Resource,
    live: bool,
    found: Vec<((String, String), Data)>,
}

impl Gather for ListedObjects<'_> {
    fn restart(&mut self) {
        self.found.clear();
    }

    fn take(&mut self, mut object: Value) {
        if self.live && !is_live(&object) {
            return;
        }
        super::support::counter::write_out(&mut object, self.resource);
        self.masker.learn_object(&object);
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        self.found.push(((text("namespace"), text("name")), Data::text(&object)));
    }

    fn budget(&self) -> usize {
        // as text it takes a tenth
        2 << 30
    }
}

impl Verb for Get {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        if self.live
            && (self.name.is_some()
                || builtin(&self.kind).is_none_or(|resource| resource.kind != "Pod"))
        {
            return Err("`live` applies to lists of pods only".to_owned());
        }
        match (&self.name, &self.selector, &self.fields) {
            (Some(_), None, None) if self.all_namespaces => {
                Err("`name` cannot be combined with `all_namespaces`".to_owned())
            }
            (Some(_), None, None) => Ok(()),
            (Some(_), _, _) => {
                Err("use either `name` for one object, or `selector` and `fields`".to_owned())
            }
            (None, _, _) => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(resource) = builtin(&self.kind) else { return Vec::new() };
        let namespace =
            if self.all_namespaces { "" } else { self.namespace.as_deref().unwrap_or(namespace) };
        let verb = if self.name.is_some() { "get" } else { "list" };
        vec![reading(&resource, verb, namespace, self.name.as_deref().unwrap_or_default())]
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let mut words = vec!["kubectl get".to_owned(), quote(&self.kind.to_ascii_lowercase())];
        // both may stand in what only the run knows
        words.extend(self.name.as_deref().filter(|name| *name != self.kind).map(quote));
        words.push(if self.all_namespaces {
            "-A".to_owned()
        } else {
            format!("-n {}", quote(self.namespace.as_deref().unwrap_or(namespace)))
        });
        words.extend(self.selector.as_deref().map(|selector| format!("-l {}", quote(selector))));
        words.extend(
            self.fields.as_deref().map(|fields| format!("--field-selector {}", quote(fields))),
        );
        vec![words.join(" ")]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let selector =
            self.selector.as_ref().or(self.fields.as_ref()).filter(|_| !self.optional)?;
        let nothing = output["items"].as_array().is_some_and(Vec::is_empty);
        nothing.then(|| Wrong {
            fields: &["items"],
            // what is computed is not known here
            reason: match selector.contains("{{") {
                true => format!("no {} matches its selector", self.kind.to_ascii_lowercase()),
                false => format!("no {} matches {selector}", self.kind.to_ascii_lowercase()),
            },
        })
    }

    fn judges(&self) -> bool {
        let all = self.name.is_none() && self.selector.is_none() && self.fields.is_none();
        !all && !self.optional
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.kind).await?;
        let namespace = self.namespace.as_deref().unwrap_or(&context.namespace);
        if let Some(name) = &self.name {
            return match cluster.get(&resource, Some(namespace), name).await {
                Ok(mut object) => {
                    super::support::counter::write_out(&mut object, &resource);
                    context.masker.learn_object(&object);
                    Ok(Output::new(object, "found"))
                }
                Err(error) if error.kind == ErrorKind::NotFound && self.optional => {
                    Ok(Output::new(Value::Null, "absent"))
                }
                Err(error) if error.kind == ErrorKind::NotFound => {
                    Err(Failure::new(super::FailureKind::Failed, error.to_string()))
                }
                Err(error) => Err(error.into()),
            };
        }
        let selection = Selection { labels: self.selector.clone(), fields: self.fields.clone() };
        let mut items = ListedObjects {
            masker: &context.masker,
            resource: &resource,
            live: self.live,
            found: Vec::new(),
        };
        cluster
            .list_into(
                &resource,
                (!self.all_namespaces).then_some(namespace),
                &selection,
                &mut items,
            )
            .await?;
        let mut found = items.found;
        found.sort_by(|(left, _), (right, _)| left.cmp(right));
        let summary = format!("{} found", found.len());
        let items = Data::object([("items", Data::list(found.into_iter().map(|(_, item)| item)))]);
        Ok(if items.size() > SMALL {
            Output::large(items, summary)
        } else {
            Output::new(items.to_value(), summary)
        })
    }
}
