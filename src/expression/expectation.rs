//! stub
use super::{Bindings, Budget, CompileError, Reference};
use serde::{Deserialize, Serialize};
use serde_json::Value;
/// As written.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "expect")]
pub struct Expect {
    /// s
    pub that: Option<String>,
    /// s
    pub all: Option<String>,
}
/// s
#[derive(Clone, Debug)]
pub struct Expectation {}
/// s
pub fn compile_expectation(_: &Expect, _: &[&str]) -> Result<Expectation, (String, CompileError)> { Ok(Expectation {}) }
impl Expectation {
    /// s
    pub fn judge(&self, _: &Value, _: &Bindings, _: Budget) -> Judgement { unimplemented!() }
    /// s
    pub fn references(&self) -> impl Iterator<Item = &Reference> { [].iter() }
    /// s
    pub fn is_constant(&self) -> bool { false }
}
/// How an expectation was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The expectation as shown.
    pub that: String,
    /// Result.
    pub outcome: Truth,
    /// The value wanted.
    pub expected: Value,
    /// The value seen.
    pub actual: Value,
    /// The items that failed.
    pub items: Vec<JudgedItem>,
    /// One line for a person.
    pub reason: String,
    /// The author's words.
    pub message: Option<String>,
}

/// True, false, or not to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// Holds.
    #[serde(rename = "passed")]
    True,
    /// Does not hold.
    #[serde(rename = "failed")]
    False,
    /// Could not be judged.
    Error,
}

/// One item of a list that was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedItem {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}
