//! Another value of the same shape: as long, of the same alphabet, with the same structure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Shorter texts are no base64, whatever they look like.
const SHORTEST_BASE64: usize = 16;
/// A part of a path that is at least this long may be a token.
const LONG_SEGMENT: usize = 12;

/// Where the characters of a replacement come from: the name of the value, never the value.
struct Source {
    label: String,
    drawn: usize,
}

impl Source {
    fn next(&mut self) -> u8 {
        let digest = Sha256::digest(format!("{}/{}", self.label, self.drawn / 32));
        let byte = digest[self.drawn % 32];
        self.drawn += 1;
        byte
    }

    /// Letters for letters and digits for digits; everything else stays.
    fn like(&mut self, text: &str) -> String {
        let letter = |base: u8, byte: u8| char::from(base + byte % 26);
        text.chars()
            .map(|own| match own {
                'a'..='f' | '0'..='9' | 'A'..='F' if is_hex(text) => {
                    let digits = if own.is_ascii_uppercase() {
                        b"0123456789ABCDEF"
                    } else {
                        b"0123456789abcdef"
                    };
                    char::from(digits[usize::from(self.next() % 16)])
                }
                'a'..='z' => letter(b'a', self.next()),
                'A'..='Z' => letter(b'A', self.next()),
                '0'..='9' => char::from(b'0' + self.next() % 10),
                other if other.is_alphanumeric() => letter(b'a', self.next()),
                other => other,
            })
            .collect()
    }
}

fn is_hex(text: &str) -> bool {
    text.len() >= 16
        && text.chars().all(|own| own.is_ascii_hexdigit())
        && text.chars().any(|own| own.is_ascii_digit())
}

/// Another value of the shape of this one; the same for the same label and shape.
pub(super) fn alike(value: &str, label: &str) -> String {
    let mut source = Source { label: label.to_owned(), drawn: 0 };
    for _ in 0..8 {
        let other = shaped(value, &mut source);
        // by chance, or because all of it is punctuation
        if other != value || !value.contains(char::is_alphanumeric) {
            return other;
        }
    }
    value.to_owned()
}

fn shaped(value: &str, source: &mut Source) -> String {
    if value.contains("-----BEGIN ") {
        return pem(value);
    }
    if value.trim_start().starts_with(['{', '['])
        && let Ok(mut json) = serde_json::from_str::<Value>(value)
    {
        leaves(&mut json, source);
        return json.to_string();
    }
    if let Some(text) = decoded(value) {
        return STANDARD.encode(shaped(&text, source));
    }
    match value.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => uri(scheme, rest, source),
        _ => source.like(value),
    }
}

/// The text inside of base64.
fn decoded(value: &str) -> Option<String> {
    let of_several = value.contains(|own: char| own.is_ascii_uppercase())
        && value.contains(|own: char| own.is_ascii_lowercase());
    let looks = value.len() >= SHORTEST_BASE64 && (value.ends_with('=') || of_several);
    let bytes = looks.then(|| STANDARD.decode(value).ok()).flatten()?;
    // what is no text is shaped as bytes would be: the same number of them
    Some(String::from_utf8(bytes).unwrap_or_else(|error| "x".repeat(error.as_bytes().len())))
}

fn is_scheme(text: &str) -> bool {
    let rest = text.rsplit(':').next().unwrap_or(text);
    rest.starts_with(|own: char| own.is_ascii_alphabetic())
        && rest.chars().all(|own| own.is_ascii_alphanumeric() || "+-.".contains(own))
}

/// Scheme, host, port and path stay; credentials, long parts of the path and the values of the
/// query do not.
fn uri(scheme: &str, rest: &str, source: &mut Source) -> String {
    let end = rest.rfind('@').map_or(0, |at| at + 1);
    let end = rest[end..].find(['/', '?', '#']).map_or(rest.len(), |at| end + at);
    let (authority, tail) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        None => authority.to_owned(),
        Some((credentials, host)) => match credentials.split_once(':') {
            Some((user, password)) => format!("{user}:{}@{host}", source.like(password)),
            None => format!("{}@{host}", source.like(credentials)),
        },
    };
    let (path, query) =
        tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
    let segments = path.split('/').map(|segment| {
        let token =
            segment.len() >= LONG_SEGMENT && segment.contains(|own: char| own.is_ascii_digit());
        if token { source.like(segment) } else { segment.to_owned() }
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let query = query.map_or_else(String::new, |query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, value)) if value.len() >= 8 => format!("{key}={}", source.like(value)),
            _ => pair.to_owned(),
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{authority}{path}{query}")
}

/// A placeholder between the marks of each block.
fn pem(value: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for line in value.lines() {
        if line.starts_with("-----BEGIN ") {
            inside = true;
            text.push_str(line);
            text.push('\n');
            text.push_str(&STANDARD.encode("a placeholder of a recording"));
            text.push('\n');
        } else if line.starts_with("-----END ") {
            inside = false;
            text.push_str(line);
            text.push('\n');
        } else if !inside && line.trim().is_empty() {
            text.push('\n');
        }
    }
    text
}

fn leaves(json: &mut Value, source: &mut Source) {
    match json {
        Value::String(text) => *text = shaped(text, source),
        Value::Array(items) => items.iter_mut().for_each(|item| leaves(item, source)),
        Value::Object(fields) => fields.values_mut().for_each(|value| leaves(value, source)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_has_the_shape_of_the_value() {
        for (value, kept) in [
            ("mysql://app:s3cret-Pw@mysql:3306/shop", "mysql://app:"),
            ("redis://:topsecret@cache:6379/0", "redis://:"),
            ("Hunter2-x", ""),
            (" padded-secret\n", " "),
            ("0123456789abcdef0123456789abcdef", ""),
            (
                "{\"auths\":{\"reg.example\":{\"password\":\"abc123def\"}}}",
                "{\"auths\":{\"reg.example\":",
            ),
        ] {
            let other = alike(value, "ns/name/key");
            assert_ne!(other, value);
            assert_eq!(other.len(), value.len(), "{other}");
            assert!(other.starts_with(kept), "{other}");
            assert_eq!(other, alike(value, "ns/name/key"), "the same each time");
        }
        let uri = alike("mysql://app:s3cret-Pw@mysql:3306/shop", "x");
        assert!(uri.ends_with("@mysql:3306/shop") && !uri.contains("s3cret"), "{uri}");
        let malformed = alike("mysql:/app:s3cret@mysql", "x");
        assert!(malformed.contains(":/") && !malformed.contains("s3cret"), "{malformed}");
    }

    #[test]
    fn base64_stays_base64_and_certificates_become_placeholders() {
        let inner = STANDARD.encode("token: a-very-secret-value");
        let other = alike(&inner, "x");
        assert_ne!(other, inner);
        assert!(STANDARD.decode(&other).is_ok(), "{other}");
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n";
        let other = alike(key, "x");
        assert!(other.starts_with("-----BEGIN PRIVATE KEY-----\n") && !other.contains("MIIE"));
        assert!(other.ends_with("-----END PRIVATE KEY-----\n"));
    }
}
