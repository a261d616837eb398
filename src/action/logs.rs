//! `logs`: log lines of all pods and containers.

use super::fan::{item, pods_of, quote};
use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb};
use crate::cluster::pod::{containers, default_container};
use crate::cluster::{ErrorKind, LogOptions};
use futures::{StreamExt, stream};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Reads logs. The output is a list with one item a container: `{pod, container, previous, lines: [{time, text}], matches, truncated}`;
/// `matches` are the lines that `match` finds, newest last: `{time, text, groups: {name: text}}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Whose logs.
    pub target: Target,
    /// Container; the pod's default container if none is named.
    pub container: Option<String>,
    /// Every container of the pod, init containers included.
    #[serde(default)]
    pub all_containers: bool,
    /// Only lines younger than this. Without `since` and `tail`: from the start of the container.
    pub since: Option<Duration>,
    /// Only the last lines, this many.
    pub tail: Option<u32>,
    /// Also the logs of the container instance before, where a container was restarted.
    #[serde(default)]
    pub previous: bool,
    /// Regular expression for `matches`; named groups `(?<name>…)` become fields of `groups`.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

/// Most bytes of one container's log.
const LIMIT: u64 = 4 << 20;

impl Verb for Logs {
    fn check(&self) -> Result<(), String> {
        match self.pattern.as_deref().map(Regex::new) {
            Some(Err(error)) => Err(format!("`match` is not a regular expression: {}", error.to_string().lines().last().unwrap_or_default())),
            Some(Ok(pattern)) if pattern.as_str().is_empty() => Err("`match` is empty and would match every line".to_owned()),
            Some(Ok(_)) | None if self.container.is_some() && self.all_containers => Err("either one `container` or `all_containers`".to_owned()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let mut all = self.target.pod_permissions(namespace);
        all.push(Access {
            verb: "get".to_owned(),
            resource: "pods".to_owned(),
            subresource: "log".to_owned(),
            namespace: self.target.namespace(namespace).to_owned(),
            ..Access::default()
        });
        all
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let mut words = vec![format!("kubectl logs -n {} {}", quote(self.target.namespace(namespace)), self.target.kubectl().trim_start_matches("pod -l").trim_start_matches("pods "))];
        if let super::Which::Selector(selector) = &self.target.which {
            words = vec![format!("kubectl logs -n {} -l {}", quote(self.target.namespace(namespace)), quote(selector))];
        } else if self.pods == Pods::All && !self.target.is_one_pod() {
            words.push("--all-pods".to_owned());
        }
        words.extend(self.container.as_ref().map(|name| format!("-c {}", quote(name))));
        words.extend(self.all_containers.then(|| "--all-containers".to_owned()));
        words.extend(self.since.map(|since| format!("--since={}s", since.0.as_secs())));
        words.push(format!("--tail={}", self.tail.map_or(-1, i64::from)));
        words.extend(self.pattern.as_ref().map(|pattern| format!("| grep -E {}", quote(pattern))));
        vec![words.join(" ")]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let namespace = self.target.namespace(&context.namespace);
        let pattern = self.pattern.as_deref().map(Regex::new).transpose().map_err(|error| Failure::error(error.to_string()))?;
        let pods = pods_of(context, &self.target, self.pods).await?;
        let wanted: Vec<_> = pods.iter().flat_map(|pod| self.sources(pod)).collect();
        let reads = wanted.into_iter().map(|source| {
            let pattern = pattern.as_ref();
            async move {
                let options = LogOptions {
                    container: Some(source.container.clone()),
                    previous: source.previous,
                    since: self.since.map(|since| since.0),
                    tail: self.tail.map(i64::from),
                    limit_bytes: LIMIT,
                    timestamps: true,
                };
                let mut fields = item([("pod", source.pod.as_str().into()), ("container", source.container.as_str().into()), ("previous", source.previous.into())]);
                match cluster.logs(namespace, &source.pod, &options).await {
                    Ok(text) => fields.extend(lines(&text.text, text.truncated, pattern)),
                    // the container has not begun to write: there is nothing, and that is known
                    Err(error) if error.kind == ErrorKind::Invalid && error.message.contains("waiting to start") => {
                        fields.extend(lines("", false, pattern));
                        fields.insert("reason".to_owned(), error.to_string().into());
                    }
                    Err(error) => drop(fields.insert("error".to_owned(), error.to_string().into())),
                }
                Value::Object(fields)
            }
        });
        let reads: Vec<_> = reads.collect();
        let items: Vec<Value> = stream::iter(reads).buffered(16).collect().await;
        let silent: Vec<_> = items.iter().filter_map(|item| item["error"].as_str()).collect();
        if let (true, Some(first)) = (silent.len() == items.len(), silent.first()) {
            return Err(Failure::error(*first));
        }
        let matches: usize = items.iter().filter_map(|item| item["matches"].as_array()).map(Vec::len).sum();
        let pods = pods.len();
        let summary = match (&pattern, pods) {
            (Some(_), _) => format!("{matches} in {pods} pods"),
            (None, 1) => "1 pod".to_owned(),
            (None, _) => format!("{pods} pods"),
        };
        let one = self.target.is_one_pod() && items.len() == 1;
        Ok(Output::new(if one { items.into_iter().next().unwrap_or_default() } else { Value::Array(items) }, summary))
    }
}

struct Source {
    pod: String,
    container: String,
    previous: bool,
}

impl Logs {
    /// The containers of a pod whose logs are wanted; with `previous` also the instance before, where there was one.
    fn sources(&self, pod: &Value) -> Vec<Source> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let containers = match &self.container {
            Some(container) => vec![container.clone()],
            None if self.all_containers => containers(pod),
            None => default_container(pod).into_iter().collect(),
        };
        let mut sources = Vec::new();
        for container in containers {
            let statuses = ["initContainerStatuses", "containerStatuses"].into_iter().filter_map(|key| pod["status"][key].as_array()).flatten();
            let restarted = statuses.filter(|status| status["name"] == container.as_str()).any(|status| status["restartCount"].as_u64().unwrap_or_default() > 0);
            if self.previous && restarted {
                sources.push(Source { pod: name.to_owned(), container: container.clone(), previous: true });
            }
            sources.push(Source { pod: name.to_owned(), container, previous: false });
        }
        sources
    }
}

/// The lines of a log with its own times split off, and those that match.
fn lines(text: &str, truncated: bool, pattern: Option<&Regex>) -> Map<String, Value> {
    let split: Vec<(&str, &str)> = text.lines().map(|line| line.split_once(' ').filter(|(time, _)| time.contains('T')).unwrap_or(("", line))).collect();
    let mut fields = item([
        ("lines", split.iter().map(|(time, text)| json!({"time": time, "text": text})).collect()),
        ("truncated", truncated.into()),
    ]);
    if let Some(pattern) = pattern {
        let found = split.iter().filter_map(|(time, text)| {
            let captures = pattern.captures(text)?;
            let groups: Map<String, Value> = pattern.capture_names().flatten().map(|name| (name.to_owned(), captures.name(name).map(|found| found.as_str()).into())).collect();
            Some(json!({"time": time, "text": text, "groups": groups}))
        });
        fields.insert("matches".to_owned(), found.collect());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_split_off_and_groups_are_named() {
        let pattern = Regex::new(r"Fetched (?<count>\d+) candles for (?<symbol>\S+)").unwrap();
        let fields = lines("2026-11-20T03:12:07.1Z 2026/11/20 03:12:07 Fetched 12 candles for BTCUSDT 1h\n2026-11-20T03:12:08Z other\n", false, Some(&pattern));
        assert_eq!(fields["matches"], json!([{"time": "2026-11-20T03:12:07.1Z", "text": "2026/11/20 03:12:07 Fetched 12 candles for BTCUSDT 1h", "groups": {"count": "12", "symbol": "BTCUSDT"}}]));
        assert_eq!(fields["lines"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_pattern_that_is_none_is_a_fault() {
        let read = |pattern: &str| serde_json::from_value::<Logs>(json!({"target": "deployment/a", "match": pattern})).unwrap().check();
        assert!(read("a(").is_err() && read("").is_err() && read("a|b").is_ok());
    }
}
