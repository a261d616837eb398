//! What the matches of a regular expression would take, before they are made.

use jaq_json::Val;
use regex::bytes::RegexBuilder;

use super::budget::Meter;
use super::library::MOST_MADE;

/// A pattern may not be compiled into more than this, in bytes.
const MOST_PROGRAM: usize = 1 << 20;

/// The bytes of all matches, where one match or group takes `each`; more than any limit when the
/// time is over or the pattern is too large. A pattern or text that is none is left to the engine,
/// which says so.
pub(super) fn matched(text: &Val, pattern: &Val, flags: &Val, each: usize, meter: &Meter) -> usize {
    let (Val::TStr(text), Val::TStr(pattern), Val::TStr(flags)) = (text, pattern, flags) else {
        return 0;
    };
    let Ok(pattern) = std::str::from_utf8(pattern) else { return 0 };
    let has = |flag: u8| flags.contains(&flag);
    let mut builder = RegexBuilder::new(pattern);
    builder
        .case_insensitive(has(b'i'))
        .multi_line(has(b'm') || has(b'p'))
        .dot_matches_new_line(has(b's') || has(b'p'));
    builder.swap_greed(has(b'l')).ignore_whitespace(has(b'x')).size_limit(MOST_PROGRAM);
    let regex = match builder.build() {
        Ok(regex) => regex,
        Err(regex::Error::CompiledTooBig(_)) => return usize::MAX,
        Err(_) => return 0,
    };
    let each = regex.captures_len() * each;
    if !has(b'g') {
        return each;
    }
    let mut bytes = 0;
    for _ in regex.find_iter(text) {
        bytes += each;
        if bytes > MOST_MADE || !meter.pulse(&Val::Null) {
            return usize::MAX;
        }
    }
    bytes
}
