//! Before the first step of a run that changes something: may it do all that it is going to do?

use crate::action::{Access, Outside, Programs, Reach};
use crate::api::{self, Port, builtin};
use crate::diagnostic::nearest;
use crate::event::Effect;
use crate::plan::{PlannedAction, role};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reviews asked for at the same time.
const CONCURRENCY: usize = 16;

/// Why a run cannot begin.
pub(super) struct Stopped {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) reason: String,
    pub(super) output: Value,
}

impl Stopped {
    pub(super) fn unreachable(error: &api::Error) -> Self {
        Self {
            id: "cluster",
            title: "The cluster is reachable",
            reason: error.to_string(),
            output: Value::Null,
        }
    }

    /// Permissions are missing that this Role would give.
    pub(super) fn not_allowed(reason: String, role: String) -> Self {
        let output = json!({"role": role});
        Self { id: "permissions", title: "You have the required permissions", reason, output }
    }

    /// A program of this machine is missing.
    fn no_tool(path: &str, reason: &str) -> Self {
        Self {
            id: "tools",
            title: "The required programs are installed",
            reason: format!("step {path}: {reason}; nothing was changed"),
            output: Value::Null,
        }
    }

    /// Another run changes the same.
    pub(super) fn locked(reason: String) -> Self {
        Self {
            id: "lock",
            title: "No other run changes the same objects",
            reason,
            output: Value::Null,
        }
    }
}

/// Why a run cannot begin in a namespace that does not exist; none if it does, if that may not be
/// asked, or if the run itself deals with the namespace: makes it, waits for it, asks for it. A
/// local program may make it, too.
pub(super) async fn no_namespace(
    port: &dyn Port,
    namespace: &str,
    planned: &[PlannedAction],
) -> Option<Stopped> {
    let resource = builtin("Namespace")?;
    let own = |access: &Access| access.resource == "namespaces" && access.name == namespace;
    let deals = |action: &PlannedAction| {
        action.needs.permissions.iter().any(own)
            || (action.reach == Some(Reach::Program) && action.own_effect == Effect::Opaque)
    };
    if namespace.is_empty() || planned.iter().any(deals) {
        return None;
    }
    if !matches!(port.look(&resource, "", namespace).await, Ok(None)) {
        return None;
    }
    let names = port.namespaces().await.unwrap_or_default();
    let near = nearest(namespace, names.iter().map(String::as_str)).map_or_else(
        || "; select another with -n".to_owned(),
        |near| format!("; did you mean {near}?"),
    );
    let context =
        port.place().context.map(|context| format!(" of context {context}")).unwrap_or_default();
    let reason = format!("namespace {namespace} does not exist in the cluster{context}{near}");
    Some(Stopped { id: "namespace", title: "The namespace exists", reason, output: Value::Null })
}

/// The first program that is missing for what is changed in any case; none if all are there. A step
/// that only reads, or that depends on a condition, says so itself.
pub(super) async fn no_tool(
    planned: &[PlannedAction],
    programs: &Programs,
    outside: Option<&Outside>,
) -> Option<Stopped> {
    for action in planned {
        let changes = action.own_effect == Effect::Opaque && !action.conditional;
        let Some(requires) = action.needs.tool.as_ref().filter(|_| changes) else { continue };
        if let Err(failure) = programs.require(requires, outside).await {
            return Some(Stopped::no_tool(&action.path, &failure.message));
        }
    }
    None
}

/// The permissions that the steps need which are done in any case, as far as they are known. What
/// depends on a condition, or on what the run computes, is found out when it is met: a diagnosis
/// must not be stopped by the permissions of a remedy that is not needed, and who may change one
/// object need not be allowed to change all.
pub(super) fn needed(actions: &[PlannedAction]) -> BTreeSet<Access> {
    actions
        .iter()
        .filter(|action| !action.conditional)
        .flat_map(|action| action.needs.permissions.iter().cloned())
        .collect()
}

/// The permissions that are missing, with the answer of the server. What cannot be asked is not
/// missing: the step will tell.
pub(super) async fn missing(port: &dyn Port, needed: BTreeSet<Access>) -> Vec<Access> {
    let reviews = needed.into_iter().map(|access| async move {
        let answer = port.may(&access).await;
        (access, answer)
    });
    let answers: Vec<_> = stream::iter(reviews).buffered(CONCURRENCY).collect().await;
    answers
        .into_iter()
        .filter(|(_, answer)| answer.as_ref().is_ok_and(|answer| !answer.allowed))
        .map(|(access, _)| access)
        .collect()
}

/// What is missing, for a person; and the role that would give it.
pub(super) fn report(missing: &[Access], runbook: &str, user: Option<&str>) -> (String, String) {
    let listed: Vec<String> = missing.iter().map(Access::to_string).collect();
    let reason = format!(
        "{} is not allowed to {}",
        user.unwrap_or("the current user"),
        listed.join(
            "; is \
            not allowed to "
        )
    );
    (reason, role(runbook, missing, &BTreeSet::new(), user))
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    #[tokio::test]
    async fn a_namespace_that_is_not_there_is_named_with_the_nearest_one() {
        let fake = Fake::default();
        fake.put("", "shop", json!({}));
        assert!(no_namespace(&fake, "shop", &[]).await.is_none());
        let stopped = no_namespace(&fake, "shpo", &[]).await.unwrap();
        assert!(stopped.reason.contains("did you mean shop?"), "{}", stopped.reason);
    }

    #[tokio::test]
    async fn what_is_not_allowed_is_missing_with_the_role_that_would_allow_it() {
        let fake = Fake::default();
        fake.known().forbidden.push("patch deployments".to_owned());
        let access = |verb: &str| Access {
            verb: verb.to_owned(),
            group: "apps".to_owned(),
            resource: "deployments".to_owned(),
            namespace: "shop".to_owned(),
            ..Access::default()
        };
        let missing = missing(&fake, BTreeSet::from([access("get"), access("patch")])).await;
        assert_eq!(missing, [access("patch")]);
        let (reason, role) = report(&missing, "a/b", Some("ada"));
        assert!(
            reason.contains("ada is not allowed to patch deployments.apps in shop"),
            "{reason}"
        );
        assert!(role.contains("patch") && !role.contains("get"), "{role}");
    }
}
