//! `can_i`: whether the current user is allowed to perform an action.

use super::support::fan_out::quote;
use super::{Access, Context, Failure, Output, Reach, Verb, Wrong};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Asks the API server whether the current user is allowed to perform an action. The output is
/// `{allowed, reason}`; a denied action is a result, not an error. Admission and quotas are not
/// checked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanI {
    /// `get`, `list`, `patch`, `create`, `delete`, …
    pub verb: String,
    /// Resource: `deployments`, `Pod`, `leases.coordination.k8s.io`.
    pub resource: String,
    /// `exec`, `log`, `scale`, `eviction`, …
    pub subresource: Option<String>,
    /// Name of one object; defaults to any object.
    pub name: Option<String>,
    /// Namespace; defaults to the namespace of the step. Ignored for cluster-scoped kinds.
    pub namespace: Option<String>,
}

impl Verb for CanI {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        match (self.verb.as_str(), self.resource.contains('/')) {
            ("", _) => Err("the `verb` is empty".to_owned()),
            (_, true) if !self.resource.contains("/v") => {
                Err("use `subresource` for a subresource".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        // every authenticated user may ask about itself
        Vec::new()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let name = self.name.as_deref().map(|name| format!("/{name}")).unwrap_or_default();
        let subresource = self
            .subresource
            .as_deref()
            .map(|subresource| format!(" --subresource={}", quote(subresource)))
            .unwrap_or_default();
        let place = self.namespace.as_deref().unwrap_or(namespace);
        vec![format!(
            "kubectl auth can-i {} {}{subresource} -n {}",
            quote(&self.verb),
            quote(&format!("{}{name}", self.resource)),
            quote(place)
        )]
    }

    fn wrong(&self, output: &serde_json::Value) -> Option<Wrong> {
        let reason =
            output["reason"].as_str().filter(|reason| !reason.is_empty()).unwrap_or("not allowed");
        (output["allowed"] == false)
            .then(|| Wrong { fields: &["allowed"], reason: reason.to_owned() })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let cluster = context.cluster()?;
        // an unknown kind would be refused in silence: it is an error
        let resource = cluster.resolve(&self.resource).await?;
        let namespace = self.namespace.as_ref().unwrap_or(&context.namespace);
        let access = Access {
            verb: self.verb.clone(),
            group: resource.group,
            resource: resource.plural,
            subresource: self.subresource.clone().unwrap_or_default(),
            // with a namespace the server answers wrongly for kinds that have none
            namespace: if resource.namespaced { namespace.clone() } else { String::new() },
            name: self.name.clone().unwrap_or_default(),
            path: String::new(),
        };
        let answer = cluster.can_i(&access).await?;
        let summary = format!("may {}{access}", if answer.allowed { "" } else { "not " });
        Ok(Output::new(json!({"allowed": answer.allowed, "reason": answer.reason}), summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_the_line_by_hand() {
        let ask = |value| serde_json::from_value::<CanI>(value).unwrap();
        for (value, line) in [
            (
                json!({"verb": "create", "resource": "pods", "subresource": "exec"}),
                Some("kubectl auth can-i create pods --subresource=exec -n n"),
            ),
            (
                json!({"verb": "get", "resource": "secrets", "name": "s", "namespace": "m"}),
                Some("kubectl auth can-i get secrets/s -n m"),
            ),
            (
                json!({"verb": "get", "resource": "apps/v1/Deployment"}),
                Some("kubectl auth can-i get apps/v1/Deployment -n n"),
            ),
            (json!({"verb": "get", "resource": "pods/log"}), None),
            (json!({"verb": "", "resource": "pods"}), None),
        ] {
            let ask = ask(value.clone());
            assert_eq!(ask.check().is_ok(), line.is_some(), "{value}");
            if let Some(line) = line {
                assert_eq!(ask.manual_commands("n"), [line]);
            }
        }
    }
}
