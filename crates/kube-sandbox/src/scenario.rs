//! Scenarios: states of a world, as data.
//!
//! A scenario is a YAML file in the directory `scenarios` of a world, named after the file.
//!
//! ```yaml
//! title: MySQL is scaled to zero                # one line
//! recorded: 2026-01-01T02:10:00Z                # when its objects were seen; their times are moved to now
//! description: The Service of MySQL has no endpoints, connections are refused.
//! changes:                                      # in this order, before anything is derived from the manifests
//! - patch: {kind: Deployment, namespace: shop, name: mysql}
//!   with: {spec: {replicas: 0}}                 # merged; null removes; lists of named elements merge by name
//! - delete: {kind: NetworkPolicy, namespace: shop, name: default-deny-all}
//! - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: more, namespace: shop}}
//! - pod: {of: web, namespace: shop, index: 2}   # a pod of this Deployment, by its place in the list
//!   with: {metadata: {labels: {database: null}}}
//! later:                                        # changes of the same kinds, made ten minutes ago in the running world,
//!                                               # or as long ago as `ago: 60s` says
//! - patch: {kind: Deployment, namespace: shop, name: web}
//!   with: {spec: {replicas: 1}}
//! requests:                                     # what pods were asked a minute ago
//! - {pod: {of: web, namespace: shop, index: 2}, port: 8080, request: PUT /config, json: {a: 1}}
//! unpullable: ["example/web:1.1"]               # images that exist and cannot be pulled
//! # or {image: "example/web:1.1", because: denied}, unreachable (the registry), not-found
//! renewed: [{kind: Lease, namespace: shop, name: job}]   # Leases that their holder, outside, keeps renewing
//! schedules: [{kind: CronJob, namespace: shop, name: report}]   # CronJobs that start their Jobs
//! deny:                                         # what the user may not do; everything else is allowed
//! - {group: "", resources: [pods/exec], verbs: [create, get], namespaces: [shop]}   # no verbs: all; no namespaces: all
//! server: down                                  # nothing listens at the address of the kubeconfig; unready: a check fails
//! metrics: absent                               # there is no API of metrics: autoscalers get none
//! then:                                         # changes while the sandbox runs, so long after its start
//! - {after: 20s, patch: {kind: Deployment, namespace: shop, name: web}, with: {spec: {replicas: 3}}}
//! faults:                                       # what requests are answered with, instead of what is true
//! - {verbs: [list], resources: [pods], status: 500, times: 2}   # no times: always
//! - {verbs: [watch], resources: [deployments], cut: true}       # no answer: the connection is cut
//! - {verbs: [get], resources: [pods/log], delay: 5s}            # the answer, later
//! apps:                                         # what processes do otherwise, see `app/format.rs`
//! - app: web
//!   values: {stock: "{'ok': false, 'error': 'timeout'}"}        # instead of those of the app
//!   routes: [{route: GET /health, status: 500}]                 # before those of the app
//!   logs: [{after: 1, every: 5, text: ERROR}]                   # besides those of the app
//! ```
//!
//! A scenario declares only causes. Their consequences (a lost connection, a log line, a missing
//! series) follow from the simulation.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::app::{Apps, Otherwise};
use crate::controllers::{Because, Images};
use crate::world::{Place, WorldFault, checked, unreadable};

/// How long ago the later changes of a scenario were made, unless they say so.
const LATER: SignedDuration = SignedDuration::from_secs(600);

/// The entry of a scenario in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioInfo {
    /// Its name.
    pub name: String,
    /// Its title, one line.
    pub title: String,
    /// The injected cause and its consequences.
    pub description: String,
}

/// A state of a world.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its file.
    pub(crate) place: Place,
    title: String,
    description: String,
    /// The scenario that it goes on from.
    pub(crate) based_on: Option<String>,
    pub(crate) changes: Vec<Change>,
    /// With how long ago they were made; the longest ago first.
    pub(crate) later: Vec<(SignedDuration, Change)>,
    pub(crate) requests: Vec<Asked>,
    pub(crate) unpullable: Images,
    pub(crate) renewed: Vec<Reference>,
    pub(crate) schedules: Vec<Reference>,
    pub(crate) deny: Vec<Denial>,
    pub(crate) server: Option<ServerState>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) then: Vec<(SignedDuration, Change)>,
    pub(crate) faults: Vec<ApiFault>,
    pub(crate) apps: Vec<Otherwise>,
    /// When the objects were as they are declared.
    pub(crate) recorded: Option<Timestamp>,
}

/// An image that exists and cannot be pulled.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected the name of an image, or {image, because}")]
enum Unpullable {
    Missing(String),
    Refused { image: String, because: Because },
}

impl Unpullable {
    fn named(self) -> (String, Because) {
        match self {
            Self::Missing(image) => (image, Because::default()),
            Self::Refused { image, because } => (image, because),
        }
    }
}

/// One change on the world, and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

/// What a change is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Patch(Reference, Value),
    Pod(PodReference, Value),
    Delete(Reference),
    Apply(Value),
}

/// The file of a scenario.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// One line.
    title: String,
    /// The injected cause and its consequences.
    description: String,
    /// Name of the scenario that it goes on from.
    based_on: Option<String>,
    /// Changes on the manifests, before anything runs.
    #[serde(default)]
    #[cfg_attr(feature = "schemars", schemars(with = "Vec<WrittenChange>"))]
    changes: Vec<Spanned<WrittenChange>>,
    /// Changes that were made later, before the world begins; each with `ago`, by default 10 minutes.
    #[serde(default)]
    #[cfg_attr(feature = "schemars", schemars(with = "Vec<WrittenChange>"))]
    later: Vec<Spanned<WrittenChange>>,
    /// Requests that pods have had.
    #[serde(default)]
    requests: Vec<Asked>,
    /// Images that cannot be pulled.
    #[serde(default)]
    unpullable: Vec<Unpullable>,
    /// Leases that somebody outside of the cluster renews.
    #[serde(default)]
    renewed: Vec<Reference>,
    /// CronJobs whose schedule is followed.
    #[serde(default)]
    schedules: Vec<Reference>,
    /// What the user may not do.
    #[serde(default)]
    deny: Vec<Denial>,
    /// What is wrong with the API server.
    server: Option<ServerState>,
    /// Whether there is a metrics server.
    metrics: Option<Metrics>,
    /// Changes while the world runs, each `after` so long.
    #[serde(default)]
    #[cfg_attr(feature = "schemars", schemars(with = "Vec<WrittenChange>"))]
    then: Vec<Spanned<WrittenChange>>,
    /// Requests that are answered otherwise than is true.
    #[serde(default)]
    #[cfg_attr(feature = "schemars", schemars(with = "Vec<ApiFault>"))]
    faults: Vec<Spanned<ApiFault>>,
    /// What processes do otherwise.
    #[serde(default)]
    apps: Vec<Otherwise>,
    /// When the objects were as they are declared, if they were recorded from a cluster.
    recorded: Option<When>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct WrittenChange {
    after: Option<After>,
    ago: Option<After>,
    patch: Option<Reference>,
    pod: Option<PodReference>,
    with: Option<Value>,
    delete: Option<Reference>,
    apply: Option<Value>,
}

impl WrittenChange {
    fn kind(self, namespace: &str) -> Result<Kind, String> {
        let Self { after: _, ago: _, patch, pod, with, delete, apply } = self;
        match (patch, pod, delete, apply, with) {
            (Some(reference), None, None, None, Some(patch)) => Ok(Kind::Patch(reference, patch)),
            (None, Some(pod), None, None, Some(patch)) => Ok(Kind::Pod(pod, patch)),
            (None, None, Some(reference), None, None) => Ok(Kind::Delete(reference)),
            (None, None, None, Some(manifest), None) => {
                checked(manifest, namespace).map(Kind::Apply)
            }
            _ => Err("a change is one of `patch` and `with`, `pod` and `with`, `delete`, `apply`; write \
                each change as an element of its own"
                .to_owned()),
        }
    }
}

impl Scenario {
    /// The state in which a world is as its manifests make it.
    pub(crate) fn healthy() -> Self {
        Self {
            place: Place::file("scenarios"),
            title: "Everything works".to_owned(),
            description: "The world as its manifests make it.".to_owned(),
            based_on: None,
            changes: Vec::new(),
            later: Vec::new(),
            requests: Vec::new(),
            unpullable: Images::new(),
            renewed: Vec::new(),
            schedules: Vec::new(),
            deny: Vec::new(),
            server: None,
            metrics: None,
            then: Vec::new(),
            faults: Vec::new(),
            apps: Vec::new(),
            recorded: None,
        }
    }

    /// The same after what this one does.
    #[must_use]
    pub(crate) fn after(self, base: &Self) -> Self {
        fn all<T: Clone>(base: &[T], own: Vec<T>) -> Vec<T> {
            base.iter().cloned().chain(own).collect()
        }
        let mut later = all(&base.later, self.later);
        later.sort_by_key(|(ago, _)| -*ago);
        let mut then = all(&base.then, self.then);
        then.sort_by_key(|(after, _)| *after);
        Self {
            based_on: None,
            changes: all(&base.changes, self.changes),
            later,
            requests: all(&base.requests, self.requests),
            unpullable: base.unpullable.clone().into_iter().chain(self.unpullable).collect(),
            renewed: all(&base.renewed, self.renewed),
            schedules: all(&base.schedules, self.schedules),
            deny: all(&base.deny, self.deny),
            server: self.server.or(base.server),
            metrics: self.metrics.or(base.metrics),
            then,
            // what is said first counts first
            faults: all(&self.faults, base.faults.clone()),
            apps: all(&base.apps, self.apps),
            recorded: self.recorded.or(base.recorded),
            ..self
        }
    }

    /// Reads the file of a scenario.
    pub(crate) fn read(file: &str, text: &str, namespace: &str) -> Result<Self, WorldFault> {
        let written: Written =
            serde_saphyr::from_str(text).map_err(|error| unreadable(file, &error))?;
        let change = |written: Spanned<WrittenChange>| {
            let place = Place::at(file, written.referenced);
            if written.value.after.is_some() {
                return Err(place.fault("`after` belongs to the changes of `then`"));
            }
            let ago = written.value.ago.map(|After(ago)| ago);
            let kind = written.value.kind(namespace).map_err(|reason| place.fault(reason))?;
            Ok((ago, Change { kind, place }))
        };
        let changes = written.changes.into_iter().map(|written| match change(written)? {
            (None, change) => Ok(change),
            (Some(_), change) => Err(change.place.fault("`ago` belongs to the changes of `later`")),
        });
        let changes = changes.collect::<Result<Vec<_>, WorldFault>>()?;
        let later = written.later.into_iter().map(|written| {
            let (ago, change) = change(written)?;
            Ok((ago.unwrap_or(LATER), change))
        });
        let mut later = later.collect::<Result<Vec<_>, WorldFault>>()?;
        later.sort_by_key(|(ago, _)| -*ago);
        let then = written.then.into_iter().map(|change| {
            let place = Place::at(file, change.referenced);
            let Some(After(after)) = change.value.after else {
                return Err(place.fault("a change of `then` says when it is made: `after: 20s`"));
            };
            let kind = change.value.kind(namespace).map_err(|reason| place.fault(reason))?;
            Ok((after, Change { kind, place }))
        });
        let mut then = then.collect::<Result<Vec<_>, WorldFault>>()?;
        then.sort_by_key(|(after, _)| *after);
        let faults = written.faults.into_iter().map(|fault| {
            let place = Place::at(file, fault.referenced);
            fault.value.checked().map_err(|reason| place.fault(reason))
        });
        let faults = faults.collect::<Result<Vec<_>, WorldFault>>()?;
        Apps::check(file, &written.apps)?;
        Ok(Self {
            place: Place::file(file),
            title: written.title,
            description: written.description,
            based_on: written.based_on,
            changes,
            later,
            requests: written.requests,
            unpullable: written.unpullable.into_iter().map(Unpullable::named).collect(),
            renewed: written.renewed,
            schedules: written.schedules,
            deny: written.deny,
            server: written.server,
            metrics: written.metrics,
            then,
            faults,
            apps: written.apps,
            recorded: written.recorded.map(|When(at)| at),
        })
    }

    /// What a list shows of it.
    pub(crate) fn info(&self, name: &str) -> ScenarioInfo {
        ScenarioInfo {
            name: name.to_owned(),
            title: self.title.clone(),
            description: self.description.trim().to_owned(),
        }
    }
}

/// A request that was sent to a pod.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) pod: PodReference,
    pub(crate) port: u16,
    /// `METHOD /path`.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) json: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct PodReference {
    pub(crate) of: String,
    pub(crate) namespace: String,
    pub(crate) index: usize,
}

/// What the user may not do.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Denial {
    #[serde(default)]
    group: String,
    /// With their subresource: `pods/exec`; `*` for all.
    resources: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    namespaces: Vec<String>,
}

/// A while, written as `20s`, `5m` or `1h30m`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
pub(crate) struct After(
    #[cfg_attr(feature = "schemars", schemars(with = "String"))] pub(crate) SignedDuration,
);

impl TryFrom<String> for After {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let while_ = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
        if while_.is_negative() { Err(format!("{text} is in the past")) } else { Ok(Self(while_)) }
    }
}

/// A time, as the API writes it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
struct When(#[cfg_attr(feature = "schemars", schemars(with = "String"))] Timestamp);

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("{text} is no time such as 2026-01-01T02:10:00Z"))
    }
}

/// What a request is answered with, instead of what is true.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiFault {
    #[serde(default)]
    verbs: Vec<String>,
    /// With their subresource: `pods/log`; `*` for all.
    resources: Vec<String>,
    #[serde(default)]
    namespaces: Vec<String>,
    /// How many requests meet it; all when absent.
    pub(crate) times: Option<usize>,
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) cut: bool,
    pub(crate) delay: Option<After>,
}

impl ApiFault {
    fn checked(self) -> Result<Self, String> {
        match (self.status, self.cut, &self.delay) {
            (Some(status), true, _) => {
                Err(format!("a connection that is cut has no status {status}"))
            }
            (Some(status), ..) if !(400..600).contains(&status) => {
                Err(format!("{status} is no status of an error: 400 to 599"))
            }
            (None, false, None) => {
                Err("a fault is one of `status`, `cut: true`, `delay`".to_owned())
            }
            _ => Ok(self),
        }
    }

    /// Whether it meets such a request.
    pub(crate) fn meets(&self, verb: &str, resource: &str, namespace: &str) -> bool {
        let named = |list: &[String], what: &str| list.iter().any(|one| one == what);
        (self.verbs.is_empty() || named(&self.verbs, verb))
            && (named(&self.resources, resource) || named(&self.resources, "*"))
            && (self.namespaces.is_empty() || named(&self.namespaces, namespace))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServerState {
    Down,
    /// It answers, and says that it is not ready.
    Unready,
}

/// Whether somebody measures what pods use, for autoscalers and `top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metrics {
    Absent,
}

impl Denial {
    pub(crate) fn forbids(&self, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
        self.group == group
            && self.resources.iter().any(|denied| denied == resource || denied == "*")
            && (self.verbs.is_empty() || self.verbs.iter().any(|denied| denied == verb))
            && (self.namespaces.is_empty()
                || self.namespaces.iter().any(|denied| denied == namespace))
    }
}
