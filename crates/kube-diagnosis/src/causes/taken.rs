//! Who has what a pod without a node could not have: the pod that holds its host port, and the one
//! for which it was preempted.

use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, filled, is_deleting, name, text, timestamp};
use crate::pod::{is_finished, is_live};
use crate::symptom::{ObjectEvent, reported};
use crate::view::View;
use jiff::SignedDuration;
use serde_json::Value;

/// How long before the event of a preemption the pod may be made that takes the place of the one
/// that was preempted: the event is written when the pod has been deleted.
const BEFORE: SignedDuration = SignedDuration::from_secs(10);
/// How long after it: a StatefulSet waits until the pod has ended.
const AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Ids of pods that have a node and lose it.
const LOSING: &[&str] = &["preempted", "disrupted"];

/// Says of pods that find no room who took it.
pub(super) fn explain(view: &View<'_>, of_pods: &mut [Cause]) {
    for cause in of_pods {
        let Some(pod) = cause.pods.first().and_then(|pod| view.get("Pod", pod)) else { continue };
        let waits = is_live(pod) && filled(&pod["spec"]["nodeName"]).is_none();
        if !waits && !LOSING.contains(&cause.id) {
            continue;
        }
        let by = preemptor(view, pod);
        let holder = Some(&cause.id).filter(|id| **id == "host-port-taken");
        match holder.and_then(|_| holder_of(view, pod)) {
            Some(holder) => held(view, cause, pod, &holder, by.as_ref()),
            None => {
                if let Some(by) = &by {
                    add(cause, &format!("{} preempted it, by its higher priority", by.words));
                }
            }
        }
        cause.evidence.extend(by.map(|by| by.said));
    }
}

fn add(cause: &mut Cause, words: &str) {
    let said = cause.detail.trim_end_matches('.');
    cause.detail = if said.is_empty() { words.to_owned() } else { format!("{said}; {words}") };
}

/// A port of a node that a pod uses.
struct HostPort<'a> {
    number: u64,
    protocol: &'a str,
    address: &'a str,
}

impl HostPort<'_> {
    /// Two pods of a node cannot use both (pkg/scheduler/framework, `HostPortInfo.CheckConflict`).
    fn conflicts(&self, other: &Self) -> bool {
        let any = |port: &Self| matches!(port.address, "" | "0.0.0.0" | "::");
        self.number == other.number
            && self.protocol == other.protocol
            && (any(self) || any(other) || self.address == other.address)
    }
}

/// The ports of its node that a pod uses, native sidecars included.
fn host_ports(pod: &Value) -> Vec<HostPort<'_>> {
    let spec = &pod["spec"];
    let sidecars = array(&spec["initContainers"]).filter(|one| one["restartPolicy"] == "Always");
    array(&spec["containers"])
        .chain(sidecars)
        .flat_map(|container| array(&container["ports"]))
        .filter_map(|port| {
            Some(HostPort {
                number: port["hostPort"].as_u64()?,
                protocol: filled(&port["protocol"]).unwrap_or("TCP"),
                address: text(&port["hostIP"]),
            })
        })
        .collect()
}

/// A pod that has a host port for which another one waits, and that port.
struct Holder<'a> {
    pod: &'a Value,
    port: String,
}

/// Of the pods that hold it, one of the same workload comes first: what ends that is up to its
/// owner.
fn holder_of<'a>(view: &View<'a>, waits: &Value) -> Option<Holder<'a>> {
    let wanted = host_ports(waits);
    let all = view.of("Pod").iter().filter_map(|pod| {
        let is_placed = !is_finished(pod) && filled(&pod["spec"]["nodeName"]).is_some();
        let own = host_ports(pod);
        let port = own.iter().find(|port| wanted.iter().any(|other| port.conflicts(other)))?;
        let port = format!("{}/{}", port.number, port.protocol);
        is_placed.then_some(Holder { pod, port })
    });
    let workload = view.workload(waits);
    all.min_by_key(|holder| view.workload(holder.pod) != workload)
}

/// Says who holds the host port, and what ends that.
fn held(
    view: &View<'_>,
    cause: &mut Cause,
    pod: &Value,
    holder: &Holder<'_>,
    by: Option<&Preemptor>,
) {
    let (port, node) = (&holder.port, text(&holder.pod["spec"]["nodeName"]));
    let source = format!("pod/{}: spec.containers.ports", name(holder.pod));
    cause.evidence.push(Evidence::new(source, format!("hostPort {port}")));
    if let Some(hint) = own(view, cause, pod, holder) {
        hint.clone_into(&mut cause.hint);
        return;
    }
    let words = shown(view, &Object::of(holder.pod));
    if is_deleting(holder.pod) {
        add(cause, &format!("{words} uses {port} on node {node} until it has terminated"));
        cause.hint = format!("wait until {words} has terminated, or choose another hostPort");
        return;
    }
    let (how, or) = match by.filter(|by| by.words == words) {
        Some(_) => (", which preempted it,", ", or raise the priority of the pod that waits"),
        None => ("", ""),
    };
    add(cause, &format!("{words}{how} uses {port} on node {node}"));
    cause.hint = format!(
        "choose another hostPort, or free {port} on a suitable node, where {words} uses it{or}"
    );
}

/// What to do where the other pod is of the same workload: a rolling update may start the new pod
/// first, and that waits for the port of the old one.
fn own(view: &View<'_>, cause: &Cause, waits: &Value, holder: &Holder<'_>) -> Option<&'static str> {
    let workload = view.get(&cause.object.kind, &cause.object.name)?;
    if view.workload(holder.pod) != cause.object || !is_live(holder.pod) {
        return None;
    }
    let is_other = |label: &str| {
        let of = |pod: &Value| pod["metadata"]["labels"][label].clone();
        of(holder.pod) != of(waits)
    };
    match cause.object.kind.as_str() {
        "Deployment"
            if workload["spec"]["strategy"]["type"] != "Recreate"
                && is_other("pod-template-hash") =>
        {
            Some(
                "its old pod uses the hostPort, and the rolling update waits for the new one: set \
                    strategy.type to Recreate, or maxSurge to 0 and maxUnavailable to 1",
            )
        }
        // it has one pod on a node, and a second one only while that is replaced
        "DaemonSet" => Some(
            "its old pod uses the hostPort, and the rolling update waits for the new one: set maxSurge \
                to 0 and maxUnavailable to 1 in updateStrategy.rollingUpdate",
        ),
        _ => Some(
            "run no more replicas than there are suitable nodes: one pod of a node can use the hostPort",
        ),
    }
}

/// The pod for which another one was preempted, in words, and what says so.
struct Preemptor {
    words: String,
    said: Evidence,
}

/// For which pod the scheduler preempted this one, or the one in whose place it was made. The event
/// names the pod by its UID, and refers to it (pkg/scheduler/framework/preemption, `Preempted by pod
/// UID on node NODE`).
fn preemptor(view: &View<'_>, pod: &Value) -> Option<Preemptor> {
    let events = reported(view.of("Event"), "Preempted");
    let event = events.into_iter().rev().find(|event| is_of(event, pod))?;
    let by = filled(&event.related["name"])
        .map(|name| Object::named("Pod", text(&event.related["namespace"]), name));
    let by_uid = || {
        let mut pods = view.of("Pod").iter();
        let is_named = |pod: &Value| {
            filled(&pod["metadata"]["uid"]).is_some_and(|uid| event.message.contains(uid))
        };
        pods.find(|pod| is_named(pod)).map(Object::of)
    };
    let words = match by.or_else(by_uid) {
        Some(by) if by.namespace != text(&pod["metadata"]["namespace"]) => {
            format!("pod {} of namespace {}", by.name, by.namespace)
        }
        Some(by) => shown(view, &by),
        None => "another pod".to_owned(),
    };
    let source = format!("event Preempted of pod/{}", text(&event.about["name"]));
    Some(Preemptor { words, said: Evidence::new(source, event.message) })
}

/// Whether an event is of this pod, or of one that had its place a moment before: of the same name,
/// or of the same maker, which are told by the beginning of their names.
fn is_of(event: &ObjectEvent<'_>, pod: &Value) -> bool {
    let (about, metadata) = (event.about, &pod["metadata"]);
    if about["namespace"] != metadata["namespace"] {
        return false;
    }
    if filled(&about["uid"]).is_some() && about["uid"] == metadata["uid"] {
        return true;
    }
    let made = filled(&metadata["generateName"])
        .and_then(|start| text(&about["name"]).strip_prefix(start))
        .is_some_and(|rest| !rest.is_empty() && !rest.contains('-'));
    let in_time = timestamp(&metadata["creationTimestamp"]).is_some_and(|at| {
        let later = at.duration_since(event.at);
        later >= -BEFORE && later <= AFTER
    });
    in_time && (made || about["name"] == metadata["name"])
}

/// A pod with its workload: `pod web-x2f of deployment/web`.
fn shown(view: &View<'_>, pod: &Object) -> String {
    let workload = view.get("Pod", &pod.name).map(|pod| view.workload(pod));
    match workload.filter(|workload| workload != pod) {
        Some(workload) => format!("pod {} of {workload}", pod.name),
        None => format!("pod {}", pod.name),
    }
}
