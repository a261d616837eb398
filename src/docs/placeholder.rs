//! What a person has to fill in: `{{ params.pod }}` becomes `<pod>`.

use crate::expression::outline;
use serde_json::Value;

/// The text with every template replaced: a path by its value where that is known and means nothing
/// to a shell, otherwise by `<path>`; a choice by `[one | other]`. A template that has no such form
/// stays as it is written.
pub(super) fn filled(text: &str, known: &Value) -> String {
    outline(text, &|path| stands_for(path, known)).unwrap_or_else(|| text.to_owned())
}

fn stands_for(path: &str, known: &Value) -> String {
    let value = path.split('.').fold(known, |value, name| &value[name]);
    let plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:/".contains(c))
    };
    let own = format!("<{}>", path.strip_prefix("params.").unwrap_or(path));
    match value {
        Value::String(text) if plain(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::filled;
    use serde_json::json;

    #[test]
    fn a_template_becomes_what_a_person_fills_in() {
        let known = json!({"params": {"app": "web", "why": "it's late", "n": 3}});
        let table = [
            ("get pod {{ params.pod }} -n x", "get pod <pod> -n x"),
            ("app={{ params.app }},n={{params.n}}", "app=web,n=3"),
            ("'{{ params.why }}'", "'<why>'"),
            ("{{ item.name }} {{- run.id -}}", "<item.name><run.id>"),
            ("{{ steps.a.output | length }}", "<number of steps.a.output>"),
            ("{{ params.app | split('.') }}", "{{ params.app | split('.') }}"),
            ("{{ open", "{{ open"),
            ("none", "none"),
        ];
        for (text, wanted) in table {
            assert_eq!(filled(text, &known), wanted, "{text}");
        }
    }
}
