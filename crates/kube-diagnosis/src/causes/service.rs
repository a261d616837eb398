//! Services that lead nowhere, and Ingresses that lead to no Service.

use super::Kind;
use super::port::unheard;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, controller, filled, is_deleting, name, text};
use crate::pod::{is_live, is_ready, starting_since};
use crate::view::{View, declared_ports, listed, names, said, selects};
use jiff::SignedDuration;
use serde_json::Value;

const SERVICE: &[&str] = &["Service", "Pod"];

pub(super) const KINDS: &[Kind] = &[
    Kind("selector-matches-nothing", "selects no pod", SERVICE),
    Kind("target-port-mismatch", "leads to a port that its pods do not have", SERVICE),
    Kind("not-listening", "leads to a port on which its pods do not listen", SERVICE),
    Kind(
        "listens-on-loopback",
        "leads to a port on which its pods listen for themselves only",
        SERVICE,
    ),
    Kind("scaled-to-zero", "leads to a workload that is scaled to 0", SERVICE),
    Kind("no-ready-endpoints", "has no ready endpoint", SERVICE),
    Kind("load-balancer-pending", "waits for its load balancer", &["Service"]),
    Kind(
        "backend-missing",
        "leads to a Service or a port that does not exist",
        &["Ingress", "Service"],
    ),
];

/// Kinds whose pod template shows which pods there would be.
const TEMPLATES: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"];

pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    let services = if view.has_read(&["Pod"]) { view.of("Service") } else { &[] };
    for service in services {
        found.extend(of_service(view, service, so_far));
    }
    found.extend(view.of("Service").iter().filter_map(|service| balancer(view, service)));
    found.extend(view.of("Ingress").iter().flat_map(|ingress| backends(view, ingress)));
    found
}

/// Whether a Service finds its pods by their labels.
fn selector(service: &Value) -> Option<&Value> {
    let selector = &service["spec"]["selector"];
    let is_set = selector.as_object().is_some_and(|selector| !selector.is_empty());
    (is_set && service["spec"]["type"] != "ExternalName").then_some(selector)
}

/// The live pods that a Service selects.
pub(super) fn selected<'a>(view: &View<'a>, service: &Value) -> Vec<&'a Value> {
    let Some(selector) = selector(service) else { return Vec::new() };
    let pods = view.of("Pod").iter();
    pods.filter(|pod| is_live(pod) && selects(selector, &pod["metadata"]["labels"])).collect()
}

fn of_service(view: &View<'_>, service: &Value, so_far: &[Cause]) -> Vec<Cause> {
    let Some(selector) = selector(service) else { return Vec::new() };
    if service["metadata"]["deletionTimestamp"].is_string() {
        return Vec::new();
    }
    let pods = selected(view, service);
    if pods.is_empty() {
        return nothing_selected(view, service, selector, so_far).into_iter().collect();
    }
    let mut found = Vec::new();
    for port in array(&service["spec"]["ports"]) {
        let named = port["targetPort"].as_str();
        let one = named.and_then(|wanted| unnamed(service, port, wanted, &pods));
        // only TCP was tried
        let one = one.or_else(|| is_tcp(port).then(|| unheard(view, service, port, &pods))?);
        found.extend(one);
    }
    if found.is_empty() {
        found.extend(unready(view, service, &pods, so_far));
    }
    found
}

pub(super) fn is_tcp(port: &Value) -> bool {
    port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP")
}

fn shown(selector: &Value) -> String {
    let labels = selector.as_object().into_iter().flatten();
    labels.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(",")
}

/// A Service whose workload has no pods now leads nowhere, too, but its selector is right.
fn nothing_selected(
    view: &View<'_>,
    service: &Value,
    selector: &Value,
    so_far: &[Cause],
) -> Option<Cause> {
    let object = Object::of(service);
    // an operator knows which pods it makes: a role that none has now is no mistake
    if controller(service).is_some() {
        return None;
    }
    let makers: Vec<&Value> = TEMPLATES
        .iter()
        .flat_map(|kind| view.of(kind))
        .chain(view.of("CronJob").iter().map(|cronjob| &cronjob["spec"]["jobTemplate"]))
        .filter(|maker| may_make(maker, selector))
        .collect();
    if !makers.is_empty() {
        let Some(own) = so_far
            .iter()
            .find(|cause| makers.iter().any(|maker| Object::of(maker) == cause.object))
        else {
            return scaled_down(view, object, &makers);
        };
        let detail = format!("{} has no pods", own.object);
        let source = format!("{object}: spec.selector");
        let cause = Cause {
            follows_from: Some((own.object.clone(), own.id)),
            ..Cause::new("no-ready-endpoints", object, "", detail)
        };
        let hint = format!("mend {}", own.object);
        return Some(cause.seen([Evidence::new(source, shown(selector))]).hint(hint));
    }
    // pods that have ended or are leaving show that the selector is right
    let mut pods = view.of("Pod").iter();
    if pods.any(|pod| selects(selector, &pod["metadata"]["labels"])) || !view.has_read(TEMPLATES) {
        return None;
    }
    let mut detail = format!("no pod has the labels {}", shown(selector));
    if let Some((maker, labels)) = near_miss(view, service, selector) {
        let maker_of = view.get(&maker.kind, &maker.name);
        let scaled = maker_of.filter(|maker| maker["spec"]["replicas"] == 0);
        if let Some(maker) = scaled.filter(|maker| may_get(selector, maker)) {
            return scaled_down(view, object, &[maker]);
        }
        detail = format!("{detail}; the pods of {maker} have {labels}");
    }
    let source = format!("{object}: spec.selector");
    Some(
        Cause::new("selector-matches-nothing", object, "", detail)
            .seen([Evidence::new(source, shown(selector))])
            .hint("correct the selector of the Service, or the labels of the pods"),
    )
}

/// Whether the pods of a workload may get what a selector asks for when they run, such as a role:
/// their template has a part of it, and nothing else for the rest.
fn may_get(selector: &Value, maker: &Value) -> bool {
    let labels = &maker["spec"]["template"]["metadata"]["labels"];
    let wanted = || selector.as_object().into_iter().flatten();
    wanted().any(|(key, value)| labels[key] == *value)
        && wanted().all(|(key, value)| labels[key] == *value || labels[key].is_null())
}

/// Labels that controllers give to pods, so that no template has them.
const GIVEN: &[&str] = &[
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    POD_NAME,
];
/// The one that has the name of the pod.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// Whether the pods of a workload are those that a selector asks for, as far as their template
/// says: those of a StatefulSet have its name and a number.
fn may_make(maker: &Value, selector: &Value) -> bool {
    let labels = &maker["spec"]["template"]["metadata"]["labels"];
    let pod = selector[POD_NAME].as_str();
    let is_named = pod.is_none_or(|pod| {
        maker["kind"] == "StatefulSet"
            && pod.rsplit_once('-').is_some_and(|(set, _)| set == name(maker))
    });
    let all = selector.as_object().into_iter().flatten();
    let mut written = all.filter(|(key, _)| !GIVEN.contains(&key.as_str())).peekable();
    is_named
        && (written.peek().is_some() || pod.is_some())
        && written.all(|(key, value)| labels[key] == *value)
}

/// A Service of which every workload is scaled to 0: that is somebody's wish, and nobody answers.
fn scaled_down(view: &View<'_>, service: Object, makers: &[&Value]) -> Option<Cause> {
    let scaled: Option<Vec<Object>> = makers
        .iter()
        // the workload speaks for its ReplicaSets
        .filter(|maker| controller(maker).is_none())
        .map(|maker| (maker["spec"]["replicas"] == 0).then(|| Object::of(maker)))
        .collect();
    let scaled = scaled.filter(|scaled| !scaled.is_empty() && view.has_read(TEMPLATES))?;
    let names: Vec<String> = scaled.iter().map(Object::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = format!(
        "scale it up if it is wanted: kubectl scale -n {} {} --replicas=1",
        service.namespace,
        names.join(" ")
    );
    let seen = names.iter().map(|name| Evidence::new(*name, "spec.replicas is 0"));
    let seen: Vec<Evidence> = seen.collect();
    Some(Cause::new("scaled-to-zero", service, "", listed(&names)).seen(seen).hint(hint))
}

/// The workload that the selector of a Service may mean, and what its pods have instead: it has the
/// name of the Service, some of the labels, or a label that is spelled nearly like that.
fn near_miss(view: &View<'_>, service: &Value, selector: &Value) -> Option<(Object, String)> {
    let wanted: Vec<(&str, &str)> =
        selector.as_object()?.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
    let labels = |maker: &'_ Value| maker["spec"]["template"]["metadata"]["labels"].clone();
    let score = |maker: &&Value| {
        let labels = labels(maker);
        let value = |key: &str| labels[key].as_str().unwrap_or_default();
        let same = wanted.iter().filter(|(key, wanted)| value(key) == *wanted).count();
        let alike = wanted.iter().filter(|(key, wanted)| is_alike(value(key), wanted)).count();
        (same, alike, usize::from(name(maker) == name(service)))
    };
    // the Deployment speaks for its ReplicaSets
    let makers = TEMPLATES.iter().flat_map(|kind| view.of(kind));
    let makers = makers.filter(|maker| controller(maker).is_none());
    let best = makers.filter(|maker| score(maker) != (0, 0, 0)).rev().max_by_key(score)?;
    let labels = labels(best);
    let differs = |(key, value): &&(&str, &str)| labels[*key] != *value;
    let instead: Option<Vec<String>> = wanted
        .iter()
        .filter(differs)
        .map(|(key, _)| Some(format!("{key}={}", labels[*key].as_str()?)))
        .collect();
    let instead = instead.map_or_else(|| shown(&labels), |pairs| pairs.join(","));
    Some((Object::of(best), instead))
}

/// Whether two words differ in a letter or two, as a slip of the keyboard makes them.
fn is_alike(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let most = one.len().max(other.len()) / 3;
    if one.is_empty() || one.len().abs_diff(other.len()) > most.min(2) {
        return false;
    }
    // the distance of Levenshtein, row by row
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.iter().enumerate() {
        let mut before = row[0];
        row[0] = place + 1;
        for (column, of_other) in other.iter().enumerate() {
            let changed = before + usize::from(letter != of_other);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()] <= most.min(2)
}

/// How long a load balancer may take to be made.
const BALANCING: SignedDuration = SignedDuration::from_mins(5);

/// A Service that waits for its load balancer.
fn balancer(view: &View<'_>, service: &Value) -> Option<Cause> {
    let (spec, status) = (&service["spec"], &service["status"]);
    let has_address = array(&status["loadBalancer"]["ingress"]).next().is_some();
    if spec["type"] != "LoadBalancer"
        || has_address
        || !status.is_object()
        || is_deleting(service)
        || !view.older(&service["metadata"]["creationTimestamp"], BALANCING)
    {
        return None;
    }
    let object = Object::of(service);
    let failed = view.last_event(service, |event| event.warning);
    let detail = match (&failed, filled(&spec["loadBalancerClass"])) {
        (Some(failed), _) => format!("{}: {}", failed.reason, failed.message),
        (None, Some(class)) => format!("nobody has made one of class {class}"),
        (None, None) => "nobody has made one: the cluster may have no provider of them".to_owned(),
    };
    let said = match &failed {
        Some(failed) => said(service, failed),
        None => Evidence::new(format!("{object}: status"), "loadBalancer has no ingress"),
    };
    let hint = "check the cloud controller or the load balancer of the cluster, and its quota";
    Some(Cause::new("load-balancer-pending", object, "", detail).seen([said]).hint(hint))
}

/// A port that is named, of which no container of any of the pods has the name.
fn unnamed(service: &Value, port: &Value, wanted: &str, pods: &[&Value]) -> Option<Cause> {
    let has =
        |pod: &Value, wanted: &str| declared_ports(pod).iter().any(|(name, _)| *name == wanted);
    // a pod may serve one port of several; one that serves none gets nothing at all
    let ports = || array(&service["spec"]["ports"]).map(|port| port["targetPort"].as_str());
    let serves = |pod: &Value| ports().any(|port| port.is_none_or(|name| has(pod, name)));
    let is_served = pods.iter().any(|pod| has(pod, wanted));
    let pods: Vec<&Value> = pods.iter().copied().filter(|pod| !is_served || !serves(pod)).collect();
    if pods.is_empty() {
        return None;
    }
    let declared = declared(&pods);
    let detail = format!(
        "port {} has targetPort `{wanted}`, and the containers of {} declare {declared}",
        port["port"],
        names(pods.iter().copied()),
    );
    Some(mismatch(service, port, detail))
}

pub(super) fn mismatch(service: &Value, port: &Value, detail: String) -> Cause {
    let object = Object::of(service);
    let source = format!("{object}: spec.ports");
    let says = format!("port {}, targetPort {}", port["port"], port["targetPort"]);
    Cause::new("target-port-mismatch", object, "", detail)
        .seen([Evidence::new(source, says)])
        .hint("correct targetPort of the Service, or the port of the container")
}

/// The ports that the containers of pods declare, in words.
pub(super) fn declared(pods: &[&Value]) -> String {
    let mut all: Vec<String> = Vec::new();
    for (name, number) in pods.iter().flat_map(|pod| declared_ports(pod)) {
        let one = if name.is_empty() { number.to_string() } else { format!("{number} ({name})") };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    if all.is_empty() { "no port".to_owned() } else { listed(&all) }
}

/// Pods that are all not ready: it follows from what is wrong with them.
fn unready(view: &View<'_>, service: &Value, pods: &[&Value], so_far: &[Cause]) -> Option<Cause> {
    let own = so_far
        .iter()
        .find(|cause| pods.iter().any(|pod| cause.pods.iter().any(|ill| ill == name(pod))));
    let starts = |pod: &&Value| own.is_none() && starting_since(pod, view.now).is_some();
    if service["spec"]["publishNotReadyAddresses"] == true
        || pods.iter().any(|pod| is_ready(pod) || starts(pod))
    {
        return None;
    }
    let detail = match pods {
        [one] => format!("pod {} is not ready", name(one)),
        _ => format!("none of {} pods is ready", pods.len()),
    };
    let cause = Cause {
        follows_from: own.map(|cause| (cause.object.clone(), cause.id)),
        ..Cause::new("no-ready-endpoints", Object::of(service), "", detail)
    };
    let said = pods
        .iter()
        .map(|pod| Evidence::new(format!("pod/{}", name(pod)), crate::pod::pod_status(pod)));
    Some(cause.seen(said).pods(pods.iter().copied()).hint("find out why its pods are not ready"))
}

/// The Services of an Ingress that do not exist, or not with that port.
fn backends(view: &View<'_>, ingress: &Value) -> Vec<Cause> {
    if is_deleting(ingress) || !view.has_read(&["Service"]) {
        return Vec::new();
    }
    let mut wrong: Vec<String> = Vec::new();
    for backend in backend_services(ingress) {
        if let Some(said) = no_backend(view, backend)
            && !wrong.contains(&said)
        {
            wrong.push(said);
        }
    }
    let object = Object::of(ingress);
    let source = format!("{object}: spec.rules");
    wrong
        .into_iter()
        .map(|said| {
            Cause::new("backend-missing", object.clone(), "", said.clone())
                .seen([Evidence::new(&source, said)])
                .hint("correct the backend of the Ingress, or create the Service")
        })
        .collect()
}

/// The Services that an Ingress leads to, as its backends name them; a backend may also be another
/// resource.
pub(super) fn backend_services(ingress: &Value) -> impl Iterator<Item = &Value> {
    let rules = array(&ingress["spec"]["rules"])
        .flat_map(|rule| array(&rule["http"]["paths"]))
        .map(|path| &path["backend"]["service"]);
    let all = rules.chain([&ingress["spec"]["defaultBackend"]["service"]]);
    // the controller of AWS reads such a backend from an annotation
    all.filter(|backend| backend["name"].is_string() && backend["port"]["name"] != "use-annotation")
}

/// What is missing of a backend.
fn no_backend(view: &View<'_>, backend: &Value) -> Option<String> {
    let (service, port) = (text(&backend["name"]), &backend["port"]);
    let Some(found) = view.get("Service", service) else {
        return Some(format!("there is no service/{service}"));
    };
    let (key, wanted) = match &port["number"] {
        Value::Number(_) => ("port", &port["number"]),
        _ => ("name", &port["name"]),
    };
    let has = array(&found["spec"]["ports"]).any(|own| own[key] == *wanted);
    let is_elsewhere = found["spec"]["type"] == "ExternalName" || wanted.is_null();
    (!has && !is_elsewhere).then(|| format!("service/{service} has no port {wanted}"))
}
