//! Commands to type next.

use crate::document::Param;
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// How the program was called, as far as a following command must repeat it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Options such as `--context prod` or `--sandbox=healthy`; the namespace is not among them: a
    /// resume keeps it, a remedy may act elsewhere.
    pub options: Vec<String>,
    /// Those of them that say which cluster is asked, and as whom.
    pub cluster: Vec<String>,
}

/// The command that runs a runbook with these parameters, in this namespace if one has to be named.
/// Parameters that equal their default are left out.
pub fn command_line(
    name: &str,
    with: &Map<String, Value>,
    declared: Option<&IndexMap<String, Param>>,
    namespace: Option<&str>,
    invocation: &Invocation,
) -> String {
    let mut words = vec![format!("runbook run {name}")];
    for (key, value) in with {
        let default = declared
            .and_then(|declared| declared.get(key))
            .and_then(|param| param.default.as_ref());
        if default == Some(value) || value.is_null() {
            continue;
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            other => other.to_string(),
        };
        words.push(format!("--set {}", crate::action::shell_word(&format!("{key}={text}"))));
    }
    words.extend(namespace.map(|namespace| format!("--namespace {namespace}")));
    words.extend(invocation.options.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_from_the_default_is_typed() {
        let declared: IndexMap<String, Param> = serde_json::from_value(
            json!({"namespace": {"type": "string", "default": "petrosa-apps"}}),
        )
        .unwrap();
        let with = json!({"namespace": "petrosa-apps", "reason": "it's late", "pods": ["a", "b"]});
        let invocation =
            Invocation { options: vec!["--sandbox=healthy".into()], ..Invocation::default() };
        let line = command_line(
            "ta-bot/restart",
            with.as_object().unwrap(),
            Some(&declared),
            Some("staging"),
            &invocation,
        );
        assert_eq!(
            line,
            r"runbook run ta-bot/restart --set 'reason=it'\''s late' --set pods=a,b --namespace staging --sandbox=healthy"
        );
    }
}
