//! `set_env`: sets and removes environment variables of the containers of a workload.

use super::support::change::{Change, Intent};
use super::support::fan_out::quote;
use super::support::{guard, workload};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Scalar, Target, Verb};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Sets and removes environment variables of the containers of a Deployment, StatefulSet,
/// DaemonSet, ReplicaSet or CronJob. Replaces an existing variable in place, including one with
/// `valueFrom`. To wait for the pods, use `then: {rollout: …}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetEnv {
    /// Workload: `deployment/NAME`.
    pub target: Target,
    /// Container; defaults to all containers, including init containers.
    pub container: Option<String>,
    /// Value of each variable; null removes the variable.
    pub env: IndexMap<String, Option<Scalar>>,
}

impl Verb for SetEnv {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        if self.env.is_empty() {
            return Err("`env` is empty: use `NAME: value`, or `NAME: null` to remove a variable"
                .to_owned());
        }
        check_names(self.env.keys())?;
        workload::check_target("set_env", &self.target, workload::TEMPLATED)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let container = self
            .container
            .as_deref()
            .map(|name| format!(" -c {}", quote(name)))
            .unwrap_or_default();
        let words = self.env.iter().map(|(name, value)| match value {
            Some(value) => quote(&format!("{name}={value}")),
            None => format!("{}-", quote(name)),
        });
        let words: Vec<String> = words.collect();
        vec![format!(
            "kubectl set env {} -n {}{container} {}",
            self.target.kubectl(),
            quote(self.target.namespace(namespace)),
            words.join(" ")
        )]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let mut wanted = found.object.clone();
        let template = wanted.pointer_mut(workload::template_of(&found.resource.kind));
        let edited = template.map_or_else(
            || Err("it has no pod template".to_owned()),
            |template| edit(template, self.container.as_deref(), &self.env),
        );
        edited.map_err(|reason| {
            Failure::new(FailureKind::Failed, format!("{}: {reason}", self.target))
        })?;
        let mut guards = workload::template_guards(&found.object);
        guards.extend(plaintext(&self.target.to_string(), &self.env));
        Ok(Some(Intent::of(
            Change::between(&found.resource, &found.object, &wanted, summary(&self.env)),
            guards,
        )))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

/// Names that a container can have in its environment.
pub(super) fn check_names<'a>(mut names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    match names.find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        Some(name) => Err(format!("`{name}` is not a valid environment variable name")),
        None => Ok(()),
    }
}

/// Refuses a change that would store a credential in plain text.
pub(super) fn plaintext(
    owner: &str,
    env: &IndexMap<String, Option<Scalar>>,
) -> Option<super::Guard> {
    let set = env.iter().filter_map(|(name, value)| {
        Some(json!({"name": name, "value": value.as_ref()?.to_string()}))
    });
    guard::plaintext(owner, &Value::Array(set.collect()))
}

/// Sets variables in a pod template: what kubectl does, at the place of the former value.
pub(super) fn edit(
    template: &mut Value,
    only: Option<&str>,
    env: &IndexMap<String, Option<Scalar>>,
) -> Result<(), String> {
    let there: Vec<String> = workload::containers(template)
        .map(|container| workload::name_of(container).to_owned())
        .collect();
    if let Some(missing) = only.filter(|only| !there.iter().any(|name| name == only)) {
        return Err(format!("container {missing} does not exist; available: {}", there.join(", ")));
    }
    for container in workload::containers(template)
        .filter(|container| only.is_none_or(|only| workload::name_of(container) == only))
    {
        let Some(fields) = container.as_object_mut() else { continue };
        let before = fields.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut after = before.clone();
        for (name, value) in env {
            let Some(value) = value else {
                after.retain(|entry| entry["name"] != name.as_str());
                continue;
            };
            let entry = json!({"name": name, "value": value.to_string()});
            let mut present =
                after.iter_mut().filter(|entry| entry["name"] == name.as_str()).peekable();
            if present.peek().is_none() {
                drop(present);
                after.push(entry);
            } else {
                // an empty value is left out by the server: the same
                present
                    .filter(|old| {
                        old.get("valueFrom").is_some()
                            || old["value"].as_str().unwrap_or_default() != entry["value"]
                    })
                    .for_each(|old| *old = entry.clone());
            }
        }
        if after == before {
            continue;
        }
        if after.is_empty() {
            fields.shift_remove("env");
        } else {
            fields.insert("env".to_owned(), Value::Array(after));
        }
    }
    Ok(())
}

/// Only the names: values may be confidential.
fn summary(env: &IndexMap<String, Option<Scalar>>) -> String {
    let names = |set: bool| {
        env.iter()
            .filter(|(_, value)| value.is_some() == set)
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (names(true).as_str(), names(false).as_str()) {
        (set, "") => format!("{set} set"),
        ("", removed) => format!("{removed} removed"),
        (set, removed) => format!("{set} set, {removed} removed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(value: Value) -> IndexMap<String, Option<Scalar>> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn variables_are_replaced_at_their_place_and_removed() {
        let from = json!({"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        let with = |env: Value| {
            json!({"spec": {"containers": [{"name": "a", "env": env}],
            "initContainers": [{"name": "i"}]}})
        };
        for (before, change, only, wanted, init) in [
            (
                json!([{"name": "A", "value": "1"}, from, {"name": "C"}]),
                json!({"B": 2}),
                None,
                json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C"}]),
                json!([{"name": "B", "value": "2"}]),
            ),
            (
                json!([{"name": "A"}]),
                json!({"A": ""}),
                Some("a"),
                json!([{"name": "A"}]),
                Value::Null,
            ),
            (
                json!([{"name": "A"}, {"name": "B"}]),
                json!({"A": null, "D": true}),
                Some("a"),
                json!([{"name": "B"}, {"name": "D", "value": "true"}]),
                Value::Null,
            ),
            (json!([{"name": "A"}]), json!({"A": null}), None, Value::Null, Value::Null),
        ] {
            let mut template = with(before);
            edit(&mut template, only, &env(change.clone())).unwrap();
            assert_eq!(template["spec"]["containers"][0]["env"], wanted, "{change}");
            assert_eq!(template["spec"]["initContainers"][0]["env"], init, "{change}");
            let once = template.clone();
            edit(&mut template, only, &env(change.clone())).unwrap();
            assert_eq!(template, once, "twice {change}");
        }
        assert_eq!(
            edit(&mut with(json!([])), Some("x"), &env(json!({"A": "1"}))).unwrap_err(),
            "container x does not exist; available: a, i"
        );
    }

    #[test]
    fn credentials_are_stopped_and_values_not_shown() {
        for (change, stopped, shown) in [
            (json!({"DB_PASSWORD": "x"}), true, "DB_PASSWORD set"),
            (json!({"DB_PASSWORD": null, "A": "b"}), false, "A set, DB_PASSWORD removed"),
            (json!({"LEVEL": "debug"}), false, "LEVEL set"),
        ] {
            assert_eq!(
                (
                    plaintext("d", &env(change.clone())).is_some(),
                    summary(&env(change.clone())).as_str()
                ),
                (stopped, shown),
                "{change}"
            );
        }
    }
}
