//! `wait`: watches objects until a condition holds.

use super::support::behind::Behind;
use super::support::fan_out::{quote, reading};
use super::{Access, Context, Failure, FailureKind, JqText, Output, Reach, Verb};
use crate::cluster::rollout::{RolloutStatus, rollout_status};
use crate::cluster::{Resource, Selection, WaitError, builtin, ending};
use crate::diagnosis::pod;
use crate::diagnosis::symptom::{Said, few};
use crate::event::Effect;
use crate::expression::{self, Bindings, Budget, EvalErrorKind, Jq};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Watches objects until a condition holds or the `timeout` of the step expires; in that case,
/// reports what is wrong with the pods. Ends early only if a condition on the `status` of one named
/// object can no longer become true: a finished Job, or a finished pod without a controller. With
/// `name`, the input of the condition and the output are the object (null while it does not exist);
/// otherwise `{items: [...]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Kind: `Pod`, `deployment`, `job`, …
    pub kind: String,
    /// Name of one object. It does not have to exist yet.
    pub name: Option<String>,
    /// Label selector.
    pub selector: Option<String>,
    /// Namespace; defaults to the namespace of the step.
    pub namespace: Option<String>,
    /// Condition to wait for.
    pub until: Option<JqText>,
    /// Whether to wait until the object no longer exists. Passes immediately if it does not exist.
    #[serde(default)]
    pub absent: bool,
}

impl Verb for Wait {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn needs_deadline(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        match (&self.until, self.absent) {
            (Some(_), true) => Err("use either `until` or `absent`".to_owned()),
            (None, false) => Err("requires a condition in `until`, or `absent: true`".to_owned()),
            _ if self.name.is_some() && self.selector.is_some() => {
                Err("use either `name` for one object, or `selector`".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let Some(resource) = builtin(&self.kind) else { return Vec::new() };
        let namespace = self.namespace.as_deref().unwrap_or(namespace);
        ["list", "watch"].iter().map(|verb| reading(&resource, verb, namespace, "")).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let what = match (&self.name, &self.selector) {
            (Some(name), _) => format!("{}/{}", self.kind.to_ascii_lowercase(), quote(name)),
            (None, Some(selector)) => {
                format!("{} -l {}", self.kind.to_ascii_lowercase(), quote(selector))
            }
            (None, None) => self.kind.to_ascii_lowercase(),
        };
        let place = quote(self.namespace.as_deref().unwrap_or(namespace));
        match &self.until {
            None => vec![format!("kubectl wait -n {place} {what} --for=delete")],
            Some(until) => {
                vec![format!("kubectl get -n {place} {what} -o json --watch   # until {}", until.0)]
            }
        }
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        let resource = cluster.resolve(&self.kind).await?;
        let namespace = self.namespace.as_deref().unwrap_or(&context.namespace);
        let selection = self.selection();
        let until = self
            .until
            .as_ref()
            .map(|until| expression::compile(&until.0, VARIABLES))
            .transpose()
            .map_err(|error| Failure::error(error.message))?;
        let behind = Behind::new(context, &resource, namespace);
        let waited = cluster
            .watch_until(&resource, Some(namespace), &selection, context.deadline, |objects| {
                let view = self.view(objects.values(), &resource);
                context.masker.learn_object(&view);
                let decided = match &until {
                    Some(until) => decide(until, &view, self.name.is_some()),
                    None => objects.is_empty().then_some(WaitEnd::Holds),
                };
                if let Some(decided) = decided {
                    return ControlFlow::Break((decided, view));
                }
                let seen = last_seen(objects.values());
                (context.progress)(&match &until {
                    Some(until) => {
                        let now = expression::present(until, &view, &Bindings::new());
                        expression::with_present(seen, now)
                    }
                    None => format!("waiting for the end of {}: {seen}", self.what()),
                });
                ControlFlow::Continue(())
            })
            .await;
        match waited {
            Ok((WaitEnd::Holds, view)) => {
                Ok(Output::new(view, if self.absent { "absent" } else { "condition met" }))
            }
            Ok((WaitEnd::Never(reason), object)) => {
                let message = format!("the condition can no longer hold: {reason}");
                let ill = behind.words(&[&object], &message).await;
                Err(Failure::new(FailureKind::Failed, format!("{message}{ill}")))
            }
            Ok((WaitEnd::Fault(error), _)) => {
                Err(Failure::error(format!("cannot evaluate `until`: {error}")))
            }
            Err(WaitError::Timeout { last, waited, last_error }) => {
                let objects: Vec<&Value> = last.values().collect();
                let found = behind.found(&objects).await;
                let seen =
                    seen_at_last(&objects, found.unwrap_or_else(|why| vec![Said::of(why, "")]));
                Err(Failure::in_vain(
                    format!(
                        "condition not met within {:.0} s; last seen: {seen}",
                        waited.as_secs_f64()
                    ),
                    last_error.as_deref(),
                ))
            }
            Err(WaitError::Failed(error)) => Err((*error).into()),
        }
    }
}

/// How a condition ends the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WaitEnd {
    /// It holds.
    Holds,
    /// It can no longer hold, and why.
    Never(String),
    /// It cannot be evaluated, and why.
    Fault(String),
}

/// What the condition says of the objects as they are; none if it may still come to hold.
fn decide(until: &Jq, view: &Value, one: bool) -> Option<WaitEnd> {
    match until.condition(view, &Bindings::new(), Budget::default()) {
        Ok(true) => return Some(WaitEnd::Holds),
        Ok(false) => {}
        // an object that is still being made lacks fields
        Err(error)
            if matches!(
                error.kind,
                EvalErrorKind::NotBoolean | EvalErrorKind::Runtime | EvalErrorKind::NotOne
            ) => {}
        Err(error) => return Some(WaitEnd::Fault(error.to_string())),
    }
    if one { hopeless(view, until).map(WaitEnd::Never) } else { None }
}

/// Why a condition that does not hold for this object will never hold: its status is the last that
/// it will have, and nothing else is asked for. An object that goes is seen as null, which may be
/// what is waited for.
fn hopeless(object: &Value, until: &Jq) -> Option<String> {
    let reason = ending::final_state(object)?;
    let when_gone = until.condition(&Value::Null, &Bindings::new(), Budget::default());
    (is_about_status(until.source()) && when_gone != Ok(true)).then_some(reason)
}

/// The words of a condition that looks at fields and values and nowhere else: not at the time, not
/// at all fields of an object.
const PLAIN: &[&str] = &[
    "and",
    "or",
    "not",
    "if",
    "then",
    "elif",
    "else",
    "end",
    "true",
    "false",
    "null",
    "any",
    "all",
    "select",
    "length",
    "test",
    "startswith",
    "endswith",
    "contains",
    "empty",
    "isempty",
    "first",
    "last",
];

/// Whether a condition on an object reads its status alone. In doubt it does not: whoever waits may
/// be waiting for a label, for a change of the spec, or for time to pass.
fn is_about_status(source: &str) -> bool {
    let mut rest = source;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => match rest[1..].find(['"', '\\']).map(|end| (end, rest.as_bytes()[end + 1])) {
                Some((end, b'"')) => end + 2,
                _ => return false,
            },
            _ if next.is_ascii_alphabetic() || next == '_' => {
                let length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                let word = &rest[..length];
                let allowed = if before == '.' {
                    !matches!(word, "metadata" | "spec")
                } else {
                    PLAIN.contains(&word)
                };
                if !allowed {
                    return false;
                }
                length
            }
            // every field of something, or one whose name is worked out; a comment; a variable
            '.' if before == '.'
                || rest[1..].trim_start().starts_with('[')
                    && !(before.is_ascii_alphanumeric() || matches!(before, '_' | ']' | '?')) =>
            {
                return false;
            }
            '#' | '$' | '@' => return false,
            _ => next.len_utf8(),
        };
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    true
}

/// The names that jq programs may use; a wait has only its own objects.
const VARIABLES: &[&str] = &["params", "steps", "findings", "run", "alert", "item"];

impl Wait {
    fn selection(&self) -> Selection {
        match &self.name {
            Some(name) => Selection::name(name),
            None => Selection { labels: self.selector.clone(), fields: None },
        }
    }

    /// What is waited for, in a few words.
    fn what(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        match (&self.name, &self.selector) {
            (Some(name), _) => format!("{kind}/{name}"),
            (None, Some(selector)) => format!("{kind} -l {selector}"),
            (None, None) => kind,
        }
    }

    fn view<'a>(&self, objects: impl Iterator<Item = &'a Value>, resource: &Resource) -> Value {
        let mut objects = objects.cloned().map(|mut object| {
            super::support::counter::write_out(&mut object, resource);
            object
        });
        match self.name {
            Some(_) => objects.next().unwrap_or_default(),
            None => json!({"items": objects.collect::<Vec<_>>()}),
        }
    }
}

/// Objects in a few words, and what is wrong with their pods. A pod with which something is wrong
/// is named by that alone, and first.
fn seen_at_last(objects: &[&Value], ill: Vec<Said>) -> String {
    let named = |object: &&&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["kind"] == "Pod" && ill.iter().any(|one| one.name == name)
    };
    let (pods, others): (Vec<&&Value>, Vec<&&Value>) = objects.iter().partition(named);
    let others = others.into_iter().map(|object| seen(object));
    match (pods.is_empty(), ill.is_empty()) {
        (false, _) => few(&ill.iter().cloned().chain(others).collect::<Vec<_>>()),
        (true, true) => last_seen(objects.iter().copied()),
        (true, false) => format!("{}; {}", few(&others.collect::<Vec<_>>()), few(&ill)),
    }
}

/// Objects in a few words.
fn last_seen<'a>(objects: impl Iterator<Item = &'a Value>) -> String {
    let all: Vec<Said> = objects.map(seen).collect();
    if all.is_empty() { "nothing found".to_owned() } else { few(&all) }
}

/// An object in a few words: a pod by its status, a workload by its rollout, others by their
/// conditions.
fn seen(object: &Value) -> Said {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let state = match object["kind"].as_str() {
        Some("Pod") => pod::pod_status(object),
        Some("Deployment" | "StatefulSet" | "DaemonSet") => match rollout_status(object) {
            RolloutStatus::Done => "rolled out".to_owned(),
            RolloutStatus::Waiting(reason) | RolloutStatus::Failed(reason) => reason,
        },
        _ => {
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let shown: Vec<_> = conditions
                .iter()
                .filter_map(|condition| {
                    Some(format!(
                        "{}={}",
                        condition["type"].as_str()?,
                        condition["status"].as_str()?
                    ))
                })
                .collect();
            if shown.is_empty() { "there".to_owned() } else { shown.join(" ") }
        }
    };
    Said::of(name, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_about_the_status_or_it_may_yet_hold() {
        for (source, expected) in [
            (".status.succeeded == 1", true),
            ("any(.status.conditions[]?; .type == \"Complete\" and .status == \"True\")", true),
            (".status.phase == \"Succeeded\" | not", true),
            ("(.status.conditions // []) | any(.type == \"Failed\")", true),
            (".status.containerStatuses[0].state.terminated.exitCode == 3", true),
            (".status.phase == \"metadata\"", true),
            // what may still change once the status is final
            (".metadata.labels.done == \"yes\"", false),
            (".status.succeeded == 1 and .metadata.deletionTimestamp == null", false),
            (".spec.suspend == true", false),
            (".[\"metadata\"].labels.done == \"yes\"", false),
            ("any(.[]; .labels.done == \"yes\")", false),
            ("any(..; . == \"yes\")", false),
            (". | . [\"metadata\"] != null", false),
            ("tostring | test(\"done\")", false),
            ("keys | length > 4", false),
            ("getpath([\"metadata\", \"labels\"]) != null", false),
            // time passes by itself
            ("(.status.completionTime | age) > 30", false),
            ("now > 5", false),
            (".status.phase == \"a\\(.kind)\"", false),
        ] {
            assert_eq!(is_about_status(source), expected, "{source}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let pod = |name: &str| {
            json!({"kind": "Pod", "metadata": {"name": name},
            "status": {"phase": "Running"}})
        };
        let deployment = json!({"kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 2}, "status": {}});
        let (a, b) = (pod("a"), pod("b"));
        let ill = || vec![Said::of("b", "main: OOMKilled")];
        for (objects, ill, expected) in [
            (vec![&a, &b], vec![], "a, b: Running"),
            (vec![&a, &b], ill(), "b: main: OOMKilled; a: Running"),
            (vec![&deployment], ill(), "web: 0 of 2 replicas are updated; b: main: OOMKilled"),
            (vec![&deployment], vec![], "web: 0 of 2 replicas are updated"),
            (vec![], vec![], "nothing found"),
        ] {
            assert_eq!(seen_at_last(&objects, ill), expected);
        }
    }

    #[test]
    fn a_wait_ends_early_only_where_nothing_can_come() {
        let job = |kind: &str| {
            json!({"kind": "Job", "metadata": {"name": "j"},
            "status": {"conditions": [{"type": kind, "status": "True", "reason": "R"}]}})
        };
        let complete = "any(.status.conditions[]?; .type == \"Complete\" and .status == \"True\")";
        let owned = json!({"kind": "Pod", "metadata": {"name": "ring-1",
            "ownerReferences": [{"controller": true}]}, "status": {"phase": "Failed"}});
        let bare = json!({"kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Failed",
            "reason": "Evicted"}});
        let pulling = json!({"kind": "Pod", "metadata": {"name": "p"},
            "status": {"phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}});
        let ready = "any(.status.conditions[]?; .type == \"Ready\" and .status == \"True\")";
        for (object, until, expected) in [
            (job("Failed"), complete, Some("job j has failed: R")),
            (job("FailureTarget"), complete, None),
            (job("Failed"), ". == null", None),
            (job("Failed"), ". == null or .status.succeeded == 1", None),
            (job("Complete"), ".status.failed == 1", Some("job j is complete")),
            (bare, ready, Some("pod p has failed: Evicted")),
            (owned, ready, None),
            (pulling, ready, None),
            (
                json!({"kind": "Deployment", "spec": {"paused": true}, "status": {}}),
                ".status.readyReplicas == 1",
                None,
            ),
            (Value::Null, ready, None),
        ] {
            let until = expression::compile(until, VARIABLES).unwrap();
            assert_eq!(
                hopeless(&object, &until).as_deref(),
                expected,
                "{object} {}",
                until.source()
            );
        }
    }

    #[test]
    fn a_condition_holds_may_hold_or_never_does() {
        let failed = json!({"kind": "Job", "metadata": {"name": "j"},
            "status": {"failed": 1, "conditions": [{"type": "Failed", "status": "True",
            "reason": "DeadlineExceeded"}]}});
        let never = WaitEnd::Never("job j has failed: DeadlineExceeded".to_owned());
        for (until, view, one, expected) in [
            (".status.failed == 1", &failed, true, Some(WaitEnd::Holds)),
            (".status.succeeded == 1", &failed, true, Some(never)),
            (".status.succeeded == 1", &failed, false, None),
            (".metadata.labels.done == \"yes\"", &failed, true, None),
            // not there yet: nothing to read, and no boolean
            (".status.succeeded", &Value::Null, true, None),
            (".status.ready > (.spec.replicas | length)", &json!({"spec": true}), true, None),
        ] {
            let until = expression::compile(until, VARIABLES).unwrap();
            assert_eq!(decide(&until, view, one), expected, "{}", until.source());
        }
    }
}
