//! Webhooks whose servers do not answer. What a server would answer is not simulated: one that can
//! be reached lets everything pass.
//!
//! After `apiserver/pkg/admission/plugin/webhook/` of Kubernetes.

use serde_json::Value;

use super::Refusal;
use crate::object;
use crate::store::Store;
use netpol_evaluator::{LabelSelector, Labels};

pub(super) fn check(
    store: &Store,
    group: &str,
    version: &str,
    plural: &str,
    object: &Value,
) -> Result<(), Refusal> {
    let configurations = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
        .into_iter()
        .flat_map(|plural| store.list(plural, None));
    for configuration in configurations {
        for webhook in object::list(&configuration["webhooks"]) {
            let asked = object::list(&webhook["rules"])
                .iter()
                .any(|rule| matches(rule, group, version, plural))
                && selects(&webhook["objectSelector"], &object::labels(object))
                && selects(&webhook["namespaceSelector"], &labels_of(store, object));
            if asked
                && webhook["failurePolicy"] != "Ignore"
                && let Some(why) = unanswered(store, webhook)
            {
                let name = webhook["name"].as_str().unwrap_or_default();
                return Err(Refusal::Failed(format!(
                    "failed calling webhook \"{name}\": failed to call webhook: {why}"
                )));
            }
        }
    }
    Ok(())
}

fn labels_of(store: &Store, object: &Value) -> Labels {
    let namespace = store.get("namespaces", "", object::namespace(object));
    namespace.map(|namespace| object::labels(namespace)).unwrap_or_default()
}

/// An absent selector selects everything.
fn selects(selector: &Value, labels: &Labels) -> bool {
    selector.is_null()
        || serde_json::from_value::<LabelSelector>(selector.clone())
            .is_ok_and(|selector| selector.matches(labels))
}

fn matches(rule: &Value, group: &str, version: &str, plural: &str) -> bool {
    let named = |field: &str, what: &str| {
        object::list(&rule[field]).iter().any(|known| known == what || known == "*")
    };
    named("apiGroups", group)
        && named("apiVersions", version)
        && (named("resources", plural) || named("resources", "*/*"))
        && named("operations", "CREATE")
}

/// Why the server of a webhook does not answer, in the words of the API server.
fn unanswered(store: &Store, webhook: &Value) -> Option<String> {
    let service = webhook["clientConfig"].get("service")?;
    let text = |field: &str| service[field].as_str().unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    let port = service["port"].as_u64().unwrap_or(443);
    let path = service["path"].as_str().unwrap_or("/").trim_start_matches('/');
    let seconds = webhook["timeoutSeconds"].as_u64().unwrap_or(10);
    let request =
        format!("Post \"https://{name}.{namespace}.svc:{port}/{path}?timeout={seconds}s\"");
    if store.get("services", namespace, name).is_none() {
        return Some(format!("{request}: service \"{name}\" not found"));
    }
    let ready = store.list("endpointslices", Some(namespace)).any(|slice| {
        slice["metadata"]["labels"]["kubernetes.io/service-name"] == name
            && object::list(&slice["endpoints"])
                .iter()
                .any(|endpoint| endpoint["conditions"]["ready"] == true)
    });
    (!ready).then(|| format!("{request}: no endpoints available for service \"{name}\""))
}
