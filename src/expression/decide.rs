//! Conditions of which a part cannot be judged, in three values.

use super::{Connective, Jq, Reference};

/// What can be said about a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided<W> {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be said, and why.
    Open(W),
}

/// Judges a condition although nothing may be known of some variables: one part of `and` that is
/// false decides without the other, and one part of `or` that is true. `unknown` says why nothing
/// is known of what a reference names, and `evaluate` judges a condition of which everything is
/// known.
pub fn decide<W: PartialEq>(
    when: &Jq,
    unknown: &dyn Fn(&Reference) -> Option<W>,
    evaluate: &dyn Fn(&Jq) -> Result<bool, W>,
) -> Decided<W> {
    let Some(why) = when.references().iter().find_map(unknown) else {
        return match evaluate(when) {
            Ok(true) => Decided::Yes,
            Ok(false) => Decided::No,
            Err(why) => Decided::Open(why),
        };
    };
    let Some((connective, parts)) = when.parts() else { return Decided::Open(why) };
    let (decides, otherwise) = match connective {
        Connective::And => (Decided::No, Decided::Yes),
        Connective::Or => (Decided::Yes, Decided::No),
    };
    let mut open = None;
    for part in &parts {
        match decide(part, unknown, evaluate) {
            decided if decided == decides => return decided,
            Decided::Open(why) => open = open.or(Some(why)),
            Decided::Yes | Decided::No => {}
        }
    }
    open.map_or(otherwise, Decided::Open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Bindings, Budget, compile};
    use serde_json::{Value, json};

    #[test]
    fn a_part_that_decides_needs_no_other() {
        let unknown = |reference: &Reference| {
            (reference.name.as_deref() == Some("blank")).then(|| "blank is blank".to_owned())
        };
        let evaluate = |part: &Jq| {
            let steps = json!({"yes": {"failed": true}, "no": {"failed": false}});
            part.condition(&Value::Null, &Bindings::new().with("steps", steps), Budget::default())
                .map_err(|error| error.to_string())
        };
        let (yes, no, open) = ("$steps.yes.failed", "$steps.no.failed", "$steps.blank.failed");
        let blank = || Decided::Open("blank is blank".into());
        for (text, wanted) in [
            (format!("{no} and {open}"), Decided::No),
            (format!("{open} and {no}"), Decided::No),
            (format!("{yes} and {open}"), blank()),
            (format!("{yes} or {open}"), Decided::Yes),
            (format!("{no} or {open}"), blank()),
            (format!("{yes} and {yes} and ({no} and {open})"), Decided::No),
            (format!("({no} and {open}) or {yes}"), Decided::Yes),
            (format!("({no} and {open}) or ({open} and {no})"), Decided::No),
            (format!("({yes} or {open}) and ({open} or {yes})"), Decided::Yes),
            (format!("({no} and {open} | not)"), blank()),
            (format!("{yes} and ({no} | not)"), Decided::Yes),
        ] {
            let jq = compile(&text, &["steps"]).unwrap();
            assert_eq!(decide(&jq, &unknown, &evaluate), wanted, "{text}");
        }
    }
}
