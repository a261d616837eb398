//! `describe`: one object with everything that explains it.

use super::diagnose;
use super::events;
use super::support::fan_out::{quote, reading};
use super::support::relation::{edges, family, owners};
use super::support::snapshot;
use super::{Access, Context, Failure, Output, Reach, Target, Verb, Which};
use crate::cluster::{Cluster, builtin, sort_events};
use crate::diagnosis::object::{array, name, text};
use crate::diagnosis::pod::{containers, is_ready, pod_status, restarts};
use crate::diagnosis::{Object, Snapshot};
use crate::event::Effect;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most pods and events that are listed.
const MOST: usize = 50;

/// Describes an object. The output is `{target, object, conditions: [{type, status, reason, message,
/// since}], owners: [OBJECT], pods: [{pod, status, ready, restarts, node}], causes: [CAUSE], events:
/// [{time, type, reason, object, message, count}], last_words: [{pod, container, text}]}`. `object`
/// is without managed fields, and of a Secret without values. `causes` are those that `diagnose`
/// names for the object; `events` are those of the object, what it owns and what owns it, oldest
/// first, the last 50; `last_words` are the last lines of containers that crash. Example: `describe:
/// {target: deployment/web}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Describe {
    /// Object of any kind: `deployment/NAME`, `pod/NAME`, `node/NAME`,
    /// `certificates.cert-manager.io/NAME`.
    pub target: Target,
}

impl Verb for Describe {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    /// What it cannot do without. What else may not be read is not looked at.
    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(kind) = builtin(&self.target.kind) else { return Vec::new() };
        let place = self.target.namespace(namespace);
        let name = self.target.asked();
        let pods = builtin("Pod").filter(|_| kind.namespaced);
        let pods = pods.map(|pods| reading(&pods, "list", place, ""));
        [reading(&kind, "get", place, name)].into_iter().chain(pods).collect()
    }

    fn check(&self) -> Result<(), String> {
        self.target.one_object()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(self.target.namespace(namespace));
        vec![format!("kubectl describe -n {place} {}", self.target.kubectl())]
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let place = self.target.namespace(&context.namespace);
        let Which::Name(wanted) = &self.target.which else {
            return Err(Failure::error("`target` must name one object"));
        };
        let kind = cluster.resolve(&self.target.kind).await?;
        let mut object = cluster.get(&kind, Some(place), wanted).await?;
        let target = Object::named(&kind.kind, if kind.namespaced { place } else { "" }, wanted);
        let snapshot = if kind.namespaced {
            snapshot::of_namespace(context, place, Some(&target)).await?
        } else {
            of_cluster(cluster, &object).await?
        };
        if kind.kind == "Secret" {
            hide(context, &mut object);
        }
        let causes = diagnose::causes(&snapshot, &target, context.now);
        let summary = match &causes[..] {
            [] => "nothing found".to_owned(),
            [one] => text(&one["cause"]).to_owned(),
            many => format!("{} causes", many.len()),
        };
        let mut output = around(&snapshot, &object, &target);
        output["causes"] = causes.into();
        output["object"] = trimmed(object);
        Ok(Output::new(output, summary))
    }
}

/// An object outside of namespaces, with the events about it.
async fn of_cluster(cluster: &Cluster, object: &Value) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot::default();
    snapshot.add(text(&object["kind"]), [object.clone()]);
    let about = (text(&object["kind"]), name(object));
    match cluster.events("default", Some(about)).await {
        Ok(events) => snapshot.add("Event", events),
        Err(error) => snapshot.unread("Event", error.message),
    }
    Ok(snapshot)
}

/// Keeps the values of a Secret out of everything that is said from now on.
fn hide(context: &Context, secret: &mut Value) {
    context.masker.learn_object(secret);
    for value in secret["data"].as_object_mut().into_iter().flatten().map(|(_, value)| value) {
        let bytes = STANDARD.decode(text(value)).unwrap_or_default();
        *value = format!("{} bytes", bytes.len()).into();
    }
}

/// An object without bookkeeping. What was last applied is the object once more, and of a Secret
/// its values.
fn trimmed(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| !matches!(key.as_str(), "resourceVersion" | "selfLink"));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

/// What is told of an object besides itself.
fn around(snapshot: &Snapshot, object: &Value, target: &Object) -> Value {
    let edges = edges(snapshot);
    let chain = owners(&edges, target);
    let own = family(&edges, target);
    let near: BTreeSet<&Object> = chain.iter().chain(&own).collect();
    let conditions: Vec<Value> = array(&object["status"]["conditions"])
        .map(|one| {
            json!({"type": one["type"], "status": one["status"], "reason": one["reason"],
                "message": one["message"], "since": one["lastTransitionTime"]})
        })
        .collect();
    let pods: Vec<&Value> =
        snapshot.of("Pod").iter().filter(|pod| own.contains(&Object::of(pod))).collect();
    let words: Vec<Value> = pods
        .iter()
        .flat_map(|pod| containers(pod).into_iter().map(move |container| (name(pod), container)))
        .filter_map(|(pod, container)| {
            let text = snapshot.last_words(pod, &container)?;
            Some(json!({"pod": pod, "container": container, "text": text}))
        })
        .collect();
    let mut events: Vec<Value> = snapshot
        .of("Event")
        .iter()
        .filter(|event| {
            let about = &event["involvedObject"];
            near.iter()
                .any(|one| one.kind == text(&about["kind"]) && one.name == text(&about["name"]))
        })
        .cloned()
        .collect();
    sort_events(&mut events);
    let old = events.len().saturating_sub(MOST);
    let events: Vec<Value> = events.iter().skip(old).map(events::shown).collect();
    let pods: Vec<Value> = pods.into_iter().take(MOST).map(pod).collect();
    json!({"target": target.to_string(), "object": null, "conditions": conditions,
        "owners": chain, "pods": pods, "causes": [], "events": events, "last_words": words})
}

fn pod(pod: &Value) -> Value {
    json!({"pod": name(pod), "status": pod_status(pod), "ready": is_ready(pod),
        "restarts": restarts(pod), "node": pod["spec"]["nodeName"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_with_its_family_and_nothing_else() {
        let owned = |kind: &str, name: &str, owner: (&str, &str)| {
            json!({"kind": kind, "metadata": {"name": name, "namespace": "shop",
                "ownerReferences": [{"kind": owner.0, "name": owner.1, "controller": true}]}})
        };
        let event = |kind: &str, name: &str, time: &str| {
            json!({"kind": "Event", "metadata": {"name": time, "namespace": "shop"},
                "reason": "R", "lastTimestamp": format!("2026-01-01T00:00:{time}Z"),
                "involvedObject": {"kind": kind, "name": name}})
        };
        let mut pod = owned("Pod", "web-1-a", ("ReplicaSet", "web-1"));
        pod["spec"] = json!({"containers": [{"name": "main"}]});
        let web = json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "R",
                "message": "m", "lastTransitionTime": "T"}]}});
        let mut snapshot: Snapshot = [
            web.clone(),
            owned("ReplicaSet", "web-1", ("Deployment", "web")),
            pod,
            owned("Pod", "other", ("ReplicaSet", "other-1")),
            event("Pod", "web-1-a", "03"),
            event("Deployment", "web", "01"),
            event("Pod", "other", "02"),
        ]
        .into_iter()
        .collect();
        snapshot.add_last_words("web-1-a", "main", "no database");
        let found = around(&snapshot, &web, &Object::named("Deployment", "shop", "web"));
        assert_eq!(
            found["conditions"],
            json!([{"type": "Available", "status": "False", "reason": "R", "message": "m",
                "since": "T"}])
        );
        let about: Vec<&str> = array(&found["events"]).map(|one| text(&one["object"])).collect();
        assert_eq!(about, ["deployment/web", "pod/web-1-a"]);
        assert_eq!(found["pods"][0]["pod"], "web-1-a");
        assert_eq!(found["last_words"][0]["text"], "no database");
        let found = around(&snapshot, &Value::Null, &Object::named("Pod", "shop", "web-1-a"));
        let above: Vec<&str> = array(&found["owners"]).map(|one| text(&one["name"])).collect();
        assert_eq!(above, ["web-1", "web"]);
    }

    #[test]
    fn a_secret_is_told_without_its_values() {
        let context = crate::action::support::real_pods::context(None, "shop");
        let mut secret = json!({"kind": "Secret", "metadata": {"name": "s", "resourceVersion": "1", "annotations":
            {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0LXZhbHVl"}},
            "data": {"k": STANDARD.encode("secret-value-of-k")}});
        hide(&context, &mut secret);
        let shown = trimmed(secret);
        assert_eq!(shown["data"]["k"], "17 bytes");
        assert_eq!(shown["metadata"], json!({"name": "s", "annotations": {}}));
        assert!(!context.masker.mask("it is secret-value-of-k").contains("secret-value-of-k"));
    }
}
