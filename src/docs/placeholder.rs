//! What a person has to fill in: `{{ params.pod }}` becomes `<pod>`.

use serde_json::Value;

/// The text with every template that is a plain path replaced: by its value where that is known and
/// means nothing to a shell, otherwise by `<path>`. Other templates stay as they are written.
pub(super) fn filled(text: &str, known: &Value) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, behind)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match path(inner) {
            Some(path) => out.push_str(&stands_for(path, known)),
            None => out.extend(["{{", inner, "}}"]),
        }
        rest = behind;
    }
    out + rest
}

/// The path that a template consists of: `params.pod`, `item.name`.
fn path(inner: &str) -> Option<&str> {
    let path = inner.trim_matches('-').trim();
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    path.split('.').all(is_name).then_some(path)
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
            ("{{ item.name }} {{- run.id -}}", "<item.name> <run.id>"),
            ("{{ steps.a.output | length }}", "{{ steps.a.output | length }}"),
            ("{{ open", "{{ open"),
            ("none", "none"),
        ];
        for (text, wanted) in table {
            assert_eq!(filled(text, &known), wanted, "{text}");
        }
    }
}
