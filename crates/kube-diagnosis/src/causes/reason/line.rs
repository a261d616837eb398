//! A line of a log, and what it is by its own words.

use super::end::{FAREWELL, is_end};
use super::frame::{is_frame, is_goroutine, is_property, is_source};
use super::level::{Level, level, object, of_object};
use super::served::{access, is_of_peer};
use super::waived::{gives_up, goes_on, is_tried_again};
use super::words::{ADVICE, FINE, TELLING};
use serde_json::Value;

/// Fields of an object of JSON that hold what it says.
const SAID: &[&str] = &["msg", "message", "Message", "@message", "@m", "event"];
/// Those that are there because something is wrong.
const WRONG: &[&str] = &["error", "err", "exception", "Exception"];
const NPM: &[&str] = &["npm ERR!", "npm error", "npm notice", "npm warn"];
/// What is drawn around the errors of terraform, and of a group of exceptions of Python.
const BOX: &[char] = &['│', '╷', '╵', '┃', '|', '+'];

/// A line of a log, and the same without the colors of a terminal.
pub(super) struct Line<'a> {
    pub(super) raw: &'a str,
    /// How far it is indented.
    pub(super) indent: usize,
    pub(super) level: Option<Level>,
    /// It stands in a box.
    pub(super) boxed: bool,
    pub(super) plain: String,
    /// The status of the request that it says was served.
    pub(super) access: Option<u16>,
    /// What it says, in lower case: of an object of JSON the message.
    said: String,
}

impl<'a> Line<'a> {
    pub(super) fn new(raw: &'a str) -> Self {
        let colorless = without_colors(raw);
        let (inner, boxed) = unboxed(&colorless);
        let plain = inner.trim().to_owned();
        let indent = inner.len() - inner.trim_start().len();
        let object = object(&plain);
        let said = said(&plain, object.as_ref()).to_lowercase();
        let level = object.as_ref().map_or_else(|| level(&plain), of_object);
        let access = access(&plain, object.as_ref(), level);
        let raw = if boxed { unboxed(raw).0 } else { raw };
        Self { raw: raw.trim(), indent, level, boxed, plain, access, said }
    }

    fn begins(&self, with: &[&str]) -> bool {
        with.iter().any(|begin| self.plain.starts_with(begin))
    }

    /// A frame of a trace, and what stands between frames.
    pub(super) fn is_frame(&self) -> bool {
        is_frame(&self.plain, self.indent > 0)
    }

    /// The first line of what was thrown.
    pub(super) fn is_thrown(&self) -> bool {
        let begin = self.plain.split([' ', '(']).next().unwrap_or_default();
        let kinds = ["Error", "Exception", "Throwable", "Failure"];
        let is_kind = |name: &str| kinds.iter().any(|kind| name.ends_with(kind));
        let named = begin.strip_suffix(':').map_or(begin == self.plain && is_kind(begin), is_kind);
        // `/app/boot.rb:3:in 'fetch': key not found (KeyError)`, `no tickets at /app/x.pl line 3.`
        let ruby = self.plain.ends_with(')')
            && [":in `", ":in '"].iter().any(|inside| self.plain.contains(inside));
        let perl = self.plain.strip_suffix('.').and_then(|rest| rest.rsplit_once(" line "));
        let is_perl = perl.is_some_and(|(rest, number)| {
            rest.contains(" at ") && number.bytes().all(|one| one.is_ascii_digit())
        });
        let thrown = ["Caused by: ", "Exception in thread ", "Uncaught ", "Unhandled ", "---> "];
        named
            || ruby
            || is_perl
            || self.is_exit()
            || self.begins(&thrown)
            || self.begins(&["what():", "[cause]: "])
    }

    /// What ended a process of Elixir: `** (RuntimeError) …`, `** (EXIT) …`.
    pub(super) fn is_exit(&self) -> bool {
        self.begins(&["** ("])
    }

    /// The panic of Go and of Rust, and the end of a program of Swift, OCaml and PHP.
    pub(super) fn is_panic(&self) -> bool {
        self.begins(&["panic: ", "fatal error: "])
            || self.plain.contains("' panicked at ")
            || self.plain.contains(") panicked at ")
            || self.plain.contains("Fatal error: ")
    }

    /// A program goes no further than this: a level that says so, a panic of Go, and one of Rust in
    /// its main thread.
    pub(super) fn is_last_word(&self) -> bool {
        let ends = self.begins(&["panic: ", "fatal error: ", "thread 'main'"]);
        self.level == Some(Level::Fatal) || ends && self.is_panic()
    }

    pub(super) fn is_goroutine(&self) -> bool {
        is_goroutine(&self.plain, self.indent > 0)
    }

    /// The begin of a trace of Python. What is thrown stands below it.
    pub(super) fn is_traceback(&self) -> bool {
        self.plain.ends_with("Traceback (most recent call last):")
    }

    /// `npm ERR! Missing script: "start"`: of a program that npm starts it repeats only the code.
    pub(super) fn npm(&self) -> Option<Line<'_>> {
        let prefix = NPM.iter().find(|prefix| self.plain.starts_with(*prefix))?;
        Some(Line::new(self.plain[prefix.len()..].trim()))
    }

    /// A line that says nothing for itself.
    pub(super) fn is_noise(&self) -> bool {
        let bare = self.plain.trim_start_matches('(').to_lowercase();
        self.is_frame()
            || self.is_goroutine()
            || self.is_traceback()
            || self.access.is_some()
            || self.begins(NPM)
            || self.begins(&["Node.js v", "File \"", "+ ", "++ ", "$ "])
            || is_source(&self.plain, self.boxed)
            || self.indent > 0 && is_property(&self.plain)
            || ADVICE.iter().any(|begin| bare.starts_with(begin))
            || self.plain.chars().all(|one| !one.is_alphanumeric())
    }

    /// `Usage: nc [OPTIONS]`, `usage: app [-h]`, `Usage of ./app:`.
    pub(super) fn is_usage(&self) -> bool {
        let lower = self.plain.to_lowercase();
        lower.starts_with("usage:") || lower.starts_with("usage of ")
    }

    /// It says itself what is wrong, and that this is more than a warning.
    pub(super) fn tells(&self) -> bool {
        self.level >= Some(Level::Error) || self.level.is_none() && self.speaks()
    }

    /// It has words of what is wrong.
    fn speaks(&self) -> bool {
        has(&self.said, TELLING) && !is_fine(&self.said)
    }

    /// It says that nothing is wrong: what was counted at the end.
    pub(super) fn is_fine(&self) -> bool {
        is_fine(&self.said)
    }

    /// It is about somebody who came to the program, and not about the program.
    pub(super) fn is_of_peer(&self) -> bool {
        is_of_peer(&self.plain)
    }

    /// It says what is wrong, whatever its level.
    pub(super) fn mentions(&self) -> bool {
        !self.is_noise() && self.speaks()
    }

    /// The program goes on after what it says, by its own words.
    pub(super) fn is_waived(&self) -> bool {
        let is_of_other = self.is_of_peer() && !gives_up(&self.said);
        !self.is_panic() && (goes_on(&self.said) || is_of_other)
    }

    /// The program tries again what has failed, by its own words.
    pub(super) fn is_tried_again(&self) -> bool {
        !self.is_panic() && is_tried_again(&self.said)
    }

    /// It may be why the program has ended: the program neither goes on after it nor says only that
    /// it ends.
    pub(super) fn is_reason(&self) -> bool {
        !self.is_waived() && !self.is_end()
    }

    /// It says only that the program ends, and not that this is wrong.
    pub(super) fn is_farewell(&self) -> bool {
        has(&self.said, FAREWELL) && self.is_end() && !self.tells()
    }

    /// It says only that the program ends, or with which code another one has.
    pub(super) fn is_end(&self) -> bool {
        // `make: *** [Makefile:3: migrate] Error 2`; without the target it has a reason of its own
        let is_make = self.begins(&["make", "gmake"]) && self.plain.contains("*** [");
        // what has ended the virtual machine of Erlang, as a term of it
        is_make || self.begins(&["Kernel pid terminated"]) || is_end(&self.said)
    }
}

pub(super) fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// It says that nothing is wrong: `0 errors`, and not `10 errors`.
fn is_fine(lower: &str) -> bool {
    FINE.iter().any(|word| {
        lower
            .match_indices(word)
            .any(|(at, _)| !lower[..at].ends_with(|one: char| one.is_ascii_digit()))
    })
}

/// What an object of JSON says; of another line all of it.
fn said(line: &str, object: Option<&Value>) -> String {
    let Some(object) = object else { return line.to_owned() };
    let wrong = WRONG.iter().filter_map(|key| {
        let text = object[*key].as_str().or_else(|| object[*key]["message"].as_str());
        text.filter(|text| !text.is_empty()).map(|text| format!("failure: {text}"))
    });
    let texts = SAID.iter().filter_map(|key| object[*key].as_str().map(str::to_owned));
    let texts: Vec<String> = texts.chain(wrong).collect();
    if texts.is_empty() { line.to_owned() } else { texts.join(" ") }
}

/// What stands within a box, with its own indentation, and whether there is one.
fn unboxed(line: &str) -> (&str, bool) {
    let bare = line.trim_start();
    match bare.strip_prefix(BOX) {
        Some(inner) if inner.is_empty() || inner.starts_with(' ') && !bare.starts_with("+ ") => {
            (inner.strip_prefix(' ').unwrap_or(inner), true)
        }
        _ => (line, false),
    }
}

/// Without the sequences that color a terminal: `ESC [ … m`.
fn without_colors(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|one: char| one.is_ascii_digit() || one == ';');
        plain.push_str(rest.get(1..).unwrap_or_default());
    }
    plain
}
