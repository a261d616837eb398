//! The variables that an evaluation sees.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jaq_json::Val;
use serde_json::Value;

use super::data::{Data, Looked, Operand};
use super::error::EvalError;
use super::need::{NeedsByName, UsedParts};

/// The values of `$params`, `$steps` and the like, by name without the `$`.
///
/// Cloning is cheap, and a value is converted for the jq engine only when a program uses it, and
/// then once.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    values: BTreeMap<String, Arc<Bound>>,
}

#[derive(Debug)]
struct Bound {
    data: Data,
    converted: OnceLock<Result<Val, EvalError>>,
}

impl Bindings {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds `name` (without `$`), replacing an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Data>) {
        let bound = Bound { data: value.into(), converted: OnceLock::new() };
        self.values.insert(name.into(), Arc::new(bound));
    }

    /// The same bindings and `name` bound to `value`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Data>) -> Self {
        self.set(name, value);
        self
    }

    /// The same with only those parts of large values that are looked at; none if there is nothing
    /// to be saved.
    pub(super) fn parts(&self, needs: &NeedsByName) -> Option<Self> {
        let mut lean = None;
        for (name, bound) in &self.values {
            let Some(need) = needs.get(&format!("${name}")) else { continue };
            if let Some(entered) = bound.data.parts(&Looked(UsedParts::of(need))) {
                let bound =
                    Bound { data: bound.data.clone(), converted: OnceLock::from(Ok(entered.0)) };
                lean.get_or_insert_with(|| self.clone())
                    .values
                    .insert(name.clone(), Arc::new(bound));
            }
        }
        lean
    }

    /// The value of `name` for the jq engine; `None` if it is not bound.
    pub(super) fn val(&self, name: &str) -> Option<Result<Val, EvalError>> {
        let bound = self.values.get(name)?;
        Some(bound.converted.get_or_init(|| bound.data.enter().map(|entered| entered.0)).clone())
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Bindings {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(values: I) -> Self {
        let mut bindings = Self::new();
        for (name, value) in values {
            bindings.set(name, value);
        }
        bindings
    }
}
