//! Fan-out: an action on a workload runs on each of its pods.

use super::settled::{Question, all_gone};
use crate::action::{Access, Context, Failure, FailureKind, Output, Pods, Target, Which};
use crate::cluster::{ErrorKind, PodsOf, Resource};
use futures::future::Either;
use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};
use std::future::Future;

/// Pods asked at the same time.
pub(in crate::action) const CONCURRENCY: usize = 16;

/// The result for one pod: an item of the output list, or why there is none.
pub(in crate::action) type Item = Result<Map<String, Value>, Failure>;

impl Target {
    /// The namespace of the target in a step of this namespace.
    pub fn namespace<'a>(&'a self, step: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(step)
    }

    /// Whether this is one pod by name, so that the output is one item and not a list.
    pub fn is_one_pod(&self) -> bool {
        matches!(
            (&self.which, self.kind.to_ascii_lowercase().as_str()),
            (Which::Name(_), "pod" | "pods" | "po")
        )
    }

    /// How the cluster layer is asked for the pods.
    ///
    /// # Errors
    /// When the kind has no pods.
    pub fn pods(&self) -> Result<PodsOf, Failure> {
        Ok(match (self.kind.to_ascii_lowercase().as_str(), &self.which) {
            ("pod" | "pods" | "po", Which::Name(name)) => PodsOf::Pod(name.clone()),
            ("pod" | "pods" | "po", Which::Selector(selector)) => {
                PodsOf::Selector(selector.clone())
            }
            ("service" | "services" | "svc", Which::Name(name)) => PodsOf::Service(name.clone()),
            (_, Which::Name(name)) => {
                PodsOf::Workload { kind: self.kind.clone(), name: name.clone() }
            }
            (_, Which::Selector(_)) => {
                return Err(Failure::error(format!(
                    "use `kind: Pod` to select pods, not `kind: {}`",
                    self.kind
                )));
            }
        })
    }

    /// The permissions that finding the pods needs.
    pub fn pod_permissions(&self, step: &str) -> Vec<Access> {
        let namespace = self.namespace(step);
        let list = |resource: &str, group: &str, verb: &str| Access {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            ..Access::default()
        };
        match self.pods() {
            Ok(PodsOf::Pod(_)) => vec![list("pods", "", "get")],
            Ok(PodsOf::Service(_)) => vec![list("services", "", "get"), list("pods", "", "list")],
            Ok(PodsOf::Workload { kind, .. }) => {
                let mut all = vec![list("pods", "", "list")];
                if let Some(resource) = crate::cluster::builtin(&kind) {
                    if resource.kind == "Deployment" {
                        all.push(list("replicasets", "apps", "list"));
                    }
                    all.push(list(&resource.plural, &resource.group, "get"));
                }
                all
            }
            Ok(PodsOf::Selector(_)) | Err(_) => vec![list("pods", "", "list")],
        }
    }

    /// The target as an argument of kubectl.
    pub fn kubectl(&self) -> String {
        match &self.which {
            // both are in what only the run knows
            Which::Name(name) if *name == self.kind => quote(name),
            Which::Name(name) => quote(&format!("{}/{name}", self.kind.to_ascii_lowercase())),
            Which::Selector(selector) => {
                format!("{} -l {}", self.kind.to_ascii_lowercase(), quote(selector))
            }
        }
    }
}

/// A word for a POSIX shell, quoted if it must be.
pub fn quote(word: &str) -> String {
    crate::event::shell_word(word).into_owned()
}

/// A read of one kind in a namespace, as a permission.
pub(in crate::action) fn reading(
    resource: &Resource,
    verb: &str,
    namespace: &str,
    name: &str,
) -> Access {
    Access {
        verb: verb.to_owned(),
        group: resource.group.clone(),
        resource: resource.plural.clone(),
        namespace: if resource.namespaced { namespace.to_owned() } else { String::new() },
        name: name.to_owned(),
        ..Access::default()
    }
}

/// The pods of a target: all, or the first ready one by name.
///
/// # Errors
/// When they cannot be listed, or there are none.
pub(in crate::action) async fn pods_of(
    context: &Context,
    target: &Target,
    pods: Pods,
) -> Result<Vec<Value>, Failure> {
    let namespace = target.namespace(&context.namespace);
    let mut found = context.cluster()?.pods(&target.pods()?, namespace).await?;
    if pods == Pods::One {
        let ready = found.iter().position(crate::diagnosis::pod::is_ready).unwrap_or_default();
        found = found.into_iter().skip(ready).take(1).collect();
    }
    if found.is_empty() {
        return Err(Failure::new(
            FailureKind::Failed,
            format!("{target} in namespace {namespace} has no running pod"),
        ));
    }
    Ok(found)
}

/// Asks every pod the same at once and gathers the items by pod name. A pod of which nothing is
/// known becomes `{pod, error, unread}`, which no expectation takes for an answer; so does one that
/// is only starting, and one that goes away meanwhile does not count. If nothing is known of all of
/// them, the whole action has failed.
///
/// # Errors
/// When no pod gave an answer: the first reason.
pub(in crate::action) async fn each_pod<F, Fut>(
    question: Question<'_>,
    pods: &[Value],
    act: F,
) -> Result<Output, Failure>
where
    F: Fn(String, Value) -> Fut,
    Fut: Future<Output = Item> + Send,
{
    let named: Vec<_> = pods
        .iter()
        .map(|pod| (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), pod.clone()))
        .collect();
    let names: Vec<_> = named.iter().map(|(name, _)| name.clone()).collect();
    // the futures are made first: a closure in the stream would have to be general over lifetimes
    let work: Vec<_> = named
        .into_iter()
        .map(|(name, pod)| match question.not_yet(&pod) {
            Some(failure) => Either::Left(std::future::ready(Err(failure))),
            None => Either::Right(act(name, pod)),
        })
        .collect();
    let results: Vec<Item> = stream::iter(work).buffered(CONCURRENCY).collect().await;
    let gone = question.gone(pods, results.iter()).await;
    let (names, results): (Vec<String>, Vec<Item>) =
        names.into_iter().zip(results).filter(|(name, _)| !gone.contains(name)).unzip();
    if results.is_empty() && !gone.is_empty() {
        return Err(all_gone(&gone));
    }
    let answered = results.iter().filter(|result| result.is_ok()).count();
    if let (0, Some(Err(failure))) = (answered, results.iter().find(|result| result.is_err())) {
        return Err(failure.clone());
    }
    let total = results.len();
    let mut items: Vec<Value> = Vec::with_capacity(total);
    for (name, result) in names.into_iter().zip(results) {
        let mut item = Map::from_iter([("pod".to_owned(), Value::from(name))]);
        match result {
            Ok(fields) => item.extend(fields),
            Err(failure) => item.extend(unread(failure)),
        }
        items.push(Value::Object(item));
    }
    let summary = if answered == total {
        format!("{total} of {total}")
    } else {
        format!("{answered} of {total} responded")
    };
    Ok(if question.one {
        Output::new(items.pop().unwrap_or_default(), String::new())
    } else {
        Output::new(Value::Array(items), summary)
    })
}

/// The fields that mark an item as unread (see `crate::expression::unread`): nothing is known of it
/// but why.
pub(in crate::action) fn unread(failure: Failure) -> Map<String, Value> {
    item([("error", Value::from(failure.message)), ("unread", Value::Bool(true))])
}

/// The fields of an item.
pub(in crate::action) fn item<'a>(
    fields: impl IntoIterator<Item = (&'a str, Value)>,
) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Whether an error is about the target and not about the connection to it.
pub(in crate::action) fn is_answer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::Timeout)
}

/// A text as JSON, or null.
pub(in crate::action) fn as_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_only_where_they_must_be() {
        for (word, wanted) in [
            ("app=x", "app=x"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quote(word), wanted);
        }
    }

    #[tokio::test]
    async fn one_silent_pod_is_an_error_of_its_item_and_all_silent_ones_of_the_action() {
        let pods = [json!({"metadata": {"name": "a"}}), json!({"metadata": {"name": "b"}})];
        let act = |silent: &'static [&'static str]| {
            move |name: String, _: Value| async move {
                if silent.contains(&name.as_str()) {
                    Err(Failure::error("not allowed"))
                } else {
                    Ok(item([("status", json!(200))]))
                }
            }
        };
        let context = crate::action::support::real_pods::context(None, "n");
        let target = serde_json::from_value(json!("deployment/web")).unwrap();
        let of = |one| Question { context: &context, target: &target, reads: true, one };
        let output = each_pod(of(false), &pods, act(&["b"])).await.unwrap();
        assert_eq!(
            output.value,
            json!([{"pod": "a", "status": 200}, {"pod": "b", "error": "not allowed",
                "unread": true}])
        );
        assert_eq!(output.summary, "1 of 2 responded");
        assert_eq!(
            each_pod(of(false), &pods, act(&["a", "b"])).await.unwrap_err().message,
            "not allowed"
        );
        assert_eq!(
            each_pod(of(true), &pods[..1], act(&[])).await.unwrap().value,
            json!({"pod": "a", "status": 200})
        );
    }
}
