//! `events`: what the cluster reports about objects.

use super::fan::{quote, reading};
use super::{Access, Context, Duration, Failure, Output, Target, Verb, Which};
use crate::cluster::builtin;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reads events, oldest first. The output is `{items: [{time, type, reason, object, message, count}]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Only events about this object, or about the objects that the selector matches. Without it: of the whole namespace.
    pub target: Option<Target>,
    /// Only events of type `Warning`.
    #[serde(default)]
    pub warnings: bool,
    /// Only events younger than this.
    pub since: Option<Duration>,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
}

impl Verb for Events {
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = self.target.as_ref().map(|target| target.pod_permissions(self.place(namespace))).unwrap_or_default();
        all.extend(builtin("Event").map(|kind| reading(&kind, "list", self.place(namespace), "")));
        all
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let warnings = if self.warnings { " --types=Warning" } else { "" };
        let target = match self.target.as_ref().map(|target| (&target.which, target)) {
            Some((Which::Name(_), target)) => format!(" --for {}", target.kubectl()),
            _ => String::new(),
        };
        vec![format!("kubectl events -n {}{target}{warnings}", quote(self.place(namespace)))]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let namespace = self.place(&context.namespace);
        let (events, names) = match &self.target {
            None => (cluster.events(namespace, None).await?, None),
            Some(target) => {
                let pods = async { Ok::<_, Failure>(cluster.pods_with_finished(&target.pods()?, namespace).await?) };
                let (events, pods) = futures::try_join!(async { Ok(cluster.events(namespace, None).await?) }, pods)?;
                (events, Some(about(target, &pods)))
            }
        };
        let oldest = self.since.and_then(|since| context.now.checked_sub(since.0).ok());
        let items: Vec<Value> = events.iter().filter(|event| self.wants(event, names.as_ref(), oldest)).map(shown).collect();
        let noun = if self.warnings { "warning" } else { "event" };
        let summary = match items.len() {
            0 => "none".to_owned(),
            1 => format!("1 {noun}"),
            many => format!("{many} {noun}s"),
        };
        Ok(Output::new(json!({ "items": items }), summary))
    }
}

impl Events {
    fn place<'a>(&'a self, step: &'a str) -> &'a str {
        let own = self.namespace.as_deref().unwrap_or(step);
        self.target.as_ref().map_or(own, |target| target.namespace(own))
    }

    fn wants(&self, event: &Value, names: Option<&BTreeSet<String>>, oldest: Option<Timestamp>) -> bool {
        let about = names.is_none_or(|names| event["involvedObject"]["name"].as_str().is_some_and(|name| names.contains(name)));
        let young = oldest.is_none_or(|oldest| time(event).and_then(|time| time.parse::<Timestamp>().ok()).is_none_or(|time| time >= oldest));
        about && young && (!self.warnings || event["type"] == "Warning")
    }
}

/// The names of a target, of its pods, and of what stands between the two.
fn about(target: &Target, pods: &[Value]) -> BTreeSet<String> {
    let own = match &target.which {
        Which::Name(name) => Some(name.clone()),
        Which::Selector(_) => None,
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let owners = pods.iter().flat_map(|pod| pod["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default());
    let owners: Vec<_> = owners.filter_map(|owner| text(&owner["name"])).collect();
    own.into_iter().chain(owners).chain(pods.iter().filter_map(|pod| text(&pod["metadata"]["name"]))).collect()
}

/// When an event was last seen.
fn time(event: &Value) -> Option<&str> {
    [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]].into_iter().find_map(Value::as_str)
}

fn shown(event: &Value) -> Value {
    let object = &event["involvedObject"];
    let name = format!("{}/{}", object["kind"].as_str().unwrap_or_default().to_lowercase(), object["name"].as_str().unwrap_or_default());
    let count = event["series"]["count"].as_u64().or(event["count"].as_u64()).unwrap_or(1);
    json!({"time": time(event), "type": event["type"], "reason": event["reason"], "object": name, "message": event["message"].as_str().unwrap_or_default().trim(), "count": count})
}
