//! The variables that an evaluation sees.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jaq_json::Val;
use serde_json::Value;

use super::error::EvalError;
use super::value::to_val;

/// The values of `$params`, `$steps` and the like, by name without the `$`.
///
/// Cloning is cheap, and a value is converted for the jq engine only when a program uses it, and then once.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    values: BTreeMap<String, Arc<Bound>>,
}

#[derive(Debug)]
struct Bound {
    value: Arc<Value>,
    converted: OnceLock<Result<Val, EvalError>>,
}

impl Bindings {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds `name` (without `$`), replacing an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Arc<Value>>) {
        let bound = Bound { value: value.into(), converted: OnceLock::new() };
        self.values.insert(name.into(), Arc::new(bound));
    }

    /// The same bindings and `name` bound to `value`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Arc<Value>>) -> Self {
        self.set(name, value);
        self
    }

    /// The value bound to `name` (without `$`).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).map(|bound| &*bound.value)
    }

    /// The names and values, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, bound)| (name.as_str(), &*bound.value))
    }

    /// The value of `name` for the jq engine; `None` if it is not bound.
    pub(super) fn val(&self, name: &str) -> Option<Result<Val, EvalError>> {
        let bound = self.values.get(name)?;
        Some(bound.converted.get_or_init(|| to_val(&bound.value)).clone())
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
