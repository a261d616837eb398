//! What the processes in the pods do: `applications.yaml`.

use super::disguise::Disguise;
use super::logs::{Written, rules};
use super::objects::{Sorted, is_ended};
use super::program::{Program, containers, ports, probes};
use super::routes::{literal, routes};
use super::scenario::unpullable;
use super::{Answer, Log, Seen, is_running, items, kind, name, namespace, text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A container of a pod that was seen, or of a template.
struct Run<'a> {
    /// None of a template.
    pod: Option<&'a Value>,
    container: &'a Value,
    /// Its programs are to end.
    ends: bool,
}

/// The document.
pub(super) fn describe(seen: &Seen, sorted: &Sorted, disguise: &Disguise) -> Value {
    let mut programs: BTreeMap<Program, Vec<Run<'_>>> = BTreeMap::new();
    for object in &seen.objects {
        if namespace(object) == "kube-system" {
            continue;
        }
        let pod = (kind(object) == "Pod").then_some(object);
        for container in containers(object) {
            let ends = matches!(kind(object), "Job" | "CronJob") || pod.is_some_and(is_to_end);
            let run = Run { pod, container, ends };
            programs.entry(Program::of(container)).or_default().push(run);
        }
    }
    // the first that fits is taken: the longest commands first
    let mut programs: Vec<_> = programs.into_iter().collect();
    programs.sort_by_key(|(program, _)| std::cmp::Reverse(program.command.len()));
    let mut taken = BTreeSet::new();
    let apps: Vec<Value> = programs
        .iter()
        .map(|(program, runs)| {
            let mut app = json!({"app": named(runs, &mut taken), "command": known_words(&program.command, disguise),
                "of_image": program.image});
            behaviour(&mut app, runs, seen, sorted, disguise);
            app
        })
        .collect();
    let (images, tools) = images(seen);
    json!({"images": images, "tools": tools, "apps": apps})
}

/// The words of a command before the first in which something is secret.
fn known_words(command: &str, disguise: &Disguise) -> String {
    let plain = command.split(' ').take_while(|word| disguise.text(word) == *word);
    plain.collect::<Vec<_>>().join(" ")
}

fn is_to_end(pod: &Value) -> bool {
    matches!(text(pod, "/spec/restartPolicy"), "Never" | "OnFailure")
}

/// A name that no other app has: that of the container.
fn named(runs: &[Run<'_>], taken: &mut BTreeSet<String>) -> String {
    let base = runs.first().map_or("app", |run| text(run.container, "/name"));
    let mut name = base.to_owned();
    for number in 2.. {
        if taken.insert(name.clone()) {
            break;
        }
        name = format!("{base}-{number}");
    }
    name
}

fn behaviour(app: &mut Value, runs: &[Run<'_>], seen: &Seen, sorted: &Sorted, disguise: &Disguise) {
    let listens = listening(runs, seen);
    if !listens.is_empty() {
        app["ports"] = json!(listens);
    }
    if runs.iter().any(|run| is_prometheus(run, sorted)) {
        app["builtin"] = json!("prometheus");
    }
    if runs.iter().all(|run| run.ends) {
        app["exits"] = exits(runs);
    }
    let answers: Vec<&Answer> = seen
        .answers
        .iter()
        .filter(|answer| runs.iter().any(|run| answers_for(run, runs, answer)))
        .collect();
    let mut all = routes(&answers, disguise);
    all.extend(probe_routes(runs, &answers));
    if !all.is_empty() {
        app["routes"] = json!(all);
    }
    let logs: Vec<(&Log, &Value)> = seen
        .logs
        .iter()
        .filter_map(|log| {
            let own = |run: &&Run<'_>| {
                run.pod.is_some_and(|pod| is_pod(pod, &log.namespace, &log.pod))
                    && text(run.container, "/name") == log.container
            };
            Some((log, runs.iter().find(own)?.pod?))
        })
        .collect();
    let Written { prefix, rules } = rules(&logs, seen.at, disguise);
    if let Some(prefix) = prefix {
        app["log_prefix"] = json!(prefix);
    }
    if !rules.is_empty() {
        app["logs"] = json!(rules);
    }
}

fn is_pod(pod: &Value, in_namespace: &str, named: &str) -> bool {
    (namespace(pod), name(pod)) == (in_namespace, named)
}

/// Whether an answer is that of this container: the pod is its own, and no other container of the
/// pod declares the port.
fn answers_for(run: &Run<'_>, runs: &[Run<'_>], answer: &Answer) -> bool {
    let Some(pod) = run.pod.filter(|pod| is_pod(pod, &answer.namespace, &answer.pod)) else {
        return false;
    };
    let declares = |container: &Value| {
        answer.port.is_none_or(|port| ports(container).iter().any(|(own, _)| *own == port))
    };
    let first = items(pod, "/spec/containers").iter().find(|container| declares(container));
    let owner = first.or(items(pod, "/spec/containers").first());
    owner.is_some_and(|owner| owner["name"] == run.container["name"])
        && runs.iter().any(|other| std::ptr::eq(other.container, run.container))
}

/// The ports on which a program listens: those that it declares and that its pods do not refuse,
/// and those that accepted a connection or answered.
fn listening(runs: &[Run<'_>], seen: &Seen) -> Vec<Value> {
    let mut found: BTreeSet<(u16, String)> =
        runs.iter().flat_map(|run| ports(run.container)).collect();
    let mut accepted: BTreeMap<u16, bool> = BTreeMap::new();
    for run in runs {
        let Some(pod) = run.pod else { continue };
        let key = (namespace(pod).to_owned(), name(pod).to_owned());
        for (port, open) in seen.ports.get(&key).into_iter().flatten() {
            *accepted.entry(*port).or_default() |= open;
        }
        let answered = seen.answers.iter().filter(|answer| answers_for(run, runs, answer));
        accepted.extend(answered.filter_map(|answer| Some((answer.port?, true))));
    }
    for (port, open) in accepted {
        let elsewhere = runs.iter().any(|run| is_of_another(run, port));
        if open && !elsewhere {
            found.insert((port, "TCP".to_owned()));
        } else if !open {
            found.remove(&(port, "TCP".to_owned()));
        }
    }
    let port = |(port, protocol): (u16, String)| match protocol.as_str() {
        "TCP" => json!({"port": port}),
        _ => json!({"port": port, "protocol": protocol}),
    };
    found.into_iter().map(port).collect()
}

/// Whether another container of the pod declares a port.
fn is_of_another(run: &Run<'_>, port: u16) -> bool {
    let Some(pod) = run.pod else { return false };
    let others = items(pod, "/spec/containers").iter();
    let mut others = others.filter(|other| other["name"] != run.container["name"]);
    others.any(|other| ports(other).iter().any(|(own, _)| *own == port))
}

/// Whether a container is a Prometheus whose configuration the sandbox finds.
fn is_prometheus(run: &Run<'_>, sorted: &Sorted) -> bool {
    let Some(pod) = run.pod else { return false };
    let image = text(run.container, "/image").rsplit('/').next().unwrap_or_default();
    let mounts = items(pod, "/spec/volumes").iter().map(|volume| text(volume, "/configMap/name"));
    let configured = mounts.filter(|map| !map.is_empty()).any(|map| {
        let own =
            |object: &&Value| kind(object) == "ConfigMap" && is_pod(object, namespace(pod), map);
        sorted
            .manifests
            .iter()
            .find(own)
            .is_some_and(|map| map["data"]["prometheus.yml"].is_string())
    });
    image.starts_with("prometheus") && configured
}

/// When a program that is to end does, and with which code: as it did in each pod.
fn exits(runs: &[Run<'_>]) -> Value {
    let mut failed: Vec<(&str, i64)> = Vec::new();
    let (mut seconds, mut usual) = (2.0_f64, 0);
    for run in runs {
        let Some(pod) = run.pod.filter(|pod| is_ended(pod)) else { continue };
        let statuses = items(pod, "/status/containerStatuses");
        let status = statuses.iter().find(|status| status["name"] == run.container["name"]);
        let Some(end) = status.map(|status| &status["state"]["terminated"]) else { continue };
        let time = |field: &str| text(end, field).parse::<jiff::Timestamp>().ok();
        if let (Some(from), Some(to)) = (time("/startedAt"), time("/finishedAt")) {
            seconds = to.duration_since(from).as_secs_f64().clamp(1.0, 60.0);
        }
        usual = end["exitCode"].as_i64().unwrap_or(0);
        if usual != 0 {
            failed.push((name(pod), usual));
        }
    }
    let chain = failed.iter().fold(usual.to_string(), |otherwise, (pod, code)| {
        format!("({code} if pod.name == {} else {otherwise})", literal(pod))
    });
    json!({"after": seconds.to_string(), "code": chain})
}

/// Answers to the probes that were not asked: as the kubelet heard them.
fn probe_routes(runs: &[Run<'_>], answers: &[&Answer]) -> Vec<Value> {
    let asked = |port: u16, path: &str| {
        answers.iter().any(|answer| {
            answer.path == path
                && answer.port.is_none_or(|own| own == port)
                && answer.method == "GET"
        })
    };
    let probed: BTreeSet<(u16, String)> =
        runs.iter().flat_map(|run| probes(run.container)).collect();
    let mut routes = Vec::new();
    for (port, path) in probed.into_iter().filter(|(port, path)| !asked(*port, path)) {
        let path = path.split('?').next().unwrap_or_default();
        let route = format!("GET {path}");
        for pod in runs.iter().filter_map(|run| is_unready(run).then_some(run.pod).flatten()) {
            let when = format!("pod.name == {}", literal(name(pod)));
            routes.push(json!({"port": port, "route": route, "when": when, "status": 503}));
        }
        routes.push(json!({"port": port, "route": route, "text": "ok"}));
    }
    routes
}

/// Whether a container runs without being ready.
fn is_unready(run: &Run<'_>) -> bool {
    run.pod.is_some_and(|pod| {
        let own = |status: &&Value| status["name"] == run.container["name"];
        is_running(pod, text(run.container, "/name"))
            && items(pod, "/status/containerStatuses")
                .iter()
                .find(own)
                .is_some_and(|status| status["ready"] != true)
    })
}

/// The images that can be pulled, by the commands in them, and those sets of commands.
fn images(seen: &Seen) -> (Vec<Value>, Value) {
    let absent = unpullable(seen);
    let all: BTreeSet<&str> = seen
        .objects
        .iter()
        .flat_map(containers)
        .map(|container| text(container, "/image"))
        .filter(|image| !image.is_empty() && !absent.contains(image))
        .collect();
    let mut sets: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
    for image in all {
        let tools = seen.tools.get(image).map(|tools| tools.iter().map(String::as_str).collect());
        sets.entry(tools.unwrap_or_default()).or_default().push(image);
    }
    let (mut images, mut tools) = (Vec::new(), json!({}));
    for (number, (set, of)) in sets.into_iter().enumerate() {
        let name = if set.is_empty() { "none".to_owned() } else { format!("set-{number}") };
        images.push(json!({"images": of, "tools": name}));
        tools[name] = json!(set);
    }
    (images, tools)
}
