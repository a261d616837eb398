//! What a plain scalar of YAML is, by the core schema of version 1.2.

use serde_json::{Number, Value};

/// Keys whose values are true or false, wherever they stand.
const BOOLEANS: [&str; 12] = [
    "absent",
    "all_namespaces",
    "complete",
    "dry_run",
    "force",
    "optional",
    "overwrite",
    "parallel",
    "previous",
    "secret",
    "twice",
    "undo",
];

/// The value of a plain scalar; or why it is not the same in every version of YAML.
pub(super) fn value(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let is_of = |is: fn(u8) -> bool| text.bytes().all(is);
    if boolean(text).is_some() {
        return Err("true or false in YAML 1.1 and a string in YAML 1.2");
    }
    if text.len() > 1 && text.starts_with('0') && is_of(|byte| byte.is_ascii_digit()) {
        return Err("an octal number in YAML 1.1 and a decimal one in YAML 1.2");
    }
    if text.contains('_')
        && text.starts_with(|c: char| c.is_ascii_digit())
        && is_of(|byte| byte.is_ascii_digit() || byte == b'_')
    {
        return Err("a number in YAML 1.1 and a string in YAML 1.2");
    }
    Ok(number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// Whether only true or false can be the value of this key.
pub(super) fn is_bool(key: &str) -> bool {
    BOOLEANS.contains(&key)
}

/// What a word is in YAML 1.1, which knows more words for true and false.
pub(super) fn boolean(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" => Some("true"),
        "no" | "off" | "n" => Some("false"),
        _ => None,
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(Number::from);
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
    {
        return None;
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    plain
        .parse::<i64>()
        .map(Number::from)
        .ok()
        .or_else(|| plain.parse::<u64>().map(Number::from).ok())
        .or_else(|| plain.parse::<f64>().ok().and_then(Number::from_f64))
}
