//! Names and values: `password=…`, `"token": "…"`, `--api-key …`, headers, lines of password files.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::shapes::{Hit, ahead, ends_word, is_placeholder};
use super::{CUT, tokens};

/// Words in the names of credentials. Where one is found, the whole name is looked at.
pub(super) const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "_pass",
    "-pass",
    ".pass",
    "pass=",
    "pass:",
    "\"pass\"",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "access-key",
    "accesskey",
    "account_key",
    "accountkey",
    "private_key",
    "privatekey",
    "private-key",
    "signing_key",
    "signingkey",
    "encryption_key",
    "encryptionkey",
    "master_key",
    "masterkey",
    "auth_key",
    "authkey",
    "credential",
    "sig=",
    "\"auth\"",
];

/// The ends of the names of credentials, without separators and case.
const ENDS: &[(&str, SecretKind)] = &[
    ("password", SecretKind::Password),
    ("passwd", SecretKind::Password),
    ("passphrase", SecretKind::Password),
    ("passcode", SecretKind::Password),
    ("pwd", SecretKind::Password),
    ("secretkey", SecretKind::Key),
    ("secretaccesskey", SecretKind::Key),
    ("clientsecret", SecretKind::Key),
    ("appsecret", SecretKind::Key),
    ("sharedsecret", SecretKind::Key),
    ("consumersecret", SecretKind::Key),
    ("webhooksecret", SecretKind::Key),
    ("jwtsecret", SecretKind::Key),
    ("sessionsecret", SecretKind::Key),
    ("signingsecret", SecretKind::Key),
    ("apisecret", SecretKind::Key),
    ("secret", SecretKind::Named),
    ("credential", SecretKind::Named),
    ("credentials", SecretKind::Named),
    ("token", SecretKind::Token),
    ("apikey", SecretKind::Key),
    ("accesskey", SecretKind::Key),
    ("accountkey", SecretKind::Key),
    ("privatekey", SecretKind::Key),
    ("signingkey", SecretKind::Key),
    ("encryptionkey", SecretKind::Key),
    ("masterkey", SecretKind::Key),
    ("authkey", SecretKind::Key),
];

/// Names that end like those of credentials and are none.
const OTHERS: &[&str] = &[
    "oldpwd",
    "pagetoken",
    "nexttoken",
    "continuetoken",
    "unexpectedtoken",
    "invalidtoken",
    "continuationtoken",
    "fencingtoken",
];

/// First words of a sentence about a credential, instead of the credential.
const PROSE: &str = "a absent accepted access all already an and are auth authentication base64 \
    basic bearer cannot changed could created default \
    deleted denied disabled does empty enabled eof error exceeded expected expired expires failed \
    failure false file for forbidden \
    found from generated given got has hidden identifier illegal in incorrect invalid is json jwt \
    length loaded malformed masked \
    mismatch missing must needed needs new nil no none not null of ok omitted on only optional or \
    parse parsing password present \
    provided read received refresh refreshed rejected removed renewed required reset revoked \
    rotated secret server set should \
    signature some string syntax text the this to token too true type unable unauthorized \
    unchanged undefined unexpected unknown unset \
    updated use used user using valid verification verified was with wrong yes";

fn is_prose_word(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| PROSE.split(' ').collect());
    WORDS.contains(word)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecretKind {
    /// Chosen by people: may be a word or a number.
    Password,
    /// Made by machines.
    Token,
    /// Made by machines.
    Key,
    /// A secret, or the name of a Kubernetes Secret.
    Named,
    /// A signature in a query.
    Signature,
    /// `user:password` in base64, as a container runtime keeps it.
    Login,
}

impl SecretKind {
    fn label(self) -> &'static str {
        match self {
            Self::Password | Self::Login => "password",
            Self::Token => "token",
            Self::Key => "key",
            Self::Named => "value",
            Self::Signature => "signature",
        }
    }

    /// Whether a value can be such a credential and is not a word about one.
    fn takes(self, value: &str) -> bool {
        let word = value.trim_end_matches(['.', ',', ';', ':', '!', '?']).to_ascii_lowercase();
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if is_placeholder(value)
            || is_prose_word(&word)
            || value.starts_with('[')
            || value.starts_with('{')
        {
            return false;
        }
        match self {
            Self::Password => {
                value.chars().count() >= if digits { 4 } else { 3 } && !value.starts_with('/')
            }
            Self::Token | Self::Key => {
                value.len() >= 6 && !(digits && value.len() < 9) && !value.starts_with('/')
            }
            Self::Named => {
                value.len() >= 6 && !digits && !value.starts_with('/') && !is_object_name(value)
            }
            Self::Signature => value.len() >= 20,
            Self::Login => is_login(value),
        }
    }
}

/// `NAME` or `NAMESPACE/NAME` of an object of Kubernetes, as people choose them.
fn is_object_name(value: &str) -> bool {
    let allowed = value
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(&byte));
    allowed && (value.contains(['-', '/', '.']) || !value.bytes().any(|byte| byte.is_ascii_digit()))
}

fn is_login(value: &str) -> bool {
    STANDARD.decode(value).is_ok_and(|bytes| {
        bytes.contains(&b':') && bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
    })
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

/// The kind of credential that a name promises.
fn kind_of(name: &str) -> Option<SecretKind> {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if OTHERS.iter().any(|other| plain.ends_with(other)) {
        return None;
    }
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    let last = words.last().copied().unwrap_or_default();
    match last.to_ascii_lowercase().as_str() {
        "pass" | "pgpass" | "dbpass" | "userpass" | "rootpass" | "adminpass" => {
            return Some(SecretKind::Password);
        }
        _ if last.ends_with("Pass") => return Some(SecretKind::Password),
        "sig" if words.len() == 1 => return Some(SecretKind::Signature),
        "auth" if words.len() == 1 => return Some(SecretKind::Login),
        _ => {}
    }
    ENDS.iter()
        .filter(|(end, _)| plain.ends_with(end))
        .max_by_key(|(end, _)| end.len())
        .map(|(_, kind)| *kind)
}

/// Where the secret begins in a value under this key of an object, and what it is; none if the
/// value may be shown.
pub(super) fn under(key: &str, value: &str) -> Option<(usize, &'static str)> {
    let lower = key.to_ascii_lowercase();
    if is_placeholder(value) {
        return None;
    }
    if lower == "cookie" || lower == "set-cookie" {
        return value.contains('=').then_some((0, "cookie"));
    }
    if lower.ends_with("authorization") {
        if super::has_label(value) {
            return None;
        }
        let lone = || (value.len() >= 16 && tokens::is_random(value)).then_some((0, "credentials"));
        return credentials_of(value).or_else(lone);
    }
    // `spring.datasource.password`; a path ends with the name
    let name = key.rsplit(['/', ' ']).next().unwrap_or(key);
    let kind = name.chars().all(is_name_character).then(|| kind_of(name)).flatten()?;
    let value = value.trim();
    let first = value.split(' ').next().unwrap_or_default();
    let is_sentence = first.len() < value.len() && !kind.takes(first);
    (kind.takes(value) && !is_sentence).then(|| (0, kind.label()))
}

/// Where the credentials begin in the value of a header that names its scheme, and what they are.
pub(super) fn credentials_of(value: &str) -> Option<(usize, &'static str)> {
    let (scheme, rest) = value.trim_start().split_once(' ')?;
    let known = [
        "bearer",
        "basic",
        "digest",
        "token",
        "negotiate",
        "ntlm",
        "apikey",
        "hmac",
        "splunk",
        "aws4-hmac-sha256",
        "sharedkey",
        "sharedaccesssignature",
    ];
    let start = value.len() - rest.len();
    (known.contains(&scheme.to_ascii_lowercase().as_str())
        && !is_placeholder(rest)
        && !is_prose_word(&rest.to_ascii_lowercase()))
    .then_some((start, "credentials"))
}

/// The name around a hit.
fn name_around(text: &str, hit: &Range<usize>) -> Range<usize> {
    let mut from = hit.start.saturating_sub(64);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let start = text[from..hit.start]
        .rfind(|c| !is_name_character(c))
        .map_or(from, |at| from + at + text[from + at..].chars().next().map_or(1, char::len_utf8));
    let inside = hit.start + text[hit.clone()].trim_end_matches(['=', ':', '"']).len();
    let rest = ahead(text, inside);
    let length = rest.find(|c| !is_name_character(c)).unwrap_or(rest.len());
    // what a hit begins with may be a quotation mark
    let quoted = text[start..inside]
        .chars()
        .take_while(|c| !is_name_character(*c))
        .map(char::len_utf8)
        .sum::<usize>();
    start + quoted..inside + length
}

/// A separator and a quotation mark after a name: where the value begins, the mark that ends it,
/// and whether `=` separates them.
struct Opened<'t> {
    value: usize,
    mark: &'t str,
    equals: bool,
    spaced: bool,
}

/// A quotation mark, with the backslashes of text within text.
fn mark(text: &str) -> &str {
    let slashes = text.bytes().take_while(|byte| *byte == b'\\').count().min(7);
    match text[slashes..].chars().next() {
        Some('"' | '\'') => &text[..=slashes],
        _ => "",
    }
}

fn opened<'t>(text: &'t str, name: &Range<usize>) -> Option<Opened<'t>> {
    let mut at = name.end;
    let before = text[..name.start].chars().next_back();
    let rest = ahead(text, at);
    let close = mark(rest);
    at += close.len();
    let rest = ahead(text, at);
    let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let separator = &rest[spaces..];
    // `--password hunter2`
    if spaces == 1
        && close.is_empty()
        && text[name.clone()].starts_with("--")
        && !separator.starts_with([':', '=', '-'])
    {
        let mark = mark(separator);
        return Some(Opened { value: at + spaces + mark.len(), mark, equals: true, spaced: false });
    }
    let length = ["=>", ":=", "=", ":"].iter().find(|sign| separator.starts_with(**sign))?.len();
    let equals = separator.starts_with('=');
    let after = &separator[length..];
    if after.starts_with("//") || (close.is_empty() && before == Some('/') && spaces > 0) {
        return None;
    }
    let gap = after.len() - after.trim_start_matches([' ', '\t']).len();
    let mark = mark(&after[gap..]);
    if before == Some('/') && mark.is_empty() && is_quoted_in_prose(text, name.start, close) {
        return None;
    }
    Some(Opened {
        value: at + spaces + length + gap + mark.len(),
        mark,
        equals,
        spaced: gap > 0 && mark.is_empty() && close.is_empty(),
    })
}

/// Whether a path that ends with a name is quoted in a sentence (`open "/etc/passwd": permission
/// denied`), and not the key of a value.
fn is_quoted_in_prose(text: &str, name: usize, close: &str) -> bool {
    if close.is_empty() {
        return false;
    }
    let Some(open) = text[..name].rfind(close) else { return false };
    let line = text[..open].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let before = text[line..open].trim_end();
    !before.trim_start().is_empty() && !before.ends_with(['{', ',', '[', '-', '\\', '"'])
}

/// Where a value ends.
fn value_end(text: &str, name: &Range<usize>, opened: &Opened<'_>) -> usize {
    let rest = ahead(text, opened.value);
    let line = &rest[..rest.find(['\n', '\r', CUT]).unwrap_or(rest.len())];
    let length = if opened.mark.is_empty() {
        let words = line.split(" #").next().unwrap_or(line);
        // alone on its line it may have spaces in it
        if begins_line(text, name)
            && !words.contains(['=', ',', '"', '{', '}'])
            && !words.contains(": ")
        {
            words.trim_end().len()
        } else {
            line.find(|c| ends_word(c) || ",;&)}]".contains(c)).unwrap_or(line.len())
        }
    } else {
        let mut from = 0;
        loop {
            match line[from..].find(opened.mark) {
                // a mark that is itself escaped belongs to the value
                Some(at) if opened.mark.len() == 1 && line[..from + at].ends_with('\\') => {
                    from += at + 1;
                }
                Some(at) => break from + at,
                None => break line.len(),
            }
        }
    };
    opened.value + length
}

/// The value of an entry of an environment, as Kubernetes writes it:
/// `"name":"DB_PASSWORD","value":"…"` in JSON, also where that stands escaped in another text, and
/// `name: DB_PASSWORD` with `value: …` in the next line in YAML.
fn entry(text: &str, name: &Range<usize>, kind: SecretKind) -> Option<Hit> {
    let rest = ahead(text, name.end);
    let behind = rest.trim_start_matches(|c: char| c.is_whitespace() || "\\\",'".contains(c));
    if behind.len() == rest.len() {
        return None;
    }
    let behind = behind.strip_prefix("value")?;
    let value = behind
        .trim_start_matches(['\\', '"', '\''])
        .strip_prefix(':')?
        .trim_start()
        .trim_start_matches(['\\', '"', '\'']);
    let length = value.find(['"', '\'', '\\', '\n', ',', '}']).unwrap_or(value.len());
    let start = name.end + rest.len() - value.len();
    kind.takes(&value[..length]).then(|| (start..start + length, kind.label()))
}

/// The value behind what is left of a name, where that can be the end of a credential's name.
pub(super) fn cut(text: &str, from: usize) -> Option<Hit> {
    const NAMES: [&str; 7] =
        ["password", "passwd", "passphrase", "secret", "token", "apikey", "api_key"];
    let rest = ahead(text, from);
    let left = &rest[..rest.find(|c| !is_name_character(c)).unwrap_or(rest.len())];
    let lower = left.to_ascii_lowercase();
    if left.is_empty() || !NAMES.iter().any(|name| name.ends_with(lower.as_str())) {
        return None;
    }
    let name = from..from + left.len();
    let opened = opened(text, &name)?;
    let end = value_end(text, &name, &opened);
    let value = &text[opened.value..end];
    (!(opened.mark.is_empty() && opened.spaced) && SecretKind::Password.takes(value))
        .then_some((opened.value..end, "value"))
}

/// The value that belongs to the name at this place.
pub(super) fn pair(text: &str, hit: Range<usize>) -> Option<Hit> {
    let name = name_around(text, &hit);
    let kind = kind_of(text.get(name.clone())?)?;
    if let Some(found) = entry(text, &name, kind) {
        return Some(found);
    }
    let Some(opened) = opened(text, &name) else { return netrc(text, &name, kind) };
    let mut end = value_end(text, &name, &opened);
    let mut start = opened.value;
    let value = &text[start..end];
    // what the API server and its kind say of a value
    if let Some(sign) = ["Invalid value: \"", "invalid value: \""]
        .iter()
        .find(|sign| text[start..].starts_with(**sign))
    {
        start += sign.len();
        let rest = ahead(text, start);
        end = start + rest.find('"').unwrap_or(rest.len());
        return (!is_placeholder(&text[start..end])).then_some((start..end, kind.label()));
    }
    if let Some((skip, what)) = credentials_of(value).filter(|_| kind != SecretKind::Password) {
        return Some((start + skip..whole(text, opened.value, end), what));
    }
    let first = value.split(' ').next().unwrap_or_default();
    let lower = |c: char| c.is_ascii_lowercase();
    // "invalid token: please log in", and no `=` or quotation mark
    let is_prose = opened.spaced
        && !opened.equals
        && first.chars().all(lower)
        && ahead(text, start + first.len()).starts_with(' ')
        && !begins_line(text, &name);
    if is_prose || !kind.takes(first) || !kind.takes(value) {
        return None;
    }
    Some((start..whole(text, opened.value, end), kind.label()))
}

/// The end of a value that goes on beyond what was looked at.
fn whole(text: &str, start: usize, end: usize) -> usize {
    if end - start < ahead(text, start).len() {
        return end;
    }
    end + text[end..].find(ends_word).unwrap_or(text.len() - end)
}

/// What stands before a place on its line, as far as it is looked at.
fn line_head(text: &str, at: usize, not_before: usize) -> &str {
    let mut from = at.saturating_sub(256).max(not_before);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..at].rsplit(['\n', '\r']).next().unwrap_or_default()
}

fn begins_line(text: &str, name: &Range<usize>) -> bool {
    line_head(text, name.start, 0).trim_start_matches([' ', '\t', '-', '"', '\'']).is_empty()
}

/// `machine HOST login USER password VALUE`, and the last two alone on a line.
fn netrc(text: &str, name: &Range<usize>, kind: SecretKind) -> Option<Hit> {
    if kind != SecretKind::Password
        || !["password", "passwd"].contains(&text[name.clone()].to_ascii_lowercase().as_str())
    {
        return None;
    }
    let rest = ahead(text, name.end);
    let line = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
    let value = line.trim();
    let start = name.end + line.len() - line.trim_start().len();
    let head = line_head(text, name.start, 0);
    let word = value.split_whitespace().next()?;
    let is_netrc = (head.contains("login ") && head.contains("machine "))
        || (head.trim().is_empty() && word.len() == value.len() && tokens::is_random(word));
    (line.starts_with([' ', '\t']) && is_netrc && kind.takes(word))
        .then_some((start..start + word.len(), kind.label()))
}

/// The credentials of an `Authorization` header, the cookies of a `Cookie` header.
pub(super) fn header(text: &str, hit: Range<usize>) -> Option<Hit> {
    let name = name_around(text, &hit);
    let is_cookie = text[name.clone()].to_ascii_lowercase().ends_with("cookie");
    let opened = opened(text, &name)?;
    let rest = ahead(text, opened.value);
    let line = &rest[..rest.find(['\n', '\r', CUT]).unwrap_or(rest.len())];
    let end = if opened.mark.is_empty() {
        line.find(['"', '\'', '\\', ',']).unwrap_or(line.len())
    } else {
        line.find(opened.mark).unwrap_or(line.len())
    };
    let value = &line[..end];
    if is_cookie {
        return (value.contains('=') && !is_placeholder(value))
            .then_some((opened.value..opened.value + end, "cookie"));
    }
    match credentials_of(value) {
        Some((skip, what)) => {
            Some((opened.value + skip..whole(text, opened.value, opened.value + end), what))
        }
        None => {
            let word = value.split_whitespace().next()?;
            (word.len() >= 16 && tokens::is_random(word) && !is_placeholder(word))
                .then_some((opened.value..opened.value + word.len(), "credentials"))
        }
    }
}

/// `Bearer TOKEN`, `Basic BASE64`, wherever they stand.
pub(super) fn scheme(text: &str, hit: Range<usize>) -> Option<Hit> {
    if text[..hit.start].chars().next_back().is_some_and(is_name_character) {
        return None;
    }
    let rest = ahead(text, hit.end);
    let word = &rest[..rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/=".contains(c)))
        .unwrap_or(rest.len())];
    let is_basic = text[hit.clone()].eq_ignore_ascii_case("basic ");
    let is_credential =
        if is_basic { is_login(word) } else { word.len() >= 12 && tokens::is_random(word) };
    is_credential.then_some((hit.end..whole(text, hit.end, hit.end + word.len()), "credentials"))
}

/// `host:port:database:user:password`
pub(super) fn pgpass(text: &str, hit: Range<usize>, copied: usize) -> Option<Hit> {
    let host = line_head(text, hit.start, copied).rsplit(ends_word).next()?;
    let rest = ahead(text, hit.end);
    let line = &rest[..rest.find(ends_word).unwrap_or(rest.len())];
    let mut fields = line.splitn(3, ':');
    let (database, user, password) = (fields.next()?, fields.next()?, fields.next()?);
    if host.is_empty()
        || host.contains(':')
        || database.is_empty()
        || user.is_empty()
        || is_placeholder(password)
    {
        return None;
    }
    let end = hit.end + line.len();
    Some((end - password.len()..end, "password"))
}

/// `mysql -pPASSWORD`, `sshpass -p PASSWORD`, `redis-cli -a PASSWORD`, `curl -u USER:PASSWORD`.
pub(super) fn client(text: &str, hit: Range<usize>) -> Option<Hit> {
    let program = text[hit.clone()].to_ascii_lowercase();
    let rest = ahead(text, hit.end);
    let line =
        &rest[..rest.char_indices().take(300).find(|(_, c)| "\n\r|;".contains(*c)).map_or_else(
            || rest.char_indices().nth(300).map_or(rest.len(), |(at, _)| at),
            |(at, _)| at,
        )];
    let option = match program.as_str() {
        "mysql" | "mariadb" => " -p",
        "sshpass" => " -p",
        "redis-cli" => " -a ",
        _ if line.contains("-u ") => "-u ",
        _ => "--user ",
    };
    let at = line.find(option)? + option.len();
    let after = &line[at..];
    let gap = if program == "sshpass" { after.len() - after.trim_start().len() } else { 0 };
    let mark = mark(&after[gap..]);
    let value = &after[gap + mark.len()..];
    let length = value
        .find(|c: char| if mark.is_empty() { ends_word(c) } else { mark.ends_with(c) })
        .unwrap_or(value.len());
    let start = hit.end + at + gap + mark.len();
    let value = &value[..length];
    let skip = if program == "curl " { value.find(':')? + 1 } else { 0 };
    (value.len() > skip + 1 && !is_placeholder(&value[skip..]))
        .then_some((start + skip..start + length, "password"))
}

/// Whether an argument is an option whose value is the next argument, and secret.
pub(super) fn is_option(argument: &str) -> bool {
    let name = argument.strip_prefix("--").unwrap_or_default();
    name.starts_with(char::is_alphabetic)
        && name.chars().all(is_name_character)
        && kind_of(name).is_some_and(|kind| kind != SecretKind::Login)
}
