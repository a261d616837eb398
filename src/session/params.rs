//! The parameters that a caller gives.

use super::Refusal;
use crate::document::Runbook;
use crate::event::variable;
use crate::plan::{Given, Says};
use serde_json::Value;
use std::collections::BTreeMap;

/// Parameters, weakest first: of an environment, as values, as texts.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// Variables, of which `RUNBOOK_PARAM_NAME` sets the parameter `name`.
    pub environment: Vec<(String, String)>,
    /// Values by name.
    pub values: BTreeMap<String, Value>,
    /// Texts by name; each is read as the type of its parameter.
    pub texts: Vec<(String, String)>,
}

impl Params {
    /// Everything that was given to this runbook, weakest first.
    pub(super) fn given(&self, runbook: &Runbook) -> Vec<Given> {
        let text = |name: &String, value: &String| Given {
            name: name.clone(),
            value: Value::from(value.as_str()),
            is_text: true,
        };
        let of_environment = runbook.params.keys().filter_map(|name| {
            let variable = variable(name);
            let (_, value) = self.environment.iter().find(|(known, _)| *known == variable)?;
            Some(text(name, value))
        });
        let values = self.values.iter().map(|(name, value)| Given {
            name: name.clone(),
            value: value.clone(),
            is_text: false,
        });
        let texts = self.texts.iter().map(|(name, value)| text(name, value));
        of_environment.chain(values).chain(texts).collect()
    }

    /// Whether a caller names this parameter, and not only the environment.
    pub(super) fn names(&self, param: &str) -> bool {
        self.values.contains_key(param) || self.texts.iter().any(|(name, _)| name == param)
    }

    /// Refuses a namespace beside a parameter that says another.
    pub(super) fn agree(&self, namespace: &str, runbook: &Runbook) -> Result<(), Refusal> {
        let says = Says { params: &runbook.params, namespace: runbook.namespace.as_ref() };
        let set = says.set_by(namespace);
        let other = self
            .texts
            .iter()
            .find(|(name, value)| set.iter().any(|own| own == name) && *value != namespace);
        match other {
            None => Ok(()),
            Some((name, value)) => Err(Refusal::TwoNamespaces {
                namespace: namespace.to_owned(),
                param: name.clone(),
                value: value.clone(),
            }),
        }
    }
}
