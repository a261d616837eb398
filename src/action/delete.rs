//! `delete`: deletes objects and waits until they are gone.

use super::support::change::{Change, Intent};
use super::support::fan_out::{quote, reading};
use super::support::workload;
use super::{Access, Context, Duration, Failure, FailureKind, Output, Reach, Target, Verb, Which};
use crate::cluster::{ObjectKey, Resource, Selection, WaitError, builtin};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Deletes objects and waits until they are gone. Deletes only the objects that existed when the
/// change was previewed: a later object with the same name, such as the next pod of a StatefulSet,
/// remains and is not waited for. If an object does not exist, there is no change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Objects to delete: `pod/NAME`, or `{kind, selector}`.
    pub target: Option<Target>,
    /// Kind, instead of `target`.
    pub kind: Option<String>,
    /// With `kind`: name of one object.
    pub name: Option<String>,
    /// With `kind`: label selector of several objects.
    pub selector: Option<String>,
    /// With `kind`: namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// Whether to wait until the objects are gone.
    #[serde(default = "yes")]
    pub wait: bool,
    /// What happens to dependent objects.
    #[serde(default)]
    pub propagation: Propagation,
    /// Grace period for the containers; defaults to the grace period of the pod.
    pub grace_period: Option<Duration>,
    /// Whether the object may be missing; if false, a missing object is a failure.
    #[serde(default = "yes")]
    pub optional: bool,
}

fn yes() -> bool {
    true
}

/// What becomes of what a deleted object owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// It is deleted afterwards.
    #[default]
    Background,
    /// It is deleted first.
    Foreground,
    /// It stays.
    Orphan,
}

impl Propagation {
    fn text(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

impl Verb for Delete {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match self.what()?.which {
            Which::Selector(selector) if selector.trim().is_empty() => {
                Err("an empty `selector` would delete all objects".to_owned())
            }
            Which::Selector(_) | Which::Name(_) => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Ok(target) = self.what() else { return Vec::new() };
        let Some(resource) = builtin(&target.kind) else { return Vec::new() };
        let place = target.namespace(namespace);
        let named = |verb, name| reading(&resource, verb, place, name);
        let mut all = match &target.which {
            Which::Name(name) => vec![named("get", name.as_str()), named("delete", name)],
            Which::Selector(_) => vec![named("list", ""), named("delete", "")],
        };
        if self.wait {
            all.extend(["list", "watch"].map(|verb| named(verb, "")));
        }
        all.sort();
        all.dedup();
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let Ok(target) = self.what() else { return Vec::new() };
        let mut line = format!(
            "kubectl delete {} -n {}",
            target.kubectl(),
            quote(target.namespace(namespace))
        );
        if self.optional {
            line.push_str(" --ignore-not-found");
        }
        if !self.wait {
            line.push_str(" --wait=false");
        }
        if self.propagation != Propagation::Background {
            line.extend([" --cascade=", &self.propagation.text().to_ascii_lowercase()]);
        }
        if let Some(grace) = self.grace_period {
            line.extend([" --grace-period=", &seconds(grace).to_string()]);
        }
        vec![line]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        self.what().map(|target| workload::lock_of(&target, namespace)).unwrap_or_default()
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let target = self.what().map_err(Failure::error)?;
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&target.kind).await?;
        let namespace = target.namespace(&context.namespace);
        let mut found = match &target.which {
            Which::Name(name) => {
                cluster.get_optional(&resource, namespace, name).await?.into_iter().collect()
            }
            Which::Selector(selector) => {
                cluster.list(&resource, Some(namespace), &Selection::labels(selector)).await?
            }
        };
        if found.is_empty() && !self.optional {
            return Err(Failure::new(
                FailureKind::Failed,
                format!("{target} does not exist in namespace {namespace}"),
            ));
        }
        // what is being deleted already is only waited for
        found.retain(|object| object["metadata"]["deletionTimestamp"].is_null());
        let changes =
            found.iter().map(|object| Change::delete(&resource, object, self.options())).collect();
        Ok(Some(Intent {
            changes,
            guards: found.iter().flat_map(workload::guards).collect(),
            ..Intent::default()
        }))
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        if !self.wait {
            return Ok(Output::default());
        }
        let target = self.what().map_err(Failure::error)?;
        let resource = context.cluster()?.resolve(&target.kind).await?;
        let selection = match &target.which {
            Which::Name(name) => Selection::name(name),
            Which::Selector(selector) => Selection::labels(selector),
        };
        let uids = deleted_uids(context, &resource.kind);
        gone(
            context,
            &resource,
            Some(target.namespace(&context.namespace)),
            &selection,
            uids,
            |_| true,
        )
        .await?;
        Ok(Output::new(
            Value::Null,
            match context.made.len() {
                0 => "nothing found".to_owned(),
                1 => "deleted".to_owned(),
                count => format!("{count} deleted"),
            },
        ))
    }
}

impl Delete {
    /// The one way or the other to say what is meant.
    fn what(&self) -> Result<Target, String> {
        let which = match (&self.target, &self.kind, &self.name, &self.selector) {
            (Some(target), None, None, None) if self.namespace.is_none() => {
                return Ok(target.clone());
            }
            (None, Some(_), Some(name), None) => Which::Name(name.clone()),
            (None, Some(_), None, Some(selector)) => Which::Selector(selector.clone()),
            _ => {
                return Err("use either `target`, or `kind` with `name` or `selector`".to_owned());
            }
        };
        Ok(Target {
            kind: self.kind.clone().unwrap_or_default(),
            which,
            namespace: self.namespace.clone(),
        })
    }

    fn options(&self) -> Value {
        let mut options = json!({"propagationPolicy": self.propagation.text()});
        if let Some(grace) = self.grace_period {
            options["gracePeriodSeconds"] = json!(seconds(grace));
        }
        options
    }
}

/// Whole seconds, never less than was asked for.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.0.as_secs() + u64::from(duration.0.subsec_nanos() > 0)
}

/// The uids of the objects of a kind that the step has deleted or evicted.
pub(super) fn deleted_uids(context: &Context, kind: &str) -> BTreeSet<String> {
    let deleted = context.made.iter().filter(|change| {
        change.object.kind == kind && matches!(change.verb.as_str(), "delete" | "evict")
    });
    deleted
        .filter_map(|change| Some(change.before["metadata"]["uid"].as_str()?.to_owned()))
        .collect()
}

/// Waits until the objects of these uids are gone, and those that `also` counts among the ones that
/// were being deleted already.
///
/// # Errors
/// When they are still there at the deadline: which, and what holds them.
pub(super) async fn gone(
    context: &Context,
    resource: &Resource,
    namespace: Option<&str>,
    selection: &Selection,
    mut uids: BTreeSet<String>,
    also: impl Fn(&Value) -> bool + Send,
) -> Result<(), Failure> {
    let mut first = true;
    let judge = |objects: &BTreeMap<ObjectKey, Value>| {
        if std::mem::take(&mut first) {
            let deleting = objects.values().filter(|object| {
                !object["metadata"]["deletionTimestamp"].is_null() && also(object)
            });
            uids.extend(
                deleting.filter_map(|object| Some(object["metadata"]["uid"].as_str()?.to_owned())),
            );
        }
        let held = remaining(objects, &uids);
        if held.is_empty() {
            return ControlFlow::Break(());
        }
        (context.progress)(&format!("waiting for deletion: {}", held.join("; ")));
        ControlFlow::Continue(())
    };
    let waited = context
        .cluster()?
        .watch_until(resource, namespace, selection, context.deadline, judge)
        .await;
    match waited {
        Ok(()) => Ok(()),
        Err(WaitError::Timeout { last, waited, last_error }) => {
            let held = remaining(&last, &uids);
            Err(Failure::in_vain(
                format!("not deleted within {} s: {}", waited.as_secs(), held.join("; ")),
                last_error.as_deref(),
            ))
        }
        Err(WaitError::Failed(error)) => Err((*error).into()),
    }
}

/// The objects of these uids that are still there, with what holds them.
fn remaining(objects: &BTreeMap<ObjectKey, Value>, uids: &BTreeSet<String>) -> Vec<String> {
    let there = objects.iter().filter(|(_, object)| {
        object["metadata"]["uid"].as_str().is_some_and(|uid| uids.contains(uid))
    });
    let held = there.map(|(key, object)| {
        let finalizers: Vec<&str> = object["metadata"]["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match (finalizers.as_slice(), object["metadata"]["deletionTimestamp"].as_str()) {
            ([], None) => key.name.clone(),
            ([], Some(since)) => format!("{} must terminate by {since}", key.name),
            (held, _) => format!("{} has the finalizer {}", key.name, held.join(", ")),
        }
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delete(value: Value) -> Delete {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_meant_can_be_said_in_two_ways() {
        for (value, wanted) in [
            (json!({"target": "pod/a"}), Some("kubectl delete pod/a -n n --ignore-not-found")),
            (
                json!({"kind": "Pod", "name": "a", "namespace": "m", "optional": false}),
                Some("kubectl delete pod/a -n m"),
            ),
            (
                json!({"kind": "Job", "selector": "a=b", "wait": false, "propagation": "foreground",
                    "grace_period": "1500ms"}),
                Some(
                    "kubectl delete job -l a=b -n n --ignore-not-found --wait=false \
                        --cascade=foreground --grace-period=2",
                ),
            ),
            (json!({"target": "pod/a", "kind": "Pod"}), None),
            (json!({"kind": "Pod"}), None),
            (json!({"kind": "Pod", "selector": " "}), None),
            (json!({"kind": "Pod", "name": "a", "selector": "b=c"}), None),
        ] {
            let delete = delete(value.clone());
            assert_eq!(delete.check().is_ok(), wanted.is_some(), "{value}");
            if let Some(line) = wanted {
                assert_eq!(delete.manual_commands("n"), [line]);
            }
        }
        assert_eq!(
            delete(json!({"target": "pod/a", "grace_period": "0s"})).options(),
            json!({"propagationPolicy": "Background", "gracePeriodSeconds": 0})
        );
    }

    #[test]
    fn what_remains_is_named_with_its_finalizers() {
        let object = |name: &str, uid: &str, more: Value| {
            let mut metadata = json!({"name": name, "uid": uid});
            crate::compare::merge(&mut metadata, &more);
            (
                ObjectKey { namespace: "n".to_owned(), name: name.to_owned() },
                json!({"metadata": metadata}),
            )
        };
        let objects = BTreeMap::from([
            object(
                "a",
                "1",
                json!({"finalizers": ["x/y", "z"], "deletionTimestamp": "2026-01-01T00:00:00Z"}),
            ),
            object("b", "2", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})),
            object("c", "new", json!({})),
        ]);
        let uids = ["1", "2", "3"].map(str::to_owned).into();
        assert_eq!(
            remaining(&objects, &uids),
            ["a has the finalizer x/y, z", "b must terminate by 2026-01-01T00:00:00Z"]
        );
    }
}
