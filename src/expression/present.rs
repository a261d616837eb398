//! What a condition that is waited for is at the moment.

use super::bindings::Bindings;
use super::data::Operand;
use super::error::Budget;
use super::expectation::{Expect, compile_expectation};
use super::jq::Jq;
use crate::event::Truth;
use std::collections::BTreeSet;

/// The values that a condition compares, where they make it false: `3, want 6`. None where it is
/// not false, or nothing can be said of it.
pub fn present(
    condition: &Jq,
    output: &(impl Operand + ?Sized),
    bindings: &Bindings,
) -> Option<String> {
    let names: BTreeSet<&str> =
        condition.references().iter().map(|reference| reference.root.as_str()).collect();
    let that = Some(condition.source().to_owned());
    let names: Vec<&str> = names.into_iter().collect();
    let expectation = compile_expectation(&Expect { that, ..Expect::default() }, &names).ok()?;
    let judged = expectation.judge(output, bindings, Budget::default());
    let said = judged.in_brief();
    (judged.outcome == Truth::False && !said.is_empty()).then(|| said.to_owned())
}

/// What was last seen, and what the condition says of it.
pub fn with_present(seen: String, present: Option<String>) -> String {
    match present {
        None => seen,
        Some(present) if seen.is_empty() => present,
        Some(present) => format!("{seen}; {present}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::compile;
    use serde_json::json;

    #[test]
    fn what_a_condition_compares_is_said_while_it_is_false() {
        let until = compile(".items | length == $params.wanted", &["params"]).unwrap();
        let bindings = Bindings::new().with("params", std::sync::Arc::new(json!({"wanted": 6})));
        let now = present(&until, &json!({"items": [1, 2, 3]}), &bindings);
        assert_eq!(with_present("3 found".to_owned(), now), "3 found; 3, want 6");
        let holds = present(&until, &json!({"items": [1, 2, 3, 4, 5, 6]}), &bindings);
        assert_eq!(with_present("6 found".to_owned(), holds), "6 found");
    }
}
