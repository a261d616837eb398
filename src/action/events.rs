//! `events`: reads the events about objects.

use super::support::fan_out::{quote, reading};
use super::{Access, Context, Duration, Failure, Output, Reach, Target, Verb, Which};
use crate::cluster::{PodsOf, Resource, Selection, builtin};
use crate::event::Effect;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reads events, oldest first. The output is `{items: [{time, type, reason, object, message,
/// count}]}`. For a workload or a Service, includes the events of its pods; for any other object,
/// built-in or custom, only its own. An object that does not exist and has no events is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Object, or selector of objects, to read events about: `deployment/NAME`, `pvc/NAME`,
    /// `node/NAME`, `certificates.cert-manager.io/NAME`. Defaults to the whole namespace.
    pub target: Option<Target>,
    /// Whether to read only events of type `Warning`.
    #[serde(default)]
    pub warnings: bool,
    /// Only events newer than this.
    pub since: Option<Duration>,
    /// Namespace; defaults to the namespace of the step. Events about cluster-scoped objects, such
    /// as nodes, are in `default`.
    pub namespace: Option<String>,
}

/// Kinds whose events include those of their pods.
const WITH_PODS: [&str; 9] = [
    "Pod",
    "Service",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
];
/// Where components put events about objects outside of namespaces.
const CLUSTER_EVENTS: &str = "default";

/// The objects whose events are asked for.
enum About {
    Everything,
    /// Objects of any kind with these names: a workload, its pods, and what stands between the two.
    Family(BTreeSet<String>),
    /// Objects of one kind.
    Kind(Resource, BTreeSet<String>),
}

impl Verb for Events {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.place(namespace);
        let mut all = match (&self.target, self.kind()) {
            (None, _) => Vec::new(),
            (Some(target), Some(kind)) if !WITH_PODS.contains(&kind.kind.as_str()) => {
                let (verb, name) = match &target.which {
                    Which::Name(name) => ("get", name.as_str()),
                    Which::Selector(_) => ("list", ""),
                };
                vec![reading(&kind, verb, place, name)]
            }
            (Some(target), Some(_)) => target.pod_permissions(place),
            // which permission a kind needs that is not built in, the cluster says
            (Some(_), None) => Vec::new(),
        };
        all.extend(builtin("Event").map(|kind| reading(&kind, "list", place, "")));
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let warnings = if self.warnings { " --types=Warning" } else { "" };
        let target = match self.target.as_ref().map(|target| (&target.which, target)) {
            Some((Which::Name(_), target)) => format!(" --for {}", target.kubectl()),
            _ => String::new(),
        };
        vec![format!("kubectl events -n {}{target}{warnings}", quote(self.place(namespace)))]
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let step = &context.namespace;
        let (events, about) = match &self.target {
            None => (cluster.events(self.place(step), None).await?, About::Everything),
            Some(target)
                if self.kind().is_some_and(|kind| WITH_PODS.contains(&kind.kind.as_str())) =>
            {
                let place = self.place(step);
                let (events, names) = futures::try_join!(
                    async { Ok(cluster.events(place, None).await?) },
                    family(context, target, place)
                )?;
                (events, About::Family(names))
            }
            Some(target) => self.of_kind(context, target).await?,
        };
        let oldest = self.since.and_then(|since| context.now.checked_sub(since.0).ok());
        let items: Vec<Value> =
            events.iter().filter(|event| self.wants(event, &about, oldest)).map(shown).collect();
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
    /// The kind of the target, where it is built in.
    fn kind(&self) -> Option<Resource> {
        builtin(&self.target.as_ref()?.kind)
    }

    fn place<'a>(&'a self, step: &'a str) -> &'a str {
        self.place_of(self.kind().as_ref(), step)
    }

    /// The namespace of the events: what is written, else where events about this kind are.
    fn place_of<'a>(&'a self, kind: Option<&Resource>, step: &'a str) -> &'a str {
        let written = self
            .target
            .as_ref()
            .and_then(|target| target.namespace.as_deref())
            .or(self.namespace.as_deref());
        written.unwrap_or(if kind.is_some_and(|kind| !kind.namespaced) {
            CLUSTER_EVENTS
        } else {
            step
        })
    }

    /// The events about objects of a kind without pods.
    async fn of_kind(
        &self,
        context: &Context,
        target: &Target,
    ) -> Result<(Vec<Value>, About), Failure> {
        let cluster = context.cluster()?;
        let kind = cluster.resolve(&target.kind).await?;
        let place = self.place_of(Some(&kind), &context.namespace);
        let events = cluster.events(place, None).await?;
        let names = match &target.which {
            Which::Name(name) => BTreeSet::from([name.clone()]),
            Which::Selector(selector) => {
                names(&cluster.list(&kind, Some(place), &Selection::labels(selector)).await?)
            }
        };
        if let Which::Name(name) = &target.which
            && !events.iter().any(|event| is_about(event, &kind, &names))
        {
            // no events about an object that is not there are no answer
            cluster.get(&kind, Some(place), name).await?;
        }
        Ok((events, About::Kind(kind, names)))
    }

    fn wants(&self, event: &Value, about: &About, oldest: Option<Timestamp>) -> bool {
        let is_meant = match about {
            About::Everything => true,
            About::Family(names) => {
                event["involvedObject"]["name"].as_str().is_some_and(|name| names.contains(name))
            }
            About::Kind(kind, names) => is_about(event, kind, names),
        };
        let young = oldest.is_none_or(|oldest| {
            time(event)
                .and_then(|time| time.parse::<Timestamp>().ok())
                .is_none_or(|time| time >= oldest)
        });
        is_meant && young && (!self.warnings || event["type"] == "Warning")
    }
}

/// Whether an event is about an object of this kind with one of these names. The version does not
/// matter, and not every component names the group. Nor does the uid: the kubelet writes the name
/// of its node there.
fn is_about(event: &Value, kind: &Resource, names: &BTreeSet<String>) -> bool {
    let object = &event["involvedObject"];
    let group = object["apiVersion"]
        .as_str()
        .filter(|text| !text.is_empty())
        .map(|text| text.split_once('/').map_or("", |(group, _)| group));
    object["kind"] == *kind.kind
        && group.is_none_or(|group| group == kind.group)
        && object["name"].as_str().is_some_and(|name| names.contains(name))
}

fn names(objects: &[Value]) -> BTreeSet<String> {
    objects
        .iter()
        .filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

/// The names of a target, of its pods, and of what stands between the two.
async fn family(
    context: &Context,
    target: &Target,
    place: &str,
) -> Result<BTreeSet<String>, Failure> {
    let own = match &target.which {
        Which::Name(name) => Some(name.clone()),
        Which::Selector(_) => None,
    };
    let cluster = context.cluster()?;
    let pods = target.pods()?;
    let is_selector_free = match &pods {
        PodsOf::Service(name) => {
            let service =
                builtin("Service").ok_or_else(|| Failure::error("services are unknown"))?;
            cluster.get(&service, Some(place), name).await?["spec"]["selector"]
                .as_object()
                .is_none_or(serde_json::Map::is_empty)
        }
        _ => false,
    };
    let pods = if is_selector_free {
        Vec::new()
    } else {
        cluster.pods_with_finished(&pods, place).await?
    };
    let owners = pods
        .iter()
        .flat_map(|pod| pod["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default());
    let owners: Vec<_> =
        owners.filter_map(|owner| owner["name"].as_str().map(str::to_owned)).collect();
    Ok(own.into_iter().chain(owners).chain(names(&pods)).collect())
}

/// When an event was last seen.
fn time(event: &Value) -> Option<&str> {
    [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ]
    .into_iter()
    .find_map(Value::as_str)
}

/// An event as an item.
pub(super) fn shown(event: &Value) -> Value {
    let object = &event["involvedObject"];
    let name = format!(
        "{}/{}",
        object["kind"].as_str().unwrap_or_default().to_lowercase(),
        object["name"].as_str().unwrap_or_default()
    );
    let count = event["series"]["count"].as_u64().or(event["count"].as_u64()).unwrap_or(1);
    json!({"time": time(event), "type": event["type"], "reason": event["reason"], "object": name,
        "message": event["message"].as_str().unwrap_or_default().trim(), "count": count})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(value: Value) -> Events {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_event_is_about_an_object_by_kind_group_and_name() {
        let names = BTreeSet::from(["data".to_owned()]);
        let claim = builtin("pvc").unwrap();
        for (object, wanted) in [
            (json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "name": "data"}), true),
            (json!({"kind": "PersistentVolumeClaim", "name": "data"}), true),
            (json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "name": "other"}), false),
            (
                json!({"kind": "PersistentVolumeClaim", "apiVersion": "storage.example/v1",
                    "name": "data"}),
                false,
            ),
            (json!({"kind": "Pod", "apiVersion": "v1", "name": "data"}), false),
        ] {
            assert_eq!(
                is_about(&json!({"involvedObject": object.clone()}), &claim, &names),
                wanted,
                "{object}"
            );
        }
        // another version than the one that is asked for
        let scaler = builtin("hpa").unwrap();
        let event = json!({"involvedObject": {"kind": "HorizontalPodAutoscaler",
            "apiVersion": "autoscaling/v1", "name": "data"}});
        assert!(is_about(&event, &scaler, &names));
        // what the kubelet writes of its node
        let event = json!({"involvedObject": {"kind": "Node", "name": "data", "uid": "data"}});
        assert!(is_about(&event, &builtin("node").unwrap(), &names));
    }

    #[test]
    fn where_the_events_are_and_what_a_person_would_type() {
        for (arguments, place, line) in [
            (json!({"target": "pvc/data"}), "shop", "kubectl events -n shop --for pvc/data"),
            (
                json!({"target": "node/n1", "warnings": true}),
                "default",
                "kubectl events -n default --for node/n1 --types=Warning",
            ),
            (
                json!({"target": "node/n1", "namespace": "ops"}),
                "ops",
                "kubectl events -n ops --for node/n1",
            ),
            (
                json!({"target": "certificates.cert-manager.io/a"}),
                "shop",
                "kubectl events -n shop --for certificates.cert-manager.io/a",
            ),
            (
                json!({"target": {"kind": "Ingress", "name": "a", "namespace": "web"}}),
                "web",
                "kubectl events -n web --for ingress/a",
            ),
        ] {
            let verb = events(arguments);
            assert_eq!(
                (verb.place("shop"), verb.manual_commands("shop")),
                (place, vec![line.to_owned()])
            );
        }
    }

    #[test]
    fn permissions_are_those_of_the_kind() {
        let short = |value: Value| {
            let all = events(value).permissions("n").into_iter();
            all.map(|access| {
                format!("{} {} {}/{}", access.verb, access.resource, access.namespace, access.name)
            })
            .collect::<Vec<_>>()
            .join(", ")
        };
        assert_eq!(
            short(json!({"target": "hpa/web"})),
            "get horizontalpodautoscalers n/web, list events n/"
        );
        assert_eq!(short(json!({"target": "node/a"})), "get nodes /a, list events default/");
        assert_eq!(
            short(json!({"target": {"kind": "PVC", "selector": "a=b"}})),
            "list persistentvolumeclaims n/, list events n/"
        );
        assert_eq!(short(json!({"target": "certificates.cert-manager.io/a"})), "list events n/");
    }
}
