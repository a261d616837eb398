//! Why a step is skipped: the part of its condition that does not hold, and what that part asks
//! for.

use super::Run;
use super::scope::Scope;
use super::step::{Decision, one_line};
use crate::event::{Outcome, Reason};
use crate::expression::{Asks, Connective, Jq, Reference};
use serde_json::Value;

/// How many characters of a value are told.
const TOLD: usize = 40;

impl Run {
    /// Why a condition does not hold.
    pub(super) fn unmet(&self, scope: &Scope, when: &Jq) -> Reason {
        // most conditions have no parts, and taking one apart means to compile it again
        if when.source().contains(" and ")
            && let Some((Connective::And, parts)) = when.parts()
            && let Some(part) = parts.iter().find(|part| self.fails(scope, part))
        {
            return self.unmet(scope, part);
        }
        let condition = || Reason::OnlyWhen { condition: one_line(when.source()) };
        let outcome = |id: &str| scope.result(id).map(|result| result.outcome);
        hangs_on(when.references(), &scope.params, &outcome).unwrap_or_else(condition)
    }

    fn fails(&self, scope: &Scope, part: &Jq) -> bool {
        matches!(self.decide(scope, part), Decision::No)
    }
}

/// What a condition with these references hangs on, if that is one parameter, or how one step
/// ended.
fn hangs_on(
    references: &[Reference],
    params: &Value,
    outcome: &dyn Fn(&str) -> Option<Outcome>,
) -> Option<Reason> {
    let first = references.first()?;
    let (root, name) = (first.root.as_str(), first.name.clone()?);
    let is_same = |other: &Reference| other.root == root && other.name.as_ref() == Some(&name);
    if !references.iter().all(is_same) {
        return None;
    }
    match root {
        "params" => {
            let value = told(&params[&name])?;
            Some(Reason::Parameter { name, value })
        }
        "steps" if references.iter().all(|reference| reference.asks == Asks::Outcome) => {
            let outcome = outcome(&name)?;
            Some(Reason::Ended { step: name, outcome })
        }
        _ => None,
    }
}

/// A value in a word; none of one that is no word, and nothing of what was not given.
fn told(value: &Value) -> Option<Option<String>> {
    let text = match value {
        Value::Null => return Some(None),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Array(_) | Value::Object(_) => return None,
    };
    (text.chars().count() <= TOLD && !text.contains(char::is_control)).then_some(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::compile;
    use serde_json::json;

    #[test]
    fn a_condition_on_one_thing_says_what_that_is() {
        let params = json!({"from": null, "via": "helm", "ask": false, "no": [], "text": "",
            "two": [1, 2], "long": "x".repeat(41)});
        let outcome = |id: &str| (id == "look").then_some(Outcome::Passed);
        let said = |condition: &str| {
            let jq = compile(condition, &["params", "steps"]).unwrap();
            hangs_on(jq.references(), &params, &outcome).map(|reason| reason.to_string())
        };
        for (condition, wanted) in [
            ("$params.from != null", "parameter from is not given"),
            (r#"$params.via == "kubectl" or $params.via == "hpa""#, "parameter via is helm"),
            ("$params.ask", "parameter ask is false"),
            ("($params.no | length) > 0", "parameter no is empty"),
            (r#"$params.text != """#, "parameter text is empty"),
            ("$steps.look.failed", "step look passed"),
        ] {
            assert_eq!(said(condition).as_deref(), Some(wanted), "{condition}");
        }
        // what has no word, is not one thing, or is what a step has read
        for condition in [
            "($params.two | length) > 2",
            r#"$params.long == "x""#,
            r#"$params.via == "hpa" or $params.ask"#,
            "$params | length == 0",
            "$steps.look.output.items == []",
            "$steps.look.failed or $steps.look.output.late",
            "$steps.other.failed",
            "1 == 2",
        ] {
            assert_eq!(said(condition), None, "{condition}");
        }
    }
}
