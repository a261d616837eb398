//! `delete`: takes objects away and waits until they are gone.

use super::change::{Change, Intent};
use super::fan::{quote, reading};
use super::{Access, Context, Duration, Failure, FailureKind, Output, Verb, guard};
use crate::cluster::{Selection, WaitError, builtin};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Deletes one object by name, or those that a selector matches, each just as it was seen: an object of the same name that came later
/// stays. What is gone already is no fault. Waits for the end of finalizers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Kind: `Job`, `networkpolicy`, …
    pub kind: String,
    /// Name of one object.
    pub name: Option<String>,
    /// Label selector, for several.
    pub selector: Option<String>,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
    /// What becomes of the objects that it owns.
    #[serde(default)]
    pub propagation: Propagation,
    /// How long pods have to end; their own time if absent.
    pub grace_period: Option<Duration>,
    /// Wait until they are gone.
    #[serde(default = "yes")]
    pub wait: bool,
}

fn yes() -> bool {
    true
}

/// What becomes of the objects that a deleted one owns (`DeleteOptions.propagationPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted before.
    Foreground,
    /// They stay.
    Orphan,
}

impl Delete {
    fn place<'a>(&'a self, step: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(step)
    }

    fn selection(&self) -> Selection {
        match &self.name {
            Some(name) => Selection::name(name),
            None => Selection { labels: self.selector.clone(), fields: None },
        }
    }
}

impl Verb for Delete {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        match (&self.name, &self.selector) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err("either one object by `name` or several by `selector`".to_owned()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(resource) = builtin(&self.kind) else { return Vec::new() };
        let place = self.place(namespace);
        let name = self.name.as_deref().unwrap_or_default();
        let mut all = vec![reading(&resource, "list", place, ""), reading(&resource, "delete", place, name)];
        if self.wait {
            all.push(reading(&resource, "watch", place, ""));
        }
        all
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let which = match (&self.name, &self.selector) {
            (Some(name), _) => quote(name),
            (None, selector) => format!("-l {}", quote(selector.as_deref().unwrap_or_default())),
        };
        vec![format!("kubectl delete {} {which} -n {} --ignore-not-found", self.kind.to_ascii_lowercase(), quote(self.place(namespace)))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        let kind = builtin(&self.kind).map_or_else(|| self.kind.to_ascii_lowercase(), |resource| resource.kind.to_ascii_lowercase());
        self.name.iter().map(|name| format!("{}/{kind}/{name}", self.place(namespace))).collect()
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.kind).await?;
        let mut objects = cluster.list(&resource, Some(self.place(&context.namespace)), &self.selection()).await?;
        objects.sort_by_key(|object| object["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        let policy = match self.propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let mut options = json!({"propagationPolicy": policy});
        if let Some(grace) = self.grace_period {
            options["gracePeriodSeconds"] = json!(grace.0.as_secs());
        }
        let guards = objects.iter().filter_map(guard::managed).collect();
        // what is going already needs no second request
        let stays = |object: &&Value| object["metadata"]["deletionTimestamp"].is_null();
        let changes = objects.iter().filter(stays).map(|object| Change::delete(&resource, object, options.clone())).collect();
        Ok(Some(Intent { changes, guards, ..Intent::default() }))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let uids: Vec<&Value> = context.made.iter().map(|made| &made.before["metadata"]["uid"]).collect();
        if !self.wait || uids.is_empty() {
            return Ok(Output::default());
        }
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.kind).await?;
        let left = |object: &&Value| uids.contains(&&object["metadata"]["uid"]);
        let waited = cluster
            .watch_until(&resource, Some(self.place(&context.namespace)), &self.selection(), context.deadline, |objects| {
                let there: Vec<&Value> = objects.values().filter(left).collect();
                if there.is_empty() {
                    return ControlFlow::Break(());
                }
                (context.progress)(&format!("{} still there", there.len()));
                ControlFlow::Continue(())
            })
            .await;
        match waited {
            Ok(()) => Ok(Output::new(Value::Null, format!("{} gone", uids.len()))),
            Err(WaitError::Timeout { last, waited, .. }) => {
                let held: Vec<String> = last
                    .values()
                    .filter(left)
                    .map(|object| {
                        let finalizers: Vec<&str> = object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                        let name = object["metadata"]["name"].as_str().unwrap_or_default();
                        if finalizers.is_empty() { name.to_owned() } else { format!("{name} (waits for its finalizers {})", finalizers.join(", ")) }
                    })
                    .collect();
                Err(Failure::new(FailureKind::TimedOut, format!("deleted, and not gone within {} s: {}", waited.as_secs(), held.join(", "))))
            }
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}
