//! `wait`: watches objects until a condition holds.

use super::fan::{quote, reading};
use super::{Access, Context, Failure, FailureKind, JqText, Output, Verb};
use crate::cluster::rollout::{Rollout, rollout_status};
use crate::cluster::{Resource, Selection, WaitError, builtin, pod};
use crate::expression::{self, Bindings, Budget, EvalErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Watches objects until a condition holds or the step's `timeout` ends. Ends early in a state from which it cannot become true.
/// With `name` the condition's `.` and the output is the object (null while it does not exist); otherwise `{items: [...]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Kind: `Pod`, `deployment`, `job`, …
    pub kind: String,
    /// Name of one object. It need not exist yet.
    pub name: Option<String>,
    /// Label selector.
    pub selector: Option<String>,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
    /// The condition to wait for.
    pub until: Option<JqText>,
    /// Wait until there is no such object. An absent one passes at once.
    #[serde(default)]
    pub absent: bool,
}

impl Verb for Wait {
    fn check(&self) -> Result<(), String> {
        match (&self.until, self.absent) {
            (Some(_), true) => Err("either `until` a condition holds, or until `absent`".to_owned()),
            (None, false) => Err("needs a condition in `until`, or `absent: true`".to_owned()),
            _ if self.name.is_some() && self.selector.is_some() => Err("either one object by `name` or several by `selector`".to_owned()),
            _ => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(resource) = builtin(&self.kind) else { return Vec::new() };
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        ["list", "watch"].iter().map(|verb| reading(&resource, verb, namespace, "")).collect()
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let what = match (&self.name, &self.selector) {
            (Some(name), _) => format!("{}/{}", self.kind.to_ascii_lowercase(), quote(name)),
            (None, Some(selector)) => format!("{} -l {}", self.kind.to_ascii_lowercase(), quote(selector)),
            (None, None) => self.kind.to_ascii_lowercase(),
        };
        let place = quote(self.namespace.as_deref().unwrap_or(namespace));
        match &self.until {
            None => vec![format!("kubectl wait -n {place} {what} --for=delete")],
            Some(until) => vec![format!("kubectl get -n {place} {what} -o json --watch   # until {}", until.0)],
        }
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.kind).await?;
        let namespace = self.namespace.as_deref().unwrap_or(&context.namespace);
        let selection = match &self.name {
            Some(name) => Selection::name(name),
            None => Selection { labels: self.selector.clone(), fields: None },
        };
        let until = self.until.as_ref().map(|until| expression::compile(&until.0, VARIABLES)).transpose().map_err(|error| Failure::error(error.message))?;
        let waited = cluster
            .watch_until(&resource, Some(namespace), &selection, context.deadline, |objects| {
                let view = self.view(objects.values(), &resource);
                context.masker.learn_object(&view);
                match until.as_ref() {
                    None if objects.is_empty() => return ControlFlow::Break(Ok(view)),
                    None => {}
                    Some(until) => match until.condition(&view, &Bindings::new(), Budget::default()) {
                        Ok(true) => return ControlFlow::Break(Ok(view)),
                        Ok(false) => {}
                        // an object that is still being made lacks fields
                        Err(error) if matches!(error.kind, EvalErrorKind::NotBoolean | EvalErrorKind::Runtime | EvalErrorKind::NotOne) => {}
                        Err(error) => return ControlFlow::Break(Err(Failure::error(format!("`until` cannot be judged: {error}")))),
                    },
                }
                if let Some(reason) = objects.values().find_map(pod::terminal).filter(|_| !self.absent) {
                    return ControlFlow::Break(Err(Failure::new(FailureKind::Failed, format!("waiting makes no sense: {reason}"))));
                }
                (context.progress)(&format!("waiting for {}: {}", self.what(), last_seen(objects.values())));
                ControlFlow::Continue(())
            })
            .await;
        match waited {
            Ok(Ok(view)) => Ok(Output::new(view, if self.absent { "absent" } else { "so" })),
            Ok(Err(failure)) => Err(failure),
            Err(WaitError::Timeout { last, waited, last_error }) => {
                let fresh = last_error.map(|error| format!(" (not fresh: {error})")).unwrap_or_default();
                Err(Failure::new(FailureKind::TimedOut, format!("not so within {} s; last seen: {}{fresh}", waited.as_secs(), last_seen(last.values()))))
            }
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}

/// The names that jq programs may use; a wait has only its own objects.
const VARIABLES: &[&str] = &["params", "steps", "findings", "run", "item"];

impl Wait {
    /// What is waited for, in a few words.
    fn what(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        match (&self.name, &self.selector) {
            (Some(name), _) => format!("{kind}/{name}"),
            (None, Some(selector)) => format!("{kind} -l {selector}"),
            (None, None) => kind,
        }
    }

    fn view<'a>(&self, objects: impl Iterator<Item = &'a Value>, resource: &Resource) -> Value {
        let mut objects = objects.cloned().map(|mut object| {
            super::counter::write_out(&mut object, resource);
            object
        });
        match self.name {
            Some(_) => objects.next().unwrap_or_default(),
            None => json!({"items": objects.collect::<Vec<_>>()}),
        }
    }
}

/// Objects in a few words: pods by their status, workloads by their rollout, others by their conditions.
fn last_seen<'a>(objects: impl Iterator<Item = &'a Value>) -> String {
    let all: Vec<String> = objects
        .map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let state = match object["kind"].as_str() {
                Some("Pod") => pod::pod_status(object),
                Some("Deployment" | "StatefulSet" | "DaemonSet") => match rollout_status(object) {
                    Rollout::Done => "rolled out".to_owned(),
                    Rollout::Waiting(reason) | Rollout::Failed(reason) => reason,
                },
                _ => {
                    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                    let shown: Vec<_> = conditions.iter().filter_map(|condition| Some(format!("{}={}", condition["type"].as_str()?, condition["status"].as_str()?))).collect();
                    if shown.is_empty() { "there".to_owned() } else { shown.join(" ") }
                }
            };
            format!("{name}: {state}")
        })
        .collect();
    match all.as_slice() {
        [] => "nothing there".to_owned(),
        [first, second, third, rest @ ..] if !rest.is_empty() => format!("{first}; {second}; {third}; {} more", rest.len()),
        few => few.join("; "),
    }
}
