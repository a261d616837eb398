//! Masking: one layer between what a run has read and everything it says.
//!
//! Two kinds of secrets are masked: those that the run has learnt, in every form, and those that
//! are recognised by their looks.

mod behind;
mod pairs;
mod shapes;
#[cfg(test)]
mod tests;
mod tokens;

pub use behind::{behind, has_label, has_labels};

use crate::encoding::{RESERVED, percent_decode, percent_encode_set};
use percent_encoding::AsciiSet;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

/// Shorter values would mask parts of ordinary words.
const SHORTEST: usize = 4;
/// Shorter lines of a longer value say nothing by themselves.
const SHORTEST_LINE: usize = 6;
/// Shorter pieces of base64 could be ordinary words.
const SHORTEST_PIECE: usize = 8;
/// Numbers of up to this many digits are ports, counts and sizes.
const SMALL_NUMBER: usize = 5;
/// The column at which the `base64` command breaks its lines.
const BASE64_COLUMNS: usize = 76;
/// Stands where a text was cut.
const CUT: char = '…';
/// How many characters on each side of a cut are looked at: what is cut is not kept longer.
const LONGEST_CUT: usize = 640;
/// Values that Secrets hold beside the secret ones, and that would mask ordinary text.
const ORDINARY: [&str; 22] = [
    "true",
    "false",
    "null",
    "none",
    "yes",
    "no",
    "on",
    "off",
    "enabled",
    "disabled",
    "default",
    "localhost",
    "localhost.localdomain",
    "127.0.0.1",
    "0.0.0.0",
    "::1",
    "[::1]",
    "production",
    "mysql",
    "admin",
    "root",
    "user",
];

/// Replaces every secret value that it has learnt, in all the forms in which a value travels.
///
/// Clones share what they have learnt.
#[derive(Clone, Default)]
pub struct Masker {
    known: Arc<RwLock<KnownSecrets>>,
    fingerprint: Option<Fingerprint>,
}

/// What stands in a record for a secret value: the same for the same value, and nothing by which it
/// could be found.
type Fingerprint = Arc<dyn Fn(&str) -> String + Send + Sync>;

#[derive(Default)]
struct KnownSecrets {
    /// What was learnt: the same object is often read more than once.
    values: BTreeSet<String>,
    /// Words that are shown in any case, and no secrets therefore.
    shown: BTreeSet<String>,
    /// Every form to replace, and the label to show instead.
    forms: BTreeMap<String, String>,
    /// Built when it is first needed after something was learnt.
    finder: Option<Arc<Finder>>,
}

struct Finder {
    automaton: AhoCorasick,
    /// What replaces the pattern of the same index.
    replacements: Vec<String>,
    /// The patterns with their indices, sorted: to find the beginning of one.
    beginnings: Vec<(String, usize)>,
    /// The patterns written backwards with their indices, sorted: to find the end of one.
    ends: Vec<(String, usize)>,
}

impl fmt::Debug for Masker {
    /// Says how much is known, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Masker").field("forms", &known.forms.len()).finish()
    }
}

impl Masker {
    /// Knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with what stands in records for secret values.
    #[must_use]
    pub fn with_fingerprint(
        self,
        fingerprint: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { fingerprint: Some(Arc::new(fingerprint)), ..self }
    }

    /// What stands in a record for a secret value, if this masker knows how to make it.
    pub fn fingerprint(&self, value: &str) -> Option<String> {
        self.fingerprint.as_ref().map(|fingerprint| fingerprint(value))
    }

    /// Never hides a word of this name, which is shown in any case. Call it before anything is
    /// learnt.
    pub fn show(&self, name: &str) {
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.shown.extend(words.map(str::to_owned));
    }

    /// Registers a secret value, shown as `[secret LABEL]`, with its base64, URL- and JSON-encoded
    /// forms, each of its lines, and the password of a URI.
    ///
    /// What would mask ordinary text is ignored: values of less than four characters, `true`,
    /// `localhost`, numbers of up to five digits, and what is [shown](Self::show) in any case.
    pub fn learn(&self, value: &str, label: &str) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.values.contains(value) || known.shown.contains(value.trim()) {
            return;
        }
        drop(known);
        let forms = forms(value);
        if forms.is_empty() {
            return;
        }
        // A label that quotes the value would undo the masking.
        let label =
            if forms.iter().any(|form| label.contains(form.as_str())) { "value" } else { label };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.values.insert(value.to_owned());
        for form in forms {
            known.forms.entry(form).or_insert_with(|| label.to_owned());
        }
        known.finder = None;
    }

    /// How many secrets it has learnt.
    pub fn known(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values.len()
    }

    /// Registers the values of a Secret, or of the Secrets in a list, labelled `NAME/KEY`. Other
    /// objects are left alone.
    pub fn learn_object(&self, object: &Value) {
        for item in object["items"].as_array().into_iter().flatten() {
            self.learn_object(item);
        }
        if object["kind"] != "Secret" {
            return;
        }
        let name = object["metadata"]["name"].as_str().unwrap_or("secret");
        for (field, encoded) in [("data", true), ("stringData", false)] {
            for (key, value) in object[field].as_object().into_iter().flatten() {
                let Some(text) = value.as_str() else { continue };
                let label = format!("{name}/{key}");
                match STANDARD.decode(text).ok().filter(|_| encoded).map(String::from_utf8) {
                    Some(Ok(plain)) => self.learn(&plain, &label),
                    // no text, or no base64: hidden as it is written
                    Some(Err(_)) | None => self.learn(text, &label),
                }
            }
        }
        let applied =
            object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
                .as_str();
        if let Some(applied) = applied.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            self.learn_object(&applied);
        }
    }

    /// The text with every secret replaced, harmless for a terminal (see [`sanitize`]).
    pub fn clean(&self, text: &str) -> String {
        let masked = self.mask(text);
        match sanitize(&masked) {
            Cow::Borrowed(clean) => clean.to_owned(),
            // what was torn apart by control characters is whole now
            Cow::Owned(clean) => self.mask(&clean).into_owned(),
        }
    }

    /// The text with every secret replaced; also what is left of one that was cut, where `…` says
    /// so.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.finder().map_or(Cow::Borrowed(text), |finder| finder.mask(text)) {
            Cow::Borrowed(text) => shapes::mask(text),
            Cow::Owned(text) => Cow::Owned(shapes::mask(&text).into_owned()),
        }
    }

    /// Replaces the secrets in all strings and keys of a value.
    pub fn mask_value(&self, value: &mut Value) {
        *value = walked(value, &|text| self.mask(text).into_owned(), &|_, _| {});
    }

    /// The value with the secrets in all strings and keys replaced, harmless for a terminal.
    pub fn clean_value(&self, value: &Value) -> Value {
        // found where its place told it, it is known from then on: later it may stand alone
        let found = |secret: &str, what: &str| {
            if secret.len() >= SHORTEST_LINE && tokens::is_random(secret) {
                self.learn(secret, what);
            }
        };
        walked(value, &|text| self.clean(text), &found)
    }

    /// The finder for what is known now; `None` if nothing is.
    fn finder(&self) -> Option<Arc<Finder>> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.forms.is_empty() {
                return None;
            }
            if let Some(finder) = &known.finder {
                return Some(Arc::clone(finder));
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.finder.is_none() {
            known.finder = Some(Arc::new(Finder::new(&known.forms)));
        }
        known.finder.clone()
    }
}

impl Finder {
    fn new(forms: &BTreeMap<String, String>) -> Self {
        let automaton = AhoCorasickBuilder::new()
            .match_kind(MatchKind::LeftmostLongest)
            .build(forms.keys())
            // The only failure is more than two thousand million states: then everything is masked.
            .or_else(|_| AhoCorasick::new([""]));
        let replacements = forms.values().map(|label| format!("[secret {label}]")).collect();
        let beginnings =
            forms.keys().cloned().enumerate().map(|(index, form)| (form, index)).collect();
        let mut ends: Vec<(String, usize)> = forms
            .keys()
            .enumerate()
            .map(|(index, form)| (form.chars().rev().collect(), index))
            .collect();
        ends.sort();
        match automaton {
            Ok(automaton) => Self { automaton, replacements, beginnings, ends },
            Err(_) => unreachable!("an automaton of one empty pattern is within every limit"),
        }
    }

    fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = String::new();
        let mut rest = 0;
        for found in self.automaton.find_iter(text) {
            masked.push_str(&text[rest..found.start()]);
            masked.push_str(&self.replacements[found.pattern().as_usize()]);
            rest = found.end();
        }
        let whole = if rest == 0 {
            Cow::Borrowed(text)
        } else {
            masked.push_str(&text[rest..]);
            Cow::Owned(masked)
        };
        match self.mask_cut(&whole) {
            Some(masked) => Cow::Owned(masked),
            None => whole,
        }
    }

    /// Replaces the beginning of a secret before each `…` and the end of one after it. None: there
    /// is none.
    fn mask_cut(&self, text: &str) -> Option<String> {
        let mut masked = String::new();
        let mut rest = 0;
        for (at, cut) in text.match_indices(CUT) {
            let before: Vec<usize> =
                text[rest..at].char_indices().map(|(start, _)| rest + start).collect();
            let from = before.len().saturating_sub(LONGEST_CUT);
            let head = before[from..]
                .iter()
                .find_map(|start| Some((*start, part_of(&self.beginnings, &text[*start..at])?)));
            if let Some((start, index)) = head {
                masked.push_str(&text[rest..start]);
                masked.push_str(&self.replacements[index]);
                rest = at;
            }
            let after = at + cut.len();
            let ends: Vec<usize> = text[after..]
                .char_indices()
                .map(|(start, c)| after + start + c.len_utf8())
                .take(LONGEST_CUT)
                .collect();
            let tail = ends.iter().rev().find_map(|end| {
                Some((
                    *end,
                    part_of(&self.ends, &text[after..*end].chars().rev().collect::<String>())?,
                ))
            });
            if let Some((end, index)) = tail {
                masked.push_str(&text[rest..after]);
                masked.push_str(&self.replacements[index]);
                rest = end;
            }
        }
        if rest == 0 {
            return None;
        }
        masked.push_str(&text[rest..]);
        Some(masked)
    }
}

/// A value with all its strings and keys said by `say`, and without what their places say is
/// secret: under a key, beside a name, after an option, between the lines of a key.
fn walked(value: &Value, say: &dyn Fn(&str) -> String, found: &dyn Fn(&str, &str)) -> Value {
    match value {
        Value::String(text) => Value::String(say(text)),
        Value::Array(items) => Value::Array(walked_list(items, say, found)),
        Value::Object(fields) => {
            // a variable of a container, a header as HAR writes it
            let variable = fields
                .get("name")
                .or_else(|| fields.get("key"))
                .and_then(Value::as_str)
                .filter(|_| fields.len() <= 3);
            let walk = |(key, field): (&String, &Value)| {
                let name = variable.filter(|_| key == "value").unwrap_or(key);
                (say(key), walked_field(name, field, say, found))
            };
            Value::Object(fields.iter().map(walk).collect())
        }
        // A number can be a secret, too: a PIN that YAML has read as one.
        Value::Number(number) => {
            let text = number.to_string();
            let said = say(&text);
            if said == text { value.clone() } else { Value::String(said) }
        }
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn walked_field(
    key: &str,
    field: &Value,
    say: &dyn Fn(&str) -> String,
    found: &dyn Fn(&str, &str),
) -> Value {
    let said = walked(field, say, found);
    let text = match &said {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        _ => return said,
    };
    match pairs::under(key, &text) {
        Some((start, what)) => {
            found(&text[start..], what);
            Value::String(format!("{}[secret {what}]", &text[..start]))
        }
        None => said,
    }
}

fn walked_list(
    items: &[Value],
    say: &dyn Fn(&str) -> String,
    found: &dyn Fn(&str, &str),
) -> Vec<Value> {
    let text = |item: &Value| {
        item.as_str()
            .or_else(|| ["text", "line", "message"].iter().find_map(|key| item.get(key)?.as_str()))
            .map(str::to_owned)
    };
    let (mut in_key, mut is_value) = (false, false);
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let line = text(item);
        let line = line.as_deref().unwrap_or_default();
        in_key = in_key && !shapes::ends_key(line) && shapes::in_key(line);
        all.push(match item {
            Value::String(_) if in_key => Value::from("[secret key]"),
            Value::String(argument) if is_value && !shapes::is_placeholder(argument) => {
                Value::from("[secret value]")
            }
            Value::Object(fields) if in_key => {
                let is_line = |field: &Value| field.as_str() == Some(line);
                let hide = |(key, field): (&String, &Value)| {
                    (
                        say(key),
                        if is_line(field) {
                            Value::from("[secret key]")
                        } else {
                            walked(field, say, found)
                        },
                    )
                };
                Value::Object(fields.iter().map(hide).collect())
            }
            other => walked(other, say, found),
        });
        in_key = in_key || shapes::begins_key(line);
        is_value = item.as_str().is_some_and(pairs::is_option);
    }
    all
}

/// The pattern that begins with this part, if the part is long enough to give something away.
fn part_of(patterns: &[(String, usize)], part: &str) -> Option<usize> {
    let next = patterns.get(patterns.partition_point(|(pattern, _)| pattern.as_str() < part))?;
    (next.0.starts_with(part) && part.chars().count() >= SHORTEST_LINE).then_some(next.1)
}

/// Whether masking the text everywhere would make ordinary text unreadable.
fn is_ordinary(text: &str) -> bool {
    let number = text.len() <= SMALL_NUMBER && text.bytes().all(|byte| byte.is_ascii_digit());
    text.chars().count() < SHORTEST
        || number
        || ORDINARY.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether [`Masker::learn`] takes this value, so that it is nowhere shown; an empty one says nothing.
pub fn can_be_masked(value: &str) -> bool {
    value.is_empty() || !forms(value).is_empty()
}

/// All forms of a value that have to be masked.
fn forms(value: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut whole = vec![Cow::Borrowed(value), Cow::Borrowed(value.trim())];
    for line in value.lines() {
        whole.extend(credentials(line.trim()));
    }
    if let Ok(document) = serde_json::from_str::<Value>(value) {
        leaves(&document, &mut whole);
    }
    // names of objects are in lower case
    let lower = value.trim().to_lowercase();
    if lower != value.trim() && lower.chars().count() >= SHORTEST_LINE {
        whole.push(Cow::Owned(lower));
    }
    for part in &whole {
        if !is_ordinary(part.trim()) {
            encodings(part, &mut out);
            in_base64(part, &mut out);
        }
    }
    if value.trim().contains('\n') {
        for line in value.lines().map(str::trim) {
            // `-----BEGIN CERTIFICATE-----` is no secret.
            if line.chars().count() >= SHORTEST_LINE
                && !line.starts_with("-----")
                && !is_ordinary(line)
            {
                encodings(line, &mut out);
                in_base64(line, &mut out);
            }
        }
    }
    out.sort();
    out.dedup();
    out
}

/// The strings of a JSON document.
fn leaves(value: &Value, into: &mut Vec<Cow<'_, str>>) {
    match value {
        Value::String(text) => into.push(Cow::Owned(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The secret parts of a URI with a password: as written, decoded, and with the user as basic
/// authentication sends it.
fn credentials(text: &str) -> Vec<Cow<'_, str>> {
    let Some((_, rest)) = text.split_once("://") else { return Vec::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let mut parts = Vec::new();
    // A password may contain a slash or an @ that should have been encoded: both readings are
    // secret.
    for userinfo in [authority, rest]
        .into_iter()
        .filter_map(|text| text.rsplit_once('@'))
        .map(|(userinfo, _)| userinfo)
    {
        let Some((user, password)) = userinfo.split_once(':') else { continue };
        let (plain_user, plain) = (decoded(user), decoded(password));
        let pair = Cow::Owned(format!("{plain_user}:{plain}"));
        parts.extend([Cow::Borrowed(password), Cow::Owned(plain)]);
        if !password.is_empty() {
            parts.extend([Cow::Borrowed(userinfo), pair]);
        }
    }
    parts
}

/// What path encoders leave alone beside RFC 3986.
const IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');
/// What `encodeURIComponent` of JavaScript does.
const IN_COMPONENTS: &AsciiSet =
    &RESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// The text itself, and as it stands in URLs and in JSON.
fn encodings(text: &str, out: &mut Vec<String>) {
    out.push(text.to_owned());
    // What encoders leave alone differs: RFC 3986, path encoders, JavaScript's encodeURIComponent.
    for set in [RESERVED, IN_PATHS, IN_COMPONENTS] {
        let encoded = percent_encode_set(text, set);
        out.push(encoded.replace("%20", "+"));
        out.push(percent_lowered(&encoded));
        out.push(encoded);
    }
    // between the quotes of a shell, in XML and HTML as different libraries write them, in one line
    let mut written = vec![
        text.to_owned(),
        text.replace('\'', "'\\''"),
        text.split_whitespace().collect::<Vec<_>>().join(" "),
    ];
    let xml = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    written.extend(
        [("&apos;", "&quot;"), ("&#39;", "&quot;"), ("&#x27;", "&quot;"), ("&#39;", "&#34;")]
            .map(|(single, double)| xml.replace('\'', single).replace('"', double)),
    );
    written.push(xml);
    for text in written {
        let json = json_escaped(&text);
        // JSON within a string of JSON, as logs of JSON messages have it
        out.push(json_escaped(&json));
        out.push(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
        out.push(json.replace('/', "\\/"));
        out.push(ascii_escaped(&json));
        out.push(json);
        // what Rust's `{:?}` makes of it
        out.push(text.escape_debug().to_string());
        out.push(text);
    }
    // what is left of it for a terminal
    let sanitized = sanitize(text);
    if !is_ordinary(sanitized.trim()) {
        out.push(sanitized.into_owned());
    }
}

/// The text in base64: whole, with a line end, wrapped into lines, and within something longer.
fn in_base64(text: &str, out: &mut Vec<String>) {
    let line = format!("{text}\n");
    for bytes in [text.as_bytes(), line.as_bytes()] {
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            out.push(engine.encode(bytes));
        }
        let encoded = STANDARD.encode(bytes);
        for start in (0..encoded.len()).step_by(BASE64_COLUMNS) {
            let piece = &encoded[start..encoded.len().min(start + BASE64_COLUMNS)];
            if piece.len() >= SHORTEST_PIECE {
                out.push(piece.to_owned());
            }
        }
    }
    // Within something longer, such as `user:password`, the characters depend on the position
    // modulo three.
    for (before, first) in [(0, 0), (1, 2), (2, 3)] {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(text.as_bytes());
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&bytes);
            // The last character also depends on what follows, unless the groups come out even.
            let last = encoded.len() - usize::from(!bytes.len().is_multiple_of(3));
            if last >= first + SHORTEST_PIECE {
                out.push(encoded[first..last].to_owned());
            }
        }
    }
}

/// The same encoding with lowercase digits.
fn percent_lowered(encoded: &str) -> String {
    let mut digits = 0;
    encoded
        .chars()
        .map(|c| {
            if c == '%' {
                digits = 2;
            } else if digits > 0 {
                digits -= 1;
                return c.to_ascii_lowercase();
            }
            c
        })
        .collect()
}

/// A percent-encoded text as it is meant.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent_decode(text)).into_owned()
}

/// The text as it stands between the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// JSON in which everything that is not ASCII is escaped, as Python writes it.
fn ascii_escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str("\\u");
                out.extend(hex(u32::from(*unit), 4));
            }
        }
    }
    out
}

/// The last hexadecimal digits of a number.
fn hex(number: u32, digits: u32) -> impl Iterator<Item = char> {
    (0..digits)
        .rev()
        .map(move |place| char::from_digit((number >> (4 * place)) & 15, 16).unwrap_or('0'))
}

/// Text from a cluster, made harmless for a terminal: without escape sequences, control characters
/// (except line ends and tabs) and characters that reverse the direction of writing.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.peek().copied() {
                Some('[') => {
                    chars.next();
                    skip_control_sequence(&mut chars);
                }
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    chars.next();
                    skip_control_string(&mut chars);
                }
                _ => {
                    while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
                    chars.next_if(|c| matches!(c, '0'..='~'));
                }
            },
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\u{9d}' | '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => skip_control_string(&mut chars),
            c if is_harmful(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// Colours, cursor movements: parameters and one final character.
fn skip_control_sequence(chars: &mut Chars<'_>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// Window titles, links: up to the terminator, but never beyond the line, lest they hide what
/// follows.
fn skip_control_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                chars.next_if(|c| *c == '\\');
                return;
            }
            _ => {}
        }
    }
}

fn is_harmful(c: char) -> bool {
    let directional = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    directional || c.is_control() && c != '\n' && c != '\t'
}
