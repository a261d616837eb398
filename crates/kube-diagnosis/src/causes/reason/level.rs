//! How grave a line of a log calls itself: its first level is its level, and what its message says
//! may be anything.

use serde_json::Value;

/// In how many words from the start of a line its level stands.
const WORDS: usize = 8;
/// What stands around a level: `[error]`, `<warn>`, `|INFO|`, `ERROR/MainProcess`.
const AROUND: &[char] = &['[', ']', '|', '(', ')', '<', '>', '/'];

/// Levels at which a program says its last words.
const FATAL: &[&str] = &["FATAL", "FTL", "PANIC", "PNC", "EMERG", "EMERGENCY"];
/// Levels of what may end a program.
const ERRORS: &[&str] = &["ERROR", "ERR", "EROR", "CRITICAL", "CRIT", "SEVERE", "ALERT"];
/// Those of them that are also nouns of a message: `loaded 12 ALERT rules`.
const NOUNS: &[&str] = &["ALERT", "PANIC", "EMERGENCY"];
/// Levels of what may go wrong.
const WARNINGS: &[&str] = &["WARN", "WARNING", "WRN"];
/// Levels of what is no reason.
const LOW: &[&str] = &[
    "INFO",
    "INFORMATION",
    "INF",
    "DEBUG",
    "DBG",
    "DBUG",
    "TRACE",
    "TRCE",
    "NOTICE",
    "VERBOSE",
    "FINE",
];
/// What PostgreSQL has in front of what it goes on to say of an error, and of what is none
/// (src/backend/utils/error/elog.c, `send_message_to_server_log`).
const ADDED: &[&str] =
    &["LOG:", "DETAIL:", "HINT:", "STATEMENT:", "CONTEXT:", "QUERY:", "LOCATION:"];
/// Levels of MySQL and MariaDB that are a word only in brackets.
const MARKED: &[&str] = &["SYSTEM", "NOTE"];

/// From the lowest on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    Low,
    Warning,
    Error,
    Fatal,
}

/// The level of a line that is no object of JSON: `level=error`, `[error]`, `ERROR`, `error: …`, and
/// `E0102` as klog writes it. More than one word of prose in front of it makes it a word of the
/// message.
pub(super) fn level(line: &str) -> Option<Level> {
    if let Some(klog) = line.split(' ').next().and_then(of_klog) {
        return Some(klog);
    }
    let mut prose = 0;
    for (at, word) in line.split_whitespace().take(WORDS).enumerate() {
        if let Some(level) = of_word(word, at, prose) {
            return Some(level);
        }
        prose += usize::from(word.bytes().all(|one| one.is_ascii_lowercase()));
        if prose > 1 {
            return None;
        }
    }
    None
}

/// The object of JSON that a line is.
pub(super) fn object(line: &str) -> Option<Value> {
    serde_json::from_str::<Value>(line).ok().filter(Value::is_object)
}

/// The level of this name.
pub(super) fn named(word: &str) -> Option<Level> {
    let upper = word.to_ascii_uppercase();
    let is = |names: &[&str]| names.contains(&upper.as_str());
    let levels = [
        (FATAL, Level::Fatal),
        (ERRORS, Level::Error),
        (WARNINGS, Level::Warning),
        (LOW, Level::Low),
    ];
    levels.into_iter().find(|(names, _)| is(names)).map(|(_, level)| level)
}

/// The level that a word is with so many words before it, and so many of prose among them.
fn of_word(word: &str, at: usize, prose: usize) -> Option<Level> {
    let bare = |part: &str| part.trim_matches(|one: char| !one.is_alphanumeric()).to_owned();
    if let Some((name, value)) = word.split_once('=') {
        return Some(bare(value)).filter(|_| is_field(name)).and_then(|value| named(&value));
    }
    // `sys:1: ResourceWarning: …`, `(node:1) DeprecationWarning: …`
    if word.ends_with("Warning:") && !word.starts_with("Unhandled") {
        return Some(Level::Warning);
    }
    if ADDED.contains(&word) {
        return Some(Level::Low);
    }
    // the console of .NET: `fail: Microsoft.Hosting.Internal[0]`
    if at == 0 && word == "fail:" {
        return Some(Level::Error);
    }
    let is_marked = word.contains(['[', ']', '|', '<']);
    let is_first = |level: Level| at == 0 && (word.ends_with(':') || level < Level::Error);
    word.split(AROUND).find_map(|part| {
        let name = bare(part.split(':').next().unwrap_or_default());
        let upper = name.to_ascii_uppercase();
        if is_marked && MARKED.contains(&upper.as_str()) {
            return Some(Level::Low);
        }
        let stands = |level: &Level| is_marked || name == upper || is_first(*level);
        let is_noun = prose > 0 && NOUNS.contains(&upper.as_str());
        named(&name).filter(stands).filter(|_| !is_noun)
    })
}

fn is_field(name: &str) -> bool {
    matches!(name, "level" | "lvl" | "severity" | "log.level")
}

/// `E0102`: a level and a date (k8s.io/klog/v2, `formatHeader`).
fn of_klog(word: &str) -> Option<Level> {
    let (level, date) = word.split_at_checked(1)?;
    let is_date = date.len() == 4 && date.bytes().all(|byte| byte.is_ascii_digit());
    match level {
        _ if !is_date => None,
        "I" => Some(Level::Low),
        "W" => Some(Level::Warning),
        "E" => Some(Level::Error),
        "F" => Some(Level::Fatal),
        _ => None,
    }
}

/// The level of an object; of numbers those of bunyan and pino, of letters those of MongoDB.
pub(super) fn of_object(object: &Value) -> Option<Level> {
    let keys = [
        "level",
        "severity",
        "lvl",
        "levelname",
        "log.level",
        "@level",
        "@l",
        "Level",
        "LogLevel",
        "severity_text",
        "SeverityText",
        "error_severity",
        "s",
    ];
    let level = keys.iter().map(|key| &object[*key]).find(|level| !level.is_null())?;
    match (level.as_str(), level.as_i64()) {
        (Some("F"), _) => Some(Level::Fatal),
        (Some("E"), _) => Some(Level::Error),
        (Some("W"), _) => Some(Level::Warning),
        (Some("I" | "LOG"), _) => Some(Level::Low),
        (Some(word), _) => named(word),
        (None, Some(60..)) => Some(Level::Fatal),
        (None, Some(50..)) => Some(Level::Error),
        (None, Some(40..)) => Some(Level::Warning),
        (None, Some(..40)) => Some(Level::Low),
        (None, None) => None,
    }
}
