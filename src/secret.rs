//! Masking: one layer between what a run has read and everything it says; and text from a cluster made harmless.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError, RwLock};

/// Shortest text that is masked: anything shorter would hide ordinary words.
const SHORTEST: usize = 4;
/// Shortest line of a value of several lines that is masked on its own.
const SHORTEST_LINE: usize = 6;
/// What a value may be without being a secret: masking it would hide what the operator must see.
const ORDINARY: &[&str] = &["true", "false", "null", "none", "localhost", "default", "production", "mysql", "admin", "root", "user"];

/// Knows the secrets of a run and hides them. Cloning gives another handle on the same knowledge.
#[derive(Clone, Default)]
pub struct Masker {
    inner: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    /// Every form of every secret, with its label.
    forms: BTreeMap<String, String>,
    /// Finds them; none after something was learnt.
    finder: Option<Finder>,
}

#[derive(Clone)]
struct Finder {
    automaton: Arc<AhoCorasick>,
    replacements: Arc<Vec<String>>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker")
    }
}

impl Masker {
    /// Learns a secret: the value as it is and its base64, URL and JSON forms, each of its lines, and the password of a URI.
    /// What is too short or too ordinary to be hidden without hiding everything else is not learnt.
    pub fn learn(&self, value: &str, label: &str) {
        let mut forms = Vec::new();
        for part in parts(value) {
            add_forms(&part, &mut forms);
        }
        let mut known = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            known.forms.entry(form).or_insert_with(|| label.to_owned());
        }
        known.finder = None;
    }

    /// The text with every known secret replaced by `[secret LABEL]`.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(finder) = self.finder() else { return Cow::Borrowed(text) };
        if !finder.automaton.is_match(text) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(finder.automaton.replace_all(text, &finder.replacements))
    }

    /// Masks every string and key of a value.
    pub fn mask_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.mask(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|key| matches!(self.mask(key), Cow::Owned(_))) {
                    *fields = std::mem::take(fields).into_iter().map(|(key, value)| (self.mask(&key).into_owned(), value)).collect();
                }
                fields.values_mut().for_each(|value| self.mask_value(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn finder(&self) -> Option<Finder> {
        {
            let known = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if known.forms.is_empty() {
                return None;
            }
            if let Some(finder) = &known.finder {
                return Some(finder.clone());
            }
        }
        let mut known = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        // the longest form wins where one secret contains another
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(known.forms.keys()).ok()?;
        let replacements = known.forms.values().map(|label| format!("[secret {label}]")).collect();
        let finder = Finder { automaton: Arc::new(automaton), replacements: Arc::new(replacements) };
        known.finder = Some(finder.clone());
        Some(finder)
    }
}

/// The value and those parts of it that are secret on their own.
fn parts(value: &str) -> Vec<String> {
    let trimmed = value.trim();
    let mut parts = vec![value.to_owned(), trimmed.to_owned()];
    if value.contains('\n') {
        parts.extend(value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned));
    }
    if let Some((_, rest)) = trimmed.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // a password may itself have an unescaped slash in it: then the @ stands behind the first slash
        let credentials = rest.rsplit_once('@').map(|(credentials, _)| credentials).filter(|_| rest.contains('@'));
        for credentials in [authority.rsplit_once('@').map(|(credentials, _)| credentials), credentials].into_iter().flatten() {
            parts.push(credentials.to_owned());
            if let Some((_, password)) = credentials.split_once(':') {
                parts.push(password.to_owned());
                parts.push(decoded(password));
            }
        }
    }
    if let Ok(json) = serde_json::from_str::<Value>(trimmed) {
        leaves(&json, &mut parts);
    }
    parts
}

/// The strings of a JSON document.
fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn add_forms(part: &str, forms: &mut Vec<String>) {
    if part.trim().len() < SHORTEST || ORDINARY.contains(&part.trim().to_ascii_lowercase().as_str()) || part.trim().parse::<u16>().is_ok() {
        return;
    }
    forms.push(part.to_owned());
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(part));
    }
    forms.push(encoded(part));
    forms.push(encoded(part).replace("%20", "+"));
    let json = serde_json::to_string(part).unwrap_or_default();
    let inner = json.trim_matches('"').to_owned();
    // escaped once more where JSON is quoted in JSON
    let twice = serde_json::to_string(&inner).unwrap_or_default().trim_matches('"').to_owned();
    forms.extend([inner, twice].into_iter().filter(|form| form.len() >= SHORTEST));
    // what `{:?}` makes of it
    forms.push(part.escape_debug().to_string());
    let sanitized = sanitize(part);
    if sanitized.len() >= SHORTEST {
        forms.push(sanitized.into_owned());
    }
}

/// Percent-encodes everything that is not unreserved (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let code = text.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A text that cannot move the cursor, change colours or reorder what is read: without escape sequences (ECMA-48), control
/// characters except newline and tab, and bidirectional overrides (Unicode TR 36).
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.peek() {
                // CSI: parameters, then one final byte
                Some('[') => {
                    chars.next();
                    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
                }
                // OSC, DCS, SOS, PM, APC: up to BEL or ST
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    chars.next();
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || c == '\u{9c}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                        if c == '\n' {
                            out.push('\n');
                            break;
                        }
                    }
                }
                Some(c) if ('\u{20}'..='\u{7e}').contains(c) => drop(chars.next()),
                _ => {}
            },
            '\u{9b}' => {
                while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            c if is_harmful(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n-----END PRIVATE KEY-----\n";

    #[test]
    fn every_form_of_a_secret_is_hidden_and_the_words_around_it_stay() {
        let masker = Masker::default();
        masker.learn("mysql://petrosa:p@ss/w0rd \"x\"@mysql:3306/petrosa", "db/uri");
        masker.learn(PEM, "tls/key");
        masker.learn("{\"token\": \"abc.def-123\"}", "api/json");
        for secret in ["p@ss/w0rd \"x\"", "petrosa:p@ss/w0rd \"x\"", "MIIEvQIBADANBgkqhkiG9w0", "abc.def-123"] {
            for form in [
                secret.to_owned(),
                STANDARD.encode(secret),
                URL_SAFE_NO_PAD.encode(secret),
                encoded(secret),
                serde_json::to_string(secret).unwrap(),
                format!("{secret:?}"),
            ] {
                let said = masker.mask(&format!("cannot connect: {form} refused")).into_owned();
                assert!(said.starts_with("cannot connect: ") && said.ends_with(" refused") && said.contains("[secret "), "{form} -> {said}");
                assert!(!said.contains(secret) && !said.contains(form.trim_matches('"')), "{said}");
            }
        }
        assert_eq!(masker.mask("dial tcp mysql:3306: refused"), "dial tcp mysql:3306: refused");
    }

    #[test]
    fn ordinary_words_are_no_secrets() {
        let masker = Masker::default();
        for word in ["", "abc", "true", "8080", "localhost", "MySQL"] {
            masker.learn(word, "x");
        }
        assert_eq!(masker.mask("true: mysql on localhost:8080 abc"), "true: mysql on localhost:8080 abc");
    }

    #[test]
    fn values_are_masked_in_depth() {
        let masker = Masker::default();
        masker.learn("hunter22", "x");
        let mut value = json!({"a": ["hunter22", {"hunter22": 1}], "b": 3});
        masker.mask_value(&mut value);
        assert_eq!(value, json!({"a": ["[secret x]", {"[secret x]": 1}], "b": 3}));
    }

    #[test]
    fn nothing_from_a_cluster_moves_the_cursor() {
        for (text, wanted) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "alink"),
            ("10%\r20%\r\n", "10%20%\n"),
            ("a\u{202e}b\u{8}c", "abc"),
            ("tab\tand\nline", "tab\tand\nline"),
            ("\u{1b}", ""),
            ("\u{9b}2Jx", "x"),
        ] {
            assert_eq!(sanitize(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn sanitized_text_has_no_control_character(text in any::<String>()) {
            let text = sanitize(&text).into_owned();
            prop_assert!(!text.chars().any(is_harmful));
        }

        #[test]
        fn no_learnt_secret_survives(secret in "[ -~]{8,40}", before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
            let masker = Masker::default();
            masker.learn(&secret, "s");
            prop_assume!(secret.trim().len() >= SHORTEST && secret.trim().parse::<u16>().is_err());
            for form in [secret.clone(), STANDARD.encode(&secret), encoded(&secret)] {
                let said = masker.mask(&format!("{before}{form}{after}")).into_owned();
                prop_assert!(!said.contains(&secret), "{said}");
            }
        }
    }
}
