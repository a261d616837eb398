//! Credentials that are recognised by their looks: whether or not the run has read where they come
//! from.
//!
//! One automaton finds the places that are worth a look; each has a reader that looks a bounded way
//! around it, so that the whole is linear. What is masked is the credential alone: user, host and
//! the words around it stay, because the reason of an error stands there.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Input, MatchKind};

use super::{CUT, pairs, tokens};

/// How far around a place is looked.
const FAR: usize = 1024;
/// The longest key: RSA of 16384 bits is 12 KiB of PEM.
const LONGEST_KEY: usize = 32 * 1024;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// `://`
    Url,
    /// A word in the name of something secret: `password`.
    Name,
    /// `authorization`, `cookie`.
    Header,
    /// `Bearer `, `Basic `.
    Scheme,
    /// `-----BEGIN `
    Pem,
    /// `eyJ`: JSON in base64.
    Jwt,
    /// The first characters of a provider's tokens, by their place in [`tokens::KINDS`].
    Token(usize),
    /// A port in a line of `.pgpass`.
    Pgpass,
    /// A client that takes a password as an option.
    Client,
    /// `…`: what follows may have lost its name or its scheme.
    Cut,
    /// SQL that sets a password: `IDENTIFIED BY '…'`.
    Sql,
}

/// A piece of text to replace, and what it is.
pub(super) type Hit = (Range<usize>, &'static str);

struct Signs {
    automaton: AhoCorasick,
    signs: Vec<Sign>,
}

static SIGNS: LazyLock<Option<Signs>> = LazyLock::new(|| {
    let mut words: Vec<(&str, Sign)> =
        vec![("://", Sign::Url), ("-----BEGIN ", Sign::Pem), ("eyJ", Sign::Jwt)];
    words.extend(pairs::WORDS.iter().map(|word| (*word, Sign::Name)));
    words.extend(["authorization", "cookie"].map(|word| (word, Sign::Header)));
    words.extend(["bearer ", "basic "].map(|word| (word, Sign::Scheme)));
    words.extend([":5432:", ":5433:", ":6432:", ":*:"].map(|word| (word, Sign::Pgpass)));
    words.extend(
        ["mysql", "mariadb", "sshpass", "redis-cli", "curl "].map(|word| (word, Sign::Client)),
    );
    words.push(("…", Sign::Cut));
    words.extend(["identified by ", " password '"].map(|word| (word, Sign::Sql)));
    words.extend(
        tokens::KINDS.iter().enumerate().map(|(index, kind)| (kind.prefix, Sign::Token(index))),
    );
    let (words, signs): (Vec<&str>, Vec<Sign>) = words.into_iter().unzip();
    let automaton = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(words)
        .ok()?;
    Some(Signs { automaton, signs })
});

/// The text with every credential replaced that is recognised.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    let Some(signs) = &*SIGNS else {
        return Cow::Borrowed("[text that could not be searched for credentials]");
    };
    let (mut masked, mut copied, mut from) = (String::new(), 0, 0);
    while let Some(hit) = signs.automaton.find(Input::new(text).range(from..)) {
        from = hit.end();
        let found = match signs.signs[hit.pattern().as_usize()] {
            Sign::Url => url(text, hit.range(), copied),
            Sign::Name => pairs::pair(text, hit.range()),
            Sign::Header => pairs::header(text, hit.range()),
            Sign::Scheme => pairs::scheme(text, hit.range()),
            Sign::Pem => pem(text, hit.range()),
            Sign::Jwt => tokens::jwt(text, hit.range()),
            Sign::Token(kind) => tokens::token(text, hit.range(), &tokens::KINDS[kind]),
            Sign::Pgpass => pairs::pgpass(text, hit.range(), copied),
            Sign::Client => pairs::client(text, hit.range()),
            Sign::Sql => sql(text, hit.range()),
            Sign::Cut => cut(text, hit.end()),
        };
        let Some((range, what)) =
            found.filter(|(range, _)| range.start >= copied && !range.is_empty())
        else {
            continue;
        };
        masked.push_str(&text[copied..range.start]);
        masked.push_str("[secret ");
        masked.push_str(what);
        masked.push(']');
        copied = range.end;
        from = from.max(range.end);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    Cow::Owned(masked)
}

/// The text from here on, as far as it is looked at.
pub(super) fn ahead(text: &str, from: usize) -> &str {
    let mut end = text.len().min(from + FAR);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[from..end]
}

/// Ends a run of text that has no space in it.
pub(super) fn ends_word(c: char) -> bool {
    c.is_whitespace() || "\"'`<>\\".contains(c)
}

/// The end of a password that was cut before a host, and a value whose name was cut:
/// `…ter2@db:3306`, `…word": "hunter2"`.
fn cut(text: &str, from: usize) -> Option<Hit> {
    let rest = ahead(text, from);
    let run = &rest[..rest.find(ends_word).unwrap_or(rest.len())];
    if let Some((password, place)) = run.split_once('@') {
        let place = place.split(['/', '?']).next().unwrap_or_default();
        let port = place.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let is_password = port && !password.is_empty() && !password.contains(['/', '[']);
        return is_password.then(|| (from..from + password.len(), "password"));
    }
    pairs::cut(text, from)
}

/// The password of `CREATE USER … IDENTIFIED BY 'password'` (MySQL, MariaDB, Oracle) and `ALTER
/// ROLE … PASSWORD 'password'` (PostgreSQL).
fn sql(text: &str, hit: Range<usize>) -> Option<Hit> {
    let from = hit.end - usize::from(text[..hit.end].ends_with('\''));
    let rest = ahead(text, from);
    // a statement that stands in another text has its quotes escaped
    let escapes = rest.len() - rest.trim_start_matches('\\').len();
    let quote = rest[escapes..].chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let value = rest[escapes + 1..]
        .split([quote, '\\'])
        .next()
        .filter(|value| !value.is_empty() && !is_placeholder(value))?;
    let start = from + escapes + 1;
    Some((start..start + value.len(), "password"))
}

/// The password in `scheme://user:password@host`, or a token that stands there alone.
fn url(text: &str, hit: Range<usize>, copied: usize) -> Option<Hit> {
    let scheme_start = text[copied..hit.start]
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
        .map_or(copied, |at| copied + at + 1);
    let scheme = text.get(scheme_start..hit.start)?;
    let whole = ahead(text, hit.end);
    let authority = &whole
        [..whole.find(|c| ends_word(c) || c == CUT || "/?#".contains(c)).unwrap_or(whole.len())];
    if authority.is_empty() {
        return None;
    }
    let is_cut = whole[authority.len()..].starts_with(CUT);
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    // in others a password may hold a slash or an @ that should have been encoded
    let searched = if web || !authority.contains(':') { authority } else { run_of(whole) };
    let userinfo = match searched.rfind('@') {
        Some(at) => &searched[..at],
        None if is_cut => authority,
        None => return None,
    };
    let at = hit.end;
    match userinfo.split_once(':') {
        Some((user, password)) if user.contains(['/', '?']) || is_placeholder(password) => None,
        // a port, of which the rest was cut
        Some((_, password))
            if !searched.contains('@') && password.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            None
        }
        Some((user, password)) => {
            Some((at + user.len() + 1..at + user.len() + 1 + password.len(), "password"))
        }
        None if userinfo.len() >= 20
            && !userinfo.contains('/')
            && searched.contains('@')
            && tokens::is_random(userinfo) =>
        {
            Some((at..at + userinfo.len(), "token"))
        }
        None => None,
    }
}

/// A URL without its query, from behind its scheme to the next one in a list.
fn run_of(text: &str) -> &str {
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        if ends_word(c) || c == CUT || (c == '?' && text[..at].contains('@')) {
            end = at;
            break;
        }
        if c == ':' && text[at..].starts_with("://") {
            end = text[..at].rfind([',', ';', '|', '&']).unwrap_or(at);
            break;
        }
    }
    &text[..end]
}

/// What stands where a secret was taken out or is still to be put in.
pub(super) fn is_placeholder(value: &str) -> bool {
    let starts = [
        "[secret",
        "[redacted",
        "<redacted",
        "(redacted",
        "redacted",
        "<set to ",
        "${",
        "$(",
        "{{",
        "<nil>",
        "<none>",
        "<unset>",
        "<unknown>",
    ];
    let lower = value.get(..value.len().min(12)).unwrap_or(value).to_ascii_lowercase();
    let is_variable = value.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    });
    let all = |c: char| !value.is_empty() && value.chars().all(|other| other == c);
    starts.iter().any(|start| lower.starts_with(start))
        || is_variable
        || value.is_empty()
        || all('*')
        || all('x')
        || all('X')
        || all('.')
        || value == "%s"
}

/// The body of a private key: to its END line, or as far as it goes.
fn pem(text: &str, hit: Range<usize>) -> Option<Hit> {
    let head = ahead(text, hit.end);
    let kind = &head[..head.find("-----")?];
    if !kind.ends_with("PRIVATE KEY") && kind != "PGP PRIVATE KEY BLOCK" {
        return None;
    }
    let start = hit.end + kind.len() + 5;
    let mut limit = text.len().min(start + LONGEST_KEY);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let body = &text[start..limit];
    let end = match body.find("-----") {
        Some(end) if body[end..].starts_with("-----END") => end,
        // lines as a list, of which the rest was cut
        _ => body.find(CUT).unwrap_or_else(|| key_length(body)),
    };
    // the line end before END stays
    let kept = body[..end].trim_end().len();
    Some((start..start + kept, "key"))
}

/// How far a text goes on like the body of a key, whose line ends may be escaped.
fn key_length(body: &str) -> usize {
    let ends =
        |c: char| !(c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=\\:,-".contains(c));
    let mut end = body.find(ends).unwrap_or(body.len());
    // words after it are no key
    for (at, line) in body[..end]
        .match_indices('\n')
        .map(|(at, _)| (at + 1, body[at + 1..].lines().next().unwrap_or_default()))
    {
        if line.trim().contains(' ') && !line.contains(": ") {
            end = end.min(at);
        }
    }
    end
}

/// Whether a line begins a private key that goes on in the next line.
pub(super) fn begins_key(line: &str) -> bool {
    line.contains("-----BEGIN ") && line.contains("PRIVATE KEY") && !line.contains("-----END ")
}

/// Whether a line ends a key.
pub(super) fn ends_key(line: &str) -> bool {
    line.contains("-----END ")
}

/// Whether a line can belong to the body of a key: one word, behind a time perhaps.
pub(super) fn in_key(line: &str) -> bool {
    let last = line.split_whitespace().next_back().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=,:-".contains(&byte))
}
