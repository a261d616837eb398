//! `set_env`: environment variables of containers.

use super::change::{Change, Intent};
use super::fan::quote;
use super::{Access, Context, Failure, FailureKind, Target, Verb, guard, workload};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Sets or takes away environment variables of a workload. A variable that is there is replaced in its place, also one that came from a
/// Secret or ConfigMap. Values of credentials do not belong here: refer to a Secret with `patch` or `apply`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetEnv {
    /// The workload: `deployment/NAME`.
    pub target: Target,
    /// Only this container; all if absent, init containers included.
    pub container: Option<String>,
    /// Value by variable; null takes one away.
    pub env: BTreeMap<String, Option<String>>,
}

impl Verb for SetEnv {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("set_env", &self.target, workload::TEMPLATED)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let words: Vec<_> = self
            .env
            .iter()
            .map(|(name, value)| match value {
                Some(value) => quote(&format!("{name}={value}")),
                None => format!("{name}-"),
            })
            .collect();
        let only = self.container.as_ref().map(|container| format!(" -c {}", quote(container))).unwrap_or_default();
        vec![format!("kubectl set env {} -n {}{only} {}", self.target.kubectl(), quote(self.target.namespace(namespace)), words.join(" "))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let found = workload::find(context, &self.target).await?;
        let mut wanted = found.object.clone();
        let Some(template) = wanted.pointer_mut(workload::template_of(&found.resource.kind)) else {
            return Err(Failure::error(format!("{} has no pod template", self.target)));
        };
        set(template, self.container.as_deref(), &self.env).map_err(|reason| Failure::new(FailureKind::Failed, format!("{}: {reason}", self.target)))?;
        let mut guards = workload::template_guards(&found.object);
        let given: Vec<Value> = self.env.iter().filter_map(|(name, value)| Some(json!({"name": name, "value": value.as_ref()?}))).collect();
        guards.extend(guard::manifest(&json!({"kind": found.resource.kind, "metadata": {"name": found.object["metadata"]["name"]}, "env": given})));
        let names: Vec<&str> = self.env.keys().map(String::as_str).collect();
        Ok(Some(Intent::of(Change::between(&found.resource, &found.object, &wanted, format!("env {}", names.join(", "))), guards)))
    }
}

fn set(template: &mut Value, only: Option<&str>, env: &BTreeMap<String, Option<String>>) -> Result<(), String> {
    let mut known = Vec::new();
    let mut met = false;
    for list in ["initContainers", "containers"] {
        for container in template["spec"][list].as_array_mut().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            if only.is_none_or(|only| only == name) {
                met = true;
                let mut variables = container["env"].as_array().cloned().unwrap_or_default();
                let had = container["env"].is_array();
                for (name, value) in env {
                    let place = variables.iter().position(|variable| variable["name"] == name.as_str());
                    match (value, place) {
                        (Some(value), Some(place)) => variables[place] = json!({"name": name, "value": value}),
                        (Some(value), None) => variables.push(json!({"name": name, "value": value})),
                        (None, Some(_)) => variables.retain(|variable| variable["name"] != name.as_str()),
                        (None, None) => {}
                    }
                }
                if had || !variables.is_empty() {
                    container["env"] = Value::Array(variables);
                }
            }
            known.push(name);
        }
    }
    if met { Ok(()) } else { Err(format!("there is no container {}; there are {}", only.unwrap_or_default(), known.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_in_their_place_added_and_taken_away() {
        let mut template = json!({"spec": {"containers": [
            {"name": "a", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "Y", "value": "1"}]}, {"name": "b"}]}});
        let env = BTreeMap::from([("X".to_owned(), Some("2".to_owned())), ("Y".to_owned(), None), ("Z".to_owned(), Some("3".to_owned()))]);
        set(&mut template, Some("a"), &env).unwrap();
        assert_eq!(template["spec"]["containers"][0]["env"], json!([{"name": "X", "value": "2"}, {"name": "Z", "value": "3"}]));
        assert!(template["spec"]["containers"][1]["env"].is_null());
        assert_eq!(set(&mut template, Some("c"), &env).unwrap_err(), "there is no container c; there are a, b");
    }
}
