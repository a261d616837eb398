//! What a run saw: from its steps and their outputs.

use super::{Answer, Gap, Log, Seen, is_running, items, kind, name, namespace, program, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;

/// What a step asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A request to pods.
    Http {
        /// The namespace of the pods.
        namespace: String,
        /// `GET`
        method: String,
        /// Path and query.
        path: String,
        /// The port, by number.
        port: Option<u16>,
    },
    /// A query to Prometheus.
    Promql(String),
    /// Logs of pods.
    Logs {
        /// The namespace of the pods.
        namespace: String,
    },
    /// Objects.
    Objects,
    /// Anything else, of which nothing can be made.
    Other,
    /// It cannot be told from the record.
    Unclear(String),
}

/// A step that has ended.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the run.
    pub path: String,
    /// What it asked.
    pub asked: Asked,
    /// What came of it.
    pub output: Value,
}

/// Adds what the steps of a run saw. Answers and logs of the run are stronger than those that are
/// there already: they are of the time of the incident.
pub fn add(seen: &mut Seen, steps: &[Step]) {
    // an object is known as it was seen first
    for step in steps.iter().filter(|step| step.asked == Asked::Objects) {
        objects(&step.output, &mut seen.objects);
    }
    for step in steps {
        if step.output.is_null() {
            continue;
        }
        match &step.asked {
            Asked::Http { namespace, method, path, port } => {
                let asked = (namespace.as_str(), method.as_str(), path.as_str(), *port);
                answers(seen, step, asked);
            }
            Asked::Promql(query) => result(seen, step, query),
            Asked::Logs { namespace } => logs(seen, step, namespace),
            Asked::Objects | Asked::Other => {}
            Asked::Unclear(why) => {
                seen.gaps.push(Gap::new(format!("what step {} saw", step.path), why));
            }
        }
    }
}

/// Every object in an output that is not there yet.
fn objects(output: &Value, found: &mut Vec<Value>) {
    match output {
        Value::Object(fields) => {
            // one that was only planned has no uid
            let whole = output["metadata"]["uid"].is_string() && output["kind"].is_string();
            if whole && output["apiVersion"].is_string() {
                let same = |other: &Value| {
                    (kind(other), namespace(other), name(other))
                        == (kind(output), namespace(output), name(output))
                };
                if !found.iter().any(same) {
                    found.push(output.clone());
                }
                return;
            }
            fields.values().for_each(|value| objects(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| objects(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The items of an output: those of a list, or itself.
fn each(output: &Value) -> &[Value] {
    output.as_array().map_or(std::slice::from_ref(output), Vec::as_slice)
}

fn answers(
    seen: &mut Seen,
    step: &Step,
    (in_namespace, method, path, port): (&str, &str, &str, Option<u16>),
) {
    for item in each(&step.output) {
        let pod = text(item, "/pod");
        let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let (false, Some(status)) = (pod.is_empty(), status) else {
            let why = if pod.is_empty() {
                "the record does not say which pod responded"
            } else {
                "there was no response: the network of the world decides"
            };
            seen.gaps.push(Gap::new(format!("{method} {path} of step {}", step.path), why));
            continue;
        };
        let answer = Answer {
            namespace: in_namespace.to_owned(),
            pod: pod.to_owned(),
            port,
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            content_type: text(item, "/headers/content-type").to_owned(),
            body: item.get("families").map_or_else(|| text(item, "/body").to_owned(), exposition),
        };
        put(seen, answer);
    }
}

/// Metrics in the text format of Prometheus, from the families of an output.
fn exposition(families: &Value) -> String {
    let mut text = String::new();
    for (name, family) in families.as_object().into_iter().flatten() {
        let help = family["help"].as_str().unwrap_or_default().replace('\n', "\\n");
        let kind = family["type"].as_str().unwrap_or("untyped");
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for sample in items(family, "/samples") {
            let labels = sample["labels"].as_object().into_iter().flatten();
            let labels = labels.map(|(key, value)| format!("{key}={value}"));
            let labels = labels.collect::<Vec<_>>().join(",");
            let value = &sample["value"];
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let own = sample["name"].as_str().unwrap_or(name);
            let _ = match labels.as_str() {
                "" => writeln!(text, "{own} {value}"),
                labels => writeln!(text, "{own}{{{labels}}} {value}"),
            };
        }
    }
    text
}

/// Adds an answer in the place of an earlier one to the same question.
fn put(seen: &mut Seen, answer: Answer) {
    let same = |other: &Answer| {
        (&other.namespace, &other.pod, &other.method, &other.path)
            == (&answer.namespace, &answer.pod, &answer.method, &answer.path)
            && (other.port.is_none() || answer.port.is_none() || other.port == answer.port)
    };
    seen.answers.retain(|other| !same(other));
    seen.answers.push(answer);
}

/// The pod of Prometheus.
pub fn prometheus(objects: &[Value]) -> Option<&Value> {
    let is_prometheus = |container: &Value| {
        let image = text(container, "/image").rsplit('/').next().unwrap_or_default();
        image.starts_with("prometheus")
    };
    objects.iter().filter(|object| kind(object) == "Pod").find(|pod| {
        program::containers(pod)
            .any(|container| is_prometheus(container) && is_running(pod, text(container, "/name")))
    })
}

fn result(seen: &mut Seen, step: &Step, query: &str) {
    let Some(pod) = prometheus(&seen.objects) else {
        let why = "the recording has no pod of Prometheus that could answer";
        seen.gaps.push(Gap::new(format!("promql {query}"), why));
        return;
    };
    let series = items(&step.output, "/result").iter().map(|series| {
        let value = &series["value"];
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        json!({"metric": series["metric"], "value": [0, value]})
    });
    let body = json!({"status": "success",
        "data": {"resultType": "vector", "result": series.collect::<Vec<_>>()}});
    let answer = Answer {
        namespace: namespace(pod).to_owned(),
        pod: name(pod).to_owned(),
        port: None,
        method: "GET".to_owned(),
        path: format!("/api/v1/query?query={}", crate::encoding::percent_encode(query)),
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_string(),
    };
    put(seen, answer);
}

fn logs(seen: &mut Seen, step: &Step, in_namespace: &str) {
    for item in each(&step.output).iter().filter(|item| item["previous"] != true) {
        let line = |line: &Value| {
            let at = text(line, "/time").parse::<Timestamp>().ok()?;
            Some((at, line["text"].as_str()?.to_owned()))
        };
        let mut lines: Vec<_> = ["/lines", "/matches"]
            .into_iter()
            .flat_map(|field| items(item, field))
            .filter_map(line)
            .collect();
        let (pod, container) = (text(item, "/pod"), text(item, "/container"));
        let same = |log: &Log| {
            (log.namespace.as_str(), log.pod.as_str(), log.container.as_str())
                == (in_namespace, pod, container)
        };
        if let Some(known) = seen.logs.iter().position(same) {
            lines.extend(seen.logs.remove(known).lines);
        }
        lines.sort();
        lines.dedup();
        if !lines.is_empty() {
            seen.logs.push(Log {
                namespace: in_namespace.to_owned(),
                pod: pod.to_owned(),
                container: container.to_owned(),
                lines,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_they_were_read() {
        let families = json!({"up": {"type": "gauge", "help": "Whether.", "samples": [
            {"name": "up", "labels": {"job": "a"}, "value": 1},
            {"name": "up", "labels": {}, "value": "NaN"}]}});
        let expected = "# HELP up Whether.\n# TYPE up gauge\nup{job=\"a\"} 1\nup NaN\n";
        assert_eq!(exposition(&families), expected);
    }

    #[test]
    fn steps_are_objects_answers_and_lines() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "1"}});
        let step = |asked, output| Step { path: "s".to_owned(), asked, output };
        let http = |port| Asked::Http {
            namespace: "shop".to_owned(),
            method: "GET".to_owned(),
            path: "/health".to_owned(),
            port,
        };
        let mut seen = Seen::default();
        let steps = [
            step(Asked::Objects, json!({"items": [pod, pod]})),
            step(http(None), json!([{"pod": "web-1", "status": 200, "body": "old"}])),
            step(http(Some(80)), json!({"pod": "web-1", "status": 503, "body": "new"})),
            step(http(None), json!({"pod": "web-2", "status": null, "refused": true})),
            step(
                Asked::Logs { namespace: "shop".to_owned() },
                json!([{"pod": "web-1", "container": "web", "previous": false,
                    "lines": [{"time": "2026-01-01T00:00:00Z", "text": "x"}],
                    "matches": [{"time": "2026-01-01T00:00:00Z", "text": "x"}]}]),
            ),
        ];
        add(&mut seen, &steps);
        assert_eq!(seen.objects, [pod]);
        assert_eq!(seen.answers.len(), 1);
        assert_eq!((seen.answers[0].status, seen.answers[0].body.as_str()), (503, "new"));
        assert_eq!(seen.logs[0].lines.len(), 1);
        assert_eq!(seen.gaps.len(), 1, "{:?}", seen.gaps);
    }
}
