//! Commands to type next.

use crate::document::Param;
use crate::event::Next;
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
pub fn run_next(
    name: &str,
    with: &Map<String, Value>,
    declared: Option<&IndexMap<String, Param>>,
    namespace: Option<&str>,
    invocation: &Invocation,
) -> Next {
    let default = |name: &str| declared?.get(name)?.default.as_ref();
    let with = with
        .iter()
        .filter(|(name, value)| !value.is_null() && default(name) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Next::Run {
        runbook: name.to_owned(),
        with,
        namespace: namespace.map(str::to_owned),
        options: invocation.options.clone(),
    }
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
        let next = run_next(
            "ta-bot/restart",
            with.as_object().unwrap(),
            Some(&declared),
            Some("staging"),
            &invocation,
        );
        assert_eq!(
            next.to_string(),
            r"runbook run ta-bot/restart --set 'reason=it'\''s late' --set pods=a,b --namespace staging --sandbox=healthy"
        );
    }
}
