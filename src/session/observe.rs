//! Sees a live system for a recording: its objects, and what its applications answer and write.
//! Nothing is changed; what may not be read is a gap.

use crate::cluster::{
    Cluster, CommandExit, Error, ErrorKind, HttpAnswer, LogOptions, Resource, Selection, builtin,
};
use crate::recording::{Answer, Gap, Log, Seen, TOOLS, is_ended, is_running, probes, prometheus};
use crate::sandbox::simulated;
use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many requests are on their way at once.
const CONCURRENCY: usize = 8;
/// How long an application may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const ANSWER: usize = 256 << 10;
/// How old an event may be.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// The most events of a namespace.
const EVENTS: usize = 300;

/// What is to be seen.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The namespaces.
    pub namespaces: Vec<String>,
    /// Paths to ask pods for.
    pub paths: Vec<WantedPath>,
    /// The log lines that are kept match one of these.
    pub lines: Vec<Regex>,
    /// How many lines are looked at from the end of a log.
    pub tail: u32,
    /// Queries for Prometheus.
    pub queries: Vec<String>,
    /// Whether commands may be looked for in images, by running a shell in their containers.
    pub exec: bool,
}

/// A path to ask pods for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPath {
    /// The label selector of the pods.
    pub selector: String,
    /// Their port; that of their probes, or the first that they declare, when none.
    pub port: Option<u16>,
    /// Path and query.
    pub path: String,
}

/// Sees what is wanted.
///
/// # Errors
/// When the cluster cannot be asked, or nothing in it may be read.
pub async fn observe(cluster: &Cluster, wanted: &Wanted, now: Timestamp) -> Result<Seen, Error> {
    let identity = cluster.identify().await?;
    let mut seen = Seen {
        at: now,
        version: identity.server_version,
        namespaces: wanted.namespaces.clone(),
        ..Seen::default()
    };
    objects(cluster, &mut seen).await?;
    let pods: Vec<Value> = seen
        .objects
        .iter()
        .filter(|object| {
            object["kind"] == "Pod" && object["metadata"]["deletionTimestamp"].is_null()
        })
        .cloned()
        .collect();
    ports(cluster, &pods, &mut seen).await;
    answers(cluster, &pods, wanted, &mut seen).await;
    logs(cluster, &pods, wanted, &mut seen).await;
    queries(cluster, &pods, wanted, &mut seen).await;
    if wanted.exec {
        tools(cluster, &pods, &mut seen).await;
    } else {
        seen.gaps.push(Gap::new("the commands in images", "not looked for (--no-exec)"));
    }
    Ok(seen)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A pod by namespace and name.
fn place(pod: &Value) -> (String, String) {
    (text(pod, "/metadata/namespace").to_owned(), text(pod, "/metadata/name").to_owned())
}

async fn objects(cluster: &Cluster, seen: &mut Seen) -> Result<(), Error> {
    let mut lists: Vec<(Resource, Option<String>)> = Vec::new();
    for [group, version, kind, _] in simulated() {
        let Some(resource) = builtin(format!("{group}/{version}/{kind}").trim_start_matches('/'))
        else {
            continue;
        };
        if resource.namespaced {
            lists.extend(seen.namespaces.iter().map(|name| (resource.clone(), Some(name.clone()))));
        } else {
            lists.push((resource, None));
        }
    }
    let read = stream::iter(lists)
        .map(|(resource, namespace)| async move {
            let all = Selection::all();
            let found = cluster.list(&resource, namespace.as_deref(), &all).await;
            (resource, namespace, found)
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    let mut first = None;
    for (resource, namespace, found) in read {
        match found {
            Ok(items) => seen.objects.extend(items),
            Err(error) => {
                let place = namespace.map_or_else(String::new, |name| format!(" in {name}"));
                let what = format!("{}{place}", resource.qualified());
                seen.gaps.push(Gap::new(what, error.message.clone()));
                first.get_or_insert(error);
            }
        }
    }
    if !seen.objects.iter().any(|object| is_of(object, &seen.namespaces))
        && let Some(error) = first
    {
        return Err(error);
    }
    if let Some(maps) = builtin("ConfigMap")
        && let Ok(dns) = cluster.get(&maps, Some("kube-system"), "coredns").await
        && !seen.namespaces.iter().any(|name| name == "kube-system")
    {
        seen.objects.push(dns);
    }
    keep_needed(seen);
    writers(cluster, seen).await;
    Ok(())
}

/// Adds who wrote which key of a Secret or ConfigMap and when, which lists leave out: containers
/// keep the values that they started with.
async fn writers(cluster: &Cluster, seen: &mut Seen) {
    let places: Vec<(usize, Resource, String, String)> = seen
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| is_of(object, &seen.namespaces))
        .filter_map(|(index, object)| {
            let kind = text(object, "/kind");
            let resource = ["Secret", "ConfigMap"].contains(&kind).then(|| builtin(kind))??;
            let (namespace, name) = place(object);
            Some((index, resource, namespace, name))
        })
        .collect();
    let found = stream::iter(places)
        .map(|(index, resource, namespace, name)| async move {
            (index, cluster.get_whole(&resource, Some(&namespace), &name).await)
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for (index, whole) in found {
        // without it they count as written when they were created
        if let Ok(mut whole) = whole {
            seen.objects[index]["metadata"]["managedFields"] =
                whole["metadata"]["managedFields"].take();
        }
    }
}

fn is_of(object: &Value, namespaces: &[String]) -> bool {
    namespaces.iter().any(|name| *name == text(object, "/metadata/namespace"))
}

/// Leaves out what is in no namespace and belongs to none of those that were asked for, and events
/// of long ago.
fn keep_needed(seen: &mut Seen) {
    let (namespaces, at) = (seen.namespaces.clone(), seen.at);
    let is_subject = |binding: &Value| {
        list(binding, "/subjects")
            .iter()
            .any(|subject| namespaces.iter().any(|name| *name == text(subject, "/namespace")))
    };
    let roles: BTreeSet<String> = seen
        .objects
        .iter()
        .filter(|object| match text(object, "/kind") {
            "RoleBinding" => true,
            "ClusterRoleBinding" => is_subject(object),
            _ => false,
        })
        .map(|binding| text(binding, "/roleRef/name").to_owned())
        .collect();
    let needed = |object: &Value| match text(object, "/kind") {
        "PersistentVolume" => {
            namespaces.iter().any(|name| *name == text(object, "/spec/claimRef/namespace"))
        }
        "ClusterRoleBinding" => is_subject(object),
        "ClusterRole" => roles.contains(text(object, "/metadata/name")),
        "Event" => {
            let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"];
            let last = times.iter().find_map(|time| text(object, time).parse::<Timestamp>().ok());
            last.is_some_and(|last| at.duration_since(last) <= RECENT)
        }
        _ => true,
    };
    seen.objects.retain(needed);
    for name in &namespaces {
        let own =
            |event: &Value| event["kind"] == "Event" && text(event, "/metadata/namespace") == name;
        let mut times: Vec<String> = seen
            .objects
            .iter()
            .filter(|object| own(object))
            .map(|event| text(event, "/lastTimestamp").to_owned())
            .collect();
        times.sort_by(|one, other| other.cmp(one));
        if let Some(oldest) = times.get(EVENTS) {
            seen.objects
                .retain(|event| !own(event) || text(event, "/lastTimestamp") > oldest.as_str());
            let why = format!("only the last {EVENTS} are kept");
            seen.gaps.push(Gap::new(format!("older events in {name}"), why));
        }
    }
}

/// The TCP ports on which a pod may listen: those that its containers declare or are probed on, and
/// those to which Services lead.
fn candidates(pod: &Value, objects: &[Value]) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    for container in list(pod, "/spec/containers") {
        found.extend(
            list(container, "/ports")
                .iter()
                .filter(|port| port["protocol"] != "UDP")
                .filter_map(|port| number(&port["containerPort"])),
        );
        found.extend(probes(container).into_iter().map(|(port, _)| port));
    }
    let labels = &pod["metadata"]["labels"];
    let services = objects.iter().filter(|object| {
        object["kind"] == "Service"
            && object["metadata"]["namespace"] == pod["metadata"]["namespace"]
            && object["spec"]["selector"].as_object().is_some_and(|selector| {
                selector.iter().all(|(key, value)| labels[key.as_str()] == *value)
            })
    });
    let entries = services.flat_map(|service| list(service, "/spec/ports"));
    found.extend(entries.filter_map(|entry| {
        number(&entry["targetPort"])
            .or_else(|| entry["targetPort"].is_null().then(|| number(&entry["port"])).flatten())
    }));
    found
}

fn runs(pod: &Value) -> bool {
    !is_ended(pod)
        && list(pod, "/spec/containers")
            .iter()
            .any(|container| is_running(pod, text(container, "/name")))
}

async fn ports(cluster: &Cluster, pods: &[Value], seen: &mut Seen) {
    let tried: Vec<(String, String, u16)> = pods
        .iter()
        .filter(|pod| runs(pod) && pod["spec"]["hostNetwork"] != true)
        .flat_map(|pod| {
            let (namespace, name) = place(pod);
            candidates(pod, &seen.objects)
                .into_iter()
                .map(move |port| (namespace.clone(), name.clone(), port))
        })
        .collect();
    let results = stream::iter(tried)
        .map(|(namespace, name, port)| async move {
            let open = cluster.forward_connect(&namespace, &name, port).await;
            (namespace, name, port, open)
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for (namespace, name, port, open) in results {
        let open = match open {
            Ok(()) => true,
            Err(error) if error.kind == ErrorKind::ConnectionRefused => false,
            Err(error) => {
                let what = format!("whether port {port} of pod {namespace}/{name} is open");
                seen.gaps.push(gap(what, format!("open ports in {namespace}"), error));
                continue;
            }
        };
        seen.ports.entry((namespace, name)).or_default().insert(port, open);
    }
}

/// What is missing: this one thing, or all of its kind if nobody may see any.
fn gap(what: String, all: String, error: Error) -> Gap {
    if error.kind != ErrorKind::Forbidden {
        return Gap::new(what, error.message);
    }
    let why = error.message.split("; needed").next().unwrap_or_default();
    Gap::new(all, why)
}

/// A request to a pod.
struct Question {
    namespace: String,
    pod: String,
    port: u16,
    path: String,
}

async fn answers(cluster: &Cluster, pods: &[Value], wanted: &Wanted, seen: &mut Seen) {
    let mut asked: BTreeMap<(String, String, u16, String), ()> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| runs(pod)) {
        let (namespace, name) = place(pod);
        for (port, path) in list(pod, "/spec/containers").iter().flat_map(probes) {
            asked.insert((namespace.clone(), name.clone(), port, path), ());
        }
    }
    for path in &wanted.paths {
        let mut found = false;
        for pod in pods.iter().filter(|pod| runs(pod) && selects(&path.selector, pod)) {
            let (namespace, name) = place(pod);
            let Some(port) = path.port.or_else(|| usual_port(pod, seen)) else { continue };
            asked.insert((namespace, name, port, path.path.clone()), ());
            found = true;
        }
        if !found {
            let what = format!("{} of pods with {}", path.path, path.selector);
            seen.gaps.push(Gap::new(what, "no running pod has these labels and a port"));
        }
    }
    let questions = asked
        .into_keys()
        .map(|(namespace, pod, port, path)| Question { namespace, pod, port, path })
        .collect();
    ask(cluster, questions, seen).await;
}

/// Whether a pod has all the labels of an equality selector.
fn selects(selector: &str, pod: &Value) -> bool {
    selector.split(',').all(|part| {
        part.split_once('=').is_some_and(|(key, value)| {
            pod["metadata"]["labels"][key.trim()] == value.trim_start_matches('=').trim()
        })
    })
}

/// The port of the HTTP probes of a pod, or the first that is open.
fn usual_port(pod: &Value, seen: &Seen) -> Option<u16> {
    let probed = list(pod, "/spec/containers").iter().flat_map(probes).map(|(port, _)| port).next();
    let open =
        || seen.ports.get(&place(pod))?.iter().find(|(_, open)| **open).map(|(port, _)| *port);
    probed.or_else(open).or_else(|| candidates(pod, &seen.objects).into_iter().next())
}

async fn ask(cluster: &Cluster, questions: Vec<Question>, seen: &mut Seen) {
    let results = stream::iter(questions)
        .map(|question| async move {
            let answer = get(cluster, &question).await;
            (question, answer)
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for (Question { namespace, pod, port, path }, answer) in results {
        match answer {
            Ok(HttpAnswer { truncated: true, .. }) => {
                let what = format!("GET {path} of pod {namespace}/{pod}");
                let why = format!("the response exceeds {} KiB", ANSWER >> 10);
                seen.gaps.push(Gap::new(what, why));
            }
            Ok(answer) => seen.answers.push(Answer {
                namespace,
                pod,
                port: Some(port),
                method: "GET".to_owned(),
                path,
                status: answer.status,
                content_type: answer.headers.get("content-type").cloned().unwrap_or_default(),
                body: String::from_utf8_lossy(&answer.body).into_owned(),
            }),
            Err(error) => {
                let what = format!("GET {path} of pod {namespace}/{pod}");
                seen.gaps.push(gap(what, format!("responses of pods in {namespace}"), error));
            }
        }
    }
}

async fn get(cluster: &Cluster, question: &Question) -> Result<HttpAnswer, Error> {
    let Question { namespace, pod, port, path } = question;
    let request = http::Request::get(path.as_str()).body(Bytes::new()).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("{path} is no path of a request: {error}"))
    })?;
    cluster.forward_http(namespace, pod, *port, request, PATIENCE, ANSWER).await
}

async fn logs(cluster: &Cluster, pods: &[Value], wanted: &Wanted, seen: &mut Seen) {
    if wanted.lines.is_empty() {
        seen.gaps.push(Gap::new("log lines", "none were asked for (--log REGEX)"));
        return;
    }
    let sources = pods.iter().flat_map(|pod| {
        let containers = list(pod, "/spec/containers").iter();
        containers.map(|container| (place(pod), text(container, "/name").to_owned()))
    });
    let read = stream::iter(sources.collect::<Vec<_>>())
        .map(|((namespace, pod), container)| async move {
            let options = LogOptions {
                container: Some(container.clone()),
                tail: Some(i64::from(wanted.tail)),
                timestamps: true,
                ..LogOptions::default()
            };
            let log = cluster.logs(&namespace, &pod, &options).await;
            (namespace, pod, container, log)
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for (namespace, pod, container, log) in read {
        match log {
            Ok(log) => {
                let lines = matching(&log.text, &wanted.lines);
                if !lines.is_empty() {
                    seen.logs.push(Log { namespace, pod, container, lines });
                }
            }
            // it waits to start: there is nothing to read
            Err(error) if error.kind == ErrorKind::Invalid => {}
            Err(error) => {
                let what = format!("the log of {container} in pod {namespace}/{pod}");
                seen.gaps.push(gap(what, format!("logs in {namespace}"), error));
            }
        }
    }
}

/// The lines of a log that match, with their times.
fn matching(text: &str, patterns: &[Regex]) -> Vec<(Timestamp, String)> {
    let timed = text.lines().filter_map(|line| {
        let (time, line) = line.split_once(' ')?;
        Some((time.parse().ok()?, line.to_owned()))
    });
    timed.filter(|(_, line)| patterns.iter().any(|pattern| pattern.is_match(line))).collect()
}

async fn queries(cluster: &Cluster, pods: &[Value], wanted: &Wanted, seen: &mut Seen) {
    let found = prometheus(pods);
    let target = found.and_then(|pod| Some((place(pod), usual_port(pod, seen)?)));
    let Some(((namespace, pod), port)) = target else {
        seen.gaps.extend(wanted.queries.iter().map(|query| {
            Gap::new(format!("promql {query}"), "no pod of Prometheus runs in these namespaces")
        }));
        return;
    };
    let questions = wanted.queries.iter().map(|query| Question {
        namespace: namespace.clone(),
        pod: pod.clone(),
        port,
        path: format!("/api/v1/query?query={}", crate::encoding::percent_encode(query)),
    });
    ask(cluster, questions.collect(), seen).await;
}

/// Looks for commands in every image, in one of its containers.
async fn tools(cluster: &Cluster, pods: &[Value], seen: &mut Seen) {
    let mut images: BTreeMap<String, (String, String, String)> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| runs(pod)) {
        for container in list(pod, "/spec/containers") {
            let own = text(container, "/name");
            if is_running(pod, own) {
                let (namespace, name) = place(pod);
                let image = text(container, "/image").to_owned();
                images.entry(image).or_insert((namespace, name, own.to_owned()));
            }
        }
    }
    let asked = images.into_iter().flat_map(|(image, place)| {
        TOOLS.map(|tool| (image.clone(), place.clone(), tool)).into_iter()
    });
    let found = stream::iter(asked.collect::<Vec<_>>())
        .map(|(image, place, tool)| async move {
            let found = has_tool(cluster, &place, tool).await;
            (image, tool, found)
        })
        .buffered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    for (image, tool, found) in found {
        match found {
            Ok(true) => drop(seen.tools.entry(image).or_default().insert(tool.to_owned())),
            Ok(false) => {}
            Err(error) => {
                let what = format!("the commands in image {image}");
                seen.gaps.push(gap(what.clone(), what, error));
            }
        }
    }
}

/// Whether a container has a command: it is started with an option that it at most complains of.
async fn has_tool(
    cluster: &Cluster,
    (namespace, pod, container): &(String, String, String),
    tool: &str,
) -> Result<bool, Error> {
    let command = [tool.to_owned(), "--version".to_owned()];
    let run = cluster.exec(namespace, pod, Some(container), &command, None, PATIENCE, 4096).await;
    match run?.exit {
        CommandExit::Code(_) | CommandExit::TimedOut => Ok(true),
        CommandExit::NotStarted(_) => Ok(false),
        CommandExit::Unknown(why) => Err(Error::new(ErrorKind::Protocol, why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_come_from_containers_and_services() {
        let pod = json!({"kind": "Pod", "metadata": {"namespace": "a", "labels": {"app": "x"}},
            "spec": {"containers": [{"ports": [{"containerPort": 80},
            {"containerPort": 53, "protocol": "UDP"}]}]}});
        let service = |namespace: &str, port: Value| {
            json!({"kind": "Service", "metadata": {"namespace": namespace},
                "spec": {"selector": {"app": "x"}, "ports": [port]}})
        };
        let objects = [
            service("a", json!({"port": 1, "targetPort": 3307})),
            service("a", json!({"port": 8080})),
            service("b", json!({"port": 9})),
        ];
        assert_eq!(candidates(&pod, &objects).into_iter().collect::<Vec<_>>(), [80, 3307, 8080]);
    }

    #[test]
    fn lines_are_kept_with_their_times() {
        let text = "2026-01-01T00:00:00.5Z ERROR a\n2026-01-01T00:00:01Z fine\nbroken\n";
        let found = matching(text, &[Regex::new("ERROR").unwrap()]);
        assert_eq!(found, [("2026-01-01T00:00:00.5Z".parse().unwrap(), "ERROR a".to_owned())]);
    }
}
