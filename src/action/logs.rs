//! `logs`: reads the logs of pods and containers.

use super::support::fan_out::{CONCURRENCY, Item, item, pods_of, quote, unread};
use super::support::kubectl_line;
use super::support::log_text::log_item;
use super::support::settled::{Question, all_gone};
use super::{
    Access, Context, Duration, Failure, FailureKind, Output, Pods, Reach, Target, Verb, Which,
};
use crate::cluster::{LogOptions, PodsOf};
use crate::diagnosis::pod;
use crate::event::Effect;
use futures::{StreamExt, stream};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most bytes of one container's log.
const LOG: u64 = 4 * 1024 * 1024;

/// Reads container logs. The output is a list with one item per container: `{pod, container,
/// previous, lines: [{time, text}], matches, truncated, reason}`. `matches` are the lines that
/// match `match`, newest last: `{time, text, groups: {name: text}}`. A container that has not
/// started has no lines and a `reason`. Logs are limited to 4 MiB per container, starting with the
/// oldest selected line; `truncated` is then true.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Pods to read logs from.
    pub target: Target,
    /// Container; defaults to the default container of the pod.
    pub container: Option<String>,
    /// Whether to read all containers of the pod, including init containers.
    #[serde(default)]
    pub all_containers: bool,
    /// Only lines newer than this. Without `since` and `tail`, all lines since the container
    /// started.
    pub since: Option<Duration>,
    /// Number of lines to read from the end of the log.
    pub tail: Option<u32>,
    /// Whether to also read the logs of the previous instance of a restarted container.
    #[serde(default)]
    pub previous: bool,
    /// Regular expression for `matches`; named groups `(?<name>…)` become fields of `groups`.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
    /// With a selector: whether to include finished pods, such as those of Jobs. If there is no
    /// pod, the output is an empty list.
    #[serde(default)]
    pub finished: bool,
}

impl Verb for Logs {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map_err(|failure| failure.message)?;
        if self.all_containers && self.container.is_some() {
            return Err("use either `container` or `all_containers`".to_owned());
        }
        if self.tail == Some(0) {
            return Err("`tail: 0` selects no lines".to_owned());
        }
        match self.regex() {
            Err(why) => Err(why),
            Ok(Some(regex)) if regex.is_match("") => {
                Err(format!("`match: {}` matches every line, even an empty one", regex.as_str()))
            }
            Ok(_) => Ok(()),
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

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let mut words =
            vec![format!("kubectl logs -n {}", quote(self.target.namespace(namespace)))];
        match &self.target.which {
            // with a selector kubectl shows the last ten lines unless told otherwise
            Which::Selector(selector) => words.extend([
                format!("-l {} --prefix", quote(selector)),
                format!("--tail={}", self.tail.map_or(-1, i64::from)),
            ]),
            Which::Name(name) => {
                words.push(quote(&format!("{}/{name}", self.target.kind.to_ascii_lowercase())));
                if !self.target.is_one_pod() && self.pods == Pods::All {
                    words.push("--all-pods --prefix".to_owned());
                }
                words.extend(self.tail.map(|tail| format!("--tail={tail}")));
            }
        }
        words.extend(self.container.as_deref().map(|name| format!("-c {}", quote(name))));
        words.extend(self.all_containers.then(|| "--all-containers".to_owned()));
        words.extend(self.since.map(|since| format!("--since={}s", since.0.as_secs_f64().ceil())));
        words.push("--timestamps".to_owned());
        let line = words.join(" ");
        let grep = self
            .pattern
            .as_deref()
            .map(|pattern| format!(" | grep -P {}", quote(pattern)))
            .unwrap_or_default();
        let before = self.previous.then(|| format!("{line} --previous{grep}"));
        before.into_iter().chain([format!("{line}{grep}")]).collect()
    }

    fn judges(&self) -> bool {
        false
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let regex = self.regex().map_err(Failure::error)?;
        let pods = self.whose(context).await?;
        let logs: Vec<_> = pods.iter().flat_map(|pod| self.logs_of(pod)).collect();
        (context.progress)(&format!(
            "logs of {} of {}",
            kubectl_line::counted(pods.len()),
            self.target
        ));
        let namespace = self.target.namespace(&context.namespace);
        let cluster = context.cluster()?;
        let work: Vec<_> = logs
            .into_iter()
            .map(|log| async {
                let options = LogOptions {
                    container: Some(log.container.clone()),
                    previous: log.previous,
                    since: self.since.map(|since| since.0),
                    tail: self.tail.map(i64::from),
                    limit_bytes: LOG,
                    timestamps: true,
                };
                let result = match &log.fault {
                    Some(fault) => Err(Failure::error(fault.clone())),
                    None => match tokio::time::timeout(
                        context.remaining(),
                        cluster.logs(namespace, &log.pod, &options),
                    )
                    .await
                    {
                        Ok(result) => log_item(result, regex.as_ref()),
                        Err(_) => Err(Failure::error(format!(
                            "reading the log of pod {} timed out",
                            log.pod
                        ))),
                    },
                };
                (log, result)
            })
            .collect();
        let results: Vec<(Log, Item)> = stream::iter(work).buffered(CONCURRENCY).collect().await;
        let question = Question { context, target: &self.target, reads: true, one: false };
        let gone = question.gone(&pods, results.iter().map(|(_, result)| result)).await;
        let left: Vec<_> =
            results.into_iter().filter(|(log, _)| !gone.contains(&log.pod)).collect();
        if left.is_empty() && !gone.is_empty() {
            return Err(all_gone(&gone));
        }
        gather(left, pods.len() - gone.len(), regex.is_some())
    }
}

/// One log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Log {
    pod: String,
    container: String,
    previous: bool,
    /// Why there is nothing to ask for.
    fault: Option<String>,
}

impl Logs {
    fn regex(&self) -> Result<Option<Regex>, String> {
        let compile = |pattern: &String| match pattern.as_str() {
            "" => Err("`match` is empty: it would match every line".to_owned()),
            pattern => Regex::new(pattern)
                .map_err(|error| format!("`match` is not a valid regular expression: {error}")),
        };
        self.pattern.as_ref().map(compile).transpose()
    }

    /// The pods. Those of a job have often finished, and their logs are what remains.
    async fn whose(&self, context: &Context) -> Result<Vec<Value>, Failure> {
        let pods = self.target.pods()?;
        let is_job = matches!(&pods, PodsOf::Workload { kind,
            .. } if matches!(kind.to_ascii_lowercase().as_str(),
                "job" | "jobs" | "cronjob" | "cronjobs" | "cj"));
        if !is_job && !self.finished {
            return pods_of(context, &self.target, self.pods).await;
        }
        let namespace = self.target.namespace(&context.namespace);
        let mut found = context.cluster()?.pods_with_finished(&pods, namespace).await?;
        if found.is_empty() && !self.finished {
            return Err(Failure::new(
                FailureKind::Failed,
                format!("{} in namespace {namespace} has no pod", self.target),
            ));
        }
        if self.pods == Pods::One {
            let newest = found
                .iter()
                .max_by_key(|pod| {
                    pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned()
                })
                .cloned();
            found = newest.into_iter().collect();
        }
        Ok(found)
    }

    /// The logs of a pod that are asked for, the instance before ahead of the present one.
    fn logs_of(&self, pod: &Value) -> Vec<Log> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let names = |key: &str| -> Vec<String> {
            let containers = pod["spec"][key].as_array().into_iter().flatten();
            containers
                .filter_map(|container| Some(container["name"].as_str()?.to_owned()))
                .collect()
        };
        let all = ["initContainers", "containers", "ephemeralContainers"].map(names).concat();
        let log = |container: &str, previous, fault| Log {
            pod: name.to_owned(),
            container: container.to_owned(),
            previous,
            fault,
        };
        let wanted: Vec<String> = match &self.container {
            Some(container) if !all.contains(container) => {
                let fault = format!(
                    "pod {name} has no container {container}; available: {}",
                    all.join(", ")
                );
                return vec![log(container, false, Some(fault))];
            }
            Some(container) => vec![container.clone()],
            None if self.all_containers => all,
            None => pod::default_container(pod).into_iter().collect(),
        };
        let restarted = |container: &str| {
            let statuses = ["initContainerStatuses", "containerStatuses"]
                .into_iter()
                .flat_map(|key| pod["status"][key].as_array().into_iter().flatten());
            let mut own = statuses.filter(|status| status["name"] == container);
            own.any(|status| status["restartCount"].as_u64().is_some_and(|count| count > 0))
        };
        let mut logs = Vec::new();
        for container in &wanted {
            if self.previous && restarted(container) {
                logs.push(log(container, true, None));
            }
            logs.push(log(container, false, None));
        }
        logs
    }
}

fn gather(results: Vec<(Log, Item)>, pods: usize, matching: bool) -> Result<Output, Failure> {
    let answered = results.iter().filter(|(_, result)| result.is_ok()).count();
    if let (0, Some((_, Err(failure)))) = (answered, results.first()) {
        return Err(failure.clone());
    }
    let silent = results.len() - answered;
    let mut found = 0;
    let mut items = Vec::with_capacity(results.len());
    for (log, result) in results {
        let mut fields = item([
            ("pod", json!(log.pod)),
            ("container", json!(log.container)),
            ("previous", json!(log.previous)),
        ]);
        match result {
            Ok(more) => {
                found += more.get("matches").and_then(Value::as_array).map_or(0, Vec::len);
                fields.extend(more);
            }
            Err(failure) => fields.extend(unread(failure)),
        }
        items.push(Value::Object(fields));
    }
    let pods = kubectl_line::counted(pods);
    let summary = match (matching, found) {
        (false, _) => pods,
        (true, 1) => format!("1 match in {pods}"),
        (true, _) => format!("{found} matches in {pods}"),
    };
    let summary = if silent == 0 {
        summary
    } else {
        format!("{summary}, {silent} of {} logs not read", items.len())
    };
    Ok(Output::new(Value::Array(items), summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::LogText;

    fn logs(value: Value) -> Logs {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn which_logs_of_a_pod() {
        let pod = json!({"metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "i"}]},
            "status": {"containerStatuses": [{"name": "a", "restartCount": 2}, {"name": "b",
            "restartCount": 0}]}});
        let cases = [
            (json!({"target": "pod/p"}), vec![("a", false)]),
            (json!({"target": "pod/p", "previous": true}), vec![("a", true), ("a", false)]),
            (json!({"target": "pod/p", "container": "i", "previous": true}), vec![("i", false)]),
            (
                json!({"target": "pod/p", "all_containers": true, "previous": true}),
                vec![("i", false), ("a", true), ("a", false), ("b", false)],
            ),
        ];
        for (value, wanted) in cases {
            let found = logs(value.clone()).logs_of(&pod);
            let found: Vec<_> =
                found.iter().map(|log| (log.container.as_str(), log.previous)).collect();
            assert_eq!(found, wanted, "{value}");
        }
        let wrong = logs(json!({"target": "pod/p", "container": "x"})).logs_of(&pod);
        assert_eq!(wrong[0].fault.as_deref(), Some("pod p has no container x; available: i, a, b"));
    }

    #[test]
    fn a_log_that_was_not_read_is_an_error_of_its_item() {
        let log = |pod: &str| Log {
            pod: pod.to_owned(),
            container: "c".to_owned(),
            previous: false,
            fault: None,
        };
        let read = || {
            log_item(
                Ok(LogText { text: "x\n".to_owned(), truncated: false }),
                Some(&Regex::new("x").unwrap()),
            )
        };
        let output =
            gather(vec![(log("a"), read()), (log("b"), Err(Failure::error("no")))], 2, true)
                .unwrap();
        assert_eq!(
            output.value[1],
            json!({"pod": "b", "container": "c", "previous": false, "error": "no", "unread": true})
        );
        assert_eq!(output.summary, "1 match in 2 pods, 1 of 2 logs not read");
        assert_eq!(
            gather(vec![(log("a"), Err(Failure::error("no")))], 1, false).unwrap_err().message,
            "no"
        );
    }

    #[test]
    fn faults_and_lines_by_hand() {
        for (value, good) in [
            (json!({"target": "pod/p", "match": "a+"}), true),
            (json!({"target": "pod/p", "match": ""}), false),
            (json!({"target": "pod/p", "match": "a*"}), false),
            (json!({"target": "pod/p", "match": "(a"}), false),
            (json!({"target": "pod/p", "tail": 0}), false),
            (json!({"target": "pod/p", "container": "a", "all_containers": true}), false),
        ] {
            assert_eq!(logs(value.clone()).check().is_ok(), good, "{value}");
        }
        let cases = [
            (
                json!({"target": "pod/p", "tail": 5}),
                vec!["kubectl logs -n n pod/p --tail=5 --timestamps"],
            ),
            (
                json!({"target": {"kind": "Pod", "selector": "a=b"}, "since": "90s"}),
                vec!["kubectl logs -n n -l a=b --prefix --tail=-1 --since=90s --timestamps"],
            ),
            (
                json!({"target": "deployment/d", "previous": true, "match": "a b",
                    "all_containers": true}),
                vec![
                    "kubectl logs -n n deployment/d --all-pods --prefix --all-containers \
                        --timestamps --previous | grep -P 'a b'",
                    "kubectl logs -n n deployment/d --all-pods --prefix --all-containers \
                        --timestamps | grep -P 'a b'",
                ],
            ),
        ];
        for (value, wanted) in cases {
            assert_eq!(logs(value.clone()).manual_commands("n"), wanted, "{value}");
        }
    }
}
