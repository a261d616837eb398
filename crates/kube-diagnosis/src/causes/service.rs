//! Services that lead nowhere, and Ingresses that lead to no Service.

use super::Kind;
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
        let one = match &port["targetPort"] {
            Value::String(wanted) => unnamed(service, port, wanted, &pods),
            // only TCP was tried
            _ if !is_tcp(port) => None,
            target => {
                let number = target.as_u64().or_else(|| port["port"].as_u64());
                number.and_then(|number| unheard(view, service, port, number, &pods))
            }
        };
        found.extend(one);
    }
    if found.is_empty() {
        found.extend(unready(view, service, &pods, so_far));
    }
    found
}

fn is_tcp(port: &Value) -> bool {
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
        .filter(|maker| selects(selector, &maker["spec"]["template"]["metadata"]["labels"]))
        .collect();
    if !makers.is_empty() {
        // scaled to zero is somebody's wish
        let own = so_far
            .iter()
            .find(|cause| makers.iter().any(|maker| Object::of(maker) == cause.object))?;
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
    let near = TEMPLATES.iter().find_map(|kind| view.get(kind, name(service)));
    if let Some(maker) = near {
        let labels = shown(&maker["spec"]["template"]["metadata"]["labels"]);
        detail = format!("{detail}; the pods of {} have {labels}", Object::of(maker));
    }
    let source = format!("{object}: spec.selector");
    Some(
        Cause::new("selector-matches-nothing", object, "", detail)
            .seen([Evidence::new(source, shown(selector))])
            .hint("correct the selector of the Service, or the labels of the pods"),
    )
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
    let has = |pod: &&Value| declared_ports(pod).iter().any(|(name, _)| *name == wanted);
    if pods.iter().any(has) {
        return None;
    }
    let declared = declared(pods);
    let detail = format!(
        "port {} has targetPort `{wanted}`, and the containers of {} declare {declared}",
        port["port"],
        names(pods.iter().copied()),
    );
    Some(mismatch(service, port, detail))
}

fn mismatch(service: &Value, port: &Value, detail: String) -> Cause {
    let object = Object::of(service);
    let source = format!("{object}: spec.ports");
    let says = format!("port {}, targetPort {}", port["port"], port["targetPort"]);
    Cause::new("target-port-mismatch", object, "", detail)
        .seen([Evidence::new(source, says)])
        .hint("correct targetPort of the Service, or the port of the container")
}

/// The ports that the containers of pods declare, in words.
fn declared(pods: &[&Value]) -> String {
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

/// A numeric port at which something was looked for. What a container declares proves nothing
/// alone: the field is only information.
fn unheard(
    view: &View<'_>,
    service: &Value,
    port: &Value,
    number: u64,
    pods: &[&Value],
) -> Option<Cause> {
    let number = u16::try_from(number).ok()?;
    let tried: Vec<_> = pods
        .iter()
        .filter_map(|pod| Some((*pod, view.snapshot.port(name(pod), number)?)))
        .collect();
    let deaf = |state: &crate::snapshot::PortState| {
        state.address != Some(true)
            && (state.loopback == Some(false) || state.address == Some(false))
    };
    if tried.is_empty() || !tried.iter().all(|(_, state)| deaf(state)) {
        return None;
    }
    let object = Object::of(service);
    let who = names(tried.iter().map(|(pod, _)| *pod));
    let is_declared = pods
        .iter()
        .flat_map(|pod| declared_ports(pod))
        .any(|(_, declared)| declared == u64::from(number));
    let declares = pods.iter().any(|pod| !declared_ports(pod).is_empty());
    let evidence = tried.iter().map(|(pod, state)| {
        let said = |open: Option<bool>| match open {
            Some(true) => "accepts connections",
            Some(false) => "refuses connections",
            None => "not known",
        };
        Evidence::new(
            format!("pod/{}: port {number}", name(pod)),
            format!("loopback {}, pod address {}", said(state.loopback), said(state.address)),
        )
    });
    if tried.iter().all(|(_, state)| state.loopback == Some(true)) {
        let detail = format!(
            "port {} leads to {number}, which is served on 127.0.0.1 only (pod {who})",
            port["port"]
        );
        return Some(
            Cause::new("listens-on-loopback", object, "", detail)
                .seen(evidence)
                .hint("let the program listen on 0.0.0.0 or [::]"),
        );
    }
    if declares && !is_declared {
        let detail = format!(
            "port {} leads to {number}, where nothing listens (pod {who}); the containers declare {}",
            port["port"],
            declared(pods)
        );
        return Some(mismatch(service, port, detail).seen(evidence));
    }
    let detail =
        format!("port {} leads to {number}, where nothing listens (pod {who})", port["port"]);
    Some(
        Cause::new("not-listening", object, "", detail)
            .seen(evidence)
            .hint("check on which port the program listens, and targetPort of the Service"),
    )
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

/// The ports of pods at which should be looked: those that Services lead to and that the pods do
/// not declare although they declare others; of one Service all.
pub(super) fn wanted_ports(
    view: &View<'_>,
    all_of: Option<&str>,
    most: usize,
) -> Vec<(String, u16)> {
    let mut wanted: Vec<(String, u16)> = Vec::new();
    for service in view.of("Service") {
        let is_meant = all_of == Some(name(service));
        let ready: Vec<&Value> =
            selected(view, service).into_iter().filter(|pod| is_ready(pod)).collect();
        for port in array(&service["spec"]["ports"]) {
            if !is_tcp(port) {
                continue;
            }
            for pod in ready.iter().take(if is_meant { 3 } else { 1 }) {
                let ports = declared_ports(pod);
                let number = match &port["targetPort"] {
                    Value::String(wanted) => {
                        ports.iter().find(|(name, _)| name == wanted).map(|(_, number)| *number)
                    }
                    target => target.as_u64().or_else(|| port["port"].as_u64()),
                };
                let Some(number) = number else { continue };
                let is_odd =
                    !ports.is_empty() && !ports.iter().any(|(_, declared)| *declared == number);
                let one = (name(pod).to_owned(), u16::try_from(number).unwrap_or_default());
                if (is_meant || is_odd) && wanted.len() < most && !wanted.contains(&one) {
                    wanted.push(one);
                }
            }
        }
    }
    wanted
}

/// Why nothing can be told of a port that looks wrong: nobody has tried it.
pub(super) fn untried(view: &View<'_>) -> Option<String> {
    let is_untried = |(pod, port): &(String, u16)| {
        let state = view.snapshot.port(pod, *port).unwrap_or_default();
        state.loopback.is_none() && state.address.is_none()
    };
    let wanted = wanted_ports(view, None, usize::MAX);
    let (pod, port) = wanted.into_iter().find(is_untried)?;
    Some(format!("port {port} of pod/{pod} was not tried"))
}
