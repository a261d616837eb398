//! `manifest`: lints manifests, and compares them with the cluster.

use super::apply::Apply;
use super::support::fan_out::quote;
use super::support::local_file::expand;
use super::support::manifest::{Document, defined, place_of, read, stamped};
use super::support::manifest_lint::{Written, lint};
use super::support::network_inventory::{everything, everything_permissions};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Verb, Wrong};
use crate::cluster::{ErrorKind, Method};
use crate::compare::{desired, lines};
use crate::event::Effect;
use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Objects that are compared at the same time.
const CONCURRENCY: usize = 8;
/// So many lines are shown.
const SHOWN: usize = 40;

/// Lints manifests, and compares them with the objects of the cluster. Changes nothing. The output
/// is `{files, lints, drift}`.
///
/// `lints` are `{file, line, kind, namespace, name, severity, lint, message}`: `unreadable`;
/// `placeholder` and `plaintext-secret`, which `apply` refuses; `latest-tag`; `target-port-missing`
/// (a port of a Service that no container of its pods declares); `selector-matches-nothing` (of a
/// Service, PodDisruptionBudget or NetworkPolicy, neither in the files nor in the cluster); and those
/// lints of `network_audit` that concern a single policy. `${NAME}` and `{{ name }}` are placeholders
/// except in ConfigMaps, annotations, `command`, `args`, and objects of other APIs.
///
/// `drift` are `{file, line, kind, namespace, name, state, diff, guards}`. The server is asked what
/// the object would be after `apply` with `force` (`dryRun=All`): `state` is `same`, `differs` or
/// `missing`; `diff` are the lines that would change. Replicas that an autoscaler owns are no
/// difference. `guards` are the ids of the guards that would refuse to apply it.
///
/// An object that cannot be compared is an unread item. The step fails on lints of severity `error`
/// and on any difference, unless an expectation uses `lints` or `drift`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// List of YAML files, relative to the working directory, with `*`, `?` and `**`.
    pub paths: Vec<String>,
    /// Whether to use the objects of the cluster. Without them, `drift` is null, and nothing is said
    /// of selectors that match nothing.
    #[serde(default = "yes")]
    pub live: bool,
}

fn yes() -> bool {
    true
}

impl Verb for Manifest {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        if self.live { Reach::Cluster } else { Reach::File }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        if !self.live {
            return Vec::new();
        }
        let (written, _) = self.written(namespace).unwrap_or_default();
        let mut needed = everything_permissions();
        for written in written {
            needed.extend(Apply::of(written.document.object).permissions(namespace));
        }
        needed.sort();
        needed.dedup();
        needed
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let place = quote(namespace);
        let word =
            |path: &String| if path.contains(['*', '?']) { path.clone() } else { quote(path) };
        let line = |path| format!("kubectl diff --server-side -n {place} -f {}", word(path));
        self.paths.iter().map(line).collect()
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let list = |key: &str| output[key].as_array().into_iter().flatten();
        let lints = list("lints").filter(|lint| lint["severity"] == "error");
        let mut drift = list("drift").filter(|one| one["state"] != "same" && one["unread"] != true);
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let mut said = lints.map(|lint| {
            format!("{}:{}: {}", text(lint, "file"), lint["line"], text(lint, "message"))
        });
        let first = said.next().or_else(|| {
            drift.next().map(|one| {
                format!("{} {}: {}", text(one, "kind"), text(one, "name"), text(one, "state"))
            })
        })?;
        let more = said.count() + drift.count();
        let reason = if more == 0 { first } else { format!("{first}; and {more} more") };
        Some(Wrong { fields: &["lints", "drift"], reason })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let (verb, namespace) = (self.clone(), context.namespace.clone());
        let read = crate::blocking::blocking(move || verb.written(&namespace)).await;
        let (written, mut lints) = read
            .map_err(|error| Failure::error(error.to_string()))?
            .map_err(|reason| Failure::new(FailureKind::Failed, reason))?;
        let files: BTreeSet<&str> = written.iter().map(|written| written.file.as_str()).collect();
        written.iter().for_each(|written| context.masker.learn_object(&written.document.object));
        let (live, drift) = if self.live {
            let all: Vec<_> = written.iter().map(|written| compared(context, written)).collect();
            let (survey, drift): (_, Vec<Value>) = tokio::join!(
                everything(context.cluster()?),
                stream::iter(all).buffered(CONCURRENCY).collect::<Vec<Value>>()
            );
            // what else is in a file that cannot be read, nobody has compared
            let unreadable = lints.iter().filter(|lint| lint["lint"] == "unreadable");
            let unread = unreadable.map(
                |lint| json!({"file": lint["file"], "unread": true, "error": lint["message"]}),
            );
            let drift = drift.into_iter().chain(unread).collect();
            (Some(survey), Some(drift))
        } else {
            (None, None)
        };
        match live {
            Some(Ok(survey)) => lints.extend(lint(&written, Some(&survey.objects))),
            Some(Err(failure)) => {
                lints.extend(lint(&written, None));
                let error = format!("selectors were not compared: {}", failure.message);
                lints.push(json!({"unread": true, "error": error}));
            }
            None => lints.extend(lint(&written, None)),
        }
        Ok(output(files.len(), &lints, drift))
    }
}

fn output(files: usize, lints: &[Value], drift: Option<Vec<Value>>) -> Output {
    let all = drift.iter().flatten();
    let unread = all.clone().filter(|one| one["unread"] == true).count();
    let same = all.clone().filter(|one| one["state"] == "same").count();
    let said = lints.iter().filter(|lint| lint["unread"] != true).count();
    let mut summary = format!("{said} lints in {files} files");
    if let Some(drift) = &drift {
        let differing = drift.len() - same - unread;
        summary = format!("{summary}, {differing} of {} objects differ", drift.len());
        if unread > 0 {
            summary = format!("{summary}, {unread} not compared");
        }
    }
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let lint = |item: &Value| {
        format!("{}:{}: {}", text(item, "file"), item["line"], text(item, "message"))
    };
    let different = all.filter(|one| one["state"] != "same").flat_map(|one| {
        let head = format!("{} {}: {}", text(one, "kind"), text(one, "name"), text(one, "state"));
        let diff = one["diff"].as_array().into_iter().flatten();
        std::iter::once(head).chain(diff.filter_map(Value::as_str).map(str::to_owned))
    });
    let shown = lints.iter().filter(|item| item["unread"] != true).map(lint);
    let display: Vec<String> = shown.chain(different).take(SHOWN).collect();
    let mut value = json!({"files": files, "lints": lints, "drift": drift});
    if !display.is_empty() {
        value["display"] = json!(display);
    }
    Output::new(value, summary)
}

impl Manifest {
    /// The objects of the files with their namespaces, and what is said of files that are none.
    fn written(&self, namespace: &str) -> Result<(Vec<Written>, Vec<Value>), String> {
        let paths = expand(&self.paths)?;
        if self.paths.is_empty() {
            return Err("`paths` is empty: list files or patterns".to_owned());
        }
        if paths.is_empty() {
            return Err(format!("no file matches {}", self.paths.join(", ")));
        }
        let (mut all, mut lints) = (Vec::new(), Vec::new());
        for path in paths {
            let file = path.display().to_string();
            let documents = match read(&file) {
                Ok(documents) => documents,
                Err(reason) => {
                    lints.push(json!({"file": file, "line": 1, "kind": null, "namespace": null,
                        "name": null, "severity": "error", "lint": "unreadable",
                        "message": reason}));
                    // nor has anybody seen what other lints it has
                    lints.push(json!({"file": file, "unread": true, "error": reason}));
                    continue;
                }
            };
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            for document in &documents {
                let place = match defined(document, &documents) {
                    Some(resource) => place_of(document, &resource, namespace),
                    None => document.metadata("namespace").to_owned(),
                };
                let object = stamped(document, &place);
                let document = Document { object, ..document.clone() };
                all.push(Written { file: file.clone(), document, lines: lines.clone() });
            }
        }
        Ok((all, lints))
    }
}

/// One object, compared with that of the cluster.
async fn compared(context: &Context, written: &Written) -> Value {
    let object = &written.document.object;
    let mut item = json!({"file": written.file, "line": written.document.line,
        "kind": object["kind"], "namespace": written.document.metadata("namespace"),
        "name": written.document.metadata("name")});
    match difference(context, object).await {
        Ok(found) => {
            item["state"] = json!(found.state);
            item["diff"] = json!(found.diff);
            item["guards"] = json!(found.guards);
        }
        Err(failure) => {
            item["unread"] = json!(true);
            item["error"] = json!(failure.message);
        }
    }
    item
}

#[derive(Default)]
struct Difference {
    state: &'static str,
    diff: Vec<String>,
    guards: Vec<&'static str>,
}

async fn difference(context: &Context, object: &Value) -> Result<Difference, Failure> {
    let intent = Apply::of(object.clone()).intend(context).await?.unwrap_or_default();
    let guards: Vec<&str> = intent.guards.iter().map(|guard| guard.id).collect();
    let Some(mut change) = intent.changes.into_iter().next() else {
        return Ok(Difference { state: "same", guards, ..Difference::default() });
    };
    change.learn(&context.masker);
    let Some(before) = change.before.clone() else {
        return Ok(Difference { state: "missing", guards, ..Difference::default() });
    };
    if guards.iter().any(|id| id.ends_with("-owns-replicas"))
        && let Some(spec) = change.write.body["spec"].as_object_mut()
    {
        spec.shift_remove("replicas");
    }
    change.write.method = Method::ForceApply;
    let after = match context.cluster()?.preview(&change.write).await {
        Ok(after) => after,
        // what cannot be changed is another value there
        Err(error) if error.kind == ErrorKind::Invalid => {
            let diff = vec![error.to_string()];
            return Ok(Difference { state: "differs", diff, guards });
        }
        Err(error) => return Err(error.into()),
    };
    if desired(&before) == desired(&after) {
        return Ok(Difference { state: "same", guards, ..Difference::default() });
    }
    let planned = change.planned(Some(&after), &context.masker);
    let diff = lines(Some(&planned.before), Some(&planned.after));
    Ok(Difference { state: "differs", diff, guards })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::support::real_pods::context;

    /// The lints of a file, without a cluster: `LINE LINT`.
    async fn lints(text: &str) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.yaml");
        std::fs::write(&path, text).unwrap();
        let verb: Manifest =
            serde_json::from_value(json!({"paths": [path], "live": false})).unwrap();
        let output = verb.perform(&context(None, "n")).await.unwrap().value;
        assert_eq!(output["drift"], Value::Null);
        let lints = output["lints"].as_array().unwrap().iter();
        let word = |lint: &Value| match lint["unread"] == true {
            true => "unread".to_owned(),
            false => format!("{} {}", lint["line"], lint["lint"].as_str().unwrap()),
        };
        lints.map(word).collect()
    }

    #[tokio::test]
    async fn lints_name_the_line() {
        let text = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 8080}
  - {port: 81, targetPort: admin}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {version: VERSION_PLACEHOLDER}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.org:5000/web
        ports: [{containerPort: 8000, name: http}]
        env:
        - {name: HOST, value: \"${HOST}\"}
        - {name: DB_PASSWORD, value: hunter2}
      - {name: side, image: \"side:1.2\"}
";
        assert_eq!(
            lints(text).await,
            [
                "7 target-port-missing",
                "8 target-port-missing",
                "14 placeholder",
                "25 placeholder",
                "26 plaintext-secret",
                "22 latest-tag",
            ]
        );
        assert_eq!(lints("a: [\n").await, ["1 unreadable", "unread"]);
    }

    #[tokio::test]
    async fn without_files_nothing_is_judged() {
        let verb: Manifest =
            serde_json::from_value(json!({"paths": ["no/such/*.yaml"], "live": false})).unwrap();
        let failure = verb.perform(&context(None, "n")).await.unwrap_err();
        assert_eq!(failure.message, "no file matches no/such/*.yaml");
    }

    #[test]
    fn errors_and_differences_are_wrong() {
        let verb = |value| serde_json::from_value::<Manifest>(value).unwrap();
        let wrong =
            |output: Value| verb(json!({"paths": ["a"]})).wrong(&output).map(|it| it.reason);
        let lint = |severity: &str| json!({"file": "a.yaml", "line": 3, "severity": severity, "message": "a placeholder"});
        let drift = json!({"kind": "Service", "name": "web", "state": "differs"});
        assert_eq!(wrong(json!({"lints": [lint("warning")], "drift": null})), None);
        assert_eq!(
            wrong(json!({"lints": [lint("error")], "drift": [drift, {"state": "same"}]})),
            Some("a.yaml:3: a placeholder; and 1 more".to_owned())
        );
        assert_eq!(
            wrong(json!({"lints": [], "drift": [drift]})),
            Some("Service web: differs".to_owned())
        );
        assert_eq!(wrong(json!({"lints": [], "drift": [{"unread": true}]})), None);
    }
}
