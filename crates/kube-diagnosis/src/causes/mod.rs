//! One file for each sort of object: which causes it can carry, and how they are seen.

mod address;
mod alias;
mod api_service;
mod autoscaler;
mod block;
mod certificate;
mod closed;
mod consequence;
mod cronjob;
mod custom;
mod cut;
mod dependency;
mod detail;
mod disruption;
mod dns;
mod endpoint;
mod evaluate;
mod forbidden;
mod governing;
mod ingress;
mod init;
mod job;
mod leaving;
mod logs;
mod mount;
mod namespace;
mod node;
mod open;
mod past;
mod placement;
mod pods;
mod policy;
mod port;
mod progress;
mod quota;
mod reason;
mod remade;
mod removed;
mod resolution;
mod revision;
mod rollout;
mod selector;
mod service;
mod standby;
mod starting;
mod surge;
mod taken;
mod vain;
mod volume;
mod workload;

use crate::cause::{Cause, Object};
use crate::object::{name, text};
use crate::symptom::shortened;
use crate::view::{View, selects};
use serde_json::Value;
use std::collections::BTreeMap;

/// An id, what it says of the object that carries it, and the kinds that must have been read to
/// rule it out.
#[derive(Clone, Copy)]
pub(crate) struct Kind(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static [&'static str],
);

/// Every cause that can be named, in the order in which they are named.
pub(crate) fn kinds() -> impl Iterator<Item = &'static Kind> {
    let all = [
        namespace::KINDS,
        node::KINDS,
        governing::KINDS,
        pods::KINDS,
        past::KINDS,
        starting::KINDS,
        leaving::KINDS,
        workload::KINDS,
        rollout::KINDS,
        job::KINDS,
        cronjob::KINDS,
        service::KINDS,
        ingress::KINDS,
        dns::KINDS,
        closed::KINDS,
        autoscaler::KINDS,
        api_service::KINDS,
        disruption::KINDS,
        quota::KINDS,
        volume::KINDS,
        certificate::KINDS,
        custom::KINDS,
    ];
    all.into_iter().flatten()
}

/// Whether what an id says is said of a pod, whatever carries the cause.
pub(crate) fn is_of_pod(id: &str) -> bool {
    pods::OF_POD.contains(&id)
}

/// Everything that is seen to be wrong, in the order of the kinds.
pub(crate) fn find(view: &View<'_>) -> Vec<Cause> {
    let mut found = namespace::find(view);
    found.extend(node::find(view));
    found.extend(pods::find(view));
    let rollouts = rollout::find(view, &found);
    found.extend(workload::find(view, &found, &rollouts));
    found.extend(rollouts);
    found.extend(job::find(view));
    job::keep_latest(view, &mut found);
    let of_cronjobs = cronjob::find(view, &found);
    found.extend(of_cronjobs);
    found.extend(service::find(view, &found));
    found.extend(ingress::find(view));
    found.extend(closed::find(view));
    found.extend(autoscaler::find(view, &found));
    found.extend(api_service::find(view));
    found.extend(disruption::find(view, &found));
    found.extend(quota::find(view));
    found.extend(volume::find(view));
    found.extend(certificate::find(view));
    let of_operators = custom::find(view, &found);
    found.extend(of_operators);
    dependency::explain(view, &mut found);
    cut::explain(view, &mut found);
    consequence::link(view, &mut found);
    let over = pods::recovered(view, &found);
    found.extend(over);
    let starts = starting::find(view, &found);
    found.extend(starts);
    for cause in &mut found {
        cause.detail = shortened(&cause.detail);
    }
    let place = |cause: &Cause| kinds().position(|Kind(id, ..)| *id == cause.id);
    found.sort_by(|a, b| {
        (place(a), &a.object, &a.container).cmp(&(place(b), &b.object, &b.container))
    });
    found
}

/// The ids that need more than objects, where that was not tried: with the reason.
pub(crate) fn untried(view: &View<'_>) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    let port::Untried { odd, any, address } = port::untried(view);
    for (id, because) in
        [("target-port-mismatch", odd), ("not-listening", any), ("listens-on-loopback", address)]
    {
        found.extend(because.map(|because| (id, because)));
    }
    if let Some(because) = volume::untried(view) {
        found.insert("volume-filling-up", because);
    }
    if let Some(object) = wanted_keys(view, 1).first() {
        found.insert("config-missing", format!("the keys of {object} were not read"));
    }
    found
}

/// The containers whose log tells why they ended: pod, container, and whether it is the log of the
/// run before.
pub(crate) fn wanted_logs(view: &View<'_>, most: usize) -> Vec<(String, String, bool)> {
    logs::wanted_logs(view, most)
}

/// The ConfigMaps and Secrets of which should be known what keys they have.
pub(crate) fn wanted_keys(view: &View<'_>, most: usize) -> Vec<Object> {
    let mut wanted = mount::wanted(view, &pods::of_symptoms(view));
    wanted.truncate(most);
    wanted
}

/// The ports of pods at which should be looked.
pub(crate) fn wanted_ports(view: &View<'_>, most: usize) -> Vec<(String, u16)> {
    port::wanted_ports(view, most)
}

/// Of the Service that one asks about: to what it leads that was not tried, and why not.
pub(crate) fn untried_endpoints(view: &View<'_>) -> Vec<String> {
    endpoint::untried(view)
}

/// Of the Service that one asks about: which of its ports policies open to some clients only.
pub(crate) fn restricted_ports(view: &View<'_>) -> Vec<String> {
    closed::restricted(view)
}

/// Whether a cause is of the pods behind a Service, or of what makes them. Another Service of the
/// same pods carries what is wrong with itself.
pub(crate) fn is_behind(view: &View<'_>, service: &Value, cause: &Cause) -> bool {
    if cause.object.kind == "Service" {
        return false;
    }
    let selector = &service["spec"]["selector"];
    let of_pod = service::selected(view, service).into_iter().any(|pod| {
        cause.pods.iter().any(|ill| ill == name(pod)) || view.workload(pod) == cause.object
    });
    of_pod
        || view.get(&cause.object.kind, &cause.object.name).is_some_and(|maker| {
            selects(selector, &maker["spec"]["template"]["metadata"]["labels"])
        })
}

/// The names of the Services that an Ingress leads to.
pub(crate) fn backends(ingress: &Value) -> impl Iterator<Item = &str> {
    ingress::backend_services(ingress).map(|backend| text(&backend["name"]))
}
